//! The answer to an evaluation: all at once, or a stream of events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cipherformer_protocol::{EVENTS, EvaluationResult, Event, OCTETS, headers};
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::Instrument;

use crate::error::ServerError;
use crate::http::problem::document;
use crate::http::request_id::RequestId;
use crate::schedule::Place;
use crate::service::{Request, Service};
use crate::store::Time;

/// Evaluates and answers in the way the client accepts.
pub(super) async fn answer(
    service: Arc<Service>,
    mut request: Request,
    headers: &HeaderMap,
) -> Result<Response, ServerError> {
    // Only a whole and valid request gets a place: a slow upload must not keep others waiting.
    let place = service
        .scheduler
        .place(&request.owner.party(&request.key))?;
    request.spending = service
        .budget
        .spend(&request.owner, request.inputs.len(), Time::now())?;
    if accepts_events(headers) {
        return Ok(events(service, request, place));
    }
    let result = service.evaluate(request, place, |_| ()).await?;
    Ok(octets(result))
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
pub(super) fn octets(result: EvaluationResult) -> Response {
    let position = result.position;
    let position = position.map(|position| [(headers::POSITION, position.to_string())]);
    let headers = [
        (header::CONTENT_TYPE.as_str(), OCTETS.to_owned()),
        (headers::SERVER_MS, format!("{:.3}", result.server_ms)),
        (headers::LUTS, result.luts.to_string()),
        (headers::RING_PRODUCTS, result.ring_products.to_string()),
    ];
    (position, headers, result.output).into_response()
}

/// Progress as it happens, then the result or a problem.
fn events(service: Arc<Service>, request: Request, place: Place) -> Response {
    let (sender, mut receiver) = unbounded_channel();
    let id = RequestId::current();
    tokio::spawn(feed(service, request, place, sender, id).in_current_span());
    let events = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let events = futures_util::StreamExt::map(events, |event: Event| {
        let (name, data) = event.to_parts();
        Ok::<_, Infallible>(sse::Event::default().event(name).data(data))
    });
    let keep_alive = KeepAlive::default();
    Sse::new(events).keep_alive(keep_alive).into_response()
}

/// Runs an evaluation for as long as someone listens; whoever leaves, leaves it as [`Service::evaluate`]
/// says. There are not many more events than layers and LUTs, so the channel needs no bound.
async fn feed(
    service: Arc<Service>,
    request: Request,
    place: Place,
    sender: UnboundedSender<Event>,
    id: Option<RequestId>,
) {
    let (progress, metrics) = (sender.clone(), Arc::clone(&service.metrics));
    let watch = move |p| {
        // Fails when the client has left.
        let _ = progress.send(Event::Progress(p));
    };
    let done = tokio::select! {
        done = service.evaluate(request, place, watch) => done,
        () = sender.closed() => return,
    };
    let last = match done {
        Ok(result) => Event::Result(result),
        Err(error) => {
            if let Some(reason) = error.turned_away() {
                metrics.turned_away(reason);
            }
            Event::Problem(document(&error, id))
        }
    };
    let _ = sender.send(last);
}
