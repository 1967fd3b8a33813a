//! The OpenAPI document says what the routes do, and the routes do what it says.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::Method;
use cipherformer_protocol::{ProblemKind, routes};
use serde_json::Value;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, OpenApiVersion, RefOr};

use crate::world::{Answer, World};

const PATHS: [&str; 14] = [
    routes::CIRCUITS,
    routes::CIRCUIT,
    routes::VOCABULARY,
    routes::EVALUATIONS,
    routes::SESSIONS,
    routes::SESSION,
    routes::TOKENS,
    routes::LOGITS,
    routes::KEY,
    routes::UPLOAD,
    routes::HEALTH,
    routes::READY,
    routes::METRICS,
    routes::OPENAPI,
];

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| {
    let fetch = || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let world = World::new();
        runtime.block_on(async {
            use tower::ServiceExt;
            let request = axum::http::Request::get(routes::OPENAPI).body(Body::empty());
            let response = world.router.clone().oneshot(request.expect("valid"));
            let body = response.await.expect("infallible").into_body();
            axum::body::to_bytes(body, 1 << 24).await.expect("whole")
        })
    };
    // Tests have runtimes of their own, in which no other one may run.
    let bytes = std::thread::spawn(fetch).join().expect("no panic");
    serde_json::from_slice(&bytes).expect("an OpenAPI document")
});

fn operations(item: &PathItem) -> Vec<(Method, &Operation)> {
    [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::DELETE, &item.delete),
        (Method::PATCH, &item.patch),
        (Method::HEAD, &item.head),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
    .collect()
}

/// Fails if this answer to such a request is none that the document has. Every request of these tests is
/// checked, so the document knows every answer that any test gets.
pub(crate) fn check_declared(method: &Method, path: &str, answer: &Answer) {
    let fits = |pattern: &str| {
        let (pattern, path) = (pattern.split('/'), path.split('/'));
        let same = pattern.clone().zip(path.clone());
        pattern.count() == path.count()
            && same.into_iter().all(|(p, s)| p.starts_with('{') || p == s)
    };
    let item = DOCUMENT
        .paths
        .paths
        .iter()
        .find(|(pattern, _)| fits(pattern));
    let Some((pattern, item)) = item else {
        let harmless = matches!(answer.status.as_u16(), 401 | 404);
        assert!(harmless, "{path} is not in the document");
        return;
    };
    let asked = operations(item)
        .into_iter()
        .find(|(other, _)| other == method);
    let Some((_, operation)) = asked else {
        let harmless = method == Method::HEAD || matches!(answer.status.as_u16(), 401 | 405);
        assert!(harmless, "{method} {pattern} is not in the document");
        return;
    };
    let status = answer.status.as_u16().to_string();
    let declared = operation.responses.responses.get(&status);
    let Some(RefOr::T(response)) = declared else {
        panic!("{method} {pattern} may not answer with {status}: {answer:?}");
    };
    for name in response
        .headers
        .keys()
        .filter(|name| *name != "retry-after")
    {
        assert!(
            answer.headers.contains_key(name) || !declares_always(name),
            "{name}: {answer:?}"
        );
    }
    let Some(media_type) = answer.headers.get("content-type") else {
        assert!(
            response.content.is_empty(),
            "{method} {pattern}: {answer:?}"
        );
        return;
    };
    let media_type = media_type.to_str().expect("text").split(';').next();
    let media_type = media_type.unwrap_or_default().to_owned();
    assert!(
        response.content.contains_key(&media_type),
        "{method} {pattern} may not answer {status} with {media_type}"
    );
}

/// Figures of an evaluation are in events instead, if those are asked for.
fn declares_always(header: &str) -> bool {
    header == "x-request-id"
}

#[test]
fn it_has_every_path_and_no_other() {
    let paths: BTreeSet<&str> = DOCUMENT.paths.paths.keys().map(String::as_str).collect();
    assert_eq!(paths, BTreeSet::from(PATHS));
    assert!(matches!(DOCUMENT.openapi, OpenApiVersion::Version31));
}

#[tokio::test]
async fn the_router_has_every_operation_and_no_other() {
    let world = World::new();
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::PATCH,
    ];
    for (pattern, item) in &DOCUMENT.paths.paths {
        let path = pattern.replace("{name}", "nope").replace("{id}", "nope");
        let documented: Vec<Method> = operations(item).into_iter().map(|(m, _)| m).collect();
        for method in &methods {
            let answer = world.send(method.clone(), &path, Body::empty()).await;
            let taken = answer.status.as_u16() != 405;
            assert_eq!(taken, documented.contains(method), "{method} {pattern}");
            if answer.status.is_client_error() {
                assert_ne!(
                    answer.problem().kind,
                    ProblemKind::UnknownRoute,
                    "{pattern}"
                );
            }
        }
    }
}

#[test]
fn whatever_it_refers_to_is_in_it() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(target) if name == "$ref" => {
                            found.insert(target.clone());
                        }
                        _ => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(&*DOCUMENT).expect("plain data");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"), "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_is_described_for_whoever_calls_it() {
    let document = serde_json::to_value(&*DOCUMENT).expect("plain data");
    let mut ids = BTreeSet::new();
    for (pattern, item) in &DOCUMENT.paths.paths {
        for (method, operation) in operations(item) {
            let what = format!("{method} {pattern}");
            assert!(operation.summary.is_some(), "{what} has no summary");
            let id = operation.operation_id.clone();
            assert!(
                ids.insert(id.expect("a name")),
                "{what} has the name of another"
            );
            let named = operation
                .parameters
                .iter()
                .flatten()
                .filter_map(|p| match p {
                    RefOr::T(p) => Some(p.name.as_str()),
                    RefOr::Ref(_) => None,
                });
            let named: BTreeSet<&str> = named.collect();
            for name in ["name", "id"] {
                assert_eq!(
                    pattern.contains(&format!("{{{name}}}")),
                    named.contains(name),
                    "{what}"
                );
            }
        }
    }
    let kinds = document.pointer("/components/schemas/ProblemKind/enum");
    let kinds = kinds.and_then(Value::as_array).expect("all kinds");
    assert!(kinds.iter().any(|kind| kind == "shutting-down"));
    let id = document.pointer("/components/schemas/KeyId/pattern");
    assert_eq!(id.and_then(Value::as_str), Some("^[0-9a-f]{64}$"));
    let body = document.pointer("/paths/~1v1~1keys~1{id}/put/requestBody/description");
    let body = body.and_then(Value::as_str).expect("a description");
    assert!(body.contains("bytes for fast-1024"), "{body}");
    let body = "/paths/~1v1~1circuits~1{name}~1evaluations/post/requestBody/description";
    let body = document.pointer(body).and_then(Value::as_str);
    assert!(body.expect("a description").contains("bytes for test"));
}
