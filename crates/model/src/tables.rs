//! What the command line prints for people.

use std::fmt::Write as _;
use std::path::Path;

use cipherformer_circuit::{
    Candidate, Circuit, Estimate, ParameterSet, Precision, Tuning, cost, parameters,
};
use cipherformer_model::{Evaluation, Figures, Metrics, NamesFigures, TextsEvaluation};

pub(crate) fn figures(figures: &Figures, out: &Path) -> String {
    let mut text = format!("wrote {}\n\n{:28}", out.display(), "");
    text.push_str("accuracy      F1  cross-entropy\n");
    let mut row = |name: &str, metrics: &Metrics| {
        let (accuracy, f1) = (100.0 * metrics.accuracy, metrics.f1);
        let line = format!(
            "{name:28}{accuracy:>6.2} %  {f1:.4}  {:.4}\n",
            metrics.cross_entropy
        );
        text.push_str(&line);
    };
    row("validation, float", &figures.float);
    row("validation, reference", &figures.reference);
    row("validation, simulate", &figures.simulate);
    if let Some(cross) = &figures.cross_validation {
        row("five-fold, float", &cross.float);
        row("five-fold, reference", &cross.reference);
    }
    text
}

pub(crate) fn names(figures: &NamesFigures, out: &Path) -> String {
    let mut text = format!(
        "wrote {}\n\n{:12}{:>12}{:>12}{:>12}{:>12}\n",
        out.display(),
        "nats",
        "float",
        "quantized",
        "with noise",
        "agreement"
    );
    for (name, losses) in [("validation", &figures.validation), ("test", &figures.test)] {
        let agreement = 100.0 * losses.agreement;
        let (float, exact, noisy) = (losses.float, losses.exact, losses.noisy);
        text.push_str(&format!(
            "{name:12}{float:>12.4}{exact:>12.4}{noisy:>12.4}{agreement:>10.2} %\n"
        ));
    }
    text
}

pub(crate) fn evaluation(evaluation: &Evaluation) -> String {
    let metrics = &evaluation.metrics;
    let mut text = format!(
        "examples       {}\naccuracy       {:.2} %\nF1             {:.4}\ncross-entropy  {:.4} nats\n",
        metrics.examples,
        100.0 * metrics.accuracy,
        metrics.f1,
        metrics.cross_entropy
    );
    if let Some(agreement) = evaluation.agreement {
        text.push_str(&format!(
            "agreement      {:.2} % of verdicts as the reference's\n",
            100.0 * agreement
        ));
    }
    let each = evaluation.seconds / metrics.examples.max(1) as f64;
    let seconds = evaluation.seconds;
    text.push_str(&format!(
        "time           {seconds:.2} s, {:.3} ms a text\n",
        1e3 * each
    ));
    text
}

pub(crate) fn texts_evaluation(evaluation: &TextsEvaluation) -> String {
    let TextsEvaluation {
        examples,
        tokens,
        cross_entropy,
        left_out,
        seconds,
        ..
    } = evaluation;
    let mut text = format!(
        "texts          {examples} ({left_out} too long)\ntokens         {tokens}\n\
         cross-entropy  {cross_entropy:.4} nats a character\n"
    );
    if let Some(agreement) = evaluation.agreement {
        text.push_str(&format!(
            "agreement      {:.2} % of most likely characters as the reference's\n",
            100.0 * agreement
        ));
    }
    let each = seconds / *tokens as f64;
    text.push_str(&format!(
        "time           {seconds:.2} s, {:.3} ms a character\n",
        1e3 * each
    ));
    text
}

pub(crate) fn estimate(estimate: &Estimate) -> String {
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut text = format!(
        "{:24}{:12}{:>7}{:>6}{:>10}{:>13}{:>14}{:>9}\n",
        "layer", "operation", "values", "LUTs", "products", "input noise", "failure", "seconds"
    );
    for layer in &estimate.layers {
        let noise = optional(
            layer
                .input_noise
                .map(|noise| format!("{:.3} %", 100.0 * noise)),
        );
        let failure = optional(layer.failure_log2.map(|log2| format!("2^{log2:.1}")));
        writeln!(
            text,
            "{:24}{:12}{:>7}{:>6}{:>10}{noise:>13}{failure:>14}{:>9.4}",
            layer.name,
            layer.operation,
            layer.values,
            layer.luts,
            layer.ring_products,
            layer.seconds
        )
        .expect("writing to a string does not fail");
    }
    text.push_str(&totals(estimate));
    text
}

fn totals(estimate: &Estimate) -> String {
    let (luts, products) = (estimate.luts, estimate.ring_products);
    let noise = format!("{:.3} %", 100.0 * estimate.worst_input_noise);
    let failure = format!("2^{:.1}", estimate.worst_failure_log2);
    let seconds = estimate.predicted_seconds_per_core;
    let mut text = format!(
        "{:43}{luts:>6}{products:>10}{noise:>13}{failure:>14}{seconds:>9.4}\n\n",
        "total, or worst"
    );
    let core = match estimate.speed == cost::REFERENCE {
        true => "one core of the reference machine",
        false => "one core of this machine, as measured",
    };
    text.push_str(&format!("seconds         on {core}\n"));
    if let [first, .., last] = estimate.luts_per_position[..] {
        let positions = estimate.luts_per_position.len();
        text.push_str(&format!(
            "LUTs a token    {first} at the first of {positions} positions, {last} at the last, shown above\n"
        ));
    }
    text.push_str(&format!(
        "evaluation key  {} bytes\nrequest         {} bytes\nresponse        {} bytes\n\
         security        {} bits\n",
        estimate.evaluation_key_bytes,
        estimate.request_bytes,
        estimate.response_bytes,
        estimate.security_bits
    ));
    text
}

/// What tuning chose; `explain` adds the runner-up and what cheaper sets fail by.
pub(crate) fn tuning(
    circuit: &Circuit,
    tuning: &Tuning,
    written: Option<&Path>,
    explain: bool,
) -> String {
    let mut text = String::new();
    let mut add = |line: String| writeln!(text, "{line}").expect("a string takes all");
    let now = circuit.parameters().name;
    add(format!(
        "of {} candidates, for {}, now under {now}:\n",
        tuning.candidates,
        circuit.manifest().name
    ));
    add(candidate("chosen", &tuning.chosen));
    if explain {
        match &tuning.runner_up {
            Some(runner_up) => add(candidate("runner-up", runner_up)),
            None => add("runner-up        none: no other set will do\n".to_owned()),
        }
        add("cheaper, but not good enough:".to_owned());
        for rejected in &tuning.rejected {
            let milliseconds = 1000.0 * rejected.lut_seconds;
            add(format!(
                "  {} ({milliseconds:.1} ms a LUT)\n    {}",
                rejected.parameter_set, rejected.reason
            ));
        }
    }
    match written {
        Some(_) if tuning.chosen.parameter_set == now => {
            add("the circuit has these parameters already".to_owned())
        }
        Some(folder) => add(format!("wrote {}", folder.display())),
        None => add("nothing was written".to_owned()),
    }
    text
}

fn candidate(what: &str, candidate: &Candidate) -> String {
    let Candidate { limited_by, .. } = candidate;
    let mut text = format!("{what:16} {}\n", candidate.parameter_set);
    let mut add = |name: &str, value: String| {
        writeln!(text, "  {name:14} {value}").expect("a string takes all");
    };
    if let Some(set) = parameters::by_name(&candidate.parameter_set) {
        add("is", numbers(set));
        let noise = set.lut_input_noise();
        let output = set.lut_output_variance(Precision::Full).log2() / 2.0;
        add(
            "LUT",
            format!(
                "{:.1} ms, input noise {:.3} %, output noise 2^{output:.1}",
                1000.0 * candidate.lut_seconds,
                100.0 * noise
            ),
        );
    }
    add(
        "evaluation",
        format!("{:.2} s on one core", candidate.seconds),
    );
    add("key", format!("{} bytes", candidate.key_bytes));
    add(
        "failure",
        format!("2^{:.1}, at most 2^-40", candidate.worst_failure_log2),
    );
    add("security", "128 bits".to_owned());
    add(
        "limited by",
        format!(
            "{}: noise of {:.3} %, {:.3} % tolerated",
            limited_by.layer,
            100.0 * limited_by.noise,
            100.0 * limited_by.tolerated
        ),
    );
    text
}

fn numbers(set: &ParameterSet) -> String {
    let base =
        |gadget: parameters::Decomposition| format!("{} x 2^{}", gadget.levels, gadget.base_log);
    format!(
        "ring {} x {}, small key {} bits in blocks of {}, digits: LUT {}, key switch {}, ring key switch {}",
        set.bootstrap_glwe_dimension,
        set.bootstrap_polynomial_size,
        set.lwe_dimension,
        set.lwe_block,
        base(set.bootstrap),
        base(set.key_switch),
        base(set.ring_key_switch)
    )
}
