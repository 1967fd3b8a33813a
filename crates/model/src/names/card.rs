//! The model card of names-gpt.

use std::path::Path;

use cipherformer_circuit::{Circuit, Estimate};

use super::{NamesFigures, NamesRecipe};

/// What holds for any such model, and what we know of the shipped data.
const LIMITS: &str = "\
- **A toy task on purpose.** It writes names like those it was trained on, in lower case a to z, at most 15 letters;
  nothing else. What it shows is that a whole transformer runs on ciphertexts.
- **Real names.** The shipped data is first names given in the USA. They carry the biases of their source; some names
  that a model of them writes are those of people.
- **Noise.** Encrypted logits differ a little from exact ones. Where two letters are almost equally likely, the
  order may change; the agreement above says how often.
";

/// The card as Markdown.
pub(super) fn write(
    circuit: &Circuit,
    data: &Path,
    recipe: &NamesRecipe,
    figures: &NamesFigures,
    estimate: &Estimate,
    command: &str,
) -> String {
    let digest = &circuit.manifest().digest;
    format!(
        "# names-gpt\n\n\
         Continues first names, letter by letter, on encrypted text: a decoder-only transformer.\n\n\
         Digest: `{digest}`. This page is written by training; to make it anew:\n\n\
         ```sh\n{command}\n```\n\n\
         ## Data\n\n{}\n\
         ## Model\n\n{}\n\
         ## Figures\n\n{}\n\
         ## Cost\n\n{}\n\
         ## Limits\n\n{LIMITS}",
        names(data, figures),
        model(recipe),
        table(figures),
        cost(estimate),
    )
}

fn names(folder: &Path, figures: &NamesFigures) -> String {
    format!(
        "`{}`: {} names to train on, {} to validate on, {} to test on; a hash of each name says which. The data\n\
         that the project ships is first names from the US Social Security Administration, public domain.\n",
        folder.display(),
        figures.train_names,
        figures.validation.names,
        figures.test.names,
    )
}

fn model(recipe: &NamesRecipe) -> String {
    format!(
        "Two parallel blocks of attention and MLP, width {}, {} heads, RMSNorm before each, context 16, 27 tokens.\n\
         Everything in block 1 but attention depends on one token and its position, and is tabulated; its MLP has\n\
         {} hidden values, that of block 2 {}. Trained with AdamW for {} steps in floating point, then {} steps with\n\
         the rounding and the noise of encrypted evaluation. Queries, keys and values are integers up to {:?}.\n",
        recipe.width,
        recipe.heads,
        recipe.tabulated_hidden,
        recipe.hidden,
        recipe.float_steps,
        recipe.tuning_steps,
        recipe.limits,
    )
}

fn table(figures: &NamesFigures) -> String {
    let mut text = "Nats a character, the end mark counted, on names it was not trained on. Noise here is that of\n\
                    training; `evaluate --mode simulate` measures with the circuit's own.\n\n\
                    | names | float | quantized | with noise | same most likely character |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for (name, losses) in [("validation", &figures.validation), ("test", &figures.test)] {
        text.push_str(&format!(
            "| {name} | {:.4} | {:.4} | {:.4} | {:.2} % |\n",
            losses.float,
            losses.exact,
            losses.noisy,
            100.0 * losses.agreement
        ));
    }
    text
}

fn cost(estimate: &Estimate) -> String {
    format!(
        "LUTs a letter, by position: {:?}. {:.1} kB a letter to send, {:.1} kB to receive; {:.1} MB an evaluation\n\
         key. Largest noise at a LUT input: {:.2} % of its range; largest probability of a failure: 2^{:.0}.\n\
         {} bits of security.\n",
        estimate.luts_per_position,
        estimate.request_bytes as f64 / 1e3,
        estimate.response_bytes as f64 / 1e3,
        estimate.evaluation_key_bytes as f64 / 1e6,
        100.0 * estimate.worst_input_noise,
        estimate.worst_failure_log2,
        estimate.security_bits,
    )
}
