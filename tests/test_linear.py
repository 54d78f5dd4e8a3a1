"""Linear rules: which orders directions induce, what losses do to unanimity, and the rule that keeps it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import reference
import reference_medians
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit.outcomes import LinearOrder, NoFiniteEstimate, NotConverged
from choicekit.rules import copeland, fixed_order, parallel_universes, seeded_lottery
from choicekit.rules._directions import feasible, feasible_rankings
from choicekit.rules.linear import leximax_copeland, loss_rule, majority_loss

SIX = ("a", "b", "c", "a'", "b'", "c'")
FOUR = [(2, 1), (0, -2), (-1, -3), (-3, -3)]
FOUR_VOTES = ck.Rankings.from_orders([[3, 2, 0, 1], [0, 1, 2, 3], [2, 1, 0, 3]])


def six(share: float, delta: float, epsilon: float) -> tuple[ck.Rankings, np.ndarray]:
    """The instance of Ge et al. 2024, proof of Theorem 3.1: all voters have c' above c."""
    points = np.array(
        [(2, 1), (1, 1), (0, 0), (2 - epsilon, 1), (1 - epsilon, 1), (-epsilon, delta * epsilon)], np.float64
    )
    first, second = ("a", "a'", "b", "b'", "c'", "c"), ("c'", "c", "b'", "b", "a'", "a")
    return ck.Rankings.from_orders({first: share, second: 1 - share}, SIX), points


@st.composite
def elections(draw: st.DrawFn, voters: int = 5, alternatives: int = 5) -> tuple[ck.Rankings, list[list[int]]]:
    """Voters who rank points of the plane with whole coordinates by directions of their own."""
    size = draw(st.integers(2, alternatives))
    number = st.integers(-4, 4)
    points = draw(st.lists(st.tuples(number, number), min_size=size, max_size=size, unique=True))
    around = st.integers(-9, 9)
    thetas = draw(st.lists(st.tuples(around, around), min_size=1, max_size=voters))
    rewards = np.array(thetas) @ np.array(points).T
    assume(all(len(set(row)) == size for row in rewards.tolist()))
    return ck.Rankings((-rewards).argsort(1).argsort(1)), [list(point) for point in points]


def majority_order(profile: ck.Rankings) -> tuple[int, ...] | None:
    margins = profile.to_margins().values
    beaten = (margins < 0).sum(1)
    strict = (margins != 0).sum() == len(margins) * (len(margins) - 1)
    return tuple(np.argsort(beaten).tolist()) if strict and len(set(beaten.tolist())) == len(margins) else None


def loss_of(profile: ck.Rankings, points: Any, theta: Any, loss: str = "logistic") -> float:
    kinds = {
        "logistic": lambda x: np.logaddexp(0, x),
        "exponential": np.exp,
        "hinge": lambda x: max(0.0, 1 + x),
    }
    support, rewards = profile.supports(), np.asarray(points) @ theta
    return sum(
        support[a, b] * kinds[loss](rewards[b] - rewards[a]) for a, b in itertools.permutations(range(len(rewards)), 2)
    )


def holds(outcome: LinearOrder, points: Any) -> bool:
    """Whether the order is that of the rewards, and they are those of the direction."""
    np.testing.assert_allclose(outcome.scores, np.asarray(points) @ outcome.direction, atol=1e-9)
    by_label = dict(zip(outcome.alternatives, outcome.scores.tolist(), strict=True))
    levels = [[by_label[label] for label in level] for level in outcome.levels]
    near = 1e-8 * np.ptp(outcome.scores)
    assert all(min(upper) > max(lower) for upper, lower in itertools.pairwise(levels))
    assert all(max(level) - min(level) <= near for level in levels)
    return sorted(map(str, outcome.order)) == sorted(map(str, outcome.alternatives))


# --- Orders that directions induce ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=1, max_size=5))
def test_all_orders_of_points_of_the_plane(points: list[tuple[int, int]]) -> None:
    expected = reference_medians.linear_orders_on_a_line_of_directions([list(point) for point in points])
    if len(points) == 1:
        expected = {(0,)}
    found = feasible_rankings(points)
    assert found.complete
    assert sorted(map(tuple, found.orders.tolist())) == sorted(expected)
    for order, theta in zip(found.orders, found.directions, strict=True):
        assert (np.diff(np.array(points)[order] @ theta) < 0).all()


@given(elections(voters=1), st.data())
@settings(max_examples=40)
def test_a_direction_is_found_where_there_is_one(election: Any, draw: st.DataObject) -> None:
    _, points = election
    order = tuple(draw.draw(st.permutations(range(len(points)))))
    theta = feasible(points, order)
    assert (theta is not None) == (order in reference_medians.linear_orders_on_a_line_of_directions(points))
    if theta is not None:
        steps = -np.diff(np.array(points)[list(order)] @ theta)
        assert (steps >= 1 - 1e-9).all()


@pytest.mark.parametrize(("size", "width"), [(2, 1), (6, 1), (5, 2), (9, 2), (4, 3), (5, 3), (5, 4), (4, 6)])
def test_as_many_orders_as_cover_counts(size: int, width: int) -> None:
    points = np.random.default_rng(size + width).normal(size=(size, width))
    found = feasible_rankings(points)
    assert found.complete
    assert len(found.orders) == len(set(map(tuple, found.orders.tolist())))
    assert len(found.orders) == reference_medians.cover_count(size, width)
    for order, theta in zip(found.orders, found.directions, strict=True):
        assert (np.diff(points[order] @ theta) < 0).all()


def test_in_the_plane_there_are_m_times_m_less_one() -> None:
    points = np.random.default_rng(1).normal(size=(30, 2))
    assert len(feasible_rankings(points).orders) == 30 * 29
    # a plane in five dimensions is a plane
    assert len(feasible_rankings(points @ np.random.default_rng(2).normal(size=(2, 5)) + 7).orders) == 30 * 29


def test_the_planes_orders_by_linear_programmes_are_the_same() -> None:
    from choicekit.rules import _directions

    points = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [3, 2.0]])
    space = _directions.Space.of(points)
    directions, complete = _directions._inserted(space.points, 1000)
    orders = np.argsort(-directions @ space.points.T, axis=1)
    assert complete
    assert sorted(map(tuple, orders.tolist())) == sorted(map(tuple, feasible_rankings(points).orders.tolist()))


def test_a_budget_ends_the_search_and_says_so() -> None:
    points = np.random.default_rng(3).normal(size=(5, 3))
    few = feasible_rankings(points, budget=10)
    assert (len(few.orders), few.complete) == (10, False)
    assert len(feasible_rankings(points, budget=72).orders) == 72
    assert feasible_rankings(points, budget=72).complete
    assert not feasible_rankings(points[:, :2], budget=19).complete
    assert feasible_rankings(points[:, :2], budget=20).complete
    with pytest.raises(ValueError, match="budget of at least 1"):
        feasible_rankings(points, budget=0)


def test_equal_features_have_no_strict_order() -> None:
    assert feasible_rankings([[1, 2], [0, 0], [1, 2]]).orders.shape == (0, 3)
    assert feasible([[1, 2], [0, 0], [1, 2]], [0, 2]) is None
    assert feasible([[1, 2], [0, 0], [1, 2]], [0, 1]) is not None
    assert feasible([[1.0, 2.0]], [0]) is not None


@pytest.mark.parametrize("order", [[0, 0], [0, 2], [-1, 0], [], [[0, 1]], ["a"]])
def test_what_is_no_order(order: Any) -> None:
    with pytest.raises(ValueError, match="needed an order of different rows"):
        feasible([[0.0], [1.0]], order)


def test_the_units_of_features_do_not_matter() -> None:
    points = np.random.default_rng(4).normal(size=(6, 2))
    skewed = points * [1e-6, 1e6] + [1e3, -1e5]
    assert np.array_equal(feasible_rankings(points).orders, feasible_rankings(skewed).orders)


# --- Losses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance", "theta", "gap"),
    [
        ((0.75, 0.5, 0.1), (0.713959, 0.081253), -0.067333),
        ((0.6, 0.5, 0.1), (0.221187, 0.090959), -0.017571),
        ((0.9, 0.2, 0.05), None, -0.081942),
    ],
)
def test_reward_learning_breaks_unanimity(instance: Any, theta: Any, gap: float) -> None:
    """Ge et al. 2024: each voter has c' above c, the rewards c above c' (numbers computed apart by SciPy)."""
    votes, points = six(*instance)
    found = loss_rule(votes, features=points)
    if theta is not None:
        np.testing.assert_allclose(found.direction, theta, atol=2e-6)
    assert found.scores[SIX.index("c'")] - found.scores[SIX.index("c")] == pytest.approx(gap, abs=1e-6)
    assert found.order.index("c") < found.order.index("c'")
    assert votes.supports()[SIX.index("c'"), SIX.index("c")] == pytest.approx(1)
    assert holds(found, points)


@pytest.mark.parametrize("instance", [(0.75, 0.5, 0.1), (0.9, 0.2, 0.05)])
@pytest.mark.parametrize("loss", ["exponential", "hinge"])
def test_other_losses_break_it_too_or_are_kept_by_the_other_rules(instance: Any, loss: Any) -> None:
    votes, points = six(*instance)
    first = ("a", "a'", "b", "b'", "c'", "c")
    assert loss_rule(votes, features=points, loss=loss).order.index("c") < 5
    assert majority_loss(votes, features=points, loss=loss).order == first
    assert leximax_copeland(votes, features=points).order == first


def test_which_direction_induces_the_majority_of_the_six() -> None:
    # (1, 1) gives c above c' for δ < 1; (1, 2/δ) induces the first order, (−1, 0) the second
    _, points = six(0.75, 0.5, 0.1)
    first, second = ("a", "a'", "b", "b'", "c'", "c"), ("c'", "c", "b'", "b", "a'", "a")
    for order, theta in ((first, (1, 4)), (second, (-1, 0))):
        rewards = points @ theta
        assert (np.diff(rewards[[SIX.index(label) for label in order]]) < 0).all()
        assert feasible(points, [SIX.index(label) for label in order]) is not None
    wrong = points @ (1, 1)
    assert wrong[SIX.index("c")] > wrong[SIX.index("c'")]


def test_the_majority_order_of_the_four_has_no_direction() -> None:
    assert majority_order(FOUR_VOTES) == (2, 0, 1, 3)
    assert feasible(FOUR, [2, 0, 1, 3]) is None
    assert leximax_copeland(FOUR_VOTES, features=FOUR).order == (2, 1, 0, 3)
    found = loss_rule(FOUR_VOTES, features=FOUR)
    assert found.order == (1, 2, 0, 3)
    assert FOUR_VOTES.to_margins().condorcet_winner == 2
    assert holds(found, FOUR)


@pytest.mark.parametrize(
    ("points", "thetas", "theta", "gap"),
    [
        ([(0, 0), (0, 0.01), (1, 0.1), (10, 5)], [(10, 1), (10, 1), (-10, 1)], (0.5986, -1.0241), -0.0102),
        ([(0, 0), (0, 1), (1, 0), (4, 8)], [(3, 1), (3, 1), (-3, 1)], (0.2162, -0.0023), -0.0023),
    ],
)
def test_small_witnesses_against_unanimity(points: Any, thetas: Any, theta: Any, gap: float) -> None:
    rewards = np.array(thetas) @ np.array(points).T
    votes = ck.Rankings((-rewards).argsort(1).argsort(1))
    assert (rewards[:, 1] > rewards[:, 0]).all()
    found = loss_rule(votes, features=points)
    np.testing.assert_allclose(found.direction, theta, atol=1e-4)
    assert found.scores[1] - found.scores[0] == pytest.approx(gap, abs=1e-4)
    kept = leximax_copeland(votes, features=points)
    assert kept.order.index(1) < kept.order.index(0)


def test_a_reward_each_breaks_pairwise_unanimity_of_few_comparisons() -> None:
    votes = ck.Rankings.from_orders({"ab": 1, "bc": 2, "ca": 1}, "abc")
    found = loss_rule(votes, features=np.eye(3), unranked="absent")
    np.testing.assert_allclose(found.scores, [0, 0.4196, -0.4196], atol=1e-4)
    assert found.order == ("b", "a", "c")


@given(st.lists(st.permutations(range(4)), min_size=2, max_size=6))
@settings(max_examples=30)
def test_a_reward_each_is_borda(ranks: list[list[int]]) -> None:
    votes = ck.Rankings(ranks)
    borda = np.array(reference.borda(ranks, [1.0] * len(ranks)))
    found = loss_rule(votes, features=np.eye(4))
    for a, b in itertools.permutations(range(4), 2):
        if borda[a] > borda[b] and not found.notes:
            assert found.scores[a] > found.scores[b]
        if borda[a] == borda[b] and not found.notes:
            assert any({a, b} <= set(level) for level in found.levels)


@pytest.mark.parametrize("loss", ["logistic", "exponential", "hinge"])
@given(election=elections(), step=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
@settings(max_examples=25)
def test_no_direction_loses_less(loss: Any, election: Any, step: tuple[float, float]) -> None:
    votes, points = election
    found = loss_rule(votes, features=points, loss=loss)
    assert holds(found, points)
    if not found.notes:
        least = loss_of(votes, points, found.direction, loss)
        for scale in (1e-3, 0.1, 1.0):
            other = loss_of(votes, points, found.direction + scale * np.array(step), loss)
            assert least <= other + 1e-9 * (1 + abs(least))


@given(elections(), st.sampled_from(["logistic", "exponential"]))
@settings(max_examples=40)
def test_where_there_is_no_minimum_the_order_is_that_of_all_that_come_close(election: Any, loss: Any) -> None:
    votes, points = election
    found = loss_rule(votes, features=points, loss=loss)
    assume(found.notes)
    # a little pull to the middle has a minimum, which runs off as it goes
    near = loss_rule(votes, features=points, loss=loss, penalty=1e-7)
    strict = [(a, b) for a, b in itertools.permutations(range(len(points)), 2) if found.scores[a] > found.scores[b]]
    reach = np.ptp(near.scores)
    assert all(near.scores[a] > near.scores[b] - 1e-3 * reach for a, b in strict)


def test_a_single_voter_is_followed() -> None:
    votes = ck.Rankings.from_orders([[2, 0, 1]])
    points = [[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    for loss in ("logistic", "exponential", "hinge"):
        found = loss_rule(votes, features=points, loss=loss)
        assert found.order == (2, 0, 1)
        assert found.feasible
    assert "no minimum" in loss_rule(votes, features=points).notes[0]
    assert loss_rule(votes, features=points, loss="hinge").notes == ()


def test_pairs_that_keep_a_minimum_settle_what_the_others_leave() -> None:
    # all have c last, which grows without end; a and b stand 2 : 1, where ℓ is least at a reward of ln 2 between them
    votes = ck.Rankings.from_orders({"abc": 2, "bac": 1})
    points = [[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]]
    found = loss_rule(votes, features=points)
    assert found.order == ("a", "b", "c")
    assert found.scores[0] - found.scores[1] == pytest.approx(np.log(2))
    assert found.notes


def test_an_order_that_the_profile_does_not_say_is_refused() -> None:
    votes = ck.Rankings.from_orders(["ab", "ac"], "abc")
    with pytest.raises(NoFiniteEstimate, match=r"no minimum.*Ways out: penalty=1e-3, loss='hinge'"):
        loss_rule(votes, features=np.eye(3), unranked="absent")
    helped = loss_rule(votes, features=np.eye(3), unranked="absent", penalty=1e-3)
    assert helped.levels == (("a",), ("b", "c"))
    assert loss_rule(votes, features=np.eye(3), unranked="absent", loss="hinge").winners == ("a",)


def test_equal_rewards_stand_together() -> None:
    votes = ck.Rankings.from_orders(["ab", "ba"])
    found = loss_rule(votes, features=[[1.0], [0.0]])
    assert found.levels == (("a", "b"),)
    assert (found.winners, found.feasible, found.order) == (("a", "b"), False, ("a", "b"))
    twins = loss_rule(ck.Rankings.from_orders({"abc": 2, "cab": 1}), features=[[1.0], [0.0], [0.0]])
    assert twins.levels == (("a",), ("b", "c"))
    level = majority_loss(ck.Margins(np.zeros((3, 3))), features=np.eye(3))
    assert level.levels == ((0, 1, 2),)
    for loss in ("logistic", "hinge"):
        assert loss_rule(ck.Rankings([[0, 1]]), features=[[1.0], [1.0]], loss=loss).winners == (0, 1)
        assert loss_rule(ck.Rankings([[0]]), features=[[3.0]], loss=loss).feasible


def test_a_penalty_pulls_and_the_least_is_where_the_gradient_is_none() -> None:
    votes, points = six(0.75, 0.5, 0.1)
    free, held = (loss_rule(votes, features=points, penalty=size) for size in (0.0, 0.5))
    assert np.linalg.norm(held.direction) < np.linalg.norm(free.direction)

    def total(theta: np.ndarray) -> float:
        return loss_of(votes, points, theta) + 0.25 * float(theta @ theta)

    for step in np.vstack([np.eye(2), -np.eye(2)]) * 1e-4:
        assert total(held.direction + step) > total(held.direction)


def test_a_loss_of_ones_own() -> None:
    def smooth(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.logaddexp(0.0, x), 1 / (1 + np.exp(-x))

    votes, points = six(0.75, 0.5, 0.1)
    np.testing.assert_allclose(
        loss_rule(votes, features=points, loss=smooth).direction, loss_rule(votes, features=points).direction, atol=1e-5
    )

    def square(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (1 + x) ** 2, 2 * (1 + x)

    # Σ n(a, b) (1 − d)² is least where each difference is the mean of ±1, weighted: (2 − 1)/3
    found = loss_rule(ck.Rankings.from_orders({"ab": 2, "ba": 1}), features=[[1.0], [0.0]], loss=square)
    assert found.scores[0] - found.scores[1] == pytest.approx(1 / 3)

    def downhill(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x, np.ones_like(x)

    with pytest.raises(NotConverged, match="perhaps it has no minimum"):
        loss_rule(ck.Rankings.from_orders({"ab": 2, "ba": 1}), features=[[1.0], [0.0]], loss=downhill)


# --- Theorems -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["logistic", "exponential", "hinge"])
@given(election=elections())
@settings(max_examples=40)
def test_majority_loss_is_the_majority_order_where_that_is_feasible(loss: Any, election: Any) -> None:
    """Ge et al. 2024, Theorem 3.6."""
    votes, points = election
    order = majority_order(votes)
    assume(order is not None and order in reference_medians.linear_orders_on_a_line_of_directions(points))
    found = majority_loss(votes, features=points, loss=loss)
    assert found.order == order
    assert found.feasible


@given(elections())
@settings(max_examples=60)
def test_leximax_copeland_by_the_book_and_what_it_keeps(election: Any) -> None:
    """Ge et al. 2024, Theorem 4.3, and the rule itself by a look at every order that some direction induces."""
    votes, points = election
    found = leximax_copeland(votes, features=points)
    support, total = votes.supports(), votes.weights.sum()
    agreed = [(a, b) for a, b in np.argwhere(support == total).tolist()]
    assert all(found.order.index(a) < found.order.index(b) for a, b in agreed)
    orders = reference_medians.linear_orders_on_a_line_of_directions(points)
    assert found.order in orders
    scores = copeland(votes).scores
    keeping = [order for order in orders if all(order.index(a) < order.index(b) for a, b in agreed)]
    assert found.order == min(keeping, key=lambda order: [(-scores[a], a) for a in order])
    majority = majority_order(votes)
    if majority in orders:
        assert found.order == majority
    for a in range(len(points)):
        if 2 * (votes.ranks[:, a] == 0).sum() > total:
            assert found.winners == (a,)
    assert holds(found, points)
    assert found.feasible


@given(elections(), st.data())
@settings(max_examples=25)
def test_who_wins_wins_when_raised(election: Any, draw: st.DataObject) -> None:
    """Theorem 4.3 too: winner monotonicity. One voter stays, so that some direction keeps what all agree on."""
    votes, points = election
    winner = leximax_copeland(votes, features=points).winners[0]
    assume(len(votes.ranks) > 1)
    voter = draw.draw(st.integers(1, len(votes.ranks) - 1))
    order = [a for a in np.argsort(votes.ranks[voter]).tolist() if a != winner]
    order.insert(draw.draw(st.integers(0, int(votes.ranks[voter, winner]))), winner)
    ranks = votes.ranks.copy()
    ranks[voter] = np.argsort(order)
    assert leximax_copeland(ck.Rankings(ranks), features=points).winners == (winner,)


def test_ties_between_copeland_scores() -> None:
    votes = ck.Rankings.from_orders(["abc", "bca", "cab"])
    points = np.eye(3)
    assert leximax_copeland(votes, features=points).order == ("a", "b", "c")
    found = leximax_copeland(votes, features=points, ties=fixed_order("cba"))
    assert found.order == ("c", "b", "a")
    assert found.ties is not None
    assert found.ties.order == ("c", "b", "a")
    assert found.notes[0].startswith("'c', 'b', 'a' could all come next")
    drawn = leximax_copeland(votes, features=points, ties=seeded_lottery(3))
    assert drawn.ties is not None
    assert drawn.order == drawn.ties.order
    with pytest.raises(ValueError, match="one order is wanted"):
        leximax_copeland(votes, features=points, ties=parallel_universes())
    assert leximax_copeland(ck.Rankings.from_orders(["abc"]), features=points).notes == ()


def test_unanimity_that_no_direction_keeps() -> None:
    # 1 is between 0 and 2 on a line, and all put it on top
    votes = ck.Rankings.from_orders([[1, 0, 2], [1, 2, 0]])
    points = [[0.0], [1.0], [2.0]]
    with pytest.raises(ValueError, match=r"no direction keeps the pairs.*pareto=False"):
        leximax_copeland(votes, features=points)
    assert leximax_copeland(votes, features=points, pareto=False).order in ((0, 1, 2), (2, 1, 0))


# --- Refusals, and in company ---------------------------------------------------------------------------------------


def test_features_that_do_not_fit() -> None:
    votes = ck.Rankings.from_orders(["ab"])
    for rule in (loss_rule, majority_loss, leximax_copeland):
        with pytest.raises(ValueError, match=r"with 2 rows in the order of the alternatives, got 3"):
            rule(votes, features=np.eye(3))
        with pytest.raises(ValueError, match="features: needed finite numbers"):
            rule(votes, features=[[np.nan], [1.0]])
        with pytest.raises(TypeError, match="features"):
            rule(votes)
    with pytest.raises(ValueError, match="got the same for 'a', 'b'"):
        leximax_copeland(votes, features=[[1.0], [1.0]])


@pytest.mark.parametrize("rule", [loss_rule, majority_loss])
def test_options_that_do_not_fit(rule: Any) -> None:
    votes = ck.Rankings.from_orders(["ab"])
    with pytest.raises(ValueError, match="needed loss='logistic'"):
        rule(votes, features=np.eye(2), loss="squared")
    with pytest.raises(ValueError, match="needed a penalty of at least 0"):
        rule(votes, features=np.eye(2), penalty=-1)
    with pytest.raises(ValueError, match="no penalty with the hinge loss"):
        rule(votes, features=np.eye(2), penalty=1, loss="hinge")


def test_batches_are_one_by_one_and_arrays_read_only() -> None:
    ranks = np.stack([np.random.default_rng(seed).random((5, 4)).argsort(1) for seed in range(3)])
    points = np.random.default_rng(9).normal(size=(4, 2))
    for rule in (loss_rule, majority_loss):
        expected = [rule(ck.Rankings(each), features=points, penalty=0.1).scores for each in ranks]
        np.testing.assert_array_equal(rule.batch(ranks, features=points, penalty=0.1), expected)
    found = loss_rule(ck.Rankings(ranks[0]), features=points, penalty=0.1)
    for array in (found.scores, found.direction):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
