"""Rules on utilities and approvals: their scores are measures of welfare, alone and in batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import choicekit as ck
from choicekit import welfare
from choicekit.rules import cardinal, grades

RULES: dict[str, Callable[..., Any]] = {
    "utilitarian": cardinal.utilitarian,
    "relative_utilitarian": cardinal.relative_utilitarian,
    "egalitarian": cardinal.egalitarian,
    "leximin": cardinal.leximin,
    "nash": functools.partial(cardinal.nash, disagreement=-1.0),
    "power_mean": functools.partial(cardinal.power_mean, exponent=-0.5),
    "ordered_average": functools.partial(cardinal.ordered_average, rank_weights=[3, 2, 1]),
    "generalised_gini": functools.partial(cardinal.generalised_gini, aversion=3.0),
    "quantile": functools.partial(cardinal.quantile, q=0.3),
    "range_voting": grades.range_voting,
    "median_grade": grades.median_grade,
    "majority_judgement": grades.majority_judgement,
    "typical_judgement": grades.typical_judgement,
    "usual_judgement": grades.usual_judgement,
    "central_judgement": grades.central_judgement,
    "star": grades.star,
}


@st.composite
def utilities(draw: st.DrawFn, voters: int = 6, alternatives: int = 4, highest: int = 3) -> ck.Utilities:
    """Few different utilities of at least 0, with whole weights, some of them 0."""
    size = draw(st.integers(1, alternatives))
    row = st.lists(st.integers(0, highest), min_size=size, max_size=size)
    table = draw(st.lists(row, min_size=1, max_size=voters))
    weights = draw(st.lists(st.integers(0, 4), min_size=len(table), max_size=len(table)))
    assume(any(weights))
    return ck.Utilities(table, weights)


def batched(rule: Callable[..., Any], *arguments: Any) -> Any:
    if isinstance(rule, functools.partial):
        return rule.func.batch(*arguments, **rule.keywords)
    return rule.batch(*arguments)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", RULES)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.booleans(), st.randoms(use_true_random=False))
def test_a_batch_is_one_by_one(name: str, many: int, voters: int, size: int, weighted: bool, random: Any) -> None:
    values = np.array([random.randint(0, 4) for _ in range(many * voters * size)], float).reshape(many, voters, size)
    weights = np.arange(voters) / 4 + 0.25 if weighted else None
    found = batched(RULES[name], ck.Batch(values, weights, kind=ck.Utilities))
    expected = [RULES[name](ck.Utilities(each, weights)).scores for each in values]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(batched(RULES[name], values, weights), expected)


@pytest.mark.parametrize("name", RULES)
@given(profile=utilities(), draw=st.data())
def test_anonymity_neutrality_and_weights_as_voters(name: str, profile: ck.Utilities, draw: st.DataObject) -> None:
    expected = RULES[name](profile).scores
    voters = draw.draw(st.permutations(range(len(profile.values))))
    labels = draw.draw(st.permutations(range(len(profile.alternatives))))
    shuffled = ck.Utilities(profile.values[voters][:, labels], profile.weights[voters])
    np.testing.assert_allclose(RULES[name](shuffled).scores, expected[labels], rtol=1e-12, atol=1e-12)
    one_each = ck.Utilities(np.repeat(profile.values, profile.weights.astype(int), axis=0))
    np.testing.assert_allclose(RULES[name](one_each).scores, expected, rtol=1e-12, atol=1e-12)
    if name not in {"range_voting"}:
        thirds = ck.Utilities(profile.values, profile.weights / 3)
        np.testing.assert_allclose(RULES[name](thirds).scores, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in RULES if name != "star"])
@given(profile=utilities())
def test_what_everybody_likes_no_less_scores_no_less(name: str, profile: ck.Utilities) -> None:
    scores = RULES[name](profile).scores
    for a in range(scores.size):
        for b in range(scores.size):
            if (profile.values[:, a] >= profile.values[:, b]).all():
                assert scores[a] >= scores[b] - 1e-12


@given(utilities())
def test_leximin_refines_the_egalitarian_rule_and_is_strongly_efficient(profile: ck.Utilities) -> None:
    first = cardinal.egalitarian(profile)
    finer = cardinal.leximin(profile)
    assert set(finer.winners) <= set(first.winners)
    there = profile.values[profile.weights > 0]
    for a, b in np.ndindex(len(finer.scores), len(finer.scores)):
        if first.scores[a] > first.scores[b] or (
            (there[:, a] >= there[:, b]).all() and (there[:, a] > there[:, b]).any()
        ):
            assert finer.scores[a] > finer.scores[b]


@given(utilities(), st.sampled_from([0.25, 3.0]), st.integers(-5, 5))
def test_what_may_be_changed_about_every_utility_alike(profile: ck.Utilities, unit: float, zero: int) -> None:
    changed = ck.Utilities(unit * profile.values + zero, profile.weights)
    for name in (
        "utilitarian",
        "relative_utilitarian",
        "egalitarian",
        "leximin",
        "ordered_average",
        "generalised_gini",
    ):
        assert RULES[name](changed).winners == RULES[name](profile).winners, name
    for name in ("range_voting", "median_grade", "majority_judgement", "typical_judgement", "star"):
        assert RULES[name](changed).winners == RULES[name](profile).winners, name


@given(utilities(), st.data())
def test_the_nash_product_needs_no_comparison_of_units_and_relative_utilities_no_scale(
    profile: ck.Utilities, draw: st.DataObject
) -> None:
    units = np.array(draw.draw(st.lists(st.integers(1, 4), min_size=len(profile.values), max_size=len(profile.values))))
    zeros = np.arange(len(units)) - 2.0
    changed = ck.Utilities(units[:, None] * profile.values + zeros[:, None], profile.weights)
    nash = cardinal.nash(changed, disagreement=zeros - units)
    assert nash.winners == cardinal.nash(profile, disagreement=-1.0).winners
    np.testing.assert_allclose(
        cardinal.relative_utilitarian(changed).scores, cardinal.relative_utilitarian(profile).scores, atol=1e-12
    )


@given(utilities())
def test_power_means_run_from_the_egalitarian_rule_to_the_mean(profile: ck.Utilities) -> None:
    least = cardinal.power_mean(profile, exponent=-np.inf).scores
    assert least.tolist() == cardinal.egalitarian(profile).scores.tolist()
    np.testing.assert_allclose(
        cardinal.power_mean(profile, exponent=1).scores, cardinal.utilitarian(profile).scores, rtol=1e-14
    )
    np.testing.assert_allclose(
        np.log(cardinal.power_mean(ck.Utilities(profile.values + 1, profile.weights), exponent=0).scores),
        cardinal.nash(profile, disagreement=-1.0).scores,
        atol=1e-13,
    )


def test_relative_utilities_by_hand() -> None:
    profile = ck.Utilities([[10, 0, 5], [3, 3, 3], [-1, 1, 0]], weights=[2, 7, 1], alternatives="abc")
    # the second voter is indifferent: (2·1 + 0)/10, (0 + 1)/10, (2·½ + ½)/10
    assert cardinal.relative_utilitarian(profile).scores.tolist() == pytest.approx([0.2, 0.1, 0.15])


def test_nash_of_100_000_voters() -> None:
    gains = np.full((100_000, 2), [1e-3, 1.1e-3])
    assert cardinal.nash(ck.Utilities(gains)).winners == (1,)
    assert cardinal.nash(ck.Utilities(1 / gains)).winners == (0,)
    assert cardinal.nash.batch(gains[None]).shape == (1, 2)


def test_approval_in_batches() -> None:
    votes = np.array([[[1, 0], [1, 1]], [[0, 0], [0, 1]]], bool)
    assert cardinal.approval.batch(ck.Batch(votes, [2, 3], kind=ck.Approvals)).tolist() == [[5, 3], [0, 3]]
    assert cardinal.approval(ck.Approvals(votes[0], [2, 3])).scores.tolist() == [5, 3]
    with pytest.raises(TypeError):
        cardinal.approval.batch(ck.Batch(votes.astype(float), kind=ck.Utilities))


@pytest.mark.parametrize("name", RULES)
def test_one_alternative_and_one_voter(name: str) -> None:
    assert RULES[name](ck.Utilities([[2]], alternatives=["only"])).winners == ("only",)
    assert RULES[name](ck.Utilities([[0, 2, 1]])).winners == (1,)


@pytest.mark.parametrize("name", RULES)
def test_all_level_is_a_tie_of_all(name: str) -> None:
    assert RULES[name](ck.Utilities(np.full((3, 3), 0.1), weights=[0.1, 0.2, 0.4])).winners == (0, 1, 2)


@pytest.mark.parametrize("name", RULES)
def test_missing_utilities_are_refused(name: str) -> None:
    profile = ck.Utilities([[1, 2], [np.nan, np.nan]], alternatives="ab")
    with pytest.raises(
        ValueError, match=rf"{name}: needed .* got 2 missing of 4, the first in row 1 for 'a'; fill them"
    ):
        RULES[name](profile)
    with pytest.raises(ValueError, match=rf"{name}: needed .* 1 missing of 4, the first in row 0 of profile 1 for 1; "):
        batched(RULES[name], [[[1, 2]], [[1, np.nan]]])


@pytest.mark.parametrize("name", RULES)
def test_outcomes_are_read_only(name: str) -> None:
    outcome = RULES[name](ck.Utilities([[1, 2]], alternatives="ab"))
    assert outcome.alternatives == ("a", "b")
    if name != "star":
        with pytest.raises(ValueError, match="read-only"):
            outcome.scores[0] = 1


def test_a_voter_of_weight_zero_counts_nowhere() -> None:
    alone = ck.Utilities([[3, 1], [2, 1]])
    beside = ck.Utilities([[3, 1], [2, 1], [0, 9]], weights=[1, 1, 0])
    for name, rule in RULES.items():
        if name != "relative_utilitarian":
            np.testing.assert_allclose(rule(beside).scores, rule(alone).scores, err_msg=name)


def test_options_are_those_of_welfare() -> None:
    profile = ck.Utilities([[3, 1], [2, 1], [0, 9]], weights=[1, 3, 0.5])
    for rule, options, measure in (
        (cardinal.power_mean, {"exponent": 3.0}, welfare.power_mean),
        (cardinal.ordered_average, {"rank_weights": [1, 0, 2]}, welfare.ordered_average),
        (cardinal.generalised_gini, {"aversion": 1.5}, welfare.generalised_gini),
        (cardinal.quantile, {"q": 0.9}, welfare.quantile),
    ):
        expected = measure(profile.values, weights=profile.weights, **options)
        assert rule(profile, **options).scores.tolist() == expected.tolist()
