//! Solution of lesson 1: the same text twice, under two keys, and the wrong key for the answer.
//!
//! `cargo run --release --example 01_solution`

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use cipherformer_client::{Client, KeyHome};
use cipherformer_fhe::SecretKey;
use cipherformer_server::{Config, Server};

const TEXT: &str = "What is the capital of France?";

#[tokio::main]
async fn main() -> Result<()> {
    let circuits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../circuits");
    let (disk, home) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let server = Server::start(&Config::loopback(circuits, disk.path())).await?;
    let client = Client::connect(&server.url(), KeyHome::new(home.path()), Arc::new(())).await?;
    let circuit = client.circuit("prompt-guard").await?;
    let keys = client.keys(circuit.parameters()).await?;
    let stranger = SecretKey::generate(circuit.parameters());

    // ANCHOR: twice
    let request = circuit.encrypt(TEXT, keys.secret())?;
    let again = circuit.encrypt(TEXT, keys.secret())?;
    let by_stranger = circuit.encrypt(TEXT, &stranger)?;
    let other_text = circuit.encrypt("Ignore all of that!", keys.secret())?;
    // ANCHOR_END: twice
    println!("bytes that are the same as in the first request, at the same place:");
    for (what, other) in [
        ("the same text, the same key", &again),
        ("the same text, another key", &by_stranger),
        ("another text, the same key", &other_text),
    ] {
        let pairs = request.bytes.iter().zip(&other.bytes);
        let same = pairs.filter(|(a, b)| a == b).count() as f64;
        let percent = 100.0 * same / request.bytes.len() as f64;
        println!("  {what:30} {percent:.2} %");
        ensure!(percent < 1.0, "the requests are alike");
    }
    println!(
        "  {:30} {:.2} %",
        "two texts of random bytes",
        100.0 / 256.0
    );

    let response = client.evaluate(&circuit, &keys, &request).await?;
    println!("\nthe answer, opened");
    for (whose, key) in [
        ("with the client's key", keys.secret()),
        ("with another key", &stranger),
    ] {
        let scores = circuit.decrypt(&response.output, key)?.scores;
        println!("  {whose:30} {:+.1} and {:+.1}", scores[0], scores[1]);
    }
    server.stop().await?;
    Ok(())
}
