"""The one door to scipy.optimize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

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


class Programme(NamedTuple):
    """What a search in whole numbers found: ``solution`` (``None``: none), its value, and a bound no solution beats.

    ``reduced``, of a relaxation, is by how much the value must grow for each unit that a coordinate leaves the bound it
    is at: positive at its lowest, negative at its highest, 0 between.

    >>> Programme(None, float("inf"), 0.0, "time limit").status
    'time limit'
    """

    solution: Floats | None
    value: float
    bound: float
    status: Literal["optimal", "time limit", "infeasible", "unbounded"]
    reduced: Floats | None = None


def integer_program(
    cost: ArrayLike,
    rows: Any,
    *,
    lowest: ArrayLike,
    highest: ArrayLike,
    bounds: Bounds,
    whole: bool | Sequence[bool] = True,
    time_limit: float | None = None,
) -> Programme:
    """The x of whole numbers that minimises cost·x subject to lowest ≤ rows·x ≤ highest, by HiGHS.

    ``rows[k, n]`` is an array or a matrix of :func:`choicekit.graphs.sparse`; infinite limits and ``None`` in a bound
    stand for none. ``whole`` says which coordinates must be whole; with ``False`` it is a linear programme. The
    optimum is searched to a gap of zero. Where ``time_limit`` (seconds) ends the search the status is "time limit",
    ``solution`` the best so far, if any, and ``bound`` what is proved of the least value. Raises ``RuntimeError`` with
    the solver's own message where it fails otherwise.

    Source: Huangfu and Hall 2018 (doi:10.1007/s12532-017-0130-5).

    >>> found = integer_program([-1, -1], [[2, 2]], lowest=-np.inf, highest=3, bounds=[(0, None)] * 2)
    >>> found.value, found.bound, found.status
    (-1.0, -1.0, 'optimal')
    """
    from scipy.optimize import Bounds as Box
    from scipy.optimize import LinearConstraint, milp

    low = [-np.inf if bound[0] is None else bound[0] for bound in bounds]
    high = [np.inf if bound[1] is None else bound[1] for bound in bounds]
    options: dict[str, float] = {"mip_rel_gap": 0.0}
    if time_limit is not None:
        options["time_limit"] = max(time_limit, 0.0)
    integral = np.broadcast_to(np.asarray(whole, np.int64), len(low))
    result = milp(
        cost, integrality=integral, bounds=Box(low, high), constraints=LinearConstraint(rows, lowest, highest),
        options=options,
    )  # fmt: skip
    solution = None if result.x is None else np.array(result.x, np.float64)
    if solution is not None:
        solution = np.where(integral > 0, np.round(solution), solution) + 0.0
    value = np.inf if solution is None else float(np.asarray(cost, np.float64) @ solution)
    if result.status == 0:
        bound = value if not integral.any() else float(result.mip_dual_bound)
        return Programme(solution, value, min(bound, value), "optimal")
    if result.status == 1:
        proved = getattr(result, "mip_dual_bound", None) if integral.any() else None
        return Programme(solution, value, -np.inf if proved is None else float(proved), "time limit")
    if result.status == 2:
        return Programme(None, np.inf, np.inf, "infeasible")
    if result.status == 3:
        return Programme(None, -np.inf, -np.inf, "unbounded")
    if "unbounded or infeasible" in result.message and np.any(cost):
        # without a cost it cannot be unbounded
        met = integer_program(
            np.zeros(len(low)), rows, lowest=lowest, highest=highest, bounds=bounds, whole=whole, time_limit=time_limit
        )
        return met if met.status != "optimal" else Programme(None, -np.inf, -np.inf, "unbounded")
    raise RuntimeError(f"integer programme: the solver failed; it says: {result.message}")


def relaxation(
    cost: ArrayLike, rows: Any, *, highest: ArrayLike, bounds: Bounds, time_limit: float | None = None
) -> Programme:
    """The x that minimises cost·x subject to rows·x ≤ highest, by HiGHS: a bound on what whole numbers can do.

    ``rows``, ``bounds`` and ``time_limit`` are as in :func:`integer_program`. Raises ``RuntimeError`` with the
    solver's own message where it fails other than by time.

    >>> found = relaxation([-1, -2], [[1, 1]], highest=[1.5], bounds=[(0, 1)] * 2)
    >>> found.solution.tolist(), found.value, found.reduced.tolist()
    ([0.5, 1.0], -2.5, [0.0, -1.0])
    """
    from scipy.optimize import linprog

    options = {} if time_limit is None else {"time_limit": max(time_limit, 0.0)}
    result = linprog(cost, A_ub=rows, b_ub=highest, bounds=bounds, method="highs", options=options)
    if result.status == 0:
        reduced = np.asarray(result.lower.marginals + result.upper.marginals, np.float64)
        return Programme(np.array(result.x, np.float64), float(result.fun), float(result.fun), "optimal", reduced)
    if result.status == 1:
        return Programme(None, np.inf, -np.inf, "time limit")
    if result.status == 2:
        return Programme(None, np.inf, np.inf, "infeasible")
    if result.status == 3:
        return Programme(None, -np.inf, -np.inf, "unbounded")
    raise RuntimeError(f"relaxation: the solver failed; it says: {result.message}")
