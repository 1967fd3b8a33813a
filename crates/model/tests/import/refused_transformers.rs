//! Transformers that no circuit can be, and what is said of them.

use crate::files::Files;
use crate::refused::{check, replaced};
use crate::transformer::transformer;

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
        &|files| files.set("position.weight", &[1025, 8], vec![1.0; 8200]),
        &["layer 1, embedding", "1025 positions", "up to 1024"],
    );
    of(
        &|files| {
            let hidden = 3_000_000;
            files.set("blocks.0.up.weight", &[hidden, 8], vec![0.1; 8 * hidden]);
            files.set("blocks.0.up.bias", &[hidden], vec![0.0; hidden]);
            files.set("blocks.0.down.weight", &[8, hidden], vec![0.1; 8 * hidden]);
        },
        &["layer 2, block", "3000000 values", "at most 134217728"],
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

/// All that is known before the first pass over the texts is said before it: these have none that can be used.
#[test]
fn transformers_too_large_for_a_circuit() {
    let of = |change: &dyn Fn(&mut Files), said: &[&str]| {
        let change = |files: &mut Files| {
            files.data = "no such letters".to_owned();
            change(files);
        };
        check(change, transformer(), said);
    };
    of(
        &replaced("description", "parameters = \"precise\"\ndescription"),
        &[
            "spec.toml: unknown parameter set \"precise\"",
            "precise-1024",
        ],
    );
    of(
        &|files| files.vocabulary = files.vocabulary.replace("c\n", "\u{7f}\n"),
        &["a label is empty, too long or not printable"],
    );
    of(
        &|files| {
            let letters = (0..65).map(|i| char::from_u32(0x3b1 + i).expect("a letter"));
            files.vocabulary = letters.fold("<end>\n".to_owned(), |all, c| format!("{all}{c}\n"));
            files.spec = format!("output = \"top-1\"\n{}", files.spec);
        },
        &["top-1 compares 2 to 64 labels, and there are 66"],
    );
    // Heads of 4 at 1024 positions are twice what a ciphertext holds.
    of(
        &|files| files.set("position.weight", &[513, 8], vec![0.1; 8 * 513]),
        &[
            "layer 2, block",
            "heads 4 wide at 513 positions",
            "at most 512 positions",
        ],
    );
    of(
        &|files| {
            let hidden = 2049;
            files.set("blocks.1.up.weight", &[hidden, 8], vec![0.1; 8 * hidden]);
            files.set("blocks.1.up.bias", &[hidden], vec![0.0; hidden]);
            files.set("blocks.1.down.weight", &[8, hidden], vec![0.1; 8 * hidden]);
        },
        &["layer 3, block", "2049 hidden values", "up to 2048"],
    );
    of(
        &|files| {
            let start = files.spec.find("[[layers]]\nkind = \"block\"");
            let block = files.spec.rfind("[[layers]]\nkind = \"block\"");
            let end = files.spec.find("[[layers]]\nkind = \"dense\"");
            let (start, block, end) = (start.zip(block).zip(end))
                .map(|((a, b), c)| (a, b, c))
                .expect("layers");
            let block = files.spec[block..end].to_owned();
            files.spec.replace_range(start..end, &block.repeat(66));
        },
        &["layer 67, block", "66 blocks", "up to 65"],
    );
    of(
        &|files| {
            let at = files.spec.rfind("heads = 2").expect("three blocks");
            files.spec.replace_range(at..at + 9, "heads = 4");
        },
        &["layer 4, block", "4 heads", "a first block of 2"],
    );
}

#[test]
fn transformers_without_values_or_with_too_large_ones() {
    let of = |change: &dyn Fn(&mut Files), said: &[&str]| check(change, transformer(), said);
    let scaled = |name: &'static str, factor: f32| {
        move |files: &mut Files| {
            let (shape, values) = files.tensors[name].clone();
            files.set(name, &shape, values.iter().map(|x| x * factor).collect());
        }
    };
    for (tensor, layer) in [
        ("blocks.0.query.weight", "layer 2, block"),
        ("blocks.1.norm.weight", "layer 3, block"),
        ("blocks.1.value.weight", "layer 3, block"),
        ("blocks.2.output.weight", "layer 4, block"),
        ("blocks.2.down.weight", "layer 4, block"),
        ("unembedding.weight", "layer 5, dense"),
    ] {
        of(
            &scaled(tensor, 0.0),
            &[layer, &format!("tensor {tensor:?} is zero everywhere")],
        );
    }
    of(
        &|files| {
            scaled("blocks.1.up.weight", 0.0)(files);
            scaled("blocks.1.up.bias", 0.0)(files);
        },
        &[
            "layer 3, block",
            "inputs of the MLP's activation are at most 0",
            "\"blocks.1.up.weight\"",
        ],
    );
    of(
        &|files| {
            scaled("blocks.1.norm.weight", 1e30)(files);
            scaled("blocks.1.up.weight", 1e30)(files);
        },
        &[
            "layer 3, block",
            "the product of tensors \"blocks.1.up.weight\" and \"blocks.1.norm.weight\" exceeds",
        ],
    );
    of(
        &|files| {
            files.set("blocks.1.down.bias", &[8], vec![3e38; 8]);
            files.set("blocks.1.output.bias", &[8], vec![3e38; 8]);
        },
        &[
            "layer 3, block",
            "the sum of tensors \"blocks.1.down.bias\" and \"blocks.1.output.bias\" exceeds",
        ],
    );
    // Squares of 1e25 are more than floats hold.
    of(
        &|files| files.set("blocks.0.down.bias", &[8], vec![1e25; 8]),
        &["layer 3, block", "the residual", "are at most 1.000e25"],
    );
    of(
        &replaced(
            "epsilon = 0.001 }\nattention = { heads = 2, query = \"blocks.1",
            "epsilon = 0.5 }\nattention = { heads = 2, query = \"blocks.1",
        ),
        &["layer 3, block", "an epsilon of 0.5", "smaller epsilon"],
    );
}
