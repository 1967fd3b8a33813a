#!/usr/bin/env python3
"""Times a dense layer and a small attention head in Concrete, on one core, and prints one JSON object.

What is compared: `theirs_ms`, the server's evaluation on ciphertexts (no key generation, encryption or decryption),
with `ours_ms`, read from the file given by --ours; `ratio` is theirs / ours. Both circuits are written the way Concrete
is fast: sums and products with clear weights are free, a product of two encrypted numbers is two table lookups, and
what a table reads is first rounded to few bits, approximately (exact rounding would cost a lookup for every bit that is
dropped). Each circuit runs in a process of its own, so that its peak memory is its own. Progress goes to stderr.
"""

from __future__ import annotations

import os

# Read by Concrete's libraries when they are loaded: its loops run under OpenMP, its key generation under Rayon.
for variable in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import importlib.metadata
import importlib.util
import json
import multiprocessing
import platform
import resource
import statistics
import sys
import time
import types
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

CORES = 1
SEED = 1
SAMPLES = 200  # inputs that Concrete measures the bounds of every intermediate on
SECURITY_BITS = 128  # Concrete's default
DENSE_WIDTH = 64
HEAD_WIDTH = 16
DENSE_RUNS = 3  # theirs_ms is their median
ATTENTION_RUNS = 1


class AbsentTorch(types.ModuleType):
    """Stands in for torch while Concrete is imported: every public name in it is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_concrete() -> tuple[types.ModuleType, types.ModuleType]:
    """Returns numpy and `concrete.fhe`; where they are missing, ends with exit code 2 and how to install them."""
    stand_in = importlib.util.find_spec("torch") is None
    if stand_in:
        sys.modules["torch"] = AbsentTorch("torch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # concrete imports pkg_resources, which says it is deprecated
            import numpy
            from concrete import fhe
    except ImportError as error:
        requirements = os.path.relpath(Path(__file__).with_name("requirements.txt"))
        print(
            f"Concrete is not installed ({error}). Install it with:\n"
            f"  {os.path.basename(sys.executable)} -m pip install --no-deps -r {requirements}",
            file=sys.stderr,
        )
        sys.exit(2)
    finally:
        if stand_in:
            del sys.modules["torch"]
    return numpy, fhe


np, fhe = import_concrete()


@dataclass(frozen=True)
class Case:
    """One circuit with the settings it is compiled with."""

    kind: str  # "dense" or "attention"
    name: str
    runs: int
    kept_bits: int = 6  # dense only: bits of a sum that the activation's table reads
    tokens: int = 4  # attention only
    settings: dict[str, Any] = field(default_factory=dict)  # of fhe.Configuration

    def build(self) -> Circuit:
        """The case's function and inputs."""
        return dense(self.kept_bits) if self.kind == "dense" else attention(self.tokens)


@dataclass(frozen=True)
class Circuit:
    """A function that runs in the clear and, compiled, on ciphertexts, with inputs to measure its ranges on."""

    function: Callable[[Any], Any]
    inputs: list[Any]
    tolerance: Callable[[], int]  # of an output's error, which approximate rounding explains; known after adjust()

    def adjust(self) -> None:
        """Sets how many low bits each rounding drops, from the ranges on the inputs."""
        fhe.AutoRounder.adjust(self.function, self.inputs)


def rounded(x: Any, rounder: Any) -> Any:
    """x rounded, approximately when encrypted, to the bits that `rounder` keeps."""
    return fhe.round_bit_pattern(x, lsbs_to_remove=rounder, exactness=fhe.Exactness.APPROXIMATE)


def table(function: Callable[[Any], Any], low: int, high: int) -> Callable[[Any], Any]:
    """A table lookup: round(function(x)), clipped to low..=high, of every number of a tensor."""
    return fhe.univariate(lambda x: np.clip(np.rint(function(x)), low, high).astype(np.int64))


def product(a: Any, b: Any) -> Any:
    """a b as floor((a + b)^2 / 4) - floor((a - b)^2 / 4): two table lookups a product, exact, with broadcasting."""
    quarter_square = fhe.univariate(lambda x: x * x // 4)
    return quarter_square(a + b) - quarter_square(a - b)


def dense(kept_bits: int) -> Circuit:
    """ReLU(x W): x is (64,) in 0..=15, W (64, 64) in -8..=7; the outputs are (64,) in 0..=15. 64 lookups."""
    random = np.random.default_rng(SEED)
    weights = random.integers(-8, 8, (DENSE_WIDTH, DENSE_WIDTH))
    inputs = [random.integers(0, 16, DENSE_WIDTH) for _ in range(SAMPLES)]
    unit = 64  # sums reach about +-1200, so that most of 0..=15 is used
    activation = table(lambda x: np.maximum(x, 0) // unit, 0, 15)
    rounder = fhe.AutoRounder(target_msbs=kept_bits)

    def layer(x: Any) -> Any:
        return activation(rounded(x @ weights, rounder))

    return Circuit(layer, inputs, lambda: max(1, 2**rounder.lsbs_to_remove // unit))


def attention(tokens: int) -> Circuit:
    """One softmax head, not causal: x is (tokens, 16) in -4..=3, the outputs (tokens, 16) in about -28..=28.

    Weights of the projections are in -2..=2; queries, keys and values in -4..=3; scores are rounded to 5 bits; exp is
    in 0..=15, the reciprocal of its sum in 0..=15 (sixteenths of 7), the attention weights in 0..=7.
    About 67 tokens^2 + 49 tokens lookups.
    """
    random = np.random.default_rng(SEED)
    to_query, to_key, to_value = (random.integers(-2, 3, (HEAD_WIDTH, HEAD_WIDTH)) for _ in range(3))
    inputs = [random.integers(-4, 4, (tokens, HEAD_WIDTH)) for _ in range(SAMPLES)]
    rounders = [fhe.AutoRounder(target_msbs=5) for _ in range(5)]
    requantize = table(lambda x: x / 6, -4, 3)
    exp = table(lambda x: 15 * np.exp((x - 32) / 16), 0, 15)
    reciprocal = table(lambda x: 7 * 16 / np.maximum(x, 1), 0, 15)
    sixteenth = table(lambda x: x / 16, 0, 7)

    def head(x: Any) -> Any:
        query = requantize(rounded(x @ to_query, rounders[0]))
        key = requantize(rounded(x @ to_key, rounders[1]))
        value = requantize(rounded(x @ to_value, rounders[2]))
        products = product(query.reshape((tokens, 1, HEAD_WIDTH)), key.reshape((1, tokens, HEAD_WIDTH)))
        exps = exp(rounded(np.sum(products, axis=2), rounders[3]))
        inverse = reciprocal(np.sum(exps, axis=1)).reshape((tokens, 1))
        weights = sixteenth(rounded(product(exps, inverse), rounders[4]))
        mixed = product(weights.reshape((tokens, tokens, 1)), value.reshape((1, tokens, HEAD_WIDTH)))
        return np.sum(mixed, axis=1)

    return Circuit(head, inputs, lambda: 16)  # 200 simulated runs of 4 tokens: off by 15 at most, 0.8 in the mean


def log(message: str) -> None:
    """Prints progress to standard error."""
    print(message, file=sys.stderr, flush=True)


def seconds(action: Callable[[], Any]) -> tuple[Any, float, float]:
    """The action's result, its time by the clock, and its processor time over all threads."""
    clock, processor = time.perf_counter(), time.process_time()
    result = action()
    return result, time.perf_counter() - clock, time.process_time() - processor


def measure(case: Case) -> dict[str, Any]:
    """Compiles the case, makes keys, runs it on ciphertexts and checks it against the clear; sizes in bytes."""
    circuit = case.build()
    circuit.adjust()
    configuration = fhe.Configuration(**case.settings)
    compiled, compile_s, _ = seconds(
        lambda: fhe.Compiler(circuit.function, {"x": "encrypted"}).compile(circuit.inputs, configuration)
    )
    lookups = compiled.programmable_bootstrap_count
    log(f"{case.name}: compiled in {compile_s:.1f} s, {lookups} lookups; generating keys")
    _, keygen_s, _ = seconds(compiled.keygen)
    log(f"{case.name}: keys in {keygen_s:.1f} s; running {case.runs} time(s)")
    clear = circuit.inputs[0]
    encrypted = compiled.encrypt(clear)
    timings = [seconds(lambda: compiled.run(encrypted)) for _ in range(case.runs)]
    errors = np.array([np.abs(compiled.decrypt(result) - circuit.function(clear)) for result, _, _ in timings])
    tolerance = circuit.tolerance()
    theirs_ms = statistics.median(clock for _, clock, _ in timings) * 1000
    cpu_ms = statistics.median(cpu for _, _, cpu in timings) * 1000
    busy = ", of which it had a core for only" if cpu_ms < 0.9 * theirs_ms else ", processor time"
    log(f"{case.name}: {theirs_ms:.0f} ms{busy} {cpu_ms:.0f} ms; largest error {errors.max()}")
    return {
        "name": case.name,
        "theirs_ms": round(theirs_ms, 1),
        "theirs_cpu_ms": round(cpu_ms, 1),
        "runs": case.runs,
        "pbs_count": lookups,
        "key_bytes": compiled.size_of_bootstrap_keys + compiled.size_of_keyswitch_keys,
        "compile_s": round(compile_s, 2),
        "keygen_s": round(keygen_s, 2),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "p_error": compiled.p_error,
        "max_error": int(errors.max()),
        "mean_error": round(float(errors.mean()), 3),
        "tolerance": tolerance,
        "correct": bool(errors.max() <= tolerance and errors.mean() <= tolerance / 4),
    }


def measure_apart(case: Case) -> dict[str, Any]:
    """`measure` in a fresh process; a case that fails, or is killed for its memory, gives an entry with an `error`."""
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(measure, case).result()
    except (BrokenProcessPool, MemoryError, RuntimeError, ValueError) as error:
        log(f"{case.name}: failed: {error}")
        return {"name": case.name, "theirs_ms": None, "correct": False, "error": str(error)}


def cases(kind: str, tokens: int) -> list[Case]:
    """The cases of a kind, the one it is compared by first."""
    if kind == "attention":
        return [Case(kind, f"{tokens} tokens, width {HEAD_WIDTH}", ATTENTION_RUNS, tokens=tokens)]
    return [
        Case(kind, "6 bits kept, p_error 2^-40", DENSE_RUNS, 6, settings={"p_error": 2.0**-40}),
        Case(kind, "6 bits kept, default error", DENSE_RUNS, 6),
        Case(kind, "4 bits kept, default error", DENSE_RUNS, 4),
    ]


def compared(entry: dict[str, Any], ours_ms: float | None) -> dict[str, Any]:
    """The entry with `ours_ms` and `ratio`, null where either side has no figure."""
    theirs_ms = entry["theirs_ms"]
    ratio = round(theirs_ms / ours_ms, 2) if theirs_ms and ours_ms else None
    return {"ours_ms": ours_ms, "theirs_ms": theirs_ms, "ratio": ratio, **entry}


def report(kinds: list[str], tokens: int, ours: dict[str, float | None]) -> dict[str, Any]:
    """The whole JSON object: the machine, and for each kind the compared case with all its variants."""
    result: dict[str, Any] = {
        "machine": processor_name(),
        "cores": CORES,
        "machine_cores": os.cpu_count(),
        "concrete": importlib.metadata.version("concrete-python"),
        "security_bits": SECURITY_BITS,
    }
    for kind in kinds:
        variants = [compared(measure_apart(case), ours.get(kind)) for case in cases(kind, tokens)]
        result[kind] = {**variants[0], "variants": variants[1:]}
    return result


def processor_name() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def read_ours(path: Path) -> dict[str, float | None]:
    """`ours_ms` of each kind in a file such as {"dense": {"ours_ms": 80}, "attention": {"ours_ms": 900}}."""
    content = json.loads(path.read_text())
    figures = {kind: content.get(kind, {}).get("ours_ms") for kind in ("dense", "attention")}
    return {kind: None if figure is None else float(figure) for kind, figure in figures.items()}


def kinds_of(text: str) -> list[str]:
    """Parses a list such as `dense,attention`."""
    kinds = text.split(",")
    if unknown := set(kinds) - {"dense", "attention"}:
        raise argparse.ArgumentTypeError(f"not dense or attention: {', '.join(sorted(unknown))}")
    return kinds


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Times a dense layer and an attention head in Concrete.")
    parser.add_argument("--only", type=kinds_of, default=["dense", "attention"], help="dense or attention (both)")
    parser.add_argument("--tokens", type=int, choices=range(1, 17), default=4, metavar="1..16", help="of attention (4)")
    parser.add_argument("--json-out", type=Path, metavar="FILE", help="also write the JSON object here")
    parser.add_argument("--ours", type=Path, metavar="FILE", help="ours_ms of each, as the compare program writes it")
    return parser.parse_args()


def main() -> int:
    """Returns the exit code: 0, 1 where a result was wrong or missing, 2 for a file of ours that cannot be read."""
    options = arguments()
    try:
        ours = read_ours(options.ours) if options.ours else {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        log(f"--ours {options.ours}: {error}")
        return 2
    result = report(options.only, options.tokens, ours)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json_out:
        options.json_out.write_text(text + "\n")
    entries = [entry for kind in options.only for entry in (result[kind], *result[kind]["variants"])]
    return 0 if all(entry["correct"] for entry in entries) else 1


if __name__ == "__main__":
    sys.exit(main())
