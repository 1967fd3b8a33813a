//! Verdicts on ciphertexts against plain ones: real prompts, real parameters.

use std::path::Path;

use cipherformer_circuit::{Circuit, OutputLayout, Plain};
use cipherformer_model::{EncryptedPair, LABELS, load_examples};

const PROMPTS: usize = 24;

/// Scores may be so many standard deviations of the noise that the manifest states off; LUTs' own adds a fiftieth.
const DEVIATIONS: f64 = 6.0;

#[test]
fn encrypted_verdicts_are_the_reference_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let circuit = Circuit::load(&root.join("../../circuits/prompt-guard")).expect("shipped");
    let data = root.join("data/prompt-injection/validation.csv");
    let examples = load_examples(&data, &LABELS).expect("shipped");
    let pair = EncryptedPair::new(circuit.clone(), |_| ()).expect("a valid circuit");
    let output = &circuit.manifest().output;
    let allowed = DEVIATIONS * 1.02 * output.noise / output.scale[0];
    let mut clear = 0;
    for example in &examples[..PROMPTS] {
        let bag = [circuit.vocabulary().bag(&example.text)];
        let scores = pair.outputs(&bag).expect("any text").remove(0);
        let reference = Plain::reference().outputs(&circuit, &bag);
        let reference = reference.expect("any text").remove(0);
        let far = scores.iter().zip(&reference).map(|(a, b)| (a - b).abs());
        let far = far.fold(0.0, f64::max);
        assert!(far < allowed, "{far} off for {:?}", example.text);
        if (reference[0] - reference[1]).abs() > 2.0 * allowed {
            clear += 1;
            let (got, expected) = (
                OutputLayout::argmax(&scores),
                OutputLayout::argmax(&reference),
            );
            assert_eq!(got, expected, "{:?}", example.text);
        }
    }
    assert!(clear > PROMPTS / 2, "{clear} verdicts are clear");
}
