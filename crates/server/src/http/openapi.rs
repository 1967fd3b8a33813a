//! The interface, described for programs: an OpenAPI document, made from the handlers and types themselves.
//! Routes are added to router and document by one call, so neither can lack one.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use cipherformer_circuit::InputKind;
use cipherformer_protocol::{
    EvaluationResult, FRAME_BYTES, OCTETS, PROBLEM_JSON, Problem, ProblemKind, Progress, headers,
    routes,
};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{
    self, ContentBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder, Schema,
};
use utoipa::{IntoResponses, OpenApi, PartialSchema, ToSchema};

use crate::circuits::input_limit;
use crate::http::authorize;
use crate::service::Service;
use crate::store::key_limit;

/// The document as it is before any route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cipherformer",
        description = "Evaluates transformers on encrypted texts. Bodies are ciphertexts and evaluation keys: \
            the client makes them, and the server cannot open them.",
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "circuits", description = "What is offered: public layouts, never weights"),
        (name = "keys", description = "Evaluation keys: they let the server compute, and open nothing"),
        (name = "evaluations", description = "Whole texts"),
        (name = "sessions", description = "Texts that go on, token by token"),
        (name = "operation", description = "For the operator's programs"),
    )
)]
pub(super) struct Document;

/// The finished document.
#[derive(Clone)]
pub(super) struct Text(Bytes);

/// This document.
#[utoipa::path(
    get,
    operation_id = "interface",
    path = routes::OPENAPI,
    tag = "operation",
    responses((status = 200, description = "an OpenAPI 3.1 document", body = inline(Object), content_type = "application/json"))
)]
pub(super) async fn show(Extension(text): Extension<Text>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text.0)
}

impl Text {
    /// Finishes the document of all routes: what holds for every operation, and how large bodies may be here.
    pub(super) fn new(mut document: openapi::OpenApi, service: &Service) -> Self {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        // No operation names these as its whole body.
        add::<Problem>(schemas);
        add::<Progress>(schemas);
        add::<EvaluationResult>(schemas);
        authorize::describe(&mut document);
        for item in document.paths.paths.values_mut() {
            operations(item).for_each(name_headers);
        }
        for (path, sizes) in [
            (routes::KEY, key_sizes(service)),
            (routes::EVALUATIONS, input_sizes(service, InputKind::Bag)),
            (routes::TOKENS, input_sizes(service, InputKind::Tokens)),
        ] {
            let item = document.paths.paths.get_mut(path);
            let operation = item.and_then(|item| item.put.as_mut().or(item.post.as_mut()));
            let body = operation.and_then(|operation| operation.request_body.as_mut());
            let Some(RefOr::T(body)) = body else {
                unreachable!("these three take bodies");
            };
            let what = body.description.take().unwrap_or_default();
            body.description = Some(format!("{what}. At most {sizes}."));
        }
        let text = document.to_json().expect("plain data");
        Self(text.into())
    }
}

/// What can be asked at an address.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let operations = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
        &mut item.head,
    ];
    operations.into_iter().flatten()
}

/// Adds a type, and those it is made of.
fn add<T: ToSchema>(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut parts = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut parts);
    schemas.extend(parts);
}

/// Every answer has the request's id; whoever is turned away for a while is told for how long.
fn name_headers(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let mut add = |name: &str, description: &str, schema: ObjectBuilder| {
            let header = HeaderBuilder::new()
                .schema(Some(schema))
                .description(Some(description));
            let header = RefOr::T(header.build());
            response.headers.insert(name.to_owned(), header);
        };
        let string = || ObjectBuilder::new().schema_type(Type::String);
        add(
            headers::REQUEST_ID,
            "the server's name for the request, for its operator",
            string().pattern(Some("^[0-9a-f]{16}$")),
        );
        if matches!(status.as_str(), "429" | "503") {
            add(
                header::RETRY_AFTER.as_str(),
                "after so many seconds the same request may go well; only if a short wait helps",
                string().pattern(Some("^[0-9]+$")),
            );
        }
    }
}

fn key_sizes(service: &Service) -> String {
    let sets = service.circuits.parameter_sets();
    let size = |set: &&_| format!("{} bytes for {}", key_limit(set), set.name);
    sets.iter().map(size).collect::<Vec<_>>().join(", ")
}

fn input_sizes(service: &Service, kind: InputKind) -> String {
    let circuits = service.circuits.offered();
    let circuits = circuits.filter(|circuit| circuit.circuit().manifest().input.kind == kind);
    let size = |circuit: &std::sync::Arc<cipherformer_fhe::PreparedCircuit>| {
        let circuit = circuit.circuit();
        let bytes = match kind {
            InputKind::Bag => input_limit(circuit),
            InputKind::Tokens => circuit.positions() * (FRAME_BYTES + input_limit(circuit)),
        };
        format!("{bytes} bytes for {}", circuit.manifest().name)
    };
    let sizes: Vec<_> = circuits.map(size).collect();
    match sizes.is_empty() {
        true => "nothing: this server has no such circuit".to_owned(),
        false => sizes.join(", "),
    }
}

/// A key or a ciphertext.
pub(super) struct Octets;

impl PartialSchema for Octets {
    fn schema() -> RefOr<Schema> {
        let bytes = ObjectBuilder::new()
            .schema_type(Type::String)
            .content_media_type(OCTETS)
            .description(Some("A key or a ciphertext, as the `fhe` crate writes it"));
        bytes.into()
    }
}

impl ToSchema for Octets {}

/// Progress, then a result or a problem.
pub(super) struct Events;

impl PartialSchema for Events {
    fn schema() -> RefOr<Schema> {
        let events = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Server-sent events: `progress` with a Progress any number of times, then one `result` with an \
                 EvaluationResult or one `problem` with a Problem",
            ));
        events.into()
    }
}

impl ToSchema for Events {}

/// Problems as responses, those of one status together.
pub(super) fn responses(kinds: &[ProblemKind]) -> BTreeMap<String, RefOr<openapi::Response>> {
    let mut descriptions = BTreeMap::<u16, Vec<String>>::new();
    for kind in kinds {
        let name = serde_json::to_value(kind).expect("plain data");
        let name = name.as_str().unwrap_or_default();
        let description = format!("`{name}`: {}", kind.title());
        let same = descriptions.entry(kind.status()).or_default();
        same.push(description);
    }
    let response = |descriptions: Vec<String>| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
        ResponseBuilder::new()
            .description(descriptions.join("; "))
            .content(PROBLEM_JSON, content.build())
            .build()
    };
    let responses = descriptions
        .into_iter()
        .fold(ResponsesBuilder::new(), |all, (status, descriptions)| {
            all.response(status.to_string(), response(descriptions))
        });
    responses.build().responses
}

/// A type for the problems that an operation may answer with, besides a bug.
macro_rules! problems {
    ($($name:ident: $($kind:ident),+;)+) => {$(
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
                responses(&[$(ProblemKind::$kind,)+ ProblemKind::Internal])
            }
        }
    )+};
}

problems! {
    NoProblems: Internal;
    ReadyProblems: NotReady;
    CircuitProblems: MalformedRequest, UnknownCircuit, CircuitUnavailable;
    KeyProblems: MalformedRequest, UnknownKey, StorageUnavailable;
    UploadProblems: MalformedRequest, WrongParameterSet, TooManyKeys, UploadBusy, TooLarge, MalformedKey, Busy,
        StorageUnavailable, StorageFull;
    OffsetProblems: MalformedRequest, WrongParameterSet, UnknownUpload, UploadBusy, StorageUnavailable;
    ResumeProblems: MalformedRequest, WrongParameterSet, UnknownUpload, UploadOffset, TooManyKeys, UploadBusy,
        TooLarge, MalformedKey, Busy, StorageUnavailable, StorageFull;
    EvaluationProblems: MalformedRequest, UnknownCircuit, CircuitUnavailable, WrongOperation, StaleCircuit,
        UnknownKey, WrongParameterSet, TooLarge, MalformedInput, Busy, BudgetExhausted, ShuttingDown, StorageUnavailable, StorageFull;
    OpenProblems: MalformedRequest, UnknownCircuit, CircuitUnavailable, WrongOperation, StaleCircuit, UnknownKey,
        WrongParameterSet, TooManySessions, StorageUnavailable, StorageFull;
    SessionProblems: MalformedRequest, UnknownSession, StorageUnavailable;
    LogitsProblems: MalformedRequest, UnknownSession, SessionPosition, StorageUnavailable;
    TokensProblems: MalformedRequest, UnknownSession, UnknownKey, SessionBusy, SessionPosition, ContextExceeded,
        WrongParameterSet, TooLarge, MalformedInput, Busy, BudgetExhausted, ShuttingDown, StorageUnavailable, StorageFull;
}
