"""Which anonymous profiles are one another's relabelling, and a rule's answers carried over from one to all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.multisets import advance, rank

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@jit
def classes(total: int, kinds: int, voters: int, moved: Bytes, table: Ints) -> tuple[NDArray[np.int32], Bytes]:
    """For each anonymous profile the first one that some relabelling turns into it, and the number of a relabelling.

    ``moved[r, k]`` is what ballot k becomes under relabelling r (0 the identity), ``table`` the binomials. The first
    of a class stands for it.
    """
    first = np.full(total, -1, np.int32)
    move = np.zeros(total, np.uint8)
    counts, image = np.zeros(kinds, np.uint8), np.zeros(kinds, np.uint8)
    counts[0] = voters
    for place in range(total):
        if first[place] < 0:
            for r in range(moved.shape[0]):
                for k in range(kinds):
                    image[moved[r, k]] = counts[k]
                other = rank(image, voters, table)
                if first[other] < 0:
                    first[other] = place
                    move[other] = r
        advance(counts)
    return first, move


@jit
def spread(first: NDArray[np.int32], move: Bytes, answers: NDArray[np.uint16], moves: Ints) -> NDArray[np.uint16]:
    """The winners of every profile from those of the ones that stand for a class, ``answers[i]`` of the i-th of these.

    Under relabelling r alternative a becomes ``moves[r, a]``.
    """
    out = np.zeros(first.size, np.uint16)
    asked = 0
    for place in range(first.size):
        if first[place] == place:
            out[place] = answers[asked]
            asked += 1
        else:
            held = out[first[place]]
            image = 0
            for a in range(moves.shape[1]):
                if (held >> a) & 1:
                    image |= 1 << moves[move[place], a]
            out[place] = image
    return out


@jit
def orders(total: int, kinds: int, voters: int) -> NDArray[np.float64]:
    """In how many ways each profile's ballots can be given to named voters: n! over the counts' factorials."""
    out = np.zeros(total)
    counts = np.zeros(kinds, np.uint8)
    counts[0] = voters
    for place in range(total):
        ways, left = 1.0, voters
        for k in range(kinds):
            for c in range(counts[k]):
                ways = ways * (left - c) / (c + 1)
            left -= counts[k]
        out[place] = ways
        advance(counts)
    return out
