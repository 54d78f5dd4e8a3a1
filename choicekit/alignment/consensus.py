"""Statements on which groups agree, and statements on which they part, from votes that agree, disagree or pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment.personalised import Interval, share_interval
from choicekit.outcomes import Scores
from choicekit.profiles._columns import Label, encode, frozen, is_missing, listed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VoteCounts:
    """How often each group agreed with, disagreed with and passed on each alternative.

    ``agree``, ``disagree`` and ``passed`` are ``[g + 1, a]``, a row for each of ``groups`` and a last one for voters
    of no group, who count where everybody is asked and not where groups are compared.

    >>> counts = count_votes([[1, -1], [1, 0], [0, np.nan]], ["x", "y", None])
    >>> counts.groups, counts.agree.tolist(), counts.votes.tolist()
    (('x', 'y'), [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    """

    alternatives: tuple[Label, ...]
    groups: tuple[Label, ...]
    agree: Floats
    disagree: Floats
    passed: Floats

    @property
    def votes(self) -> Floats:
        """All votes, passes too, ``[g + 1, a]``.

        >>> count_votes([[1], [0]], ["x", "x"]).votes.tolist()
        [[2.0], [0.0]]
        """
        return self.agree + self.disagree + self.passed

    def agree_rates(self, least: int = 1) -> Scores:
        """The share of all votes, passes among them, that agree; −∞ for alternatives with fewer than ``least`` votes.

        >>> count_votes([[1, 1], [0, np.nan]], ["x", "x"]).agree_rates(least=2).scores.tolist()
        [0.5, -inf]
        """
        total = self.votes.sum(0)
        enough = total >= max(least, 1)
        return Scores(self.alternatives, np.where(enough, self.agree.sum(0) / np.maximum(total, 1), -np.inf))

    def group_rates(self, level: float = 0.95, *, method: Interval = "wilson") -> tuple[Floats, Floats]:
        """Each group's share of votes that agree ``[g, a]`` (NaN without votes) and its interval ``[g, a, 2]``.

        Votes are taken as independent given the group: right where those who voted are a random part of the group.

        >>> rates, ends = count_votes([[1], [-1], [1]], ["x", "x", "y"]).group_rates()
        >>> rates.tolist(), ends[0, 0].round(2).tolist()
        ([[0.5], [1.0]], [0.09, 0.91])
        """
        agreed, of = self.agree[:-1], self.votes[:-1]
        with np.errstate(invalid="ignore"):
            return agreed / of, share_interval(agreed, of, level, method=method)


def count_votes(
    votes: ArrayLike, group: Sequence[Any], *, alternatives: Sequence[Label] | None = None
) -> VoteCounts:  # fmt: skip
    """Votes ``[v, a]`` counted by group: 1 agrees, −1 disagrees, 0 passes, NaN has not voted.

    ``group[v]`` is each voter's group; None or NaN for none. ``alternatives`` default to 0, 1, …. Raises
    ``ValueError`` for other votes, a wrong number of groups or alternatives, or no voter with a group.

    >>> count_votes([[1, 0], [-1, np.nan]], ["x", "y"], alternatives="ab").disagree.tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    """
    table = np.array(votes, np.float64)
    if table.ndim != 2 or len(table) != len(group):
        raise ValueError(f"count_votes: needed votes [v, a] and a group a voter, got {table.shape} and {len(group)}")
    names = tuple(range(table.shape[1])) if alternatives is None else tuple(alternatives)
    if len(names) != table.shape[1]:
        raise ValueError(f"count_votes: needed {table.shape[1]} alternatives, got {len(names)}")
    row, column = np.nonzero(~np.isnan(table))
    group_of, groups = _groups(group)
    return _counted(group_of[row], column, table[row, column], names, groups)


def count_vote_rows(alternative: Iterable[Any], vote: ArrayLike, group: Sequence[Any]) -> VoteCounts:
    """The same from a long table, one row a vote: the alternative, 1, −1 or 0, and the group of who voted (or None).

    Voters are not looked at, so that whoever votes twice counts twice. Raises ``ValueError`` as :func:`count_votes`.

    >>> count_vote_rows(["s", "s", "t"], [1, 0, -1], ["x", "x", None]).passed.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    column, names = encode("alternative", alternative)
    said = np.array(vote, np.float64)
    if said.shape != column.shape or len(group) != len(column):
        raise ValueError(
            f"count_vote_rows: needed three columns of one length, got {len(column)}, {said.shape} and {len(group)}"
        )
    group_of, groups = _groups(group)
    return _counted(group_of, column, said, names, groups)


def _groups(group: Sequence[Any]) -> tuple[Ints, tuple[Label, ...]]:
    """Codes, the number of groups for those who have none."""
    given = listed("group", group)
    labels = given.tolist() if isinstance(given, np.ndarray) else list(given)
    there = np.array([not is_missing(label) for label in labels], bool)
    if not there.any():
        raise ValueError("group: no voter has a group; needed at least one")
    codes, groups = encode("group", [label for label, known in zip(labels, there, strict=True) if known])
    found = np.full(len(labels), len(groups))
    found[there] = codes
    return found, groups


def _counted(
    group: Ints, column: Ints, vote: Floats, names: tuple[Label, ...], groups: tuple[Label, ...]
) -> VoteCounts:  # fmt: skip
    wrong = np.flatnonzero(~np.isin(vote, (-1.0, 0.0, 1.0)))
    if len(wrong):
        raise ValueError(f"votes: needed 1 (agree), −1 (disagree) or 0 (pass), got {vote[wrong[0]]}")
    shape = (len(groups) + 1, len(names))
    cell = group * len(names) + column
    agree, disagree, passed = (
        frozen(np.bincount(cell[vote == kind], minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64))
        for kind in (1, -1, 0)
    )
    return VoteCounts(names, groups, agree, disagree, passed)


@dataclass(frozen=True, eq=False)
class Consensus:
    """How far every group agrees with each alternative, and where groups part.

    ``scores[a]`` are the group-informed consensus, the product of ``agreement[g, a]`` = (agrees + 1)/(votes + 2).
    ``disagreement[a]`` is the largest less the smallest of these, ``lowest[a]`` the smallest and ``reluctant[a]``
    whose it is. ``p_values[a]`` are of Pearson's chi-square test that all groups that voted agree at the same rate
    (passes and disagreement together), 1 where nothing can be tested; they are approximate, poor where a group has
    few votes, and each stands alone: of a hundred statements without any difference five are below 0.05.

    >>> found = group_informed_consensus(count_votes([[1, 1], [1, -1]], ["x", "y"], alternatives="ab"))
    >>> found.top(1), found.divisive(1), found.reluctant
    (('a',), ('b',), ('x', 'y'))
    """

    alternatives: tuple[Label, ...]
    groups: tuple[Label, ...]
    scores: Floats
    agreement: Floats
    disagreement: Floats
    lowest: Floats
    reluctant: tuple[Label, ...]
    p_values: Floats

    def top(self, size: int) -> tuple[Label, ...]:
        """The alternatives of most consensus, in order; equal ones in the order they were given.

        >>> group_informed_consensus(count_votes([[-1, 1]], ["x"])).top(2)
        (1, 0)
        """
        return tuple(self.alternatives[a] for a in np.argsort(-self.scores, kind="stable")[:size].tolist())

    def divisive(self, size: int) -> tuple[Label, ...]:
        """The alternatives on which groups part most, by ``disagreement``.

        >>> group_informed_consensus(count_votes([[-1, 1], [-1, -1]], ["x", "y"])).divisive(1)
        (1,)
        """
        return tuple(self.alternatives[a] for a in np.argsort(-self.disagreement, kind="stable")[:size].tolist())


def group_informed_consensus(counts: VoteCounts) -> Consensus:
    """The product over groups of how likely a member agrees: Π_g (agrees + 1)/(votes + 2).

    One group against is enough to make it small, however large the others are. A pass is a vote that does not agree,
    and a group that has not voted enters with ½. Voters of no group do not enter; more groups make all scores
    smaller, so that scores compare within one set of groups.

    Source: the group-informed consensus of Polis (Small et al. 2021, doi:10.6035/recerca.5516, for the platform); that
    passes count as votes was found from published votes and scores, which it alone reproduces.

    >>> counts = count_votes([[1, 1], [1, 1], [1, 0]], ["x", "x", "y"], alternatives="ab")
    >>> group_informed_consensus(counts).scores.tolist()              # ¾·⅔ and ¾·⅓
    [0.5, 0.25]
    """
    agreed, of = counts.agree[:-1], counts.votes[:-1]
    likely = (agreed + 1) / (of + 2)
    scores: Floats = likely.prod(0)
    least = likely.argmin(0)
    return Consensus(
        alternatives=counts.alternatives, groups=counts.groups, scores=frozen(scores), agreement=frozen(likely),
        disagreement=frozen(np.ptp(likely, axis=0)), lowest=frozen(likely.min(0)),
        reluctant=tuple(counts.groups[g] for g in least.tolist()), p_values=frozen(_homogeneity(agreed, of)),
    )  # fmt: skip


def _homogeneity(agreed: Floats, of: Floats) -> Floats:
    """P-values of Pearson's chi-square for equal shares, column by column."""
    from scipy.special import chdtrc

    total = of.sum(0)
    share = agreed.sum(0) / np.maximum(total, 1)
    spread = of * share * (1 - share)
    squares = np.divide((agreed - of * share) ** 2, spread, out=np.zeros(of.shape), where=spread > 0).sum(0)
    degrees = (of > 0).sum(0) - 1
    tested = (degrees > 0) & (share > 0) & (share < 1)
    found: Floats = np.where(tested, chdtrc(np.maximum(degrees, 1), squares), 1.0)
    return found
