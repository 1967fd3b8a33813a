//! The model card of an imported circuit.

use cipherformer_circuit::{Body, Circuit};

use super::{Import, ImportReport, file_name};

/// What holds for every import.
const LIMITS: &str = "\
- **What it is for, what it was trained on, and where it fails** only its owner knows; this page has measurements.
- **Rounded after training.** Weights were rounded as they are. Training that knows of rounding and noise loses less.
- **Noise.** Encrypted scores differ a little from exact ones; `simulate` above draws that noise.
";

/// The card as Markdown.
pub(super) fn write(
    circuit: &Circuit,
    import: &Import<'_>,
    report: &ImportReport,
    texts: usize,
    command: &str,
) -> String {
    let manifest = circuit.manifest();
    format!(
        "# {}\n\n{}\n\nDigest: `{}`. This page is written by import; to make it anew where the files are:\n\n\
         ```sh\n{command} --replace\n```\n\n\
         ## Weights\n\n{}, as {} says.\n\n\
         ## Layers and figures\n\n```text\n{}```\n\n\
         ## What of the data is in this folder\n\n{}\n\n\
         ## Limits\n\n{LIMITS}",
        manifest.name,
        manifest.description,
        manifest.digest,
        file_name(import.safetensors).to_string_lossy(),
        file_name(import.spec).to_string_lossy(),
        report
            .table()
            .split_once("\n\n")
            .map_or("", |(_, rest)| rest),
        data(circuit, texts),
    )
}

/// What of the owner's texts this folder shows.
fn data(circuit: &Circuit, texts: usize) -> String {
    match circuit.body() {
        Body::Classifier(_) => "No text. `vocabulary.txt` has the features that the circuit looks at, which clients get; ranges and \
                                scales come from the weights alone, and the figures above from the texts."
            .to_owned(),
        Body::Transformer(_) => format!(
            "`test-vectors.json` has {texts} of the texts measured on, word for word: look at them before you give this folder \
             away. The server shows them to nobody. `vocabulary.txt` has the characters, which clients get; ranges in \
             `body.json` come from the calibration texts."
        ),
    }
}
