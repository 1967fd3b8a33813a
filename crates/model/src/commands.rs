//! The command line.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cipherformer_circuit::{Circuit, Goal, InputKind, OutputPolicy, cost, estimate_at};
use cipherformer_model::{
    CIRCUITS, Import, Mode, ModelError, NAMES_GPT, NamesRecipe, Recipe, Training, build_names_gpt,
    build_prompt_guard, calibrate, evaluate_circuit, evaluate_texts, import_circuit, load_examples,
    tune_circuit, write_tuned,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::tables;

/// The model owner's tool: trains, evaluates and estimates circuits.
#[derive(Debug, Parser)]
#[command(name = "cipherformer-model", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a circuit on labelled texts and write its folder
    Train(TrainArgs),
    /// Make a circuit of weights from elsewhere
    Import(ImportArgs),
    /// Measure a circuit on labelled texts
    Evaluate(EvaluateArgs),
    /// Predict a circuit's cost and noise
    Estimate(EstimateArgs),
    /// Choose the cheapest parameters that a circuit's noise budget allows, and write them to it
    Tune(TuneArgs),
}

#[derive(Args, Debug)]
struct TrainArgs {
    /// Name of the circuit: prompt-guard or names-gpt
    circuit: String,
    /// Folder with train.csv and validation.csv (columns text,label), or with names.txt
    #[arg(long)]
    data: PathBuf,
    /// Folder to write; a circuit that is there already is replaced as a whole
    #[arg(long)]
    out: PathBuf,
    /// Seed of everything random: the same seed gives the same circuit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Prompt guard: also train five times without a fifth of the texts, for a fairer accuracy in the model card
    #[arg(long)]
    cross_validate: bool,
}

#[derive(Args, Debug)]
struct ImportArgs {
    /// The weights
    #[arg(long, value_name = "FILE")]
    safetensors: PathBuf,
    /// TOML file that says which tensors are which layers; examples/import has commented samples
    #[arg(long, value_name = "SPEC.toml")]
    spec: PathBuf,
    /// Texts to calibrate ranges with: CSV file with the columns text,label, or for a transformer one text a line
    #[arg(long, value_name = "DATA")]
    calibrate: PathBuf,
    /// Texts to measure on; without it, a fifth of DATA is kept apart for that
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

#[derive(Args, Debug)]
struct EvaluateArgs {
    /// The circuit's folder
    circuit: PathBuf,
    /// CSV file with the columns text,label; for a circuit that continues texts, a file with one text a line
    #[arg(long)]
    data: PathBuf,
    /// How to evaluate
    #[arg(long, value_enum, default_value_t = ModeArg::Reference)]
    mode: ModeArg,
    /// Only the first texts
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// Seed of the simulated noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Another output policy than the circuit's own: scores, rounded:BITS or top-1
    #[arg(long, value_name = "POLICY")]
    output: Option<OutputPolicy>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct EstimateArgs {
    /// The circuit's folder
    circuit: PathBuf,
    /// First measure this machine, for some seconds; else times are those of the reference machine
    #[arg(long)]
    calibrate: bool,
    /// Another output policy than the circuit's own: scores, rounded:BITS or top-1
    #[arg(long, value_name = "POLICY")]
    output: Option<OutputPolicy>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct TuneArgs {
    /// The circuit's folder; the chosen parameters are written to it
    circuit: PathBuf,
    /// Write the circuit to another folder instead
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write nothing
    #[arg(long, conflicts_with = "out")]
    dry_run: bool,
    /// Largest noise at any input, in percent of its range; without it, no operation's noise may grow by more than 2 %
    #[arg(long, value_name = "PERCENT")]
    input_noise: Option<f64>,
    /// Largest evaluation key, in bytes
    #[arg(long, default_value_t = 64_000_000)]
    max_key_bytes: usize,
    /// Also show the runner-up and what limits
    #[arg(long)]
    explain: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    /// Plain numbers without noise
    Reference,
    /// Plain numbers with the noise to expect
    Simulate,
    /// Ciphertexts, under keys made for the occasion
    Encrypted,
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// One sentence for the user.
    pub(crate) fn run(self) -> Result<(), ModelError> {
        match self.command {
            Command::Train(args) => args.run(),
            Command::Import(args) => args.run(),
            Command::Evaluate(args) => args.run(),
            Command::Estimate(args) => args.run(),
            Command::Tune(args) => args.run(),
        }
    }
}

impl TrainArgs {
    fn run(&self) -> Result<(), ModelError> {
        if !CIRCUITS.contains(&self.circuit.as_str()) {
            return Err(ModelError::UnknownCircuit {
                name: self.circuit.clone(),
                known: CIRCUITS.join(", "),
            });
        }
        if self.circuit == NAMES_GPT {
            if self.cross_validate {
                let name = self.circuit.clone();
                return Err(ModelError::NoCrossValidation { name });
            }
            let recipe = NamesRecipe::default();
            let figures = build_names_gpt(&self.data, &self.out, &recipe, self.seed)?;
            return print(&tables::names(&figures, &self.out));
        }
        let figures = build_prompt_guard(&Training {
            data: &self.data,
            out: &self.out,
            seed: self.seed,
            cross_validate: self.cross_validate,
            recipe: Recipe::default(),
        })?;
        print(&tables::figures(&figures, &self.out))
    }
}

impl ImportArgs {
    fn run(&self) -> Result<(), ModelError> {
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

impl EvaluateArgs {
    fn run(&self) -> Result<(), ModelError> {
        let mode = match self.mode {
            ModeArg::Reference => Mode::Reference,
            ModeArg::Simulate => Mode::Simulate,
            ModeArg::Encrypted => Mode::Encrypted,
        };
        let circuit = load(&self.circuit, self.output)?;
        if circuit.manifest().input.kind == InputKind::Tokens {
            let limit = self.limit.map(NonZeroUsize::get);
            let evaluation = evaluate_texts(&circuit, &self.data, limit, mode, self.seed)?;
            return match self.json {
                true => print_json(&evaluation),
                false => print(&tables::texts_evaluation(&evaluation)),
            };
        }
        let mut examples = load_examples(&self.data, &circuit.manifest().output.labels)?;
        if let Some(limit) = self.limit {
            examples.truncate(limit.get());
        }
        let evaluation = evaluate_circuit(&circuit, &examples, mode, self.seed)?;
        if self.json {
            return print_json(&evaluation);
        }
        print(&tables::evaluation(&evaluation))
    }
}

impl EstimateArgs {
    fn run(&self) -> Result<(), ModelError> {
        let circuit = load(&self.circuit, self.output)?;
        let speed = if self.calibrate {
            calibrate(circuit.parameters())?
        } else {
            cost::REFERENCE
        };
        let estimate = estimate_at(&circuit, &speed);
        if self.json {
            return print_json(&estimate);
        }
        print(&tables::estimate(&estimate))
    }
}

impl TuneArgs {
    fn run(&self) -> Result<(), ModelError> {
        if let Some(percent) = self.input_noise
            && !(percent > 0.0 && percent <= 100.0)
        {
            return Err(ModelError::InputNoise { percent });
        }
        let circuit = Circuit::load(&self.circuit)?;
        let tuning = tune_circuit(
            &circuit,
            &Goal {
                input_noise: self.input_noise.map(|percent| percent / 100.0),
                key_bytes: self.max_key_bytes,
                speed: cost::REFERENCE,
            },
        )?;
        let out = self.out.as_ref().unwrap_or(&self.circuit);
        if !self.dry_run {
            write_tuned(&circuit, &tuning, &self.circuit, out)?;
        }
        if self.json {
            return print_json(&tuning);
        }
        let written = (!self.dry_run).then_some(out.as_path());
        print(&tables::tuning(&circuit, &tuning, written, self.explain))
    }
}

/// A circuit, under another policy if one is given.
fn load(folder: &Path, policy: Option<OutputPolicy>) -> Result<Circuit, ModelError> {
    let circuit = Circuit::load(folder)?;
    Ok(match policy {
        Some(policy) => circuit.with_policy(policy)?,
        None => circuit,
    })
}

fn print_json(value: &impl Serialize) -> Result<(), ModelError> {
    let json = serde_json::to_string(value).expect("plain data");
    print(&format!("{json}\n"))
}

/// Writes to stdout; a closed or full one is an error, not a panic.
fn print(text: &str) -> Result<(), ModelError> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|source| ModelError::File {
        action: "write to",
        path: PathBuf::from("standard output"),
        source,
    })
}
