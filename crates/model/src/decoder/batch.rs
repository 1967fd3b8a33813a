//! Texts side by side, for one pass through the model.

use candle_core::{Device, Tensor};

use crate::error::ModelError;

/// The token that starts and ends a text.
pub(crate) const END: u8 = 0;

/// Texts side by side. All positions of all texts are rows; attention works on pairs of rows of one text.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Per row, which row of the tables of block 1: `position * vocabulary + token`.
    pub(crate) entry: Tensor,
    /// Per row, the token that comes next.
    pub(crate) target: Tensor,
    /// Per pair, the row that looks.
    pub(crate) query: Tensor,
    /// Per pair, the row looked at, the same or an earlier one.
    pub(crate) key: Tensor,
    /// Per pair, one part of the number of rows that the row looks at, \[pairs x 1\].
    pub(crate) share: Tensor,
}

impl Batch {
    /// Of texts without end marks, over so many tokens.
    pub(crate) fn new<'a>(
        texts: impl IntoIterator<Item = &'a Vec<u8>>,
        vocabulary: usize,
    ) -> Result<Self, ModelError> {
        let (mut entry, mut target) = (Vec::new(), Vec::new());
        let (mut query, mut key, mut share) = (Vec::new(), Vec::new(), Vec::new());
        for text in texts {
            let first = entry.len() as u32;
            let inputs = [END].into_iter().chain(text.iter().copied());
            for (position, token) in inputs.enumerate() {
                entry.push((position * vocabulary) as u32 + u32::from(token));
                target.push(u32::from(*text.get(position).unwrap_or(&END)));
                for earlier in 0..=position as u32 {
                    query.push(first + position as u32);
                    key.push(first + earlier);
                    share.push(1.0 / (position as f32 + 1.0));
                }
            }
        }
        let pairs = share.len();
        let indices = |list: Vec<u32>| {
            let length = list.len();
            Tensor::from_vec(list, length, &Device::Cpu)
        };
        Ok(Self {
            entry: indices(entry)?,
            target: indices(target)?,
            query: indices(query)?,
            key: indices(key)?,
            share: Tensor::from_vec(share, (pairs, 1), &Device::Cpu)?,
        })
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.entry.elem_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_pairs_of_a_text() {
        let batch = Batch::new([&vec![5, 13, 13, 1], &vec![1]], 27).expect("a batch");
        assert_eq!(batch.rows(), 7);
        assert_eq!(
            batch.target.to_vec1::<u32>().expect("rows"),
            [5, 13, 13, 1, 0, 1, 0]
        );
        let entry = batch.entry.to_vec1::<u32>().expect("rows");
        assert_eq!(entry, [0, 32, 67, 94, 109, 0, 28]);
        let key = batch.key.to_vec1::<u32>().expect("pairs");
        assert_eq!(key[15..], [5, 5, 6]);
    }
}
