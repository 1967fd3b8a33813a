//! Every reader of bytes, fed with damaged messages: in a process of its own, whose end, panics and memory are seen.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cipherformer_fuzz::{TARGETS, Target, examples, mutated};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::process::memory_mb;
use crate::report::{Section, Violations};

/// Between two lines about how far it is.
const STEP: Duration = Duration::from_secs(1);
/// What reading may need, valid messages of half a megabyte included.
const LIMIT_MB: f64 = 48.0;
/// The same of addresses, used or not: nothing may be reserved because a length says so.
const ADDRESSES_MB: f64 = 512.0;

/// How many inputs, and which.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Codecs {
    #[arg(long)]
    inputs: u64,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    seconds: f64,
}

/// How far it is, as the process says in lines of JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    inputs: u64,
    /// In which target, and what it said.
    panics: Vec<(String, String)>,
    /// Megabytes, after one valid message each, and at the peak since.
    memory: Option<[f64; 2]>,
    addresses: Option<[f64; 2]>,
    finished: bool,
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The process of its own.
pub(crate) fn run(codecs: &Codecs) -> Result<()> {
    let mut messages = Vec::new();
    for target in TARGETS {
        messages.push(examples::of(target.name)?);
    }
    for (target, messages) in TARGETS.iter().zip(&messages) {
        messages.iter().for_each(|message| (target.run)(message));
    }
    panic::set_hook(Box::new(|info| {
        PANIC.with_borrow_mut(|last| *last = info.to_string().replace('\n', " "))
    }));
    // Forgets the peak of making the messages, where the system can.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = Memory::now();
    let (start, mut told) = (Instant::now(), Instant::now());
    let mut progress = Progress::default();
    let turns = TARGETS.iter().zip(&messages);
    let turns: Vec<_> = turns.flat_map(|turn| vec![turn; turn.0.weight]).collect();
    for (target, messages) in turns.into_iter().cycle() {
        if progress.inputs >= codecs.inputs || start.elapsed().as_secs_f64() > codecs.seconds {
            break;
        }
        progress.read(target, messages, codecs.seed);
        if told.elapsed() >= STEP {
            told = Instant::now();
            progress.tell(&before)?;
        }
    }
    progress.finished = true;
    progress.tell(&before)
}

/// Megabytes that this process has, and had at its peak; none where the system does not say.
struct Memory {
    resident: Option<f64>,
    peak: Option<f64>,
    addresses: Option<f64>,
    most_addresses: Option<f64>,
}

impl Memory {
    fn now() -> Self {
        let [resident, peak, addresses, most_addresses] =
            ["VmRSS", "VmHWM", "VmSize", "VmPeak"].map(|line| memory_mb("self", line));
        Self {
            resident,
            peak,
            addresses,
            most_addresses,
        }
    }
}

impl Progress {
    /// Has the target read the next input.
    fn read(&mut self, target: &Target, messages: &[Vec<u8>], seed: u64) {
        let input = seed.wrapping_add(self.inputs);
        let bytes = mutated(messages, input);
        if panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes))).is_err() {
            let message = PANIC.with_borrow(Clone::clone);
            let what = format!("at input {input}: {message}");
            self.panics.push((target.name.to_owned(), what));
        }
        self.inputs += 1;
    }

    fn tell(&mut self, before: &Memory) -> Result<()> {
        let now = Memory::now();
        self.memory = before.resident.zip(now.peak).map(<[f64; 2]>::from);
        self.addresses = before
            .addresses
            .zip(now.most_addresses)
            .map(<[f64; 2]>::from);
        println!("{}", serde_json::to_string(self)?);
        Ok(std::io::stdout().flush()?)
    }
}

/// Starts that process, and reports what became of it.
pub(super) async fn press(context: &Context, report: &mut Section<'_>) -> Result<()> {
    let (wanted, seed, stage) = (context.sizes.inputs, context.seed, context.stage.clone());
    let seconds = context.left().as_secs_f64() / 2.0;
    stage.say(format!(
        "{wanted} inputs for {} readers of bytes",
        TARGETS.len()
    ));
    let read = move || {
        let say = |inputs| stage.count(format!("{inputs} of {wanted} inputs"));
        start(wanted, seed, seconds, say)
    };
    let (progress, status) = tokio::task::spawn_blocking(read).await??;
    let violations = Violations::default();
    if !progress.finished {
        let what = format!("{status} after input {} of seed {seed}", progress.inputs);
        violations.add("the reader died", what);
    }
    for (target, panic) in &progress.panics {
        violations.add(&format!("panic in {target}"), panic);
    }
    let what = format!("inputs to {} readers of bytes", TARGETS.len());
    report.done(what, progress.inputs, wanted);
    report.violations(&violations);
    let growth = |figures: Option<[f64; 2]>| figures.map(|[before, peak]| (peak - before).max(0.0));
    report.memory("memory for reading them", growth(progress.memory), LIMIT_MB);
    report.memory(
        "addresses for reading them",
        growth(progress.addresses),
        ADDRESSES_MB,
    );
    Ok(())
}

/// Starts the process and waits for its end: the last that it said, and how it ended.
fn start(inputs: u64, seed: u64, seconds: f64, say: impl Fn(u64)) -> Result<(Progress, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("codecs")
        .args(["--inputs", &inputs.to_string()])
        .args(["--seed", &seed.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the reader")?;
    let stdout = child.stdout.take().context("it is piped")?;
    let mut last = Progress::default();
    for line in BufReader::new(stdout).lines() {
        last = serde_json::from_str(&line?)?;
        say(last.inputs);
    }
    Ok((last, child.wait()?.to_string()))
}
