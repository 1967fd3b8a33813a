//! What happens while the page is open: circuits are imported again, other tabs ask, runs are cancelled, the page ends.

mod browser;
mod fake_server;
mod judging_server;
mod writing_server;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use browser::{Page, events, of, rest, until};
use cipherformer_client::{ClientError, KeyHome, Passphrase, Passphrases};
use cipherformer_fhe::PreparedCircuit;
use fake_server::{Answer, FakeServer, Request};
use serde_json::{Value, json};

fn order(text: &str) -> Value {
    json!({ "circuit": "toy", "text": text })
}

fn overview(page: &Page) -> Value {
    serde_json::from_str(&page.get("state").body).expect("JSON")
}

/// As [`judging_server::circuit`], in other words.
fn another() -> PreparedCircuit {
    let circuit =
        judging_server::circuit_of("imported again", ["w:poor", "w:fine"], ["poor", "fine"]);
    PreparedCircuit::new(circuit).expect("small weights")
}

#[test]
fn a_circuit_that_was_imported_again_is_shown_and_used() {
    let (home, state) = (
        tempfile::tempdir().expect("temporary"),
        judging_server::state("first"),
    );
    let server = judging_server::serve(&state);
    let page = Page::serve(server.url(), home.path());
    assert_eq!(of(&page.run(&order("good")), "verdict")[0]["label"], "good");
    state.lock().expect("no panic").prepared = another();
    let events = page.run(&order("fine poor fine"));
    let tokens = &of(&events, "tokenized")[0]["tokens"];
    assert_eq!(*tokens, json!(["w:poor", "w:fine"]));
    let events = page.run(&order("fine"));
    assert_eq!(of(&events, "verdict")[0]["label"], "fine");
    assert_eq!(of(&events, "verdict")[0]["labels"], json!(["poor", "fine"]));
    let circuit = overview(&page)["circuits"][0].clone();
    assert_eq!(circuit["description"], "imported again");
}

/// A reload is enough, and so is a run: neither needs the other.
#[test]
fn the_page_loads_what_is_new() {
    let (home, state) = (
        tempfile::tempdir().expect("temporary"),
        writing_server::state([1, 2, 0]),
    );
    let server = writing_server::serve(&state);
    let page = Page::serve(server.url(), home.path());
    let usable = |page: &Page| overview(page)["circuits"][0]["circuit"].clone();
    assert_eq!(usable(&page)["longest_prefix"], 3);
    {
        let mut state = state.lock().expect("no panic");
        (state.prepared, state.manifest) = writing_server::letters([1, 2, 0], ["a", "c"]);
        state.manifest.input.context = 3;
    }
    assert_eq!(usable(&page)["longest_prefix"], 2);
}

#[test]
fn new_letters_are_known_at_once() {
    let (home, state) = (
        tempfile::tempdir().expect("temporary"),
        writing_server::state([1, 2, 0]),
    );
    let server = writing_server::serve(&state);
    let page = Page::serve(server.url(), home.path());
    let refused = page.run(&order("c"));
    let message = refused[0]["message"].as_str().expect("a sentence");
    assert!(message.contains("no letter 'c'"), "{message}");
    {
        let mut state = state.lock().expect("no panic");
        (state.prepared, state.manifest) = writing_server::letters([1, 2, 0], ["a", "c"]);
    }
    let events = page.run(&order("c"));
    assert_eq!(of(&events, "tokenized")[0]["tokens"], json!(["<end>", "c"]));
    assert_eq!(of(&events, "name").len(), 1, "{events:?}");
}

/// Tokens and labels are those of the circuit that answers, not of the one that was there when the run began.
#[test]
fn a_circuit_that_changes_during_a_run_gives_its_own_labels() {
    let (home, state) = (
        tempfile::tempdir().expect("temporary"),
        judging_server::state("first"),
    );
    let changes = AtomicBool::new(true);
    let server = FakeServer::start(move |request| {
        let mut state = state.lock().expect("no panic");
        if request.path.contains("/evaluations?") && changes.swap(false, Relaxed) {
            state.prepared = another();
        }
        judging_server::answer(&mut state, request)
    });
    let page = Page::serve(server.url(), home.path());
    let events = page.run(&order("fine good"));
    let tokens: Vec<_> = of(&events, "tokenized")
        .iter()
        .map(|event| event["tokens"].clone())
        .collect();
    assert_eq!(tokens, [json!(["w:good"]), json!(["w:fine"])]);
    let verdict = of(&events, "verdict")[0];
    assert_eq!(verdict["label"], "fine");
    assert_eq!(verdict["labels"], json!(["poor", "fine"]));
}

/// A server that is busy as long as this is set.
fn busy(
    when: &Arc<AtomicBool>,
    otherwise: impl Fn(&Request) -> Answer + Send + 'static,
) -> FakeServer {
    let when = Arc::clone(when);
    FakeServer::start(move |request| {
        let evaluates = ["/evaluations?", "/tokens?"]
            .iter()
            .any(|part| request.path.contains(part));
        match evaluates && when.load(Relaxed) {
            true => Answer::problem(429, "busy", "later").retry_after(1),
            false => otherwise(request),
        }
    })
}

#[test]
fn one_run_at_a_time_until_its_reader_goes_away() {
    let (home, state) = (
        tempfile::tempdir().expect("temporary"),
        judging_server::state(""),
    );
    let held = Arc::new(AtomicBool::new(true));
    let server = busy(&held, move |request| {
        judging_server::answer(&mut state.lock().expect("no panic"), request)
    });
    let page = Page::serve(server.url(), home.path());
    let mut first = events(page.begin(&order("good").to_string()));
    until(&mut first, "waiting");
    let second = page.run(&order("good"));
    let message = second[0]["message"].as_str().expect("a sentence");
    assert!(
        message.contains("another page has something running"),
        "{message}"
    );
    drop(first);
    held.store(false, Relaxed);
    let (_, mut third) = page.run_in_turn(&order("bad"));
    let third = rest(&mut third);
    assert_eq!(of(&third, "verdict").len(), 1, "{third:?}");
}

#[test]
fn a_page_that_ends_closes_its_session() {
    let (home, state) = (
        tempfile::tempdir().expect("temporary"),
        writing_server::state([1, 2, 0]),
    );
    let held = Arc::new(AtomicBool::new(true));
    let server = busy(&held, move |request| {
        writing_server::answer(&mut state.lock().expect("no panic"), request)
    });
    let mut page = Page::serve(server.url(), home.path());
    let mut events = events(page.begin(&order("").to_string()));
    until(&mut events, "waiting");
    page.stop();
    let closed = |request: &String| request.starts_with("DELETE /v1/sessions/");
    assert!(server.requests().iter().any(closed));
}

/// A user who is asked for a passphrase, and takes the time that the test takes.
struct Slow {
    asked: Sender<()>,
    typed: Mutex<Receiver<()>>,
}

impl Passphrases for Slow {
    fn for_opening(&self, _: &Path) -> Result<Passphrase, ClientError> {
        Ok(Passphrase::new("correct horse battery".to_owned())?)
    }

    fn for_protecting(&self, key: &Path) -> Result<Passphrase, ClientError> {
        self.asked.send(()).expect("the test is there");
        let typed = self.typed.lock().expect("no panic");
        typed.recv().expect("the test is there");
        self.for_opening(key)
    }
}

#[test]
fn other_tabs_are_answered_while_keys_wait_for_their_passphrase() {
    let home = tempfile::tempdir().expect("temporary");
    let server = judging_server::serve(&judging_server::state(""));
    let ((tell, asked), (type_it, typed)) = (channel(), channel());
    let user = Slow {
        asked: tell,
        typed: Mutex::new(typed),
    };
    let keys = KeyHome::new(home.path())
        .allow_insecure()
        .with_passphrases(Arc::new(user))
        .protect_new_keys();
    let page = Page::serve_with(server.url(), keys);
    let first = events(page.begin(&order("good").to_string()));
    asked.recv().expect("it asks");
    let circuit = overview(&page)["circuits"][0]["circuit"].clone();
    assert_eq!(circuit["keys"], Value::Null, "not made yet");

    // The run is cancelled, its keys are made all the same, and told to nobody else.
    drop(first);
    let (told, mut second) = page.run_in_turn(&order("good"));
    assert_eq!(told["event"], "tokenized");
    type_it.send(()).expect("it waits");
    let told = rest(&mut second);
    assert_eq!(of(&told, "making_keys").len(), 0, "{told:?}");
    assert_eq!(of(&told, "verdict").len(), 1, "{told:?}");
    let circuit = overview(&page)["circuits"][0]["circuit"].clone();
    assert_eq!(circuit["keys"]["protected"], true);
}
