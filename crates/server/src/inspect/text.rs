//! An inspection for people.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CircuitLook, Inspection, KeyLook, StoredFile, Tables, Uniformity};

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for circuit in &self.circuits {
            circuit.fmt(f)?;
        }
        writeln!(f, "data directory {}", self.data_dir.display())?;
        for file in &self.files {
            file.fmt(f)?;
        }
        self.tables.fmt(f)?;
        for token in &self.tokens {
            writeln!(
                f,
                "  token of {}: its hash, made {}",
                token.name, token.created
            )?;
        }
        for key in &self.keys {
            key.fmt(f)?;
        }
        writeln!(f)?;
        if self.opens_nothing() {
            return writeln!(
                f,
                "{} files read to their last byte: no secret key, and nothing but what is listed. The keys above \
                 are ciphertexts under keys that are not here; none of it opens a ciphertext",
                self.files.len()
            );
        }
        writeln!(f, "what should not be there:")?;
        for finding in &self.findings {
            writeln!(f, "  {}: {}", finding.file.display(), finding.what)?;
        }
        Ok(())
    }
}

impl Display for CircuitLook {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "circuit {}", self.name)?;
        if let (Some(digest), Some(set)) = (&self.digest, &self.parameter_set) {
            writeln!(f, "  digest {digest}, parameter set {set}")?;
        }
        if let Some(problem) = &self.problem {
            writeln!(f, "  not offered: {problem}")?;
        }
        for file in &self.files {
            let who = if file.public { "public" } else { "private" };
            writeln!(
                f,
                "  {who:<8} {:<20} {:>10} bytes  {}",
                file.name, file.bytes, file.what
            )?;
        }
        writeln!(f)
    }
}

impl Display for StoredFile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.path.display())?;
        write!(f, "    {} bytes", self.bytes)?;
        if let Some(mode) = &self.mode {
            write!(f, ", mode {mode}")?;
        }
        if let Some(age) = self.age_seconds {
            write!(f, ", written {} ago", span(age))?;
        }
        writeln!(f, ": {}", self.what)
    }
}

impl Display for KeyLook {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nevaluation key {}", self.id)?;
        writeln!(
            f,
            "  {}, {} bits of security; {} bytes, SHA-256 and dimensions are right",
            self.parameter_set, self.security_bits, self.bytes
        )?;
        for part in &self.parts {
            writeln!(f, "  {:<18} {:>10} bytes", part.name, part.bytes)?;
            writeln!(f, "    encrypts {}", part.encrypts)?;
            writeln!(f, "    under {}, which is not here", part.under)?;
            writeln!(f, "    {}", part.uniformity)?;
        }
        writeln!(
            f,
            "  {:<18} {:>10} bytes  checksum, names, lengths, public seeds of masks",
            "the rest", self.other_bytes
        )
    }
}

impl Display for Tables {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ndatabase")?;
        for key in &self.registrations {
            writeln!(f, "  key {} of {}", key.key, owner(&key.owner))?;
            writeln!(
                f,
                "    {}, {} bytes, registered {} ago, used {} ago",
                key.parameter_set,
                key.bytes,
                since(key.created_ms),
                since(key.last_used_ms)
            )?;
        }
        for session in &self.sessions {
            writeln!(
                f,
                "  session {}… of {}, of {} under key {}",
                session.id,
                owner(&session.owner),
                session.circuit,
                session.key
            )?;
            writeln!(
                f,
                "    {} tokens, used {} ago; {} bytes of encrypted keys and values of attention, a last answer of {}",
                session.position,
                since(session.last_used_ms),
                session.state_bytes,
                session.last_answer_bytes.unwrap_or(0)
            )?;
            writeln!(f, "    {}", session.uniformity)?;
        }
        for usage in &self.usage {
            writeln!(
                f,
                "  {} had {} positions evaluated on day {} since 1970",
                owner(&usage.owner),
                usage.evaluations,
                usage.day
            )?;
        }
        Ok(())
    }
}

impl Display for Uniformity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let random = if self.looks_random() { "yes" } else { "NO" };
        write!(
            f,
            "bytes look random: {random}, chi-square {:.0} (255 expected, deviation 23)",
            self.chi_square
        )
    }
}

fn owner(name: &str) -> &str {
    match name {
        "" => "whoever has no name",
        name => name,
    }
}

/// How long ago that was.
fn since(milliseconds: i64) -> String {
    let then = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let age = now.unwrap_or_default().saturating_sub(then);
    span(age.as_secs())
}

/// A time for people, in its largest unit.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
