"""Positional rules, eliminations and runoffs beside pref_voting, where its definitions are the same.

Its rules on strict complete ballots are; on ballots with ties or gaps it has only the instant runoff of truncated
ballots. ``tideman_alternative`` of Schwartz sets is left out where margins are 0: it returns to alternatives that an
earlier round left outside the set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from strategies import odd_electorates, strict_ballots

import choicekit as ck
from choicekit import rules
from choicekit.rules import fixed_order

pref_voting = pytest.importorskip("pref_voting", reason="peer: pip install pref_voting")
pytestmark = pytest.mark.peers

from pref_voting import combined_methods, iterative_methods, other_methods, scoring_methods  # noqa: E402
from pref_voting.profiles import Profile  # noqa: E402
from pref_voting.profiles_with_ties import ProfileWithTies  # noqa: E402

TIED: dict[str, Any] = {"eliminate": "tied"}
PAIRS: list[tuple[Any, Any, dict[str, Any]]] = [
    (scoring_methods.plurality, rules.plurality, {}),
    (scoring_methods.borda, rules.borda, {}),
    (scoring_methods.anti_plurality, rules.veto, {}),
    (iterative_methods.instant_runoff, rules.instant_runoff, TIED),
    (iterative_methods.instant_runoff_put, rules.instant_runoff, {}),
    (iterative_methods.coombs, rules.coombs, TIED),
    (iterative_methods.coombs_put, rules.coombs, {}),
    (iterative_methods.baldwin, rules.baldwin, TIED),
    (iterative_methods.baldwin_put, rules.baldwin, {}),
    (iterative_methods.weak_nanson, rules.nanson, {}),
    (iterative_methods.strict_nanson, rules.nanson, {"at_average": "in"}),
    (iterative_methods.plurality_with_runoff_put, rules.two_round_runoff, {}),
    (iterative_methods.benham, rules.benham, TIED),
    (iterative_methods.benham_put, rules.benham, {}),
    (iterative_methods.tideman_alternative_smith, rules.tideman_alternative, TIED),
    (iterative_methods.tideman_alternative_smith_put, rules.tideman_alternative, {}),
    (combined_methods.smith_irv, rules.smith_irv, TIED),
    (combined_methods.smith_irv_put, rules.smith_irv, {}),
    (other_methods.bucklin, rules.bucklin, {}),
]
ORDERED = [
    (iterative_methods.instant_runoff_tb, rules.instant_runoff),
    (iterative_methods.coombs_tb, rules.coombs),
    (iterative_methods.baldwin_tb, rules.baldwin),
    (iterative_methods.benham_tb, rules.benham),
]


def theirs(votes: ck.Rankings) -> Profile:
    return Profile(np.argsort(votes.ranks, axis=1).tolist())


@pytest.mark.parametrize(("peer", "rule", "options"), PAIRS, ids=[each[0].name for each in PAIRS])
@settings(max_examples=40)
@given(votes=strict_ballots(voters=9, least=2))
def test_strict_ballots(peer: Any, rule: Any, options: dict[str, Any], votes: ck.Rankings) -> None:
    assert list(rule(votes, **options).winners) == sorted(int(a) for a in peer(theirs(votes)))


@pytest.mark.parametrize(("peer", "rule"), ORDERED, ids=[each[0].name for each in ORDERED])
@settings(max_examples=40)
@given(votes=strict_ballots(voters=8, least=2))
def test_ties_broken_by_an_order(peer: Any, rule: Any, votes: ck.Rankings) -> None:
    # their order names first whom to eliminate
    order = list(range(len(votes.alternatives)))
    expected = sorted(int(a) for a in peer(theirs(votes), tie_breaker=order))
    assert list(rule(votes, ties=fixed_order(order[::-1])).winners) == expected


@settings(max_examples=40)
@given(odd_electorates())
def test_the_alternating_schwartz_set(votes: ck.Rankings) -> None:
    for peer, options in (
        (iterative_methods.tideman_alternative_gocha, TIED),
        (iterative_methods.tideman_alternative_gocha_put, {}),
    ):
        found = rules.tideman_alternative(votes, within="schwartz", **options).winners
        assert list(found) == sorted(int(a) for a in peer(theirs(votes)))


@settings(max_examples=60)
@given(strict_ballots(voters=8, least=2))
def test_truncated_ballots(votes: ck.Rankings) -> None:
    rng = np.random.default_rng(votes.ranks.sum(dtype=int) + len(votes.ranks))
    lengths = rng.integers(0, votes.ranks.shape[1] + 1, len(votes.ranks))
    ranks = np.where(votes.ranks < lengths[:, None], votes.ranks, -1)
    ranked = (ranks >= 0).any(0)
    assume(ranked.any())
    peer = ProfileWithTies(
        [{a: int(rank) for a, rank in enumerate(row) if rank >= 0} for row in ranks],
        candidates=list(range(ranks.shape[1])),
    )
    expected = iterative_methods.instant_runoff_for_truncated_linear_orders(peer)
    assert list(rules.instant_runoff(ck.Rankings(ranks), eliminate="tied").winners) == sorted(map(int, expected))


def test_a_batch_of_drawn_profiles() -> None:
    ranks = np.random.default_rng(5).permuted(np.tile(np.arange(5), (40, 21, 1)), axis=2)
    profiles = [theirs(ck.Rankings(each)) for each in ranks]
    for peer, rule, options in PAIRS:
        found = rule.batch(ranks, **options)
        best = found == found.max(1, keepdims=True)
        assert [np.flatnonzero(row).tolist() for row in best] == [sorted(map(int, peer(each))) for each in profiles]
