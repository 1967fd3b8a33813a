//! Files that say something else than they should: one sentence each, with the tensor, the layer and what is supported.

use crate::files::{Files, classifier};

pub(crate) fn check(change: impl Fn(&mut Files), files: Files, said: &[&str]) {
    let mut files = files;
    change(&mut files);
    let error = files.refusal();
    for part in said {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

pub(crate) fn replaced(from: &str, to: &str) -> impl Fn(&mut Files) {
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
        &replaced("\"injection\"]", "\"injection\", \"spam\"]"),
        &["\"output.weight\"", "3 outputs, one a label"],
    );
    of(
        &replaced("\"injection\"]", "\"\\u0007\"]"),
        &["spec.toml: a label is empty, too long or not printable"],
    );
    of(
        &|files| {
            let labels: Vec<String> = (0..65).map(|label| format!("\"{label}\"")).collect();
            let labels = format!("output = \"top-1\"\nlabels = [{}]", labels.join(", "));
            files.spec = files
                .spec
                .replacen("labels = [\"benign\", \"injection\"]", &labels, 1);
        },
        &["spec.toml: the output top-1 compares 2 to 64 labels, and there are 65"],
    );
    of(
        &replaced("\"injection\"]", "\"benign\"]"),
        &["[\"benign\", \"benign\"]", "two or more different"],
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

/// Spans of what does not belong there may begin inside a character.
#[test]
fn lines_are_counted_in_any_alphabet() {
    let mut files = classifier();
    files.spec = files
        .spec
        .replace("For tests.", "Für Prüfungen: \u{65e5}\u{672c}\u{8a9e}.");
    files.spec += "\u{65e5}\u{672c} = \u{8a9e}\n";
    let error = files.refusal();
    assert!(error.contains("spec.toml, line 20"), "{error}");
}

#[test]
fn zeros_name_their_tensor() {
    for (tensor, shape, layer) in [
        ("embedding.weight", [4, 2], "layer 1, embedding"),
        ("hidden.weight", [2, 2], "layer 3, dense"),
    ] {
        let mut files = classifier();
        files.spec = files.spec.replacen(
            "function = \"tanh\"",
            "function = \"relu\"\n\n[[layers]]\nkind = \"dense\"\nweight = \"hidden.weight\"\n\n[[layers]]\nkind = \
             \"activation\"\nfunction = \"tanh\"",
            1,
        );
        files.set("hidden.weight", &[2, 2], vec![1.0, 0.5, -0.5, 1.0]);
        files.set(tensor, &shape, vec![0.0; shape.iter().product()]);
        let error = files.refusal();
        let place = format!("{layer}, tensor {tensor:?}");
        for part in [&*place, "all weights are zero", "train it again"] {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
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
