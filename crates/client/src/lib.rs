//! The client: makes keys, encrypts texts, has a server evaluate or continue them, decrypts the answers.
//!
//! ```no_run
//! use std::sync::Arc;
//! use cipherformer_client::{Client, ClientError, KeyHome};
//!
//! # async fn example() -> Result<(), ClientError> {
//! let home = KeyHome::new("/home/me/.cipherformer");
//! let client = Client::connect("http://127.0.0.1:8080", home, Arc::new(())).await?;
//! let answer = client.classify("prompt-guard", "What is the capital of France?").await?;
//! println!("{}: {:?}", answer.label, answer.scores);
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::classify`] does all of it. Its steps are there too: [`Client::circuit`] and
//! [`Client::keys`] fetch and make what is missing, [`PublicCircuit::encrypt`] and
//! [`PublicCircuit::decrypt`] work without any network, [`Client::evaluate`] asks the server.
//!
//! [`Client::generate`] continues a text: it opens a [`Session`], has its tokens evaluated one after the
//! other, and draws the next one from the decrypted logits by a [`Sampling`].
//!
//! [`Ui`] shows all of it on a page, to the browser of this computer.
//!
//! The secret key never leaves [`KeyHome`] and this process; a server can make the client fail, but
//! not panic, use weak parameters, or read without bounds.

mod bar;
mod bearer;
mod circuit;
mod circuits;
mod classification;
mod client;
mod endpoint;
mod error;
mod generate;
mod http;
mod inspect;
mod keys;
mod lifecycle;
mod observer;
mod patience;
mod rounding;
mod sampling;
mod session;
mod tokens;
mod ui;

pub use bar::Bar;
pub use bearer::BearerToken;
pub use circuit::{PublicCircuit, Request, Verdict};
pub use classification::Classification;
pub use client::Client;
pub use endpoint::Endpoint;
pub use error::{ClientError, one_line};
pub use generate::Generation;
pub use inspect::{
    CircuitInspection, Field, Inspection, NOT_RECEIVED, ParameterInspection, Sizes,
    VocabularyInspection,
};
pub use keys::{
    FileLook, FileOrTerminal, HomeLook, KeyHome, KeyRecord, Keys, PASSPHRASE_FILE, PairLook,
    Passphrase, PassphraseError, Passphrases, Rotation,
};
pub use lifecycle::{Deleted, Rotated};
pub use observer::{Activity, Observer, Wire};
pub use sampling::Sampling;
pub use session::{Session, Step};
pub use tokens::END;
pub use ui::Ui;
