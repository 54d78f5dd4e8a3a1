"""Loops over the triangles of a comparison graph.

Edges are sorted by (first, second) with first < second, so those of i are ``start[i]`` to ``start[i + 1]``, and a
triangle i < j < k is found where the sorted neighbours of i and of j meet. A flow is a number an edge, from first to
second; its curl around a triangle is flow_ij + flow_jk − flow_ik.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@jit
def _curled(start: Ints, second: Ints, root: Floats, vector: Floats) -> tuple[Floats, float, int]:
    """D·Dᵀ·vector for D = diag(root)·curlᵀ, the largest |curl| of root·vector, and the number of triangles."""
    flow = root * vector
    out = np.zeros(len(vector))
    largest, number = 0.0, 0
    for i in range(len(start) - 1):
        for ij in range(start[i], start[i + 1]):
            j = second[ij]
            ik, jk = ij + 1, start[j]
            while ik < start[i + 1] and jk < start[j + 1]:
                if second[ik] < second[jk]:
                    ik += 1
                elif second[ik] > second[jk]:
                    jk += 1
                else:
                    curl = flow[ij] + flow[jk] - flow[ik]
                    out[ij] += curl
                    out[jk] += curl
                    out[ik] -= curl
                    largest = max(largest, abs(curl))
                    number += 1
                    ik += 1
                    jk += 1
    return root * out, largest, number


@jit
def without_curl(
    start: Ints, second: Ints, weight: Floats, flow: Floats, tolerance: float, limit: int
) -> tuple[Floats, int, float]:
    """What is left of a flow when its projection (norm Σ weight·flow²) on flows around triangles is taken off.

    Conjugate gradients on the normal equations, kept to vectors over edges. Also returns the iterations and the
    largest |curl| left, relative to that of the flow.
    """
    root = 1.0 / np.sqrt(weight)
    left = flow / root
    image, first, _ = _curled(start, second, root, left)
    largest = first
    direction = image.copy()
    product = left @ image
    for iteration in range(limit):
        if largest <= tolerance * first or product <= 0.0:
            return root * left, iteration, largest / max(first, 1e-300)
        left = left - (product / (direction @ direction)) * direction
        image, largest, _ = _curled(start, second, root, left)
        renewed = left @ image
        direction = image + (renewed / product) * direction
        product = renewed
    return root * left, limit, largest / max(first, 1e-300)


@jit
def largest_curls(start: Ints, second: Ints, flow: Floats, variance: Floats, count: int) -> tuple[Ints, Floats, Floats]:
    """The triangles whose |curl| is the most standard errors from 0, best first: edges ``[n, 3]``, curl, its error."""
    edges = np.zeros((count, 3), np.int64)
    curls, errors, scores = np.zeros(count), np.zeros(count), np.full(count, -1.0)
    found = 0
    for i in range(len(start) - 1):
        for ij in range(start[i], start[i + 1]):
            j = second[ij]
            ik, jk = ij + 1, start[j]
            while ik < start[i + 1] and jk < start[j + 1]:
                if second[ik] < second[jk]:
                    ik += 1
                elif second[ik] > second[jk]:
                    jk += 1
                else:
                    curl = flow[ij] + flow[jk] - flow[ik]
                    error = np.sqrt(variance[ij] + variance[jk] + variance[ik])
                    score = abs(curl) / error
                    if score > scores[count - 1]:
                        at = min(found, count - 1)
                        while at > 0 and scores[at - 1] < score:
                            edges[at], curls[at] = edges[at - 1], curls[at - 1]
                            errors[at], scores[at] = errors[at - 1], scores[at - 1]
                            at -= 1
                        edges[at, 0], edges[at, 1], edges[at, 2] = ij, jk, ik
                        curls[at], errors[at], scores[at] = curl, error, score
                        found = min(found + 1, count)
                    ik += 1
                    jk += 1
    return edges[:found], curls[:found], errors[:found]
