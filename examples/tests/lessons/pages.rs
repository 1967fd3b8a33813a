//! What must hold for a page of the book.

use std::path::Path;

use crate::markdown::{Block, Page};
use crate::read;

const LIGHT: &str = "-light.svg#gh-light-mode-only";
const DARK: &str = "-dark.svg#gh-dark-mode-only";

/// Pictures of one kind of grey, or on a ground of their own, which are there once.
const ON_ANY_PAGE: [&str; 2] = ["benchmarks-", "letter.svg"];

/// Rust code is nothing but an inclusion, of a part of a file that is there, or of a whole file, which shows its markers if
/// it has any.
pub(crate) fn check_code(path: &Path) {
    for block in Page::read(path).blocks {
        let Block::Code { language, text } = block else {
            continue;
        };
        if !language.starts_with("rust") {
            continue;
        }
        let what = text.trim();
        let place = format!("{}: {what}", path.display());
        let file = what.strip_prefix("{{#include ");
        let file = file.and_then(|rest| rest.strip_suffix("}}"));
        let file = file.unwrap_or_else(|| panic!("not an inclusion: {place}"));
        let (file, anchor) = match file.split_once(':') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (file, None),
        };
        let source = read(&path.with_file_name(file));
        if let Some(anchor) = anchor {
            for marker in [format!("ANCHOR: {anchor}"), format!("ANCHOR_END: {anchor}")] {
                let found = source.lines().filter(|line| line.ends_with(&marker));
                assert_eq!(found.count(), 1, "{marker}: {place}");
            }
        } else {
            assert!(!source.contains("ANCHOR"), "shown with markers: {place}");
        }
    }
}

/// Pictures are there, and come in pairs.
pub(crate) fn check_pictures(path: &Path) {
    let pictures = Page::read(path).pictures;
    let place = path.display();
    for picture in &pictures {
        let file = picture.split('#').next().unwrap_or(picture);
        assert!(path.with_file_name(file).is_file(), "{place}: no {file}");
        let other = match (picture.strip_suffix(LIGHT), picture.strip_suffix(DARK)) {
            (Some(name), _) => format!("{name}{DARK}"),
            (_, Some(name)) => format!("{name}{LIGHT}"),
            _ => {
                let allowed = ON_ANY_PAGE.iter().any(|name| picture.starts_with(name));
                assert!(allowed, "{place}: {picture} is neither light nor dark");
                continue;
            }
        };
        assert!(
            pictures.contains(&other),
            "{place}: {picture} without {other}"
        );
    }
}

/// Relative links lead to files that are there, and to headings in them.
pub(crate) fn check_links(path: &Path) {
    let place = path.display();
    for link in Page::read(path).links {
        if link.contains("://") {
            continue;
        }
        let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
        let target = match file {
            "" => path.to_owned(),
            file => path.with_file_name(file),
        };
        assert!(target.exists(), "{place}: no {link}");
        if !heading.is_empty() {
            let headings = Page::read(&target).headings;
            assert!(headings.iter().any(|id| id == heading), "{place}: {link}");
        }
    }
}
