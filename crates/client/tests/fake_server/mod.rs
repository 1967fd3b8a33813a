//! A server that says whatever a test wants: raw bytes on a loopback port.
#![allow(dead_code)] // no test uses all of it

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the client asked.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// What the header of that name says; empty without one.
    pub(crate) authorization: String,
    pub(crate) body: Vec<u8>,
}

/// One canned answer.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    media_type: &'static str,
    body: Vec<u8>,
    headers: String,
}

impl Answer {
    pub(crate) fn new(status: u16, media_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            media_type,
            body: body.into(),
            headers: String::new(),
        }
    }

    /// None: the connection breaks.
    pub(crate) fn lost() -> Self {
        Self::new(0, "", "")
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200
    }

    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "application/json", body)
    }

    pub(crate) fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let body =
            format!(r#"{{"type":"{kind}","title":"title","status":{status},"detail":"{detail}"}}"#);
        Self::new(status, "application/problem+json", body)
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.header("retry-after", seconds)
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    fn send(&self, mut to: &TcpStream) {
        if self.status == 0 {
            return;
        }
        let head = format!(
            "HTTP/1.1 {} Something\r\ncontent-type: {}\r\ncontent-length: {}\r\n{}\
             connection: close\r\n\r\n",
            self.status,
            self.media_type,
            self.body.len(),
            self.headers
        );
        // The client may hang up as soon as it has seen enough.
        let _ = to.write_all(head.as_bytes());
        let _ = to.write_all(&self.body);
    }
}

/// Answers every request as it is told, until the test process ends.
pub(crate) struct FakeServer {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("just bound");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = read(&stream);
                if request.method.is_empty() {
                    continue; // the client gave it up
                }
                let path = request.path.split('?').next().unwrap_or_default();
                let line = format!("{} {path}", request.method);
                log.lock().expect("no panic").push(line);
                answer(&request).send(&stream);
            }
        });
        let url = format!("http://{address}");
        Self { url, requests }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Method and path of every request so far, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

/// An address nobody listens at.
pub(crate) const NOBODY: &str = "http://127.0.0.1:1";

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        let _ = reader.read_line(&mut line);
        line.trim_end().to_owned()
    };
    let first = line();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let header = line();
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => value.trim().clone_into(&mut authorization),
            _ => {}
        }
        if header.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let mut words = first.split(' ').map(str::to_owned);
    Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        authorization,
        body,
    }
}
