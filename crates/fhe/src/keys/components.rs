//! What an evaluation key consists of, for whoever wants to see it.

use super::SeededEvaluationKey;
use super::bodies::SeededBodies;

/// A part of an evaluation key: ciphertexts, of which one seed and the bodies are there.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// Its name.
    pub name: &'static str,
    /// What its ciphertexts encrypt.
    pub encrypts: &'static str,
    /// Under which key.
    pub under: &'static str,
    /// The bodies of the ciphertexts, rounded, one after the other without gaps.
    pub words: &'a [u64],
}

impl SeededEvaluationKey {
    /// Its parts, in the order in which they are stored. There is nothing else in it but their seeds and the
    /// parameter set's name.
    pub fn components(&self) -> Vec<Component<'_>> {
        let ring = "the ring key";
        vec![
            Component::new(
                "bootstrapping key",
                "every bit of the small LWE key, as a GGSW ciphertext",
                ring,
                &self.bootstrap,
            ),
            Component::new(
                "key-switching key",
                "the ring key's coefficients, times powers of the key switch's base",
                "the small LWE key",
                &self.key_switch,
            ),
            Component::new(
                "packing keys",
                "images of the ring key under automorphisms, times powers of the base",
                ring,
                &self.automorphisms,
            ),
            Component::new(
                "product key",
                "the square of the ring key, times powers of the base",
                ring,
                &self.relinearization,
            ),
            Component::new(
                "public key",
                "zeros, from which anybody makes others to hide what a response's mask says",
                ring,
                &self.public,
            ),
        ]
    }

    /// The parameter set it was made for.
    pub fn parameter_set(&self) -> &str {
        &self.parameter_set
    }
}

impl<'a> Component<'a> {
    fn new(
        name: &'static str,
        encrypts: &'static str,
        under: &'static str,
        bodies: &'a SeededBodies,
    ) -> Self {
        Self {
            name,
            encrypts,
            under,
            words: &bodies.bodies,
        }
    }

    /// Bytes of its bodies.
    pub fn bytes(&self) -> usize {
        size_of_val(self.words)
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::{INSECURE_PRECISE, INSECURE_TOY};

    use super::*;
    use crate::keys::SecretKey;

    /// Whoever adds a part to the key has to say here what it is.
    #[test]
    fn the_parts_are_all_there_is() {
        for set in [&INSECURE_TOY, &INSECURE_PRECISE] {
            let key = SeededEvaluationKey::generate(&SecretKey::generate(set), |_| ());
            let parts = key.components();
            let listed: usize = parts.iter().map(Component::bytes).sum();
            assert_eq!(listed, set.evaluation_key_bytes());
            let others = key.to_bytes().len() - listed;
            assert!(
                others < 200 + 100 * parts.len(),
                "{others} bytes of seeds and names"
            );
        }
    }
}
