"""Simpler profiles than a given one: fewer alternatives, fewer voters, ballots nearer to the order of the columns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._axiom import Axiom
from choicekit.axioms._electorates import one_voter, restricted
from choicekit.axioms._readings import Ask
from choicekit.axioms.violation import Violation
from choicekit.profiles import Approvals, Rankings, Utilities

#: An axiom of :mod:`choicekit.axioms`, or a function of one's own.
Check: TypeAlias = Callable[[Callable[[Any], Any], Any], Violation | None]
#: What an axiom says of a rule on a profile.
Look: TypeAlias = Callable[[Any], Violation | None]
#: The profiles that have a row for each voter, or for each kind of ballot.
KINDS = (Rankings, Utilities, Approvals)


def remembering(axiom: Check, rule: Callable[[Any], Any]) -> Look:
    """The axiom on one profile after the other, where each is asked of the rule once."""
    if not isinstance(axiom, Axiom):
        return lambda profile: axiom(rule, profile)
    ask = Ask(rule, axiom.about)
    return lambda profile: axiom.examine(ask, profile)


def polished(look: Look, violation: Violation, jointly: int) -> Violation:
    """The violation after simplifying steps, until none is left that keeps the axiom broken."""

    def smaller(profile: Any) -> Violation | None:
        for simpler_one in simpler(profile, jointly):
            try:
                found = look(simpler_one)
            except ValueError:
                continue
            if found is not None:
                return found
        return None

    if not isinstance(violation.profiles[0], KINDS):
        return violation
    while (found := smaller(violation.profiles[0])) is not None:
        violation = found
    return violation


def simpler(profile: Any, jointly: int) -> Iterator[Any]:
    """Each simpler profile, the largest steps first. None of them has this one among its own."""
    yield from fewer_alternatives(profile)
    yield from tidier(profile)
    yield from fewer_voters(profile, jointly)
    yield from fewer_and_others(profile)
    yield from nearer(profile)


def fewer_alternatives(profile: Any) -> Iterator[Any]:
    """One alternative is withdrawn."""
    size = len(profile.alternatives)
    for gone in range(size - 1, -1, -1):
        keep = [a for a in range(size) if a != gone]
        if isinstance(profile, Rankings) and keep:
            yield restricted(profile, keep)
        elif keep:
            labels = tuple(profile.alternatives[a] for a in keep)
            yield type(profile)(profile.values[:, keep], profile.weights, labels)


def fewer_voters(profile: Any, jointly: int) -> Iterator[Any]:
    """Half of the many voters of a row stay away, or up to so many voters of any rows."""
    weights = profile.weights
    for row in np.flatnonzero(weights > 2 * jointly).tolist():
        if one_voter(weights[row]) == 1.0:
            yield _weighted(profile, weights - (np.arange(len(weights)) == row) * (weights[row] // 2))
    rows = np.flatnonzero(weights > 0).tolist()
    for many in range(1, jointly + 1):
        for gone in itertools.combinations_with_replacement(rows, many):
            left = weights.copy()
            for row in gone:
                left[row] -= one_voter(weights[row])
            if (left >= 0).all() and (left > 0).any():
                yield _weighted(profile, left)


def fewer_and_others(profile: Any) -> Iterator[Any]:
    """One voter stays away, and another exchanges two alternatives."""
    for fewer in fewer_voters(profile, 1):
        values, weights = _values(fewer), fewer.weights
        for row, a, b in _exchanges(fewer):
            changed = values[row].copy()
            changed[[a, b]] = changed[[b, a]]
            unit = one_voter(weights[row])
            left = np.append(weights - (np.arange(len(weights)) == row) * unit, unit)
            yield _weighted(type(profile)(np.vstack([values, changed]), left, profile.alternatives), left)


def _exchanges(profile: Any) -> Iterator[tuple[int, int, int]]:
    """Each row with each two columns in which its ballot differs."""
    values = _keys(profile)
    for row in range(len(values)):
        for a, b in itertools.combinations(range(values.shape[1]), 2):
            if values[row, a] != values[row, b]:
                yield row, a, b


def tidier(profile: Any) -> Iterator[Any]:
    """The same voters in the order of their ballots, equal ballots in one row."""
    values = _values(profile)
    rows, which = np.unique(_keys(profile), axis=0, return_inverse=True)
    first = [int(np.argmax(which.ravel() == row)) for row in range(len(rows))]
    cast = np.bincount(which.ravel(), profile.weights, len(rows))
    there = [row for row in range(len(rows)) if cast[row] > 0]
    tidy = values[[first[row] for row in there]]
    if tidy.shape != values.shape or not np.array_equal(tidy, values, equal_nan=values.dtype.kind == "f"):
        yield type(profile)(tidy, cast[there], profile.alternatives)


def nearer(profile: Any) -> Iterator[Any]:
    """Ballots nearer to the order of the columns: by relabelling, or by exchanging two alternatives on one of them."""
    keys, values = _keys(profile), _values(profile)
    disorder = _inversions(keys) @ profile.weights
    orders = {tuple(np.argsort(row, kind="stable").tolist()) for row in keys}
    for order in sorted(orders):
        if _inversions(keys[:, order]) @ profile.weights < disorder:
            yield type(profile)(values[:, order], profile.weights, profile.alternatives)
    for row in np.flatnonzero(profile.weights > 0).tolist():
        for a, b in itertools.combinations(range(len(profile.alternatives)), 2):
            if keys[row, a] > keys[row, b]:
                changed = values.copy()
                changed[row, [a, b]] = values[row, [b, a]]
                yield type(profile)(changed, profile.weights, profile.alternatives)


def _weighted(profile: Any, weights: NDArray[np.float64]) -> Any:
    keep = weights > 0
    return type(profile)(_values(profile)[keep], weights[keep], profile.alternatives)


def _values(profile: Any) -> NDArray[Any]:
    values: NDArray[Any] = profile.ranks if isinstance(profile, Rankings) else profile.values
    return values


def _keys(profile: Any) -> NDArray[np.float64]:
    """Numbers that are the smaller the better a voter likes an alternative; what is not ranked comes last."""
    values = _values(profile).astype(np.float64)
    if isinstance(profile, Rankings):
        return np.where(values < 0, values.shape[1] + values.max(), values)
    return np.where(np.isnan(values), np.inf, -values)


def _inversions(keys: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many pairs of columns each row has in the other order."""
    pairs = [keys[:, a] > keys[:, b] for a, b in itertools.combinations(range(keys.shape[1]), 2)]
    return np.sum(pairs, axis=0, dtype=np.int64) if pairs else np.zeros(len(keys), np.int64)
