"""What the rooms of preference games share: checks, and the equilibria of large symmetric games."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import Floats, distribution_over
from choicekit.kernels import tournaments
from choicekit.outcomes import TIE_TOLERANCE
from choicekit.rules import _games as symmetric

#: Games of more alternatives are solved by the interior-point method instead of the simplex method.
_SMALL = 150
#: The duality gap (the largest margin being 1) from which on the interior-point method tries to drop alternatives.
_NARROW = 1e-4


def grounds(reference: ArrayLike | None, shape: tuple[int, ...]) -> Floats:
    """The reference broadcast to ``[..., m]``; uniform where none is given."""
    if reference is None:
        return np.full(shape, 1 / shape[-1])
    return distribution_over("reference", reference, shape)


def weight(tau: float, *, positive: bool) -> float:
    """τ, checked."""
    number = isinstance(tau, int | float | np.number) and np.isfinite(tau)
    if not number or not (tau > 0 if positive else tau >= 0):
        kind = "positive number" if positive else "number of at least 0"
        raise ValueError(f"tau: needed a {kind}, the weight of the KL penalty, got {tau!r}")
    return float(tau)


class Solved(NamedTuple):
    """Optimal strategies ``[b, m]`` and whether each is the only one ``[b]``."""

    strategies: Floats
    unique: NDArray[np.bool_]


def solve(margins: Floats) -> Solved:
    """Of antisymmetric games ``[b, m, m]`` the optimal strategy of largest entropy, and whether it is the only one."""
    scaled = symmetric.games(margins, "margins")
    if scaled.shape[-1] <= _SMALL:
        strategies, unique, _ = symmetric.solve(scaled)
        return Solved(strategies, unique)
    strategies, unique = np.zeros(scaled.shape[:2]), np.zeros(len(scaled), np.bool_)
    for b, game in enumerate(scaled):
        inner = np.flatnonzero(tournaments.smith(game[None], TIE_TOLERANCE)[0] > 0)
        part = np.ascontiguousarray(game[np.ix_(inner, inner)])
        if len(inner) <= _SMALL:
            found, single, _ = symmetric.solve(part[None])
            strategies[b, inner], unique[b] = found[0], single[0]
        else:
            strategies[b, inner], unique[b] = large(part)
    return Solved(strategies, unique)


def large(game: Floats) -> tuple[Floats, bool]:
    """The optimal strategy of largest entropy of an antisymmetric game ``[m, m]``, by an interior-point method.

    With v below min(xᵀM) and s = xᵀM − v all of x, s are positive, and x·s = −v is the duality gap of the linear
    programme that the game is, for that is its own dual. Newton's steps towards x∘s = constant keep it so. Once x > s
    names a support on which the equations have one solution, which is positive and beats the rest, it is the answer;
    where they have several, the largest entropy among them is looked for.
    """
    size = len(game)
    columns = game.T
    x = np.full(size, 1 / size)
    pay = columns @ x
    v = min(float(pay.min()), 0.0) - 0.5 * float(np.abs(pay).max()) - 1e-3 / np.sqrt(size)
    tried = False
    for _ in range(80):
        s = columns @ x - v
        gap = float(x @ s)
        if gap <= _NARROW and not tried:
            found, tried = _within(game, x > 0.01 * s), True
            if found is not None:
                return found
        if gap <= 1e-6:
            exact = _only(game, x > s)
            if exact is not None:
                return exact, True
        if gap <= 1e-13 or s.min() <= 0:
            break
        dx, dv = _step(columns, x, s, gap)
        ds = columns @ dx - dv
        length = min(1.0, 0.995 * symmetric._room(x, dx), 0.995 * symmetric._room(s, ds))
        x, v = x + length * dx, v + length * dv
        x /= x.sum()
    return _middle(game, x, x > s)


def _within(game: Floats, keep: NDArray[np.bool_]) -> tuple[Floats, bool] | None:
    """The answer among a part of the alternatives, with more taken in until it beats all others; none if that is many.

    What an optimal strategy beats is in no optimal strategy, so that it is then the answer among all.
    """
    strategy = np.zeros(len(game))
    while keep.sum() <= 0.75 * len(game):
        strategy[keep], unique = large(np.ascontiguousarray(game[np.ix_(keep, keep)]))
        missed = ~keep & (strategy @ game <= TIE_TOLERANCE)
        if not missed.any():
            return strategy, unique
        keep = keep | missed
    return None


def _step(columns: Floats, x: Floats, s: Floats, gap: float) -> tuple[Floats, float]:
    """Mehrotra's predictor and corrector for (Mᵀ + diag s/x) dx − dv = (constant − dx∘ds)/x − s with Σ dx = 0."""
    from scipy.linalg import lu_factor, lu_solve

    size = len(x)
    # far from the end half the digits are enough for a direction: s is always computed from x
    system = np.array(columns, np.float32 if gap > 1e-5 else np.float64, order="F")
    np.fill_diagonal(system, s / x)  # of an antisymmetric matrix it is 0
    factors = lu_factor(system, overwrite_a=True, check_finite=False)
    level = lu_solve(factors, np.ones(size), check_finite=False)

    def towards(aim: Floats) -> tuple[Floats, float]:
        straight: Floats = lu_solve(factors, aim, check_finite=False)
        lift = -float(straight.sum() / level.sum())
        return straight + lift * level, lift

    dx, dv = towards(-s)
    ds = columns @ dx - dv
    length = min(1.0, symmetric._room(x, dx), symmetric._room(s, ds))
    after = float((x + length * dx) @ (s + length * ds))
    return towards(((after / gap) ** 3 * gap / size - dx * ds) / x - s)


def _only(game: Floats, support: NDArray[np.bool_]) -> Floats | None:
    """The strategy level with all of a support, if it is the only one, positive, and beats the rest."""
    count = int(support.sum())
    if count % 2 == 0:
        return None  # there is none in general, or a line of them
    border = np.zeros((count + 1, count + 1))
    border[:count, :count] = game[np.ix_(support, support)].T
    border[:count, count], border[count, :count] = -1, 1
    try:
        weights = np.linalg.solve(border, np.append(np.zeros(count), 1.0))[:count]
    except np.linalg.LinAlgError:
        return None
    strategy = np.zeros(len(game))
    strategy[support] = weights / weights.sum()
    won = strategy @ game
    fine = weights.min() > 0 and np.abs(won[support]).max() <= 1e-12 and (won[~support] > TIE_TOLERANCE).all()
    single = fine and float(np.linalg.svd(border, compute_uv=False)[-1]) > TIE_TOLERANCE
    return strategy if single else None


def _middle(game: Floats, near: Floats, support: NDArray[np.bool_]) -> tuple[Floats, bool]:
    """The largest entropy on the support of all optimal strategies, from a strategy near one inside."""
    level = symmetric._null_space(game[np.ix_(support, support)].T)
    if level.shape[1] == 0:
        raise RuntimeError(
            "equilibrium: the interior-point method leaves open which alternatives some maximal lottery chooses; "
            "preferences very near ½ beside others far from it are beyond its accuracy"
        )
    start = level @ (level.T @ near[support])
    start /= start.sum()
    moves = level @ symmetric._null_space(level.sum(0)[None])
    strategy = np.zeros(len(game))
    strategy[support] = start
    if moves.shape[1]:
        strategy[support] = symmetric._most_even(start, moves, game[np.ix_(support, ~support)])
    strategy = np.maximum(strategy, 0.0)
    return strategy / strategy.sum(), moves.shape[1] == 0
