//! Clients that leave while the server works for them.

use std::time::Duration;

use axum::http::Method;
use cipherformer_protocol::{EVENTS, OCTETS, routes};

use crate::operation::figure;
use crate::socket::{ENDLESS, Served, deep_luts, deep_world, send};
use crate::texts::{self, WRITER, append, open, show};
use crate::world::CLIENT;

const STOPPED: &str = r#"cipherformer_evaluations_total{circuit="deep",outcome="stopped"}"#;

#[tokio::test]
async fn an_evaluation_stops_when_its_client_leaves() {
    let (world, path) = deep_world(ENDLESS, |_| ()).await;
    let served = Served::start(world).await;
    for (index, accept) in [OCTETS, EVENTS].into_iter().enumerate() {
        let before = figure(&served.world, "cipherformer_luts_total").await;
        let before = before.unwrap_or(0.0);
        let stream = send(served.address, &Method::POST, &path, accept, &CLIENT.input).await;
        served.until("cipherformer_luts_total", before + 1.0).await;
        drop(stream);
        served.until(STOPPED, (index + 1) as f64).await;
        assert_eq!(
            figure(&served.world, "cipherformer_queue_running").await,
            Some(0.0)
        );
        let after = figure(&served.world, "cipherformer_luts_total").await;
        let luts = after.unwrap_or(0.0) - before;
        let all = deep_luts(ENDLESS);
        assert!(luts < all / 2.0, "{accept}: {luts} of {all}");
    }
    served.world.check_works().await;
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_makes_room() {
    let (world, path) = deep_world(ENDLESS, |config| config.queue = 7).await;
    let served = Served::start(world).await;
    let ask = || send(served.address, &Method::POST, &path, EVENTS, &CLIENT.input);
    let running = ask().await;
    served.until("cipherformer_queue_running", 1.0).await;
    let waiting = ask().await;
    served.until("cipherformer_queue_waiting", 1.0).await;
    let refused = served.world.evaluate().await.problem();
    assert!(refused.detail.contains("you have 2"), "{}", refused.detail);
    drop(waiting);
    for _ in 0..100 {
        if figure(&served.world, "cipherformer_queue_waiting").await == Some(0.0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let again = ask().await;
    served.until("cipherformer_queue_waiting", 1.0).await;
    drop((running, again));
}

#[tokio::test]
async fn tokens_under_way_are_evaluated_for_a_client_that_comes_back() {
    let served = Served::start(texts::world(|_| ()).await).await;
    for accept in [OCTETS, EVENTS] {
        let id = open(&served.world).await.id;
        let (path, body) = (
            routes::tokens(&id, &WRITER.id, 0),
            WRITER.encrypt(&[0, 3, 1]),
        );
        let before = figure(&served.world, "cipherformer_luts_total").await;
        let stream = send(served.address, &Method::POST, &path, accept, &body).await;
        served
            .until("cipherformer_luts_total", before.unwrap_or(0.0) + 1.0)
            .await;
        drop(stream);
        while show(&served.world, &id).await.busy {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let logits = served.world.get(&routes::logits(&id, &WRITER.id)).await;
        WRITER.check(&logits.body, &[0, 3, 1]);
        let next = append(&served.world, &id, 3, &[4]).await;
        WRITER.check(&next.body, &[0, 3, 1, 4]);
    }
}
