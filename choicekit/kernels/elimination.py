"""Eliminations: alternatives go out round by round, in one course or in every course that ties leave open.

Ballots are ordered as :mod:`choicekit.kernels.positions` says; ``left[m]`` marks the alternatives that remain, and
``margin[m, m]`` are majority margins in which what counts as a tie is 0. ``way`` is how to eliminate, five numbers:
(who goes out, whom to keep before that, whether the tied go out together, what alternatives level on top of a ballot
get, whether the unranked are absent).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.positions import arranged
from choicekit.kernels.runoffs import CLOSE, among, first_places, last_places, schwartz, smith, sums

Floats = NDArray[np.float64]
Ranks = NDArray[Any]
Order = NDArray[np.int32]
Marks = NDArray[np.uint8]
Counts = NDArray[np.int64]
Way = tuple[int, int, int, int, int]
Room = tuple[Marks, Counts, Counts, Counts]

#: Who goes out.
FEWEST_FIRST, MOST_LAST, LEAST_BORDA, BELOW_AVERAGE, NOT_ABOVE_AVERAGE = 0, 1, 2, 3, 4
#: Whom to keep before that; the others go out at once.
ALL, MAJORITY, CONDORCET, SMITH, SCHWARTZ, SMITH_ONCE = 0, 1, 2, 3, 4, 5
#: What alternatives level on top get of a ballot: a share each, the whole each, or nothing of it or of what follows.
SHARED, WHOLE, CUT = 0, 1, 2
#: What becomes of those left: all win; the marked go out; one of the marked does.
WON, OUT, FORK = 0, 1, 2


@jit
def restrict(margin: Floats, left: Marks, keep: int, out: Marks) -> bool:
    """Mark those left that are outside the set to keep; whether there are any."""
    if keep == CONDORCET:
        inside = smith(margin, left)
        if among(inside) > 1:
            return False
    elif keep == SCHWARTZ:
        inside = schwartz(margin, left)
    else:
        inside = smith(margin, left)
    some = False
    for a in range(left.size):
        out[a] = left[a] and not inside[a]
        some = some or out[a] > 0
    return some


@jit
def sure(scores: Floats, left: Marks, close: float, whole: bool, out: Marks) -> bool:
    """Whether the marked, tied for the fewest first places, go out before all others in whatever order they do.

    So they do where they hold fewer votes together than any other alternative, for only votes of theirs move among
    them as they go; perhaps together with the next ones, which are then marked too. Where a ballot counts for several
    alternatives at once that holds only of none at all.
    """
    size = left.size
    marked = np.zeros(size, np.uint8)
    for a in range(size):
        marked[a] = out[a]
    while True:
        together = 0.0
        following = np.inf
        for a in range(size):
            if marked[a]:
                together += scores[a]
            elif left[a]:
                following = min(following, scores[a])
        if following == np.inf or (whole and together > 0.0):
            return False
        if together + close < following:
            for a in range(size):
                out[a] = marked[a]
            return True
        for a in range(size):
            if left[a] and scores[a] <= following + close:
                marked[a] = 1


@jit
def largest(scores: Floats) -> float:
    """The largest size of a score."""
    most = 0.0
    for a in range(scores.size):
        most = max(most, abs(scores[a]))
    return most


@jit
def widest(margin: Floats) -> float:
    """The largest margin."""
    most = 0.0
    for a in range(margin.shape[0]):
        most = max(most, largest(margin[a]))
    return most


@jit
def lowest(scores: Floats, left: Marks, close: float, out: Marks) -> int:
    """Mark those left with the lowest score; how many they are."""
    least = np.inf
    for a in range(left.size):
        if left[a]:
            least = min(least, scores[a])
    tied = 0
    for a in range(left.size):
        out[a] = left[a] and scores[a] <= least + close
        tied += out[a]
    return tied


@jit
def step(
    order: Order, level: Marks, length: Counts, weights: Floats, margin: Floats, left: Marks,
    way: Way, single: bool, scores: Floats, out: Marks,
) -> int:  # fmt: skip
    """What becomes of the alternatives left: all win, those marked in ``out`` go out, or one of them does.

    ``single``: one at a time, although it may be sure that the others marked follow.
    """
    who, keep, together, level_on_top, absent = way
    number = among(left)
    for a in range(left.size):
        out[a] = 0
    if number == 1:
        return WON
    total = 0.0
    if who >= LEAST_BORDA:
        apart = sums(margin, left, scores)
        close = CLOSE * widest(margin)
    else:
        total, apart = first_places(order, level, length, weights, left, level_on_top == WHOLE, scores)
        most = largest(scores)
        close = CLOSE * most
        if keep == MAJORITY and most > 0.5 * total + close:
            for a in range(left.size):
                out[a] = left[a] and scores[a] < most
            return OUT
    if (keep >= CONDORCET and (keep != SMITH_ONCE or number == left.size)) and restrict(margin, left, keep, out):
        return OUT
    if who >= BELOW_AVERAGE:
        for a in range(left.size):
            out[a] = left[a] and scores[a] < (-close if who == BELOW_AVERAGE else close)
        return OUT if 0 < among(out) < number else WON
    if who == MOST_LAST:
        apart = last_places(order, level, length, weights, left, absent > 0, scores) or apart
        close = CLOSE * largest(scores)
    tied = lowest(scores, left, close, out)
    if together:
        return WON if tied == number else OUT
    if tied == 1:
        return OUT
    if not single and not apart:
        return WON
    free = who == FEWEST_FIRST and (keep <= MAJORITY or keep == SMITH_ONCE)
    if free and not single and sure(scores, left, close, level_on_top == WHOLE, out):
        return OUT
    return FORK


@jit
def spot(states: Marks, table: Counts, left: Marks) -> int:
    """Where a state is in the table of known states, or would be."""
    sum_ = np.uint64(14695981039346656037)
    for a in range(left.size):
        sum_ = (sum_ ^ np.uint64(left[a])) * np.uint64(1099511628211)
    end = table.size - 1
    place = int((sum_ ^ (sum_ >> np.uint64(29))) & np.uint64(0x7FFFFFFF)) & end
    while table[place] >= 0:
        same = True
        for a in range(left.size):
            if states[table[place], a] != left[a]:
                same = False
                break
        if same:
            break
        place = (place + 1) & end
    return place


@jit
def room_for(size: int, states: int) -> Room:
    """States, the table of them, those yet to be opened, and where each is in the table."""
    cells = 4
    while cells < 2 * states:
        cells *= 2
    table = np.zeros(cells, np.int64)
    for place in range(cells):
        table[place] = -1
    return np.zeros((states, size), np.uint8), table, np.zeros(states, np.int64), np.zeros(states, np.int64)


@jit
def grown(room: Room, known: int) -> Room:
    """The same with twice the room."""
    more = room_for(room[0].shape[1], 2 * room[0].shape[0])
    for s in range(known):
        more[2][s] = room[2][s]
        for a in range(room[0].shape[1]):
            more[0][s, a] = room[0][s, a]
        place = spot(more[0], more[1], more[0][s])
        more[1][place] = s
        more[3][s] = place
    return more


@jit
def explore(
    order: Order, level: Marks, length: Counts, weights: Floats, margin: Floats,
    way: Way, place: Counts, budget: int, room: Room, won: Floats,
) -> tuple[int, bool, bool, Room]:  # fmt: skip
    """Mark who wins in some course; how many states were opened, whether courses part, whether all were followed.

    ``place[m]`` breaks ties, the alternative with the highest number going out; empty, every way is followed. Past the
    budget the search goes on only until it has found a winner.
    """
    size = won.size
    left = np.zeros(size, np.uint8)
    scores = np.zeros(size)
    out = np.zeros(size, np.uint8)
    states, table, waiting, places = room
    for a in range(size):
        left[a] = 1
        states[0, a] = 1
    places[0] = spot(states, table, left)
    table[places[0]] = 0
    waiting[0] = 0
    known, depth, opened = 1, 1, 0
    forked, found = False, False
    while depth > 0 and (opened < budget or not found):
        if known + size > states.shape[0]:
            states, table, waiting, places = grown((states, table, waiting, places), known)
        depth -= 1
        for a in range(size):
            left[a] = states[waiting[depth], a]
        opened += 1
        what = step(order, level, length, weights, margin, left, way, place.size > 0, scores, out)
        if what == WON:
            found = True
            for a in range(size):
                won[a] = max(won[a], float(left[a]))
            continue
        fork = what == FORK
        if fork and place.size > 0:
            settle(out, place)
            fork = False
        forked = forked or fork
        for a in range(size - 1, -1, -1):
            if fork and not out[a]:
                continue
            for b in range(size):
                if out[b] and (b == a or not fork):
                    left[b] = 0
            where = spot(states, table, left)
            if table[where] < 0:
                table[where] = known
                places[known] = where
                for b in range(size):
                    states[known, b] = left[b]
                waiting[depth] = known
                depth += 1
                known += 1
            if not fork:
                break
            left[a] = 1
    for s in range(known):
        table[places[s]] = -1
    return opened, forked, depth == 0, (states, table, waiting, places)


@jit
def settle(out: Marks, place: Counts) -> None:
    """Leave of the marked only the one that comes last in an order."""
    chosen = -1
    for a in range(out.size):
        if out[a] and (chosen < 0 or place[a] > place[chosen]):
            chosen = a
    for a in range(out.size):
        out[a] = a == chosen


@jit
def prepared(ranks: Ranks, cut: bool, order: Order, level: Marks, length: Counts) -> None:
    """Put ballots in order, ``cut`` before their first tie."""
    arranged(ranks, order, level, length)
    if cut:
        for v in range(length.size):
            for k in range(1, length[v]):
                if level[v, k]:
                    length[v] = k - 1
                    break


@jit
def elected(
    ranks: Ranks, weights: Floats, margin: Floats, way: Way, place: Counts, budget: int
) -> tuple[Floats, Counts, Counts, Counts]:
    """Who wins in some course, ``[b, m]``; states opened, whether courses part and whether all were followed, ``[b]``.

    ``ranks[b, n, m]`` and ``margin[b, m, m]``, either with an axis of length 0 where it is not looked at.
    """
    batch, voters, size = ranks.shape
    won = np.zeros((batch, size))
    opened, forked, whole = np.zeros(batch, np.int64), np.zeros(batch, np.int64), np.zeros(batch, np.int64)
    order = np.zeros((voters, size), np.int32)
    level = np.zeros((voters, size), np.uint8)
    length = np.zeros(voters, np.int64)
    room = room_for(size, 2 * size + 2)
    for b in range(batch):
        prepared(ranks[b], way[3] == CUT, order, level, length)
        opened[b], forked[b], whole[b], room = explore(
            order, level, length, weights, margin[b], way, place, budget, room, won[b]
        )
    return won, opened, forked, whole
