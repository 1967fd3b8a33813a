//! Holds book, lessons and what lessons print against each other.
//!
//! Lessons and chapters are found by their names (`NN_name.rs`, `NN-name.md`), so a new one is covered when it is there.

mod markdown;
mod pages;
mod printed;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use markdown::Page;

/// A reader's patience, in lines.
const LONGEST: usize = 99;

#[test]
fn lessons_and_solutions_are_short_and_can_be_run_by_name() {
    let manifest = read(&examples().join("Cargo.toml"));
    let lessons = numbered(&examples(), "rs");
    assert!(!lessons.is_empty());
    for lesson in &lessons {
        let solution = examples()
            .join("solutions")
            .join(lesson.file_name().expect("it is a file"));
        let declared = [
            (lesson, format!("{}.rs", stem(lesson)), stem(lesson)),
            (
                &solution,
                format!("solutions/{}.rs", stem(lesson)),
                solution_name(lesson),
            ),
        ];
        for (file, path, name) in declared {
            let lines = read(file).lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines", file.display());
            let entry = format!("[[example]]\nname = \"{name}\"\npath = \"{path}\"\n");
            assert!(manifest.contains(&entry), "Cargo.toml lacks\n{entry}");
        }
    }
    let chapters = numbered(&book(), "md");
    assert_eq!(chapters.len(), lessons.len(), "one lesson a chapter");
}

/// Every command of a chapter is run, and what it prints is what the chapter and the README say.
#[test]
fn lessons_print_what_is_written() {
    let mut expected: BTreeSet<String> = BTreeSet::new();
    for lesson in numbered(&examples(), "rs") {
        expected.extend([stem(&lesson), solution_name(&lesson)]);
    }
    let readme = Page::read(&examples().join("README.md"));
    for chapter in numbered(&book(), "md") {
        for run in printed::runs(&Page::read(&chapter)) {
            let output = run.execute();
            run.compare(&output, &chapter);
            if run.arguments.is_empty() && expected.remove(&run.example) {
                printed::compare_key_lines(&run.example, &output, &readme);
            }
        }
    }
    assert!(expected.is_empty(), "in no chapter: {expected:?}");
}

#[test]
fn code_in_the_book_is_included_from_files_that_are_compiled() {
    for path in pages() {
        pages::check_code(&path);
    }
}

#[test]
fn pictures_come_for_light_and_dark_pages() {
    for path in pages() {
        pages::check_pictures(&path);
    }
}

#[test]
fn links_lead_somewhere() {
    let readmes = [examples().join("README.md"), book().join("SUMMARY.md")];
    for path in pages().into_iter().chain(readmes) {
        pages::check_links(&path);
    }
}

#[test]
fn the_summary_lists_every_page_once() {
    let summary = Page::read(&book().join("SUMMARY.md"));
    let mut listed: Vec<String> = summary.links.clone();
    listed.sort();
    let there = pages()
        .into_iter()
        .map(|path| format!("{}.md", stem(&path)));
    assert_eq!(listed, there.collect::<Vec<_>>());
}

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn book() -> PathBuf {
    examples().join("../docs/src")
}

/// All pages of the book but its summary.
fn pages() -> Vec<PathBuf> {
    let mut pages = files(&book(), "md");
    pages.retain(|page| stem(page) != "SUMMARY");
    pages
}

/// Files whose names begin with two digits.
fn numbered(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = files(folder, extension);
    files.retain(|file| stem(file).bytes().take(2).all(|byte| byte.is_ascii_digit()));
    files
}

/// Of a folder, with this extension, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.expect("names are in ASCII").to_owned()
}

/// `04_rings` is solved by `04_solution`.
fn solution_name(lesson: &Path) -> String {
    format!("{}_solution", &stem(lesson)[..2])
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
