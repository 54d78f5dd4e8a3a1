"""The symmetric zero-sum game that margins are: all its optimal strategies, and the one in their middle.

A strategy p is optimal where pᵀM ≥ 0 in every column. Some optimal strategy puts weight on every alternative that any
of them does, and wins against all others (Goldman and Tucker 1956).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import lotteries
from choicekit.outcomes import TIE_TOLERANCE
from choicekit.profiles._columns import Floats
from choicekit.rules.condorcet import slack
from choicekit.solvers import linear_program

By: TypeAlias = Literal["margins", "majority"]
Booleans = NDArray[np.bool_]

_ACCURACY = 1e-9
_LOOSE = 1e-4  # of weights that are 0 or at least 1


def games(margins: Floats, by: By) -> Floats:
    """Margins ``[b, m, m]`` with the largest scaled to 1, or all of them to 1, 0 and −1; ties are 0."""
    if by not in ("margins", "majority"):
        raise ValueError(
            f"maximal_lottery: by: needed 'margins' (how large a majority is) or 'majority' (that there is one), got "
            f"{by!r}"
        )
    clean = np.where(np.abs(margins) > slack(margins), margins, 0.0)
    if by == "majority":
        signs: Floats = np.sign(clean)
        return signs
    largest = np.abs(clean).max((-2, -1), keepdims=True)
    scaled: Floats = clean / np.where(largest > 0, largest, 1.0)
    return scaled


def solve(many: Floats) -> tuple[Floats, Booleans, Booleans]:
    """Of each game the optimal strategy ``[b, m]`` of the largest entropy, whether it is the only optimal one ``[b]``,
    and what any optimal strategy has weight on ``[b, m]``.

    Raises ``RuntimeError`` where no answer passes the check pᵀM ≥ −1e-9 · max|M|.
    """
    strategies, unique = lotteries.equilibria(many, TIE_TOLERANCE)
    supports = strategies > 0
    seen: dict[bytes, tuple[Floats, Booleans, bool]] = {}  # small profiles repeat each other
    for b in np.flatnonzero(~unique).tolist():
        key = many[b].tobytes()
        if key not in seen:
            seen[key] = _middle(many[b])
        strategies[b], supports[b], unique[b] = seen[key]
    worst = np.matmul(strategies[:, None, :], many)[:, 0].min(initial=0.0)
    if not worst >= -_ACCURACY:
        raise RuntimeError(
            f"maximal_lottery: needed pᵀM ≥ −{_ACCURACY:.0e} · max|M|, the solver's answer has {worst:.1e}; "
            "margins of very different sizes are beyond its accuracy"
        )
    return strategies, unique, supports


def _middle(game: Floats) -> tuple[Floats, Booleans, bool]:
    """The optimal strategy of largest entropy, its support, and whether it is the only one."""
    weights = _complementary(game)
    won = weights @ game
    support = weights > won
    level = _null_space(game[np.ix_(support, support)].T)
    wrong = max(np.minimum(weights, won).max(), -won.min(), 1 - (weights + won).min())
    if wrong > _LOOSE or level.shape[1] == 0:
        raise RuntimeError(
            "maximal_lottery: the linear program's answer leaves open which alternatives some maximal lottery chooses "
            f"(off by {wrong:.1e}); margins of very different sizes are beyond its accuracy"
        )
    start = level @ (level.T @ weights[support])
    start /= start.sum()
    moves = level @ _null_space(level.sum(0)[None])
    strategy = np.zeros(len(game))
    strategy[support] = start if moves.shape[1] == 0 else _most_even(start, moves, game[np.ix_(support, ~support)])
    return strategy, support, moves.shape[1] == 0


def _complementary(game: Floats) -> Floats:
    """Weights x ≥ 0 with xᵀM ≥ 0 and x + xᵀM ≥ 1, the least: each alternative has weight or is beaten, and not both.

    Source: Tucker 1956 (skew-symmetric systems); not both, since xᵀMx = 0.
    """
    size = len(game)
    columns = game.T
    least = np.concatenate([np.zeros(size), np.ones(size)])
    found = linear_program(
        np.ones(size),
        at_most=(-np.vstack([columns, columns + np.eye(size)]), -least),
        equal=(np.zeros((1, size)), np.zeros(1)),
        bounds=[(0, None)] * size,
    )
    return np.maximum(found, 0.0)


def _null_space(matrix: Floats) -> Floats:
    """Orthonormal columns that a matrix takes to 0."""
    _, sizes, rows = np.linalg.svd(matrix)
    rank = int((sizes > TIE_TOLERANCE).sum())
    kernel: Floats = rows[rank:].T
    return kernel


def _most_even(start: Floats, moves: Floats, others: Floats) -> Floats:
    """The p of largest entropy among p = start + moves y with p ≥ 0 and pᵀ others ≥ 0, all of which hold strictly at
    the start; by a primal-dual interior-point method (Boyd and Vandenberghe 2004, section 11.7)."""
    p, slacks = start, start @ others
    prices = 1.0 / slacks
    step_slacks = others.T @ moves

    def residual(p: Floats, slacks: Floats, prices: Floats, target: float) -> Floats:
        gradient = moves.T @ (np.log(p) - others @ prices)
        return np.concatenate([gradient, prices * slacks - target])

    for _ in range(200):
        gap = float(prices @ slacks)
        target = 0.1 * gap / max(len(slacks), 1)
        now = residual(p, slacks, prices, target)
        if gap <= 1e-15 and np.abs(now[: moves.shape[1]]).max() <= 1e-12:
            break
        ratio = prices / slacks
        hessian = (moves.T / p) @ moves + (step_slacks.T * ratio) @ step_slacks
        change = np.linalg.solve(hessian, step_slacks.T @ (target / slacks) - moves.T @ np.log(p))
        dp, ds = moves @ change, step_slacks @ change
        dprices = target / slacks - prices - ratio * ds
        step = min(1.0, 0.99 * _room(p, dp), 0.99 * _room(slacks, ds), 0.99 * _room(prices, dprices))
        size: Any = np.linalg.norm(now)
        while step > 1e-12:
            after = residual(p + step * dp, slacks + step * ds, prices + step * dprices, target)
            if np.linalg.norm(after) <= (1 - 0.01 * step) * size:
                break
            step *= 0.5
        else:
            break  # rounding lets it come no closer
        p, slacks, prices = p + step * dp, slacks + step * ds, prices + step * dprices
    return p


def _room(values: Floats, change: Floats) -> float:
    """How far positive values can go along a change until one is 0."""
    down = change < 0
    return float((values[down] / -change[down]).min(initial=np.inf))
