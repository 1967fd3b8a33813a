//! Errors, sorted by who is to blame, and the problem documents they become.

mod config;
mod start;
mod tls;
mod tokens;

use cipherformer_circuit::InputKind;
use cipherformer_fhe::FheError;
use cipherformer_protocol::{KeyId, Problem, ProblemKind, routes};

use crate::metrics::TurnedAway;

pub use config::ConfigError;
pub use start::StartError;
pub(crate) use start::UnusableCircuit;
pub use tls::TlsError;
pub use tokens::TokenError;

/// When a server that stops may be back: about as long as a restart takes.
const SHUTDOWN_SECONDS: u64 = 5;

/// Why a request failed. Its text is what the client reads, so it names no path of this machine.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    // The client's request is wrong.
    /// No such path.
    #[error("nothing is at {path}; the interface starts at {}", routes::CIRCUITS)]
    UnknownRoute {
        /// The path asked for.
        path: String,
    },
    /// No such method on this path.
    #[error("{path} does not take {method}; use a method of the Allow header")]
    MethodNotAllowed {
        /// The method used.
        method: String,
        /// The path asked for.
        path: String,
    },
    /// A path or query that cannot be understood.
    #[error("{reason}")]
    MalformedRequest {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The body stopped before its end.
    #[error("the body did not arrive whole; send the request again")]
    BodyInterrupted,
    /// The body is larger than anything of its kind.
    #[error("the body is larger than the {limit} bytes that the {what} can have; send only that")]
    TooLarge {
        /// What the body should be.
        what: &'static str,
        /// Its largest size.
        limit: usize,
    },
    /// No circuit of that name.
    #[error("there is no circuit {name:?} here; this server offers {known}")]
    UnknownCircuit {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The client has another version of the circuit.
    #[error(
        "circuit {name} is now at digest {current}; fetch its manifest and vocabulary again and encrypt anew"
    )]
    StaleCircuit {
        /// The circuit.
        name: String,
        /// Its digest.
        current: String,
    },
    /// A circuit of tokens asked for an evaluation, or a circuit of bags for a session.
    #[error("circuit {name} does not work this way; {}", instead(.name, *.kind))]
    WrongOperation {
        /// The circuit.
        name: String,
        /// What it takes.
        kind: InputKind,
    },
    /// No session of that id under that key.
    #[error(
        "there is no such session under this key; sessions end when closed, or {minutes} minutes after \
         their last token: open a new one and send all tokens again"
    )]
    UnknownSession {
        /// How long sessions live without new tokens.
        minutes: u64,
    },
    /// Two requests want to go on at once.
    #[error(
        "tokens of this session are being evaluated; ask for the session until it is not busy, then go \
         on from its position"
    )]
    SessionBusy,
    /// The client thinks the session is elsewhere.
    #[error(
        "the session is at position {position}; send the tokens from there on, or fetch its logits if \
         an answer was lost"
    )]
    SessionPosition {
        /// Where it is.
        position: usize,
    },
    /// Logits of a session without tokens.
    #[error("the session is at position 0 and has no logits yet; send its first tokens")]
    NoLogits,
    /// More tokens than positions are left.
    #[error(
        "the session is at position {position} of {context} and has no room for {tokens} tokens; send \
         fewer, or open a new session"
    )]
    ContextExceeded {
        /// Where the session is.
        position: usize,
        /// How many positions there are.
        context: usize,
        /// How many tokens came.
        tokens: usize,
    },
    /// The body is no row of tokens.
    #[error("{reason}; send at least one encrypted token, each behind its length")]
    Tokens {
        /// What is wrong.
        reason: String,
    },
    /// One key has all the sessions it may have.
    #[error(
        "this key has {limit} sessions, as many as it may; close one, or wait until one has had no new \
         token for {minutes} minutes and ends"
    )]
    TooManySessionsOfKey {
        /// How many it may have.
        limit: usize,
        /// How long sessions live without new tokens.
        minutes: u64,
    },
    /// All sessions are taken.
    #[error(
        "the server has as many sessions as it may; close one if you have any, or try again in some \
         minutes: each ends {minutes} minutes after its last token"
    )]
    TooManySessions {
        /// How long sessions live without new tokens.
        minutes: u64,
    },
    /// No key of that id.
    #[error("evaluation key {id} is not registered here; register it and ask again")]
    UnknownKey {
        /// The id asked for.
        id: KeyId,
    },
    /// The key was here, but its file is damaged.
    #[error(
        "the stored copy of evaluation key {id} was damaged and is set aside; register it again"
    )]
    DamagedKey {
        /// The id asked for.
        id: KeyId,
    },
    /// An owner has as many keys as may be.
    #[error("you have {limit} keys registered, as many as you may; delete one you do not use")]
    TooManyKeys {
        /// How many there may be.
        limit: usize,
    },
    /// Nothing of the key has arrived, or it was too long ago.
    #[error("there is no upload of this key to go on with; send all of it with PUT")]
    UnknownUpload,
    /// The client goes on from somewhere else.
    #[error("{offset} bytes of the key have arrived; go on from there")]
    UploadOffset {
        /// Where to go on.
        offset: u64,
    },
    /// Another request is writing.
    #[error("the key is being uploaded by another request; ask again in some seconds")]
    UploadBusy,
    /// The body's hash is not the id it was sent to.
    #[error(
        "the evaluation key was damaged in transit: it is not the one that {id} names; send it again"
    )]
    KeyMismatch {
        /// The id it was sent to.
        id: KeyId,
    },
    /// A parameter set that this server does not have.
    #[error("this server knows no parameter set {name:?}; make a key for one of: {known}")]
    UnknownParameterSet {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The key is of another parameter set than the circuit.
    #[error("the evaluation key is for parameter set {got}; make and register one for {expected}")]
    WrongKey {
        /// The circuit's set.
        expected: &'static str,
        /// The key's set.
        got: &'static str,
    },
    /// The body is no usable evaluation key.
    #[error("{0}")]
    Key(FheError),
    /// The body is no usable input of the circuit.
    #[error("{0}")]
    Input(FheError),

    /// Tokens are asked for, and none came.
    #[error(
        "this server asks for a token; get one from its operator and pass it with --token-file"
    )]
    NoToken,
    /// A token came that is not on the list.
    #[error(
        "this server does not know the token, or not any more; ask its operator for another one"
    )]
    WrongToken,
    /// A token came too late.
    #[error("the token expired on {when}; ask the server's operator for another one")]
    ExpiredToken {
        /// When it did.
        when: String,
    },

    // The operator has to act, or the client to wait.
    /// The queue of evaluations is full, or as many keys are being uploaded as may be.
    #[error("the server has as much work waiting as it accepts; try again in {seconds} seconds")]
    Busy {
        /// When there may be room.
        seconds: u64,
    },
    /// One owner, or one key of those without a name, has as many evaluations in the queue as may be.
    #[error(
        "you have {limit} evaluations waiting or under way, as many as you may; wait for an answer, \
         or try again in {seconds} seconds"
    )]
    KeyBusy {
        /// How many it may have.
        limit: usize,
        /// When one of them may be done.
        seconds: u64,
    },
    /// An owner has had as much evaluated today as may be.
    #[error(
        "of the {limit} evaluations a day that you may have, {left} are left, and this takes more; wait until \
         midnight UTC, in {seconds} seconds, or ask the server's operator for more"
    )]
    BudgetExhausted {
        /// How many there are a day.
        limit: u64,
        /// How many are left.
        left: u64,
        /// When the next day begins.
        seconds: u64,
    },
    /// No new evaluation is begun.
    #[error(
        "the server is about to stop and begins nothing new; try again in {SHUTDOWN_SECONDS} seconds, \
         when it may be back"
    )]
    ShuttingDown,
    /// Requests would fail.
    #[error("the server is not ready: {missing}; wait, or ask its operator to look at its log")]
    NotReady {
        /// What is missing.
        missing: &'static str,
    },
    /// The circuit's folder is damaged.
    #[error(
        "circuit {name} is damaged on the server; ask its operator to restore it, or use another circuit"
    )]
    CircuitUnavailable {
        /// The circuit.
        name: String,
    },
    /// The data directory has no space left.
    #[error("the server's data directory is full; ask its operator to free space, then send again")]
    StorageFull,
    /// The data directory cannot be read or written.
    #[error(
        "the server cannot use its data directory; ask its operator to check it, then send again"
    )]
    StorageUnavailable,

    // Nobody is to blame.
    /// Nobody waits for the evaluation any more, so nobody reads this.
    #[error("the evaluation was stopped because its client had left; send it again")]
    Stopped,

    // A bug.
    /// Something that cannot happen happened; the log has the details.
    #[error("the server failed while it worked on this; tell its operator the request id")]
    Internal,
}

impl ServerError {
    /// An error of the data directory; the log gets the details, the client does not.
    pub(crate) fn storage(doing: &'static str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        tracing::error!(%error, doing, "the data directory cannot be used");
        match error.kind() {
            StorageFull | QuotaExceeded => Self::StorageFull,
            _ => Self::StorageUnavailable,
        }
    }

    /// Its problem document.
    pub fn problem(&self) -> Problem {
        use ProblemKind as Kind;
        let kind = match self {
            Self::UnknownRoute { .. } => Kind::UnknownRoute,
            Self::MethodNotAllowed { .. } => Kind::MethodNotAllowed,
            Self::MalformedRequest { .. } | Self::BodyInterrupted => Kind::MalformedRequest,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::UnknownCircuit { .. } => Kind::UnknownCircuit,
            Self::StaleCircuit { .. } => Kind::StaleCircuit,
            Self::UnknownKey { .. } | Self::DamagedKey { .. } => Kind::UnknownKey,
            Self::TooManyKeys { .. } => Kind::TooManyKeys,
            Self::UnknownUpload => Kind::UnknownUpload,
            Self::UploadOffset { .. } => Kind::UploadOffset,
            Self::UploadBusy => Kind::UploadBusy,
            Self::KeyMismatch { .. } => Kind::MalformedKey,
            Self::UnknownParameterSet { .. } | Self::WrongKey { .. } => Kind::WrongParameterSet,
            Self::Key(error) => fhe_kind(error, Kind::MalformedKey),
            Self::Input(error) => fhe_kind(error, Kind::MalformedInput),
            Self::WrongOperation { .. } => Kind::WrongOperation,
            Self::UnknownSession { .. } => Kind::UnknownSession,
            Self::SessionBusy => Kind::SessionBusy,
            Self::SessionPosition { .. } | Self::NoLogits => Kind::SessionPosition,
            Self::ContextExceeded { .. } => Kind::ContextExceeded,
            Self::Tokens { .. } => Kind::MalformedInput,
            Self::TooManySessions { .. } | Self::TooManySessionsOfKey { .. } => {
                Kind::TooManySessions
            }
            Self::Busy { .. } | Self::KeyBusy { .. } => Kind::Busy,
            Self::BudgetExhausted { .. } => Kind::BudgetExhausted,
            Self::ShuttingDown => Kind::ShuttingDown,
            Self::NotReady { .. } => Kind::NotReady,
            Self::NoToken | Self::WrongToken | Self::ExpiredToken { .. } => Kind::Unauthorized,
            Self::CircuitUnavailable { .. } => Kind::CircuitUnavailable,
            Self::StorageFull => Kind::StorageFull,
            Self::StorageUnavailable => Kind::StorageUnavailable,
            Self::Internal | Self::Stopped => Kind::Internal,
        };
        Problem::new(kind, self.to_string())
    }

    /// After how many seconds the same request may go well, if only time is needed.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Busy { seconds }
            | Self::KeyBusy { seconds, .. }
            | Self::BudgetExhausted { seconds, .. } => Some(*seconds),
            Self::ShuttingDown => Some(SHUTDOWN_SECONDS),
            _ => None,
        }
    }

    /// How much of an upload has arrived, if that is what the client is wrong about.
    pub(crate) fn upload_offset(&self) -> Option<u64> {
        match self {
            Self::UploadOffset { offset } => Some(*offset),
            _ => None,
        }
    }

    /// Why somebody is turned away, if that is what it says.
    pub(crate) fn turned_away(&self) -> Option<TurnedAway> {
        match self {
            Self::Busy { .. } => Some(TurnedAway::Full),
            Self::KeyBusy { .. } => Some(TurnedAway::Share),
            Self::TooManySessions { .. } | Self::TooManySessionsOfKey { .. } => {
                Some(TurnedAway::Sessions)
            }
            Self::BudgetExhausted { .. } => Some(TurnedAway::Budget),
            Self::NoToken | Self::WrongToken | Self::ExpiredToken { .. } => {
                Some(TurnedAway::Unauthorized)
            }
            Self::ShuttingDown => Some(TurnedAway::ShuttingDown),
            _ => None,
        }
    }
}

/// Where a circuit of this kind is to be asked.
fn instead(name: &str, kind: InputKind) -> String {
    let (what, path) = match kind {
        InputKind::Bag => ("have the whole text evaluated", routes::EVALUATIONS),
        InputKind::Tokens => ("open a session", routes::SESSIONS),
    };
    format!("{what} at {}", path.replace("{name}", name))
}

/// The kind of an error in bytes from a client.
fn fhe_kind(error: &FheError, malformed: ProblemKind) -> ProblemKind {
    match error {
        FheError::Checksum { .. } | FheError::Malformed { .. } => malformed,
        FheError::TooLarge { .. } => ProblemKind::TooLarge,
        FheError::ParameterSet { .. } => ProblemKind::WrongParameterSet,
        FheError::Shape { .. } | FheError::Stopped => ProblemKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        let status = |kind| {
            let error = ServerError::storage("testing", &Error::from(kind));
            error.problem().status
        };
        assert_eq!(status(ErrorKind::StorageFull), 507);
        assert_eq!(status(ErrorKind::QuotaExceeded), 507);
        assert_eq!(status(ErrorKind::ReadOnlyFilesystem), 503);
        assert_eq!(status(ErrorKind::PermissionDenied), 503);
    }

    #[test]
    fn only_a_bug_is_a_500() {
        assert_eq!(ServerError::Internal.problem().status, 500);
        assert_eq!(ServerError::Busy { seconds: 2 }.problem().status, 429);
        let checksum = FheError::Checksum { what: "key" };
        assert_eq!(ServerError::Key(checksum).problem().status, 422);
    }
}
