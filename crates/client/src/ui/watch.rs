//! What the client of a run does, told to whoever reads the run's events.

use tokio::sync::mpsc::UnboundedSender;

use super::event::{Event, Picture};
use crate::observer::{Activity, Observer, Wire};

/// Each run has its own: what a cancelled one began, such as keys, is told to nobody else. What a run tells is bounded by
/// what it does, so its channel is not.
pub(super) struct Watch(pub(super) UnboundedSender<Event>);

impl Watch {
    fn tell(&self, event: Event) {
        let _ = self.0.send(event); // whoever has gone is being cancelled
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
