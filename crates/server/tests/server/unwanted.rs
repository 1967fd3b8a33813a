//! Bodies that nobody wants: whoever sends one gets an answer all the same.

use axum::http::Method;
use cipherformer_protocol::routes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::socket::{Served, read, send};
use crate::world::World;

/// More than the buffers of a socket hold.
const LARGE: usize = 16 << 20;

#[tokio::test]
async fn a_large_body_that_nobody_wants_does_not_cost_the_answer() {
    let served = Served::start(World::new()).await;
    let body = vec![0; LARGE];
    for (method, path, status) in [
        (Method::GET, routes::CIRCUITS, "200 OK"),
        (Method::POST, routes::CIRCUITS, "405 Method Not Allowed"),
        (Method::POST, "/nowhere", "404 Not Found"),
    ] {
        let answer = read(send(served.address, &method, path, "*/*", &body).await).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn the_connection_goes_on_after_it() {
    let served = Served::start(World::new()).await;
    let mut stream = TcpStream::connect(served.address).await.expect("listens");
    for connection in ["keep-alive", "keep-alive", "close"] {
        let head = format!(
            "GET /healthz HTTP/1.1\r\nhost: here\r\nconnection: {connection}\r\n\
             content-length: 300000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(&[0; 300_000]).await.expect("sent");
    }
    assert_eq!(read(stream).await.matches("HTTP/1.1 200 OK").count(), 3);
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let served = Served::start(World::new()).await;
    let mut stream = TcpStream::connect(served.address).await.expect("listens");
    let head = "GET /healthz HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let chunk = [b"100000\r\n".as_slice(), &vec![0; 1 << 20], b"\r\n"].concat();
    let mut sent = 0;
    while stream.write_all(&chunk).await.is_ok() {
        sent += 1;
        assert!(sent < 256, "the server takes all that comes");
    }
}
