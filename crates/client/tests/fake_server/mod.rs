//! A server that says whatever a test wants: raw bytes on a loopback port.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One canned answer.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    media_type: &'static str,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, media_type: &'static str, body: &str) -> Self {
        let body = body.to_owned();
        Self {
            status,
            media_type,
            body,
        }
    }

    pub(crate) fn json(body: &str) -> Self {
        Self::new(200, "application/json", body)
    }

    pub(crate) fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let body =
            format!(r#"{{"type":"{kind}","title":"title","status":{status},"detail":"{detail}"}}"#);
        Self::new(status, "application/problem+json", &body)
    }

    fn send(&self, mut to: &TcpStream) {
        let head = format!(
            "HTTP/1.1 {} Something\r\ncontent-type: {}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            self.status,
            self.media_type,
            self.body.len()
        );
        // The client may hang up as soon as it has seen enough.
        let _ = to.write_all(head.as_bytes());
        let _ = to.write_all(self.body.as_bytes());
    }
}

/// Answers every path as it is told, until the test process ends.
pub(crate) struct FakeServer {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl FakeServer {
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("just bound");
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::Relaxed);
                let path = read_path(&stream);
                answer(&path).send(&stream);
            }
        });
        let url = format!("http://{address}");
        Self { url, requests }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// An address nobody listens at: the port was free a moment ago.
pub(crate) fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("just bound"))
}

fn read_path(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let _ = lines.find(String::is_empty); // the end of the headers
    request.split(' ').nth(1).unwrap_or_default().to_owned()
}
