//! Lesson 8: your own layers. Trained here, imported from a safetensors file, served, and called.
//!
//! `cargo run --release --example 08_your_layer`, or with `-- FILE.csv TEXT...`, lines of `text,label` and texts to ask

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::{Vocabulary, extract};
use cipherformer_client::{Client, KeyHome};
use cipherformer_examples::net::Net;
use cipherformer_model::{Import, import_circuit};
use cipherformer_server::{Config, Server};

const TEXTS: [&str; 3] = [
    "please send me my money back",
    "the box came to the wrong address",
    "the app shows an error on my new phone",
];

#[tokio::main]
async fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = env::args().skip(1);
    let given = arguments.next().map(PathBuf::from);
    let mut texts: Vec<String> = arguments.collect();
    if given.is_none() {
        texts.extend(TEXTS.map(str::to_owned));
    }
    let data = given.clone().unwrap_or(here.join("data/messages.csv"));
    let unseen = here.join("data/messages-unseen.csv");
    let folder = here.join("../target/lesson-8");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let folder = folder.strip_prefix(env::current_dir()?).unwrap_or(&folder); // shorter to read

    // ANCHOR: train
    let lines = fs::read_to_string(&data).with_context(|| format!("no file {data:?}"))?;
    let rows = lines.lines().skip(1);
    let rows: Vec<(&str, &str)> = rows.filter_map(|line| line.rsplit_once(',')).collect();
    let labels: BTreeSet<&str> = rows.iter().map(|row| row.1).collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    let features = rows.iter().flat_map(|row| extract(row.0).features);
    let words: BTreeSet<String> = features.filter(|name| name.starts_with("w:")).collect();
    let vocabulary = Vocabulary::new(words.into_iter().collect(), 32, 4)?;

    let mut net = Net::new(vocabulary.len(), labels.len());
    for _ in 0..100 {
        for (text, label) in &rows {
            let label = labels.binary_search(label).expect("it is among them");
            net.learn(&vocabulary.bag(text), label);
        }
    }
    let weights = folder.join("model.safetensors");
    net.save(&weights)?;
    fs::write(folder.join("vocabulary.txt"), vocabulary.to_text())?;
    // ANCHOR_END: train

    // ANCHOR: import
    let spec = folder.join("spec.toml");
    let text = include_str!("08_your_layer.toml").replace("LABELS", &format!("{labels:?}"));
    fs::write(&spec, text)?;
    let report = import_circuit(&Import {
        safetensors: &weights,
        spec: &spec,
        calibrate: &data,
        evaluate: given.is_none().then_some(&unseen),
        out: &folder.join("circuits/messages"),
        seed: 0,
        replace: true,
    })?;
    print!("{}", report.table());
    // ANCHOR_END: import

    // ANCHOR: call
    let stored = tempfile::tempdir()?;
    let server = Server::start(&Config::loopback(folder.join("circuits"), stored.path())).await?;
    let home = KeyHome::new(stored.path().join("client"));
    let client = Client::connect(&server.url(), home, Arc::new(())).await?;
    for (i, text) in texts.iter().enumerate() {
        let answer = client.classify("messages", text).await?;
        println!("{text:?} is for {}, by {} LUTs", answer.label, answer.luts);
        ensure!(given.is_some() || answer.label == labels[i], "a wrong desk");
    }
    // ANCHOR_END: call
    server.stop().await?;
    Ok(())
}
