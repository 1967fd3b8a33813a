"""Trains a small classifier with nothing but numpy, and writes what `cipherformer-model import` takes.

    pip install numpy safetensors
    python3 examples/import/train_classifier.py target/mine-py

A bag of words, one hidden layer, trained on the shipped prompts. It knows nothing of encryption: no rounding, no noise.
"""

import csv
import re
import sys
from collections import Counter
from pathlib import Path

import numpy
from safetensors.numpy import save_file

WIDTH, EPOCHS, BATCH, RATE = 16, 8, 128, 0.02
MAX_FEATURES, MIN_COUNT = 128, 8
DATA = Path(__file__).parents[2] / "crates/model/data/prompt-injection/train.csv"

SPEC = f"""description = "Tells prompt injections from benign prompts, by their words."
labels = ["benign", "injection"]

[input]
kind = "bag"
vocabulary = "vocabulary.txt"
max_features = {MAX_FEATURES}
min_count = {MIN_COUNT}

[[layers]]
kind = "embedding"
weight = "embedding.weight"

[[layers]]
kind = "activation"
function = "tanh"

[[layers]]
kind = "dense"
weight = "output.weight"
bias = "output.bias"
"""


def words(text):
    """The words of a text, each once, as `w:` features of the circuit crate's `extract` has them."""
    found = re.findall(r"[a-z0-9_]+(?:'[a-z0-9_]+)*|[^\s\x00-\x1f]", text.lower())[:160]
    return list(dict.fromkeys(f"w:{word}" for word in found))


def main(out):
    with open(DATA, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [words(row["text"]) for row in rows]
    labels = numpy.array([float(row["label"]) for row in rows])
    counts = Counter(word for text in texts for word in text)
    vocabulary = sorted(word for word, count in counts.items() if count >= 3)
    ids = {word: index for index, word in enumerate(vocabulary)}
    bags = [[ids[word] for word in text if word in ids][:MAX_FEATURES] for text in texts]
    inputs = numpy.zeros((len(bags), len(ids)), numpy.float32)
    for row, bag in zip(inputs, bags):
        row[bag] = 1 / max(len(bag), MIN_COUNT)

    random = numpy.random.default_rng(0)
    weights = {
        "embedding.weight": random.normal(0, 0.3, (len(ids), WIDTH)),
        "output.weight": random.normal(0, 0.5, (1, WIDTH)),
        "output.bias": numpy.zeros(1),
    }
    moments = {name: [numpy.zeros_like(w), numpy.zeros_like(w)] for name, w in weights.items()}
    step = 0
    for epoch in range(1, EPOCHS + 1):
        order, loss = random.permutation(len(bags)), 0.0
        for batch in numpy.array_split(order, len(order) // BATCH):
            x, y = inputs[batch], labels[batch]
            hidden = numpy.tanh(x @ weights["embedding.weight"])
            logit = hidden @ weights["output.weight"][0] + weights["output.bias"]
            loss += numpy.logaddexp(0, numpy.where(y == 1, -logit, logit)).sum()
            # Backwards: d loss / d logit, then the chain rule.
            wrong = (1 / (1 + numpy.exp(-logit)) - y) / len(batch)
            through = numpy.outer(wrong, weights["output.weight"][0]) * (1 - hidden**2)
            gradients = {
                "embedding.weight": x.T @ through,
                "output.weight": (wrong @ hidden)[None],
                "output.bias": wrong.sum(keepdims=True),
            }
            step += 1
            for name, gradient in gradients.items():  # Adam
                first, second = moments[name]
                first += 0.1 * (gradient - first)
                second += 0.001 * (gradient**2 - second)
                scale = RATE * numpy.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                weights[name] -= scale * first / (numpy.sqrt(second) + 1e-8)
            # Ranges are bounds on embeddings, so no few words may take all of them.
            numpy.clip(weights["embedding.weight"], -3, 3, out=weights["embedding.weight"])
        print(f"epoch {epoch} of {EPOCHS}: {loss / len(bags):.4f} nats")

    out.mkdir(parents=True, exist_ok=True)
    save_file({name: w.astype(numpy.float32) for name, w in weights.items()}, out / "model.safetensors")
    (out / "vocabulary.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    (out / "spec.toml").write_text(SPEC, encoding="utf-8")
    print(f"wrote model.safetensors, vocabulary.txt and spec.toml to {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__))
