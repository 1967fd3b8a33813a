//! Every reader of bytes, fed with damaged messages: in a process of its own, whose end, panics and memory are seen.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cipherformer_fuzz::{TARGETS, examples, mutated};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::process::memory_mb;
use crate::report::{Report, Violations};

/// Between two lines about how far it is.
const STEP: Duration = Duration::from_secs(1);
/// What reading may need, valid messages of half a megabyte included.
const LIMIT_MB: f64 = 48.0;
/// The same of addresses, used or not: nothing may be reserved because a length says so.
const ADDRESSES_MB: f64 = 512.0;
/// Panics of one target that are listed.
const LISTED: usize = 3;

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
    panics: Vec<String>,
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
        PANIC.with_borrow_mut(|last| *last = info.to_string())
    }));
    // Forgets the peak of making the messages, where the system can.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let figures = || ["VmRSS", "VmHWM", "VmSize", "VmPeak"].map(|line| memory_mb("self", line));
    let [memory, _, addresses, _] = figures();
    let (start, mut told) = (Instant::now(), Instant::now());
    let mut progress = Progress::default();
    let tell = |progress: &mut Progress| -> Result<()> {
        let [_, peak, _, most] = figures();
        progress.memory = memory.zip(peak).map(<[f64; 2]>::from);
        progress.addresses = addresses.zip(most).map(<[f64; 2]>::from);
        println!("{}", serde_json::to_string(progress)?);
        Ok(std::io::stdout().flush()?)
    };
    let turns = TARGETS.iter().zip(&messages);
    let turns: Vec<_> = turns.flat_map(|turn| vec![turn; turn.0.weight]).collect();
    for (target, messages) in turns.into_iter().cycle() {
        if progress.inputs >= codecs.inputs || start.elapsed().as_secs_f64() > codecs.seconds {
            break;
        }
        let input = codecs.seed.wrapping_add(progress.inputs);
        let bytes = mutated(messages, input);
        if panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes))).is_err() {
            let message = PANIC.with_borrow(Clone::clone).replace('\n', " ");
            progress
                .panics
                .push(format!("{} at input {input}: {message}", target.name));
        }
        progress.inputs += 1;
        if told.elapsed() >= STEP {
            told = Instant::now();
            tell(&mut progress)?;
        }
    }
    progress.finished = true;
    tell(&mut progress)
}

/// Starts that process, and reports what became of it.
pub(super) async fn press(context: &Context, report: &mut Report) -> Result<()> {
    let (wanted, seed, stage) = (context.sizes.inputs, context.seed, context.stage.clone());
    let seconds = context.left().as_secs_f64() / 2.0;
    stage.say(format!(
        "{wanted} inputs for {} readers of bytes",
        TARGETS.len()
    ));
    let press = move || -> Result<(Progress, String)> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("codecs")
            .args(["--inputs", &wanted.to_string()])
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
            stage.count(format!("{} of {wanted} inputs", last.inputs));
        }
        Ok((last, child.wait()?.to_string()))
    };
    let (progress, status) = tokio::task::spawn_blocking(press).await??;
    let (scenario, violations) = (context.scenario, Violations::default());
    if !progress.finished {
        let what = format!("{status} after input {} of seed {seed}", progress.inputs);
        violations.add("the reader died", what);
    }
    let mut listed: Vec<&String> = progress.panics.iter().collect();
    listed.dedup_by_key(|panic| panic.split(' ').next().unwrap_or_default().to_owned());
    let rest = progress
        .panics
        .iter()
        .filter(|panic| !listed.contains(panic));
    for panic in listed
        .iter()
        .copied()
        .chain(rest)
        .take(LISTED * TARGETS.len())
    {
        violations.add("panic", panic);
    }
    let cut = if progress.inputs < wanted {
        " (time was up)"
    } else {
        ""
    };
    let what = format!("inputs to {} readers of bytes", TARGETS.len());
    report.note(
        scenario,
        what,
        format!("{} of {wanted}{cut}", progress.inputs),
    );
    report.violations(scenario, &violations);
    for (what, figures, limit) in [
        ("memory for reading them", progress.memory, LIMIT_MB),
        (
            "addresses for reading them",
            progress.addresses,
            ADDRESSES_MB,
        ),
    ] {
        match figures {
            Some([before, peak]) => {
                let growth = (peak - before).max(0.0);
                let goal = format!("{limit} MB");
                report.must(
                    scenario,
                    what,
                    format!("{growth:.0} MB"),
                    &goal,
                    growth <= limit,
                );
            }
            None => report.note(scenario, what, "this system does not say"),
        }
    }
    Ok(())
}
