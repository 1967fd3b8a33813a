//! Evaluations: one answer, or a stream of events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cipherformer_circuit::Circuit;
use cipherformer_fhe::EncryptedBag;
use cipherformer_protocol::{EVENTS, EvaluationResult, Event, OCTETS, headers};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::Instrument;

use crate::circuits::input_limit;
use crate::error::ServerError;
use crate::http::body::Limited;
use crate::http::keys::key_id;
use crate::schedule::Place;
use crate::service::{Request, Service};

/// The query of an evaluation.
#[derive(Deserialize)]
pub(super) struct EvaluationQuery {
    key: String,
    digest: String,
}

/// `POST /v1/circuits/{name}/evaluations?key=ID&digest=DIGEST`
pub(super) async fn evaluate(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<EvaluationQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ServerError> {
    let (Path(name), Query(query)) = (name?, query?);
    let request = read(&service, &name, &query, &headers, body).await?;
    // Only a whole and valid request gets a place: a slow upload must not keep others waiting.
    let place = service.scheduler.place()?;
    if accepts_events(&headers) {
        return Ok(events(service, request, place));
    }
    service.evaluate(request, place, |_| ()).await.map(octets)
}

async fn read(
    service: &Service,
    name: &str,
    query: &EvaluationQuery,
    headers: &HeaderMap,
    body: Body,
) -> Result<Request, ServerError> {
    let prepared = service.circuits.get(name)?;
    let circuit = prepared.circuit();
    check_digest(circuit, &query.digest)?;
    let key = key_id(&query.key)?;
    let parameters = circuit.parameters();
    service.check_key(&key, parameters)?;
    let body = Limited::new("encrypted input", headers, body, input_limit(circuit))?;
    let entries = circuit.manifest().input.entries;
    let input = EncryptedBag::from_bytes(&body.all().await?, entries, parameters)
        .map_err(ServerError::Input)?;
    Ok(Request {
        circuit: Arc::clone(prepared),
        key,
        input,
    })
}

fn check_digest(circuit: &Circuit, digest: &str) -> Result<(), ServerError> {
    let manifest = circuit.manifest();
    if manifest.digest == digest {
        return Ok(());
    }
    Err(ServerError::StaleCircuit {
        name: manifest.name.clone(),
        current: manifest.digest.clone(),
    })
}

fn accepts_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .any(|media| media.split(';').next().map(str::trim) == Some(EVENTS))
}

/// The output as it is, the figures as headers.
fn octets(result: EvaluationResult) -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), OCTETS.to_owned()),
        (headers::SERVER_MS, format!("{:.3}", result.server_ms)),
        (headers::LUTS, result.luts.to_string()),
        (headers::RING_PRODUCTS, result.ring_products.to_string()),
    ];
    (headers, result.output).into_response()
}

/// Progress as it happens, then the result or a problem.
fn events(service: Arc<Service>, request: Request, place: Place) -> Response {
    let (sender, mut receiver) = unbounded_channel();
    tokio::spawn(feed(service, request, place, sender).in_current_span());
    let events = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let events = futures_util::StreamExt::map(events, |event: Event| {
        let (name, data) = event.to_parts();
        Ok::<_, Infallible>(sse::Event::default().event(name).data(data))
    });
    let keep_alive = KeepAlive::default();
    Sse::new(events).keep_alive(keep_alive).into_response()
}

/// Runs an evaluation for as long as someone listens; a client that leaves while it waits frees its
/// place. There are at most a few events more than LUTs, so the channel needs no bound.
async fn feed(
    service: Arc<Service>,
    request: Request,
    place: Place,
    sender: UnboundedSender<Event>,
) {
    let progress = sender.clone();
    let watch = move |p| {
        // Fails when the client has left; the evaluation itself goes on.
        let _ = progress.send(Event::Progress(p));
    };
    let done = tokio::select! {
        done = service.evaluate(request, place, watch) => done,
        () = sender.closed() => return,
    };
    let last = match done {
        Ok(result) => Event::Result(result),
        Err(error) => Event::Problem(error.problem()),
    };
    let _ = sender.send(last);
}
