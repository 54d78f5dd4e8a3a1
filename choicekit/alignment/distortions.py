"""How much average utility is lost because only comparisons are seen, and how much at worst."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import average, checked, distribution, divergence, tilt
from choicekit.alignment.policies import preferences
from choicekit.graphs import sparse
from choicekit.outcomes import Lottery, Policy
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label
from choicekit.solvers import relaxation

Floats = NDArray[np.float64]
Bounded = Literal["maximal_lottery", "borda", "every", "rlhf"]


def bradley_terry_population(
    utilities: ArrayLike, beta: float = 1.0, weights: ArrayLike | None = None
) -> Floats:  # fmt: skip
    """How often a random person prefers a to b where all compare with slope β: P(a, b) = Σ_i w_i·σ(β(u_i,a − u_i,b)).

    ``utilities[..., n, m]`` of people and alternatives, ``weights[n]`` (default equal); the result is ``[..., m, m]``
    with ½ on the diagonal. ``beta`` > 0 says how surely people choose what they like better; it is not the weight of a
    KL penalty.

    Source: Gölz, Haghtalab and Yang 2025, arXiv:2505.23749 (the model).

    >>> bradley_terry_population([[1.0, 0.0]], beta=np.log(3)).round(2).tolist()
    [[0.5, 0.75], [0.25, 0.5]]
    """
    values, _ = checked(utilities, None, beta, 2)
    return preferences(beta * values, weights)


def kl_ball_policy(rewards: ArrayLike, reference: ArrayLike | None = None, *, radius: float) -> Policy:
    """The policy of the largest mean reward among those with KL(π‖ρ) ≤ B, in each context by itself.

    It is π ∝ ρ·e^{r/τ} with the one τ for which KL(π‖ρ) = B; or ρ among the best alternatives alone, where that is
    within reach. ``radius`` is B ≥ 0 in nats; B = ∞ is no restriction. ``rewards[..., m]``, ``reference[..., m]``
    (default: uniform). τ is found by bisection, from the side that stays inside.

    >>> kl_ball_policy([1.0, 0.0], radius=np.inf).probabilities.tolist()
    [1.0, 0.0]
    >>> kl_ball_policy([1.0, 0.0], radius=0.1).probabilities.round(4).tolist()
    [0.7198, 0.2802]
    """
    values, ground = checked(rewards, reference, 1.0, 1)
    if not radius >= 0:
        raise ValueError(f"kl_ball_policy: radius must be a divergence in nats, at least 0, got {radius!r}")
    available = ground > 0
    top = np.where(available, values, -np.inf).max(-1, keepdims=True)
    best = np.where(values >= top, ground, 0.0)
    best /= best.sum(-1, keepdims=True)
    within = divergence(best, ground) <= radius
    unit = np.where(available, top - values, 0.0).max(-1, keepdims=True)
    scaled = np.where(available, (values - top) / np.where(unit > 0, unit, 1.0), 0.0)
    # on a logarithmic scale of 1/τ: KL grows with it, so that `low` always stays inside
    low, high = np.full(within.shape, -40.0), np.full(within.shape, 40.0)
    for _ in range(80):
        middle = (low + high) / 2
        inside = divergence(tilt(scaled * np.exp(middle)[..., None], ground, 1.0), ground) <= radius
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    found = tilt(scaled * np.exp(low)[..., None], ground, 1.0)
    return Policy(np.where(within[..., None], best, found if radius > 0 else ground), ground)


def distortion(
    policy: Policy | ArrayLike,
    utilities: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    reference: ArrayLike | None = None,
    radius: float = math.inf,
) -> Floats:
    """The best average utility over the policy's: max_π' ⟨π', ū⟩ / ⟨π, ū⟩, at least 1 for a policy that competes.

    The best is taken over policies with KL(π'‖ρ) ≤ ``radius`` (see :func:`kl_ball_policy`); with the default, over all
    on what the reference makes available. ``policy[..., m]``, ``utilities[..., n, m]`` ≥ 0 of n people, ``weights[n]``
    (default equal); the result has the leading axes, one number a context. Infinite where the policy achieves nothing
    and something could be; 1 where nothing could.

    A ratio means something only where utilities have a common zero; the bounds of :func:`distortion_bound` need
    them in [0, 1]. Raises ``ValueError`` for a negative utility and for what is no distribution.

    Source: Gölz, Haghtalab and Yang 2025, arXiv:2505.23749 (distortion of alignment, also within a KL ball).

    >>> distortion([0.5, 0.5], [[1.0, 0.0], [0.5, 0.0]]).item()
    2.0
    >>> distortion([0.5, 0.5], [[1.0, 0.0]], radius=0.1).round(4).item()       # the best within reach says a at 0.7198
    1.4396
    """
    values, ground = checked(utilities, reference, 1.0, 2)
    answered = distribution("policy", policy, values.shape[-1])
    if (values < 0).any():
        raise ValueError(f"utilities: needed numbers of at least 0, for a ratio, got {values.min():.6g}")
    mean = average(values, weights)
    if math.isinf(radius):
        best = np.where(ground > 0, mean, 0.0).max(-1)
    else:
        best = (kl_ball_policy(mean, ground, radius=radius).probabilities * mean).sum(-1)
    achieved = (answered * mean).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(best > 0, best / achieved, 1.0), np.float64)


@dataclass(frozen=True)
class DistortionBound:
    """The worst distortion over populations is at least ``lower`` and at most ``upper`` (infinite: nothing promised).

    >>> DistortionBound(1.0, math.inf).upper
    inf
    """

    lower: float
    upper: float


def distortion_bound(rule: Bounded, beta: float) -> DistortionBound:
    """What is known of the worst distortion of a rule on comparisons, utilities in [0, 1], with slope β.

    D = (β/2)(1 + e^−β)/(1 − e^−β) is what everything is measured in:

    * ``"every"``: no rule on comparisons does better than D as alternatives become many;
    * ``"maximal_lottery"``: at most D, and so exactly the best there is (the source has the
      same within a KL ball, for a lottery that is not built here);
    * ``"borda"``: the winner's is at most D²;
    * ``"rlhf"``: a pooled reward trained with a KL constraint can reach e^β/(44β); stated for β ≥ 10 alone. Where the
      pairs compared are not drawn independently it has no bound.

    The upper bounds are checked on drawn populations, without a ball; that they hold always, and the lower bound of
    ``"rlhf"``, are the literature's. Two people and two alternatives are often far from the worst.

    Raises ``ValueError`` for another rule, β ≤ 0, and ``"rlhf"`` with β < 10.

    Source: Gölz, Haghtalab and Yang 2025, arXiv:2505.23749 (read in a formal restatement of its theorems).

    >>> [round(distortion_bound("maximal_lottery", beta).upper, 5) for beta in (1, 2, 5, 10)]
    [1.08198, 1.31304, 2.53392, 5.00045]
    >>> round(distortion_bound("borda", 5).upper, 4), round(distortion_bound("rlhf", 10).lower, 2)
    (6.4207, 50.06)
    """
    if not (math.isfinite(beta) and beta > 0):
        raise ValueError(f"distortion_bound: beta must be a positive number, the slope of choices, got {beta!r}")
    least = beta / 2 / math.tanh(beta / 2)
    if rule == "maximal_lottery":
        return DistortionBound(least, least)
    if rule == "borda":
        return DistortionBound(least, least**2)
    if rule == "every":
        return DistortionBound(least, math.inf)
    if rule != "rlhf":
        raise ValueError(f"distortion_bound: rule must be 'maximal_lottery', 'borda', 'every' or 'rlhf', got {rule!r}")
    if beta < 10:
        raise ValueError(f"distortion_bound: for 'rlhf' a bound is stated for beta ≥ 10 alone, got {beta!r}")
    return DistortionBound(max(least, math.exp(min(beta - math.log(44 * beta), 700.0))), math.inf)


@dataclass(frozen=True, eq=False)
class MetricDistortion:
    """The worst ratio of total distances over all metrics in which voters rank by distance, and such a metric.

    ``value`` is the ratio, possibly infinite; ``best`` the alternative that should have been chosen there;
    ``distances[n, m]`` from voters to alternatives in a worst metric, scaled so that the best has a total of 1 (where
    the ratio is infinite: a metric in which the best has 0).

    >>> MetricDistortion(3.0, "a", np.zeros((1, 2))).value
    3.0
    """

    value: float
    best: Label
    distances: Floats


def metric_distortion(profile: Rankings, chosen: Label | Lottery | ArrayLike) -> MetricDistortion:
    """How much further than the best alternative the chosen one can be from the voters, given only their rankings.

    Voters and alternatives are points of an unknown (pseudo)metric in which nobody ranks a nearer alternative below a
    further one (equal ranks: equal distances). For each alternative b that could be the best, the largest expected
    total distance of the chosen over the total of b is a linear programme in d(voter, alternative) ≥ 0 with d(i, a) ≤
    d(i, b) + d(j, b) + d(j, a), which is all that a metric asks. Voters with one ballot stand at one point, which
    loses nothing.

    ``chosen`` is a label, a :class:`~choicekit.outcomes.Lottery` or probabilities in the order of the profile's
    alternatives. The programme has about n²m² constraints for n different ballots.

    Raises ``ValueError`` for incomplete rankings and ``RuntimeError`` where the solver fails.

    Source: Anshelevich, Bhardwaj and Postl 2015 (Approximating optimal social choice under metric preferences, AAAI).

    >>> votes = Rankings.from_orders({"ab": 2, "ba": 1})
    >>> [round(metric_distortion(votes, winner).value, 6) for winner in "ab"]
    [2.0, 5.0]
    """
    ranks, share = profile.ranks, _mixture(profile, chosen)
    if (ranks < 0).any():
        raise ValueError("metric_distortion: needed complete rankings, got ballots with unranked alternatives")
    voting = np.flatnonzero(profile.weights > 0)
    if not len(voting):
        raise ValueError("metric_distortion: needed a voter with positive weight, got none")
    kinds, ballot = np.unique(ranks[voting], axis=0, return_inverse=True)
    weights = np.asarray(np.bincount(ballot.ravel(), profile.weights[voting]), np.float64)
    rows, (n, m) = _metric_rows(kinds), kinds.shape
    worst, best, found = -np.inf, 0, np.zeros((n, m))
    for b in range(m):
        near = _drawn_along(kinds, b)
        if share[~near].sum() > 0:
            worst, best, found = np.inf, b, np.broadcast_to((~near).astype(np.float64), (n, m))
            break
        answer = _farthest(rows, weights, share, b)
        ratio = float(weights @ answer @ share)
        if ratio > worst:
            worst, best, found = ratio, b, answer
    distances = np.zeros(ranks.shape)
    distances[voting] = found[ballot.ravel()]
    return MetricDistortion(worst, profile.alternatives[best], distances)


def _mixture(profile: Rankings, chosen: Label | Lottery | ArrayLike) -> Floats:
    """Probabilities in the order of the profile's alternatives."""
    size = len(profile.alternatives)
    if isinstance(chosen, Lottery):
        if chosen.alternatives != profile.alternatives:
            raise ValueError("metric_distortion: the lottery is over other alternatives than the profile")
        return chosen.probabilities
    if isinstance(chosen, Hashable):
        if chosen not in profile.alternatives:
            raise ValueError(f"metric_distortion: needed an alternative of the profile, got {chosen!r}")
        return np.asarray(np.eye(size)[profile.alternatives.index(chosen)], np.float64)
    share = np.asarray(chosen, np.float64)
    if share.shape != (size,) or not (share >= 0).all() or not np.isclose(share.sum(), 1, atol=1e-6):
        raise ValueError(f"metric_distortion: needed {size} probabilities that sum to 1, got {chosen!r}")
    return share


def _metric_rows(ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, int]:
    """The constraints A·d ≤ 0 on ``d[voter * m + alternative]`` as rows, columns, values, and how many there are."""
    n, m = ranks.shape
    order = np.argsort(ranks, axis=1, kind="stable")
    voter = np.repeat(np.arange(n), m - 1)
    near, far = order[:, :-1].ravel(), order[:, 1:].ravel()
    level = ranks[voter, near] == ranks[voter, far]
    near, far = np.append(near, far[level]), np.append(far, near[level])
    voter = np.append(voter, voter[level])
    entries = [(voter * m + near, np.ones(len(voter))), (voter * m + far, -np.ones(len(voter)))]
    ranked = len(voter)
    i, j, a, b = (each.ravel() for each in np.indices((n, n, m, m)))
    kept = (i != j) & (a != b)
    i, j, a, b = (each[kept] for each in (i, j, a, b))
    number = np.concatenate([np.tile(np.arange(ranked), 2), np.tile(ranked + np.arange(len(i)), 4)])
    one = np.ones(len(i))
    entries += [(i * m + a, one), (i * m + b, -one), (j * m + b, -one), (j * m + a, -one)]
    columns = np.concatenate([place for place, _ in entries])
    return number, columns, np.concatenate([sign for _, sign in entries]), ranked + len(i)


def _drawn_along(ranks: NDArray[np.int64], best: int) -> NDArray[np.bool_]:
    """What must be where everybody is, if all voters stand at ``best``: whatever somebody ranks no lower."""
    near = np.asarray(np.arange(ranks.shape[1]) == best, np.bool_)
    while True:
        wider = np.asarray(near | (ranks[:, :, None] <= ranks[:, None, near]).any((0, 2)), np.bool_)
        if (wider == near).all():
            return wider
        near = wider


def _farthest(
    rows: tuple[NDArray[np.int64], NDArray[np.int64], Floats, int], weights: Floats, share: Floats, best: int
) -> Floats:
    """Distances ``[n, m]`` with a total of at most 1 to ``best`` that are largest to the mixture ``share``."""
    n, m = len(weights), len(share)
    number, columns, values, count = rows
    number = np.append(number, np.full(n, count))
    columns, values = np.append(columns, np.arange(n) * m + best), np.append(values, weights)
    system = sparse(number, columns, values, (count + 1, n * m))
    cost = -(weights[:, None] * share).ravel()
    answer = relaxation(cost, system, highest=np.append(np.zeros(count), 1.0), bounds=[(0.0, None)] * (n * m))
    if answer.solution is None:
        raise RuntimeError(f"metric_distortion: the linear programme is {answer.status}")
    return np.asarray(answer.solution.reshape(n, m), np.float64)
