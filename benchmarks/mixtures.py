"""Seconds, memory and growth of a mixture's EM: ``python benchmarks/mixtures.py``.

Three types of voters with 100 alternatives, 100 comparisons a voter, 10⁴ to 10⁷ comparisons. Each size runs in a
process of its own; seconds are those of its processor, on one thread. ``reading`` turns rows into voters' events,
``E`` and ``M`` are the means of 20 such steps from the same random start, ``whole`` is a fit to the default tolerance
from 10 restarts (on 10,000 voters at most), ``above`` the peak of memory above what there was with the comparisons, and
a slope that of log seconds on log comparisons. At last the largest data are fitted from files, a tenth at a time.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from choicekit import Comparisons
from choicekit.models import _electorates, _em, mixtures
from choicekit.models.mixture_shards import mixture_of_shards

ALTERNATIVES, EACH, TYPES, PASSES = 100, 100, 3, 20
SIZES = (10**4, 10**5, 10**6, 10**7)
Floats = NDArray[np.float64]


def sample(rows: int, rng: np.random.Generator) -> tuple[Comparisons, Floats, NDArray[np.int64]]:
    """Comparisons of voters of three types (50, 30 and 20 %) whose scores are independent standard normal."""
    scores = rng.normal(size=(TYPES, ALTERNATIVES))
    voters = rows // EACH
    kind = rng.choice(TYPES, size=voters, p=[0.5, 0.3, 0.2])
    voter = np.repeat(np.arange(voters), EACH)
    first = rng.integers(ALTERNATIVES, size=rows)
    second = (first + rng.integers(1, ALTERNATIVES, size=rows)) % ALTERNATIVES
    gap = scores[kind[voter], first] - scores[kind[voter], second]
    won = rng.random(rows) < 1 / (1 + np.exp(-gap))
    votes = Comparisons(np.where(won, first, second), np.where(won, second, first), voter=voter)
    return votes, scores - scores.mean(1, keepdims=True), kind


def memory(name: str) -> float:
    """Memory of this process in MB: ``"VmRSS"`` is what it has, ``"VmHWM"`` the most since :func:`forget` (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(name))) / 1024


def forget() -> float:
    """Start the peak anew, and what there is now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory("VmRSS")


def measure(rows: int) -> None:
    warm, _, _ = sample(10_000, np.random.default_rng(1))
    mixtures.mixture(warm, components=TYPES, restarts=2)
    votes, truth, kind = sample(rows, np.random.default_rng(0))
    rng = np.random.default_rng(2)
    before = forget()
    begin = time.process_time()
    keys = _electorates.pair_keys(votes, votes.alternatives)
    electorate = _electorates.pair_votes(votes, votes.alternatives, keys, "half", None)
    reading = time.process_time() - begin
    rules = _em.Rules(electorate.family, 1.0, 0.01, False)
    at = _em.Parameters(rng.normal(size=(TYPES, ALTERNATIVES)), np.zeros((1, TYPES)))
    steps = np.zeros(2)
    for _ in range(PASSES):
        begin = time.process_time()
        seen = _em.expect(electorate, at)
        middle = time.process_time()
        at = rules.advance(at, seen)
        steps += (middle - begin, time.process_time() - middle)
    expecting, maximising = steps / PASSES
    del electorate
    begin = time.process_time()
    fit = mixtures.mixture(votes, components=TYPES)
    whole = time.process_time() - begin
    above = memory("VmHWM") - before
    right = float(np.mean(fit.assign() == kind))
    error = float(np.sqrt(((fit.scores - truth) ** 2).mean()))
    print(rows, reading, expecting, maximising, whole, fit.iterations, fit.found, above, before, right, error)


def measure_shards(rows: int) -> None:
    votes, truth, _ = sample(rows, np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.parquet" for number in range(10)]
        for part, path in zip(votes.counts("voter").split(10), paths, strict=True):
            part.save(path)
        del votes, part
        mixtures.mixture(sample(10_000, np.random.default_rng(1))[0], components=TYPES, restarts=2)
        before = forget()
        begin = time.perf_counter()
        fit = mixture_of_shards(paths, components=TYPES)
        seconds = time.perf_counter() - begin
    error = float(np.sqrt(((fit.scores - truth) ** 2).mean()))
    print(
        f"{rows:.0e} comparisons in 10 files, one at a time: {seconds:.1f} s, {fit.iterations} passes of the last "
        f"climb, {memory('VmHWM') - before:.0f} MB above {before:.0f}, error {error:.3f}"
    )


def main() -> None:
    found = []
    titles = ["compared", "reading", "E", "M", "whole", "passes", "at_best", "MB_above", "MB", "right", "error"]
    print(" ".join(f"{title:>9}" for title in titles))
    for rows in SIZES:
        found.append([float(word) for word in run(str(rows)).split()])
        print(" ".join(f"{number:9.4g}" for number in found[-1]))
    logs = np.log10(np.array(found)[:, :5])
    for name, column in (("reading", 1), ("E", 2), ("M", 3), ("whole", 4)):
        steps = np.diff(logs[:, column]) / np.diff(logs[:, 0])
        print(f"slope of {name}: " + ", ".join(f"{step:.2f}" for step in steps))
    print(run(f"shards {SIZES[-1]}"))


def run(arguments: str) -> str:
    """What this file prints when it is run with arguments, in a process of its own."""
    command = [sys.executable, __file__, *arguments.split()]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "shards":
        measure_shards(int(sys.argv[2]))
    else:
        measure(int(sys.argv[1]))
