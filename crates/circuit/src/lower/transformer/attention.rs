//! Softmax attention: two ring products a head, and the LUTs around them.

use super::Builder;
use super::scales::AttentionScales;
use crate::check::no_room;
use crate::error::CircuitError;
use crate::function::Function;
use crate::graph::{LutCell, NodeId};
use crate::parameters::Precision;
use crate::transformer::{MARGIN, SCALED_LEVELS};

impl Builder<'_> {
    /// Softmax attention of this position over all up to it: two ring products a head.
    pub(super) fn attention(
        &mut self,
        layer: usize,
        query: NodeId,
        key: NodeId,
        value: NodeId,
    ) -> Result<NodeId, CircuitError> {
        let name = format!("block{}.attention", layer + 1);
        let heads = self.model.heads;
        let scales = self.scales.attention[layer];
        let mut scores = Vec::new();
        let mut values = Vec::new();
        for head in 0..heads {
            let from = self.layout.head(head);
            let cache = 2 * (layer * heads + head);
            let (slots, shift) = self.layout.key(self.position);
            let query = self.pack(&name, query, from.clone(), self.layout.query());
            let new = self.pack(&name, key, from.clone(), slots);
            let keys = self.append(&name, cache, shift, new);
            let (slots, shift) = self.layout.value(self.position);
            let new = self.pack(&name, value, from, slots);
            values.push(self.append(&name, cache + 1, shift, new));
            let outputs = self.layout.scores(self.position);
            let (modulus, range) = (scales.score_modulus, scales.score_range);
            let score = self.product(&name, modulus, outputs, [query, keys], range);
            scores.push(score);
        }
        let exponentials = self.exponentials(layer, &name, scores);
        let reciprocals = self.reciprocals(layer, &name, exponentials)?;
        let mut mixed = Vec::new();
        for (head, values) in values.into_iter().enumerate() {
            let count = self.position + 1;
            let from = (head * count..(head + 1) * count).collect();
            let weights = self.pack(
                &name,
                exponentials,
                from,
                self.layout.weights(self.position),
            );
            let (modulus, range) = (scales.mix_modulus, scales.mix_range);
            let outputs = self.layout.mixed();
            mixed.push(self.product(&name, modulus, outputs, [weights, values], range));
        }
        Ok(self.scaled_lut(
            &format!("{name}.mean"),
            Precision::Coarse,
            mixed,
            reciprocals,
            scales.output,
        ))
    }

    /// exp of every score, as integers over the mix modulus.
    fn exponentials(&mut self, layer: usize, name: &str, scores: Vec<NodeId>) -> NodeId {
        let numerics = &self.model.attention[layer].numerics;
        let scales = self.scales.attention[layer];
        let count = self.position + 1;
        let cell = LutCell {
            function: Function::CappedExp {
                cap: numerics.cap,
                gain: numerics.gain / count as f64,
            },
            input_scale: 1.0 / (scales.score_modulus as f64 * numerics.score_step),
            input_bias: 0.0,
            output_scale: 1.0 / scales.mix_modulus as f64,
            rounded: true,
        };
        let cells = vec![cell; count * self.model.heads];
        self.lut(&format!("{name}.exp"), Precision::Full, scores, cells)
    }

    /// One over the sum of every head's exponentials, at the scale that [`Builder::scaled_lut`] needs to
    /// make real averages of mixed values.
    fn reciprocals(
        &mut self,
        layer: usize,
        name: &str,
        exponentials: NodeId,
    ) -> Result<NodeId, CircuitError> {
        let numerics = &self.model.attention[layer].numerics;
        let AttentionScales {
            mix_modulus,
            output,
            ..
        } = self.scales.attention[layer];
        let modulus = mix_modulus as f64;
        let (heads, count) = (self.model.heads, self.position + 1);
        let largest = numerics.mean_range * numerics.gain * MARGIN;
        let half = self.lut_room();
        let units = 2.0 * half * modulus / largest;
        if units < 1.0 {
            let needed = if units > 0.0 { 1.0 / units } else { f64::MAX };
            return Err(no_room(&format!("{name}.sum"), needed));
        }
        let weight = units.floor().min(127.0);
        let ones = (0..heads).map(|head| {
            let mut weights = vec![0; heads * count];
            weights[head * count..(head + 1) * count].fill(weight as i8);
            weights
        });
        let scale = weight / modulus;
        let bias = vec![-scale * largest / 2.0; heads];
        let sum_name = format!("{name}.sum");
        let ones: Vec<Vec<i8>> = ones.collect();
        let bound = (scale, scale * largest / 2.0);
        let sums = self.linear(&sum_name, vec![exponentials], &ones, bias, bound);
        let cell = LutCell {
            function: Function::Reciprocal {
                floor: numerics.floor * numerics.gain,
            },
            input_scale: scale,
            input_bias: largest / 2.0,
            output_scale: output * numerics.value_step * modulus / (4.0 * f64::from(SCALED_LEVELS)),
            rounded: false,
        };
        Ok(self.lut(&sum_name, Precision::Full, vec![sums], vec![cell; heads]))
    }
}
