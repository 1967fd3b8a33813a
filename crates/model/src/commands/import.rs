//! `import`: weights from elsewhere.

use std::path::PathBuf;

use cipherformer_model::{Import, ModelError, import_circuit};
use clap::Args;

use super::{print, print_json};

#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// The weights
    #[arg(long, value_name = "FILE")]
    safetensors: PathBuf,
    /// TOML file that says which tensors are which layers; examples/import has commented samples
    #[arg(long, value_name = "SPEC.toml")]
    spec: PathBuf,
    /// Texts to calibrate ranges with: CSV file with the columns text,label, or for a transformer one text a line
    #[arg(long, value_name = "DATA")]
    calibrate: PathBuf,
    /// Texts to measure on, which are then not calibrated with; without it, a fifth of DATA is kept apart for that
    #[arg(long, value_name = "FILE")]
    evaluate: Option<PathBuf>,
    /// Folder to write; the circuit is called as it is
    #[arg(long)]
    out: PathBuf,
    /// Replace a circuit that is there already
    #[arg(long)]
    replace: bool,
    /// Seed of the simulated noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl ImportArgs {
    pub(super) fn run(&self) -> Result<(), ModelError> {
        let report = import_circuit(&Import {
            safetensors: &self.safetensors,
            spec: &self.spec,
            calibrate: &self.calibrate,
            evaluate: self.evaluate.as_deref(),
            out: &self.out,
            seed: self.seed,
            replace: self.replace,
        })?;
        match self.json {
            true => print_json(&report),
            false => print(&report.table()),
        }
    }
}
