//! What nobody should send: to every reader of bytes, in a process of its own, and to every operation of the
//! interface, as its own description lists them.

mod answer;
pub(crate) mod codecs;
mod interface;
mod material;
mod request;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use cipherformer_client::Client;
use cipherformer_protocol::routes;
use cipherformer_server::{KEY_MEMORY_MB, QUEUE};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::prompts::{self, Prompt};
use crate::report::{Section, Violations};
use crate::wire::{self, Wire};
use interface::Interface;
use material::Material;

/// Connections at once.
const CONNECTIONS: u64 = 8;
/// Rounds of requests; after each, a good client must be served, and what was used up is made good.
const ROUNDS: u64 = 10;
/// What the server's memory may be at its peak: what it may need in honest use.
const LIMIT_MB: f64 = 2048.0;
/// What it may have more at the end than after the first round, but for expanded keys.
const GROWTH_MB: f64 = 200.0;

/// Runs it.
pub(crate) async fn run(context: &Context, report: &mut Section<'_>) -> Result<()> {
    codecs::press(context, report).await?;
    press_interface(context, report).await
}

/// What good clients are told meanwhile.
struct Good {
    client: Client,
    prompts: Vec<Prompt>,
}

async fn press_interface(context: &Context, report: &mut Section<'_>) -> Result<()> {
    let mut server = context.server(QUEUE, KEY_MEMORY_MB)?;
    let wire = Wire::new(&server.url())?;
    let document = wire.get(routes::OPENAPI).await?;
    let interface = Arc::new(Interface::new(&serde_json::from_slice(&document.body)?)?);
    context.stage.say("making keys");
    let guard = context.circuit("prompt-guard")?;
    let good = Good {
        client: wire::client(&server.url(), &context.folder().join("home")).await?,
        prompts: prompts::choose(&guard, ROUNDS as usize + 1, context.seed)?,
    };
    let mut material = Material::new(context, &guard)?;
    let violations = Violations::default();
    good.ask(0, &violations).await;
    let total = context.sizes.requests;
    let sender = Sender {
        wire: wire.clone(),
        interface,
        violations: violations.clone(),
        sent: Arc::new(AtomicU64::new(0)),
        end: context.end(),
    };
    let mut memory = Vec::new();
    for round in 0..ROUNDS {
        if context.is_over() {
            break;
        }
        material.refresh(&wire).await?;
        context
            .stage
            .say(format!("{} of {total} requests", sender.count()));
        let seed = context.seed ^ (round << 32);
        sender
            .send(&material, total * (round + 1) / ROUNDS, seed)
            .await;
        server.check_alive()?;
        good.ask(round as usize + 1, &violations).await;
        // Keys that are ready for use have a budget of their own.
        let keys = wire.figures().await?.sum("key_cache_bytes", "") / f64::from(1 << 20);
        memory.extend(server.memory_mb().map(|all| all - keys));
    }
    for complaint in server.complaints()? {
        violations.add("log", complaint);
    }
    let what = format!(
        "requests to {} operations",
        sender.interface.operations.len()
    );
    report.done(what, sender.count(), total);
    report.violations(&violations);
    report.memory("server's peak memory", server.peak_memory_mb(), LIMIT_MB);
    let growth = memory
        .first()
        .zip(memory.last())
        .map(|(first, last)| last - first);
    report.memory(
        "its growth since the first round, but for keys",
        growth,
        GROWTH_MB,
    );
    Ok(())
}

/// Sends hostile requests.
#[derive(Clone)]
struct Sender {
    wire: Wire,
    interface: Arc<Interface>,
    violations: Violations,
    sent: Arc<AtomicU64>,
    end: Instant,
}

impl Sender {
    fn count(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Over some connections at once, until there were so many.
    async fn send(&self, material: &Material, until: u64, seed: u64) {
        let material = Arc::new(material.clone());
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            let (sender, material) = (self.clone(), Arc::clone(&material));
            let mut random = StdRng::seed_from_u64(seed ^ number);
            tasks.spawn(async move {
                while sender.sent.fetch_add(1, Ordering::Relaxed) < until {
                    if Instant::now() >= sender.end {
                        break;
                    }
                    let Sender {
                        wire,
                        interface,
                        violations,
                        ..
                    } = &sender;
                    answer::send(wire, interface, &material, random.random(), violations).await;
                }
                // The one too many.
                sender.sent.fetch_sub(1, Ordering::Relaxed);
            });
        }
        tasks.join_all().await;
    }
}

impl Good {
    /// A good client is served as ever.
    async fn ask(&self, number: usize, violations: &Violations) {
        let prompt = &self.prompts[number];
        match self.client.classify("prompt-guard", &prompt.text).await {
            Ok(answer) => {
                if let Err(wrong) = prompt.check(&answer.label, &answer.scores) {
                    violations.add("good client", wrong);
                }
            }
            Err(error) => violations.add("good client", error.to_string()),
        }
    }
}
