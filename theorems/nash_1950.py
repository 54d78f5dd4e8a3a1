"""The Nash bargain alone is Pareto optimal, symmetric, free of units and zeros, and of irrelevant alternatives.

Source: Nash 1950 (doi:10.2307/1907266); with weights Kaneko and Nakamura 1979 (doi:10.2307/1914191).

Scope: that it has the four properties, on 150 drawn bargains for each, of two to four voters (two for symmetry) over
lotteries of four or more alternatives, to 1e-6; that it is the only maximiser, by the bound that its multipliers prove;
and, for two voters, the step on which his proof of uniqueness rests: in units in which the bargain gives 1 to each, no
alternative gives more than 2 in all. That no other solution has the properties is literature; three that lack one are
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import rules

METHOD = ("numeric", "witness")
DRAWS, TOLERANCE = 150, 1e-6
Floats = NDArray[np.float64]
Bargain = Callable[..., ck.Bargain]


def _drawn(rng: int) -> Iterator[tuple[Floats, np.random.Generator]]:
    """Utilities with disagreement 0, of two to four voters over four to seven alternatives."""
    source = np.random.default_rng(rng)
    for draw in range(DRAWS):
        yield source.random((2 + draw % 3, 4 + draw % 4)), source


def _gains(solution: Bargain, utilities: Floats, disagreement: Floats | None = None) -> Floats:
    """What the voters get; the disagreement is 0 unless it is given."""
    options = {} if disagreement is None else {"disagreement": disagreement}
    return solution(ck.Utilities(utilities), **options).utilities


def claim_it_is_pareto_optimal_and_nothing_else_maximises() -> None:
    """In 150 draws Σ U(a)/U(p) ≤ n for each alternative a, so that no lottery gives a higher product of gains, or one
    voter more at no cost to others."""
    for utilities, _ in _drawn(1):
        gains = _gains(rules.nash_lottery, utilities)
        assert (gains > 0).all(), f"gains {gains}"
        # for gains x, mean(x / gains) ≤ 1; so Π x ≤ Π gains by the means, with equality where x = gains only
        assert (utilities / gains[:, None]).mean(0).max() <= 1 + TOLERANCE, f"{utilities} improves on {gains}"


def claim_it_is_symmetric() -> None:
    """In 150 draws two voters, whom exchanging leaves the bargain as it is, gain the same."""
    for utilities, _ in _drawn(2):
        both = np.concatenate([utilities[:2], utilities[1::-1]], axis=1)
        gains = _gains(rules.nash_lottery, both)
        assert abs(gains[0] - gains[1]) <= TOLERANCE, f"{both.tolist()}: gains {gains}"


def claim_units_and_zeros_do_not_matter() -> None:
    """In 150 draws other units (a tenth to tenfold) and zeros change the gains by these units and zeros alone."""
    for utilities, source in _drawn(3):
        units = 10 ** source.uniform(-1, 1, (len(utilities), 1))
        zeros = source.normal(0, 3, (len(utilities), 1))
        moved = _gains(rules.nash_lottery, utilities * units + zeros, zeros[:, 0])
        back = (moved - zeros[:, 0]) / units[:, 0]
        gains = _gains(rules.nash_lottery, utilities)
        assert np.allclose(back, gains, atol=TOLERANCE), f"{gains} become {back}"


def claim_irrelevant_alternatives_do_not_matter() -> None:
    """In 150 draws the bargain over a smaller set that holds it, drawn mixtures and itself, gives the same gains."""
    for utilities, source in _drawn(4):
        gains = _gains(rules.nash_lottery, utilities)
        fewer = utilities @ source.dirichlet(np.full(utilities.shape[1], 0.3), utilities.shape[1]).T
        found = _gains(rules.nash_lottery, np.column_stack([fewer, gains]))
        assert np.allclose(found, gains, atol=TOLERANCE), f"{gains} become {found}"


def claim_the_bargain_in_its_own_units_is_below_a_line() -> None:
    """For two voters, 150 draws: in units in which the bargain gives each 1, all alternatives give 2 in all at most."""
    for utilities, _ in _drawn(5):
        pair = utilities[:2]
        own = pair / _gains(rules.nash_lottery, pair)[:, None]
        assert own.sum(0).max() <= 2 + 2 * TOLERANCE, f"{own.tolist()}"
        # on the whole triangle below that line symmetry and Pareto optimality leave (1, 1)
        assert np.allclose(_gains(rules.nash_lottery, np.diag([2.0, 2.0])), 1, atol=TOLERANCE), "not (1, 1)"


def claim_other_solutions_lack_a_property() -> None:
    """The egalitarian and utilitarian bargains depend on units, Kalai and Smorodinsky's on irrelevant alternatives."""
    square = np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.6]])
    for solution in (rules.egalitarian_lottery, rules.utilitarian_lottery):
        doubled = _gains(solution, square * [[4.0], [1.0]]) / [4.0, 1.0]
        assert np.abs(doubled - _gains(solution, square)).max() > 0.1, f"{solution} does not mind the unit"
    wide = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.5, 0.0]])
    gains = _gains(rules.kalai_smorodinsky, wide)
    narrow = np.column_stack([gains, [0.0, 1.0], [0.7, 0.0]])  # each a mixture of the wide ones
    assert np.abs(_gains(rules.kalai_smorodinsky, narrow) - gains).max() > 0.05, "Kalai and Smorodinsky stay"
