//! Single operations, as lessons do them by hand, one program playing client and server.

use std::sync::Arc;

use cipherformer_circuit::graph::LutCell;
use cipherformer_circuit::{Circuit, Function, Precision, evaluate};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, FheError, PreparedCircuit, PreparedLut, Scalars, scaled_lut,
};

use crate::keys::Keys;

impl Keys {
    /// One LWE ciphertext an integer: x as x / t of the torus.
    pub fn encrypt(&self, integers: &[i64], t: u64) -> Scalars {
        let torus = integers.iter().map(|&x| {
            let x = i128::from(x).rem_euclid(t.into());
            ((x << 64) / i128::from(t)) as u64
        });
        self.secret.encrypt_scalars(&torus.collect::<Vec<u64>>())
    }

    /// What ciphertexts hold, noise included: parts of the torus, in \[-1/2, 1/2).
    pub fn decrypt(&self, values: &Scalars) -> Vec<f64> {
        let torus = self.secret.decrypt_scalars(values).into_iter();
        torus.map(|x| x as i64 as f64 / 64f64.exp2()).collect()
    }

    /// The same LUT for every value, at full precision.
    ///
    /// # Errors
    /// Values under other parameters.
    pub fn lut(&self, values: &Scalars, cell: LutCell) -> Result<Scalars, FheError> {
        let cells = vec![cell; values.lwe_ciphertext_count().0];
        let lut = PreparedLut::new(&cells, Precision::Full, self.secret.parameters());
        lut.apply(values, &self.evaluation, &|_| ())
    }

    /// Values times an encrypted scale: a value of v of the torus, between -1/4 and 1/4, becomes `4 levels v`, rounded, times
    /// the scale.
    ///
    /// # Errors
    /// Values under other parameters.
    pub fn scaled(
        &self,
        values: &Scalars,
        scale: &Scalars,
        levels: u32,
    ) -> Result<Scalars, FheError> {
        let key = &self.evaluation;
        scaled_lut(levels, Precision::Coarse, values, scale, key, &|_| ())
    }

    /// What a server answers to a request: bytes to bytes, with the evaluation key alone.
    ///
    /// # Errors
    /// A request that is not of this circuit and key.
    pub fn answer(&self, circuit: &Circuit, request: &[u8]) -> Result<Vec<u8>, FheError> {
        let entries = circuit.manifest().input.entries;
        let request = EncryptedBag::from_bytes(request, entries, circuit.parameters())?;
        let prepared = PreparedCircuit::new(Arc::new(circuit.clone()))?;
        let mut engine = Encrypted::new(&prepared, &self.evaluation)?;
        let response = evaluate(circuit, &mut engine, &request, &())?;
        Ok(response.to_bytes())
    }
}

/// A LUT's function, with so much of the torus for 1 at its input, and at its output.
pub fn cell(function: Function, input_scale: f64, output_scale: f64) -> LutCell {
    LutCell {
        function,
        input_scale,
        input_bias: 0.0,
        output_scale,
        rounded: false,
    }
}
