//! JSON messages and progress events.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::id::{KeyId, SessionId};
use crate::problem::Problem;

/// The circuits a server offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CircuitList {
    /// In order of their names.
    pub circuits: Vec<CircuitSummary>,
}

/// One line of the list of circuits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CircuitSummary {
    /// The circuit's name.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Its digest.
    pub digest: String,
    /// The parameter set a key for it must have.
    pub parameter_set: String,
}

/// What a server says of a registered evaluation key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyInfo {
    /// The key's id.
    pub id: KeyId,
    /// The parameter set it was made for.
    pub parameter_set: String,
    /// Its size as sent.
    pub bytes: u64,
}

/// What a server says of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    /// The session's id.
    pub id: SessionId,
    /// How many tokens have been evaluated.
    pub position: usize,
    /// How many there may be.
    pub context: usize,
    /// Whether tokens are being evaluated, or wait for it.
    pub busy: bool,
    /// After so many seconds without new tokens the session is gone.
    pub expires_in_seconds: u64,
}

/// How far an evaluation is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Name of the step; says nothing of the model.
    pub step: String,
    /// LUTs finished.
    pub luts_done: usize,
    /// LUTs in all.
    pub luts_total: usize,
    /// The layer being evaluated, counted from 1 over all positions of the request; 0 before the first.
    #[serde(default)]
    pub layer: usize,
    /// Layers in all: lookups, linear maps, LUTs, products and packings, each counted.
    #[serde(default)]
    pub layers: usize,
    /// Seconds that the rest will take, going by the LUTs so far; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    /// Whose turn it will be as things are, 1 for the next one; only while waiting for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_in_queue: Option<usize>,
}

/// A finished evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationResult {
    /// Milliseconds the evaluation took on the server.
    pub server_ms: f64,
    /// Programmable bootstraps it took.
    pub luts: usize,
    /// Ring products it took.
    pub ring_products: usize,
    /// How many positions its session has had, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// The encrypted output.
    #[serde(with = "base64_bytes")]
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = String, content_encoding = "base64")
    )]
    pub output: Vec<u8>,
}

/// One event of an evaluation, as server-sent event `event: NAME`, `data: JSON`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// `progress`
    Progress(Progress),
    /// `result`, the last one
    Result(EvaluationResult),
    /// `problem`, the last one
    Problem(Problem),
}

impl Event {
    /// The event's name and JSON data.
    pub fn to_parts(&self) -> (&'static str, String) {
        let (name, data) = match self {
            Self::Progress(progress) => ("progress", serde_json::to_string(progress)),
            Self::Result(result) => ("result", serde_json::to_string(result)),
            Self::Problem(problem) => ("problem", serde_json::to_string(problem)),
        };
        (name, data.expect("plain data"))
    }

    /// Reads an event; `None` for names this version does not know.
    ///
    /// # Errors
    /// Data that is not what the name says.
    pub fn from_parts(name: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(match name {
            "progress" => Some(Self::Progress(serde_json::from_str(data)?)),
            "result" => Some(Self::Result(serde_json::from_str(data)?)),
            "problem" => Some(Self::Problem(serde_json::from_str(data)?)),
            _ => None,
        })
    }
}

mod base64_bytes {
    use super::*;
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_STANDARD.decode(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::problem::ProblemKind;

    fn check(event: &Event) -> Result<(), TestCaseError> {
        let (name, data) = event.to_parts();
        prop_assert!(!data.contains('\n'), "an event's data is one line");
        let read = Event::from_parts(name, &data).expect("just written");
        prop_assert_eq!(read.as_ref(), Some(event));
        Ok(())
    }

    proptest! {
        #[test]
        fn events_round_trip(
            step in ".*",
            luts_done in any::<u32>(),
            output in any::<Vec<u8>>(),
            detail in ".*",
            server_ms in 0.0..1e9f64,
            position in any::<Option<usize>>(),
            seconds_left in prop::option::of(0.0..1e6f64),
        ) {
            let luts_total = luts_done as usize;
            check(&Event::Progress(Progress {
                step,
                luts_done: luts_total / 2,
                luts_total,
                layer: 1,
                layers: 7,
                seconds_left,
                position_in_queue: position,
            }))?;
            check(&Event::Result(EvaluationResult {
                server_ms,
                luts: luts_total,
                ring_products: 1,
                position,
                output,
            }))?;
            check(&Event::Problem(Problem::new(ProblemKind::MalformedInput, detail)))?;
        }

        #[test]
        fn garbage_is_an_error_not_a_panic(name in "(progress|result|problem)", data in ".*") {
            let _ = Event::from_parts(&name, &data);
        }
    }

    #[test]
    fn progress_of_a_server_that_says_less_can_be_read() {
        let data = r#"{"step":"evaluating","luts_done":1,"luts_total":2}"#;
        let event = Event::from_parts("progress", data).expect("all that must be there");
        let Some(Event::Progress(progress)) = event else {
            panic!("{event:?}");
        };
        assert_eq!((progress.luts_done, progress.layers), (1, 0));
        assert_eq!(progress.position_in_queue, None);
    }

    #[test]
    fn unknown_events_are_skipped() {
        assert!(Event::from_parts("news", "{}").expect("skipped").is_none());
    }
}
