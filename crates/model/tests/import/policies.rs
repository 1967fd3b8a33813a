//! What figures are of: texts apart from calibration, scores as clients get them.

use cipherformer_circuit::{Body, Circuit};
use cipherformer_model::Quality;

use crate::classifier::deep;
use crate::files::classifier;

#[test]
fn policies_and_halves_of_the_data() {
    let import = |policy: &str| {
        let mut files = classifier();
        files.spec = format!("output = \"{policy}\"\n{}", files.spec);
        let written = files.write();
        let report = written.import().expect("a good model");
        let circuit = Circuit::load(&written.out()).expect("just written");
        assert_eq!(circuit.manifest().output.policy.to_string(), policy);
        assert_eq!(report.calibrated + report.measured, 80);
        assert!(
            report.measured >= 8 && report.calibrated >= 40 && !report.own_file,
            "{report:?}"
        );
        assert_eq!(report.shared, 0);
        assert!(report.table().contains("kept apart from calibration"));
        report
    };
    let scores = import("scores");
    let Quality::Classifier {
        float: expected, ..
    } = scores.quality
    else {
        panic!("it is a classifier");
    };
    for policy in ["rounded:4", "top-1"] {
        let report = import(policy);
        assert!(report.table().contains(&format!("clients get {policy}: ")));
        let Quality::Classifier {
            float,
            reference,
            simulate,
            reference_agreement,
            simulate_agreement,
        } = report.quality
        else {
            panic!("it is a classifier");
        };
        assert_eq!(float, expected);
        // Of answers that are 0 or 1 it would be 0.313 at least.
        assert!(float.cross_entropy < 0.25, "{float:?}");
        for figures in [reference, simulate] {
            assert!(
                (figures.cross_entropy - float.cross_entropy).abs() < 0.03,
                "{policy}: {figures:?}, {float:?}"
            );
            assert_eq!(figures.accuracy, 1.0, "{policy}");
        }
        assert_eq!((reference_agreement, simulate_agreement), (1.0, 1.0));
    }
}

/// Scores that are compared have one step, and the error in the report is that of the integers which the circuit has.
#[test]
fn top_1_rounds_the_last_layer_once() {
    let mut files = deep();
    let weights = vec![-2.0, 0.1, 2.0, 0.3, 0.5, 0.0, 1.0, -0.5, 0.25];
    files.set("output.weight", &[3, 3], weights.clone());
    files.spec = format!("output = \"top-1\"\n{}", files.spec);
    let written = files.write();
    let report = written.import().expect("a good model");
    let circuit = Circuit::load(&written.out()).expect("just written");
    let Body::Classifier(model) = circuit.body() else {
        panic!("it is a classifier");
    };
    let dense = &model.blocks.last().expect("two of them").dense.weights;
    assert!(dense.step.iter().all(|step| *step == dense.step[0]));
    let rounded = dense.integers.data().iter().zip(&weights);
    let errors = rounded.map(|(&w, &x)| (f64::from(w) * dense.step[0] - f64::from(x)).abs());
    let worst = errors.fold(0.0, f64::max);
    let layer = report.layers.last().expect("three of them");
    assert_eq!((layer.steps, layer.largest_integer), (1, 60));
    assert!(worst > 0.0 && (layer.error.largest - worst).abs() < 1e-12);
}

/// What is measured on is not calibrated with, whatever the files say.
#[test]
fn texts_of_both_files_are_measured_on_only() {
    let mut files = classifier();
    let (shared, own): (Vec<&str>, Vec<&str>) = files
        .data
        .lines()
        .skip(1)
        .partition(|line| line.contains('7'));
    let rows = |lines: &[&str]| format!("text,label\n{}\n", lines.join("\n"));
    files.evaluate = Some(rows(&shared));
    let report = files.write().import().expect("a good model");
    assert_eq!(
        (report.measured, report.shared, report.calibrated),
        (8, 8, 72)
    );
    let said = "8 texts to calibrate with are among those measured on";
    assert!(report.table().contains(said), "{}", report.table());

    let mut apart = files.clone();
    apart.data = rows(&own);
    let other = apart.write().import().expect("a good model");
    assert_eq!((other.shared, other.calibrated), (0, 72));
    assert_eq!(other.layers[0].range, report.layers[0].range);

    files.evaluate = Some(files.data.clone());
    let error = files.refusal();
    for part in ["data: all its texts", "--evaluate"] {
        assert!(error.contains(part), "{error}");
    }
}
