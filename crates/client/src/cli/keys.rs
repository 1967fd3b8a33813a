//! `keys`: make, show, delete.

use std::process::ExitCode;

use cipherformer_circuit::{ParameterSet, parameters};
use cipherformer_client::{Bar, ClientError, KeyHome, Keys};
use serde_json::json;

use super::arguments::{KeyAction, Keys as Options};
use super::print;

pub(crate) fn run(home: &KeyHome, options: &Options) -> anyhow::Result<ExitCode> {
    let parameters = find(&options.parameter_set)?;
    match options.action {
        KeyAction::Create { json } => {
            let keys = home.create(parameters, &Bar::default())?;
            show(&keys, json)?;
        }
        KeyAction::Show { json } => {
            let folder = home.folder(parameters);
            let keys = home.load(parameters)?;
            show(&keys.ok_or(ClientError::NoKeys { folder })?, json)?;
        }
        KeyAction::Delete => delete(home, parameters)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> Result<&'static ParameterSet, ClientError> {
    parameters::by_name(name).ok_or_else(|| ClientError::unknown_parameters(name))
}

fn show(keys: &Keys, as_json: bool) -> anyhow::Result<()> {
    let (record, folder) = (keys.record(), keys.folder());
    let (secret, evaluation) = (folder.join("secret.key"), folder.join("evaluation.key"));
    if as_json {
        let object = json!({
            "id": record.id,
            "parameter_set": record.parameter_set,
            "security_bits": keys.parameters().security_bits,
            "created": record.created,
            "secret_key_bytes": record.secret_key_bytes,
            "secret_key_file": secret.to_string_lossy(),
            "evaluation_key_bytes": record.evaluation_key_bytes,
            "evaluation_key_file": evaluation.to_string_lossy(),
        });
        return print(&object.to_string());
    }
    print(&format!("key id          {}", record.id))?;
    print(&format!(
        "parameter set   {}, {} bits of security",
        record.parameter_set,
        keys.parameters().security_bits
    ))?;
    print(&format!("created         {}", record.created))?;
    print(&format!(
        "secret key      {} bytes, {}: never share it",
        record.secret_key_bytes,
        secret.display()
    ))?;
    print(&format!(
        "evaluation key  {} bytes, {}: what servers get",
        record.evaluation_key_bytes,
        evaluation.display()
    ))
}

fn delete(home: &KeyHome, parameters: &'static ParameterSet) -> anyhow::Result<()> {
    for path in home.delete(parameters)? {
        print(&format!("deleted {}", path.display()))?;
    }
    print("ciphertexts under these keys can never be opened again")
}
