"""Of two voters one never loses by options that leave the other's best as it was under Kalai–Smorodinsky; Nash's may.

Source: Kalai and Smorodinsky 1975 (doi:10.2307/1914280), whose axiom is individual monotonicity.

Scope: the example of a larger set in which Nash's second voter gets less; and, on 200 drawn bargains of two voters, to
1e-6, that Kalai and Smorodinsky's solution is monotone under a drawn option that leaves the other's best as it was,
Pareto optimal, symmetric and free of units. That it alone has these properties is literature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import rules

METHOD = ("witness", "numeric")
DRAWS, TOLERANCE = 200, 1e-6
Floats = NDArray[np.float64]
#: What two voters get, [voter, option]; the larger set has the smaller one's options and (1, 0.7).
SMALLER = np.array([[1.0, 0.0, 0.75], [0.0, 1.0, 0.75]])
LARGER = np.array([[1.0, 0.0, 0.75, 1.0], [0.0, 1.0, 0.75, 0.7]])


def _gains(solution: Callable[..., ck.Bargain], utilities: Floats) -> Floats:
    return solution(ck.Utilities(utilities)).utilities


def _drawn(rng: int) -> Iterator[tuple[Floats, np.random.Generator]]:
    source = np.random.default_rng(rng)
    for draw in range(DRAWS):
        yield source.random((2, 3 + draw % 4)), source


def claim_nash_gives_the_second_voter_less_of_more() -> None:
    """A new option (1, 0.7) leaves the best of both at 1; Nash's second voter falls from 0.75 to 0.7."""
    assert np.allclose(_gains(rules.nash_lottery, SMALLER), [0.75, 0.75], atol=TOLERANCE), "not (0.75, 0.75)"
    assert np.allclose(_gains(rules.nash_lottery, LARGER), [1.0, 0.7], atol=TOLERANCE), "not (1, 0.7)"
    assert SMALLER.max(1).tolist() == LARGER.max(1).tolist(), "somebody's best changes"


def claim_kalai_and_smorodinsky_give_the_second_voter_more() -> None:
    """By the same option their second voter rises from 0.75 to 1/1.3, where the line x = y meets y = 1 − 0.3 x."""
    assert np.allclose(_gains(rules.kalai_smorodinsky, SMALLER), [0.75, 0.75], atol=TOLERANCE), "not (0.75, 0.75)"
    assert np.allclose(_gains(rules.kalai_smorodinsky, LARGER), 1 / 1.3, atol=TOLERANCE), "not 1/1.3"


def claim_kalai_and_smorodinsky_are_monotone() -> None:
    """In 200 draws an option that is not the first voter's best takes nothing from the second; under Nash it may."""
    nash_falls = 0
    for utilities, source in _drawn(1975):
        new = np.array([[source.uniform(0, utilities[0].max())], [source.uniform(0, 1.5)]])
        more = np.column_stack([utilities, new])
        before, after = _gains(rules.kalai_smorodinsky, utilities), _gains(rules.kalai_smorodinsky, more)
        assert after[1] >= before[1] - TOLERANCE, f"{more.tolist()}: from {before} to {after}"
        nash_falls += _gains(rules.nash_lottery, more)[1] < _gains(rules.nash_lottery, utilities)[1] - 1e-3
    assert nash_falls > 0, "Nash's second voter never loses: the draws would not tell"


def claim_kalai_and_smorodinsky_are_optimal_symmetric_and_free_of_units() -> None:
    """In 200 draws both get the same share of their best, no lottery gives both more, and units change nothing."""
    for utilities, source in _drawn(1976):
        found = rules.kalai_smorodinsky(ck.Utilities(utilities))
        shares = found.utilities / utilities.max(1)
        assert abs(shares[0] - shares[1]) <= TOLERANCE, f"{utilities.tolist()}: shares {shares}"
        prices = found.multipliers
        # at positive prices no alternative is worth more: no lottery is better for one and as good for the other
        assert (prices > 0).all(), f"{utilities.tolist()}: prices {prices}"
        assert (prices @ utilities).max() <= prices @ found.utilities + TOLERANCE, f"{utilities.tolist()}"
        units = 10 ** source.uniform(-1, 1, (2, 1))
        moved = _gains(rules.kalai_smorodinsky, utilities * units) / units[:, 0]
        assert np.allclose(moved, found.utilities, atol=TOLERANCE), f"{found.utilities} become {moved}"


def explain() -> str:
    """The example."""
    lines = ["Two voters get (1, 0), (0, 1), (0.75, 0.75), or a lottery of these. Then (1, 0.7) is offered too."]
    for name, solution in (("Nash", rules.nash_lottery), ("Kalai and Smorodinsky", rules.kalai_smorodinsky)):
        before, after = (_gains(solution, each).round(4).tolist() for each in (SMALLER, LARGER))
        lines.append(f"  {name}: from {tuple(before)} to {tuple(after)}")
    return "\n".join(lines)
