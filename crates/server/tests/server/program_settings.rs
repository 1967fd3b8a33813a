//! What the program makes of flags, variables and files.

use std::process::{Command, Output, Stdio};

use cipherformer_circuit::parameters::STANDARD_2048;
use tempfile::TempDir;

use crate::program::{Server, program, server};
use crate::tls::certificates;
use crate::world::circuit_under;

/// One circuit that has security, and room for data.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let circuit = circuit_under(&STANDARD_2048, "test");
        let path = folder.path().join("circuits/test");
        circuit.save(&path).expect("saved");
        Self { folder }
    }

    fn program(&self) -> Command {
        let path = self.folder.path();
        program(&path.join("circuits"), &path.join("data"))
    }
}

/// Starts it, its log to be read when it stops.
fn start(scheme: &str, mut command: Command) -> Server {
    command.stderr(Stdio::piped());
    Server::start_under(scheme, command)
}

/// What it wrote to standard error before it gave up.
pub(crate) fn refusal(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(text.starts_with("error: "), "{text}");
    text
}

#[cfg(unix)]
#[test]
fn with_a_certificate_it_says_https_and_refuses_the_rest() {
    let (place, files) = (Place::new(), certificates());
    let mut command = place.program();
    command
        .arg("--tls-certificate")
        .arg(files.path().join("1.pem"));
    command.arg("--tls-key").arg(files.path().join("1.key"));
    let server = start("https", command);
    let answer = server.ask("GET", "/v1/circuits", b"");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("https://HOST:PORT"), "{answer}");
    server.stop();
}

/// Each source names an address of the loopback network of its own.
#[cfg(target_os = "linux")]
#[test]
fn flags_come_before_variables_and_variables_before_the_file() {
    let place = Place::new();
    let path = place.folder.path();
    let file = path.join("server.toml");
    let text = "listen = \"127.0.0.3:0\"\ncircuits = \"circuits\"\ndata_dir = \"data\"\n";
    std::fs::write(&file, text).expect("written");
    let started = |change: fn(&mut Command)| {
        let mut command = server();
        command.current_dir(path).env("CIPHERFORMER_CONFIG", &file);
        change(&mut command);
        let server = start("http", command);
        (server.address.clone(), server.stop())
    };
    let (address, _) = started(|_| ());
    assert!(address.starts_with("127.0.0.3:"), "{address}");
    let (address, log) = started(|command| {
        command.env("CIPHERFORMER_LISTEN", "127.0.0.2:0");
        command.env("CIPHERFORMER_WOKERS", "2");
    });
    assert!(address.starts_with("127.0.0.2:"), "{address}");
    assert!(log.contains("CIPHERFORMER_WOKERS is no setting"), "{log}");
    let (address, log) = started(|command| {
        command.env("CIPHERFORMER_LISTEN", "127.0.0.2:0");
        command.args(["--listen", "127.0.0.1:0"]);
    });
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(!log.contains("no setting"), "{log}");
}

#[cfg(unix)]
#[test]
fn whoever_lets_others_in_is_warned() {
    let place = Place::new();
    let mut command = place.program();
    command.env("CIPHERFORMER_QUEUE", "8"); // fine
    let log = start("http", command).stop();
    assert!(!log.contains("WARN"), "{log}");
    let mut command = server();
    let path = place.folder.path();
    command.arg("--circuits").arg(path.join("circuits"));
    command.arg("--data-dir").arg(path.join("data"));
    command.env("CIPHERFORMER_LISTEN", "0.0.0.0:0");
    let log = start("http", command).stop();
    assert!(log.contains("no tokens are asked for"), "{log}");
    assert!(log.contains("not encrypted"), "{log}");
}

#[test]
fn settings_that_are_wrong_are_refused_wherever_they_come_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |change: &dyn Fn(&mut Command)| {
        let mut command = program(folder.path(), folder.path());
        change(&mut command);
        command.stderr(Stdio::piped()).output().expect("it runs")
    };
    let flag = run(&|command| _ = command.arg("--workers=0"));
    let flag = refusal(&flag, 2);
    let variable = run(&|command| _ = command.env("CIPHERFORMER_WORKERS", "0"));
    let variable = refusal(&variable, 2);
    let path = folder.path().join("server.toml");
    std::fs::write(&path, "# one\nworkers = 0\n").expect("written");
    let file = run(&|command| _ = command.arg("--config").arg(&path));
    let file = refusal(&file, 1);
    for text in [&flag, &variable, &file] {
        assert!(text.contains("at least 1 is needed"), "{text}");
    }
    assert!(file.contains("server.toml, line 2: workers"), "{file}");
    let missing = server().output().expect("it runs");
    assert!(refusal(&missing, 2).contains("--circuits"));
}
