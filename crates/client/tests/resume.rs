//! A key on its way to a server whose connections break.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_client::{Activity, Client, ClientError, KeyHome, Observer};
use cipherformer_protocol::KeyId;

/// What is said of every key before it is uploaded.
const UNKNOWN: &str = r#"{"type":"unknown-key","title":"","status":404,"detail":"register it"}"#;

/// What the server does with one request that brings bytes.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// Takes all of them.
    Takes,
    /// Takes so many, and the connection breaks.
    BreaksAfter(usize),
    /// Takes so many, and the connection breaks; it has forgotten them when it is asked.
    ForgetsAfter(usize),
}

#[derive(Default)]
struct Server {
    /// What becomes of the uploads to come; all go well after that.
    fates: Vec<Fate>,
    /// So many times yet it says that it is still reading.
    at_work: usize,
    /// What has arrived of the key.
    arrived: Vec<u8>,
    /// Method and number of bytes of every upload.
    uploads: Vec<(String, usize)>,
    knows_uploads: bool,
}

impl Server {
    fn start(self) -> (String, Arc<Mutex<Self>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("just bound"));
        let server = Arc::new(Mutex::new(self));
        let shared = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.lock().expect("no panic").serve(&stream);
            }
        });
        (url, server)
    }

    fn serve(&mut self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let (mut first, mut length, mut offset) = (String::new(), 0, 0);
        for line in reader.by_ref().lines() {
            let line = line.unwrap_or_default().to_ascii_lowercase();
            let number = |name: &str| line.strip_prefix(name)?.trim().parse::<usize>().ok();
            length = number("content-length:").unwrap_or(length);
            offset = number("upload-offset:").unwrap_or(offset);
            if first.is_empty() {
                first.clone_from(&line);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut words = first.split(' ');
        let (method, path) = (words.next(), words.next().unwrap_or_default());
        match method.unwrap_or_default() {
            "get" if path.starts_with("/v1/keys/") => answer(stream, "404 Not Found", UNKNOWN),
            "get" => answer(stream, "200 OK", r#"{"circuits":[]}"#),
            "head" => self.tell(stream),
            method => self.take(stream, &mut reader, method, length, offset),
        }
    }

    fn tell(&mut self, stream: &TcpStream) {
        if self.at_work > 0 {
            self.at_work -= 1;
            return answer(stream, "409 Conflict", "");
        }
        match self.knows_uploads && !self.arrived.is_empty() {
            true => {
                let offset = format!("204 No Content\r\nupload-offset: {}", self.arrived.len());
                answer(stream, &offset, "");
            }
            false => answer(stream, "404 Not Found", ""),
        }
    }

    fn take(
        &mut self,
        stream: &TcpStream,
        reader: &mut impl Read,
        method: &str,
        length: usize,
        offset: usize,
    ) {
        self.uploads.push((method.to_owned(), length));
        if method == "put" {
            self.arrived.clear();
        }
        assert_eq!(offset, self.arrived.len());
        let fate = match self.fates.is_empty() {
            true => Fate::Takes,
            false => self.fates.remove(0),
        };
        let taken = match fate {
            Fate::Takes => length,
            Fate::BreaksAfter(bytes) | Fate::ForgetsAfter(bytes) => bytes,
        };
        let mut bytes = vec![0; taken];
        reader.read_exact(&mut bytes).expect("so many come");
        self.arrived.extend(bytes);
        match fate {
            Fate::Takes => {
                let id = KeyId::of(&self.arrived);
                let set = INSECURE_TOY.name;
                let info = format!(r#"{{"id":"{id}","parameter_set":"{set}","bytes":0}}"#);
                answer(stream, "201 Created", &info);
            }
            Fate::BreaksAfter(_) => {}
            Fate::ForgetsAfter(_) => self.arrived.clear(),
        }
    }
}

fn answer(mut to: &TcpStream, status: &str, body: &str) {
    let length = match body.is_empty() {
        true => String::new(),
        false => format!("content-length: {}\r\n", body.len()),
    };
    let media_type = match body == UNKNOWN {
        true => "application/problem+json",
        false => "application/json",
    };
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\n{length}connection: close\r\n\r\n{body}"
    );
    let _ = to.write_all(text.as_bytes());
}

/// Remembers what it was told.
#[derive(Default)]
struct Recorder(Mutex<Vec<Activity>>);

impl Observer for Recorder {
    fn on(&self, activity: Activity) {
        self.0.lock().expect("no panic").push(activity);
    }
}

struct Run {
    outcome: Result<(), ClientError>,
    uploads: Vec<(String, usize)>,
    arrived: Vec<u8>,
    seen: Vec<Activity>,
    key: Vec<u8>,
}

/// Registers a new key with a server that says first that it does not know it.
async fn register(server: Server) -> Run {
    let home = tempfile::tempdir().expect("temporary");
    let (url, server) = server.start();
    let recorder = Arc::new(Recorder::default());
    let keys = KeyHome::new(home.path()).allow_insecure();
    let made = keys.create(&INSECURE_TOY, &()).expect("made");
    let client = Client::connect(&url, keys, recorder.clone()).await;
    let client = client.expect("it is there");
    let outcome = client.keys(&INSECURE_TOY).await.map(drop);
    let server = server.lock().expect("no panic");
    Run {
        outcome,
        uploads: server.uploads.clone(),
        arrived: server.arrived.clone(),
        seen: recorder.0.lock().expect("no panic").clone(),
        key: made.evaluation().to_vec(),
    }
}

fn knowing(fates: &[Fate]) -> Server {
    Server {
        fates: fates.to_vec(),
        knows_uploads: true,
        ..Server::default()
    }
}

#[tokio::test]
async fn only_what_is_missing_is_sent_again() {
    let run = register(knowing(&[
        Fate::BreaksAfter(200_000),
        Fate::BreaksAfter(100_000),
    ]))
    .await;
    run.outcome.expect("registered in the end");
    assert!(run.arrived == run.key);
    let total = run.key.len();
    let expected = [
        ("put", total),
        ("patch", total - 200_000),
        ("patch", total - 300_000),
    ];
    let expected = expected.map(|(method, bytes)| (method.to_owned(), bytes));
    assert_eq!(run.uploads, expected);
    let shown = |wanted: &dyn Fn(&Activity) -> bool| run.seen.iter().any(wanted);
    assert!(shown(&|activity| matches!(activity, Activity::Resuming(_))));
    let all = total as u64;
    let bar = |activity: &Activity| match activity {
        Activity::Uploading { sent, total } => *sent > 300_000 && *total == all,
        _ => false,
    };
    assert!(shown(&bar), "the bar goes on from there");
    assert_eq!(run.seen.last(), Some(&Activity::Idle));
}

#[tokio::test]
async fn a_server_that_has_nothing_gets_everything() {
    let forgetful = knowing(&[Fate::ForgetsAfter(200_000)]);
    let old = Server {
        knows_uploads: false,
        ..knowing(&[Fate::BreaksAfter(200_000)])
    };
    for server in [forgetful, old] {
        let run = register(server).await;
        run.outcome.expect("registered in the end");
        let methods: Vec<&str> = run.uploads.iter().map(|(m, _)| m.as_str()).collect();
        assert_eq!(methods, ["put", "put"]);
        assert!(run.arrived == run.key);
    }
}

#[tokio::test]
async fn a_server_that_has_not_noticed_yet_is_asked_again() {
    let slow = Server {
        at_work: 2,
        ..knowing(&[Fate::BreaksAfter(200_000)])
    };
    let run = register(slow).await;
    run.outcome.expect("registered in the end");
    assert_eq!(
        run.uploads[1],
        ("patch".to_owned(), run.key.len() - 200_000)
    );
}

/// After half a minute.
#[tokio::test]
async fn a_connection_that_always_breaks_is_given_up() {
    let run = register(knowing(&[Fate::BreaksAfter(0); 50])).await;
    assert!(matches!(run.outcome, Err(ClientError::Lost { .. })));
    assert_eq!(run.uploads.len(), 7);
}
