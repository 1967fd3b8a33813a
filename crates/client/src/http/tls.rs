//! Whom a client believes to be the server.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::error::{ClientError, printable};

/// For an address in the clear: believes nobody.
pub(super) fn nobody() -> ClientConfig {
    only(RootCertStore::empty())
}

/// For a server with a certificate that one of these vouches for: those in a file, or else this computer's.
pub(super) fn authorities(ca: Option<&Path>) -> Result<ClientConfig, ClientError> {
    match ca {
        Some(path) => Ok(only(read(path)?)),
        None => of_this_computer(),
    }
}

/// The error of an attempt to talk TLS, if that is what failed.
pub(super) fn refusal(url: &str, error: &(dyn Error + 'static)) -> Option<ClientError> {
    let url = url.to_owned();
    match find(error)? {
        rustls::Error::InvalidCertificate(fault) => Some(match reason(fault) {
            Some(reason) => ClientError::Certificate { url, reason },
            None => ClientError::UnknownAuthority { url },
        }),
        rustls::Error::InvalidMessage(_) => Some(ClientError::NoTls { url }),
        _ => None,
    }
}

/// What is wrong with a certificate itself; nothing, if only nobody is found who vouches for it.
fn reason(fault: &CertificateError) -> Option<String> {
    use CertificateError as Fault;
    let text = printable(&fault.to_string());
    match fault {
        Fault::Expired | Fault::ExpiredContext { .. } => Some(text),
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => Some(text),
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => Some(text),
        // An error of the library below that has no name of its own here.
        Fault::Other(_) if text.contains("CaUsedAsEndEntity") => {
            Some("its certificate is one for authorities (CA:TRUE), not for servers".to_owned())
        }
        _ => None,
    }
}

fn only(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has what those take")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn of_this_computer() -> Result<ClientConfig, ClientError> {
    let unusable = |error: rustls::Error| ClientError::NoAuthorities {
        reason: error.to_string(),
    };
    let verifier = Verifier::new(provider()).map_err(unusable)?;
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions();
    Ok(builder
        .expect("the provider has what those take")
        .dangerous() // the name for any verifier but the one above, which this one uses
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn read(path: &Path) -> Result<RootCertStore, ClientError> {
    let unusable = |reason: String| ClientError::Authority {
        path: path.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path);
    for certificate in certificates.map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| unusable(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(unusable("there is no certificate in it".to_owned())),
        false => Ok(roots),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The error of TLS among the causes of another. An I/O error is not the cause of what it holds: it is looked into.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}
