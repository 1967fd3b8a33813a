use cipherformer_benches::{Keys, spread};
use cipherformer_circuit::graph::LutCell;
use cipherformer_circuit::{Function, Precision, parameters};
use cipherformer_fhe::PreparedLut;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let p = parameters::by_name(&a[1]).unwrap();
    let count: usize = a[2].parse().unwrap();
    let reps: usize = a[3].parse().unwrap();
    let keys = Keys::new(p);
    let values: Vec<u64> = (0..count).map(spread).collect();
    let values = keys.secret.encrypt_scalars(&values);
    let cell = LutCell { function: Function::Tanh, input_scale: 0.2, input_bias: 0.0, output_scale: 0.2, rounded: false };
    for precision in [Precision::Full, Precision::Coarse] {
        if a.len() > 4 && a[4] != format!("{precision:?}") { continue; }
        let lut = PreparedLut::new(&vec![cell.clone(); count], precision, p);
        let mut best = f64::MAX;
        for _ in 0..reps {
            let s = Instant::now();
            lut.apply(&values, &keys.evaluation, &|_| ()).unwrap();
            best = best.min(s.elapsed().as_secs_f64());
        }
        println!("{precision:?} {:.3} ms", best / count as f64 * 1e3);
    }
}
