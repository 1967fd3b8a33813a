//! One interpreter for every way to evaluate a circuit: an [`Engine`] says how each primitive operation is done.

use crate::circuit::Circuit;
use crate::engine::{At, Engine};
use crate::graph::{Node, NodeId, Op};

/// What a session keeps between positions: ring elements, and how many positions there were.
#[derive(Clone, Debug)]
pub struct State<P> {
    position: usize,
    kept: Vec<Option<P>>,
}

impl<P> State<P> {
    /// Of a session that has seen nothing yet.
    pub fn new(circuit: &Circuit) -> Self {
        Self {
            position: 0,
            kept: (0..circuit.caches()).map(|_| None).collect(),
        }
    }

    /// A session of `position` positions that goes on with what it had kept. `None` if no session of the
    /// circuit is like that.
    pub fn resume(circuit: &Circuit, position: usize, kept: Vec<Option<P>>) -> Option<Self> {
        if position > circuit.positions() || kept.len() != circuit.caches() {
            return None;
        }
        let mut expected = vec![false; kept.len()];
        for node in (0..position).flat_map(|position| circuit.nodes(position)) {
            if let Op::Append { cache, .. } = node.op {
                expected[cache] = true;
            }
        }
        let fits = kept.iter().map(Option::is_some).eq(expected);
        fits.then_some(Self { position, kept })
    }

    /// How many positions have been evaluated.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What later positions need of earlier ones: for each of the circuit's caches nothing, or a sum.
    pub fn kept(&self) -> &[Option<P>] {
        &self.kept
    }
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Name of the layer being evaluated.
    pub layer: &'a str,
    /// Nodes of the position that were evaluated before it.
    pub nodes_done: usize,
    /// LUTs finished so far, in all layers.
    pub luts_done: usize,
    /// LUTs of the whole evaluation.
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

/// Evaluates a circuit of one position.
///
/// # Errors
/// Whatever the engine returns.
pub fn evaluate<E: Engine>(
    circuit: &Circuit,
    engine: &mut E,
    input: &E::Input,
    observer: &(impl Observer<E> + Sync),
) -> Result<E::Response, E::Error> {
    evaluate_next(circuit, engine, &mut State::new(circuit), input, observer)
}

/// Evaluates the next position of a session. The state advances only if all goes well.
///
/// # Errors
/// Whatever the engine returns.
///
/// # Panics
/// If the circuit has no such position: see [`Circuit::positions`].
pub fn evaluate_next<E: Engine>(
    circuit: &Circuit,
    engine: &mut E,
    state: &mut State<E::Packed>,
    input: &E::Input,
    observer: &(impl Observer<E> + Sync),
) -> Result<E::Response, E::Error> {
    let mut interpreter = Interpreter {
        circuit,
        nodes: circuit.nodes(state.position),
        engine,
        outputs: Vec::new(),
        kept: &state.kept,
        appended: Vec::new(),
        luts_before: 0,
    };
    let response = interpreter.run(state.position, input, observer)?;
    for (cache, sum) in interpreter.appended {
        state.kept[cache] = Some(sum);
    }
    state.position += 1;
    Ok(response)
}

/// A node's output.
enum Output<E: Engine> {
    Scalars(E::Scalars),
    Packed(E::Packed),
}

struct Interpreter<'a, E: Engine> {
    circuit: &'a Circuit,
    nodes: &'a [Node],
    engine: &'a mut E,
    outputs: Vec<Output<E>>,
    /// What earlier positions left, and what is to replace it once all went well.
    kept: &'a [Option<E::Packed>],
    appended: Vec<(usize, E::Packed)>,
    luts_before: usize,
}

impl<E: Engine> Interpreter<'_, E> {
    fn run(
        &mut self,
        position: usize,
        input: &E::Input,
        observer: &(impl Observer<E> + Sync),
    ) -> Result<E::Response, E::Error> {
        let luts_total = self.nodes.iter().map(Node::luts).sum();
        for (index, node) in self.nodes.iter().enumerate() {
            let at = At {
                position,
                id: NodeId(index),
                node,
                parameters: self.circuit.parameters(),
            };
            let luts_before = self.luts_before;
            let report = |done: usize| {
                observer.progress(Progress {
                    layer: &node.name,
                    nodes_done: index,
                    luts_done: luts_before + done,
                    luts_total,
                });
            };
            self.engine.check_wanted()?;
            report(0);
            if let Op::Response { flood } = &node.op {
                let values = self.joined(&node.inputs);
                return self.engine.respond(at, flood, &values);
            }
            let output = self.node(at, input, &report)?;
            if let Output::Scalars(values) = &output {
                observer.scalars(node, values);
            }
            self.luts_before += node.luts();
            self.outputs.push(output);
        }
        unreachable!("lowering ends every position with a response")
    }

    fn node(
        &mut self,
        at: At<'_>,
        input: &E::Input,
        report: &(dyn Fn(usize) + Sync),
    ) -> Result<Output<E>, E::Error> {
        let inputs = at.node.inputs.as_slice();
        Ok(match &at.node.op {
            Op::Lookup { .. } => Output::Scalars(self.engine.lookup(at, input)?),
            Op::Linear { weights, bias } => {
                let values = self.joined(inputs);
                Output::Scalars(self.engine.linear(weights, bias, &values)?)
            }
            Op::Lut { cells, precision } => {
                let values = self.joined(inputs);
                Output::Scalars(self.engine.lut(at, cells, *precision, &values, report)?)
            }
            Op::ScaledLut {
                levels, precision, ..
            } => {
                let (scales, values) = inputs.split_last().expect("lowering gives it scales");
                let (values, scales) = (self.joined(values), self.joined(&[*scales]));
                let scaled = self
                    .engine
                    .scaled_lut(at, *levels, *precision, &values, &scales, report)?;
                Output::Scalars(scaled)
            }
            Op::Pack { from, slots } => {
                let values = self.joined(inputs);
                Output::Packed(self.engine.pack(from, slots, &values)?)
            }
            Op::Append { cache, shift } => {
                let (kept, new) = (self.kept[*cache].as_ref(), packed(&self.outputs, inputs[0]));
                let sum = self.engine.append(at, *shift, kept, new)?;
                self.appended.push((*cache, sum.clone()));
                Output::Packed(sum)
            }
            Op::Product { modulus, outputs } => {
                let factors = [inputs[0], inputs[1]].map(|id| packed(&self.outputs, id));
                Output::Scalars(self.engine.product(at, *modulus, outputs, factors)?)
            }
            Op::Response { .. } => unreachable!("it ends the position"),
        })
    }

    fn joined(&mut self, ids: &[NodeId]) -> E::Scalars {
        let parts: Vec<&E::Scalars> = ids
            .iter()
            .map(|id| match &self.outputs[id.0] {
                Output::Scalars(values) => values,
                Output::Packed(_) => unreachable!("lowering gives this operation values"),
            })
            .collect();
        self.engine.concat(&parts)
    }
}

fn packed<E: Engine>(outputs: &[Output<E>], id: NodeId) -> &E::Packed {
    match &outputs[id.0] {
        Output::Packed(packed) => packed,
        Output::Scalars(_) => unreachable!("lowering gives this operation ring ciphertexts"),
    }
}
