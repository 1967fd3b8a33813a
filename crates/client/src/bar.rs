//! A progress bar on standard error, if that is a terminal.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::observer::{Activity, Observer};

const STEPS: &str = "{prefix}{msg} [{bar:32}] {pos} of {len} LUTs";
const STEPS_OF_BYTES: &str = "{prefix}{msg} [{bar:32}] {bytes} of {total_bytes}, about {eta} left";
const SPINNER: &str = "{prefix}{spinner} {msg} ({elapsed})";

/// Shows what a client does when it takes long.
#[derive(Default)]
pub struct Bar(Mutex<Shown>);

#[derive(Default)]
struct Shown {
    /// What stands in front.
    label: String,
    bar: Option<(Kind, ProgressBar)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Keys,
    Upload,
    Queue,
    Evaluation,
    Wait,
}

impl Observer for Bar {
    fn on(&self, activity: Activity) {
        match activity {
            Activity::MakingKeys { part } => {
                let message = format!("making keys, once, a few seconds: {part}");
                self.show(Kind::Keys, None, message);
            }
            Activity::Uploading { sent, total } => {
                let message = "registering the evaluation key, once".to_owned();
                self.show(Kind::Upload, Some((sent, total)), message);
            }
            Activity::Queued { position } => {
                let message = format!("waiting for a turn, as number {position} in the queue");
                self.show(Kind::Queue, None, message);
            }
            Activity::Evaluating {
                done,
                total,
                layer,
                layers,
                left,
            } => {
                let message = evaluating(layer, layers, left);
                self.show(Kind::Evaluation, Some((done, total)), message);
            }
            Activity::Waiting(time) => {
                let message = format!(
                    "the server is busy, next try in {:.1} s",
                    time.as_secs_f64()
                );
                self.show(Kind::Wait, None, message);
            }
            Activity::Resuming(time) => {
                let message = format!(
                    "the connection was lost, going on in {:.1} s",
                    time.as_secs_f64()
                );
                self.show(Kind::Wait, None, message);
            }
            Activity::Reconnecting(time) => {
                let message = format!(
                    "the connection was lost, next try in {:.1} s",
                    time.as_secs_f64()
                );
                self.show(Kind::Wait, None, message);
            }
            Activity::Idle => self.clear(),
        }
    }
}

impl Bar {
    /// Removes the bar, so that output can be printed.
    pub fn clear(&self) {
        if let Some((_, bar)) = self.lock().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Puts a text in front of the bar, this one and those to come: a line that is not finished yet.
    pub fn label(&self, text: &str) {
        let mut shown = self.lock();
        text.clone_into(&mut shown.label);
        if let Some((_, bar)) = &shown.bar {
            bar.set_prefix(text.to_owned());
        }
    }

    fn show(&self, kind: Kind, steps: Option<(u64, u64)>, message: String) {
        let mut shown = self.lock();
        if shown.bar.as_ref().is_none_or(|(other, _)| *other != kind) {
            if let Some((_, bar)) = shown.bar.take() {
                bar.finish_and_clear();
            }
            let bar = new_bar(kind);
            bar.set_prefix(shown.label.clone());
            shown.bar = Some((kind, bar));
        }
        if let Some((_, bar)) = shown.bar.as_ref() {
            if let Some((done, total)) = steps {
                bar.set_length(total);
                bar.set_position(done);
            }
            bar.set_message(message);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        // A panic while drawing leaves nothing in a bad state.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What stands before the bar of an evaluation. A server may not say all of it.
fn evaluating(layer: u64, layers: u64, left: Option<Duration>) -> String {
    let layer = match layers {
        0 => String::new(),
        layers => format!(", layer {layer} of {layers}"),
    };
    let left = left.map_or_else(String::new, |left| {
        format!(", about {:.1} s left", left.as_secs_f64())
    });
    format!("the server evaluates{layer}{left}")
}

/// A bar draws to standard error, and to nothing if that is not a terminal.
fn new_bar(kind: Kind) -> ProgressBar {
    let template = match kind {
        Kind::Keys | Kind::Queue | Kind::Wait => SPINNER,
        Kind::Upload => STEPS_OF_BYTES,
        Kind::Evaluation => STEPS,
    };
    let style = ProgressStyle::with_template(template).expect("the templates above are valid");
    let bar = match kind {
        Kind::Keys | Kind::Queue | Kind::Wait => ProgressBar::new_spinner(),
        Kind::Upload | Kind::Evaluation => ProgressBar::new(0),
    };
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_time_are_shown_when_the_server_says_them() {
        let left = Some(Duration::from_millis(1240));
        assert_eq!(
            evaluating(3, 17, left),
            "the server evaluates, layer 3 of 17, about 1.2 s left"
        );
        assert_eq!(evaluating(0, 0, None), "the server evaluates");
    }
}
