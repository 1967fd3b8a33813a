//! `cipherformer-model import` as a user runs it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::files::{Written, classifier};
use crate::transformer::transformer;

fn import(written: &Written, more: &[&str]) -> Output {
    let path = |name: &str| written.path(name).into_os_string();
    Command::new(env!("CARGO_BIN_EXE_cipherformer-model"))
        .arg("import")
        .arg("--safetensors")
        .arg(path("model.safetensors"))
        .arg("--spec")
        .arg(path("spec.toml"))
        .arg("--calibrate")
        .arg(path("data"))
        .arg("--out")
        .arg(written.out())
        .args(more)
        .output()
        .expect("the binary was built")
}

fn run(arguments: &[&str], written: &Written) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cipherformer-model"));
    command
        .args(&arguments[..1])
        .arg(written.out())
        .args(&arguments[1..]);
    let output = command.output().expect("the binary was built");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_table_for_people_and_an_object_for_programs() {
    let written = classifier().write();
    let output = import(&written, &[]);
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    for part in [
        "wrote ",
        "layer 1, embedding",
        "output.weight",
        "float ",
        "simulate ",
        "cost ",
        "fast-1024: 2 LUTs",
    ] {
        assert!(table.contains(part), "{part:?} is not in:\n{table}");
    }
    let again = import(&written, &["--json"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--replace"));
    let output = import(&written, &["--json", "--replace"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(report["circuit"], "mine");
    assert_eq!(report["layers"][1]["tensor"], "output.weight");
    assert_eq!(report["layers"][1]["steps"], 2);
    assert_eq!(report["kind"], "classifier");
    assert_eq!(report["float"]["accuracy"], 1.0);
    assert_eq!(report["estimate"]["luts"], 2);
}

#[test]
fn the_other_commands_take_what_import_writes() {
    for (files, unit) in [(classifier(), "examples "), (transformer(), "texts ")] {
        let written = files.write();
        let output = import(&written, &[]);
        assert!(output.status.success(), "{output:?}");
        let data = written.path("data");
        let data = data.to_string_lossy();
        let evaluated = run(
            &[
                "evaluate", "--data", &data, "--mode", "simulate", "--limit", "5",
            ],
            &written,
        );
        assert!(evaluated.starts_with(unit), "{evaluated}");
        assert!(run(&["estimate"], &written).contains("evaluation key"));
        assert!(run(&["tune", "--input-noise", "2"], &written).contains("wrote "));
        run(&["evaluate", "--data", &data, "--limit", "5"], &written);
    }
}
