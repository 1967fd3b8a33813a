//! What a block does beside attention: the norm, the projections of its output, the hidden layer.

use super::{Builder, rows};
use crate::function::Function;
use crate::graph::{LutCell, NodeId};
use crate::parameters::Precision;
use crate::transformer::MARGIN;
use crate::transformer::SCALED_LEVELS;

impl Builder<'_> {
    /// x times 1 / sqrt(mean of squares): a LUT a value for the squares, one for the root, one a value
    /// for the product.
    pub(super) fn norm(&mut self, layer: usize, residual: NodeId) -> NodeId {
        let name = format!("block{}.norm", layer + 1);
        let root = self.inverse_root(layer, &name, residual);
        self.scaled_lut(
            &format!("{name}.product"),
            Precision::Coarse,
            vec![residual],
            root,
            self.scales.blocks[layer - 1].normalised,
        )
    }

    /// 1 / sqrt(mean of squares), at the scale that [`Builder::scaled_lut`] needs to make normalised values.
    fn inverse_root(&mut self, layer: usize, name: &str, residual: NodeId) -> NodeId {
        let numerics = &self.model.blocks[layer - 1].numerics;
        let scales = &self.scales.blocks[layer - 1];
        let width = self.nodes[residual.0].values.len();
        let [low, high] = numerics.mean_square_bounds();
        let half = self.lut_room();
        let square = 2.0 * half / (width as f64 * (high - low));
        let cell = LutCell {
            function: Function::Square,
            input_scale: scales.residual,
            input_bias: 0.0,
            output_scale: square,
            rounded: false,
        };
        let squares = self.lut(
            &format!("{name}.squares"),
            Precision::Coarse,
            vec![residual],
            vec![cell; width],
        );
        let mean_scale = square * width as f64;
        let centre = (high + low) / 2.0;
        let mean = self.linear(
            &format!("{name}.mean"),
            vec![squares],
            &[vec![1; width]],
            vec![-mean_scale * centre],
            (mean_scale, half),
        );
        let cell = LutCell {
            function: Function::InverseSqrt {
                floor: numerics.floor,
            },
            input_scale: mean_scale,
            input_bias: centre,
            output_scale: scales.normalised / (4.0 * f64::from(SCALED_LEVELS) * scales.residual),
            rounded: false,
        };
        self.lut(
            &format!("{name}.root"),
            Precision::Full,
            vec![mean],
            vec![cell],
        )
    }

    /// Integers of queries, keys and values.
    pub(super) fn projections(&mut self, layer: usize, normalised: NodeId) -> [NodeId; 3] {
        let block = &self.model.blocks[layer - 1];
        let (numerics, scales) = (&block.numerics, &self.scales.blocks[layer - 1]);
        let attention = self.scales.attention[layer];
        let (scores, mix) = (attention.score_modulus, attention.mix_modulus);
        let parts = [
            ("query", &block.query, scores),
            ("key", &block.key, scores),
            ("value", &block.value, mix),
        ];
        let mut nodes = [NodeId(0); 3];
        for (i, (what, matrix, modulus)) in parts.into_iter().enumerate() {
            let name = format!("block{}.{what}", layer + 1);
            let scale = scales.projections[i];
            let bound = numerics.projection_range[i] * MARGIN * scale;
            let weights = rows(matrix, scale / scales.normalised);
            let bias = vec![0.0; weights.len()];
            let linear = self.linear(&name, vec![normalised], &weights, bias, (scale, bound));
            let cell = LutCell {
                function: Function::Clamp {
                    limit: f64::from(numerics.projection_limit[i]),
                },
                input_scale: scale * numerics.projection_step[i],
                input_bias: 0.0,
                output_scale: 1.0 / modulus as f64,
                rounded: true,
            };
            nodes[i] = self.lut(
                &name,
                Precision::Full,
                vec![linear],
                vec![cell; weights.len()],
            );
        }
        nodes
    }

    pub(super) fn hidden(&mut self, layer: usize, normalised: NodeId) -> NodeId {
        let block = &self.model.blocks[layer - 1];
        let scales = &self.scales.blocks[layer - 1];
        let name = format!("block{}.mlp", layer + 1);
        let weights = rows(&block.up, scales.up / scales.normalised);
        let bias = block.up_bias.iter().map(|&b| f64::from(b) * scales.up);
        let bound = block.numerics.up_range * MARGIN * scales.up;
        let linear = self.linear(
            &name,
            vec![normalised],
            &weights,
            bias.collect(),
            (scales.up, bound),
        );
        let cell = LutCell {
            function: Function::Gelu,
            input_scale: scales.up,
            input_bias: 0.0,
            output_scale: scales.hidden,
            rounded: false,
        };
        self.lut(
            &name,
            Precision::Coarse,
            vec![linear],
            vec![cell; weights.len()],
        )
    }
}
