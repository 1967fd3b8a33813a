//! What every answer must be: one that the document declares, never the server's fault, and a problem document if it is
//! not what was asked for.

use cipherformer_protocol::{EVENTS, PROBLEM_JSON, Problem, headers};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};

use super::interface::{Interface, Operation};
use super::material::Material;
use super::request::{self, Hostile};
use crate::report::Violations;
use crate::wire::Wire;

/// Paths that are not there.
const NOWHERE: [&str; 5] = ["/", "/v1", "/v1/circuits/", "/v2/keys", "/healthz/x?y=%zz"];

/// Sends the request of this number, and judges the answer.
pub(super) async fn send(
    wire: &Wire,
    interface: &Interface,
    material: &Material,
    seed: u64,
    violations: &Violations,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let operation = &interface.operations[random.random_range(0..interface.operations.len())];
    let mut hostile = request::draw(operation, material, &mut random);
    if random.random_ratio(1, 50) {
        hostile.target = NOWHERE[random.random_range(0..NOWHERE.len())].to_owned();
        hostile.elsewhere = true;
    }
    let target: String = hostile.target.chars().take(160).collect();
    let what = format!("{} {target} ({} bytes)", hostile.method, hostile.body.len());
    let verdict = match deliver(wire, &hostile).await {
        Ok(response) => judge(operation, &hostile, response).await,
        Err(error) => Err(("no answer", format!("{error:?}"))),
    };
    if let Err((kind, wrong)) = verdict {
        violations.add(kind, format!("{what}: {wrong}"));
    }
}

async fn deliver(wire: &Wire, hostile: &Hostile) -> reqwest::Result<Response> {
    let url = format!("{}{}", wire.base, hostile.target);
    let request = wire.http.request(hostile.method.clone(), url);
    let request = request.headers(hostile.headers.clone());
    request.body(hostile.body.clone()).send().await
}

type Wrong = (&'static str, String);

async fn judge(operation: &Operation, hostile: &Hostile, response: Response) -> Result<(), Wrong> {
    let status = response.status();
    let text = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let (media, id) = (text(CONTENT_TYPE.as_str()), text(headers::REQUEST_ID));
    let media = media.split(';').next().unwrap_or_default().to_owned();
    let body = response
        .bytes()
        .await
        .map_err(|error| ("no answer", format!("{error:?}")))?;
    if status.is_server_error() {
        return Err((
            "5xx",
            format!("{status} {}", String::from_utf8_lossy(&body)),
        ));
    }
    if id.len() != 16 {
        return Err(("request id", format!("{status} with {id:?}")));
    }
    declared(operation, hostile, status, &media)?;
    if status.is_client_error() && hostile.method != Method::HEAD {
        problem(status, &media, &id, &body)?;
    }
    let body = String::from_utf8_lossy(&body);
    if media == EVENTS && body.contains("\"status\":5") {
        return Err(("5xx", format!("an event says {body}")));
    }
    Ok(())
}

/// The document has this answer to this operation.
fn declared(
    operation: &Operation,
    hostile: &Hostile,
    status: StatusCode,
    media: &str,
) -> Result<(), Wrong> {
    let code = status.as_u16();
    if hostile.elsewhere && matches!(code, 404 | 405) {
        return Ok(());
    }
    if !operation.methods.contains(hostile.method.as_str()) {
        return match code {
            405 => Ok(()),
            _ => Err((
                "undeclared",
                format!("{status} to a method that is not there"),
            )),
        };
    }
    if hostile.method != operation.method {
        return Ok(()); // another operation, whose turn comes as well
    }
    let types = operation.answers.get(&code);
    let types = types.ok_or_else(|| ("undeclared", format!("{status} is not in the document")))?;
    match types.contains(media) || (media.is_empty() && types.is_empty()) {
        true => Ok(()),
        // An answer to HEAD has no body, but may say of what type it would be.
        false if hostile.method == Method::HEAD => Ok(()),
        false => Err((
            "undeclared",
            format!("{status} with {media:?}, not of {types:?}"),
        )),
    }
}

/// The body says what went wrong.
fn problem(status: StatusCode, media: &str, id: &str, body: &[u8]) -> Result<(), Wrong> {
    let wrong = |what: String| Err(("no problem document", what));
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return wrong(format!("{status} with {}", String::from_utf8_lossy(body)));
    };
    let code = status.as_u16();
    if media != PROBLEM_JSON || problem.status != code || problem.kind.status() != code {
        return wrong(format!("{status} as {media:?} says {problem:?}"));
    }
    match problem.request_id.as_deref() == Some(id) && !problem.detail.is_empty() {
        true => Ok(()),
        false => wrong(format!("{problem:?} of request {id}")),
    }
}
