"""Ours beside the peers, in one run, as ratios: ``python benchmarks/against.py``.

Each job is run five times by each library from integer arrays; the median counts. The error is the largest distance
of a log-strength from a dense Newton solution iterated to 1e-14, after centring.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import choix
import evalica
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import choicekit as ck

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RUNS = 5


def draw(size: int, rows: int, rng: np.random.Generator, reach: int | None = None) -> tuple[Ints, Ints]:
    """Winners and losers; with ``reach``, only alternatives that near to each other meet."""
    spread = rng.normal(size=size) if reach is None else np.linspace(-3.3, 3.3, size)
    left = rng.integers(0, size if reach is None else size - reach, rows)
    right = (left + rng.integers(1, size, rows)) % size if reach is None else left + rng.integers(1, reach + 1, rows)
    won = rng.random(rows) < 1 / (1 + np.exp(spread[right] - spread[left]))
    return np.where(won, left, right), np.where(won, right, left)


def exact(winner: Ints, loser: Ints, size: int) -> Floats:
    wins = np.bincount(winner * size + loser, minlength=size * size).reshape(size, size).astype(float)
    met, scores = wins + wins.T, np.zeros(size)
    for _ in range(60):
        chance = 1 / (1 + np.exp(scores[None, :] - scores[:, None]))
        surplus = (met * chance).sum(1) - wins.sum(1)
        weight = met * chance * (1 - chance)
        information = np.diag(weight.sum(1)) - weight + 1 / size
        step = np.linalg.solve(information, surplus)
        scores = scores - step * min(1.0, 2 / max(np.abs(step).max(), 1e-300))
        if np.abs(step).max() < 1e-14:
            break
    return scores - scores.mean()


def ours(winner: Ints, loser: Ints, size: int) -> Floats:
    del size
    return ck.models.bradley_terry(ck.Comparisons(winner, loser)).scores


def by_evalica(winner: Ints, loser: Ints, size: int) -> Floats:
    del size
    found = evalica.bradley_terry(winner, loser, [evalica.Winner.X] * len(winner))
    return np.log(found.scores.sort_index().to_numpy())


def by_choix(winner: Ints, loser: Ints, size: int) -> Floats:
    wins = np.zeros((size, size))
    np.add.at(wins, (winner, loser), 1)
    return choix.ilsr_pairwise_dense(wins)


def by_sklearn(winner: Ints, loser: Ints, size: int) -> Floats:
    from scipy.sparse import csr_matrix

    cells, count = np.unique(winner * size + loser, return_counts=True)
    first, second = cells // size, cells % size
    rows = np.arange(len(cells))
    design = csr_matrix((np.ones(len(cells)), (rows, first)), (len(cells), size))
    design -= csr_matrix((np.ones(len(cells)), (rows, second)), (len(cells), size))
    both = csr_matrix(np.vstack([design.toarray(), -design.toarray()]))
    answer, weight = np.repeat([1, 0], len(cells)), np.tile(count, 2)
    model = LogisticRegression(C=1e12, fit_intercept=False, solver="newton-cg", tol=1e-10, max_iter=1000)
    return model.fit(both, answer, sample_weight=weight).coef_[0]


PEERS: dict[str, Callable[[Ints, Ints, int], Floats]] = {
    "choicekit": ours,
    "choix (dense I-LSR)": by_choix,
    "evalica": by_evalica,
    "scikit-learn": by_sklearn,
}
JOBS = {
    "100 alternatives × 1,000,000": (100, 1_000_000, None),
    "1,000 alternatives × 1,000,000": (1_000, 1_000_000, None),
    "1,000 on a band × 1,000,000": (1_000, 1_000_000, 3),
}


def main() -> None:
    for title, (size, rows, reach) in JOBS.items():
        winner, loser = draw(size, rows, np.random.default_rng(0), reach)
        truth = exact(winner, loser, size)
        print(f"\n{title} comparisons\n{'':24}{'median s':>10}{'ratio':>9}{'error':>10}")
        base = None
        for name, fit in PEERS.items():
            if name == "scikit-learn" and size > 100:
                continue  # its dense stacking needs gigabytes here
            seconds = []
            for _ in range(RUNS + (name == "choicekit")):  # one more to compile
                start = time.perf_counter()
                scores = fit(winner, loser, size)
                seconds.append(time.perf_counter() - start)
            median = statistics.median(seconds[-RUNS:])
            base = base or median
            error = np.abs(scores - scores.mean() - truth).max()
            print(f"{name:24}{median:10.4f}{median / base:8.1f}×{error:10.1e}")


if __name__ == "__main__":
    main()
