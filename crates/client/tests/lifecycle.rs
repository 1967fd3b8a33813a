//! Rotation, revocation and forgetting, with a server that keeps keys and misbehaves on demand.

mod fake_server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cipherformer_circuit::parameters::{INSECURE_PRECISE, INSECURE_TOY};
use cipherformer_client::{Client, ClientError, KeyHome, KeyRecord};
use cipherformer_protocol::KeyId;
use fake_server::{Answer, FakeServer, Request};
use tempfile::TempDir;

/// What the server has.
#[derive(Default)]
struct State {
    keys: BTreeMap<String, usize>,
    /// Ids of uploads that broke off.
    parts: Vec<String>,
    /// Requests of this method are answered so.
    trouble: Option<(&'static str, Answer)>,
}

struct World {
    _folder: TempDir,
    home: KeyHome,
    state: Arc<Mutex<State>>,
    server: FakeServer,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        Self {
            home: KeyHome::new(folder.path()).allow_insecure(),
            _folder: folder,
            server: FakeServer::start(move |request| {
                answer(&mut shared.lock().expect("no panic"), request)
            }),
            state,
        }
    }

    async fn client(&self) -> Client {
        let connecting = Client::connect(self.server.url(), self.home.clone(), Arc::new(()));
        connecting.await.expect("it is there")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    fn ids(&self) -> Vec<String> {
        self.state().keys.keys().cloned().collect()
    }

    /// Requests of this method from now on fail so.
    fn trouble(&self, method: &'static str, answer: Answer) {
        self.state().trouble = Some((method, answer));
    }
}

fn answer(state: &mut State, request: &Request) -> Answer {
    if request.path == "/v1/circuits" {
        return Answer::json(r#"{"circuits":[]}"#);
    }
    if let Some((method, answer)) = &state.trouble
        && *method == request.method
    {
        return answer.clone();
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let id = path
        .strip_prefix("/v1/keys/")
        .expect("nothing else is asked");
    let info = |bytes: usize| {
        Answer::json(format!(
            r#"{{"id":"{id}","parameter_set":"insecure-toy","bytes":{bytes}}}"#
        ))
    };
    let unknown = Answer::problem(404, "unknown-key", "register it");
    match request.method.as_str() {
        "GET" => state.keys.get(id).map_or(unknown, |&bytes| info(bytes)),
        "PUT" => {
            state.keys.insert(id.to_owned(), request.body.len());
            info(request.body.len())
        }
        "DELETE" => {
            let parts = state.parts.len();
            state.parts.retain(|part| part != id);
            let gone = state.keys.remove(id).is_some() || state.parts.len() < parts;
            if gone {
                Answer::new(204, "", "")
            } else {
                unknown
            }
        }
        other => panic!("{other} is not expected"),
    }
}

/// What is known of the keys that a client has, or makes.
async fn record(client: &Client) -> KeyRecord {
    let keys = client.keys(&INSECURE_TOY).await;
    keys.expect("made").record().clone()
}

#[tokio::test]
async fn rotation_registers_the_new_key_before_the_old_one_goes() {
    let world = World::new();
    let client = world.client().await;
    let old = record(&client).await;
    let rotated = client.rotate(&INSECURE_TOY).await.expect("all is well");
    let new = rotated.keys.record().id.clone();
    assert_eq!(rotated.old, old);
    let deleted = rotated.deleted.expect("the server had it");
    assert!(deleted.was_there && deleted.id == old.id);
    assert_eq!(deleted.bytes, Some(old.evaluation_key_bytes));
    assert_eq!(world.ids(), [new.to_string()]);
    let steps: Vec<String> = world.server.requests().into_iter().skip(3).collect();
    assert_eq!(
        steps,
        [
            format!("PUT /v1/keys/{new}"),
            format!("GET /v1/keys/{}", old.id),
            format!("DELETE /v1/keys/{}", old.id)
        ]
    );
    // This client and the next one use the new keys, which need not be registered again.
    assert_eq!(
        client.keys(&INSECURE_TOY).await.expect("there").record().id,
        new
    );
    let next = world.client().await;
    assert_eq!(
        next.keys(&INSECURE_TOY).await.expect("there").record().id,
        new
    );
    assert_eq!(world.ids(), [new.to_string()]);
}

#[tokio::test]
async fn a_rotation_that_cannot_register_changes_nothing() {
    let world = World::new();
    let client = world.client().await;
    let old = record(&client).await;
    for trouble in [
        Answer::problem(507, "storage-full", "the disk is full"),
        Answer::new(500, "text/html", "<html>"),
        Answer::json("{}"),
    ] {
        world.trouble("PUT", trouble);
        assert!(client.rotate(&INSECURE_TOY).await.is_err());
        let kept = world
            .home
            .load(&INSECURE_TOY)
            .expect("whole")
            .expect("there");
        assert_eq!(*kept.record(), old);
        assert_eq!(world.ids(), [old.id.to_string()]);
    }
    world.state().trouble = None;
    client
        .rotate(&INSECURE_TOY)
        .await
        .expect("all is well again");
}

#[tokio::test]
async fn an_old_key_that_could_not_be_deleted_is_forgotten_later() {
    let world = World::new();
    let client = world.client().await;
    let old = record(&client).await.id;
    world.trouble(
        "DELETE",
        Answer::problem(503, "storage-unavailable", "later"),
    );
    let rotated = client
        .rotate(&INSECURE_TOY)
        .await
        .expect("the new one is in place");
    assert!(matches!(rotated.deleted, Err(ClientError::Refused { .. })));
    let new = rotated.keys.record().id.clone();
    assert_eq!(world.ids().len(), 2);
    assert!(client.forget().await.is_err());
    world.state().trouble = None;

    // Another process has only the home to know it from.
    let client = world.client().await;
    let forgotten = client.forget().await.expect("all is well again");
    let mut ids: Vec<KeyId> = forgotten.iter().map(|key| key.id.clone()).collect();
    let mut expected = vec![old, new];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    assert!(forgotten.iter().all(|key| key.was_there));
    assert!(world.ids().is_empty());
}

#[tokio::test]
async fn forgetting_finds_keys_of_every_set_and_of_pairs_that_are_gone() {
    let world = World::new();
    let client = world.client().await;
    assert!(client.forget().await.expect("nothing to do").is_empty());
    for set in [&INSECURE_TOY, &INSECURE_PRECISE] {
        client.keys(set).await.expect("made");
    }
    world.home.delete(&INSECURE_TOY).expect("there");
    let rotation = world.home.rotate(&INSECURE_PRECISE, &()).expect("there");
    rotation.finish().expect("writable");
    // Never registered: only part of an upload arrived.
    let new = world
        .home
        .load(&INSECURE_PRECISE)
        .expect("whole")
        .expect("there");
    world.state().parts.push(new.record().id.to_string());
    assert_eq!(world.ids().len(), 2);

    let client = world.client().await;
    let forgotten = client.forget().await.expect("all is well");
    assert_eq!(forgotten.len(), 3);
    assert!(forgotten.iter().all(|key| key.was_there));
    let part = forgotten.iter().find(|key| key.id == new.record().id);
    assert_eq!(part.expect("listed").bytes, None, "it was no complete key");
    assert!(world.ids().is_empty() && world.state().parts.is_empty());

    let again = client.forget().await.expect("twice is fine");
    assert_eq!(again.len(), 1, "of the pair that is there");
    assert!(!again[0].was_there);
    // What was forgotten is registered again when it is used.
    client.keys(&INSECURE_PRECISE).await.expect("registered");
    assert_eq!(world.ids(), [new.record().id.to_string()]);
}

#[tokio::test]
async fn each_server_is_asked_for_its_own_keys_only() {
    let (world, other) = (World::new(), World::new());
    let client = world.client().await;
    let registered = record(&client).await;
    world.home.delete(&INSECURE_TOY).expect("there");
    let elsewhere = Client::connect(other.server.url(), world.home.clone(), Arc::new(())).await;
    let elsewhere = elsewhere.expect("it is there");
    assert!(elsewhere.forget().await.expect("nothing there").is_empty());
    assert_eq!(
        client.forget().await.expect("all is well")[0].id,
        registered.id
    );
}

#[tokio::test]
async fn revoking_keeps_the_pair() {
    let world = World::new();
    let client = world.client().await;
    let none = client.revoke(&INSECURE_TOY).await.expect_err("no keys");
    assert!(matches!(none, ClientError::NoKeys { .. }));
    let id = record(&client).await.id;
    assert!(
        client
            .revoke(&INSECURE_TOY)
            .await
            .expect("it was there")
            .was_there
    );
    assert!(world.ids().is_empty());
    assert!(
        !client
            .revoke(&INSECURE_TOY)
            .await
            .expect("twice is fine")
            .was_there
    );
    assert_eq!(
        client
            .keys(&INSECURE_TOY)
            .await
            .expect("still there")
            .record()
            .id,
        id
    );
    assert_eq!(
        world.ids(),
        [id.to_string()],
        "used again, registered again"
    );
}

/// A home that cannot be written is no reason not to use the keys in it.
#[cfg(unix)]
#[tokio::test]
async fn keys_in_a_home_that_cannot_note_anything_work() {
    let world = World::new();
    world
        .home
        .create(&INSECURE_TOY, &())
        .expect("an empty home");
    // Root may write everywhere, so permissions would not do.
    let folder = world.home.folder(&INSECURE_TOY);
    let home = folder.ancestors().nth(2).expect("two above");
    std::fs::create_dir(home.join("registrations.json")).expect("ours");
    let client = world.client().await;
    client
        .keys(&INSECURE_TOY)
        .await
        .expect("registered all the same");
    assert!(
        client.forget().await.is_err(),
        "but nobody claims to know all"
    );
}
