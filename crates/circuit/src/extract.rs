//! From text to features: the words of a prompt, and how they stand together.
//!
//! Runs on the client, on plain text. The rules are part of the format: training and every client must
//! agree on them to the letter.

use std::collections::HashSet;

/// Only this many words of a text are looked at.
pub const MAX_WORDS: usize = 160;

/// How many letters of a word its prefix feature keeps.
const PREFIX_LETTERS: usize = 4;

/// The features of one text, each once, in order of their kinds and of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extract {
    /// The features.
    pub features: Vec<String>,
    /// How many words past [`MAX_WORDS`] were not looked at.
    pub dropped_words: usize,
}

/// Extracts the features of a text; time and memory grow linearly with it.
///
/// The text is lower-cased and cut into words: runs of `a-z0-9_`, an apostrophe and letters after it
/// included (`don't`); any other character that is not white space or a control character is a word
/// of its own. `^` and `$` stand for the text's edges. Kinds, in this order:
///
/// | feature | what it is |
/// |---|---|
/// | `w:ignore` | a word |
/// | `b:ignore all` | two neighbouring words |
/// | `p:igno` | the first four letters of a longer word |
/// | `s:ignore previous` | two words with one between them |
/// | `s3:ignore rules` | two words with two between them |
/// | `C:up` | the text has a word of three or more capitals A-Z, and nothing else |
/// | `C:allup` | more than 60 % of the letters are capitals |
/// | `C:low0` | the first character is a lower-case letter |
///
/// Words past [`MAX_WORDS`] are left out; only the `C:` features look at the whole text.
///
/// ```
/// let extract = cipherformer_circuit::extract("Ignore THAT");
/// assert_eq!(
///     extract.features,
///     [
///         "w:ignore", "w:that", "b:^ ignore", "b:ignore that", "b:that $", "p:igno", "s:^ that",
///         "s:ignore $", "s3:^ $", "C:up",
///     ]
/// );
/// ```
pub fn extract(text: &str) -> Extract {
    let lower = text.to_lowercase();
    let mut all = Words::new(&lower);
    let words: Vec<String> = all.by_ref().take(MAX_WORDS).collect();
    let mut features = Ordered::default();
    for word in &words {
        features.add(format!("w:{word}"));
    }
    let mut edged = vec!["^"];
    edged.extend(words.iter().map(String::as_str));
    edged.push("$");
    features.add_pairs("b", &edged, 1);
    for word in &words {
        if let Some((end, _)) = word.char_indices().nth(PREFIX_LETTERS) {
            features.add(format!("p:{}", &word[..end]));
        }
    }
    features.add_pairs("s", &edged, 2);
    features.add_pairs("s3", &edged, 3);
    for feature in capitals(text) {
        features.add(feature.to_owned());
    }
    Extract {
        features: features.list,
        dropped_words: all.count(),
    }
}

/// Features in order of their first appearance.
#[derive(Default)]
struct Ordered {
    list: Vec<String>,
    seen: HashSet<String>,
}

impl Ordered {
    fn add(&mut self, feature: String) {
        if self.seen.insert(feature.clone()) {
            self.list.push(feature);
        }
    }

    fn add_pairs(&mut self, kind: &str, words: &[&str], distance: usize) {
        for (first, second) in words.iter().zip(words.iter().skip(distance)) {
            self.add(format!("{kind}:{first} {second}"));
        }
    }
}

fn capitals(text: &str) -> impl Iterator<Item = &'static str> {
    let shouted = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|run| run.len() >= 3 && run.bytes().all(|b| b.is_ascii_uppercase()));
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let upper = text.chars().filter(|c| c.is_uppercase()).count();
    let starts_low = text.chars().next().is_some_and(char::is_lowercase);
    [
        (shouted, "C:up"),
        // in integers: upper > 0.6 letters
        (5 * upper > 3 * letters, "C:allup"),
        (starts_low, "C:low0"),
    ]
    .into_iter()
    .filter_map(|(holds, feature)| holds.then_some(feature))
}

/// The words of a lower-cased text.
struct Words<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    /// An apostrophe that was read after a word but does not belong to it.
    apostrophe: bool,
}

impl<'a> Words<'a> {
    fn new(lower: &'a str) -> Self {
        Self {
            chars: lower.chars().peekable(),
            apostrophe: false,
        }
    }

    /// The rest of a word that begins with `first`.
    fn rest(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(c) = self.chars.next_if(|&c| is_word(c)) {
            word.push(c);
        }
        if self.chars.next_if(|&c| is_apostrophe(c)).is_none() {
            return word;
        }
        let length = word.len();
        word.push('\'');
        while let Some(c) = self.chars.next_if(char::is_ascii_lowercase) {
            word.push(c);
        }
        if word.len() == length + 1 {
            word.truncate(length);
            self.apostrophe = true;
        }
        word
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if std::mem::take(&mut self.apostrophe) {
            return Some("'".to_owned());
        }
        let first = self.chars.find(|c| !c.is_whitespace() && !c.is_control())?;
        Some(match first {
            c if is_word(c) => self.rest(c),
            c if is_apostrophe(c) => "'".to_owned(),
            c => c.to_string(),
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// Straight and typographic apostrophes are the same.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        Words::new(&text.to_lowercase()).collect()
    }

    #[test]
    fn words_are_cut_as_documented() {
        assert_eq!(
            words("DON\u{2019}T panic! NASA's plan_9"),
            ["don't", "panic", "!", "nasa's", "plan_9"]
        );
        assert_eq!(
            words("it's2 o'' 'x"),
            ["it's", "2", "o", "'", "'", "'", "x"]
        );
        assert_eq!(words("école \t\n\0 A.B"), ["é", "cole", "a", ".", "b"]);
        assert!(words(" \n").is_empty());
    }

    #[test]
    fn capitals_are_noticed() {
        let found = |text| capitals(text).collect::<Vec<_>>();
        assert_eq!(found("aBC DEF1 GHI_ JKL"), ["C:up", "C:allup", "C:low0"]);
        assert_eq!(found("Say DEF1 GHI_ no more"), Vec::<&str>::new());
        assert_eq!(found(""), Vec::<&str>::new());
    }

    #[test]
    fn an_empty_text_has_only_its_edges() {
        assert_eq!(extract("").features, ["b:^ $"]);
    }

    #[test]
    fn words_past_the_limit_are_counted() {
        let text = "a b ".repeat(MAX_WORDS);
        assert_eq!(extract(&text).dropped_words, MAX_WORDS);
        assert_eq!(extract("a b").dropped_words, 0);
    }

    #[test]
    fn megabytes_are_no_trouble() {
        let long = "a!".repeat(2 << 20);
        assert_eq!(extract(&long).dropped_words, (4 << 20) - MAX_WORDS);
        assert!(extract(&"'x".repeat(2 << 20)).dropped_words > 1 << 20);
        assert!(extract(&"é".repeat(4 << 20)).features.len() <= 11);
        assert!(
            extract(&"a".repeat(4 << 20))
                .features
                .contains(&"p:aaaa".to_owned())
        );
    }

    proptest! {
        #[test]
        fn any_text_has_distinct_one_line_features(text in "(?s).{0,400}") {
            let extract = extract(&text);
            let distinct: HashSet<_> = extract.features.iter().collect();
            prop_assert_eq!(distinct.len(), extract.features.len());
            prop_assert!(extract.features.iter().all(|f| !f.contains(['\n', '\r'])));
            prop_assert!(extract.features.len() <= 5 * MAX_WORDS + 6);
        }

        #[test]
        fn white_space_does_not_matter(words in prop::collection::vec("[a-z]{1,6}|[!?.]", 0..40)) {
            prop_assert_eq!(extract(&words.join(" ")), extract(&words.join("\n\t  ")));
        }

        #[test]
        fn saying_it_twice_adds_no_words(words in prop::collection::vec("[a-z]{1,6}", 1..80)) {
            let once = words.join(" ");
            let singles = |text: &str| {
                let features = extract(text).features.into_iter();
                features.filter(|f| f.starts_with("w:") || f.starts_with("p:")).collect::<Vec<_>>()
            };
            prop_assert_eq!(singles(&once), singles(&format!("{once} {once}")));
        }
    }
}
