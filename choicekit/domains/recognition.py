"""Which restricted domains a profile of strict rankings lies in, each answer with its witness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.domains._strict import crossing_order, strict
from choicekit.kernels import recognition
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label


def single_peaked(profile: Rankings) -> tuple[Label, ...] | None:
    """An axis on which every voter's ranking is single-peaked, or ``None`` where there is none.

    On such an axis every voter likes alternatives the less the farther they are from the voter's best, on either side;
    that is, of any three the one in between is nobody's worst. Given one voter's ranking an axis is a choice of side
    for each alternative but the best. Each other voter's worst of three either puts two of them on one side or keeps
    them apart, so that the axis is a colouring of a graph with two colours. In O(n m²).

    The axis starts with whichever of its ends comes first among the alternatives; where there are several axes it is
    one of them. Voters of weight 0 are no voters. Raises ``ValueError`` for ties and unranked alternatives.

    Source: Black 1948 (doi:10.1086/256633); other recognisers are in Bartholdi and Trick 1986
    (doi:10.1016/0167-6377(86)90072-6) and in Escoffier, Lang and Öztürk 2008.

    >>> single_peaked(Rankings.from_orders(["abcd", "cbda", "bcad"]))
    ('a', 'b', 'c', 'd')
    >>> single_peaked(Rankings.from_orders(["abc", "bca", "cab"])) is None      # each is somebody's worst
    True
    """
    rankings, _, ranks = strict("single_peaked", profile)
    order = np.argsort(ranks[0])
    same, apart = recognition.sides(ranks, order)
    side = _two_sides(same | same.T, apart | apart.T)
    if side is None:
        return None
    right = [int(a) for a, there in zip(order[1:], side[1:], strict=True) if there]
    left = [int(a) for a, there in zip(order[1:], side[1:], strict=True) if not there]
    axis = [*reversed(left), int(order[0]), *right]
    if axis[0] > axis[-1]:
        axis.reverse()
    return tuple(rankings.alternatives[a] for a in axis)


def _two_sides(same: NDArray[np.bool_], apart: NDArray[np.bool_]) -> list[bool] | None:
    """A side for each place, or ``None`` where two that must be on the same side must be apart."""
    size = len(same)
    side: list[bool | None] = [None] * size
    for start in range(size):
        if side[start] is not None:
            continue
        side[start], waiting = False, [start]
        while waiting:
            here = waiting.pop()
            for link, turn in ((same, False), (apart, True)):
                for there in np.flatnonzero(link[here]).tolist():
                    wanted = bool(side[here]) ^ turn
                    if side[there] is None:
                        side[there] = wanted
                        waiting.append(there)
                    elif side[there] != wanted:
                        return None
    return [bool(there) for there in side]


def single_crossing(profile: Rankings) -> tuple[int, ...] | None:
    """An order of the voters along which every pair of alternatives is swapped at most once, or ``None``.

    That is, for each two alternatives the voters who prefer the one come before all who prefer the other. The voter
    farthest from any given one, by pairs ranked otherwise, is at an end of such an order; the others follow by their
    distance from that end, and it remains to check the pairs. In O(n m²).

    The voters are rows of the profile; the order starts with whichever of its ends has the lower row, equal ballots are
    in the order of their rows, and it is otherwise unique. Voters of weight 0 are no voters and left out. Raises
    ``ValueError`` for ties and unranked alternatives.

    Source: Mirrlees 1971 (doi:10.2307/2296779), Roberts 1977 on the domain; recognition as in Doignon and Falmagne 1994
    (doi:10.1006/jagm.1994.1010) and in Elkind, Faliszewski and Slinko 2012.

    >>> single_crossing(Rankings.from_orders(["abc", "cba", "bac"]))
    (0, 2, 1)
    >>> single_crossing(Rankings.from_orders(["abc", "bac", "acb", "cba"])) is None
    True
    """
    _, rows, ranks = strict("single_crossing", profile)
    order = crossing_order(ranks)
    if order is None:
        return None
    return tuple(rows[order].tolist())
