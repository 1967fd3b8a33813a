//! `inspect`: all that a client gets, and all that it keeps.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use cipherformer_client::{
    Bar, CircuitInspection, Client, Endpoint, Field, HomeLook, Inspection, KeyHome, one_line,
};

use super::arguments::Inspect;
use super::print;

pub(crate) async fn run(
    server: Endpoint,
    home: KeyHome,
    options: &Inspect,
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(server, home, Arc::new(Bar::default())).await?;
    let seen = client.inspect(options.circuit.as_deref()).await?;
    match options.json {
        true => print(&serde_json::to_string(&seen)?)?,
        false => print(&readable(&seen)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn readable(seen: &Inspection) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let out = &mut text;
    writeln!(out, "server {}", seen.server)?;
    for circuit in &seen.circuits {
        of_circuit(out, circuit)?;
    }
    writeln!(out, "\nwith every answer come")?;
    fields(out, &seen.with_answers)?;
    of_home(out, &seen.home)?;
    writeln!(out, "\nnot received")?;
    for sentence in seen.not_received {
        writeln!(out, "  - {sentence}")?;
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

fn of_circuit(out: &mut String, circuit: &CircuitInspection) -> std::fmt::Result {
    let name = circuit.manifest.iter().find(|field| field.name == "name");
    let name = name.map(Field::shown).unwrap_or_default();
    writeln!(out, "\ncircuit {}: its manifest", name.trim_matches('"'))?;
    fields(out, &circuit.manifest)?;
    let vocabulary = &circuit.vocabulary;
    writeln!(
        out,
        "  vocabulary: {} entries, {} bytes, SHA-256 {}",
        vocabulary.entries, vocabulary.bytes, vocabulary.sha256
    )?;
    writeln!(
        out,
        "    begins with {}",
        one_line(&format!("{:?}", vocabulary.first), 200)
    )?;
    let set = &circuit.parameters;
    writeln!(
        out,
        "  parameters {}: {} bits of security, a ring key of {} bits and a small key of {}\n    {}",
        set.name, set.security_bits, set.ring_key_bits, set.small_key_bits, set.source
    )?;
    let sizes = &circuit.sizes;
    writeln!(
        out,
        "  sizes: a request {} bytes, a response {}, both whatever the text; the evaluation key, once, {} at most",
        sizes.request, sizes.response, sizes.evaluation_key
    )
}

fn fields(out: &mut String, fields: &[Field]) -> std::fmt::Result {
    for field in fields {
        match field.value {
            Some(_) => writeln!(out, "  {} = {}", field.name, field.shown())?,
            None => writeln!(out, "  {}", field.name)?,
        }
        writeln!(out, "    {}", field.meaning)?;
    }
    Ok(())
}

fn of_home(out: &mut String, home: &HomeLook) -> std::fmt::Result {
    writeln!(out, "\non this computer, in {}", home.folder.display())?;
    if home.keys.is_empty() {
        writeln!(out, "  no keys")?;
    }
    for pair in &home.keys {
        writeln!(out, "  keys of {}", pair.parameter_set)?;
        if let Some(record) = &pair.record {
            let protected = if record.protected { "with" } else { "without" };
            writeln!(
                out,
                "    id {}, made {}, the secret key {protected} a passphrase",
                record.id,
                one_line(&record.created, 40)
            )?;
        }
        if let Some(problem) = &pair.problem {
            writeln!(out, "    {problem}")?;
        }
        for file in &pair.files {
            let mode = file.mode.as_deref().unwrap_or("-");
            writeln!(
                out,
                "    {} bytes, mode {mode}  {}\n      {}",
                file.bytes,
                file.path.display(),
                file.what
            )?;
        }
    }
    for (server, ids) in &home.registrations {
        writeln!(out, "  registered with {}:", one_line(server, 200))?;
        for id in ids {
            writeln!(out, "    {id}")?;
        }
    }
    Ok(())
}
