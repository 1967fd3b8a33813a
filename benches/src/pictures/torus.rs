//! The torus with a LUT's inputs, and where real ciphertexts come to lie on it.

use std::f64::consts::TAU;

use anyhow::{Result, ensure};
use cipherformer_circuit::Precision;
use cipherformer_circuit::graph::cell_centre;
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_examples::keys::Keys;
use cipherformer_examples::torus;
use cipherformer_fhe::PreparedLut;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use svg::Document;
use svg::node::element::{Circle, Path};

use super::Draw;
use super::canvas::{Palette, WIDTH, document, line, round, text};

/// Inputs from -7 to 7, at x / 32.
const LARGEST: i64 = 7;
/// Ciphertexts of each.
const CLOUD: usize = 80;

const HEIGHT: f64 = 470.0;
const CENTRE: (f64, f64) = (WIDTH / 2.0, HEIGHT / 2.0);
/// Of the rings that bound the clouds, and of the labels.
const INNER: f64 = 120.0;
const OUTER: f64 = 190.0;
const LABELS: f64 = 210.0;

struct Cloud {
    /// Where the LUT saw each ciphertext, on the torus, with the number it is of.
    points: Vec<(i64, f64)>,
    measured: f64,
}

/// Has the LUT of the identity tell which cell each ciphertext fell into.
pub(super) fn run() -> Result<Draw> {
    let Keys { secret, evaluation } = Keys::new(&FAST_1024);
    let cells = FAST_1024.bootstrap_polynomial_size;
    let table = (0..cells).map(|cell| (cell_centre(cell, cells) * 64f64.exp2()) as i64 as u64);
    let table: Vec<u64> = table.collect();
    let numbers: Vec<i64> = (-LARGEST..=LARGEST)
        .flat_map(|x| std::iter::repeat_n(x, CLOUD))
        .collect();
    let lut = PreparedLut::from_tables(vec![table; numbers.len()], Precision::Full, &FAST_1024)?;
    let plain: Vec<u64> = numbers.iter().map(|&x| torus::encode(x, 5)).collect();
    let seen = lut.apply(&secret.encrypt_scalars(&plain), &evaluation, &|_| ())?;
    let seen = secret.decrypt_scalars(&seen);
    let seen = seen.iter().map(|&x| x as i64 as f64 / 64f64.exp2());
    let points: Vec<(i64, f64)> = numbers.into_iter().zip(seen).collect();
    let errors = points.iter().map(|(x, seen)| seen - *x as f64 / 32.0);
    let variance = errors.map(|e| e * e).sum::<f64>() / points.len() as f64;
    let measured = 2.0 * variance.sqrt(); // of half the torus
    let predicted = FAST_1024.lut_input_noise();
    ensure!(
        (0.8..1.25).contains(&(measured / predicted)),
        "{measured} is not {predicted}"
    );
    let wrong = points
        .iter()
        .find(|(x, seen)| (32.0 * seen).round() as i64 != *x);
    ensure!(
        wrong.is_none(),
        "a ciphertext fell into another's cells: {wrong:?}"
    );
    let cloud = Cloud { points, measured };
    Ok(Box::new(move |palette| draw(&cloud, palette)))
}

/// A point at this place of the torus, counted counterclockwise from the right.
fn at(torus: f64, radius: f64) -> (f64, f64) {
    let (sin, cos) = (TAU * torus).sin_cos();
    (CENTRE.0 + radius * cos, CENTRE.1 - radius * sin)
}

fn draw(cloud: &Cloud, palette: &Palette) -> Document {
    let description = "A circle. Its right half is cut into sectors for the numbers from -7 to 7; in the middle of each \
                       lies a narrow cloud of points. The left half is empty";
    let mut document = document(HEIGHT, description);
    document = document
        .add(half(palette.amber.soft, 0.25))
        .add(half(palette.blue.soft, -0.25));
    for radius in [INNER, OUTER] {
        let ring = Circle::new()
            .set("cx", CENTRE.0)
            .set("cy", CENTRE.1)
            .set("r", radius);
        document = document.add(ring.set("fill", "none").set("stroke", palette.line));
    }
    for x in -LARGEST - 1..=LARGEST {
        let border = (x as f64 + 0.5) / 32.0;
        document = document.add(line(at(border, INNER), at(border, OUTER), palette.line));
    }
    let mut random = StdRng::seed_from_u64(1); // where along the radius a point is drawn means nothing
    for (_, seen) in &cloud.points {
        let (x, y) = at(*seen, random.random_range(INNER + 6.0..OUTER - 6.0));
        let dot = Circle::new()
            .set("cx", round(x))
            .set("cy", round(y))
            .set("r", 1.3);
        document = document.add(dot.set("fill", palette.blue.strong));
    }
    for x in -LARGEST..=LARGEST {
        let (left, top) = at(x as f64 / 32.0, LABELS);
        document = document.add(text(
            (left, top + 5.0),
            14.0,
            "middle",
            palette.ink,
            x.to_string(),
        ));
    }
    words(document, cloud, palette)
}

/// Half of the ring, counterclockwise from here.
fn half(fill: &'static str, from: f64) -> Path {
    let [(a, b), (c, d)] = [from, from + 0.5].map(|torus| at(torus, OUTER));
    let [(e, f), (g, h)] = [from + 0.5, from].map(|torus| at(torus, INNER));
    let path = [a, b, c, d, e, f, g, h].map(round);
    let [a, b, c, d, e, f, g, h] = path;
    Path::new().set("fill", fill).set(
        "d",
        format!("M{a} {b}A{OUTER} {OUTER} 0 0 0 {c} {d}L{e} {f}A{INNER} {INNER} 0 0 1 {g} {h}z"),
    )
}

fn words(document: Document, cloud: &Cloud, palette: &Palette) -> Document {
    let (x, y) = CENTRE;
    let noise = |fraction: f64| format!("{:.2} %", 100.0 * fraction);
    let middle = [
        format!("{} ciphertexts", cloud.points.len()),
        "on the torus;".to_owned(),
        "standard deviation".to_owned(),
        format!("{} of the right", noise(cloud.measured)),
        format!("half ({} predicted)", noise(FAST_1024.lut_input_noise())),
    ];
    let mut document = document;
    for (i, words) in middle.into_iter().enumerate() {
        let place = (x, y - 35.0 + 20.0 * i as f64);
        document = document.add(text(place, 13.0, "middle", palette.ink, words));
    }
    for (i, words) in [
        "here a LUT's",
        "answer comes out",
        "with its sign",
        "changed",
    ]
    .into_iter()
    .enumerate()
    {
        let place = (x - OUTER - 16.0, y - 24.0 + 18.0 * i as f64);
        document = document.add(text(place, 13.0, "end", palette.amber.strong, words));
    }
    document
}
