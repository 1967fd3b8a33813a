//! Clients of the library: whatever happens to the server, they go on by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use cipherformer_client::{Client, ClientError};
use tokio::task::JoinSet;

use super::World;
use crate::context::Context;
use crate::wire;

/// The longest that both may wait for an answer when nobody kills the server: the pauses of the library after
/// many failures, and a few tokens.
const LONGEST_WAIT: Duration = Duration::from_secs(90);

/// Starts one that classifies prompts and one that writes names; both end when they are told to.
pub(super) async fn start(world: &Arc<World>, context: &Context) -> Result<JoinSet<()>> {
    context.stage.say("keys of the library's clients");
    let guard = wire::client(&world.url, &context.folder().join("guard")).await?;
    guard.keys(world.guard.parameters()).await?;
    let writer = wire::client(&world.url, &context.folder().join("writer")).await?;
    writer.keys(world.writer.parameters()).await?;
    let mut tasks = JoinSet::new();
    let shared = Arc::clone(world);
    tasks.spawn(async move {
        for number in 0.. {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            shared.told("classifies", classify(&shared, &guard, number).await);
        }
    });
    let shared = Arc::clone(world);
    tasks.spawn(async move {
        for number in 0.. {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            shared.told("writes", write(&shared, &writer, number).await);
        }
    });
    Ok(tasks)
}

impl World {
    fn told(&self, who: &str, outcome: Result<(), ClientError>) {
        if let Err(error) = outcome {
            self.violations
                .add(&format!("library that {who}"), error.to_string());
        }
    }

    fn count(&self, answers: &AtomicUsize, checked: Result<(), String>) {
        match checked {
            Ok(()) => {
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(wrong) => self.violations.add("library's answer", wrong),
        }
    }

    /// Waits until both have one more answer.
    pub(super) async fn library_answers(&self) {
        let answers =
            || [&self.counts.verdicts, &self.counts.letters].map(|n| n.load(Ordering::Relaxed));
        let (before, start) = (answers(), Instant::now());
        while answers()
            .iter()
            .zip(before)
            .any(|(now, before)| *now == before)
        {
            if start.elapsed() > LONGEST_WAIT {
                self.violations
                    .add("library", "no answer, though the server was left alone");
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn classify(world: &World, client: &Client, number: usize) -> Result<(), ClientError> {
    let prompt = &world.prompts[number % world.prompts.len()];
    let answer = client.classify("prompt-guard", &prompt.text).await?;
    world.count(
        &world.counts.verdicts,
        prompt.check(&answer.label, &answer.scores),
    );
    Ok(())
}

async fn write(world: &World, client: &Client, number: usize) -> Result<(), ClientError> {
    let circuit = client.circuit("names-gpt").await?;
    let keys = client.keys(circuit.parameters()).await?;
    let name = world.names.get(number);
    let mut session = client.open_session(&circuit, &keys).await?;
    for token in &name.tokens {
        if world.stop.load(Ordering::Relaxed) {
            break;
        }
        let step = session.append(&[*token]).await?;
        world.count(
            &world.counts.letters,
            name.check(session.position(), &step.logits),
        );
    }
    match session.close().await {
        // The server was killed while it closed it, before or after.
        Err(ClientError::NoServer { .. } | ClientError::Lost { .. }) => Ok(()),
        Err(error) if error.problem().is_some() => Ok(()),
        closed => closed,
    }
}
