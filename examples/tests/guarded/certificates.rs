//! Certificates made for a test.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A private authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "an authority for tests");
        Self(CertifiedIssuer::self_signed(params, key()).expect("made"))
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server on this computer, and its key, both in PEM.
    pub(crate) fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let (params, key) = (params(change), key());
        let certificate = params.signed_by(&key, &self.0).expect("made");
        (certificate.pem(), key.serialize_pem())
    }
}

/// A certificate that its server signed itself, and its key, both in PEM.
pub(crate) fn own(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let (params, key) = (params(change), key());
    let certificate = params.self_signed(&key).expect("made");
    (certificate.pem(), key.serialize_pem())
}

pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    #[cfg(unix)]
    {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, private).expect("ours");
    }
}

fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).expect("names");
    change(&mut params);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has random bits")
}
