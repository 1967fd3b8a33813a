//! The program on its own: keys on disk, bad arguments, servers that are not there or talk nonsense.

mod fake_server;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fake_server::{Answer, FakeServer};

const KEYS: &str = "keys/fast-1024";

fn client(home: &Path, arguments: &[&OsStr]) -> Output {
    command(home, arguments)
        .output()
        .expect("cargo built the program")
}

fn command(home: &Path, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cipherformer-client"));
    command.arg("--home").arg(home).args(arguments);
    for variable in ["SERVER", "TOKEN", "CA", "PASSPHRASE_FILE"] {
        command.env_remove(format!("CIPHERFORMER_{variable}"));
    }
    command
}

fn run(home: &Path, arguments: &str) -> Output {
    let arguments: Vec<&OsStr> = arguments.split(' ').map(OsStr::new).collect();
    client(home, &arguments)
}

/// One sentence on standard error, nothing on standard output, exit code 1.
fn refusal(output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).expect("our messages are UTF-8");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("error: "), "{error}");
    error
}

fn success(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("our output is UTF-8")
}

fn classify(home: &Path, server: &str) -> Output {
    let line = format!("--server {server} classify --circuit prompt-guard hello");
    run(home, &line)
}

#[test]
fn keys_live_from_create_to_delete() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let home = home.path();
    assert!(refusal(&run(home, "keys show")).contains("keys create"));
    assert!(refusal(&run(home, "keys delete")).contains("no keys"));

    let created = success(&run(home, "keys create"));
    assert!(created.contains("fast-1024, 128 bits of security"));
    assert_eq!(success(&run(home, "keys show")), created);
    assert!(refusal(&run(home, "keys create")).contains("keys delete"));

    let json = success(&run(home, "keys show --json"));
    let shown: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(shown["id"].as_str().map(str::len), Some(64));
    assert_eq!(shown["parameter_set"], "fast-1024");
    let evaluation = fs::metadata(home.join(KEYS).join("evaluation.key")).expect("made");
    assert_eq!(shown["evaluation_key_bytes"], evaluation.len());
    assert!(evaluation.len() <= 35_000_000, "the key must stay small");

    damaged_keys_are_named_and_kept(home);
    let deleted = success(&run(home, "keys delete"));
    assert!(deleted.contains("secret.key") && deleted.contains("never be opened"));
    assert!(!home.join(KEYS).exists());
}

fn damaged_keys_are_named_and_kept(home: &Path) {
    let path = home.join(KEYS).join("secret.key");
    let mut bytes = fs::read(&path).expect("made");
    bytes[100] ^= 0xff;
    fs::write(&path, &bytes).expect("ours");
    for command in ["keys show", "keys create"] {
        refusal(&run(home, command));
    }
    assert!(refusal(&run(home, "keys show")).contains("secret.key is damaged"));
    assert_eq!(fs::read(&path).expect("still there"), bytes);
}

#[test]
fn parameter_sets_that_are_unknown_or_insecure_are_refused() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let error = refusal(&run(home.path(), "keys create --parameter-set weak"));
    assert!(error.contains("standard-2048"), "{error}");
    // Known to test builds, unknown to others; refused by both.
    refusal(&run(
        home.path(),
        "keys create --parameter-set insecure-toy",
    ));
    assert!(!home.path().join("keys/insecure-toy").exists());
}

#[test]
fn usage_errors_have_exit_code_2() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for line in ["", "classify hello", "keys", "--no-such-option"] {
        let output = run(home.path(), line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
    }
}

#[test]
fn a_home_that_is_a_file_is_reported() {
    let home = tempfile::NamedTempFile::new().expect("a temporary file");
    let error = refusal(&run(home.path(), "keys create"));
    assert!(error.contains("check its permissions"), "{error}");
}

#[test]
fn a_server_must_be_named_and_there() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let home = home.path();
    let unnamed = refusal(&run(home, "classify --circuit prompt-guard hello"));
    assert!(unnamed.contains("--server"), "{unnamed}");
    assert!(refusal(&run(home, "ui")).contains("--server"));
    for address in ["nonsense", "ftp://127.0.0.1:1", "127.0.0.1:80"] {
        let error = refusal(&classify(home, address));
        assert!(error.contains("http://HOST:PORT"), "{error}");
        let page = refusal(&run(home, &format!("--server {address} ui")));
        assert_eq!(page, error, "a page that can never work is not served");
    }
    let error = refusal(&classify(home, fake_server::NOBODY));
    assert!(error.contains("there is no server at"), "{error}");
    assert!(error.contains("cipherformer-server"), "{error}");
    assert!(!home.join("keys").exists(), "no keys are made for nothing");
}

/// A server that asks for a token, and says if it is another one.
fn server_with_token() -> FakeServer {
    FakeServer::start(|request| match request.authorization.as_str() {
        "Bearer cft_right" => Answer::json("{\"circuits\":[]}"),
        "" => Answer::problem(401, "unauthorized", "none came"),
        _ => Answer::problem(401, "unauthorized", "another one came"),
    })
}

#[cfg(unix)]
#[test]
fn tokens_come_from_files_and_variables_and_are_shown_to_nobody() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a temporary folder");
    let (home, server) = (home.path(), server_with_token());
    let file = home.join("token");
    let run = |file_holds: Option<&str>, variable: Option<&str>, mode| {
        let options = [
            "--server",
            server.url(),
            "classify",
            "--circuit",
            "a",
            "hello",
        ];
        let mut command = command(home, &options.map(OsStr::new));
        if let Some(text) = file_holds {
            fs::write(&file, text).expect("ours");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("ours");
            command.arg("--token-file").arg(&file);
        }
        if let Some(text) = variable {
            command.env("CIPHERFORMER_TOKEN", text);
        }
        let error = refusal(&command.output().expect("it runs"));
        assert!(
            !error.contains("right") && !error.contains("wrong"),
            "{error}"
        );
        error
    };
    assert!(run(None, None, 0).contains("refused: none came"));
    assert!(run(Some("cft_wrong"), None, 0o600).contains("refused: another one came"));
    for (file_holds, variable) in [
        (Some("cft_right\n"), None),
        (None, Some("cft_right")),
        (Some("cft_right"), Some("cft_wrong")),
    ] {
        let error = run(file_holds, variable, 0o600);
        assert!(error.contains("unusable manifest"), "it got in: {error}");
    }
    assert!(run(Some("cft_right"), None, 0o644).contains("chmod 600"));
    assert!(run(Some("cft two"), None, 0o600).contains("one word"));
    assert!(run(None, Some(""), 0).contains("one word"));
    fs::remove_file(&file).expect("ours");
    let options = [
        "--server",
        "http://server.example",
        "classify",
        "--circuit",
        "a",
        "hello",
    ];
    let mut clear = command(home, &options.map(OsStr::new));
    let clear = clear.env("CIPHERFORMER_TOKEN", "cft_right").output();
    let clear = refusal(&clear.expect("it runs"));
    assert!(clear.contains("without TLS everybody"), "{clear}");
}

#[cfg(unix)]
#[test]
fn texts_that_cannot_be_classified_are_refused_before_anything_else() {
    use std::os::unix::ffi::OsStrExt;
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = FakeServer::start(|_| Answer::json("{\"circuits\":[]}"));
    let options = ["--server", server.url(), "classify", "--circuit", "a", "--"];
    for (text, reason) in [
        (&b"caf\xe9"[..], "not UTF-8"),
        (b"", "empty"),
        (b" \t", "empty"),
    ] {
        let mut arguments = options.map(OsStr::new).to_vec();
        arguments.push(OsStr::from_bytes(text));
        let error = refusal(&client(home.path(), &arguments));
        assert!(error.contains(reason), "{error}");
    }
    assert!(server.requests().is_empty());
}

/// Answers to the request for a manifest, and what is said of them.
fn unusable_manifests() -> Vec<(&'static str, Answer)> {
    let manifest = include_str!("manifest.json");
    let altered = |from: &str, to: &str| Answer::json(manifest.replace(from, to));
    let html = |status| Answer::new(status, "text/html", "<html>");
    let bug = "the server has a bug";
    vec![
        ("not be a cipherformer-server", html(500)),
        ("not be a cipherformer-server", html(302)),
        ("unusable manifest", Answer::json("{}")),
        ("unusable manifest", Answer::json("[[[[")),
        (
            "more than 1048576 bytes",
            Answer::json("x".repeat((1 << 20) + 1)),
        ),
        (
            "unusable problem",
            Answer::new(500, "application/problem+json", "{}"),
        ),
        (bug, Answer::problem(500, "internal", bug)),
        ("format 99", altered("\"format\": 2", "\"format\": 99")),
        ("not prompt-guard", altered("prompt-guard", "other")),
        ("parameter set", altered("standard-2048", "weak-2048")),
        ("features", altered("\"entries\": 2", "\"entries\": 0")),
        ("unusable vocabulary", Answer::json(manifest)),
    ]
}

#[test]
fn servers_that_talk_nonsense_are_not_believed() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for (reason, answer) in unusable_manifests() {
        let server = FakeServer::start(move |request| match request.path.as_str() {
            "/v1/circuits" => Answer::json("{\"circuits\":[]}"),
            "/v1/circuits/prompt-guard" => answer.clone(),
            _ => Answer::new(200, "text/plain", "not\nthe\nvocabulary\n"),
        });
        let error = refusal(&classify(home.path(), server.url()));
        assert!(error.contains(reason), "{reason}: {error}");
    }
    let keys = home.path().join("keys");
    assert!(!keys.exists(), "no keys are made for such servers");
}

#[test]
fn unknown_circuits_are_answered_with_those_there_are() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = FakeServer::start(|request| match request.path.as_str() {
        "/v1/circuits" => Answer::json(
            r#"{"circuits":[{"name":"names-gpt","description":"","digest":"","parameter_set":""}]}"#,
        ),
        _ => Answer::problem(404, "unknown-circuit", "no such circuit"),
    });
    let error = refusal(&classify(home.path(), server.url()));
    assert!(
        error.contains("\"prompt-guard\"; it has names-gpt"),
        "{error}"
    );
}
