//! A run: a text that is classified, or names that are generated, told event by event.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use cipherformer_circuit::InputKind;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::Page;
use super::event::{Clear, Event, Field, Letter, Problem};
use super::watch::Watch;
use crate::circuit::PublicCircuit;
use crate::client::{Client, milliseconds};
use crate::error::ClientError;
use crate::generate::unless;
use crate::sampling::Sampling;
use crate::session::Step;

/// Bytes. Circuits look at the first 160 words; a longer text is a mistake.
pub(super) const LONGEST_TEXT: usize = 20_000;
/// Names of one run.
const MOST_NAMES: f64 = 20.0;
/// How long a run waits for the one before to end: one that was cancelled says goodbye to the server first.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the page asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    circuit: String,
    /// The text to classify, or what names begin with.
    text: String,
    /// How many names. Whatever number the field holds is taken here, and refused in words.
    #[serde(default = "one")]
    count: f64,
    #[serde(default)]
    temperature: f64,
}

fn one() -> f64 {
    1.0
}

/// What a run works with.
struct Run {
    page: Arc<Page>,
    client: Client,
    order: Order,
    events: UnboundedSender<Event>,
}

impl Order {
    fn check(&self) -> Result<(), Problem> {
        let bytes = self.text.len();
        if bytes > LONGEST_TEXT {
            let message = format!("the text has {bytes} bytes; shorten it to {LONGEST_TEXT}");
            return Err(Problem::new(message, Some(Field::Text)));
        }
        if self.count.fract() != 0.0 || !(1.0..=MOST_NAMES).contains(&self.count) {
            let message = format!(
                "that many names are not possible; ask for a whole number from 1 to {MOST_NAMES}"
            );
            return Err(Problem::new(message, Some(Field::Count)));
        }
        Ok(())
    }
}

/// Begins a run; the answer is a stream of events. It is cancelled when nobody reads them any more.
pub(super) async fn start(State(page): State<Arc<Page>>, Json(order): Json<Order>) -> Response {
    let (events, receiver) = mpsc::unbounded_channel();
    let turn = Arc::clone(&page.turn).acquire_owned();
    match tokio::time::timeout(PATIENCE, turn).await {
        Ok(Ok(turn)) => {
            let run = Run {
                client: page.client.observed_by(Arc::new(Watch(events.clone()))),
                page,
                order,
                events,
            };
            tokio::spawn(run.go(turn));
        }
        _ => {
            let message =
                "another page has something running; wait until it is done, or cancel it there";
            let _ = events.send(Event::Error(Problem::new(message, None)));
        }
    }
    lines(receiver)
}

/// One JSON object a line, as they come.
fn lines(receiver: UnboundedReceiver<Event>) -> Response {
    let lines = stream::unfold(receiver, async |mut receiver| {
        let event = receiver.recv().await?;
        let mut line = serde_json::to_vec(&event).expect("plain data");
        line.push(b'\n');
        Some((Ok::<_, std::convert::Infallible>(line), receiver))
    });
    let media_type = [(CONTENT_TYPE, "application/x-ndjson")];
    (media_type, Body::from_stream(lines)).into_response()
}

impl Run {
    async fn go(self, turn: OwnedSemaphorePermit) {
        let start = Instant::now();
        self.tell(match self.work().await {
            Ok(()) => Event::Done {
                ms: milliseconds(start),
            },
            Err(event) => event,
        });
        drop(turn); // the next one may begin
    }

    /// The event is that of the end.
    async fn work(&self) -> Result<(), Event> {
        self.order.check().map_err(Event::Error)?;
        let mut cancelled = pin!(self.cancelled());
        let circuit = unless(&mut cancelled, self.circuit()).await?;
        match circuit.manifest().input.kind {
            InputKind::Bag => unless(&mut cancelled, self.classify(&circuit)).await?,
            InputKind::Tokens => self.generate(&circuit, cancelled).await?,
        }
        Ok(())
    }

    /// The circuit as the server has it now. If nobody answers, as it was: the server may come back.
    async fn circuit(&self) -> Result<Arc<PublicCircuit>, ClientError> {
        let _ = self.client.circuits().await;
        self.client.circuit(&self.order.circuit).await
    }

    async fn classify(&self, circuit: &PublicCircuit) -> Result<(), ClientError> {
        let text = &self.order.text;
        if text.trim().is_empty() {
            return Err(ClientError::EmptyText); // before keys are made for nothing
        }
        self.tell_bag(circuit);
        self.keys(circuit).await?;
        self.tell(Event::Clear(Clear::of(&json!({ "text": text }))));
        let (judge, answer) = self.client.classify_by(&self.order.circuit, text).await?;
        if judge.manifest().digest != circuit.manifest().digest {
            self.tell_bag(&judge); // it took the other's place meanwhile
        }
        self.tell(Event::Verdict {
            labels: judge.manifest().output.labels.clone(),
            clear: Clear::of(&json!({ "label": answer.label, "scores": answer.scores })),
            answer,
        });
        Ok(())
    }

    /// The text as a circuit that classifies reads it.
    fn tell_bag(&self, circuit: &PublicCircuit) {
        let bag = circuit.vocabulary().bag(&self.order.text);
        self.tell(Event::Tokenized {
            tokens: names(circuit, bag.features()),
            dropped_features: bag.dropped(),
            dropped_words: bag.dropped_words(),
        });
    }

    async fn generate(
        &self,
        circuit: &PublicCircuit,
        mut cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), ClientError> {
        let order = &self.order;
        let sampling = Sampling::new(order.temperature, None)?;
        let tokens = names(circuit, &circuit.prompt(&order.text)?);
        self.tell(Event::Tokenized {
            tokens: tokens.clone(),
            dropped_features: 0,
            dropped_words: 0,
        });
        unless(&mut cancelled, self.keys(circuit)).await?;
        let first = json!({ "tokens": tokens });
        let watch = |step: &Step, letter: Option<&str>| {
            self.tell(Event::Letter(Letter::new(step, letter)));
            if let Some(letter) = letter {
                self.tell(Event::Clear(Clear::of(&json!({ "tokens": [letter] })))); // if there is room for it
            }
        };
        for _ in 0..order.count as u32 {
            self.tell(Event::Clear(Clear::of(&first)));
            let seed = u64::from(rand::random::<u32>()); // as the command line draws it
            let (name, prefix) = (&circuit.manifest().name, &order.text);
            let generated =
                self.client
                    .generate_watched(name, prefix, &sampling, seed, watch, &mut cancelled);
            self.tell(Event::Name(generated.await?));
        }
        Ok(())
    }

    /// Has keys made and registered if they are missing.
    async fn keys(&self, circuit: &PublicCircuit) -> Result<(), ClientError> {
        let start = Instant::now();
        let keys = self.client.keys(circuit.parameters()).await?;
        let record = keys.record();
        self.tell(Event::Keys {
            secret_key_bytes: record.secret_key_bytes,
            evaluation_key_bytes: record.evaluation_key_bytes,
            ms: milliseconds(start),
        });
        Ok(())
    }

    /// Ends when nobody listens any more, or the page is closed down.
    async fn cancelled(&self) {
        tokio::select! {
            () = self.events.closed() => {}
            () = self.page.stopping() => {}
        }
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event); // whoever has gone is being cancelled
    }
}

/// Features or tokens, as their vocabulary spells them.
fn names(circuit: &PublicCircuit, entries: &[usize]) -> Vec<String> {
    let entries = entries
        .iter()
        .filter_map(|&entry| circuit.vocabulary().feature(entry));
    entries.map(str::to_owned).collect()
}
