//! All that a client gets from a server, and all that it keeps.

mod explain;
mod missing;

use cipherformer_circuit::{InputKind, Manifest, ParameterSet};
use cipherformer_fhe::{EncryptedScores, SecretKey, content_id, size_limit};
use serde::Serialize;
use serde_json::Value;

use crate::circuit::PublicCircuit;
use crate::client::Client;
use crate::error::ClientError;
use crate::keys::HomeLook;
use crate::lifecycle::blocking;
pub use explain::Field;
pub use missing::NOT_RECEIVED;

/// Of a vocabulary, so many entries are shown.
const SHOWN_ENTRIES: usize = 12;

/// All that a client gets from a server, and all that it keeps.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The server's address.
    pub server: String,
    /// What it says of each circuit.
    pub circuits: Vec<CircuitInspection>,
    /// What comes with every answer besides the encrypted output.
    pub with_answers: Vec<Field>,
    /// What is on this computer.
    pub home: HomeLook,
    /// What the client does not get.
    pub not_received: &'static [&'static str],
}

/// What a server says of a circuit.
#[derive(Clone, Debug, Serialize)]
pub struct CircuitInspection {
    /// Every field of the manifest, with what it says and what it does not say.
    pub manifest: Vec<Field>,
    /// The vocabulary.
    pub vocabulary: VocabularyInspection,
    /// The parameters, which this program found by their name; the server sent none of them.
    pub parameters: ParameterInspection,
    /// How many bytes travel.
    pub sizes: Sizes,
}

/// A vocabulary.
#[derive(Clone, Debug, Serialize)]
pub struct VocabularyInspection {
    /// How many entries it has.
    pub entries: usize,
    /// Its size as sent.
    pub bytes: usize,
    /// Its SHA-256, which the manifest names as well.
    pub sha256: String,
    /// Its first entries.
    pub first: Vec<String>,
}

/// A parameter set.
#[derive(Clone, Debug, Serialize)]
pub struct ParameterInspection {
    /// Its name.
    pub name: String,
    /// Its security in bits.
    pub security_bits: u32,
    /// Dimension of the ring key, and how many bits it has.
    pub ring_key_bits: usize,
    /// Bits of the small LWE key.
    pub small_key_bits: usize,
    /// Where dimensions and noise come from.
    pub source: String,
}

/// How many bytes travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The evaluation key, once; at most.
    pub evaluation_key: usize,
    /// A request: one text, or one token of a session, whatever it says.
    pub request: usize,
    /// The encrypted output.
    pub response: usize,
}

impl Client {
    /// Fetches all that this server gives of one circuit, or of all, and looks at what is on this computer. Makes
    /// no keys, and asks for no passphrase.
    ///
    /// # Errors
    /// An unknown circuit, network, an answer that makes no sense, or a home that cannot be read.
    pub async fn inspect(&self, circuit: Option<&str>) -> Result<Inspection, ClientError> {
        let names = match circuit {
            Some(name) => vec![name.to_owned()],
            None => {
                let all = self.circuits().await?;
                all.into_iter().map(|circuit| circuit.name).collect()
            }
        };
        let mut circuits = Vec::new();
        for name in names {
            let circuit = self.circuit(&name).await?;
            circuits.push(blocking(move || Ok(inspect(&circuit))).await?);
        }
        let home = self.home.clone();
        Ok(Inspection {
            server: self.http.base().to_owned(),
            circuits,
            with_answers: explain::answers(),
            home: blocking(move || home.look()).await?,
            not_received: NOT_RECEIVED,
        })
    }
}

fn inspect(circuit: &PublicCircuit) -> CircuitInspection {
    let manifest = circuit.manifest();
    let parameters = circuit.parameters();
    let text = circuit.vocabulary().to_text();
    let entries = circuit.vocabulary().len();
    let first = (0..entries.min(SHOWN_ENTRIES))
        .filter_map(|entry| circuit.vocabulary().feature(entry))
        .map(crate::error::printable);
    CircuitInspection {
        manifest: explain::manifest(&json(manifest)),
        vocabulary: VocabularyInspection {
            entries,
            bytes: text.len(),
            sha256: content_id(text.as_bytes()),
            first: first.collect(),
        },
        parameters: ParameterInspection {
            name: parameters.name.to_owned(),
            security_bits: parameters.security_bits,
            ring_key_bits: parameters.ring_dimension,
            small_key_bits: parameters.lwe_dimension,
            source: parameters.source.to_owned(),
        },
        sizes: sizes(circuit, parameters),
    }
}

/// Measured, under a key that is made for it and thrown away.
fn sizes(circuit: &PublicCircuit, parameters: &'static ParameterSet) -> Sizes {
    let key = SecretKey::generate(parameters);
    let manifest = circuit.manifest();
    let request = match manifest.input.kind {
        InputKind::Bag => circuit.encrypt("a text", &key).map(|request| request.bytes),
        InputKind::Tokens => circuit.encrypt_tokens(&[crate::tokens::END], &key),
    };
    let count = manifest.output.labels.len();
    let output = EncryptedScores::compress(key.encrypt_packed(&[0]), count, parameters);
    Sizes {
        evaluation_key: size_limit(parameters.evaluation_key_bytes()),
        request: request.expect("its manifest was checked").len(),
        response: output.to_bytes().len(),
    }
}

fn json(manifest: &Manifest) -> Value {
    serde_json::to_value(manifest).expect("plain data")
}
