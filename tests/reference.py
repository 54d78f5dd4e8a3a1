"""Slow twins of the kernels and rules, straight from the definitions: Python loops over lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, permutations

# --- Voting: ballots are lists of ranks (0 best, equal tied, -1 unranked), each with a weight -------------------------

Ballots = Sequence[Sequence[int]]
Matrix = Sequence[Sequence[float]]


def above(ballot: Sequence[int], a: int, b: int) -> bool:
    """Whether a ballot puts a above b: the ranked are above the unranked."""
    if ballot[a] == -1:
        return False
    return ballot[b] == -1 or ballot[a] < ballot[b]


def margins(ballots: Ballots, weights: Sequence[float]) -> list[list[float]]:
    """The weight with a above b minus the weight with b above a."""
    size = len(ballots[0])
    out = [[0.0] * size for _ in range(size)]
    for a in range(size):
        for b in range(size):
            for ballot, weight in zip(ballots, weights, strict=True):
                if above(ballot, a, b):
                    out[a][b] += weight
                elif above(ballot, b, a):
                    out[a][b] -= weight
    return out


def plurality(ballots: Ballots, weights: Sequence[float]) -> list[float]:
    """One vote a ballot, shared by the ranked alternatives that nothing is above."""
    size = len(ballots[0])
    scores = [0.0] * size
    for ballot, weight in zip(ballots, weights, strict=True):
        first = [a for a in range(size) if ballot[a] != -1 and not any(above(ballot, b, a) for b in range(size))]
        for a in first:
            scores[a] += weight / len(first)
    return scores


def borda(ballots: Ballots, weights: Sequence[float]) -> list[float]:
    """A point for each alternative below, half a point for each that is neither below nor above."""
    size = len(ballots[0])
    scores = [0.0] * size
    for ballot, weight in zip(ballots, weights, strict=True):
        for a in range(size):
            for b in range(size):
                if above(ballot, a, b):
                    scores[a] += weight
                elif b != a and not above(ballot, b, a):
                    scores[a] += weight / 2
    return scores


def copeland(margin: Matrix) -> list[float]:
    """A point for each alternative beaten, half a point for each tie."""
    size = len(margin)
    points = {True: 1.0, False: 0.0}
    return [
        sum(0.5 if margin[a][b] == 0 else points[margin[a][b] > 0] for b in range(size) if b != a) for a in range(size)
    ]


def minimax(margin: Matrix) -> list[float]:
    """Minus the largest defeat."""
    size = len(margin)
    return [-max([margin[b][a] for b in range(size) if margin[b][a] > 0], default=0.0) for a in range(size)]


def widest_path(margin: Matrix, start: int, end: int) -> float:
    """The strength of the strongest of all simple paths of positive margins, 0 where there is none."""
    others = [a for a in range(len(margin)) if a not in (start, end)]
    best = 0.0
    for length in range(len(others) + 1):
        for middle in permutations(others, length):
            path = [start, *middle, end]
            best = max(best, min(margin[a][b] for a, b in pairwise(path)))
    return best


def schulze(margin: Matrix) -> list[float]:
    """Minus the number of alternatives with a strictly stronger path to it than it has back."""
    size = len(margin)
    return [
        -float(sum(widest_path(margin, b, a) > widest_path(margin, a, b) for b in range(size) if b != a))
        for a in range(size)
    ]


def condorcet_winner(margin: Matrix) -> int | None:
    """The alternative that beats every other."""
    size = len(margin)
    for a in range(size):
        if all(margin[a][b] > 0 for b in range(size) if b != a):
            return a
    return None


def is_maximal_lottery(probabilities: Sequence[float], margin: Matrix, tolerance: float = 1e-7) -> bool:
    """Whether these are probabilities and no alternative is preferred to the lottery in expectation."""
    size = len(margin)
    largest = max(abs(entry) for row in margin for entry in row)
    expected = [sum(probabilities[a] * margin[a][b] for a in range(size)) for b in range(size)]
    proper = min(probabilities) >= 0 and abs(sum(probabilities) - 1) < 1e-9
    return proper and min(expected) >= -tolerance * largest


# --- Luce models: rows are (winner, loser, weight, tie) over alternatives 0, 1, … ------------------------------------

Row = tuple[int, int, float, bool]


def luce_loglik(rows: Sequence[Row], scores: Sequence[float]) -> float:
    """Σ over rows of the log-probability of what was said, a tie as half a win each way."""
    total = 0.0
    for winner, loser, weight, tie in rows:
        forward = -math.log1p(math.exp(scores[loser] - scores[winner]))
        backward = -math.log1p(math.exp(scores[winner] - scores[loser]))
        total += weight * ((forward + backward) / 2 if tie else forward)
    return total


def luce_score_equations(rows: Sequence[Row], scores: Sequence[float]) -> list[float]:
    """Wins minus expected wins of each alternative, divided by its comparisons."""
    size = len(scores)
    surplus, met = [0.0] * size, [0.0] * size
    for winner, loser, weight, tie in rows:
        expected = 1 / (1 + math.exp(scores[loser] - scores[winner]))
        won = 0.5 if tie else 1.0
        surplus[winner] += weight * (won - expected)
        surplus[loser] += weight * (expected - won)
        met[winner] += weight
        met[loser] += weight
    return [surplus[a] / met[a] for a in range(size)]


def zermelo(rows: Sequence[Row], size: int, tolerance: float = 1e-13, limit: int = 200_000) -> list[float]:
    """Log-strengths with mean zero by Zermelo's iteration: strength ← wins / Σ comparisons/(sum of strengths)."""
    wins = [0.0] * size
    met = [[0.0] * size for _ in range(size)]
    for winner, loser, weight, tie in rows:
        wins[winner] += weight / 2 if tie else weight
        wins[loser] += weight / 2 if tie else 0.0
        met[winner][loser] += weight
        met[loser][winner] += weight
    strength = [1.0] * size
    for _ in range(limit):
        moved = 0.0
        for a in range(size):
            new = wins[a] / sum(met[a][b] / (strength[a] + strength[b]) for b in range(size) if met[a][b] > 0)
            moved = max(moved, abs(math.log(new / strength[a])))
            strength[a] = new
        if moved < tolerance:
            break
    logs = [math.log(each) for each in strength]
    return [each - sum(logs) / size for each in logs]


def luce_information(rows: Sequence[Row], scores: Sequence[float], step: float = 1e-4) -> list[list[float]]:
    """Minus the matrix of second derivatives of the log-likelihood, by central differences."""
    size = len(scores)

    def at(a: int, da: float, b: int, db: float) -> float:
        moved = list(scores)
        moved[a] += da
        moved[b] += db
        return luce_loglik(rows, moved)

    return [
        [
            -(at(a, step, b, step) - at(a, step, b, -step) - at(a, -step, b, step) + at(a, -step, b, -step))
            / (4 * step * step)
            for b in range(size)
        ]
        for a in range(size)
    ]
