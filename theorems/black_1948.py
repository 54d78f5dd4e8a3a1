"""Where voters are single-peaked on a common axis and odd in number, the median voter's peak beats every alternative.

Source: Black 1948 (doi:10.1086/256633).

Scope: every profile of three voters (16³) and, up to their names, of five (15,504) whose rankings of five alternatives
are single-peaked on one axis; and 4,000 drawn profiles of 25 voters and eight alternatives. That the majority relation
is then an order is checked on the same profiles. Other sizes are literature.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import domains

METHOD = ("exhaustive", "numeric")
Ints = NDArray[np.int64]


def _single_peaked() -> Ints:
    """Ranks of every order that is single-peaked on the axis 0, 1, 2, 3, 4, as the library recognises them."""
    axis = list(range(5))
    found = []
    for order in itertools.permutations(axis):
        # the two orders along the axis leave no other axis than it
        if domains.single_peaked(ck.Rankings.from_orders([axis, axis[::-1], order])) is not None:
            found.append(np.argsort(order))
    return np.array(found)


def _check(ranks: Ints) -> None:
    """Of profiles ``[b, n, m]`` on the axis of their columns: the median peak wins, and the majorities are an order."""
    margins = ck.Batch(ranks).margins()
    median = np.sort(ranks.argmin(2), axis=1)[:, ranks.shape[1] // 2]
    own = np.arange(ranks.shape[2]) == median[:, None]
    beats = margins[np.arange(len(ranks)), median] > 0
    assert (beats | own).all(), f"{int((~(beats | own)).any(1).sum())} medians are beaten or tied"
    wins = np.sort((margins > 0).sum(2), axis=1)
    assert (wins == np.arange(ranks.shape[2])).all(), "some majority relation is no order"


def claim_sixteen_of_120_orders_are_single_peaked() -> None:
    """2⁴ of the 120 orders of five alternatives are single-peaked on a given axis; each falls off on either side."""
    orders = _single_peaked()
    assert len(orders) == 16, f"{len(orders)} orders are recognised"
    for ranks in orders:
        peak = int(ranks.argmin())
        rises, falls = np.diff(ranks[: peak + 1]), np.diff(ranks[peak:])
        assert (rises < 0).all(), f"{ranks} does not rise to its peak"
        assert (falls > 0).all(), f"{ranks} does not fall from its peak"


def claim_the_median_peak_beats_all_in_every_profile_of_three() -> None:
    """In all 16³ = 4,096 profiles of three voters the median peak is the Condorcet winner, the majorities an order."""
    orders = _single_peaked()
    _check(orders[np.array(list(itertools.product(range(16), repeat=3)))])


def claim_the_median_peak_beats_all_in_every_profile_of_five() -> None:
    """So it is in all profiles of five voters, of which there are 15,504 up to their names."""
    orders = _single_peaked()
    chosen = np.array(list(itertools.combinations_with_replacement(range(16), 5)))
    assert len(chosen) == 15_504, f"{len(chosen)} profiles"
    _check(orders[chosen])


def claim_the_median_peak_beats_all_in_drawn_profiles() -> None:
    """So it is in 4,000 profiles of 25 voters and eight alternatives, half drawn as Walsh, half as Conitzer does."""
    for culture in (domains.single_peaked_walsh, domains.single_peaked_conitzer):
        drawn = culture.batch(2000, voters=25, alternatives=range(8), rng=1948, axis=range(8))
        _check(np.asarray(drawn.values, np.int64))


def claim_a_cycle_is_on_no_axis() -> None:
    """None of the 12 profiles of three voters with a majority cycle is single-peaked on any axis."""
    cycles = [
        profile
        for profile in domains.every(voters=3, alternatives="abc")
        if ((profile.to_margins().values > 0).sum(1) == 1).all()
    ]
    assert len(cycles) == 12, f"{len(cycles)} cycles"
    assert all(domains.single_peaked(profile) is None for profile in cycles), "a cycle has an axis"
