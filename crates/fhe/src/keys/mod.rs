//! Keys: the client's secret, and the evaluation key in its two forms.

pub(crate) mod bodies;
mod bootstrap;
mod components;
mod evaluation;
mod expanded;
mod secret;

pub use components::Component;
pub use evaluation::SeededEvaluationKey;
pub use expanded::EvaluationKey;
pub use secret::{SECRET_KEY_NAME, SecretKey, is_secret_key};
