//! Which circuits a server has, and what it says of them.

use std::sync::Arc;

use cipherformer_circuit::is_circuit_name;
use cipherformer_protocol::{CircuitSummary, ProblemKind};

use crate::circuit::PublicCircuit;
use crate::client::Client;
use crate::error::{ClientError, printable};

impl Client {
    /// The circuits the server has. One that is not what it was is fetched again when it is used.
    ///
    /// # Errors
    /// No answer, or one that makes no sense.
    pub async fn circuits(&self) -> Result<Vec<CircuitSummary>, ClientError> {
        let summaries = self.http.circuits().await?.circuits;
        let mut known = self.known.circuits.lock().await;
        for CircuitSummary { name, digest, .. } in &summaries {
            if known
                .get(name)
                .is_some_and(|circuit| circuit.manifest().digest != *digest)
            {
                known.remove(name);
            }
        }
        Ok(summaries)
    }

    /// What the server says of a circuit, checked; fetched once.
    ///
    /// # Errors
    /// An unknown circuit, or an answer that makes no sense.
    pub async fn circuit(&self, name: &str) -> Result<Arc<PublicCircuit>, ClientError> {
        let mut known = self.known.circuits.lock().await;
        if let Some(circuit) = known.get(name) {
            return Ok(Arc::clone(circuit));
        }
        let circuit = Arc::new(self.fetch(name).await?);
        known.insert(name.to_owned(), Arc::clone(&circuit));
        Ok(circuit)
    }

    /// Makes the next [`Client::circuit`] fetch it again.
    pub(crate) async fn forget_circuit(&self, name: &str) {
        self.known.circuits.lock().await.remove(name);
    }

    async fn fetch(&self, name: &str) -> Result<PublicCircuit, ClientError> {
        if !is_circuit_name(name) {
            return Err(self.unknown_circuit(name).await);
        }
        let manifest = match self.http.manifest(name).await {
            Err(error) if error.problem() == Some(ProblemKind::UnknownCircuit) => {
                return Err(self.unknown_circuit(name).await);
            }
            manifest => manifest?,
        };
        let vocabulary = self.http.vocabulary(name).await?;
        PublicCircuit::new(name, manifest, &vocabulary)
    }

    async fn unknown_circuit(&self, name: &str) -> ClientError {
        // Not through `circuits`: whoever fetches has the lock.
        let list = match self.http.circuits().await {
            Ok(list) => list,
            Err(error) => return error,
        };
        let names: Vec<String> = list.circuits.iter().map(|c| printable(&c.name)).collect();
        ClientError::UnknownCircuit {
            name: printable(name),
            known: match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            },
        }
    }
}
