//! Solution of lesson 8: specifications that are wrong, and one under which clients get a label alone. It needs what the
//! lesson left in target/lesson-8.
//!
//! `cargo run --release --example 08_solution`

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use cipherformer_circuit::{Circuit, OutputLayout, Plain};
use cipherformer_model::{Import, ImportReport, ModelError, import_circuit};

const TEXT: &str = "please send me my money back";

fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let first = "run lesson 8 first: cargo run --release --example 08_your_layer";
    let folder = here
        .join("../target/lesson-8")
        .canonicalize()
        .context(first)?;
    let folder = folder.strip_prefix(env::current_dir()?).unwrap_or(&folder); // shorter to read
    let spec = fs::read_to_string(folder.join("spec.toml")).context(first)?;

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
        match import(folder, "wrong", &spec.replace(from, to)) {
            Ok(_) => bail!("{what} went through"),
            Err(error) => println!("{what}: {error}\n"),
        }
    }

    let top = format!("output = \"top-1\"\n{spec}");
    for (name, spec) in [("messages", &spec), ("desk-alone", &top)] {
        let report = import(folder, name, spec)?;
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

fn import(folder: &Path, name: &str, spec: &str) -> Result<ImportReport, ModelError> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, spec).expect("the lesson wrote there too");
    import_circuit(&Import {
        safetensors: &folder.join("model.safetensors"),
        spec: &path,
        calibrate: &data.join("messages.csv"),
        evaluate: Some(&data.join("messages-unseen.csv")),
        out: &folder.join("circuits").join(name),
        seed: 0,
        replace: true,
    })
}
