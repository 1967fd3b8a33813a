//! The encrypted evaluator.

use std::sync::Arc;

use cipherformer_circuit::graph::{IntMatrix, LutCell, Op};
use cipherformer_circuit::{At, Circuit, Engine};

use crate::Scalars;
use crate::error::FheError;
use crate::keys::EvaluationKey;
use crate::linear::linear;
use crate::lookup::PreparedTable;
use crate::lut::PreparedLut;
use crate::message::{EncryptedBag, EncryptedScores};
use crate::ring::pack;

/// A circuit with its tables transformed once, for all clients.
#[derive(Debug)]
pub struct PreparedCircuit {
    circuit: Arc<Circuit>,
    nodes: Vec<Prepared>,
}

#[derive(Debug)]
enum Prepared {
    Table(PreparedTable),
    Lut(PreparedLut),
    Nothing,
}

impl PreparedCircuit {
    /// Transforms the circuit's tables.
    ///
    /// # Errors
    /// A table whose products would not be exact.
    pub fn new(circuit: Arc<Circuit>) -> Result<Self, FheError> {
        let parameters = circuit.parameters();
        let nodes = circuit
            .nodes()
            .iter()
            .map(|node| {
                Ok(match &node.op {
                    Op::Lookup { table, .. } => {
                        Prepared::Table(PreparedTable::new(table, parameters)?)
                    }
                    Op::Lut { cells } => Prepared::Lut(PreparedLut::new(cells, parameters)),
                    Op::Linear { .. } | Op::Response => Prepared::Nothing,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { circuit, nodes })
    }

    /// The circuit.
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }
}

/// What an evaluation has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Programmable bootstraps.
    pub luts: usize,
    /// Clear x encrypted ring products.
    pub ring_products: usize,
}

/// Evaluates one prepared circuit under one client's evaluation key.
#[derive(Debug)]
pub struct Encrypted<'a> {
    prepared: &'a PreparedCircuit,
    key: &'a EvaluationKey,
    counters: Counters,
}

impl<'a> Encrypted<'a> {
    /// An engine for this circuit and key.
    ///
    /// # Errors
    /// A key of another parameter set than the circuit's.
    pub fn new(prepared: &'a PreparedCircuit, key: &'a EvaluationKey) -> Result<Self, FheError> {
        let parameters = prepared.circuit.parameters();
        crate::wire::same_set("evaluation key", parameters, key.parameters().name)?;
        Ok(Self {
            prepared,
            key,
            counters: Counters::default(),
        })
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl Engine for Encrypted<'_> {
    type Input = EncryptedBag;
    type Scalars = Scalars;
    type Response = EncryptedScores;
    type Error = FheError;

    fn lookup(
        &mut self,
        at: At<'_>,
        _table: &IntMatrix,
        _input_scale: f64,
        input: &EncryptedBag,
    ) -> Result<Scalars, FheError> {
        let Prepared::Table(table) = &self.prepared.nodes[at.id.0] else {
            unreachable!("a lookup is prepared as a table");
        };
        self.counters.ring_products += at.node.ring_products(self.key.parameters.ring_dimension);
        table.apply(&input.expand(self.key.parameters))
    }

    fn linear(
        &mut self,
        weights: &IntMatrix,
        bias: &[f64],
        values: &Scalars,
    ) -> Result<Scalars, FheError> {
        linear(weights, bias, values)
    }

    fn lut(
        &mut self,
        at: At<'_>,
        cells: &[LutCell],
        values: &Scalars,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Scalars, FheError> {
        let Prepared::Lut(lut) = &self.prepared.nodes[at.id.0] else {
            unreachable!("a LUT is prepared as tables");
        };
        self.counters.luts += cells.len();
        lut.apply(values, self.key, done)
    }

    fn respond(&mut self, _at: At<'_>, values: &Scalars) -> Result<EncryptedScores, FheError> {
        let packed = pack(values, self.key)?;
        let count = values.lwe_ciphertext_count().0;
        Ok(EncryptedScores::compress(
            packed,
            count,
            self.key.parameters,
        ))
    }
}
