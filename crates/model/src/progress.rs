//! Progress bars on stderr; hidden when it is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` steps, with an estimate of the time left.
pub(crate) fn bar(what: &'static str, total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len}, {eta} left")
        .expect("the template is a constant");
    ProgressBar::new(total as u64)
        .with_style(style)
        .with_message(what)
}
