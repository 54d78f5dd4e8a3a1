"""The one door to scipy.optimize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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


class Minimum(NamedTuple):
    """Where a search for a minimum ended: the point, the value there, the steps, and the solver's own verdict.

    >>> Minimum(np.zeros(1), 0.0, 3, True, "").steps
    3
    """

    point: Floats
    value: float
    steps: int
    converged: bool
    message: str


def minimise(
    function_with_gradient: Callable[[Floats], tuple[float, Floats]],
    start: ArrayLike,
    *,
    bounds: Bounds | None = None,
    tolerance: float = 1e-9,
    limit: int = 1000,
) -> Minimum:
    """A local minimum of a smooth function ``x[k] -> (value, gradient[k])`` by L-BFGS-B.

    ``converged`` where the largest entry of the gradient (projected on the bounds) is at most ``tolerance``. A
    search also ends where rounding lets the value fall no further; the caller checks the gradient in units of its own.

    Source: Byrd, Lu, Nocedal and Zhu 1995 (doi:10.1137/0916069).

    >>> found = minimise(lambda x: (float((x - 3) @ (x - 3)), 2 * (x - 3)), [0.0, 0.0])
    >>> found.point.round(9).tolist(), found.converged
    ([3.0, 3.0], True)
    """
    from scipy.optimize import minimize

    result = minimize(
        function_with_gradient, np.array(start, np.float64), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"gtol": tolerance, "ftol": 0.0, "maxiter": limit, "maxfun": 4 * limit, "maxcor": 20},
    )  # fmt: skip
    point = np.array(result.x, np.float64)
    gradient = np.array(result.jac, np.float64)
    if bounds is not None:
        low = np.array([-np.inf if bound[0] is None else bound[0] for bound in bounds])
        high = np.array([np.inf if bound[1] is None else bound[1] for bound in bounds])
        gradient = point - np.clip(point - gradient, low, high)
    converged = bool(np.abs(gradient).max(initial=0.0) <= tolerance)
    return Minimum(point, float(result.fun), int(result.nit), converged, str(result.message))


def assignment(cost: ArrayLike) -> list[tuple[int, int]]:
    """Pairs (row, column) of a matrix, no row or column twice and as many as there can be, of the least total cost.

    Source: Kuhn 1955 (doi:10.1002/nav.3800020109), by the shortest augmenting paths of SciPy.

    >>> assignment([[4, 1, 3], [2, 0, 5]])
    [(0, 1), (1, 0)]
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.asarray(cost, np.float64))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
