//! The program on keys that live, are protected, and end; with a passphrase in a file, and without anybody to ask.

mod fake_server;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cipherformer_circuit::Vocabulary;
use fake_server::{Answer, FakeServer};

const KEYS: &str = "keys/fast-1024";

fn run(home: &Path, arguments: &[&str], passphrase_file: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cipherformer-client"));
    command.arg("--home").arg(home).args(arguments);
    command.env_remove("CIPHERFORMER_SERVER");
    match passphrase_file {
        Some(file) => command.env("CIPHERFORMER_PASSPHRASE_FILE", file),
        None => command.env_remove("CIPHERFORMER_PASSPHRASE_FILE"),
    };
    command.output().expect("cargo built the program")
}

fn success(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("our output is UTF-8")
}

/// One sentence on standard error, nothing on standard output, exit code 1.
fn refusal(output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).expect("our messages are UTF-8");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

fn id(shown: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(shown).expect("one object");
    json["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_key_is_made_protected_unprotected_and_rotated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("home");
    let (right, wrong) = (folder.path().join("right"), folder.path().join("wrong"));
    fs::write(&right, "correct horse battery staple\n").expect("ours");
    fs::write(&wrong, "Correct horse battery staple\n").expect("ours");

    let unasked = refusal(&run(&home, &["keys", "create", "--passphrase"], None));
    assert!(unasked.contains("no terminal"), "{unasked}");
    assert!(unasked.contains("--passphrase-file"), "{unasked}");
    assert!(!home.join(KEYS).exists());

    let created = success(&run(&home, &["keys", "create"], Some(&right)));
    assert!(
        created.contains("secret.key.age: never share it"),
        "{created}"
    );
    assert!(created.contains("passphrase      yes"), "{created}");
    assert!(!home.join(KEYS).join("secret.key").exists());
    assert_eq!(
        success(&run(&home, &["keys", "show"], None)),
        created,
        "nobody is asked"
    );
    let first = id(&success(&run(&home, &["keys", "show", "--json"], None)));

    for arguments in [["keys", "unprotect"], ["keys", "rotate"]] {
        let error = refusal(&run(&home, &arguments, Some(&wrong)));
        assert!(error.contains("not the passphrase"), "{error}");
        let error = refusal(&run(&home, &arguments, None));
        assert!(error.contains("no terminal"), "{error}");
    }
    let rotated = success(&run(&home, &["keys", "rotate"], Some(&right)));
    assert!(
        rotated.contains(&format!("old keys  {first}: destroyed")),
        "{rotated}"
    );
    assert!(rotated.contains("forget"), "{rotated}");
    let second = id(&success(&run(&home, &["keys", "show", "--json"], None)));
    assert!(rotated.contains(&second) && second != first);

    // The flag names the file as the environment does.
    let flag = [
        "keys",
        "unprotect",
        "--passphrase-file",
        right.to_str().expect("UTF-8"),
    ];
    let unprotected = success(&run(&home, &flag, None));
    assert!(
        unprotected.contains("no passphrase any more"),
        "{unprotected}"
    );
    let shown = success(&run(&home, &["keys", "show"], None));
    assert!(shown.contains("passphrase      none"), "{shown}");
    let protected = success(&run(&home, &["keys", "protect"], Some(&right)));
    assert!(protected.contains("overwritten and deleted"), "{protected}");
    assert!(!home.join(KEYS).join("secret.key").exists());
    let again = refusal(&run(&home, &["keys", "protect"], Some(&right)));
    assert!(again.contains("protected already"), "{again}");
    assert_eq!(
        id(&success(&run(&home, &["keys", "show", "--json"], None))),
        second
    );

    let deleted = success(&run(&home, &["keys", "delete"], None));
    assert!(deleted.contains("secret.key.age"), "{deleted}");
    let none = refusal(&run(&home, &["keys", "rotate"], Some(&right)));
    assert!(none.contains("keys create"), "{none}");
}

#[test]
fn files_that_hold_no_passphrase_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("home");
    let file = folder.path().join("passphrase");
    for (content, reason) in [
        (&b""[..], "empty"),
        (b"caf\xe9\n", "not UTF-8"),
        (&[b'a'; 2000], "more than 1024"),
    ] {
        fs::write(&file, content).expect("ours");
        let error = refusal(&run(&home, &["keys", "create"], Some(&file)));
        assert!(error.contains(reason), "{error}");
    }
    let missing = refusal(&run(
        &home,
        &["keys", "create"],
        Some(Path::new("/no/such/file")),
    ));
    assert!(missing.contains("/no/such/file"), "{missing}");
    assert!(!home.join(KEYS).exists(), "no key is made without");
}

/// A server that knows a circuit, and deletes every key once.
fn server() -> FakeServer {
    let mut deleted = false;
    let answers = std::sync::Mutex::new(move |method: &str, path: &str| match (method, path) {
        ("GET", "/v1/circuits") => Answer::json(
            r#"{"circuits":[{"name":"prompt-guard","description":"","digest":"","parameter_set":""}]}"#,
        ),
        ("GET", "/v1/circuits/prompt-guard") => Answer::json(manifest()),
        ("GET", "/v1/circuits/prompt-guard/vocabulary") => {
            Answer::new(200, "text/plain", VOCABULARY)
        }
        ("DELETE", _) if !deleted => {
            deleted = true;
            Answer::new(204, "", "")
        }
        ("GET", path) if path.starts_with("/v1/circuits/") => {
            Answer::problem(404, "unknown-circuit", "no such circuit")
        }
        _ => Answer::problem(404, "unknown-key", "register it"),
    });
    FakeServer::start(move |request| {
        let mut answers = answers.lock().expect("no panic");
        answers(&request.method, &request.path)
    })
}

const VOCABULARY: &str = "w:hello\nw:world\n";

/// A manifest that fits the vocabulary.
fn manifest() -> String {
    let vocabulary = Vocabulary::from_text(VOCABULARY, 64, 1).expect("distinct words");
    let hash = format!("\"vocabulary_sha256\": \"{}\"", vocabulary.sha256());
    let none = format!("\"vocabulary_sha256\": \"{}\"", "0".repeat(64));
    include_str!("manifest.json").replace(&none, &hash)
}

#[test]
fn a_server_forgets_once_and_then_has_nothing() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let home = home.path();
    let server = server();
    let with_server = |rest: &[&'static str]| {
        let mut arguments = vec!["--server", server.url()];
        arguments.extend(rest);
        run(home, &arguments, None)
    };
    let nothing = success(&with_server(&["forget"]));
    assert_eq!(nothing, "the server had nothing of yours\n");
    let id = id(&success(&run(home, &["keys", "create", "--json"], None)));
    let deleted = success(&with_server(&["forget"]));
    assert!(deleted.starts_with(&format!("deleted  {id}")), "{deleted}");
    let again = success(&with_server(&["forget", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&again).expect("one object");
    assert_eq!(json["keys"][0]["was_there"], false, "{again}");
    let revoked = success(&with_server(&["keys", "revoke"]));
    assert!(revoked.contains("the server has no such key"), "{revoked}");
    for arguments in [&["forget"][..], &["keys", "revoke"], &["inspect"]] {
        let unnamed = refusal(&run(home, arguments, None));
        assert!(unnamed.contains("--server"), "{unnamed}");
    }
}

#[test]
fn an_inspection_shows_every_field_and_no_secret() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let home = home.path();
    let server = server();
    let id = id(&success(&run(home, &["keys", "create", "--json"], None)));
    let secret = fs::read(home.join(KEYS).join("secret.key")).expect("made");
    let text = success(&run(home, &["--server", server.url(), "inspect"], None));
    let manifest: serde_json::Value = serde_json::from_str(&manifest()).expect("JSON");
    for part in ["input", "output"] {
        for field in manifest[part].as_object().expect("an object").keys() {
            assert!(
                text.contains(&format!("  {part}.{field} = ")),
                "{field}: {text}"
            );
        }
    }
    for expected in [
        "vocabulary: 2 entries",
        "luts",
        "128 bits of security",
        &id,
        "mode 600",
        "not received",
        "weights: ",
        "widths",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let json = run(home, &["--server", server.url(), "inspect", "--json"], None);
    let json = success(&json);
    let object: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(object["circuits"][0]["vocabulary"]["entries"], 2);
    assert_eq!(object["home"]["keys"][0]["record"]["id"], id.as_str());
    // Not as bytes, and not as numbers or hexadecimal digits either.
    let bits = &secret[secret.len() / 2..][..32];
    let numbers: Vec<String> = bits.iter().map(ToString::to_string).collect();
    for shown in [text, json] {
        assert!(!shown.as_bytes().windows(32).any(|window| window == bits));
        assert!(!shown.contains(&numbers.join(",")) && !shown.contains(&numbers.join("")));
    }
    let unknown = ["--server", server.url(), "inspect", "--circuit", "other"];
    let unknown = refusal(&run(home, &unknown, None));
    assert!(unknown.contains("it has prompt-guard"), "{unknown}");
}
