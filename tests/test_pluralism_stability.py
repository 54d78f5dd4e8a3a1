"""Local stability of leaderboards and response sets: the definition, the committee's check, mixtures of Mallows."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck
from choicekit import domains, models, rules
from choicekit.alignment.stability import leaderboard_stability, set_stability, stable_leaderboard

Array = np.ndarray


@st.composite
def profiles(draw: st.DrawFn, ties: bool = True) -> ck.Rankings:
    size, voters = draw(st.integers(2, 5)), draw(st.integers(1, 6))
    one = st.lists(st.integers(-1 if ties else 0, size - 1), min_size=size, max_size=size)
    rows = draw(st.lists(one, min_size=voters, max_size=voters))
    if all(max(row) < 0 for row in rows):
        rows[0] = list(range(size))
    weights = draw(st.lists(st.integers(1, 4), min_size=voters, max_size=voters))
    dense = [[sorted({r for r in row if r >= 0}).index(rank) if rank >= 0 else -1 for rank in row] for row in rows]
    return ck.Rankings(dense, weights, tuple("abcde"[:size]))


@given(profiles(), st.randoms(use_true_random=False), st.sampled_from(["below", "absent"]))
def test_every_prefix_is_the_committees_check(votes: ck.Rankings, random: object, unranked: str) -> None:
    order = list(votes.alternatives)
    random.shuffle(order)  # type: ignore[attr-defined]
    found = leaderboard_stability(votes, order, unranked=unranked)
    for k in range(1, len(order) + 1):
        assert np.isclose(found.gamma[k - 1], rules.local_stability(votes, order[:k], unranked=unranked), atol=1e-12)
    assert found.gamma[found.worst - 1] == found.gamma.max()
    assert found.stable(found.gamma.max())
    assert found.gamma.max() == 0 or not found.stable(found.gamma.max() * 0.99)


@given(profiles(), st.randoms(use_true_random=False))
def test_objections_are_by_name_the_worst(votes: ck.Rankings, random: object) -> None:
    order = list(votes.alternatives)
    random.shuffle(order)  # type: ignore[attr-defined]
    found = leaderboard_stability(votes, order)
    for k in range(1, len(order)):
        assert found.objections[k - 1] in order[k:]
        share = 0.0
        for row, weight in zip(votes.ranks.tolist(), votes.weights.tolist(), strict=True):
            place = {label: rank if rank >= 0 else 99 for label, rank in zip(votes.alternatives, row, strict=True)}
            share += weight * all(place[found.objections[k - 1]] < place[member] for member in order[:k])
        assert np.isclose(found.gamma[k - 1], k * share / votes.weights.sum(), atol=1e-12)


@given(profiles(), st.sampled_from(["below", "absent"]))
def test_greedy_takes_the_least_at_every_place(votes: ck.Rankings, unranked: str) -> None:
    found = stable_leaderboard(votes, unranked=unranked)
    assert sorted(map(str, found.order)) == sorted(map(str, votes.alternatives))
    for k in range(1, len(found.order)):
        head = found.order[: k - 1]
        least = min(rules.local_stability(votes, (*head, a), unranked=unranked) for a in found.order[k - 1 :])
        assert np.isclose(found.gamma[k - 1], least, atol=1e-12)


def test_greedy_is_not_always_best() -> None:
    """On some profile another order has a lower worst γ: what it reached need not be the best."""
    seen, beaten = 0, 0
    for seed in range(40):
        votes = domains.impartial_culture(voters=5, alternatives=4, rng=seed)
        greedy = stable_leaderboard(votes).gamma.max()
        best = min(leaderboard_stability(votes, order).gamma.max() for order in permutations(votes.alternatives))
        assert best <= greedy + 1e-12
        seen, beaten = seen + 1, beaten + (best < greedy - 1e-9)
    assert seen == 40
    assert beaten > 0


def clusters(dispersion: float, rng: np.random.Generator, voters: int = 120, size: int = 12) -> ck.Rankings:
    """Sixty per cent around one order of the alternatives and forty around its reverse."""
    centre = [f"r{a:02}" for a in rng.permutation(size)]
    parts = []
    for count, around in ((voters * 6 // 10, centre), (voters * 4 // 10, centre[::-1])):
        drawn = domains.mallows(
            voters=count,
            alternatives=sorted(centre),
            dispersion=dispersion,
            centre=around,
            rng=int(rng.integers(1 << 30)),
        )
        parts.append(drawn.ranks)
    return ck.Rankings(np.concatenate(parts), None, tuple(sorted(centre)))


def bradley_terry_order(votes: ck.Rankings) -> list[object]:
    """The leaderboard that a Bradley–Terry fit to all pairwise comparisons of the ballots makes."""
    won = votes.supports()
    rows, columns = np.nonzero(won)
    names = votes.alternatives
    comparisons = ck.Comparisons(
        [names[a] for a in rows], [names[b] for b in columns], weight=won[rows, columns]
    )  # fmt: skip
    fit = models.bradley_terry(comparisons, prior=3.0)
    return [fit.alternatives[a] for a in np.argsort(-fit.scores)]


def test_bradley_terry_leaves_the_smaller_cluster_out_where_clusters_are_tight() -> None:
    """Two clusters: the top of the pooled leaderboard violates stability for small dispersion, the greedy order not."""
    rng = np.random.default_rng(0)
    worst = {}
    for dispersion in (0.1, 0.5, 0.9):
        pooled, greedy = [], []
        for _ in range(5):
            votes = clusters(dispersion, rng)
            pooled.append(leaderboard_stability(votes, bradley_terry_order(votes)).gamma.max())
            greedy.append(stable_leaderboard(votes).gamma.max())
        worst[dispersion] = min(pooled)
        assert max(greedy) < {0.1: 0.5, 0.5: 1.5, 0.9: 1.0}[dispersion]
        assert max(greedy) < max(pooled)
    assert worst[0.1] > 3
    assert worst[0.5] > 2
    assert worst[0.9] < 1.5


def test_intervals_hold_the_population() -> None:
    """Six in ten abcd, four dcba: from samples of n voters all prefixes' γ are within the bounds at once."""
    truth, held, widths = np.array([0.4, 0.8, 1.2, 0.0]), 0, []
    rng = np.random.default_rng(1)
    for n in (30, 300):
        for _ in range(150):
            first = int(rng.binomial(n, 0.6))
            votes = ck.Rankings.from_orders({"abcd": max(first, 1), "dcba": max(n - first, 1)})
            ends = leaderboard_stability(votes, "abcd").interval(0.8)
            held += bool(((ends[:, 0] <= truth + 1e-12) & (truth - 1e-12 <= ends[:, 1])).all())
        widths.append(np.ptp(ends[1]))
    assert held >= 0.8 * 300
    assert widths[1] < widths[0]


def test_sets_of_responses_are_committees_of_groups() -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        groups, size = int(rng.integers(1, 5)), int(rng.integers(2, 7))
        rewards = rng.normal(size=(groups, size)).round(1)
        weights, members = rng.integers(1, 5, groups), rng.random(size) < 0.5
        members[rng.integers(size)] = True
        ranks = np.array([np.unique(-row, return_inverse=True)[1] for row in rewards])
        votes = ck.Rankings(ranks, weights, tuple(range(size)))
        expected = rules.local_stability(votes, np.flatnonzero(members).tolist())
        assert np.isclose(set_stability(rewards, members, weights=weights), expected, atol=1e-12)


def test_sets_in_a_batch_are_sets_one_by_one() -> None:
    rng = np.random.default_rng(3)
    rewards, members = rng.normal(size=(50, 3, 6)), rng.random((50, 6)) < 0.5
    members[:, 0] = True
    found = set_stability(rewards, members, weights=[3, 2, 1])
    assert found.shape == (50,)
    for x in range(50):
        assert found[x] == set_stability(rewards[x], members[x], weights=[3, 2, 1])


def test_bad_input() -> None:
    votes = ck.Rankings.from_orders({"abc": 1, "cba": 1})
    for order in ("ab", "abb", "abd", "abcd"):
        with pytest.raises(ValueError, match="order"):
            leaderboard_stability(votes, order)
    with pytest.raises(ValueError, match="level"):
        leaderboard_stability(votes, "abc").interval(0)
    with pytest.raises(ValueError, match="count alike"):
        leaderboard_stability(ck.Rankings([[0, 1]], [0.5], "ab"), "ab").interval()
    with pytest.raises(ValueError, match="at least one"):
        set_stability([[1, 2]], [0, 0])
    with pytest.raises(ValueError, match="finite"):
        set_stability([[1, np.nan]], [1, 0])
