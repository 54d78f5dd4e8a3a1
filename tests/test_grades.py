"""Rules on grades against their definitions, done by the book."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import choicekit as ck
from choicekit.rules import fixed_order, seeded_lottery
from choicekit.rules import grades as rules


@st.composite
def graded(draw: st.DrawFn, voters: int = 6, alternatives: int = 4, highest: int = 3) -> ck.Utilities:
    """Whole grades with whole weights, some of them 0."""
    size = draw(st.integers(1, alternatives))
    row = st.lists(st.integers(0, highest), min_size=size, max_size=size)
    table = draw(st.lists(row, min_size=1, max_size=voters))
    weights = draw(st.lists(st.integers(0, 4), min_size=len(table), max_size=len(table)))
    assume(any(weights))
    return ck.Utilities(table, weights)


def voters_of(profile: ck.Utilities) -> list[list[float]]:
    """The grades of each alternative, one a voter, from the lowest up."""
    each = np.repeat(profile.values, profile.weights.astype(int), axis=0)
    return [sorted(column) for column in each.T.tolist()]


def majority_value(grades: list[float]) -> list[float]:
    """The lower median, taken away, and so on (Balinski and Laraki 2007)."""
    left, out = [*grades], []
    while left:
        out.append(left.pop((len(left) - 1) // 2))
    return out


def dense(keys: list[tuple[float, ...]]) -> list[float]:
    return [float(len({other for other in keys if other < key})) for key in keys]


@given(graded(voters=8))
def test_majority_judgement_takes_medians_away_by_the_book(profile: ck.Utilities) -> None:
    expected = dense([tuple(majority_value(grades)) for grades in voters_of(profile)])
    assert rules.majority_judgement(profile).scores.tolist() == expected
    sevenths = ck.Utilities(profile.values, profile.weights / 7)
    assert rules.majority_judgement(sevenths).scores.tolist() == expected


@given(graded())
def test_median_grade_is_the_first_of_the_majority_value(profile: ck.Utilities) -> None:
    assert rules.median_grade(profile).scores.tolist() == [majority_value(grades)[0] for grades in voters_of(profile)]
    assert set(rules.majority_judgement(profile).winners) <= set(rules.median_grade(profile).winners)


def test_majority_judgement_does_not_count_voters_out() -> None:
    # a billion voters and one, whose grade decides
    votes = ck.Utilities([[3, 3], [0, 1], [5, 5]], weights=[1e9, 1, 1], alternatives="ab")
    assert rules.majority_judgement(votes).winners == ("b",)


def test_majority_judgement_of_100_000_voters_is_that_of_their_counts() -> None:
    rng = np.random.default_rng(5)
    table = rng.integers(0, 6, (100_000, 3)).astype(float)
    rows, counts = np.unique(table, axis=0, return_counts=True)
    expected = rules.majority_judgement(ck.Utilities(rows, counts)).scores
    assert rules.majority_judgement(ck.Utilities(table)).scores.tolist() == expected.tolist()
    assert sorted(expected) == [0, 1, 2]


def test_the_orsay_experiment() -> None:
    # Balinski and Laraki 2007, the three main alternatives in Orsay, in thousandths from Reject to Excellent;
    # published: Bayrou Good+ (44.3 % above, 30.6 % below), Royal Good− (39.4, 41.5), Sarkozy Good− (38.9, 46.9)
    shares = {
        "Bayrou": (74, 84, 148, 251, 307, 136),
        "Royal": (125, 122, 168, 191, 227, 167),
        "Sarkozy": (282, 71, 115, 143, 198, 191),
    }
    columns = [np.repeat(np.arange(6.0), counts) for counts in shares.values()]
    votes = ck.Utilities(np.array(columns).T, alternatives=shares)
    assert rules.median_grade(votes).scores.tolist() == [3, 3, 3]
    assert rules.majority_judgement(votes).scores.tolist() == [2, 1, 0]
    assert rules.typical_judgement(votes).scores.tolist() == [2, 1, 0]


def fabre(grades: list[float], kind: str) -> tuple[float, float]:
    median = grades[(len(grades) - 1) // 2]
    more = sum(grade > median for grade in grades) / len(grades)
    less = sum(grade < median for grade in grades) / len(grades)
    if kind == "typical":
        second = more - less
    elif kind == "usual":
        second = (more - less) / (1 - more - less)
    else:
        second = (more - less) / (more + less) if more + less else 0.0
    return median, round(second, 9)


@pytest.mark.parametrize("kind", ["typical", "usual", "central"])
@given(profile=graded())
def test_other_judgements_break_median_ties_by_the_book(kind: str, profile: ck.Utilities) -> None:
    expected = dense([fabre(grades, kind) for grades in voters_of(profile)])
    assert getattr(rules, f"{kind}_judgement")(profile).scores.tolist() == expected


@given(graded())
def test_range_voting_adds_up(profile: ck.Utilities) -> None:
    expected = [sum(grades) for grades in voters_of(profile)]
    assert rules.range_voting(profile).scores.tolist() == expected
    for missing in ("zero", "average"):
        found = rules.range_voting(profile, missing=missing).scores
        np.testing.assert_allclose(found * (1 if missing == "zero" else profile.weights.sum()), expected)


def test_missing_grades() -> None:
    votes = ck.Utilities([[5, np.nan, np.nan], [1, 4, np.nan]], weights=[1, 3])
    assert rules.range_voting(votes, missing="zero").scores.tolist() == [8, 12, 0]
    assert rules.range_voting(votes, missing="average").scores.tolist() == [2, 4, -np.inf]
    assert rules.range_voting.batch(votes.values[None], votes.weights, missing="zero").tolist() == [[8, 12, 0]]
    with pytest.raises(ValueError, match="missing='refuse', 'zero' or 'average', got 'mean'"):
        rules.range_voting(votes, missing="mean")


# --- STAR -------------------------------------------------------------------------------------------------------------


def star_by_the_book(profile: ck.Utilities, order: tuple[int, ...]) -> int:
    """The winner where ties are broken by an order."""
    each = np.repeat(profile.values, profile.weights.astype(int), axis=0)
    totals = each.sum(0)
    ranked = sorted(order, key=lambda a: (-totals[a], order.index(a)))
    if len(ranked) == 1:
        return ranked[0]
    one, other = ranked[:2]
    gap = (each[:, one] > each[:, other]).sum() - (each[:, one] < each[:, other]).sum()
    return other if gap < 0 else one


@given(graded(), st.data())
def test_star_by_the_book_in_every_way_of_breaking_ties(profile: ck.Utilities, draw: st.DataObject) -> None:
    found = {order: star_by_the_book(profile, order) for order in permutations(profile.alternatives)}
    assert set(rules.star(profile).winners) == set(found.values())
    order = draw.draw(st.sampled_from(sorted(found)))
    assert rules.star(profile, ties=fixed_order(order)).winners == (found[order],)
    drawn = rules.star(profile, ties=seeded_lottery(3))
    assert drawn.winners == (found[drawn.ties.order],)
    np.testing.assert_array_equal(
        rules.star.batch(profile.values[None], profile.weights, ties=fixed_order(order))[0],
        [float(a == found[order]) for a in profile.alternatives],
    )


def test_star_on_the_tennessee_example() -> None:
    # ballots as in the test elections of the Equal Vote Coalition's tabulator
    votes = ck.Utilities(
        [[5, 2, 1, 0], [1, 5, 3, 2], [0, 3, 4, 5], [0, 3, 5, 4]], [42, 26, 17, 15], ["Memphis", "Nash", "Chatt", "Knox"]
    )
    outcome = rules.star(votes)
    assert outcome.winners == ("Nash",)
    assert outcome.rounds[0].scores.tolist() == [236, 310, 263, 197]
    assert outcome.rounds[0].eliminated == ("Memphis", "Knox")
    assert outcome.rounds[1].alternatives == ("Nash", "Chatt")
    assert outcome.rounds[1].scores.tolist() == [68, 32]
    assert outcome.rounds[1].eliminated == ("Chatt",)
    assert outcome.ties.universes == 1


def test_the_runoff_need_not_go_to_the_highest_total() -> None:
    votes = ck.Utilities([[5, 0, 0], [2, 3, 0], [2, 3, 0]], alternatives="abc")
    assert rules.range_voting(votes).winners == ("a",)
    assert rules.star(votes).winners == ("b",)


def test_a_level_runoff_goes_to_the_higher_total_and_then_to_the_ties() -> None:
    higher = ck.Utilities([[5, 0, 0], [3, 4, 0]], alternatives="abc")
    assert rules.star(higher).winners == ("a",)
    level = ck.Utilities([[5, 4, 0], [4, 5, 0]], alternatives="abc")
    assert rules.star(level).winners == ("a", "b")
    assert rules.star(level, ties=fixed_order("bca")).winners == ("b",)


def test_tied_places_in_the_runoff_open_universes() -> None:
    # a has the highest total, b and c tie for the second place; c beats a in the runoff, b does not
    votes = ck.Utilities([[5, 0, 4], [3, 1, 4], [3, 4, 0], [0, 3, 0]], alternatives="abc")
    assert rules.range_voting(votes).scores.tolist() == [11, 8, 8]
    outcome = rules.star(votes)
    assert outcome.ties.universes == 2
    assert outcome.rounds == ()
    one = {second: rules.star(votes, ties=fixed_order(f"a{second}{third}")) for second, third in ("bc", "cb")}
    assert set(outcome.winners) == {label for each in one.values() for label in each.winners}
    assert len(one["b"].rounds) == 2


def test_an_order_must_be_of_the_alternatives() -> None:
    with pytest.raises(ValueError, match="ties: needed an order of all 2 alternatives"):
        rules.star(ck.Utilities([[1, 2]], alternatives="ab"), ties=fixed_order("a"))
