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

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) static ALL: [Asset; 8] = [
    Asset {
        name: "",
        media_type: "text/html; charset=utf-8",
        text: include_str!("page/index.html"),
    },
    Asset {
        name: "style.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("page/style.css"),
    },
    Asset {
        name: "icon.svg",
        media_type: "image/svg+xml",
        text: include_str!("page/icon.svg"),
    },
    Asset {
        name: "app.js",
        media_type: SCRIPT,
        text: include_str!("page/app.js"),
    },
    Asset {
        name: "program.js",
        media_type: SCRIPT,
        text: include_str!("page/program.js"),
    },
    Asset {
        name: "view.js",
        media_type: SCRIPT,
        text: include_str!("page/view.js"),
    },
    Asset {
        name: "picture.js",
        media_type: SCRIPT,
        text: include_str!("page/picture.js"),
    },
    Asset {
        name: "words.js",
        media_type: SCRIPT,
        text: include_str!("page/words.js"),
    },
];

impl Asset {
    pub(super) fn response(&self) -> Response {
        ([(CONTENT_TYPE, self.media_type)], self.text).into_response()
    }
}
