"""Rules against their definitions, against each other's theorems, and what they may see."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import choicekit as ck
from choicekit import rules, solvers
from choicekit.outcomes import Lottery, Scores
from choicekit.rules import _games

CYCLE = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
UTILITIES = ck.Utilities([[2, 1, 0], [0, 1, 2]])
ON_BALLOTS = {"plurality": reference.plurality, "borda": reference.borda}
ON_MARGINS = {"copeland": reference.copeland, "minimax": reference.minimax, "schulze": reference.schulze}
CONDORCET = ["copeland", "minimax", "schulze"]
ORDINAL = [*ON_BALLOTS, *ON_MARGINS]


@st.composite
def ballots(draw: st.DrawFn, voters: int = 6, alternatives: int = 5) -> ck.Rankings:
    """Strict, weak or truncated ballots, with weights that are exact in binary."""
    size = draw(st.integers(1, alternatives))
    strict = st.permutations(range(size))
    weak = st.lists(st.integers(0, size - 1), min_size=size, max_size=size)
    truncated = st.lists(st.integers(-1, size - 1), min_size=size, max_size=size)
    ranks = draw(st.lists(draw(st.sampled_from([strict, weak, truncated])), min_size=1, max_size=voters))
    weights = draw(st.lists(st.integers(0, 32), min_size=len(ranks), max_size=len(ranks)))
    assume(any(weights))
    return ck.Rankings(ranks, np.array(weights) / 4)


@st.composite
def odd_electorates(draw: st.DrawFn) -> ck.Rankings:
    """An odd number of strict ballots, whose margins are odd."""
    size = draw(st.integers(2, 5))
    voters = draw(st.sampled_from([1, 3, 5, 7]))
    return ck.Rankings(draw(st.lists(st.permutations(range(size)), min_size=voters, max_size=voters)))


def answer(outcome: Any) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = outcome.probabilities if isinstance(outcome, Lottery) else outcome.scores
    return numbers


# --- Against the definitions --------------------------------------------------------------------------------------


@given(ballots())
def test_margins_are_counted_by_the_book(profile: ck.Rankings) -> None:
    assert profile.to_margins().values.tolist() == reference.margins(profile.ranks.tolist(), profile.weights.tolist())


@pytest.mark.parametrize("name", ON_BALLOTS)
@given(profile=ballots())
def test_points_are_added_up_by_the_book(name: str, profile: ck.Rankings) -> None:
    expected = ON_BALLOTS[name](profile.ranks.tolist(), profile.weights.tolist())
    np.testing.assert_allclose(getattr(rules, name)(profile).scores, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ON_MARGINS)
@given(profile=ballots())
def test_majority_rules_are_computed_by_the_book(name: str, profile: ck.Rankings) -> None:
    expected = ON_MARGINS[name](reference.margins(profile.ranks.tolist(), profile.weights.tolist()))
    assert getattr(rules, name)(profile).scores.tolist() == expected


@given(ballots())
def test_condorcet_winner_by_the_book(profile: ck.Rankings) -> None:
    margin = profile.to_margins()
    assert margin.condorcet_winner == reference.condorcet_winner(margin.values.tolist())


@given(ballots())
def test_maximal_lottery_loses_to_no_alternative(profile: ck.Rankings) -> None:
    lottery = rules.maximal_lottery(profile)
    assert reference.is_maximal_lottery(lottery.probabilities.tolist(), profile.to_margins().values.tolist())


@given(ballots())
def test_random_dictatorship_is_plurality_made_a_lottery(profile: ck.Rankings) -> None:
    ranked = (profile.ranks >= 0).any(1)
    assume(profile.weights[ranked].any())
    kept = ck.Rankings(profile.ranks[ranked], profile.weights[ranked])
    votes = np.array(reference.plurality(kept.ranks.tolist(), kept.weights.tolist()))
    np.testing.assert_allclose(rules.random_dictatorship(kept).probabilities, votes / kept.weights.sum(), rtol=1e-12)


# --- Numbers that can be checked by hand --------------------------------------------------------------------------


def test_the_cycle_of_seven() -> None:
    winners = {name: getattr(rules, name)(CYCLE).winners for name in ORDINAL}
    assert winners == {
        "plurality": ("a",),
        "borda": ("a",),
        "copeland": ("a", "b", "c"),
        "minimax": ("a",),
        "schulze": ("a",),
    }


def test_borda_points_of_one_truncated_ballot() -> None:
    # a above three; b and c level above d and each other's half; d, unranked, below all
    assert rules.borda(ck.Rankings([[0, 1, 1, -1]])).scores.tolist() == [3.0, 1.5, 1.5, 0.0]


def test_schulze_on_his_own_first_example() -> None:
    # Schulze 2011, section 3.1: 21 voters, four alternatives, the order d > a > c > b
    votes = ck.Rankings.from_orders({"acdb": 8, "badc": 2, "cdba": 4, "dbac": 4, "dcba": 3})
    assert votes.to_margins().values.tolist() == [[0, -5, 7, -1], [5, 0, -9, -17], [-7, 9, 0, 3], [1, 17, -3, 0]]
    assert rules.schulze(votes).scores.tolist() == [-1.0, -3.0, -2.0, 0.0]


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(1, 1000))
def test_maximal_lottery_of_a_cycle(xy: int, yz: int, zx: int) -> None:
    margin = ck.Margins([[0, xy, -zx], [-xy, 0, yz], [zx, -yz, 0]], ["x", "y", "z"])
    expected = np.array([yz, zx, xy]) / (xy + yz + zx)
    np.testing.assert_allclose(rules.maximal_lottery(margin).probabilities, expected, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e200])
def test_maximal_lottery_does_not_depend_on_the_unit(scale: float) -> None:
    margin = ck.Margins(scale * np.array([[0, 3, -1], [-3, 0, 5], [1, -5, 0]]))
    np.testing.assert_allclose(rules.maximal_lottery(margin).probabilities, [5 / 9, 1 / 9, 3 / 9], atol=1e-9)


def test_rounding_of_weights_makes_no_majority() -> None:
    # 0.1 + 0.2 − 0.3 is 5.6e-17 in binary
    rounding = 0.1 + 0.2 - 0.3
    margin = ck.Margins([[0, rounding, 0.6], [-rounding, 0, 0.6], [-0.6, -0.6, 0]], "abx")
    assert rounding > 0
    assert rules.copeland(margin).scores.tolist() == [1.5, 1.5, 0.0]
    assert rules.schulze(margin).winners == ("a", "b")
    assert rules.minimax(margin).winners == ("a", "b")


@pytest.mark.parametrize("name", ORDINAL)
def test_no_score_is_a_negative_zero(name: str) -> None:
    scores = getattr(rules, name)(ck.Rankings.from_orders(["ab", "ba"])).scores
    assert scores[0] == scores[1]
    assert not np.signbit(scores).any()


@pytest.mark.parametrize("name", [*ORDINAL, "maximal_lottery", "random_dictatorship"])
def test_a_single_alternative_wins(name: str) -> None:
    assert getattr(rules, name)(ck.Rankings([[0]], alternatives=["only"])).winners == ("only",)


def test_cardinal_rules_weigh_voters() -> None:
    profile = ck.Utilities([[8, 3], [1, 3]], weights=[2, 1], alternatives="ab")
    assert rules.utilitarian(profile).scores.tolist() == pytest.approx([17 / 3, 3])
    assert rules.egalitarian(profile).scores.tolist() == [1, 3]
    assert np.exp(rules.nash(profile).scores).tolist() == pytest.approx([4, 3])
    assert np.exp(rules.nash(profile, disagreement=0.5).scores).tolist() == pytest.approx([28.125 ** (1 / 3), 2.5])
    assert rules.nash(profile, disagreement=1).scores[0] == -np.inf
    assert rules.nash(profile, disagreement=1).winners == ("b",)


def test_a_voter_of_weight_zero_counts_nowhere() -> None:
    alone = ck.Utilities([[8, 3]], alternatives="ab")
    beside = ck.Utilities([[8, 3], [-1, 0]], weights=[1, 0], alternatives="ab")
    for each in (rules.utilitarian, rules.egalitarian, rules.nash):
        assert each(beside).scores.tolist() == each(alone).scores.tolist()
    blank = ck.Rankings([[0, 1], [-1, -1]], weights=[1, 0])
    assert rules.random_dictatorship(blank).probabilities.tolist() == [1, 0]


def test_approval_counts_weights() -> None:
    votes = ck.Approvals([[1, 1, 0], [0, 1, 0], [0, 0, 1]], weights=[1, 2, 2.5], alternatives="abc")
    assert rules.approval(votes).scores.tolist() == [1, 3, 2.5]
    assert rules.approval(votes).winners == ("b",)


# --- Theorems -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORDINAL)
@given(profile=ballots(), draw=st.data())
def test_neutrality(name: str, profile: ck.Rankings, draw: st.DataObject) -> None:
    rule = getattr(rules, name)
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    permuted = ck.Rankings(profile.ranks[:, order], profile.weights)
    np.testing.assert_allclose(rule(permuted).scores, rule(profile).scores[order], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["maximal_lottery", "random_dictatorship"])
@given(profile=odd_electorates(), draw=st.data())
def test_neutrality_of_lotteries(name: str, profile: ck.Rankings, draw: st.DataObject) -> None:
    rule = getattr(rules, name)
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    permuted = ck.Rankings(profile.ranks[:, order], profile.weights)
    np.testing.assert_allclose(rule(permuted).probabilities, rule(profile).probabilities[order], atol=1e-7)


@pytest.mark.parametrize("name", [*ORDINAL, "maximal_lottery"])
@given(profile=ballots(), draw=st.data())
def test_anonymity(name: str, profile: ck.Rankings, draw: st.DataObject) -> None:
    rule = getattr(rules, name)
    order = draw.draw(st.permutations(range(len(profile.ranks))))
    shuffled = ck.Rankings(profile.ranks[order], profile.weights[order])
    halves = ck.Rankings(np.vstack([profile.ranks, profile.ranks]), np.tile(profile.weights / 2, 2))
    expected = answer(rule(profile))
    np.testing.assert_allclose(answer(rule(shuffled)), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(answer(rule(halves)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CONDORCET)
@given(profile=ballots())
@example(ck.Rankings.from_orders({"abc": 3, "bca": 2}))  # Borda elects b here
def test_condorcet_consistency(name: str, profile: ck.Rankings) -> None:
    margin = profile.to_margins()
    winner = margin.condorcet_winner
    assume(winner is not None)
    assert getattr(rules, name)(margin).winners == (winner,)
    lottery = rules.maximal_lottery(margin)
    assert lottery.probabilities[lottery.alternatives.index(winner)] == pytest.approx(1, abs=1e-9)


def test_the_condorcet_example_tells_borda_apart() -> None:
    profile = ck.Rankings.from_orders({"abc": 3, "bca": 2})
    assert profile.to_margins().condorcet_winner == "a"
    assert rules.borda(profile).winners == ("b",)


# --- Batches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORDINAL)
@given(
    ranks=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)).flatmap(
        lambda shape: st.lists(
            st.integers(-1, shape[2] - 1),
            min_size=shape[0] * shape[1] * shape[2],
            max_size=shape[0] * shape[1] * shape[2],
        ).map(lambda flat: np.array(flat).reshape(shape))
    ),
    weighted=st.booleans(),
)
def test_a_batch_is_one_by_one(name: str, ranks: NDArray[np.int64], weighted: bool) -> None:
    rule = getattr(rules, name)
    weights = np.arange(1, ranks.shape[1] + 1) / 4 if weighted else None
    expected = [rule(ck.Rankings(each, weights)).scores for each in ranks]
    np.testing.assert_array_equal(rule.batch(ranks, weights), expected)


@pytest.mark.parametrize("name", ORDINAL)
def test_an_empty_batch_has_no_scores(name: str) -> None:
    assert getattr(rules, name).batch(np.zeros((0, 3, 4), np.int64)).shape == (0, 4)


def test_a_batch_takes_narrow_integers() -> None:
    ranks = np.array([[[0, 1], [1, 0]], [[0, 1], [0, 1]]], np.int8)[:, ::-1]
    assert rules.copeland.batch(ranks).tolist() == [[0.5, 0.5], [1, 0]]


def test_a_rule_without_a_kernel_also_answers_a_batch() -> None:
    @rules.rule
    def veto(profile: ck.Rankings, *, points: float = 1.0) -> Scores:
        """Minus the points of every ballot that puts it last."""
        last = profile.ranks == profile.ranks.max(1, keepdims=True)
        return Scores(profile.alternatives, -points * (profile.weights @ last))

    ranks = np.array([[[0, 1, 2], [1, 0, 2]], [[2, 1, 0], [0, 2, 1]]])
    assert veto.batch(ranks, [2, 1]).tolist() == [[0, 0, -3], [-2, -1, 0]]
    assert veto.batch(ranks, points=2.0).tolist() == [[0, 0, -4], [-2, -2, 0]]
    lotteries = rules.maximal_lottery.batch(ranks)
    for row, each in zip(lotteries, ranks, strict=True):
        np.testing.assert_allclose(row, rules.maximal_lottery(ck.Rankings(each)).probabilities)


def test_batches_of_other_profiles() -> None:
    values = np.array([[[4.0, 0.0], [1.0, 2.0]]])
    assert rules.utilitarian.batch(values, [1, 3]).tolist() == [[1.75, 1.5]]
    assert rules.approval.batch([[[1, 0], [1, 1]]]).tolist() == [[2, 1]]
    many = ck.Batch(values, kind=ck.Utilities)
    assert rules.plurality.batch(many).tolist() == [[1, 1]]  # forgets down to rankings
    with pytest.raises(TypeError, match="utilitarian needs Utilities; Rankings cannot be turned into them"):
        rules.utilitarian.batch(ck.Batch([[[0, 1]]]))
    with pytest.raises(TypeError, match="the Batch has weights of its own"):
        rules.borda.batch(ck.Batch([[[0, 1]]]), [1])
    with pytest.raises(TypeError, match="needed Rankings to tally, got Utilities"):
        many.margins()


def test_a_batch_is_tallied_once_and_read_only() -> None:
    many = ck.Batch([[[0, 1, -1], [1, 0, 2]]], [1, 2])
    assert many.margins() is many.margins()
    assert many.margins("absent")[0, 0].tolist() == [0, -1, 2]
    assert many.margins("below")[0, 0].tolist() == [0, -1, 3]
    assert repr(many) == "<Batch of 1 Rankings: 2 voters, 3 alternatives>"
    with pytest.raises(ValueError, match="read-only"):
        many.margins()[0, 0, 0] = 1
    with pytest.raises(ValueError, match="unranked: needed 'below'"):
        many.margins("last")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [2, 130])
@given(draw=st.data())
def test_counting_many_ballots_is_counting_each(size: int, draw: st.DataObject) -> None:
    seed = draw.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    voters = draw.draw(st.sampled_from([1, 254, 255, 256, 511]))
    ranks = rng.integers(-1, size, (2, voters, size))
    for unranked in ("below", "absent"):
        above = (ranks[..., :, None] >= 0) & (ranks[..., :, None] < ranks[..., None, :])
        if unranked == "below":
            above |= (ranks[..., :, None] >= 0) & (ranks[..., None, :] < 0)
        np.testing.assert_array_equal(ck.Batch(ranks).supports(unranked), above.sum(1))  # type: ignore[arg-type]
        weights = rng.integers(1, 9, voters) / 4
        expected = np.einsum("n,bnij->bij", weights, above)
        np.testing.assert_array_equal(ck.Batch(ranks, weights).supports(unranked), expected)  # type: ignore[arg-type]


def test_the_convention_on_the_unranked_reaches_every_rule_on_margins() -> None:
    votes = ck.Rankings.from_orders({"ab": 2, "b": 3})
    assert rules.copeland(votes).winners == ("b",)
    assert rules.copeland(votes, unranked="absent").winners == ("a",)
    assert rules.copeland.batch(votes.ranks[None], votes.weights, unranked="absent").tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="unranked: needed 'below'"):
        rules.copeland(votes, unranked="last")
    with pytest.raises(TypeError, match=r"unranked='absent' is about ballots; Margins hold none"):
        rules.copeland(votes.to_margins(), unranked="absent")


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        (
            [[0, 1]],
            r"needed whole-number ranks\[profile, voter, alternative\].* got an array of int64 of shape \(1, 2\)",
        ),
        ([[[0.0, 1.0]]], "needed whole-number ranks"),
        ([[[0, -2]]], "ranks must be whole numbers, 0 for best, -1 for unranked, got -2 in row 0"),
        (np.zeros((2, 0, 3), np.int64), "needed whole-number ranks"),
        ([[["a", "b"]]], "needed whole-number ranks"),
    ],
)
def test_a_batch_of_something_else_is_refused(ranks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rules.borda.batch(ranks)


@pytest.mark.parametrize("weights", [[1, 2], [-1], [np.nan], [0]])
def test_a_batch_with_wrong_weights_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights: "):
        rules.borda.batch([[[0, 1]]], weights)


# --- Outcomes, refusals and failures -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ORDINAL, "maximal_lottery", "random_dictatorship", "utilitarian", "nash"])
def test_outcomes_are_read_only(name: str) -> None:
    outcome = getattr(rules, name)(UTILITIES)
    with pytest.raises(ValueError, match="read-only"):
        answer(outcome)[0] = 1
    assert outcome.alternatives == UTILITIES.alternatives


@pytest.mark.parametrize("rule", [rules.utilitarian, rules.egalitarian, rules.nash])
def test_missing_utilities_are_refused(rule: Callable[[ck.Utilities], Scores]) -> None:
    profile = ck.Utilities([[1, 2], [np.nan, np.nan]], alternatives="ab")
    with pytest.raises(ValueError, match=r"got 2 missing of 4, the first in row 1 for 'a'; fill them in"):
        rule(profile)


def test_blank_ballots_have_no_dictator() -> None:
    with pytest.raises(ValueError, match=r"got 1 ballots that rank nothing, the first in row 1; leave those"):
        rules.random_dictatorship(ck.Rankings([[0, 1], [-1, -1]]))


def test_a_lottery_that_loses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_games, "linear_program", lambda *_, **__: np.array([0.0, 0.0, 1.0]))
    with pytest.raises(
        RuntimeError, match=r"leaves open which alternatives some maximal lottery chooses \(off by [12].0e"
    ):
        rules.maximal_lottery(ck.Margins([[0, 0, 3], [0, 0, 1], [-3, -1, 0]]))


def test_tiny_negative_probabilities_are_tidied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_games, "linear_program", lambda *_, **__: np.array([2.0, 2.0, -1e-12]))
    tied = rules.maximal_lottery(ck.Margins([[0, 0, 3], [0, 0, 1], [-3, -1, 0]]))
    np.testing.assert_allclose(tied.probabilities, [0.5, 0.5, 0], atol=1e-12)
    assert tied.probabilities[2] == 0


def test_an_infeasible_program_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"no optimum was found; the solver says: .*infeasible"):
        solvers.linear_program([1], at_most=([[1]], [0]), equal=([[1]], [2]), bounds=[(0, None)])


def test_scipy_optimize_is_imported_only_for_lotteries() -> None:
    code = "import sys, choicekit.rules; print('scipy.optimize' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
