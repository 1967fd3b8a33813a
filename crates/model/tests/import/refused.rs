//! Files that say something else than they should: one sentence each, with the tensor, the layer and what is supported.

use crate::files::{Files, classifier};
use crate::transformer::transformer;

fn check(change: impl Fn(&mut Files), files: Files, said: &[&str]) {
    let mut files = files;
    change(&mut files);
    let error = files.refusal();
    for part in said {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

fn replaced(from: &str, to: &str) -> impl Fn(&mut Files) {
    move |files: &mut Files| {
        assert!(files.spec.contains(from), "{from}");
        files.spec = files.spec.replacen(from, to, 1);
    }
}

#[test]
fn tensors() {
    let of = |change: &dyn Fn(&mut Files), said: &[&str]| check(change, classifier(), said);
    of(
        &replaced("\"output.weight\"", "\"output.weights\""),
        &[
            "layer 3, dense",
            "no tensor \"output.weights\"",
            "it has output.weight, ",
        ],
    );
    of(
        &|files| files.set("output.weight", &[2, 3], vec![1.0; 6]),
        &[
            "layer 3, dense",
            "\"output.weight\"",
            "[2, 3]",
            "expected [2 outputs, one a label, 2 inputs]",
        ],
    );
    of(
        &|files| files.set("output.weight", &[3, 2], vec![1.0; 6]),
        &["\"output.weight\"", "[3, 2]", "one a label"],
    );
    of(
        &|files| files.set("embedding.weight", &[2, 4], vec![1.0; 8]),
        &[
            "layer 1, embedding",
            "[2, 4]",
            "4 features, one a line of the vocabulary",
        ],
    );
    of(
        &|files| files.set("embedding.weight", &[4, 2, 1], vec![1.0; 8]),
        &["\"embedding.weight\"", "[4, 2, 1]"],
    );
    of(
        &|files| files.set("embedding.weight", &[4, 0], Vec::new()),
        &["\"embedding.weight\"", "[4, 0]", "width"],
    );
    of(
        &|files| files.set("output.bias", &[3], vec![0.0; 3]),
        &["\"output.bias\"", "expected [2 biases, one an output]"],
    );
    of(
        &|files| files.set("output.bias", &[2], vec![f32::NAN, f32::INFINITY]),
        &["2 of the weights of tensor \"output.bias\"", "not finite"],
    );
    of(
        &|files| files.set("norm.weight", &[2], vec![1.0; 2]),
        &["no layer uses: norm.weight", "`ignore`"],
    );
    of(
        &|files| files.spec = format!("ignore = [\"norm\"]\n{}", files.spec),
        &["ignore", "no tensor \"norm\""],
    );
    let mut ignored = classifier();
    ignored.set("counter", &[1], vec![7.0]);
    ignored.spec = format!("ignore = [\"counter\"]\n{}", ignored.spec);
    ignored
        .write()
        .import()
        .expect("an ignored tensor is no obstacle");
}

#[test]
fn layers() {
    let of = |change: &dyn Fn(&mut Files), said: &[&str]| check(change, classifier(), said);
    of(
        &replaced("kind = \"dense\"", "kind = \"conv\""),
        &[
            "spec.toml, line ",
            "`conv`",
            "`embedding`, `activation`, `dense`",
        ],
    );
    of(
        &replaced("\"tanh\"", "\"softmax\""),
        &[
            "spec.toml, line ",
            "`softmax`",
            "`identity`, `relu`, `tanh`, `gelu`",
        ],
    );
    of(
        &replaced(
            "[[layers]]\nkind = \"activation\"\nfunction = \"tanh\"\n",
            "",
        ),
        &["an embedding, then activations and dense layers in turn"],
    );
    of(
        &replaced(
            "weight = \"output.weight\"",
            "weight = \"output.weight\"\nbits = 9",
        ),
        &["layer 3, dense", "9 bits", "2 to 8"],
    );
    of(
        &replaced("kind = \"bag\"", "kind = \"pixels\""),
        &["`bag` or `tokens`"],
    );
    of(
        &replaced("description", "parameters = \"fast-2048\"\ndescription"),
        &["unknown parameter set \"fast-2048\"", "fast-1024"],
    );
    of(
        &replaced("description = \"For tests.\"\n", ""),
        &["missing field `description`"],
    );
    of(
        &replaced("\"injection\"]", "\"injection\", \"\"]"),
        &["\"output.weight\"", "3 outputs, one a label"],
    );
}

#[test]
fn data() {
    let of = |change: &dyn Fn(&mut Files), said: &[&str]| check(change, classifier(), said);
    of(&|files| files.data.clear(), &["data: the file is empty"]);
    of(
        &|files| files.data.truncate(11),
        &["data: there are no rows"],
    );
    of(
        &|files| files.data = "text,label\nhello,0\n".to_owned(),
        &["too few texts", "--evaluate"],
    );
    of(
        &|files| files.data.push_str("what,spam\n"),
        &["line 82", "\"spam\"", "0 for benign or 1 for injection"],
    );
    of(
        &|files| files.vocabulary.push_str("w:tea\n"),
        &["vocabulary.txt", "there twice"],
    );
    of(
        &|files| files.vocabulary.clear(),
        &["vocabulary.txt", "0 entries"],
    );
}

/// 200 inputs of the largest weights are too many for a LUT's guard band.
#[test]
fn a_noise_budget_that_breaks_names_the_layer() {
    let mut files = classifier();
    files.set("embedding.weight", &[4, 1024], vec![1.0; 4096]);
    files.set("output.weight", &[2, 1024], vec![1.0; 2048]);
    files.spec += "bits = 8\n";
    let error = files.refusal();
    for part in [
        "layer 3, dense, tensor \"output.weight\"",
        "noise",
        "fewer `bits`",
    ] {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn transformers() {
    let of = |change: &dyn Fn(&mut Files), said: &[&str]| check(change, transformer(), said);
    of(
        &|files| files.set("blocks.1.key.weight", &[8, 4], vec![1.0; 32]),
        &[
            "layer 3, block",
            "\"blocks.1.key.weight\"",
            "[8, 4]",
            "8 width",
        ],
    );
    of(
        &|files| files.set("position.weight", &[8, 9], vec![1.0; 72]),
        &[
            "layer 1, embedding",
            "\"position.weight\"",
            "expected [context, 8 width]",
        ],
    );
    of(
        &replaced("heads = 2", "heads = 3"),
        &["layer 2, block", "3 heads", "power of two"],
    );
    of(
        &replaced("activation = \"gelu\"", "activation = \"tanh\""),
        &["layer 3, block", "Tanh", "gelu"],
    );
    of(
        &replaced("heads = 2", "heads = 2, cap = -1.0"),
        &["layer 2, block", "a cap of -1"],
    );
    of(
        &replaced("heads = 2", "heads = 2, key_bias = \"b\""),
        &["spec.toml, line ", "unknown field `key_bias`"],
    );
    of(
        &replaced("kind = \"dense\"", "kind = \"norm\""),
        &["`norm`", "`embedding`, `block`, `dense`"],
    );
    of(
        &|files| files.vocabulary = files.vocabulary.replace("c\n", "ch\n"),
        &["\"ch\"", "a single character"],
    );
    of(
        &|files| files.data.push_str("abz\n"),
        &["data, line 301", "'z'"],
    );
    of(
        &|files| files.data = "abcdeabcde\n".to_owned(),
        &["short enough"],
    );
    of(
        &|files| {
            let (shape, values) = files.tensors["blocks.0.query.weight"].clone();
            files.set(
                "blocks.0.query.weight",
                &shape,
                values.iter().map(|x| x * 500.0).collect(),
            );
        },
        &["layer 2, block", "scores reach", "soft cap"],
    );
}
