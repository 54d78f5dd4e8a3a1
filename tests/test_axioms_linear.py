"""Axioms of linear rewards, beside slow twins, and the problems on which learning rewards breaks unanimity."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference_medians
from hypothesis import given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit import rules
from choicekit.axioms import linear
from choicekit.axioms._axiom import Axiom
from choicekit.axioms._problems import RewardProblem
from choicekit.axioms._readings import rewards
from choicekit.axioms.linear import hard_reward_problems
from choicekit.axioms.violation import Violation
from choicekit.outcomes import LinearOrder
from choicekit.rules._directions import feasible

EVERY = [value for value in vars(linear).values() if isinstance(value, Axiom)]
Order = tuple[int, ...]
Votes = tuple[Order, ...]
Levels = tuple[tuple[int, ...], ...]
Points = list[list[int]]
Rule = Callable[[Votes], Levels]


def votes_of(rankings: ck.Rankings) -> Votes:
    return tuple(
        tuple(np.argsort(row).tolist())
        for row, weight in zip(rankings.ranks, rankings.weights.tolist(), strict=True)
        for _ in range(int(weight))
    )


def asked(rule: Rule) -> Callable[..., list[set[int]]]:
    return lambda rankings, **_: [set(level) for level in rule(votes_of(rankings))]


def borda(votes: Votes) -> Levels:
    points = {a: sum(vote.index(a) for vote in votes) for a in votes[0]}
    return tuple(tuple(a for a in sorted(points) if points[a] == p) for p in sorted(set(points.values())))


def plurality(votes: Votes) -> Levels:
    tops = Counter(vote[0] for vote in votes)
    every = {tops[a] for a in votes[0]}
    return tuple(tuple(a for a in sorted(votes[0]) if tops[a] == p) for p in sorted(every, reverse=True))


def copeland(votes: Votes) -> Levels:
    def wins(a: int) -> int:
        margins = [sum(1 if v.index(a) < v.index(b) else -1 for v in votes) for b in votes[0] if b != a]
        return sum((margin > 0) - (margin < 0) for margin in margins)

    every = {a: wins(a) for a in votes[0]}
    return tuple(tuple(a for a in sorted(every) if every[a] == p) for p in sorted(set(every.values()), reverse=True))


def first_voter(votes: Votes) -> Levels:
    return tuple((a,) for a in votes[0])


def mixed(base: Rule, salt: int, share: int) -> Rule:
    """The base, but on a share (in hundreds) of all profiles, which the ballots decide, an order out of a hat."""

    def rule(votes: Votes) -> Levels:
        code = zlib.crc32(repr((salt, votes if base is first_voter else sorted(votes))).encode())
        if code % 100 >= share:
            return base(votes)
        hat = list(itertools.permutations(sorted(votes[0])))
        order = hat[code // 100 % len(hat)]
        return (order[:2], *((a,) for a in order[2:])) if code % 7 == 0 else tuple((a,) for a in order)

    return rule


# --- By the book: does this rule break it, where these are the orders that directions induce -------------------------


def level(order: Levels, a: int) -> int:
    return next(place for place, tier in enumerate(order) if a in tier)


def by_pareto(rule: Rule, votes: Votes, _: set[Order]) -> bool:
    found = rule(votes)
    pairs = itertools.permutations(votes[0], 2)
    return any(all(v.index(a) < v.index(b) for v in votes) and not level(found, a) < level(found, b) for a, b in pairs)


def by_majorities(rule: Rule, votes: Votes, orders: set[Order]) -> bool:
    for order in orders:
        pairs = itertools.combinations(order, 2)
        if all(2 * sum(v.index(a) < v.index(b) for v in votes) > len(votes) for a, b in pairs):
            return rule(votes) != tuple((a,) for a in order)
    return False


def by_majority(rule: Rule, votes: Votes, _: set[Order]) -> bool:
    return any(2 * sum(v[0] == a for v in votes) > len(votes) and rule(votes)[0] != (a,) for a in votes[0])


def by_winner(rule: Rule, votes: Votes, orders: set[Order]) -> bool:
    """Every order that a direction induces, if it is the ballot but for the winner, which is higher."""
    for a in rule(votes)[0]:
        for i, vote in enumerate(votes):
            rest = [b for b in vote if b != a]
            for new in orders:
                lifted = [b for b in new if b != a] == rest and new.index(a) < vote.index(a)
                if lifted and a not in rule((*votes[:i], new, *votes[i + 1 :]))[0]:
                    return True
    return False


def by_separability(rule: Rule, votes: Votes, _: set[Order]) -> bool:
    for chosen in itertools.product((True, False), repeat=len(votes)):
        one = tuple(itertools.compress(votes, chosen))
        other = tuple(itertools.compress(votes, (not each for each in chosen)))
        if one and other and rule(one) == rule(other) != rule(votes):
            return True
    return False


TWINS = {
    "pareto_of_rewards": by_pareto, "pairwise_majority_consistency_of_rewards": by_majorities,
    "majority_consistency_of_rewards": by_majority, "winner_monotonicity": by_winner,
    "separability_of_rewards": by_separability,
}  # fmt: skip


@st.composite
def elections(draw: st.DrawFn, most: int = 4, size: int = 4) -> tuple[Votes, Points, set[Order]]:
    """Points of the plane, and voters who rank them by directions."""
    number = st.integers(-4, 4)
    count = draw(st.integers(2, size))
    points = draw(st.lists(st.tuples(number, number), min_size=count, max_size=count, unique=True))
    places = [list(point) for point in points]
    orders = set(reference_medians.linear_orders_on_a_line_of_directions(places))
    votes = draw(st.lists(st.sampled_from(sorted(orders)), min_size=1, max_size=most))
    return tuple(votes), places, orders


def problem_of(votes: Votes, points: Any) -> RewardProblem:
    return RewardProblem(ck.Rankings([np.argsort(vote).tolist() for vote in votes]), points)


def test_there_is_a_twin_of_each() -> None:
    assert sorted(TWINS) == sorted(each.name for each in EVERY)
    assert all(each.about is rewards and each.ballots == "features" for each in EVERY)


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
def test_the_axiom_and_its_twin_agree(axiom: Axiom) -> None:
    met: Counter[bool] = Counter()

    @given(
        elections(),
        st.sampled_from([borda, plurality, copeland, first_voter]),
        st.integers(0, 999),
        st.sampled_from([0, 10, 100]),
    )
    @settings(max_examples=120)
    def agree(election: Any, base: Rule, salt: int, share: int) -> None:
        votes, points, orders = election
        rule = mixed(base, salt, share)
        problem = problem_of(votes, points)
        found = axiom(asked(rule), problem)
        wanted = TWINS[axiom.name](rule, votes, orders)
        met[wanted] += 1
        assert (found is not None) == wanted
        if found is not None:
            assert found.replay()
            assert found.profiles[0] is problem
            again = Violation.from_json(found.to_json())
            assert again.replay(asked(rule))
            assert str(again) == str(found)

    agree()
    assert met[True] >= 5, met
    assert met[False] >= 5, met


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
@given(election=elections(), salt=st.integers(0, 99), drawn=st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_rows_of_some_weight_are_as_many_voters_in_any_order(
    axiom: Axiom, election: Any, salt: int, drawn: Any
) -> None:
    votes, points, _ = election
    rule = asked(mixed(copeland, salt, 20))
    verdict = axiom(rule, problem_of(votes, points)) is None
    mixed_up = list(votes)
    drawn.shuffle(mixed_up)
    assert (axiom(rule, problem_of(tuple(mixed_up), points)) is None) == verdict
    counted = Counter(mixed_up)
    ranks = [np.argsort(vote).tolist() for vote in counted]
    assert (axiom(rule, RewardProblem(ck.Rankings(ranks, list(counted.values())), points)) is None) == verdict


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
@given(election=elections(), base=st.sampled_from([borda, plurality, copeland]), drawn=st.data())
@settings(max_examples=25)
def test_neither_names_nor_units_matter(axiom: Axiom, election: Any, base: Rule, drawn: Any) -> None:
    votes, points, _ = election
    verdict = axiom(asked(base), problem_of(votes, points)) is None
    moves = drawn.draw(st.permutations(range(len(points))))
    renamed = tuple(tuple(moves[a] for a in vote) for vote in votes)
    moved = [points[moves.index(a)] for a in range(len(points))]
    assert (axiom(asked(base), problem_of(renamed, moved)) is None) == verdict
    skewed = np.array(points) @ [[1e4, 3.0], [0.0, 1e-3]] + [5.0, -1.0]
    wider = np.column_stack([skewed, np.full(len(points), 7.0)])
    assert (axiom(asked(base), problem_of(votes, wider)) is None) == verdict


@given(elections(size=5), st.data())
def test_directions_are_found_where_there_are_some(election: Any, drawn: Any) -> None:
    _, points, orders = election
    order = drawn.draw(st.permutations(range(len(points))))
    theta = linear._direction(np.array(points, np.float64), order)
    assert (theta is not None) == (tuple(order) in orders)
    if theta is not None:
        assert (np.diff(np.array(points)[order] @ theta) < 0).all()


def test_directions_in_more_dimensions() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        points, order = rng.normal(size=(5, 3)), rng.permutation(5).tolist()
        theta = linear._direction(points, order)
        assert (theta is None) == (feasible(points, order) is None)
        found += theta is not None
    assert 5 < found < 55
    assert linear._direction(np.ones((2, 3)), [0, 1]) is None
    assert linear._direction(np.ones((1, 3)), [0]) is not None


# --- The problems, and the rules ------------------------------------------------------------------------------------


LOSSES = [partial(rules.loss_rule, loss=loss) for loss in ("logistic", "exponential", "hinge")]
KEEPS_MAJORITIES = [partial(rules.majority_loss, loss=loss) for loss in ("logistic", "exponential", "hinge")]
BREAKS = (linear.pareto_of_rewards, linear.pairwise_majority_consistency_of_rewards)


@pytest.mark.parametrize("rule", LOSSES, ids=lambda rule: rule.keywords["loss"])
def test_losses_break_unanimity_and_majorities_on_each_of_the_problems(rule: Any) -> None:
    """Ge et al. 2024, Theorem 3.1."""
    problems = list(hard_reward_problems())
    assert len(problems) == 12
    for problem in problems:
        for axiom in BREAKS:
            found = axiom(rule, problem)
            assert found is not None
            assert found.replay()
        pareto = linear.pareto_of_rewards(rule, problem)
        assert pareto is not None
        assert pareto.alternatives == ("c'", "c")


def test_other_rules_keep_them_there() -> None:
    """Ge et al. 2024, Theorems 3.6 and 4.3; in these problems the majority is an order of rewards."""
    for problem in hard_reward_problems():
        for rule in (*KEEPS_MAJORITIES, rules.leximax_copeland):
            assert all(axiom(rule, problem) is None for axiom in BREAKS)


def drawn_problems(count: int, *, size: int = 4, voters: int = 3) -> list[RewardProblem]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        points, thetas = rng.normal(size=(size, 2)), rng.normal(size=(voters, 2))
        found.append(RewardProblem(ck.Rankings((-thetas @ points.T).argsort(1).argsort(1)), points))
    return found


def test_drawing_problems_does_not_find_what_the_first_of_these_shows() -> None:
    drawn = drawn_problems(200)
    assert not any(linear.pareto_of_rewards(rules.loss_rule, problem) for problem in drawn)
    assert linear.pareto_of_rewards(rules.loss_rule, next(hard_reward_problems()))
    # majorities, though, are broken by many a drawn problem
    found = [linear.pairwise_majority_consistency_of_rewards(rules.loss_rule, problem) for problem in drawn]
    assert sum(each is not None for each in found) > 20


@pytest.mark.parametrize("axiom", [each for each in EVERY if each.name != "separability_of_rewards"])
def test_leximax_copeland_keeps_what_is_proved_of_it(axiom: Axiom) -> None:
    """Ge et al. 2024, Theorem 4.3."""
    for problem in drawn_problems(15):
        assert axiom(rules.leximax_copeland, problem) is None


def test_majority_losses_keep_majorities() -> None:
    """Ge et al. 2024, Theorem 3.6."""
    for rule, problem in itertools.product(KEEPS_MAJORITIES, drawn_problems(15)):
        assert linear.pairwise_majority_consistency_of_rewards(rule, problem) is None


def test_leximax_copeland_breaks_separability() -> None:
    """b and c tie in one electorate, all three in the other, and the names decide; together c beats b."""
    votes = ck.Rankings.from_orders(["abc", "acb", "acb", "bac", "cba"])
    found = linear.separability_of_rewards(rules.leximax_copeland, RewardProblem(votes, np.eye(3)))
    assert found is not None
    assert found.outcomes == ((("a",), ("c",), ("b",)), (("a",), ("b",), ("c",)), (("a",), ("b",), ("c",)))
    sizes = [each.rankings.weights.sum() for each in found.profiles]
    assert sizes[0] == sizes[1] + sizes[2]


def test_a_majority_that_rounding_makes_is_none() -> None:
    votes = ck.Rankings([[0, 1, 2], [0, 1, 2], [2, 1, 0]], [0.1, 1.3, 1.4], tuple("abc"))
    assert votes.weights[:2].sum() > votes.weights.sum() / 2

    def other_way(*_: Any, **__: Any) -> list[str]:
        return ["b", "c", "a"]

    problem = RewardProblem(votes, np.eye(3))
    assert linear.majority_consistency_of_rewards(other_way, problem) is None
    assert linear.pairwise_majority_consistency_of_rewards(other_way, problem) is None


def test_where_the_majority_order_has_no_direction_nothing_is_asked() -> None:
    points = [(2, 1), (0, -2), (-1, -3), (-3, -3)]
    votes = ck.Rankings.from_orders([[3, 2, 0, 1], [0, 1, 2, 3], [2, 1, 0, 3]])
    problem = RewardProblem(votes, points)
    assert linear.pairwise_majority_consistency_of_rewards(rules.loss_rule, problem) is None
    assert linear.pareto_of_rewards(rules.loss_rule, problem) is None


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
def test_what_the_axioms_do_not_speak_of(axiom: Axiom) -> None:
    line = [[0.0], [1.0], [2.0]]
    with pytest.raises(ValueError, match=r"no direction of the features gives 1 > 0 > 2 \(row 1\)"):
        axiom(rules.leximax_copeland, RewardProblem(ck.Rankings([[0, 1, 2], [1, 0, 2]]), line))
    with pytest.raises(ValueError, match="needed strict rankings"):
        axiom(rules.leximax_copeland, RewardProblem(ck.Rankings([[0, 1, 1]]), line))
    with pytest.raises(TypeError, match="needs an order of all alternatives"):
        axiom(lambda *_, **__: 3, RewardProblem(ck.Rankings([[0, 1, 2]] * 2), line))
    assert axiom(rules.leximax_copeland, RewardProblem(ck.Rankings([[0]]), [[1.0]])) is None


@pytest.mark.parametrize("options", [{"sides": [(0, 1)]}, {"heights": [1.0]}, {"gaps": [0.0]}, {"gaps": [1.0]}])
def test_problems_of_sizes_that_do_not_fit(options: Any) -> None:
    with pytest.raises(ValueError, match="needed voters on both sides, and a height and a gap between 0 and 1"):
        next(hard_reward_problems(**options))


def test_a_rule_that_ties_what_all_rank_alike() -> None:
    def level_all(rankings: ck.Rankings, **_: Any) -> LinearOrder:
        zeros = np.zeros(len(rankings.alternatives))
        return LinearOrder(rankings.alternatives, (rankings.alternatives,), np.zeros(1), zeros)

    found = linear.pareto_of_rewards(level_all, RewardProblem(ck.Rankings.from_orders(["ab"]), [[1.0], [0.0]]))
    assert found is not None
    assert found.reason == "all prefer a to b, and a is level with b"
