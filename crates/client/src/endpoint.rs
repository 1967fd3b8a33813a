//! Which server, and how it is talked to.

use std::path::PathBuf;

use crate::bearer::BearerToken;

/// The address of a server, and what it takes to talk to it. An address alone will do:
/// `Client::connect("http://127.0.0.1:8080", ...)`.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) url: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) token: Option<BearerToken>,
}

impl Endpoint {
    /// A server, such as `https://guard.example:8443`, trusted because an authority of this computer's list
    /// says who it is.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca: None,
            token: None,
        }
    }

    /// Trusts the certificates in this PEM file, and those that they signed, and no others.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows this token with every request. It is sent to this server alone, and not in the clear unless the server
    /// is this computer.
    #[must_use]
    pub fn token(mut self, token: BearerToken) -> Self {
        self.token = Some(token);
        self
    }
}

impl From<&str> for Endpoint {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<&String> for Endpoint {
    fn from(url: &String) -> Self {
        Self::new(url)
    }
}
