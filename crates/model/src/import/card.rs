//! The model card of an imported circuit.

use cipherformer_circuit::Circuit;

use super::{Import, ImportReport};

/// What holds for every import.
const LIMITS: &str = "\
- **What it is for, what it was trained on, and where it fails** only its owner knows; this page has measurements.
- **Rounded after training.** Weights were rounded as they are, and ranges are those of the calibration texts. Training that
  knows of rounding and noise loses less.
- **Noise.** Encrypted scores differ a little from exact ones; `simulate` above draws that noise.
";

/// The card as Markdown.
pub(super) fn write(
    circuit: &Circuit,
    import: &Import<'_>,
    report: &ImportReport,
    command: &str,
) -> String {
    let manifest = circuit.manifest();
    format!(
        "# {}\n\n{}\n\nDigest: `{}`. This page is written by import; to make it anew:\n\n\
         ```sh\n{command} --replace\n```\n\n\
         ## Weights\n\n`{}`, as `{}` says.\n\n\
         ## Layers and figures\n\n```text\n{}```\n\n\
         ## Limits\n\n{LIMITS}",
        manifest.name,
        manifest.description,
        manifest.digest,
        import.safetensors.display(),
        import.spec.display(),
        report
            .table()
            .split_once("\n\n")
            .map_or("", |(_, rest)| rest),
    )
}
