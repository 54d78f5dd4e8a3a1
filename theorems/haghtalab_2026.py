"""Whatever the rule, some profiles have no committee that is locally stable; one within a constant always exists.

A committee of k is γ-locally stable if no outsider is preferred to all of it by more than γ/k of the voters. γ = 1 can
be out of reach, and so can any γ below 2; about 16 never is. The first k of an order that the majority holds can be
unstable where another committee is not.

Source: Haghtalab, Procaccia, Shao, Wang and Yang 2026, arXiv:2606.02547 (as quoted), where 16 + O(ε) is a theorem;
Aziz et al. 2017 (doi:10.24963/ijcai.2017/13) and Jiang, Munagala and Wang 2020 (doi:10.1145/3357713.3384238).

Scope: a 60 to 40 profile by hand; committees of two and of three at each of 4,968 profiles of 3 to 5 voters on four
alternatives, up to names: some has γ at most 0.8; every committee on five profiles of cycles, the best having
exactly (2 − 1/t)(1 − 1/r); leaderboards of pooled Bradley–Terry fits to ten drawn electorates of two opposed clusters
of 60 and 40 per cent around orders of 12 alternatives (Mallows, dispersions 0.1 and 0.5): each has a prefix with γ
above 2, where another order stays below 1.5. Since γ never exceeds k, a bound of 16 says nothing for committees of up
to 16: it is not tested here.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

import choicekit as ck
from choicekit import alignment, domains, models, rules

METHOD = ("exhaustive", "witness", "numeric")


def _best(votes: ck.Rankings, size: int) -> float:
    return float(min(rules.local_stability(votes, members) for members in combinations(votes.alternatives, size)))


def _cycles(groups: int, length: int) -> ck.Rankings:
    """In each group as many voters as alternatives, ranking their own in all rotations above all others."""
    own = [[f"{group}.{place}" for place in range(length)] for group in range(groups)]
    orders = []
    for group in range(groups):
        others = [label for step in range(1, groups) for label in own[(group + step) % groups]]
        orders += [own[group][start:] + own[group][:start] + others for start in range(length)]
    return ck.Rankings.from_orders(orders)


def claim_sixty_forty() -> None:
    """6 abcd and 4 dcba: the prefixes a, ab, abc have 0.4, 0.8 and 1.2, the committee ad has 0."""
    votes = ck.Rankings.from_orders({"abcd": 6, "dcba": 4})
    majority, shared = alignment.leaderboard_stability(votes, "abcd"), alignment.leaderboard_stability(votes, "adbc")
    assert np.allclose(majority.gamma, [0.4, 0.8, 1.2, 0], rtol=0, atol=1e-12), f"{majority.gamma}"
    assert np.allclose(shared.gamma, [0.4, 0, 0, 0], rtol=0, atol=1e-12), f"{shared.gamma}"
    assert shared.stable(), "the order that takes turns is not stable"
    assert not majority.stable(), "the majority's order is stable"
    assert _best(votes, 3) == 0, "a committee of three with both poles is not stable"


def claim_single_seats_are_stable() -> None:
    """k = 1, 762 profiles: γ is the largest share against the one chosen, at most 1, and below 1 for some choice."""
    seen = 0
    for votes in domains.every(voters=4, alternatives=4, anonymous=True, neutral=True):
        supports = votes.supports() / votes.weights.sum()
        for a, label in enumerate(votes.alternatives):
            found = rules.local_stability(votes, [label])
            assert np.isclose(found, np.delete(supports[:, a], a).max(), rtol=0, atol=1e-12)
            assert found <= 1, f"{votes.ranks.tolist()}: {found}"
        assert _best(votes, 1) < 1, "every alternative is dominated"
        seen += 1
    assert seen == 762, f"{seen} profiles"


def claim_small_profiles_have_stable_committees() -> None:
    """3 to 5 voters on four alternatives: some pair and some triple have γ ≤ 0.8 at each of 4,968 profiles."""
    seen = 0
    for voters in (3, 4, 5):
        for votes in domains.every(voters=voters, alternatives=4, anonymous=True, neutral=True):
            for size in (2, 3):
                committees = combinations(votes.alternatives, size)
                stable = any(rules.local_stability(votes, members) <= 0.8 + 1e-12 for members in committees)
                assert stable, f"{votes.ranks.tolist()}: no committee of {size}"
            seen += 1
    assert seen == 4968, f"{seen} profiles"


def claim_no_stable_committee_on_cycles() -> None:
    """t cycles of length r, k = 2t − 1: every committee has γ ≥ (2 − 1/t)(1 − 1/r), attained, up to 1.389."""
    for groups, length in ((2, 3), (2, 4), (2, 6), (3, 4), (3, 6)):
        found = _best(_cycles(groups, length), 2 * groups - 1)
        # some cycle has one member or none; all its voters but one prefer the alternative before that member
        floor = (2 - 1 / groups) * (1 - 1 / length)
        assert np.isclose(found, floor, rtol=0, atol=1e-12), f"t = {groups}, r = {length}: {found}, not {floor}"
        assert (found > 1 + 1e-9) == ((groups, length) != (2, 3)), "on the wrong side of 1"


def claim_pooled_leaderboards_leave_clusters_out() -> None:
    """Ten electorates of two clusters: a prefix of the Bradley–Terry order has γ > 2, none of the greedy one 1.5."""
    rng = np.random.default_rng(0)
    for dispersion in (0.1, 0.5):
        for _ in range(5):
            centre = [f"r{a:02}" for a in rng.permutation(12)]
            names = sorted(centre)
            ranks = [
                domains.mallows(
                    voters=size, alternatives=names, dispersion=dispersion, centre=around, rng=int(rng.integers(2**30))
                ).ranks
                for size, around in ((72, centre), (48, centre[::-1]))
            ]
            votes = ck.Rankings(np.concatenate(ranks), None, names)
            won = votes.supports()
            first, second = np.nonzero(won)
            pairs = ck.Comparisons([names[a] for a in first], [names[a] for a in second], weight=won[first, second])
            scores = models.bradley_terry(pairs, prior=3.0).scores
            pooled = alignment.leaderboard_stability(votes, [names[a] for a in np.argsort(-scores)])
            assert pooled.gamma.max() > 2, f"dispersion {dispersion}: the pooled order has {pooled.gamma.max():.2f}"
            greedy = alignment.stable_leaderboard(votes).gamma.max()
            assert greedy < 1.5, f"dispersion {dispersion}: the greedy order has {greedy:.2f}"
