//! Where attention of `names-gpt` puts its vectors in ring ciphertexts: read from the lowered circuit.

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::Circuit;
use cipherformer_circuit::graph::Op;
use svg::Document;

use super::Draw;
use super::canvas::{Palette, WIDTH, document, rectangle, text};
use crate::shipped_circuit;

/// The position whose attention is drawn, and one whose part is set off.
const POSITION: usize = 10;
const MARKED: usize = 3;

/// Strips of boxes begin here, this far apart and this high.
const LEFT: f64 = 4.0;
const STRIP: f64 = 58.0;
const BOX: f64 = 24.0;

struct Strip {
    words: String,
    /// Places of what it holds, and whether that is of the marked position.
    boxes: Vec<(usize, bool)>,
    /// A product also holds sums that nobody needs.
    product: bool,
}

struct Layouts {
    strips: Vec<Strip>,
    /// How many boxes there are.
    count: usize,
    /// Coefficients from one to the next.
    unit: usize,
}

/// Reads the slots of the first head's operations.
pub(super) fn run() -> Result<Draw> {
    let layouts = read(&shipped_circuit("names-gpt"))?;
    Ok(Box::new(move |palette| draw(&layouts, palette)))
}

/// Of one position's first head: what each operation reads and writes, as coefficients.
struct Head {
    query: Vec<usize>,
    key: Vec<usize>,
    value: Vec<usize>,
    weights: Vec<usize>,
    scores: Vec<usize>,
    mixed: Vec<usize>,
}

impl Head {
    fn at(circuit: &Circuit, position: usize) -> Result<Self> {
        let nodes = circuit.nodes(position).iter();
        let nodes = nodes.filter(|node| node.name == "block1.attention");
        let (mut packs, mut shifts, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        for node in nodes {
            match &node.op {
                Op::Pack { slots, .. } => packs.push(slots),
                Op::Append { shift, .. } => shifts.push(*shift),
                Op::Product { outputs: slots, .. } => outputs.push(slots),
                _ => {}
            }
        }
        let heads = outputs.len() / 2;
        ensure!(heads > 0 && packs.len() == 4 * heads && shifts.len() == 2 * heads);
        let shifted = |slots: &[usize], shift| slots.iter().map(|slot| slot + shift).collect();
        Ok(Self {
            query: packs[0].clone(),
            key: shifted(packs[1], shifts[0]),
            value: shifted(packs[2], shifts[1]),
            weights: packs[3 * heads].clone(),
            scores: outputs[0].clone(),
            mixed: outputs[heads].clone(),
        })
    }
}

fn read(circuit: &Circuit) -> Result<Layouts> {
    let heads = (0..=POSITION).map(|position| Head::at(circuit, position));
    let heads = heads.collect::<Result<Vec<Head>>>()?;
    let last = heads.last().context("there are positions")?;
    let unit = heads[0].value[1] - heads[0].value[0];
    let plain = |slots: &[usize]| slots.iter().map(|slot| (slot / unit, false)).collect();
    let by_position = |slots: &[usize]| {
        let places = slots.iter().enumerate();
        places.map(|(j, slot)| (slot / unit, j == MARKED)).collect()
    };
    let cache = |slots: &dyn Fn(&Head) -> &[usize]| {
        let all = heads.iter().enumerate();
        all.flat_map(|(j, head)| {
            slots(head)
                .iter()
                .map(move |slot| (slot / unit, j == MARKED))
        })
        .collect()
    };
    let strip = |words: String, boxes, product| Strip {
        words,
        boxes,
        product,
    };
    let width = last.query.len();
    Ok(Layouts {
        strips: vec![
            strip(
                format!("query of position {POSITION}: {width} numbers, reversed"),
                plain(&last.query),
                false,
            ),
            strip(
                format!(
                    "key cache of positions 0 to {POSITION}; red: the key of position {MARKED}"
                ),
                cache(&|head| &head.key),
                false,
            ),
            strip(
                format!("their product; red: the score of position {MARKED}"),
                by_position(&last.scores),
                true,
            ),
            strip(
                format!("exponentials of the scores, reversed; red: of position {MARKED}"),
                by_position(&last.weights),
                false,
            ),
            strip(
                format!(
                    "value cache of positions 0 to {POSITION}; red: the value of position {MARKED}"
                ),
                cache(&|head| &head.value),
                false,
            ),
            strip(
                format!("their product; the {width} sums of values, weighted"),
                plain(&last.mixed),
                true,
            ),
        ],
        count: circuit.parameters().ring_dimension / unit,
        unit,
    })
}

fn draw(layouts: &Layouts, palette: &Palette) -> Document {
    let Layouts {
        strips,
        count,
        unit,
    } = layouts;
    let description = "Six strips of boxes: a query, a cache of keys and their product with the scores; exponentials, a \
                       cache of values and their product with the weighted sums";
    let mut document = document(30.0 + STRIP * strips.len() as f64, description);
    let words = format!("{count} boxes, {unit} coefficients apart; names-gpt, one head");
    document = document.add(text((LEFT, 16.0), 13.0, "start", palette.faint, words));
    for (row, strip) in strips.iter().enumerate() {
        let top = 30.0 + STRIP * row as f64;
        document = document.add(text(
            (LEFT, top + 14.0),
            14.0,
            "start",
            palette.ink,
            strip.words.as_str(),
        ));
        let width = (WIDTH - 2.0 * LEFT) / *count as f64;
        for place in 0..*count {
            let held = strip.boxes.iter().find(|(at, _)| *at == place);
            let fill = match (held, strip.product) {
                (Some((_, true)), _) => palette.red.strong,
                (Some(_), true) => palette.green.strong,
                (Some(_), false) => palette.blue.strong,
                (None, true) => palette.line,
                (None, false) => palette.panel,
            };
            let left = LEFT + width * place as f64;
            document = document.add(rectangle((left, top + 21.0), (width - 0.8, BOX), fill));
        }
    }
    document
}
