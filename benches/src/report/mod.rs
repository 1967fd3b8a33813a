//! The page of benchmarks: measured, drawn and written in one go.

mod measure;
mod page;
mod plots;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use measure::Measurements;
pub(crate) use measure::letter;

/// What the page is to hold besides our own figures.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How often each side of a comparison is measured.
    pub rounds: usize,
    /// Figures of `benches/peers/concrete_ml.py`, if there are any.
    pub peers: Option<&'a Path>,
}

/// Measures everything, and writes `benchmarks.md` and its pictures to a folder of the book. Takes some minutes, and says on
/// standard error what it is at.
///
/// # Errors
/// A wrong result, or a file that cannot be read or written.
pub fn write(folder: &Path, options: Options<'_>) -> Result<()> {
    let peers = options.peers.map(read_json).transpose()?;
    // Before any work: a folder that cannot be written would be noticed minutes later.
    ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    let measurements = Measurements::take(options.rounds)?;
    for (name, svg) in plots::all(&measurements)? {
        save(&folder.join(name), &svg)?;
    }
    save(
        &folder.join("benchmarks.md"),
        &page::text(&measurements, peers.as_ref()),
    )
}

fn read_json(path: &Path) -> Result<serde_json::Value> {
    let what = || {
        format!(
            "cannot use {}; is it what the script wrote?",
            path.display()
        )
    };
    let text = fs::read_to_string(path).with_context(what)?;
    serde_json::from_str(&text).with_context(what)
}

fn save(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}
