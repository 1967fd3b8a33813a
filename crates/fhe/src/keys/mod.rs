//! Keys: the client's secret, and the evaluation key in its two forms.

pub(crate) mod bodies;
mod bootstrap;
mod evaluation;
mod expanded;
mod secret;

pub use evaluation::SeededEvaluationKey;
pub use expanded::EvaluationKey;
pub use secret::SecretKey;
