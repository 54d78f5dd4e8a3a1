"""How often a model predicts each person: accuracy by person, by group and for whom it is worst, with what is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.profiles._columns import Label, encode, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interval = Literal["wilson", "clopper_pearson"]


def share_interval(
    hits: ArrayLike, trials: ArrayLike, level: float | Floats = 0.95, *, method: Interval = "wilson"
) -> Floats:
    """An interval for a probability from how often something happened, ``[..., 2]``.

    ``hits[...]`` of ``trials[...]`` independent trials. ``"wilson"`` inverts the score test: near the level on
    average, sometimes below it. ``"clopper_pearson"`` is never below it and is wide where trials are few. Without
    trials the interval is (0, 1). Hits that are not whole (a tie as half a hit) are taken as they are, which is no
    longer exact, and cautious, since such trials vary less.

    Raises ``ValueError`` for hits outside 0 … trials, a level outside (0, 1) or an unknown method.

    Source: Wilson 1927 (doi:10.1080/01621459.1927.10502953); Clopper and Pearson 1934 (doi:10.1093/biomet/26.4.404).

    >>> share_interval(3, 4).round(3).tolist(), share_interval(3, 4, method="clopper_pearson").round(3).tolist()
    ([0.301, 0.954], [0.194, 0.994])
    """
    found, of = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(trials, np.float64))
    if not (np.isfinite(of).all() and (found >= 0).all() and (found <= of).all()):
        raise ValueError("share_interval: hits must be between 0 and trials, and trials finite")
    if not 0 < float(np.min(level)) <= float(np.max(level)) < 1:
        raise ValueError(f"share_interval: the level must lie between 0 and 1, got {level}; 0.95 is usual")
    if method == "clopper_pearson":
        from scipy.special import betaincinv

        tail = (1 - np.asarray(level)) / 2
        low = np.where(found > 0, betaincinv(np.maximum(found, 1e-300), of - found + 1, tail), 0.0)
        high = np.where(found < of, betaincinv(found + 1, np.maximum(of - found, 1e-300), 1 - tail), 1.0)
        return np.stack([low, high], axis=-1)
    if method != "wilson":
        raise ValueError(f"share_interval: method must be 'wilson' or 'clopper_pearson', got {method!r}")
    z = np.vectorize(lambda at: NormalDist().inv_cdf(0.5 + at / 2), otypes=[np.float64])(level)
    some = np.maximum(of, 1.0)
    share, spread = found / some, z**2 / some
    centre = (share + spread / 2) / (1 + spread)
    half = np.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    ends = np.stack([np.where(found > 0, centre - half, 0.0), np.where(found < of, centre + half, 1.0)], axis=-1)
    clipped: Floats = np.where(of[..., None] > 0, np.clip(ends, 0.0, 1.0), [0.0, 1.0])
    return clipped


@dataclass(frozen=True, eq=False)
class PersonalisedAccuracy:
    """How often a model was right about each person, and about each group.

    ``accuracy[v]`` is the share of person v's ``counts[v]`` answers that were predicted, with ``interval[v, 2]`` for
    that person alone. ``groups`` (none where no groups were given) have ``group_accuracy[g]``, the mean of their
    members' accuracies, so that who answered much counts no more, and ``group_pooled[g]``, the share of their answers.
    ``mean`` and ``pooled`` are the same for everybody. Nothing is shrunk.

    >>> found = personalised_accuracy([1, 1, 1, 0, 0, 1], ["a", "a", "a", "a", "b", "b"])
    >>> found.accuracy.tolist(), found.counts.tolist(), found.mean, round(found.pooled, 3)
    ([0.75, 0.5], [4.0, 2.0], 0.625, 0.667)
    """

    voters: tuple[Label, ...]
    accuracy: Floats
    counts: Floats
    interval: Floats
    level: float
    groups: tuple[Label, ...]
    group_accuracy: Floats
    group_pooled: Floats
    mean: float
    pooled: float
    _group_of: Ints
    _hits: Floats

    @property
    def worst(self) -> Label:
        """The person with the lowest accuracy; of several, the one with most answers.

        Of many people with few answers each, the lowest is low by chance alone: see :meth:`worst_interval`.

        >>> personalised_accuracy([1, 0, 0, 0], ["a", "b", "c", "c"]).worst
        'c'
        """
        return self.voters[int(np.lexsort((-self.counts, self.accuracy))[0])]

    def worst_interval(self, level: float = 0.95) -> tuple[float, float]:
        """An interval for the lowest of the persons' probabilities, whoever has it.

        From the Clopper–Pearson intervals of all v persons, each at the level 1 − (1 − level)/v, so that all hold at
        once with at least the level: the least of their lower ends and the least of their upper ends. Assumes answers
        that are independent given the person.

        >>> found = personalised_accuracy([1, 0] * 10 + [1] * 40, [0] * 20 + [1] * 40)
        >>> [round(end, 3) for end in found.worst_interval()]
        [0.246, 0.754]
        """
        each = 1 - (1 - level) / len(self.voters)
        ends = share_interval(self._hits, self.counts, each, method="clopper_pearson")
        return float(ends[:, 0].min()), float(ends[:, 1].min())

    def group_interval(
        self, level: float = 0.95, *, replicates: int = 1_000, rng: int | np.random.Generator = 0
    ) -> Floats:
        """Percentile intervals ``[g, 2]`` of ``group_accuracy`` over members drawn with replacement.

        A bootstrap by person, since a person's answers hang together; with some dozens of members or fewer it is too
        short, and for a group of one it has no width. Raises ``ValueError`` without groups, for a level outside (0, 1)
        or fewer than two replicates.

        >>> found = personalised_accuracy([1, 1, 0, 1], [1, 2, 3, 4], group=["x", "x", "y", "y"])
        >>> found.group_interval(0.9, replicates=100).tolist()
        [[1.0, 1.0], [0.0, 1.0]]
        """
        if not self.groups or not 0 < level < 1 or replicates < 2:
            raise ValueError("group_interval: needed groups, a level between 0 and 1 and at least two replicates")
        generator, ends = np.random.default_rng(rng), np.empty((len(self.groups), 2))
        for g in range(len(self.groups)):
            own = self.accuracy[self._group_of == g]
            times = generator.multinomial(len(own), np.full(len(own), 1 / len(own)), size=replicates)
            ends[g] = np.quantile(times @ own / len(own), [(1 - level) / 2, (1 + level) / 2])
        return np.clip(ends, 0.0, 1.0)


def personalised_accuracy(
    correct: ArrayLike,
    voter: Iterable[Any],
    *,
    group: Iterable[Any] | None = None,
    level: float = 0.95,
    method: Interval = "wilson",
) -> PersonalisedAccuracy:
    """How often predictions are right, person by person: the mean, the groups, and the worst, with intervals.

    One row an answer: ``correct`` is 1 where the model predicted it (as its reward of the chosen answer is larger), 0
    where not, ½ for a tie; ``voter`` says whose, ``group`` whose group, the same in all rows of a person. Intervals
    are :func:`share_interval` by ``method``, for answers independent given the person.

    Raises ``ValueError`` for columns of different length, no rows, ``correct`` outside [0, 1], or a person in two
    groups.

    Source: definitions; personalised accuracy is what benchmarks of personal reward models report, usually as the mean.

    >>> found = personalised_accuracy([1, 1, 0, 0], ["a", "a", "b", "b"], group=["x", "x", "y", "y"])
    >>> found.worst, found.groups, found.group_accuracy.tolist()
    ('b', ('x', 'y'), [1.0, 0.0])
    >>> found.interval.round(2).tolist()          # two answers each: nearly nothing is known
    [[0.34, 1.0], [0.0, 0.66]]
    """
    right = np.array(correct, np.float64)
    who, voters = encode("voter", voter)
    if right.shape != who.shape or not len(who):
        raise ValueError(f"personalised_accuracy: needed columns of one length, got {right.shape} and {who.shape}")
    if not ((right >= 0) & (right <= 1)).all():
        raise ValueError("personalised_accuracy: correct must be 1, 0, or ½ for a tie, in every row")
    counts = np.asarray(np.bincount(who), np.float64)
    hits = np.asarray(np.bincount(who, right), np.float64)
    accuracy = hits / counts
    interval = share_interval(hits, counts, level, method=method)
    group_of = np.zeros(len(voters), np.int64)
    groups: tuple[Label, ...] = ()
    means = pooled = np.zeros(0)
    if group is not None:
        of_row, groups = encode("group", group)
        if of_row.shape != who.shape:
            raise ValueError(f"personalised_accuracy: needed one group a row, got {len(of_row)} for {len(who)}")
        group_of[who] = of_row
        if (group_of[who] != of_row).any():
            someone = voters[int(who[np.flatnonzero(group_of[who] != of_row)[0]])]
            raise ValueError(f"personalised_accuracy: voter {someone!r} is in two groups; give each one")
        means = np.bincount(group_of, accuracy) / np.bincount(group_of)
        pooled = np.bincount(group_of, hits) / np.bincount(group_of, counts)
    return PersonalisedAccuracy(
        voters, frozen(accuracy), frozen(counts), frozen(interval), level, groups, frozen(means), frozen(pooled),
        float(accuracy.mean()), float(right.mean()), group_of, hits,
    )  # fmt: skip
