//! Choosing parameters by computation.

use std::path::PathBuf;

use cipherformer_circuit::cost::REFERENCE;
use cipherformer_circuit::parameters::{self, FAST_1024, STANDARD_2048, security, tuned};
use cipherformer_circuit::{Circuit, Goal, TuneError, candidates, tune};

const GOAL: Goal = Goal {
    input_noise: None,
    key_bytes: usize::MAX,
    speed: REFERENCE,
};

fn guard() -> Circuit {
    let circuits = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../circuits");
    Circuit::load(&circuits.join("prompt-guard")).expect("shipped circuits are valid")
}

#[test]
fn the_guard_has_the_cheapest_parameters_there_are_for_it() {
    let circuit = guard();
    let tuning = tune(&circuit, &GOAL, |_| ()).expect("its own set will do");
    assert_eq!(tuning.chosen.parameter_set, circuit.parameters().name);
    let runner_up = tuning.runner_up.expect("there are dearer ones");
    assert!(runner_up.lut_seconds > tuning.chosen.lut_seconds);
    assert!(tuning.rejected.iter().all(|rejected| rejected.bits > 0.0));
    let layers: Vec<&str> = tuning.rejected.iter().map(|r| r.layer.as_str()).collect();
    assert!(layers.contains(&"every LUT"), "{layers:?}");
}

/// From a dearer set tuning comes back to one no dearer, and what it chose keeps what it promised.
#[test]
fn a_circuit_under_dear_parameters_becomes_cheaper() {
    let dear = guard()
        .with_parameters(STANDARD_2048.name)
        .expect("it fits");
    let goal = Goal {
        input_noise: Some(0.004),
        ..GOAL
    };
    let chosen = tune(&dear, &goal, |_| ())
        .expect("the guard's own set will do")
        .chosen;
    let set = parameters::by_name(&chosen.parameter_set).expect("a set there is");
    let fast = FAST_1024.lut_seconds(Default::default(), &REFERENCE);
    assert!(chosen.lut_seconds <= fast, "{chosen:?}");
    assert_eq!(security::check(set), Ok(()));
    assert!(chosen.worst_input_noise <= 0.004);
    let tuned = dear.with_parameters(set.name).expect("it was tried");
    assert_ne!(tuned.manifest().digest, dear.manifest().digest);
    assert_eq!(tuned.luts(0), dear.luts(0));
}

#[test]
fn an_impossible_budget_names_the_operation_and_the_bits() {
    let goal = Goal {
        input_noise: Some(0.0001),
        ..GOAL
    };
    let error = tune(&guard(), &goal, |_| ()).expect_err("no set is so precise");
    let TuneError::Impossible { layer, bits, .. } = &error else {
        panic!("{error}");
    };
    // The best sets have a LUT input noise near 0.2 %, twenty times as much.
    assert_eq!(layer, "every LUT");
    assert!((3.0..5.0).contains(bits), "{bits}");
    assert!(error.to_string().contains("too noisy by"), "{error}");
}

#[test]
fn a_key_that_must_be_short_is_told_what_is_possible() {
    let goal = Goal {
        key_bytes: 1_000_000,
        ..GOAL
    };
    let error = tune(&guard(), &goal, |_| ()).expect_err("no key is so short");
    let TuneError::KeySize { shortest, .. } = error else {
        panic!("{error}");
    };
    assert!((10_000_000..20_000_000).contains(&shortest), "{shortest}");
}

/// Every candidate has a name that any client understands, and 128 bits.
#[test]
fn candidates_can_be_found_by_name_and_are_secure() {
    let mut count = 0;
    for set in candidates().into_iter().step_by(97) {
        let found = parameters::by_name(&tuned::name(&set)).expect("sound");
        assert_eq!(found.lwe_dimension, set.lwe_dimension);
        assert_eq!(security::check(&set), Ok(()));
        count += 1;
    }
    assert!(count > 20, "{count}");
}
