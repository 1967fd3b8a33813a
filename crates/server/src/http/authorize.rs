//! Who asks: the owner of the token that every request must bring, if tokens are asked for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use cipherformer_protocol::{ProblemKind, routes};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use crate::error::ServerError;
use crate::http::openapi::{operations, responses};
use crate::tokens::{LiveTokens, Unwelcome};

/// What whoever keeps the server running may ask without a token: it says nothing of any client.
const OPEN: [&str; 4] = [
    routes::HEALTH,
    routes::READY,
    routes::METRICS,
    routes::OPENAPI,
];

/// Turns away whoever brings no good token, before anything of the request is looked at; tells the rest who asks.
pub(super) async fn authorize(
    State(tokens): State<Option<Arc<LiveTokens>>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ServerError> {
    if let Some(tokens) = tokens.filter(|_| !OPEN.contains(&request.uri().path())) {
        let token = bearer(request.headers()).ok_or(ServerError::NoToken)?;
        let owner = tokens.owner(token)?;
        request.extensions_mut().insert(owner);
    }
    // Nobody behind this needs it.
    request.headers_mut().remove(header::AUTHORIZATION);
    Ok(next.run(request).await)
}

/// Says so in the interface's description: a token may be asked for everywhere else, and is where the operator wants it.
pub(super) fn describe(document: &mut OpenApi) {
    const SCHEME: &str = "token";
    let bearer = Http::new(HttpAuthScheme::Bearer);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(bearer));
    let paths = document.paths.paths.iter_mut();
    for (_, item) in paths.filter(|(path, _)| !OPEN.contains(&path.as_str())) {
        for operation in operations(item) {
            let with = SecurityRequirement::new(SCHEME, Vec::<String>::new());
            operation.security = Some(vec![SecurityRequirement::default(), with]);
            let refusal = responses(&[ProblemKind::Unauthorized]);
            operation.responses.responses.extend(refusal);
        }
    }
}

/// The token of the only `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl From<Unwelcome> for ServerError {
    fn from(unwelcome: Unwelcome) -> Self {
        match unwelcome {
            Unwelcome::Unknown => Self::WrongToken,
            Unwelcome::Expired(when) => Self::ExpiredToken {
                when: when.to_string(),
            },
        }
    }
}
