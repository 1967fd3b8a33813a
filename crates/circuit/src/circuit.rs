//! A circuit that has been checked: there is no other kind.

use crate::check::check_transformer;
use crate::digest::Digest;
use crate::error::CircuitError;
use crate::estimate::worst_failure;
use crate::features::Vocabulary;
use crate::graph::{Node, Op};
use crate::lower::{lower_classifier, lower_transformer};
use crate::manifest::{FORMAT, InputKind, InputLayout, Manifest, OutputKind, OutputLayout};
use crate::model::Model;
use crate::parameters::{self, ParameterSet};
use crate::policy::OutputPolicy;
use crate::transformer::Transformer;

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
    /// How much of the scores clients get.
    pub policy: OutputPolicy,
}

impl Description {
    /// What a manifest says of it.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self {
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            parameter_set: manifest.parameter_set.clone(),
            labels: manifest.output.labels.clone(),
            policy: manifest.output.policy,
        }
    }
}

/// The private part of a circuit.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A classifier of bags: one position.
    Classifier(Model),
    /// A transformer: as many positions as its context is long.
    Transformer(Box<Transformer>),
}

impl From<Model> for Body {
    fn from(model: Model) -> Self {
        Self::Classifier(model)
    }
}

impl From<Transformer> for Body {
    fn from(model: Transformer) -> Self {
        Self::Transformer(Box::new(model))
    }
}

impl Body {
    /// Checked and lowered: one list of operations for each position.
    fn lower(
        &self,
        policy: OutputPolicy,
        parameters: &'static ParameterSet,
    ) -> Result<Vec<Vec<Node>>, CircuitError> {
        match self {
            Self::Classifier(model) => Ok(vec![lower_classifier(model, policy, parameters)?]),
            Self::Transformer(model) => {
                check_transformer(model, parameters)?;
                lower_transformer(model, policy, parameters)
            }
        }
    }

    /// How many vocabulary entries and labels it is made for.
    fn sizes(&self) -> [usize; 2] {
        match self {
            Self::Classifier(model) => {
                let outputs = model
                    .blocks
                    .last()
                    .map_or(0, |block| block.dense.bias.len());
                [model.embedding.table.integers.rows(), outputs]
            }
            Self::Transformer(model) => [model.unembedding.rows(); 2],
        }
    }

    fn kinds(&self) -> (InputKind, OutputKind) {
        match self {
            Self::Classifier(_) => (InputKind::Bag, OutputKind::Scores),
            Self::Transformer(_) => (InputKind::Tokens, OutputKind::Logits),
        }
    }
}

/// A quantized model with its public manifest, lowered to primitive operations and checked against
/// its noise budget.
#[derive(Clone, Debug)]
pub struct Circuit {
    manifest: Manifest,
    parameters: &'static ParameterSet,
    vocabulary: Vocabulary,
    body: Body,
    positions: Vec<Vec<Node>>,
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
        body: impl Into<Body>,
    ) -> Result<Self, CircuitError> {
        let parameters = find_parameters(&description.parameter_set)?;
        Self::under(parameters, description, vocabulary, body.into())
    }

    fn under(
        parameters: &'static ParameterSet,
        description: Description,
        vocabulary: Vocabulary,
        body: Body,
    ) -> Result<Self, CircuitError> {
        let positions = body.lower(description.policy, parameters)?;
        check_sizes(&description, &vocabulary, &body)?;
        let manifest = manifest(description, &vocabulary, &body, &positions);
        manifest.check().map_err(|reason| CircuitError::Value {
            layer: "manifest".to_owned(),
            reason,
        })?;
        let circuit = Self {
            manifest,
            parameters,
            vocabulary,
            body,
            positions,
        };
        circuit.check_noise()?;
        Ok(circuit)
    }

    /// The same model lowered under other parameters: another circuit, with another digest.
    ///
    /// # Errors
    /// Whatever [`Circuit::new`] refuses.
    pub fn with_parameters(&self, parameter_set: &str) -> Result<Self, CircuitError> {
        self.with_set(find_parameters(parameter_set)?)
    }

    /// The same under a set that need not be secure.
    pub(crate) fn with_set(&self, set: &'static ParameterSet) -> Result<Self, CircuitError> {
        let description = Description {
            parameter_set: set.name.to_owned(),
            ..Description::of(&self.manifest)
        };
        self.anew(set, description)
    }

    /// The same model, of whose scores clients get this: another circuit, with another digest.
    ///
    /// # Errors
    /// Whatever [`Circuit::new`] refuses.
    pub fn with_policy(&self, policy: OutputPolicy) -> Result<Self, CircuitError> {
        let description = Description {
            policy,
            ..Description::of(&self.manifest)
        };
        self.anew(self.parameters, description)
    }

    /// The same model, lowered once more.
    fn anew(
        &self,
        set: &'static ParameterSet,
        description: Description,
    ) -> Result<Self, CircuitError> {
        Self::under(set, description, self.vocabulary.clone(), self.body.clone())
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
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// How many positions a session may have.
    pub fn positions(&self) -> usize {
        self.positions.len()
    }

    /// The primitive operations of one position, in evaluation order.
    ///
    /// # Panics
    /// If there is no such position.
    pub fn nodes(&self, position: usize) -> &[Node] {
        &self.positions[position]
    }

    /// How many ring ciphertexts a session keeps.
    pub fn caches(&self) -> usize {
        let caches = self.positions[0].iter().filter_map(|node| match node.op {
            Op::Append { cache, .. } => Some(cache + 1),
            _ => None,
        });
        caches.max().unwrap_or(0)
    }

    /// How many LUTs an evaluation of this position costs.
    pub fn luts(&self, position: usize) -> usize {
        self.nodes(position).iter().map(Node::luts).sum()
    }

    /// How many ring products an evaluation of this position costs.
    pub fn ring_products(&self, position: usize) -> usize {
        let dimension = self.parameters.ring_dimension;
        let nodes = self.nodes(position).iter();
        nodes.map(|node| node.ring_products(dimension)).sum()
    }

    /// Scores on the torus as real numbers.
    pub fn scores(&self, torus: &[f64]) -> Vec<f64> {
        let scales = &self.manifest.output.scale;
        torus.iter().zip(scales).map(|(t, s)| t / s).collect()
    }

    fn check_noise(&self) -> Result<(), CircuitError> {
        for nodes in &self.positions {
            for node in nodes {
                if let Some(got) = worst_failure(node, nodes, self.parameters)
                    && (got.is_nan() || got > FAILURE_LIMIT_LOG2)
                {
                    return Err(CircuitError::NoiseBudget {
                        layer: node.name.clone(),
                        got,
                        limit: FAILURE_LIMIT_LOG2,
                    });
                }
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
    body: &Body,
    positions: &[Vec<Node>],
) -> Manifest {
    let nodes = &positions[0];
    let (input_kind, output_kind) = body.kinds();
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
            kind: input_kind,
            context: positions.len(),
            entries: vocabulary.len(),
            max_features: vocabulary.max_features(),
            min_count: vocabulary.min_count(),
            scale,
            vocabulary_sha256: vocabulary.sha256(),
        },
        output: OutputLayout {
            kind: output_kind,
            labels: description.labels,
            scale: response.values.iter().map(|value| value.scale).collect(),
            policy: description.policy,
            noise: f64::from(response.values[0].variance.sqrt() as f32),
        },
    };
    manifest.digest = Digest::of_circuit(&manifest, body);
    manifest
}

fn check_sizes(
    description: &Description,
    vocabulary: &Vocabulary,
    body: &Body,
) -> Result<(), CircuitError> {
    let [rows, outputs] = body.sizes();
    if vocabulary.len() != rows {
        return Err(CircuitError::Shape {
            layer: "embedding".to_owned(),
            expected: format!("{} rows, one per vocabulary entry", vocabulary.len()),
            got: rows.to_string(),
        });
    }
    if description.labels.len() != outputs {
        return Err(CircuitError::Shape {
            layer: "output".to_owned(),
            expected: format!("{outputs} labels, one per output of the last layer"),
            got: description.labels.len().to_string(),
        });
    }
    Ok(())
}
