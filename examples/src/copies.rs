//! Copies of the prompt guard, made by somebody who has nothing but answers. Lesson 9 compares them with the guard.

use anyhow::Result;
use cipherformer_circuit::{Bag, Circuit, CircuitError, Plain};
use cipherformer_model::{ModelError, Recipe, train};

/// By how much injection is ahead in an answer; under `top-1` by 1 or -1.
fn ahead(server: &mut Plain, served: &Circuit, bag: Bag) -> Result<f64, CircuitError> {
    let scores = &server.outputs(served, &[bag])?[0];
    Ok(scores[1] - scores[0])
}

// ANCHOR: words
/// Asks for every word alone; the copy takes the mean of the answers for a text's words.
///
/// The answers have the noise that encrypted ones would have, without the time.
///
/// # Errors
/// A circuit that is no classifier of two labels.
pub fn from_words(served: &Circuit) -> Result<impl Fn(&Bag) -> bool, CircuitError> {
    let few = served.vocabulary().min_count();
    let mut server = Plain::simulate(0);
    let mut ask = |words| ahead(&mut server, served, Bag::new(words, few));
    let nothing = ask(vec![])?;
    let words = 0..served.vocabulary().len();
    let effects = words.map(|word| Ok(ask(vec![word])? - nothing));
    let effects = effects.collect::<Result<Vec<f64>, CircuitError>>()?;
    Ok(move |bag: &Bag| {
        let sum: f64 = bag.features().iter().map(|&word| effects[word]).sum();
        nothing + few as f64 * bag.weight() * sum > 0.0
    })
}
// ANCHOR_END: words

// ANCHOR: prompts
/// Asks for real prompts, and trains a network of the guard's kind on the verdicts.
///
/// # Errors
/// As [`from_words`].
pub fn from_prompts(served: &Circuit, asked: &[Bag]) -> Result<impl Fn(&Bag) -> bool, ModelError> {
    let mut server = Plain::simulate(0);
    let answered = asked
        .iter()
        .map(|bag| Ok((bag.clone(), ahead(&mut server, served, bag.clone())? > 0.0)));
    let answered = answered.collect::<Result<Vec<_>, CircuitError>>()?;
    let recipe = Recipe {
        epochs: 20,
        ..Recipe::default()
    };
    let copy = train(&answered, served.vocabulary().len(), &recipe, 0, || ())?;
    Ok(move |bag: &Bag| copy.scores(bag)[1] > 0.0)
}
// ANCHOR_END: prompts

/// On how many of a hundred prompts a copy says what the guard says.
///
/// # Errors
/// As [`from_words`].
pub fn agreement(guard: &Circuit, copy: impl Fn(&Bag) -> bool, prompts: &[Bag]) -> Result<f64> {
    let mut same = 0;
    for bag in prompts {
        let verdict = ahead(&mut Plain::reference(), guard, bag.clone())? > 0.0;
        same += usize::from(copy(bag) == verdict);
    }
    Ok(100.0 * same as f64 / prompts.len() as f64)
}
