"""How far a policy is from the distribution of a population, in each of the usual measures.

All take distributions along the last axis, ``[..., m]``, arrays or policies; leading axes hold contexts and are
broadcast. They raise ``ValueError`` for numbers that are no distribution (negative, not finite, a sum that is not 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._shares import Floats, over_contexts, pair, positions_of, resampled
from choicekit.alignment._tabular import distribution, divergence, normalised
from choicekit.outcomes import Policy

Base = Literal["nats", "bits"]
Distribution = Policy | ArrayLike


def total_variation(p: Distribution, q: Distribution) -> Floats:
    """The largest difference between two distributions' probabilities of any event, ½·Σ|p − q|, in [0, 1].

    ``p[..., m]`` and ``q[..., m]`` give ``[...]``.

    >>> total_variation([0.6, 0.4], [0.99, 0.01]).round(6).item()
    0.39
    """
    first, second = pair(p, q)
    found: Floats = np.abs(first - second).sum(-1) / 2
    return found


def hellinger(p: Distribution, q: Distribution) -> Floats:
    """The Hellinger distance √(½·Σ(√p − √q)²), in [0, 1].

    ``p[..., m]`` and ``q[..., m]`` give ``[...]``. Its square is at most the total variation.

    >>> hellinger([1.0, 0.0], [[0.0, 1.0], [0.25, 0.75]]).round(6).tolist()      # 1, and √(1 − √¼)
    [1.0, 0.707107]
    """
    first, second = pair(p, q)
    found: Floats = np.sqrt(((np.sqrt(first) - np.sqrt(second)) ** 2).sum(-1) / 2)
    return found


def entropy(p: Distribution, *, base: Base = "nats") -> Floats:
    """The Shannon entropy −Σ p·log p, in nats (natural logarithm) or bits.

    ``p[..., m]`` gives ``[...]``, between 0 and log m.

    >>> entropy([[0.5, 0.5], [1.0, 0.0]], base="bits").tolist()
    [1.0, 0.0]
    """
    return _nats(distribution("p", p)) / _unit(base)


def cross_entropy(p: Distribution, q: Distribution, *, base: Base = "nats") -> Floats:
    """The cross entropy −Σ p·log q of the policy q under the target p: the entropy of p plus KL(p‖q).

    ``p[..., m]`` and ``q[..., m]`` give ``[...]``, infinite where q misses what p has. Over all q it is least at
    q = p, which makes it a loss for distributional pluralism.

    >>> cross_entropy([0.5, 0.5], [0.25, 0.75], base="bits").round(6).item()      # ½·2 + ½·log₂(4/3)
    1.207519
    """
    first, second = pair(p, q)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(first > 0, -first * np.log(second), 0.0)
    found: Floats = terms.sum(-1) / _unit(base)
    return found


def kl(p: Distribution, q: Distribution, *, base: Base = "nats") -> Floats:
    """The Kullback–Leibler divergence KL(p‖q) = Σ p·log(p/q): infinite where q gives 0 to what p gives something.

    ``p[..., m]`` and ``q[..., m]`` give ``[...]``. The first argument is what happens, the second what is said of it:
    KL(target‖policy) is the price of answers that people give and a policy does not, KL(policy‖reference) that of
    moving away from a reference.

    >>> kl([0.6, 0.4], [0.99, 0.01]).round(6).item()
    1.175087
    """
    first, second = pair(p, q)
    return divergence(first, second) / _unit(base)


def smoothed_kl(p: Distribution, q: Distribution, *, smoothing: float, base: Base = "nats") -> Floats:
    """KL(p'‖q') of both distributions mixed with a share of the uniform one: p' = (1 − s)·p + s/m, and q' alike.

    It is finite for every s > 0, 0 where p = q, and never more than KL(p‖q). The number depends on ``smoothing``,
    0 ≤ s < 1, which has no default for that reason: report it with the result.

    ``p[..., m]`` and ``q[..., m]`` give ``[...]``.

    >>> smoothed_kl([1.0, 0.0], [0.0, 1.0], smoothing=0.1).round(6).item()      # 0.9·log 19
    2.649995
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing: needed a share of the uniform distribution in [0, 1), got {smoothing!r}")
    first, second = (shares * (1 - smoothing) + smoothing / shares.shape[-1] for shares in pair(p, q))
    return divergence(first, second) / _unit(base)


def jensen_shannon_divergence(p: Distribution, q: Distribution, *, base: Base = "nats") -> Floats:
    """The Jensen–Shannon divergence ½·KL(p‖m) + ½·KL(q‖m) with m = (p + q)/2; at most log 2 (1 bit).

    ``p[..., m]`` and ``q[..., m]`` give ``[...]``. It is the square of :func:`jensen_shannon_distance`; SciPy's
    ``jensenshannon`` is that distance, not this.

    Source: Lin 1991 (doi:10.1109/18.61115).

    >>> jensen_shannon_divergence([0.6, 0.4], [0.99, 0.01]).round(6).item()
    0.14275
    """
    first, second = pair(p, q)
    middle = (first + second) / 2
    found: Floats = (divergence(first, middle) + divergence(second, middle)) / (2 * _unit(base))
    return found


def jensen_shannon_distance(p: Distribution, q: Distribution, *, base: Base = "nats") -> Floats:
    """The square root of the Jensen–Shannon divergence, which is a metric.

    ``p[..., m]`` and ``q[..., m]`` give ``[...]``. In bits it is 1/√(log 2) ≈ 1.2 times what it is in nats, and at
    most 1.

    Source: Endres and Schindelin 2003 (doi:10.1109/TIT.2003.813506).

    >>> [jensen_shannon_distance([0.6, 0.4], [0.99, 0.01], base=base).round(6).item() for base in ("nats", "bits")]
    [0.377822, 0.453811]
    """
    found: Floats = np.sqrt(jensen_shannon_divergence(p, q, base=base))
    return found


def ordinal_wasserstein(p: Distribution, q: Distribution, positions: ArrayLike | None = None) -> Floats:
    """How far probability must be moved along a scale to turn p into q: ∫|F_p − F_q|, in units of the scale.

    The alternatives are the points of an ordered scale, at ``positions[m]`` (rising; 0, 1, …, m − 1 by default).
    ``p[..., m]`` and ``q[..., m]`` give ``[...]``. Divided by the length of the scale it is
    :func:`relative_wasserstein`.

    >>> ordinal_wasserstein([0.5, 0.3, 0.2, 0], [0.1, 0.2, 0.3, 0.4]).round(6).item()      # 0.4 + 0.5 + 0.4
    1.3
    """
    first, second = pair(p, q)
    places = positions_of(positions, first.shape[-1])
    found: Floats = np.asarray(np.abs(np.cumsum(first - second, axis=-1)[..., :-1]) @ np.diff(places))
    return found


def relative_wasserstein(p: Distribution, q: Distribution, positions: ArrayLike | None = None) -> Floats:
    """The Wasserstein distance along a scale as a share of the scale's length, in [0, 1].

    1 where p and q are at opposite ends. ``p[..., m]`` and ``q[..., m]`` give ``[...]``; ``positions[m]`` as for
    :func:`ordinal_wasserstein`. One minus it is the representativeness of an opinion question.

    >>> relative_wasserstein([0.5, 0.3, 0.2, 0], [0.1, 0.2, 0.3, 0.4]).round(6).item()      # 1.3/3
    0.433333
    """
    moved = ordinal_wasserstein(p, q, positions)
    places = positions_of(positions, np.shape(p)[-1])
    share: Floats = moved / (places[-1] - places[0])
    return share


def entropy_ratio(policy: Distribution, target: Distribution) -> Floats:
    """The policy's entropy over the target's, H(π)/H(p): below 1 the policy is less varied than the people.

    ``policy[..., m]`` and ``target[..., m]`` give ``[...]``, NaN where the target has one answer only and so no
    entropy to compare with.

    >>> entropy_ratio([0.9, 0.1], [[0.5, 0.5], [1.0, 0.0]]).round(6).tolist()
    [0.468996, nan]
    """
    first, second = pair(policy, target, ("policy", "target"))
    whole = _nats(second)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(whole > 0, _nats(first) / whole, np.nan)
    return found


def mode_collapse(policy: Distribution, target: Distribution) -> Floats:
    """How much more often the policy gives its commonest answer than the people give theirs, max π − max p.

    ``policy[..., m]`` and ``target[..., m]`` give ``[...]`` in (−1, 1): 0 says nothing about whether the commonest
    answers are the same.

    >>> mode_collapse([0.98, 0.02], [0.6, 0.4]).round(6).item()
    0.38
    """
    first, second = pair(policy, target, ("policy", "target"))
    found: Floats = first.max(-1) - second.max(-1)
    return found


def calibration_error(
    policies: Distribution, targets: Distribution, *, context_weights: ArrayLike | None = None
) -> float:
    """The mean over contexts of the total variation between policy and population, E_x TV(π_x, p_x), in [0, 1].

    ``policies[x, m]``, ``targets[x, m]``, ``context_weights[x]`` (default equal). It takes the shares as known: with
    few answers a context see :func:`noise_floor`.

    >>> calibration_error([[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]])
    0.25
    """
    each = np.atleast_1d(total_variation(policies, targets)).ravel()
    return float(normalised(context_weights, len(each)) @ each)


def expected_calibration_error(
    probabilities: Distribution, outcomes: ArrayLike, *, bins: int = 10, weights: ArrayLike | None = None
) -> float:
    """The expected calibration error over all responses: how far stated probabilities are from observed shares.

    Every response of every row gives a point (what the model said, what happened). The points are put into ``bins``
    equal intervals of what was said; a bin misses by |mean said − mean happened|, and the result is the mean of what
    the bins miss, weighted by the points in them.

    ``probabilities[n, m]``; ``outcomes`` is the code 0 … m − 1 of the response that came ``[n]`` or the shares with
    which people responded ``[n, m]``; ``weights[n]`` weigh rows (default equal). The result, in [0, 1], depends on the
    number of bins and is biased upwards where bins hold few points. Raises ``ValueError`` for codes out of range.

    Source: Naeini, Cooper and Hauskrecht 2015 (doi:10.1609/aaai.v29i1.9602), there for the top response alone.

    >>> expected_calibration_error([[0.8, 0.2]] * 4, [0, 0, 1, 1])      # both bins: 0.8 said, 0.5 came; 0.2 and 0.5
    0.3
    """
    said = distribution("probabilities", probabilities)
    if said.ndim != 2:
        raise ValueError(f"probabilities: needed one row a forecast, [n, m], got shape {said.shape}")
    rows, size = said.shape
    happened = np.asarray(outcomes)
    if happened.shape == (rows,):
        if happened.dtype.kind not in "iu" or happened.min() < 0 or happened.max() >= size:
            raise ValueError(f"outcomes: needed whole numbers from 0 to {size - 1}, one a row, got {outcomes!r}")
        happened = (happened[:, None] == np.arange(size)).astype(np.float64)
    else:
        happened = distribution("outcomes", happened)
        if happened.shape != said.shape:
            raise ValueError(f"outcomes: needed shape ({rows},) or {said.shape}, got {happened.shape}")
    if bins < 1:
        raise ValueError(f"bins: needed at least 1, got {bins!r}")
    heavy = np.repeat(normalised(weights, rows) / size, size)
    place = np.minimum((said.ravel() * bins).astype(np.int64), bins - 1)
    missed = np.bincount(place, heavy * (said - happened).ravel(), minlength=bins)
    return float(np.abs(missed).sum().round(15))


class NoiseFloor(NamedTuple):
    """What a mean distance comes to by sampling alone.

    ``observed`` is the mean distance of the observed shares, ``mean`` and ``upper`` are the mean and a quantile of
    what it is where both sides answer alike, and ``share`` is how often that is at least the observed.

    >>> NoiseFloor(observed=0.3, mean=0.1, upper=0.15, share=0.001).observed
    0.3
    """

    observed: float
    mean: float
    upper: float
    share: float


def noise_floor(
    policy_counts: ArrayLike,
    target_counts: ArrayLike,
    *,
    distance: Callable[[Floats, Floats], Floats] = total_variation,
    level: float = 0.95,
    draws: int = 200,
    rng: int | np.random.Generator = 0,
) -> NoiseFloor:
    """The mean distance that the same numbers of answers would show if model and people answered alike.

    Distances of observed shares are biased upwards: forty answers of two identical models differ. In each context the
    answers of both sides are pooled, both sides draw as many as they gave from the pooled shares, and the mean of the
    distance over contexts is taken; ``draws`` times. An observed mean below the floor is no sign of a difference.

    ``policy_counts[x, m]`` and ``target_counts[x, m]`` are numbers of independent answers, at least one a context and
    side; ``distance`` takes two arrays ``[x, m]`` and gives ``[x]``.

    >>> floor = noise_floor([[30, 10]] * 50, [[3, 1]] * 50)
    >>> floor.observed, bool(floor.mean > 0.1)
    (0.0, True)
    """
    first, second = (_counts(name, given) for name, given in (("policy", policy_counts), ("target", target_counts)))
    if first.shape != second.shape:
        raise ValueError(f"counts: needed two arrays of one shape, got {first.shape} and {second.shape}")
    sizes = first.sum(-1), second.sum(-1)
    pooled = (first + second) / (sizes[0] + sizes[1])[:, None]
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"needed at least one draw and a level between 0 and 1, got {draws!r} and {level!r}")
    generator = np.random.default_rng(rng)
    drawn = np.empty(draws)
    for draw in range(draws):
        left, right = (generator.multinomial(size.astype(np.int64), pooled) / size[:, None] for size in sizes)
        drawn[draw] = np.mean(distance(left, right))
    observed = float(np.mean(distance(first / sizes[0][:, None], second / sizes[1][:, None])))
    share = (1 + int((drawn >= observed - 1e-12).sum())) / (draws + 1)
    return NoiseFloor(observed, float(drawn.mean()), float(np.quantile(drawn, level)), share)


@dataclass(frozen=True, eq=False)
class DistributionalAlignment:
    """How far policies are from the distributions of a population, by several measures, for each context.

    All fields but the last are ``[x]``: ``total_variation``; ``kl`` = KL(target‖policy) in nats, infinite where the
    policy never gives an answer that people give; ``smoothed_kl`` in nats; ``jensen_shannon_divergence`` and its root
    ``jensen_shannon_distance`` in nats; ``hellinger``; ``relative_wasserstein``, a share of the scale's length, which
    means something on ordered alternatives only; ``entropy_ratio``, NaN where people are of one mind;
    ``mode_collapse``. ``context_weights[x]`` sum to 1.

    >>> found = distributional_alignment([[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]])
    >>> found.total_variation.tolist(), found.mean("total_variation")
    ([0.5, 0.0], 0.25)
    """

    total_variation: Floats
    kl: Floats
    smoothed_kl: Floats
    jensen_shannon_divergence: Floats
    jensen_shannon_distance: Floats
    hellinger: Floats
    relative_wasserstein: Floats
    entropy_ratio: Floats
    mode_collapse: Floats
    context_weights: Floats

    def mean(self, measure: str) -> float:
        """The weighted mean over contexts of the named measure, those where it is NaN left out.

        >>> found = distributional_alignment([[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.0], [0.5, 0.5]])
        >>> found.mean("entropy_ratio")      # of the second context: people are of one mind in the first
        1.0
        """
        return float(over_contexts(self._named(measure), self.context_weights))

    def interval(
        self, measure: str, level: float = 0.95, *, draws: int = 1000, rng: int | np.random.Generator = 0
    ) -> Floats:
        """A percentile bootstrap interval ``[2]`` of the mean, contexts drawn anew with replacement.

        It says how the mean would vary with other contexts of the same kind, and takes the shares within a context as
        known. Raises ``ValueError`` for a single context.

        >>> found = distributional_alignment([[1.0, 0.0]] * 8, [[0.5, 0.5]] * 8)
        >>> found.interval("total_variation").tolist()
        [0.5, 0.5]
        """
        return resampled(self._named(measure), self.context_weights, level, draws, rng)

    def _named(self, measure: str) -> Floats:
        names = [name for name in self.__dataclass_fields__ if name != "context_weights"]
        if measure not in names:
            raise ValueError(f"measure: needed one of {', '.join(names)}, got {measure!r}")
        found: Floats = getattr(self, measure)
        return found


def distributional_alignment(
    policies: Distribution,
    targets: Distribution,
    *,
    positions: ArrayLike | None = None,
    smoothing: float = 0.01,
    context_weights: ArrayLike | None = None,
) -> DistributionalAlignment:
    """Every distance between a model's distributions and a population's, context by context.

    Distributional pluralism asks that a model answer as a random member of the population would, P_M(y|x) = P_G(y|x).
    ``policies[x, m]`` (or ``[m]``, one context) and ``targets[x, m]``; ``positions[m]`` of ordered alternatives and
    ``smoothing`` as for :func:`ordinal_wasserstein` and :func:`smoothed_kl`; ``context_weights[x]`` default to equal.

    Source: Sorensen et al. 2024, arXiv:2402.05070 (the notion; the measures are the usual ones).

    >>> found = distributional_alignment([0.99, 0.01], [0.6, 0.4])
    >>> [round(found.mean(name), 6) for name in ("total_variation", "kl", "jensen_shannon_distance")]
    [0.39, 1.175087, 0.377822]
    """
    first, second = pair(policies, targets, ("policies", "targets"))
    first, second = (shares.reshape(-1, shares.shape[-1]) for shares in (first, second))
    shannon = jensen_shannon_divergence(first, second)
    return DistributionalAlignment(
        total_variation=total_variation(first, second),
        kl=divergence(second, first),
        smoothed_kl=smoothed_kl(second, first, smoothing=smoothing),
        jensen_shannon_divergence=shannon,
        jensen_shannon_distance=np.sqrt(shannon),
        hellinger=hellinger(first, second),
        relative_wasserstein=relative_wasserstein(first, second, positions),
        entropy_ratio=entropy_ratio(first, second),
        mode_collapse=mode_collapse(first, second),
        context_weights=normalised(context_weights, len(first)),
    )


def _unit(base: str) -> float:
    if base not in ("nats", "bits"):
        raise ValueError(f"base: needed 'nats' or 'bits', got {base!r}")
    return 1.0 if base == "nats" else float(np.log(2))


def _nats(shares: Floats) -> Floats:
    found: Floats = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(-1)
    return np.maximum(found, 0.0)


def _counts(name: str, given: ArrayLike) -> Floats:
    found = np.atleast_2d(np.array(given, np.float64))
    if found.ndim != 2 or not np.isfinite(found).all() or (found < 0).any() or (found != np.round(found)).any():
        raise ValueError(f"{name}_counts: needed whole numbers of answers indexed [x, m], got shape {found.shape}")
    if (found.sum(-1) < 1).any():
        raise ValueError(f"{name}_counts: needed at least one answer in every context; leave the empty ones out")
    return found
