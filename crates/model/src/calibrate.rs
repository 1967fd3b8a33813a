//! Measuring this machine, for predicted times.

use std::time::Instant;

use cipherformer_circuit::cost::{REFERENCE, Speed};
use cipherformer_circuit::graph::{IntMatrix, LutCell};
use cipherformer_circuit::{Function, ParameterSet, Precision};
use cipherformer_fhe::{
    EvaluationKey, FheError, PreparedLut, Scalars, SecretKey, SeededEvaluationKey, linear, pack,
};
use rayon::ThreadPoolBuilder;

use crate::error::ModelError;

/// LUTs of a batch: as many as share a pass over the bootstrapping key, twice.
const LUTS: usize = 24;

/// Values packed, and inputs and outputs of the linear layer.
const VALUES: usize = 64;

/// The fastest of so many tries counts: others were disturbed.
const TRIES: usize = 5;

/// Measures LUTs, packing and a linear layer under these parameters on one core. Takes less than ten seconds, most of them
/// for keys.
///
/// # Errors
/// None on a machine that can start a thread.
pub fn calibrate(parameters: &'static ParameterSet) -> Result<Speed, ModelError> {
    let secret = SecretKey::generate(parameters);
    let seeded = SeededEvaluationKey::generate(&secret, |_| ());
    let key = EvaluationKey::expand(seeded, parameters);
    let values = secret.encrypt_scalars(&[0; VALUES]);
    let one_core = ThreadPoolBuilder::new().num_threads(1).build();
    let one_core = one_core.map_err(|error| ModelError::Threads(error.to_string()))?;
    Ok(one_core.install(|| measure(parameters, &secret, &values, &key))?)
}

fn measure(
    parameters: &ParameterSet,
    secret: &SecretKey,
    values: &Scalars,
    key: &EvaluationKey,
) -> Result<Speed, FheError> {
    let inputs = secret.encrypt_scalars(&[0; LUTS]);
    let lut = |precision| {
        let lut = PreparedLut::new(&[IDENTITY; LUTS], precision, parameters);
        let seconds = fastest(|| lut.apply(&inputs, key, &|_| ()).map(drop))?;
        let predicted = parameters.lut_seconds(precision, &REFERENCE);
        Ok::<f64, FheError>(seconds / LUTS as f64 / predicted)
    };
    let weights = (0..VALUES * VALUES).map(|i| (i % 15) as i8 - 7).collect();
    let weights = IntMatrix::new(VALUES, VALUES, weights).expect("it fits");
    let dense = fastest(|| linear(&weights, &[0.0; VALUES], values).map(drop))?;
    let packing = fastest(|| pack(values, key).map(drop))?;
    Ok(Speed {
        lut: lut(Precision::Full)?,
        coarse_lut: lut(Precision::Coarse)?,
        ring: packing / parameters.pack_work(VALUES).seconds(),
        linear: dense / parameters.linear_work(VALUES, VALUES).seconds(),
    })
}

const IDENTITY: LutCell = LutCell {
    function: Function::Identity,
    input_scale: 1.0,
    input_bias: 0.0,
    output_scale: 1.0,
    rounded: false,
};

fn fastest(mut work: impl FnMut() -> Result<(), FheError>) -> Result<f64, FheError> {
    let mut fastest = f64::INFINITY;
    for _ in 0..TRIES {
        let start = Instant::now();
        work()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest)
}
