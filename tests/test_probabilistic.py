"""Lotteries: against their definitions, their theorems, and numbers that can be checked by hand."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_tournaments as reference
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import ballots, margins, odd_electorates, strict_ballots

import choicekit as ck
from choicekit import rules
from choicekit.ingest import read_rankings
from choicekit.rules import _games, probabilistic, tournaments

CYCLE = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
JACKPOT = ck.Rankings.from_orders({"RGB": 2, "BRG": 3}, alternatives="RGB")
LOTTERIES = [
    probabilistic.maximal_lottery, probabilistic.random_dictatorship, probabilistic.random_serial_dictatorship,
    probabilistic.proportional_borda, probabilistic.proportional_copeland, probabilistic.population_proportional,
]  # fmt: skip


def probabilities(rule: Any, profile: Any, **options: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = rule(profile, **options).probabilities
    return found


# --- Maximal lotteries --------------------------------------------------------------------------------------------


@given(margins(alternatives=4), st.sampled_from(["margins", "majority"]))
@example(ck.Margins([[0, 1, 0], [-1, 0, 1], [0, -1, 0]]), "margins")  # where a constraint off the support binds
@example(ck.Margins(np.zeros((4, 4))), "margins")
def test_the_maximal_lottery_is_the_most_even_of_all(profile: ck.Margins, by: Any) -> None:
    game = profile.values if by == "margins" else np.sign(profile.values)
    corners = reference.corners(game.tolist())
    found = probabilistic.maximal_lottery(profile, by=by)
    lottery = found.probabilities
    assert found.unique == (len(corners) == 1)
    assert (lottery > 0).tolist() == [any(corner[a] > 0 for corner in corners) for a in range(len(lottery))]
    assert lottery.sum() == pytest.approx(1, abs=1e-12)
    assert (lottery @ game).min() >= -1e-9 * max(1.0, np.abs(game).max())
    # Entropy is concave: it is largest where it rises towards no corner.
    assert max(reference.entropy_slope(lottery.tolist(), corner) for corner in corners) <= 1e-7


@given(margins(alternatives=7), st.data())
def test_names_do_not_matter_even_where_several_are_maximal(profile: ck.Margins, draw: st.DataObject) -> None:
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    renamed = ck.Margins(profile.values[np.ix_(order, order)])
    first, second = probabilistic.maximal_lottery(profile), probabilistic.maximal_lottery(renamed)
    np.testing.assert_allclose(second.probabilities, first.probabilities[order], atol=1e-7)
    assert first.unique == second.unique


@given(odd_electorates(), st.sampled_from(["margins", "majority"]))
def test_odd_margins_have_one_maximal_lottery(profile: ck.Rankings, by: Any) -> None:
    # Laffond, Laslier and Le Breton 1997; its support is odd, since a skew-symmetric matrix of even size with odd
    # entries off the diagonal is not singular
    found = probabilistic.maximal_lottery(profile, by=by)
    assert found.unique
    assert len(found.winners) % 2 == 1


def test_odd_margins_have_one_maximal_lottery_at_any_size() -> None:
    rng = np.random.default_rng(1)
    for size in (8, 25, 60):
        for largest in (1, 5, 1000):
            upper = np.triu(2 * rng.integers(-largest, largest, (size, size)) + 1, 1)
            profile = ck.Margins(upper - upper.T)
            found = probabilistic.maximal_lottery(profile)
            lost = found.probabilities @ profile.values
            assert found.unique
            assert lost.min() >= -1e-9 * np.abs(profile.values).max()
            assert found.winners == tournaments.essential_set(profile).winners


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(1, 1000))
def test_a_cycle_gives_each_the_margin_between_the_others(xy: int, yz: int, zx: int) -> None:
    margin = ck.Margins([[0, xy, -zx], [-xy, 0, yz], [zx, -yz, 0]])
    found = probabilistic.maximal_lottery(margin)
    np.testing.assert_allclose(found.probabilities, np.array([yz, zx, xy]) / (xy + yz + zx), rtol=1e-12)
    assert found.unique
    np.testing.assert_allclose(probabilities(probabilistic.maximal_lottery, margin, by="majority"), [1 / 3] * 3)


def test_a_cycle_of_three_orders() -> None:
    # weights w of abc, bca, cab: (1 − 2 w₃, 1 − 2 w₁, 1 − 2 w₂) for the alternatives c ≻ … in the paper's naming;
    # for a, b and c it is the margin of the other two over the total
    weights = (1 / 3 + 0.05, 1 / 3 - 0.02, 1 / 3 - 0.03)
    votes = ck.Rankings.from_orders({"abc": weights[0], "bca": weights[1], "cab": weights[2]})
    expected = [1 - 2 * weights[2], 1 - 2 * weights[0], 1 - 2 * weights[1]]
    bc, ca, ab = weights[0] + weights[1] - weights[2], weights[1] + weights[2] - weights[0], 1 - 2 * weights[1]
    assert expected == pytest.approx([bc, ca, ab])
    np.testing.assert_allclose(probabilities(probabilistic.maximal_lottery, votes), expected, atol=1e-12)


def test_the_majority_of_the_jackpot_and_its_cycle() -> None:
    assert probabilities(probabilistic.maximal_lottery, JACKPOT).tolist() == [0, 0, 1]
    cycle = ck.Rankings.from_orders(["RGB", "GBR", "BRG"])
    np.testing.assert_allclose(probabilities(probabilistic.maximal_lottery, cycle), [1 / 3] * 3, rtol=1e-12)


def test_a_preference_game_with_no_reward() -> None:
    # b over a and c over b by 0.9, a over c by 0.8: (4, 3, 4)/11
    share = np.array([[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]])
    margin = np.round(share - share.T, 12)
    np.testing.assert_allclose(
        probabilities(probabilistic.maximal_lottery, ck.Margins(margin)), [4 / 11, 3 / 11, 4 / 11], rtol=1e-12
    )


def test_a_binding_constraint_off_the_support() -> None:
    # 0 beats 1, 1 beats 2, 0 and 2 tie: (1 − t, 0, t) is maximal for t ≤ ½, and most even at ½
    found = probabilistic.maximal_lottery(ck.Margins([[0, 1, 0], [-1, 0, 1], [0, -1, 0]]))
    np.testing.assert_allclose(found.probabilities, [0.5, 0, 0.5], atol=1e-9)
    # with a stronger 1, t ≤ ¼
    found = probabilistic.maximal_lottery(ck.Margins([[0, 1, 0], [-1, 0, 3], [0, -3, 0]]))
    np.testing.assert_allclose(found.probabilities, [0.75, 0, 0.25], atol=1e-9)
    assert found.unique is False


def test_tied_twins_share_what_one_would_get() -> None:
    cycle = np.array([[0, 3, -1], [-3, 0, 5], [1, -5, 0]])
    twins = np.array([0, 0, 1, 2])  # the first alternative twice
    found = probabilistic.maximal_lottery(ck.Margins(cycle[np.ix_(twins, twins)]))
    np.testing.assert_allclose(found.probabilities, [5 / 18, 5 / 18, 1 / 9, 3 / 9], atol=1e-9)
    assert found.unique is False


@pytest.mark.parametrize("size", [12, 40])
def test_large_games_with_many_ties_are_solved(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(4):
        upper = np.triu(rng.integers(-2, 3, (size, size)) * (rng.random((size, size)) < 0.2), 1)
        profile = ck.Margins(upper - upper.T)
        found = probabilistic.maximal_lottery(profile)
        won = found.probabilities @ profile.values
        assert won.min() >= -2e-9
        assert np.abs(won[found.probabilities > 0]).max() <= 2e-9  # the rest of a game of value 0
        assert found.winners == tournaments.essential_set(profile).winners


TIED = ck.Margins([[0, 0, 3], [0, 0, 1], [-3, -1, 0]])


@pytest.mark.parametrize("wrong", [[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
def test_a_wrong_answer_of_the_linear_program_is_an_error(monkeypatch: pytest.MonkeyPatch, wrong: list[float]) -> None:
    monkeypatch.setattr(_games, "linear_program", lambda *_, **__: np.array(wrong))
    with pytest.raises(
        RuntimeError, match=r"leaves open which alternatives some maximal lottery chooses \(off by [12].0e"
    ):
        probabilistic.maximal_lottery(TIED)


def test_a_lottery_that_loses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (np.array([0.0, 0.0, 1.0]), np.array([False, False, True]), True)
    monkeypatch.setattr(_games, "_middle", lambda _: answer)
    with pytest.raises(RuntimeError, match=r"needed pᵀM ≥ −1e-09 · max\|M\|, the solver's answer has -1.0e\+00"):
        probabilistic.maximal_lottery(TIED)


def test_the_linear_program_is_asked_only_where_several_are_maximal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked")

    monkeypatch.setattr(_games, "linear_program", refuse)
    assert probabilistic.maximal_lottery(CYCLE).unique
    with pytest.raises(AssertionError, match="asked"):
        probabilistic.maximal_lottery(ck.Margins(np.zeros((2, 2))))


def test_another_game_is_refused() -> None:
    with pytest.raises(ValueError, match=r"by: needed 'margins' .* or 'majority' .*, got 'ratio'"):
        probabilistic.maximal_lottery(CYCLE, by="ratio")


def test_maximal_lotteries_of_real_elections(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["preflib_visible"]
    without = 0
    for name, known in facts.items():
        profile = read_rankings(data / name)
        margin = profile.to_margins()
        found = probabilistic.maximal_lottery(margin)
        won = found.probabilities @ margin.values
        assert won.min() >= -1e-9 * np.abs(margin.values).max(), name
        assert set(found.winners) <= set(known["smith_set"]), name
        if known["condorcet_winner"] is not None:
            assert found.winners == (known["condorcet_winner"],), name
        else:
            without += 1
    assert without >= 4


# --- Serial dictators ---------------------------------------------------------------------------------------------


@st.composite
def few_voters(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """Up to four truncated weak ballots of together at most five voters."""
    size = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(st.integers(-1, 2), min_size=size, max_size=size), min_size=1, max_size=4))
    voters = draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    assume(0 < sum(voters) <= 5)
    return rows, voters


@given(few_voters(), st.sampled_from(["below", "absent"]))
def test_serial_dictators_by_the_book(case: tuple[list[list[int]], list[int]], unranked: Any) -> None:
    rows, voters = case
    expected = reference.random_serial_dictatorship(rows, voters, unranked)
    found = probabilistic.random_serial_dictatorship(ck.Rankings(rows, voters), unranked=unranked)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-12)


@given(strict_ballots())
def test_on_strict_ballots_the_first_dictator_decides(profile: ck.Rankings) -> None:
    np.testing.assert_allclose(
        probabilities(probabilistic.random_serial_dictatorship, profile),
        probabilities(probabilistic.random_dictatorship, profile),
        atol=1e-12,
    )


def test_three_serial_dictators_by_hand() -> None:
    # {a, b} first: then b's friend or a's friend; a's friend (a) first: a; b's friend (weight 2): b
    votes = ck.Rankings.from_orders([[{"a", "b"}, "c"], ["a", "c", "b"], ["b", "c", "a"]])
    expected = [0.5, 0.5, 0]
    np.testing.assert_allclose(probabilities(probabilistic.random_serial_dictatorship, votes), expected, rtol=1e-12)
    heavy = ck.Rankings(votes.ranks, [1, 1, 2], "abc")
    # ¼ to each way in: a from (¼ + ¼ · ⅓), b from (½ + ¼ · ⅔)
    np.testing.assert_allclose(
        probabilities(probabilistic.random_serial_dictatorship, heavy), [1 / 3, 2 / 3, 0], rtol=1e-12
    )


def test_what_all_are_indifferent_about_is_shared() -> None:
    votes = ck.Rankings.from_orders([[{"a", "b"}, "c"], ["c", {"a", "b"}]])
    np.testing.assert_allclose(probabilities(probabilistic.random_serial_dictatorship, votes), [0.25, 0.25, 0.5])
    assert probabilities(probabilistic.random_serial_dictatorship, ck.Rankings([[-1, -1]])).tolist() == [0.5, 0.5]


def approvals(voters: int, size: int, seed: int) -> ck.Rankings:
    return ck.Approvals(np.random.default_rng(seed).random((voters, size)) < 0.5).to_rankings()


def test_sampled_dictators_are_within_their_errors() -> None:
    for unranked in ("below", "absent"):
        ranks = np.random.default_rng(2).integers(-1, 3, (12, 8))
        profile = ck.Rankings(ranks, np.arange(12))
        exact = probabilities(probabilistic.random_serial_dictatorship, profile, unranked=unranked)
        found = probabilistic.sampled_serial_dictatorship(profile, rng=5, draws=40_000, unranked=unranked)
        assert (np.abs(found.probabilities - exact) <= 4 * found.standard_errors + 1e-12).all()
        assert (found.standard_errors <= 0.5 / math.sqrt(39_999)).all()
        assert (found.standard_errors > 0).sum() >= 3
        assert found.probabilities.sum() == pytest.approx(1)
        assert found.draws == 40_000


def test_sampling_finds_the_rare_voter_who_decides() -> None:
    # a thousand voters are indifferent between a and b, one is not
    votes = ck.Rankings([[0, 0, 1], [1, 0, 2]], [10_000, 1], "abc")
    assert probabilities(probabilistic.random_serial_dictatorship, votes).tolist() == [0, 1, 0]
    found = probabilistic.sampled_serial_dictatorship(votes, rng=0, draws=100)
    assert found.probabilities.tolist() == [0, 1, 0]
    assert found.standard_errors.tolist() == [0, 0, 0]


def test_a_draw_repeats_under_its_seed() -> None:
    profile = approvals(9, 6, 3)
    first = probabilistic.sampled_serial_dictatorship(profile, rng=7, draws=50)
    again = probabilistic.sampled_serial_dictatorship(profile, rng=np.random.default_rng(7), draws=50)
    assert first.probabilities.tolist() == again.probabilities.tolist()
    with pytest.raises(ValueError, match="draws: needed at least 2, got 1"):
        probabilistic.sampled_serial_dictatorship(profile, rng=7, draws=1)


def test_too_many_sets_are_refused_with_a_way_out() -> None:
    with pytest.raises(RuntimeError, match=r"more than 50 different sets .* sampled_serial_dictatorship"):
        probabilistic.random_serial_dictatorship(approvals(40, 14, 1), budget=50)
    with pytest.raises(ValueError, match="budget: needed a number of sets of at least 1, got 0"):
        probabilistic.random_serial_dictatorship(CYCLE, budget=0)


def test_blank_ballots_have_no_dictator() -> None:
    votes = ck.Rankings([[0, 1], [-1, -1], [-1, -1]], [1, 2, 0])
    with pytest.raises(ValueError, match=r"got 1 ballots that rank nothing, the first in row 1; leave those"):
        probabilistic.random_dictatorship(votes)
    assert probabilities(probabilistic.random_dictatorship, votes, unranked="absent").tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"needed a ballot that ranks something, got none"):
        probabilistic.random_dictatorship(ck.Rankings([[-1, -1]]), unranked="absent")


# --- Proportional rules -------------------------------------------------------------------------------------------


@given(ballots(least=2))
def test_scores_become_probabilities(profile: ck.Rankings) -> None:
    points = rules.borda(profile).scores
    np.testing.assert_allclose(probabilities(probabilistic.proportional_borda, profile), points / points.sum())
    wins = rules.copeland(profile).scores
    np.testing.assert_allclose(probabilities(probabilistic.proportional_copeland, profile), wins / wins.sum())


def test_proportional_borda_without_the_unranked() -> None:
    # b over a by the second ballot alone; the first says nothing, which counts a half for each
    votes = ck.Rankings.from_orders(["a", "ba"], alternatives="ab")
    assert probabilities(probabilistic.proportional_borda, votes).tolist() == [0.5, 0.5]
    assert probabilities(probabilistic.proportional_borda, votes, unranked="absent").tolist() == [0.25, 0.75]


def shares_by_the_book(profile: ck.Rankings) -> list[Fraction]:
    """The least share of voters, a half of the indifferent included, that prefers each to another one."""
    rows, weights = profile.ranks.tolist(), [Fraction(w) for w in profile.weights.tolist()]
    least = []
    for a in range(len(rows[0])):
        shares = [Fraction(1)]
        for b in range(len(rows[0])):
            if a != b:
                place = [[r[c] if r[c] >= 0 else 99 for c in (a, b)] for r in rows]
                wins = sum(w * ((p < q) + Fraction(p == q) / 2) for (p, q), w in zip(place, weights, strict=True))
                shares.append(wins / sum(weights))
        least.append(min(shares))
    return least


@given(ballots(), st.sampled_from([0.0, 0.5, 3.0, math.inf]))
def test_population_proportional_by_the_book(profile: ck.Rankings, beta: float) -> None:
    shares = shares_by_the_book(profile)
    if beta == math.inf:
        raw = [float(share == max(shares)) for share in shares]
    else:
        raw = [float(share) * math.exp(beta * float(share)) for share in shares]
    found = probabilities(probabilistic.population_proportional, profile, beta=beta)
    np.testing.assert_allclose(found, np.array(raw) / sum(raw), atol=1e-12)


@given(ballots())
def test_without_a_softening_every_group_gets_what_it_may_be(profile: ck.Rankings) -> None:
    # p(a) ≥ (share that ranks a alone on top) / Σ u, since that share is at most u(a)
    first = np.where((profile.ranks == profile.ranks.min(1, keepdims=True)), 1.0, 0.0)
    alone = (profile.ranks >= 0).all(1) & (first.sum(1) == 1)
    tops = (first[alone] * profile.weights[alone, None]).sum(0) / profile.weights.sum()
    shares = np.array([float(share) for share in shares_by_the_book(profile)])
    found = probabilities(probabilistic.population_proportional, profile)
    assert (found >= tops / shares.sum() - 1e-12).all()


def test_population_proportional_on_the_jackpot() -> None:
    assert probabilities(probabilistic.population_proportional, JACKPOT).tolist() == pytest.approx([0.4, 0, 0.6])
    for beta, red in ((1, 0.3531), (10, 0.0828)):
        found = probabilities(probabilistic.population_proportional, JACKPOT, beta=beta)
        np.testing.assert_allclose(found, [red, 0, 1 - red], atol=5e-5)
    assert probabilities(probabilistic.population_proportional, JACKPOT, beta=math.inf).tolist() == [0, 0, 1]
    assert probabilities(probabilistic.population_proportional, JACKPOT, beta=1e6).tolist() == [0, 0, 1]
    assert probabilities(probabilistic.random_dictatorship, JACKPOT).tolist() == [0.4, 0, 0.6]


def test_absent_alternatives_are_compared_by_those_who_rank_them() -> None:
    votes = ck.Rankings.from_orders({"ab": 3, "ba": 1, "c": 5, "ca": 1, "bc": 2}, alternatives="abc")
    # a over b 3 of 4, a over c 0 of 1; b over a 1 of 4, b over c 2 of 2; c over a 1 of 1, c over b 0 of 2
    found = probabilities(probabilistic.population_proportional, votes, unranked="absent")
    assert found.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"in profile 0 no ballot ranks both 0 and 2 \(counted from 0\)"):
        probabilistic.population_proportional(ck.Rankings.from_orders(["ab", "bc"]), unranked="absent")
    with pytest.raises(ValueError, match="needed an alternative that some voters prefer to each other one"):
        probabilistic.population_proportional(ck.Rankings.from_orders(["ab", "bc", "ca"]), unranked="absent")


@pytest.mark.parametrize("beta", [-1.0, math.nan])
def test_a_beta_that_is_no_number_from_zero_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="beta: needed a number of at least 0, or infinity, got"):
        probabilistic.population_proportional(JACKPOT, beta=beta)


# --- All of them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", LOTTERIES)
def test_a_single_alternative_is_certain(rule: Any) -> None:
    assert probabilities(rule, ck.Rankings([[0]], alternatives=["only"])).tolist() == [1]


@pytest.mark.parametrize("rule", LOTTERIES)
@given(profile=ballots(), draw=st.data())
def test_voters_and_names_do_not_matter(rule: Any, profile: ck.Rankings, draw: st.DataObject) -> None:
    ranked = (profile.ranks >= 0).any(1)
    assume(profile.weights[ranked].any())
    ranks, weights = profile.ranks[ranked], profile.weights[ranked]
    expected = probabilities(rule, ck.Rankings(ranks, weights))
    order = draw.draw(st.permutations(range(ranks.shape[1])))
    np.testing.assert_allclose(probabilities(rule, ck.Rankings(ranks[:, order], weights)), expected[order], atol=1e-7)
    split = ck.Rankings(np.vstack([ranks, ranks[::-1]]), np.concatenate([weights, weights[::-1]]) / 2)
    np.testing.assert_allclose(probabilities(rule, split), expected, atol=1e-7)


@pytest.mark.parametrize("rule", LOTTERIES)
@pytest.mark.parametrize("unranked", ["below", "absent"])
def test_a_batch_is_one_by_one(rule: Any, unranked: str) -> None:
    rng = np.random.default_rng(3)
    ranks = rng.integers(0, 5, (40, 5, 5))
    ranks[:, 1:][rng.random((40, 4, 5)) < 0.2] = -1
    ranks[..., 0][(ranks < 0).all(2)] = 0
    weights = np.arange(5) / 4 + 0.25
    expected = [rule(ck.Rankings(each, weights), unranked=unranked).probabilities for each in ranks]
    np.testing.assert_array_equal(rule.batch(ranks, weights, unranked=unranked), expected)
    assert rule.batch(np.zeros((0, 3, 4), np.int64)).shape == (0, 4)


def test_a_batch_takes_the_options() -> None:
    ranks = np.random.default_rng(4).integers(0, 5, (30, 4, 5))
    for by in ("margins", "majority"):
        expected = [probabilistic.maximal_lottery(ck.Rankings(each), by=by).probabilities for each in ranks]
        np.testing.assert_array_equal(probabilistic.maximal_lottery.batch(ranks, by=by), expected)
    expected = [probabilistic.population_proportional(ck.Rankings(each), beta=2).probabilities for each in ranks]
    np.testing.assert_array_equal(probabilistic.population_proportional.batch(ranks, beta=2), expected)
    blank = np.array([[[0, 1]], [[-1, -1]]])
    with pytest.raises(ValueError, match=r"the first in row 0 of profile 1; leave"):
        probabilistic.random_dictatorship.batch(blank)


@pytest.mark.parametrize("rule", LOTTERIES)
def test_lotteries_are_read_only(rule: Any) -> None:
    with pytest.raises(ValueError, match="read-only"):
        probabilities(rule, CYCLE)[0] = 1
