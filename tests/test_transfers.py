"""The single transferable vote: definition, real counts, ties, quotas, level and truncated ballots."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_committees as reference
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ballots

import choicekit as ck
from choicekit.outcomes import Committees, Seating
from choicekit.rules._ties import fixed_order, parallel_universes, seeded_lottery
from choicekit.rules.transfers import single_transferable_vote


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[list[int]], list[int], int]:
    """Strict orders of some of up to five alternatives, how often each, and a number of seats."""
    width = draw(st.integers(1, 5))
    order = st.permutations(range(width)).flatmap(lambda whole: st.integers(0, width).map(lambda cut: whole[:cut]))
    rows = draw(st.lists(order, min_size=1, max_size=6))
    weights = draw(st.lists(st.integers(0, 9), min_size=len(rows), max_size=len(rows)))
    assume(any(w and row for w, row in zip(weights, rows, strict=True)))
    return rows, weights, draw(st.integers(1, width))


def rankings(rows: list[list[int]], weights: list[int], width: int) -> ck.Rankings:
    ranks = np.full((len(rows), width), -1)
    for row, order in enumerate(rows):
        ranks[row, order] = np.arange(len(order))
    return ck.Rankings(ranks, weights)


def in_order(found: Committees) -> list[Any]:
    return [label for turn in found.rounds if isinstance(turn, Seating) for label in turn.elected]


QUOTAS = {
    "droop": lambda votes, size: Fraction(votes // (size + 1) + 1),
    "hare": lambda votes, size: Fraction(votes, size),
    "hagenbach_bischoff": lambda votes, size: Fraction(votes, size + 1),
}


@pytest.mark.parametrize("simultaneous", [True, False])
@pytest.mark.parametrize("quota", QUOTAS)
@given(case=orders())
def test_counts_by_the_book(quota: Any, simultaneous: bool, case: tuple[list[list[int]], list[int], int]) -> None:
    rows, weights, size = case
    width = max(max(max(row, default=0) for row in rows) + 1, size)
    needed = QUOTAS[quota](sum(w for w, row in zip(weights, rows, strict=True) if row), size)
    expected = reference.stv(rows, [Fraction(w) for w in weights], width, size, needed, simultaneous)
    profile = rankings(rows, weights, width)
    found = single_transferable_vote(profile, size=size, quota=quota, simultaneous=simultaneous)
    assert list(found.committees) == sorted(expected)
    assert found.notes == ()
    order = fixed_order(range(width))
    one = single_transferable_vote(profile, size=size, quota=quota, simultaneous=simultaneous, ties=order)
    assert len(one.committees) == 1
    assert one.committees[0] in found.committees
    assert sorted(in_order(one)) == list(one.committees[0])


@given(profile=ballots(voters=5, alternatives=4), draw=st.data())
def test_level_alternatives_share_a_ballot(profile: ck.Rankings, draw: st.DataObject) -> None:
    # a ballot with a tie for first counts as two halves that break it either way, at every later count as well
    size = draw.draw(st.integers(1, len(profile.alternatives)))
    assume(profile.weights[(profile.ranks >= 0).any(1)].any())
    split_rows, split_weights = [], []
    for row, weight in zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True):
        tiers = [[a for a, rank in enumerate(row) if rank == level] for level in sorted(set(row) - {-1})]
        whole: list[list[int]] = [[]]
        for tier in tiers:
            whole = [[*start, *end] for start in whole for end in permutations(tier)]
        split_rows += whole
        split_weights += [weight / len(whole)] * len(whole)
    split = rankings(split_rows, split_weights, len(profile.alternatives))  # type: ignore[arg-type]
    level = single_transferable_vote(profile, size=size, quota="hare", simultaneous=False)
    broken = single_transferable_vote(split, size=size, quota="hare", simultaneous=False)
    # as long as every tie is of two the halves behave alike; with more they do too, as all orders are there
    assert level.committees == broken.committees


def permutations(tier: list[int]) -> list[list[int]]:
    return [[a, *rest] for a in tier for rest in permutations([b for b in tier if b != a])] if tier else [[]]


def test_one_seat_is_instant_runoff() -> None:
    votes = ck.Rankings.from_orders({"abc": 4, "bca": 3, "cba": 2})
    assert single_transferable_vote(votes, size=1).committees == (("b",),)
    turns = single_transferable_vote(votes, size=1).rounds
    assert [(turn.eliminated, turn.scores.tolist()) for turn in turns] == [(("c",), [4, 3, 2]), ((), [4, 5])]


def test_a_surplus_passes_on_in_proportion() -> None:
    # 12 votes, two seats, quota 5: a's surplus of 3 of 8 goes to b (5 of its 8 ballots) and c (3 of 8)
    votes = ck.Rankings.from_orders({"ab": 5, "acb": 3, "b": 1, "c": 3})
    found = single_transferable_vote(votes, size=2)
    assert found.rounds[1].scores.tolist() == pytest.approx([1 + 5 * 3 / 8, 3 + 3 * 3 / 8])
    assert found.committees == (("a", "c"),)
    assert in_order(found) == ["a", "c"]


def test_ties_for_last_are_followed_broken_or_drawn() -> None:
    votes = ck.Rankings.from_orders({"ab": 3, "ba": 2, "ca": 2})
    every = single_transferable_vote(votes, size=1)
    assert every.committees == (("a",),)
    assert every.rounds == ()
    votes = ck.Rankings.from_orders({"ac": 4, "bd": 4, "cb": 2, "da": 2})
    every = single_transferable_vote(votes, size=1)
    assert every.committees == (("a",), ("b",))
    assert every.ties is not None
    assert every.ties.complete
    assert (every.ties.universes or 0) > 3
    # c and d go out, for b and a, which are level again: who comes first in the order stays
    drawn = single_transferable_vote(votes, size=1, ties=seeded_lottery(3))
    assert drawn.ties is not None
    assert drawn.ties.order is not None
    again = single_transferable_vote(votes, size=1, ties=fixed_order(drawn.ties.order))
    assert again.committees == drawn.committees
    assert len(drawn.committees) == 1
    assert single_transferable_vote(votes, size=1, ties=fixed_order("abcd")).committees == (("a",),)
    assert single_transferable_vote(votes, size=1, ties=fixed_order("badc")).committees == (("b",),)


def test_a_budget_of_universes_ends_the_search() -> None:
    votes = ck.Rankings(np.eye(8, dtype=int) * -7 + 7)
    found = single_transferable_vote(votes, size=4, ties=parallel_universes(20))
    assert found.committees
    assert found.ties is not None
    assert not found.ties.complete
    assert "20 universes were visited" in found.notes[0]


@pytest.mark.parametrize("simultaneous", [True, False])
def test_edges(simultaneous: bool) -> None:
    options: dict[str, Any] = {"simultaneous": simultaneous}
    assert single_transferable_vote(ck.Rankings([[0]]), size=1, **options).committees == ((0,),)
    assert single_transferable_vote(ck.Rankings([[0, 1]]), size=2, **options).committees == ((0, 1),)
    ignored = ck.Rankings([[0, 1], [1, 0]], weights=[0, 2])
    assert single_transferable_vote(ignored, size=1, **options).committees == ((1,),)
    empty = ck.Rankings([[-1, -1], [1, 0]], weights=[10, 1])
    found = single_transferable_vote(empty, size=1, **options)
    assert found.committees == ((1,),)
    assert found.rounds[0].scores.tolist() == [0, 1]
    level = single_transferable_vote(ck.Rankings([[0, 0, 0]]), size=2, **options)
    assert level.committees == ((0, 1), (0, 2), (1, 2))
    for reading in ("below", "absent"):
        assert single_transferable_vote(ck.Rankings([[0, -1]]), size=1, unranked=reading).committees == ((0,),)


def test_bad_input_is_refused_with_words() -> None:
    votes = ck.Rankings([[0, 1]])
    with pytest.raises(ValueError, match="size from 1 to the 2 alternatives, got 3"):
        single_transferable_vote(votes, size=3)
    with pytest.raises(ValueError, match="quota must be one of droop, hare, hagenbach_bischoff, got 'imperiali'"):
        single_transferable_vote(votes, size=1, quota="imperiali")
    with pytest.raises(ValueError, match="unranked: needed 'below'"):
        single_transferable_vote(votes, size=1, unranked="last")
    with pytest.raises(ValueError, match="got only empty ones"):
        single_transferable_vote(ck.Rankings([[-1, -1]]), size=1)


def test_a_solid_coalition_gets_its_seats() -> None:
    # Droop proportionality: 60 of 100 ballots put a, b, c on top in any order, two seats of three quotas of 26
    rng = np.random.default_rng(5)
    for _ in range(20):
        mine = [[*rng.permutation(3), *(3 + rng.permutation(3))] for _ in range(60)]
        others = [[*(3 + rng.permutation(3)), *rng.permutation(3)] for _ in range(40)]
        profile = rankings([*mine, *others], [1] * 100, 6)
        for committee in single_transferable_vote(profile, size=3).committees:
            assert sum(a < 3 for a in committee) >= 2


def ward(path: Path) -> tuple[ck.Rankings, int]:
    """A Scottish ward: counts of orders of numbered alternatives, which the lines after them name."""
    with path.open(encoding="utf-8") as stream:
        lines = [[cell for cell in row if cell] for row in csv.reader(stream)]
    width, size = int(lines[0][0]), int(lines[0][1])
    rows = [[int(cell) for cell in row] for row in lines[1:] if row and row[0].isdigit()]
    profile = rankings([[a - 1 for a in row[1:]] for row in rows], [row[0] for row in rows], width)
    return ck.Rankings(profile.ranks, profile.weights, range(1, width + 1)), size


@pytest.mark.parametrize("simultaneous", [True, False])
def test_scottish_wards(simultaneous: bool, data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text(encoding="utf-8"))["scot_visible"]
    assert len(facts) == 20
    for name, known in facts.items():
        profile, size = ward(data / name)
        assert (size, profile.weights.sum()) == (known["seats"], known["n_ballots"])
        found = single_transferable_vote(profile, size=size, simultaneous=simultaneous)
        key = "votekit_stv_simultaneous" if simultaneous else "votekit_stv"
        assert list(found.committees) == [tuple(sorted(known[key]))], name
        assert known["stv_agree"]
        assert sorted(known["r_vote_stv"]) == list(found.committees[0])
        assert in_order(found) == [label for group in known[f"{key}_order"] for label in group], name


def test_the_council_of_ims(data: Path) -> None:
    known = json.loads((data / "facts.json").read_text(encoding="utf-8"))["r_vote_ims"]
    with (data / "r_vote" / "ims_stv.csv").open(encoding="utf-8") as stream:
        header, *lines = csv.reader(stream)
    ranks = np.array(lines, dtype=int) - 1
    found = single_transferable_vote(ck.Rankings(ranks, alternatives=header), size=5)
    assert set(found.committees[0]) == set(known["stv_5_seats_R_vote"])
    assert in_order(found)[0] == known["stv_5_seats_R_vote"][0]
