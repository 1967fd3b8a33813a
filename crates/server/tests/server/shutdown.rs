//! Stopping in order: nothing new begins, what is under way ends well.

use std::time::{Duration, Instant};

use axum::http::Method;
use cipherformer_protocol::{EVENTS, OCTETS, ProblemKind, routes};
use tokio::net::TcpStream;

use crate::socket::{ENDLESS, LONG, Served, deep_world, read, send};
use crate::world::CLIENT;

#[tokio::test]
async fn evaluations_under_way_are_answered_and_all_others_told() {
    let (world, path) = deep_world(LONG, |config| config.queue = 19).await;
    let served = Served::start(world).await;
    let address = served.address;
    let ask = |accept| send(address, &Method::POST, &path, accept, &CLIENT.input);
    let get = |path| send(address, &Method::GET, path, "*/*", b"");
    let running = tokio::spawn(read(ask(OCTETS).await));
    served.until("cipherformer_luts_total", 1.0).await;
    let waiting = tokio::spawn(read(ask(OCTETS).await));
    served.until("cipherformer_queue_waiting", 1.0).await;
    let listening = tokio::spawn(read(ask(EVENTS).await));
    served.until("cipherformer_queue_waiting", 2.0).await;
    served.stop.send(()).expect("it serves");

    let refused = waiting.await.expect("no panic");
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("\r\nretry-after: 5\r\n"), "{refused}");
    assert!(refused.contains(r#""type":"shutting-down""#), "{refused}");
    let refused = listening.await.expect("no panic");
    assert!(refused.contains("event: problem"), "{refused}");
    assert!(refused.contains(r#""type":"shutting-down""#), "{refused}");
    // Still there, for those who ask.
    let new = read(ask(OCTETS).await).await;
    assert!(new.contains(r#""type":"shutting-down""#), "{new}");
    let ready = read(get(routes::READY).await).await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    let healthy = read(get(routes::HEALTH).await).await;
    assert!(healthy.starts_with("HTTP/1.1 200"), "{healthy}");

    let done = running.await.expect("no panic");
    assert!(done.starts_with("HTTP/1.1 200 OK"), "{done}");
    served.task.await.expect("no panic").expect("it stops");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    let problem = served.world.get(routes::READY).await.problem();
    assert_eq!(problem.kind, ProblemKind::NotReady);
    assert!(problem.detail.contains("about to stop"));
}

#[tokio::test]
async fn patience_with_evaluations_under_way_has_an_end() {
    let (world, path) = deep_world(ENDLESS, |config| config.shutdown_seconds = 0).await;
    let served = Served::start(world).await;
    let stream = send(served.address, &Method::POST, &path, OCTETS, &CLIENT.input).await;
    served.until("cipherformer_luts_total", 1.0).await;
    let start = Instant::now();
    served.stop.send(()).expect("it serves");
    served.task.await.expect("no panic").expect("it stops");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(
        read(stream).await,
        "",
        "the connection ends without an answer"
    );
}

#[tokio::test]
async fn an_idle_server_stops_at_once_whoever_is_connected() {
    let (world, _) = deep_world(LONG, |_| ()).await;
    let served = Served::start(world).await;
    let _idle = TcpStream::connect(served.address)
        .await
        .expect("it listens");
    let start = Instant::now();
    served.stop.send(()).expect("it serves");
    served.task.await.expect("no panic").expect("it stops");
    assert!(start.elapsed() < Duration::from_secs(5));
}
