//! Many registered clients, and the memory that the server needs for them.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use cipherformer_circuit::Circuit;
use cipherformer_client::PublicCircuit;
use cipherformer_fhe::SecretKey;
use cipherformer_protocol::routes;
use cipherformer_server::{KEY_MEMORY_MB, QUEUE};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::names::Names;
use crate::prompts::{self, Prompt};
use crate::report::{Section, Violations};
use crate::wire::{self, Pair, Wire};

/// One client in so many writes names: its key is three times as large.
const WRITERS: usize = 5;
/// Clients that ask at the same time.
const AT_ONCE: usize = 8;
/// What the server may need at its peak.
const LIMIT_MB: f64 = 2048.0;

/// Runs it.
pub(crate) async fn run(context: &Context, report: &mut Section<'_>) -> Result<()> {
    let guard = context.circuit("prompt-guard")?;
    let writer = context.circuit("names-gpt")?;
    let mut server = context.server(QUEUE, KEY_MEMORY_MB)?;
    let wire = Wire::new(&server.url())?;
    let asker = Arc::new(Asker {
        wire: wire.clone(),
        names: Names::new(&writer)?,
        prompts: prompts::choose(&guard, context.sizes.registered, context.seed)?,
        public: wire::public(&guard)?,
        violations: Violations::default(),
    });
    let secrets = [&guard, &writer].map(|c| Arc::new(SecretKey::generate(c.parameters())));
    let mut pairs = Vec::new();
    for number in 0..context.sizes.registered {
        if context.is_over() {
            break;
        }
        let what = format!("key {} of {}", number + 1, context.sizes.registered);
        match number % WRITERS == 0 {
            true => context.stage.say(what),
            false => context.stage.count(what),
        }
        let secret = Arc::clone(&secrets[usize::from(number % WRITERS == 0)]);
        let pair = tokio::task::spawn_blocking(move || Pair::of(&secret)).await?;
        wire.register(&pair).await?;
        // The bytes are the server's now; kept here they would be a gigabyte.
        pairs.push((
            number,
            Pair {
                evaluation: Vec::new(),
                ..pair
            },
        ));
    }
    context
        .stage
        .say(format!("{} clients ask, {AT_ONCE} at once", pairs.len()));
    let registered = pairs.len();
    let answers = ask_all(&asker, pairs, &guard, &writer).await;
    server.check_alive()?;

    let wanted = context.sizes.registered as u64;
    report.done("registered clients", registered as u64, wanted);
    report.must("right answers", answers, registered, answers == registered);
    let stored = wire.figures().await?.sum("keys_stored", "");
    report.must(
        "keys stored",
        stored,
        registered,
        stored == registered as f64,
    );
    for complaint in server.complaints()? {
        asker.violations.add("log", complaint);
    }
    report.violations(&asker.violations);
    report.memory("server's peak memory", server.peak_memory_mb(), LIMIT_MB);
    Ok(())
}

/// What a client needs to ask.
struct Asker {
    wire: Wire,
    names: Names,
    prompts: Vec<Prompt>,
    public: PublicCircuit,
    violations: Violations,
}

/// How many got right answers.
async fn ask_all(
    asker: &Arc<Asker>,
    pairs: Vec<(usize, Pair)>,
    guard: &Arc<Circuit>,
    writer: &Arc<Circuit>,
) -> usize {
    let digests = [guard, writer].map(|circuit| circuit.manifest().digest.clone());
    let (mut tasks, mut right) = (JoinSet::new(), 0);
    for (number, pair) in pairs {
        if tasks.len() >= AT_ONCE {
            right += usize::from(
                tasks
                    .join_next()
                    .await
                    .is_some_and(|done| done.is_ok_and(|ok| ok)),
            );
        }
        let (asker, digests) = (Arc::clone(asker), digests.clone());
        tasks.spawn(async move {
            let [guard, writer] = &digests;
            let asked = match number % WRITERS == 0 {
                true => asker.write(number, &pair, writer).await,
                false => asker.classify(number, &pair, guard).await,
            };
            asked
                .map_err(|error| asker.violations.add("answer", format!("{error:#}")))
                .is_ok()
        });
    }
    right + tasks.join_all().await.into_iter().filter(|ok| *ok).count()
}

impl Asker {
    async fn classify(&self, number: usize, pair: &Pair, digest: &str) -> Result<()> {
        let prompt = &self.prompts[number];
        let request = self.public.encrypt(&prompt.text, &pair.secret)?;
        let path = routes::evaluations("prompt-guard", &pair.id, digest);
        let answer = self.wire.post(&path, &request.bytes).await?;
        anyhow::ensure!(answer.status.is_success(), "{}", answer.text());
        let verdict = self.public.decrypt(&answer.body, &pair.secret)?;
        prompt
            .check(&verdict.label, &verdict.scores)
            .map_err(anyhow::Error::msg)
    }

    /// The first letter of a name.
    async fn write(&self, number: usize, pair: &Pair, digest: &str) -> Result<()> {
        let path = routes::sessions("names-gpt", &pair.id, digest);
        let opened = self.wire.post(&path, &[]).await?;
        let opened = serde_json::from_slice::<cipherformer_protocol::SessionInfo>(&opened.body)
            .with_context(|| format!("no session: {}", opened.text()))?;
        let name = self.names.get(number);
        let request = self.names.encrypt(name, 0, &pair.secret)?;
        let path = routes::tokens(&opened.id, &pair.id, 0);
        let answer = self.wire.post(&path, &request).await?;
        anyhow::ensure!(answer.status.is_success(), "{}", answer.text());
        let checked = self.names.check_output(name, 1, &answer.body, &pair.secret);
        checked.map_err(anyhow::Error::msg)
    }
}
