"""Alignment beside CVXPY, SciPy and nashpy, the same answers checked: ``python benchmarks/alignment.py``.

Rewards are normal with variance 1, β = 0.5, the reference uniform; 100,000 contexts × 16 responses × 8 groups, times of
choicekit the best of three after a first call that compiles, in one process. What the peers do one context at a time
they do for the first few contexts, and their time is multiplied up. ``apart`` is the largest difference between the
answers: of probabilities, of objectives for optima, of the exploitability for equilibria.

- the RLHF policy and its gaps: SciPy's ``softmax`` and ``logsumexp`` on whole arrays;
- egalitarian and Nash policies, each context its own problem: CVXPY with Clarabel, one problem with a parameter, 40
  contexts; and one joint problem, CVXPY on 20 contexts;
- an exact maximal lottery of m responses: SciPy's HiGHS, and nashpy's ``linear_program`` (its ``lemke_howson`` did not
  end within five minutes on 20 responses);
- distances between distributions: SciPy's ``jensenshannon`` and ``wasserstein_distance``, which go row by row, and
  seconds for ten times the rows, which ought to be ten times as many.
"""

from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import time
import warnings
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import nashpy
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon
from scipy.special import logsumexp, softmax
from scipy.stats import wasserstein_distance

from choicekit import alignment

Floats = NDArray[np.float64]
CONTEXTS, RESPONSES, GROUPS, BETA = 100_000, 16, 8, 0.5
ASKED, TOGETHER = 40, 20


def best_of(times: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest time of some calls, and what the last gave."""
    shortest, found = np.inf, None
    for _ in range(times):
        start = time.perf_counter()
        found = function()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, found


def report(job: str, peer: str, ours: float, theirs: float | None, apart: float | None, note: str = "") -> None:
    beside = "       –            –" if theirs is None else f"{theirs:10.3f} s {theirs / ours:8.1f}×"
    checked = "" if apart is None else f"apart {apart:.0e}"
    print(f"{job:42} {ours:9.4f} s   {peer:22} {beside}   {checked:13} {note}", flush=True)


def closed_forms(rewards: Floats) -> None:
    pooled = rewards.mean(1)
    alignment.rlhf_policy(pooled[:2], beta=BETA)
    ours, policy = best_of(3, lambda: alignment.rlhf_policy(pooled, beta=BETA))
    theirs, peer = best_of(3, lambda: softmax(pooled / BETA, axis=-1))
    report("RLHF policy", "scipy softmax", ours, theirs, float(np.abs(np.asarray(policy) - peer).max()))
    alignment.gap(rewards[:2], peer[:2], beta=BETA)
    ours, found = best_of(3, lambda: alignment.gap(rewards, policy, beta=BETA))

    def by_scipy() -> Floats:
        logs = rewards / BETA - np.log(RESPONSES)
        price = BETA * (peer * (np.log(peer) + np.log(RESPONSES))).sum(-1)
        gaps: Floats = BETA * logsumexp(logs, axis=-1) - (rewards @ peer[..., None])[..., 0] + price[:, None]
        return gaps

    theirs, gaps = best_of(3, by_scipy)
    report("gaps of 8 groups", "scipy logsumexp", ours, theirs, float(np.abs(found.gaps - gaps).max()))


def posed(contexts: int, kind: str) -> tuple[Any, Any, Any]:
    """CVXPY's problem over some contexts together, with its parameter and its policies."""
    tables = [cp.Parameter((GROUPS, RESPONSES)) for _ in range(contexts)]
    policies = [cp.Variable(RESPONSES, nonneg=True) for _ in range(contexts)]
    prices = [BETA * (np.log(RESPONSES) - cp.sum(cp.entr(p))) for p in policies]
    gains = sum(
        (table @ p - price - table @ np.full(RESPONSES, 1 / RESPONSES))
        for table, p, price in zip(tables, policies, prices, strict=True)
    ) / contexts  # fmt: skip
    goal = cp.sum(cp.log(gains)) / GROUPS if kind == "nash" else cp.min(gains)
    return cp.Problem(cp.Maximize(goal), [cp.sum(p) == 1 for p in policies]), tables, policies


def reached(kind: str, rewards: Floats, policy: Floats) -> Floats:
    """The objective of policies ``[x, m]``, each context its own problem."""
    level = rewards.mean(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        price = BETA * (np.log(RESPONSES) + np.where(policy > 0, policy * np.log(policy), 0).sum(-1))
    gains = np.einsum("xm,xgm->xg", policy, rewards) - price[:, None] - level
    found: Floats = np.log(gains).mean(-1) if kind == "nash" else gains.min(-1)
    return found


def bargains(rewards: Floats) -> None:
    for kind, function in (("egalitarian", alignment.egalitarian_policy), ("nash", alignment.nash_policy)):
        function(rewards[:2], beta=BETA, joint=False)
        ours, policy = best_of(3, lambda f=function: f(rewards, beta=BETA, joint=False))
        problem, tables, policies = posed(1, kind)
        values = []

        def ask(problem: Any = problem, table: Any = tables[0], values: list[float] = values) -> None:
            values.clear()
            for each in rewards[:ASKED]:
                table.value = each
                problem.solve(solver=cp.CLARABEL)
                values.append(problem.value)

        ask()
        theirs = best_of(3, ask)[0] * CONTEXTS / ASKED
        apart = np.abs(reached(kind, rewards[:ASKED], np.asarray(policy)[:ASKED]) - values).max()
        report(f"{kind}, each context", "cvxpy, a parameter", ours, theirs, apart, f"gap {policy.duality_gap:.0e}")
        function(rewards[:2], beta=BETA)
        ours, policy = best_of(3, lambda f=function: f(rewards, beta=BETA))
        report(f"{kind}, one problem", "", ours, None, None, f"gap {policy.duality_gap:.0e}")
        few = rewards[:TOGETHER]
        ours, policy = best_of(3, lambda f=function, few=few: f(few, beta=BETA))
        problem, tables, policies = posed(TOGETHER, kind)
        for table, each in zip(tables, few, strict=True):
            table.value = each
        problem.solve(solver=cp.CLARABEL)
        theirs, _ = best_of(1, lambda problem=problem: problem.solve(solver=cp.CLARABEL))
        apart = np.abs(np.asarray(policy) - np.stack([p.value for p in policies])).max()
        report(f"{kind}, one problem of {TOGETHER} contexts", "cvxpy", ours, theirs, apart)


def games(rng: np.random.Generator) -> None:
    for size in (20, 100, 300, 2000):
        margins = np.triu(rng.normal(size=(size, size)), 1)
        chances = 1 / (1 + np.exp(-(margins - margins.T)))
        game = chances - 0.5
        alignment.equilibrium(chances[:3, :3])
        ours, found = best_of(3 if size < 1000 else 1, lambda c=chances: alignment.equilibrium(c))
        policy = found.policy.probabilities
        mine = float(np.max(chances @ policy) - 0.5)

        def highs(game: Floats = game, size: int = size) -> Floats:
            cost = np.append(np.zeros(size), -1.0)
            table = np.column_stack([-game.T, np.ones(size)])
            total = np.append(np.ones(size), 0.0)[None]
            bounds = [(0, None)] * size + [(None, None)]
            found: Floats = linprog(
                cost, A_ub=table, b_ub=np.zeros(size), A_eq=total, b_eq=[1.0], bounds=bounds, method="highs"
            ).x[:size]
            return found

        if size <= 1000:
            theirs, peer = best_of(1, highs)
            report(f"equilibrium of {size}", "scipy HiGHS", ours, theirs, float(np.abs(policy - peer).max()),
                   f"exploitability {mine:.0e}")  # fmt: skip
        else:
            report(f"equilibrium of {size}", "", ours, None, None, f"exploitability {mine:.0e}")
        if size <= 300:
            other = nashpy.Game(game)
            theirs, peer = best_of(1, lambda other=other: other.linear_program()[0])
            report("", "nashpy linear_program", ours, theirs, float(np.abs(policy - peer).max()))


def pluralism(rng: np.random.Generator) -> None:
    p, q = rng.dirichlet(np.ones(RESPONSES), (2, CONTEXTS))
    steps = np.arange(RESPONSES)
    jobs: list[tuple[str, str, Callable[[Floats, Floats], Floats], Callable[[Floats, Floats], Floats]]] = [
        ("Jensen–Shannon distance", "scipy jensenshannon", alignment.jensen_shannon_distance,
         lambda a, b: np.asarray(jensenshannon(a, b, axis=1))),
        ("ordinal Wasserstein", "scipy, row by row", alignment.ordinal_wasserstein,
         lambda a, b: np.array([wasserstein_distance(steps, steps, x, y) for x, y in zip(a, b, strict=True)])),
    ]  # fmt: skip
    for job, peer, mine, other in jobs:
        ours, found = best_of(3, lambda mine=mine: mine(p, q))
        number = CONTEXTS if "row" not in peer else 2000
        theirs, answer = best_of(1, lambda other=other, number=number: other(p[:number], q[:number]))
        apart = float(np.abs(found[:number] - answer).max())
        report(f"{job}, {CONTEXTS:,} rows", peer, ours, theirs * CONTEXTS / number, apart)
    for job, function in (
        ("distributional alignment", lambda a, b: alignment.distributional_alignment(a, b)),
        ("total variation", alignment.total_variation),
    ):
        tenth, _ = best_of(3, lambda f=function: f(p[: CONTEXTS // 10], q[: CONTEXTS // 10]))
        ours, _ = best_of(3, lambda f=function: f(p, q))
        report(f"{job}, {CONTEXTS:,} rows", "ours, a tenth of them", ours, tenth, None)


def main() -> None:
    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(CONTEXTS, GROUPS, RESPONSES))
    closed_forms(rewards)
    bargains(rewards)
    games(rng)
    pluralism(rng)


if __name__ == "__main__":
    main()
