"""Profiles of utilities made from one another, and the finite family of changes that axioms of utilities look at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._electorates import one_voter
from choicekit.profiles import Utilities
from choicekit.profiles._columns import Floats

#: By how much utilities are multiplied; powers of two, so that nothing is rounded.
SCALES = (0.125, 0.5, 2.0, 8.0)
#: Differences below this share of the largest utility are not judged: a rule may take them for rounding.
CLEAR = 1e-6


def known(profile: Utilities, axiom: str) -> Utilities:
    """The profile, where it holds a utility for every voter and alternative; else a refusal."""
    if not isinstance(profile, Utilities):
        raise TypeError(f"{axiom}: needed Utilities, got {type(profile).__name__}")
    if np.isnan(profile.values).any():
        raise ValueError(
            f"{axiom}: needed a utility for every voter and alternative, got {int(np.isnan(profile.values).sum())} "
            "missing; fill them in or leave those voters or alternatives out"
        )
    return profile


def voting(profile: Utilities) -> list[int]:
    """The rows that somebody holds."""
    found: list[int] = np.flatnonzero(profile.weights > 0).tolist()
    return found


def held(profile: Utilities) -> Floats:
    """The utilities of those rows."""
    there: Floats = profile.values[voting(profile)]
    return there


def clear(profile: Utilities) -> float:
    """The smallest difference that is judged."""
    return CLEAR * float(np.abs(held(profile)).max(initial=0.0))


def unit(profile: Utilities) -> float:
    """A power of two no less than any utility's size, 1 where all are 0."""
    largest = float(np.abs(held(profile)).max(initial=0.0))
    return 2.0 ** math.ceil(math.log2(largest)) if largest else 1.0


def drop(profile: Utilities, lowest: float) -> float:
    """By how much utilities from ``lowest`` up may fall: positive ones stay so, and those that are not negative."""
    return unit(profile) if held(profile).min() < 0 else lowest / 2


def elsewhere(profile: Utilities) -> list[float]:
    """Utilities to put in place of others: all that anybody has, one above all and, where it may be, one below."""
    found = sorted(set(held(profile).ravel().tolist()))
    fall = drop(profile, found[0])
    return ([found[0] - fall] if fall else []) + found + [found[-1] + unit(profile)]


def steps(values: Floats, profile: Utilities) -> Iterator[tuple[Floats, str]]:
    """Increasing maps of the utilities: the gap below one of them becomes wider, or an eighth of itself.

    With other widths every increasing map of finitely many utilities is made of such steps. What is below the lowest
    has no gap; raising it raises all.
    """
    found = sorted(set(values.ravel().tolist()))
    for place, least in enumerate(found):
        up = np.where(values >= least, unit(profile), 0.0)
        yield values + up, f"utilities from {least:g} up rise by {unit(profile):g}"
        if place:
            less = (least - found[place - 1]) * 0.875
            yield values - np.where(values >= least, less, 0.0), f"utilities from {least:g} up fall by {less:g}"


def shifts(values: Floats, profile: Utilities) -> Iterator[tuple[Floats, str]]:
    """All these utilities higher, or lower, by the same."""
    for rise in (unit(profile), 16 * unit(profile)):
        yield values + rise, f"utilities rise by {rise:g}"
    fall = drop(profile, float(values.min()))
    if fall:
        yield values - fall, f"utilities fall by {fall:g}"


def scalings(values: Floats) -> Iterator[tuple[Floats, str]]:
    """All these utilities times a positive number."""
    for times in SCALES:
        yield values * times, f"utilities are multiplied by {times:g}"


def everybody(profile: Utilities, values: Floats) -> Utilities:
    """The voters with other utilities; ``values`` are those of the rows that somebody holds."""
    new = profile.values.copy()
    new[voting(profile)] = values
    return Utilities(new, profile.weights, profile.alternatives)


def changed(profile: Utilities, rows: Mapping[int, NDArray[np.float64]]) -> Utilities:
    """One voter of each of these rows has other utilities."""
    values, weights = profile.values.copy(), profile.weights.copy()
    more, sizes = [], []
    for row, new in rows.items():
        size = one_voter(float(weights[row]))
        if size == weights[row]:
            values[row] = new
        else:
            weights[row] -= size
            more.append(new)
            sizes.append(size)
    if more:
        values, weights = np.vstack([values, more]), np.append(weights, sizes)
    return Utilities(values, weights, profile.alternatives)


def alike(profile: Utilities) -> Iterator[tuple[int, int]]:
    """Every two rows of which one voter weighs the same."""
    for one, two in itertools.combinations(voting(profile), 2):
        if one_voter(float(profile.weights[one])) == one_voter(float(profile.weights[two])):
            yield one, two


def voter(profile: Utilities, row: int) -> str:
    """A voter in words."""
    had = ", ".join(f"{a} {u:g}" for a, u in zip(profile.alternatives, profile.values[row].tolist(), strict=True))
    return f"the voter of {had}"
