//! Load, faults and hostile input: runs that show what a server does when it is pressed, and fail if it does
//! what it must not.
//!
//! `cargo run --release -p cipherformer-soak --bin soak -- --minutes 5`
//!
//! The server is a process of its own, this program with a hidden subcommand, so that killing it is what it is in
//! real life. Everything happens on the loopback interface and in a temporary folder. A run is bounded in time:
//! what does not fit is left out, and the table says so.
//!
//! | module | what it does |
//! |---|---|
//! | `load` | many clients at once: right answers, throughput, what the service costs |
//! | `memory` | many registered clients: the server's peak memory |
//! | `kill` | `SIGKILL` at random moments, restart: nothing acknowledged is lost |
//! | `malformed` | codecs and every operation of the interface, fed with what nobody should send |
//! | `process`, `wire`, `figures` | the server's process, requests by hand, the server's own figures |
//! | `prompts`, `names` | texts, with the answers that they must get |
//! | `report` | what was measured, what it should be, what was violated |

mod context;
mod figures;
mod kill;
mod load;
mod malformed;
mod memory;
mod names;
mod options;
mod process;
mod prompts;
mod report;
mod serve;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use context::Context;
use options::{Options, Role, Scenario};
use report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    // The client library brings its own; requests by hand find it here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match options.role {
        Some(Role::Serve(serve)) => serve::run(&serve).map(|()| true),
        Some(Role::Codecs(codecs)) => malformed::codecs::run(&codecs).map(|()| true),
        None => soak(&options.run),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was violated.
#[tokio::main(worker_threads = 4)]
async fn soak(options: &options::Run) -> Result<bool> {
    let mut report = Report::new(options);
    for (scenario, share) in options.scenarios() {
        let context = Context::new(options, scenario, share)?;
        let mut section = report.section(scenario);
        match scenario {
            Scenario::Load => load::run(&context, &mut section).await,
            Scenario::Memory => memory::run(&context, &mut section).await,
            Scenario::Kill => kill::run(&context, &mut section).await,
            _ => malformed::run(&context, &mut section).await,
        }?;
        context.stage.finish();
    }
    report.print(options.json)?;
    Ok(report.is_clean())
}
