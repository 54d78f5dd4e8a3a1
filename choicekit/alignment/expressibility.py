"""Whether any reward expresses an order: linear programmes with certificates in whole fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import solvers

Floats = NDArray[np.float64]
Exact = tuple[Fraction, ...]
Number = int | float | Fraction
Table = ArrayLike | Sequence[Sequence[Number]]
#: A margin below this is looked at as 0, and the certificate decides.
_NONE = 1e-9


@dataclass(frozen=True)
class Expressibility:
    """Whether one linear function values every better lottery above the worse one, with what proves the answer.

    ``reward[d]`` is such a function where there is one, with entries in [−1, 1], and ``margin`` the least difference
    that it makes among the strict comparisons. Where there is none, ``certificate[k]`` are non-negative weights on the
    comparisons, some strict one's positive, under which all differences cancel: added up, they would say 0 > 0. Both
    are fractions and were checked exactly against the comparisons; the one that does not apply is ``None``.

    >>> linear_reward([[1, 0]], [[0, 1]]).expressible
    True
    """

    margin: Fraction
    reward: Exact | None
    certificate: Exact | None

    @property
    def expressible(self) -> bool:
        """Whether there is such a function.

        >>> linear_reward([[1, 0], [0, 1]], [[0, 1], [1, 0]]).expressible
        False
        """
        return self.reward is not None


def linear_reward(better: Table, worse: Table, *, strict: Sequence[bool] | None = None) -> Expressibility:
    """The reward under which each ``better[k, d]`` is worth more than ``worse[k, d]``, or a proof that there is none.

    A row is a lottery over d outcomes, and a reward expresses ⟨r, better⟩ > ⟨r, worse⟩ as the expected utility of von
    Neumann and Morgenstern does; or it is how often a policy visits each state and action (its occupancy measure), and
    r is a Markov reward, whose expected return is linear in it. ``strict[k]`` false asks only for ≥; an indifference is
    two such rows, one each way.

    By Farkas' lemma either there is a reward, or the differences have a non-negative combination equal to zero in
    which some strict one takes part. A linear programme finds which (the largest margin for |r| ≤ 1), and the answer is
    then made of fractions and checked without rounding. Whole numbers and fractions are taken as they are, other
    numbers as the decimals they print as.

    This decides finite lists of comparisons. An order of all policies is refuted by refuting some of its comparisons;
    that a list is expressible says nothing about those left out.

    Raises ``ValueError`` for shapes that differ, for numbers that are not finite, and where nothing is strict (then
    the zero reward expresses all); ``RuntimeError`` where rounding in the programme left neither side provable.

    Source: von Neumann and Morgenstern 1944 (expected utility); Skalse and Abate 2023, arXiv:2401.14811 (which orders
    of policies a Markov reward expresses).

    A coin between two arms above both arms, as in max–min over two groups that love one arm each:

    >>> found = linear_reward([[0.5, 0.5], [0.5, 0.5]], [[1, 0], [0, 1]])
    >>> found.expressible, [str(weight) for weight in found.certificate]
    (False, ['1/2', '1/2'])
    >>> [str(worth) for worth in linear_reward([[0.5, 0.5]], [[1, 0]]).reward]
    ['-1', '1']
    """
    rows, must = _differences(better, worse, strict)
    table = np.array([[float(x) for x in row] for row in rows])
    size = table.shape[1]
    scale = np.maximum(np.abs(table).max(1), 1e-300)  # a comparison says the same in any unit
    table /= scale[:, None]
    found = solvers.linear_program(
        -np.eye(size + 1)[-1],
        at_most=(np.column_stack([-table, must.astype(np.float64)]), np.zeros(len(table))),
        equal=(np.zeros((1, size + 1)), [0.0]),
        bounds=[(-1, 1)] * size + [(None, 1)],
    )
    if found[-1] > _NONE:
        tight = [[*rows[k], Fraction(0)] for k in np.flatnonzero(~must & (table @ found[:-1] <= _NONE))]
        for digits in (10**2, 10**6, 10**12):
            near = [Fraction(float(x)).limit_denominator(digits) for x in found[:-1]]
            reward = tuple(_solution([list(row) for row in tight], near) or near)
            gains = [sum((r * x for r, x in zip(reward, row, strict=True)), Fraction(0)) for row in rows]
            if all(gain > 0 if sharp else gain >= 0 for gain, sharp in zip(gains, must, strict=True)):
                return Expressibility(min(g for g, s in zip(gains, must, strict=True) if s), reward, None)
    certificate = _cancelling(rows, table, scale, must)
    if certificate is None:
        raise RuntimeError(
            f"linear_reward: the largest margin is {found[-1]:.1e}, too near 0 for a proof of either answer; "
            "give the numbers as fractions, or leave out comparisons that are nearly equal"
        )
    return Expressibility(Fraction(0), None, certificate)


def _differences(better: Table, worse: Table, strict: Sequence[bool] | None) -> tuple[list[Exact], NDArray[np.bool_]]:
    """better − worse in fractions, and which must be positive."""
    tables: list[list[list[Fraction]]] = []
    shapes = []
    for name, given in (("better", better), ("worse", worse)):
        found: NDArray[Any] = np.asarray(given, dtype=object)
        if found.ndim != 2 or 0 in found.shape:
            raise ValueError(f"{name}: needed one row a comparison and one column an outcome, got shape {found.shape}")
        try:
            tables.append([[_exact(x) for x in row] for row in found.tolist()])
        except (ValueError, OverflowError, TypeError) as error:
            raise ValueError(f"{name}: needed finite numbers or fractions; {error}") from None
        shapes.append(found.shape)
    if shapes[0] != shapes[1]:
        raise ValueError(f"better and worse: needed the same shape, got {shapes[0]} and {shapes[1]}")
    must = np.ones(len(tables[0]), np.bool_) if strict is None else np.array(strict, np.bool_)
    if must.shape != (len(tables[0]),) or not must.any():
        raise ValueError(
            f"strict: needed one of true and false for each of {len(tables[0])} comparisons, some true, got {strict!r}"
        )
    pairs = zip(tables[0], tables[1], strict=True)
    return [tuple(x - y for x, y in zip(one, other, strict=True)) for one, other in pairs], must


def _exact(x: Number) -> Fraction:
    return Fraction(x) if isinstance(x, int | Fraction) else Fraction(repr(float(x)))


def _cancelling(rows: list[Exact], table: Floats, scale: Floats, must: NDArray[np.bool_]) -> Exact | None:
    """Non-negative weights with Σ w·row = 0 and Σ_strict w = 1, exactly; ``None`` where none was found."""
    number = len(rows)
    try:
        corner = solvers.linear_program(
            np.ones(number),
            at_most=(np.zeros((1, number)), [0.0]),
            equal=(np.vstack([table.T, must.astype(np.float64)]), np.append(np.zeros(table.shape[1]), 1.0)),
            bounds=[(0, None)] * number,
        )
    except RuntimeError:
        return None
    support = [k for k in range(number) if corner[k] > _NONE]
    if not support:
        return None
    # the corner's own equations once more, without rounding; what is free there takes the programme's values
    system = [[rows[k][d] for k in support] + [Fraction(0)] for d in range(table.shape[1])]
    system.append([Fraction(int(must[k])) for k in support] + [Fraction(1)])
    guess = [Fraction(float(corner[k] / scale[k])).limit_denominator(10**9) for k in support]
    solved = _solution(system, guess)
    if solved is None or min(solved) < 0:
        return None
    weights = [Fraction(0)] * number
    for k, weight in zip(support, solved, strict=True):
        weights[k] = weight
    total = [sum((w * row[d] for w, row in zip(weights, rows, strict=True)), Fraction(0)) for d in range(len(rows[0]))]
    proves = not any(total) and any(w > 0 and s for w, s in zip(weights, must, strict=True))
    return tuple(weights) if proves else None


def _solution(system: list[list[Fraction]], guess: list[Fraction]) -> list[Fraction] | None:
    """A solution of the equations ``[coefficients, right side]`` by elimination; free unknowns are as guessed."""
    size = len(guess)
    pivots: list[int] = []
    for column in range(size):
        row = next((r for r in range(len(pivots), len(system)) if system[r][column]), None)
        if row is None:
            continue
        here = len(pivots)
        system[here], system[row] = system[row], system[here]
        system[here] = [x / system[here][column] for x in system[here]]
        for other in range(len(system)):
            factor = system[other][column]
            if other != here and factor:
                system[other] = [x - factor * y for x, y in zip(system[other], system[here], strict=True)]
        pivots.append(column)
    if any(row[size] for row in system[len(pivots) :]):
        return None
    answer = list(guess)
    for row, column in enumerate(pivots):
        free = (system[row][c] * guess[c] for c in range(size) if c not in pivots)
        answer[column] = system[row][size] - sum(free, Fraction(0))
    return answer
