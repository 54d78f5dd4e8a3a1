"""The one door to SciPy's graph routines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def components(source: Ints, target: Ints, size: int, *, strong: bool) -> tuple[int, Ints]:
    """How many components a directed graph on ``size`` nodes has, strong or weak, and each node's.

    >>> components(np.array([0, 1]), np.array([1, 0]), 3, strong=True)[0]
    2
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array((np.ones(len(source), np.int8), (source, target)), shape=(size, size))
    count, label = connected_components(graph, connection="strong" if strong else "weak")
    return int(count), label.astype(np.int64)


def sparse(rows: Ints, columns: Ints, values: NDArray[np.float64], shape: tuple[int, int]) -> Any:
    """A sparse matrix of the entries given, those of the same place added up.

    >>> sparse(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 2.0]), (1, 2)).toarray().tolist()
    [[0.0, 3.0]]
    """
    from scipy.sparse import csr_array

    return csr_array((values, (rows, columns)), shape=shape)
