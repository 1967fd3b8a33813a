//! A server with one small random circuit, and a client for it.

use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_circuit::{
    Bag, Block, Circuit, Dense, Description, Embedding, Function, Manifest, Model, OutputLayout,
    OutputPolicy, ParameterSet, Plain, Quantized, Vocabulary, evaluate,
};
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
use cipherformer_fhe::SecretKey;
use cipherformer_fhe::{EncryptedBag, EncryptedScores, SeededEvaluationKey};
use cipherformer_protocol::{EvaluationResult, Event, KeyId, Problem, Progress, routes};
use cipherformer_server::{Config, Owner, Server};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::openapi::check_declared;

/// A client's keys, and one encrypted text with the verdict it must get.
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
pub(crate) struct Client {
    secret: SecretKey,
    pub(crate) key: Vec<u8>,
    pub(crate) id: KeyId,
    pub(crate) input: Vec<u8>,
    verdict: usize,
}

/// The same client for all tests: making keys takes longer than most of them.
pub(crate) static CLIENT: LazyLock<Client> = LazyLock::new(Client::new);

static CIRCUIT: LazyLock<Arc<Circuit>> = LazyLock::new(|| Arc::new(circuit("test")));

impl Client {
    #[expect(clippy::disallowed_types, reason = "these tests play the client too")]
    fn new() -> Self {
        let secret = SecretKey::generate(&INSECURE_TOY);
        let key = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
        let (bag, verdict) = clear_case(&CIRCUIT);
        let input = EncryptedBag::encrypt(&bag, CIRCUIT.manifest(), &secret).expect("fits");
        Self {
            secret,
            id: KeyId::of(&key),
            key,
            input: input.to_bytes(),
            verdict,
        }
    }

    /// Decrypts an output and checks its verdict against the reference evaluator's.
    pub(crate) fn check(&self, output: &[u8]) {
        let scores = EncryptedScores::from_bytes(output, 2, &INSECURE_TOY).expect("an output");
        let torus = scores.decrypt(&self.secret).expect("same parameters");
        let scores = CIRCUIT.scores(&torus);
        assert_eq!(OutputLayout::argmax(&scores), self.verdict, "{scores:?}");
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).expect("the header is there");
        value.to_str().expect("plain text")
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).expect("the JSON that was promised")
    }

    /// The problem document; fails if this is anything else.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16());
        problem
    }
}

/// A server on folders of its own.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
    pub(crate) server: Server,
    pub(crate) router: Router,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let circuits = folder.path().join("circuits");
        CIRCUIT.save(&circuits.join("test")).expect("saved");
        let mut config = Config::loopback(circuits, folder.path().join("data"));
        config.allow_insecure = true;
        change(&mut config);
        Self::open(folder, config)
    }

    fn open(folder: TempDir, config: Config) -> Self {
        let server = Server::open(&config).expect("starts");
        Self {
            folder,
            config,
            router: server.router(),
            server,
        }
    }

    /// The same folders, a new server.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| ())
    }

    /// The same after something happened to what is stored.
    pub(crate) fn restart_after(self, happens: impl FnOnce(&mut Config)) -> Self {
        let Self {
            folder,
            mut config,
            server,
            router,
        } = self;
        drop((server, router)); // frees the data directory
        happens(&mut config);
        Self::open(folder, config)
    }

    /// A new server on a copy of what is on disk at this moment, as if the one there is had crashed.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = self.config.clone();
        config.data_dir = folder.path().join("data");
        copy(&self.config.data_dir, &config.data_dir);
        Self::open(folder, config)
    }

    /// The database, as another program sees it.
    pub(crate) fn database(&self) -> Connection {
        database(&self.config)
    }

    /// Where the client's key is stored.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.config
            .data_dir
            .join("keys/insecure-toy")
            .join(CLIENT.id.to_string())
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.request(request.body(body.into()).expect("valid"))
            .await
    }

    /// The same as somebody.
    pub(crate) async fn send_as(
        &self,
        owner: &Owner,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.extension(owner.clone()).body(body.into());
        self.request(request.expect("valid")).await
    }

    /// Asks, and makes sure that the answer is one that the OpenAPI document has.
    pub(crate) async fn request(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await;
        let (head, body) = response.expect("infallible").into_parts();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body: to_bytes(body, 1 << 24).await.expect("a whole body"),
        };
        check_declared(&method, &path, &answer);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn register(&self) -> Answer {
        let path = routes::key_upload(&CLIENT.id, "insecure-toy");
        self.send(Method::PUT, &path, CLIENT.key.clone()).await
    }

    pub(crate) async fn evaluate(&self) -> Answer {
        self.send(Method::POST, &evaluation(), CLIENT.input.clone())
            .await
    }

    /// A good request gets a good answer.
    pub(crate) async fn check_works(&self) {
        let answer = self.evaluate().await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        CLIENT.check(&answer.body);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for item in fs::read_dir(from).expect("a folder") {
        let item = item.expect("readable");
        let to = to.join(item.file_name());
        match item.path().is_dir() {
            true => copy(&item.path(), &to),
            false => drop(fs::copy(item.path(), to).expect("copied")),
        }
    }
}

/// The database of a data directory, as another program sees it.
pub(crate) fn database(config: &Config) -> Connection {
    Connection::open(config.data_dir.join("server.db")).expect("a database")
}

/// Budgets are for a day: waits for the next one (UTC) if this one ends within a minute.
pub(crate) async fn before_midnight() {
    const DAY: u64 = 24 * 60 * 60;
    let now = UNIX_EPOCH.elapsed().expect("later").as_secs();
    let left = DAY - now % DAY;
    if left < 60 {
        tokio::time::sleep(Duration::from_secs(left)).await;
    }
}

/// Somebody with a name.
pub(crate) fn named(name: &str) -> Owner {
    Owner {
        name: Some(name.to_owned()),
        evaluations_per_day: None,
    }
}

/// Another key for toy circuits, and its id.
pub(crate) fn another_key() -> (Vec<u8>, KeyId) {
    #[expect(clippy::disallowed_types, reason = "these tests play the client too")]
    let secret = SecretKey::generate(&INSECURE_TOY);
    let key = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let id = KeyId::of(&key);
    (key, id)
}

/// Path and query of a good evaluation.
pub(crate) fn evaluation() -> String {
    routes::evaluations("test", &CLIENT.id, &manifest().digest)
}

/// The test circuit's manifest.
pub(crate) fn manifest() -> &'static Manifest {
    CIRCUIT.manifest()
}

/// The names of its layers, which no client learns.
pub(crate) fn layers() -> Vec<String> {
    let nodes = CIRCUIT.nodes(0).iter();
    nodes.map(|node| node.name.clone()).collect()
}

/// A circuit of random weights: 612 features, 8 hidden values, two scores.
pub(crate) fn circuit(name: &str) -> Circuit {
    circuit_under(&INSECURE_TOY, name)
}

/// The same under these parameters.
pub(crate) fn circuit_under(parameters: &ParameterSet, name: &str) -> Circuit {
    deep_circuit(parameters, name, 1)
}

/// The same with so many layers of LUTs: evaluations that take a while.
pub(crate) fn deep_circuit(parameters: &ParameterSet, name: &str, depth: usize) -> Circuit {
    const ENTRIES: usize = 612;
    const HIDDEN: usize = 8;
    let mut random = StdRng::seed_from_u64(7);
    let mut weights = |rows: usize, columns: usize, limit: i8, outputs: usize| {
        let data = (0..rows * columns).map(|_| random.random_range(-limit..=limit));
        Quantized {
            integers: IntMatrix::new(rows, columns, data.collect()).expect("it fits"),
            step: vec![1.0 / f64::from(limit); outputs],
        }
    };
    let model = Model {
        embedding: Embedding {
            table: weights(ENTRIES, HIDDEN, 127, HIDDEN),
            bias: vec![0.1; HIDDEN],
        },
        blocks: (1..=depth)
            .map(|layer| if layer == depth { 2 } else { HIDDEN })
            .map(|outputs| Block {
                activation: Function::Tanh,
                dense: Dense {
                    weights: weights(outputs, HIDDEN, 7, outputs),
                    bias: vec![0.0; outputs],
                },
            })
            .collect(),
    };
    let features = (0..ENTRIES).map(|i| format!("w{i}")).collect();
    let description = Description {
        name: name.to_owned(),
        description: "random weights".to_owned(),
        parameter_set: parameters.name.to_owned(),
        labels: vec!["no".to_owned(), "yes".to_owned()],
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(features, 64, 2).expect("distinct words");
    Circuit::new(description, vocabulary, model).expect("a valid circuit")
}

/// Features whose scores are so far apart that noise cannot change the verdict.
fn clear_case(circuit: &Circuit) -> (Bag, usize) {
    for word in 0..circuit.manifest().input.entries - 1 {
        let bag = Bag::new(vec![word, word + 1], 2);
        let torus = evaluate(circuit, &mut Plain::reference(), &bag, &()).expect("valid");
        let scores = circuit.scores(&torus);
        if (scores[0] - scores[1]).abs() > 1.5 {
            return (bag, OutputLayout::argmax(&scores));
        }
    }
    panic!("some bag has a clear verdict");
}

/// The progress events of an answer, which must add up, and the result that must be the last.
pub(crate) fn progress_and_result(answer: &Answer) -> (Vec<Progress>, EvaluationResult) {
    let mut events = events(answer);
    let Some(Event::Result(result)) = events.pop() else {
        panic!("the last event is the result, not {answer:?}");
    };
    let progress: Vec<Progress> = events
        .into_iter()
        .map(|event| match event {
            Event::Progress(progress) => progress,
            other => panic!("{other:?} is not the last event"),
        })
        .collect();
    assert!(progress.is_sorted_by_key(|p| p.luts_done));
    assert!(progress.iter().all(|p| p.luts_total == result.luts));
    assert_eq!(progress.last().expect("some").luts_done, result.luts);
    (progress, result)
}

/// The events of an answer.
fn events(answer: &Answer) -> Vec<Event> {
    let mut events = Vec::new();
    let mut name = String::new();
    for line in answer.body.lines() {
        let line = line.expect("text");
        if let Some(value) = line.strip_prefix("event: ") {
            name = value.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            let event = Event::from_parts(&name, data).expect("what its name says");
            events.push(event.expect("a known name"));
        }
    }
    events
}

/// A copy of these bytes with one bit changed.
pub(crate) fn flipped(bytes: &[u8], position: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[position] ^= 1;
    bytes
}

/// What a folder holds, by name.
pub(crate) fn names(folder: PathBuf) -> Vec<String> {
    let items = fs::read_dir(folder).expect("a folder");
    let name = |item: fs::DirEntry| item.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = items.map(|item| name(item.expect("readable"))).collect();
    names.sort();
    names
}
