//! What keeps a server from speaking TLS.

use std::path::PathBuf;

/// Why TLS cannot be spoken. For the operator to solve.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Only one of the two files is named.
    #[error(
        "TLS needs a certificate and its key; pass --tls-certificate and --tls-key, or neither"
    )]
    Half,
    /// A file cannot be read, or holds nothing of use.
    #[error("cannot use {path} as TLS {what}: {reason}; pass a PEM file that holds one")]
    Unusable {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others can read the key.
    #[error(
        "other users may read the TLS key {path} (mode {mode:03o}); run `chmod 600 {path}`, and have a new \
         certificate made if someone could have read it"
    )]
    ExposedKey {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The two do not belong together, or are of a kind that is not supported.
    #[error(
        "the certificate {certificate} cannot be used with the TLS key: {source}; pass the key it was made for"
    )]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}
