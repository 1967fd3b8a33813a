//! What TLS needs: a certificate, and its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Config;
use crate::error::TlsError;

/// What TLS needs, if the configuration asks for it.
pub(super) fn settings(config: &Config) -> Result<Option<ServerConfig>, TlsError> {
    let (certificate, key) = match (&config.tls_certificate, &config.tls_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err(TlsError::Half),
    };
    let chain = read_chain(certificate)?;
    let key = read_key(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut settings = settings.map_err(|source| TlsError::Mismatch {
        certificate: certificate.clone(),
        source,
    })?;
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(settings))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = certificates.map_err(unusable("certificate", path))?;
    match certificates.is_empty() {
        true => Err(unusable("certificate", path)(pem::Error::NoItemsFound)),
        false => Ok(certificates),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path) {
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(TlsError::ExposedKey { path, mode });
        }
    }
    PrivateKeyDer::from_pem_file(path).map_err(unusable("key", path))
}

fn unusable(what: &'static str, path: &Path) -> impl Fn(pem::Error) -> TlsError {
    let path: PathBuf = path.to_owned();
    move |error| TlsError::Unusable {
        what,
        path: path.clone(),
        reason: error.to_string(),
    }
}
