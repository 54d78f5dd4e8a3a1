"""Rules whose answer is an order by rewards that are linear in features of the alternatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import solvers
from choicekit.outcomes import TIE_TOLERANCE, LinearOrder, NoFiniteEstimate, NotConverged, TieBreak
from choicekit.profiles import Margins, Rankings
from choicekit.profiles._columns import Label, frozen, short
from choicekit.profiles._ranks import Unranked
from choicekit.rules._directions import Space, separating
from choicekit.rules._rule import Floats, rule
from choicekit.rules._ties import fixed_order
from choicekit.rules.condorcet import copeland, slack

Ints = NDArray[np.int64]
#: ℓ by its name, or a function from x to ℓ(x) and ℓ′(x).
Loss: TypeAlias = Literal["logistic", "exponential", "hinge"] | Callable[[Floats], tuple[Floats, Floats]]


@rule
def loss_rule(
    profile: Rankings,
    *,
    features: ArrayLike,
    loss: Loss = "logistic",
    penalty: float = 0.0,
    unranked: Unranked = "below",
) -> LinearOrder:
    """The order by the linear rewards that lose the least on the voters' pairwise preferences.

    θ minimises Σ n(a ≻ b) ℓ(⟨θ, x_b⟩ − ⟨θ, x_a⟩) + penalty/2 · |θ|² over ordered pairs, n(a ≻ b) being the weight of
    the voters who prefer a to b and x_a row a of ``features[m, d]``. ``loss`` is ℓ: "logistic", ln(1 + eˣ) (the
    Bradley–Terry likelihood, as in reward learning), "exponential", eˣ, "hinge", max(0, 1 + x), of which a linear
    programme finds one of the minima, or a function from an array x to the arrays ℓ(x) and ℓ′(x), convex and smooth.

    Where some pairs can be got right by ever larger rewards the logistic and the exponential loss have no minimum, only
    an infimum. If the ballots then determine the order of every θ that comes close to it, that is the answer, with a θ
    that induces it, and ``notes`` say so; else :class:`~choicekit.outcomes.NoFiniteEstimate` is raised. Raises
    ``ValueError`` for features or options that do not fit and :class:`~choicekit.outcomes.NotConverged` where no
    minimum of a loss of one's own is found.

    Source: Ge, Halpern, Micha, Procaccia, Shapira, Vorobeychik and Wu 2024 (arXiv:2405.14758), who show (Theorem 3.1)
    that for such losses it may put b above a though all prefer a.

    >>> votes = Rankings.from_orders({"abc": 2, "cba": 1})
    >>> found = loss_rule(votes, features=[[2.0], [1.0], [0.0]])
    >>> found.order, found.direction.round(4).tolist()      # 4σ(−θ) + 4σ(−2θ) = 2σ(θ) + 2σ(2θ)
    (('a', 'b', 'c'), [0.4682])
    """
    space = _space("loss_rule", features, profile.alternatives)
    support = profile.supports(unranked)
    return _answer("loss_rule", space, support, loss, penalty, profile.alternatives)


@rule
def majority_loss(
    profile: Margins, *, features: ArrayLike, loss: Loss = "logistic", penalty: float = 0.0
) -> LinearOrder:
    """The order by the linear rewards that lose the least on the majorities, each counting for one.

    θ minimises Σ ℓ(⟨θ, x_b⟩ − ⟨θ, x_a⟩) + penalty/2 · |θ|² over the pairs with M(a, b) > 0. Options, and what happens
    where there is no minimum, are as for :func:`loss_rule`. Where the majorities make an order that some direction
    induces, that is the answer, for losses that do not decrease and have ℓ(0) above their infimum.

    Source: Ge et al. 2024 (arXiv:2405.14758), Theorem 3.6.

    >>> votes = Margins([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]], "abc")
    >>> majority_loss(votes, features=[[2.0], [1.0], [0.0]], loss="hinge").order
    ('a', 'b', 'c')
    """
    space = _space("majority_loss", features, profile.alternatives)
    wins = (profile.values > slack(profile.values)).astype(np.float64)
    return _answer("majority_loss", space, wins, loss, penalty, profile.alternatives)


@rule
def leximax_copeland(
    profile: Rankings,
    *,
    features: ArrayLike,
    pareto: bool = True,
    ties: TieBreak | None = None,
    unranked: Unranked = "below",
) -> LinearOrder:
    """The order by linear rewards that has the highest Copeland score first, then the next, as far as directions allow.

    Among the strict orders that some direction induces and which keep each pair that all voters rank alike, the place
    at the top goes to the alternative of the highest Copeland score that can have it, then the second place, and so on.
    With ``pareto=False`` pairs that all rank alike are not minded. Equal scores are broken by ``ties``, by default in
    the order of the alternatives; ``notes`` say where it came to that.

    Raises ``ValueError`` where two alternatives have the same features, where no direction keeps the pairs that all
    rank alike (a voter's own ballot is then no order by linear rewards), and for parallel universes, as one order is
    wanted.

    Source: Ge et al. 2024 (arXiv:2405.14758), Section 4; by Theorem 4.3 it keeps unanimous pairs, is the majority order
    where that is feasible, and puts the first choice of a majority on top.

    >>> points = [[2, 1], [0, -2], [-1, -3], [-3, -3]]
    >>> votes = Rankings.from_orders([[3, 2, 0, 1], [0, 1, 2, 3], [2, 1, 0, 3]])
    >>> leximax_copeland(votes, features=points).order      # the majority order 2 ≻ 0 ≻ 1 ≻ 3 has no direction
    (2, 1, 0, 3)
    """
    labels = profile.alternatives
    space = _space("leximax_copeland", features, labels)
    twins = space.twins()
    if twins is not None:
        raise ValueError(
            f"leximax_copeland: needed features that tell the alternatives apart, got the same for "
            f"{short([labels[a] for a in twins])}; no direction puts one above the other"
        )
    settled = (fixed_order(labels) if ties is None else ties).settled(labels)
    place = settled.ranks(labels)
    if place is None:
        raise ValueError("leximax_copeland: one order is wanted; give ties=fixed_order(...) or seeded_lottery(...)")
    support = profile.supports(unranked)
    agreed = support >= profile.weights.sum() * (1 - TIE_TOLERANCE)
    above = np.argwhere(agreed) if pareto else np.zeros((0, 2), np.int64)
    scores = copeland(profile.to_margins(unranked)).scores
    order, direction, met = _greedily(space, above, scores, place)
    theta = space.theta(direction)
    names = tuple((labels[a],) for a in order)
    notes = tuple(
        f"{short([labels[a] for a in tied])} could all come next and have the same Copeland score; the ties were broken"
        for tied in met
    )
    rewards = space.features @ theta
    return LinearOrder(labels, names, frozen(theta), frozen(rewards), replace(settled, universes=1), notes)


def _space(name: str, features: ArrayLike, alternatives: tuple[Label, ...]) -> Space:
    space = Space.of(features)
    if len(space.points) != len(alternatives):
        raise ValueError(
            f"{name}: needed features [alternative, feature] with {len(alternatives)} rows in the order of the "
            f"alternatives, got {len(space.points)}"
        )
    return space


# --- Losses ---------------------------------------------------------------------------------------------------------


class _Pairs(NamedTuple):
    """Who is to be above whom, with what weight, and the points of the lower less those of the upper."""

    upper: Ints
    lower: Ints
    weights: Floats
    across: Floats


def _answer(
    name: str, space: Space, wins: Floats, loss: Loss, penalty: float, alternatives: tuple[Label, ...]
) -> LinearOrder:
    _check(name, loss, penalty)
    upper, lower = np.nonzero((wins > 0) & ~np.eye(len(wins), dtype=bool))
    pairs = _Pairs(upper, lower, wins[upper, lower], space.points[lower] - space.points[upper])
    notes: tuple[str, ...] = ()
    if loss == "hinge":
        direction = _least_hinge(pairs)
    elif callable(loss) or penalty > 0:
        direction = _least(name, space, pairs, loss, penalty)
    else:
        away, settled = _recession(pairs)
        if settled.all():
            direction = _least(name, space, pairs, loss, penalty)
        else:
            direction = _far_out(name, space, pairs, loss, away, settled)
            if not _chained(space, pairs, direction):
                raise NoFiniteEstimate(
                    f"{name}: the loss has no minimum, it falls as long as some rewards grow apart, and the profile "
                    "does not say in which order all alternatives are then. Ways out: penalty=1e-3, loss='hinge'",
                    (),
                )
            notes = (
                "the loss has no minimum: it falls as long as some rewards grow apart; the order is that of every "
                "direction that comes close to its infimum, the direction one of these",
            )
    theta = space.theta(direction)
    rewards = space.features @ theta
    return LinearOrder(alternatives, _levels(rewards, alternatives), frozen(theta), frozen(rewards), notes=notes)


def _check(name: str, loss: Loss, penalty: float) -> None:
    if not callable(loss) and loss not in ("logistic", "exponential", "hinge"):
        raise ValueError(
            f"{name}: needed loss='logistic', 'exponential', 'hinge' or a function from x to ℓ(x) and ℓ′(x), "
            f"got {loss!r}"
        )
    if not 0 <= penalty < np.inf:
        raise ValueError(f"{name}: needed a penalty of at least 0, got {penalty!r}")
    if penalty > 0 and loss == "hinge":
        raise ValueError(f"{name}: needed no penalty with the hinge loss, which has a minimum anyhow, got {penalty!r}")


def _levels(rewards: Floats, alternatives: tuple[Label, ...]) -> tuple[tuple[Label, ...], ...]:
    """The alternatives by their rewards, those as near as rounding together."""
    order = np.argsort(-rewards, kind="stable")
    near = TIE_TOLERANCE * float(np.ptp(rewards))
    starts = np.append(True, -np.diff(rewards[order]) > near)
    level = np.cumsum(starts) - 1
    return tuple(tuple(alternatives[a] for a in sorted(order[level == k].tolist())) for k in range(int(level[-1]) + 1))


def _evaluated(loss: Loss, x: Floats) -> tuple[Floats, Floats]:
    """ℓ and ℓ′."""
    if callable(loss):
        value, slope = loss(x)
        return np.asarray(value, np.float64), np.asarray(slope, np.float64)
    if loss == "logistic":
        return np.logaddexp(0.0, x), 0.5 * (1.0 + np.tanh(0.5 * x))
    grown = np.exp(np.minimum(x, 300.0))
    return grown, grown


def _curvature(loss: Loss, x: Floats) -> Floats:
    """ℓ″ of a loss that has a name."""
    _, slope = _evaluated(loss, x)
    found: Floats = slope * (1.0 - slope) if loss == "logistic" else slope
    return found


def _least(name: str, space: Space, pairs: _Pairs, loss: Loss, penalty: float) -> Floats:
    """Where Σ weight ℓ is least, among the directions that the pairs say something of."""
    width = space.points.shape[1]
    total = float(pairs.weights.sum())
    if total == 0 or width == 0:
        return np.zeros(width)
    basis = np.eye(width) if penalty > 0 else _span(pairs.across)
    rows, share = pairs.across @ basis, pairs.weights / total
    back = space._back @ basis
    pull = penalty / total * (back.T @ back)

    def loss_of(at: Floats) -> tuple[float, Floats]:
        value, slope = _evaluated(loss, rows @ at)
        return float(share @ value + 0.5 * at @ pull @ at), rows.T @ (share * slope) + pull @ at

    found = solvers.minimise(loss_of, np.zeros(basis.shape[1]), limit=2000)
    point, gradient = found.point, loss_of(found.point)[1]
    for _ in range(0 if callable(loss) else 50):
        # Newton's steps, which end where rounding does
        curve = rows.T @ ((share * _curvature(loss, rows @ point))[:, None] * rows) + pull
        step = np.linalg.lstsq(curve, gradient, rcond=None)[0]
        after = loss_of(point - step)[1]
        if not np.abs(after).max() < np.abs(gradient).max():
            break
        point, gradient = point - step, after
    if not np.abs(gradient).max() <= 1e-7 * np.abs(rows).max():
        raise NotConverged(
            f"{name}: the gradient of the loss is still {np.abs(gradient).max():.1e} a unit of weight after "
            f"{found.steps} steps; perhaps it has no minimum. Ways out: penalty=1e-3, or another loss",
            frozen(space.theta(basis @ point)),
        )
    direction: Floats = basis @ point
    return direction


def _least_hinge(pairs: _Pairs) -> Floats:
    """One of the directions where Σ weight max(0, 1 + x) is least: min Σ weight s over s ≥ 1 + x, s ≥ 0."""
    count, width = pairs.across.shape
    if count == 0 or width == 0:
        return np.zeros(width)
    found = solvers.linear_program(
        np.concatenate([np.zeros(width), pairs.weights / pairs.weights.max()]),
        at_most=(np.column_stack([pairs.across, -np.eye(count)]), -np.ones(count)),
        equal=(np.zeros((0, width + count)), np.zeros(0)),
        bounds=[(None, None)] * width + [(0.0, None)] * count,
    )
    return found[:width]


def _recession(pairs: _Pairs) -> tuple[Floats, NDArray[np.bool_]]:
    """A direction along which no pair gets worse and as many as can be get better, and which pairs do not."""
    count, width = pairs.across.shape
    length = np.linalg.norm(pairs.across, axis=1)
    moving = length > TIE_TOLERANCE
    settled = np.ones(count, bool)
    if width == 0 or not moving.any():
        return np.zeros(width), settled
    rows = pairs.across[moving] / length[moving, None]
    number = len(rows)
    found = solvers.linear_program(
        np.concatenate([np.zeros(width), -np.ones(number)]),
        at_most=(np.column_stack([rows, np.eye(number)]), np.zeros(number)),
        equal=(np.zeros((0, width + number)), np.zeros(0)),
        bounds=[(-1e6, 1e6)] * width + [(0.0, 1.0)] * number,
    )
    settled[moving] = found[width:] < 0.5
    return found[:width], settled


def _far_out(name: str, space: Space, pairs: _Pairs, loss: Loss, away: Floats, settled: NDArray[np.bool_]) -> Floats:
    """A direction as the loss nears its infimum: far along ``away``, at the least loss of the pairs that leaves be."""
    rest = _Pairs(pairs.upper[settled], pairs.lower[settled], pairs.weights[settled], pairs.across[settled])
    basis = _span(rest.across)
    away = away - basis @ (basis.T @ away)
    away = away / np.abs(away).max()
    near = _least(name, space, rest, loss, 0.0)
    gains = -pairs.across[~settled] @ away
    losses = pairs.across[~settled] @ near
    scale = 1.0 + 2.0 * max(0.0, float((losses / gains).max()))
    found: Floats = scale * away + near
    return found


def _chained(space: Space, pairs: _Pairs, direction: Floats) -> bool:
    """Whether the profile compares each alternative with the next one in the order of a direction."""
    said = np.zeros((len(space.points), len(space.points)), bool)
    said[pairs.upper, pairs.lower] = said[pairs.lower, pairs.upper] = True
    order = np.argsort(-(space.points @ direction), kind="stable")
    return bool(said[order[:-1], order[1:]].all())


def _span(rows: Floats) -> Floats:
    """An orthonormal basis ``[r, k]`` of what the rows span."""
    if len(rows) == 0:
        return np.zeros((rows.shape[1], 0))
    _, size, right = np.linalg.svd(rows, full_matrices=False)
    basis: Floats = right[size > TIE_TOLERANCE * max(1e-300, size.max(initial=0.0))].T
    return basis


# --- The highest score first ----------------------------------------------------------------------------------------


def _greedily(space: Space, above: Ints, scores: Floats, place: Ints) -> tuple[list[int], Floats, list[list[int]]]:
    """The order, a direction of it, and the alternatives that tied for a place."""
    points = space.points
    direction = separating(points[above[:, 0]] - points[above[:, 1]])
    if direction is None:
        raise ValueError(
            "leximax_copeland: no direction keeps the pairs that all voters rank alike, so that no voter's ballot is "
            "an order by linear rewards; check the features, or pass pareto=False"
        )
    order: list[int] = []
    left = np.lexsort((place, -scores)).tolist()
    met = []

    def with_next(a: int) -> Floats | None:
        rest = [b for b in left if b != a]
        kept = np.isin(above, left).all(1)
        chain = [*order, a]
        upper = np.concatenate([chain[:-1], np.full(len(rest), a), above[kept, 0]]).astype(np.int64)
        lower = np.concatenate([chain[1:], rest, above[kept, 1]]).astype(np.int64)
        return separating(points[upper] - points[lower])

    while left:
        for a in left:
            found = with_next(a)
            if found is not None:
                break
        else:
            raise RuntimeError(
                "leximax_copeland: rounding leaves no direction for the order so far; scale the features"
            )
        rivals = [b for b in left[left.index(a) + 1 :] if scores[b] == scores[a]]
        tied = [a, *(b for b in rivals if with_next(b) is not None)]
        if len(tied) > 1:
            met.append(tied)
        order.append(a)
        left.remove(a)
        direction = found
    return order, direction, met
