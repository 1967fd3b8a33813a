//! Solution of lesson 8: specifications that are wrong, and one under which clients get a label alone. It needs what the
//! lesson left in target/lesson-8.
//!
//! `cargo run --release --example 08_solution`

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use cipherformer_circuit::{Circuit, OutputLayout, Plain};
use cipherformer_model::{Import, ImportReport, ModelError, import_circuit};

const TEXT: &str = "please send me my money back";

fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("../target/lesson-8");
    let spec = fs::read_to_string(folder.join("spec.toml"))
        .context("run lesson 8 first: cargo run --release --example 08_your_layer")?;

    for (what, from, to) in [
        (
            "no such tensor",
            "weight = \"dense\"",
            "weight = \"output\"",
        ),
        (
            "another's tensor",
            "weight = \"dense\"",
            "weight = \"embedding\"",
        ),
        ("no such function", "\"tanh\"", "\"softmax\""),
    ] {
        match import(here, "wrong", &spec.replace(from, to)) {
            Ok(_) => bail!("{what} went through"),
            Err(error) => println!("{what}: {error}\n"),
        }
    }

    let top = format!("output = \"top-1\"\n{spec}");
    for (name, spec) in [("messages", &spec), ("desk-alone", &top)] {
        let report = import(here, name, spec)?;
        let circuit = Circuit::load(&report.out)?;
        let bag = circuit.vocabulary().bag(TEXT);
        let answer = &Plain::simulate(0).outputs(&circuit, &[bag])?[0];
        println!(
            "{name}: {} LUTs, clients get {answer:.2?}",
            report.estimate.luts
        );
        ensure!(OutputLayout::argmax(answer) == 0, "it is about billing");
    }
    Ok(())
}

fn import(here: &Path, name: &str, spec: &str) -> Result<ImportReport, ModelError> {
    let folder = here.join("../target/lesson-8");
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, spec).expect("the lesson wrote there too");
    import_circuit(&Import {
        safetensors: &folder.join("model.safetensors"),
        spec: &path,
        calibrate: &here.join("data/messages.csv"),
        evaluate: Some(&here.join("data/messages-unseen.csv")),
        out: &folder.join("circuits").join(name),
        seed: 0,
        replace: true,
    })
}
