//! A wire that somebody listens to: between a client and a server on this computer, keeping all bytes that cross.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Listens on a port of its own, passes everything on in both directions, and keeps it.
pub struct Wiretap {
    url: String,
    heard: Heard,
}

/// Bytes, as they came by.
type Heard = Arc<Mutex<Vec<u8>>>;

impl Wiretap {
    /// A wire to the server at this address, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// No free port on this computer.
    pub fn before(server: &str) -> io::Result<Self> {
        let address = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let heard = Heard::default();
        let ear = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming() {
                // Whoever cannot be connected sees a closed connection, as without a wiretap.
                let _ = client.and_then(|client| pass_on(client, &address, &ear));
            }
        });
        Ok(Self { url, heard })
    }

    /// Where clients find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many bytes have crossed, both ways.
    pub fn bytes(&self) -> usize {
        lock(&self.heard).len()
    }

    /// Forgets what has crossed so far.
    pub fn forget(&self) {
        lock(&self.heard).clear();
    }

    /// How often these bytes have crossed.
    pub fn count(&self, what: &[u8]) -> usize {
        let heard = lock(&self.heard);
        heard.windows(what.len()).filter(|w| *w == what).count()
    }
}

fn pass_on(client: TcpStream, address: &str, heard: &Heard) -> io::Result<()> {
    let server = TcpStream::connect(address)?;
    let ways = [(client.try_clone()?, server.try_clone()?), (server, client)];
    for (from, to) in ways {
        let heard = Arc::clone(heard);
        thread::spawn(move || copy(from, to, &heard));
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, heard: &Heard) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        lock(heard).extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // it may be closed already
}

fn lock(heard: &Heard) -> std::sync::MutexGuard<'_, Vec<u8>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_arrives_and_is_heard() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", server.local_addr().expect("it is bound"));
        let answering = thread::spawn(move || {
            let (mut stream, _) = server.accept().expect("the wire connects");
            let mut question = Vec::new();
            stream.read_to_end(&mut question).expect("it ends");
            stream.write_all(b"an answer").expect("it is read");
            question
        });
        let tap = Wiretap::before(&address).expect("a free port");
        let wire = tap.url().trim_start_matches("http://");
        let mut client = TcpStream::connect(wire).expect("the wire listens");
        client.write_all(b"a question").expect("it is read");
        client.shutdown(Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("it ends");
        assert_eq!(answer, "an answer");
        assert_eq!(answering.join().expect("no panic"), b"a question");
        assert_eq!((tap.count(b"question"), tap.count(b"secret")), (1, 0));
        assert_eq!(tap.bytes(), 19);
        tap.forget();
        assert_eq!((tap.bytes(), tap.count(b"question")), (0, 0));
    }
}
