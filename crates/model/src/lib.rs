//! The model owner's side of Cipherformer: from labelled texts to a circuit folder, and its figures.
//!
//! - [`load_examples`] reads labelled texts; [`Recipe`] says how a prompt guard is trained.
//! - [`train`] makes a [`FloatModel`]; [`FloatModel::quantize`] turns it into a circuit's integers.
//! - [`build_prompt_guard`] does all of it and writes the circuit's folder.
//! - [`build_names_gpt`] does the same for a small transformer over the letters of names.
//! - [`import_circuit`] makes a circuit of anybody's weights.
//! - [`evaluate_circuit`] and [`evaluate_texts`] measure a circuit: plain, with simulated noise, or encrypted.
//! - [`noise_by_layer`] shows how noise grows on the way, predicted and measured.
//!
//! The only crate that names a training library.

mod calibrate;
mod card;
mod choose;
mod cross;
mod data;
mod decoder;
mod encrypted;
mod error;
mod evaluate;
mod golden;
mod guard;
mod import;
mod metrics;
mod names;
mod output;
mod progress;
mod quantize;
mod recipe;
mod regenerate;
mod texts;
mod trace;
mod train;
mod tune;

pub use calibrate::calibrate;
pub use choose::choose_vocabulary;
pub use cross::CrossValidation;
pub use data::{Example, load_examples};
pub use encrypted::EncryptedPair;
pub use error::ModelError;
pub use evaluate::{Evaluation, Mode, evaluate_circuit};
pub use golden::{TextVector, TextsGolden};
pub use guard::{CIRCUITS, Figures, Training, build_prompt_guard};
pub use import::{
    Import, ImportError, ImportReport, ImportedLayer, Quality, WeightError, import_circuit,
};
pub use metrics::{LABELS, Metrics};
pub use names::{NAMES_GPT, NamesFigures, NamesLosses, NamesRecipe, build_names_gpt};
pub use recipe::Recipe;
pub use texts::{TextsEvaluation, evaluate_texts, reference_logits, tokens};
pub use trace::{LayerNoise, noise_by_layer};
pub use train::{FloatModel, train};
pub use tune::{tune_circuit, write_tuned};
