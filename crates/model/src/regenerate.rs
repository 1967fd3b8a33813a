//! The command that makes a circuit anew, for readers of its folder.

use std::path::Path;

/// As a shell takes it. Relative paths stay as they are: they hold where training was started.
pub(crate) fn command(circuit: &str, data: &Path, out: &Path, seed: u64) -> String {
    format!(
        "cargo run --release --bin cipherformer-model -- train {circuit} --data {} --out {} --seed {seed}",
        quoted(data),
        quoted(out),
    )
}

pub(crate) fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if path.chars().all(plain) {
        return path;
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_paths_as_they_were() {
        let (data, out) = (Path::new("my data/it's"), Path::new("circuits/names-gpt"));
        assert_eq!(
            command("names-gpt", data, out, 3),
            "cargo run --release --bin cipherformer-model -- train names-gpt --data 'my data/it'\\''s' \
             --out circuits/names-gpt --seed 3"
        );
    }
}
