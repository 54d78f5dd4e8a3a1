"""Hypothesis strategies for profiles and lotteries.

A ballot is drawn as its number in a list of all ballots whose first is the simplest, so that what is drawn shrinks to
few voters, few alternatives and identity ballots. Nothing is drawn and then thrown away. Hypothesis is imported when a
strategy is made; ``ImportError`` says how to get it.

Everywhere ``voters`` and ``alternatives`` are a number or a pair (least, most); ``alternatives`` may also be labels, a
string of one-letter ones or a list, and otherwise they are labelled 0, 1, …. Each voter is a row of weight 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from choicekit.outcomes import Lottery
from choicekit.profiles import Approvals, Comparisons, Margins, Rankings, Utilities
from choicekit.profiles._columns import Label
from choicekit.testing import _numbered
from choicekit.testing._hypothesis import hypothesis
from choicekit.testing._sizes import Alternatives, Bounds, Sizes, bounds, sizes

if TYPE_CHECKING:
    from choicekit.testing._hypothesis import SearchStrategy

Profile = TypeVar("Profile")


class CloneProfile(NamedTuple):
    """A profile and some of its alternatives that no voter ranks another between.

    >>> CloneProfile(Rankings.from_orders(["abc", "cba"]), ("a", "b")).clones
    ('a', 'b')
    """

    profile: Rankings
    clones: tuple[Label, ...]


class AgreeingPair(NamedTuple):
    """Two profiles in which each voter has the two alternatives of ``pair`` in the same order.

    >>> AgreeingPair(Rankings.from_orders(["abc"]), Rankings.from_orders(["acb"]), ("a", "b")).pair
    ('a', 'b')
    """

    first: Rankings
    second: Rankings
    pair: tuple[Label, Label]


def rankings(*, voters: Bounds = (1, 7), alternatives: Alternatives = (1, 5)) -> SearchStrategy[Rankings]:
    """Profiles of strict rankings of all alternatives.

    Withdrawing the last alternative from every ballot is a step to a simpler profile. Raises ``ValueError`` for bounds
    below 1 or in the wrong order, ``TypeError`` for what is no whole number.

    >>> from hypothesis import find
    >>> find(rankings(voters=(1, 5), alternatives="abc"), lambda votes: len(votes.ranks) > 1).ranks.tolist()
    [[0, 1, 2], [0, 1, 2]]
    """
    return _withdrawing(voters, sizes(alternatives), math.factorial, _numbered.strict, Rankings)


def weak_orders(*, voters: Bounds = (1, 7), alternatives: Alternatives = (1, 5)) -> SearchStrategy[Rankings]:
    """Profiles of rankings of all alternatives, any of which may be tied.

    Raises as :func:`rankings` does.

    >>> from hypothesis import find
    >>> find(weak_orders(voters=1, alternatives=3), lambda votes: votes.ranks.max() == 0).ranks.tolist()
    [[0, 0, 0]]
    """
    return _listed(voters, sizes(alternatives), _numbered.weak_orders, _numbered.weak)


def truncated(*, voters: Bounds = (1, 7), alternatives: Alternatives = (1, 5)) -> SearchStrategy[Rankings]:
    """Profiles of strict rankings of one alternative or more, the others unranked (-1).

    Longer ballots are simpler than shorter ones. Raises as :func:`rankings` does.

    >>> from hypothesis import find
    >>> find(truncated(voters=1, alternatives=3), lambda votes: votes.ranks.min() < 0).ranks.tolist()
    [[0, 1, -1]]
    """
    return _listed(voters, sizes(alternatives), _numbered.truncations, _numbered.truncated)


def approvals(*, voters: Bounds = (1, 7), alternatives: Alternatives = (1, 5)) -> SearchStrategy[Approvals]:
    """Profiles of approval ballots, which may approve of nothing (the simplest) or of everything.

    Raises as :func:`rankings` does.

    >>> from hypothesis import find
    >>> find(approvals(voters=2, alternatives=2), lambda votes: votes.values.any()).values.tolist()
    [[False, False], [True, False]]
    """

    def ballot(number: int, size: int) -> list[int]:
        return _numbered.digits(number, 2, size)

    return _withdrawing(voters, sizes(alternatives), lambda size: int(2**size), ballot, Approvals)


def utilities(
    *,
    voters: Bounds = (1, 7),
    alternatives: Alternatives = (1, 5),
    values: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
) -> SearchStrategy[Utilities]:
    """Profiles of utilities, each one of ``values``, of which the first is the simplest.

    The default values are exact in binary, so that sums of them are. NaN among the values is no opinion. Raises
    ``ValueError`` for no values and infinite ones, and as :func:`rankings` does.

    >>> from hypothesis import find
    >>> find(utilities(voters=1, alternatives=2), lambda votes: votes.values[0, 1] > 0.5).values.tolist()
    [[0.0, 0.75]]
    """
    grid = [float(value) for value in values]
    if not grid or any(map(math.isinf, grid)):
        raise ValueError(f"utilities: needed values to draw from, finite or NaN (no opinion), got {values!r}")

    def ballot(number: int, size: int) -> list[float]:
        return [grid[digit] for digit in _numbered.digits(number, len(grid), size)]

    return _withdrawing(voters, sizes(alternatives), lambda size: int(len(grid) ** size), ballot, Utilities)


def single_peaked_rankings(
    *, voters: Bounds = (1, 7), alternatives: Alternatives = (1, 5), axis: Iterable[Label] | None = None
) -> SearchStrategy[Rankings]:
    """Profiles of strict rankings with a single peak on one axis, by default the order of the alternatives.

    From its peak on, in either direction along the axis, a voter likes each alternative less than the one before: one
    of 2^(m - 1) ballots, of which the simplest follows the axis. ``axis`` holds the labels in another order and needs
    ``alternatives`` to be labels. Raises ``ValueError`` where it does not hold each of them once, and as
    :func:`rankings` does.

    Source: Black 1948 (doi:10.1086/256633).

    >>> from hypothesis import find
    >>> drawn = single_peaked_rankings(voters=1, alternatives="abc", axis="bac")
    >>> find(drawn, lambda votes: votes.ranks[0, 2] == 0).ranks.tolist()         # from the peak c along the axis
    [[1, 2, 0]]
    """
    size = sizes(alternatives)
    line = None if axis is None else tuple(axis)
    if line is not None and (size.labels is None or sorted(map(repr, line)) != sorted(map(repr, size.labels))):
        raise ValueError(f"axis: needed each of the alternatives {size.labels} once, got {line}; give both as labels")
    place = {label: a for a, label in enumerate(size.labels or ())}

    def ballot(number: int, count: int) -> list[int]:
        return _numbered.single_peaked(number, list(range(count)) if line is None else [place[a] for a in line])

    return _withdrawing(voters, size, lambda count: int(2 ** (count - 1)), ballot, Rankings)


def clone_profiles(
    *, voters: Bounds = (1, 7), alternatives: Alternatives = (3, 5), clones: Bounds | None = None
) -> SearchStrategy[CloneProfile]:
    """Profiles of strict rankings with a set of clones: alternatives that no voter ranks another between.

    ``clones`` is how many, at least 2 and fewer than the alternatives (by default any such number); they stand in
    neighbouring columns. Each voter ranks the others and one of the clones, then the clones among themselves. Raises
    ``ValueError`` for bounds that leave no such number, and as :func:`rankings` does.

    Source: Tideman 1987 (doi:10.1007/BF00433944).

    >>> from hypothesis import find
    >>> found = find(clone_profiles(voters=1, alternatives="abc"), lambda drawn: drawn.profile.ranks[0, 2] == 0)
    >>> found.profile.ranks.tolist(), found.clones
    ([[1, 2, 0]], ('a', 'b'))
    """
    size, (low, high) = sizes(alternatives, 3), bounds("voters", voters)
    fewest, most = (2, size.most - 1) if clones is None else bounds("clones", clones, 2)
    if most >= size.most or fewest >= size.least:
        raise ValueError(f"clones: needed fewer than the alternatives, got up to {most} of {size.least} to {size.most}")
    st = hypothesis().strategies

    def of_size(count: int) -> Any:
        def of_clones(alike: int) -> Any:
            def made(drawn: tuple[int, list[tuple[int, int]]]) -> CloneProfile:
                at, numbers = drawn
                ranks = [
                    _numbered.cloned(_numbered.strict(one, count - alike + 1), at, _numbered.strict(other, alike))
                    for one, other in numbers
                ]
                labels = size.named(count)
                return CloneProfile(Rankings(ranks, None, labels), labels[at : at + alike])

            outer, inner = math.factorial(count - alike + 1), math.factorial(alike)
            ballot = st.tuples(st.integers(0, outer - 1), st.integers(0, inner - 1))
            rows = st.lists(ballot, min_size=low, max_size=high)
            return st.tuples(st.integers(0, count - alike), rows).map(made)

        return st.integers(fewest, min(most, count - 1)).flatmap(of_clones)

    found: SearchStrategy[CloneProfile] = st.integers(size.least, size.most).flatmap(of_size)
    return found


def iia_pairs(*, voters: Bounds = (1, 5), alternatives: Alternatives = (2, 4)) -> SearchStrategy[AgreeingPair]:
    """Two profiles of strict rankings, and a pair of alternatives that each voter has in one order in both.

    The second profile is made for the first: a voter's other ballot is any ranking, with the pair exchanged where it
    would disagree. Independence of irrelevant alternatives demands that a rule orders the pair in the same way in both.
    Raises as :func:`rankings` does, and for fewer than 2 alternatives.

    Source: Arrow 1963, Social Choice and Individual Values.

    >>> from hypothesis import find
    >>> different = lambda drawn: drawn.first.ranks.tolist() != drawn.second.ranks.tolist()
    >>> found = find(iia_pairs(voters=1, alternatives="abc"), different)
    >>> found.first.ranks.tolist(), found.second.ranks.tolist(), found.pair
    ([[0, 1, 2]], [[0, 2, 1]], ('a', 'b'))
    """
    size, (low, high) = sizes(alternatives, 2), bounds("voters", voters)
    st = hypothesis().strategies

    def made(drawn: tuple[int, int, list[tuple[int, int]]]) -> AgreeingPair:
        count, which, numbers = drawn
        every, labels = math.factorial(count), size.named(count)
        a, b = pair = _numbered.pair(which % math.comb(count, 2))
        rows = [_numbered.strict(number % every, count) for number, _ in numbers]
        others = [_numbered.agreeing(other % every, row, pair) for row, (_, other) in zip(rows, numbers, strict=True)]
        return AgreeingPair(Rankings(rows, None, labels), Rankings(others, None, labels), (labels[a], labels[b]))

    ballot = st.integers(0, math.factorial(size.most) - 1)
    ballots = st.lists(st.tuples(ballot, ballot), min_size=low, max_size=high)
    counts, pairs = st.integers(size.least, size.most), st.integers(0, math.comb(size.most, 2) - 1)
    found: SearchStrategy[AgreeingPair] = st.tuples(counts, pairs, ballots).map(made)
    return found


def margins(*, alternatives: Alternatives = (1, 5), largest: int = 4) -> SearchStrategy[Margins]:
    """Majority margins: for each pair any whole number from ``-largest`` to ``largest``; 0 is the simplest.

    Not all of them come from strict rankings, whose margins are all odd or all even. Raises as :func:`rankings` does.

    >>> from hypothesis import find
    >>> find(margins(alternatives=2), lambda drawn: drawn.condorcet_winner == 1).values.tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    size, (_, most) = sizes(alternatives), bounds("largest", largest, 0)
    st = hypothesis().strategies

    def of_size(count: int) -> Any:
        def made(numbers: list[int]) -> Margins:
            upper = np.zeros((count, count))
            upper[np.triu_indices(count, 1)] = numbers
            return Margins(upper - upper.T, size.named(count))

        pairs = math.comb(count, 2)
        return st.lists(st.integers(-most, most), min_size=pairs, max_size=pairs).map(made)

    found: SearchStrategy[Margins] = st.integers(size.least, size.most).flatmap(of_size)
    return found


def lotteries(*, alternatives: Alternatives = (1, 5), denominator: int = 8) -> SearchStrategy[Lottery]:
    """Lotteries whose probabilities are multiples of 1/denominator; the simplest is sure of the first alternative.

    The probabilities and their sum, 1, are exact where the denominator is a power of 2, as the default is. Raises
    ``ValueError`` for a denominator below 1, and as :func:`rankings` does.

    >>> from hypothesis import find
    >>> find(lotteries(alternatives="xyz"), lambda drawn: drawn.probabilities[0] <= 0.5).probabilities.tolist()
    [0.5, 0.5, 0.0]
    """
    size, (units, _) = sizes(alternatives), bounds("denominator", denominator)
    st = hypothesis().strategies

    def of_size(count: int) -> Any:
        def made(number: int) -> Lottery:
            shares = _numbered.parts(number, units, count)
            return Lottery(size.named(count), np.array(shares) / units)

        return st.integers(0, math.comb(units + count - 1, count - 1) - 1).map(made)

    found: SearchStrategy[Lottery] = st.integers(size.least, size.most).flatmap(of_size)
    return found


def comparisons(
    *,
    rows: Bounds = (1, 8),
    alternatives: Alternatives = (2, 4),
    ties: bool = False,
    voters: Bounds | None = None,
    groups: Bounds | None = None,
) -> SearchStrategy[Comparisons]:
    """Pairwise comparisons: in each row two different alternatives, the preferred one first.

    Only alternatives that are in some row are among those of the comparisons. With ``ties`` a row may be one. With
    ``voters`` each row has one of so many, and with ``groups`` each row has one of so many; a voter's rows are then of
    one group. Raises as :func:`rankings` does, and for fewer than 2 alternatives.

    >>> from hypothesis import find
    >>> found = find(comparisons(alternatives="abc", voters=2, groups=2), lambda drawn: len(drawn.groups) == 2)
    >>> found, found.voter.tolist(), found.group.tolist()
    (Comparisons(2 rows, 2 alternatives, 2 voters, 2 groups), [0, 1], [0, 1])
    """
    size, (low, high) = sizes(alternatives, 2), bounds("rows", rows)
    people = (0, 0) if voters is None else bounds("voters", voters)
    parts = (0, 0) if groups is None else bounds("groups", groups)
    st = hypothesis().strategies

    def of_sizes(drawn: tuple[int, int, int]) -> Any:
        count, who, of = drawn
        labels, pairs = size.named(count), count * (count - 1)

        def made(drawn: tuple[list[list[int]], list[int]]) -> Comparisons:
            columns = np.array(drawn[0]).T
            first, other = np.divmod(columns[0], count - 1)
            part = np.array(drawn[1])[columns[2]] if who else columns[3]
            return Comparisons(
                [labels[a] for a in first.tolist()],
                [labels[b + (b >= a)] for a, b in zip(first.tolist(), other.tolist(), strict=True)],
                tie=columns[1].astype(bool) if ties else None,
                voter=columns[2].tolist() if who else None,
                group=part.tolist() if of else None,
            )

        numbers = [pairs, 1 + ties, max(who, 1), 1 if who else max(of, 1)]
        row = st.tuples(*(st.integers(0, number - 1) for number in numbers))
        of_voter = st.lists(st.integers(0, max(of, 1) - 1), min_size=who, max_size=who)
        return st.tuples(st.lists(row, min_size=low, max_size=high), of_voter).map(made)

    drawn = st.tuples(st.integers(size.least, size.most), st.integers(*people), st.integers(*parts))
    found: SearchStrategy[Comparisons] = drawn.flatmap(of_sizes)
    return found


def register() -> None:
    """Tell Hypothesis how to draw choicekit's types, so that ``st.from_type(Rankings)`` works.

    Hypothesis calls it when it is imported, where choicekit is installed. Rankings are strict, weak or truncated.

    >>> from hypothesis import find, strategies
    >>> register()
    >>> find(strategies.from_type(Rankings), lambda votes: len(votes.alternatives) > 1).ranks.tolist()
    [[0, 1]]
    """
    st = hypothesis().strategies
    st.register_type_strategy(Rankings, st.one_of(rankings(), weak_orders(), truncated()))
    st.register_type_strategy(Utilities, utilities())
    st.register_type_strategy(Approvals, approvals())
    st.register_type_strategy(Comparisons, comparisons())
    st.register_type_strategy(Margins, margins())
    st.register_type_strategy(Lottery, lotteries())


def _withdrawing(
    voters: Bounds,
    size: Sizes,
    count: Callable[[int], int],
    ballot: Callable[[int, int], Sequence[float]],
    kind: Callable[..., Profile],
) -> SearchStrategy[Profile]:
    """Profiles of ballots whose numbers 0 … ``count(m) - 1`` are, modulo ``count(m - 1)``, those without the last
    alternative: drawn for the largest m, so that with fewer alternatives they still say the same of these."""
    low, high = bounds("voters", voters)
    st = hypothesis().strategies

    def made(drawn: tuple[int, list[int]]) -> Profile:
        alternatives, numbers = drawn
        every = count(alternatives)
        return kind([ballot(number % every, alternatives) for number in numbers], None, size.named(alternatives))

    ballots = st.lists(st.integers(0, count(size.most) - 1), min_size=low, max_size=high)
    found: SearchStrategy[Profile] = st.tuples(st.integers(size.least, size.most), ballots).map(made)
    return found


def _listed(
    voters: Bounds,
    size: Sizes,
    count: Callable[[int], int],
    ballot: Callable[[int, int], Sequence[float]],
) -> SearchStrategy[Rankings]:
    """Rankings by their numbers 0 … ``count(m) - 1``, which for each m are others."""
    low, high = bounds("voters", voters)
    st = hypothesis().strategies

    def of_size(alternatives: int) -> Any:
        def made(numbers: list[int]) -> Rankings:
            return Rankings([ballot(number, alternatives) for number in numbers], None, size.named(alternatives))

        return st.lists(st.integers(0, count(alternatives) - 1), min_size=low, max_size=high).map(made)

    found: SearchStrategy[Rankings] = st.integers(size.least, size.most).flatmap(of_size)
    return found
