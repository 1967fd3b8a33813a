//! The program: started, asked, stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_circuit::{Bag, Circuit};
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
use cipherformer_fhe::SecretKey;
use cipherformer_fhe::{EncryptedBag, EncryptedScores, SeededEvaluationKey};
use cipherformer_protocol::{KeyId, routes};
use serde_json::Value;

use crate::world::{World, circuit_under, deep_circuit, names};

/// The program, in an environment that says nothing of it.
pub(crate) fn server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cipherformer-server"));
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| name.to_string_lossy().starts_with("CIPHERFORMER_")) {
        command.env_remove(name);
    }
    command
}

pub(crate) fn program(circuits: &Path, data: &Path) -> Command {
    let mut command = server();
    command.arg("--circuits").arg(circuits);
    command.arg("--data-dir").arg(data);
    command.args(["--listen", "127.0.0.1:0"]);
    command.stderr(Stdio::null());
    command
}

/// The program on a free port, and where it listens.
pub(crate) struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(command: Command) -> Self {
        Self::start_under("http", command)
    }

    /// A program that says it listens for this scheme.
    pub(crate) fn start_under(scheme: &str, mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let address = line.strip_prefix("listening on ");
        let address = address.and_then(|url| url.strip_prefix(scheme)?.strip_prefix("://"));
        let address = address.expect("the address").trim_end().to_owned();
        Self {
            process,
            output,
            address,
        }
    }

    /// Sends a request; what comes back can be read from the connection.
    fn send(&self, method: &str, path: &str, body: &[u8]) -> TcpStream {
        self.begin(method, path, body, body.len())
    }

    /// Sends a request of which only the beginning of the body comes.
    fn begin(&self, method: &str, path: &str, body: &[u8], length: usize) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            self.address, length
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        stream
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        read(self.send(method, path, body))
    }

    /// Ends it at once, without a word.
    fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    fn terminate(&self) {
        let kill = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status();
        assert!(kill.expect("it runs").success());
    }

    /// Has it stop in order; its log, if that is piped.
    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        let log = self.process.stderr.take().map(std::io::read_to_string);
        assert!(self.process.wait().expect("it ends").success());
        log.map(|log| log.expect("text")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
    }
}

fn circuits(folder: &Path) -> (PathBuf, Circuit) {
    let circuits = folder.join("circuits");
    let circuit = circuit_under(&FAST_1024, "test");
    circuit.save(&circuits.join("test")).expect("saved");
    (circuits, circuit)
}

fn read(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    answer
}

#[cfg(unix)]
#[test]
fn it_says_where_it_listens_answers_and_stops_when_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (circuits, circuit) = circuits(folder.path());
    let mut server = Server::start(program(&circuits, &folder.path().join("data")));
    let answer = server.ask("GET", "/v1/circuits", b"");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(&circuit.manifest().digest));
    server.terminate();
    assert!(server.process.wait().expect("it ends").success());
    let mut rest = String::new();
    server.output.read_to_string(&mut rest).expect("text");
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
    let show = |key: &[u8]| routes::key(&KeyId::of(key));
    let put = |key: &[u8]| routes::key_upload(&KeyId::of(key), FAST_1024.name);
    let server = Server::start(program(&circuits, &data));
    let answer = server.ask("PUT", &put(&key), &key);
    assert!(contains(&answer, "HTTP/1.1 201 "));
    let half = server.begin("PUT", &put(&other), &other[..other.len() / 2], other.len());
    server.kill();
    drop(half);

    let server = Server::start(program(&circuits, &data));
    let answer = server.ask("GET", &show(&key), b"");
    assert!(contains(&answer, "HTTP/1.1 200 "));
    let answer = server.ask("GET", &show(&other), b"");
    assert!(contains(&answer, "HTTP/1.1 404 "));
    assert!(names(data.join("incoming")).is_empty());
    let answer = server.ask("PUT", &put(&other), &other);
    assert!(contains(&answer, "HTTP/1.1 201 "));
    server.kill();

    let server = Server::start(program(&circuits, &data));
    for key in [&key, &other] {
        let answer = server.ask("GET", &show(key), b"");
        assert!(contains(&answer, "HTTP/1.1 200 "));
    }
    server.kill();
}

/// An evaluation of two seconds, under way when the program is told to stop.
#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
fn what_is_under_way_is_answered_before_it_stops() {
    const DEPTH: usize = 60;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let circuits = folder.path().join("circuits");
    let circuit = deep_circuit(&FAST_1024, "deep", DEPTH);
    circuit.save(&circuits.join("deep")).expect("saved");
    let mut command = program(&circuits, &folder.path().join("data"));
    command
        .args(["--log-format", "json"])
        .env("RUST_LOG", "trace");
    let mut server = Server::start({
        command.stderr(Stdio::piped());
        command
    });
    let log = server.process.stderr.take().expect("piped");
    let log = std::thread::spawn(move || std::io::read_to_string(log).expect("text"));

    let secret = SecretKey::generate(&FAST_1024);
    let key = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let id = KeyId::of(&key);
    let registered = server.ask("PUT", &routes::key_upload(&id, FAST_1024.name), &key);
    assert!(registered.starts_with(b"HTTP/1.1 201"));
    let bag = EncryptedBag::encrypt(&Bag::new(vec![1, 2], 2), circuit.manifest(), &secret);
    let path = routes::evaluations("deep", &id, &circuit.manifest().digest);
    let input = bag.expect("fits").to_bytes();
    let running = server.send("POST", &path, &input);
    let begun = || server.ask("GET", routes::METRICS, b"");
    while !contains(&begun(), "cipherformer_queue_running 1") {}
    server.terminate();
    while contains(&server.ask("GET", routes::READY, b""), "HTTP/1.1 200") {}
    let refused = server.ask("POST", &path, &input);
    assert!(contains(&refused, "shutting-down") && contains(&refused, "retry-after: "));
    let answer = read(running);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let output = &answer[end.expect("a head") + 4..];
    let scores = EncryptedScores::from_bytes(output, 2, &FAST_1024).expect("an output");
    scores.decrypt(&secret).expect("of this key");
    assert!(server.process.wait().expect("it ends").success());

    let log = log.join().expect("no panic");
    let lines = log.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.map(|line| line.expect("an object a line")).collect();
    let message = |line: &&Value| line["message"] == "evaluated";
    let evaluated = lines.iter().find(message).expect("logged");
    assert_eq!(evaluated["luts"], 8 * DEPTH);
    assert!(evaluated.pointer("/span/id").is_some(), "{evaluated}");
    assert!(
        !log.contains(&id.to_string()),
        "only the beginning of a key's id"
    );
}

fn contains(answer: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(answer).contains(text)
}

#[test]
fn without_circuits_it_ends_with_one_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing");
    let output = program(&missing, &folder.path().join("data"))
        .stderr(Stdio::piped())
        .output();
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
    let output = program(&world.config.circuits, &data)
        .stderr(Stdio::piped())
        .output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.contains("insecure-toy offers no security"), "{text}");
}
