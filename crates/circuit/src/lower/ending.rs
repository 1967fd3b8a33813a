//! The end of every circuit: what the output policy leaves of the scores, flooded with noise, as a response.
//!
//! Noise of scores depends on weights: its variance is a sum of their squares. So every value is flooded with
//! as much noise as brings its variance to one that does not depend on them: a constant, or a multiple of it where a
//! circuit is noisier than most. Behind a LUT it is a fixed part of the distance between two answers.

use std::borrow::Cow;

use super::{LUT_HALF_RANGE, RESPONSE_HALF_RANGE, response, room};
use crate::check::shape;
use crate::error::CircuitError;
use crate::function::Function;
use crate::graph::{IntMatrix, LutCell, Node, NodeId, Op, Value};
use crate::model::{Dense, Quantized};
use crate::parameters::{ParameterSet, Precision};
use crate::policy::{OutputPolicy, TOP_LABELS};

/// How noisy scores become.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Their variance after flooding, as a fraction of the torus, squared. Doubled as often as it takes for `times`.
    pub least: f64,
    /// At least so many times the largest variance that weights give.
    pub times: f64,
}

/// For a classifier's scores: 2^-6 of the torus.
///
/// What LUTs make of the noise at their inputs depends on the text, and nobody can take it off, so flooding must drown it.
/// In `prompt-guard` it is half of what weights give, and differs from text to text by a tenth of that: the variances
/// of two flooded scores differ by half a percent, which thousands of answers do not show.
pub const SCORES_FLOOD: Flood = Flood {
    least: 1.0 / 4096.0,
    times: 16.0,
};

/// For a transformer's logits, 2^-8.25 of the torus: their variances become equal, and no more. Here noise from LUT inputs is most of it,
/// several times what weights give. Drowning that would leave no logits: 16 times would change 8 % of a name's most
/// probable letters. Owners who cannot live with that use another policy.
pub const LOGITS_FLOOD: Flood = Flood {
    least: 1.08e-5,
    times: 1.0,
};

/// Distance between two possible answers of a LUT, in standard deviations of the noise they are flooded with.
const DISTANCE: f64 = 32.0;

/// Most bits that one LUT joins by AND. The noise of its input is a sixteenth of the distance that decides.
const JOINED: usize = 7;

/// Of every LUT here: what is added up afterwards is short.
const PRECISION: Precision = Precision::Coarse;

/// Distance on the torus between "is the largest" and "is not".
const TOP_DISTANCE: f64 = 0.25;

/// How a circuit ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    policy: OutputPolicy,
    parameters: &'static ParameterSet,
    /// Variance of the noise of the noisiest score, at most.
    carried: f64,
    flood: Flood,
}

impl Ending {
    pub(crate) fn new(
        policy: OutputPolicy,
        parameters: &'static ParameterSet,
        carried: f64,
        flood: Flood,
    ) -> Self {
        Self {
            policy,
            parameters,
            carried,
            flood,
        }
    }

    /// Half of the range of what comes after the scores.
    pub(crate) fn half_range(&self) -> f64 {
        match self.policy {
            OutputPolicy::Scores => RESPONSE_HALF_RANGE,
            _ => LUT_HALF_RANGE,
        }
    }

    /// The largest absolute value that scores may have on the torus.
    pub(crate) fn room(&self) -> f64 {
        let lut = self.parameters.lut_input_variance();
        match self.policy {
            OutputPolicy::Scores => {
                let variance = self.flooded() + self.parameters.output_variance();
                room(RESPONSE_HALF_RANGE, variance)
            }
            OutputPolicy::Rounded { .. } => room(LUT_HALF_RANGE, self.carried + lut),
            // Differences of two have twice the range and, as their noise may agree, twice the noise.
            OutputPolicy::TopOne => room(LUT_HALF_RANGE, 4.0 * self.carried + lut) / 2.0,
        }
    }

    /// Appends what the policy makes of the last node's values, and the response.
    ///
    /// # Errors
    /// More labels than LUTs can compare.
    pub(crate) fn append(&self, nodes: &mut Vec<Node>) -> Result<(), CircuitError> {
        match self.policy {
            OutputPolicy::Scores => {}
            OutputPolicy::Rounded { bits } => self.round(nodes, bits),
            OutputPolicy::TopOne => self.top(nodes)?,
        }
        let flooded = self.flooded();
        nodes.push(response(nodes, flooded, self.parameters));
        Ok(())
    }

    /// Variance of the noise of every value of the response, before it is packed and rounded.
    fn flooded(&self) -> f64 {
        match self.policy {
            OutputPolicy::Scores => {
                let Flood { least, times } = self.flood;
                let doublings = (times * self.carried / least).log2().ceil().max(0.0);
                least * doublings.exp2()
            }
            OutputPolicy::Rounded { bits } => (level(bits) / DISTANCE).powi(2),
            OutputPolicy::TopOne => (TOP_DISTANCE / DISTANCE).powi(2),
        }
    }

    /// One LUT a score: its level. Levels fill the torus.
    fn round(&self, nodes: &mut Vec<Node>, bits: u32) {
        let source = last(nodes);
        let cells = nodes[source.0].values.iter().map(|value| {
            let step = 2.0 * LUT_HALF_RANGE / value.scale / f64::from(bits).exp2();
            LutCell {
                function: Function::Level { step },
                output_scale: level(bits) / step,
                ..cell(value.scale)
            }
        });
        let cells = cells.collect();
        self.lut(nodes, "rounding", cells);
    }

    /// Compares every two scores; one whose comparisons are all won is the largest.
    fn top(&self, nodes: &mut Vec<Node>) -> Result<(), CircuitError> {
        let labels = nodes[last(nodes).0].values.len();
        if !(2..=TOP_LABELS).contains(&labels) {
            let expected = format!("2 to {TOP_LABELS} labels to compare");
            return Err(shape("top-1", &expected, &labels.to_string()));
        }
        let pairs = pairs(labels);
        let rows = pairs
            .iter()
            .map(|&(i, j)| signs(labels, &[(i, 1), (j, -1)]));
        let (rows, none) = (rows.collect::<Vec<_>>(), vec![0.0; pairs.len()]);
        self.linear(nodes, "differences", &rows, none);
        match labels {
            2 => self.best_of_two(nodes),
            _ => self.best_of_many(nodes, &pairs, labels),
        }
        Ok(())
    }

    /// The sign of one difference tells both labels.
    fn best_of_two(&self, nodes: &mut Vec<Node>) {
        self.sign(nodes, "comparison", &[0.0], TOP_DISTANCE / 2.0);
        let rows = [vec![1], vec![-1]];
        self.linear(nodes, "top", &rows, vec![TOP_DISTANCE / 2.0; 2]);
        let top = nodes.last_mut().expect("just appended");
        for value in &mut top.values {
            value.scale = TOP_DISTANCE;
        }
    }

    /// Joins the comparisons of each label by AND, a few at a time, until one bit of each is left.
    fn best_of_many(&self, nodes: &mut Vec<Node>, pairs: &[(usize, usize)], labels: usize) {
        // Who won: for every label the comparisons it is in, and whether winning them is their sign.
        let won = |label: usize| {
            let with = pairs.iter().enumerate();
            let with = with.filter(move |(_, (i, j))| *i == label || *j == label);
            with.map(move |(pair, (i, _))| (pair, if *i == label { 1 } else { -1 }))
        };
        let mut bits: Vec<Vec<(usize, i8)>> =
            (0..labels).map(|label| won(label).collect()).collect();
        let mut name = "comparison";
        let mut biases = vec![0.0; pairs.len()];
        loop {
            let joined = bits[0].len().div_ceil(bits[0].len().div_ceil(JOINED));
            let scale = self.joined_scale(joined);
            self.sign(nodes, name, &biases, scale);
            let width = nodes[last(nodes).0].values.len();
            let groups: Vec<Vec<&[(usize, i8)]>> = bits
                .iter()
                .map(|bits| bits.chunks(joined).collect())
                .collect();
            let rows: Vec<Vec<i8>> = groups.iter().flatten().map(|g| signs(width, g)).collect();
            self.linear(nodes, "wins", &rows, vec![0.0; rows.len()]);
            // All of n signs are 1 where their sum is above n - 1.
            biases = groups
                .iter()
                .flatten()
                .map(|g| 1.0 - g.len() as f64)
                .collect();
            name = "joined";
            if groups[0].len() == 1 {
                break;
            }
            let mut next = 0;
            bits = groups
                .iter()
                .map(|groups| {
                    let bits = (next..next + groups.len()).map(|bit| (bit, 1)).collect();
                    next += groups.len();
                    bits
                })
                .collect();
        }
        let scale = nodes[last(nodes).0].values[0].scale;
        let cells = biases.iter().map(|&input_bias| LutCell {
            function: Function::Step,
            input_bias,
            output_scale: TOP_DISTANCE,
            ..cell(scale)
        });
        let cells = cells.collect();
        self.lut(nodes, "top", cells);
    }

    /// The scale at which a sum of so many signs fits a LUT.
    fn joined_scale(&self, count: usize) -> f64 {
        let carried = count as f64 * self.parameters.lut_output_variance(PRECISION);
        let half = room(
            LUT_HALF_RANGE,
            carried + self.parameters.lut_input_variance(),
        );
        half / count as f64
    }

    /// Whether each of the last node's values plus its bias is positive, as 1 or -1.
    fn sign(&self, nodes: &mut Vec<Node>, name: &str, biases: &[f64], output_scale: f64) {
        let values = nodes[last(nodes).0].values.iter();
        let cells = values.zip(biases).map(|(value, &input_bias)| LutCell {
            function: Function::Sign,
            input_bias,
            output_scale,
            ..cell(value.scale)
        });
        let cells = cells.collect();
        self.lut(nodes, name, cells);
    }

    /// One LUT for each of the last node's values.
    fn lut(&self, nodes: &mut Vec<Node>, name: &str, cells: Vec<LutCell>) {
        let source = last(nodes);
        let values = cells.iter().map(|cell| Value {
            scale: cell.output_scale,
            bound: cell.apply(LUT_HALF_RANGE - 1e-9).abs(),
            variance: self.parameters.lut_output_variance(PRECISION),
        });
        nodes.push(Node {
            name: name.to_owned(),
            values: values.collect(),
            op: Op::Lut {
                cells,
                precision: PRECISION,
            },
            inputs: vec![source],
            energy: 0.0,
        });
    }

    /// Sums of the last node's values, all of one scale.
    fn linear(&self, nodes: &mut Vec<Node>, name: &str, rows: &[Vec<i8>], bias: Vec<f64>) {
        let source = last(nodes);
        let inputs = &nodes[source.0].values;
        let sum = |row: &[i8], of: &dyn Fn(&Value) -> f64| -> f64 {
            let terms = row.iter().zip(inputs);
            terms
                .map(|(&w, value)| f64::from(w).abs() * of(value))
                .sum()
        };
        let values = rows.iter().zip(&bias).map(|(row, bias)| Value {
            scale: inputs[0].scale,
            bound: sum(row, &|value| value.bound) + bias.abs(),
            // As if all errors were the same: those of scores may be.
            variance: sum(row, &|value| value.variance.sqrt()).powi(2),
        });
        let values = values.collect();
        let weights = IntMatrix::new(rows.len(), inputs.len(), rows.concat())
            .expect("a weight for every input");
        nodes.push(Node {
            name: name.to_owned(),
            op: Op::Linear { weights, bias },
            inputs: vec![source],
            values,
            energy: 0.0,
        });
    }
}

/// The last layer as the policy needs it: scores of one scale can be compared. Where steps differ already, their
/// weights are rounded to the finest of them, or to what a byte holds. Not finer: noise grows with the integers.
pub(crate) fn prepared(dense: &Dense, policy: OutputPolicy) -> Cow<'_, Dense> {
    let steps = &dense.weights.step;
    let equal = steps.windows(2).all(|pair| pair[0] == pair[1]);
    if policy != OutputPolicy::TopOne || equal {
        return Cow::Borrowed(dense);
    }
    let integers = &dense.weights.integers;
    let real = |row: usize| {
        let weights = integers.row(row).iter();
        weights.map(move |&w| f64::from(w) * steps[row])
    };
    let all = || (0..integers.rows()).flat_map(real);
    let largest = all().fold(0.0, |m: f64, w| m.max(w.abs()));
    let finest = steps.iter().copied().fold(f64::INFINITY, f64::min);
    let step = finest.max(largest / f64::from(i8::MAX));
    let rounded = all().map(|w| (w / step).round() as i8).collect();
    Cow::Owned(Dense {
        weights: Quantized {
            integers: IntMatrix::new(integers.rows(), integers.columns(), rounded)
                .expect("as many as before"),
            step: vec![step; integers.rows()],
        },
        bias: dense.bias.clone(),
    })
}

/// Distance on the torus between two levels, of which there are `2^bits`.
fn level(bits: u32) -> f64 {
    (-f64::from(bits)).exp2()
}

fn last(nodes: &[Node]) -> NodeId {
    NodeId(nodes.len() - 1)
}

/// Every two labels.
fn pairs(labels: usize) -> Vec<(usize, usize)> {
    let of = |i| (i + 1..labels).map(move |j| (i, j));
    (0..labels).flat_map(of).collect()
}

/// A row of weights, 0 but for these.
fn signs(width: usize, signs: &[(usize, i8)]) -> Vec<i8> {
    let mut row = vec![0; width];
    for &(index, sign) in signs {
        row[index] = sign;
    }
    row
}

/// A LUT for values of this scale; its function and output are still to be said.
fn cell(input_scale: f64) -> LutCell {
    LutCell {
        function: Function::Identity,
        input_scale,
        input_bias: 0.0,
        output_scale: 1.0,
        rounded: false,
    }
}
