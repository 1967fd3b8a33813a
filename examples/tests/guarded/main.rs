//! Client and server together where it matters who is at the other end: TLS and tokens.

mod certificates;
#[path = "../../../crates/server/tests/server/names.rs"]
mod names;

use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certificates::{Authority, write_private};
use cipherformer_client::{BearerToken, Client, ClientError, Endpoint, KeyHome, Sampling};
use cipherformer_server::{Config, Running, Server, TokenFile};
use tempfile::TempDir;

/// Longer than a running server takes to see that its tokens have changed.
const SEEN: Duration = Duration::from_millis(1100);

/// A folder for everything, with a certificate and its key for a server, and that of the authority that signed it.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let circuits = folder.path().join("circuits");
        let circuit = names::circuit("names");
        circuit.save(&circuits.join("names")).expect("saved");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server on a loopback port; under TLS if there is a certificate.
    async fn start(&self, change: impl FnOnce(&mut Config)) -> Running {
        let mut config = Config::loopback(self.path("circuits"), self.path("data"));
        config.allow_insecure = true;
        if self.path("server.pem").exists() {
            config.tls_certificate = Some(self.path("server.pem"));
            config.tls_key = Some(self.path("server.key"));
        }
        change(&mut config);
        Server::start(&config).await.expect("it starts")
    }

    /// Writes what a server under TLS needs.
    fn certify(&self, (certificate, key): (String, String)) {
        fs::write(self.path("server.pem"), certificate).expect("written");
        write_private(&self.path("server.key"), &key);
    }

    /// An authority, its certificate in `ca.pem`.
    fn authority(&self) -> Authority {
        let authority = Authority::new();
        fs::write(self.path("ca.pem"), authority.pem()).expect("written");
        authority
    }

    async fn connect(&self, endpoint: Endpoint) -> Result<Client, ClientError> {
        let home = KeyHome::new(self.path("home")).allow_insecure();
        Client::connect(endpoint, home, Arc::new(())).await
    }

    async fn refused(&self, endpoint: Endpoint) -> ClientError {
        match self.connect(endpoint).await {
            Ok(_) => panic!("that server is not to be trusted"),
            Err(error) => error,
        }
    }
}

/// Has a text continued, which takes keys, a session and evaluations.
async fn use_it(client: &Client) -> Result<String, ClientError> {
    let sampling = Sampling::new(0.0, None)?;
    let generated = client.generate("names", "a", &sampling, 1, |_| (), pending());
    Ok(generated.await?.text)
}

fn ca(server: &Running, file: &Path) -> Endpoint {
    Endpoint::new(server.url()).ca(file)
}

#[tokio::test]
async fn under_tls_everything_works_with_the_right_authority() {
    let world = World::new();
    world.certify(world.authority().sign(|_| ()));
    let server = world.start(|_| ()).await;
    assert!(server.url().starts_with("https://"));
    let client = world.connect(ca(&server, &world.path("ca.pem"))).await;
    let text = use_it(&client.expect("it is trusted")).await;
    assert!(text.expect("evaluated").starts_with('a'));
    let by_name = server.url().replace("127.0.0.1", "localhost");
    let by_name = Endpoint::new(by_name).ca(world.path("ca.pem"));
    world
        .connect(by_name)
        .await
        .expect("the certificate has both");
    server.stop().await.expect("stops");
}

#[tokio::test]
async fn a_certificate_of_the_servers_own_can_be_trusted_too() {
    let world = World::new();
    world.certify(certificates::own(|_| ()));
    let server = world.start(|_| ()).await;
    let client = world.connect(ca(&server, &world.path("server.pem"))).await;
    client.expect("it is the one that was given");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_used() {
    let world = World::new();
    world.certify(world.authority().sign(|_| ()));
    let server = world.start(|_| ()).await;
    let error = world.refused(Endpoint::new(server.url())).await;
    // Some computers have no list of authorities at all.
    use ClientError::{NoAuthorities, UnknownAuthority};
    assert!(
        matches!(error, UnknownAuthority { .. } | NoAuthorities { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("--ca"), "{error}");
    world.authority(); // another one, of the same name
    let error = world.refused(ca(&server, &world.path("ca.pem"))).await;
    assert!(matches!(error, UnknownAuthority { .. }), "{error}");
    assert!(!world.path("home").exists(), "no keys are made for it");
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_not_believed() {
    type Damage = fn(&mut rcgen::CertificateParams);
    let damages: [(&str, Damage); 4] = [
        ("expired", |certificate| {
            certificate.not_before = rcgen::date_time_ymd(2001, 1, 1);
            certificate.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }),
        ("not valid yet", |certificate| {
            certificate.not_before = rcgen::date_time_ymd(2900, 1, 1);
            certificate.not_after = rcgen::date_time_ymd(2901, 1, 1);
        }),
        ("CA:TRUE", |certificate| {
            certificate.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }),
        ("not valid for name", |certificate| {
            let other = rcgen::CertificateParams::new(["other.example".to_owned()]);
            certificate.subject_alt_names = other.expect("a name").subject_alt_names;
        }),
    ];
    for (reason, damage) in damages {
        let world = World::new();
        world.certify(world.authority().sign(damage));
        let server = world.start(|_| ()).await;
        let error = world.refused(ca(&server, &world.path("ca.pem"))).await;
        assert!(matches!(error, ClientError::Certificate { .. }), "{error}");
        let error = error.to_string();
        assert!(
            error.contains(reason) && error.contains("ask its operator"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn http_and_https_are_told_apart() {
    let world = World::new();
    let plain = world.start(|_| ()).await;
    world.authority();
    let url = plain.url().replace("http://", "https://");
    let error = world
        .refused(Endpoint::new(url).ca(world.path("ca.pem")))
        .await;
    assert!(matches!(error, ClientError::NoTls { .. }), "{error}");
    plain.stop().await.expect("stops");

    world.certify(world.authority().sign(|_| ()));
    let encrypted = world.start(|_| ()).await;
    let url = encrypted.url().replace("https://", "http://");
    let error = world.refused(Endpoint::new(url)).await.to_string();
    assert!(
        error.contains("speaks TLS only") && error.contains("https://HOST:PORT"),
        "{error}"
    );
}

#[tokio::test]
async fn files_that_hold_no_authority_are_named() {
    let world = World::new();
    world.certify(world.authority().sign(|_| ()));
    let server = world.start(|_| ()).await;
    fs::write(world.path("empty"), "").expect("written");
    for name in ["missing", "empty", "server.key"] {
        let error = world.refused(ca(&server, &world.path(name))).await;
        assert!(
            matches!(error, ClientError::Authority { .. }),
            "{name}: {error}"
        );
        assert!(error.to_string().contains(name), "{error}");
    }
}

fn token(text: &str) -> BearerToken {
    BearerToken::new(text).expect("a token")
}

/// A world whose servers ask for tokens, and the file of them.
fn guarded() -> (World, TokenFile) {
    let world = World::new();
    let file = TokenFile::new(world.path("tokens.toml"));
    file.add("somebody", None, None).expect("added");
    world.certify(world.authority().sign(|_| ()));
    (world, file)
}

impl World {
    async fn start_guarded(&self) -> Running {
        self.start(|config| config.tokens = Some(self.path("tokens.toml")))
            .await
    }
}

#[tokio::test]
async fn a_token_opens_a_server_until_it_is_revoked() {
    let (world, file) = guarded();
    let alice = file.add("alice", None, None).expect("added");
    let server = world.start_guarded().await;
    let endpoint = ca(&server, &world.path("ca.pem"));
    let client = world.connect(endpoint.clone().token(token(&alice))).await;
    let client = client.expect("she is known");
    assert!(use_it(&client).await.expect("evaluated").starts_with('a'));
    file.revoke("alice").expect("there");
    tokio::time::sleep(SEEN).await;
    let error = use_it(&client).await.expect_err("revoked").to_string();
    assert!(error.contains("does not know the token"), "{error}");
}

/// A text of the circuit takes as many evaluations as it has positions, and `a` at least two.
#[tokio::test]
async fn a_used_up_budget_is_told_at_once() {
    let (world, file) = guarded();
    let alice = file.add("alice", Some(1), None).expect("added");
    let server = world.start_guarded().await;
    let endpoint = ca(&server, &world.path("ca.pem")).token(token(&alice));
    let client = world.connect(endpoint).await.expect("she is known");
    let start = Instant::now();
    let error = use_it(&client).await.expect_err("too much");
    assert!(
        error.to_string().contains("of the 1 evaluations"),
        "{error}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "waiting until tomorrow is no use"
    );
}

#[tokio::test]
async fn no_token_or_a_bad_one_is_told_why() {
    let (world, file) = guarded();
    let past = "2001-01-01T00:00:00Z".parse().expect("a moment");
    let old = file.add("old", None, Some(past)).expect("added");
    let server = world.start_guarded().await;
    let endpoint = ca(&server, &world.path("ca.pem"));
    let error = world.refused(endpoint.clone()).await.to_string();
    assert!(error.contains("--token-file"), "{error}");
    for (text, reason) in [
        (old.as_str(), "expired on 2001-01-01"),
        ("cft_other", "does not know"),
    ] {
        let endpoint = endpoint.clone().token(token(text));
        let error = world.refused(endpoint).await.to_string();
        assert!(error.contains(reason) && !error.contains(text), "{error}");
    }
    assert!(!world.path("home").exists(), "no keys are made for nothing");
}

/// Whoever stands in the server's place gets no token: certificates are checked before it is sent.
#[tokio::test]
async fn a_token_is_shown_to_the_right_server_only() {
    let (world, file) = guarded();
    let alice = file.add("alice", None, None).expect("added");
    let server = world.start_guarded().await;
    let other = Authority::new();
    fs::write(world.path("ca.pem"), other.pem()).expect("written");
    let endpoint = ca(&server, &world.path("ca.pem")).token(token(&alice));
    world.refused(endpoint).await;
    let clear = Endpoint::new("http://server.example").token(token(&alice));
    let error = world.refused(clear).await;
    assert!(matches!(error, ClientError::TokenInClear { .. }), "{error}");
}
