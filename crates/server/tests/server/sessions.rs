//! Sessions that go on, and come to an end.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cipherformer_protocol::{ProblemKind, SessionInfo, headers, routes};
use cipherformer_server::Config;
use futures_util::future::{join, join3, join5};

use crate::names::CONTEXT;
use crate::socket::{LONG, deep_world};
use crate::texts::{WRITER, append, check_distinct, close, open, register, save, show, world};
use crate::world::{Answer, CLIENT, World, progress_and_result};

#[tokio::test]
async fn a_session_is_opened_shown_and_closed() {
    let world = world(|config| config.session_minutes = 3).await;
    let opened = open(&world).await;
    let expected = SessionInfo {
        id: opened.id.clone(),
        position: 0,
        context: CONTEXT,
        busy: false,
        expires_in_seconds: 0,
    };
    for mut info in [opened.clone(), show(&world, &opened.id).await] {
        let seconds = std::mem::take(&mut info.expires_in_seconds);
        assert!((150..=180).contains(&seconds), "{seconds}");
        assert_eq!(info, expected);
    }
    let path = routes::session(&opened.id, &WRITER.id);
    assert_eq!(
        close(&world, &opened.id).await.status,
        StatusCode::NO_CONTENT
    );
    let gone = world.get(&path).await.problem();
    assert_eq!(gone.kind, ProblemKind::UnknownSession);
}

#[tokio::test]
async fn tokens_are_evaluated_after_those_before_them() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    let tokens = [0, 3, 1, 4];
    for (range, position) in [(0..2, 2), (2..3, 3), (3..4, 4)] {
        let start = range.start;
        let answer = append(&world, &id, start, &tokens[range]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.header(headers::POSITION), position.to_string());
        assert!(answer.header(headers::LUTS) != "0");
        WRITER.check(&answer.body, &tokens[..position]);
        assert_eq!(show(&world, &id).await.position, position);
        let again = world.get(&routes::logits(&id, &WRITER.id)).await;
        assert_eq!(again.body, answer.body, "the last answer can be had again");
        for name in [headers::POSITION, headers::LUTS, headers::SERVER_MS] {
            assert_eq!(again.header(name), answer.header(name));
        }
    }
    let full = append(&world, &id, 4, &[1]).await.problem();
    assert_eq!(full.kind, ProblemKind::ContextExceeded);
}

#[tokio::test]
async fn a_retry_does_not_append_twice() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    assert_eq!(append(&world, &id, 0, &[0]).await.status, StatusCode::OK);
    let again = append(&world, &id, 0, &[0]).await.problem();
    assert_eq!(again.kind, ProblemKind::SessionPosition);
    assert!(again.detail.contains("at position 1"), "{}", again.detail);
    assert_eq!(show(&world, &id).await.position, 1);
}

#[tokio::test]
async fn sessions_of_one_key_do_not_mix() {
    let world = world(|_| ()).await;
    let (a, b) = (open(&world).await.id, open(&world).await.id);
    append(&world, &a, 0, &[0, 4]).await;
    append(&world, &b, 0, &[0, 0]).await;
    let (more_a, more_b) = join(append(&world, &a, 2, &[4]), append(&world, &b, 2, &[4])).await;
    check_distinct(&[0, 4, 4], &[0, 0, 4]);
    WRITER.check(&more_a.body, &[0, 4, 4]);
    WRITER.check(&more_b.body, &[0, 0, 4]);
}

#[tokio::test]
async fn progress_counts_the_luts_of_all_tokens() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    let tokens = [0, 2, 2];
    let request = Request::post(routes::tokens(&id, &WRITER.id, 0))
        .header("accept", "text/event-stream")
        .body(Body::from(WRITER.encrypt(&tokens)));
    let answer = world.request(request.expect("valid")).await;
    let (_, result) = progress_and_result(&answer);
    WRITER.check(&result.output, &tokens);
    assert_eq!(result.position, Some(3));
}

#[tokio::test]
async fn one_of_two_appends_at_once_is_turned_away() {
    let (world, long) = long_world(|_| ()).await;
    let id = open(&world).await.id;
    // There is one worker, so the first two cannot be done when the third comes.
    let (long, first, second) = join3(
        evaluate(&world, &long),
        append(&world, &id, 0, &[0]),
        append(&world, &id, 0, &[0]),
    )
    .await;
    assert_eq!(
        (long.status, first.status),
        (StatusCode::OK, StatusCode::OK)
    );
    assert_eq!(second.problem().kind, ProblemKind::SessionBusy);
    assert_eq!(show(&world, &id).await.position, 1);
}

#[tokio::test]
async fn tokens_of_a_session_that_was_closed_are_not_evaluated() {
    let (world, long) = long_world(|_| ()).await;
    let id = open(&world).await.id;
    let (long, waiting, closed) = join3(
        evaluate(&world, &long),
        append(&world, &id, 0, &[0]),
        close(&world, &id),
    )
    .await;
    assert_eq!(closed.status, StatusCode::NO_CONTENT);
    assert_eq!(waiting.problem().kind, ProblemKind::UnknownSession);
    assert_eq!(long.status, StatusCode::OK, "{long:?}");
}

#[tokio::test]
async fn closed_sessions_do_not_let_one_key_fill_the_queue() {
    let (world, long) = long_world(|config| config.queue = 7).await;
    let ids = [open(&world).await.id, open(&world).await.id];
    let last = open(&world).await.id;
    // There is one worker, so that all the others wait in the queue until all have come.
    let (first, ((a, b), _, _, refused, served)) = join(
        evaluate(&world, &long),
        join5(
            join(
                append(&world, &ids[0], 0, &[0, 1, 2, 3]),
                append(&world, &ids[1], 0, &[0, 1, 2, 3]),
            ),
            close(&world, &ids[0]),
            close(&world, &ids[1]),
            append(&world, &last, 0, &[0]),
            world.evaluate(),
        ),
    )
    .await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    let problem = refused.problem();
    assert_eq!(problem.kind, ProblemKind::Busy);
    assert!(problem.detail.starts_with("you have"), "{}", problem.detail);
    assert_eq!(served.status, StatusCode::OK, "{served:?}");
    for dropped in [a, b] {
        assert_eq!(dropped.problem().kind, ProblemKind::UnknownSession);
    }
}

#[tokio::test]
async fn a_failure_leaves_the_session_as_it_was() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    damage_key(&world);
    let failed = append(&world, &id, 0, &[0, 1]).await.problem();
    assert_eq!(failed.kind, ProblemKind::UnknownKey);
    let info = show(&world, &id).await;
    assert_eq!((info.position, info.busy), (0, false));
    register(&world).await;
    let answer = append(&world, &id, 0, &[0, 1]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    WRITER.check(&answer.body, &[0, 1]);
}

/// A world where the only worker can be kept busy for long, and the path that does it.
async fn long_world(change: impl FnOnce(&mut Config)) -> (World, String) {
    let (world, path) = deep_world(LONG, |config| {
        save(config);
        change(config);
    })
    .await;
    register(&world).await;
    (world, path)
}

async fn evaluate(world: &World, path: &str) -> Answer {
    world.send(Method::POST, path, CLIENT.input.clone()).await
}

fn damage_key(world: &World) {
    let keys = world.config.data_dir.join("keys/insecure-precise");
    let path = keys.join(WRITER.id.to_string());
    let mut bytes = std::fs::read(&path).expect("stored");
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).expect("ours");
}
