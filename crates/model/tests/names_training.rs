//! Training on a few hundred made-up names: it works, repeats, and replaces folders as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_circuit::Circuit;
use cipherformer_model::{
    Mode, ModelError, NamesFigures, NamesRecipe, TextsEvaluation, build_names_gpt, evaluate_texts,
};
use tempfile::TempDir;

const SYLLABLES: [&str; 7] = ["an", "bo", "ka", "lu", "mi", "ro", "te"];

/// All names of three syllables.
fn names() -> Vec<String> {
    let each = || SYLLABLES.into_iter();
    each()
        .flat_map(|a| each().flat_map(move |b| each().map(move |c| [a, b, c].concat())))
        .collect()
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn data(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).expect("an empty temporary folder");
    fs::write(data.join("names.txt"), names().join("\n")).expect("a temporary file");
    data
}

fn build(data: &Path, out: &Path, seed: u64) -> Result<NamesFigures, ModelError> {
    let recipe = NamesRecipe {
        width: 8,
        heads: 2,
        tabulated_hidden: 16,
        hidden: 8,
        batch: 32,
        float_steps: 100,
        tuning_steps: 50,
        ..NamesRecipe::default()
    };
    build_names_gpt(data, out, &recipe, seed)
}

fn trained(folder: &Path) -> Circuit {
    let out = folder.join("circuit");
    build(&data(folder), &out, 1).expect("valid data");
    Circuit::load(&out).expect("just written")
}

/// Evaluates a file of these lines.
fn evaluate(
    circuit: &Circuit,
    lines: &str,
    limit: Option<usize>,
    mode: Mode,
) -> Result<TextsEvaluation, ModelError> {
    let folder = temporary();
    let path = folder.path().join("some.txt");
    fs::write(&path, lines).expect("a temporary file");
    evaluate_texts(circuit, &path, limit, mode, 1)
}

#[test]
fn a_small_model_learns_and_its_card_says_what_of() {
    let folder = temporary();
    let (data, out) = (data(folder.path()), folder.path().join("circuits/tiny"));
    let figures = build(&data, &out, 5).expect("valid data");
    let (validation, test) = (figures.validation, figures.test);
    assert_eq!(figures.train_names + validation.names + test.names, 343);
    // Guessing costs 3.3 nats a character.
    assert!(test.float < 2.0 && test.noisy < 2.0, "{test:?}");
    let circuit = Circuit::load(&out).expect("just written");
    let card = fs::read_to_string(out.join("MODEL_CARD.md")).expect("it was written");
    for said in [
        circuit.manifest().digest.clone(),
        format!("--data {} --out {} --seed 5", data.display(), out.display()),
        format!("{} names to train on", figures.train_names),
        format!(
            "{} to validate on, {} to test",
            validation.names, test.names
        ),
        format!("| validation | {:.4} |", validation.float),
        format!("{:.2} % |\n", 100.0 * test.agreement),
    ] {
        assert!(card.contains(&said), "{said:?} is not in:\n{card}");
    }
    let left: Vec<_> = fs::read_dir(folder.path().join("circuits"))
        .expect("made")
        .collect();
    assert_eq!(left.len(), 1, "no temporary folder stays: {left:?}");
}

#[test]
fn a_seed_repeats_and_another_replaces() {
    let folder = temporary();
    let data = data(folder.path());
    let digest = |name: &str, seed| {
        let out = folder.path().join(name);
        build(&data, &out, seed).expect("valid data");
        let circuit = Circuit::load(&out).expect("just written");
        circuit.manifest().digest.clone()
    };
    let first = digest("a", 1);
    assert_eq!(first, digest("b", 1));
    assert_ne!(first, digest("a", 2));
}

#[test]
fn evaluation_counts_what_it_looks_at() {
    let folder = temporary();
    let circuit = trained(folder.path());
    let lines = "anbo\n\nabcdefghijklmnop\nmi\nabcdefghijklmno\nponmlkjihgfedcba\n";
    for mode in [Mode::Reference, Mode::Simulate] {
        let run = |limit| evaluate(&circuit, lines, limit, mode).expect("names");
        let (all, three) = (run(None), run(Some(3)));
        assert_eq!((all.examples, all.left_out), (3, 2));
        assert_eq!((three.examples, three.left_out), (2, 1));
        // Each name's end is predicted too.
        assert_eq!((all.tokens, three.tokens), (5 + 3 + 16, 5 + 3));
        assert!(all.cross_entropy.is_finite() && all.cross_entropy > 0.0);
        assert!(all.seconds > 0.0);
        let shares = 0.0..=1.0;
        match mode {
            Mode::Reference => assert_eq!(all.agreement, None),
            _ => assert!(all.agreement.is_some_and(|share| shares.contains(&share))),
        }
    }
}

#[test]
fn names_that_cannot_be_evaluated_are_refused() {
    let folder = temporary();
    let circuit = trained(folder.path());
    for (lines, limit, said) in [
        (
            "anbo\nmi\nMi\n",
            Some(1),
            "some.txt, line 3: the circuit does not know the character 'M'",
        ),
        ("", None, "some.txt: it has no text"),
        ("\n\n", None, "some.txt: it has no text"),
        ("abcdefghijklmnop\nmi\n", Some(1), "short enough"),
    ] {
        let error = evaluate(&circuit, lines, limit, Mode::Reference).expect_err(said);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn failing_leaves_the_old_circuit() {
    let folder = temporary();
    let circuit = trained(folder.path());
    let (data, out) = (folder.path().join("data"), folder.path().join("circuit"));
    for (lines, said) in [
        (
            "anbo\nmi\nwell, yes\n",
            "names.txt, line 3: a name has other",
        ),
        ("", "names.txt: there are too few names"),
        ("anbo\n", "names.txt: there are too few names"),
    ] {
        fs::write(data.join("names.txt"), lines).expect("a temporary file");
        let error = build(&data, &out, 2).expect_err(said);
        assert!(error.to_string().contains(said), "{error}");
    }
    let kept = Circuit::load(&out).expect("still there");
    assert_eq!(kept.manifest().digest, circuit.manifest().digest);
}
