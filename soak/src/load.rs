//! Many clients at once: every answer right, none lost, none twice, and hardly slower than one client alone.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use cipherformer_circuit::{Circuit, evaluate};
use cipherformer_client::{Client, Keys};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EvaluationKey, PreparedCircuit, SeededEvaluationKey,
};
use cipherformer_server::KEY_MEMORY_MB;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::prompts::{self, Prompt};
use crate::report::{Section, Violations};
use crate::wire::{self, Wire};

const CIRCUIT: &str = "prompt-guard";
/// Evaluations that may wait: half as many as there are clients.
const QUEUE: usize = 8;
/// What many clients must reach of what one does.
const THROUGHPUT: f64 = 0.9;
/// What the service may add to an evaluation.
const OVERHEAD: f64 = 0.05;

/// What one client alone gets.
struct Alone {
    /// Answers a second, when it asks for one after the other.
    rate: f64,
    /// Medians, in milliseconds: in this process, on the server as it says, and from request to answer.
    in_process: f64,
    server: f64,
    round_trip: f64,
}

/// What all clients together get.
struct Together {
    answers: usize,
    rate: f64,
    server: f64,
}

/// Runs it.
pub(crate) async fn run(context: &Context, report: &mut Section<'_>) -> Result<()> {
    let circuit = context.circuit(CIRCUIT)?;
    let sizes = context.sizes;
    let mut server = context.server(QUEUE, KEY_MEMORY_MB)?;
    let wire = Wire::new(&server.url())?;
    let prompts = prompts::choose(&circuit, sizes.clients * sizes.prompts, context.seed)?;
    let mut clients = Vec::new();
    for number in 0..sizes.clients {
        context.stage.say(format!(
            "keys of client {} of {}",
            number + 1,
            sizes.clients
        ));
        let home = context.folder().join(format!("home-{number}"));
        let client = Arc::new(wire::client(&server.url(), &home).await?);
        client.keys(circuit.parameters()).await?;
        let own = &prompts[number * sizes.prompts..][..sizes.prompts];
        client.classify(CIRCUIT, &own[0].text).await?;
        clients.push((client, own.to_vec()));
    }
    let violations = Violations::default();
    let alone = alone(context, &circuit, &clients[0].0, &clients[0].1, &violations).await?;
    context
        .stage
        .say(format!("{} clients at once", clients.len()));
    let before = wire.figures().await?;
    let together = together(context, clients, &violations).await?;
    let after = wire.figures().await?;
    server.check_alive()?;
    for complaint in server.complaints()? {
        violations.add("log", complaint);
    }

    let counted = |name: &str| after.sum(name, "") - before.sum(name, "");
    let evaluated = counted("evaluations_total");
    if evaluated != together.answers as f64 {
        let what = format!("{evaluated} evaluations for {} answers", together.answers);
        violations.add("count", what);
    }
    let asked = sizes.clients * sizes.prompts;
    match together.answers < asked && context.is_over() {
        true => report.done("right answers", together.answers as u64, asked as u64),
        false => report.must(
            "right answers",
            together.answers,
            asked,
            together.answers == asked,
        ),
    }
    report.violations(&violations);
    report_throughput(report, &alone, &together);
    report.note("turned away (429), came back", counted("turned_away_total"));
    report_overhead(report, &alone);
    if let Some(peak) = server.peak_memory_mb() {
        report.note("server's peak memory", format!("{peak:.0} MB"));
    }
    Ok(())
}

fn report_throughput(report: &mut Section<'_>, alone: &Alone, together: &Together) {
    let ratio = together.rate / alone.rate;
    let percent = 100.0 * ratio;
    let measured = format!(
        "{percent:.0} % ({:.1}/s, one client alone {:.1}/s)",
        together.rate, alone.rate
    );
    report.time(
        "throughput of all clients",
        measured,
        "90 %",
        ratio >= THROUGHPUT,
    );
    let times = format!(
        "{:.1} ms alone, {:.1} ms with all",
        alone.server, together.server
    );
    report.note("evaluation on the server, median", times);
}

fn report_overhead(report: &mut Section<'_>, alone: &Alone) {
    for (what, without) in [
        ("round trip over server time", alone.server),
        (
            "round trip over evaluation in this process",
            alone.in_process,
        ),
    ] {
        let overhead = alone.round_trip / without - 1.0;
        let percent = 100.0 * overhead;
        let measured = format!(
            "{percent:.1} % ({:.1} of {without:.1} ms)",
            alone.round_trip
        );
        report.time(what, measured, "5 %", overhead <= OVERHEAD);
    }
}

/// One client alone: first in turns with evaluations in this process, which share its fate on a busy machine.
async fn alone(
    context: &Context,
    circuit: &Arc<Circuit>,
    client: &Client,
    prompts: &[Prompt],
    violations: &Violations,
) -> Result<Alone> {
    context.stage.say("one client alone");
    let keys = client.keys(circuit.parameters()).await?;
    let local = Local::new(circuit, &keys)?;
    let count = context.sizes.alone;
    let (mut in_process, mut server, mut round_trip) = (Vec::new(), Vec::new(), Vec::new());
    for prompt in prompts.iter().cycle().take(count) {
        in_process.push(tokio::task::block_in_place(|| {
            local.evaluate(&keys, prompt)
        })?);
        let answer = client.classify(CIRCUIT, &prompt.text).await?;
        check(prompt, &answer, violations);
        server.push(answer.server_ms);
        round_trip.push(answer.round_trip_ms);
    }
    let start = Instant::now();
    for prompt in prompts.iter().cycle().take(count) {
        check(
            prompt,
            &client.classify(CIRCUIT, &prompt.text).await?,
            violations,
        );
    }
    Ok(Alone {
        rate: count as f64 / start.elapsed().as_secs_f64(),
        in_process: median(in_process),
        server: median(server),
        round_trip: median(round_trip),
    })
}

/// All of them, each with its own prompts in its own order.
async fn together(
    context: &Context,
    clients: Vec<(Arc<Client>, Vec<Prompt>)>,
    violations: &Violations,
) -> Result<Together> {
    let (start, end) = (Instant::now(), context.end());
    let mut tasks = JoinSet::new();
    for (client, prompts) in clients {
        let violations = violations.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            for prompt in &prompts {
                if Instant::now() >= end {
                    break;
                }
                match client.classify(CIRCUIT, &prompt.text).await {
                    Ok(answer) if check(prompt, &answer, &violations) => {
                        times.push(answer.server_ms);
                    }
                    Ok(_) => {}
                    Err(error) => violations.add("lost", error.to_string()),
                }
            }
            times
        });
    }
    let times = tasks.join_all().await.concat();
    Ok(Together {
        answers: times.len(),
        rate: times.len() as f64 / start.elapsed().as_secs_f64(),
        server: median(times),
    })
}

/// The same evaluation without any service.
struct Local {
    circuit: PreparedCircuit,
    key: EvaluationKey,
}

impl Local {
    fn new(circuit: &Arc<Circuit>, keys: &Keys) -> Result<Self> {
        let parameters = circuit.parameters();
        let key = SeededEvaluationKey::from_bytes(keys.evaluation(), parameters)?;
        Ok(Self {
            circuit: PreparedCircuit::new(Arc::clone(circuit))?,
            key: EvaluationKey::expand(key, parameters),
        })
    }

    /// Milliseconds.
    fn evaluate(&self, keys: &Keys, prompt: &Prompt) -> Result<f64> {
        let circuit = self.circuit.circuit();
        let bag = circuit.vocabulary().bag(&prompt.text);
        let request = EncryptedBag::encrypt(&bag, circuit.manifest(), keys.secret())?;
        let start = Instant::now();
        let mut engine = Encrypted::new(&self.circuit, &self.key)?;
        evaluate(circuit, &mut engine, &request, &()).context("it was checked")?;
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    }
}

fn check(
    prompt: &Prompt,
    answer: &cipherformer_client::Classification,
    violations: &Violations,
) -> bool {
    let checked = prompt.check(&answer.label, &answer.scores);
    checked
        .map_err(|wrong| violations.add("wrong answer", wrong))
        .is_ok()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
