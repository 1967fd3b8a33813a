//! What a manifest must satisfy before anything in it is used. Tested with the circuit.

use cipherformer_circuit::{FORMAT, InputLayout, Manifest, OutputLayout, ParameterSet, parameters};

/// No vocabulary may have more entries: 32 ring ciphertexts of 2,048.
const MAX_ENTRIES: usize = 65_536;
/// No circuit of this format has more labels.
const MAX_LABELS: usize = 256;

/// Checks all numbers and names of a manifest; says what is wrong.
pub(crate) fn check_manifest(
    name: &str,
    manifest: &Manifest,
) -> Result<&'static ParameterSet, String> {
    if manifest.format != FORMAT {
        return Err(format!(
            "format {} is not {FORMAT}, which this build reads",
            manifest.format
        ));
    }
    if manifest.name != name {
        return Err(format!("it is of circuit {:?}, not {name}", manifest.name));
    }
    if manifest.digest.len() != 64 || !manifest.digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("its digest is not 64 hexadecimal digits".to_owned());
    }
    check_input(&manifest.input)?;
    check_output(&manifest.output)?;
    parameters::by_name(&manifest.parameter_set).ok_or_else(|| {
        format!(
            "this build does not know parameter set {:?}",
            manifest.parameter_set
        )
    })
}

fn check_input(input: &InputLayout) -> Result<(), String> {
    if !(1..=MAX_ENTRIES).contains(&input.entries) {
        return Err(format!(
            "{} features, not 1 to {MAX_ENTRIES}",
            input.entries
        ));
    }
    if input.min_count == 0 || input.max_features < input.min_count {
        return Err(format!(
            "min_count {} must be positive and at most max_features {}",
            input.min_count, input.max_features
        ));
    }
    // Half of a LUT's range, which the whole bag may fill, is a quarter of the torus.
    if !(input.scale > 0.0 && input.scale < 0.25) {
        return Err(format!(
            "input scale {} is not between 0 and 0.25",
            input.scale
        ));
    }
    Ok(())
}

fn check_output(output: &OutputLayout) -> Result<(), String> {
    if !(1..=MAX_LABELS).contains(&output.labels.len()) {
        return Err(format!(
            "{} labels, not 1 to {MAX_LABELS}",
            output.labels.len()
        ));
    }
    let fits = |label: &String| {
        (1..=64).contains(&label.chars().count()) && !label.contains(char::is_control)
    };
    if !output.labels.iter().all(fits) {
        return Err("a label is empty, too long or not printable".to_owned());
    }
    if output.scale.len() != output.labels.len() {
        return Err(format!(
            "{} output scales for {} labels",
            output.scale.len(),
            output.labels.len()
        ));
    }
    // Far wider than any real circuit's, and narrow enough that no score overflows.
    let sensible = |scale: &f64| (1e-12..=1e12).contains(scale);
    if !output.scale.iter().all(sensible) {
        return Err("an output scale is not a sensible positive number".to_owned());
    }
    Ok(())
}
