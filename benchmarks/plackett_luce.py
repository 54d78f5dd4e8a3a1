"""Plackett–Luce beside choix, in one run, as ratios: ``python benchmarks/plackett_luce.py``.

10,000 rankings of 10 out of 100 alternatives, as races (the other 90 were not there) and as the top ten of all. Each
library starts from its own plain form of the data (a matrix of ranks, lists of numbers) and runs five times; the
median counts. The error is the largest distance of a centred score from the solution of a Newton iteration written
with numpy alone. choix has no form for a top ten of all; there it is given the ten choices of each ballot one by one,
and runs once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import choix
import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit.models.rankings import plackett_luce

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RUNS = 5
SIZE, ROWS, LENGTH = 100, 10_000, 10


def draw(races: bool, rng: np.random.Generator) -> Ints:
    """Orders ``[rows, length]``, best first, by scores with Gumbel noise."""
    values = rng.normal(size=SIZE) + rng.gumbel(size=(ROWS, SIZE))
    if races:
        values[rng.random((ROWS, SIZE)).argsort(1) >= LENGTH] = -np.inf
    return np.argsort(-values, axis=1)[:, :LENGTH]


def ranks_of(orders: Ints) -> Ints:
    ranks = np.full((ROWS, SIZE), -1)
    np.put_along_axis(ranks, orders, np.arange(LENGTH)[None], axis=1)
    return ranks


def exact(orders: Ints, races: bool) -> Floats:
    """Every stage as a row of a matrix of who was there."""
    there = np.zeros((ROWS, SIZE)) if races else np.ones((ROWS, SIZE))
    np.put_along_axis(there, orders, 1.0, axis=1)
    stages = []
    for place in range(LENGTH):
        stages.append(there.copy())
        np.put_along_axis(there, orders[:, [place]], 0.0, axis=1)
    if races:
        stages.pop()
    chosen = np.bincount(orders[:, : len(stages)].ravel(), minlength=SIZE).astype(float)
    scores = np.zeros(SIZE)
    for _ in range(50):
        surplus, information = -chosen, np.full((SIZE, SIZE), 1.0 / SIZE)
        for left in stages:
            share = left * np.exp(scores)
            share /= share.sum(1, keepdims=True)
            surplus = surplus + share.sum(0)
            information += np.diag(share.sum(0)) - share.T @ share
        step = np.linalg.solve(information, surplus)
        scores = scores - step * min(1.0, 1 / np.abs(step).max())
        if np.abs(step).max() < 1e-12:
            break
    return scores - scores.mean()


def ours(ranks: Ints, races: bool) -> Floats:
    return plackett_luce(ck.Rankings(ranks), unranked="absent" if races else "below").scores


def by_choix(rankings: list[list[int]], races: bool) -> Floats:
    if races:
        return np.asarray(choix.ilsr_rankings(SIZE, rankings))
    everyone = set(range(SIZE))
    choices = [(row[k], list(everyone.difference(row[: k + 1]))) for row in rankings for k in range(LENGTH)]
    return np.asarray(choix.ilsr_top1(SIZE, choices))


def timed(job: Callable[[], Floats], runs: int) -> tuple[float, Floats]:
    seconds, found = [], np.empty(0)
    for _ in range(runs):
        start = time.perf_counter()
        found = job()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), found


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"{ROWS:,} rankings of {LENGTH} out of {SIZE}, median of {RUNS}")
    for races in (True, False):
        orders = draw(races, rng)
        ranks, rankings, truth = ranks_of(orders), orders.tolist(), exact(orders, races)
        ours(ranks, races)  # compiles
        mine, scores = timed(lambda r=ranks, k=races: ours(r, k), RUNS)
        peer, others = timed(lambda r=rankings, k=races: by_choix(r, k), RUNS if races else 1)
        error, other = np.abs(scores - truth).max(), np.abs(others - others.mean() - truth).max()
        print(
            f"{'races' if races else 'top ten':8s} choicekit {mine * 1e3:8.1f} ms  error {error:.1e}   "
            f"choix {peer * 1e3:10.1f} ms  error {other:.1e}   ratio {peer / mine:7.0f}"
            + ("" if races else "   (one run of choix)")
        )


if __name__ == "__main__":
    main()
