//! A page that is served, and what a browser sends to it.
#![allow(dead_code)] // no test uses all of it

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use cipherformer_client::{Endpoint, KeyHome, Ui};
use serde_json::Value;
use tokio::sync::oneshot;

/// A page that is being served, and a browser's view of it.
pub(crate) struct Page {
    pub(crate) host: String,
    pub(crate) token: String,
    stop: Option<oneshot::Sender<()>>,
    served: Option<std::thread::JoinHandle<()>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn serve(server: &str, home: &Path) -> Self {
        Self::serve_with(server, KeyHome::new(home).allow_insecure())
    }

    /// Serves it in a thread, so that tests can read from sockets as they like.
    pub(crate) fn serve_with(server: &str, home: KeyHome) -> Self {
        let server = Endpoint::new(server);
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let served = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let ui = Ui::bind(&server, home, 0).await.expect("a free port");
                tell.send(ui.address().to_owned()).expect("it waits");
                let until = async { drop(stopped.await) };
                // However slow the machine is, a run has the time to end.
                ui.farewell(Duration::from_secs(600)).serve(until).await;
            });
        });
        let address: String = told.recv().expect("it is bound");
        let mut parts = address.split('/').skip(2).map(str::to_owned);
        Self {
            host: parts.next().expect("a host"),
            token: parts.next().expect("a token"),
            stop: Some(stop),
            served: Some(served),
        }
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.join().expect("no panic");
        }
    }

    /// Sends a request as it is; HTTP/1.0, so that the answer comes without chunks.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(stream, "{head}\r\n{body}").expect("it reads");
        stream
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = String::new();
        let mut stream = self.send(method, path, headers, body);
        stream.read_to_string(&mut text).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        Answer {
            status: head
                .split(' ')
                .nth(1)
                .expect("a status")
                .parse()
                .expect("a number"),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Answer {
        let path = format!("/{}/{name}", self.token);
        self.ask("GET", &path, &[("host", &self.host)], "")
    }

    /// What the page itself sends.
    pub(crate) fn begin(&self, order: &str) -> TcpStream {
        let origin = format!("http://{}", self.host);
        let headers = [
            ("host", self.host.as_str()),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ];
        self.send("POST", &format!("/{}/run", self.token), &headers, order)
    }

    /// All events of a run.
    pub(crate) fn run(&self, order: &Value) -> Vec<Value> {
        rest(&mut events(self.begin(&order.to_string())))
    }

    /// Begins a run once the one before, which was cancelled, has ended, however long that takes.
    pub(crate) fn run_in_turn(&self, order: &Value) -> (Value, BufReader<TcpStream>) {
        loop {
            let mut events = events(self.begin(&order.to_string()));
            let first = next(&mut events).expect("an event");
            let message = first["message"].as_str().unwrap_or_default();
            if !message.contains("another page has something running") {
                return (first, events);
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads up to the events.
pub(crate) fn events(stream: TcpStream) -> BufReader<TcpStream> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status");
    assert!(line.contains(" 200 "), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
    }
    reader
}

pub(crate) fn next(events: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut line = String::new();
    events.read_line(&mut line).expect("UTF-8");
    (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
}

/// All events that are still to come.
pub(crate) fn rest(events: &mut BufReader<TcpStream>) -> Vec<Value> {
    std::iter::from_fn(|| next(events)).collect()
}

pub(crate) fn until(events: &mut BufReader<TcpStream>, name: &str) {
    while next(events).expect("more events")["event"] != name {}
}

pub(crate) fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}
