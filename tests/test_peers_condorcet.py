"""Condorcet rules and rules that lock defeats in, beside pref_voting and svvamp."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import ballots, margins

import choicekit as ck
from choicekit.rules._ties import fixed_order
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
    weak_condorcet_winners,
)
from choicekit.rules.defeats import ranked_pairs, river, simple_stable_voting, split_cycle, stable_voting

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
REASON = "peer: pip install pref_voting==1.18.2"


def graph(profile: ck.Margins) -> Any:
    weighted = pytest.importorskip("pref_voting.weighted_majority_graphs", reason=REASON)
    size = len(profile.alternatives)
    edges = [(a, b, profile.values[a, b]) for a in range(size) for b in range(size) if profile.values[a, b] > 0]
    return weighted.MarginGraph(list(range(size)), edges)


@settings(max_examples=25)
@given(margins())
def test_on_margins(profile: ck.Margins) -> None:
    pytest.importorskip("pref_voting", reason=REASON)
    from pref_voting import c1_methods as majority
    from pref_voting import margin_based_methods as peer

    theirs = graph(profile)
    assert list(copeland(profile).winners) == majority.copeland(theirs)
    assert list(llull(profile).winners) == majority.llull(theirs)
    assert list(minimax(profile).winners) == peer.minimax(theirs)
    assert list(schulze(profile).winners) == peer.beat_path(theirs)
    assert list(split_cycle(profile).winners) == peer.split_cycle(theirs)
    assert list(stable_voting(profile).winners) == peer.stable_voting(theirs)
    assert list(simple_stable_voting(profile).winners) == peer.simple_stable_voting(theirs)
    assert list(condorcet_or_all(profile).winners) == majority.condorcet(theirs)
    assert list(weak_condorcet_winners(profile).winners) == (theirs.weak_condorcet_winner() or [])
    assert condorcet_loser(profile) == theirs.condorcet_loser()


@settings(max_examples=40)
@given(margins(alternatives=5, largest=9))
def test_every_order_of_equal_margins(profile: ck.Margins) -> None:
    pytest.importorskip("pref_voting", reason=REASON)
    from pref_voting import margin_based_methods as peer

    # pref_voting goes through all orders, those of pairs without a margin too: they change no set of winners
    pairs = Counter(profile.values[profile.values >= 0].tolist())
    pairs[0.0] -= len(profile.alternatives)
    assume(math.prod(math.factorial(number) for number in pairs.values()) <= 48)
    theirs = graph(profile)
    assert list(ranked_pairs(profile).winners) == peer.ranked_pairs(theirs)
    assert list(river(profile).winners) == peer.river(theirs)


@settings(max_examples=60)
@given(margins(), st.data())
def test_one_order_of_unequal_margins(profile: ck.Margins, draw: st.DataObject) -> None:
    """With equal margins pref_voting takes the earlier loser first, here it is the later."""
    pytest.importorskip("pref_voting", reason=REASON)
    from pref_voting import margin_based_methods as peer

    size = len(profile.alternatives)
    upper = np.triu(profile.values * 100 + np.arange(size * size).reshape(size, size) + 1, 1)
    unequal = ck.Margins(upper - upper.T)
    order = draw.draw(st.permutations(range(size)))
    theirs = graph(unequal)
    assert list(ranked_pairs(unequal, ties=fixed_order(order)).winners) == peer.ranked_pairs_tb(theirs)
    assert list(river(unequal, ties=fixed_order(order)).winners) == peer.river_tb(theirs)


@settings(max_examples=60)
@given(ballots(least=2))
def test_on_ballots(profile: ck.Rankings) -> None:
    pytest.importorskip("pref_voting", reason=REASON)
    from pref_voting.margin_based_methods import minimax_scores
    from pref_voting.profiles_with_ties import ProfileWithTies

    rows = [
        ({a: rank for a, rank in enumerate(row) if rank >= 0}, round(4 * weight))
        for row, weight in zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True)
        if weight and max(row) >= 0
    ]
    assume(rows)
    theirs = ProfileWithTies(
        [dict(row) for row, _ in rows], [number for _, number in rows], candidates=list(profile.alternatives)
    )
    theirs.use_extended_strict_preference()
    for rule, name in (
        (minimax, "margins"),
        (minimax_winning_votes, "winning"),
        (minimax_opposition, "pairwise_opposition"),
    ):
        scores = minimax_scores(theirs, score_method=name)
        assert (4 * rule(profile).scores).tolist() == [scores[a] for a in profile.alternatives]


@settings(max_examples=40)
@given(st.integers(2, 5), st.integers(1, 9), st.integers(0, 10**6))
def test_black_beside_pref_voting(size: int, voters: int, rng: int) -> None:
    pytest.importorskip("pref_voting", reason=REASON)
    from pref_voting.combined_methods import blacks
    from pref_voting.profiles import Profile

    ranks = np.random.default_rng(rng).random((voters, size)).argsort(1)
    assert list(black(ck.Rankings(ranks)).winners) == blacks(Profile(ranks.argsort(1).tolist()))


@settings(max_examples=40)
@given(st.integers(2, 6), st.integers(1, 15), st.integers(0, 10**6))
def test_svvamp(size: int, voters: int, rng: int) -> None:
    """svvamp breaks ties by index: its winner is among ours, and ours where that is one."""
    svvamp = pytest.importorskip("svvamp", reason="peer: pip install svvamp")
    ranks = np.random.default_rng(rng).random((voters, size)).argsort(1)
    theirs = svvamp.Profile(preferences_rk=ranks.argsort(1))
    votes = ck.Rankings(ranks)
    for rule, peer in (
        (copeland, svvamp.RuleCopeland),
        (schulze, svvamp.RuleSchulze),
        (minimax, svvamp.RuleMaximin),
        (ranked_pairs, svvamp.RuleRankedPairs),
        (split_cycle, svvamp.RuleSplitCycle),
        (black, svvamp.RuleBlack),
    ):
        assert peer()(theirs).w_ in rule(votes).winners, peer.__name__
