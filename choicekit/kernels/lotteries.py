"""Loops for lotteries: symmetric zero-sum games ``[b, m, m]`` and serial dictators on ballots ``[n, m]``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]


@jit
def equilibria(games: Floats, tolerance: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Optimal strategies ``[b, m]`` of games whose largest entry is about 1, and whether each is proved the only one.

    It is where every alternative outside its support loses to it, and only one strategy on its support is level with
    all of that: entries of less than ``tolerance`` count for zero there. Rows that are not proved are of no use.
    """
    batch, size, _ = games.shape
    out = np.zeros((batch, size))
    proved = np.zeros(batch, np.bool_)
    support = np.zeros(size, np.int64)
    for b in range(batch):
        game = games[b]
        for a in range(size):
            wins = 0
            for c in range(size):
                wins += int(game[a, c] > tolerance)
            if wins == size - 1:
                out[b, a] = 1.0
                proved[b] = True
        if not proved[b]:
            count = basis(game, support)
            if count:
                proved[b] = level_on(game, support[:count], tolerance, out[b])
    return out, proved


@jit
def basis(game: Floats, support: Any) -> int:
    """The support of an optimal strategy, by the simplex method on max Σy, (G + 2) y ≤ 1, y ≥ 0: its size, 0 if that
    stalls."""
    size = len(game)
    # One column a variable out of the basis, one row a variable in it; the last row is the objective.
    table = np.zeros((size + 1, size + 1))
    inside, outside = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for i in range(size):
        for j in range(size):
            table[i, j] = game[i, j] + 2.0
        table[i, size] = 1.0
        table[size, i] = -1.0
        inside[i], outside[i] = size + i, i
    for _ in range(20 + 10 * size):
        column = 0
        for j in range(size):
            if table[size, j] < table[size, column]:
                column = j
        if table[size, column] >= -1e-12:
            return chosen(inside, table, support)
        row = leaving(inside, table, column)
        if row < 0:
            return 0
        exchange(table, row, column)
        inside[row], outside[column] = outside[column], inside[row]
    return 0


@jit
def chosen(inside: NDArray[np.int64], table: Floats, support: Any) -> int:
    """Into ``support`` the variables of the game in the basis that are not 0; how many."""
    size = len(inside)
    count = 0
    for variable in range(size):
        for i in range(size):
            if inside[i] == variable and table[i, size] > 1e-12:
                support[count] = variable
                count += 1
    return count


@jit
def leaving(inside: NDArray[np.int64], table: Floats, column: int) -> int:
    """The row whose variable reaches 0 first as that of the column grows, of ties the first variable; −1 for none."""
    size = len(inside)
    row, least = -1, np.inf
    for i in range(size):
        if table[i, column] > 1e-11:
            ratio = table[i, size] / table[i, column]
            if ratio < least - 1e-14 or (ratio <= least + 1e-14 and inside[i] < inside[row]):
                row, least = i, ratio
    return row


@jit
def exchange(table: Floats, row: int, column: int) -> None:
    """One step of the simplex method: the variables of a row and a column change places."""
    size = len(table)
    pivot = table[row, column]
    for i in range(size):
        if i != row:
            factor = table[i, column] / pivot
            if factor != 0.0:
                for j in range(size):
                    table[i, j] -= factor * table[row, j]
            table[i, column] = -factor
    for j in range(size):
        table[row, j] /= pivot
    table[row, column] = 1.0 / pivot


@jit
def level_on(game: Floats, support: Any, tolerance: float, out: Any) -> bool:
    """Write the strategy on a support that is level with all of it; whether it is the only one and beats the rest."""
    count = len(support)
    block = np.zeros((count, count))
    order = np.zeros(count, np.int64)
    for i in range(count):
        order[i] = i
        for j in range(count):
            block[i, j] = game[support[j], support[i]]
    for k in range(count - 1):  # elimination; the largest entry left is the pivot
        row, column, largest = k, k, 0.0
        for i in range(k, count):
            for j in range(k, count):
                if abs(block[i, j]) > largest:
                    row, column, largest = i, j, abs(block[i, j])
        if largest <= tolerance:
            return False
        for j in range(count):
            block[k, j], block[row, j] = block[row, j], block[k, j]
        for i in range(count):
            block[i, k], block[i, column] = block[i, column], block[i, k]
        order[k], order[column] = order[column], order[k]
        for i in range(k + 1, count):
            factor = block[i, k] / block[k, k]
            for j in range(k, count):
                block[i, j] -= factor * block[k, j]
    if abs(block[count - 1, count - 1]) > tolerance:
        return False
    level = np.ones(count)
    total = 1.0
    for k in range(count - 2, -1, -1):
        above = 0.0
        for j in range(k + 1, count):
            above += block[k, j] * level[j]
        level[k] = -above / block[k, k]
        total += level[k]
    for k in range(count):
        out[support[order[k]]] = level[k] / total
    return beats_the_rest(game, out, tolerance)


@jit
def beats_the_rest(game: Floats, strategy: Any, tolerance: float) -> bool:
    """Whether each alternative is either in the support and level with the strategy, or outside and loses to it."""
    for c in range(len(game)):
        payoff = 0.0
        for a in range(len(game)):
            payoff += strategy[a] * game[a, c]
        if strategy[c] > tolerance:
            if abs(payoff) > tolerance:
                return False
        elif strategy[c] != 0.0 or payoff <= tolerance:
            return False
    return True


@jit
def best_left(ballot: Any, left: NDArray[np.bool_], absent: bool, out: NDArray[np.bool_]) -> bool:
    """Into ``out`` what the ballot puts nothing above among what is left; whether that is less than all."""
    best = -1
    for a in range(len(left)):
        if left[a] and ballot[a] >= 0 and (best < 0 or ballot[a] < best):
            best = ballot[a]
    fewer = False
    for a in range(len(left)):
        keep = left[a] and (best < 0 or ballot[a] == best or (absent and ballot[a] < 0))
        out[a] = keep
        fewer = fewer or (left[a] and not keep)
    return fewer


@jit
def drawn(cumulative: Floats, uniform: float) -> int:
    """The first place where a cumulative sum exceeds a share of its last value."""
    low, high = 0, len(cumulative) - 1
    aim = uniform * cumulative[high]
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > aim:
            high = middle
        else:
            low = middle + 1
    return low


@jit
def serial_dictators(
    ballots: Any, cumulative: Floats, absent: bool, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Sums ``[m]`` over draws of the shares in what serial dictators leave, and of their squares.

    The next dictator is drawn in proportion to weight among all ballots; one that was drawn before, or is level among
    what is left, changes nothing. After a run of such draws the ballots that would change something are looked for.
    """
    voters, size = ballots.shape
    total, squares = np.zeros(size), np.zeros(size)
    left, kept = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    changing = np.zeros(voters)
    for _ in range(draws):
        left[:] = True
        idle, many = 0, size
        while many > 1:
            if idle < 20:
                ballot = drawn(cumulative, rng.random())
            else:
                weight = 0.0
                for v in range(voters):
                    own = cumulative[v] - (cumulative[v - 1] if v else 0.0)
                    if own > 0 and best_left(ballots[v], left, absent, kept):
                        weight += own
                    changing[v] = weight
                if weight == 0:
                    break
                ballot = drawn(changing, rng.random())
            if best_left(ballots[ballot], left, absent, kept):
                many, idle = 0, 0
                for a in range(size):
                    left[a] = kept[a]
                    many += int(kept[a])
            else:
                idle += 1
        for a in range(size):
            if left[a]:
                total[a] += 1.0 / many
                squares[a] += 1.0 / (many * many)
    return total, squares
