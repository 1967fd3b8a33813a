//! What the command line takes.

use std::ffi::OsString;
use std::path::PathBuf;

use cipherformer_client::PASSPHRASE_FILE;
use clap::{Args, Parser, Subcommand};

/// Has a server classify or continue texts that it never sees: they travel encrypted, and only you can
/// open the answers.
#[derive(Parser)]
#[command(name = "cipherformer-client", version)]
pub(crate) struct Arguments {
    /// Where the server is: https://HOST:PORT, or http://HOST:PORT without TLS
    #[arg(long, global = true, value_name = "URL", env = "CIPHERFORMER_SERVER")]
    pub(crate) server: Option<String>,
    /// Trust the certificates in this PEM file, and those that they signed, instead of this computer's list of
    /// authorities
    #[arg(long, global = true, value_name = "FILE", env = "CIPHERFORMER_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// The file that holds the token the server asks for, or set CIPHERFORMER_TOKEN to the token itself; it is no
    /// flag because other users can see command lines
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Where your keys are kept [default: ~/.cipherformer]
    #[arg(long, global = true, value_name = "DIR", env = "CIPHERFORMER_HOME")]
    pub(crate) home: Option<PathBuf>,
    /// A file whose first line is the passphrase of your secret keys; without it the terminal is asked where
    /// keys have one. New keys are made under it
    #[arg(long, global = true, value_name = "FILE", env = PASSPHRASE_FILE)]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Classify a text, or many; makes and registers keys when missing
    Classify(Classify),
    /// Continue a text letter by letter; makes and registers keys when missing
    Generate(Generate),
    /// Make, show, protect, rotate, revoke or delete the keys on this computer
    Keys(Keys),
    /// Have the server delete all that you have left there: evaluation keys, sessions, parts of uploads
    Forget {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show all that you get from the server, and all that this computer keeps; never secret bits
    Inspect(Inspect),
    /// Serve a page to the browser of this computer that does what `classify` and `generate` do, and shows every step;
    /// the first line printed is its address
    Ui(Ui),
}

#[derive(Args)]
pub(crate) struct Classify {
    /// The circuit to use
    #[arg(long, value_name = "NAME")]
    pub(crate) circuit: String,
    /// Print one JSON object a text, one a line
    #[arg(long)]
    pub(crate) json: bool,
    /// The text, or `-` for one text a line from standard input; after `--` if it could be an option
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) text: OsString,
}

#[derive(Args)]
pub(crate) struct Generate {
    /// The circuit to use
    #[arg(long, value_name = "NAME")]
    pub(crate) circuit: String,
    /// What every text begins with; `-` for a line of standard input, which other users cannot see
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    pub(crate) prefix: String,
    /// How many texts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: u64,
    /// How adventurous: 0 always takes the most probable letter, 1 draws as the circuit learned
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.8,
        allow_negative_numbers = true
    )]
    pub(crate) temperature: f64,
    /// Draw from the K most probable letters only
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<usize>,
    /// Draw as last time: the same text, but for near-ties that noise decides; the second text has the next seed,
    /// and so on [default: at random]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Print one JSON object a text, one a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) action: KeyAction,
    /// The parameter set of the keys
    #[arg(long, global = true, value_name = "NAME", default_value = "fast-1024")]
    pub(crate) parameter_set: String,
}

#[derive(Clone, Copy, Subcommand)]
pub(crate) enum KeyAction {
    /// Make a secret key and its evaluation key
    Create {
        /// Protect the secret key by a passphrase, which the terminal is asked for
        #[arg(long)]
        passphrase: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say which keys there are; never shows secret bits
    Show {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Protect a secret key by a passphrase
    Protect,
    /// Keep a secret key without its passphrase from now on
    Unprotect,
    /// Make new keys in place of the old; with --server, also register them there and delete the old there
    Rotate,
    /// Have the server delete the evaluation key, and all sessions under it; the keys on this computer stay
    Revoke,
    /// Destroy the keys on this computer; what is encrypted under them can never be opened again
    Delete,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// Only this circuit
    #[arg(long, value_name = "NAME")]
    pub(crate) circuit: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Ui {
    /// The port of the page, on this computer only; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
}
