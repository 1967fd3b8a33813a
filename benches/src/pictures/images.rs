//! A picture, its encryption, and what different keys and noises leave of it.

use anyhow::{Result, ensure};
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_examples::bitmap::{HEIGHT, WIDTH as ROW, padlock};
use cipherformer_examples::torus;
use cipherformer_fhe::{Packed, SecretKey, add};
use svg::Document;
use svg::node::element::{Group, Path};

use super::Draw;
use super::canvas::{Palette, WIDTH, document, rectangle, text};

/// Sixteen grey levels.
const BITS: u32 = 4;
/// How often an encryption of black is doubled: its noise is then one or two grey levels, or the whole torus.
const SOME_DOUBLINGS: usize = 44;
const MANY_DOUBLINGS: usize = 47;

/// The side of a pixel, and the place of a panel.
const PIXEL: f64 = 3.4;
const PANEL: (f64, f64) = (ROW as f64 * PIXEL, HEIGHT as f64 * PIXEL);
const COLUMN: f64 = (WIDTH - PANEL.0) / 2.0;
const LINE: f64 = PANEL.1 + 52.0;

struct Panel {
    title: &'static str,
    below: String,
    /// Grey levels.
    pixels: Vec<i64>,
}

/// Encrypts the picture, and opens it in different ways.
pub(super) fn run() -> Result<Draw> {
    let (key, stranger) = (
        SecretKey::generate(&FAST_1024),
        SecretKey::generate(&FAST_1024),
    );
    let plain = padlock();
    let boxes: Vec<u64> = plain.iter().map(|&x| torus::encode(x, BITS)).collect();
    let picture = key.encrypt_packed(&boxes);
    let noisy = |doublings| add(&picture, &doubled(key.encrypt_packed(&[]), doublings));
    let opened = levels(&key.decrypt_packed(&picture));
    ensure!(opened == plain, "the key does not open the picture");
    let body = &picture.as_ref()[boxes.len()..];
    let panel = |title, below: &str, pixels| Panel {
        title,
        below: below.to_owned(),
        pixels,
    };
    let noise = |doublings: usize| {
        let levels = 16.0 * FAST_1024.fresh_variance().sqrt() * (doublings as f64).exp2();
        format!("of {levels:.1} grey levels")
    };
    let panels = vec![
        panel("your picture", "2,048 pixels of 16 greys", plain),
        panel("what the server has", "the ciphertext's body", levels(body)),
        panel("opened with the key", "every pixel is right", opened),
        panel(
            "opened with another key",
            "nothing but noise",
            levels(&stranger.decrypt_packed(&picture)),
        ),
        panel(
            "some noise",
            &noise(SOME_DOUBLINGS),
            levels(&key.decrypt_packed(&noisy(SOME_DOUBLINGS))),
        ),
        panel(
            "too much noise",
            &noise(MANY_DOUBLINGS),
            levels(&key.decrypt_packed(&noisy(MANY_DOUBLINGS))),
        ),
    ];
    Ok(Box::new(move |palette| draw(&panels, palette)))
}

/// Black stays black, and its noise doubles.
fn doubled(black: Packed, times: usize) -> Packed {
    (0..times).fold(black, |sum, _| add(&sum, &sum))
}

/// Torus values as the nearest grey levels.
fn levels(torus_values: &[u64]) -> Vec<i64> {
    let numbers = torus::decode(torus_values, BITS);
    numbers.into_iter().map(|x| x.rem_euclid(16)).collect()
}

fn draw(panels: &[Panel], palette: &Palette) -> Document {
    let description = "A picture of a padlock; its ciphertext, which looks like noise; the picture again, opened with \
                       the key; noise, opened with another key; a grainy padlock; noise";
    let mut document = document(2.0 * LINE, description);
    for (i, panel) in panels.iter().enumerate() {
        let (x, y) = (COLUMN * (i % 3) as f64, LINE * (i / 3) as f64);
        let middle = x + PANEL.0 / 2.0;
        let place = format!("translate({x} {}) scale({PIXEL})", y + 22.0);
        let border = rectangle((x, y + 22.0), PANEL, "none").set("stroke", palette.line);
        document = document
            .add(
                text((middle, y + 15.0), 14.0, "middle", palette.ink, panel.title)
                    .set("font-weight", "bold"),
            )
            .add(pixels(&panel.pixels).set("transform", place))
            .add(border)
            .add(text(
                (middle, y + PANEL.1 + 38.0),
                13.0,
                "middle",
                palette.faint,
                panel.below.as_str(),
            ));
    }
    document
}

/// One path for each grey level: short, for two thousand pixels.
fn pixels(levels: &[i64]) -> Group {
    let mut group = Group::new().set("shape-rendering", "crispEdges");
    for level in 0..16 {
        let places = levels.iter().enumerate().filter(|(_, x)| **x == level);
        let squares = places.map(|(i, _)| format!("M{} {}h1v1h-1z", i % ROW, i / ROW));
        let squares: String = squares.collect();
        if !squares.is_empty() {
            let grey = 17 * level;
            let fill = format!("#{grey:02x}{grey:02x}{grey:02x}");
            group = group.add(Path::new().set("d", squares).set("fill", fill));
        }
    }
    group
}
