//! `keys`: make, show, protect, rotate, revoke, delete.

use std::process::ExitCode;
use std::sync::Arc;

use cipherformer_circuit::{ParameterSet, parameters};
use cipherformer_client::{Bar, Client, ClientError, Endpoint, KeyHome, KeyRecord, one_line};
use serde_json::json;

use super::arguments::{Arguments, KeyAction, Keys as Options};
use super::{endpoint, forget, print};

pub(crate) async fn run(
    arguments: &Arguments,
    home: KeyHome,
    options: &Options,
) -> anyhow::Result<ExitCode> {
    let parameters = find(&options.parameter_set)?;
    let folder = home.folder(parameters);
    match options.action {
        KeyAction::Create { passphrase, json } => {
            let home = if passphrase {
                home.protect_new_keys()
            } else {
                home
            };
            let keys = home.create(parameters, &Bar::default())?;
            show(&home, parameters, keys.record(), json)?;
        }
        KeyAction::Show { json } => {
            let record = home
                .check(parameters)?
                .ok_or(ClientError::NoKeys { folder })?;
            show(&home, parameters, &record, json)?;
        }
        KeyAction::Protect => protect(&home, parameters)?,
        KeyAction::Unprotect => unprotect(&home, parameters)?,
        KeyAction::Rotate => match arguments.server {
            Some(_) => return rotate_with(endpoint(arguments)?, home, parameters).await,
            None => rotate(&home, parameters)?,
        },
        KeyAction::Revoke => {
            let client = Client::connect(endpoint(arguments)?, home, Arc::new(())).await?;
            print(&forget::sentence(&client.revoke(parameters).await?))?;
        }
        KeyAction::Delete => delete(&home, parameters)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> Result<&'static ParameterSet, ClientError> {
    parameters::by_name(name).ok_or_else(|| ClientError::unknown_parameters(name))
}

fn show(
    home: &KeyHome,
    parameters: &ParameterSet,
    record: &KeyRecord,
    as_json: bool,
) -> anyhow::Result<()> {
    let folder = home.folder(parameters);
    let secret = folder.join(if record.protected {
        "secret.key.age"
    } else {
        "secret.key"
    });
    let evaluation = folder.join("evaluation.key");
    if as_json {
        let object = json!({
            "id": record.id,
            "parameter_set": record.parameter_set,
            "security_bits": parameters.security_bits,
            "created": record.created,
            "protected": record.protected,
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
        record.parameter_set, parameters.security_bits
    ))?;
    print(&format!(
        "created         {}",
        one_line(&record.created, 40)
    ))?;
    print(&format!(
        "secret key      {} bytes, {}: never share it",
        record.secret_key_bytes,
        secret.display()
    ))?;
    print(match record.protected {
        true => "passphrase      yes: without it the file opens nothing",
        false => {
            "passphrase      none: whoever reads the file can open your texts (`keys protect`)"
        }
    })?;
    print(&format!(
        "evaluation key  {} bytes, {}: what servers get",
        record.evaluation_key_bytes,
        evaluation.display()
    ))
}

fn protect(home: &KeyHome, parameters: &'static ParameterSet) -> anyhow::Result<()> {
    home.protect(parameters)?;
    let folder = home.folder(parameters);
    print(&format!(
        "protected {}",
        folder.join("secret.key.age").display()
    ))?;
    print(
        "the file without passphrase was overwritten and deleted; snapshots, backups, and disks that move \
         what they overwrite may have it still: if that matters, make new keys with `keys rotate` now",
    )
}

fn unprotect(home: &KeyHome, parameters: &'static ParameterSet) -> anyhow::Result<()> {
    home.unprotect(parameters)?;
    let path = home.folder(parameters).join("secret.key");
    print(&format!(
        "{} has no passphrase any more: whoever reads it can open your texts",
        path.display()
    ))
}

fn rotate(home: &KeyHome, parameters: &'static ParameterSet) -> anyhow::Result<()> {
    let rotation = home.rotate(parameters, &Bar::default())?;
    let old = rotation.old().id.clone();
    let keys = rotation.finish()?;
    print_rotation(&old.to_string(), &keys.record().id.to_string())?;
    print("servers have the old evaluation key until `forget --server URL` has them delete it")
}

async fn rotate_with(
    server: Endpoint,
    home: KeyHome,
    parameters: &'static ParameterSet,
) -> anyhow::Result<ExitCode> {
    let bar = Arc::new(Bar::default());
    let client = Client::connect(server, home, bar.clone()).await?;
    let rotated = client.rotate(parameters).await;
    bar.clear();
    let rotated = rotated?;
    let new = &rotated.keys.record().id;
    print_rotation(&rotated.old.id.to_string(), &new.to_string())?;
    match rotated.deleted {
        Ok(deleted) => {
            print(&forget::sentence(&deleted))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let left = "the new keys are in place, but the server may have the old evaluation key still; run \
                        `forget` later";
            Err(anyhow::Error::from(error).context(left))
        }
    }
}

fn print_rotation(old: &str, new: &str) -> anyhow::Result<()> {
    print(&format!("new keys  {new}"))?;
    print(&format!(
        "old keys  {old}: destroyed; ciphertexts under them can never be opened again"
    ))
}

fn delete(home: &KeyHome, parameters: &'static ParameterSet) -> anyhow::Result<()> {
    for path in home.delete(parameters)? {
        print(&format!("deleted {}", path.display()))?;
    }
    print("ciphertexts under these keys can never be opened again")
}
