"""Recognition of restricted domains, beside the definitions tried on every axis and every order of the voters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ballots, strict_ballots

import choicekit as ck
from choicekit import domains

Ranks = tuple[int, ...]


def rows(profile: ck.Rankings) -> list[Ranks]:
    return [tuple(row) for row in profile.ranks.tolist()]


# -- the definitions


def peaked_on(ranks: Ranks, axis: tuple[int, ...]) -> bool:
    """Down from the peak, on both sides."""
    along = [ranks[a] for a in axis]
    peak = along.index(min(along))
    return along[: peak + 1] == sorted(along[: peak + 1], reverse=True) and along[peak:] == sorted(along[peak:])


def peaked_axes(voters: list[Ranks]) -> list[tuple[int, ...]]:
    axes = itertools.permutations(range(len(voters[0])))
    return [axis for axis in axes if all(peaked_on(ranks, axis) for ranks in voters)]


def crosses_once(voters: list[Ranks]) -> bool:
    """Along the voters as they stand no pair is swapped twice."""
    for a, b in itertools.combinations(range(len(voters[0])), 2):
        prefers = [ranks[a] < ranks[b] for ranks in voters]
        if sum(one != other for one, other in itertools.pairwise(prefers)) > 1:
            return False
    return True


def crossing_orders(voters: list[Ranks]) -> list[tuple[int, ...]]:
    orders = itertools.permutations(range(len(voters)))
    return [order for order in orders if crosses_once([voters[v] for v in order])]


@cache
def lines(size: int, longest: int) -> list[frozenset[Ranks]]:
    """The rankings seen from somewhere on a line, for alternatives at whole numbers with midpoints that differ."""
    found: set[frozenset[Ranks]] = set()
    for order in itertools.permutations(range(size)):
        for rest in itertools.combinations(range(1, longest), size - 1):
            places = (0, *rest)
            middles = sorted(a + b for a, b in itertools.combinations(places, 2))
            if len(set(middles)) < len(middles):
                continue
            stands = [middles[0] - 1, *((a + b) / 2 for a, b in itertools.pairwise(middles)), middles[-1] + 1]
            seen = set()
            for stand in stands:  # twice the voter's position
                near = sorted(range(size), key=lambda k: abs(stand - 2 * places[k]))
                ranks = [0] * size
                for rank, k in enumerate(near):
                    ranks[order[k]] = rank
                seen.add(tuple(ranks))
            found.add(frozenset(seen))
    return [one for one in found if not any(one < other for other in found)]


def restricted(voters: list[Ranks], triple: tuple[int, int, int]) -> set[tuple[int, str]]:
    """Sen and Pattanaik's definition: what the concerned voters agree an alternative is not."""
    concerned = [ranks for ranks in voters if len({ranks[a] for a in triple}) > 1]
    agreed = set()
    for x in triple:
        y, z = (a for a in triple if a != x)
        if not any(ranks[x] <= ranks[y] and ranks[x] <= ranks[z] for ranks in concerned):
            agreed.add((x, "best"))
        if not any(ranks[x] >= ranks[y] and ranks[x] >= ranks[z] for ranks in concerned):
            agreed.add((x, "worst"))
        if not any(ranks[y] <= ranks[x] <= ranks[z] or ranks[z] <= ranks[x] <= ranks[y] for ranks in concerned):
            agreed.add((x, "middle"))
    return agreed


def stands_right(found: domains.Line, profile: ck.Rankings) -> bool:
    """Whether the line makes each voter's ranking, from the distances."""
    counted = profile.weights > 0
    far = np.abs(found.voters[counted, None] - found.positions)
    order = np.argsort(far, axis=1, kind="stable")
    wanted = np.argsort(profile.ranks[counted], axis=1)
    return bool((order == wanted).all() and (np.diff(np.sort(far, axis=1), axis=1) > 0).all())


@st.composite
def small(draw: st.DrawFn) -> ck.Rankings:
    """Profiles of which a good share are in one of the domains."""
    size, voters, seed = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(0, 10_000))
    culture = draw(st.sampled_from(["single_peaked_conitzer", "single_crossing_culture", "euclidean_culture"]))
    options: dict[str, Any] = {"dimensions": 1} if culture == "euclidean_culture" else {}
    base = getattr(domains, culture)(voters=voters, alternatives=size, rng=seed, **options).ranks
    names = np.array(draw(st.permutations(range(size))))
    ranks = base[draw(st.permutations(range(voters)))][:, names]
    if draw(st.booleans()):
        ranks = np.vstack([ranks, draw(st.permutations(range(size)))])
    return ck.Rankings(ranks)


# -- beside brute force


@given(st.one_of(small(), strict_ballots(voters=4)))
def test_single_peaked_is_an_axis_of_the_definition(profile: ck.Rankings) -> None:
    axis, every = domains.single_peaked(profile), peaked_axes(rows(profile))
    if axis is None:
        assert not every
    else:
        assert axis in every
        assert axis[0] <= axis[-1]


@given(st.one_of(small(), strict_ballots(voters=5)))
def test_single_crossing_is_an_order_of_the_definition(profile: ck.Rankings) -> None:
    order, every = domains.single_crossing(profile), crossing_orders(rows(profile))
    if order is None:
        assert not every
    else:
        assert order == min(every)


@given(st.one_of(small(), ballots(voters=5)))
def test_value_restriction_is_the_definition(profile: ck.Rankings) -> None:
    found = domains.value_restricted(profile)
    size = profile.ranks.shape[1]
    below = np.where(profile.ranks < 0, size, profile.ranks)
    voters = [tuple(row) for row in below[profile.weights > 0].tolist()]
    agreed = {triple: restricted(voters, triple) for triple in itertools.combinations(range(size), 3)}
    wrong = [triple for triple, what in agreed.items() if not what]
    assert found.holds == bool(found) == (not wrong)
    assert [each.triple for each in found.restrictions] == [triple for triple, what in agreed.items() if what]
    assert all((each.alternative, each.never) in agreed[each.triple] for each in found.restrictions)
    if wrong:
        assert found.violation == wrong[0]
        assert (profile.weights[list(found.voters)] > 0).all()
        some = [tuple(below[row].tolist()) for row in found.voters]
        assert not restricted(some, wrong[0])
        for fewer in range(1, len(some)):
            assert all(restricted(list(others), wrong[0]) for others in itertools.combinations(voters, fewer))
    else:
        assert found.voters == ()


@pytest.mark.parametrize("voters", [1, 2, 3, 4])
def test_euclidean_is_a_line_among_all_lines(voters: int) -> None:
    """With four alternatives, on every profile; there are lines with all of them at whole numbers up to 12."""
    possible = lines(4, 13)
    assert len(lines(4, 10)) == len(possible)
    for profile in domains.every(voters=voters, alternatives=4, anonymous=True, neutral=True):
        found, held = domains.euclidean(profile), set(rows(profile))
        assert (found is not None) == any(held <= line for line in possible)
        if found is not None:
            assert stands_right(found, profile)


@given(small())
def test_up_to_five_alternatives_euclidean_is_single_peaked_and_single_crossing(profile: ck.Rankings) -> None:
    """Chen and Grottke 2021."""
    both = domains.single_peaked(profile) is not None and domains.single_crossing(profile) is not None
    found = domains.euclidean(profile)
    assert (found is not None) == both
    if found is not None:
        assert stands_right(found, profile)


def test_two_single_peaked_voters_are_euclidean() -> None:
    """Chen and Grottke 2021, on every two rankings of six alternatives."""
    first = tuple(range(6))
    for second in itertools.permutations(range(6)):
        profile = ck.Rankings([first, second])
        assert (domains.euclidean(profile) is not None) == (domains.single_peaked(profile) is not None)


# -- planted, at a size


@pytest.mark.parametrize("culture", ["single_peaked_walsh", "single_peaked_conitzer"])
@pytest.mark.parametrize("rng", range(5))
def test_a_planted_axis_is_found(culture: str, rng: int) -> None:
    hidden = np.random.default_rng(rng).permutation(20).tolist()
    profile = getattr(domains, culture)(voters=500, alternatives=20, axis=hidden, rng=rng)
    axis = domains.single_peaked(profile)
    assert axis is not None
    assert all(peaked_on(ranks, axis) for ranks in rows(profile))
    assert domains.value_restricted(profile)
    worst = domains.value_restricted(profile).restrictions
    assert {each.never for each in worst} == {"worst"}
    # one voter with the ends of the axis on top is one too many
    bad = np.vstack([profile.ranks, np.argsort([hidden[0], hidden[-1], *hidden[1:-1]])])
    assert domains.single_peaked(ck.Rankings(bad)) is None
    assert domains.single_peaked(ck.Rankings(bad, [1] * 500 + [0])) == axis


@pytest.mark.parametrize("rng", range(5))
def test_a_planted_order_of_the_voters_is_found(rng: int) -> None:
    profile = domains.single_crossing_culture(voters=500, alternatives=20, rng=rng)
    order = domains.single_crossing(profile)
    assert order is not None
    assert sorted(order) == list(range(500))
    assert crosses_once([rows(profile)[v] for v in order])
    assert domains.value_restricted(profile)
    flipped = np.array(profile.ranks)
    middle = order[250]
    flipped[middle] = 19 - flipped[middle]
    assert domains.single_crossing(ck.Rankings(flipped)) is None


@pytest.mark.parametrize(("voters", "size"), [(500, 20), (2000, 30), (30, 60)])
@pytest.mark.parametrize("space", ["cube", "gaussian"])
def test_a_planted_line_is_found(voters: int, size: int, space: Any) -> None:
    profile = domains.euclidean_culture(voters=voters, alternatives=size, dimensions=1, space=space, rng=1)
    found = domains.euclidean(profile)
    assert found is not None
    assert stands_right(found, profile)
    utilities = domains.spatial_utilities(found.voters[:, None], found.positions[:, None])
    assert (utilities.to_rankings().ranks == profile.ranks).all()
    assert domains.single_peaked(profile) is not None
    assert domains.single_crossing(profile) is not None


def test_a_line_whose_gaps_double() -> None:
    places, voters = 2.0 ** np.arange(40), 2.0 ** np.random.default_rng(0).uniform(0, 40, 300)
    profile = domains.spatial_utilities(voters[:, None], places[:, None]).to_rankings()
    found = domains.euclidean(profile)
    assert found is not None
    assert stands_right(found, profile)


def test_profiles_on_a_plane_are_in_none_of_the_domains() -> None:
    profile = domains.euclidean_culture(voters=200, alternatives=8, dimensions=2, rng=0)
    assert domains.single_peaked(profile) is domains.single_crossing(profile) is domains.euclidean(profile) is None
    assert not domains.value_restricted(profile)


# -- known profiles


def test_single_peaked_and_single_crossing_but_not_euclidean() -> None:
    """On the axis a … f: a before e and d before b say b + d < a + e; c before d and f before a, a + f < c + d;
    b before f and e before c, c + e < b + f. The left sides have the same sum as the right sides."""
    profile = ck.Rankings.from_orders(["cdbaef", "cdebfa", "decbfa"])
    assert domains.single_peaked(profile) == tuple("abcdef")
    assert domains.single_crossing(profile) == (0, 1, 2)
    assert domains.euclidean(profile) is None
    for left_out in range(3):
        some = np.delete(profile.ranks, left_out, axis=0)
        assert domains.euclidean(ck.Rankings(some)) is not None


def doubly_restricted(size: int, rng: np.random.Generator) -> ck.Rankings:
    """A chain of rankings single-peaked on 0, 1, …, each a swap of neighbours on from the last, as long as can be."""
    axis = tuple(range(size))
    order, chain = list(axis), [list(axis)]
    while True:
        ways = []
        for i in range(size - 1):
            swapped = [*order[:i], order[i + 1], order[i], *order[i + 2 :]]
            if order[i] < order[i + 1] and peaked_on(tuple(np.argsort(swapped).tolist()), axis):
                ways.append(swapped)
        if not ways:
            return ck.Rankings(np.argsort(chain, axis=1))
        order = ways[rng.integers(len(ways))]
        chain.append(order)


@pytest.mark.parametrize("size", [5, 9, 16])
def test_long_chains_are_seldom_euclidean(size: int) -> None:
    found = []
    for seed in range(8):
        profile = doubly_restricted(size, np.random.default_rng(seed))
        assert len(profile.ranks) == size * (size - 1) // 2 + 1
        assert domains.single_peaked(profile) is not None
        assert domains.single_crossing(profile) == tuple(range(len(profile.ranks)))
        found.append(domains.euclidean(profile) is not None)
    assert all(found) if size == 5 else not any(found)


def test_each_domain_without_the_other() -> None:
    crossing = ck.Rankings.from_orders(["abc", "acb", "cba"])  # each is somebody's worst
    assert domains.single_crossing(crossing) == (0, 1, 2)
    assert domains.single_peaked(crossing) is None
    peaked = ck.Rankings.from_orders(["abcd", "adbc", "badc"])  # each voter is alone about a pair: none can be between
    assert domains.single_peaked(peaked) == ("c", "b", "a", "d")
    assert domains.single_crossing(peaked) is None
    assert domains.value_restricted(crossing)
    assert domains.value_restricted(peaked)


def test_the_cycle_of_condorcet_is_in_none() -> None:
    profile = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
    assert domains.single_peaked(profile) is domains.single_crossing(profile) is domains.euclidean(profile) is None
    found = domains.value_restricted(profile)
    assert (found.holds, found.violation, found.voters) == (False, ("a", "b", "c"), (0, 1, 2))
    absent = ck.Rankings([[0, 1, 2], [0, 1, 2], [2, 1, 0], [2, 0, 1], [1, 2, 0]], [0, 3, 0, 2, 2], "abc")
    assert domains.value_restricted(absent).voters == (1, 3, 4)


def test_voters_to_whom_all_three_are_equal_are_not_asked() -> None:
    votes = ck.Rankings.from_orders([["a", "b", "c"], [{"a", "b", "c"}]])
    assert domains.value_restricted(votes)
    tied = ck.Rankings.from_orders([["a", {"b", "c"}], ["b", {"a", "c"}], ["c", {"a", "b"}]])
    found = domains.value_restricted(tied)
    assert found.violation == ("a", "b", "c")
    assert found.voters == (0, 1, 2)


def test_only_the_order_of_a_rows_numbers_matters() -> None:
    profile = ck.Rankings([[0, 7, 30], [9, 2, 4], [50, 3, 1]], alternatives="abc")
    assert domains.single_peaked(profile) == ("a", "b", "c")
    assert domains.single_crossing(profile) == (0, 1, 2)
    found = domains.euclidean(profile)
    assert found is not None
    assert stands_right(found, profile)
    assert domains.value_restricted(profile).restrictions == (domains.Restriction(("a", "b", "c"), "b", "worst"),)


def test_rows_without_voters_are_left_out() -> None:
    profile = ck.Rankings([[0, 1, 2], [0, 0, -1], [2, 1, 0], [1, 2, 0]], [1, 0, 2, 0], "abc")
    assert domains.single_peaked(profile) == ("a", "b", "c")
    assert domains.single_crossing(profile) == (0, 2)
    found = domains.euclidean(profile)
    assert found is not None
    assert np.isnan(found.voters).tolist() == [False, True, False, True]
    assert stands_right(found, profile)
    assert domains.value_restricted(profile)


@pytest.mark.parametrize("ranks", [[[0]], [[0], [0]], [[0, 1]], [[1, 0], [0, 1], [1, 0]], [[2, 0, 1]] * 3])
def test_small_and_unanimous_profiles(ranks: list[list[int]]) -> None:
    profile = ck.Rankings(ranks)
    axis, order, line = domains.single_peaked(profile), domains.single_crossing(profile), domains.euclidean(profile)
    assert axis is not None
    assert sorted(axis) == list(range(len(ranks[0])))  # type: ignore[type-var]
    assert order is not None
    assert sorted(order) == list(range(len(ranks)))
    assert order[0] == 0
    assert line is not None
    assert stands_right(line, profile)
    assert not line.positions.flags.writeable
    assert domains.value_restricted(profile)


def test_utilities_are_forgotten_down_to_rankings() -> None:
    utilities: Any = ck.Utilities([[3, 2, 1], [0, 5, 4]], alternatives="abc")
    assert domains.single_peaked(utilities) == ("a", "b", "c")
    assert domains.single_crossing(utilities) == (0, 1)
    assert domains.value_restricted(utilities)
    with pytest.raises(TypeError, match="single_peaked needs Rankings"):
        domains.single_peaked(ck.Margins([[0, 1], [-1, 0]]))  # type: ignore[arg-type]


@pytest.mark.parametrize("recognise", [domains.single_peaked, domains.single_crossing, domains.euclidean])
@pytest.mark.parametrize(
    ("ranks", "word"), [([[0, 1, 2], [0, 0, 1]], "row 1 ties"), ([[0, 1, -1], [0, 1, 2]], "row 0 leaves")]
)
def test_ties_and_unranked_alternatives_are_refused(
    recognise: Callable[[ck.Rankings], Any], ranks: Any, word: str
) -> None:
    with pytest.raises(ValueError, match=f"needed strict rankings of all alternatives, but the ballot in {word}"):
        recognise(ck.Rankings(ranks))


# -- what the domains are for


@pytest.mark.parametrize("rng", range(20))
@pytest.mark.parametrize("culture", ["single_peaked_walsh", "single_crossing_culture"])
def test_an_odd_electorate_has_a_transitive_majority(culture: str, rng: int) -> None:
    """Black 1948, Rothstein 1991, Sen 1966."""
    profile = getattr(domains, culture)(voters=21, alternatives=7, rng=rng)
    assert domains.value_restricted(profile)
    wins = (profile.to_margins().values > 0).sum(1)
    assert sorted(wins.tolist()) == list(range(7))


def test_value_restriction_makes_the_majority_of_three_voters_transitive() -> None:
    """Sen 1966, on every profile of three voters and four alternatives; without it there may be a cycle."""
    cycles = 0
    for profile in domains.every(voters=3, alternatives=4, anonymous=True, neutral=True):
        transitive = sorted((profile.to_margins().values > 0).sum(1).tolist()) == [0, 1, 2, 3]
        assert transitive or not domains.value_restricted(profile)
        cycles += not transitive
    assert cycles


@pytest.mark.parametrize("rng", range(20))
def test_the_median_voter_of_a_single_crossing_electorate_is_representative(rng: int) -> None:
    """Rothstein 1991: that voter's ranking is the majority relation."""
    profile = domains.single_crossing_culture(voters=21, alternatives=7, rng=rng)
    order = domains.single_crossing(profile)
    assert order is not None
    median = profile.ranks[order[10]]
    assert ((profile.to_margins().values > 0) == (median[:, None] < median)).all()


@pytest.mark.parametrize("rng", range(20))
def test_the_median_peak_of_a_single_peaked_electorate_beats_all(rng: int) -> None:
    """Black 1948."""
    profile = domains.single_peaked_conitzer(voters=21, alternatives=7, rng=rng)
    axis = domains.single_peaked(profile)
    assert axis is not None
    peaks = sorted(axis.index(int(np.argmin(ranks))) for ranks in profile.ranks)
    assert profile.to_margins().condorcet_winner == axis[peaks[10]]
