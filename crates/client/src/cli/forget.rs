//! `forget`: what is left of a home at a server goes.

use std::process::ExitCode;
use std::sync::Arc;

use cipherformer_client::{Client, Deleted, Endpoint, KeyHome, one_line};
use serde_json::json;

use super::print;

pub(crate) async fn run(
    server: Endpoint,
    home: KeyHome,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(server, home, Arc::new(())).await?;
    let all = client.forget().await?;
    if as_json {
        print(&json!({ "keys": all }).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for key in &all {
        print(&sentence(key))?;
    }
    print(match all.iter().any(|key| key.was_there) {
        true => {
            "the server has nothing of yours any more; what its operator has copied to backups is not in its reach"
        }
        false => "the server had nothing of yours",
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What became of a key at the server.
pub(crate) fn sentence(key: &Deleted) -> String {
    let id = &key.id;
    match (&key.parameter_set, key.bytes) {
        (Some(set), Some(bytes)) if key.was_there => format!(
            "deleted  {id}: {bytes} bytes of {}, with all sessions under it",
            one_line(set, 64)
        ),
        _ if key.was_there => format!("deleted  {id}: part of an upload"),
        _ => format!("unknown  {id}: the server has no such key"),
    }
}
