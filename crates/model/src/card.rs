//! The model card: what a model is for, how good it is, and where it fails.

use std::fmt::Write;
use std::path::Path;

use cipherformer_circuit::Circuit;

use crate::guard::{Figures, Training};
use crate::metrics::Metrics;
use crate::recipe::Recipe;

/// What we know of the shipped data and of guards like this one, beyond what training measures.
const LIMITS: &str = "\
- **English, short.** Other languages, long documents and code have not been measured; the end of a long text
  is not looked at (the client says so).
- **Ambiguous labels.** Whether \"show me your instructions\" is an injection depends on what the system is
  for; some labels of the data are debatable, and no model can do better than they are.
- **Topic shift.** When whole groups of topics were held out of training, in trials that training does not
  repeat, accuracy fell to about 93 %. Expect that, rather than the figures above, on prompts unlike the data.
- **Overlap.** Six of the shipped validation texts stand in the training file too, but for case and
  punctuation. The recipe was chosen by five-fold accuracy on the training file, so that figure is a little
  optimistic as well.
- **Adversaries adapt.** Anyone who can ask often enough can find wordings that pass: spelling with
  look-alike letters, other languages, indirect requests. This guard is one signal among others, not a
  security boundary.
- **False alarms.** Very short texts (\"hello\", \"thanks\") are taken for injections: all 146 texts below 25
  characters in the shipped training file are. Benign prompts about prompts, rules or instructions are at risk.
";

/// The card as Markdown.
pub(crate) fn write(
    circuit: &Circuit,
    training: &Training<'_>,
    figures: &Figures,
    command: &str,
) -> String {
    let manifest = circuit.manifest();
    let name = &manifest.name;
    let digest = &manifest.digest;
    format!(
        "# {name}\n\n\
         Tells prompt injections from benign prompts, on encrypted text. Classes: benign, injection.\n\n\
         Digest: `{digest}`. This page is written by training; to make it anew:\n\n\
         ```sh\n{command}\n```\n\n\
         ## Data\n\n{}\n\
         ## Model\n\n{}\n\
         ## Figures\n\n{}\n\
         ## Cost\n\n{}\n\
         ## Limits\n\n{LIMITS}",
        data(training.data, figures),
        model(circuit, &training.recipe, training.seed),
        tables(figures),
        cost(figures),
    )
}

fn data(folder: &Path, figures: &Figures) -> String {
    format!(
        "`{}`: {} prompts to train on, {} to validate on. The data that the project ships is S-Labs,\n\
         \"Prompt Injection Detection Dataset\" (2026), MIT licence: short English prompts to assistants,\n\
         and attempts to override, extract or evade an assistant's instructions.\n",
        folder.display(),
        figures.train_examples,
        figures.reference.examples
    )
}

fn model(circuit: &Circuit, recipe: &Recipe, seed: u64) -> String {
    format!(
        "A bag of words, pairs of words up to three apart, word prefixes and three marks of capital letters.\n\
         The vocabulary is the {} features that separate the classes best (naive Bayes weight times square\n\
         root of the count). Their embeddings ({} values, 8-bit integers) are summed under encryption, go\n\
         through a tanh (one LUT a value) and one linear layer of integers up to {}.\n\n\
         Trained with Adam for {} epochs of batches of {}, learning rate {} falling to 0, {:.0} % of the\n\
         features dropped, and Gaussian noise of {} % of the range before the tanh. Seed {seed}.\n",
        circuit.vocabulary().len(),
        recipe.width,
        recipe.weight_limit,
        recipe.epochs,
        recipe.batch,
        recipe.learning_rate,
        100.0 * recipe.dropout,
        (1e4 * recipe.noise).round() / 100.0,
    )
}

fn tables(figures: &Figures) -> String {
    let mut text = "| validation | accuracy | F1 (injection) | cross-entropy, nats |\n\
                    |---|---|---|---|\n"
        .to_owned();
    let mut row = |name: &str, metrics: &Metrics| {
        let Metrics {
            accuracy,
            f1,
            cross_entropy,
            ..
        } = metrics;
        writeln!(
            text,
            "| {name} | {:.2} % | {:.4} | {cross_entropy:.4} |",
            100.0 * accuracy,
            f1
        )
        .expect("writing to a string does not fail");
    };
    row("float, before quantization", &figures.float);
    row("reference: quantized, no noise", &figures.reference);
    row("simulate: quantized, noise as encrypted", &figures.simulate);
    if let Some(cross) = &figures.cross_validation {
        row("5-fold on train, float", &cross.float);
        row("5-fold on train, reference", &cross.reference);
        text.push_str(
            "\nIn five-fold, each text of the training file is judged by a model that was trained without its fold.\n",
        );
    }
    text
}

fn cost(figures: &Figures) -> String {
    let estimate = &figures.estimate;
    format!(
        "{} LUTs and {} ring products a prompt; {:.1} kB a request, {:.1} kB a response, {:.1} MB an\n\
         evaluation key; about {:.2} s on one core. Largest noise at a LUT input: {:.3} % of its range;\n\
         largest probability of a failure: 2^{:.0}. {} bits of security.\n",
        estimate.luts,
        estimate.ring_products,
        estimate.request_bytes as f64 / 1e3,
        estimate.response_bytes as f64 / 1e3,
        estimate.evaluation_key_bytes as f64 / 1e6,
        estimate.predicted_seconds_per_core,
        100.0 * estimate.worst_input_noise,
        estimate.worst_failure_log2,
        estimate.security_bits,
    )
}
