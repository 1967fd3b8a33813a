//! Who may ask: the browser of this computer, by the address that was printed, from the page itself.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Page;

/// Nothing is loaded, sent or embedded but what the page's own address has; no script or style stands in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

type Refusal = (StatusCode, &'static str);

/// Refuses whoever may not ask, and adds the headers that every answer has.
pub(super) async fn guard(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    let mut response = match page.admit(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

impl Page {
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        // A name that an attacker points at this computer (DNS rebinding) is another host.
        if only(headers, &header::HOST) != Some(&self.host) {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "this page answers at the address that was printed, and at no other",
            ));
        }
        let token = request.uri().path().split('/').nth(1).unwrap_or_default();
        if !bool::from(token.as_bytes().ct_eq(self.token.as_bytes())) {
            return Err((
                StatusCode::NOT_FOUND,
                "there is nothing here; use the whole address that cipherformer-client printed",
            ));
        }
        match is_elsewhere(headers) || (request.method() == Method::POST && !self.is_own(headers)) {
            true => Err((
                StatusCode::FORBIDDEN,
                "another site asked for this; open the address that was printed yourself",
            )),
            false => Ok(()),
        }
    }

    /// Whether the page itself asks.
    fn is_own(&self, headers: &HeaderMap) -> bool {
        let origin = only(headers, &header::ORIGIN);
        origin.and_then(|origin| origin.strip_prefix("http://")) == Some(&self.host)
    }
}

/// Whether the browser says that another site asks.
fn is_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
