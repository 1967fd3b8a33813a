//! What both kinds of specification say of a circuit, checked before anything is computed.

use std::path::Path;

use cipherformer_circuit::{OutputPolicy, ParameterSet, TOP_LABELS, check_labels, parameters};

use super::error::ImportError;
use super::spec::refuse;

/// The parameters of this name, if they and the policy will do for these labels.
///
/// # Errors
/// Parameters that there are not, labels that cannot be shown, or more than the policy compares.
pub(super) fn parameter_set(
    path: &Path,
    name: &str,
    policy: OutputPolicy,
    labels: &[String],
) -> Result<&'static ParameterSet, ImportError> {
    check_labels(labels).map_err(|reason| refuse(path, reason))?;
    let count = labels.len();
    if policy == OutputPolicy::TopOne && !(2..=TOP_LABELS).contains(&count) {
        let reason = format!(
            "the output top-1 compares 2 to {TOP_LABELS} labels, and there are {count}; use scores or rounded:BITS"
        );
        return Err(refuse(path, reason));
    }
    parameters::by_name(name).ok_or_else(|| {
        let known = parameters::names();
        let reason = format!("unknown parameter set {name:?}; this build knows {known}");
        refuse(path, reason)
    })
}
