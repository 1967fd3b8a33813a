//! The targets on a stable compiler: the corpus, fresh messages, and mutations of both.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use cipherformer_fuzz::{Mutation, TARGETS, examples};
use proptest::prelude::*;

/// Valid messages by target: those of the corpus, and fresh ones.
static MESSAGES: LazyLock<BTreeMap<&str, Vec<Vec<u8>>>> = LazyLock::new(|| {
    let messages = |name| {
        let mut messages = corpus(name);
        messages.extend(examples::of(name).expect("examples can be made"));
        messages
    };
    TARGETS
        .map(|target| (target.name, messages(target.name)))
        .into()
});

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let files = fs::read_dir(&folder).expect("every target has a folder");
    let read = |file: std::io::Result<fs::DirEntry>| fs::read(file?.path());
    files
        .map(|file| read(file).expect("it can be read"))
        .collect()
}

/// A format that has changed without a version of its own would show here: the corpus is of an older build.
#[test]
fn the_corpus_is_still_read() {
    use cipherformer_circuit::parameters::INSECURE_TOY;
    use cipherformer_fhe::SeededEvaluationKey;
    use cipherformer_protocol::{Event, Problem};

    for target in TARGETS {
        let messages = corpus(target.name);
        assert!(!messages.is_empty(), "{} has examples", target.name);
        messages.iter().for_each(|bytes| (target.run)(bytes));
    }
    for bytes in corpus("evaluation_key") {
        SeededEvaluationKey::from_bytes(&bytes, &INSECURE_TOY).expect("a key");
    }
    for bytes in corpus("problem") {
        serde_json::from_slice::<Problem>(&bytes).expect("a problem");
    }
    for bytes in corpus("event") {
        let text = String::from_utf8(bytes).expect("text");
        let (name, data) = text.split_once('\n').expect("name and data");
        Event::from_parts(name, data)
            .expect("an event")
            .expect("known");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn mutations_never_panic(
        target in prop::sample::select(TARGETS.to_vec()),
        message in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(any::<u64>().prop_map(Mutation::drawn), 0..5),
    ) {
        let messages = &MESSAGES[target.name];
        let mut bytes = message.get(messages).clone();
        for mutation in mutations {
            mutation.apply(&mut bytes, &messages[other.index(messages.len())]);
        }
        (target.run)(&bytes);
    }

    #[test]
    fn garbage_never_panics(
        target in prop::sample::select(TARGETS.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..4096),
    ) {
        (target.run)(&bytes);
    }
}
