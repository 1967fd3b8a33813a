//! A small valid circuit, and its parts to be made invalid.

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::{
    Block, Circuit, CircuitError, Dense, Description, Embedding, Function, Model, OutputPolicy,
    Quantized, Vocabulary,
};

/// What [`Circuit::new`] takes.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) description: Description,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) model: Model,
}

impl Parts {
    /// Four features, three hidden values, two labels.
    pub(crate) fn small() -> Self {
        let features = ["b:ignore all", "w:all", "w:ignore", "w:tea"];
        Self {
            description: Description {
                name: "small".to_owned(),
                description: "A circuit for tests.".to_owned(),
                parameter_set: "standard-2048".to_owned(),
                labels: vec!["no".to_owned(), "yes".to_owned()],
                policy: OutputPolicy::Scores,
            },
            vocabulary: Vocabulary::new(features.map(str::to_owned).to_vec(), 8, 2)
                .expect("distinct features"),
            model: Model {
                embedding: Embedding {
                    table: weights(4, 3, &[9, -3, 2, 4, 5, -127, 100, 1, 0, -7, 8, 3], 3),
                    bias: vec![0.1, 0.0, -0.25],
                },
                blocks: vec![Block {
                    activation: Function::Tanh,
                    dense: Dense {
                        weights: weights(2, 3, &[1, -2, 3, -1, 2, -3], 2),
                        bias: vec![0.5, -0.5],
                    },
                }],
            },
        }
    }

    /// A circuit of these parts.
    pub(crate) fn build(self) -> Result<Circuit, CircuitError> {
        Circuit::new(self.description, self.vocabulary, self.model)
    }
}

/// Integers \[rows x columns\] with the step 0.01 for each of the outputs.
pub(crate) fn weights(rows: usize, columns: usize, data: &[i8], outputs: usize) -> Quantized {
    Quantized {
        integers: IntMatrix::new(rows, columns, data.to_vec()).expect("data fills the shape"),
        step: vec![0.01; outputs],
    }
}
