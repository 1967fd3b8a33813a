//! `inspect`: all that a server has.

use std::io::{self, Write};

use anyhow::bail;
use cipherformer_server::inspect::Inspect;

/// Prints what there is; fails if there is anything that should not be.
pub(crate) fn run(inspect: &Inspect) -> anyhow::Result<()> {
    let seen = inspect.run()?;
    let mut out = io::stdout().lock();
    match inspect.json {
        true => writeln!(out, "{}", seen.to_json())?,
        false => write!(out, "{seen}")?,
    }
    out.flush()?;
    match seen.findings.len() {
        0 => Ok(()),
        count => bail!("{count} findings, listed above; see to them before you trust this server"),
    }
}
