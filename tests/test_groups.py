"""Fits by group: the equations they solve, how pooling is chosen, and what resampling and shuffling leave whole."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Row, luce_loglik
from scipy.optimize import minimize

import choicekit as ck
from choicekit import domains, models
from choicekit.models import _hierarchy, _pooling
from choicekit.models import groups as module

Array = np.ndarray
Spoken = list[tuple[Row, int, int]]  # a row, its voter and its group


def comparisons(spoken: Spoken, *, voters: bool = True) -> ck.Comparisons:
    rows = [row for row, _, _ in spoken]
    winner, loser, weight, tie = (list(column) for column in zip(*rows, strict=True))
    return ck.Comparisons(
        winner, loser, weight=weight, tie=tie, voter=[who for _, who, _ in spoken] if voters else None,
        group=[group for _, _, group in spoken],
    )  # fmt: skip


@st.composite
def spoken(draw: st.DrawFn, size: int = 4) -> Spoken:
    """Comparisons of a few voters in two or three groups; every alternative is met."""
    pair = st.tuples(st.integers(0, size - 1), st.integers(1, size - 1)).map(lambda p: (p[0], (p[0] + p[1]) % size))
    several = draw(st.lists(st.tuples(pair, st.sampled_from([0.5, 1.0, 3.0]), st.booleans()), min_size=6, max_size=25))
    rows: list[Row] = [(k, (k + 1) % size, 1.0, False) for k in range(size)]
    rows += [(a, b, w, tie) for (a, b), w, tie in several]
    kinds = draw(st.integers(2, 3))
    return [(row, k % 5, (k % 5) % kinds) for k, row in enumerate(rows)]


def penalised(rows: list[Row], centre: Array, variance: float) -> Array:
    """Scores of the largest log-likelihood − ‖scores − centre‖²/(2·variance), by a general optimiser."""

    def loss(scores: Array) -> float:
        return -luce_loglik(rows, scores.tolist()) + float(((scores - centre) ** 2).sum()) / (2 * variance)

    return minimize(loss, centre, tol=1e-10).x


# --- The equations ------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(spoken(), st.sampled_from([0.1, 1.0, 30.0]), st.sampled_from([0.03, 1.0, 10.0]))
def test_wins_exceed_their_expectation_by_the_pull_of_the_prior(said: Spoken, prior: float, pooling: float) -> None:
    found = models.bradley_terry_by_group(comparisons(said), prior=prior, pooling=pooling)
    everyone = found.population.scores
    parts = [([row for row, _, _ in said], everyone, np.zeros(4), prior)]
    parts += [
        ([row for row, _, mine in said if mine == group], own, everyone, pooling)
        for group, own in zip(found.groups, found.scores, strict=True)
    ]
    for rows, scores, centre, variance in parts:
        surplus = np.zeros(4)
        for row in rows:
            expected = 1 / (1 + math.exp(scores[row[1]] - scores[row[0]]))
            surplus[row[0]] += row[2] * ((0.5 if row[3] else 1) - expected)
            surplus[row[1]] -= row[2] * ((0.5 if row[3] else 1) - expected)
        np.testing.assert_allclose(surplus, (scores - centre) / variance, atol=1e-6)
    assert (found.prior, found.pooling, found.heldout) == (prior, pooling, ())


@settings(max_examples=15)
@given(spoken())
def test_no_pooling_variance_means_one_fit_for_all(said: Spoken) -> None:
    found = models.bradley_terry_by_group(comparisons(said), prior=1.0, pooling=0.0)
    alone = models.bradley_terry(comparisons(said), prior=1.0)
    np.testing.assert_allclose(found.population.scores, alone.scores, atol=1e-7)
    np.testing.assert_array_equal(found.scores, np.stack([found.population.scores] * len(found.groups)))


def test_much_pooling_variance_approaches_separate_fits() -> None:
    votes = domains.three_groups().sample(voters=60, comparisons=30, rng=0)
    found = models.bradley_terry_by_group(votes, prior=1.0, pooling=1e7)
    for g, own in enumerate(found.scores):
        mine = votes.group == g
        labels = [votes.alternatives[a] for a in votes.winner[mine]], [votes.alternatives[a] for a in votes.loser[mine]]
        alone = models.bradley_terry(ck.Comparisons(*labels))
        assert alone.alternatives == found.alternatives
        np.testing.assert_allclose(own, alone.scores, atol=1e-4)


def test_more_pooling_variance_moves_groups_further_from_everybody() -> None:
    votes = domains.three_groups().sample(voters=60, comparisons=20, rng=0)
    apart = [
        np.abs(found.scores - found.population.scores).max(1)
        for found in (models.bradley_terry_by_group(votes, prior=1.0, pooling=v) for v in (0.01, 0.1, 1.0, 10.0))
    ]
    assert all((near < far).all() for near, far in itertools.pairwise(apart))


def test_a_group_that_never_compared_something_borrows_it() -> None:
    votes = ck.Comparisons(
        ["a", "b", "c", "a", "a"] * 4, ["b", "c", "a", "c", "b"] * 4, group=["x", "x", "x", "x", "y"] * 4
    )
    found = models.bradley_terry_by_group(votes, prior=1.0, pooling=2.0)
    assert found.scores[1, 2] == pytest.approx(found.population.scores[2], abs=1e-7)
    assert found.fits[1].comparisons == 4


# --- How the variances are chosen ---------------------------------------------------------------------------------


def test_the_held_out_table_leaves_out_one_voter_at_a_time() -> None:
    """With as many folds as voters, each fold is a voter, whatever the generator."""
    rng = np.random.default_rng(5)
    said: Spoken = []
    for who in range(6):
        for _ in range(7):
            a, b = rng.choice(3, 2, replace=False).tolist()
            said.append(((a, b, float(rng.choice([1, 2])), bool(rng.random() < 0.2)), who, who % 2))
    votes = comparisons(said)
    found = models.bradley_terry_by_group(votes, prior=3.0, folds=6, rng=1)
    again = models.bradley_terry_by_group(votes, prior=3.0, folds=6, rng=2)
    np.testing.assert_allclose(found.heldout, again.heldout, atol=1e-12)
    weight = sum(row[2] for row, _, _ in said)
    table = dict(found.heldout)
    assert list(table) == sorted(module.POOLING_GRID)
    for variance in (0.0, 0.1, 3.0):
        total = 0.0
        for who in range(6):
            kept = [(row, group) for row, voter, group in said if voter != who]
            centre = penalised([row for row, _ in kept], np.zeros(3), 3.0)
            group = who % 2
            own = penalised([row for row, mine in kept if mine == group], centre, variance) if variance else centre
            total += luce_loglik([row for row, voter, _ in said if voter == who], own.tolist())
        assert table[variance] == pytest.approx(total / weight, abs=1e-6)
    assert found.pooling == max(table, key=lambda variance: table[variance])


def test_the_prior_is_the_one_under_which_held_out_voters_are_likeliest() -> None:
    rng = np.random.default_rng(6)
    said: Spoken = []
    for who in range(5):
        for _ in range(6):
            a, b = sorted(rng.choice(3, 2, replace=False).tolist())
            said.append(((a, b, 1.0, False) if rng.random() < 0.8 else (b, a, 1.0, False), who, 0))
    found = models.bradley_terry_by_group(comparisons(said), folds=5)
    scores = {}
    for variance in module.PRIOR_GRID:
        scores[variance] = 0.0
        for who in range(5):
            fitted = penalised([row for row, voter, _ in said if voter != who], np.zeros(3), variance)
            scores[variance] += luce_loglik([row for row, voter, _ in said if voter == who], fitted.tolist())
    assert found.prior == max(scores, key=lambda variance: scores[variance])


def test_groups_that_differ_are_not_pooled_and_groups_alike_are() -> None:
    population = domains.three_groups()
    apart = models.bradley_terry_by_group(population.sample(voters=90, comparisons=20, rng=0))
    alike = domains.Population(
        population.alternatives, population.groups, population.rewards[[0] * 3], population.shares
    )
    together = models.bradley_terry_by_group(alike.sample(voters=90, comparisons=20, rng=0))
    assert apart.pooling >= 0.3
    assert together.pooling <= 0.03


def test_where_nothing_is_gained_the_smallest_variance_is_taken() -> None:
    """Ties only: every fit is all zeros, so every variance is as good."""
    votes = ck.Comparisons(["a", "b", "c"] * 6, ["b", "c", "a"] * 6, tie=[True] * 18, voter=range(18), group=[1, 2] * 9)
    found = models.bradley_terry_by_group(votes)
    assert (found.prior, found.pooling) == (module.PRIOR_GRID[0], 0.0)
    np.testing.assert_allclose(found.scores, 0, atol=1e-9)


def test_a_single_row() -> None:
    found = models.bradley_terry_by_group(ck.Comparisons(["a"], ["b"]))
    assert found.prior == 1.0
    assert found.groups == ("everyone",)
    assert found.population.winners == ("a",)


# --- Shares, units ------------------------------------------------------------------------------------------------


def test_shares_are_of_voters_where_each_is_in_one_group() -> None:
    votes = ck.Comparisons(["a", "b"] * 5, ["b", "a"] * 5, voter=[1] * 7 + [2, 3, 4], group=["x"] * 7 + ["x", "y", "y"])
    found = models.bradley_terry_by_group(votes, prior=1.0, pooling=1.0)
    np.testing.assert_allclose(found.shares, [0.5, 0.5])
    assert found.exchangeable == "voters"


def test_shares_are_of_weight_where_voters_belong_to_several_groups_or_are_unknown() -> None:
    columns: dict[str, Any] = {"weight": [1, 2, 3, 4], "group": ["x", "x", "y", "y"]}
    for voter, exchangeable in (([1, 2, 2, 3], "rows of each voter"), (None, "rows")):
        votes = ck.Comparisons(["a", "b", "a", "b"], ["b", "a", "b", "a"], voter=voter, **columns)
        found = models.bradley_terry_by_group(votes, prior=1.0, pooling=1.0)
        np.testing.assert_allclose(found.shares, [0.3, 0.7])
        assert found.exchangeable == exchangeable


def test_one_voter_is_resampled_by_row() -> None:
    votes = ck.Comparisons(["a", "b", "a"], ["b", "a", "b"], voter=["ann"] * 3)
    found = models.bradley_terry_by_group(votes)
    assert found.exchangeable == "rows"
    assert (found.pooling, found.heldout) == (0.0, ())
    draws = [draw.population[0] for draw in found.bootstrap(20, rng=0)]
    assert len({round(draw, 6) for draw in draws}) > 3


def test_one_group() -> None:
    votes = ck.Comparisons(["a", "b"] * 5, ["b", "a"] * 5, voter=range(10), group=["x"] * 10)
    found = models.bradley_terry_by_group(votes)
    assert (found.groups, found.pooling, found.heldout) == (("x",), 0.0, ())
    np.testing.assert_allclose(found.shares, [1.0])
    np.testing.assert_array_equal(found.scores[0], found.population.scores)


def test_dropped_ties_and_rows_without_weight_are_as_if_never_said() -> None:
    """A voter who only tied is no voter: not in the shares, the folds, the bootstrap or the shuffles."""
    votes = domains.three_groups().sample(voters=30, comparisons=10, rng=0)
    winner, loser = ([votes.alternatives[a] for a in side] for side in (votes.winner, votes.loser))
    group = [votes.groups[g] for g in votes.group]
    extra = 20
    columns: dict[str, Any] = {
        "voter": [*votes.voter.tolist(), *range(-extra, 0)], "group": [*group, *["minority"] * extra],
    }  # fmt: skip
    tie, weight = [False] * 300 + [True] * extra, [1.0] * 300 + [0.0] * extra
    plain = models.bradley_terry_by_group(ck.Comparisons(winner, loser, voter=votes.voter, group=group))
    more = ck.Comparisons([*winner, *["brief"] * extra], [*loser, *["formal"] * extra], tie=tie, **columns)
    none = ck.Comparisons([*winner, *["brief"] * extra], [*loser, *["formal"] * extra], weight=weight, **columns)
    for found in (models.bradley_terry_by_group(more, ties="drop"), models.bradley_terry_by_group(none)):
        np.testing.assert_allclose(found.shares, plain.shares)
        np.testing.assert_allclose(found.scores, plain.scores, atol=1e-9)
        assert (found.prior, found.pooling) == (plain.prior, plain.pooling)
        for mine, theirs in zip(found.bootstrap(3, rng=0), plain.bootstrap(3, rng=0), strict=True):
            np.testing.assert_allclose(mine.groups, theirs.groups, atol=1e-6)
        for mine, theirs in zip(found.shuffled(3, rng=0), plain.shuffled(3, rng=0), strict=True):
            assert mine.statistic == pytest.approx(theirs.statistic, abs=1e-4)


# --- The bootstrap ------------------------------------------------------------------------------------------------


def differences(votes: ck.Comparisons, replicates: int = 300) -> Array:
    """Draws of the difference between the first two scores of the population."""
    found = models.bradley_terry_by_group(votes, prior=1e4, pooling=0.0)
    return np.array([draw.population[0] - draw.population[1] for draw in found.bootstrap(replicates, rng=0)])


def test_the_bootstrap_keeps_voters_whole() -> None:
    """Sixty voters who each say the same fifty times are sixty voters, not three thousand comparisons."""
    voters, times = 60, 50
    yes = np.arange(voters) < 36
    first, second = np.where(yes, "a", "b").repeat(times), np.where(yes, "b", "a").repeat(times)
    columns = first.tolist(), second.tolist()
    whole = differences(ck.Comparisons(*columns, voter=np.arange(voters).repeat(times)))
    rows = differences(ck.Comparisons(*columns))
    assert whole.std() == pytest.approx(1 / math.sqrt(voters * 0.6 * 0.4), rel=0.15)
    assert rows.std() == pytest.approx(1 / math.sqrt(voters * times * 0.6 * 0.4), rel=0.15)
    assert whole.std() / rows.std() == pytest.approx(math.sqrt(times), rel=0.2)
    assert whole.mean() == pytest.approx(math.log(1.5), abs=0.08)


def test_the_bootstrap_draws_what_the_priors_decide() -> None:
    """Where the data say nothing, a draw is a draw from the prior."""
    votes = ck.Comparisons(
        ["a"] * 200 + ["b"] * 200 + ["c"], ["b"] * 200 + ["a"] * 200 + ["d"], weight=[1] * 400 + [1e-9]
    )
    found = models.bradley_terry_by_group(votes, prior=4.0, pooling=0.0)
    draws = np.array([draw.population[2] - draw.population[3] for draw in found.bootstrap(400, rng=0)])
    assert draws.std() == pytest.approx(math.sqrt(8), rel=0.12)
    assert abs(draws.mean()) < 0.5


def test_the_bootstrap_is_repeatable_and_leaves_its_data_alone() -> None:
    votes = domains.three_groups().sample(voters=30, comparisons=10, rng=0)
    found = models.bradley_terry_by_group(votes)
    before = found.scores.copy(), found.population.scores.copy(), votes.winner.copy(), votes.weight.copy()
    first = list(found.bootstrap(4, rng=3))
    list(found.shuffled(2, rng=3))
    second = list(found.bootstrap(4, rng=np.random.default_rng(3)))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.population, other.population)
        np.testing.assert_array_equal(one.groups, other.groups)
    assert not np.array_equal(first[0].groups, first[1].groups)
    assert not np.array_equal(first[0].groups, next(found.bootstrap(1, rng=4)).groups)
    for kept, now in zip(before, (found.scores, found.population.scores, votes.winner, votes.weight), strict=True):
        np.testing.assert_array_equal(kept, now)
    assert first[0].population.shape == (6,)
    assert first[0].groups.shape == (3, 6)


@pytest.fixture
def tallies(monkeypatch: pytest.MonkeyPatch) -> list[Array]:
    """The counts [groups, edges] of every refit of the groups from now on."""
    seen: list[Array] = []
    original = models.GroupFits._group_scores

    def spying(self: Any, count: Array, *rest: Any) -> Array:
        seen.append(count.copy())
        return original(self, count, *rest)

    monkeypatch.setattr(models.GroupFits, "_group_scores", spying)
    return seen


def test_resampling_keeps_the_number_of_voters_in_each_group(tallies: list[Array]) -> None:
    votes = domains.three_groups().sample(voters=30, comparisons=10, rng=0)
    list(models.bradley_terry_by_group(votes, prior=1.0, pooling=1.0).bootstrap(10, rng=0))
    assert len(tallies) == 10
    for count in tallies:
        np.testing.assert_allclose(count.sum(1), [180, 30, 90])
    assert len({tuple(count.sum(0)) for count in tallies}) > 5


def test_resampling_across_groups_where_voters_are_in_several(tallies: list[Array]) -> None:
    """Twenty voters with a row in each of two groups: the groups keep their sizes only together."""
    votes = ck.Comparisons(["a", "b"] * 20, ["b", "a"] * 20, voter=np.arange(20).repeat(2), group=["x", "y"] * 20)
    list(models.bradley_terry_by_group(votes, prior=1.0, pooling=1.0).bootstrap(10, rng=0))
    for count in tallies:
        np.testing.assert_allclose(count.sum(1), [20, 20])


def test_shuffling_voters_keeps_groups_and_data(tallies: list[Array]) -> None:
    votes = domains.three_groups().sample(voters=30, comparisons=10, rng=0)
    found = models.bradley_terry_by_group(votes, prior=1.0, pooling=0.5)
    found.statistic()
    (original,) = tallies
    list(found.shuffled(10, rng=0))
    for count in tallies:
        np.testing.assert_allclose(count.sum(1), [180, 30, 90])
        np.testing.assert_allclose(count.sum(0), original.sum(0))
    assert len({count.tobytes() for count in tallies}) > 5


def test_shuffling_within_voters_keeps_each_voters_rows(tallies: list[Array]) -> None:
    """Ann only compares a with b and Bob only c with d, so that what is left of each can be counted."""
    winner, loser = ["a"] * 12 + ["c"] * 12, ["b"] * 12 + ["d"] * 12
    votes = ck.Comparisons(
        [*winner, "b", "d"], [*loser, "a", "c"], voter=["ann"] * 12 + ["bob"] * 12 + ["ann", "bob"],
        group=["x"] * 3 + ["y"] * 9 + ["x"] * 8 + ["y"] * 4 + ["x", "y"],
    )  # fmt: skip
    list(models.bradley_terry_by_group(votes, prior=1.0, pooling=0.5).shuffled(10, rng=0))
    assert tallies
    for count in tallies:
        np.testing.assert_allclose(count, [[4, 8], [9, 5]])


# --- The test of heterogeneity ------------------------------------------------------------------------------------


def p_value(votes: ck.Comparisons, permutations: int = 19) -> float:
    found = models.bradley_terry_by_group(votes, prior=1.0, pooling=0.0)
    observed = found.statistic()
    shuffled = [draw.statistic for draw in found.shuffled(permutations, rng=0)]
    return (1 + sum(each >= observed for each in shuffled)) / (1 + permutations)


def opinionated(seed: int) -> tuple[Array, Array, Array, Array]:
    """Voters with strong tastes of their own, put into two groups at random."""
    rng = np.random.default_rng(seed)
    tastes = rng.normal(0, 1.5, (20, 4))
    who = np.arange(20).repeat(15)
    left = rng.integers(0, 4, 300)
    right = (left + rng.integers(1, 4, 300)) % 4
    won = rng.random(300) < 1 / (1 + np.exp(tastes[who, right] - tastes[who, left]))
    return np.where(won, left, right), np.where(won, right, left), who, rng.permutation(np.arange(20) % 2)[who]


def test_p_values_are_honest_where_groups_are_drawn_at_random() -> None:
    """Voters differ, groups do not: shuffling voters knows, shuffling rows would cry wolf."""
    by_voter, by_row = [], []
    for seed in range(40):
        winner, loser, who, group = opinionated(seed)
        by_voter.append(p_value(ck.Comparisons(winner, loser, voter=who, group=group)))
        by_row.append(p_value(ck.Comparisons(winner, loser, group=group)))
    assert sum(p <= 0.1 for p in by_voter) <= 9  # 4 expected; 10 or more have a chance of half a percent
    assert 0.35 <= np.mean(by_voter) <= 0.65
    assert sum(p <= 0.1 for p in by_row) >= 20


def test_p_values_find_groups_that_differ() -> None:
    assert p_value(domains.three_groups().sample(voters=60, comparisons=20, rng=0)) == 1 / 20


def test_the_statistic_is_twice_the_penalised_gain() -> None:
    said: Spoken = [((0, 1, 3.0, False), 0, 0), ((1, 0, 1.0, False), 1, 0), ((1, 2, 2.0, False), 2, 1),
                    ((2, 0, 2.0, False), 3, 1), ((0, 2, 1.0, True), 4, 1)]  # fmt: skip
    found = models.bradley_terry_by_group(comparisons(said), prior=1.0, pooling=0.3)
    centre, total = found.population.scores, 0.0
    for group in (0, 1):
        rows = [row for row, _, mine in said if mine == group]
        own = penalised(rows, centre, 1.0)
        gain = luce_loglik(rows, own.tolist()) - luce_loglik(rows, centre.tolist())
        total += 2 * (gain - ((own - centre) ** 2).sum() / 2)
    assert found.statistic() == pytest.approx(total, abs=1e-6)
    assert found.statistic() > 0


def test_the_statistic_does_not_depend_on_the_pooling() -> None:
    votes = domains.three_groups().sample(voters=30, comparisons=10, rng=0)
    found = [models.bradley_terry_by_group(votes, prior=1.0, pooling=v).statistic() for v in (0.0, 0.1, 1.0, 10.0)]
    np.testing.assert_allclose(found, found[0], rtol=1e-6)


# --- The joint model and its marginal likelihood -------------------------------------------------------------------


def surpluses(rows: list[Row], scores: Array) -> Array:
    """Observed less expected wins of every alternative."""
    found = np.zeros(len(scores))
    for winner, loser, weight, tie in rows:
        more = weight * ((0.5 if tie else 1.0) - 1 / (1 + math.exp(scores[loser] - scores[winner])))
        found[winner] += more
        found[loser] -= more
    return found


def parts_of(said: Spoken) -> list[list[Row]]:
    return [[row for row, _, mine in said if mine == group] for group in sorted({mine for _, _, mine in said})]


def joint_loss(said: Spoken, prior: float, pooling: float, at: Array, size: int) -> float:
    """Minus the log posterior, without constants, at the population's scores and the groups' deviations in a row."""
    population, *deviations = at.reshape(-1, size)
    loss = float((population**2).sum()) / (2 * prior) + sum(float((own**2).sum()) for own in deviations) / (2 * pooling)
    for rows, own in zip(parts_of(said), deviations, strict=True):
        loss -= luce_loglik(rows, (population + own).tolist())
    return loss


def hessian(loss: Any, at: Array, step: float = 1e-3) -> Array:
    """Central differences of a function of a few numbers."""
    size = len(at)
    shift = step * np.eye(size)
    found = np.empty((size, size))
    for a in range(size):
        for b in range(size):
            both, one = shift[a] + shift[b], shift[a] - shift[b]
            found[a, b] = (loss(at + both) - loss(at + one) - loss(at - one) + loss(at - both)) / (4 * step**2)
    return found


@settings(max_examples=30)
@given(spoken(), st.sampled_from([0.1, 1.0, 30.0]), st.sampled_from([0.03, 1.0, 10.0]))
def test_a_joint_fit_balances_every_pull(said: Spoken, prior: float, pooling: float) -> None:
    """Each group's surplus of wins is its deviation/pooling; all together they are the population's scores/prior."""
    found = models.bradley_terry_by_group(comparisons(said), prior=prior, pooling=pooling, joint=True)
    assert found.joint
    assert (found.heldout, found.marginal) == ((), ())
    everyone = found.population.scores
    each = np.stack([surpluses(rows, own) for rows, own in zip(parts_of(said), found.scores, strict=True)])
    np.testing.assert_allclose(each, (found.scores - everyone) / pooling, atol=1e-6)
    np.testing.assert_allclose(each.sum(0), everyone / prior, atol=1e-6)
    np.testing.assert_allclose([fit.loglik for fit in found.fits],
                               [luce_loglik(rows, own.tolist()) for rows, own in zip(parts_of(said), found.scores,
                                                                                    strict=True)])  # fmt: skip
    assert found.population.loglik == pytest.approx(luce_loglik([row for row, _, _ in said], everyone.tolist()))


@settings(max_examples=8)
@given(spoken(size=3), st.sampled_from([0.3, 3.0]), st.sampled_from([0.1, 2.0]))
def test_a_joint_fit_knows_its_covariances(said: Spoken, prior: float, pooling: float) -> None:
    """From the whole Hessian by finite differences: no elimination, no gauge but that of the result."""
    found = models.bradley_terry_by_group(comparisons(said), prior=prior, pooling=pooling, joint=True)
    everyone, groups = found.population.scores, len(found.groups)
    at = np.concatenate([everyone, (found.scores - everyone).ravel()])
    inverse = np.linalg.inv(hessian(lambda x: joint_loss(said, prior, pooling, x, 3), at))
    blocks = inverse.reshape(groups + 1, 3, groups + 1, 3).transpose(0, 2, 1, 3)
    centre = np.eye(3) - 1 / 3
    np.testing.assert_allclose(found.population.covariance, centre @ blocks[0, 0] @ centre, atol=1e-5)
    for g, (fit, apart) in enumerate(zip(found.fits, found.differences(), strict=True), start=1):
        own = blocks[0, 0] + blocks[0, g] + blocks[g, 0] + blocks[g, g]
        np.testing.assert_allclose(fit.covariance, centre @ own @ centre, atol=1e-5)
        np.testing.assert_allclose(apart.covariance, centre @ blocks[g, g] @ centre, atol=1e-5)
        np.testing.assert_allclose(apart.values, fit.scores - everyone, atol=1e-12)


@settings(max_examples=8)
@given(spoken(size=3), st.sampled_from([0.3, 3.0]), st.sampled_from([0.1, 2.0]))
def test_the_marginal_likelihood_is_laplaces(said: Spoken, prior: float, pooling: float) -> None:
    """The exponent at the mode, the constants of both priors, and the determinant of the whole Hessian."""
    found = log_marginal(said, prior, pooling)
    groups = len(parts_of(said))
    best = minimize(lambda x: joint_loss(said, prior, pooling, x, 3), np.zeros(3 * groups + 3), tol=1e-10)
    curvature = np.linalg.slogdet(hessian(lambda x: joint_loss(said, prior, pooling, x, 3), best.x))[1]
    constants = 3 * math.log(prior) + 3 * groups * math.log(pooling)
    assert found == pytest.approx(-best.fun - (constants + curvature) / 2, abs=1e-4)


def log_marginal(said: Spoken, prior: float, pooling: float) -> float:
    """The value at given variances, from the table that a fit reports: one of them has to be chosen by it."""
    cells = _pooling.cells_of(comparisons(said), "half")
    count, won = cells.tally(np.ones(len(cells.edge)))
    return _pooling.by_marginal(cells.pairs, count, won, int(cells.pairs.second.max()) + 1, prior, pooling).curve[0][1]


def integrated(wins: list[tuple[int, int]], prior: float, pooling: float) -> float:
    """log ∫∫ of two alternatives' likelihood over the gaps μ ~ N(0, 2·prior) and δ_g ~ N(0, 2·pooling), on a grid."""
    grid = np.linspace(-7, 7, 1401)
    normal = np.exp(-(grid**2) / 2)
    normal /= normal.sum()
    middle, apart = math.sqrt(2 * prior) * grid, math.sqrt(2 * pooling) * grid
    gap = middle[:, None] + apart
    total = np.zeros(len(grid))
    for n, k in wins:
        log = -n * np.logaddexp(0, -gap) - k * np.logaddexp(0, gap)
        top = log.max(1)
        total += top + np.log(np.exp(log - top[:, None]) @ normal)
    return float(total.max() + math.log(np.exp(total - total.max()) @ normal))


@pytest.mark.parametrize("wins", [[(30, 20), (15, 40)], [(12, 10), (9, 16), (20, 4)]])
@pytest.mark.parametrize("pooling", [0.0, 0.05, 0.5, 3.0])
def test_the_marginal_likelihood_approaches_the_integral(wins: list[tuple[int, int]], pooling: float) -> None:
    """Two alternatives, two or three groups; with more data Laplace's error vanishes like 1/n."""
    errors = []
    for times in (1, 30):
        said: Spoken = []
        for g, (n, k) in enumerate(wins):
            said += [((0, 1, float(n * times), False), 2 * g, g), ((1, 0, float(k * times), False), 2 * g + 1, g)]
        exact = integrated([(n * times, k * times) for n, k in wins], 1.0, pooling)
        errors.append(abs(log_marginal(said, 1.0, pooling) - exact))
    assert errors[0] < 0.05
    assert errors[1] < errors[0] / 6 + 1e-6


def hierarchical(groups: int, each: int, pooling: float, size: int = 4, seed: int = 0) -> tuple[ck.Comparisons, Array]:
    """Comparisons drawn from the model, and the groups' scores."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1, size) + rng.normal(0, math.sqrt(pooling), (groups, size))
    group = np.arange(groups).repeat(each)
    left = rng.integers(0, size, len(group))
    right = (left + rng.integers(1, size, len(group))) % size
    won = rng.random(len(group)) < 1 / (1 + np.exp(scores[group, right] - scores[group, left]))
    return ck.Comparisons(np.where(won, left, right), np.where(won, right, left), group=group), scores


def test_the_variance_that_made_the_groups_is_found() -> None:
    for pooling in (0.1, 0.6):
        votes, scores = hierarchical(groups=150, each=120, pooling=pooling)
        found = models.bradley_terry_by_group(votes, prior=1.0, pooling="marginal")
        assert found.pooling == pytest.approx(pooling, rel=0.2)
        truth = scores - scores.mean(1)[:, None]
        pooled = ((found.scores - truth) ** 2).mean()
        for other in (pooling / 20, pooling * 20):  # shrinking by another variance estimates worse
            worse = models.bradley_terry_by_group(votes, prior=1.0, pooling=other, joint=True)
            assert pooled < ((worse.scores - truth) ** 2).mean()


def test_the_chosen_variances_are_stationary_and_the_best_of_their_table() -> None:
    votes, _ = hierarchical(groups=12, each=60, pooling=0.5, seed=3)
    found = models.bradley_terry_by_group(votes, prior="marginal", pooling="marginal")
    table = dict(found.marginal)
    assert table[found.pooling] == max(table.values())
    assert list(table) == sorted({0.0, found.pooling, *module.MARGINAL_GRID})
    cells = _pooling.cells_of(votes, "half")
    counts = cells.tally(np.ones(len(cells.edge)))

    def value(prior: float, pooling: float) -> float:
        return _pooling.by_marginal(cells.pairs, *counts, 4, prior, pooling).curve[0][1]

    best = value(found.prior, found.pooling)
    assert best == pytest.approx(table[found.pooling], abs=1e-6)
    for times in (0.7, 1.4):
        assert value(found.prior * times, found.pooling) < best
        assert value(found.prior, found.pooling * times) < best
    for slope in (
        value(found.prior * 1.01, found.pooling) - value(found.prior / 1.01, found.pooling),
        value(found.prior, found.pooling * 1.01) - value(found.prior, found.pooling / 1.01),
    ):
        assert abs(slope) / (2 * math.log(1.01)) < 2e-3


def test_groups_that_say_the_same_are_one() -> None:
    rows = [(0, 1, 5.0, False), (1, 0, 3.0, False), (1, 2, 6.0, False), (2, 1, 4.0, False), (2, 0, 5.0, True)]
    said: Spoken = [(row, 10 * g + k, g) for g in range(3) for k, row in enumerate(rows)]
    found = models.bradley_terry_by_group(comparisons(said), prior=1.0, pooling="marginal")
    assert found.pooling == 0.0
    values = [value for _, value in found.marginal]
    assert values == sorted(values, reverse=True)  # the more pooling variance, the less likely
    alone = models.bradley_terry(comparisons(said), prior=1.0)
    np.testing.assert_allclose(found.scores, np.stack([alone.scores] * 3), atol=1e-7)
    np.testing.assert_allclose(found.population.covariance, alone.covariance, atol=1e-7)
    assert all((apart.values == 0).all() and (apart.standard_errors < 1e-9).all() for apart in found.differences())


def test_names_and_order_decide_nothing() -> None:
    votes, _ = hierarchical(groups=5, each=40, pooling=0.5, seed=1)
    rng = np.random.default_rng(0)
    other, groups, rows = rng.permutation(4), rng.permutation(5), rng.permutation(len(votes))
    assert votes.group is not None
    again = ck.Comparisons(other[votes.winner][rows], other[votes.loser][rows], group=groups[votes.group][rows])
    kinds: dict[str, Any] = {"prior": "marginal", "pooling": "marginal"}
    one, two = models.bradley_terry_by_group(votes, **kinds), models.bradley_terry_by_group(again, **kinds)
    assert two.pooling == pytest.approx(one.pooling, rel=1e-3)
    assert two.prior == pytest.approx(one.prior, rel=1e-3)
    np.testing.assert_allclose(two.scores[np.ix_(groups, other)], one.scores, atol=1e-3)
    np.testing.assert_allclose([v for _, v in two.marginal], [v for _, v in one.marginal], atol=1e-5)
    for g, apart in enumerate(one.differences()):
        np.testing.assert_allclose(
            two.differences()[groups[g]].standard_errors[other], apart.standard_errors, rtol=1e-3
        )


def test_intervals_of_a_joint_fit_hold_the_truth_they_promise() -> None:
    """Over data drawn with the variances that the fit is told: 95 % of groups' scores, deviations and populations."""
    inside, narrow, number = np.zeros(3), 0.0, 0
    for seed in range(150):
        rng = np.random.default_rng(1000 + seed)
        population, apart = rng.normal(0, 1, 3), rng.normal(0, math.sqrt(0.5), (4, 3))
        truth = population + apart
        group = np.arange(4).repeat(24)
        left = rng.integers(0, 3, 96)
        right = (left + rng.integers(1, 3, 96)) % 3
        won = rng.random(96) < 1 / (1 + np.exp(truth[group, right] - truth[group, left]))
        votes = ck.Comparisons(np.where(won, left, right), np.where(won, right, left), group=group)
        found = models.bradley_terry_by_group(votes, prior=1.0, pooling=0.5, joint=True)
        steps = models.bradley_terry_by_group(votes, prior=1.0, pooling=0.5)

        def held(ends: Array, true: Array) -> float:
            centred = true - true.mean()
            return float(((ends[:, 0] <= centred) & (centred <= ends[:, 1])).sum())

        inside[0] += held(found.population.interval(), population)
        for fit, one, off, true, gap in zip(found.fits, steps.fits, found.differences(), truth, apart, strict=True):
            inside[1] += held(fit.interval(), true) / 4
            inside[2] += held(off.interval(), gap) / 4
            narrow += held(one.interval(), true) / 4
        number += 3
    share = inside / number
    assert ((share > 0.92) & (share < 0.98)).all(), share
    assert narrow / number < share[1]  # given the population's scores, as the two steps say


def test_the_bootstrap_of_a_joint_fit_spreads_as_its_posterior() -> None:
    votes, _ = hierarchical(groups=4, each=150, pooling=0.4, size=3, seed=5)
    found = models.bradley_terry_by_group(votes, prior=1.0, pooling=0.4, joint=True)
    draws = list(found.bootstrap(300, rng=0))
    spread = np.std([draw.groups for draw in draws], axis=0)
    np.testing.assert_allclose(spread, [fit.estimates.standard_errors for fit in found.fits], rtol=0.2)
    spread = np.std([draw.population for draw in draws], axis=0)
    np.testing.assert_allclose(spread, found.population.estimates.standard_errors, rtol=0.2)
    np.testing.assert_allclose(np.mean([draw.groups for draw in draws], axis=0), found.scores, atol=0.1)


def test_a_bootstrap_draws_the_variance_by_its_marginal_likelihood() -> None:
    votes, _ = hierarchical(groups=6, each=40, pooling=0.4, size=3, seed=5)
    found = models.bradley_terry_by_group(votes, prior=1.0, pooling="marginal")
    tried, odds = found._odds()
    assert tried.tolist() == sorted((0.0, *module.MARGINAL_GRID))
    table = dict(found.marginal)
    np.testing.assert_allclose(np.log(odds[4] / odds[9]), table[tried[4]] - table[tried[9]], atol=1e-8)
    given = models.bradley_terry_by_group(votes, prior="marginal", pooling=0.3)
    assert [variance for variance, _ in given.marginal] == [0.3]
    assert [each.tolist() for each in given._odds()] == [[0.3], [1.0]]


def test_the_statistic_of_a_joint_fit_is_that_of_two_steps() -> None:
    votes = domains.three_groups().sample(voters=30, comparisons=10, rng=0)
    steps = models.bradley_terry_by_group(votes, prior=1.0, pooling=0.5)
    jointly = models.bradley_terry_by_group(votes, prior=1.0, pooling=0.5, joint=True)
    assert jointly.statistic() == pytest.approx(steps.statistic())
    for mine, theirs in zip(jointly.shuffled(2, rng=0), steps.shuffled(2, rng=0), strict=True):
        assert mine.statistic == pytest.approx(theirs.statistic)
        assert mine.groups.shape == (3, 6)
        assert not np.allclose(mine.groups, theirs.groups)


def test_both_ways_of_choosing_agree_about_who_differs() -> None:
    population = domains.three_groups()
    votes = population.sample(voters=90, comparisons=20, rng=0)
    marginal = models.bradley_terry_by_group(votes, pooling="marginal")
    heldout = models.bradley_terry_by_group(votes, joint=True)
    assert 0.3 <= marginal.pooling <= 30
    assert heldout.joint
    assert heldout.pooling >= 0.3
    assert heldout.marginal == ()
    assert len(heldout.heldout) == len(module.POOLING_GRID)
    mixed = models.bradley_terry_by_group(votes, prior="marginal", pooling="heldout")
    assert mixed.joint
    assert mixed.marginal == ()
    assert mixed.heldout
    assert mixed.prior not in module.PRIOR_GRID


def test_the_centre_of_a_joint_fit_is_of_groups_and_not_of_heads() -> None:
    """Ninety who prefer a and ten who prefer b as strongly: everybody prefers a, the groups' centre is in between."""
    said: Spoken = []
    for group, voters, side in ((0, 90, 0), (1, 10, 1)):
        said += [((side, 1 - side, 0.8 * voters, False), 0, group), ((1 - side, side, 0.2 * voters, False), 1, group)]
    steps = models.bradley_terry_by_group(comparisons(said), prior=10.0, pooling=2.0)
    jointly = models.bradley_terry_by_group(comparisons(said), prior=10.0, pooling=2.0, joint=True)
    assert steps.population.scores[0] > 0.4
    assert abs(jointly.population.scores[0]) < 0.2


def test_one_group_has_nothing_to_deviate_from() -> None:
    votes = ck.Comparisons(["a", "b", "a"] * 5, ["b", "a", "b"] * 5, group=["x"] * 15)
    found = models.bradley_terry_by_group(votes, prior="marginal", pooling="marginal")
    assert (found.pooling, len(found.marginal)) == (0.0, 1)
    np.testing.assert_allclose(found.scores[0], models.bradley_terry(votes, prior=found.prior).scores, atol=1e-7)


def test_a_marginal_likelihood_is_of_the_joint_model() -> None:
    with pytest.raises(ValueError, match="is that of the joint model; leave out joint=False"):
        models.bradley_terry_by_group(TWO, pooling="marginal", joint=False)


def test_too_many_alternatives_for_dense_blocks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hierarchy, "_LARGEST_BLOCKS", 7)
    with pytest.raises(ValueError, match="2 groups × 2 alternatives need 2 dense 2 × 2 matrices; the limit is 7"):
        models.bradley_terry_by_group(TWO, pooling="marginal")
    with pytest.raises(ValueError, match="differences: 2 groups × 2 alternatives"):
        models.bradley_terry_by_group(TWO, prior=1.0, pooling=1.0).differences()


# --- Refusals -----------------------------------------------------------------------------------------------------

TWO = ck.Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])


@pytest.mark.parametrize("name", ["prior", "pooling"])
@pytest.mark.parametrize("variance", [-1.0, math.nan, math.inf, "estimate", None])
def test_what_is_no_variance_is_refused(name: str, variance: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a variance, 'heldout' or 'marginal', got {variance!r}"):
        models.bradley_terry_by_group(TWO, **{name: variance})


def test_a_prior_of_nothing_is_refused_and_a_pooling_of_nothing_is_not() -> None:
    with pytest.raises(ValueError, match="prior must be a variance, 'heldout' or 'marginal', got 0"):
        models.bradley_terry_by_group(TWO, prior=0)
    assert models.bradley_terry_by_group(TWO, prior=1, pooling=0).pooling == 0


@pytest.mark.parametrize("folds", [1, 0, -2])
def test_one_fold_holds_nothing_out(folds: int) -> None:
    with pytest.raises(ValueError, match=f"folds must be at least 2, got {folds}"):
        models.bradley_terry_by_group(TWO, folds=folds)


def test_ties_are_not_modelled_by_group() -> None:
    votes = ck.Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
    with pytest.raises(ValueError, match="ties must be 'half' or 'drop', got 'davidson'"):
        models.bradley_terry_by_group(votes, ties="davidson")
