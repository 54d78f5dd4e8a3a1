"""Rules on majority comparisons against their definitions, published examples, real elections and theorems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import ballots, margins, strict_ballots

import choicekit as ck
from choicekit.ingest import read_rankings
from choicekit.rules.condorcet import (
    black,
    condorcet_loser,
    condorcet_or_all,
    copeland,
    llull,
    minimax,
    minimax_opposition,
    minimax_winning_votes,
    schulze,
    schulze_winning_votes,
    weak_condorcet_winners,
)

CYCLE = ck.Margins([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], "abc")
ON_MARGINS = [copeland, llull, minimax, schulze, condorcet_or_all, weak_condorcet_winners, black]
ON_BALLOTS = [minimax_winning_votes, minimax_opposition, schulze_winning_votes]
EVERY = [*ON_MARGINS, *ON_BALLOTS]


def name_of(rule: Any) -> str:
    return str(rule.__name__)


def votes_for(profile: ck.Rankings, unranked: str = "below") -> list[list[float]]:
    """The weight of the ballots with a above b, counted ballot by ballot."""
    size = len(profile.alternatives)
    out = [[0.0] * size for _ in range(size)]
    for ballot, weight in zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True):
        for a in range(size):
            for b in range(size):
                if unranked == "absent" and -1 in (ballot[a], ballot[b]):
                    continue
                out[a][b] += weight if reference.above(ballot, a, b) else 0.0
    return out


def others(size: int, a: int) -> list[int]:
    return [b for b in range(size) if b != a]


# --- Against the definitions --------------------------------------------------------------------------------------


@given(margins(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_copeland_counts_wins_and_parts_of_ties(profile: ck.Margins, alpha: float) -> None:
    margin, size = profile.values.tolist(), len(profile.alternatives)
    expected = [
        sum(1.0 if margin[a][b] > 0 else alpha if margin[a][b] == 0 else 0.0 for b in others(size, a))
        for a in range(size)
    ]
    assert copeland(profile, alpha=alpha).scores.tolist() == expected
    if alpha == 1:
        assert llull(profile).scores.tolist() == expected


@given(ballots(), st.sampled_from(["below", "absent"]))
def test_minimax_on_votes_by_the_book(profile: ck.Rankings, unranked: Any) -> None:
    votes, size = votes_for(profile, unranked), len(profile.alternatives)
    winning = [
        -max([votes[b][a] for b in others(size, a) if votes[b][a] > votes[a][b]], default=0.0) for a in range(size)
    ]
    opposition = [-max([votes[b][a] for b in others(size, a)], default=0.0) for a in range(size)]
    assert minimax_winning_votes(profile, unranked=unranked).scores.tolist() == winning
    assert minimax_opposition(profile, unranked=unranked).scores.tolist() == opposition


@given(ballots(), st.sampled_from(["below", "absent"]))
def test_schulze_on_winning_votes_by_the_book(profile: ck.Rankings, unranked: Any) -> None:
    votes, size = votes_for(profile, unranked), len(profile.alternatives)
    held = [[votes[a][b] if votes[a][b] > votes[b][a] else -1.0 for b in range(size)] for a in range(size)]
    assert schulze_winning_votes(profile, unranked=unranked).scores.tolist() == reference.schulze(held)


@given(margins())
def test_condorcet_winners_and_losers_by_the_book(profile: ck.Margins) -> None:
    margin, size = profile.values.tolist(), len(profile.alternatives)
    best = [a for a in range(size) if all(margin[a][b] > 0 for b in others(size, a))]
    worst = [a for a in range(size) if all(margin[a][b] < 0 for b in others(size, a))]
    weak = [a for a in range(size) if all(margin[a][b] >= 0 for b in others(size, a))]
    assert list(condorcet_or_all(profile).winners) == (best or list(range(size)))
    assert (condorcet_or_all(profile).notes == ()) == bool(best)
    assert condorcet_loser(profile) == (worst[0] if worst else None)
    assert list(weak_condorcet_winners(profile).winners) == weak


@given(ballots())
def test_black_elects_the_condorcet_winner_or_else_by_borda(profile: ck.Rankings) -> None:
    winner = reference.condorcet_winner(profile.to_margins().values.tolist())
    points = reference.borda(profile.ranks.tolist(), profile.weights.tolist())
    best = [a for a in range(len(points)) if points[a] == max(points)]
    assert list(black(profile).winners) == (best if winner is None else [winner])


@given(strict_ballots())
def test_the_strengths_of_a_defeat_agree_on_strict_complete_ballots(profile: ck.Rankings) -> None:
    assert minimax(profile).winners == minimax_winning_votes(profile).winners == minimax_opposition(profile).winners
    assert schulze(profile).scores.tolist() == schulze_winning_votes(profile).scores.tolist()


# --- Theorems -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [r for r in EVERY if r is not minimax_opposition], ids=name_of)
@given(profile=ballots(least=2))
def test_a_condorcet_winner_wins_alone(rule: Any, profile: ck.Rankings) -> None:
    winner = reference.condorcet_winner(profile.to_margins().values.tolist())
    assume(winner is not None)
    assert rule(profile).winners == (winner,)


def test_opposition_may_pass_over_a_condorcet_winner() -> None:
    # a beats b by 5 to 4; c loses to both by 1 to 0, as most ballots say nothing of it
    profile = ck.Rankings.from_orders({"ab": 5, "ba": 4, "ac": 1, "bc": 1}, alternatives="abc")
    assert profile.to_margins("absent").condorcet_winner == "a"
    assert minimax_opposition(profile, unranked="absent").scores.tolist() == [-4, -5, -1]


@pytest.mark.parametrize("rule", ON_MARGINS, ids=name_of)
@given(profile=margins(), factor=st.sampled_from([0.1, 3.0, 1e-150, 1e150]), draw=st.data())
def test_labels_and_units_do_not_matter(rule: Any, profile: ck.Margins, factor: float, draw: st.DataObject) -> None:
    size = len(profile.alternatives)
    order = draw.draw(st.permutations(range(size)))
    permuted = ck.Margins(factor * profile.values[np.ix_(order, order)], [f"x{a}" for a in order])
    expected = {f"x{a}" for a in rule(profile).winners}
    assert set(rule(permuted).winners) == expected


@given(margins(alternatives=4), st.data())
def test_schulze_is_independent_of_clones(profile: ck.Margins, draw: st.DataObject) -> None:
    grown, parent = with_clones(profile, draw)
    merged = {parent[a] for a in schulze(grown).winners}
    assert merged == set(schulze(profile).winners)


def with_clones(profile: ck.Margins, draw: st.DataObject) -> tuple[ck.Margins, list[int]]:
    """One alternative put two or three times, with the same margins to the others and any among themselves."""
    size = len(profile.alternatives)
    cloned = draw.draw(st.integers(0, size - 1))
    parent = sorted([*range(size), *[cloned] * draw.draw(st.integers(1, 2))])
    values = profile.values[np.ix_(parent, parent)]
    copies = [i for i, a in enumerate(parent) if a == cloned]
    for i in copies:
        for j in copies:
            if i < j:
                values[i, j] = draw.draw(st.sampled_from([-5, -1, 0, 1, 5]))
                values[j, i] = -values[i, j]
    return ck.Margins(values), parent


# --- Batches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unranked", ["below", "absent"])
@pytest.mark.parametrize("rule", EVERY, ids=name_of)
def test_a_batch_is_one_by_one(rule: Any, unranked: Any) -> None:
    ranks: NDArray[np.int64] = np.random.default_rng(5).integers(-1, 4, (60, 5, 4))
    for weights in (None, [1, 0, 2, 0.5, 1]):
        expected = [rule(ck.Rankings(each, weights), unranked=unranked).scores for each in ranks]
        np.testing.assert_array_equal(rule.batch(ranks, weights, unranked=unranked), expected)
    assert rule.batch(np.zeros((0, 3, 4), np.int64)).shape == (0, 4)


def test_copeland_in_a_batch_takes_alpha() -> None:
    ranks = np.array([[[0, 0]], [[0, 1]]])
    assert copeland.batch(ranks, alpha=0.25).tolist() == [[0.25, 0.25], [1, 0]]


# --- Edges and refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", EVERY, ids=name_of)
def test_edges(rule: Any) -> None:
    assert rule(ck.Rankings([[0]], alternatives=["only"])).winners == ("only",)
    assert rule(ck.Rankings([[-1, -1]], alternatives="ab")).winners == ("a", "b")
    beside = ck.Rankings([[0, 1], [1, 0]], weights=[1, 0], alternatives="ab")
    assert rule(beside).winners == ("a",)
    assert not np.signbit(rule(ck.Rankings([[0, 0, 0]])).scores).any()


@pytest.mark.parametrize("alpha", [-0.5, 1.5, float("nan")])
def test_copeland_refuses_a_tie_worth_more_than_a_win(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"copeland: needed alpha between 0 and 1, the part of a win .* got"):
        copeland(CYCLE, alpha=alpha)


def test_votes_are_not_in_margins() -> None:
    with pytest.raises(TypeError, match="minimax_winning_votes needs Rankings"):
        minimax_winning_votes(CYCLE)


def test_rounding_of_weights_makes_no_majority() -> None:
    profile = ck.Rankings([[0, 1], [0, 1], [1, 0]], weights=[0.1, 0.2, 0.3], alternatives="ab")
    assert condorcet_or_all(profile).winners == weak_condorcet_winners(profile).winners == ("a", "b")
    assert minimax_winning_votes(profile).scores.tolist() == [0, 0]
    assert condorcet_loser(profile) is None


# --- Published examples and real elections -------------------------------------------------------------------------


def test_schulze_on_his_second_example() -> None:
    # Schulze's example with five alternatives and 45 voters: the order is e > a > c > b > d
    votes = ck.Rankings.from_orders(
        {"acbed": 5, "adecb": 5, "bedac": 8, "cabed": 3, "caebd": 7, "cbade": 2, "dceba": 7, "ebadc": 8}
    )
    assert schulze(votes).scores.tolist() == [-1.0, -3.0, -2.0, -4.0, 0.0]
    assert schulze_winning_votes(votes).scores.tolist() == [-1.0, -3.0, -2.0, -4.0, 0.0]


def preflib(data: Path) -> list[tuple[dict[str, Any], ck.Rankings]]:
    facts = json.loads((data / "facts.json").read_text())["preflib_visible"]
    return [(fact, read_rankings(data / name)) for name, fact in facts.items()]


def test_real_elections_have_the_known_winners(data: Path) -> None:
    known = preflib(data)
    assert len(known) > 40
    for fact, votes in known:
        found = {
            "copeland": sorted(copeland(votes).winners),
            "minimax": sorted(minimax(votes).winners),
            "beat_path": sorted(schulze(votes).winners),
            "condorcet_winner": votes.to_margins().condorcet_winner,
            "condorcet_loser": condorcet_loser(votes),
        }
        assert found == {key: sorted(fact[key]) if isinstance(fact[key], list) else fact[key] for key in found}
        alone = fact["condorcet_winner"]
        assert condorcet_or_all(votes).winners == (votes.alternatives if alone is None else (alone,))
        if "soc_blacks" in fact:
            assert sorted(black(votes).winners) == sorted(fact["soc_blacks"])
        if "margins" in fact:
            margin, labels = votes.to_margins().values, votes.alternatives
            counted = {a: {b: margin[i, j] for j, b in enumerate(labels) if j != i} for i, a in enumerate(labels)}
            assert counted == fact["margins"]


def scottish(path: Path) -> ck.Rankings:
    """A council ward: how many, then the ballot from first to last, candidates numbered from 1."""
    rows = [line.rstrip().rstrip(",").split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    size = int(rows[0][0])
    orders = {tuple(map(int, row[1:])): int(row[0]) for row in rows[1:] if row[0].isdigit()}
    return ck.Rankings.from_orders(orders, range(1, size + 1))


def test_scottish_wards_have_the_known_winners(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["scot_visible"]
    assert len(facts) == 20
    for name, fact in facts.items():
        votes = scottish(data / name)
        assert votes.weights.sum() == fact["n_ballots"]
        assert votes.to_margins().condorcet_winner == fact["condorcet_winner"]
        assert list(schulze(votes).winners) == fact["beat_path"]
        assert list(minimax(votes).winners) == fact["minimax"]
        assert condorcet_loser(votes) == fact["condorcet_loser"]
