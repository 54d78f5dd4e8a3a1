"""The one door to scipy.optimize."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bounds = Sequence[tuple[float | None, float | None]]


def linear_program(
    cost: ArrayLike, *, at_most: tuple[ArrayLike, ArrayLike], equal: tuple[ArrayLike, ArrayLike], bounds: Bounds
) -> Floats:
    """The x that minimises cost·x subject to A x ≤ b, C x = d and bounds on each coordinate, by HiGHS.

    ``at_most`` is (A, b), ``equal`` is (C, d); a bound is (lowest, highest), ``None`` for none. Where several x are
    optimal the answer is one corner of them. Raises ``RuntimeError`` with the solver's own message where it found no
    optimum.

    Source: Huangfu and Hall 2018 (doi:10.1007/s12532-017-0130-5).

    >>> linear_program([-1, -2], at_most=([[1, 1]], [1]), equal=([[1, 0]], [0.25]), bounds=[(0, None)] * 2).tolist()
    [0.25, 0.75]
    >>> linear_program([-1], at_most=([[-1]], [0]), equal=([[0]], [0]), bounds=[(0, None)])
    Traceback (most recent call last):
        ...
    RuntimeError: linear program: no optimum was found; ...
    """
    from scipy.optimize import linprog

    result = linprog(
        cost, A_ub=at_most[0], b_ub=at_most[1], A_eq=equal[0], b_eq=equal[1], bounds=bounds, method="highs"
    )
    if not result.success:
        raise RuntimeError(f"linear program: no optimum was found; the solver says: {result.message}")
    return np.array(result.x, dtype=np.float64)
