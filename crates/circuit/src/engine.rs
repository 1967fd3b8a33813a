//! What a way to evaluate circuits must be able to do: plain numbers, with or without drawn noise
//! ([`crate::Plain`]), or ciphertexts (in the `fhe` crate).

#[cfg(doc)]
use crate::graph::Op;
use crate::graph::{IntMatrix, LutCell, Node, NodeId};
use crate::parameters::{ParameterSet, Precision};

/// How primitive operations are done. What each does is said at the [`Op`] of its name.
pub trait Engine {
    /// What the client sends.
    type Input;
    /// A vector of values between operations.
    type Scalars;
    /// Values packed into a ring element.
    type Packed: Clone;
    /// What the client gets.
    type Response;
    /// What can go wrong.
    type Error;

    /// Fails if nobody wants the result any more; asked before every node.
    ///
    /// # Errors
    /// As the engine defines.
    fn check_wanted(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Values of several nodes, one after the other.
    fn concat(&mut self, parts: &[&Self::Scalars]) -> Self::Scalars;

    /// Clear table times bag; see [`Op::Lookup`].
    ///
    /// # Errors
    /// An input that does not fit the circuit.
    fn lookup(&mut self, at: At<'_>, input: &Self::Input) -> Result<Self::Scalars, Self::Error>;

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
        precision: Precision,
        values: &Self::Scalars,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Self::Scalars, Self::Error>;

    /// Values times encrypted scales; see [`Op::ScaledLut`]. Calls `done` as [`Engine::lut`] does.
    ///
    /// # Errors
    /// As the engine defines.
    fn scaled_lut(
        &mut self,
        at: At<'_>,
        levels: u32,
        precision: Precision,
        values: &Self::Scalars,
        scales: &Self::Scalars,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Self::Scalars, Self::Error>;

    /// Chosen values at chosen coefficients; see [`Op::Pack`].
    ///
    /// # Errors
    /// As the engine defines.
    fn pack(
        &mut self,
        from: &[usize],
        slots: &[usize],
        values: &Self::Scalars,
    ) -> Result<Self::Packed, Self::Error>;

    /// `kept + X^shift new`; see [`Op::Append`].
    ///
    /// # Errors
    /// As the engine defines.
    fn append(
        &mut self,
        at: At<'_>,
        shift: usize,
        kept: Option<&Self::Packed>,
        new: &Self::Packed,
    ) -> Result<Self::Packed, Self::Error>;

    /// Coefficients of a product; see [`Op::Product`].
    ///
    /// # Errors
    /// As the engine defines.
    fn product(
        &mut self,
        at: At<'_>,
        modulus: u64,
        outputs: &[usize],
        factors: [&Self::Packed; 2],
    ) -> Result<Self::Scalars, Self::Error>;

    /// Packs the values for the client, adding noise of these variances; see [`Op::Response`].
    ///
    /// # Errors
    /// As the engine defines.
    fn respond(
        &mut self,
        at: At<'_>,
        flood: &[f64],
        values: &Self::Scalars,
    ) -> Result<Self::Response, Self::Error>;
}

/// The node an engine is asked to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The position in the session.
    pub position: usize,
    /// Its place in that position's list.
    pub id: NodeId,
    /// The node.
    pub node: &'a Node,
    /// The circuit's parameters.
    pub parameters: &'static ParameterSet,
}
