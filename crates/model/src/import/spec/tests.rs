//! The commented samples are specifications, and what is wrong with others is said.

use super::*;

const CLASSIFIER: &str = include_str!("../../../../../examples/import/classifier.toml");
const TRANSFORMER: &str = include_str!("../../../../../examples/import/transformer.toml");

fn refused(text: &str) -> String {
    let error = Spec::parse(Path::new("spec.toml"), text).expect_err("it is wrong");
    error.to_string()
}

#[test]
fn the_samples_say_what_they_seem_to() {
    let Ok(Spec::Classifier(spec)) = Spec::parse(Path::new("x"), CLASSIFIER) else {
        panic!("the sample is a classifier");
    };
    assert_eq!((spec.labels.len(), spec.layers.len()), (2, 5));
    assert_eq!((spec.input.max_features, spec.input.min_count), (128, 8));
    let Ok(Spec::Transformer(spec)) = Spec::parse(Path::new("x"), TRANSFORMER) else {
        panic!("the sample is a transformer");
    };
    assert_eq!(spec.layers.len(), 4);
    let TransformerLayer::Block(block) = &spec.layers[1] else {
        panic!("the second layer is a block");
    };
    assert_eq!((block.attention.heads, block.attention.cap), (4, Some(2.0)));
}

/// Every line of the samples that is commented out says what would happen without it, or works.
#[test]
fn commented_fields_of_the_samples_are_fields() {
    for sample in [CLASSIFIER, TRANSFORMER] {
        let enabled: Vec<&str> = sample
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .collect();
        assert!(enabled.len() > 10 && enabled.join("\n") != sample.trim_end());
        Spec::parse(Path::new("sample"), &enabled.join("\n")).expect("all fields are known");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let with = |from: &str, to: &str| {
        assert!(
            CLASSIFIER.contains(from) || TRANSFORMER.contains(from),
            "{from}"
        );
        match CLASSIFIER.contains(from) {
            true => refused(&CLASSIFIER.replacen(from, to, 1)),
            false => refused(&TRANSFORMER.replacen(from, to, 1)),
        }
    };
    for (from, to, said) in [
        ("description", "descripton", "unknown field `descripton`"),
        (
            "kind = \"bag\"",
            "kind = \"image\"",
            "expected `bag` or `tokens`",
        ),
        (
            "kind = \"dense\"",
            "kind = \"norm\"",
            "expected one of `embedding`, `activation`, `dense`",
        ),
        (
            "function = \"relu\"",
            "function = \"swish\"",
            "expected one of `identity`, `relu`, `tanh`, `gelu`",
        ),
        ("bias = ", "biases = ", "unknown field `biases`"),
        ("heads = 4", "heads = -4", "expected usize"),
        (
            "heads = 4\n",
            "heads = 4\nquery_bias = \"b\"\n",
            "unknown field `query_bias`, expected one of",
        ),
    ] {
        let error = with(from, to);
        assert!(error.contains(said), "{error}");
        assert!(error.starts_with("spec.toml, line "), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(refused("").contains("missing field `input`"));
}

#[test]
fn bits_have_limits() {
    let limit = |bits| limit(Path::new("x"), "layer 1", bits);
    assert_eq!(
        [2, 5, 8].map(|bits| limit(bits).ok()),
        [Some(1), Some(15), Some(127)]
    );
    for bits in [0, 1, 9, 64] {
        let error = limit(bits).expect_err("no such integers").to_string();
        assert!(
            error.contains("layer 1") && error.contains("2 to 8"),
            "{error}"
        );
    }
}
