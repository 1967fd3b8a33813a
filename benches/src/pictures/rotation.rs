//! A blind rotation on the tiny ring of lesson 3, step by step.

use anyhow::{Result, ensure};
use cipherformer_examples::insecure_ring::{
    Client, KEY_BITS, N, Polynomial, blind_rotation, turned,
};
use svg::Document;

use super::Draw;
use super::canvas::{Palette, document, rectangle, text};

/// f(0) to f(7), four cells each, as in the lesson.
const F: [u32; 8] = [3, 1, 4, 1, 5, 0, 2, 6];
/// f of this is looked up.
const INPUT: usize = 6;

/// Where the cells begin, and how large they are.
const LEFT: f64 = 176.0;
const CELL: f64 = 16.8;
const ROW: f64 = 30.0;
const TOP: f64 = 30.0;

struct Row {
    name: String,
    /// Signed coefficients, as the key opens them.
    cells: Polynomial,
    /// By how many places the table has been turned left in all; none if nobody can tell.
    turned: Option<usize>,
}

/// Looks one value up, and opens every accumulator with the key.
pub(super) fn run() -> Result<Draw> {
    let table: Polynomial = std::array::from_fn(|cell| (2 * F[cell / 4] + 1) << 27);
    let mut client = Client::insecure_from_seed(36);
    let key = client.bootstrapping_key();
    let value = client.encrypt((8 * INPUT as u32 + 3) << 25);
    let steps = blind_rotation(&table, &value, &key);
    let mut rows = vec![Row {
        name: "table".to_owned(),
        cells: table,
        turned: Some(0),
    }];
    let bits = client.small_key();
    let mut places = 0;
    for (i, step) in steps.iter().enumerate() {
        let (name, bit) = match i {
            0 => (format!("body: {} left", step.exponent), 1),
            _ => {
                let bit = bits[i - 1];
                let does = if bit == 1 { "turns" } else { "stays" };
                (
                    format!("bit is {bit}: {does} ({} left)", step.exponent),
                    bit,
                )
            }
        };
        places = (places + bit as usize * step.exponent) % (2 * N);
        let cells = client.ring_phase(&step.accumulator);
        let expected = turned(&table, places);
        let same = cells.iter().zip(&expected).all(|(a, b)| a >> 28 == b >> 28);
        ensure!(same, "step {i} is not the table turned by {places}");
        rows.push(Row {
            name,
            cells,
            turned: Some(places),
        });
    }
    ensure!(
        rows[KEY_BITS + 1].cells[0] >> 28 == F[INPUT],
        "f({INPUT}) is wrong"
    );
    rows.push(Row {
        name: "what the server sees".to_owned(),
        cells: steps[KEY_BITS].accumulator.body,
        turned: None,
    });
    Ok(Box::new(move |palette| draw(&rows, palette)))
}

fn draw(rows: &[Row], palette: &Palette) -> Document {
    let height = TOP + ROW * rows.len() as f64 + 8.0;
    let description = format!(
        "A table of {N} cells, turned left in {} steps until the cells of f({INPUT}) are at the first place; \
         cells that leave on the left come back on the right with their sign changed",
        KEY_BITS + 1
    );
    let mut document = document(height, &description);
    let first = LEFT + CELL / 2.0;
    document = document.add(text(
        (first, 16.0),
        13.0,
        "middle",
        palette.green.strong,
        format!("f({INPUT})"),
    ));
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        let label = text(
            (LEFT - 10.0, y + 16.0),
            13.0,
            "end",
            palette.ink,
            row.name.as_str(),
        );
        document = document.add(label);
        for (place, &x) in row.cells.iter().enumerate() {
            document = cell(document, palette, row, (place, y), x);
        }
    }
    // The place that is read out.
    let frame = rectangle(
        (LEFT - 1.5, TOP - 5.0),
        (CELL + 1.0, ROW * (rows.len() - 1) as f64),
        "none",
    );
    document.add(
        frame
            .set("stroke", palette.green.strong)
            .set("stroke-width", 2),
    )
}

fn cell(
    document: Document,
    palette: &Palette,
    row: &Row,
    (place, y): (usize, f64),
    x: u32,
) -> Document {
    let negative = x >> 31 == 1;
    let looked_up = row
        .turned
        .is_some_and(|turned| (place + turned) % N / 4 == INPUT);
    let (fill, ink) = match (row.turned, looked_up, negative) {
        (None, ..) => (palette.panel, palette.faint),
        (_, true, _) => (palette.green.soft, palette.green.strong),
        (_, _, false) => (palette.blue.soft, palette.ink),
        (_, _, true) => (palette.red.soft, palette.ink),
    };
    let left = LEFT + CELL * place as f64;
    let level = if negative { x.wrapping_neg() } else { x } >> 28;
    let digit = if negative {
        format!("-{level}")
    } else {
        level.to_string()
    };
    document
        .add(rectangle((left, y), (CELL - 2.0, ROW - 8.0), fill))
        .add(text(
            (left + CELL / 2.0 - 1.0, y + 15.5),
            11.0,
            "middle",
            ink,
            digit,
        ))
}
