//! LUTs: any function of one value, by programmable bootstrapping.

use std::sync::Arc;

use cipherformer_circuit::graph::{LutCell, cell_centre};
use cipherformer_circuit::{ParameterSet, Precision};

use crate::Scalars;
use crate::bootstrap::{Table, bootstrap};
use crate::convert::to_torus;
use crate::error::FheError;
use crate::keys::EvaluationKey;
use crate::wire::same_set;

/// The tables of a layer's LUTs, as polynomials: N torus values each. Equal functions share one.
#[derive(Debug)]
pub struct PreparedLut {
    tables: Vec<Table>,
    precision: Precision,
    /// Name of the parameter set it is for.
    parameters: &'static str,
}

impl PreparedLut {
    /// Evaluates every function at the centre of every table cell.
    ///
    /// The input range [-1/4, 1/4) is shifted to [0, 1/2); cell i is [i, i + 1) / 2N of it.
    pub fn new(cells: &[LutCell], precision: Precision, parameters: &ParameterSet) -> Self {
        let size = parameters.bootstrap_polynomial_size;
        let mut distinct: Vec<(&LutCell, Table)> = Vec::new();
        let mut tables = Vec::with_capacity(cells.len());
        for cell in cells {
            let known = distinct.iter().find(|(other, _)| *other == cell);
            let table = known.map(|(_, table)| table.clone()).unwrap_or_else(|| {
                (0..size)
                    .map(|i| to_torus(cell.apply(cell_centre(i, size))))
                    .collect()
            });
            if known.is_none() {
                distinct.push((cell, table.clone()));
            }
            tables.push(table);
        }
        Self {
            tables,
            precision,
            parameters: parameters.name,
        }
    }

    /// Tables of N torus values each, cell i for inputs of [i, i + 1) / 2N - 1/4.
    ///
    /// # Errors
    /// A table of another length.
    pub fn from_tables(
        tables: Vec<Vec<u64>>,
        precision: Precision,
        parameters: &ParameterSet,
    ) -> Result<Self, FheError> {
        let size = parameters.bootstrap_polynomial_size;
        match tables.iter().find(|table| table.len() != size) {
            Some(table) => Err(FheError::Shape {
                operation: "LUT table",
                expected: format!("{size} cells"),
                got: table.len().to_string(),
            }),
            None => Ok(Self {
                tables: tables.into_iter().map(Arc::from).collect(),
                precision,
                parameters: parameters.name,
            }),
        }
    }

    /// Applies function i to value i. Calls `done` with the number of LUTs finished, as they finish.
    ///
    /// Input noise: the values', plus `lut_input_variance`. Output noise: `lut_output_variance`.
    /// Cost: one LUT a value, on all cores.
    ///
    /// # Errors
    /// Another number of values than of functions, values of another dimension, or a key of another parameter
    /// set.
    pub fn apply(
        &self,
        values: &Scalars,
        key: &EvaluationKey,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Scalars, FheError> {
        same_set("LUT", key.parameters, self.parameters)?;
        bootstrap(values, &self.tables, self.precision, key, done)
    }
}
