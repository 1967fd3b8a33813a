//! How keys end, and what each side says that it has, with the two real programs.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::pair::{Server, circuits, client, program};
use crate::{PROMPTS, answers, run};

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("our output is UTF-8")
}

/// What the server's program says of a data directory that another process is using.
fn inspect(data: &Path) -> Value {
    let output = Command::new(program("cipherformer-server"))
        .args(["inspect", "--json", "--data-dir"])
        .arg(data)
        .arg("--circuits")
        .arg(circuits())
        .output()
        .expect("it can be started");
    serde_json::from_str(&text(&output)).expect("one object")
}

fn ids(inspection: &Value) -> Vec<String> {
    let keys = inspection["keys"].as_array().expect("a list");
    let ids = keys.iter().map(|key| key["id"].as_str().expect("an id"));
    ids.map(str::to_owned).collect()
}

#[test]
fn keys_are_rotated_and_forgotten_and_both_sides_show_what_they_have() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let (home, data) = (place.path().join("home"), place.path().join("data"));
    let passphrase = place.path().join("passphrase");
    std::fs::write(&passphrase, "correct horse battery staple\n").expect("ours");
    let server = Server::start(&data);
    let with_server = |arguments: &[&str]| {
        let file = passphrase.to_str().expect("UTF-8");
        let server = ["--server", server.url(), "--passphrase-file", file];
        client(&home, &[&server[..], arguments].concat(), b"")
    };
    let prompt = [
        "classify",
        "--circuit",
        "prompt-guard",
        "--json",
        "--",
        PROMPTS[1],
    ];
    let first = &answers(&with_server(&prompt))[0];
    assert!(
        home.join("keys/fast-1024/secret.key.age").exists(),
        "made under the passphrase"
    );
    let unasked = run(&home, server.url(), "prompt-guard", "hello, server");
    assert!(!unasked.status.success(), "and of no use without");

    let inspection = inspect(&data);
    let old = ids(&inspection);
    assert_eq!(old.len(), 1);
    assert_eq!(
        inspection["tables"]["registrations"][0]["key"],
        old[0].as_str()
    );
    assert_eq!(inspection["circuits"].as_array().map(Vec::len), Some(2));

    let rotated = text(&with_server(&["keys", "rotate"]));
    assert!(
        rotated.contains(&format!("deleted  {}", old[0])),
        "{rotated}"
    );
    let new = ids(&inspect(&data));
    assert!(new.len() == 1 && new != old, "{new:?}");
    let again = &answers(&with_server(&prompt))[0];
    assert_eq!(again["label"], first["label"]);
    assert_eq!(ids(&inspect(&data)), new, "it was registered already");

    let seen: Value =
        serde_json::from_str(&text(&with_server(&["inspect", "--json"]))).expect("JSON");
    let record = &seen["home"]["keys"][0]["record"];
    assert_eq!(
        (&record["id"], &record["protected"]),
        (&new[0].as_str().into(), &true.into())
    );
    for circuit in seen["circuits"].as_array().expect("a list") {
        let name = &circuit["manifest"][0];
        assert!(
            circuit["sizes"]["request"].as_u64() > Some(4_000),
            "{name}: {circuit}"
        );
        if circuit["sizes"]["response"] == again["response_bytes"] {
            assert_eq!(circuit["sizes"]["request"], again["request_bytes"]);
        }
    }

    let forgotten = text(&with_server(&["forget"]));
    assert!(
        forgotten.contains(&format!("deleted  {}", new[0])),
        "{forgotten}"
    );
    let inspection = inspect(&data);
    assert!(ids(&inspection).is_empty());
    assert_eq!(
        inspection["tables"]["registrations"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    assert_eq!(
        inspection["tables"]["sessions"].as_array().map(Vec::len),
        Some(0)
    );
    let twice = text(&with_server(&["forget"]));
    assert!(twice.contains("the server had nothing of yours"), "{twice}");
    answers(&with_server(&prompt));
    assert_eq!(ids(&inspect(&data)), new, "used again, registered again");
}
