//! What the client does, told to the run that has the turn.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use super::event::{Event, Picture};
use crate::observer::{Activity, Observer, Wire};

/// Tells the current run, if there is one. What a run tells is bounded by what it does, so its channel is not.
#[derive(Default)]
pub(super) struct Watch(Mutex<Option<UnboundedSender<Event>>>);

impl Watch {
    pub(super) fn begin(&self, run: UnboundedSender<Event>) {
        *self.run() = Some(run);
    }

    pub(super) fn end(&self) {
        *self.run() = None;
    }

    fn tell(&self, event: Event) {
        if let Some(run) = self.run().as_ref() {
            let _ = run.send(event); // whoever has gone is being cancelled
        }
    }

    fn run(&self) -> MutexGuard<'_, Option<UnboundedSender<Event>>> {
        // There is a sender or none, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watch {
    fn on(&self, activity: Activity) {
        if let Some(event) = event(activity) {
            self.tell(event);
        }
    }

    fn wire(&self, wire: Wire<'_>) {
        self.tell(match wire {
            Wire::Sent(bytes) => Event::Sent(Picture::of(bytes)),
            Wire::Received(bytes) => Event::Received(Picture::of(bytes)),
        });
    }
}

fn event(activity: Activity) -> Option<Event> {
    Some(match activity {
        Activity::MakingKeys { part } => Event::MakingKeys { part },
        Activity::Uploading { sent, total } => Event::Uploading { sent, total },
        Activity::Queued { position } => Event::Queued { position },
        Activity::Evaluating {
            done,
            total,
            layer,
            layers,
            left,
        } => Event::Evaluating {
            done,
            total,
            layer,
            layers,
            seconds_left: left.map(|left| left.as_secs_f64()),
        },
        Activity::Waiting(time) => Event::Waiting {
            lost: false,
            seconds: time.as_secs_f64(),
        },
        Activity::Resuming(time) | Activity::Reconnecting(time) => Event::Waiting {
            lost: true,
            seconds: time.as_secs_f64(),
        },
        Activity::Idle => return None,
    })
}
