//! What there is before anything runs: the server, its circuits, the keys on this computer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cipherformer_circuit::InputKind;
use cipherformer_protocol::CircuitSummary;
use serde::Serialize;

use super::Page;
use super::event::Problem;
use super::run::LONGEST_TEXT;
use crate::circuit::PublicCircuit;
use crate::client::Client;
use crate::error::{ClientError, printable};
use crate::keys::HomeLook;
use crate::lifecycle::blocking;

#[derive(Serialize)]
pub(super) struct Overview {
    server: String,
    /// The most bytes that a text may have.
    longest_text: usize,
    circuits: Vec<Offer>,
    /// Why there are none.
    problem: Option<Problem>,
}

/// A circuit of the server.
#[derive(Serialize)]
struct Offer {
    name: String,
    description: String,
    parameter_set: String,
    /// None if this client cannot use it.
    circuit: Option<Usable>,
    /// Why not.
    problem: Option<Problem>,
}

#[derive(Serialize)]
struct Usable {
    generates: bool,
    security_bits: u32,
    /// How many features or tokens it knows.
    entries: usize,
    labels: usize,
    /// The most letters that a text may begin with, of circuits that generate.
    longest_prefix: usize,
    /// The keys on this computer, if they were made.
    keys: Option<MadeKeys>,
}

#[derive(Clone, Serialize)]
struct MadeKeys {
    secret_key_bytes: u64,
    evaluation_key_bytes: u64,
    /// Whether they are under a passphrase.
    protected: bool,
    /// Whether this server should have the evaluation key.
    registered: bool,
}

pub(super) async fn show(State(page): State<Arc<Page>>) -> Json<Overview> {
    let (circuits, problem) = match offers(&page.client).await {
        Ok(circuits) => (circuits, None),
        Err(error) => (Vec::new(), Some(error.into())),
    };
    Json(Overview {
        server: page.client.http.base().to_owned(),
        longest_text: LONGEST_TEXT,
        circuits,
        problem,
    })
}

async fn offers(client: &Client) -> Result<Vec<Offer>, ClientError> {
    let home = client.home.clone();
    let look = blocking(move || home.look()).await?;
    let mut offers = Vec::new();
    for summary in client.circuits().await? {
        let circuit = client.circuit(&summary.name).await;
        if circuit.as_ref().is_err_and(ClientError::is_silence) {
            return Err(circuit.expect_err("it is an error"));
        }
        offers.push(offer(
            &summary,
            circuit.as_deref(),
            client.http.base(),
            &look,
        ));
    }
    Ok(offers)
}

fn offer(
    summary: &CircuitSummary,
    circuit: Result<&PublicCircuit, &ClientError>,
    server: &str,
    look: &HomeLook,
) -> Offer {
    Offer {
        name: printable(&summary.name),
        description: printable(&summary.description),
        parameter_set: printable(&summary.parameter_set),
        problem: circuit
            .err()
            .map(|error| Problem::new(error.to_string(), None)),
        circuit: circuit.ok().map(|circuit| Usable {
            generates: circuit.manifest().input.kind == InputKind::Tokens,
            security_bits: circuit.parameters().security_bits,
            entries: circuit.vocabulary().len(),
            labels: circuit.manifest().output.labels.len(),
            longest_prefix: circuit.context().saturating_sub(1),
            keys: keys(circuit.parameters().name, server, look),
        }),
    }
}

fn keys(set: &str, server: &str, look: &HomeLook) -> Option<MadeKeys> {
    let pair = look.keys.iter().find(|pair| pair.parameter_set == set)?;
    let record = pair.record.as_ref()?;
    let registered = look.registrations.get(server);
    Some(MadeKeys {
        secret_key_bytes: record.secret_key_bytes,
        evaluation_key_bytes: record.evaluation_key_bytes,
        protected: record.protected,
        registered: registered.is_some_and(|ids| ids.contains(&record.id)),
    })
}
