//! Runs what a chapter tells its readers to run, and compares what is printed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::markdown::{Block, Page};

const RUN: &str = "cargo run --release --example ";
/// Stands for any number of lines.
const ANYTHING: &str = "...";

/// A program that a chapter runs, and the output it shows.
pub(crate) struct Run {
    pub(crate) example: String,
    pub(crate) arguments: Vec<String>,
    shown: String,
}

/// The commands of a page that run examples, each with the next block of text.
pub(crate) fn runs(page: &Page) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut waiting: Option<(String, Vec<String>)> = None;
    for block in &page.blocks {
        let Block::Code { language, text } = block else {
            continue;
        };
        match language.as_str() {
            "sh" => {
                if let Some(command) = text.lines().find_map(|line| line.strip_prefix(RUN)) {
                    let mut words = words(command);
                    let example = words.remove(0);
                    let arguments = words.into_iter().skip(1).collect(); // without --
                    assert!(waiting.is_none(), "no output of {waiting:?} is shown");
                    waiting = Some((example, arguments));
                }
            }
            "text" => runs.extend(waiting.take().map(|(example, arguments)| Run {
                example,
                arguments,
                shown: text.clone(),
            })),
            _ => {}
        }
    }
    assert!(waiting.is_none(), "no output of {waiting:?} is shown");
    runs
}

/// A command line in words; double quotes hold some together.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('"').enumerate();
    let words = parts.flat_map(|(i, part)| match i % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

impl Run {
    /// Runs it; whatever it checks itself must hold.
    pub(crate) fn execute(&self) -> String {
        let output = Command::new(program(&self.example))
            .args(&self.arguments)
            .output()
            .expect("it can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", self.example);
        String::from_utf8(output.stdout).expect("lessons print text")
    }

    /// Fails unless every line printed is in the chapter, up to numbers.
    pub(crate) fn compare(&self, printed: &str, chapter: &Path) {
        let same = matches(&shapes(&self.shown), &shapes(printed));
        let (example, chapter) = (&self.example, chapter.display());
        assert!(
            same,
            "{chapter} does not show what {example} prints:\n{printed}\nbut\n{}",
            self.shown
        );
    }
}

/// Fails unless the lines that the README gives for a lesson are printed, word by word and in this order.
pub(crate) fn compare_key_lines(example: &str, printed: &str, readme: &Page) {
    let sections = readme.blocks.windows(2).filter_map(|pair| match pair {
        [Block::Section(name), Block::Code { text, .. }] if name == example => Some(text),
        _ => None,
    });
    let mut lines = printed.lines().map(squeezed);
    for text in sections {
        for line in text.lines().map(squeezed).filter(|line| line != ANYTHING) {
            let found = lines.any(|printed| printed == line);
            assert!(found, "{example} does not print {line:?}:\n{printed}");
        }
    }
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines without what differs from run to run: words with a digit in them are all the same, and as good as one where
/// they stand together; words without letters and empty lines are left out.
fn shapes(text: &str) -> Vec<String> {
    let shape = |line: &str| {
        if line.trim() == ANYTHING {
            return ANYTHING.to_owned();
        }
        let words = line.split_whitespace().map(|word| {
            let number = word.chars().any(char::is_numeric) || is_byte(word);
            if number { "#" } else { word }
        });
        let mut words: Vec<&str> = words
            .filter(|word| *word == "#" || has_letters(word))
            .collect();
        words.dedup_by(|a, b| a == b && *a == "#");
        words.join(" ")
    };
    let shapes = text.lines().map(shape);
    shapes.filter(|shape| !shape.is_empty()).collect()
}

fn has_letters(word: &str) -> bool {
    word.chars().any(char::is_alphabetic)
}

/// Two hexadecimal digits, perhaps both letters.
fn is_byte(word: &str) -> bool {
    word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn matches(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ANYTHING => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => {
            printed.first().is_some_and(|line| line == first) && matches(rest, &printed[1..])
        }
    }
}

/// Examples lie in a folder beside that of this test.
fn program(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.parent().and_then(Path::parent);
    let path = folder
        .expect("target/PROFILE/deps")
        .join("examples")
        .join(example);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "{} is not built; run `cargo test --release --workspace`, which builds all examples",
        path.display()
    );
    path
}

#[test]
fn numbers_may_differ_and_words_may_not() {
    let same = |a: &str, b: &str| matches(&shapes(a), &shapes(b));
    assert!(same("took 3.1 ms\n\n  [1, 2]", "took 12 ms\n[7, 8, 9]"));
    assert!(same("bytes 0a ff ▀▄ …", "bytes be ef 12"));
    assert!(!same("took 3.1 ms", "needs 3.1 ms"));
    assert!(!same("one line", "one line\nanother"));
    assert!(same("first\n...\nlast", "first\nsomething\nelse\nlast"));
    assert!(!same("first\n...\nlast", "first\nsomething\nelse"));
    assert_eq!(words("a -- \"b c\" d"), ["a", "--", "b c", "d"]);
}
