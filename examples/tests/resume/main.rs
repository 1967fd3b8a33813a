//! A client registers its key over a line that breaks in the middle: only what is missing travels again.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_circuit::{
    Block, Circuit, Dense, Description, Embedding, Function, Model, OutputPolicy, Quantized,
    Vocabulary,
};
use cipherformer_client::{Client, KeyHome};
use cipherformer_server::{Config, Server};

/// The line breaks whenever so many bytes have gone from the client to the server, the first three times.
const BREAKS: [usize; 3] = [150_000, 300_000, 450_000];

/// What requests take besides the key.
const HEADERS: usize = 8_000;

/// A line to a server that breaks.
struct Line {
    address: SocketAddr,
    /// Bytes that have gone to the server.
    sent: Arc<AtomicUsize>,
}

impl Line {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let line = Self {
            address: listener.local_addr().expect("just bound"),
            sent: Arc::default(),
        };
        let sent = Arc::clone(&line.sent);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(server).expect("it listens");
                let sent = Arc::clone(&sent);
                std::thread::spawn(move || carry(&client, &server, &sent));
            }
        });
        line
    }
}

/// Carries bytes both ways until the line breaks, or somebody hangs up.
fn carry(client: &TcpStream, server: &TcpStream, sent: &AtomicUsize) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (server, client);
            let _ = std::io::copy(&mut from, &mut to);
            let _ = client.shutdown(Shutdown::Both);
        });
        let (mut from, mut to) = (client, server);
        let mut bytes = [0; 4096];
        while let Ok(count) = from.read(&mut bytes) {
            let before = sent.fetch_add(count, Ordering::Relaxed);
            let broken = BREAKS
                .iter()
                .any(|&at| (before..before + count).contains(&at));
            if count == 0 || to.write_all(&bytes[..count]).is_err() || broken {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn circuit() -> Circuit {
    let identity = || Quantized {
        integers: IntMatrix::new(2, 2, vec![7, -7, -7, 7]).expect("it fits"),
        step: vec![0.5; 2],
    };
    let model = Model {
        embedding: Embedding {
            table: identity(),
            bias: vec![0.0; 2],
        },
        blocks: vec![Block {
            activation: Function::Tanh,
            dense: Dense {
                weights: identity(),
                bias: vec![0.0; 2],
            },
        }],
    };
    let description = Description {
        name: "toy".to_owned(),
        description: String::new(),
        parameter_set: INSECURE_TOY.name.to_owned(),
        labels: ["bad", "good"].map(str::to_owned).to_vec(),
        policy: OutputPolicy::Scores,
    };
    let features = ["w:bad", "w:good"].map(str::to_owned).to_vec();
    let vocabulary = Vocabulary::new(features, 8, 1).expect("distinct");
    Circuit::new(description, vocabulary, model).expect("a valid circuit")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_arrives_over_a_line_that_breaks_three_times() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let circuits = folder.path().join("circuits");
    circuit().save(&circuits.join("toy")).expect("saved");
    let mut config = Config::loopback(circuits, folder.path().join("data"));
    config.allow_insecure = true;
    let server = Server::start(&config).await.expect("starts");
    let line = Line::to(server.address());

    let home = KeyHome::new(folder.path().join("home")).allow_insecure();
    let url = format!("http://{}", line.address);
    let client = Client::connect(&url, home, Arc::new(()))
        .await
        .expect("there");
    let verdict = client.classify("toy", "so good").await.expect("evaluated");
    assert_eq!(verdict.label, "good");

    let keys = client.keys(&INSECURE_TOY).await.expect("registered");
    let (sent, key) = (line.sent.load(Ordering::Relaxed), keys.evaluation().len());
    assert!(
        key > BREAKS[2],
        "a key of {key} bytes is under way at each break"
    );
    // What a piece of the line held when it broke may be lost, and no more.
    let again = sent - key - verdict.request_bytes;
    assert!(again < HEADERS + 3 * 4096, "{again} bytes more than needed");
    server.stop().await.expect("stops");
}
