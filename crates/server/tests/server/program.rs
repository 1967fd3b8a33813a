//! The program: started, asked, stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cipherformer_circuit::Circuit;
use cipherformer_circuit::parameters::FAST_1024;
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
use cipherformer_fhe::SecretKey;
use cipherformer_fhe::SeededEvaluationKey;
use cipherformer_protocol::{KeyId, routes};

use crate::world::{World, circuit_under, names};

fn program(circuits: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cipherformer-server"));
    command.arg("--circuits").arg(circuits);
    command.arg("--data-dir").arg(data);
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

/// A program that listens.
struct Running {
    server: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Running {
    fn start(circuits: &Path, data: &Path) -> Self {
        let mut server = program(circuits, data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut output = BufReader::new(server.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let address = line.strip_prefix("listening on http://");
        let address = address.expect("the address").trim_end().to_owned();
        Self {
            server,
            output,
            address,
        }
    }

    /// Begins a request.
    fn send(&self, request: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let head = format!(
            "{request}\r\nhost: {}\r\nconnection: close\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(b"\r\n").expect("sent");
        stream.write_all(body).expect("sent");
        stream
    }

    /// The whole answer.
    fn ask(&self, request: &str, body: &[u8]) -> String {
        let mut answer = String::new();
        let mut stream = self.send(request, body);
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    /// Ends it at once, without a word.
    fn kill(mut self) {
        self.server.kill().expect("it runs");
        self.server.wait().expect("it ends");
    }
}

fn circuits(folder: &Path) -> (PathBuf, Circuit) {
    let circuits = folder.join("circuits");
    let circuit = circuit_under(&FAST_1024, "test");
    circuit.save(&circuits.join("test")).expect("saved");
    (circuits, circuit)
}

#[cfg(unix)]
#[test]
fn it_says_where_it_listens_answers_and_stops_when_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (circuits, circuit) = circuits(folder.path());
    let mut program = Running::start(&circuits, &folder.path().join("data"));
    let answer = program.ask("GET /v1/circuits HTTP/1.1", b"");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(&circuit.manifest().digest));
    let kill = Command::new("kill")
        .args(["-TERM", &program.server.id().to_string()])
        .status();
    assert!(kill.expect("it runs").success());
    assert!(program.server.wait().expect("it ends").success());
    let mut rest = String::new();
    program.output.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "the address is all there is on standard output");
}

/// At the real parameters: a key that was acknowledged is there after a crash, half of one is not.
#[test]
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
fn a_crash_loses_no_key_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (circuits, data) = (circuits(folder.path()).0, folder.path().join("data"));
    let secret = SecretKey::generate(&FAST_1024);
    let key = || SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let (key, other) = (key(), key());
    let show = |key: &[u8]| format!("GET {} HTTP/1.1", routes::key(&KeyId::of(key)));
    let put = |key: &[u8]| {
        let path = routes::key_upload(&KeyId::of(key), FAST_1024.name);
        format!("PUT {path} HTTP/1.1\r\ncontent-length: {}", key.len())
    };
    let program = Running::start(&circuits, &data);
    let answer = program.ask(&put(&key), &key);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let half = program.send(&put(&other), &other[..other.len() / 2]);
    program.kill();
    drop(half);

    let program = Running::start(&circuits, &data);
    let answer = program.ask(&show(&key), b"");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = program.ask(&show(&other), b"");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(names(data.join("incoming")).is_empty());
    let answer = program.ask(&put(&other), &other);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    program.kill();

    let program = Running::start(&circuits, &data);
    for key in [&key, &other] {
        let answer = program.ask(&show(key), b"");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    program.kill();
}

#[test]
fn without_circuits_it_ends_with_one_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing");
    let output = program(&missing, &folder.path().join("data")).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(
        text.starts_with("error: cannot read the circuits folder"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// Whatever parameter sets the build knows, the program never serves without security.
#[test]
fn it_refuses_circuits_without_security() {
    let world = World::new();
    let data = world.config.data_dir.join("of-the-program");
    let output = program(&world.config.circuits, &data).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.contains("insecure-toy offers no security"), "{text}");
}
