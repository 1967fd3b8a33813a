//! The files of the page, compiled in: no build step, nothing loaded from elsewhere.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// A file of the page.
pub(super) struct Asset {
    /// The last part of its path; the page itself has none.
    pub(super) name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

pub(super) static ALL: [Asset; 8] = [
    Asset::new(
        "",
        "text/html; charset=utf-8",
        include_str!("page/index.html"),
    ),
    Asset::new(
        "style.css",
        "text/css; charset=utf-8",
        include_str!("page/style.css"),
    ),
    Asset::new("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    Asset::script("app.js", include_str!("page/app.js")),
    Asset::script("program.js", include_str!("page/program.js")),
    Asset::script("view.js", include_str!("page/view.js")),
    Asset::script("picture.js", include_str!("page/picture.js")),
    Asset::script("words.js", include_str!("page/words.js")),
];

impl Asset {
    const fn new(name: &'static str, media_type: &'static str, text: &'static str) -> Self {
        Self {
            name,
            media_type,
            text,
        }
    }

    const fn script(name: &'static str, text: &'static str) -> Self {
        Self::new(name, "text/javascript; charset=utf-8", text)
    }

    pub(super) fn response(&self) -> Response {
        ([(CONTENT_TYPE, self.media_type)], self.text).into_response()
    }
}
