"""Loops that gather rows of comparisons into cells, and cells into fewer cells.

A *cell* is a pair with what is told apart, packed into two whole numbers whose order is the order of cells:
``high = voter·2³² + group`` and ``low = first·2³² + second·4 + order + 1``, with ``first < second``, and three values:
how often the first won, the second won, and neither did. Columns of rows may be empty arrays: every row then has
code 0, no tie, weight 1, and stands for one row (``times``). Codes of -1, a tie of -1, an order of -2 and a weight
below 0 say that the value is missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Codes = NDArray[Any]
Bools = NDArray[np.bool_]
Values = NDArray[Any]
Cells = tuple[Ints, Ints, Values]


@jit
def _defect(winner: Any, loser: Any, tie: Any, order: Any, voter: Any, group: Any, weight: Any) -> int:
    """0 for a row that can be used, else the first of its defects, in the order of the arguments; 8 where a = a."""
    if winner >= 0 and loser >= 0 and tie >= 0 and order >= -1 and voter >= 0 and group >= 0 and weight >= 0:
        return 8 if winner == loser else 0
    if winner < 0:
        return 1
    if loser < 0:
        return 2
    if tie < 0:
        return 3
    if order < -1:
        return 4
    if voter < 0:
        return 5
    return 6 if group < 0 else 7


@jit
def tally_dense(
    winner: Codes, loser: Codes, tie: Codes, order: Codes, voter: Codes, group: Codes, weight: Values, times: Ints,
    alternatives: Bools, groups: Bools, defects: Ints, table: Values, size: int, orders: int, kinds: int,
) -> None:  # fmt: skip
    """Add rows to ``table``, indexed ``[group, winner, loser, order, tied]`` (flat), in place.

    ``size`` is the length of the second and third axis; those of order and of ties have length 1 where they are not
    told apart, else 3 and 2. Marks in ``alternatives`` and ``groups`` which codes were used, and counts in
    ``defects[1:]`` rows that were not (``defects[0]`` counts those that were). Places are found for a block of rows at
    a time and then visited, so that the processor fetches many at once.
    """
    one = weight.dtype.type(1)
    shift = 1 if orders == 3 else 0
    block = 4096
    place = np.empty(block, np.uint64)
    amount = np.empty(block if len(weight) > 0 else 0, weight.dtype)
    for start in range(0, len(winner), block):
        used = 0
        for row in range(start, min(start + block, len(winner))):
            a, b = np.int64(winner[row]), np.int64(loser[row])
            t = np.int64(tie[row]) if len(tie) > 0 else 0
            o = np.int64(order[row]) if len(order) > 0 else 0
            v = np.int64(voter[row]) if len(voter) > 0 else 0
            g = np.int64(group[row]) if len(group) > 0 else 0
            heavy = weight[row] if len(weight) > 0 else one
            defect = _defect(a, b, t, o, v, g, heavy)
            if defect != 0:
                defects[defect] += times[row] if len(times) > 0 else 1
                continue
            if len(times) > 0:
                defects[0] += times[row]
            place[used] = np.uint64((((g * size + a) * size + b) * orders + o + shift) * kinds + t)
            if len(weight) > 0:
                amount[used] = heavy
            used += 1
            alternatives[a] = True
            alternatives[b] = True
            groups[g] = True
        if len(times) == 0:
            defects[0] += used
        if len(weight) > 0:
            for row in range(used):
                table[place[row]] += amount[row]
        else:
            for row in range(used):
                table[place[row]] += 1


@jit
def cells_of(table: Values, alternatives: Ints, groups: Ints) -> Cells:
    """The cells of a table of five axes: those of the codes listed, which become 0, 1, … in the order of the list."""
    size, orders, kinds = len(alternatives), table.shape[3], table.shape[4]
    most = len(groups) * size * (size - 1) // 2 * orders
    low, high = np.empty(most, np.int64), np.empty(most, np.int64)
    values = np.empty((most, 3), table.dtype)
    met = 0
    for g in range(len(groups)):
        h = groups[g]
        for i in range(size):
            a = alternatives[i]
            for j in range(i + 1, size):
                b = alternatives[j]
                for o in range(orders):
                    mirrored = orders - 1 - o
                    ahead, behind = table[h, a, b, o, 0], table[h, b, a, mirrored, 0]
                    neither = ahead - ahead
                    if kinds == 2:
                        neither = table[h, a, b, o, 1] + table[h, b, a, mirrored, 1]
                    if ahead + behind + neither > 0:
                        low[met] = (i << 32) + (j << 2) + (o if orders == 3 else 1)
                        high[met] = g
                        values[met, 0], values[met, 1], values[met, 2] = ahead, behind, neither
                        met += 1
    return low[:met], high[:met], values[:met]


@jit
def pack(
    winner: Codes, loser: Codes, tie: Codes, order: Codes, voter: Codes, group: Codes, weight: Values, times: Ints,
    alternatives: Bools, voters: Bools, groups: Bools, defects: Ints, kind: Values,
) -> Cells:  # fmt: skip
    """A cell for each row that can be used, with values in the type of ``kind``; marks and counts as above."""
    rows = len(winner)
    low, high = np.empty(rows, np.int64), np.empty(rows, np.int64)
    values = np.zeros((rows, 3), kind.dtype)
    one = weight.dtype.type(1)
    used = 0
    for row in range(rows):
        a, b = np.int64(winner[row]), np.int64(loser[row])
        t = tie[row] if len(tie) > 0 else np.int8(0)
        o = np.int64(order[row]) if len(order) > 0 else 0
        v = np.int64(voter[row]) if len(voter) > 0 else 0
        g = np.int64(group[row]) if len(group) > 0 else 0
        heavy = weight[row] if len(weight) > 0 else one
        defect = _defect(a, b, t, o, v, g, heavy)
        defects[defect] += times[row] if len(times) > 0 else 1
        if defect != 0:
            continue
        column = 2 if t == 1 else 0
        if a > b:
            a, b, o, column = b, a, -o, column | 1
        low[used] = (a << 32) + (b << 2) + o + 1
        high[used] = (v << 32) + g
        values[used, min(column, 2)] = heavy
        alternatives[a] = True
        alternatives[b] = True
        voters[v] = True
        groups[g] = True
        used += 1
    return low[:used], high[:used], values[:used]


@jit
def pack_keys(
    winner: Codes, loser: Codes, tie: Codes, order: Codes, voter: Codes, group: Codes, weight: Values, times: Ints,
    alternatives: Bools, voters: Bools, groups: Bools, defects: Ints, size: int, shares: int,
) -> tuple[Ints, Values]:  # fmt: skip
    """The same with cell and outcome in one number, of which the largest must stay below 2⁶³, and its weight.

    The number is ``(((voter·shares + group)·size + first)·size + second)·16 + 4·(order + 1) + outcome``.
    """
    rows = len(winner)
    keys = np.empty(rows, np.int64)
    kept = np.empty(rows if len(weight) > 0 else 0, weight.dtype)
    one = weight.dtype.type(1)
    used = 0
    for row in range(rows):
        a, b = np.int64(winner[row]), np.int64(loser[row])
        t = tie[row] if len(tie) > 0 else np.int8(0)
        o = np.int64(order[row]) if len(order) > 0 else 0
        v = np.int64(voter[row]) if len(voter) > 0 else 0
        g = np.int64(group[row]) if len(group) > 0 else 0
        heavy = weight[row] if len(weight) > 0 else one
        defect = _defect(a, b, t, o, v, g, heavy)
        defects[defect] += times[row] if len(times) > 0 else 1
        if defect != 0:
            continue
        column = 2 if t == 1 else 0
        if a > b:
            a, b, o, column = b, a, -o, column | 1
        keys[used] = ((((v * shares + g) * size + a) * size + b) << 4) + ((o + 1) << 2) + min(column, 2)
        if len(weight) > 0:
            kept[used] = heavy
        alternatives[a] = True
        alternatives[b] = True
        voters[v] = True
        groups[g] = True
        used += 1
    return keys[:used], kept[: min(used, len(kept))]


@jit
def gather_keys(keys: Ints, weight: Values, size: int, shares: int, kind: Values) -> Cells:
    """The cells of rows packed by ``pack_keys``, in rising order: dealt out by digits of 11 bits, then added up."""
    rows = len(keys)
    differ = np.int64(0)
    for key in keys:
        differ |= key ^ keys[0]
    weighted = len(weight) > 0
    for shift in range(0, 63, 11):
        if (differ >> shift) & 2047 == 0:
            continue
        place = np.zeros(2049, np.int64)
        for key in keys:
            place[((key >> shift) & 2047) + 1] += 1
        for digit in range(2048):
            place[digit + 1] += place[digit]
        dealt, heavy = np.empty(rows, np.int64), np.empty(len(weight), weight.dtype)
        for row in range(rows):
            key = keys[row]
            digit = (key >> shift) & 2047
            at = place[digit]
            place[digit] = at + 1
            dealt[at] = key
            if weighted:
                heavy[at] = weight[row]
        keys, weight = dealt, heavy
    cells = 0
    for row in range(rows):
        cells += row == 0 or keys[row] >> 2 != keys[row - 1] >> 2
    low, high = np.empty(cells, np.int64), np.empty(cells, np.int64)
    values = np.zeros((cells, 3), kind.dtype)
    at, last = -1, np.int64(-1)
    for row in range(rows):
        key = keys[row]
        if key >> 2 != last:
            # a cell without weight is overwritten by the next
            if at < 0 or values[at, 0] + values[at, 1] + values[at, 2] > 0:
                at += 1
            last = key >> 2
            pair = last >> 2
            second, rest = pair % size, pair // size
            first, upper = rest % size, rest // size
            low[at] = (first << 32) + (second << 2) + (last & 3)
            high[at] = ((upper // shares) << 32) + upper % shares
        values[at, key & 3] += weight[row] if weighted else 1
    if at >= 0 and not values[at, 0] + values[at, 1] + values[at, 2] > 0:
        at -= 1
    return low[: at + 1], high[: at + 1], values[: at + 1]


@jit
def is_sorted(low: Ints, high: Ints) -> bool:
    """Whether cells are in strictly rising order."""
    for cell in range(1, len(low)):
        if high[cell] < high[cell - 1] or (high[cell] == high[cell - 1] and low[cell] <= low[cell - 1]):
            return False
    return True


@jit
def arrange(low: Ints, high: Ints, by_low: bool) -> tuple[Ints, Ints, Ints]:
    """Cells sorted, and where each was: dealt out, stable, by the digits of 11 bits in which their numbers differ.

    Without ``by_low`` by ``high`` alone, which is enough where those of one ``high`` are in order among themselves.
    """
    cells = len(low)
    row = np.arange(cells)
    for upper in (False, True):
        if not upper and not by_low:
            continue
        differ = np.int64(0)
        for value in high if upper else low:
            differ |= value ^ (high[0] if upper else low[0])
        for shift in range(0, 63, 11):
            if (differ >> shift) & 2047 == 0:
                continue
            key = high if upper else low
            place = np.zeros(2049, np.int64)
            for value in key:
                place[((value >> shift) & 2047) + 1] += 1
            for digit in range(2048):
                place[digit + 1] += place[digit]
            new_low, new_high, new_row = np.empty(cells, np.int64), np.empty(cells, np.int64), np.empty(cells, np.int64)
            for at in range(cells):
                digit = (key[at] >> shift) & 2047
                to = place[digit]
                place[digit] = to + 1
                new_low[to], new_high[to], new_row[to] = low[at], high[at], row[at]
            low, high, row = new_low, new_high, new_row
    return low, high, row


@jit
def collapse(low: Ints, high: Ints, values: Values, row: Ints) -> Cells:
    """Sorted cells with the values in ``row``, equal ones added up, those of total 0 left out."""
    out_low, out_high = np.empty_like(low), np.empty_like(high)
    out = np.empty_like(values)
    at = -1
    for cell in range(len(low)):
        won, lost, tied = values[row[cell], 0], values[row[cell], 1], values[row[cell], 2]
        if at >= 0 and out_low[at] == low[cell] and out_high[at] == high[cell]:
            out[at, 0] += won
            out[at, 1] += lost
            out[at, 2] += tied
        else:
            if at < 0 or out[at, 0] + out[at, 1] + out[at, 2] > 0:
                at += 1
            out_low[at], out_high[at] = low[cell], high[cell]
            out[at, 0], out[at, 1], out[at, 2] = won, lost, tied
    if at >= 0 and not out[at, 0] + out[at, 1] + out[at, 2] > 0:
        at -= 1
    return out_low[: at + 1].copy(), out_high[: at + 1].copy(), out[: at + 1].copy()


@jit
def merge(low: Ints, high: Ints, values: Values, low2: Ints, high2: Ints, values2: Values) -> Cells:
    """Two lists of cells in rising order, with values of one type, as one; equal cells are added up."""
    length, length2 = len(low), len(low2)
    i, j, both = 0, 0, 0
    while i < length and j < length2:
        same = high[i] == high2[j] and low[i] == low2[j]
        ahead = high[i] < high2[j] or (high[i] == high2[j] and low[i] < low2[j])
        both += same
        i += same or ahead
        j += not ahead
    cells = length + length2 - both
    out_low, out_high, out = np.empty(cells, np.int64), np.empty(cells, np.int64), np.empty((cells, 3), values.dtype)
    i, j = 0, 0
    for at in range(cells):
        same = i < length and j < length2 and high[i] == high2[j] and low[i] == low2[j]
        if same:
            out_low[at], out_high[at] = low[i], high[i]
            for column in range(3):
                out[at, column] = values[i, column] + values2[j, column]
            i += 1
            j += 1
        elif j == length2 or (i < length and (high[i] < high2[j] or (high[i] == high2[j] and low[i] < low2[j]))):
            out_low[at], out_high[at] = low[i], high[i]
            for column in range(3):
                out[at, column] = values[i, column]
            i += 1
        else:
            out_low[at], out_high[at] = low2[j], high2[j]
            for column in range(3):
                out[at, column] = values2[j, column]
            j += 1
    return out_low, out_high, out


@jit
def look_up(numbers: Codes, base: int, table: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """``table[numbers - base]``, and how many of those are below 0."""
    out = np.empty(len(numbers), np.int32)
    unknown = 0
    for row in range(len(numbers)):
        code = table[np.int64(numbers[row]) - base]
        out[row] = code
        unknown += code < 0
    return out, unknown
