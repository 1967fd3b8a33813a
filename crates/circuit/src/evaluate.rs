//! One interpreter for every way to evaluate a circuit.
//!
//! An [`Engine`] says how each primitive operation is done: on plain numbers ([`crate::Reference`]),
//! on plain numbers with drawn noise ([`crate::Simulate`]), or on ciphertexts (in the `fhe` crate).

use crate::circuit::Circuit;
use crate::graph::{IntMatrix, LutCell, Node, NodeId, Op};

/// How primitive operations are done.
pub trait Engine {
    /// What the client sends.
    type Input;
    /// A vector of values between operations.
    type Scalars;
    /// What the client gets.
    type Response;
    /// What can go wrong.
    type Error;

    /// Clear table times bag; see [`Op::Lookup`].
    ///
    /// # Errors
    /// An input that does not fit the circuit.
    fn lookup(
        &mut self,
        at: At<'_>,
        table: &IntMatrix,
        input_scale: f64,
        input: &Self::Input,
    ) -> Result<Self::Scalars, Self::Error>;

    /// Integer weights times values plus constants; see [`Op::Linear`].
    ///
    /// # Errors
    /// As the engine defines.
    fn linear(
        &mut self,
        weights: &IntMatrix,
        bias: &[f64],
        values: &Self::Scalars,
    ) -> Result<Self::Scalars, Self::Error>;

    /// One function per value; calls `done` with the number of LUTs finished, as they finish.
    ///
    /// # Errors
    /// As the engine defines.
    fn lut(
        &mut self,
        at: At<'_>,
        cells: &[LutCell],
        values: &Self::Scalars,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Self::Scalars, Self::Error>;

    /// Packs the values for the client.
    ///
    /// # Errors
    /// As the engine defines.
    fn respond(
        &mut self,
        at: At<'_>,
        values: &Self::Scalars,
    ) -> Result<Self::Response, Self::Error>;
}

/// The node an engine is asked to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Its place in the circuit.
    pub id: NodeId,
    /// The node.
    pub node: &'a Node,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Name of the layer being evaluated.
    pub layer: &'a str,
    /// LUTs finished so far, in all layers.
    pub luts_done: usize,
    /// LUTs of the whole circuit.
    pub luts_total: usize,
}

/// Watches an evaluation. `()` watches nothing.
pub trait Observer<E: Engine> {
    /// A layer began, or some of its LUTs are done. Called from worker threads.
    fn progress(&self, _progress: Progress<'_>) {}
    /// A node of scalars was evaluated.
    fn scalars(&self, _node: &Node, _values: &E::Scalars) {}
}

impl<E: Engine> Observer<E> for () {}

/// Evaluates a circuit node by node.
///
/// # Errors
/// Whatever the engine returns.
pub fn evaluate<E: Engine>(
    circuit: &Circuit,
    engine: &mut E,
    input: &E::Input,
    observer: &(impl Observer<E> + Sync),
) -> Result<E::Response, E::Error> {
    let luts_total = circuit.luts();
    let mut luts_before = 0;
    let mut scalars: Vec<E::Scalars> = Vec::new();
    for (index, node) in circuit.nodes().iter().enumerate() {
        let at = At {
            id: NodeId(index),
            node,
        };
        let report = |done: usize| {
            observer.progress(Progress {
                layer: &node.name,
                luts_done: luts_before + done,
                luts_total,
            });
        };
        report(0);
        let source = || {
            node.inputs
                .first()
                .map(|id| &scalars[id.0])
                .expect("lowering puts the scalars a node needs before it")
        };
        let values = match &node.op {
            Op::Lookup { table, input_scale } => engine.lookup(at, table, *input_scale, input)?,
            Op::Linear { weights, bias } => engine.linear(weights, bias, source())?,
            Op::Lut { cells } => engine.lut(at, cells, source(), &report)?,
            Op::Response => return engine.respond(at, source()),
        };
        observer.scalars(node, &values);
        luts_before += node.luts();
        scalars.push(values);
    }
    unreachable!("lowering ends every circuit with a response")
}
