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

use anyhow::Result;
use cipherformer_client::Client;
use cipherformer_protocol::routes;
use cipherformer_server::{KEY_MEMORY_MB, QUEUE};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::process::Process;
use crate::prompts::{self, Prompt};
use crate::report::{Report, Violations};
use crate::wire::{self, Wire};
use interface::Interface;
use material::Material;

/// Connections at once.
const CONNECTIONS: usize = 8;
/// Rounds of requests; after each, a good client must be served, and what was used up is made good.
const ROUNDS: u64 = 10;
/// What the server's memory may be at its peak: what it needs in honest use, as README says.
const LIMIT_MB: f64 = 1024.0;
/// What it may have more at the end than after the first round, but for expanded keys.
const GROWTH_MB: f64 = 200.0;

/// Runs it.
pub(crate) async fn run(context: &Context, report: &mut Report) -> Result<()> {
    codecs::press(context, report).await?;
    press_interface(context, report).await
}

/// What good clients are told meanwhile.
struct Good {
    client: Client,
    prompts: Vec<Prompt>,
}

async fn press_interface(context: &Context, report: &mut Report) -> Result<()> {
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
    let (total, sent) = (context.sizes.requests, Arc::new(AtomicU64::new(0)));
    let closed = Arc::new(AtomicU64::new(0));
    let mut memory = Vec::new();
    for round in 0..ROUNDS {
        if context.is_over() {
            break;
        }
        material.refresh(&wire).await?;
        context.stage.say(format!(
            "{} of {total} requests",
            sent.load(Ordering::Relaxed)
        ));
        let shared = (Arc::clone(&interface), Arc::new(material.clone()));
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS as u64 {
            let (interface, material) = (Arc::clone(&shared.0), Arc::clone(&shared.1));
            let (wire, violations, sent) = (wire.clone(), violations.clone(), Arc::clone(&sent));
            let closed = Arc::clone(&closed);
            let mut random = StdRng::seed_from_u64(context.seed ^ (round << 32) ^ number);
            let (end, until) = (context.end(), total * (round + 1) / ROUNDS);
            tasks.spawn(async move {
                while sent.fetch_add(1, Ordering::Relaxed) < until {
                    if std::time::Instant::now() >= end {
                        break;
                    }
                    let seed = random.random();
                    let found = (&violations, closed.as_ref());
                    answer::send(&wire, &interface, &material, seed, found).await;
                }
                // The one too many.
                sent.fetch_sub(1, Ordering::Relaxed);
            });
        }
        tasks.join_all().await;
        server.check_alive()?;
        good.ask(round as usize + 1, &violations).await;
        // Keys that are ready for use have a budget of their own.
        let keys = wire.figures().await?.sum("key_cache_bytes", "") / f64::from(1 << 20);
        memory.extend(server.memory_mb().map(|all| all - keys));
    }
    for complaint in server.complaints()? {
        violations.add("log", complaint);
    }
    let sent = sent.load(Ordering::Relaxed);
    let (scenario, cut) = (
        context.scenario,
        if sent < total { " (time was up)" } else { "" },
    );
    let operations = interface.operations.len();
    let what = format!("requests to {operations} operations");
    report.note(scenario, what, format!("{sent} of {total}{cut}"));
    let closed = closed.load(Ordering::Relaxed);
    report.note(
        scenario,
        "connections closed after unwanted bodies",
        closed.to_string(),
    );
    report.violations(scenario, &violations);
    judge_memory(context, report, &server, &memory);
    Ok(())
}

fn judge_memory(context: &Context, report: &mut Report, server: &Process, memory: &[f64]) {
    let scenario = context.scenario;
    let (Some(peak), [first, .., last]) = (server.peak_memory_mb(), memory) else {
        report.note(scenario, "server's memory", "not known");
        return;
    };
    let what = "server's peak memory";
    report.must(
        scenario,
        what,
        format!("{peak:.0} MB"),
        "1024 MB",
        peak <= LIMIT_MB,
    );
    let growth = last - first;
    let measured = format!("{growth:+.0} MB");
    let what = "its growth since the first round, but for keys";
    report.must(scenario, what, measured, "200 MB", growth <= GROWTH_MB);
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
