//! Texts as tokens, and tokens as ciphertexts: circuits that continue a text.

use cipherformer_circuit::{Bag, InputKind, OutputPolicy};
use cipherformer_fhe::{EncryptedBag, SecretKey};
use cipherformer_protocol::frame;

use crate::circuit::PublicCircuit;
use crate::error::ClientError;

/// The token that stands before a text and after it: the first entry of every vocabulary of tokens.
pub const END: usize = 0;

impl PublicCircuit {
    /// How many tokens a session may have.
    pub fn context(&self) -> usize {
        self.manifest().input.context
    }

    /// The tokens of a text's beginning, the start mark first.
    ///
    /// # Errors
    /// Letters that the vocabulary does not have, or more of them than there are positions.
    pub fn prompt(&self, prefix: &str) -> Result<Vec<usize>, ClientError> {
        self.expect_kind(InputKind::Tokens)?;
        let mut tokens = vec![END];
        for letter in prefix.chars() {
            tokens.push(self.token(letter)?);
        }
        if tokens.len() > self.context() {
            return Err(ClientError::LongPrefix {
                letters: tokens.len() - 1,
                most: self.context() - 1,
            });
        }
        Ok(tokens)
    }

    /// What a token adds to a text; `None` for [`END`].
    pub fn letter(&self, token: usize) -> Option<&str> {
        match token {
            END => None,
            token => self.vocabulary().feature(token),
        }
    }

    /// Encrypts tokens, each on its own; the bytes to send.
    ///
    /// # Errors
    /// A token that the vocabulary does not have, or a key of another parameter set.
    pub fn encrypt_tokens(
        &self,
        tokens: &[usize],
        key: &SecretKey,
    ) -> Result<Vec<u8>, ClientError> {
        let encrypt = |&token: &usize| {
            let bag = Bag::token(token);
            EncryptedBag::encrypt(&bag, self.manifest(), key).map(|bag| bag.to_bytes())
        };
        let parts: Result<Vec<_>, _> = tokens.iter().map(encrypt).collect();
        let parts = parts.map_err(|error| ClientError::nonsense("manifest", error))?;
        Ok(frame(&parts))
    }

    /// Opens a response: one logit per token, rounded as scores are. Where the server's policy tells nothing but which
    /// is the largest, that one is 0 and all others are minus infinity: whoever draws can only draw it.
    ///
    /// # Errors
    /// As [`PublicCircuit::decrypt`].
    pub fn decrypt_logits(
        &self,
        response: &[u8],
        key: &SecretKey,
    ) -> Result<Vec<f64>, ClientError> {
        let (largest, logits) = self.open(response, key)?;
        if self.manifest().output.policy != OutputPolicy::TopOne {
            return Ok(logits);
        }
        let mut only = vec![f64::NEG_INFINITY; logits.len()];
        only[largest] = 0.0;
        Ok(only)
    }

    /// Fails if this circuit works in another way than the caller wants.
    pub(crate) fn expect_kind(&self, kind: InputKind) -> Result<(), ClientError> {
        let name = &self.manifest().name;
        match self.manifest().input.kind {
            got if got == kind => Ok(()),
            InputKind::Bag => Err(ClientError::NoGenerator { name: name.clone() }),
            InputKind::Tokens => Err(ClientError::NoClassifier { name: name.clone() }),
        }
    }

    fn token(&self, letter: char) -> Result<usize, ClientError> {
        let mut buffer = [0; 4];
        let wanted = Some(&*letter.encode_utf8(&mut buffer));
        let mut tokens = END + 1..self.vocabulary().len();
        tokens
            .find(|&token| self.vocabulary().feature(token) == wanted)
            .ok_or_else(|| ClientError::UnknownLetter {
                letter,
                known: self.letters(),
            })
    }

    fn letters(&self) -> String {
        (END + 1..self.vocabulary().len())
            .filter_map(|token| self.vocabulary().feature(token))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::INSECURE_TOY;
    use cipherformer_circuit::{
        FORMAT, InputLayout, Manifest, OutputKind, OutputLayout, OutputPolicy, Vocabulary,
    };

    use super::*;

    const LETTERS: &str = ".\na\nb\nc\n";

    fn circuit() -> PublicCircuit {
        let vocabulary = Vocabulary::from_text(LETTERS, 1, 1).expect("distinct letters");
        let manifest = Manifest {
            format: FORMAT,
            name: "letters".to_owned(),
            description: "for tests".to_owned(),
            digest: "0".repeat(64),
            parameter_set: INSECURE_TOY.name.to_owned(),
            input: InputLayout {
                kind: InputKind::Tokens,
                context: 8,
                entries: 4,
                max_features: 1,
                min_count: 1,
                scale: 0.01,
                vocabulary_sha256: vocabulary.sha256(),
            },
            output: OutputLayout {
                kind: OutputKind::Logits,
                labels: [".", "a", "b", "c"].map(str::to_owned).to_vec(),
                scale: vec![0.1; 4],
                policy: OutputPolicy::Scores,
                noise: 1e-4,
            },
        };
        PublicCircuit::new("letters", manifest, LETTERS).expect("all is well")
    }

    /// A request tells how many tokens it brings, and not which.
    #[test]
    fn every_token_makes_a_request_of_the_same_size() {
        let (circuit, key) = (circuit(), SecretKey::generate(&INSECURE_TOY));
        let size = |tokens: &[usize]| {
            let request = circuit.encrypt_tokens(tokens, &key);
            request.expect("tokens of the vocabulary").len()
        };
        let one = size(&[END]);
        for token in 0..4 {
            assert_eq!(size(&[token]), one, "token {token}");
            assert_eq!(size(&[token, 3 - token]), 2 * one);
        }
        assert_eq!(
            size(&circuit.prompt("abc").expect("known letters")),
            4 * one
        );
    }

    #[test]
    fn equal_tokens_are_encrypted_differently() {
        let (circuit, key) = (circuit(), SecretKey::generate(&INSECURE_TOY));
        let request = circuit
            .encrypt_tokens(&[1, 1], &key)
            .expect("a known token");
        let (first, second) = request.split_at(request.len() / 2);
        assert_ne!(first, second);
        let again = circuit
            .encrypt_tokens(&[1, 1], &key)
            .expect("a known token");
        assert_ne!(request, again);
    }
}
