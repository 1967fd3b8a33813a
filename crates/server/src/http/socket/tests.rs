use std::net::Ipv4Addr;
use std::time::Instant;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;

/// How patient the sockets here are.
const SHORT: Duration = Duration::from_secs(3);

/// A socket under TLS, and what a client needs to trust it.
async fn socket() -> (Socket, TlsConnector) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate: CertificateDer<'static> = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], key)
        });
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("as usual")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = tcp.local_addr().expect("just bound");
    let tls = Some(Tls::new(settings.expect("a pair"), SHORT));
    let socket = Socket { tcp, address, tls };
    (socket, TlsConnector::from(Arc::new(client)))
}

/// Echoes one byte on every connection.
async fn serve(mut socket: Socket) {
    loop {
        let (mut connection, _) = socket.accept().await;
        tokio::spawn(async move {
            let mut byte = [0];
            connection.read_exact(&mut byte).await?;
            connection.write_all(&byte).await
        });
    }
}

async fn echo(connector: &TlsConnector, address: SocketAddr) -> io::Result<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect(name, stream).await?;
    stream.write_all(&[7]).await?;
    let mut byte = [0];
    stream.read_exact(&mut byte).await?;
    Ok(byte[0])
}

#[tokio::test]
async fn slow_handshakes_keep_nobody_out_and_end() {
    let (socket, connector) = socket().await;
    let address = socket.address();
    assert!(socket.url().starts_with("https://127.0.0.1:"));
    tokio::spawn(serve(socket));
    let mut idle = Vec::new();
    for start in [&b""[..], &[TLS_RECORD], &[TLS_RECORD, 3, 1, 2, 0]] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            stream.write_all(start).await.expect("sent");
            idle.push(stream);
        }
    }
    let start = Instant::now();
    assert_eq!(echo(&connector, address).await.expect("served"), 7);
    assert!(start.elapsed() < SHORT, "it did not wait for the others");
    for mut stream in idle {
        let mut rest = Vec::new();
        let closed = timeout(10 * SHORT, stream.read_to_end(&mut rest)).await;
        // Broken off or closed, but not kept.
        let _ = closed.expect("it is given up");
    }
    assert_eq!(echo(&connector, address).await.expect("served"), 7);
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_told_or_left() {
    let (socket, connector) = socket().await;
    let address = socket.address();
    tokio::spawn(serve(socket));
    for request in [
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /v1/keys HTTP/1.1\r\n\r\nbody",
    ] {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = vec![0; 4096];
        let read = timeout(10 * SHORT, stream.read(&mut answer)).await;
        answer.truncate(read.expect("in time").expect("answered"));
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let problem: Problem = serde_json::from_str(body).expect("a problem");
        assert!(problem.detail.contains("https://"), "{}", problem.detail);
        assert!(answer.contains(&format!("content-length: {}\r\n", body.len())));
    }
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream
        .write_all(b"\0\0\0\0 no protocol at all")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    let _ = timeout(SHORT, stream.read_to_end(&mut answer))
        .await
        .expect("left at once");
    assert!(answer.is_empty());
    assert_eq!(echo(&connector, address).await.expect("served"), 7);
}
