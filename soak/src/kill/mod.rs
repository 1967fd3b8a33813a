//! `SIGKILL` at random moments under load, then a restart on the same data: what was acknowledged is there, what was
//! half done is not, and clients go on by themselves.
//!
//! Some clients work by hand, so that it is known to the byte what they were told ([`ledger`]); they stop when the
//! server is gone, and begin again after the next start has been checked. Others use the client library, and must not
//! notice more than a delay.

mod by_hand;
mod check;
mod ledger;
mod library;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cipherformer_circuit::Circuit;
use cipherformer_client::PublicCircuit;
use cipherformer_fhe::SecretKey;
use cipherformer_server::{KEY_MEMORY_MB, QUEUE};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::names::Names;
use crate::process::Process;
use crate::prompts::{self, Prompt};
use crate::report::{Section, Violations};
use crate::wire::{self, Pair, Wire};
use ledger::Ledger;

/// Keys that come and go, half of them for each of two clients.
const KEYS: usize = 4;
/// Clients by hand with a session at a time.
const WRITERS: usize = 2;
/// The shortest time between a start and the next kill.
const SHORTEST: Duration = Duration::from_millis(150);
/// The longest one, in tokens: all clients together have a few done.
const TOKENS: u32 = 5;
/// One round in so many lasts until the library's clients have answers: nobody tries for ever.
const BREATH: u64 = 4;
const PROMPTS: usize = 40;

/// What all clients share.
struct World {
    wire: Wire,
    url: String,
    guard: Arc<Circuit>,
    writer: Arc<Circuit>,
    names: Names,
    public: PublicCircuit,
    prompts: Vec<Prompt>,
    /// Keys that come and go.
    keys: Vec<Pair>,
    /// The one of sessions.
    session_key: Pair,
    ledger: Ledger,
    violations: Violations,
    counts: Counts,
    stop: AtomicBool,
}

/// What was acknowledged, and then held against the server after a restart.
#[derive(Default)]
struct Counts {
    keys: AtomicUsize,
    deletions: AtomicUsize,
    positions: AtomicUsize,
    uploads_cut: AtomicUsize,
    verdicts: AtomicUsize,
    letters: AtomicUsize,
}

/// Runs it.
pub(crate) async fn run(context: &Context, report: &mut Section<'_>) -> Result<()> {
    let mut server = context.server(QUEUE, KEY_MEMORY_MB)?;
    let world = Arc::new(World::new(context, &server)?);
    world.wire.register(&world.session_key).await?;
    world.ledger.key(&world.session_key.id).acknowledge();
    let token = by_hand::time_of_token(&world).await;
    let longest = TOKENS * token.map_err(Failure::unexpected)?;
    let library = library::start(&world, context).await?;
    let mut random = StdRng::seed_from_u64(context.seed);
    let (mut rounds, mut downtime) = (0, Duration::ZERO);
    while rounds < context.sizes.rounds && !context.is_over() {
        rounds += 1;
        context
            .stage
            .say(format!("round {rounds} of {}", context.sizes.rounds));
        let hands = by_hand::start(&world, context.seed ^ rounds);
        if rounds % BREATH == 0 {
            world.library_answers().await;
        }
        let time = random.random_range(SHORTEST..longest.max(2 * SHORTEST));
        tokio::time::sleep(time).await;
        server.check_alive()?;
        server.kill()?;
        let killed = Instant::now();
        // They end by themselves: nobody answers any more.
        finish(hands).await?;
        server.restart()?;
        downtime += killed.elapsed();
        check::restarted(&world).await?;
    }
    context.stage.say("the last check");
    check::usable(&world).await?;
    world.stop.store(true, Ordering::Relaxed);
    finish(library).await?;
    for complaint in server.complaints()? {
        world.violations.add("log", complaint);
    }

    report.done("SIGKILL and restart", rounds, context.sizes.rounds);
    let mean = downtime.as_secs_f64() / rounds.max(1) as f64;
    let mean = format!("{mean:.2} s, mean");
    report.note("from SIGKILL to listening again", mean);
    world.counts.report(report);
    report.violations(&world.violations);
    Ok(())
}

impl Counts {
    fn report(&self, report: &mut Section<'_>) {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        report.note("acknowledged keys found again", count(&self.keys));
        report.note("deleted keys that stayed away", count(&self.deletions));
        report.note("uploads cut off, none visible", count(&self.uploads_cut));
        report.note("session positions found again", count(&self.positions));
        let (verdicts, letters) = (count(&self.verdicts), count(&self.letters));
        let answers = format!("{verdicts} verdicts, {letters} letters");
        report.note("answers to the client library", answers);
    }
}

impl World {
    fn new(context: &Context, server: &Process) -> Result<Self> {
        context.stage.say("making keys");
        let guard = context.circuit("prompt-guard")?;
        let writer = context.circuit("names-gpt")?;
        let secret = Arc::new(SecretKey::generate(guard.parameters()));
        Ok(Self {
            wire: Wire::new(&server.url())?,
            url: server.url(),
            names: Names::new(&writer)?,
            public: wire::public(&guard)?,
            prompts: prompts::choose(&guard, PROMPTS, context.seed)?,
            keys: (0..KEYS).map(|_| Pair::of(&secret)).collect(),
            session_key: Pair::fresh(writer.parameters()),
            guard,
            writer,
            ledger: Ledger::default(),
            violations: Violations::default(),
            counts: Counts::default(),
            stop: AtomicBool::new(false),
        })
    }

    /// Whether an evaluation under this key works: it is whole, then.
    async fn evaluate(&self, pair: &Pair, number: usize) -> Result<(), Failure> {
        let prompt = &self.prompts[number % self.prompts.len()];
        let request = self.public.encrypt(&prompt.text, &pair.secret);
        let request = request.map_err(|error| Failure::Wrong(error.to_string()))?;
        let manifest = self.guard.manifest();
        let path =
            cipherformer_protocol::routes::evaluations(&manifest.name, &pair.id, &manifest.digest);
        let answer = self.wire.post(&path, &request.bytes).await?;
        if !answer.status.is_success() {
            return Err(Failure::Wrong(answer.text()));
        }
        let verdict = self.public.decrypt(&answer.body, &pair.secret);
        let verdict = verdict.map_err(|error| Failure::Wrong(error.to_string()))?;
        prompt
            .check(&verdict.label, &verdict.scores)
            .map_err(Failure::Wrong)
    }
}

/// Why something could not be done.
enum Failure {
    /// The server is gone; it was killed.
    Gone,
    /// It is there, and says something it must not.
    Wrong(String),
}

impl Failure {
    /// When nobody kills the server.
    fn unexpected(self) -> anyhow::Error {
        match self {
            Self::Gone => anyhow::anyhow!("the server is gone"),
            Self::Wrong(what) => anyhow::anyhow!(what),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(_: reqwest::Error) -> Self {
        Self::Gone
    }
}

async fn finish(mut tasks: JoinSet<()>) -> Result<()> {
    while let Some(done) = tasks.join_next().await {
        done.context("a client panicked")?;
    }
    Ok(())
}
