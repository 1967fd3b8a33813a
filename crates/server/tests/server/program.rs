//! The program: started, asked, stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use cipherformer_circuit::parameters::STANDARD_2048;

use crate::world::{World, circuit_under};

fn program(circuits: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cipherformer-server"));
    command.arg("--circuits").arg(circuits);
    command.arg("--data-dir").arg(data);
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

#[cfg(unix)]
#[test]
fn it_says_where_it_listens_answers_and_stops_when_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let circuits = folder.path().join("circuits");
    let circuit = circuit_under(&STANDARD_2048, "test");
    circuit.save(&circuits.join("test")).expect("saved");
    let mut server = program(&circuits, &folder.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut output = BufReader::new(server.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    let address = line
        .strip_prefix("listening on http://")
        .expect("the address")
        .trim_end();
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request =
        format!("GET /v1/circuits HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(&circuit.manifest().digest));
    let kill = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status();
    assert!(kill.expect("it runs").success());
    assert!(server.wait().expect("it ends").success());
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "the address is all there is on standard output");
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
