//! Names made up letter by letter by a server that sees none of them: a real server on a loopback port,
//! and a client.
//!
//! `cargo run --release --example generate_names -- PREFIX`, or without a prefix, for whole names.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cipherformer_client::{Client, KeyHome, Keys, PublicCircuit, Sampling};
use cipherformer_server::{Config, Server};
use rand::SeedableRng;
use rand::rngs::StdRng;

const CIRCUIT: &str = "names-gpt";
const NAMES: u64 = 3;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let prefix = std::env::args().nth(1).unwrap_or_default();

    // The server owns the model. It gets a port, a folder for its clients' evaluation keys, and from
    // here on nothing but what comes over TCP.
    let server_folder = tempfile::tempdir()?;
    let circuits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../circuits");
    let server = Server::start(&Config::loopback(circuits, server_folder.path())).await?;
    let url = server.url();
    println!("server       {url} offers {CIRCUIT}; its weights stay there");

    // The client makes two keys: the secret key stays, the evaluation key lets the server compute
    // without opening anything.
    let home = tempfile::tempdir()?;
    let client = Client::connect(&url, KeyHome::new(home.path()), Arc::new(())).await?;
    let circuit = client.circuit(CIRCUIT).await?;
    circuit.prompt(&prefix)?; // before keys are made for nothing
    let start = Instant::now();
    let keys = client.keys(circuit.parameters()).await?;
    let seconds = start.elapsed().as_secs_f64();
    println!("keys         made and registered in {seconds:.1} s, once per user and server");
    println!("steps        the first reads the whole prefix; each brings a letter, or the end\n");

    for seed in 0..NAMES {
        generate(&client, &circuit, &keys, &prefix, seed).await?;
    }
    println!(
        "
client knew  the names, and the probability of every next letter
server saw   {NAMES} sessions, how many letters each had, and when they came:
             no letter, no probability, and nothing that opens them"
    );
    server.stop().await?;
    Ok(())
}

/// One name, step by step; `Client::generate` does the same in one call.
async fn generate(
    client: &Client,
    circuit: &Arc<PublicCircuit>,
    keys: &Arc<Keys>,
    prefix: &str,
    seed: u64,
) -> anyhow::Result<()> {
    let sampling = Sampling::new(0.8, None)?;
    let mut random = StdRng::seed_from_u64(seed);
    // What the server has seen of this name stays there, encrypted: every letter goes there once.
    let mut session = client.open_session(circuit, keys).await?;
    let mut tokens = circuit.prompt(prefix)?;
    let mut seconds = Vec::new();
    print!("name         {prefix}");
    loop {
        std::io::stdout().flush()?;
        let start = Instant::now();
        let step = session.append(&tokens).await?;
        seconds.push(start.elapsed().as_secs_f64());
        // The server sent an encrypted number for each letter there is; which one comes is drawn here.
        let next = sampling.sample(&step.logits, &mut random);
        let Some(letter) = circuit.letter(next) else {
            break;
        };
        print!("{letter}");
        if session.remaining() == 0 {
            break;
        }
        tokens = vec![next];
    }
    println!("  (steps took {seconds:.1?} s)");
    session.close().await?;
    Ok(())
}
