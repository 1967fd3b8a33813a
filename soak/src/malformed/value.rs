//! Values for parameters: what a schema allows, and what it does not.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;

/// What no parameter of the interface can be.
const STRANGE: [&str; 20] = [
    "",
    " ",
    "-1",
    "+1",
    "1.5",
    "1e3",
    "0x10",
    "18446744073709551616",
    "999999999999999999999999999999",
    "null",
    "true",
    "%00",
    "%ff%fe",
    "%",
    "..%2f..%2fetc%2fpasswd",
    "'; DROP TABLE keys; --",
    "\u{1f511}\u{202e}",
    "a/../b",
    "{\"a\":1}",
    "[]",
];
/// A value longer than anything has to be.
const LONGEST: usize = 5000;

/// A text that this schema allows, as far as it is understood.
pub(super) fn valid(schema: &Value, random: &mut StdRng) -> String {
    if let Some(pattern) = schema["pattern"].as_str() {
        return of_pattern(pattern, random);
    }
    match is_number(schema) {
        true => match random.random_range(0..4) {
            0 => "0".to_owned(),
            1 => random.random::<u64>().to_string(),
            _ => random.random_range(0..100).to_string(),
        },
        false => text(random, 40),
    }
}

/// A text that it does not allow, or may not.
pub(super) fn strange(schema: &Value, random: &mut StdRng) -> String {
    let mut valid = valid(schema, random);
    match random.random_range(0..8) {
        0 => valid.to_uppercase(),
        1 => valid + "0",
        2 => {
            valid.pop();
            valid
        }
        3 => valid.repeat(2),
        4 => "x".repeat(random.random_range(1..LONGEST)),
        5 => text(random, 80),
        _ => STRANGE[random.random_range(0..STRANGE.len())].to_owned(),
    }
}

/// The type is a number, or may be.
fn is_number(schema: &Value) -> bool {
    let number = |kind: &Value| matches!(kind.as_str(), Some("integer" | "number"));
    let kind = &schema["type"];
    number(kind)
        || kind
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(number))
}

/// A text of a pattern as ours are: one class of characters, so often. Of any other, some text.
fn of_pattern(pattern: &str, random: &mut StdRng) -> String {
    let Some((class, counts)) = pattern
        .strip_prefix("^[")
        .and_then(|rest| rest.strip_suffix("}$"))
        .and_then(|rest| rest.split_once("]{"))
    else {
        return text(random, 40);
    };
    let class = characters(class);
    let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
    let (Ok(least), Ok(most)) = (least.parse::<usize>(), most.parse::<usize>()) else {
        return text(random, 40);
    };
    let count = random.random_range(least..=most.max(least));
    (0..count)
        .map(|_| class[random.random_range(0..class.len())])
        .collect()
}

/// The characters of a class, such as `a-z0-9-`.
fn characters(class: &str) -> Vec<char> {
    let class: Vec<char> = class.chars().collect();
    let mut all = Vec::new();
    let mut i = 0;
    while i < class.len() {
        match class.get(i + 2) {
            Some(&last) if class[i + 1] == '-' => {
                all.extend(class[i]..=last);
                i += 3;
            }
            _ => {
                all.push(class[i]);
                i += 1;
            }
        }
    }
    all
}

fn text(random: &mut StdRng, longest: usize) -> String {
    let length = random.random_range(0..longest);
    let character = |random: &mut StdRng| match random.random_range(0..5) {
        0 => random.random::<char>(),
        _ => char::from(random.random_range(b' '..=b'~')),
    };
    (0..length).map(|_| character(random)).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;

    #[test]
    fn valid_values_are_as_the_schema_says() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let id = valid(
                &json!({"type": "string", "pattern": "^[0-9a-f]{32}$"}),
                &mut random,
            );
            assert!(
                id.len() == 32 && id.bytes().all(|b| b"0123456789abcdef".contains(&b)),
                "{id}"
            );
            let name = valid(&json!({"pattern": "^[a-z0-9-]{1,64}$"}), &mut random);
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(
                (1..=64).contains(&name.len()) && name.bytes().all(fits),
                "{name}"
            );
            let number = valid(&json!({"type": ["integer", "null"]}), &mut random);
            assert!(number.parse::<u64>().is_ok(), "{number}");
        }
    }
}
