"""Fronts by brute force, hulls in whole numbers, and which points each scalarisation finds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linprog

from choicekit.alignment import _fronts
from choicekit.alignment.pareto import (
    additive_epsilon,
    hypervolume,
    knee_point,
    multiplicative_epsilon,
    non_dominated,
    reached_by_linear,
    reached_by_tchebycheff,
    simplex_coverage,
    tchebycheff,
)
from choicekit.alignment.steering import simplex_grid, steerable_family

Array = np.ndarray


def drawn(count: int, seed: int, top: int = 6) -> list[Array]:
    """Whole points with ties, of one to four objectives, and some with fractions."""
    rng = np.random.default_rng(seed)
    cases = []
    for k in range(count):
        shape = (int(rng.integers(1, 10)), 1 + k % 4)
        cases.append(rng.integers(1, top, shape).astype(float) if k % 3 else rng.uniform(0.1, 1, shape))
    return cases


def dominated(point: Array, others: Array) -> bool:
    return any(all(o >= p for o, p in zip(q, point, strict=True)) and any(q > point) for q in others)


@pytest.mark.parametrize("points", drawn(40, 0))
def test_the_front_and_the_tchebycheff_choices(points: Array) -> None:
    expected = [not dominated(p, points) for p in points]
    assert non_dominated(points).tolist() == expected
    assert reached_by_tchebycheff(points).tolist() == expected


@pytest.mark.parametrize("points", drawn(32, 1))
def test_hypervolume_is_inclusion_and_exclusion(points: Array) -> None:
    points, worst = points[:7], np.linspace(0.05, 1.5, points.shape[1])
    total = 0.0
    for size in range(1, len(points) + 1):
        for some in combinations(points, size):
            total -= (-1) ** size * np.prod(np.maximum(np.min(some, axis=0) - worst, 0))
    assert hypervolume(points, worst) == pytest.approx(total, abs=1e-10)
    front = points[non_dominated(points)]
    assert hypervolume(front, worst) == pytest.approx(total, abs=1e-10)
    assert hypervolume(np.vstack([points, np.maximum(points.max(0), worst) + 1]), worst) > total


def test_the_published_front() -> None:
    points = [[1, 0.2], [0.7, 0.7], [0.2, 1], [0.5, 0.5]]
    assert hypervolume(points, 0) == pytest.approx(0.61)
    assert hypervolume(points, [0, 0]) == pytest.approx(0.61)
    assert non_dominated(points).sum() == 3


@pytest.mark.parametrize("seed", range(24))
def test_epsilons_by_their_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    objectives = 1 + seed % 4
    points, front = rng.uniform(0.5, 2, (5, objectives)), rng.uniform(0.5, 2, (4, objectives))
    added = max(min(max(r - p) for p in points) for r in front)
    times = max(min(max(r / p) for p in points) for r in front)
    assert additive_epsilon(points, front) == pytest.approx(added, abs=1e-14)
    assert multiplicative_epsilon(points, front) == pytest.approx(times, rel=1e-14)

    def covers(moved: Array) -> bool:
        return all((moved >= r - 1e-9).all(1).any() for r in front)

    assert covers(points + added)
    assert not covers(points + added - 1e-6)
    assert covers(points * times)
    assert not covers(points * times * (1 - 1e-6))
    assert additive_epsilon(points, points) == 0
    assert multiplicative_epsilon(points, points) == 1


def upper_hull(points: Array) -> Array:
    """Of whole points in the plane: on a side of the hull whose outward normal is positive, by cross products."""
    reached = np.zeros(len(points), bool)
    for i, p in enumerate(points):
        if dominated(p, points):
            continue
        # a mixture of q (right, lower) and s (left, higher) passes above p where the turn s → p → q is to the left
        under = False
        for q in points:
            for s in points:
                if s[0] < p[0] < q[0]:
                    turn = (p[0] - s[0]) * (q[1] - s[1]) - (p[1] - s[1]) * (q[0] - s[0])
                    under |= turn > 0
        reached[i] = not under
    return reached


@pytest.mark.parametrize("seed", range(30))
def test_linear_choices_in_the_plane(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 12, (int(rng.integers(1, 12)), 2)).astype(float)
    assert reached_by_linear(points).tolist() == upper_hull(points).tolist()


@pytest.mark.parametrize("points", drawn(30, 3, top=5))
def test_linear_choices_have_weights_and_the_others_none(points: Array) -> None:
    """The dual problem, solved by itself: the largest t with w ≥ t, Σw = 1 and w·(p − q) ≥ 0 for all q."""
    reached = reached_by_linear(points)
    count, objectives = points.shape
    for i, p in enumerate(points):
        rows = np.vstack([np.hstack([points - p, np.zeros((count, 1))]),
                          np.hstack([-np.eye(objectives), np.ones((objectives, 1))])])  # fmt: skip
        found = linprog(
            [0] * objectives + [-1], A_ub=rows, b_ub=np.zeros(len(rows)), A_eq=[[1] * objectives + [0]], b_eq=[1],
            bounds=[(None, None)] * (objectives + 1), method="highs",
        )  # fmt: skip
        assert reached[i] == (found.status == 0 and -found.fun > 1e-7)
    for weights in np.random.default_rng(0).dirichlet(np.ones(objectives), 200):
        assert reached[(points @ weights).argmax()]


def test_a_dent_is_reached_by_tchebycheff_only() -> None:
    points = np.array([[1, 0], [0.4, 0.4], [0, 1]])
    assert reached_by_linear(points).tolist() == [True, False, True]
    assert reached_by_tchebycheff(points).tolist() == [True, True, True]
    weights = simplex_grid(2, 100)
    assert set((points @ weights.T).argmax(0).tolist()) == {0, 2}
    assert set(tchebycheff(points, weights).argmin(-1).tolist()) == {0, 1, 2}
    # a point on the straight line between others ties, and counts
    assert reached_by_linear([[1, 0], [0.5, 0.5], [0, 1]]).all()
    # best in one objective, not dominated by a point, but by a coin toss between two
    corner = np.array([[4, 4, 10], [10, 0, 10], [0, 10, 10]])
    for turn in range(3):
        assert reached_by_linear(np.roll(corner, turn, axis=1)).tolist() == [False, True, True]


def test_among_lotteries_nothing_is_out_of_reach() -> None:
    """Members of a steered family are on the hull of their regularised values, strictly."""
    rewards = np.array([[1, 0.4, 0], [0, 0.4, 1]])
    front = steerable_family(rewards, simplex_grid(2, 12)[1:-1], beta=0.3).regularised
    assert reached_by_linear(front).all()
    assert not reached_by_linear(rewards.T)[1]


@pytest.mark.parametrize("points", drawn(20, 5))
def test_smooth_distances_bracket_the_plain_one(points: Array) -> None:
    rng = np.random.default_rng(0)
    objectives = points.shape[1]
    ideal, weights = points.max(0) + 0.3, rng.dirichlet(np.ones(objectives), (2, 3))
    plain = tchebycheff(points, weights, ideal=ideal)
    assert plain.shape == (2, 3, len(points))
    for j in np.ndindex(2, 3):
        for i, p in enumerate(points):
            lacks = [w * (z - x) for w, z, x in zip(weights[j], ideal, p, strict=True)]
            assert plain[j][i] == pytest.approx(max(lacks))
            smooth = tchebycheff(points, weights, ideal=ideal, smoothing=0.7)[j][i]
            assert smooth == pytest.approx(0.7 * np.log(sum(np.exp(each / 0.7) for each in lacks)))
    for size in (1e-3, 0.1, 2.0):
        smooth = tchebycheff(points, weights, ideal=ideal, smoothing=size)
        assert (smooth >= plain - 1e-12).all()
        assert (smooth <= plain + size * np.log(objectives) + 1e-12).all()
    large = 1e6
    linear = weights @ (ideal - points).T / objectives
    expected = tchebycheff(points, weights, ideal=ideal, smoothing=large) - large * np.log(objectives)
    np.testing.assert_allclose(expected, linear, atol=1e-4)


def test_the_default_ideal_is_above_all() -> None:
    points = np.array([[1.0, 5.0], [3.0, 5.0]])
    np.testing.assert_allclose(tchebycheff(points, [1, 1]), [2.02, 0.02])
    np.testing.assert_allclose(tchebycheff(points, [0, 1]), [0.01, 0.01])  # no range: 1 takes its place


@pytest.mark.parametrize("seed", range(20))
def test_the_knee_is_farthest_from_the_line_of_extremes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 1, 8))
    points = np.column_stack([x, (1 - x**2) * rng.uniform(0.9, 1, 8)])
    front = points[non_dominated(points)]
    low, high = front[front[:, 0].argmin()], front[front[:, 0].argmax()]
    # distances from the line, in scaled coordinates
    unit = np.ptp(front, axis=0)
    normal = np.array([low[1] - high[1], high[0] - low[0]]) / unit[::-1]
    heights = ((front - low) / unit) @ normal
    knee = knee_point(points)
    np.testing.assert_array_equal(points[knee], front[heights.argmax()])
    assert knee_point(points * [3.0, 50.0] + [7, -2]) == knee


def test_knees_of_small_fronts() -> None:
    assert knee_point([[1.0, 2.0]]) == 0
    assert knee_point([[0, 0, 5], [1, 0, 5], [0.9, 0.9, 5], [0, 1, 5]]) == 2


def test_coverage_counts_weightings() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points, extra = rng.uniform(size=(3, 3)), rng.uniform(size=(4, 3))
        front, weights = np.vstack([points, extra]), simplex_grid(3, 6)
        for epsilon in (0.0, 0.05, 0.3):
            kept = sum(max(points @ w) >= max(front @ w) - epsilon - 1e-12 for w in weights)
            assert simplex_coverage(points, front, weights, epsilon=epsilon) == pytest.approx(kept / len(weights))
        assert simplex_coverage(front, points, weights) == 1
        # with an additive ε of the set against the front, all linear users are within ε
        assert simplex_coverage(points, front, weights, epsilon=max(additive_epsilon(points, front), 0) + 1e-12) == 1
        linear = front[reached_by_linear(front)]
        assert simplex_coverage(linear, front, weights) == 1


def test_scales() -> None:
    rng = np.random.default_rng(1)
    points = rng.dirichlet(np.ones(3), 200) ** 0.7
    assert non_dominated(points).sum() == sum(not dominated(p, points) for p in points)
    tall = points * [1e6, 1, 1e-6]
    np.testing.assert_array_equal(reached_by_linear(points), reached_by_linear(tall))


def test_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for bad in ([1.0, 2.0], [[np.nan, 1.0]], np.zeros((0, 2)), [[np.inf, 1.0]]):
        for function in (non_dominated, knee_point, reached_by_linear, reached_by_tchebycheff):
            with pytest.raises(ValueError, match="points"):
                function(bad)
    with pytest.raises(ValueError, match="reference_point"):
        hypervolume([[1.0, 1.0]], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="front"):
        additive_epsilon([[1.0, 1.0]], [[1.0]])
    with pytest.raises(ValueError, match="positive"):
        multiplicative_epsilon([[1.0, 0.0]], [[1.0, 1.0]])
    with pytest.raises(ValueError, match="weights"):
        simplex_coverage([[1.0, 1.0]], [[1.0, 1.0]], [[1.0]])
    with pytest.raises(ValueError, match="epsilon"):
        simplex_coverage([[1.0]], [[1.0]], [[1.0]], epsilon=-1)
    for options in ({"smoothing": -1.0}, {"smoothing": np.inf}):
        with pytest.raises(ValueError, match="smoothing"):
            tchebycheff([[1.0]], [1.0], **options)
    for weights in ([1.0, 1.0], [-1.0]):
        with pytest.raises(ValueError, match="weights"):
            tchebycheff([[1.0]], weights)
    with pytest.raises(ValueError, match="ideal"):
        tchebycheff([[1.0]], [1.0], ideal=[1.0, 2.0])
    monkeypatch.setitem(__import__("sys").modules, "moocore", None)
    with pytest.raises(ImportError, match=r"choicekit\[pareto\]"):
        _fronts.non_dominated(np.ones((1, 1)))
