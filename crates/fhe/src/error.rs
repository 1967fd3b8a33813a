//! Errors, sorted by who is to blame.

/// Why a key or ciphertext was refused, or an operation could not be done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FheError {
    /// The peer sent bytes whose checksum is not the one they came with.
    #[error(
        "the {what} is damaged: its checksum does not match its content; make or send it again"
    )]
    Checksum {
        /// What the bytes should be.
        what: &'static str,
    },
    /// The peer sent bytes that are not what they should be.
    #[error("this is not a usable {what}: {reason}")]
    Malformed {
        /// What the bytes should be.
        what: &'static str,
        /// What is wrong with them.
        reason: String,
    },
    /// The peer sent more than anything of that kind can be.
    #[error("the {what} has {got} bytes, at most {limit} are accepted")]
    TooLarge {
        /// What the bytes should be.
        what: &'static str,
        /// The largest size of such a thing.
        limit: usize,
        /// The size it has.
        got: usize,
    },
    /// A key or ciphertext of one parameter set met another.
    #[error("the {what} uses parameter set {got}, {expected} is needed; make a key for {expected}")]
    ParameterSet {
        /// What was checked.
        what: &'static str,
        /// The set that is needed.
        expected: String,
        /// The set that is there.
        got: String,
    },
    /// The caller passed something of the wrong size.
    #[error("{operation}: expected {expected}, got {got}")]
    Shape {
        /// The operation.
        operation: &'static str,
        /// What would fit.
        expected: String,
        /// What was passed.
        got: String,
    },
    /// Nobody wants the result of an evaluation any more.
    #[error("the evaluation was stopped, as asked")]
    Stopped,
}
