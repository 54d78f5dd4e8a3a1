"""Where all pairs are compared equally often, the rewards that Bradley and Terry's model fits have Borda's order.

Source: Siththaranjan, Laidlaw and Hadfield-Menell 2024 (arXiv:2312.08358).

Scope: 300 drawn tables of choice probabilities over three to six alternatives and 100 drawn electorates, in which the
order of the fitted rewards is that of Borda's scores, with the score equation that it follows from met to 1e-8; so it
is on 100 drawn populations of hidden contexts, most of which have another order of mean utility. In a worked table
Borda's winner is not the Condorcet winner, and with its pairs sampled unequally the order is another. That it is so for
every table is literature.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import alignment, domains, models, rules

METHOD = ("numeric", "witness")
Floats = NDArray[np.float64]
#: P(a preferred to b): 0 beats both others narrowly, 1 beats 2 by far.
NARROW = np.array([[0.5, 0.6, 0.6], [0.4, 0.5, 0.95], [0.4, 0.05, 0.5]])


def _comparisons(chances: Floats) -> ck.Comparisons:
    """A row for each ordered pair, which weighs how often a wins."""
    pairs = list(itertools.permutations(range(len(chances)), 2))
    return ck.Comparisons(*zip(*pairs, strict=True), weight=[chances[pair] for pair in pairs])


def _order(scores: Floats) -> list[int]:
    return [int(a) for a in np.argsort(-scores, kind="stable")]


def _drawn(draws: int) -> list[Floats]:
    """Tables of choice probabilities between 0.02 and 0.98."""
    rng = np.random.default_rng(2024)
    found = []
    for draw in range(draws):
        upper = np.triu(rng.uniform(0.02, 0.98, (3 + draw % 4,) * 2), 1)
        found.append(upper + np.tril(1 - upper.T, -1) + 0.5 * np.eye(len(upper)))
    return found


def claim_the_fitted_order_is_bordas() -> None:
    """In 300 drawn tables the fit has the order of the mean win chances, and expects as many wins as there are."""
    for chances in _drawn(300):
        fitted = alignment.population_rewards(chances)
        assert _order(fitted) == _order(chances.sum(1)), f"{chances.tolist()}: fitted {fitted}"
        expected = 1 / (1 + np.exp(fitted - fitted[:, None]))
        # rising in one's own reward alone, hence in the order of the right-hand side
        assert np.allclose(expected.sum(1), chances.sum(1), atol=1e-8), f"{chances.tolist()}: {expected.sum(1)}"


def claim_so_it_is_on_ballots() -> None:
    """On 100 drawn electorates of nine voters the fit, with a wide prior, has the order and ties of Borda's scores."""
    for seed in range(100):
        votes = domains.impartial_culture(voters=9, alternatives=range(5), rng=seed)
        borda = rules.borda(votes).scores
        fitted = models.bradley_terry(_comparisons(votes.supports()), prior=100.0).scores
        steps = np.diff(fitted[_order(borda)])
        level = np.diff(borda[_order(borda)]) == 0
        assert (np.abs(steps[level]) <= 1e-8).all(), f"seed {seed}: {borda} fitted as {fitted}"
        assert (steps[~level] < -1e-8).all(), f"seed {seed}: {borda} fitted as {fitted}"


def claim_so_it_is_in_hidden_contexts() -> None:
    """Of 100 drawn populations of six contexts all are fitted in Borda's order, most of them against the mean's."""
    rng = np.random.default_rng(1)
    against = 0
    for _ in range(100):
        utilities = rng.normal(size=(6, 4)) * np.exp(rng.normal(size=(6, 1)))
        found = alignment.hidden_context_order(utilities, noise=0.3)
        fitted = alignment.population_rewards(found.preferences)
        assert _order(fitted) == _order(found.borda), f"{found.borda} fitted as {fitted}"
        against += _order(fitted) != _order(found.expected)
    assert against > 50, f"another order than the mean utility's in {against} of 100"


def claim_the_condorcet_winner_can_lose() -> None:
    """In the worked table 0 beats 1 and 2 by 0.6, yet 1 has 1.35 in all to its 1.2, and the higher reward."""
    margins = ck.Margins(NARROW - NARROW.T)
    assert margins.condorcet_winner == 0, f"the Condorcet winner is {margins.condorcet_winner}"
    fitted = alignment.population_rewards(NARROW)
    assert np.allclose(fitted, [0.302, 0.525, -0.827], atol=5e-4), f"fitted {fitted}"
    assert rules.maximal_lottery(margins).winners == (0,), "the maximal lottery is not on 0"


def claim_unequal_sampling_changes_the_order() -> None:
    """If 1 and 2 are compared a tenth as often as the others, the same population gives 0 the higher reward."""
    often = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.1], [1.0, 0.1, 1.0]])
    fitted = alignment.population_rewards(NARROW, often)
    assert _order(fitted) == [0, 1, 2], f"fitted {fitted}"
    assert _order(alignment.population_rewards(NARROW)) == [1, 0, 2], "equal sampling gives it too"
