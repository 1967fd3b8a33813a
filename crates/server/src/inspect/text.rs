//! An inspection for people.

use std::fmt::{self, Display, Formatter};

use super::{CircuitLook, Inspection, KeyLook, StoredFile};

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for circuit in &self.circuits {
            circuit.fmt(f)?;
        }
        writeln!(f, "data directory {}", self.data_dir.display())?;
        for file in &self.files {
            file.fmt(f)?;
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
            let uniformity = &part.uniformity;
            writeln!(f, "  {:<18} {:>10} bytes", part.name, part.bytes)?;
            writeln!(f, "    encrypts {}", part.encrypts)?;
            writeln!(f, "    under {}, which is not here", part.under)?;
            writeln!(
                f,
                "    bytes look random: {}, chi-square {:.0} (255 expected, deviation 23)",
                if uniformity.looks_random() {
                    "yes"
                } else {
                    "NO"
                },
                uniformity.chi_square
            )?;
        }
        writeln!(
            f,
            "  {:<18} {:>10} bytes  checksum, names, lengths, public seeds of masks",
            "the rest", self.other_bytes
        )
    }
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
