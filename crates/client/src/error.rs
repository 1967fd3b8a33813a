//! What can go wrong, sorted by who is to blame. Every message says what to do next.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cipherformer_protocol::{Problem, ProblemKind};

use crate::keys::PassphraseError;

/// Why a text could not be classified or continued, or keys could not be used. No message holds secret bits.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    // The server is to blame.
    /// The server answered with something that is not what it should be.
    #[error(
        "the server sent an unusable {what}: {reason}; ask its operator to check it, or update this \
         client"
    )]
    Nonsense {
        /// What the bytes should be.
        what: &'static str,
        /// What is wrong with them.
        reason: String,
    },
    /// The server refused the request and said why.
    #[error("the server refused: {}", .problem.detail)]
    Refused {
        /// What the server said.
        problem: Problem,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server stayed busy.
    #[error("the server stayed busy for minutes; try again later (it said: {reason})")]
    StillBusy {
        /// What the server said.
        reason: String,
    },

    // The caller is to blame.
    /// The server's address cannot be used.
    #[error(
        "{url:?} is not a usable server address: {reason}; write it as http://HOST:PORT or https://HOST:PORT"
    )]
    ServerUrl {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A token would travel in the clear.
    #[error(
        "the token is not sent to {url}: without TLS everybody on the way could read it and ask in your name; \
         use https://, or a tunnel that ends on this computer"
    )]
    TokenInClear {
        /// The address.
        url: String,
    },
    /// A text that is no token.
    #[error(
        "the token cannot be used; it is one word, such as cft_…, as the server's operator gave it to you"
    )]
    Token,
    /// The server has no circuit of that name.
    #[error("the server has no circuit {name:?}; it has {known}")]
    UnknownCircuit {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// There is nothing to classify.
    #[error("the text is empty; pass a text with at least one word")]
    EmptyText,
    /// The circuit classifies.
    #[error("circuit {name} continues no texts, it classifies them; use `classify`")]
    NoGenerator {
        /// The circuit.
        name: String,
    },
    /// The circuit continues texts.
    #[error("circuit {name} classifies no texts, it continues them; use `generate`")]
    NoClassifier {
        /// The circuit.
        name: String,
    },
    /// The circuit has no token for a letter.
    #[error("the circuit has no letter {letter:?}; use only these: {known}")]
    UnknownLetter {
        /// The letter.
        letter: char,
        /// Those it has.
        known: String,
    },
    /// The server tells the best label only, and could not tell which it is.
    #[error(
        "three or more labels of circuit {name} are equally good but for noise, and its server tells no more than the \
         best one; ask again, or about another text"
    )]
    Undecided {
        /// The circuit.
        name: String,
    },
    /// No position is left after the prefix.
    #[error("a prefix of {letters} letters is too long for the circuit; pass at most {most}")]
    LongPrefix {
        /// Letters of the prefix.
        letters: usize,
        /// The most it may have.
        most: usize,
    },
    /// A session without tokens to append, or without room for them.
    #[error(
        "{tokens} tokens cannot be appended; append 1 to {remaining}, or open another session if none \
         is left"
    )]
    NoRoom {
        /// How many were given.
        tokens: usize,
        /// How many positions are left.
        remaining: usize,
    },
    /// A temperature that means nothing.
    #[error(
        "the temperature {temperature} is not usable; pass 0 or a positive number, such as 0.8"
    )]
    Temperature {
        /// The number given.
        temperature: f64,
    },
    /// No token may be drawn.
    #[error("top-k 0 leaves nothing to draw from; pass 1 or more, or nothing for all letters")]
    NothingToDraw,
    /// No such parameter set.
    #[error("there is no parameter set {name:?}; choose one of {known}")]
    UnknownParameters {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A parameter set that protects nothing.
    #[error(
        "parameter set {name} is a toy without security, made for tests; use {standard}",
        standard = cipherformer_circuit::parameters::STANDARD_2048.name
    )]
    InsecureParameters {
        /// The set.
        name: &'static str,
    },
    /// Keys are there already.
    #[error(
        "there are keys in {folder} already; use them, or remove them with `keys delete \
         --parameter-set {set}` first (ciphertexts under them can then never be opened again)",
        set = name_of(.folder)
    )]
    KeysExist {
        /// Their folder.
        folder: PathBuf,
    },
    /// There are no keys.
    #[error(
        "there are no keys in {folder}; make some with `keys create --parameter-set {set}`",
        set = name_of(.folder)
    )]
    NoKeys {
        /// The folder they would be in.
        folder: PathBuf,
    },

    // This computer's files are to blame.
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {path}: {source}; check its permissions and the free space")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key file is not what was written.
    #[error(
        "{path} is damaged: {reason}; restore it from a backup, or run `keys delete --parameter-set \
         {set}` (ciphertexts under the old key are then lost), and new ones are made when needed",
        set = name_of(.path.parent().unwrap_or(.path))
    )]
    DamagedKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A passphrase is missing, wrong or in the way.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The list of registered keys is not what was written.
    #[error(
        "{path} is damaged: {reason}; delete it (keys that only it knows of then stay on their servers)"
    )]
    DamagedList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others may read the secret key.
    #[error(
        "other users may read the secret key {path} (mode {mode:03o}); run `chmod 600 {path}`, and \
         replace the key if someone could have read it"
    )]
    ExposedKey {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others may read the token.
    #[error(
        "other users may read the token {path} (mode {mode:03o}); run `chmod 600 {path}`, and ask the server's \
         operator for another one if someone could have read it"
    )]
    ExposedToken {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that should hold certificates of authorities.
    #[error("cannot use {path} as a CA: {reason}; pass a PEM file with its certificate to --ca")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// This computer trusts nobody.
    #[error(
        "this computer has no list of authorities to trust ({reason}); install its certificates, or pass the \
         server's CA with --ca"
    )]
    NoAuthorities {
        /// What is wrong.
        reason: String,
    },

    /// The page cannot be served.
    #[error(
        "cannot serve a page at port {port} of this computer: {source}; pass another --port, or 0 for any that is free"
    )]
    Page {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },

    /// The caller wanted no more of it.
    #[error("cancelled; the server has forgotten the text")]
    Cancelled,

    // The network is to blame.
    /// Nobody that is trusted says who the server is.
    #[error(
        "nobody that this computer trusts says that {url} is what it claims to be; if its operator gave you its \
         certificate, or that of its CA, pass it with --ca, else do not use it"
    )]
    UnknownAuthority {
        /// The address.
        url: String,
    },
    /// The server's certificate is not in order.
    #[error(
        "{url} did not prove to be what it claims to be: {reason}; ask its operator to mend its certificate"
    )]
    Certificate {
        /// The address.
        url: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// What answers speaks no TLS.
    #[error(
        "what answers at {url} speaks no TLS; check the port, or write http:// if the way there is safe"
    )]
    NoTls {
        /// The address.
        url: String,
    },
    /// Nothing answers at the address.
    #[error(
        "there is no server at {url} ({reason}); check the address, or start one with \
         `cipherformer-server --circuits circuits --data-dir DIR --listen HOST:PORT`"
    )]
    NoServer {
        /// The address.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to {url} was lost ({reason}); try again")]
    Lost {
        /// The address.
        url: String,
        /// What the network said.
        reason: String,
    },
}

/// Keys are in a folder with the name of their parameter set.
fn name_of(folder: &Path) -> Cow<'_, str> {
    folder.file_name().unwrap_or_default().to_string_lossy()
}

impl ClientError {
    /// Whether nobody answered, which may change.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::NoServer { .. } | Self::Lost { .. })
    }

    /// The problem the server named, if it named one.
    pub fn problem(&self) -> Option<ProblemKind> {
        match self {
            Self::Refused { problem, .. } => Some(problem.kind),
            _ => None,
        }
    }

    pub(crate) fn nonsense(what: &'static str, reason: impl ToString) -> Self {
        Self::Nonsense {
            what,
            reason: printable(&reason.to_string()),
        }
    }

    /// The error for a parameter set that this build does not have.
    pub fn unknown_parameters(name: &str) -> Self {
        Self::UnknownParameters {
            name: printable(name),
            known: cipherformer_circuit::parameters::names(),
        }
    }
}

/// What a peer wrote, safe to show on a terminal, and not too long.
pub(crate) fn printable(text: &str) -> String {
    one_line(text, 400)
}

/// A text on one line, without anything that controls a terminal, cut after `longest` characters.
pub fn one_line(text: &str, longest: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().take(longest).map(clean).collect();
    if text.chars().nth(longest).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_wrote_cannot_control_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a [2Jb c");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 401);
    }

    #[test]
    fn unknown_parameters_are_answered_with_secure_ones() {
        let message = ClientError::unknown_parameters("weak").to_string();
        assert!(message.contains("standard-2048") && !message.contains("insecure"));
    }
}
