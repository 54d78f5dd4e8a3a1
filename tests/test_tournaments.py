"""Sets chosen by who beats whom: against their definitions, their theorems, examples and real elections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_tournaments as reference
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import margins, odd_electorates

import choicekit as ck
from choicekit.ingest import read_rankings
from choicekit.rules import _games, tournaments

COVERINGS = ["gillies", "bordes", "mckelvey", "fishburn"]
SETS: dict[str, Any] = {
    "smith": tournaments.smith,
    "schwartz": tournaments.schwartz,
    **{f"uncovered {name}": (lambda p, name=name: tournaments.uncovered_set(p, covering=name)) for name in COVERINGS},
    "banks": tournaments.banks,
    "bipartisan": tournaments.bipartisan_set,
    "essential": tournaments.essential_set,
}
RULES = [tournaments.smith, tournaments.schwartz, tournaments.uncovered_set, tournaments.banks,
         tournaments.bipartisan_set, tournaments.essential_set]  # fmt: skip


def chosen(name: str, profile: Any) -> set[Any]:
    return set(SETS[name](profile).winners)


def tournament(size: int, rng: np.random.Generator, *, ties: float = 0.0) -> ck.Margins:
    upper = np.triu(rng.choice([-1, 1], (size, size)) * (rng.random((size, size)) >= ties), 1)
    return ck.Margins(upper - upper.T)


def beating(size: int, *pairs: tuple[int, int]) -> ck.Margins:
    """Margins of 1 from a over b for each pair; the others tie."""
    values = np.zeros((size, size))
    for a, b in pairs:
        values[a, b], values[b, a] = 1, -1
    return ck.Margins(values)


# --- Against the definitions --------------------------------------------------------------------------------------


@given(margins())
@example(beating(3, (0, 1), (1, 2)))
def test_smith_and_schwartz_by_the_book(profile: ck.Margins) -> None:
    assert chosen("smith", profile) == reference.smith(profile.values.tolist())
    assert chosen("schwartz", profile) == reference.schwartz(profile.values.tolist())


@pytest.mark.parametrize("covering", COVERINGS)
@given(profile=margins())
def test_uncovered_sets_by_the_book(covering: str, profile: ck.Margins) -> None:
    expected = reference.uncovered_set(profile.values.tolist(), covering)
    assert chosen(f"uncovered {covering}", profile) == expected


@given(margins(alternatives=5))
def test_banks_by_the_book(profile: ck.Margins) -> None:
    assert chosen("banks", profile) == reference.banks(profile.values.tolist())


@pytest.mark.parametrize("ties", [0.0, 0.15, 0.4])
def test_banks_by_the_book_on_seven(ties: float) -> None:
    rng = np.random.default_rng(int(100 * ties))
    for _ in range(6):
        profile = tournament(7, rng, ties=ties)
        assert chosen("banks", profile) == reference.banks(profile.values.tolist())


@given(margins(alternatives=4))
def test_essential_sets_by_the_book(profile: ck.Margins) -> None:
    for name, game in (("essential", profile.values), ("bipartisan", np.sign(profile.values))):
        corners = reference.corners(game.tolist())
        assert chosen(name, profile) == {a for corner in corners for a, p in enumerate(corner) if p > 0}


def test_the_relations_on_more_than_one_word_of_bits() -> None:
    rng = np.random.default_rng(5)
    for size in (63, 64, 65, 130):
        beats = tournament(size, rng, ties=0.3).values > 0
        profile = ck.Margins(beats.astype(float) - beats.T)
        above = [set(np.flatnonzero(beats[:, a]).tolist()) for a in range(size)]
        below = [set(np.flatnonzero(beats[a]).tolist()) for a in range(size)]
        pairs = [(a, b) for a in range(size) for b in range(size) if a != b]
        covered = {
            "gillies": {b for a, b in pairs if beats[a, b] and above[a] <= above[b]},
            "bordes": {b for a, b in pairs if beats[a, b] and below[b] <= below[a]},
            "mckelvey": {b for a, b in pairs if beats[a, b] and above[a] <= above[b] and below[b] <= below[a]},
            "fishburn": {b for a, b in pairs if above[a] < above[b]},
        }
        for covering, losers in covered.items():
            assert chosen(f"uncovered {covering}", profile) == set(range(size)) - losers


# --- Theorems -----------------------------------------------------------------------------------------------------


@given(odd_electorates())
def test_without_ties_banks_and_bipartisan_sets_are_uncovered_and_in_the_top_cycle(profile: ck.Rankings) -> None:
    found = {name: chosen(name, profile) for name in SETS}
    for covering in COVERINGS[1:]:  # the four coverings are one
        assert found[f"uncovered {covering}"] == found["uncovered gillies"]
    assert found["banks"] <= found["uncovered gillies"] <= found["smith"]
    assert found["bipartisan"] <= found["uncovered gillies"]
    assert found["essential"] <= found["smith"]
    assert found["schwartz"] == found["smith"]
    assert len(found["bipartisan"]) % 2 == 1
    assert len(found["essential"]) % 2 == 1
    assert all(found.values())


@given(margins(alternatives=7))
def test_with_ties_some_inclusions_remain(profile: ck.Margins) -> None:
    found = {name: chosen(name, profile) for name in SETS}
    assert all(found.values())
    assert found["schwartz"] <= found["smith"]
    assert found["banks"] <= found["uncovered bordes"] <= found["uncovered mckelvey"]
    assert found["uncovered gillies"] | found["uncovered bordes"] <= found["uncovered mckelvey"] <= found["smith"]
    assert found["uncovered fishburn"] <= found["uncovered gillies"]
    assert found["essential"] | found["bipartisan"] <= found["smith"]


@pytest.mark.parametrize("name", SETS)
@given(profile=margins(alternatives=6), draw=st.data())
def test_neutrality(name: str, profile: ck.Margins, draw: st.DataObject) -> None:
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    renamed = ck.Margins(profile.values[np.ix_(order, order)], order)
    assert chosen(name, renamed) == chosen(name, profile)


@pytest.mark.parametrize("name", SETS)
@given(profile=odd_electorates())
def test_a_condorcet_winner_is_alone(name: str, profile: ck.Rankings) -> None:
    winner = profile.to_margins().condorcet_winner
    found = chosen(name, profile)
    assert found == {winner} if winner is not None else len(found) >= 3


# --- Examples that can be checked by hand -------------------------------------------------------------------------


def test_a_tie_parts_smith_and_schwartz() -> None:
    # 0 beats 1, 1 beats 2, 2 ties with 0: only 0 is beaten by nobody outside {0}, but it does not beat 2
    profile = beating(3, (0, 1), (1, 2))
    assert chosen("smith", profile) == {0, 1, 2}
    assert chosen("schwartz", profile) == {0}


def test_two_minimal_undominated_sets() -> None:
    # two cycles of three that tie with each other, and a seventh that all of the second cycle beat
    cycles = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (3, 6), (4, 6), (5, 6)]
    assert chosen("schwartz", beating(7, *cycles)) == {0, 1, 2, 3, 4, 5}
    assert chosen("smith", beating(7, *cycles)) == {0, 1, 2, 3, 4, 5, 6}


def test_each_covering_can_be_told_from_the_others() -> None:
    # 0 beats 1; 2 ties with 0 and beats 1: what beats 0 (nothing) beats 1, what 1 beats (nothing) 0 beats
    assert chosen("uncovered gillies", beating(3, (0, 1), (2, 1))) == {0, 2}
    # 0 beats 1, 1 beats 2, 0 and 2 tie: 0 covers 1 by what beats it, not by what 1 beats
    cut = beating(3, (0, 1), (1, 2))
    assert chosen("uncovered gillies", cut) == {0, 2}
    assert chosen("uncovered bordes", cut) == {0, 1}
    assert chosen("uncovered mckelvey", cut) == {0, 1, 2}
    # nothing beats 0, and 1 beats 2: Fishburn's 0 covers 2 although they tie
    assert chosen("uncovered fishburn", cut) == {0}


def test_everything_ties() -> None:
    for name in SETS:
        assert chosen(name, beating(4)) == {0, 1, 2, 3}


@pytest.mark.parametrize("name", SETS)
def test_a_single_alternative_wins(name: str) -> None:
    assert chosen(name, ck.Rankings([[0]], alternatives=["only"])) == {"only"}


def test_the_cycle_of_seven_in_the_fano_plane() -> None:
    # The quadratic residues modulo 7 (Paley): x beats x + 1, x + 2, x + 4. All are alike, so nothing is left out.
    profile = beating(7, *[(x, (x + step) % 7) for x in range(7) for step in (1, 2, 4)])
    for name in SETS:
        assert chosen(name, profile) == set(range(7))
    np.testing.assert_allclose(
        _games.solve(_games.games(profile.values[None], "majority"))[0], np.full((1, 7), 1 / 7), atol=1e-12
    )


def test_a_banks_set_smaller_than_the_uncovered_set() -> None:
    # 0 covers nothing and is covered by nothing, but over every chain below it stands one of 4, 5, 6: it beats the
    # cycle 1, 2, 3 alone, of which a chain holds two, and 4, 5 and 6 each beat 0 and two of them.
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3), (3, 1), (4, 0), (5, 0), (6, 0), (4, 5), (5, 6), (6, 4)]
    pairs += [(4, 1), (4, 2), (3, 4), (5, 2), (5, 3), (1, 5), (6, 3), (6, 1), (2, 6)]
    profile = beating(7, *pairs)
    assert 0 in chosen("uncovered gillies", profile)
    assert 0 not in chosen("banks", profile)
    assert chosen("banks", profile) == reference.banks(profile.values.tolist())


def test_an_essential_set_beyond_the_schwartz_set() -> None:
    # 2 is beaten by 1 only, which 0 beats: (½, 0, ½) is maximal
    profile = beating(3, (0, 1), (1, 2))
    assert chosen("essential", profile) == {0, 2}


def test_rounding_of_weights_makes_no_majority() -> None:
    rounding = 0.1 + 0.2 - 0.3
    profile = ck.Margins([[0, rounding, 0.6], [-rounding, 0, 0.6], [-0.6, -0.6, 0]], "abx")
    assert rounding > 0
    for name in SETS:
        assert chosen(name, profile) == {"a", "b"}


def test_unranked_alternatives_are_below_or_absent() -> None:
    votes = ck.Rankings.from_orders({"a": 3, "ba": 1, "b": 1}, alternatives="ab")
    assert tournaments.smith(votes).winners == ("a",)
    assert tournaments.smith(votes, unranked="absent").winners == ("b",)


# --- Batches, budgets and refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("unranked", ["below", "absent"])
def test_a_batch_is_one_by_one(rule: Any, unranked: str) -> None:
    ranks = np.random.default_rng(3).integers(-1, 5, (60, 5, 5))
    expected = [rule(ck.Rankings(each), unranked=unranked).scores for each in ranks]
    np.testing.assert_array_equal(rule.batch(ranks, unranked=unranked), expected)
    assert rule.batch(np.zeros((0, 3, 4), np.int64)).shape == (0, 4)


def test_a_batch_takes_the_options() -> None:
    ranks = np.random.default_rng(4).integers(-1, 5, (60, 4, 5))
    for covering in COVERINGS:
        expected = [tournaments.uncovered_set(ck.Rankings(each), covering=covering).scores for each in ranks]
        np.testing.assert_array_equal(tournaments.uncovered_set.batch(ranks, covering=covering), expected)


def hard_for_banks() -> ck.Margins:
    """The uncovered alternative 0 of the example above that no chain helps, and so one that must be searched for."""
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3), (3, 1), (4, 0), (5, 0), (6, 0), (4, 5), (5, 6), (6, 4)]
    pairs += [(4, 1), (4, 2), (3, 4), (5, 2), (5, 3), (1, 5), (6, 3), (6, 1), (2, 6)]
    return beating(7, *pairs)


def test_a_budget_leaves_alternatives_open_and_says_so() -> None:
    profile = hard_for_banks()
    cut = tournaments.banks(profile, budget=0)
    assert cut.notes == ("the budget of 0 chains ended the search; whether these win too is left open: 0",)
    assert cut.winners
    assert set(cut.winners) <= set(tournaments.banks(profile).winners)
    assert tournaments.banks(profile).notes == ()


def test_a_budget_leaves_nan_in_a_batch() -> None:
    # the same relation from ballots: a b rest, reversed rest a b, for every pair (McGarvey 1953)
    values = hard_for_banks().values
    orders = []
    for a, b in np.argwhere(values > 0).tolist():
        rest = [c for c in range(7) if c not in (a, b)]
        orders += [[a, b, *rest], [*reversed(rest), a, b]]
    ranks = ck.Rankings.from_orders(orders).ranks[None]
    answer = tournaments.banks.batch(ranks, budget=0)
    assert np.isnan(answer).tolist() == [[True] + [False] * 6]
    assert not np.isnan(tournaments.banks.batch(ranks)).any()


def test_banks_on_more_than_one_word_of_bits() -> None:
    # the seven of the example beat 123 others, scattered among them, which change nothing
    small = hard_for_banks()
    order = np.random.default_rng(2).permutation(130)
    large = np.triu(np.ones((130, 130)), 1)
    large -= large.T
    large[:7, :7] = small.values
    shuffled = ck.Margins(large[np.ix_(order, order)], order.tolist())
    assert chosen("banks", shuffled) == chosen("banks", small) == {4, 5, 6}
    assert tournaments.banks(shuffled).notes == ()


def test_banks_on_a_hundred_ends() -> None:
    profile = tournament(100, np.random.default_rng(0), ties=0.3)
    found = tournaments.banks(profile, budget=1000)
    assert found.winners
    assert set(found.winners) <= chosen("uncovered bordes", profile)


def test_another_covering_is_refused() -> None:
    with pytest.raises(ValueError, match=r"covering: needed one of 'gillies', .* got 'miller'"):
        tournaments.uncovered_set(beating(2), covering="miller")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"budget: needed a number of chains of at least 0, got -1"):
        tournaments.banks(beating(2), budget=-1)


# --- Real elections -----------------------------------------------------------------------------------------------


def test_sets_of_real_elections(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["preflib_visible"]
    compared = 0
    for name, known in facts.items():
        profile = read_rankings(data / name)
        for key, rule in (("smith_set", "smith"), ("schwartz_set", "schwartz"), ("uc_gill", "uncovered gillies")):
            if known.get(key) is not None:
                assert chosen(rule, profile) == set(known[key]), (name, key)
                compared += 1
    assert compared > 60


def test_smith_sets_of_scottish_wards(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["scot_visible"]
    compared = 0
    for name, known in facts.items():
        profile = scottish(data / name)
        assert chosen("smith", profile) == set(known["smith_set"]), name
        compared += 1
    assert compared >= 20


def scottish(path: Path) -> ck.Rankings:
    """A ward as its file has it: a line of counts, then one ballot a line, how many cast it and its order."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    size = int(lines[0].split(",")[0])
    orders: dict[tuple[int, ...], float] = {}
    for line in lines[1:]:
        cells = [cell.strip() for cell in line.split(",")]
        if not cells[0].isdigit():
            break
        order = tuple(int(cell) for cell in cells[1:] if cell)
        orders[order] = orders.get(order, 0) + int(cells[0])
    return ck.Rankings.from_orders(orders, alternatives=range(1, size + 1))
