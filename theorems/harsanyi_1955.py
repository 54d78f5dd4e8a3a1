"""If all value lotteries by expected utility, a society indifferent where all its members are weighs and adds theirs.

Source: Harsanyi 1955 (doi:10.1086/257678).

Scope: 300 drawn societies of two or three members over five outcomes, with whole utilities, in exact fractions. In each
either weights W = Σ λᵢ Uᵢ + c are found, or two lotteries between which all members are indifferent and society is
not; likewise for weights of at least 0 and lotteries that all like at least as well and society likes less. Every
answer is a certificate that arithmetic alone confirms; that one of the two always exists is Farkas' lemma.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

import choicekit as ck
from choicekit import rules, solvers

METHOD = ("LP", "witness")
Exact = list[Fraction]


def _eliminated(rows: Sequence[Sequence[int | Fraction]]) -> tuple[list[Exact], list[int]]:
    """The reduced echelon form of a matrix in fractions, and its pivot columns."""
    table = [[Fraction(x) for x in row] for row in rows]
    pivots: list[int] = []
    for column in range(len(table[0])):
        here = next((r for r in range(len(pivots), len(table)) if table[r][column]), None)
        if here is None:
            continue
        top = len(pivots)
        table[top], table[here] = table[here], table[top]
        table[top] = [x / table[top][column] for x in table[top]]
        for r in range(len(table)):
            if r != top and table[r][column]:
                table[r] = [x - table[r][column] * y for x, y in zip(table[r], table[top], strict=True)]
        pivots.append(column)
    return table, pivots


def _dot(one: Sequence[int | Fraction], other: Sequence[int | Fraction]) -> Fraction:
    return sum((Fraction(x) * y for x, y in zip(one, other, strict=True)), Fraction(0))


def _weights(members: list[list[int]], society: list[int]) -> Exact | None:
    """λ and c with Σ λᵢ Uᵢ + c = W, where there are any."""
    columns = [*members, [1] * len(society)]
    table, pivots = _eliminated([[*row, w] for *row, w in zip(*columns, society, strict=True)])
    if len(columns) in pivots:
        return None
    found = [Fraction(0)] * len(columns)
    for row, column in zip(table, pivots, strict=False):
        found[column] = row[-1]
    return found


def _conflict(members: list[list[int]], society: list[int]) -> Exact:
    """A direction along which no member's utility, nor the total, changes and society's grows by 1."""
    rows = [[*member, 0] for member in (*members, [1] * len(society))] + [[*society, 1]]
    table, pivots = _eliminated(rows)
    found = [Fraction(0)] * len(society)
    for row, column in zip(table, pivots, strict=False):
        found[column] = row[-1]
    return found


def _lotteries(direction: Exact) -> tuple[Exact, Exact]:
    """Two lotteries that differ by a multiple of a direction that sums to 0."""
    size = sum(x for x in direction if x > 0)
    return [max(x, Fraction(0)) / size for x in direction], [max(-x, Fraction(0)) / size for x in direction]


def _drawn(seed: int, draws: int, lowest: int) -> list[tuple[list[list[int]], list[int]]]:
    """Societies, of which half add up with weights from ``lowest`` to 4 and half value outcomes anyhow."""
    rng = np.random.default_rng(seed)
    found = []
    for draw in range(draws):
        members = rng.integers(0, 10, (2 + draw % 2, 5))
        added = rng.integers(lowest, 5, len(members)) @ members + rng.integers(-3, 4)
        found.append((members.tolist(), (added if draw < draws // 2 else rng.integers(0, 10, 5)).tolist()))
    return found


def claim_a_society_adds_up_or_two_lotteries_part_it_from_its_members() -> None:
    """In 200 draws there are weights, or lotteries that all members hold equal and society does not."""
    added = 0
    for members, society in _drawn(1955, 200, -4):
        found = _weights(members, society)
        if found is not None:
            added += 1
            sums = [_dot(found, [*column, 1]) for column in zip(*members, strict=True)]
            assert sums == society, f"{members}, {society}: the weights {found} do not add up"
            continue
        p, q = _lotteries(_conflict(members, society))
        assert sum(p) == sum(q) == 1, f"{p} and {q} are no lotteries"
        assert all(_dot(p, member) == _dot(q, member) for member in members), f"{members}: not indifferent"
        assert _dot(p, society) != _dot(q, society), f"{society}: society is indifferent too"
    assert 100 <= added < 150, f"{added} societies add up"


def claim_weights_are_at_least_zero_or_somebody_is_overruled() -> None:
    """In 100 draws there are weights ≥ 0, or lotteries that no member likes less and society does."""
    both = [0, 0]
    for members, society in _drawn(1956, 100, -1):
        found = _weights(members, society)
        agreed = found is not None and min(found[:-1]) >= 0
        both[agreed] += 1
        if agreed:
            continue
        better, size = np.array(members, np.float64), len(society)
        direction = solvers.linear_program(  # a direction that no member minds and society does
            np.zeros(size), at_most=(-better, np.zeros(len(better))),
            equal=(np.array([[1] * size, society]), [0.0, -1.0]), bounds=[(None, None)] * size,
        )  # fmt: skip
        exact = [Fraction(x).limit_denominator(10**6) for x in direction.tolist()]
        p, q = _lotteries(exact)
        assert sum(p) == sum(q) == 1, f"{p} and {q} are no lotteries"
        assert all(_dot(p, member) >= _dot(q, member) for member in members), f"{members}: somebody minds {exact}"
        assert _dot(p, society) < _dot(q, society), f"{society}: society does not mind {exact}"
    assert min(both) >= 20, f"with and without weights: {both}"


def claim_the_worked_example() -> None:
    """W = 2U₁ + 3U₂ + 4 gives back 2, 3, 4 and utilitarian order; 1, 1, 6/5, 3/20 does not add up, by lotteries."""
    members = [[0, 20, 10, 4], [20, 0, 14, 2]]  # in twentieths
    society = [2 * x + 3 * y + 80 for x, y in zip(*members, strict=True)]
    found = _weights(members, society)
    assert found == [Fraction(2), Fraction(3), Fraction(80)], f"weights {found}"
    scores = rules.utilitarian(ck.Utilities(members, weights=[2, 3])).scores
    assert np.argsort(scores).tolist() == np.argsort(society).tolist(), f"utilitarian scores {scores}"
    other = [20, 20, 24, 3]
    assert _weights(members, other) is None, "the other society adds up"
    p = [Fraction(17, 30), Fraction(13, 30), Fraction(0), Fraction(0)]
    q = [Fraction(0), Fraction(0), Fraction(7, 9), Fraction(2, 9)]
    assert [_dot(p, member) - _dot(q, member) for member in members] == [0, 0], "a member is not indifferent"
    assert _dot(p, other) - _dot(q, other) == Fraction(20, 30), "society's difference is not 1/30 of its unit"
