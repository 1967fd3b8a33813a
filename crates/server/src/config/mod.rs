//! What an operator decides.

mod file;
mod sources;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use cipherformer_circuit::OutputPolicy;
use serde::Deserialize;

use crate::log::LogFormat;
pub use sources::{Settings, Sources};

/// Memory for expanded evaluation keys, unless told otherwise, in megabytes: sixteen keys of fast-1024
/// (61 MB each) or five of precise-1024 (173 MB). Clients in turn that have more than that have their keys expanded
/// for every request.
///
/// With the 150 to 390 MB that expanding one more key needs for a moment, it keeps the server under 1.5 GB.
pub const KEY_MEMORY_MB: usize = 1024;
/// Evaluations at the same time, unless told otherwise: each one uses all cores.
pub const WORKERS: usize = 1;
/// Evaluations that may wait for a worker, unless told otherwise.
pub const QUEUE: usize = 64;

/// Connections at the same time, unless told otherwise.
pub const CONNECTIONS: usize = 512;
/// Seconds that evaluations under way may take once the server is told to stop, unless told otherwise.
pub const SHUTDOWN_SECONDS: u64 = 30;

/// Sessions at the same time, unless told otherwise: about a megabyte each.
pub const SESSIONS: usize = 64;
/// Minutes after which a session without new tokens ends, unless told otherwise.
pub const SESSION_MINUTES: u64 = 10;

/// Megabytes of disk for everything the server stores, unless told otherwise: about a hundred keys of
/// precise-1024, or three hundred of fast-1024.
pub const DISK_MB: u64 = 4096;
/// Days after which a key that nobody used is removed, unless told otherwise.
pub const KEY_DAYS: u64 = 90;
/// Keys that one owner with a name may have registered, unless told otherwise.
pub const KEYS_PER_OWNER: usize = 16;

/// How a server is set up.
///
/// Every field is a flag, a variable `CIPHERFORMER_FIELD` and a key of the configuration file, read and checked by
/// [`Sources`] in the same way: what stands here is all that a new field needs, besides its line in the sample
/// (`cipherformer-server.toml`), which a test asks for.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Config {
    /// Folder whose subfolders are the circuits to offer
    #[arg(long, value_name = "DIR")]
    pub circuits: PathBuf,

    /// Folder for what the server stores; made if missing
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Megabytes of memory for evaluation keys that are ready for use
    #[arg(long, value_name = "MB", default_value_t = KEY_MEMORY_MB)]
    pub key_memory_mb: usize,

    /// Evaluations at the same time; each uses all cores
    #[arg(long, value_name = "N", default_value_t = WORKERS, value_parser = at_least_one)]
    pub workers: usize,

    /// Evaluations that may wait, at most a quarter of them for one key; others are told to come back later
    #[arg(long, value_name = "N", default_value_t = QUEUE)]
    pub queue: usize,

    /// Sessions at the same time, at most 16 of them for one key
    #[arg(long, value_name = "N", default_value_t = SESSIONS)]
    pub sessions: usize,

    /// Minutes after which a session without new tokens ends
    #[arg(long, value_name = "N", default_value_t = SESSION_MINUTES, value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub session_minutes: u64,

    /// Megabytes of disk for everything that is stored; keys used least recently make room for others
    #[arg(long, value_name = "MB", default_value_t = DISK_MB)]
    pub disk_mb: u64,

    /// Days after which a key that nobody used is removed
    #[arg(long, value_name = "N", default_value_t = KEY_DAYS, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    pub key_days: u64,

    /// Keys that one owner with a name may have registered; those without one share the disk
    #[arg(long, value_name = "N", default_value_t = KEYS_PER_OWNER, value_parser = at_least_one)]
    pub keys_per_owner: usize,

    /// Connections at the same time; others wait to be accepted
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = at_least_one)]
    pub connections: usize,

    /// Seconds that evaluations under way may take once the server is told to stop
    #[arg(long, value_name = "N", default_value_t = SHUTDOWN_SECONDS)]
    pub shutdown_seconds: u64,

    /// What the log's lines look like
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// File of the tokens that clients must bring (`tokens add` makes it); without it, anybody may use the server
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,

    /// File of the certificate to serve TLS with, in PEM, followed by those that lead to its authority
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// File of the certificate's key, in PEM; only its owner may read it
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// What is set for single circuits, by their names: tables `[circuit.NAME]`, and `--output NAME=POLICY`
    #[arg(skip)]
    pub circuit: BTreeMap<String, CircuitConfig>,

    /// Offer circuits whose parameters have no security; for tests, so not on the command line
    #[arg(skip)]
    pub allow_insecure: bool,
}

/// What is set for one circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitConfig {
    /// How much of its scores clients get; as the circuit says, if nothing is set.
    pub output: Option<OutputPolicy>,
}

impl Config {
    /// These folders, a free port of the loopback interface, defaults for the rest.
    pub fn loopback(circuits: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            circuits: circuits.into(),
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            key_memory_mb: KEY_MEMORY_MB,
            workers: WORKERS,
            queue: QUEUE,
            sessions: SESSIONS,
            session_minutes: SESSION_MINUTES,
            disk_mb: DISK_MB,
            key_days: KEY_DAYS,
            keys_per_owner: KEYS_PER_OWNER,
            connections: CONNECTIONS,
            shutdown_seconds: SHUTDOWN_SECONDS,
            log_format: LogFormat::Text,
            tokens: None,
            tls_certificate: None,
            tls_key: None,
            circuit: BTreeMap::new(),
            allow_insecure: false,
        }
    }

    /// Output policies by the names of circuits.
    pub(crate) fn policies(&self) -> BTreeMap<String, OutputPolicy> {
        let circuits = self.circuit.iter();
        let policies = circuits.filter_map(|(name, circuit)| Some((name.clone(), circuit.output?)));
        policies.collect()
    }

    /// What an operator should know before others can reach the server.
    pub fn warnings(&self) -> Vec<String> {
        if self.listen.ip().is_loopback() {
            return Vec::new();
        }
        let address = self.listen;
        let mut warnings = Vec::new();
        if self.tokens.is_none() {
            warnings.push(format!(
                "whoever reaches {address} may use this server, as no tokens are asked for; name a file of \
                 them with --tokens"
            ));
        }
        if self.tls_certificate.is_none() {
            warnings.push(format!(
                "connections to {address} are not encrypted: others can read which circuit is used when, key \
                 ids, session ids and tokens; pass --tls-certificate and --tls-key, or put a TLS proxy in front"
            ));
        }
        warnings
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters;
    use cipherformer_fhe::EvaluationKey;

    use super::*;

    #[test]
    fn only_what_others_can_reach_is_warned_of() {
        let mut config = Config::loopback("circuits", "data");
        assert!(config.warnings().is_empty());
        config.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        assert_eq!(config.warnings().len(), 2);
        config.tokens = Some("tokens".into());
        let [tls] = &config.warnings()[..] else {
            panic!("one of them was heeded");
        };
        assert!(tls.contains("--tls-certificate"), "{tls}");
        config.tls_certificate = Some("certificate".into());
        assert!(config.warnings().is_empty());
    }

    #[test]
    fn the_default_memory_holds_two_keys_of_every_secure_set() {
        for set in parameters::ALL.iter().filter(|set| set.security_bits > 0) {
            let bytes = 2 * EvaluationKey::memory_bytes(set);
            assert!(bytes <= KEY_MEMORY_MB << 20, "{}: {bytes}", set.name);
        }
    }
}
