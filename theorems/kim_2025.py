"""From pairwise comparisons alone a lottery can give every group a share, which reward and Nash methods do not.

No more than u(a) = min_b P(a ≻ b) of the voters can have a first. F*(a) = u(a)/Σu then gives each alternative at least
1/Σu of the share that has it first; the random dictatorship, which sees the ballots, gives exactly that share.

Source: Kim, Zhang, Ozdaglar and Parrilo 2025, arXiv:2506.05619 (as quoted).

Scope: every profile up to names of three alternatives with 1 to 8 voters and of four with 1 to 4, in whole counts
(1e-12 for probabilities); the softened rule on one jury by hand (4 decimals); two groups of ½ ± 1/(2n), n odd from 3 to
99, where the lottery and the reward's policy as β → 0 give the minority nothing. Manipulability is not checked.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import alignment, domains, models, rules

METHOD = ("exhaustive", "numeric")

Floats = NDArray[np.float64]


def _profiles() -> Iterator[ck.Rankings]:
    for m, most in ((3, 8), (4, 4)):
        for n in range(1, most + 1):
            yield from domains.every(voters=n, alternatives=m, anonymous=True, neutral=True)


def _shares(votes: ck.Rankings) -> tuple[Floats, Floats]:
    """The share of first places of each alternative, and the shares that prefer one to another."""
    n = votes.weights.sum()
    return votes.weights @ (votes.ranks == 0) / n, 0.5 + votes.to_margins().values / (2 * n)


def claim_feasible_shares() -> None:
    """On 1,410 profiles no alternative has more first places than its least support; F* keeps 1/Σu of the shares."""
    seen, strict = 0, 0
    for votes in _profiles():
        first, preferences = _shares(votes)
        least = alignment.feasible_shares(preferences)
        assert (first <= least + 1e-12).all(), f"{votes.ranks.tolist()}: {first} first places, support {least}"
        strict += bool((first < least - 1e-12).any())
        proportional = rules.population_proportional(votes).probabilities
        assert np.allclose(proportional, least / least.sum(), rtol=0, atol=1e-12)
        policy = alignment.population_proportional_policy(preferences)
        assert np.allclose(policy.probabilities, proportional, rtol=0, atol=1e-12), "the policy is not the rule"
        level = alignment.proportionality_level(policy, first)
        assert level >= 1 / least.sum() - 1e-12, f"{votes.ranks.tolist()}: level {level}, less than 1/Σu"
        seen += 1
    assert seen == 1410, f"{seen} profiles"
    assert 0 < strict < seen, "the bound is always or never tight"


def claim_random_dictatorship_is_proportional() -> None:
    """Its level, min π(a)/w(a) over what anybody has first, is 1 on the same profiles."""
    for votes in _profiles():
        shares, _ = _shares(votes)
        found = rules.random_dictatorship(votes).probabilities
        assert abs(alignment.proportionality_level(found, shares) - 1) <= 1e-12
        assert np.allclose(found, shares, rtol=0, atol=1e-12), f"{votes.ranks.tolist()}: {found}, not {shares}"


def claim_jury() -> None:
    """2 rgb and 3 brg: F* is (0.4, 0, 0.6) on r, g, b, the random dictatorship; softened (.3531, 0, .6469) at β = 1."""
    votes = ck.Rankings.from_orders({"rgb": 2, "brg": 3})
    place = [votes.alternatives.index(label) for label in "rgb"]
    expected = {0.0: [0.4, 0, 0.6], 1.0: [0.3531, 0, 0.6469], 10.0: [0.0828, 0, 0.9172]}
    for beta, lottery in expected.items():
        for policy in (
            rules.population_proportional(votes, beta=beta),
            alignment.population_proportional_policy(_shares(votes)[1], beta),
        ):
            found = policy.probabilities[place]
            assert np.allclose(found, lottery, rtol=0, atol=6e-5), f"β = {beta}: {found}"
    assert np.allclose(rules.random_dictatorship(votes).probabilities[place], [0.4, 0, 0.6], rtol=0, atol=1e-12)


def claim_reward_and_nash_give_the_minority_nothing() -> None:
    """Of n = 3, 5, … 99 voters (n − 1)/2 get 0 in the lottery, < 1e-6 at β = 1/(1000n), and their share in F*."""
    for n in range(3, 100, 2):
        votes = ck.Rankings.from_orders({"ab": (n + 1) // 2, "ba": n // 2})
        minority = votes.alternatives.index("b")
        assert rules.maximal_lottery(votes).probabilities[minority] == 0, f"n = {n}: the lottery"
        fit = models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"], weight=[(n + 1) // 2, n // 2]))
        policy = alignment.rlhf_policy(fit.scores, beta=1 / (1000 * n)).probabilities
        assert policy[list(fit.alternatives).index("b")] < 1e-6, f"n = {n}: the reward's policy"
        share = rules.population_proportional(votes).probabilities[minority]
        assert np.isclose(share, (n // 2) / n, rtol=0, atol=1e-12), f"n = {n}: {share}"
