use std::collections::BTreeSet;
use std::ffi::OsString;

use cipherformer_circuit::OutputPolicy;
use clap::Command;

use super::*;
use crate::config::{Config, Settings, Sources};

const SAMPLE: &str = include_str!("../../../cipherformer-server.toml");

/// A line of the sample that says what else could stand there: a field without a default.
fn example(line: &str) -> Option<&str> {
    let line = line.strip_prefix("# ")?;
    let (name, _) = line.split_once(" = ")?;
    let table = line.starts_with('[') || name == "output";
    let field = fields().any(|field| super::name(&field) == name);
    (table || field).then_some(line)
}

/// The sample with everything in it that could be.
fn everything() -> String {
    let lines = SAMPLE.lines();
    let lines = lines.map(|line| {
        if line.starts_with("# [circuit.") {
            &line[2..]
        } else {
            example(line).unwrap_or(line)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a server makes of a file with this text, and these flags.
fn read_all(text: &str, flags: &[&str]) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sample.toml");
    fs::write(&path, text).expect("written");
    let mut arguments: Vec<OsString> = vec!["server".into(), "--config".into(), path.into()];
    arguments.extend(flags.iter().map(Into::into));
    Sources::new(Command::new("server")).read(&arguments)
}

fn config(text: &str, flags: &[&str]) -> Config {
    read_all(text, flags).expect("a good configuration").config
}

/// The line that is to blame, and why.
fn refusal(text: &str) -> (usize, String) {
    match read_all(text, &["--circuits=c", "--data-dir=d"]) {
        Err(ConfigError::Line { path, line, reason }) => {
            assert!(path.ends_with("sample.toml"));
            (line, reason)
        }
        other => panic!("{text:?} is refused, not {other:?}"),
    }
}

#[test]
fn the_sample_says_the_defaults() {
    let defaults = config("", &["--circuits=circuits", "--data-dir=data"]);
    assert_eq!(config(SAMPLE, &[]), defaults);
}

#[test]
fn the_sample_names_every_field() {
    let File { values, circuit } = parse(&everything()).expect("a good file");
    let named: BTreeSet<String> = values.into_keys().collect();
    let all: BTreeSet<String> = fields().map(|field| name(&field)).collect();
    assert_eq!(named, all);
    assert!(circuit["prompt-guard"].output.is_some());
    let documented = SAMPLE.lines().zip(SAMPLE.lines().skip(1));
    for (comment, line) in
        documented.filter(|(_, line)| parse(line).is_ok_and(|file| !file.values.is_empty()))
    {
        assert!(comment.starts_with("# "), "{line} has no comment");
    }
}

#[test]
fn flags_come_before_the_file_and_the_file_before_defaults() {
    let text = "circuits = \"of-the-file\"\nqueue = 9\nworkers = 3\n";
    let config = config(text, &["--data-dir=d", "--workers=5"]);
    assert_eq!(config.circuits, Path::new("of-the-file"));
    assert_eq!((config.queue, config.workers), (9, 5));
    assert_eq!(config.sessions, crate::SESSIONS);
}

#[test]
fn circuits_are_set_one_by_one() {
    let text = "[circuit.a]\noutput = \"top-1\"\n[circuit.b]\noutput = \"scores\"\n";
    let flags = [
        "--circuits=c",
        "--data-dir=d",
        "--output=b=rounded:4",
        "--output=c=top-1",
    ];
    let config = config(text, &flags);
    let outputs = config
        .circuit
        .iter()
        .map(|(name, circuit)| (name.as_str(), circuit.output));
    let expected = [
        ("a", Some(OutputPolicy::TopOne)),
        ("b", Some(OutputPolicy::Rounded { bits: 4 })),
        ("c", Some(OutputPolicy::TopOne)),
    ];
    assert_eq!(
        outputs.collect::<Vec<_>>(),
        expected,
        "a flag for one leaves the others as they are"
    );
    let wrong = read_all("", &["--circuits=c", "--data-dir=d", "--output=top-1"]);
    assert!(
        wrong
            .expect_err("no name")
            .to_string()
            .contains("NAME=POLICY")
    );
}

#[test]
fn what_is_wrong_is_found_by_its_line() {
    for (text, line, reasons) in [
        ("queue = 3\n\nqueu = 4\n", 3, ["\"queu\"", "key_memory_mb"]),
        ("queue = 3\nqueue = 4\n", 2, ["duplicate key", ""]),
        (
            "\nworkers = 0",
            2,
            ["workers: \"0\" cannot be used", "at least 1"],
        ),
        ("session_minutes = 2000", 1, ["session_minutes", "1..=1440"]),
        ("sessions = -1", 1, ["sessions", "invalid digit"]),
        ("listen = 8080", 1, ["listen", "socket address"]),
        ("workers = 1.5", 1, ["workers", "float"]),
        ("workers = [1]", 1, ["workers", "array"]),
        ("[queue]\nx = 1", 1, ["queue", "table"]),
        ("config = \"x\"", 1, ["\"config\"", "there are circuits"]),
        (
            "queue = 1\n[circuit.a]\noutptu = \"top-1\"",
            3,
            ["unknown field `outptu`", "`output`"],
        ),
        ("[circuit.a]\noutput = 1", 2, ["string", ""]),
        (
            "[circuit.a]\noutput = \"top-2\"",
            2,
            ["top-2", "rounded:BITS"],
        ),
        ("circuit = 1", 1, ["map", ""]),
        ("queue = \n", 1, ["", ""]),
        ("queue", 1, ["", ""]),
    ] {
        let (at, reason) = refusal(text);
        assert_eq!(at, line, "{text:?}: {reason}");
        assert!(
            reasons.iter().all(|part| reason.contains(part)),
            "{text:?}: {reason}"
        );
        assert!(!reason.contains('\n'), "one line: {reason}");
    }
}

/// The same mistake in a flag, which `clap` reports.
#[test]
fn flags_go_through_the_same_checks() {
    for flag in [
        "--workers=0",
        "--session-minutes=2000",
        "--sessions=-1",
        "--listen=8080",
        "--wokers=1",
    ] {
        let error = read_all("", &["--circuits=c", "--data-dir=d", flag]).expect_err(flag);
        assert!(matches!(error, ConfigError::Usage(_)), "{error}");
    }
    let missing = read_all("", &["--circuits=c"]).expect_err("no data directory");
    assert!(missing.to_string().contains("--data-dir"), "{missing}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let arguments = ["server", "--config", "/nowhere/at-all.toml"].map(Into::into);
    let error = Sources::new(Command::new("server")).read(&arguments);
    let error = error.expect_err("no file").to_string();
    assert!(
        error.contains("/nowhere/at-all.toml") && error.contains("--config"),
        "{error}"
    );
}

#[test]
fn every_field_has_a_flag_and_a_variable_of_its_name() {
    let sources = Sources::new(Command::new("server"));
    for field in fields() {
        let name = name(&field);
        let mut arguments = sources.command().get_arguments();
        let argument = arguments
            .find(|arg| *arg.get_id() == name.as_str())
            .expect("a flag");
        assert_eq!(argument.get_long(), Some(name.replace('_', "-").as_str()));
        let variable = format!("CIPHERFORMER_{}", name.to_uppercase());
        assert_eq!(
            argument.get_env().and_then(|env| env.to_str()),
            Some(variable.as_str())
        );
    }
}
