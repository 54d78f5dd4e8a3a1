"""Seconds of bargains over lotteries beside CVXPY with Clarabel: ``python benchmarks/bargains.py``.

Utilities are uniform on [0, 1]. First 10,000 prompts with 8 groups and 16 responses, each a bargain of its own: CVXPY
solves the first 200 of them, one after the other, with one problem whose utilities are a parameter (the fastest way
it has), and its time is multiplied up; then 50 with a new problem each. Then one lottery over 10,000 alternatives for
100 groups, and Nash's over 10 alternatives for 100,000 voters. Times are the best of three, choicekit's prompts in as
many threads as there are processors, after a first call that compiles; CVXPY's on the large problems are of one run.
``gap`` is the largest certified duality gap of choicekit's answers, ``apart`` the largest difference between the two
objectives.
"""

from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import time
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from choicekit.rules.bargaining import bargain

Floats = NDArray[np.float64]
PROMPTS, GROUPS, RESPONSES, ASKED = 10_000, 8, 16, 200


def best_of(times: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest time of some calls, and what the last gave."""
    shortest, found = np.inf, None
    for _ in range(times):
        start = time.perf_counter()
        found = function()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, found


def objective(solution: str, utilities: Floats) -> Floats:
    """What a solution maximises, of utilities [..., g]."""
    found: Floats = np.log(utilities).mean(-1) if solution == "nash" else utilities.min(-1)
    return found


def problem(solution: str, groups: int, size: int) -> tuple[Any, Any, Any]:
    """CVXPY's problem, with its parameter and its lottery."""
    table, p = cp.Parameter((groups, size)), cp.Variable(size, nonneg=True)
    gains = table @ p
    goal = cp.sum(cp.log(gains)) / groups if solution == "nash" else cp.min(gains)
    return cp.Problem(cp.Maximize(goal), [cp.sum(p) == 1]), table, p


def by_prompts(rng: np.random.Generator) -> None:
    utilities = rng.random((PROMPTS, GROUPS, RESPONSES))
    for solution in ("egalitarian", "nash"):
        bargain(utilities[:2], solution)
        seconds, found = best_of(3, lambda solution=solution: bargain(utilities, solution))
        posed, table, p = problem(solution, GROUPS, RESPONSES)

        def ask(posed: Any = posed, table: Any = table, p: Any = p) -> Floats:
            lotteries = []
            for values in utilities[:ASKED]:
                table.value = values
                posed.solve(solver=cp.CLARABEL)
                lotteries.append(p.value)
            return np.einsum("xm,xgm->xg", lotteries, utilities[:ASKED])

        ask()
        theirs, reached = best_of(3, ask)
        theirs *= PROMPTS / ASKED
        apart = np.abs(objective(solution, found.utilities[:ASKED]) - objective(solution, reached)).max()
        shape = f"{PROMPTS:,} × {GROUPS} × {RESPONSES}"
        report(solution, shape, seconds, theirs, float(found.duality_gap.max()), float(apart))

        def anew(solution: str = solution) -> None:
            for values in utilities[: ASKED // 4]:
                posed, table, _ = problem(solution, GROUPS, RESPONSES)
                table.value = values
                posed.solve(solver=cp.CLARABEL)

        theirs = best_of(1, anew)[0] * 4 * PROMPTS / ASKED
        report(solution, "a new problem each", seconds, theirs, float(found.duality_gap.max()), float(apart))


def at_large(solution: str, groups: int, size: int, rng: np.random.Generator) -> None:
    utilities = rng.random((groups, size))
    bargain(utilities[:2, :2], solution)
    seconds, found = best_of(3, lambda: bargain(utilities, solution))
    p = cp.Variable(size, nonneg=True)
    gains = utilities @ p
    goal = cp.sum(cp.log(gains)) / groups if solution == "nash" else cp.min(gains)
    posed = cp.Problem(cp.Maximize(goal), [cp.sum(p) == 1])
    theirs, _ = best_of(1, lambda: posed.solve(solver=cp.CLARABEL))
    apart = abs(objective(solution, found.utilities) - posed.value)
    report(solution, f"{groups:,} × {size:,}", seconds, theirs, found.duality_gap, float(apart))


def report(solution: str, shape: str, ours: float, theirs: float, gap: float, apart: float) -> None:
    print(
        f"{solution:12} {shape:>20}   choicekit {ours:8.3f} s   cvxpy {theirs:9.3f} s   ratio {theirs / ours:7.1f}   "
        f"gap {gap:.0e}   apart {apart:.0e}",
        flush=True,
    )


if __name__ == "__main__":
    generator = np.random.default_rng(0)
    by_prompts(generator)
    for kind in ("egalitarian", "nash"):
        at_large(kind, 100, 10_000, generator)
    at_large("nash", 100_000, 10, generator)
