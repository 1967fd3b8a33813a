//! An invalid circuit cannot be built.

mod common;

use cipherformer_circuit::{CircuitError, Vocabulary};
use common::{Parts, weights};

fn refused(change: impl FnOnce(&mut Parts)) -> CircuitError {
    let mut parts = Parts::small();
    change(&mut parts);
    parts.build().expect_err("it was made invalid")
}

fn assert_shape(change: impl FnOnce(&mut Parts), layer: &str) {
    match refused(change) {
        CircuitError::Shape { layer: got, .. } => assert_eq!(got, layer),
        error => panic!("{error}"),
    }
}

#[test]
fn shapes_must_fit() {
    assert!(Parts::small().build().is_ok());
    assert_shape(
        |parts| parts.vocabulary = Vocabulary::new(vec!["w:a".to_owned()], 8, 2).expect("valid"),
        "embedding",
    );
    assert_shape(|parts| parts.model.embedding.bias.truncate(2), "embedding");
    assert_shape(
        |parts| parts.model.embedding.table.step.push(1.0),
        "embedding",
    );
    assert_shape(
        |parts| parts.model.embedding.table = weights(0, 3, &[], 3),
        "embedding",
    );
    assert_shape(
        |parts| parts.model.blocks[0].dense.weights = weights(2, 2, &[1, 2, 3, 4], 2),
        "dense1",
    );
    assert_shape(|parts| parts.model.blocks[0].dense.bias.push(0.0), "dense1");
    assert_shape(|parts| parts.model.blocks.clear(), "model");
    assert_shape(|parts| parts.description.labels.truncate(1), "output");
}

#[test]
fn values_must_be_usable() {
    for error in [
        refused(|parts| parts.model.embedding.table.step[1] = -0.5),
        refused(|parts| parts.model.embedding.table.step[1] = f64::NAN),
        refused(|parts| parts.model.blocks[0].dense.bias[0] = f64::INFINITY),
        refused(|parts| parts.model.embedding.table = weights(4, 3, &[0; 12], 3)),
        refused(|parts| parts.description.name = "Not a name".to_owned()),
    ] {
        assert!(matches!(error, CircuitError::Value { .. }), "{error}");
    }
}

#[test]
fn parameters_must_be_known() {
    let error = refused(|parts| parts.description.parameter_set = "weak".to_owned());
    assert!(
        matches!(error, CircuitError::UnknownParameters { .. }),
        "{error}"
    );
}

/// 2,048 LUT outputs times 127: their noise alone fills the torus, whatever the scale.
#[test]
fn a_noise_budget_must_be_kept() {
    let width = 2048;
    let error = refused(|parts| {
        parts.model.embedding.table = weights(4, width, &vec![1; 4 * width], width);
        parts.model.embedding.bias = vec![0.0; width];
        parts.model.blocks[0].dense.weights = weights(2, width, &vec![127; 2 * width], 2);
    });
    assert!(
        matches!(
            error,
            CircuitError::NoRoom { .. } | CircuitError::NoiseBudget { .. }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("noise"), "{error}");
}
