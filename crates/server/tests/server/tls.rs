//! Certificates and keys that TLS cannot be spoken with.

use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_server::{Config, Server, StartError, TlsError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

/// A folder with two certificates and their keys: `1.pem`, `1.key`, `2.pem`, `2.key`.
pub(crate) fn certificates() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["1", "2"] {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let path = folder.path().join(name);
        fs::write(path.with_extension("pem"), cert.pem()).expect("written");
        write_private(&path.with_extension("key"), &signing_key.serialize_pem());
    }
    folder
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    #[cfg(unix)]
    set_mode(path, 0o600);
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(path, permissions).expect("ours");
}

async fn listen(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<String, StartError> {
    let mut config = Config::loopback("circuits", "data");
    (config.tls_certificate, config.tls_key) = (certificate, key);
    Server::listen(&config).await.map(|socket| socket.url())
}

#[tokio::test]
async fn a_certificate_and_its_key_make_it_https() {
    let folder = certificates();
    let file = |name: &str| Some(folder.path().join(name));
    let url = listen(file("1.pem"), file("1.key")).await.expect("a pair");
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let url = listen(None, None).await.expect("no TLS");
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let folder = certificates();
    let file = |name: &str| Some(folder.path().join(name));
    write_private(&folder.path().join("empty"), "");
    write_private(
        &folder.path().join("damaged"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (certificate, key, reason) in [
        (file("1.pem"), None, "or neither"),
        (None, file("1.key"), "or neither"),
        (file("1.pem"), file("2.key"), "the key it was made for"),
        (file("missing"), file("1.key"), "as TLS certificate"),
        (file("1.pem"), file("missing"), "as TLS key"),
        (file("empty"), file("1.key"), "as TLS certificate"),
        (file("1.pem"), file("empty"), "as TLS key"),
        (file("1.key"), file("1.key"), "as TLS certificate"),
        (file("damaged"), file("1.key"), "damaged"),
    ] {
        let error = listen(certificate, key).await.expect_err(reason);
        assert!(matches!(error, StartError::Tls(_)));
        let error = error.to_string();
        assert!(
            error.contains(reason) && !error.contains("PRIVATE"),
            "{reason}: {error}"
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    let folder = certificates();
    let file = |name: &str| Some(folder.path().join(name));
    for mode in [0o640, 0o604, 0o644] {
        set_mode(&folder.path().join("1.key"), mode);
        let error = listen(file("1.pem"), file("1.key")).await;
        let error = error.expect_err("others can read it");
        assert!(matches!(
            error,
            StartError::Tls(TlsError::ExposedKey { .. })
        ));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
