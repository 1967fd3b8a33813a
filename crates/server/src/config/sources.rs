//! Where a configuration comes from: flags before variables before a file before defaults.
//!
//! The fields are those of [`Config`], as `clap` knows them. A variable is another way to give a flag, and what a file
//! says replaces the flag's default: so every value goes through the same parser, wherever it comes from, and
//! a field is declared once.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use cipherformer_circuit::OutputPolicy;
use clap::{Arg, Args, Command, FromArgMatches};

use crate::config::{CircuitConfig, Config, file};
use crate::error::ConfigError;

/// What variables for this server begin with.
const VARIABLES: &str = "CIPHERFORMER_";

/// Flags that are no fields.
#[derive(clap::Args)]
struct Extra {
    /// File to read settings from that neither a flag nor a variable gives; cipherformer-server.toml is a sample
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How much of a circuit's scores clients get: all (scores), rounded ones (rounded:BITS), or the best label alone
    /// (top-1); for as many circuits as you like
    #[arg(long, value_name = "NAME=POLICY", value_parser = output)]
    output: Vec<(String, OutputPolicy)>,
}

/// A configuration, and what was odd about where it came from.
#[derive(Debug)]
pub struct Settings {
    /// What the server is to do.
    pub config: Config,
    /// For the operator to read.
    pub warnings: Vec<String>,
}

/// The flags, the variables and the file that a server is configured by.
pub struct Sources {
    command: Command,
}

impl Sources {
    /// Adds them to a program's own arguments.
    pub fn new(command: Command) -> Self {
        let command = Config::augment_args(Extra::augment_args(command));
        let fields: BTreeSet<String> = fields().map(|field| name(&field)).collect();
        let command = command.mut_args(|arg| {
            let name = name(&arg);
            // What a field needs may stand in the file, which `--config` names first.
            let arg = arg.required(false);
            match name == "config" || fields.contains(&name) {
                true => arg.env(VARIABLES.to_owned() + &name.to_uppercase()),
                false => arg,
            }
        });
        Self { command }
    }

    /// The program's command, with all of them.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// Reads them, the program's name first.
    ///
    /// # Errors
    /// A file that cannot be read, or a field that is unknown, missing or out of range.
    pub fn read(&self, arguments: &[OsString]) -> Result<Settings, ConfigError> {
        let first = self.command.clone().try_get_matches_from(arguments)?;
        let file = match Extra::from_arg_matches(&first)?.config {
            Some(path) => file::read(&path)?,
            None => file::File::default(),
        };
        let missing = fields().filter(|field| field.is_required_set());
        let missing: BTreeSet<String> = missing.map(|field| name(&field)).collect();
        let command = self.command.clone().mut_args(|arg| {
            let name = name(&arg);
            match file.values.get(&name) {
                Some(value) => arg.default_value(value.clone()),
                None => arg.required(missing.contains(&name)),
            }
        });
        let matches = command.try_get_matches_from(arguments)?;
        let mut config = Config::from_arg_matches(&matches)?;
        config.circuit = file.circuit;
        for (circuit, policy) in Extra::from_arg_matches(&matches)?.output {
            let output = Some(policy);
            config.circuit.insert(circuit, CircuitConfig { output });
        }
        Ok(Settings {
            config,
            warnings: self.unknown_variables(),
        })
    }

    /// Variables that look like ours and are not: most likely misspelt.
    fn unknown_variables(&self) -> Vec<String> {
        let known = |name: &OsString| {
            let mut arguments = self.command.get_arguments();
            arguments.any(|arg| arg.get_env() == Some(name.as_os_str()))
        };
        let names = env::vars_os().map(|(name, _)| name);
        let names = names.filter(|name| name.as_encoded_bytes().starts_with(VARIABLES.as_bytes()));
        let unknown = names.filter(|name| !known(name));
        let warning = |name: OsString| {
            let name = name.to_string_lossy().into_owned();
            format!(
                "the variable {name} is no setting of this server; `--help` lists those there are"
            )
        };
        unknown.map(warning).collect()
    }
}

/// The fields of [`Config`] that can be given.
pub(super) fn fields() -> impl Iterator<Item = Arg> {
    let command = Config::augment_args(Command::new("fields"));
    let fields: Vec<Arg> = command.get_arguments().cloned().collect();
    fields.into_iter()
}

/// A field's name, in files and in [`Config`].
pub(super) fn name(field: &Arg) -> String {
    field.get_id().to_string()
}

/// A circuit's name and its policy.
fn output(text: &str) -> Result<(String, OutputPolicy), String> {
    let (name, policy) = text
        .split_once('=')
        .ok_or("write it as NAME=POLICY, such as prompt-guard=top-1")?;
    let policy = policy.parse::<OutputPolicy>();
    Ok((name.to_owned(), policy.map_err(|error| error.to_string())?))
}
