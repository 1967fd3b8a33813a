//! The public side of a circuit: from text to request, from response to scores.

use cipherformer_circuit::{
    Bag, InputKind, Manifest, OutputKind, OutputLayout, OutputPolicy, ParameterSet, Vocabulary,
};
use cipherformer_fhe::{EncryptedBag, EncryptedScores, SecretKey, size_limit};

use crate::error::ClientError;
use crate::rounding::{finest, round};

/// All that a client knows of a circuit, checked. Nothing in it is taken on trust but the layout:
/// encryption parameters come from this build, found by name.
#[derive(Clone, Debug)]
pub struct PublicCircuit {
    manifest: Manifest,
    vocabulary: Vocabulary,
    parameters: &'static ParameterSet,
}

/// A text, encrypted: what the server gets.
pub struct Request {
    /// The bytes to send. Their number depends on the circuit alone, not on the text.
    pub bytes: Vec<u8>,
    /// How many of the text's features the circuit looks at.
    pub features: usize,
    /// How many more it knows, but has no room for.
    pub dropped_features: usize,
    /// How many words at the text's end were not looked at.
    pub dropped_words: usize,
}

/// What a response says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The label with the largest score.
    pub label: String,
    /// One score per label, rounded; see [`PublicCircuit::decrypt`].
    pub scores: Vec<f64>,
}

impl PublicCircuit {
    /// Checks what a server sent as the circuit `name`.
    ///
    /// # Errors
    /// Anything in manifest or vocabulary that no circuit can have.
    pub fn new(name: &str, manifest: Manifest, vocabulary: &str) -> Result<Self, ClientError> {
        let nonsense = |reason| ClientError::nonsense("manifest", reason);
        let parameters = manifest.check().map_err(nonsense)?;
        if manifest.name != name {
            let reason = format!("it is of circuit {:?}, not {name}", manifest.name);
            return Err(nonsense(reason));
        }
        let input = &manifest.input;
        let bad = |reason: String| ClientError::nonsense("vocabulary", reason);
        let vocabulary = Vocabulary::from_text(vocabulary, input.max_features, input.min_count)
            .map_err(|error| bad(error.to_string()))?;
        if vocabulary.sha256() != input.vocabulary_sha256 {
            return Err(bad("its hash is not the manifest's".to_owned()));
        }
        if vocabulary.len() != input.entries {
            return Err(bad(format!(
                "it has {} entries, the manifest says {}",
                vocabulary.len(),
                input.entries
            )));
        }
        check_tokens(&manifest, &vocabulary).map_err(bad)?;
        Ok(Self {
            manifest,
            vocabulary,
            parameters,
        })
    }

    /// What the server says of the circuit.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its vocabulary, which everybody may know.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The parameters of its keys and ciphertexts.
    pub fn parameters(&self) -> &'static ParameterSet {
        self.parameters
    }

    /// The most bytes a response may have.
    pub fn response_limit(&self) -> usize {
        size_limit(self.parameters.response_bytes(self.labels()))
    }

    /// Encrypts a text: a few milliseconds.
    ///
    /// # Errors
    /// An empty text, or a key of another parameter set.
    pub fn encrypt(&self, text: &str, key: &SecretKey) -> Result<Request, ClientError> {
        if text.trim().is_empty() {
            return Err(ClientError::EmptyText);
        }
        let bag: Bag = self.vocabulary.bag(text);
        let encrypted = EncryptedBag::encrypt(&bag, &self.manifest, key)
            .map_err(|error| ClientError::nonsense("manifest", error))?;
        Ok(Request {
            bytes: encrypted.to_bytes(),
            features: bag.features().len(),
            dropped_features: bag.dropped(),
            dropped_words: bag.dropped_words(),
        })
    }

    /// Opens a response.
    ///
    /// Scores are rounded to what the noise leaves meaningful. Whoever gets to see decrypted values
    /// with their noise may learn something of the secret key (IND-CPA-D), so the unrounded values
    /// never leave this module. Rounding hides most of the noise, not all of it: show scores to
    /// nobody you would not show the text to; the label alone says less.
    ///
    /// # Errors
    /// A response that is damaged or not of this circuit.
    pub fn decrypt(&self, response: &[u8], key: &SecretKey) -> Result<Verdict, ClientError> {
        let (largest, scores) = self.open(response, key)?;
        let label = self.manifest.output.labels[largest].clone();
        Ok(Verdict { label, scores })
    }

    /// Which score is largest, and all of them, rounded.
    pub(crate) fn open(
        &self,
        response: &[u8],
        key: &SecretKey,
    ) -> Result<(usize, Vec<f64>), ClientError> {
        let bad = |error| ClientError::nonsense("encrypted output", error);
        let encrypted =
            EncryptedScores::from_bytes(response, self.labels(), self.parameters).map_err(bad)?;
        let torus = encrypted.decrypt(key).map_err(bad)?;
        let scales = &self.manifest.output.scale;
        let exact: Vec<f64> = torus.iter().zip(scales).map(|(t, s)| t / s).collect();
        let largest = OutputLayout::argmax(&exact);
        if self.manifest.output.policy == OutputPolicy::TopOne && exact[largest] < 0.5 {
            let name = self.manifest.name.clone();
            return Err(ClientError::Undecided { name });
        }
        let rounded = exact.iter().zip(scales);
        let rounded = rounded.map(|(&score, &scale)| round(score, self.finest_step(scale)));
        Ok((largest, rounded.collect()))
    }

    fn labels(&self) -> usize {
        self.manifest.output.labels.len()
    }

    /// The finest steps in which a score of this scale is shown.
    fn finest_step(&self, scale: f64) -> f64 {
        let own = self.parameters.output_variance().sqrt();
        finest(self.manifest.output.noise, own) / scale
    }
}

/// Tokens that go out as letters must come back as logits, and be fit for a terminal.
fn check_tokens(manifest: &Manifest, vocabulary: &Vocabulary) -> Result<(), String> {
    let [tokens, logits] = [
        manifest.input.kind == InputKind::Tokens,
        manifest.output.kind == OutputKind::Logits,
    ];
    if tokens != logits || (tokens && manifest.output.labels.len() != vocabulary.len()) {
        return Err("it does not fit the output".to_owned());
    }
    let mut entries = (0..vocabulary.len()).filter_map(|entry| vocabulary.feature(entry));
    match tokens && entries.any(|entry| entry.contains(char::is_control)) {
        true => Err("a token is not printable".to_owned()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::INSECURE_TOY;
    use cipherformer_circuit::{FORMAT, InputLayout};

    use super::*;

    const WORDS: &str = "hello\nworld\n";

    fn manifest() -> Manifest {
        let vocabulary = Vocabulary::from_text(WORDS, 4, 1).expect("distinct words");
        Manifest {
            format: FORMAT,
            name: "test".to_owned(),
            description: "for tests".to_owned(),
            digest: "0".repeat(64),
            parameter_set: INSECURE_TOY.name.to_owned(),
            input: InputLayout {
                kind: InputKind::Bag,
                context: 1,
                entries: 2,
                max_features: 4,
                min_count: 1,
                scale: 0.01,
                vocabulary_sha256: vocabulary.sha256(),
            },
            output: OutputLayout {
                kind: OutputKind::Scores,
                labels: vec!["no".to_owned(), "yes".to_owned()],
                scale: vec![0.1, 0.1],
                policy: OutputPolicy::Scores,
                noise: 1e-4,
            },
        }
    }

    #[test]
    fn a_good_circuit_encrypts_and_all_requests_are_of_one_size() {
        let circuit = PublicCircuit::new("test", manifest(), WORDS).expect("all is well");
        let key = SecretKey::generate(&INSECURE_TOY);
        let sizes = ["hello", "hello world, what a day", "?"].map(|text| {
            let request = circuit.encrypt(text, &key).expect("not empty");
            request.bytes.len()
        });
        assert!(sizes.iter().all(|&size| size == sizes[0]), "{sizes:?}");
        let empty = circuit.encrypt(" \n ", &key).err();
        assert!(matches!(empty, Some(ClientError::EmptyText)));
        assert!(circuit.decrypt(b"nonsense", &key).is_err());
    }

    #[test]
    fn nonsense_of_every_kind_is_refused() {
        type Damage = fn(&mut Manifest);
        let damages: [(&str, Damage); 16] = [
            ("format", |m| m.format = 99),
            ("circuit \"other\"", |m| m.name = "other".to_owned()),
            ("digest", |m| m.digest = "../..".to_owned()),
            ("parameter set", |m| m.parameter_set = "weak".to_owned()),
            ("features", |m| m.input.entries = 0),
            ("features", |m| m.input.entries = usize::MAX),
            ("3", |m| m.input.entries = 3),
            ("min_count", |m| m.input.min_count = 0),
            ("min_count", |m| m.input.max_features = 0),
            ("input scale", |m| m.input.scale = f64::NAN),
            ("input scale", |m| m.input.scale = 0.3),
            ("hash", |m| m.input.vocabulary_sha256 = "0".repeat(64)),
            ("fit the output", |m| m.output.kind = OutputKind::Logits),
            ("labels", |m| m.output.labels.clear()),
            ("label", |m| m.output.labels[0] = "\x1b[2J".to_owned()),
            ("output scale", |m| {
                m.output.scale = vec![0.0, f64::INFINITY]
            }),
        ];
        for (reason, damage) in damages {
            let mut manifest = manifest();
            damage(&mut manifest);
            let error = PublicCircuit::new("test", manifest, WORDS).expect_err(reason);
            assert!(error.to_string().contains(reason), "{reason}: {error}");
        }
    }
}
