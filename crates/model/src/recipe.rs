//! The numbers of the prompt guard's recipe.

/// How a prompt guard is made. The defaults are the best of our trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Most features the vocabulary may have.
    pub entries: usize,
    /// At most this many features of a text are used.
    pub max_features: usize,
    /// Texts with fewer features are weighted as if they had this many.
    pub min_count: usize,
    /// In how many training texts a feature must appear.
    pub min_texts: u32,
    /// How many hidden values, each of which costs one LUT.
    pub width: usize,
    /// What the summed embedding, which lies in [-1, 1], is multiplied by before the tanh. Lives in the
    /// embedding's step, so it costs nothing.
    pub gain: f64,
    /// Standard deviation of the embedding's first values.
    pub initial_std: f32,
    /// Standard deviation of the noise added before the tanh in training, as a fraction of the LUT's
    /// range: about twice what the standard parameters will add.
    pub noise: f32,
    /// Which part of a text's features is left out at each step of training.
    pub dropout: f32,
    /// How often each text is seen.
    pub epochs: usize,
    /// Texts a step.
    pub batch: usize,
    /// Adam's first learning rate; it falls linearly to 0.
    pub learning_rate: f64,
    /// Largest integer of an embedding; each column has its own step.
    pub embedding_limit: i8,
    /// Largest integer of the last layer.
    pub weight_limit: i8,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            entries: 16_384,
            max_features: 128,
            min_count: 8,
            min_texts: 2,
            width: 16,
            gain: 3.0,
            initial_std: 0.1,
            noise: 0.006,
            dropout: 0.4,
            epochs: 5,
            batch: 256,
            learning_rate: 0.02,
            embedding_limit: 127,
            weight_limit: 15,
        }
    }
}

impl Recipe {
    /// How many steps training on this many texts takes.
    pub fn steps(&self, texts: usize) -> usize {
        self.epochs * texts.div_ceil(self.batch)
    }
}
