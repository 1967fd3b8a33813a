//! The encrypted evaluator.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cipherformer_circuit::graph::{IntMatrix, LutCell, Node, Op};
use cipherformer_circuit::{At, Circuit, Engine, ParameterSet, Precision};

use crate::error::FheError;
use crate::keys::EvaluationKey;
use crate::linear::{concat, linear};
use crate::lookup::PreparedTable;
use crate::lut::PreparedLut;
use crate::message::{EncryptedBag, EncryptedScores, stride};
use crate::ring::{add, extract, multiply, pack, pack_at, rerandomize, shift};
use crate::scaled::scaled_lut;
use crate::wire::same_set;
use crate::{Packed, Scalars, convert};

/// A circuit with its tables transformed once, for all clients.
#[derive(Debug)]
pub struct PreparedCircuit {
    circuit: Arc<Circuit>,
    positions: Vec<Vec<Prepared>>,
}

#[derive(Debug)]
enum Prepared {
    Table(PreparedTable),
    Lut(PreparedLut),
    Nothing,
}

impl Prepared {
    fn new(node: &Node, parameters: &ParameterSet) -> Result<Self, FheError> {
        Ok(match &node.op {
            Op::Lookup {
                table, multiplier, ..
            } => Self::Table(PreparedTable::new(table, *multiplier, parameters)?),
            Op::Lut { cells, precision } => {
                Self::Lut(PreparedLut::new(cells, *precision, parameters))
            }
            _ => Self::Nothing,
        })
    }
}

impl PreparedCircuit {
    /// Transforms the circuit's tables.
    ///
    /// # Errors
    /// A table whose products would not be exact.
    pub fn new(circuit: Arc<Circuit>) -> Result<Self, FheError> {
        let parameters = circuit.parameters();
        let positions = (0..circuit.positions()).map(|position| {
            let nodes = circuit.nodes(position).iter();
            nodes.map(|node| Prepared::new(node, parameters)).collect()
        });
        Ok(Self {
            positions: positions.collect::<Result<_, _>>()?,
            circuit,
        })
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
    /// Ring products, clear x encrypted and encrypted x encrypted.
    pub ring_products: usize,
}

/// Evaluates one prepared circuit under one client's evaluation key.
#[derive(Debug)]
pub struct Encrypted<'a> {
    prepared: &'a PreparedCircuit,
    key: &'a EvaluationKey,
    counters: Counters,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Encrypted<'a> {
    /// An engine for this circuit and key.
    ///
    /// # Errors
    /// A key of another parameter set than the circuit's.
    pub fn new(prepared: &'a PreparedCircuit, key: &'a EvaluationKey) -> Result<Self, FheError> {
        let parameters = prepared.circuit.parameters();
        same_set("evaluation key", parameters, key.parameters().name)?;
        Ok(Self {
            prepared,
            key,
            counters: Counters::default(),
            stop: None,
        })
    }

    /// Fails with [`FheError::Stopped`], between two operations, once this is set.
    #[must_use]
    pub fn stopped_by(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl Engine for Encrypted<'_> {
    type Input = EncryptedBag;
    type Scalars = Scalars;
    type Packed = Packed;
    type Response = EncryptedScores;
    type Error = FheError;

    fn check_wanted(&self) -> Result<(), FheError> {
        match self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(FheError::Stopped),
            _ => Ok(()),
        }
    }

    fn concat(&mut self, parts: &[&Scalars]) -> Scalars {
        concat(parts)
    }

    fn lookup(&mut self, at: At<'_>, input: &EncryptedBag) -> Result<Scalars, FheError> {
        let Prepared::Table(table) = &self.prepared.positions[at.position][at.id.0] else {
            unreachable!("a lookup is prepared as a table");
        };
        self.counters.ring_products += at.node.ring_products(self.key.parameters.ring_dimension);
        same_set(
            "encrypted input",
            self.key.parameters,
            input.parameter_set(),
        )?;
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
        _precision: Precision,
        values: &Scalars,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Scalars, FheError> {
        let Prepared::Lut(lut) = &self.prepared.positions[at.position][at.id.0] else {
            unreachable!("a LUT is prepared as tables");
        };
        self.counters.luts += cells.len();
        lut.apply(values, self.key, done)
    }

    fn scaled_lut(
        &mut self,
        _at: At<'_>,
        levels: u32,
        precision: Precision,
        values: &Scalars,
        scales: &Scalars,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Scalars, FheError> {
        self.counters.luts += values.lwe_ciphertext_count().0;
        self.counters.ring_products += scales.lwe_ciphertext_count().0;
        scaled_lut(levels, precision, values, scales, self.key, done)
    }

    fn pack(
        &mut self,
        from: &[usize],
        slots: &[usize],
        values: &Scalars,
    ) -> Result<Packed, FheError> {
        let size = values.lwe_size();
        let all = values.as_ref();
        let chosen = from
            .iter()
            .flat_map(|&i| &all[i * size.0..(i + 1) * size.0]);
        let chosen = Scalars::from_container(chosen.copied().collect(), size, convert::modulus());
        pack_at(&chosen, slots, self.key)
    }

    fn append(
        &mut self,
        _at: At<'_>,
        exponent: usize,
        kept: Option<&Packed>,
        new: &Packed,
    ) -> Result<Packed, FheError> {
        let new = shift(new, exponent);
        Ok(kept.map_or_else(|| new.clone(), |kept| add(kept, &new)))
    }

    fn product(
        &mut self,
        _at: At<'_>,
        modulus: u64,
        outputs: &[usize],
        [a, b]: [&Packed; 2],
    ) -> Result<Scalars, FheError> {
        self.counters.ring_products += 1;
        extract(&multiply(a, b, modulus, self.key), outputs)
    }

    fn respond(
        &mut self,
        _at: At<'_>,
        flood: &[f64],
        values: &Scalars,
    ) -> Result<EncryptedScores, FheError> {
        let mut packed = pack(values, self.key)?;
        let count = values.lwe_ciphertext_count().0;
        let stride = stride(self.key.parameters, count);
        let flood = flood.iter().enumerate().map(|(i, &v)| (i * stride, v));
        rerandomize(&mut packed, flood, self.key);
        Ok(EncryptedScores::compress(
            packed,
            count,
            self.key.parameters,
        ))
    }
}
