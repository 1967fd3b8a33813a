//! Client and server together, on a tiny transformer under toy parameters: the texts that come out are
//! those that the reference evaluator would have drawn.

#[path = "../../../crates/server/tests/server/names.rs"]
mod names;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use cipherformer_circuit::{Bag, Circuit, OutputLayout, Plain};
use cipherformer_client::{Client, END, Generation, KeyHome, Sampling};
use cipherformer_server::{Config, Running, Server};
use names::CONTEXT;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

/// Simulations that say how far noise moves the borders between letters.
const SIMULATIONS: u64 = 200;
/// Borders are allowed so many of their standard deviations.
const DEVIATIONS: f64 = 6.0;

struct World {
    circuit: Circuit,
    folder: TempDir,
    server: Running,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let circuit = names::circuit("names");
        let circuits = folder.path().join("circuits");
        circuit.save(&circuits.join("names")).expect("saved");
        let server = start(&folder, SocketAddr::from(([127, 0, 0, 1], 0))).await;
        Self {
            circuit,
            folder,
            server,
        }
    }

    async fn client(&self) -> Client {
        let home = KeyHome::new(self.folder.path().join("home")).allow_insecure();
        let client = Client::connect(&self.server.url(), home, Arc::new(())).await;
        client.expect("it is there")
    }
}

async fn start(folder: &TempDir, listen: SocketAddr) -> Running {
    let (circuits, data) = (folder.path().join("circuits"), folder.path().join("data"));
    let mut config = Config::loopback(circuits, data);
    config.allow_insecure = true;
    config.listen = listen;
    Server::start(&config).await.expect("it starts")
}

async fn generate(client: &Client, prefix: &str, sampling: &Sampling, seed: u64) -> Generation {
    let generated = client.generate("names", prefix, sampling, seed, |_| (), pending());
    generated.await.expect("evaluated")
}

/// The logits of the reference after each of these tokens.
fn reference(circuit: &Circuit, tokens: &[usize]) -> Vec<Vec<f64>> {
    let bags: Vec<Bag> = tokens.iter().copied().map(Bag::token).collect();
    Plain::reference().outputs(circuit, &bags).expect("valid")
}

/// The logits that clients may see after each of these tokens: with noise, and rounded to fifths as this circuit's are.
fn simulations(circuit: &Circuit, tokens: &[usize]) -> Vec<Vec<Vec<f64>>> {
    let bags: Vec<Bag> = tokens.iter().copied().map(Bag::token).collect();
    let run = |seed| {
        let mut outputs = Plain::simulate(seed)
            .outputs(circuit, &bags)
            .expect("valid");
        let logits = outputs.iter_mut().flatten();
        logits.for_each(|logit| *logit = (*logit * 5.0).round() / 5.0);
        outputs
    };
    (0..SIMULATIONS).map(run).collect()
}

/// The tokens that the server evaluated, and those that were drawn after them.
fn tokens(generated: &Generation, prefix: &str) -> (Vec<usize>, Vec<usize>) {
    let letter = |letter: char| letter as usize - 'a' as usize + 1;
    let mut tokens = vec![END];
    tokens.extend(generated.text.chars().map(letter));
    let drawn = [&tokens[prefix.len() + 1..], &[END]].concat();
    tokens.truncate(generated.tokens);
    (tokens, drawn)
}

/// Below this number the letters before `token` are drawn.
fn border(sampling: &Sampling, logits: &[f64], token: usize) -> f64 {
    sampling.probabilities(logits)[..token].iter().sum()
}

/// How far noise, and the client's rounding, move a number: the standard deviation.
fn deviation(exact: f64, simulated: impl Iterator<Item = f64>) -> f64 {
    let squares: f64 = simulated.map(|number| (number - exact).powi(2)).sum();
    (squares / SIMULATIONS as f64).sqrt()
}

/// Every letter that came is the one that the reference draws, or the draw fell so close to the border
/// that noise may have decided.
fn check(circuit: &Circuit, generated: &Generation, prefix: &str, sampling: &Sampling) {
    let (tokens, drawn) = tokens(generated, prefix);
    let exact = reference(circuit, &tokens);
    let noisy = simulations(circuit, &tokens);
    let mut random = StdRng::seed_from_u64(generated.seed);
    for (position, token) in (prefix.len()..tokens.len()).zip(drawn) {
        let number: f64 = random.random();
        let [low, high] = [(token, -1.0), (token + 1, 1.0)].map(|(token, sign)| {
            let exact = border(sampling, &exact[position], token);
            let simulated = noisy
                .iter()
                .map(|run| border(sampling, &run[position], token));
            exact + sign * DEVIATIONS * deviation(exact, simulated)
        });
        assert!(
            (low..=high).contains(&number),
            "{generated:?}: {token} is {low} to {high}, and the draw was {number}"
        );
    }
}

#[tokio::test]
async fn generated_texts_are_those_of_the_reference() {
    let world = World::start().await;
    let client = world.client().await;
    let sampling = Sampling::new(1.0, None).expect("valid");
    for (prefix, seed) in [("", 1), ("", 2), ("", 3), ("d", 4), ("bca", 5)] {
        let generated = generate(&client, prefix, &sampling, seed).await;
        assert!(generated.text.starts_with(prefix));
        assert!(generated.tokens <= CONTEXT && generated.tokens > prefix.len());
        assert!(generated.seconds_per_token > 0.0);
        check(&world.circuit, &generated, prefix, &sampling);
    }
    world.server.stop().await.expect("stops");
}

#[tokio::test]
async fn without_temperature_the_most_probable_letters_come() {
    let world = World::start().await;
    let client = world.client().await;
    let sampling = Sampling::new(0.0, None).expect("valid");
    for prefix in ["", "a", "cd"] {
        let generated = generate(&client, prefix, &sampling, 1).await;
        let (tokens, drawn) = tokens(&generated, prefix);
        let exact = reference(&world.circuit, &tokens);
        let noisy = simulations(&world.circuit, &tokens);
        for (position, token) in (prefix.len()..tokens.len()).zip(drawn) {
            let exact = &exact[position];
            let best = OutputLayout::argmax(exact);
            // Noise decides between letters that are as good as equally probable.
            let behind = |logits: &[f64]| logits[best] - logits[token];
            let noise = deviation(
                behind(exact),
                noisy.iter().map(|run| behind(&run[position])),
            );
            assert!(
                behind(exact) <= DEVIATIONS * noise,
                "{generated:?}: {exact:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_outlives_the_server_for_its_client() {
    let mut world = World::start().await;
    let address = world.server.address();
    let client = world.client().await;
    let circuit = client.circuit("names").await.expect("there");
    let keys = client.keys(circuit.parameters()).await.expect("made");
    let mut session = client.open_session(&circuit, &keys).await.expect("open");
    session.append(&[END, 2]).await.expect("evaluated");
    world.server.stop().await.expect("stops");
    world.server = start(&world.folder, address).await;
    let step = session.append(&[4]).await.expect("all sent again");
    let tokens = [END, 2, 4];
    let exact = reference(&world.circuit, &tokens).remove(2);
    let noisy = simulations(&world.circuit, &tokens);
    for (label, (got, exact)) in step.logits.iter().zip(exact).enumerate() {
        let noise = deviation(exact, noisy.iter().map(|run| run[2][label]));
        assert!(
            (got - exact).abs() < DEVIATIONS * noise,
            "{got}, not {exact}"
        );
    }
}
