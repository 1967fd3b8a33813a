//! Writes the corpus anew: valid messages under toy parameters, to `fuzz/corpus/TARGET/`.
//!
//! `cargo run --release -p cipherformer-fuzz --bin corpus`, after a format has changed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cipherformer_fuzz::{TARGETS, examples};

fn main() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (number, bytes) in examples::of(target.name)?.into_iter().enumerate() {
            let file = folder.join(format!("valid-{number}"));
            fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
            println!("{} bytes: {}", bytes.len(), file.display());
        }
    }
    Ok(())
}
