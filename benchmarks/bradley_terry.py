"""Ours beside the peers, in one run, as ratios: ``python benchmarks/against.py bradley-terry``.

Each job is run at least five times by each library and the median counts; what takes more than three seconds is run
once, and marked. The error is the largest distance of a log-strength from a Newton solution iterated to 1e-13, after
centring. ``--arena PYTHON`` names an interpreter that has arena-rank, whose
requirements exclude current pandas.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import choix
import evalica
import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import coo_array, csr_matrix, diags_array
from scipy.sparse.linalg import cg
from sklearn.linear_model import LogisticRegression

import choicekit as ck
from choicekit.models import bootstrap, bradley_terry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RUNS, SLOW = 5, 3.0

ARENA = """
import sys, time, statistics
import numpy as np, pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.utils.data_utils import PairDataset
data = np.load(sys.argv[1], allow_pickle=True)
frame = pd.DataFrame({"model_a": data["winner"], "model_b": data["loser"], "winner": "model_a"})
seconds = []
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    made = PairDataset.from_pandas(frame)
    model = BradleyTerry(n_competitors=len(made.competitors))
    model.fit(made)
    seconds.append(time.perf_counter() - start)
np.savez(sys.argv[2], scores=np.asarray(model.params["ratings"]), seconds=statistics.median(seconds))
"""


def draw(size: int, rows: int, rng: np.random.Generator, reach: int | None = None) -> tuple[Ints, Ints]:
    """Winners and losers; with ``reach``, only alternatives that near to each other meet."""
    spread = rng.normal(size=size) if reach is None else np.linspace(-3.3, 3.3, size)
    left = rng.integers(0, size if reach is None else size - reach, rows)
    right = (left + rng.integers(1, size, rows)) % size if reach is None else left + rng.integers(1, reach + 1, rows)
    won = rng.random(rows) < 1 / (1 + np.exp(spread[right] - spread[left]))
    return np.where(won, left, right), np.where(won, right, left)


def sparse(size: int, rows: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The same with a circle of wins, without which alternatives that meet few others have no finite score."""
    winner, loser = draw(size, rows - size, rng)
    circle = np.arange(size)
    return np.concatenate([winner, circle]), np.concatenate([loser, (circle + 1) % size])


def exact(winner: Ints, loser: Ints, size: int) -> Floats:
    """Newton's method on the Laplacian, damped, with systems solved by NumPy or SciPy."""
    pairs, count = np.unique(winner * size + loser, return_counts=True)
    first, second = pairs // size, pairs % size
    scores = np.zeros(size)
    for _ in range(80):
        chance = 1 / (1 + np.exp(scores[first] - scores[second]))
        surplus = np.bincount(first, count * chance, size) - np.bincount(second, count * chance, size)
        weight = count * chance * (1 - chance)
        edges = coo_array((weight, (first, second)), (size, size)).tocsr()
        edges = edges + edges.T
        degree = np.asarray(edges.sum(1)).ravel()
        laplacian = (diags_array(degree) - edges).tocsr()
        surplus -= degree * (surplus.sum() / degree.sum())
        if size <= 2_000:
            step = np.linalg.solve(laplacian.toarray() + degree.mean() / size, surplus)
        else:
            step, _ = cg(laplacian, surplus, rtol=1e-8, maxiter=2_000, M=diags_array(1 / degree))
        step -= step.mean()
        scores = scores + step * min(1.0, 1.5 / max(np.abs(step[first] - step[second]).max(), 1e-300))
        if np.abs(step).max() < 1e-13 * max(1.0, np.abs(scores).max()):
            break
    return scores - scores.mean()


def ours(winner: Any, loser: Any, size: int) -> Floats:
    del size
    return bradley_terry(ck.Comparisons(winner, loser)).scores


def by_evalica(winner: Any, loser: Any, size: int) -> Floats:
    del size
    found = evalica.bradley_terry(winner, loser, [evalica.Winner.X] * len(winner))
    return np.log(found.scores.sort_index().to_numpy())


def by_choix(winner: Ints, loser: Ints, size: int) -> Floats:
    wins = np.zeros(size * size)
    np.add.at(wins, winner * size + loser, 1.0)
    return choix.ilsr_pairwise_dense(wins.reshape(size, size))


def by_sklearn(winner: Ints, loser: Ints, size: int) -> Floats:
    """Logistic regression without a penalty on the distinct (winner, loser) cells, both ways round."""
    cells, count = np.unique(winner * size + loser, return_counts=True)
    first, second = cells // size, cells % size
    rows = np.arange(len(cells))
    ones = np.ones(len(cells))
    design = csr_matrix((ones, (rows, first)), (len(cells), size)) - csr_matrix(
        (ones, (rows, second)), (len(cells), size)
    )
    # a label of the other kind is needed; a mirrored row with the other label says the same
    half = rows[: len(rows) // 2]
    sign = np.ones(len(cells))
    sign[half] = -1
    model = LogisticRegression(C=1e12, fit_intercept=False, solver="newton-cg", tol=1e-10, max_iter=1_000)
    return model.fit(design.multiply(sign[:, None]).tocsr(), sign > 0, sample_weight=count).coef_[0]


def timed(work: Callable[[], Any], *, warm: bool = False) -> tuple[float, int, Any]:
    """Median seconds, over how many runs, and the last result."""
    if warm:
        work()
    seconds: list[float] = []
    while len(seconds) < RUNS and (len(seconds) < 1 or seconds[0] < SLOW):
        start = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), len(seconds), found


def line(name: str, seconds: float, runs: int, base: float, note: str = "") -> None:
    once = "" if runs > 1 else "  (one run)"
    print(f"  {name:34}{seconds:11.4f} s{seconds / base:9.1f}×  {note}{once}", flush=True)


def by_arena(python: str, winner: Any, loser: Any) -> tuple[float, int, Floats]:
    """In a process of its own, with that interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(given, winner=winner, loser=loser)
        runs = RUNS if len(winner) <= 10**6 else 1
        subprocess.run([python, "-c", ARENA, str(given), str(found), str(runs)], check=True)
        result = np.load(found)
        return float(result["seconds"]), runs, result["scores"]


@numba.njit
def counting_pass(winner: Ints, loser: Ints, size: int) -> NDArray[np.uint32]:
    wins = np.zeros(size * size, np.uint32)
    for row in range(len(winner)):
        wins[winner[row] * size + loser[row]] += np.uint32(1)
    return wins


def arrays(arena: str | None) -> None:
    rng = np.random.default_rng(0)
    jobs: dict[str, tuple[int, Callable[[], tuple[Ints, Ints]], tuple[str, ...]]] = {
        "100 alternatives × 1,000,000": (100, lambda: draw(100, 10**6, rng), ("choix", "evalica", "sklearn", "arena")),
        "1,000 × 1,000,000": (1_000, lambda: draw(1_000, 10**6, rng), ("choix", "evalica", "sklearn", "arena")),
        "1,000 on a band × 1,000,000": (
            1_000, lambda: draw(1_000, 10**6, rng, 3), ("choix", "evalica", "sklearn", "arena")
        ),
        "100,000 × 1,000,000, sparse": (100_000, lambda: sparse(100_000, 10**6, rng), ("sklearn",)),
        "5,000 × 10,000,000": (5_000, lambda: draw(5_000, 10**7, rng), ("evalica", "sklearn")),
    }  # fmt: skip
    peers = {"choix": ("choix, dense I-LSR", by_choix), "evalica": ("evalica", by_evalica),
             "sklearn": ("scikit-learn, newton-cg", by_sklearn)}  # fmt: skip
    for title, (size, make, names) in jobs.items():
        winner, loser = make()
        truth = exact(winner, loser, size)

        def error(scores: Floats, truth: Floats = truth) -> str:
            return f"error {np.abs(scores - scores.mean() - truth).max():.1e}"

        print(f"\n{title} comparisons, from integer arrays", flush=True)
        base, runs, scores = timed(lambda w=winner, x=loser, n=size: ours(w, x, n), warm=True)
        line("choicekit", base, runs, base, error(scores))
        if size <= 1_000:
            seconds, runs, _ = timed(lambda w=winner, x=loser, n=size: counting_pass(w, x, n), warm=True)
            line("one counting pass", seconds, runs, base)
        for name in names:
            if name == "arena":
                if arena:
                    seconds, runs, scores = by_arena(arena, winner, loser)
                    line("arena-rank", seconds, runs, base, error(scores))
                continue
            label, fit = peers[name]
            seconds, runs, scores = timed(lambda f=fit, w=winner, x=loser, n=size: f(w, x, n))
            line(label, seconds, runs, base, error(scores))


def strings(arena: str | None) -> None:
    rng = np.random.default_rng(1)
    winner, loser = draw(100, 10**6, rng)
    labels = np.array([f"model {k:03d}" for k in range(100)])
    frame = pd.DataFrame({"winner": labels[winner], "loser": labels[loser]})
    print("\n100 alternatives × 1,000,000 comparisons, from string columns of pandas")
    base, runs, _ = timed(
        lambda: bradley_terry(ck.Comparisons.from_frame(frame, winner="winner", loser="loser")), warm=True
    )
    line("choicekit", base, runs, base)
    seconds, runs, _ = timed(lambda: by_evalica(frame["winner"], frame["loser"], 100))
    line("evalica", seconds, runs, base)
    if arena:
        seconds, runs, _ = by_arena(arena, labels[winner].astype(object), labels[loser].astype(object))
        line("arena-rank", seconds, runs, base)


def resampled(arena: str | None) -> None:
    del arena
    rng = np.random.default_rng(2)
    winner, loser = draw(100, 10**6, rng)
    votes = ck.Comparisons(winner, loser)
    fit = bradley_terry(votes)
    print("\nbootstrap, 100 replicates, 100 alternatives × 1,000,000 comparisons")
    base, runs, _ = timed(lambda: bootstrap(fit, votes, by="comparison", replicates=100, rng=0), warm=True)
    line("choicekit, multinomial", base, runs, base)
    seconds, runs, _ = timed(lambda: multinomial_lbfgs(winner, loser, 100, 10))
    line("multinomial cells and L-BFGS, ×10", 10 * seconds, runs, base, "FastChat's method; 10 replicates timed")
    x, y, won = winner.tolist(), loser.tolist(), [evalica.Winner.X] * len(winner)
    seconds, runs, _ = timed(
        lambda: evalica.bootstrap(
            evalica.bradley_terry, x, y, won, n_resamples=2, bootstrap_method="percentile", random_state=0
        )
    )
    line("evalica, ×50", 50 * seconds, runs, base, "2 replicates timed")


def multinomial_lbfgs(winner: Ints, loser: Ints, size: int, replicates: int) -> Floats:
    """Counts of the distinct outcomes drawn anew, and each fitted by SciPy's L-BFGS."""
    cells, count = np.unique(winner * size + loser, return_counts=True)
    first, second = cells // size, cells % size
    rng = np.random.default_rng(0)

    def loss(scores: Floats, weight: Floats) -> tuple[float, Floats]:
        gap = scores[first] - scores[second]
        slope = -weight / (1 + np.exp(gap))
        return float(weight @ np.logaddexp(0, -gap)), np.bincount(first, slope, size) - np.bincount(second, slope, size)

    drawn = rng.multinomial(len(winner), count / count.sum(), replicates).astype(float)
    return np.stack([minimize(loss, np.zeros(size), (weight,), jac=True, method="L-BFGS-B").x for weight in drawn])


def cold(arena: str | None) -> None:
    del arena
    code = (
        "import time; start = time.perf_counter(); import numpy as np, choicekit as ck;"
        "rng = np.random.default_rng(0); a = rng.integers(0, 100, 10**6); b = (a + rng.integers(1, 100, 10**6)) % 100;"
        "ck.models.bradley_terry(ck.Comparisons(a, b)); print(time.perf_counter() - start)"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(RUNS)
    ]
    print(f"\nfirst fit in a new process, import included: {statistics.median(seconds[1:]):.2f} s (warm numba cache)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arena", help="an interpreter that has arena-rank")
    parser.add_argument("--only", choices=["arrays", "strings", "bootstrap", "cold"])
    given = parser.parse_args()
    parts = {"arrays": arrays, "strings": strings, "bootstrap": resampled, "cold": cold}
    for name, part in parts.items():
        if given.only in (None, name):
            part(given.arena)


if __name__ == "__main__":
    main()
