"""Young's and Dodgson's rules against a search through all changes of the ballots."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_medians as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit import ingest, solvers
from choicekit.outcomes import NotConverged
from choicekit.rules.distances import dodgson, young

CYCLE = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})


@st.composite
def electorates(draw: st.DrawFn, strict: bool = False, voters: int = 7, alternatives: int = 4) -> ck.Rankings:
    """Whole numbers of voters, some of them none."""
    size = draw(st.integers(1, alternatives))
    orders = st.permutations(range(size))
    weak = st.lists(st.integers(-1, size - 1), min_size=size, max_size=size)
    ranks = draw(st.lists(orders if strict else st.one_of(orders, weak), min_size=1, max_size=4))
    weights = draw(st.lists(st.integers(0, 3), min_size=len(ranks), max_size=len(ranks)))
    assume(0 < sum(weights) <= voters)
    return ck.Rankings(ranks, weights)


def voters(profile: ck.Rankings) -> list[list[int]]:
    counts = profile.weights.astype(int)
    return np.repeat(profile.ranks, counts, axis=0).tolist()


def random_votes(count: int, size: int, seed: int) -> ck.Rankings:
    return ck.Rankings(np.random.default_rng(seed).random((count, size)).argsort(1))


# --- Against the definitions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strong", [False, True])
@pytest.mark.parametrize("unranked", ["below", "absent"])
@given(profile=electorates())
@settings(max_examples=25)
def test_voters_are_removed_by_the_book(unranked: Any, strong: bool, profile: ck.Rankings) -> None:
    ranks = voters(profile)
    expected = [-reference.removals(ranks, a, strong=strong, absent=unranked == "absent") for a in range(len(ranks[0]))]
    assert young(profile, strong=strong, unranked=unranked).scores.tolist() == expected


@given(profile=electorates(strict=True, voters=4))
@settings(max_examples=25)
def test_neighbours_are_swapped_by_the_book(profile: ck.Rankings) -> None:
    ranks = voters(profile)
    expected = [-reference.swaps(ranks, a) for a in range(len(ranks[0]))]
    assert dodgson(profile).scores.tolist() == expected


@pytest.mark.parametrize("seed", range(3))
def test_larger_electorates_by_the_book(seed: int) -> None:
    profile = random_votes(9, 4, seed)
    ranks = profile.ranks.tolist()
    assert young(profile).scores.tolist() == [-reference.removals(ranks, a, strong=False) for a in range(4)]
    assert young(profile, strong=True).scores.tolist() == [-reference.removals(ranks, a, strong=True) for a in range(4)]
    few = random_votes(4, 4, seed)
    assert dodgson(few).scores.tolist() == [-reference.swaps(few.ranks.tolist(), a) for a in range(4)]


@given(profile=electorates(strict=True, voters=12, alternatives=5))
@settings(max_examples=25)
def test_what_is_known_of_the_scores(profile: ck.Rankings) -> None:
    """A Condorcet winner alone needs nothing; swaps are at least the votes that are short; a voter counts for one."""
    margins = profile.to_margins().values
    others = ~np.eye(len(margins), dtype=bool)
    weak, strict = -young(profile).scores, -young(profile, strong=True).scores
    swaps = -dodgson(profile).scores
    for a in range(len(margins)):
        lead = margins[a][others[a]]
        assert (weak[a] == 0) == (lead >= 0).all()
        assert (strict[a] == 0) == (swaps[a] == 0) == (lead > 0).all()
        assert swaps[a] >= sum(math.floor(-x / 2) + 1 for x in lead if x <= 0)
        assert weak[a] >= max([0.0, *(-lead)])
        assert weak[a] <= strict[a]
    if profile.to_margins().condorcet_winner is not None:
        assert dodgson(profile).winners == young(profile, strong=True).winners


@given(profile=electorates(strict=True, voters=12), draw=st.data())
@settings(max_examples=15)
def test_voters_and_alternatives_are_alike(profile: ck.Rankings, draw: st.DataObject) -> None:
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    doubled = ck.Rankings(np.vstack([profile.ranks, profile.ranks])[:, order], np.tile(profile.weights, 2))
    split = ck.Rankings(
        np.repeat(profile.ranks, profile.weights.astype(int), axis=0)[:, order],
    )
    for rule in (young, dodgson):
        assert rule(split).scores.tolist() == rule(profile).scores[order].tolist()
    # removing both of each pair of twins is one way
    assert (young(doubled).scores >= 2 * young(profile).scores[order]).all()


# --- Numbers that can be checked by hand ---------------------------------------------------------------------------


def test_the_cycle_of_seven() -> None:
    # a, beaten by c by 1: without one who has c first nobody beats a; of 2 without both, a beats c by 1 and b by 5
    assert young(CYCLE).scores.tolist() == [-1, -3, -3]
    assert young(CYCLE, strong=True).scores.tolist() == [-2, -4, -4]
    assert dodgson(CYCLE).scores.tolist() == [-1, -2, -2]


def test_swaps_pass_what_need_not_be_overtaken() -> None:
    # a needs b on one more ballot (they stand 1 : 2): on the second; c needs b on the first, then a on the second
    votes = ck.Rankings.from_orders(["bca", "bac", "acb"])
    assert votes.to_margins().values.tolist() == [[0, -1, 1], [1, 0, 1], [-1, -1, 0]]
    assert dodgson(votes).scores.tolist() == [-1, 0, -2]
    far = ck.Rankings.from_orders(["bca", "bca", "acb"])
    # both b and c lead a by 1: on one ballot past c (1), then past b (2)
    assert dodgson(far).scores.tolist()[0] == -2
    assert dodgson(far).scores.tolist()[0] == -reference.swaps(far.ranks.tolist(), 0)


def test_what_all_find_worse_is_no_strong_winner_of_anybody() -> None:
    votes = ck.Rankings.from_orders({"ab": 5})
    assert young(votes, strong=True).scores.tolist() == [0, -np.inf]
    assert young(votes).scores.tolist() == [0, -5]


def test_one_alternative_and_large_numbers() -> None:
    one = ck.Rankings([[0]], alternatives=["only"])
    assert young(one).winners == young(one, strong=True).winners == dodgson(one).winners == ("only",)
    millions = ck.Rankings(CYCLE.ranks, CYCLE.weights * 10**6, "abc")
    assert young(millions).scores.tolist() == [-(10**6), -3 * 10**6, -3 * 10**6]
    assert dodgson(millions).scores.tolist() == [-(5 * 10**5 + 1), -(15 * 10**5 + 1), -(15 * 10**5 + 1)]


def test_nobody_of_weight_zero_is_removed_or_read() -> None:
    votes = ck.Rankings([[0, 1, 2], [2, 2, 2]], weights=[1, 0])
    assert dodgson(votes).scores.tolist() == [0, -1, -2]
    assert young(votes).scores.tolist() == [0, -1, -1]


def test_batches_are_one_by_one() -> None:
    many = np.stack([random_votes(5, 4, seed).ranks for seed in range(3)])
    for rule in (young, dodgson):
        expected = [rule(ck.Rankings(each)).scores for each in many]
        np.testing.assert_array_equal(rule.batch(many), expected)


# --- Refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [young, dodgson])
def test_parts_of_voters_are_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match=r"got the weight 0.5 in row 1; a part of a voter"):
        rule(ck.Rankings([[0, 1], [1, 0]], weights=[1, 0.5]))
    with pytest.raises(ValueError, match="time_limit, got 0"):
        rule(CYCLE, time_limit=0)
    with pytest.raises(ValueError, match="unranked: needed"):
        rule(CYCLE, unranked="last")


def test_swaps_need_strict_ballots() -> None:
    with pytest.raises(ValueError, match=r"got 'b', 'c' level in row 1 \(1 such rows\)"):
        dodgson(ck.Rankings.from_orders(["abc", ["a", {"b", "c"}]]))
    with pytest.raises(ValueError, match=r"got 'b', 'c' level in row 0 \(1 such rows\)"):
        dodgson(ck.Rankings.from_orders(["a", "cab"], "abc"))
    with pytest.raises(ValueError, match=r"leaves some out in row 1"):
        dodgson(ck.Rankings.from_orders(["abc", "ab"], "abc"), unranked="absent")
    left_out, whole = ck.Rankings.from_orders(["ab", "cab"], "abc"), ck.Rankings.from_orders(["abc", "cab"])
    assert dodgson(left_out).scores.tolist() == dodgson(whole).scores.tolist()


@pytest.mark.parametrize("rule", [young, dodgson])
def test_time_that_is_up_leaves_what_is_proved(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = random_votes(41, 6, 3)
    exact = -rule(profile).scores
    stopped = solvers.Programme(None, np.inf, -np.inf, "time limit")
    monkeypatch.setattr(solvers, "integer_program", lambda *_, **__: stopped)
    with pytest.raises(NotConverged, match="60 seconds were not enough to settle how many") as caught:
        rule(profile)
    known = caught.value.partial
    assert list(known) == list(profile.alternatives)
    assert any(least < most for least, most in known.values())
    for (least, most), count in zip(known.values(), exact, strict=True):
        assert least <= count <= most


def test_no_time_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers, "integer_program", None)  # is not asked
    with pytest.raises(NotConverged) as caught:
        young(CYCLE, time_limit=1e-12)
    assert caught.value.partial == {"a": (1, 7), "b": (3, 7), "c": (3, 7)}


# --- The solver's door ---------------------------------------------------------------------------------------------


def test_what_the_solver_says() -> None:
    box = [(0.0, 5.0)]
    found = solvers.integer_program([1.0], [[-2.0]], lowest=-np.inf, highest=-3.0, bounds=box)
    assert (found.value, found.bound, found.status) == (2.0, 2.0, "optimal")
    part = solvers.integer_program([1.0], [[-2.0]], lowest=-np.inf, highest=-3.0, bounds=box, whole=False)
    assert (part.value, part.bound) == (1.5, 1.5)
    none = solvers.integer_program([1.0], [[-2.0]], lowest=-np.inf, highest=-30.0, bounds=box)
    assert (none.solution, none.value, none.status) == (None, np.inf, "infeasible")
    free = solvers.integer_program([-1.0], [[-2.0]], lowest=-np.inf, highest=3.0, bounds=[(0.0, None)])
    assert (free.status, free.value) == ("unbounded", -np.inf)
    relaxed = solvers.relaxation([1.0], [[-2.0]], highest=[-3.0], bounds=box)
    assert (relaxed.value, relaxed.status) == (1.5, "optimal")
    assert solvers.relaxation([1.0], [[-2.0]], highest=[-30.0], bounds=box).status == "infeasible"
    assert solvers.relaxation([-1.0], [[-2.0]], highest=[3.0], bounds=[(0.0, None)]).status == "unbounded"


def test_the_solver_is_stopped_in_time() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 1000, (40, 60)).astype(float)
    found = solvers.integer_program(
        -rng.random(60), rows, lowest=-np.inf, highest=rows.sum(1) / 3, bounds=[(0.0, 1.0)] * 60, time_limit=0.05
    )
    assert found.status == "time limit"
    assert found.bound <= found.value


# --- Real data -----------------------------------------------------------------------------------------------------


def test_strict_orders_of_preflib(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["preflib_visible"]
    known = {path: fact["soc_dodgson"] for path, fact in facts.items() if fact.get("soc_dodgson")}
    assert len(known) >= 10
    for path, expected in known.items():
        assert list(dodgson(ingest.read_rankings(data / path)).winners) == expected
