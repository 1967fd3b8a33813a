//! Matrices, row-major.

/// A matrix of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix<T> {
    rows: usize,
    columns: usize,
    data: Vec<T>,
}

impl<T: Copy> Matrix<T> {
    /// `data` holds `rows * columns` numbers, row by row; `None` when it does not.
    pub fn new(rows: usize, columns: usize, data: Vec<T>) -> Option<Self> {
        (rows.checked_mul(columns) == Some(data.len())).then_some(Self {
            rows,
            columns,
            data,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All numbers, row by row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    pub(crate) fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[T] {
        &self.data[row * self.columns..(row + 1) * self.columns]
    }

    /// One column, top to bottom.
    pub fn column(&self, column: usize) -> impl Iterator<Item = T> + '_ {
        let below = self.data.iter().skip(column);
        below.step_by(self.columns.max(1)).copied()
    }

    /// Rows and columns exchanged.
    pub fn transposed(&self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            data: (0..self.columns).flat_map(|c| self.column(c)).collect(),
        }
    }
}

impl Matrix<f32> {
    /// The matrix product, in `f64`, rounded once.
    ///
    /// # Panics
    /// If the inner dimensions differ: callers have checked them.
    pub fn times(&self, other: &Self) -> Self {
        assert_eq!(self.columns, other.rows, "inner dimensions");
        let data = (0..self.rows)
            .flat_map(|row| {
                (0..other.columns).map(move |column| {
                    let terms = self.row(row).iter().enumerate();
                    let sum: f64 = terms
                        .map(|(i, &w)| f64::from(w) * f64::from(other.row(i)[column]))
                        .sum();
                    sum as f32
                })
            })
            .collect();
        Self {
            rows: self.rows,
            columns: other.columns,
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns() {
        let matrix = Matrix::new(2, 3, vec![1, 2, 3, 4, 5, 6]).expect("6 = 2 x 3");
        assert_eq!(matrix.row(1), [4, 5, 6]);
        assert_eq!(matrix.column(1).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(matrix.transposed().data(), [1, 4, 2, 5, 3, 6]);
        assert!(Matrix::new(2, 3, vec![0; 5]).is_none());
    }
}
