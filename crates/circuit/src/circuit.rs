//! A circuit that has been checked: there is no other kind.

use crate::digest::Digest;
use crate::error::CircuitError;
use crate::estimate::worst_failure;
use crate::features::Vocabulary;
use crate::graph::{Node, Op};
use crate::lower::lower;
use crate::manifest::{FORMAT, InputKind, InputLayout, Manifest, OutputKind, OutputLayout};
use crate::model::Model;
use crate::parameters::{self, ParameterSet};

/// log2 of the largest failure probability a LUT, or the response, may have.
pub const FAILURE_LIMIT_LOG2: f64 = -40.0;

/// What a model owner decides about a circuit, besides its weights.
#[derive(Clone, Debug)]
pub struct Description {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Name of a parameter set.
    pub parameter_set: String,
    /// What the scores are of, one label per output of the last layer.
    pub labels: Vec<String>,
}

/// A quantized model with its public manifest, lowered to primitive operations and checked against
/// its noise budget.
#[derive(Clone, Debug)]
pub struct Circuit {
    manifest: Manifest,
    parameters: &'static ParameterSet,
    vocabulary: Vocabulary,
    model: Model,
    nodes: Vec<Node>,
}

impl Circuit {
    /// Lowers and checks a model.
    ///
    /// # Errors
    /// Anything that would make the circuit wrong: unknown parameters, shapes that do not fit, noise
    /// that would fail more often than [`FAILURE_LIMIT_LOG2`].
    pub fn new(
        description: Description,
        vocabulary: Vocabulary,
        model: Model,
    ) -> Result<Self, CircuitError> {
        let parameters = find_parameters(&description.parameter_set)?;
        let nodes = lower(&model, parameters)?;
        check_sizes(&description, &vocabulary, &model)?;
        let manifest = manifest(description, &vocabulary, &model, &nodes);
        manifest.check().map_err(|reason| CircuitError::Value {
            layer: "manifest".to_owned(),
            reason,
        })?;
        let circuit = Self {
            manifest,
            parameters,
            vocabulary,
            model,
            nodes,
        };
        circuit.check_noise()?;
        Ok(circuit)
    }

    /// The public part.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The parameters its ciphertexts use.
    pub fn parameters(&self) -> &'static ParameterSet {
        self.parameters
    }

    /// The public vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The private body.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The primitive operations, in evaluation order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many LUTs an evaluation costs.
    pub fn luts(&self) -> usize {
        self.nodes.iter().map(Node::luts).sum()
    }

    /// How many ring products an evaluation costs.
    pub fn ring_products(&self) -> usize {
        let dimension = self.parameters.ring_dimension;
        let products = self.nodes.iter().map(|node| node.ring_products(dimension));
        products.sum()
    }

    /// Scores on the torus as real numbers.
    pub fn scores(&self, torus: &[f64]) -> Vec<f64> {
        let scales = &self.manifest.output.scale;
        torus.iter().zip(scales).map(|(t, s)| t / s).collect()
    }

    fn check_noise(&self) -> Result<(), CircuitError> {
        for node in &self.nodes {
            if let Some(got) = worst_failure(node, &self.nodes, self.parameters)
                && (got.is_nan() || got > FAILURE_LIMIT_LOG2)
            {
                return Err(CircuitError::NoiseBudget {
                    layer: node.name.clone(),
                    got,
                    limit: FAILURE_LIMIT_LOG2,
                });
            }
        }
        Ok(())
    }
}

fn find_parameters(name: &str) -> Result<&'static ParameterSet, CircuitError> {
    parameters::by_name(name).ok_or_else(|| CircuitError::UnknownParameters {
        name: name.to_owned(),
        known: parameters::names(),
    })
}

fn manifest(
    description: Description,
    vocabulary: &Vocabulary,
    model: &Model,
    nodes: &[Node],
) -> Manifest {
    let scale = nodes
        .iter()
        .find_map(|node| match node.op {
            Op::Lookup { input_scale, .. } => Some(input_scale),
            _ => None,
        })
        .expect("lowering starts every circuit with a lookup");
    let response = nodes
        .last()
        .expect("lowering ends every circuit with a response");
    let mut manifest = Manifest {
        format: FORMAT,
        name: description.name,
        description: description.description,
        digest: String::new(),
        parameter_set: description.parameter_set,
        input: InputLayout {
            kind: InputKind::Bag,
            entries: vocabulary.len(),
            max_features: vocabulary.max_features(),
            min_count: vocabulary.min_count(),
            scale,
            vocabulary_sha256: vocabulary.sha256(),
        },
        output: OutputLayout {
            kind: OutputKind::Scores,
            labels: description.labels,
            scale: response.values.iter().map(|value| value.scale).collect(),
        },
    };
    manifest.digest = Digest::of_circuit(&manifest, model);
    manifest
}

fn check_sizes(
    description: &Description,
    vocabulary: &Vocabulary,
    model: &Model,
) -> Result<(), CircuitError> {
    let rows = model.embedding.table.integers.rows();
    if vocabulary.len() != rows {
        return Err(CircuitError::Shape {
            layer: "embedding".to_owned(),
            expected: format!("{} rows, one per vocabulary entry", vocabulary.len()),
            got: rows.to_string(),
        });
    }
    let outputs = model
        .blocks
        .last()
        .map_or(0, |block| block.dense.bias.len());
    if description.labels.len() != outputs {
        return Err(CircuitError::Shape {
            layer: "output".to_owned(),
            expected: format!("{outputs} labels, one per output of the last layer"),
            got: description.labels.len().to_string(),
        });
    }
    Ok(())
}
