//! Reading answers, never more of them than there can be.

use std::error::Error;
use std::time::Duration;

use cipherformer_protocol::{EvaluationResult, PROBLEM_JSON, Problem, headers};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::de::DeserializeOwned;

use crate::error::{ClientError, printable};

const PROBLEM_LIMIT: usize = 64 << 10;

/// The body, if it has at most `limit` bytes.
pub(super) async fn read(
    mut response: Response,
    limit: usize,
    what: &'static str,
    url: &str,
) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(url, &error))? {
        if bytes.len() + chunk.len() > limit {
            let reason = format!("it has more than {limit} bytes");
            return Err(ClientError::nonsense(what, reason));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

pub(super) async fn json<T: DeserializeOwned>(
    response: Response,
    limit: usize,
    what: &'static str,
    url: &str,
) -> Result<T, ClientError> {
    let bytes = read(response, limit, what, url).await?;
    serde_json::from_slice(&bytes).map_err(|error| ClientError::nonsense(what, error))
}

/// An evaluation answered at once, its costs in headers.
pub(super) async fn evaluation(
    response: Response,
    limit: usize,
    url: &str,
) -> Result<EvaluationResult, ClientError> {
    let what = "evaluation";
    let number = |name: &'static str| {
        let value = response.headers().get(name);
        let number = value.and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        number
            .filter(|number| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| ClientError::nonsense(what, format!("it has no usable header {name}")))
    };
    Ok(EvaluationResult {
        server_ms: number(headers::SERVER_MS)?,
        luts: number(headers::LUTS)? as usize,
        ring_products: number(headers::RING_PRODUCTS)? as usize,
        position: match response.headers().contains_key(headers::POSITION) {
            true => Some(number(headers::POSITION)? as usize),
            false => None,
        },
        output: read(response, limit, what, url).await?,
    })
}

/// What the server says went wrong.
pub(super) async fn refusal(response: Response, url: &str) -> ClientError {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    if media_type(&response) != PROBLEM_JSON {
        let reason =
            format!("HTTP status {status} from {url}, which may not be a cipherformer-server");
        return ClientError::nonsense("answer", reason);
    }
    match json::<Problem>(response, PROBLEM_LIMIT, "problem document", url).await {
        Ok(problem) => refused(problem, retry_after),
        Err(error) => error,
    }
}

pub(super) fn refused(mut problem: Problem, retry_after: Option<Duration>) -> ClientError {
    problem.detail = printable(&problem.detail);
    problem.title = printable(&problem.title);
    ClientError::Refused {
        problem,
        retry_after,
    }
}

/// The content type without its options.
pub(super) fn media_type(response: &Response) -> &str {
    let value = response.headers().get(CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let media_type = text.and_then(|text| text.split(';').next());
    media_type.unwrap_or_default().trim()
}

pub(super) fn lost(url: &str, error: &dyn Error) -> ClientError {
    ClientError::Lost {
        url: url.to_owned(),
        reason: cause(error),
    }
}

/// The innermost cause says most: "Connection refused", not "error sending request".
pub(super) fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    printable(&innermost.to_string())
}
