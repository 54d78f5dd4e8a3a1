"""Borda's rule alone is neutral, reinforcing and faithful, and calls a tie where every pair of alternatives is tied.

Source: Young 1974 (doi:10.1016/0022-0531(74)90073-8).

Scope: three alternatives and one to six voters. Of all anonymous rules on those 923 profiles, each of which could have
any of seven sets of winners, the four axioms leave one, found by propagation alone, and it is Borda's. Reinforcement
binds only where the two electorates together have at most six voters. Beside it: scoring rules reinforce (20,000 drawn
pairs), minimax does not (a witness). More alternatives are literature.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np

import choicekit as ck
from choicekit import domains, rules

METHOD = ("exhaustive", "witness", "numeric")
VOTERS = 6
_ORDERS = list(itertools.permutations(range(3)))
_SETS = [frozenset(some) for size in (1, 2, 3) for some in itertools.combinations(range(3), size)]
Counts = tuple[int, ...]
Domains = dict[Counts, set[frozenset[int]]]


def _profiles() -> dict[Counts, ck.Rankings]:
    """Every anonymous profile by how many voters hold each of the six orders."""
    found = {}
    for voters in range(1, VOTERS + 1):
        for profile in domains.every(voters=voters, alternatives=3, anonymous=True):
            held = dict(zip(map(tuple, profile.ranks.argsort(1).tolist()), profile.weights.tolist(), strict=True))
            found[tuple(int(held.get(order, 0)) for order in _ORDERS)] = profile
    return found


def _relabelled(counts: Counts, move: tuple[int, ...]) -> Counts:
    """The profile in which each alternative has the name that the move gives it."""
    held = {tuple(move[a] for a in order): count for order, count in zip(_ORDERS, counts, strict=True)}
    return tuple(held[order] for order in _ORDERS)


def _start(profiles: dict[Counts, ck.Rankings]) -> Domains:
    """What faithfulness, cancellation and neutrality on symmetric profiles leave."""
    left = {}
    for counts, profile in profiles.items():
        sets = set(_SETS)
        if sum(counts) == 1:
            sets = {frozenset(_ORDERS[counts.index(1)][:1])}
        elif not profile.to_margins().values.any():
            sets = {frozenset(range(3))}
        for move in _ORDERS:
            if _relabelled(counts, move) == counts:
                sets = {some for some in sets if {move[a] for a in some} == some}
        left[counts] = sets
    return left


def _reinforce(left: Domains, one: Counts, other: Counts, both: Counts) -> bool:
    """Strike out what f(one) ∩ f(other) ≠ ∅ ⇒ f(both) = f(one) ∩ f(other) rules out; whether anything was."""
    kept: tuple[set[frozenset[int]], ...] = (set(), set(), set())
    for x, y in itertools.product(left[one], left[other]):
        if one == other and x != y:
            continue
        fits = left[both] if not x & y else left[both] & {x & y}
        if fits:
            kept[0].add(x)
            kept[1].add(y)
            kept[2].update(fits)
    changed = False
    for counts, sets in zip((one, other, both), kept, strict=True):
        changed |= sets != left[counts]
        left[counts] = sets
    return changed


def claim_the_axioms_leave_borda_alone() -> None:
    """On each of the 923 profiles of up to six voters propagation of the four axioms leaves Borda's winners only."""
    profiles = _profiles()
    assert len(profiles) == 923, f"{len(profiles)} profiles"
    left = _start(profiles)
    triples = [
        (one, other, tuple(x + y for x, y in zip(one, other, strict=True)))
        for one, other in itertools.combinations_with_replacement(profiles, 2)
        if sum(one) + sum(other) <= VOTERS
    ]
    while sum(_reinforce(left, *triple) for triple in triples):
        pass
    for counts, profile in profiles.items():
        borda = frozenset(rules.borda(profile).winners)
        assert left[counts] == {borda}, f"{counts}: {left[counts]} are left, Borda elects {borda}"


def claim_cancellation_singles_out_borda_among_scoring_rules() -> None:
    """With points 1, s, 0 the ballots abc and cba, whose pairs are all tied, give 1, 2s, 1: a tie only for s = 1/2."""
    tied = ck.Rankings.from_orders(["abc", "cba"])
    assert not tied.to_margins().values.any(), "a pair is not tied"
    for s in [Fraction(k, 12) for k in range(13)]:
        scores = rules.positional(tied, points=[1.0, float(s), 0.0]).scores
        wanted = [Fraction(1), 2 * s, Fraction(1)]
        assert np.allclose(scores, [float(each) for each in wanted], atol=1e-12), f"s = {s}: {scores}"
        assert (len(set(wanted)) == 1) == (s == Fraction(1, 2)), f"s = {s}"


def claim_scoring_rules_reinforce() -> None:
    """In 20,000 drawn pairs of electorates Borda and plurality elect for both the winners in common, if any."""
    parts = [
        domains.impartial_culture.batch(20_000, voters=voters, alternatives=4, rng=voters).values for voters in (4, 7)
    ]
    for rule in (rules.borda, rules.plurality):
        one, other, both = (rule.batch(ranks) for ranks in (*parts, np.concatenate(parts, axis=1)))
        won = [scores == scores.max(1, keepdims=True) for scores in (one, other, both)]
        common = won[0] & won[1]
        wrong = common.any(1) & (common != won[2]).any(1)
        assert common.any(1).sum() > 5000, f"only {common.any(1).sum()} pairs have winners in common"
        assert not wrong.any(), f"{rule}: {wrong.sum()} pairs"


#: One voter, a circle of three, and what minimax elects: from both together too many.
_ONE, _CIRCLE = {"abc": 1}, {"acb": 1, "bac": 1, "cba": 1}


def claim_minimax_does_not_reinforce() -> None:
    """One voter abc elects a and a circle of three all; the four together are to elect a alone, but minimax adds b."""
    won = [
        rules.minimax(ck.Rankings.from_orders(list(orders))).winners for orders in (_ONE, _CIRCLE, [*_ONE, *_CIRCLE])
    ]
    assert won == [("a",), ("a", "b", "c"), ("a", "b")], f"minimax elects {won}"


def explain() -> str:
    """What reinforcement asks, and minimax not doing it."""
    lines = ["Reinforcement: where two electorates have winners in common, these are the winners of both together."]
    for orders in (_ONE, _CIRCLE, [*_ONE, *_CIRCLE]):
        profile = ck.Rankings.from_orders(list(orders))
        minimax, borda = rules.minimax(profile).winners, rules.borda(profile).winners
        lines.append(
            f"  {', '.join(orders)}: minimax elects {', '.join(map(str, minimax))}; Borda {', '.join(map(str, borda))}"
        )
    return "\n".join(lines)
