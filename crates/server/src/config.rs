//! What an operator decides.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A server's configuration.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Folder whose subfolders are circuits.
    #[arg(long)]
    pub circuits: PathBuf,
    /// Folder for evaluation keys; made if missing.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Evaluations that run at the same time; each uses all cores.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub workers: usize,
    /// Evaluations that may wait for their turn; more are turned away with status 429.
    #[arg(long, default_value_t = 64)]
    pub queue: usize,
    /// Megabytes of memory for expanded evaluation keys, about 100 each.
    #[arg(long, default_value_t = 400)]
    pub key_memory_mb: usize,
    /// Serve circuits whose parameters have no security. Not on the command line: for tests.
    #[arg(skip)]
    pub allow_insecure: bool,
}

impl Config {
    /// The defaults, on a free port of the loopback interface.
    pub fn loopback(circuits: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            circuits: circuits.into(),
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            workers: 1,
            queue: 64,
            key_memory_mb: 400,
            allow_insecure: false,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}
