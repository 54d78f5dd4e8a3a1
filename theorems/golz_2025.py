"""From comparisons alone maximal lotteries guarantee as large a share of the best average utility as any rule can.

Source: Gölz, Haghtalab and Yang 2025 (arXiv:2505.23749).

Scope: users whose utilities are in [0, 1] compare as Bradley and Terry have it, with slope β in 1, 2, 5 and 10. The
best average utility over what a rule gets is at most D = (β/2)(1 + e^−β)/(1 − e^−β) for maximal lotteries and D² for
Borda, in 400 drawn populations and along searches for the worst from 40 of them; the inequality on one pair that this
follows from, on the same draws. A family of populations that no comparison tells apart comes within 1 % of D for any
rule on comparisons. That the bounds hold always is literature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import alignment, rules

METHOD = ("numeric", "witness")
BETAS = (1.0, 2.0, 5.0, 10.0)
Floats = NDArray[np.float64]


def _drawn(draws: int) -> list[tuple[Floats, float]]:
    """Populations ``[user, alternative]`` with their β: many extreme utilities, and some alternatives liked more."""
    rng = np.random.default_rng(2505)
    found = []
    for draw in range(draws):
        shape = (rng.integers(1, 7), rng.integers(2, 6))
        found.append((rng.beta(0.3, rng.uniform(0.3, 3.0, shape[1]), shape), BETAS[draw % 4]))
    return found


def _check(utilities: Floats, beta: float) -> float:
    """The distortion of the maximal lottery, it and the Borda winner's held against their bounds."""
    chances = alignment.bradley_terry_population(utilities, beta)
    lottery = float(
        alignment.distortion(rules.maximal_lottery(ck.Margins(chances - chances.T)).probabilities, utilities)
    )
    borda = float(alignment.distortion(np.eye(len(chances))[chances.sum(1).argmax()], utilities))
    for name, reached in (("maximal_lottery", lottery), ("borda", borda)):
        bound = alignment.distortion_bound(name, beta).upper
        assert reached <= bound + 1e-6, f"β = {beta}: {name} has {reached} for {utilities.tolist()}"
    return lottery


def claim_no_drawn_population_exceeds_the_bounds() -> None:
    """In 400 drawn populations of one to six users and two to five alternatives neither bound is exceeded by 1e-6."""
    for utilities, beta in _drawn(400):
        _check(utilities, beta)


def claim_no_search_for_the_worst_exceeds_the_bounds() -> None:
    """Nor in 40 searches of 60 steps, each of which moves some utilities and keeps what is worse for the lottery."""
    rng, worst = np.random.default_rng(16), 0.0
    for utilities, beta in _drawn(40):
        at, reached = utilities, _check(utilities, beta)
        for _ in range(60):
            moves = rng.normal(0, 0.2, at.shape) * (rng.random(at.shape) < 0.4)
            tried = np.clip(at + moves, 0.0, 1.0)
            if tried.any() and (found := _check(tried, beta)) > reached:
                at, reached = tried, found
        worst = max(worst, reached / alignment.distortion_bound("maximal_lottery", beta).upper)
    assert worst > 0.5, f"the searches reach only {worst:.2f} of the bound"


def claim_win_probabilities_are_between_two_lines_in_the_utilities() -> None:
    """In 400 draws κ u(a) − u(b)/4 ≤ (P(a, b) − ½)/β ≤ u(a)/4 − κ u(b) for all pairs, κ = (σ(β) − ½)/β, to 1e-12."""
    for utilities, beta in _drawn(400):
        mean, kappa = utilities.mean(0), 0.25 / alignment.distortion_bound("every", beta).lower
        assert abs(kappa - (1 / (1 + np.exp(-beta)) - 0.5) / beta) <= 1e-15, f"κ = {kappa} at β = {beta}"
        excess = (alignment.bradley_terry_population(utilities, beta) - 0.5) / beta
        off = ~np.eye(len(mean), dtype=bool)
        low = kappa * mean[:, None] - mean / 4
        high = mean[:, None] / 4 - kappa * mean
        assert (excess >= low - 1e-12)[off].all(), f"below the lower line: {utilities.tolist()}"
        assert (excess <= high + 1e-12)[off].all(), f"above the upper line: {utilities.tolist()}"


def claim_populations_that_comparisons_do_not_tell_apart_attain_the_bound() -> None:
    """Some users value one of 2,000 alternatives at 1 and the rest the others at 0.001, so that every P is ½ to 1e-12:
    a rule that gives some alternative 1/2,000 at most, and is tried on that one, is within 1 % of D."""
    size, small = 2000, 1e-3
    for beta in BETAS:
        won, lost = (1 / (1 + np.exp(-beta * x)) - 0.5 for x in (1.0, small))
        few = lost / (won + lost)  # few · (σ(β) − ½) = (1 − few) · (σ(small · β) − ½)
        pair, shares = np.zeros((2, size)), [few, 1 - few]
        pair[0, 0], pair[1, 1:] = 1.0, small
        chances = alignment.bradley_terry_population(pair[:, :3], beta, shares)  # the others are as the second
        assert np.abs(chances - 0.5).max() <= 1e-12, f"comparisons tell: {chances.tolist()}"
        ratio = (
            float(alignment.distortion(np.full(size, 1 / size), pair, shares))
            / alignment.distortion_bound("every", beta).lower
        )
        assert 0.99 <= ratio <= 1.0, f"β = {beta}: {ratio} of the bound"
