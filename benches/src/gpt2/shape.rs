//! Sizes of attention.

/// Sizes of an attention layer. One head has no output projection, several have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Numbers of a token's vector.
    pub width: usize,
    /// Numbers of a query, key or value.
    pub head: usize,
    /// How many heads.
    pub heads: usize,
    /// Values of one ciphertext of a token: a power of two below N. Least work where one block takes a token's vector,
    /// and all of a head's key fit one ring product; more than that only costs automorphisms.
    pub block: usize,
    /// Whether a token sees only itself and those before it, and not all.
    pub causal: bool,
}

/// GPT-2 small's. In blocks of 64, 32 outputs come out of one ring product, 12 of which add up.
pub const GPT2: Shape = Shape {
    width: 768,
    head: 64,
    heads: 12,
    block: 64,
    causal: true,
};

/// A small attention head of the sizes that `benches/peers/concrete_ml.py` has, where every token sees all: keys take
/// one ring product and 4 automorphisms a token.
pub const SMALL: Shape = Shape {
    width: 16,
    head: 16,
    heads: 1,
    block: 16,
    causal: false,
};

impl Shape {
    /// Whether heads are followed by an output projection.
    pub fn projects(&self) -> bool {
        self.heads > 1
    }

    /// How many numbers come out for a token.
    pub fn outputs(&self) -> usize {
        if self.projects() {
            self.width
        } else {
            self.head
        }
    }

    /// How many of so many tokens each of them sees, from the first on.
    pub(super) fn seen(&self, tokens: usize) -> Vec<usize> {
        let seen = |i| if self.causal { i + 1 } else { tokens };
        (0..tokens).map(seen).collect()
    }

    /// What weights of so many inputs are multiplied by, for their sums to be of the size of GPT-2's.
    pub(super) fn spread(inputs: usize) -> f64 {
        (GPT2.width as f64 / inputs as f64).sqrt()
    }
}
