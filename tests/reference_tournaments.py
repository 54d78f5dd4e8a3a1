"""Slow twins of the rules on who beats whom and of lotteries, straight from the definitions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, combinations, permutations

Matrix = Sequence[Sequence[float]]
Order = tuple[int, ...]


def subsets(size: int) -> Iterator[Order]:
    """All non-empty sets, small ones first."""
    return chain.from_iterable(combinations(range(size), count) for count in range(1, size + 1))


def smith(margin: Matrix) -> set[int]:
    """The first set, small ones first, whose members beat every outsider."""
    size = len(margin)
    for some in subsets(size):
        if all(margin[a][b] > 0 for a in some for b in range(size) if b not in some):
            return set(some)
    raise AssertionError("the set of all is dominant")


def schwartz(margin: Matrix) -> set[int]:
    """The union of the minimal sets that no outsider beats a member of."""
    size = len(margin)
    undominated = [
        set(some)
        for some in subsets(size)
        if not any(margin[b][a] > 0 for a in some for b in range(size) if b not in some)
    ]
    minimal = [some for some in undominated if not any(other < some for other in undominated)]
    return set().union(*minimal)


def covers(margin: Matrix, a: int, b: int, covering: str) -> bool:
    """Whether a covers b."""
    everyone = range(len(margin))
    beats = margin[a][b] > 0
    gillies = beats and all(margin[c][b] > 0 for c in everyone if margin[c][a] > 0)
    bordes = beats and all(margin[c][b] >= 0 for c in everyone if margin[c][a] >= 0)
    if covering == "fishburn":
        above_a = {c for c in everyone if margin[c][a] > 0}
        above_b = {c for c in everyone if margin[c][b] > 0}
        return above_a < above_b
    return {"gillies": gillies, "bordes": bordes, "mckelvey": gillies and bordes}[covering]


def uncovered_set(margin: Matrix, covering: str) -> set[int]:
    everyone = range(len(margin))
    return {b for b in everyone if not any(covers(margin, a, b, covering) for a in everyone)}


def banks(margin: Matrix) -> set[int]:
    """The tops of the chains that are no part of a longer one."""
    size = len(margin)
    chains = [
        order
        for some in subsets(size)
        for order in permutations(some)
        if all(margin[a][b] > 0 for a, b in combinations(order, 2))
    ]
    sets = [set(order) for order in chains]
    return {order[0] for order, some in zip(chains, sets, strict=True) if not any(some < another for another in sets)}


def corners(margin: Matrix) -> list[list[Fraction]]:
    """The corners of the set of maximal lotteries, exactly: solutions of size − 1 tight constraints and a sum of 1."""
    size = len(margin)
    game = [[Fraction(value) for value in row] for row in margin]
    unit = [[Fraction(int(a == b)) for a in range(size)] for b in range(size)]
    # p·row ≥ 0 for every row
    rows = unit + [[game[a][b] for a in range(size)] for b in range(size)]
    found = []
    for tight in combinations(rows, size - 1):
        point = solve([*tight, [Fraction(1)] * size], [Fraction(0)] * (size - 1) + [Fraction(1)])
        if (
            point is not None
            and point not in found
            and all(sum(p * r for p, r in zip(point, row, strict=True)) >= 0 for row in rows)
        ):
            found.append(point)
    return found


def solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction] | None:
    """The only solution of a square system, or none."""
    size = len(matrix)
    table = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for k in range(size):
        pivot = next((row for row in range(k, size) if table[row][k] != 0), None)
        if pivot is None:
            return None
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [value / table[k][k] for value in table[k]]
        for row in range(size):
            if row != k and table[row][k] != 0:
                table[row] = [x - table[row][k] * y for x, y in zip(table[row], table[k], strict=True)]
    return [row[-1] for row in table]


def entropy_slope(lottery: Sequence[float], towards: Sequence[Fraction]) -> float:
    """How fast −Σ p log p rises from a lottery towards another one with the same support or a smaller one."""
    return sum(
        -(float(other) - p) * math.log(p) for p, other in zip(lottery, towards, strict=True) if p > 0 or other > 0
    )


def keeps(ballot: Sequence[int], left: frozenset[int], unranked: str) -> frozenset[int]:
    """What a voter puts nothing above, of what is left."""

    def above(a: int, b: int) -> bool:
        if ballot[a] < 0 or (ballot[b] < 0 and unranked == "absent"):
            return False
        return ballot[b] < 0 or ballot[a] < ballot[b]

    return frozenset(a for a in left if not any(above(b, a) for b in left))


def random_serial_dictatorship(ballots: Sequence[Sequence[int]], voters: Sequence[int], unranked: str) -> list[float]:
    """The mean over all orders of the voters; each of ``voters`` is how many cast the ballot."""
    size = len(ballots[0])
    single = [ballot for ballot, count in zip(ballots, voters, strict=True) for _ in range(count)]
    total = [Fraction(0)] * size
    for order in permutations(single):
        left = frozenset(range(size))
        for ballot in order:
            left = keeps(ballot, left, unranked)
        for a in left:
            total[a] += Fraction(1, len(left))
    return [float(value / math.factorial(len(single))) for value in total]
