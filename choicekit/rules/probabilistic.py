"""Rules that answer with a lottery."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import lotteries
from choicekit.outcomes import TIE_TOLERANCE, Lottery, SampledLottery
from choicekit.profiles import Batch, Margins, Rankings
from choicekit.profiles._columns import frozen
from choicekit.profiles._ranks import Unranked, reading
from choicekit.rules import _games
from choicekit.rules._rule import Floats, rule
from choicekit.rules.condorcet import slack


def _maximal(many: Batch, *, by: _games.By = "margins", unranked: Unranked = "below") -> Floats:
    return _games.solve(_games.games(many.margins(unranked), by))[0]


def _dictatorship(many: Batch, *, unranked: Unranked = "below") -> Floats:
    blank = (many.values < 0).all(2) & (many.weights > 0)
    if reading(unranked) == "below" and blank.any():
        profile, row = np.argwhere(blank)[0]
        among = f" of profile {profile}" if len(many) > 1 else ""
        raise ValueError(
            f"random_dictatorship: needed a first choice on every ballot, got {blank[profile].sum()} ballots that rank "
            f"nothing, the first in row {row}{among}; leave those ballots out, or pass unranked='absent', by which they"
            " say nothing"
        )
    first = many.first_places()
    total = first.sum(-1, keepdims=True)
    if not (total > 0).all():
        raise ValueError("random_dictatorship: needed a ballot that ranks something, got none; there is no dictator")
    drawn: Floats = first / total
    return drawn


def _proportional(scores: Floats) -> Floats:
    """Scores that are at least 0, divided by their sum; all alike where there is nothing to divide."""
    total = scores.sum(-1, keepdims=True)
    shares: Floats = np.where(total > 0, scores / np.where(total > 0, total, 1.0), 1.0 / scores.shape[-1])
    return shares


def _proportional_borda(many: Batch, *, unranked: Unranked = "below") -> Floats:
    points = 0.5 * (many.weights.sum() * (many.values.shape[2] - 1) + many.margins(unranked).sum(-1))
    return _proportional(np.maximum(points, 0.0))


def _copeland_shares(margins: Floats) -> Floats:
    least = slack(margins)
    return _proportional((margins > least).sum(-1) + 0.5 * ((np.abs(margins) <= least).sum(-1) - 1))


def _proportional_copeland(many: Batch, *, unranked: Unranked = "below") -> Floats:
    return _copeland_shares(many.margins(unranked))


def _feasible_shares(many: Batch, unranked: Unranked) -> Floats:
    """The least share that prefers an alternative to another, ``[b, m]``; 1 where there is no other."""
    size = many.values.shape[2]
    if reading(unranked) == "below":
        comparing = np.full((len(many), size, size), many.weights.sum())
    else:
        ranked = (many.values >= 0).astype(np.float64)
        comparing = np.matmul(np.swapaxes(ranked * many.weights[:, None], 1, 2), ranked)
    apart = ~np.eye(size, dtype=np.bool_)
    if (comparing[:, apart] <= 0).any():
        profile, a, b = np.argwhere((comparing <= 0) & apart)[0]
        raise ValueError(
            "population_proportional: needed a share of voters for each pair of alternatives, but in profile "
            f"{profile} no ballot ranks both {a} and {b} (counted from 0), and unranked='absent' takes no other; leave "
            "one of them out, or pass unranked='below'"
        )
    shares = 0.5 + many.margins(unranked) / np.where(apart, 2 * comparing, 1.0)
    least: Floats = np.where(apart, shares, 1.0).min(-1)
    return least


def _population_proportional(many: Batch, *, beta: float = 0.0, unranked: Unranked = "below") -> Floats:
    if not beta >= 0:
        raise ValueError(f"population_proportional: beta: needed a number of at least 0, or infinity, got {beta!r}")
    shares = _feasible_shares(many, unranked)
    most = shares.max(-1, keepdims=True)
    if not (most > 0).all():
        raise ValueError(
            "population_proportional: needed an alternative that some voters prefer to each other one, but every one "
            "is beaten by all who compare it with some other; pass unranked='below', which excludes such cycles"
        )
    if np.isinf(beta):
        return _proportional((shares >= most * (1 - TIE_TOLERANCE)).astype(np.float64))
    return _proportional(shares * np.exp(beta * (shares - most)))


@rule(batch=_maximal)
def maximal_lottery(profile: Margins, *, by: _games.By = "margins") -> Lottery:
    """A lottery that no other lottery is preferred to by a majority in expectation: pᵀM ≥ 0 in every column.

    M are the margins, or, with ``by="majority"``, their signs (ties, up to 1e-9 of the largest margin, are 0). The
    maximal lotteries are the optimal strategies of the symmetric zero-sum game M. ``unique`` says whether there is
    one only, as where all margins are odd integers, which an odd number of strict ballots gives. Where there are
    several, the answer is the one of largest entropy −Σ p log p, of which there is one: it chooses whatever any
    maximal lottery does (see :func:`~choicekit.rules.essential_set`) and does not depend on how alternatives are named.

    A single lottery is computed by elimination on its support, which the simplex method finds, and proved to be
    single: it beats all outside the support, and is the only one level with all inside. Else a linear program finds
    the essential set, and an interior-point method the largest entropy. All answers meet pᵀM ≥ −1e-9 · max|M|;
    raises ``RuntimeError`` where that fails, and ``ValueError`` for another ``by``.

    Source: Kreweras 1965, Fishburn 1984 (doi:10.2307/2297786), uniqueness Laffond, Laslier and Le Breton 1997.

    A cycle, where each gets the margin between the other two:

    >>> votes = Margins([[0, 3, -1], [-3, 0, 5], [1, -5, 0]], "abc")
    >>> maximal_lottery(votes).probabilities.round(6).tolist(), maximal_lottery(votes).unique
    ([0.555556, 0.111111, 0.333333], True)
    >>> maximal_lottery(votes, by="majority").probabilities.round(6).tolist()
    [0.333333, 0.333333, 0.333333]

    Two that tie and beat the third:

    >>> tied = maximal_lottery(Margins([[0, 0, 4], [0, 0, 2], [-4, -2, 0]], "abc"))
    >>> tied.probabilities.round(6).tolist(), tied.unique
    ([0.5, 0.5, 0.0], False)
    """
    strategies, unique, _ = _games.solve(_games.games(profile.values[None], by))
    return Lottery(profile.alternatives, frozen(strategies[0]), bool(unique[0]))


@rule(batch=_dictatorship)
def random_dictatorship(profile: Rankings, *, unranked: Unranked = "below") -> Lottery:
    """The first choice of a voter drawn with probability proportional to weight.

    p(a) = Σ_i w_i [a is first on ballot i] / (how many are tied for first on it) / Σ_i w_i. Raises ``ValueError`` for
    ballots that rank nothing, which have no first choice to draw; under ``unranked="absent"`` those are left out, and
    one that ranks something is needed. For ties resolved by further voters see :func:`random_serial_dictatorship`.

    Source: Gibbard 1977 (doi:10.2307/1911681).

    >>> random_dictatorship(Rankings.from_orders({"abc": 2, "bca": 1, "cab": 1})).probabilities.tolist()
    [0.5, 0.25, 0.25]
    """
    shares = _dictatorship(Batch(profile._ranks[None], profile.weights), unranked=unranked)[0]
    return Lottery(profile.alternatives, frozen(shares))


@rule
def random_serial_dictatorship(profile: Rankings, *, budget: int = 20_000, unranked: Unranked = "below") -> Lottery:
    """Voters in random order, each of whom keeps what it likes best of what the voters before it left.

    The next voter is drawn in proportion to weight among those not yet drawn, which for whole-number weights is a
    random order of that many single voters. What all voters are indifferent about in the end is shared equally. Under
    ``unranked="absent"`` a voter keeps what it ranks nothing above: its best ranked and all it does not rank. On
    strict ballots the first voter decides, and this is :func:`random_dictatorship`.

    The probabilities are exact: what happens next depends only on the set that is left, since a voter who has chosen
    is indifferent in all that follows, so that

    p(S) = Σ_i w_i p(what i keeps of S) / Σ_i w_i over the voters i who do not keep all of S.

    How many sets S can occur may grow exponentially, and to compute the probabilities is #P-complete. Raises
    ``RuntimeError`` where there are more than ``budget``; :func:`sampled_serial_dictatorship` has no such limit.

    Source: Aziz, Brandt and Brill 2013 (arXiv:1304.3169), the sets Aziz and Mestre 2014 (arXiv:1403.0974).

    One voter likes a and b alike, the other b and c:

    >>> random_serial_dictatorship(Rankings.from_orders([[{"a", "b"}, "c"], [{"b", "c"}, "a"]])).probabilities.tolist()
    [0.0, 1.0, 0.0]
    """
    if budget < 1:
        raise ValueError(f"random_serial_dictatorship: budget: needed a number of sets of at least 1, got {budget!r}")
    ballots, weights = _voting(profile)
    size = ballots.shape[1]
    absent = reading(unranked) == "absent"
    shares = np.zeros(size)
    # How likely a set is to be left at some time, by how many it holds; smaller sets come after larger ones.
    waiting: list[dict[bytes, float]] = [{} for _ in range(size + 1)]
    waiting[size][np.ones(size, np.bool_).tobytes()] = 1.0
    met = 1
    for many in range(size, 0, -1):
        for key, chance in waiting[many].items():
            left = np.frombuffer(key, np.bool_)
            kept, parts = _kept(ballots, weights, left, absent)
            if not len(kept):
                shares[left] += chance / many
            for row, part in zip(kept, chance * parts, strict=True):
                after = waiting[int(row.sum())]
                met += row.tobytes() not in after
                after[row.tobytes()] = after.get(row.tobytes(), 0.0) + float(part)
            if met > budget:
                raise RuntimeError(
                    f"random_serial_dictatorship: more than {budget} different sets of alternatives can be left on the "
                    "way; raise the budget, or estimate the probabilities by sampled_serial_dictatorship"
                )
        waiting[many].clear()
    return Lottery(profile.alternatives, frozen(shares / shares.sum()))


def _voting(profile: Rankings) -> tuple[NDArray[np.int64], Floats]:
    """The different ballots of voters that count, and their weights."""
    counted = profile.weights > 0
    ballots, which = np.unique(profile.ranks[counted], axis=0, return_inverse=True)
    weights: Floats = np.bincount(which.ravel(), profile.weights[counted], len(ballots)).astype(np.float64)
    return ballots, weights


def _kept(
    ballots: NDArray[np.int64], weights: Floats, left: NDArray[np.bool_], absent: bool
) -> tuple[NDArray[np.bool_], Floats]:
    """The different sets ``[k, m]`` that voters who are not indifferent keep, and how large a share keeps each."""
    low = np.iinfo(np.int64).max
    place = np.where((ballots >= 0) & left, ballots, low)
    best = place.min(1, keepdims=True)
    keep = left & ((place == best) | (absent & (ballots < 0)))
    decided = (keep != left).any(1)
    if not decided.any():
        return np.zeros((0, len(left)), np.bool_), np.zeros(0)
    bits, which = np.unique(np.packbits(keep[decided], axis=1), axis=0, return_inverse=True)
    parts = np.bincount(which.ravel(), weights[decided], len(bits))
    sets = np.unpackbits(bits, axis=1, count=len(left)).astype(np.bool_)
    return sets, parts / parts.sum()


@rule
def sampled_serial_dictatorship(
    profile: Rankings, *, rng: int | np.random.Generator, draws: int = 10_000, unranked: Unranked = "below"
) -> SampledLottery:
    """:func:`random_serial_dictatorship` estimated by drawing orders of the voters, with standard errors.

    p(a) is the mean over draws of a's share in what is left (1 / how many, if it is left), its standard error the
    standard deviation of those shares divided by √draws. Raises ``ValueError`` for fewer than 2 draws.

    >>> votes = Rankings.from_orders([[{"a", "b"}, "c"], [{"b", "c"}, "a"]])
    >>> sampled_serial_dictatorship(votes, rng=0, draws=50).probabilities.tolist()
    [0.0, 1.0, 0.0]
    """
    if draws < 2:
        raise ValueError(f"sampled_serial_dictatorship: draws: needed at least 2, got {draws!r}")
    ballots, weights = _voting(profile)
    absent = reading(unranked) == "absent"
    total, squares = lotteries.serial_dictators(
        ballots, np.cumsum(weights), absent, int(draws), np.random.default_rng(rng)
    )
    mean = total / total.sum()
    variance = np.maximum(squares / draws - mean**2, 0.0) / (draws - 1)
    return SampledLottery(
        profile.alternatives, frozen(mean), standard_errors=frozen(np.sqrt(variance)), draws=int(draws)
    )


@rule(batch=_proportional_borda)
def proportional_borda(profile: Rankings, *, unranked: Unranked = "below") -> Lottery:
    """Each alternative with a probability proportional to its Borda points.

    p(a) ∝ Σ_i w_i (|{b below a on ballot i}| + ½ |{b ≠ a not compared with a, or level with it, on ballot i}|). A
    single alternative has probability 1.

    Source: Barberà 1979 (Review of Economic Studies 46), Heckelman 2003 (Social Choice and Welfare 21).

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})      # 8, 7 and 6 points
    >>> proportional_borda(votes).probabilities.round(6).tolist()
    [0.380952, 0.333333, 0.285714]
    """
    shares = _proportional_borda(Batch(profile._ranks[None], profile.weights), unranked=unranked)[0]
    return Lottery(profile.alternatives, frozen(shares))


@rule(batch=_proportional_copeland)
def proportional_copeland(profile: Margins) -> Lottery:
    """Each alternative with a probability proportional to its Copeland score.

    p(a) ∝ |{b : M(a, b) > 0}| + ½ |{b ≠ a : M(a, b) = 0}|; margins within 1e-9 of the largest count as zero. A single
    alternative has probability 1.

    Source: Barberà 1979 (Review of Economic Studies 46).

    >>> proportional_copeland(Margins([[0, 1, 4], [-1, 0, 2], [-4, -2, 0]], "abc")).probabilities.round(6).tolist()
    [0.666667, 0.333333, 0.0]
    """
    return Lottery(profile.alternatives, frozen(_copeland_shares(profile.values)))


@rule(batch=_population_proportional)
def population_proportional(profile: Rankings, *, beta: float = 0.0, unranked: Unranked = "below") -> Lottery:
    """Each alternative in proportion to the largest share of voters that may have it as their first choice.

    u(a) = min over b ≠ a of P(a, b), where P(a, b) is the share of voters who prefer a to b, those who are
    indifferent counting half for each; p(a) ∝ u(a) exp(β u(a)). No more than u(a) of the voters can have a first, by
    what pairwise comparisons tell. β = 0 is proportional, larger β favours the largest shares, and ``beta=inf`` leaves
    those alone, alike where they tie: the alternatives whose worst pairwise share is best.

    Under ``unranked="absent"`` P(a, b) is the share among the ballots that rank both. Raises ``ValueError`` where no
    ballot does, for a negative β, and where all u are 0, which only ballots that each compare other pairs can bring
    about.

    Source: Kim, Zhang, Ozdaglar and Parrilo 2025 (arXiv:2506.05619).

    >>> votes = Rankings.from_orders({"rgb": 2, "brg": 3})      # u = 0.4 for r, 0.6 for b, 0 for g
    >>> population_proportional(votes).probabilities.round(4).tolist()
    [0.6, 0.0, 0.4]
    >>> population_proportional(votes, beta=10).probabilities.round(4).tolist()
    [0.9172, 0.0, 0.0828]
    """
    many = Batch(profile._ranks[None], profile.weights)
    return Lottery(profile.alternatives, frozen(_population_proportional(many, beta=beta, unranked=unranked)[0]))
