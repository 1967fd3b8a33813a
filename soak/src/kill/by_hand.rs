//! Clients that work by hand: they write down what they are about to ask, and what they were told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cipherformer_protocol::{Problem, ProblemKind, SessionId, SessionInfo, routes};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use tokio::task::JoinSet;

use super::ledger::{Standing, Text};
use super::{Failure, KEYS, WRITERS, World};
use crate::wire::{Answer, Pair};

/// Between two pieces of a slow upload of about a hundred.
const SLOW: Duration = Duration::from_millis(8);
/// When all sessions of a key are taken, by some whose opening was cut off.
const NO_ROOM: Duration = Duration::from_millis(500);

/// Starts all of them; each ends when the server is gone.
pub(super) fn start(world: &Arc<World>, seed: u64) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for number in 0..2 {
        let (world, random) = (Arc::clone(world), StdRng::seed_from_u64(seed + number));
        tasks.spawn(async move {
            let outcome = come_and_go(&world, number as usize * KEYS / 2, random).await;
            world.end(outcome);
        });
    }
    for number in 0..WRITERS {
        let (world, random) = (
            Arc::clone(world),
            StdRng::seed_from_u64(!seed - number as u64),
        );
        tasks.spawn(async move {
            let outcome = write(&world, number, random).await;
            world.end(outcome);
        });
    }
    tasks
}

/// What a token takes here and now: the second one, when the key is ready for use.
pub(super) async fn time_of_token(world: &World) -> Result<Duration, Failure> {
    let (id, text) = open(world, 0).await?;
    append(world, &id, text).await?;
    let text = world.ledger.session(&id).expect("it was just written down");
    let start = Instant::now();
    append(world, &id, text).await?;
    Ok(start.elapsed())
}

impl World {
    fn end(&self, outcome: Result<(), Failure>) {
        if let Err(Failure::Wrong(what)) = outcome {
            self.violations.add("refused", what);
        }
    }
}

/// Registers keys, uses them, deletes them.
async fn come_and_go(world: &World, first: usize, mut random: StdRng) -> Result<(), Failure> {
    loop {
        let pair = &world.keys[first + random.random_range(0..KEYS / 2)];
        match world.ledger.key(&pair.id).standing() {
            Standing::Registered if random.random_ratio(1, 3) => delete(world, pair).await?,
            Standing::Registered => world.evaluate(pair, random.random_range(0..100)).await?,
            _ => {
                let pause = if random.random() {
                    SLOW
                } else {
                    Duration::ZERO
                };
                register(world, pair, pause).await?;
            }
        }
    }
}

async fn register(world: &World, pair: &Pair, pause: Duration) -> Result<(), Failure> {
    let page = world.ledger.key(&pair.id);
    page.doubt();
    let answer = world.wire.put(pair, pause).await?;
    match answer.status {
        StatusCode::CREATED | StatusCode::OK => page.acknowledge(),
        _ => return Err(Failure::Wrong(answer.text())),
    }
    Ok(())
}

async fn delete(world: &World, pair: &Pair) -> Result<(), Failure> {
    let page = world.ledger.key(&pair.id);
    page.doubt();
    let answer = world.wire.delete(&routes::key(&pair.id)).await?;
    match answer.status {
        StatusCode::NO_CONTENT => page.forget(),
        _ => return Err(Failure::Wrong(answer.text())),
    }
    Ok(())
}

/// Goes on with every session of its own, a token at a time, and opens another when they are over.
async fn write(world: &World, number: usize, mut random: StdRng) -> Result<(), Failure> {
    loop {
        let own = world.ledger.sessions();
        let own = own
            .into_iter()
            .find(|(_, text)| text.name % WRITERS == number);
        let (id, text) = match own {
            Some(session) => session,
            None => open(world, random.random_range(0..50) * WRITERS + number).await?,
        };
        let name = world.names.get(text.name);
        match text.position < name.tokens.len() {
            true => append(world, &id, text).await?,
            false => close(world, &id, text).await?,
        }
    }
}

async fn open(world: &World, name: usize) -> Result<(SessionId, Text), Failure> {
    let manifest = world.writer.manifest();
    let path = routes::sessions(&manifest.name, &world.session_key.id, &manifest.digest);
    loop {
        // Not `post`, which would wait for other reasons to be told to come back.
        let request = world.wire.http.post(format!("{}{path}", world.wire.base));
        let response = request.send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if status == StatusCode::CREATED {
            let info: SessionInfo = serde_json::from_slice(&body)
                .map_err(|error| Failure::Wrong(format!("no session: {error}")))?;
            let text = Text {
                name,
                position: 0,
                answer: Vec::new(),
                in_flight: false,
                closing: false,
            };
            world.ledger.set_session(&info.id, text.clone());
            return Ok((info.id, text));
        }
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        if !problem.is_some_and(|problem| problem.kind == ProblemKind::TooManySessions) {
            return Err(Failure::Wrong(format!("no session: {status}")));
        }
        tokio::time::sleep(NO_ROOM).await;
    }
}

async fn append(world: &World, id: &SessionId, mut text: Text) -> Result<(), Failure> {
    let key = &world.session_key;
    let name = world.names.get(text.name);
    let request = world.names.encrypt(name, text.position, &key.secret);
    let request = request.map_err(|error| Failure::Wrong(error.to_string()))?;
    let path = routes::tokens(id, &key.id, text.position);
    text.in_flight = true;
    world.ledger.set_session(id, text.clone());
    let Answer {
        status,
        position,
        body,
    } = world.wire.post(&path, &request).await?;
    let next = text.position + 1;
    if status != StatusCode::OK || position != Some(next) {
        let what = format!("{status} at {position:?} for token {next}");
        return Err(Failure::Wrong(what));
    }
    let checked = world.names.check_output(name, next, &body, &key.secret);
    text.position = next;
    text.in_flight = false;
    text.answer = body;
    world.ledger.set_session(id, text);
    checked.map_err(Failure::Wrong)
}

async fn close(world: &World, id: &SessionId, mut text: Text) -> Result<(), Failure> {
    text.closing = true;
    world.ledger.set_session(id, text);
    let answer = world
        .wire
        .delete(&routes::session(id, &world.session_key.id))
        .await?;
    match answer.status {
        StatusCode::NO_CONTENT => world.ledger.forget_session(id),
        _ => return Err(Failure::Wrong(answer.text())),
    }
    Ok(())
}
