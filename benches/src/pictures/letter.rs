//! Where the time of one letter goes: a profiled evaluation of `names-gpt`, at the last position.

use std::collections::BTreeMap;

use anyhow::Result;
use cipherformer_circuit::{Circuit, Precision};
use svg::Document;

use super::Draw;
use super::canvas::{Hue, Palette, WIDTH, document, rectangle, text};
use crate::report::letter;
use crate::shipped_circuit;

/// Where bars begin, how long the longest is, and how far they are apart.
const LEFT: f64 = 190.0;
const LONGEST: f64 = WIDTH - LEFT - 180.0;
const ROW: f64 = 26.0;
const TOP: f64 = 62.0;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Precise,
    Coarse,
    NoLut,
}

struct Bar {
    name: String,
    kind: Kind,
    luts: usize,
    milliseconds: f64,
}

/// Evaluates a whole context, and keeps the last letter.
pub(super) fn run() -> Result<Draw> {
    let circuit = shipped_circuit("names-gpt");
    let layers = letter()?.layers;
    let luts = luts(&circuit);
    let mut rest = Bar {
        name: "everything without a LUT".to_owned(),
        kind: Kind::NoLut,
        luts: 0,
        milliseconds: 0.0,
    };
    let mut bars = Vec::new();
    for (name, time) in layers {
        let milliseconds = 1e3 * time.as_secs_f64();
        match luts.get(name.as_str()) {
            Some(&(luts, precision)) => bars.push(Bar {
                kind: match precision {
                    Precision::Full => Kind::Precise,
                    Precision::Coarse => Kind::Coarse,
                },
                name,
                luts,
                milliseconds,
            }),
            None => rest.milliseconds += milliseconds,
        }
    }
    bars.push(rest);
    Ok(Box::new(move |palette| draw(&bars, palette)))
}

/// LUTs of every layer that has some, at the last position.
fn luts(circuit: &Circuit) -> BTreeMap<&str, (usize, Precision)> {
    let mut all = BTreeMap::new();
    for node in circuit.nodes(circuit.positions() - 1) {
        if let Some(precision) = node.precision() {
            all.entry(node.name.as_str()).or_insert((0, precision)).0 += node.luts();
        }
    }
    all
}

impl Kind {
    fn hue(self, palette: &Palette) -> Hue {
        match self {
            Self::Precise => palette.red,
            Self::Coarse => palette.amber,
            Self::NoLut => palette.blue,
        }
    }
}

fn draw(bars: &[Bar], palette: &Palette) -> Document {
    let total: f64 = bars.iter().map(|bar| bar.milliseconds).sum();
    let longest = bars.iter().fold(0.0, |m: f64, bar| m.max(bar.milliseconds));
    let description = format!(
        "Milliseconds of every layer of names-gpt for its last letter, {total:.0} in all; nearly all of them are LUTs"
    );
    let mut document = document(TOP + ROW * bars.len() as f64 + 6.0, &description);
    let title = format!("names-gpt, letter 16: {total:.0} ms on all cores");
    document = document.add(text((4.0, 16.0), 15.0, "start", palette.ink, title));
    for (i, (kind, words)) in [
        (Kind::Precise, "precise LUTs"),
        (Kind::Coarse, "coarse LUTs"),
        (Kind::NoLut, "products, packing, tables, linear layers"),
    ]
    .into_iter()
    .enumerate()
    {
        let x = 4.0 + 140.0 * i as f64;
        document = document
            .add(rectangle((x, 30.0), (12.0, 12.0), kind.hue(palette).strong))
            .add(text((x + 18.0, 41.0), 13.0, "start", palette.ink, words));
    }
    for (i, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        let length = (LONGEST * bar.milliseconds / longest).max(1.0);
        let part = 100.0 * bar.milliseconds / total;
        let figures = match bar.luts {
            0 => format!("{:.0} ms, {part:.0} %", bar.milliseconds),
            luts => format!("{:.0} ms, {part:.0} %; {luts} LUTs", bar.milliseconds),
        };
        let middle = y + 15.0;
        document = document
            .add(text(
                (LEFT - 10.0, middle),
                13.0,
                "end",
                palette.ink,
                bar.name.as_str(),
            ))
            .add(rectangle(
                (LEFT, y + 2.0),
                (length, ROW - 8.0),
                bar.kind.hue(palette).strong,
            ))
            .add(text(
                (LEFT + length + 8.0, middle),
                13.0,
                "start",
                palette.ink,
                figures,
            ));
    }
    document
}
