//! Evaluations, with or without progress events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cipherformer_fhe::{EncryptedBag, size_limit};
use cipherformer_protocol::{EVENTS, EvaluationResult, Event, OCTETS, Problem, Progress};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::body;
use super::circuits::{Segment, segment};
use super::keys::key_id;
use crate::error::ServerError;
use crate::scheduler::{Done, Job, Place, Report};
use crate::server::Server;

#[derive(Deserialize)]
pub(super) struct EvaluationQuery {
    key: String,
    digest: String,
}

pub(super) async fn evaluate(
    State(server): State<Server>,
    name: Segment,
    query: Result<Query<EvaluationQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ServerError> {
    let job = job(&server, &segment(name)?, query, &headers, body).await?;
    let place = server.scheduler.enter()?;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|types| types.contains(EVENTS)) {
        return Ok(with_events(server, place, job));
    }
    let silent: Report = Arc::new(|_, _| ());
    let done = server.scheduler.run(place, job, silent).await?;
    Ok(plain(&done))
}

/// Checks everything that can be checked before the evaluation waits for its turn.
async fn job(
    server: &Server,
    name: &str,
    query: Result<Query<EvaluationQuery>, QueryRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Job, ServerError> {
    let circuit = Arc::clone(server.circuits.get(name)?);
    let Query(query) = query.map_err(|_| {
        ServerError::MalformedRequest("the query needs key=ID and digest=DIGEST; add them".to_owned())
    })?;
    let (manifest, parameters) = (circuit.circuit().manifest(), circuit.circuit().parameters());
    if query.digest != manifest.digest {
        return Err(ServerError::StaleCircuit {
            name: manifest.name.clone(),
        });
    }
    let key = key_id(&query.key)?;
    let stored = server.keys.store().find(&key).ok_or(ServerError::UnknownKey)?;
    if stored.parameters != parameters {
        return Err(ServerError::WrongParameterSet {
            needed: parameters.name,
            got: stored.parameters.name.to_owned(),
        });
    }
    let entries = manifest.input.entries;
    let limit = size_limit(parameters.request_bytes(entries));
    let bytes = body::read(headers, body, "encrypted input", limit).await?;
    let input = EncryptedBag::from_bytes(&bytes, entries, parameters);
    let input = input.map_err(ServerError::BadInput)?;
    Ok(Job { circuit, key, input })
}

fn plain(done: &Done) -> Response {
    use cipherformer_protocol::headers::{LUTS, RING_PRODUCTS, SERVER_MS};
    let headers = [
        (header::CONTENT_TYPE.as_str(), OCTETS.to_owned()),
        (SERVER_MS, format!("{:.3}", done.server_ms)),
        (LUTS, done.counters.luts.to_string()),
        (RING_PRODUCTS, done.counters.ring_products.to_string()),
    ];
    (headers, done.output.clone()).into_response()
}

/// Evaluates in a task that ends, if still waiting, when the client is gone.
fn with_events(server: Server, place: Place, job: Job) -> Response {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let progress = sender.clone();
        let report: Report = Arc::new(move |luts_done, luts_total| {
            // Nobody listens any more if this fails; the evaluation ends soon anyway.
            let _ = progress.send(Event::Progress(Progress {
                step: "evaluating".to_owned(),
                luts_done,
                luts_total,
            }));
        });
        let last = tokio::select! {
            done = server.scheduler.run(place, job, report) => last_event(done),
            () = sender.closed() => return,
        };
        let _ = sender.send(last);
    });
    let events = stream::unfold(receiver, async |mut receiver| {
        let (name, data) = receiver.recv().await?.to_parts();
        let event = sse::Event::default().event(name).data(data);
        Some((Ok::<_, Infallible>(event), receiver))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn last_event(done: Result<Done, ServerError>) -> Event {
    match done {
        Ok(done) => Event::Result(EvaluationResult {
            server_ms: done.server_ms,
            luts: done.counters.luts,
            ring_products: done.counters.ring_products,
            output: done.output,
        }),
        Err(error) => {
            tracing::error!("{error}");
            Event::Problem(Problem::from(&error))
        }
    }
}
