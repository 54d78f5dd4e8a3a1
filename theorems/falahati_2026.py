"""Retraining on what mixed curators choose converges to weighted Nash bargaining, not to a mixture of their favourites.

Curator i, met with chance q_i, keeps a sample x with weight e^{r_i(x)}: p'(x) = p(x)·Σ_i q_i e^{r_i(x)}/E_p[e^{r_i}].
That is the multiplicative algorithm for max Σ_i q_i log E_p[e^{r_i}], so that the objective never falls and the limit
is the weighted Nash optimum over all distributions. That mass outside the curators' favourites dies out geometrically,
as the main text's Lemma 3.3 says, needs more than favourites far apart: of two curators met equally often, a compromise
at which each loses δ takes all mass if 2e^{−δ} > 1 + e^{−Δ}, Δ being what each loses at the other's favourite.

Source: Falahati, Amiri, Larson and Golab 2026, arXiv:2605.07724 (as quoted); the algorithm is Cover's 1984.

Scope: the compromise by hand and on 60 pairs (δ, Δ) at q = ½ from symmetric starts; monotone objective on 100 drawn
instances, 300 steps (1e-12), and after 2,000 on 40 of them within a certified 1e-2 of the optimum, which choicekit's
Nash bargain attains; α = q on the line between two favourites on a grid of hundredths, 36 instances; the plateau's
closed form at five q. The recursion is the one of many samples a round; finite samples are not covered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit import alignment

METHOD = ("numeric", "witness")

Floats = NDArray[np.float64]
# e^r of two curators, met equally often, on their favourites, a compromise, and what neither likes
COMPROMISE = np.array([[1, 0.01, 0.8, 0.001], [0.01, 1, 0.8, 0.001]])


def _welfare(policy: Floats, kept: Floats, shares: Floats) -> float:
    return float(shares @ np.log(kept @ policy))


def claim_outside_mass_need_not_die() -> None:
    """With favourites ln 100 apart a compromise e^−δ = 0.8 rises from ¼ of the mass to 0.44, 0.98 and 1."""
    mass = alignment.curated_retraining(np.full(4, 0.25), np.log(COMPROMISE), rounds=200).policies[:, 2]
    assert (np.diff(mass[:60]) > 0).all(), "the compromise does not rise"
    assert [round(float(mass[t]), 3) for t in (1, 10)] == [0.442, 0.980], f"{mass[1]}, {mass[10]}"
    assert mass[-1] > 1 - 1e-9, f"{mass[-1]} in the limit"


def claim_when_a_compromise_grows() -> None:
    """It grows in every one of 50 rounds if 2e^−δ > 1 + e^−Δ and shrinks if less: 60 pairs, three symmetric starts."""
    seen = set()
    for loss in (0.1, 0.3, 0.5, 0.6, 0.65, 0.7, 0.8, 1.0, 1.5, 3.0):
        for apart in (0.2, 0.5, 1.0, 2.0, 4.0, 8.0):
            rewards = -np.array([[0, apart, loss], [apart, 0, loss]])
            grows = 2 * np.exp(-loss) > 1 + np.exp(-apart)
            for middle in (0.05, 0.5, 0.95):
                start = [(1 - middle) / 2, (1 - middle) / 2, middle]
                mass = alignment.curated_retraining(start, rewards, rounds=50).policies[:, 2]
                # where all or nothing is left rounding decides
                open_still = np.minimum(mass[1:], 1 - mass[1:]) >= 1e-9
                rises = np.diff(mass)[open_still] > 0
                assert len(rises), f"δ = {loss}, Δ = {apart}: over at once"
                assert (rises == grows).all(), f"δ = {loss}, Δ = {apart}: {mass[:3]}"
            seen.add(bool(grows))
    assert seen == {True, False}, "only one side of the condition was met"


def claim_nash_welfare_never_falls_and_is_reached() -> None:
    """100 drawn instances: Σq log E_p[e^r] never falls, and is as near Nash's as certified: 1e-2 on 40 run longer."""
    rng = np.random.default_rng(0)
    for draw in range(100):
        groups, size = int(rng.integers(2, 4)), int(rng.integers(2, 6))
        rewards, shares = rng.normal(size=(groups, size)), rng.dirichlet(np.ones(groups))
        kept = np.exp(rewards)
        path = alignment.curated_retraining(
            np.full(size, 1 / size), rewards, shares, rounds=2000 if draw < 40 else 300
        ).policies
        welfare = np.array([_welfare(policy, kept, shares) for policy in path[:301]])
        assert (np.diff(welfare) >= -1e-12).all(), "the welfare falls"
        policy = path[-1]
        # by concavity no distribution is better by more than the logarithm of the largest growth factor
        certified = float(np.log(((shares / (kept @ policy)) @ kept).max()))
        assert certified <= 1e-2 or draw >= 40, f"{certified:.1e} from the optimum"
        best = alignment.curation_limit(rewards, shares).probabilities
        short = _welfare(best, kept, shares) - _welfare(policy, kept, shares)
        assert -1e-9 <= short <= certified + 1e-9, f"below Nash's by {short:.1e}, certified {certified:.1e}"


def claim_worked_limits() -> None:
    """q = (.7, .3) on [[1, 0, .6], [0, 1, .6]], 0 being 1e-12, ends at (¼, 0, ¾); a single curator at its favourite."""
    rewards = np.log([[1, 1e-12, 0.6], [1e-12, 1, 0.6]])
    policy = alignment.curated_retraining(np.full(3, 1 / 3), rewards, [0.7, 0.3], rounds=2000).last
    assert np.allclose(policy, [0.25, 0, 0.75], rtol=0, atol=1e-6), f"{policy}"  # worth 0.7 and 0.45
    alone = alignment.curated_retraining(np.full(3, 1 / 3), [[0.0, 1.0, 0.5]], rounds=200).last
    assert alone[1] > 1 - 1e-9, f"{alone}"


def claim_share_on_the_line_of_favourites() -> None:
    """On αP₁ + (1 − α)P₂ the product of gains over the other's favourite is largest at α = q: 36 instances."""
    rng, alphas = np.random.default_rng(1), np.arange(1, 100) / 100
    for q in np.arange(10, 100, 10) / 100:
        for _ in range(4):
            utilities = np.exp(rng.normal(size=(2, 4)))
            utilities[[0, 1], [0, 1]] = utilities.max() + rng.uniform(0.1, 1, 2)  # so that their favourites differ
            line = np.outer(alphas, np.eye(4)[0]) + np.outer(1 - alphas, np.eye(4)[1])
            gains = line @ utilities.T - [utilities[0, 1], utilities[1, 0]]
            best = alphas[(np.log(gains) @ [q, 1 - q]).argmax()]
            assert best == q, f"q = {q}: largest at {best}"


def claim_plateau() -> None:
    """Two favourites Δ = 6 apart: the share tends to (q − κ + κ²(1 − q))/(1 − κ)², κ = e^−Δ: 0.299006 at q = 0.3."""
    kappa = np.exp(-6.0)
    for q in (0.1, 0.3, 0.5, 0.8, 0.95):
        rewards = [[0.0, -6.0], [-6.0, 0.0]]
        policy = alignment.curated_retraining([0.5, 0.5], rewards, [q, 1 - q], rounds=200).last
        aim = (q - kappa + kappa**2 * (1 - q)) / (1 - kappa) ** 2
        assert np.isclose(policy[0], aim, rtol=0, atol=1e-12), f"q = {q}: {policy[0]}, not {aim}"
        assert (q - kappa) / (1 - kappa) <= aim <= q / (1 - kappa)
        assert q != 0.3 or round(aim, 6) == 0.299006
