//! A picture of as many pixels as a packed ciphertext has boxes: a padlock.

/// Pixels of a row.
pub const WIDTH: usize = 64;
/// Rows.
pub const HEIGHT: usize = 32;

/// Grey levels from 0 to 15, row by row.
pub fn padlock() -> Vec<i64> {
    let rows = (0..HEIGHT).map(|y| y as f64 + 0.5);
    rows.flat_map(|y| (0..WIDTH).map(move |x| level(x as f64 + 0.5, y)))
        .collect()
}

fn level(x: f64, y: f64) -> i64 {
    let from_middle = (x - WIDTH as f64 / 2.0).abs();
    let keyhole =
        (from_middle.hypot(y - 20.0) < 2.6) || (from_middle < 1.2 && (20.0..26.0).contains(&y));
    let body = from_middle < 15.0 && (14.0..30.0).contains(&y);
    // The shackle: a ring, and two bars down to the body.
    let radius = from_middle.hypot((y - 10.0).min(0.0));
    let shackle = (7.0..10.5).contains(&radius) && y < 14.0;
    match (keyhole, body, shackle) {
        (true, ..) => 0,
        (_, true, _) => 14 - (from_middle / 3.0) as i64, // round, in the light from the front
        (.., true) => 10,
        _ => 1 + (y / 11.0) as i64,
    }
}

/// Two rows of pixels a line, dark or bright: for terminals. The background is dark, and twice it is too.
pub fn draw(pixels: &[i64]) -> String {
    let mut text = String::new();
    for rows in pixels.chunks(2 * WIDTH) {
        let (upper, lower) = rows.split_at(WIDTH);
        let pairs = upper.iter().zip(lower);
        text.extend(pairs.map(|(a, b)| match (*a > 6, *b > 6) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => '·',
        }));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padlock_has_a_hole_in_its_middle_and_is_drawn_whole() {
        let pixels = padlock();
        assert_eq!(pixels.len(), WIDTH * HEIGHT);
        assert!(pixels.iter().all(|level| (0..16).contains(level)));
        assert_eq!(pixels[20 * WIDTH + WIDTH / 2], 0);
        let drawn = draw(&pixels);
        assert_eq!(drawn.lines().count(), HEIGHT / 2);
        assert!(drawn.lines().all(|line| line.chars().count() == WIDTH));
        assert!(drawn.contains('█') && drawn.contains('·'));
    }
}
