//! What a server that was started again must know.

use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};
use cipherformer_protocol::{SessionId, SessionInfo, routes};
use reqwest::StatusCode;

use super::ledger::{Standing, Text};
use super::{Failure, World};
use crate::wire::Pair;

/// Everything that clients by hand were told, while they rest.
pub(super) async fn restarted(world: &World) -> Result<()> {
    for pair in world.keys.iter().chain([&world.session_key]) {
        key(world, pair).await.context("asking for a key")?;
    }
    for (id, text) in world.ledger.sessions() {
        session(world, &id, text)
            .await
            .context("asking for a session")?;
    }
    let damaged = world.wire.figures().await?.sum("damaged_total", "");
    if damaged > 0.0 {
        world
            .violations
            .add("damage", format!("{damaged} things damaged"));
    }
    Ok(())
}

/// Every key that is registered can still be used.
pub(super) async fn usable(world: &World) -> Result<()> {
    for (number, pair) in world.keys.iter().enumerate() {
        if world.ledger.key(&pair.id).standing() == Standing::Registered {
            evaluated(world, pair, number).await?;
        }
    }
    Ok(())
}

async fn evaluated(world: &World, pair: &Pair, number: usize) -> Result<()> {
    match world.evaluate(pair, number).await {
        Ok(()) => {}
        Err(Failure::Wrong(what)) => world.violations.add("unusable key", what),
        Err(Failure::Gone) => anyhow::bail!("the server is gone"),
    }
    Ok(())
}

async fn key(world: &World, pair: &Pair) -> Result<()> {
    let page = world.ledger.key(&pair.id);
    let answer = world.wire.get(&routes::key(&pair.id)).await?;
    let there = match answer.status {
        StatusCode::OK => true,
        StatusCode::NOT_FOUND => false,
        _ => {
            world.violations.add("key", answer.text());
            return Ok(());
        }
    };
    let counts = &world.counts;
    match (page.standing(), there) {
        (Standing::Registered, true) => {
            counts.keys.fetch_add(1, Ordering::Relaxed);
        }
        (Standing::Registered, false) => {
            world.violations.add("key lost", answer.text());
            page.forget();
        }
        (Standing::Absent, false) => {
            counts.deletions.fetch_add(1, Ordering::Relaxed);
        }
        (Standing::Absent, true) => {
            world.violations.add("key is back", answer.text());
            page.acknowledge();
        }
        (Standing::Unsure, true) => {
            // Its upload, or its deletion, was cut off. If it is there, it is whole.
            page.acknowledge();
            evaluated(world, pair, 0).await?;
        }
        (Standing::Unsure, false) => {
            counts.uploads_cut.fetch_add(1, Ordering::Relaxed);
            page.forget();
        }
    }
    Ok(())
}

async fn session(world: &World, id: &SessionId, mut text: Text) -> Result<()> {
    let key = &world.session_key;
    let answer = world.wire.get(&routes::session(id, &key.id)).await?;
    if answer.status != StatusCode::OK {
        if !text.closing {
            world.violations.add("session lost", answer.text());
        }
        world.ledger.forget_session(id);
        return Ok(());
    }
    let info: SessionInfo = serde_json::from_slice(&answer.body)?;
    let newest = text.position + usize::from(text.in_flight);
    if !(text.position..=newest).contains(&info.position) {
        let what = format!("{} instead of {} to {newest}", info.position, text.position);
        world.violations.add("session position", what);
    } else if info.position > 0 {
        let logits = world.wire.get(&routes::logits(id, &key.id)).await?;
        let same = info.position == text.position && logits.body == text.answer;
        let name = world.names.get(text.name);
        let right = || {
            world
                .names
                .check_output(name, info.position, &logits.body, &key.secret)
        };
        let newer = info.position > text.position;
        let good = logits.position == Some(info.position) && (same || newer);
        if let (false, _) | (_, Err(_)) = (good, right()) {
            let what = format!("at {} of {}: {}", info.position, newest, logits.status);
            world.violations.add("session answer", what);
        }
        text.answer = logits.body;
    }
    world
        .counts
        .positions
        .fetch_add(text.position, Ordering::Relaxed);
    text.position = info.position;
    text.in_flight = false;
    world.ledger.set_session(id, text);
    Ok(())
}
