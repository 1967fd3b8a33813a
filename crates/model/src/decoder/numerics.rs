//! The numbers that make a transformer of real numbers one of grids and tables.

/// How softmax and norms are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are defined.
    Plain,
    /// As LUTs do it: with floors below which sums are not told apart.
    Circuit,
}

/// Grids, caps and floors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numerics {
    /// What is computed.
    pub(crate) form: Form,
    /// How many heads.
    pub(crate) heads: usize,
    /// Resolution of the exponentials of scores, of each layer.
    pub(crate) gain: Vec<f64>,
    /// Soft cap of the scores of each layer; `None` leaves them as they are.
    pub(crate) cap: Vec<Option<f64>>,
    /// Smallest mean of exponentials that is told apart from less, of each layer.
    pub(crate) floor: Vec<f64>,
    /// Largest integers of queries, keys and values, of each layer.
    pub(crate) limits: Vec<[u8; 3]>,
    /// Real values of one unit of them.
    pub(crate) steps: Vec<[f64; 3]>,
    /// Smallest mean of squares that the norm of each layer tells apart from less; the first layer's is not looked at.
    pub(crate) norm_floor: Vec<f64>,
    /// What each layer's norm adds to the mean of squares; of a circuit, the first layer's only.
    pub(crate) epsilon: Vec<f64>,
    /// The range of 127 units that the residual of the first block's table is rounded to, if it is.
    pub(crate) residual: Option<f64>,
}

impl Numerics {
    /// Real score of one unit of q . k, heads being so wide.
    pub(crate) fn score_step(&self, layer: usize, head_width: usize) -> f64 {
        let [query, key, _] = self.steps[layer];
        query * key / (head_width as f64).sqrt()
    }
}
