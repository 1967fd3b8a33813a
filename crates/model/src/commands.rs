//! The command line.

use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cipherformer_circuit::{Circuit, Estimate, InputKind, estimate};
use cipherformer_model::{
    CIRCUITS, Evaluation, Figures, Metrics, Mode, ModelError, NAMES_GPT, NamesEvaluation,
    NamesFigures, NamesRecipe, Recipe, Training, build_names_gpt, build_prompt_guard,
    evaluate_circuit, evaluate_names, load_examples,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

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
    /// Measure a circuit on labelled texts
    Evaluate(EvaluateArgs),
    /// Predict a circuit's cost and noise
    Estimate(EstimateArgs),
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
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct EstimateArgs {
    /// The circuit's folder
    circuit: PathBuf,
    /// One JSON object instead of a table
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
            Command::Evaluate(args) => args.run(),
            Command::Estimate(args) => args.run(),
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
            let recipe = NamesRecipe::default();
            let figures = build_names_gpt(&self.data, &self.out, &recipe, self.seed)?;
            return print(&names_table(&figures, &self.out));
        }
        let figures = build_prompt_guard(&Training {
            data: &self.data,
            out: &self.out,
            seed: self.seed,
            cross_validate: self.cross_validate,
            recipe: Recipe::default(),
        })?;
        print(&figures_table(&figures, &self.out))
    }
}

impl EvaluateArgs {
    fn run(&self) -> Result<(), ModelError> {
        let mode = match self.mode {
            ModeArg::Reference => Mode::Reference,
            ModeArg::Simulate => Mode::Simulate,
            ModeArg::Encrypted => Mode::Encrypted,
        };
        let circuit = Circuit::load(&self.circuit)?;
        if circuit.manifest().input.kind == InputKind::Tokens {
            let limit = self.limit.map(NonZeroUsize::get);
            let evaluation = evaluate_names(&circuit, &self.data, limit, mode, self.seed)?;
            return match self.json {
                true => print_json(&evaluation),
                false => print(&names_evaluation_table(&evaluation)),
            };
        }
        let mut examples = load_examples(&self.data)?;
        if let Some(limit) = self.limit {
            examples.truncate(limit.get());
        }
        let evaluation = evaluate_circuit(&circuit, &examples, mode, self.seed)?;
        if self.json {
            return print_json(&evaluation);
        }
        print(&evaluation_table(&evaluation))
    }
}

impl EstimateArgs {
    fn run(&self) -> Result<(), ModelError> {
        let estimate = estimate(&Circuit::load(&self.circuit)?);
        if self.json {
            return print_json(&estimate);
        }
        print(&estimate_table(&estimate))
    }
}

fn figures_table(figures: &Figures, out: &Path) -> String {
    let mut text = format!("wrote {}\n\n{:28}", out.display(), "");
    text.push_str("accuracy      F1  cross-entropy\n");
    let mut row = |name: &str, metrics: &Metrics| {
        let (accuracy, f1) = (100.0 * metrics.accuracy, metrics.f1);
        let line = format!(
            "{name:28}{accuracy:>6.2} %  {f1:.4}  {:.4}\n",
            metrics.cross_entropy
        );
        text.push_str(&line);
    };
    row("validation, float", &figures.float);
    row("validation, reference", &figures.reference);
    row("validation, simulate", &figures.simulate);
    if let Some(cross) = &figures.cross_validation {
        row("five-fold, float", &cross.float);
        row("five-fold, reference", &cross.reference);
    }
    text
}

fn names_table(figures: &NamesFigures, out: &Path) -> String {
    let mut text = format!(
        "wrote {}\n\n{:12}{:>12}{:>12}{:>12}{:>12}\n",
        out.display(),
        "nats",
        "float",
        "quantized",
        "with noise",
        "agreement"
    );
    for (name, losses) in [("validation", &figures.validation), ("test", &figures.test)] {
        let agreement = 100.0 * losses.agreement;
        let (float, exact, noisy) = (losses.float, losses.exact, losses.noisy);
        text.push_str(&format!(
            "{name:12}{float:>12.4}{exact:>12.4}{noisy:>12.4}{agreement:>10.2} %\n"
        ));
    }
    text
}

fn evaluation_table(evaluation: &Evaluation) -> String {
    let metrics = &evaluation.metrics;
    let mut text = format!(
        "examples       {}\naccuracy       {:.2} %\nF1, injection  {:.4}\ncross-entropy  {:.4} nats\n",
        metrics.examples,
        100.0 * metrics.accuracy,
        metrics.f1,
        metrics.cross_entropy
    );
    if let Some(agreement) = evaluation.agreement {
        text.push_str(&format!(
            "agreement      {:.2} % of verdicts as the reference's\n",
            100.0 * agreement
        ));
    }
    let each = evaluation.seconds / metrics.examples.max(1) as f64;
    let seconds = evaluation.seconds;
    text.push_str(&format!(
        "time           {seconds:.2} s, {:.3} ms a text\n",
        1e3 * each
    ));
    text
}

fn names_evaluation_table(evaluation: &NamesEvaluation) -> String {
    let NamesEvaluation {
        examples,
        tokens,
        cross_entropy,
        left_out,
        seconds,
        ..
    } = evaluation;
    let mut text = format!(
        "names          {examples} ({left_out} too long)\ntokens         {tokens}\n\
         cross-entropy  {cross_entropy:.4} nats a character\n"
    );
    if let Some(agreement) = evaluation.agreement {
        text.push_str(&format!(
            "agreement      {:.2} % of most likely characters as the reference's\n",
            100.0 * agreement
        ));
    }
    let each = seconds / *tokens as f64;
    text.push_str(&format!(
        "time           {seconds:.2} s, {:.3} ms a character\n",
        1e3 * each
    ));
    text
}

fn estimate_table(estimate: &Estimate) -> String {
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut text = format!(
        "{:24}{:12}{:>7}{:>6}{:>10}{:>13}{:>14}{:>9}\n",
        "layer", "operation", "values", "LUTs", "products", "input noise", "failure", "seconds"
    );
    for layer in &estimate.layers {
        let noise = optional(
            layer
                .input_noise
                .map(|noise| format!("{:.3} %", 100.0 * noise)),
        );
        let failure = optional(layer.failure_log2.map(|log2| format!("2^{log2:.1}")));
        writeln!(
            text,
            "{:24}{:12}{:>7}{:>6}{:>10}{noise:>13}{failure:>14}{:>9.4}",
            layer.name,
            layer.operation,
            layer.values,
            layer.luts,
            layer.ring_products,
            layer.seconds
        )
        .expect("writing to a string does not fail");
    }
    text.push_str(&totals(estimate));
    text
}

fn totals(estimate: &Estimate) -> String {
    let (luts, products) = (estimate.luts, estimate.ring_products);
    let noise = format!("{:.3} %", 100.0 * estimate.worst_input_noise);
    let failure = format!("2^{:.1}", estimate.worst_failure_log2);
    let seconds = estimate.predicted_seconds_per_core;
    let mut text = format!(
        "{:43}{luts:>6}{products:>10}{noise:>13}{failure:>14}{seconds:>9.4}\n\n",
        "total, or worst"
    );
    if let [first, .., last] = estimate.luts_per_position[..] {
        let positions = estimate.luts_per_position.len();
        text.push_str(&format!(
            "LUTs a token    {first} at the first of {positions} positions, {last} at the last, shown above\n"
        ));
    }
    text.push_str(&format!(
        "evaluation key  {} bytes\nrequest         {} bytes\nresponse        {} bytes\n\
         security        {} bits\n",
        estimate.evaluation_key_bytes,
        estimate.request_bytes,
        estimate.response_bytes,
        estimate.security_bits
    ));
    text
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
