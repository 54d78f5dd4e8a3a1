"""From rankings alone no rule with one winner can promise less than 3 times the least total distance; Copeland has 5.

Voters and alternatives are points of an unknown metric in which each voter ranks by distance. The distortion of an
alternative at a profile is the largest ratio of its total distance to the least one, over all such metrics: a linear
programme in the distances from voters to alternatives.

Source: Anshelevich, Bhardwaj and Postl 2015 (the model, 3 and 5); Gkatzelis, Halpern and Shah 2020 (arXiv:2004.07447:
some alternative has distortion at most 3 at every profile).

Scope: two alternatives, every split of 1 to 5 voters, exact value 2n/s − 1 for the one with s supporters; every profile
up to names of 2 to 5 voters on three alternatives and of 2 voters on four: Copeland's winners at most 5, some
alternative at most 3. Each value is proved by a metric, a dual solution or both, checked in rational arithmetic, and
the library's own is the same to 1e-6. The bounds for all sizes are the literature's.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from choicekit import Rankings, alignment, domains, rules, solvers

METHOD = ("LP", "certificate", "exhaustive")

Ints = NDArray[np.int64]
Exact = list[Fraction]


def _distances(profile: Rankings) -> Ints:
    """Rows A with A x ≤ 0 for the distances ``x[voter * m + alternative]`` of a metric that fits the rankings.

    Voters with one ballot share a row: with the mean of their distances in place of each the rows still hold.
    """
    n, m = profile.ranks.shape
    unit = np.eye(n * m, dtype=np.int64).reshape(n, m, n * m)
    rows = []
    for i, order in enumerate(np.argsort(profile.ranks, axis=1)):
        rows += [unit[i, a] - unit[i, b] for a, b in pairwise(order)]
        for j in range(n):
            pairs = [(a, b) for a in range(m) for b in range(m) if a != b and i != j]
            rows += [unit[i, a] - unit[i, b] - unit[j, b] - unit[j, a] for a, b in pairs]
    return np.array(rows)


def _totals(profile: Rankings, alternative: int) -> Ints:
    cost = np.zeros(profile.ranks.shape, np.int64)
    cost[:, alternative] = profile.weights
    return cost.ravel()


def _exact(values: NDArray[np.float64]) -> Exact:
    return [Fraction(float(value)).limit_denominator(1000) for value in values]


def _times(row: Ints, values: Exact) -> Fraction:
    return sum((int(row[k]) * values[k] for k in np.flatnonzero(row)), Fraction(0))


def _bound(profile: Rankings, chosen: int, best: int) -> Fraction:
    """A proved bound on total distance of ``chosen`` over that of ``best``: t with Aᵀy + t·best ≥ chosen and y ≥ 0."""
    rows, cost, scale = _distances(profile), _totals(profile, chosen), _totals(profile, best)
    system, size = np.column_stack([rows.T, scale]), len(rows) + 1
    found = solvers.linear_program(
        np.eye(size)[-1], at_most=(-system, -cost), equal=(np.zeros((1, size)), [0.0]), bounds=[(0, None)] * size
    )
    prices = _exact(found)
    assert min(prices) >= 0, "a price is negative"
    for line, needed in zip(system, cost, strict=True):
        assert _times(line, prices) >= needed, f"{profile.ranks.tolist()}: the dual solution is not feasible"
    return prices[-1]


def _reached(profile: Rankings, chosen: int, best: int) -> Fraction:
    """The same ratio in one metric, found by the programme and checked to fit the rankings."""
    rows, cost, scale = _distances(profile), _totals(profile, chosen), _totals(profile, best)
    size = rows.shape[1]
    found = solvers.linear_program(
        -cost, at_most=(rows, np.zeros(len(rows))), equal=(scale[None], [1.0]), bounds=[(0, None)] * size
    )
    metric = _exact(found)
    assert min(metric) >= 0, "a distance is negative"
    assert all(_times(row, metric) <= 0 for row in rows), f"{profile.ranks.tolist()}: no metric that fits"
    return _times(cost, metric) / _times(scale, metric)


def claim_two_alternatives() -> None:
    """With s of n supporters distortion is exactly 2n/s − 1, for n ≤ 5: 3 at 1 to 1, 2 and 5 at 2 to 1."""
    for n in range(1, 6):
        for s in range(1, n + 1):
            votes = Rankings.from_orders({"ab": s, "ba": n - s} if s < n else {"ab": s})
            ratio = Fraction(2 * n, s) - 1
            assert _reached(votes, 0, 1) == _bound(votes, 0, 1) == ratio, f"{s} of {n} supporters: not {ratio}"
            assert abs(alignment.metric_distortion(votes, "a").value - ratio) <= 1e-6, (
                f"{s} of {n} supporters: the library's"
            )
    votes = Rankings.from_orders({"ab": 1, "ba": 1})
    assert min(_reached(votes, 0, 1), _reached(votes, 1, 0)) == 3, "at 1 to 1 some alternative has less than 3"


def claim_copeland_at_most_five_and_some_at_most_three() -> None:
    """At each of 98 profiles (m = 3, n = 2 to 5; m = 4, n = 2) Copeland's winners have at most 5, one has at most 3."""
    seen, highest = 0, Fraction(0)
    for m, n in ((3, 2), (3, 3), (3, 4), (3, 5), (4, 2)):
        for votes in domains.every(voters=n, alternatives=m, anonymous=True, neutral=True):
            winners = set(rules.copeland(votes).winners)
            least = Fraction(1000)
            supports = votes.supports()
            for chosen, label in enumerate(votes.alternatives):
                if (np.delete(supports[:, chosen], chosen) == n).any():
                    assert label not in winners, f"{votes.ranks.tolist()}: Copeland chooses a dominated alternative"
                    continue  # all prefer some other one, which is no worse
                worst = max(_bound(votes, chosen, best) for best in range(m) if best != chosen)
                found = alignment.metric_distortion(votes, label).value
                assert abs(found - worst) <= 1e-6, f"{votes.ranks.tolist()}: {label} has {worst}, the library {found}"
                least = min(least, worst)
                if label in winners:
                    highest = max(highest, worst)
                    assert worst <= 5, f"{votes.ranks.tolist()}: Copeland's winner {label} has {worst}"
            assert least <= 3, f"{votes.ranks.tolist()}: every alternative has more than 3"
            seen += 1
    assert (seen, highest > 3) == (98, True), f"{seen} profiles, highest {highest}"
