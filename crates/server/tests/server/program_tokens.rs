//! `cipherformer-server tokens`: add, list, revoke.

use std::path::Path;
use std::process::Output;

use crate::program::server;
use crate::program_settings::refusal;

fn tokens(file: &Path, arguments: &[&str]) -> Output {
    let mut command = server();
    command
        .arg("tokens")
        .args(arguments)
        .arg("--file")
        .arg(file);
    command.output().expect("it runs")
}

fn success(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn tokens_are_printed_once_listed_without_and_revoked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.toml");
    let options = ["--evaluations-per-day", "500", "--expires", "2099-12-31"];
    let alice = success(&tokens(
        &file,
        &[&["add", "--name", "alice"], &options[..]].concat(),
    ));
    let alice = alice.strip_suffix('\n').expect("one line");
    assert!(alice.starts_with("cft_") && alice.len() == 47, "{alice}");
    success(&tokens(&file, &["add", "--name", "bob"]));
    let list = success(&tokens(&file, &["list"]));
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("alice "), "{list}");
    assert!(lines[0].contains("500 evaluations a day, expires 2100-01-01T00:00:00Z"));
    assert!(lines[1].contains("any number of evaluations, does not expire"));
    assert!(!list.contains(&alice[4..]));
    success(&tokens(&file, &["revoke", "--name", "alice"]));
    let list = success(&tokens(&file, &["list"]));
    assert!(
        list.starts_with("bob ") && list.lines().count() == 1,
        "{list}"
    );
}

#[test]
fn mistakes_are_told_in_one_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.toml");
    let missing = refusal(&tokens(&file, &["list"]), 1);
    assert!(missing.contains("tokens add --file"), "{missing}");
    success(&tokens(&file, &["add", "--name", "alice"]));
    for (arguments, reason) in [
        (["add", "--name", "alice"], "there is a token alice already"),
        (["add", "--name", "a b"], "cannot name a token"),
        (["revoke", "--name", "bob"], "there are: alice"),
    ] {
        let error = refusal(&tokens(&file, &arguments), 1);
        assert!(error.contains(reason), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for options in [["--expires", "tomorrow"], ["--evaluations-per-day", "0"]] {
        let arguments = [&["add", "--name", "carol"], &options[..]].concat();
        refusal(&tokens(&file, &arguments), 2);
    }
    assert_eq!(success(&tokens(&file, &["list"])).lines().count(), 1);
}

/// What configures the server stands in nobody's way.
#[test]
fn variables_of_the_server_do_not_matter_but_the_file_of_tokens() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.toml");
    let mut command = server();
    command.args(["tokens", "add", "--name", "alice"]);
    command
        .env("CIPHERFORMER_TOKENS", &file)
        .env("CIPHERFORMER_CIRCUITS", "nowhere");
    success(&command.output().expect("it runs"));
    assert!(file.exists());
}
