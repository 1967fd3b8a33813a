//! What is right at the moment: names, ids and bodies that the server takes. Hostile requests are made from these.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use cipherformer_circuit::Circuit;
use cipherformer_protocol::{SessionId, SessionInfo, routes};

use crate::context::Context;
use crate::names::Names;
use crate::wire::{self, Pair, Wire};

/// Good values and bodies.
#[derive(Clone)]
pub(super) struct Material {
    circuits: Vec<(String, String)>,
    sets: Vec<&'static str>,
    /// One of each parameter set, registered.
    pairs: Arc<Vec<Pair>>,
    session: Option<SessionId>,
    /// An encrypted prompt, framed tokens, and the beginning of a key.
    pub(super) bodies: Arc<Vec<Vec<u8>>>,
}

impl Material {
    /// Makes keys, which are not registered yet.
    pub(super) fn new(context: &Context, guard: &Arc<Circuit>) -> Result<Self> {
        let writer = context.circuit("names-gpt")?;
        let pairs = [guard, &writer].map(|circuit| Pair::fresh(circuit.parameters()));
        let names = Names::new(&writer)?;
        let request = wire::public(guard)?.encrypt("Is this a good prompt?", &pairs[0].secret)?;
        let tokens = names.encrypt(names.get(0), 0, &pairs[1].secret)?;
        let part = pairs[0].evaluation[..60_000].to_vec();
        let circuit = |circuit: &Arc<Circuit>| {
            let manifest = circuit.manifest();
            (manifest.name.clone(), manifest.digest.clone())
        };
        Ok(Self {
            circuits: [guard, &writer].map(circuit).to_vec(),
            sets: pairs.iter().map(Pair::set).collect(),
            pairs: Arc::new(pairs.into()),
            session: None,
            bodies: Arc::new(vec![request.bytes, tokens, part]),
        })
    }

    /// Registers keys that were deleted, and opens a session if there is none.
    pub(super) async fn refresh(&mut self, wire: &Wire) -> Result<()> {
        for pair in self.pairs.iter() {
            if !wire.get(&routes::key(&pair.id)).await?.status.is_success() {
                wire.register(pair).await?;
            }
        }
        let key = &self.pairs[1].id;
        if let Some(id) = &self.session
            && wire
                .get(&routes::session(id, key))
                .await?
                .status
                .is_success()
        {
            return Ok(());
        }
        let (name, digest) = &self.circuits[1];
        let opened = wire.post(&routes::sessions(name, key, digest), &[]).await?;
        ensure!(opened.status.is_success(), "no session: {}", opened.text());
        let info: SessionInfo = serde_json::from_slice(&opened.body).context("no session")?;
        self.session = Some(info.id);
        Ok(())
    }

    /// A whole evaluation key.
    pub(super) fn key(&self) -> &[u8] {
        &self.pairs[0].evaluation
    }

    /// What is right for a parameter of this name, of a path of this pattern; `which` picks one of those there are. Those
    /// of the same number fit each other.
    pub(super) fn value(&self, pattern: &str, name: &str, which: usize) -> Option<String> {
        let which = which % self.circuits.len();
        let (circuit, digest) = &self.circuits[which];
        let session = || self.session.as_ref().map(ToString::to_string);
        match name {
            "name" => Some(circuit.clone()),
            "digest" => Some(digest.clone()),
            "id" if pattern.starts_with("/v1/sessions") => session(),
            "id" | "key" => Some(self.pairs[which].id.to_string()),
            "parameter_set" => Some(self.sets[which].to_owned()),
            "position" | "upload-offset" => Some("0".to_owned()),
            "upload-length" => Some(self.pairs[which].evaluation.len().to_string()),
            _ => None,
        }
    }
}
