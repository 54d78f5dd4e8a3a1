"""Which answers are rated well across a divide: a factorisation whose intercepts are what the divide leaves over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import graphs, solvers
from choicekit.kernels import bridging as kernels
from choicekit.outcomes import NotConverged
from choicekit.profiles._columns import Label, encode, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Ratings(NamedTuple):
    """Ratings sorted by voter, and what is paid for the size of parameters."""

    start: Ints
    item: Ints
    rating: Floats
    counts: Floats  # ratings of each alternative
    on_intercepts: float
    on_factors: float


@dataclass(frozen=True, eq=False)
class Bridging:
    """The fitted factorisation of ratings, μ + i_u + i_n + f_u·f_n.

    ``scores[a]`` are the alternatives' intercepts i_n: how much better than the mean an alternative is rated once
    the match of its factors and its raters' is accounted for, in the units of the ratings. ``factors[a, k]`` are f_n,
    ``voter_intercepts[v]`` and ``voter_factors[v, k]`` i_u and f_u, ``mean`` is μ, ``counts[a]`` the ratings of each
    alternative. ``objective`` is the penalised sum of squares, ``objectives`` where each start ended (different values
    are different local minima), ``gradient`` the largest slope in absolute value by any parameter, and ``residual``
    the largest slope divided by twice the ratings it sums and the penalty: about the step that is left.

    >>> found = bridging_scores([0, 0, 1, 1], ["a", "b", "a", "b"], [1, 1, 1, 0])
    >>> found.alternatives, bool(found.scores[0] > found.scores[1])
    (('a', 'b'), True)
    """

    alternatives: tuple[Label, ...]
    voters: tuple[Label, ...]
    scores: Floats
    factors: Floats
    voter_intercepts: Floats
    voter_factors: Floats
    mean: float
    counts: Floats
    objective: float
    objectives: tuple[float, ...]
    gradient: float
    residual: float
    iterations: int
    _ratings: _Ratings

    def helpful(self, threshold: float = 0.40, least: int = 5) -> tuple[Label, ...]:
        """The alternatives with a score of at least ``threshold`` and at least ``least`` ratings, best first.

        The defaults are those that Community Notes' documentation states for ratings of 1 (helpful), ½ and 0. They are
        conventions of that service and of its amount of data, not a test of anything.

        >>> who, what, liked = zip(*[(v, a, a == "x" or v < 6) for v in range(12) for a in "xy"], strict=True)
        >>> bridging_scores(who, what, liked).helpful(0.05, least=10)
        ('x',)
        """
        order = np.argsort(-self.scores, kind="stable")
        kept = order[(self.scores[order] >= threshold) & (self.counts[order] >= least)]
        return tuple(self.alternatives[a] for a in kept.tolist())

    def interval(
        self, level: float = 0.95, *, replicates: int = 200, rng: int | np.random.Generator = 0
    ) -> Floats:  # fmt: skip
        """Percentile intervals ``[a, 2]`` of the scores over voters drawn with replacement, each with all ratings.

        Each refit starts at this fit, so that other local minima are not looked for. Where alternatives have few
        raters the intervals are too short: the penalty draws every replicate to 0 as it does the fit. Raises
        ``ValueError`` for a level outside (0, 1) or fewer than two replicates, and ``NotConverged``.

        >>> who, what, liked = zip(*[(v, a, a == "x" or v < 6) for v in range(12) for a in "xy"], strict=True)
        >>> ends = bridging_scores(who, what, liked).interval(0.9, replicates=20)
        >>> bool(ends[0, 0] > ends[1, 1])
        True
        """
        if not 0 < level < 1 or replicates < 2:
            raise ValueError(
                f"interval: needed a level between 0 and 1 and 2 replicates or more, got {level} and {replicates}"
            )
        generator, size = np.random.default_rng(rng), len(self.voters)
        begin = np.column_stack([self.scores, self.factors])
        drawn = np.empty((replicates, len(self.scores)))
        for b in range(replicates):
            times = np.asarray(generator.multinomial(size, np.full(size, 1 / size)), np.float64)
            drawn[b] = _minimum(self._ratings, times, self.mean, begin, 1e-5, 500).items[:, 0]
        ends: Floats = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0).T
        return ends


def bridging_scores(
    voter: Iterable[Any],
    alternative: Iterable[Any],
    rating: ArrayLike,
    *,
    factors: int = 1,
    intercept_penalty: float = 0.15,
    factor_penalty: float = 0.03,
    starts: int = 4,
    tolerance: float = 1e-5,
    limit: int = 2_000,
    rng: int | np.random.Generator = 0,
) -> Bridging:
    """How well alternatives are rated beyond what shared viewpoints explain: the intercepts of a factorisation.

    Rating r of voter u and alternative n is predicted as μ + i_u + i_n + f_u·f_n, and the parameters minimise

        Σ (r − prediction)² + λ_i (μ² + Σ_u i_u² + Σ_n i_n²) + λ_f (Σ_u ‖f_u‖² + Σ_n ‖f_n‖²)

    with each penalty paid once for a parameter. Since λ_i is larger than λ_f, ratings are explained by viewpoints
    where that is possible: of two alternatives with the same approval, the one liked at both ends of a divide has the
    higher intercept (in drawn electorates of two poles, where four or more other alternatives show the divide). An
    alternative that nearly all of a large pole like can still come before one that two thirds of everybody like.

    ``voter``, ``alternative`` and ``rating`` are columns, one row a rating; ratings are finite numbers, 0 to 1 where
    the scores are to be compared with Community Notes' (agree 1, pass ½, disagree 0). A pair rated twice counts twice.
    For given parameters of the alternatives each voter's are a small linear system; what remains is minimised by
    L-BFGS from ``starts`` points: without factors plus the leading directions of what is left over, then drawn ones
    (``rng``). The problem is not convex: the best end found is returned, and no proof that there is no better.
    Factors are balanced (ΣF_uᵀF_u = ΣF_nᵀF_n holds at every minimum), turned to their principal axes, the widest first,
    and signed so that the largest |f_n| of each axis is positive. Raises ``ValueError`` for columns of different
    length, ratings that are not finite, no ratings, penalties that are not positive, or fewer than one start or
    factor; ``NotConverged`` where no start meets ``tolerance`` (see :class:`Bridging`.residual).

    Source: the documentation of Community Notes, *Note ranking algorithm* (model, penalties and threshold as stated
    there; the service also filters raters, runs several models, and changes them: its scores are not these); Wojcik et
    al. 2022, arXiv:2210.15723. Variable projection: Golub and Pereyra 1973 (doi:10.1137/0710036).

    Eight voters like a and b, four like a and c: a bridges, b has most approval of the two others.

    >>> rows = [(v, n, n == "a" or (n == "b") == (v < 8)) for v in range(12) for n in "abc"]
    >>> found = bridging_scores(*zip(*rows, strict=True))
    >>> [found.alternatives[a] for a in np.argsort(-found.scores)], found.helpful(0.1)
    (['a', 'b', 'c'], ('a',))
    """
    if factors < 1 or starts < 1 or not (intercept_penalty > 0 and factor_penalty > 0):
        raise ValueError(
            "bridging_scores: needed at least one factor, at least one start and positive penalties, got "
            f"factors={factors}, starts={starts}, penalties {intercept_penalty} and {factor_penalty}"
        )
    who, voters = encode("voter", voter)
    what, alternatives = encode("alternative", alternative)
    values = np.array(rating, np.float64)
    if values.ndim != 1 or not len(who) == len(what) == len(values) or not len(values):
        raise ValueError(
            f"bridging_scores: needed three columns of one length, got {len(who)}, {len(what)} and shape {values.shape}"
        )
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"bridging_scores: ratings must be finite, row {row} is {values[row]}; leave such rows out")
    order = np.argsort(who, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(who, minlength=len(voters)))])
    counts = np.asarray(np.bincount(what, minlength=len(alternatives)), np.float64)
    ratings = _Ratings(start, what[order], values[order], counts, float(intercept_penalty), float(factor_penalty))
    ends = _from_all(ratings, factors, starts, tolerance, limit, np.random.default_rng(rng))
    best = min(ends, key=lambda end: end.value)
    found = _result(ratings, best, alternatives, voters, tuple(end.value for end in ends))
    if not best.residual <= tolerance:
        raise NotConverged(f"bridging_scores: residual {best.residual:.1e}; raise limit or tolerance", found)
    return found


class _End(NamedTuple):
    """Where one start ended."""

    value: float
    mean: float
    items: Floats
    residual: float
    iterations: int


def _minimum(ratings: _Ratings, times: Floats, mean: float, items: Floats, tolerance: float, limit: int) -> _End:
    """L-BFGS over the mean and the alternatives' parameters, each in units of how much is known of it."""
    penalties = np.r_[ratings.on_intercepts, np.full(items.shape[1] - 1, ratings.on_factors)]
    scale = np.r_[ratings.on_intercepts + len(ratings.item), (ratings.counts[:, None] + penalties).ravel()]
    root = np.sqrt(scale)

    def slopes(point: Floats) -> tuple[float, Floats]:
        at = point / root
        value, _, by_mean, by_items = kernels.eliminated(
            ratings.start, ratings.item, ratings.rating, times, at[0], at[1:].reshape(items.shape),
            ratings.on_intercepts, ratings.on_factors,
        )  # fmt: skip
        return value, np.r_[by_mean, by_items.ravel()] / root

    point, steps, residual, value = np.r_[mean, items.ravel()] * root, 0, np.inf, np.inf
    for _ in range(4):  # a search that rounding ended goes on without its memory
        found = solvers.minimise(slopes, point, tolerance=2 * tolerance * float(root.min()), limit=limit - steps)
        point, steps, value = found.point, steps + found.steps, found.value
        residual = float(np.abs(slopes(point)[1] / root).max()) / 2
        if residual <= tolerance or steps >= limit:
            break
    at = point / root
    return _End(value, float(at[0]), at[1:].reshape(items.shape), residual, steps)


def _from_all(
    ratings: _Ratings, factors: int, starts: int, tolerance: float, limit: int, rng: np.random.Generator
) -> list[_End]:
    size, once = len(ratings.counts), np.ones(len(ratings.start) - 1)
    flat = _minimum(ratings, once, float(ratings.rating.mean()), np.zeros((size, 1)), 1e-4, limit)
    ends = []
    for number in range(starts):
        drawn = rng.normal(size=(size, factors))
        begin = _leading(ratings, flat, drawn) if number == 0 else drawn * np.sqrt(rng.uniform(0.05, 0.5))
        ends.append(_minimum(ratings, once, flat.mean, np.column_stack([flat.items, begin]), tolerance, limit))
    return ends


def _leading(ratings: _Ratings, flat: _End, drawn: Floats) -> Floats:
    """The leading right singular vectors of what the intercepts leave over, by subspace iteration, to scale."""
    _, own, _, _ = kernels.eliminated(
        ratings.start, ratings.item, ratings.rating, np.ones(len(ratings.start) - 1), flat.mean, flat.items,
        ratings.on_intercepts, ratings.on_factors,
    )  # fmt: skip
    who = np.repeat(np.arange(len(own)), np.diff(ratings.start))
    left = ratings.rating - flat.mean - own[who, 0] - flat.items[ratings.item, 0]
    matrix = graphs.sparse(who, ratings.item, left, (len(own), len(flat.items)))
    basis = np.zeros(drawn.shape)
    basis[:, : min(drawn.shape)], sizes = np.linalg.qr(drawn)[0], np.zeros(drawn.shape[1])
    for _ in range(30):
        image = matrix.T @ (matrix @ basis)
        vectors, triangle = np.linalg.qr(image)
        basis[:, : vectors.shape[1]] = vectors
        sizes[: len(triangle)] = np.sqrt(np.abs(np.diag(triangle)))
    scaled: Floats = basis * np.sqrt(np.maximum(sizes - ratings.on_factors, 1e-3))
    return scaled


def _result(
    ratings: _Ratings, end: _End, alternatives: tuple[Label, ...], voters: tuple[Label, ...], values: tuple[float, ...]
) -> Bridging:
    """The parameters in the stated gauge, with the slopes there."""
    turn = np.linalg.eigh(end.items[:, 1:].T @ end.items[:, 1:])[1][:, ::-1]
    turned = end.items[:, 1:] @ turn
    turned *= np.where(turned[np.abs(turned).argmax(0), np.arange(turned.shape[1])] < 0, -1.0, 1.0)
    items = np.ascontiguousarray(np.column_stack([end.items[:, 0], turned]))
    value, own, by_mean, by_items = kernels.eliminated(
        ratings.start, ratings.item, ratings.rating, np.ones(len(voters)), end.mean, items, ratings.on_intercepts,
        ratings.on_factors,
    )  # fmt: skip
    return Bridging(
        alternatives=alternatives, voters=voters, scores=frozen(items[:, 0].copy()), factors=frozen(items[:, 1:]),
        voter_intercepts=frozen(own[:, 0].copy()), voter_factors=frozen(own[:, 1:]), mean=end.mean,
        counts=frozen(ratings.counts), objective=value, objectives=values,
        gradient=max(abs(by_mean), float(np.abs(by_items).max())), residual=end.residual, iterations=end.iterations,
        _ratings=ratings,
    )  # fmt: skip
