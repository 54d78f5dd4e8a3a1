"""Jury pluralism: what a jury of people together makes of a model's answers, and what a drawn jury would say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._shares import Floats, finite, resampled
from choicekit.alignment._tabular import distribution, normalised
from choicekit.alignment.distances import Distribution
from choicekit.profiles._columns import Column, Label, encode, short
from choicekit.welfare import power_mean, utilitarian

#: A welfare function: utilities ``[..., n, m]`` to ``[..., m]``, such as those of :mod:`choicekit.welfare`.
Welfare = Callable[[Floats], Floats]
#: What a jury says whose members vote ``[..., seat]``: ``[...]``.
Verdict = Callable[[Floats], Floats]

# How many numbers a block of juries or contexts may hold at once.
_BLOCK = 4_000_000


@dataclass(frozen=True, eq=False)
class JuryScore:
    """What a jury makes of a model's answers, in the units of the welfare function.

    ``after[x]`` is the expected welfare of the answer that is given, E_y w(u_1(y), …, u_j(y)); ``before[x]`` the
    welfare of what each juror expects, w(E_y u_1, …, E_y u_j). A model that pleases jurors by turns has a high welfare
    before and a low one after; for the utilitarian mean the two are equal, for concave welfare before is at least
    after. ``context_weights[x]`` sum to 1.

    >>> from choicekit.welfare import egalitarian
    >>> found = jury_score([[[1, 0], [0, 1]]], [[0.5, 0.5]], welfare=egalitarian)      # each is pleased half the time
    >>> found.after.tolist(), found.before.tolist(), found.mean
    ([0.0], [0.5], 0.0)
    """

    after: Floats
    before: Floats
    context_weights: Floats

    @property
    def mean(self) -> float:
        """The jury score: the mean of ``after`` over contexts.

        >>> jury_score([[[1.0], [3.0]], [[2.0], [2.0]]]).mean
        2.0
        """
        return float(self.context_weights @ self.after)

    def interval(self, level: float = 0.95, *, draws: int = 1000, rng: int | np.random.Generator = 0) -> Floats:
        """A percentile bootstrap interval ``[2]`` of the mean, contexts drawn anew with replacement.

        >>> jury_score([[[1.0], [3.0]], [[2.0], [2.0]]]).interval().tolist()
        [2.0, 2.0]
        """
        return resampled(self.after, self.context_weights, level, draws, rng)


def jury_score(
    ratings: ArrayLike,
    policy: Distribution | None = None,
    *,
    welfare: Welfare = utilitarian,
    context_weights: ArrayLike | None = None,
) -> JuryScore:
    """The welfare of a jury under a model's answers, E_x w(j_1(x, M(x)), …, j_n(x, M(x))).

    ``ratings[x, j, m]`` is what juror j makes of answer y to prompt x; ``policy[x, m]`` how likely the model is to give
    it. Without a policy the m answers are draws from the model, each as likely: ``ratings[x, j, 1]`` for one answer a
    prompt. ``welfare`` is any function of utilities ``[..., n, m]``, as those of :mod:`choicekit.welfare`; weigh jurors
    by ``lambda u: utilitarian(u, weights)``. ``context_weights[x]`` default to equal. Answers that the model never
    gives do not count, whatever their welfare.

    Source: Sorensen et al. 2024, arXiv:2402.05070 (jury-pluralistic benchmarks).

    >>> from choicekit.welfare import egalitarian
    >>> ratings = [[[5, 3], [1, 3]], [[4, 2], [4, 2]]]      # two prompts, two jurors, two answers
    >>> jury_score(ratings).mean, jury_score(ratings, welfare=egalitarian).mean
    (3.0, 2.5)
    """
    values, chances = _rated(ratings, policy)
    each = np.asarray(welfare(values), np.float64)
    expected = np.asarray(welfare(np.einsum("xjm,xm->xj", values, chances)[..., None]), np.float64)
    if each.shape != chances.shape or expected.shape != (len(chances), 1):
        raise ValueError(
            f"welfare: must take utilities [..., n, m] and give [..., m], but gave shape {each.shape} "
            f"for {values.shape}"
        )
    after = (np.where(chances > 0, each, 0.0) * chances).sum(-1)
    return JuryScore(after, expected[:, 0], normalised(context_weights, len(values)))


@dataclass(frozen=True, eq=False)
class WelfareCurve:
    """Jury scores for a whole family of welfare functions, the power means from the worst-off juror to the mean.

    ``after[p]`` and ``before[p]`` are the means over contexts of a :class:`JuryScore` with the power mean of exponent
    ``exponents[p]``. Both rise with the exponent; how steeply says how unequally jurors fare.

    >>> curve = welfare_curve([[[4.0], [1.0]]], exponents=(-np.inf, 0, 1))
    >>> curve.after.round(6).tolist()
    [1.0, 2.0, 2.5]
    """

    exponents: Floats
    after: Floats
    before: Floats


def welfare_curve(
    ratings: ArrayLike,
    policy: Distribution | None = None,
    *,
    exponents: ArrayLike = (-np.inf, -2.0, -1.0, 0.0, 0.5, 1.0),
    weights: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
) -> WelfareCurve:
    """The jury score under every power mean asked for: −∞ is the worst-off juror, 0 Nash's, 1 the utilitarian mean.

    Arguments as for :func:`jury_score`; ``weights[j]`` weigh jurors (default equal). Exponents other than 1 and ±∞
    need ratings of at least 0, and the curve depends on where the zero of the ratings is.

    Source: the family of Atkinson 1970 (doi:10.1016/0022-0531(70)90039-6).

    >>> curve = welfare_curve([[[1, 0], [0, 1]]], [0.5, 0.5], exponents=(-np.inf, 1))
    >>> curve.after.tolist(), curve.before.tolist()
    ([0.0, 0.5], [0.5, 0.5])
    """
    powers = np.atleast_1d(np.array(exponents, np.float64))
    found = [
        jury_score(
            ratings, policy, welfare=lambda u, p=float(power): power_mean(u, p, weights),  # type: ignore[misc]
            context_weights=context_weights,
        )
        for power in powers
    ]  # fmt: skip
    before = np.array([float(score.context_weights @ score.before) for score in found])
    return WelfareCurve(powers, np.array([score.mean for score in found]), before)


def median_verdict(votes: Floats) -> Floats:
    """The median of the jurors' votes ``[..., seat]``; of votes 0 and 1 the majority, ½ where they are level.

    >>> median_verdict(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    middle: Floats = np.median(votes, axis=-1)
    return middle


def expected_verdict(votes: ArrayLike, groups: Column, seats: Mapping[Label, int]) -> NDArray[np.float64]:
    """The expected median verdict of a jury drawn from a pool with so many seats for each group, exactly.

    The jury has ``seats[g]`` members of group g, drawn without replacement and each set as likely. With votes 0 and 1
    it is the chance that the majority says 1, level juries counting half. The distribution of an order statistic
    follows from how many jurors vote no more than a number, a sum of independent hypergeometric counts; a jury of even
    size has the mean of its two middle ones. No jury is listed, so the pool may be large.

    ``votes[..., n]`` of the pool's members, ``groups[n]`` their labels; gives ``[...]``. Raises ``ValueError`` for a
    group that has fewer members than seats.

    Source: jury verdicts as in Gordon et al. 2022 (doi:10.1145/3491102.3502004), who draw juries.

    >>> expected_verdict([1, 1, 0, 0, 0], list("aabbb"), {"a": 2, "b": 1}).item()      # both of a are on every jury
    1.0
    >>> round(expected_verdict([1, 0, 1, 0, 0], list("aabbb"), {"a": 1, "b": 2}).item(), 6)      # ½·⅔
    0.333333
    """
    pool, codes, places = _pool(votes, groups, seats)
    size = int(places.sum())
    flat = pool.reshape(-1, pool.shape[-1])
    tables = [_hypergeometric(int((codes == g).sum()), int(k)) for g, k in enumerate(places)]
    middle = sorted({(size + 1) // 2, size // 2 + 1})
    found = np.empty(len(flat))
    step = max(1, _BLOCK // ((pool.shape[-1] + 1) * (size + 1)))
    for start in range(0, len(flat), step):
        block = flat[start : start + step]
        order = np.argsort(block, axis=-1, kind="stable")
        rising, counts = np.take_along_axis(block, order, -1), np.ones((*block.shape, 1))
        for group, table in enumerate(tables):
            lower = np.cumsum(codes[order] == group, axis=-1)
            counts = _convolved(counts, table[lower])
        # the chance that the r-th smallest vote of the jury is among the first i of the pool
        upto = counts[..., ::-1].cumsum(-1)[..., ::-1][..., middle].mean(-1)
        found[start : start + step] = (rising * np.diff(upto, axis=-1, prepend=0.0)).sum(-1)
    return found.reshape(pool.shape[:-1])


@dataclass(frozen=True, eq=False)
class JuryVerdict:
    """What drawn juries say: ``mean[...]`` over juries, ``deviation[...]`` between juries, ``draws`` of them.

    >>> found = sampled_verdict([3.0, 3.0, 3.0], ["a", "a", "b"], {"a": 1, "b": 1}, draws=10)
    >>> found.mean.item(), found.deviation.item(), found.interval().tolist()
    (3.0, 0.0, [3.0, 3.0])
    """

    mean: Floats
    deviation: Floats
    draws: int

    def interval(self, level: float = 0.95) -> Floats:
        """An interval ``[..., 2]`` for the expected verdict, mean ± z·deviation/√draws.

        It says how well the draws determine the expectation over juries from this pool, not how the verdict would
        vary with another pool; near an expectation of 0 or 1 it is too narrow.

        >>> sampled_verdict([1.0, 0.0], ["a", "a"], {"a": 1}, draws=400).interval().round(1).tolist()
        [0.4, 0.5]
        """
        from scipy.special import ndtri

        if not 0 < level < 1:
            raise ValueError(f"level: needed a number between 0 and 1, got {level!r}")
        reach = float(ndtri((1 + level) / 2)) * self.deviation / np.sqrt(self.draws)
        return np.stack([self.mean - reach, self.mean + reach], axis=-1)


def sampled_verdict(
    votes: ArrayLike,
    groups: Column,
    seats: Mapping[Label, int],
    *,
    verdict: Verdict = median_verdict,
    draws: int = 1000,
    rng: int | np.random.Generator = 0,
) -> JuryVerdict:
    """The mean verdict of juries drawn from a pool with so many seats for each group, for any way of deciding.

    Each jury has ``seats[g]`` members of group g, drawn without replacement, and judges every context.
    ``votes[..., n]``, ``groups[n]``; ``verdict`` takes votes ``[..., seat]`` (seats of one group side by side, groups
    in sorted order) and gives ``[...]``. For medians and majorities :func:`expected_verdict` is exact.

    Source: Gordon et al. 2022 (doi:10.1145/3491102.3502004).

    >>> unanimous = lambda votes: votes.min(-1)
    >>> found = sampled_verdict([1, 1, 1, 0], list("aabb"), {"a": 2, "b": 1}, verdict=unanimous)
    >>> bool(abs(found.mean - 0.5) < 0.06)
    True
    """
    pool, codes, places = _pool(votes, groups, seats)
    if draws < 2:
        raise ValueError(f"draws: needed at least 2 juries, got {draws!r}")
    flat, generator = pool.reshape(-1, pool.shape[-1]), np.random.default_rng(rng)
    size = int(places.sum())
    step = max(1, _BLOCK // (size * len(flat) + pool.shape[-1]))
    level = flat.mean(-1)
    sums, squares = np.zeros((2, len(flat)))
    for start in range(0, draws, step):
        juries = []
        for group, seated in enumerate(places):
            members = np.flatnonzero(codes == group)
            drawn = np.argsort(generator.random((min(step, draws - start), len(members))), axis=-1)[:, :seated]
            juries.append(members[drawn])
        said = np.asarray(verdict(flat[:, np.concatenate(juries, axis=-1)]), np.float64)
        if said.shape != (len(flat), len(juries[0])):
            raise ValueError(f"verdict: must take votes [..., seat] and give [...], but gave shape {said.shape}")
        away = said - level[:, None]
        sums += away.sum(-1)
        squares += (away**2).sum(-1)
    variance = np.maximum(squares - sums**2 / draws, 0.0) / (draws - 1)
    shape = pool.shape[:-1]
    return JuryVerdict((level + sums / draws).reshape(shape), np.sqrt(variance).reshape(shape), draws)


def _rated(ratings: ArrayLike, policy: Distribution | None) -> tuple[Floats, Floats]:
    """Ratings ``[x, j, m]`` and chances ``[x, m]``."""
    values = finite("ratings", ratings, "[x, j, m]", 3)
    if values.ndim != 3:
        raise ValueError(f"ratings: needed [x, j, m] (prompts, jurors, answers), got shape {values.shape}")
    shape = values.shape[0], values.shape[2]
    if policy is None:
        return values, np.full(shape, 1 / shape[1])
    chances = distribution("policy", policy)
    if chances.shape not in (shape, shape[1:]):
        raise ValueError(f"policy: needed shape {shape}, one row a prompt, got {chances.shape}")
    return values, np.broadcast_to(chances, shape)


def _pool(
    votes: ArrayLike, groups: Column, seats: Mapping[Label, int]
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Votes ``[..., n]``, each member's group, each group's seats."""
    pool = finite("votes", votes, "[..., n]", 1)
    codes, labels = encode("groups", groups)
    if len(codes) != pool.shape[-1]:
        raise ValueError(f"groups: needed one label for each of {pool.shape[-1]} members of the pool, got {len(codes)}")
    unknown = [label for label in seats if label not in labels]
    if unknown:
        raise ValueError(f"seats: {short(unknown)} in no row of groups; the groups are {short(labels)}")
    wanted = [seats.get(label, 0) for label in labels]
    if any(int(seated) != seated or seated < 0 for seated in wanted) or sum(wanted) < 1:
        raise ValueError(f"seats: needed whole numbers of at least 0, not all 0, got {dict(seats)!r}")
    for group, (label, seated) in enumerate(zip(labels, wanted, strict=True)):
        if seated > (members := int((codes == group).sum())):
            raise ValueError(f"seats: {seated} for group {label!r}, which has {members} members; take fewer")
    return pool, codes, np.array(wanted, np.int64)


def _hypergeometric(members: int, seated: int) -> Floats:
    """The chance that s of the seats go to the K marked members, ``[K, s]``."""
    whole = math.comb(members, seated)
    return np.array([
        [math.comb(marked, s) * math.comb(members - marked, seated - s) / whole for s in range(seated + 1)]
        for marked in range(members + 1)
    ])  # fmt: skip


def _convolved(first: Floats, second: Floats) -> Floats:
    """The distribution of the sum of two independent counts, along the last axis."""
    wide, narrow = first.shape[-1], second.shape[-1]
    found = np.zeros((*first.shape[:-1], wide + narrow - 1))
    for s in range(narrow):
        found[..., s : s + wide] += first * second[..., s : s + 1]
    return found
