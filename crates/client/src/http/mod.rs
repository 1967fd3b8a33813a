//! The HTTP interface from the client's side. The only module that knows of HTTP, but for `ui`, which serves a page.

mod body;
mod events;
mod keys;
mod sessions;
mod tls;
mod upload;

use std::time::Duration;

use bytes::Bytes;
use cipherformer_circuit::Manifest;
use cipherformer_protocol::{CircuitList, EVENTS, EvaluationResult, OCTETS, routes};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;

use crate::bearer::BearerToken;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::observer::Observer;

/// Lists, manifests and key descriptions.
const JSON_LIMIT: usize = 1 << 20;
const VOCABULARY_LIMIT: usize = 8 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence: an evaluation may wait for its turn without a word.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(300);
/// Unused connections are closed before the server closes them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A server, seen over HTTP.
#[derive(Clone)]
pub(crate) struct Http {
    base: String,
    client: reqwest::Client,
}

impl Http {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let url = parse(&endpoint.url)?;
        let (encrypted, loopback) = (url.scheme() == "https", is_loopback(&url));
        if endpoint.token.is_some() && !encrypted && !loopback {
            let url = endpoint.url.clone();
            return Err(ClientError::TokenInClear { url });
        }
        let tls = match encrypted {
            true => tls::authorities(endpoint.ca.as_deref())?,
            false => tls::nobody(),
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers(endpoint.token.as_ref()))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // A key, or a token, goes where the user said, and nowhere else.
            .redirect(redirect::Policy::none());
        if loopback {
            builder = builder.no_proxy();
        }
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            client: builder.build().expect("the options above are valid"),
        })
    }

    /// The server's address, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) async fn circuits(&self) -> Result<CircuitList, ClientError> {
        self.json(routes::CIRCUITS, "list of circuits").await
    }

    /// The manifest of a circuit whose name needs no escaping.
    pub(crate) async fn manifest(&self, name: &str) -> Result<Manifest, ClientError> {
        self.json(&routes::circuit(name), "manifest").await
    }

    pub(crate) async fn vocabulary(&self, name: &str) -> Result<String, ClientError> {
        let what = "vocabulary";
        let response = self.send(self.get(&routes::vocabulary(name))).await?;
        let bytes = body::read(response, VOCABULARY_LIMIT, what, &self.base).await?;
        String::from_utf8(bytes).map_err(|error| ClientError::nonsense(what, error))
    }

    /// Has encrypted inputs evaluated; the output may have `limit` bytes.
    pub(crate) async fn evaluate(
        &self,
        path: &str,
        input: Vec<u8>,
        limit: usize,
        observer: &dyn Observer,
    ) -> Result<EvaluationResult, ClientError> {
        let request = self
            .client
            .post(self.url(path))
            .header(CONTENT_TYPE, OCTETS)
            .header(ACCEPT, EVENTS)
            .body(input);
        let response = self.send(request).await?;
        if body::media_type(&response) == EVENTS {
            events::read(response, limit, &self.base, observer).await
        } else {
            body::evaluation(response, limit, &self.base).await
        }
    }

    async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        what: &'static str,
    ) -> Result<T, ClientError> {
        let response = self.send(self.get(path)).await?;
        body::json(response, JSON_LIMIT, what, &self.base).await
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request; any answer but a success is an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| {
            if let Some(refusal) = tls::refusal(&self.base, &error) {
                return refusal;
            }
            let (url, reason) = (self.base.clone(), body::cause(&error));
            if error.is_connect() {
                ClientError::NoServer { url, reason }
            } else {
                ClientError::Lost { url, reason }
            }
        })?;
        match response.status() {
            StatusCode::OK
            | StatusCode::CREATED
            | StatusCode::ACCEPTED
            | StatusCode::NO_CONTENT => Ok(response),
            _ => Err(body::refusal(response, &self.base).await),
        }
    }
}

/// What is sent with every request: the token, if there is one, and shown by no `Debug`. Its bytes are overwritten with
/// the last copy; those that the connection has sent are not.
fn headers(token: Option<&BearerToken>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let bytes = Bytes::from_owner(token.header());
        let mut value = HeaderValue::from_maybe_shared(bytes).expect("tokens are printable");
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

fn parse(server: &str) -> Result<Url, ClientError> {
    let bad = |reason: String| ClientError::ServerUrl {
        url: server.to_owned(),
        reason,
    };
    let url = Url::parse(server).map_err(|error| bad(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => {}
        other => return Err(bad(format!("{other:?} is neither http nor https"))),
    }
    let extra = url.query().is_some() || url.fragment().is_some();
    if extra || !url.username().is_empty() || url.password().is_some() {
        return Err(bad("only a host, a port and a path can be used".to_owned()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for url in [
            "http://127.0.0.1:80",
            "http://localhost/",
            "http://a.b/c/",
            "http://[::1]:1",
            "https://a",
            "https://[::1]:1/b/",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
        for url in ["", "127.0.0.1:80", "localhost:80", "ftp://a"] {
            let error = parse(url).expect_err(url).to_string();
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
        for url in ["http://", "http://a?b", "http://a#b", "https://me:pw@a"] {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_token_does_not_travel_in_the_clear() {
        let token = BearerToken::new("cft_x").expect("a token");
        for (url, refused) in [
            ("http://10.0.0.1", true),
            ("http://localhost.example", true),
            ("http://127.0.0.1:8", false),
            ("http://localhost", false),
        ] {
            match Http::new(&Endpoint::new(url).token(token.clone())) {
                Ok(_) => assert!(!refused, "{url}"),
                Err(error) => assert!(refused && error.to_string().contains("https://"), "{error}"),
            }
        }
        let headers = headers(Some(&token));
        assert_eq!(headers[AUTHORIZATION], "Bearer cft_x");
        assert!(!format!("{headers:?}").contains("cft_x"));
    }

    #[test]
    fn only_this_computer_is_loopback() {
        for (url, loopback) in [
            ("http://127.0.0.1:8", true),
            ("http://[::1]:8", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_loopback(&parse(url).expect(url)), loopback, "{url}");
        }
    }
}
