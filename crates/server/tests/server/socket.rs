//! A server on a real socket, and raw connections to it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_protocol::routes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::operation::figure;
use crate::world::{CLIENT, World, deep_circuit};

/// LUT layers of a circuit `deep` that takes about two seconds: what comes meanwhile comes before its end.
pub(crate) const LONG: usize = 600;
/// And of one that takes so long that somebody has to stop it.
pub(crate) const ENDLESS: usize = 6000;

/// A world, and a socket where it is served.
pub(crate) struct Served {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Served {
    pub(crate) async fn start(world: World) -> Self {
        let socket = cipherformer_server::Server::listen(&world.config).await;
        let socket = socket.expect("a free port");
        let address = socket.address();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(world.server.clone().serve(socket, stopped));
        Self {
            world,
            address,
            stop,
            task,
        }
    }

    /// Waits until a figure is at least so much.
    pub(crate) async fn until(&self, line: &str, least: f64) -> f64 {
        for _ in 0..1000 {
            match figure(&self.world, line).await {
                Some(value) if value >= least => return value,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("{line} does not reach {least}");
    }
}

/// A world whose circuit `deep` has so many LUT layers, and the path of an evaluation of it.
pub(crate) async fn deep_world(
    depth: usize,
    change: impl FnOnce(&mut cipherformer_server::Config),
) -> (World, String) {
    let circuit = deep_circuit(&INSECURE_TOY, "deep", depth);
    let world = World::with(|config| {
        circuit.save(&config.circuits.join("deep")).expect("saved");
        change(config);
    });
    world.register().await;
    let path = routes::evaluations("deep", &CLIENT.id, &circuit.manifest().digest);
    (world, path)
}

/// LUTs of an evaluation of `deep`.
pub(crate) fn deep_luts(depth: usize) -> f64 {
    8.0 * depth as f64
}

/// Sends a request and leaves the connection open.
pub(crate) async fn send(
    address: SocketAddr,
    method: &Method,
    path: &str,
    accept: &str,
    body: &[u8],
) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\naccept: {accept}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(body).await.expect("sent");
    stream
}

/// All that comes until the server closes.
pub(crate) async fn read(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("answered");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn only_so_many_connections_are_served_at_once() {
    let world = World::with(|config| config.connections = 1);
    let served = Served::start(world).await;
    let idle = TcpStream::connect(served.address)
        .await
        .expect("it listens");
    // So that the next one comes later.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = send(served.address, &Method::GET, routes::HEALTH, "*/*", b"").await;
    let mut answer = tokio::spawn(read(second));
    let soon = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(soon.is_err(), "the first connection is still open");
    drop(idle);
    let answer = answer.await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn the_router_in_process_is_the_one_on_the_socket() {
    let served = Served::start(World::new()).await;
    let direct = served
        .world
        .send(Method::GET, routes::OPENAPI, Body::empty())
        .await;
    let stream = send(served.address, &Method::GET, routes::OPENAPI, "*/*", b"").await;
    let answer = read(stream).await;
    assert!(answer.ends_with(&*String::from_utf8_lossy(&direct.body)));
}
