//! Places and turns, with jobs that end when the test says so.

use std::sync::mpsc;
use std::time::Duration;

use cipherformer_protocol::KeyId;
use tokio::task::JoinHandle;

use super::*;

fn key(name: u8) -> Party {
    Party::Key(KeyId::of(&[name]))
}

#[tokio::test]
async fn a_full_queue_turns_away() {
    let scheduler = Scheduler::new(1, 1);
    let first = scheduler.place(&key(1)).expect("room");
    let second = scheduler.place(&key(2)).expect("room");
    let third = scheduler.place(&key(3));
    assert!(
        matches!(third, Err(ServerError::Busy { seconds: 2 })),
        "a second for each before it"
    );
    drop(second);
    scheduler.place(&key(3)).expect("room again");
    let done = scheduler.run(first, |_| (), || 7).await;
    assert_eq!(done.expect("no panic"), 7);
}

#[test]
fn one_key_gets_a_quarter_of_the_places() {
    let scheduler = Scheduler::new(1, 7);
    let places = [1, 1, 2].map(|name| scheduler.place(&key(name)).expect("room"));
    let more = scheduler.place(&key(1));
    assert!(matches!(more, Err(ServerError::KeyBusy { limit: 2, .. })));
    let _other = scheduler.place(&key(2)).expect("room for others");
    drop(places);
    scheduler.place(&key(1)).expect("room again");
}

#[tokio::test]
async fn who_leaves_the_queue_frees_the_place_and_who_runs_keeps_it() {
    let scheduler = Arc::new(Scheduler::new(1, 1));
    let (go, wait) = mpsc::channel::<()>();
    let place = scheduler.place(&key(1)).expect("room");
    let started = Arc::new(Notify::new());
    let running = tokio::spawn({
        let (scheduler, started) = (Arc::clone(&scheduler), Arc::clone(&started));
        async move {
            let job = move || {
                started.notify_one();
                wait.recv()
            };
            scheduler.run(place, |_| (), job).await
        }
    });
    started.notified().await;
    let place = scheduler.place(&key(2)).expect("room to wait");
    {
        let mut waiting = std::pin::pin!(scheduler.run(place, |_| (), || ()));
        std::future::poll_fn(|cx| {
            assert!(waiting.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert!(scheduler.place(&key(3)).is_err());
    }
    scheduler.place(&key(2)).expect("freed by leaving");
    running.abort();
    tokio::task::yield_now().await;
    let _one = scheduler.place(&key(2)).expect("the queue is empty");
    assert!(scheduler.place(&key(3)).is_err(), "the job still runs");
    go.send(()).expect("it waits");
}

#[tokio::test]
async fn a_panic_fails_one_job_only() {
    let scheduler = Scheduler::new(1, 0);
    let place = scheduler.place(&key(1)).expect("room");
    let result = scheduler.run(place, |_| (), || panic!("bug")).await;
    assert!(matches!(result, Err::<(), _>(ServerError::Internal)));
    let place = scheduler.place(&key(1)).expect("room again");
    assert_eq!(scheduler.run(place, |_| (), || 7).await.expect("works"), 7);
}

/// A job that goes on until it is told, or until the sender is dropped.
fn hold(scheduler: &Arc<Scheduler>, name: u8) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (go, wait) = mpsc::channel();
    let place = scheduler.place(&key(name)).expect("room");
    let scheduler = Arc::clone(scheduler);
    let job = move || {
        let _ = wait.recv();
    };
    let run = async move { scheduler.run(place, |_| (), job).await.expect("no panic") };
    (go, tokio::spawn(run))
}

/// Waits until it is as busy as that.
async fn until(scheduler: &Scheduler, running: usize, waiting: usize) {
    loop {
        let load = scheduler.load();
        if (load.running, load.waiting) == (running, waiting) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn turns_go_round_among_keys_and_everybody_knows_the_place() {
    let scheduler = Arc::new(Scheduler::new(1, 19));
    let (go, held) = hold(&scheduler, 0);
    until(&scheduler, 1, 0).await;
    let (done, order) = mpsc::channel();
    let mut tasks = Vec::new();
    for (index, name) in [1, 1, 1, 2].into_iter().enumerate() {
        let place = scheduler.place(&key(name)).expect("room");
        let (own, done) = (Arc::clone(&scheduler), done.clone());
        tasks.push(tokio::spawn(async move {
            let mut places = Vec::new();
            let job = move || done.send(name);
            let sent = own.run(place, |place| places.push(place), job).await;
            sent.expect("no panic").expect("heard");
            places
        }));
        until(&scheduler, 1, index + 1).await;
    }
    for _ in 0..10 {
        tokio::task::yield_now().await; // so that all have seen the last one come
    }
    drop(go);
    held.await.expect("no panic");
    let mut places = Vec::new();
    for task in tasks {
        places.push(task.await.expect("no panic"));
    }
    assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2, 1, 1]);
    assert!(places[0].starts_with(&[1]), "{places:?}");
    assert!(places[1].starts_with(&[2, 3]), "let the other key pass");
    assert!(places[2].starts_with(&[3, 4]), "{places:?}");
    assert!(places[3].starts_with(&[2]), "{places:?}");
}

#[tokio::test]
async fn a_closed_queue_refuses_who_waits_and_ends_who_runs_in_peace() {
    let scheduler = Arc::new(Scheduler::new(1, 7));
    let (go, held) = hold(&scheduler, 1);
    until(&scheduler, 1, 0).await;
    let place = scheduler.place(&key(2)).expect("room");
    let late = scheduler.place(&key(3)).expect("room");
    let own = Arc::clone(&scheduler);
    let waiting = tokio::spawn(async move { own.run(place, |_| (), || ()).await });
    until(&scheduler, 1, 1).await;
    scheduler.close();
    let refused = waiting.await.expect("no panic");
    assert!(matches!(refused, Err(ServerError::ShuttingDown)));
    let refused = scheduler.run(late, |_| (), || ()).await;
    assert!(matches!(refused, Err(ServerError::ShuttingDown)));
    let refused = scheduler.place(&key(4));
    assert!(matches!(refused, Err(ServerError::ShuttingDown)));
    let soon = tokio::time::timeout(Duration::from_millis(20), scheduler.idle());
    assert!(soon.await.is_err(), "one still runs");
    drop(go);
    scheduler.idle().await;
    held.await.expect("it had its time");
}
