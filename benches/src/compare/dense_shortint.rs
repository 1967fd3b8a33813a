//! The dense layer with shortint's 2_2 set: blocks of 4 bits, of which 2 are the message of a digit.
//!
//! Inputs are two digits of base 4, and so is a weight, of -1, 0, 1 and 2: a product is digits times 1 or 2 in up to
//! four columns, free of LUTs. What is to be subtracted is complemented to 3 first, by a LUT for each digit of an input
//! that all outputs share. A column adds up as many digits as a block holds, splits the sum in message and carry, two
//! LUTs for three digits less, and goes on until one block is left. Five LUTs make the activation of the sum's digits.
//! Outputs all cost about the same, so a few are measured.

use anyhow::{Result, ensure};
use tfhe::shortint::Ciphertext;
use tfhe::shortint::parameters::PARAM_MESSAGE_2_CARRY_2_KS_PBS;

use super::Side;
use super::dense::{Layer, SHIFT, WIDTH};
use super::shortint::Shortint;
use super::timing::timed;

/// How many of the outputs are measured.
pub(super) const MEASURED: usize = 4;

/// Digits of the sum: 14 bits, as two's complement.
const COLUMNS: usize = 7;

/// A block of 4 bits holds as much.
const FULL: u64 = 15;

/// An input's digits, and what they lack to 3.
struct Input {
    digits: [Ciphertext; 2],
    complements: [Ciphertext; 2],
}

/// A digit times 1 or 2.
struct Term(Ciphertext);

/// The layer with shortint.
pub(super) struct Theirs {
    shortint: Shortint,
    digits: Vec<[Ciphertext; 2]>,
}

impl Theirs {
    /// Fresh keys, and the input encrypted.
    pub(super) fn new(layer: &Layer) -> Self {
        let name = "PARAM_MESSAGE_2_CARRY_2_KS_PBS, the default";
        let shortint = Shortint::new(name, PARAM_MESSAGE_2_CARRY_2_KS_PBS);
        let digits = layer.inputs.iter().map(|&x| {
            let digits = [x % 4, x / 4];
            digits.map(|digit| shortint.client.encrypt(digit))
        });
        Self {
            digits: digits.collect(),
            shortint,
        }
    }

    /// Milliseconds of the whole layer, scaled from the outputs measured, and LUTs: shared, and of these outputs.
    ///
    /// Fails if an output is not exact.
    pub(super) fn time(&self, layer: &Layer) -> Result<(f64, [usize; 2])> {
        let (inputs, shared) = timed(|| self.complement());
        let mut luts = 0;
        let mut time = 0.0;
        for row in 0..MEASURED {
            let mut adder = Adder::new(&self.shortint);
            let (output, one) = timed(|| adder.output(layer.weights.row(row), &inputs));
            time += one;
            luts += adder.luts;
            let [low, high] = output.map(|digit| self.shortint.client.decrypt(&digit) as i64);
            let (expected, got) = (layer.outputs[row], low + 4 * high - 8);
            ensure!(
                expected == got,
                "shortint's layer: {got} instead of {expected}"
            );
        }
        let time = shared + time * WIDTH as f64 / MEASURED as f64;
        Ok((time, [2 * WIDTH, luts]))
    }

    fn complement(&self) -> Vec<Input> {
        let server = &self.shortint.server;
        let table = server.generate_lookup_table(|digit| 3 - digit % 4);
        let inputs = self.digits.iter().map(|digits| Input {
            digits: digits.clone(),
            complements: digits
                .each_ref()
                .map(|digit| server.apply_lookup_table(digit, &table)),
        });
        inputs.collect()
    }

    /// What it is.
    pub(super) fn side(&self) -> Side {
        let what = format!(
            "digits of 2 bits, summed with carries; {MEASURED} of {WIDTH} outputs measured"
        );
        Side {
            what,
            ..self.shortint.side()
        }
    }
}

/// Adds up one output.
struct Adder<'a> {
    shortint: &'a Shortint,
    columns: [Vec<Term>; COLUMNS],
    /// To be added in the clear.
    constant: u64,
    luts: usize,
}

impl<'a> Adder<'a> {
    fn new(shortint: &'a Shortint) -> Self {
        Self {
            shortint,
            columns: Default::default(),
            constant: 8 << SHIFT,
            luts: 0,
        }
    }

    /// The output plus 8, as two digits.
    fn output(&mut self, weights: &[i8], inputs: &[Input]) -> [Ciphertext; 2] {
        for (&weight, input) in weights.iter().zip(inputs) {
            self.product(weight, input);
        }
        self.constant %= 1 << (2 * COLUMNS);
        let mut sums = Vec::new();
        for column in 0..COLUMNS {
            let sum = self.column(column);
            if column + 1 < COLUMNS {
                let carry = self.lut(&sum, |x| x / 4);
                self.columns[column + 1].push(Term(carry));
            }
            sums.push(sum);
        }
        self.activation(&sums)
    }

    /// Adds a weight times an input to the columns.
    fn product(&mut self, weight: i8, input: &Input) {
        for (place, factor) in digits(weight.unsigned_abs()).into_iter().enumerate() {
            let negative = (factor < 0) != (weight < 0);
            let size = factor.unsigned_abs();
            if size == 0 {
                continue;
            }
            for digit in 0..2 {
                let column = place + digit;
                let term = if negative {
                    // -d = (3 - d) - 3
                    let three = u64::from(3 * size) << (2 * column);
                    self.constant = self.constant.wrapping_sub(three);
                    &input.complements[digit]
                } else {
                    &input.digits[digit]
                };
                let term = self.shortint.server.unchecked_scalar_mul(term, size);
                self.columns[column].push(Term(term));
            }
        }
    }

    /// One block with the sum of a column's digits modulo 16; carries of what was more than that go to the next.
    fn column(&mut self, column: usize) -> Ciphertext {
        let own = self.constant >> (2 * column) & 3;
        loop {
            let terms = std::mem::take(&mut self.columns[column]);
            let all: u64 = terms.iter().map(Term::largest).sum();
            let last = all + own <= FULL;
            let (group, rest) = fill(terms, if last { FULL - own } else { FULL });
            let sum = self.sum(&group);
            if last {
                return self.shortint.server.unchecked_scalar_add(&sum, own as u8);
            }
            self.columns[column] = rest;
            let message = self.lut(&sum, |x| x % 4);
            self.columns[column].push(Term(message));
            if column + 1 < COLUMNS {
                let carry = self.lut(&sum, |x| x / 4);
                self.columns[column + 1].push(Term(carry));
            }
        }
    }

    fn sum(&self, group: &[Term]) -> Ciphertext {
        let server = &self.shortint.server;
        let mut sum = server.create_trivial(0);
        for term in group {
            server.unchecked_add_assign(&mut sum, &term.0);
        }
        sum
    }

    /// From digits of the sum, bits 7 to 10 if the bits above are 0; 0 for negative sums, 15 for larger ones.
    fn activation(&mut self, sums: &[Ciphertext]) -> [Ciphertext; 2] {
        let [d3, d4, d5, d6] = [3, 4, 5, 6].map(|column| self.lut(&sums[column], |x| x % 4));
        // 0 and 1: bit 10, in range; 2: negative; 3: too large.
        let above = self.joined(&d5, &d6);
        let class = self.lut(&above, |x| match (x % 4, x / 4) {
            (_, 2..) => 2,
            (bits, 0) if bits < 2 => bits,
            _ => 3,
        });
        let middle = self.joined(&d3, &d4);
        let low = self.lut(&middle, |x| x / 2 % 4);
        let high = self.lut(&middle, |x| x / 8);
        let low = self.joined(&low, &class);
        let high = self.joined(&high, &class);
        let low = self.lut(&low, |x| [x % 4, x % 4, 0, 3][x as usize / 4]);
        let high = self.lut(&high, |x| [x % 4, x % 4 + 2, 0, 3][x as usize / 4]);
        [low, high]
    }

    /// `low + 4 high`
    fn joined(&self, low: &Ciphertext, high: &Ciphertext) -> Ciphertext {
        let server = &self.shortint.server;
        server.unchecked_add(&server.unchecked_scalar_mul(high, 4), low)
    }

    fn lut(&mut self, value: &Ciphertext, function: impl Fn(u64) -> u64) -> Ciphertext {
        self.luts += 1;
        let server = &self.shortint.server;
        server.apply_lookup_table(value, &server.generate_lookup_table(function))
    }
}

impl Term {
    /// The largest value it can have.
    fn largest(&self) -> u64 {
        self.0.degree.get()
    }
}

/// Takes terms as long as they fit; they and the rest.
fn fill(terms: Vec<Term>, limit: u64) -> (Vec<Term>, Vec<Term>) {
    let mut room = limit;
    let fits = |term: &Term| {
        let fits = term.largest() <= room;
        room -= if fits { term.largest() } else { 0 };
        fits
    };
    terms.into_iter().partition(fits)
}

/// A weight of 0 to 7 as digits of -1, 0, 1 and 2.
fn digits(weight: u8) -> [i8; 2] {
    match weight % 4 {
        3 => [-1, weight as i8 / 4 + 1],
        low => [low as i8, weight as i8 / 4],
    }
}
