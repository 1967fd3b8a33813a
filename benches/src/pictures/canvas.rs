//! What all pictures are drawn with: colours for light and dark pages, text, boxes.

use svg::Document;
use svg::node::element::{Line, Rectangle, Text};

/// Colours that read well on a page; the background stays clear.
pub(super) struct Palette {
    pub(super) name: &'static str,
    /// Text.
    pub(super) ink: &'static str,
    /// Less important text, axes.
    pub(super) faint: &'static str,
    /// Thin lines, borders.
    pub(super) line: &'static str,
    /// Areas that are hardly there.
    pub(super) panel: &'static str,
    pub(super) blue: Hue,
    pub(super) red: Hue,
    pub(super) green: Hue,
    pub(super) amber: Hue,
}

/// A colour, and one to fill areas with that bear text.
#[derive(Clone, Copy)]
pub(super) struct Hue {
    pub(super) strong: &'static str,
    pub(super) soft: &'static str,
}

pub(super) const LIGHT: Palette = Palette {
    name: "light",
    ink: "#1f2937",
    faint: "#5b6472",
    line: "#c3cad4",
    panel: "#f1f5f9",
    blue: Hue {
        strong: "#2563eb",
        soft: "#dbeafe",
    },
    red: Hue {
        strong: "#dc2626",
        soft: "#fee2e2",
    },
    green: Hue {
        strong: "#15803d",
        soft: "#dcfce7",
    },
    amber: Hue {
        strong: "#b45309",
        soft: "#fef3c7",
    },
};

pub(super) const DARK: Palette = Palette {
    name: "dark",
    ink: "#e5e7eb",
    faint: "#9aa4b2",
    line: "#465061",
    panel: "#222a35",
    blue: Hue {
        strong: "#60a5fa",
        soft: "#1e3a5f",
    },
    red: Hue {
        strong: "#f87171",
        soft: "#5b2020",
    },
    green: Hue {
        strong: "#4ade80",
        soft: "#14452c",
    },
    amber: Hue {
        strong: "#fbbf24",
        soft: "#523a10",
    },
};

/// The width of every picture.
pub(super) const WIDTH: f64 = 720.0;

/// An empty picture of this height, with what it shows for those who cannot see it.
pub(super) fn document(height: f64, description: &str) -> Document {
    Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("font-family", "sans-serif")
        .set("role", "img")
        .set("aria-label", description)
}

/// Text of this size; `anchor` is start, middle or end.
pub(super) fn text(
    (x, y): (f64, f64),
    size: f64,
    anchor: &'static str,
    colour: &'static str,
    content: impl Into<String>,
) -> Text {
    Text::new(content)
        .set("x", round(x))
        .set("y", round(y))
        .set("font-size", size)
        .set("text-anchor", anchor)
        .set("fill", colour)
}

/// A box: left upper corner, width and height.
pub(super) fn rectangle(
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    fill: &'static str,
) -> Rectangle {
    Rectangle::new()
        .set("x", round(x))
        .set("y", round(y))
        .set("width", round(width))
        .set("height", round(height))
        .set("fill", fill)
}

/// A thin line.
pub(super) fn line(from: (f64, f64), to: (f64, f64), colour: &'static str) -> Line {
    Line::new()
        .set("x1", round(from.0))
        .set("y1", round(from.1))
        .set("x2", round(to.0))
        .set("y2", round(to.1))
        .set("stroke", colour)
}

/// Hundredths are enough, and make small files.
pub(super) fn round(x: f64) -> f64 {
    (100.0 * x).round() / 100.0
}
