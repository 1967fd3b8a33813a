//! What belongs to one owner does not exist for another, and nobody gets more than the budget.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cipherformer_protocol::{KeyId, KeyInfo, ProblemKind, SessionId, SessionInfo, routes};
use cipherformer_server::Owner;
use futures_util::future::join_all;

use crate::texts::{WRITER, sessions, world};
use crate::world::{Answer, CLIENT, World, another_key, before_midnight, evaluation, named};

async fn register(world: &World, owner: &Owner) -> StatusCode {
    let path = routes::key_upload(&CLIENT.id, "insecure-toy");
    let key = CLIENT.key.clone();
    world.send_as(owner, Method::PUT, &path, key).await.status
}

async fn evaluate(world: &World, owner: &Owner) -> Answer {
    let input = CLIENT.input.clone();
    world
        .send_as(owner, Method::POST, &evaluation(), input)
        .await
}

async fn delete(world: &World, owner: &Owner, id: &KeyId) -> Answer {
    world
        .send_as(owner, Method::DELETE, &routes::key(id), "")
        .await
}

fn budget(name: &str, evaluations: u64) -> Owner {
    Owner {
        evaluations_per_day: Some(evaluations),
        ..named(name)
    }
}

#[tokio::test]
async fn nobody_can_see_use_or_delete_the_key_of_another() {
    let world = World::new();
    let (alice, bob, nobody) = (named("alice"), named("bob"), Owner::default());
    assert_eq!(register(&world, &alice).await, StatusCode::CREATED);
    let never = KeyId::of(b"never registered");
    for other in [&bob, &nobody] {
        let mut details = Vec::new();
        for id in [&CLIENT.id, &never] {
            let path = routes::key(id);
            let evaluation = evaluation().replace(&CLIENT.id.to_string(), &id.to_string());
            let input = CLIENT.input.clone();
            for answer in [
                world.send_as(other, Method::GET, &path, "").await,
                world.send_as(other, Method::POST, &evaluation, input).await,
                delete(&world, other, id).await,
            ] {
                let problem = answer.problem();
                assert_eq!(problem.kind, ProblemKind::UnknownKey);
                details.push(problem.detail.replace(&id.to_string(), "ID"));
            }
        }
        details.dedup();
        assert_eq!(details.len(), 1, "nothing tells them apart: {details:?}");
    }
    CLIENT.check(&evaluate(&world, &alice).await.body);
}

#[tokio::test]
async fn the_same_key_of_two_owners_is_registered_twice_and_goes_one_by_one() {
    let world = World::new();
    let (alice, bob) = (named("alice"), named("bob"));
    for owner in [&alice, &bob] {
        assert_eq!(register(&world, owner).await, StatusCode::CREATED);
        assert_eq!(register(&world, owner).await, StatusCode::OK);
        CLIENT.check(&evaluate(&world, owner).await.body);
    }
    assert_eq!(delete(&world, &alice, &CLIENT.id).await.status, 204);
    let gone = evaluate(&world, &alice).await.problem();
    assert_eq!(gone.kind, ProblemKind::UnknownKey);
    CLIENT.check(&evaluate(&world, &bob).await.body);
    let world = world.restart();
    CLIENT.check(&evaluate(&world, &bob).await.body);
    assert_eq!(delete(&world, &bob, &CLIENT.id).await.status, 204);
    assert!(!world.key_file().exists());
}

#[tokio::test]
async fn sessions_are_of_an_owner() {
    let world = world(|_| ()).await;
    let (alice, bob, nobody) = (named("alice"), named("bob"), Owner::default());
    for owner in [&alice, &bob] {
        let path = routes::key_upload(&WRITER.id, "insecure-precise");
        let key = WRITER.key.clone();
        let answer = world.send_as(owner, Method::PUT, &path, key).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    let opened = world.send_as(&alice, Method::POST, &sessions(), "").await;
    let id = opened.json::<SessionInfo>().id;
    let never = SessionId::new(1);
    let mut details = Vec::new();
    for id in [&id, &never] {
        for other in [&bob, &nobody] {
            let session = routes::session(id, &WRITER.id);
            let logits = routes::logits(id, &WRITER.id);
            let tokens = routes::tokens(id, &WRITER.id, 0);
            let body = WRITER.encrypt(&[0]);
            for answer in [
                world.send_as(other, Method::GET, &session, "").await,
                world.send_as(other, Method::GET, &logits, "").await,
                world.send_as(other, Method::POST, &tokens, body).await,
                world.send_as(other, Method::DELETE, &session, "").await,
            ] {
                let problem = answer.problem();
                assert_eq!(problem.kind, ProblemKind::UnknownSession);
                details.push(problem.detail);
            }
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "nothing tells them apart");
    // The same after a restart, when it is read from disk.
    let world = world.restart();
    let session = routes::session(&id, &WRITER.id);
    for (owner, status) in [(&bob, 404), (&alice, 200), (&nobody, 404)] {
        let answer = world.send_as(owner, Method::GET, &session, "").await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn an_owner_with_a_name_has_only_so_many_keys() {
    let world = World::with(|config| config.keys_per_owner = 1);
    let alice = named("alice");
    assert_eq!(register(&world, &alice).await, StatusCode::CREATED);
    let (key, id) = another_key();
    let path = routes::key_upload(&id, "insecure-toy");
    let refused = world.send_as(&alice, Method::PUT, &path, key.clone()).await;
    assert_eq!(refused.problem().kind, ProblemKind::TooManyKeys);
    assert_eq!(register(&world, &alice).await, StatusCode::OK);
    let free = world.send(Method::PUT, &path, key.clone()).await;
    assert_eq!(free.json::<KeyInfo>().id, id);
    delete(&world, &alice, &CLIENT.id).await;
    let taken = world.send_as(&alice, Method::PUT, &path, key).await;
    assert_eq!(taken.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_budget_is_for_a_day_and_outlasts_a_restart() {
    before_midnight().await;
    let world = World::new();
    let alice = budget("alice", 3);
    register(&world, &alice).await;
    register(&world, &budget("bob", 1)).await;
    for _ in 0..2 {
        CLIENT.check(&evaluate(&world, &alice).await.body);
    }
    let world = world.restart();
    CLIENT.check(&evaluate(&world, &alice).await.body);
    let exhausted = evaluate(&world, &alice).await;
    assert_eq!(exhausted.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = exhausted.header("retry-after").parse().expect("a number");
    assert!((1..=86_400).contains(&seconds));
    let problem = exhausted.problem();
    assert_eq!(problem.kind, ProblemKind::BudgetExhausted);
    assert!(
        problem.detail.contains("of the 3 evaluations"),
        "{}",
        problem.detail
    );
    CLIENT.check(&evaluate(&world, &budget("bob", 1)).await.body);
    CLIENT.check(&evaluate(&world, &budget("alice", 4)).await.body);
}

#[tokio::test]
async fn a_stream_is_not_begun_when_the_budget_is_used_up() {
    let world = World::new();
    let alice = budget("alice", 0);
    register(&world, &alice).await;
    let request = Request::post(evaluation())
        .header("accept", "text/event-stream")
        .extension(alice)
        .body(Body::from(CLIENT.input.clone()));
    let answer = world.request(request.expect("valid")).await;
    assert_eq!(answer.problem().kind, ProblemKind::BudgetExhausted);
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn what_fails_or_is_refused_costs_nothing() {
    before_midnight().await;
    let world = World::with(|config| config.queue = 0);
    let alice = budget("alice", 5);
    assert_eq!(evaluate(&world, &alice).await.status, 404);
    register(&world, &alice).await;
    let path = evaluation();
    let bad = world.send_as(&alice, Method::POST, &path, "bad").await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Most of these come while the only place is taken.
    let answers = join_all((0..5).map(|_| evaluate(&world, &alice))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..5).contains(&served), "{served}");
    std::fs::write(world.key_file(), "damaged").expect("written");
    let world = world.restart();
    assert_eq!(evaluate(&world, &alice).await.status, 404);
    register(&world, &alice).await;
    for _ in served..5 {
        CLIENT.check(&evaluate(&world, &alice).await.body);
    }
    let over = evaluate(&world, &alice).await.problem();
    assert_eq!(over.kind, ProblemKind::BudgetExhausted);
}

#[tokio::test]
async fn requests_at_once_do_not_get_more_than_the_budget() {
    before_midnight().await;
    let world = World::new();
    let alice = budget("alice", 3);
    register(&world, &alice).await;
    let answers = join_all((0..8).map(|_| evaluate(&world, &alice))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 3);
    let over = evaluate(&world, &alice).await.problem();
    assert_eq!(over.kind, ProblemKind::BudgetExhausted);
}

#[tokio::test]
async fn each_token_counts() {
    before_midnight().await;
    let world = world(|_| ()).await;
    let alice = budget("alice", 3);
    let path = routes::key_upload(&WRITER.id, "insecure-precise");
    world
        .send_as(&alice, Method::PUT, &path, WRITER.key.clone())
        .await;
    let opened = world.send_as(&alice, Method::POST, &sessions(), "").await;
    let id = opened.json::<SessionInfo>().id;
    let append = async |position: usize, tokens: &[usize]| {
        let path = routes::tokens(&id, &WRITER.id, position);
        let body = WRITER.encrypt(tokens);
        world.send_as(&alice, Method::POST, &path, body).await
    };
    assert_eq!(append(0, &[0, 3]).await.status, StatusCode::OK);
    let problem = append(2, &[1, 2]).await.problem();
    assert_eq!(problem.kind, ProblemKind::BudgetExhausted);
    assert!(problem.detail.contains("1 are left"), "{}", problem.detail);
    let last = append(2, &[1]).await;
    WRITER.check(&last.body, &[0, 3, 1]);
    let problem = append(3, &[1]).await.problem();
    assert_eq!(problem.kind, ProblemKind::BudgetExhausted);
}
