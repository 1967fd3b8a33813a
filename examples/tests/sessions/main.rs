//! Client and server together, on a tiny transformer under toy parameters: the texts that come out are
//! those that the reference evaluator would have drawn.

#[path = "../../../crates/server/tests/server/names.rs"]
mod names;

#[path = "../draws/mod.rs"]
mod draws;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use cipherformer_circuit::{Circuit, OutputLayout};
use cipherformer_client::{Client, END, Generation, KeyHome, Sampling};
use cipherformer_server::{Config, Running, Server};
use draws::{DEVIATIONS, Logits};
use names::CONTEXT;
use tempfile::TempDir;

/// Steps that this circuit's logits are shown in.
const STEP: f64 = 0.2;

struct World {
    circuit: Circuit,
    folder: TempDir,
    server: Running,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let circuit = names::circuit("names");
        let circuits = folder.path().join("circuits");
        circuit.save(&circuits.join("names")).expect("saved");
        let server = start(&folder, SocketAddr::from(([127, 0, 0, 1], 0))).await;
        Self {
            circuit,
            folder,
            server,
        }
    }

    async fn client(&self) -> Client {
        let home = KeyHome::new(self.folder.path().join("home")).allow_insecure();
        let client = Client::connect(&self.server.url(), home, Arc::new(())).await;
        client.expect("it is there")
    }
}

async fn start(folder: &TempDir, listen: SocketAddr) -> Running {
    let (circuits, data) = (folder.path().join("circuits"), folder.path().join("data"));
    let mut config = Config::loopback(circuits, data);
    config.allow_insecure = true;
    config.listen = listen;
    Server::start(&config).await.expect("it starts")
}

async fn generate(client: &Client, prefix: &str, sampling: &Sampling, seed: u64) -> Generation {
    let generated = client.generate("names", prefix, sampling, seed, |_| (), pending());
    generated.await.expect("evaluated")
}

/// The tokens that the server evaluated, and those that were drawn after them.
fn tokens(generated: &Generation, prefix: &str) -> (Vec<usize>, Vec<usize>) {
    let letter = |letter: char| letter as usize - 'a' as usize + 1;
    let mut tokens = vec![END];
    tokens.extend(generated.text.chars().map(letter));
    let drawn = [&tokens[prefix.len() + 1..], &[END]].concat();
    tokens.truncate(generated.tokens);
    (tokens, drawn)
}

#[tokio::test]
async fn generated_texts_are_those_of_the_reference() {
    let world = World::start().await;
    let client = world.client().await;
    let sampling = Sampling::new(1.0, None).expect("valid");
    for (prefix, seed) in [("", 1), ("", 2), ("", 3), ("d", 4), ("bca", 5)] {
        let generated = generate(&client, prefix, &sampling, seed).await;
        assert!(generated.text.starts_with(prefix));
        assert!(generated.tokens <= CONTEXT && generated.tokens > prefix.len());
        assert!(generated.seconds_per_token > 0.0);
        let (tokens, drawn) = tokens(&generated, prefix);
        let logits = Logits::after(&world.circuit, &tokens, STEP);
        logits.check_draws(prefix.len(), &drawn, &sampling, generated.seed);
    }
    world.server.stop().await.expect("stops");
}

#[tokio::test]
async fn without_temperature_the_most_probable_letters_come() {
    let world = World::start().await;
    let client = world.client().await;
    let sampling = Sampling::new(0.0, None).expect("valid");
    for prefix in ["", "a", "cd"] {
        let generated = generate(&client, prefix, &sampling, 1).await;
        let (tokens, drawn) = tokens(&generated, prefix);
        let logits = Logits::after(&world.circuit, &tokens, STEP);
        for (position, token) in (prefix.len()..tokens.len()).zip(drawn) {
            let exact = &logits.exact[position];
            let best = OutputLayout::argmax(exact);
            // Noise decides between letters that are as good as equally probable.
            let behind = |logits: &[f64]| logits[best] - logits[token];
            let noise = logits.deviation(position, behind);
            assert!(
                behind(exact) <= DEVIATIONS * noise,
                "{generated:?}: {exact:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_outlives_the_server_for_its_client() {
    let mut world = World::start().await;
    let address = world.server.address();
    let client = world.client().await;
    let circuit = client.circuit("names").await.expect("there");
    let keys = client.keys(circuit.parameters()).await.expect("made");
    let mut session = client.open_session(&circuit, &keys).await.expect("open");
    session.append(&[END, 2]).await.expect("evaluated");
    world.server.stop().await.expect("stops");
    world.server = start(&world.folder, address).await;
    let step = session.append(&[4]).await.expect("all sent again");
    let logits = Logits::after(&world.circuit, &[END, 2, 4], STEP);
    for (label, (got, exact)) in step.logits.iter().zip(&logits.exact[2]).enumerate() {
        let noise = logits.deviation(2, |logits| logits[label]);
        assert!(
            (got - exact).abs() < DEVIATIONS * noise,
            "{got}, not {exact}"
        );
    }
}
