//! Where attention puts its vectors in a ring element, so that one product gives all scores of a head,
//! and one all its weighted sums.
//!
//! With heads of width d, P positions and N coefficients, let s = N / (P d). Scores:
//!
//! ```text
//! query:  q_i          at (d - 1 - i) P s         (reversed)
//! keys:   k_i of j     at i P s + j s
//! q * k:  q . k_j      at (d - 1) P s + j s
//! ```
//!
//! Terms with i != i' land on other multiples of P s; none wraps onto those, as i + i' < 2 d - 1.
//! Weighted sums, the roles of positions and dimensions exchanged:
//!
//! ```text
//! weights: u_j         at (P - 1 - j) d s         (reversed)
//! values:  v_i of j    at j d s + i s
//! u * v:   sum u_j v_ji at (P - 1) d s + i s
//! ```

use crate::parameters::ParameterSet;
use crate::transformer::Transformer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// d, a power of two.
    width: usize,
    /// P: the context, up to the next power of two.
    positions: usize,
    /// s.
    unit: usize,
}

impl Layout {
    /// The model was checked: width times positions is at most N.
    pub(super) fn new(model: &Transformer, parameters: &ParameterSet) -> Self {
        let width = model.head_width();
        let positions = model.positions.len().next_power_of_two();
        Self {
            width,
            positions,
            unit: parameters.ring_dimension / (width * positions),
        }
    }

    /// Which values of a whole vector are this head's.
    pub(super) fn head(&self, head: usize) -> Vec<usize> {
        (head * self.width..(head + 1) * self.width).collect()
    }

    pub(super) fn query(&self) -> Vec<usize> {
        let last = self.width - 1;
        (0..self.width)
            .map(|i| (last - i) * self.positions * self.unit)
            .collect()
    }

    /// Slots of a new key, and the shift that puts it in its position's place.
    pub(super) fn key(&self, position: usize) -> (Vec<usize>, usize) {
        let slots = (0..self.width).map(|i| i * self.positions * self.unit);
        (slots.collect(), position * self.unit)
    }

    /// Where the scores of all positions up to this one are.
    pub(super) fn scores(&self, position: usize) -> Vec<usize> {
        let first = (self.width - 1) * self.positions * self.unit;
        (0..=position).map(|j| first + j * self.unit).collect()
    }

    /// Slots of a new value, and the shift that puts it in its position's place.
    pub(super) fn value(&self, position: usize) -> (Vec<usize>, usize) {
        let slots = (0..self.width).map(|i| i * self.unit);
        (slots.collect(), position * self.width * self.unit)
    }

    /// Slots of the weights of all positions up to this one.
    pub(super) fn weights(&self, position: usize) -> Vec<usize> {
        let last = self.positions - 1;
        (0..=position)
            .map(|j| (last - j) * self.width * self.unit)
            .collect()
    }

    /// Where the weighted sums are.
    pub(super) fn mixed(&self) -> Vec<usize> {
        let first = (self.positions - 1) * self.width * self.unit;
        (0..self.width).map(|i| first + i * self.unit).collect()
    }
}
