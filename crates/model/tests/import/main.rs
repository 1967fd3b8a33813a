//! Weights from elsewhere: what becomes of them, how close it is to them, and what is said when they are unusable.

mod classifier;
mod files;
mod hostile;
mod plain;
mod policies;
mod program;
mod refused;
mod refused_transformers;
mod transformer;
