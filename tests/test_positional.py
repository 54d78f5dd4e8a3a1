"""Points for places against their definition, published numbers, and the readings of ties and truncation."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_elimination as reference
from hypothesis import given
from hypothesis import strategies as st
from strategies import ballots

import choicekit as ck
from choicekit import ingest, rules
from choicekit.kernels import positions

TIED = ["averaged", "optimistic", "pessimistic"]
UNRANKED = ["below", "absent"]
# a name, what it takes beside the conventions for m alternatives, and its points
RULES: dict[str, Any] = {
    "veto": lambda m: ({}, [0] * (m - 1) + [-1]),
    "k_approval": lambda m: ({"k": (m + 1) // 2}, [1] * ((m + 1) // 2) + [0] * (m // 2)),
    "dowdall": lambda m: ({}, [Fraction(1, k) for k in range(1, m + 1)]),
    "positional": lambda m: ({"points": [7, -2, 5, 5, 0.25][:m]}, [7, -2, 5, 5, Fraction(1, 4)][:m]),
}
ALL = ["plurality", "borda", *RULES]


def options(name: str, size: int) -> dict[str, Any]:
    found: dict[str, Any] = RULES[name](size)[0] if name in RULES else {}
    return found


def close(scores: Any, expected: list[Fraction]) -> None:
    np.testing.assert_allclose(scores, [float(each) for each in expected], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("unranked", UNRANKED)
@pytest.mark.parametrize("tied", TIED)
@pytest.mark.parametrize("name", RULES)
@given(profile=ballots())
def test_points_by_the_book(name: str, tied: str, unranked: str, profile: ck.Rankings) -> None:
    given_, points = RULES[name](len(profile.alternatives))
    exact = [Fraction(each) for each in points]
    expected = reference.positional(profile.ranks.tolist(), profile.weights.tolist(), exact, tied, unranked)
    close(getattr(rules, name)(profile, tied=tied, unranked=unranked, **given_).scores, expected)


@pytest.mark.parametrize("unranked", UNRANKED)
@pytest.mark.parametrize("tied", TIED)
@given(profile=ballots())
def test_borda_by_the_book(tied: str, unranked: str, profile: ck.Rankings) -> None:
    expected = reference.borda(profile.ranks.tolist(), profile.weights.tolist(), tied, unranked)
    close(rules.borda(profile, tied=tied, unranked=unranked).scores, expected)


@pytest.mark.parametrize("unranked", UNRANKED)
@pytest.mark.parametrize("tied", TIED)
@given(profile=ballots())
def test_plurality_by_the_book(tied: str, unranked: str, profile: ck.Rankings) -> None:
    first = [Fraction(int(place == 0)) for place in range(len(profile.alternatives))]
    expected = reference.positional(profile.ranks.tolist(), profile.weights.tolist(), first, tied, "absent")
    close(rules.plurality(profile, tied=tied, unranked=unranked).scores, expected)


@pytest.mark.parametrize("tied", TIED)
@given(profile=ballots())
def test_borda_is_positional_with_points_that_fall_by_one(tied: str, profile: ck.Rankings) -> None:
    falling = list(range(len(profile.alternatives)))[::-1]
    expected = rules.positional(profile, points=falling, tied=tied).scores
    np.testing.assert_allclose(rules.borda(profile, tied=tied).scores, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("unranked", UNRANKED)
@pytest.mark.parametrize("name", ALL)
@given(profile=ballots(), draw=st.data())
def test_neutrality_and_reinforcement(name: str, unranked: str, profile: ck.Rankings, draw: st.DataObject) -> None:
    rule = getattr(rules, name)
    more = {"unranked": unranked, **options(name, len(profile.alternatives))}
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    scores = rule(profile, **more).scores
    permuted = ck.Rankings(profile.ranks[:, order], profile.weights)
    np.testing.assert_allclose(rule(permuted, **more).scores, scores[order], rtol=1e-12, atol=1e-12)
    twice = ck.Rankings(np.vstack([profile.ranks, permuted.ranks]), np.tile(profile.weights, 2))
    np.testing.assert_allclose(rule(twice, **more).scores, scores + scores[order], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
@given(profile=ballots())
def test_the_mean_is_between_the_first_and_the_last(name: str, profile: ck.Rankings) -> None:
    if name == "positional":  # whose points here rise and fall
        return
    rule, more = getattr(rules, name), options(name, len(profile.alternatives))
    low, middle, high = (rule(profile, tied=tied, **more).scores for tied in ("pessimistic", "averaged", "optimistic"))
    assert (low <= middle + 1e-9).all()
    assert (middle <= high + 1e-9).all()


@pytest.mark.parametrize("unranked", UNRANKED)
@pytest.mark.parametrize("tied", TIED)
@pytest.mark.parametrize("name", ALL)
@given(draw=st.data())
def test_a_batch_is_one_by_one(name: str, tied: str, unranked: str, draw: st.DataObject) -> None:
    batch, voters, size = (draw.draw(st.integers(1, most)) for most in (3, 4, 5))
    flat = draw.draw(
        st.lists(st.integers(-1, size - 1), min_size=batch * voters * size, max_size=batch * voters * size)
    )
    ranks = np.array(flat).reshape(batch, voters, size)
    weights = np.arange(1, voters + 1) / 4
    rule, more = getattr(rules, name), {"tied": tied, "unranked": unranked, **options(name, size)}
    expected = [rule(ck.Rankings(each, weights), **more).scores for each in ranks]
    np.testing.assert_array_equal(rule.batch(ranks, weights, **more), expected)


# --- Numbers that can be checked by hand ----------------------------------------------------------------------------

TENNESSEE = ck.Rankings.from_orders(
    {
        ("Memphis", "Nashville", "Chattanooga", "Knoxville"): 42,
        ("Nashville", "Chattanooga", "Knoxville", "Memphis"): 26,
        ("Chattanooga", "Knoxville", "Nashville", "Memphis"): 15,
        ("Knoxville", "Chattanooga", "Nashville", "Memphis"): 17,
    }
)


def test_the_capital_of_tennessee() -> None:
    # the example of Wikipedia's articles on voting rules; alternatives are Chattanooga, Knoxville, Memphis, Nashville
    assert rules.plurality(TENNESSEE).scores.tolist() == [15, 17, 42, 26]
    assert rules.borda(TENNESSEE).scores.tolist() == [173, 107, 126, 194]
    assert rules.veto(TENNESSEE).scores.tolist() == [0, -42, -58, 0]
    assert rules.k_approval(TENNESSEE, k=2).scores.tolist() == [58, 32, 42, 68]
    assert rules.borda(TENNESSEE).winners == ("Nashville",)


def test_the_readings_of_one_truncated_ballot() -> None:
    profile = ck.Rankings.from_orders(["ab"], alternatives="abcd")
    found = {
        (tied, unranked): rules.positional(profile, points=[8, 4, 2, 1], tied=tied, unranked=unranked).scores.tolist()
        for tied in TIED
        for unranked in UNRANKED
    }
    assert found == {
        ("averaged", "below"): [8, 4, 1.5, 1.5],
        ("optimistic", "below"): [8, 4, 2, 2],
        ("pessimistic", "below"): [8, 4, 1, 1],
        ("averaged", "absent"): [8, 4, 0, 0],
        ("optimistic", "absent"): [8, 4, 0, 0],
        ("pessimistic", "absent"): [8, 4, 0, 0],
    }


def test_what_a_ballot_that_ranks_nothing_counts() -> None:
    blank = ck.Rankings([[-1, -1]])
    assert rules.plurality(blank).scores.tolist() == [0, 0]
    assert rules.borda(blank).scores.tolist() == [0.5, 0.5]
    assert rules.veto(blank).scores.tolist() == [-0.5, -0.5]
    assert rules.dowdall(blank).scores.tolist() == [0.75, 0.75]
    for name in ALL:
        assert not getattr(rules, name)(blank, unranked="absent", **options(name, 2)).scores.any()


def test_ranks_need_not_be_consecutive() -> None:
    sparse = ck.Rankings([[300, 7, 7, -1], [0, 2, 1, 100_000]])
    compact = ck.Rankings([[1, 0, 0, -1], [0, 2, 1, 3]])
    for name in ALL:
        expected = getattr(rules, name)(compact, **options(name, 4)).scores.tolist()
        assert getattr(rules, name)(sparse, **options(name, 4)).scores.tolist() == expected


@pytest.mark.parametrize("name", ALL)
def test_small_electorates(name: str) -> None:
    rule = getattr(rules, name)
    assert rule(ck.Rankings([[0]], alternatives=["only"]), **options(name, 1)).winners == ("only",)
    level = rule(ck.Rankings([[0, 0, 0]], alternatives="abc"), **options(name, 3))
    assert level.winners == ("a", "b", "c")
    beside = ck.Rankings([[0, 1, 2], [2, 1, 0]], weights=[1, 0])
    alone = ck.Rankings([[0, 1, 2]])
    assert rule(beside, **options(name, 3)).scores.tolist() == rule(alone, **options(name, 3)).scores.tolist()
    scores = rule(alone, **options(name, 3)).scores
    assert not np.signbit(scores[scores == 0]).any()
    with pytest.raises(ValueError, match="read-only"):
        scores[0] = 1


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("borda", {"tied": "mean"}, r"tied: needed one of 'averaged', 'optimistic', 'pessimistic', got 'mean'"),
        ("plurality", {"tied": "mean"}, r"tied: needed one of .* got 'mean'"),
        ("dowdall", {"unranked": "last"}, r"unranked: needed 'below' .* got 'last'"),
        ("plurality", {"unranked": "last"}, r"unranked: needed 'below' .* got 'last'"),
        ("k_approval", {"k": 0}, r"k_approval: needed a whole number k from 1 to the 2 alternatives there are, got 0"),
        ("k_approval", {"k": 3}, r"got 3"),
        ("k_approval", {"k": 1.5}, r"got 1.5"),
        (
            "positional",
            {"points": [1, 0, 0]},
            r"positional: needed points for each of 2 places, best first, all finite",
        ),
        ("positional", {"points": [1, np.nan]}, r"needed points for each of 2 places"),
    ],
)
def test_wrong_options_are_refused(name: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(rules, name)(ck.Rankings([[0, 1]]), **wrong)


def test_the_rules_of_a_batch_share_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    many = ck.Batch([[[0, 1, 2], [2, 1, 0]]])
    rules.dowdall.batch(many)
    monkeypatch.setattr(positions, "places", lambda *_: pytest.fail("counted again"))
    assert rules.veto.batch(many).tolist() == [[-1, 0, -1]]


# --- Real elections -------------------------------------------------------------------------------------------------


def facts(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "facts.json").read_text(encoding="utf-8"))["preflib_visible"]
    return found


def test_first_preferences_and_plurality_of_preflib(data: Path) -> None:
    for name, known in facts(data).items():
        outcome = rules.plurality(ingest.read_rankings(data / name))
        assert outcome.alternatives == tuple(known["candidates"].values()), name
        if known["type"] in ("soc", "soi"):
            assert sorted(outcome.winners) == sorted(known["plurality"]), name
        # ballots with several in the first place are counted for none of them there
        alone = rules.plurality(ingest.read_rankings(data / name), tied="pessimistic")
        assert alone.scores.tolist() == list(known["first_preferences"].values()), name
        assert sorted(alone.winners) == sorted(known["plurality"]), name


def test_borda_and_veto_of_preflib(data: Path) -> None:
    seen = 0
    for name, known in facts(data).items():
        if known["type"] == "soc":
            votes = ingest.read_rankings(data / name)
            outcome = rules.borda(votes)
            assert outcome.scores.tolist() == list(known["borda_scores"].values()), name
            assert sorted(outcome.winners) == sorted(known["soc_borda"]), name
            assert sorted(rules.veto(votes).winners) == sorted(known["soc_anti_plurality"]), name
            assert sorted(rules.plurality(votes).winners) == sorted(known["soc_plurality"]), name
            seen += 1
    assert seen == 20
