//! Solution of lesson 7: the cheapest secure parameters for the guard, by how much noise it tolerates.
//!
//! `cargo run --release --example 07_solution`

use std::path::Path;

use anyhow::{Result, ensure};
use cipherformer_circuit::{Circuit, Goal, Plain, cost, tune};
use cipherformer_model::{LABELS, load_examples};

fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guard = Circuit::load(&folder.join("circuits/prompt-guard"))?;
    let prompts = folder.join("crates/model/data/prompt-injection/validation.csv");
    let prompts = load_examples(&prompts, &LABELS)?;

    println!("tolerated  noise    LUTs     key      same verdicts  set");
    let mut before = f64::INFINITY;
    for percent in [0.25, 0.4, 0.6, 1.0] {
        let goal = Goal {
            input_noise: Some(percent / 100.0),
            key_bytes: usize::MAX,
            speed: cost::REFERENCE,
        };
        let chosen = tune(&guard, &goal, |_| ())?.chosen;
        let tuned = guard.with_parameters(&chosen.parameter_set)?;
        let (mut simulated, mut same) = (Plain::simulate(0), 0);
        for prompt in &prompts {
            let bag = [guard.vocabulary().bag(&prompt.text)];
            let reference = &Plain::reference().outputs(&tuned, &bag)?[0];
            let noisy = &simulated.outputs(&tuned, &bag)?[0];
            same += usize::from((reference[1] > reference[0]) == (noisy[1] > noisy[0]));
        }
        print!(
            "{percent:.2} %     {:.2} %   ",
            100.0 * chosen.worst_input_noise
        );
        print!(
            "{:>4.1} ms  {:>4.1} MB  ",
            1e3 * chosen.lut_seconds,
            chosen.key_bytes as f64 / 1e6
        );
        let same = 100.0 * same as f64 / prompts.len() as f64;
        println!("{same:.1} %         {}", chosen.parameter_set);
        ensure!(
            chosen.lut_seconds <= before,
            "more noise should not cost more"
        );
        before = chosen.lut_seconds;
    }
    Ok(())
}
