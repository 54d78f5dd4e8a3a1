"""Distances between distributions against SciPy, scikit-learn, loops over lists, and the inequalities they satisfy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance as scipy_distance

from choicekit.alignment import _shares, rlhf_policy
from choicekit.alignment import distances as d
from choicekit.alignment.distances import kl

Array = np.ndarray
SYMMETRIC = [
    d.total_variation, d.hellinger, d.jensen_shannon_divergence, d.jensen_shannon_distance,
    d.ordinal_wasserstein, d.relative_wasserstein,
]  # fmt: skip
METRICS = [f for f in SYMMETRIC if f is not d.jensen_shannon_divergence]
PAIRED = [*SYMMETRIC, d.cross_entropy, d.entropy_ratio, d.mode_collapse]


@st.composite
def several(draw: st.DrawFn, many: int) -> Array:
    """So many distributions over the same alternatives, often with zeros."""
    size = draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from([0.3, 1.0, 20.0]))
    found = rng.dirichlet(np.full(size, shape), many)
    if draw(st.booleans()):
        found[rng.random(found.shape) < 0.4] = 0
        found[:, 0] += 1e-3 * (found.sum(-1) == 0)
        found /= found.sum(-1, keepdims=True)
    return found


def test_worked_numbers() -> None:
    p, q = [0.6, 0.4], [0.99, 0.01]
    assert d.total_variation(p, q) == pytest.approx(0.39)
    assert d.jensen_shannon_divergence(p, q) == pytest.approx(0.142750, abs=5e-7)
    assert d.jensen_shannon_distance(p, q) == pytest.approx(0.377822, abs=5e-7)
    assert d.jensen_shannon_distance(p, q, base="bits") == pytest.approx(0.453811, abs=5e-7)
    assert d.ordinal_wasserstein([0.5, 0.3, 0.2, 0], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(1.3)
    assert 1 - d.relative_wasserstein([0.5, 0.3, 0.2, 0], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(0.566667, abs=5e-7)


@given(several(2))
def test_by_the_book(pair: Array) -> None:
    p, q = pair.tolist()
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]

    def divergence(one: list[float], other: list[float]) -> float:
        return sum(a * math.log(a / b) for a, b in zip(one, other, strict=True) if a > 0)

    both = list(zip(p, q, strict=True))
    assert d.total_variation(p, q) == pytest.approx(sum(max(a - b, 0) for a, b in both))
    assert d.hellinger(p, q) ** 2 == pytest.approx(1 - sum(math.sqrt(a * b) for a, b in both), abs=1e-12)
    assert d.jensen_shannon_divergence(p, q) == pytest.approx(
        (divergence(p, middle) + divergence(q, middle)) / 2, abs=1e-12
    )
    assert d.mode_collapse(p, q) == pytest.approx(max(p) - max(q))
    if all(b > 0 or a == 0 for a, b in both):
        # cross entropy = entropy + divergence
        assert d.cross_entropy(p, q) == pytest.approx(d.entropy(p) + divergence(p, q), abs=1e-10)
    else:
        assert d.cross_entropy(p, q) == np.inf


@given(several(2), st.integers(0, 2**32))
def test_beside_scipy(pair: Array, seed: int) -> None:
    p, q = pair
    places = np.sort(np.random.default_rng(seed).normal(size=len(p))) * 3 + np.arange(len(p)) * 1e-3
    assert d.jensen_shannon_distance(p, q) == pytest.approx(scipy_distance.jensenshannon(p, q), abs=1e-7)
    assert d.jensen_shannon_distance(p, q, base="bits") == pytest.approx(
        scipy_distance.jensenshannon(p, q, base=2), abs=1e-7
    )
    assert d.entropy(p, base="bits") == pytest.approx(stats.entropy(p, base=2), abs=1e-12)
    moved = stats.wasserstein_distance(places, places, p, q)
    assert d.ordinal_wasserstein(p, q, places) == pytest.approx(moved, abs=1e-12)
    assert d.relative_wasserstein(p, q, places) == pytest.approx(moved / np.ptp(places), abs=1e-12)


@pytest.mark.parametrize("measure", METRICS)
@given(trio=several(3))
def test_metrics(measure: Any, trio: Array) -> None:
    p, q, r = trio
    assert measure(p, p) == pytest.approx(0, abs=1e-12)
    assert measure(p, q) == pytest.approx(measure(q, p), abs=1e-12)
    assert measure(p, q) >= 0
    assert measure(p, r) <= measure(p, q) + measure(q, r) + 1e-9
    if np.abs(p - q).max() > 1e-6:
        assert measure(p, q) > 0


@given(several(2), st.floats(0.001, 0.9))
def test_inequalities(pair: Array, smoothing: float) -> None:
    p, q = pair
    variation, hellinger = d.total_variation(p, q), d.hellinger(p, q)
    assert hellinger**2 <= variation + 1e-12
    assert variation <= math.sqrt(2) * hellinger + 1e-9
    assert d.jensen_shannon_divergence(p, q, base="bits") <= min(1, variation) + 1e-9
    assert 2 * variation**2 <= kl(p, q) + 1e-9  # Pinsker
    steps = d.ordinal_wasserstein(p, q)
    assert variation - 1e-12 <= steps <= (len(p) - 1) * variation + 1e-12
    smoothed = d.smoothed_kl(p, q, smoothing=smoothing)
    assert np.isfinite(smoothed)
    assert smoothed <= kl(p, q) + 1e-9
    assert d.smoothed_kl(p, p, smoothing=smoothing) == 0
    assert d.smoothed_kl(p, q, smoothing=0) == pytest.approx(kl(p, q))


@given(several(2), st.integers(0, 5))
def test_nothing_but_the_ordinal_measures_looks_at_the_order(pair: Array, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(pair.shape[1])
    for measure in set(PAIRED) - {d.ordinal_wasserstein, d.relative_wasserstein}:
        assert measure(*pair) == pytest.approx(measure(*pair[:, order]), nan_ok=True)
    assert d.ordinal_wasserstein(*pair) == pytest.approx(d.ordinal_wasserstein(*pair[:, ::-1]))


@given(several(6))
def test_cross_entropy_is_least_at_the_target(rows: Array) -> None:
    target = rows[0]
    assert (d.cross_entropy(target, rows) >= d.cross_entropy(target, target) - 1e-12).all()
    assert d.cross_entropy(target, target) == pytest.approx(d.entropy(target))


@pytest.mark.parametrize("measure", PAIRED)
def test_batches_are_one_by_one(measure: Any) -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(4), (2, 3)), rng.dirichlet(np.ones(4), (2, 3))
    found = measure(p, q)
    assert found.shape == (2, 3)
    for place in np.ndindex(2, 3):
        assert found[place] == pytest.approx(measure(p[place], q[place]))
    assert measure(p, q[0, 0]) == pytest.approx(measure(p, np.broadcast_to(q[0, 0], p.shape)))


def test_policies_are_taken_where_arrays_are() -> None:
    policy = rlhf_policy([[1.0, 0.0], [0.0, 2.0]])
    assert d.total_variation(policy, [0.5, 0.5]) == pytest.approx(
        d.total_variation(policy.probabilities, [[0.5, 0.5]] * 2)
    )
    assert d.relative_wasserstein(policy, [0.5, 0.5]).shape == (2,)


def test_collapse_is_told_by_the_entropy_ratio() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        people = rng.dirichlet(np.ones(5))
        sharpened = people**3 / (people**3).sum()
        assert d.entropy_ratio(sharpened, people) < 1 < d.entropy_ratio(people, sharpened)
        assert d.mode_collapse(sharpened, people) > 0
    assert d.entropy_ratio(people, people) == 1


# --- Calibration -----------------------------------------------------------------------------------------------


def ece_by_the_book(said: Array, came: Array, bins: int) -> float:
    points = [(p, y) for row, shares in zip(said, came, strict=True) for p, y in zip(row, shares, strict=True)]
    total = 0.0
    for place in range(bins):
        inside = [(p, y) for p, y in points if min(int(p * bins), bins - 1) == place]
        if inside:
            total += abs(sum(p for p, _ in inside) - sum(y for _, y in inside)) / len(points)
    return total


@given(st.integers(0, 2**32), st.integers(1, 15))
def test_expected_calibration_error_by_the_book(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.dirichlet(np.ones(rng.integers(2, 5)), rng.integers(1, 30))
    codes = rng.integers(0, said.shape[1], len(said))
    whole = np.eye(said.shape[1])[codes]
    found = d.expected_calibration_error(said, codes, bins=bins)
    assert found == pytest.approx(ece_by_the_book(said, whole, bins), abs=1e-12)
    assert found == pytest.approx(d.expected_calibration_error(said, whole, bins=bins))
    doubled = d.expected_calibration_error(np.repeat(said, 2, 0), np.repeat(codes, 2), bins=bins)
    assert (
        found
        == pytest.approx(doubled)
        == pytest.approx(d.expected_calibration_error(said, codes, bins=bins, weights=np.full(len(said), 3.0)))
    )
    shares = rng.dirichlet(np.ones(said.shape[1]), len(said))
    assert d.expected_calibration_error(said, shares, bins=bins) == pytest.approx(ece_by_the_book(said, shares, bins))
    # what is missed on the whole is at most what is missed row by row
    assert d.expected_calibration_error(said, shares, bins=bins) <= (
        2 * d.calibration_error(said, shares) / said.shape[1] + 1e-12
    )


def test_a_calibrated_forecaster_has_little_error_and_an_overconfident_one_much() -> None:
    rng = np.random.default_rng(1)
    truth = rng.dirichlet(np.ones(3), 20000)
    codes = (rng.random((20000, 1)) > truth.cumsum(-1)).sum(-1)
    assert d.expected_calibration_error(truth, codes) < 0.01
    sure = truth**4 / (truth**4).sum(-1, keepdims=True)
    assert d.expected_calibration_error(sure, codes) > 0.08


def test_calibration_error_weighs_contexts() -> None:
    rng = np.random.default_rng(2)
    p, q, weights = rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(3), 5), rng.random(5)
    each = [float(np.abs(a - b).sum() / 2) for a, b in zip(p, q, strict=True)]
    assert d.calibration_error(p, q, context_weights=weights) == pytest.approx(np.average(each, weights=weights))


# --- The whole picture -----------------------------------------------------------------------------------------


def test_distributional_alignment_holds_each_measure() -> None:
    rng = np.random.default_rng(3)
    p, q, weights = rng.dirichlet(np.ones(4), 9), rng.dirichlet(np.ones(4), 9), rng.random(9)
    places = np.array([0, 1, 3, 10.0])
    found = d.distributional_alignment(p, q, positions=places, smoothing=0.05, context_weights=weights)
    expected = {
        "total_variation": d.total_variation(p, q),
        "kl": kl(q, p),
        "smoothed_kl": d.smoothed_kl(q, p, smoothing=0.05),
        "jensen_shannon_divergence": d.jensen_shannon_divergence(p, q),
        "jensen_shannon_distance": d.jensen_shannon_distance(p, q),
        "hellinger": d.hellinger(p, q),
        "relative_wasserstein": d.relative_wasserstein(p, q, places),
        "entropy_ratio": d.entropy_ratio(p, q),
        "mode_collapse": d.mode_collapse(p, q),
    }
    for name, values in expected.items():
        assert getattr(found, name) == pytest.approx(values)
        assert found.mean(name) == pytest.approx(np.average(values, weights=weights))
        low, high = found.interval(name, 0.9, rng=0)
        assert low <= found.mean(name) <= high
        assert found.interval(name, 0.9, rng=0).tolist() == [low, high]
    with pytest.raises(ValueError, match="measure: needed one of total_variation"):
        found.mean("tv")


def test_undefined_ratios_are_left_out_of_means() -> None:
    people = [[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]
    found = d.distributional_alignment([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]], people)
    assert np.isnan(found.entropy_ratio[0])
    assert found.mean("entropy_ratio") == pytest.approx(0.5)
    assert np.isfinite(found.interval("entropy_ratio")).all()
    of_one_mind = d.distributional_alignment([[0.5, 0.5]] * 2, [[1.0, 0.0]] * 2)
    assert np.isnan(of_one_mind.mean("entropy_ratio"))
    assert np.isnan(of_one_mind.interval("entropy_ratio")).all()


def test_intervals_of_infinite_divergences_are_infinite_above() -> None:
    people = np.tile([0.5, 0.5], (20, 1))
    model = np.tile([0.4, 0.6], (20, 1))
    model[0] = [1.0, 0.0]  # never says what half the people say
    low, high = d.distributional_alignment(model, people).interval("kl", rng=0)
    assert low == pytest.approx(kl([0.5, 0.5], [0.4, 0.6]))  # of the sets drawn, (1 − 1/20)^20 = 36 % do not have it
    assert high == np.inf


def test_intervals_cover_the_mean_of_the_population_of_contexts() -> None:
    rng = np.random.default_rng(4)
    truth, covered = 1 / 3, 0  # the distance of (u, 1 − u) and (v, 1 − v) is |u − v|, with mean ⅓
    for trial in range(120):
        u, v = rng.random((2, 60))
        found = d.distributional_alignment(np.stack([u, 1 - u], -1), np.stack([v, 1 - v], -1))
        low, high = found.interval("total_variation", 0.9, draws=200, rng=trial)
        covered += bool(low <= truth <= high)
    assert 0.8 <= covered / 120 <= 0.97


def test_the_noise_floor_tells_sampling_from_difference() -> None:
    rng = np.random.default_rng(5)
    people = rng.dirichlet(np.ones(4), 60)
    same = d.noise_floor(
        rng.multinomial(30, people), rng.multinomial(50, people), rng=0, distance=d.jensen_shannon_distance
    )
    assert 0.02 < same.share <= 1
    assert abs(same.observed - same.mean) < 0.02
    other = d.noise_floor(rng.multinomial(30, rng.dirichlet(np.ones(4), 60)), rng.multinomial(50, people), rng=0)
    assert other.observed > other.upper > other.mean
    assert other.share == 1 / 201
    # with one answer a side from (½, ½): distance 0 or 1, and the pool is (1, 0), (½, ½) or (0, 1)
    coin = d.noise_floor([[1, 0]] * 400, [[0, 1]] * 400, draws=50, rng=0)
    assert coin.observed == 1
    assert coin.mean == pytest.approx(0.5, abs=0.02)


def test_the_share_of_the_noise_floor_is_uniform_where_nothing_differs() -> None:
    rng = np.random.default_rng(6)
    shares = []
    for _ in range(100):
        people = rng.dirichlet(np.ones(3) * 5, 12)
        counts = rng.multinomial(80, people), rng.multinomial(80, people)
        shares.append(d.noise_floor(*counts, draws=59, rng=rng).share)
    assert np.mean(np.array(shares) <= 0.1) < 0.22
    assert stats.kstest(shares, "uniform").pvalue > 1e-4


# --- Refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: d.total_variation([0.5, 0.6], [0.5, 0.5]), "p: probabilities must sum to 1"),
        (lambda: d.total_variation([0.5, 0.5], [1.5, -0.5]), "q: needed finite probabilities of at least 0"),
        (lambda: d.total_variation([0.5, np.nan], [0.5, 0.5]), "p: needed finite"),
        (lambda: d.total_variation([0.5, 0.5], [0.5, 0.25, 0.25]), "needed the same alternatives"),
        (lambda: d.total_variation([[0.5, 0.5]] * 2, [[0.5, 0.5]] * 3), "needed the same alternatives"),
        (lambda: d.total_variation(1.0, [1.0]), r"p: needed probabilities \[..., m\], got shape \(\)"),
        (lambda: d.ordinal_wasserstein([0.5, 0.5], [0.5, 0.5], [1, 0]), "positions: needed 2 rising numbers"),
        (lambda: d.ordinal_wasserstein([1.0], [1.0]), "at least 2 alternatives"),
        (lambda: d.entropy([0.5, 0.5], base="bans"), "base: needed 'nats' or 'bits'"),  # type: ignore[arg-type]
        (lambda: d.smoothed_kl([0.5, 0.5], [0.5, 0.5], smoothing=1.0), "smoothing: needed a share"),
        (lambda: d.expected_calibration_error([[0.5, 0.5]], [2]), "outcomes: needed whole numbers from 0 to 1"),
        (lambda: d.expected_calibration_error([[0.5, 0.5]], [0.0]), "outcomes: needed whole numbers"),
        (lambda: d.expected_calibration_error([[0.5, 0.5]], [0], bins=0), "bins: needed at least 1"),
        (lambda: d.calibration_error([[0.5, 0.5]], [[0.5, 0.5]], context_weights=[1, 1]), "weights: needed 1"),
        (lambda: d.noise_floor([[0, 0]], [[1, 2]]), "at least one answer"),
        (lambda: d.noise_floor([[0.5, 1]], [[1, 2]]), "whole numbers"),
        (lambda: d.noise_floor([[1, 1]], [[1, 2, 1]]), "one shape"),
        (lambda: d.distributional_alignment([0.5, 0.5], [0.5, 0.5]).interval("kl"), "at least 2 contexts"),
        (lambda: d.distributional_alignment([[0.5, 0.5]] * 2, [0.5, 0.5]).interval("kl", 1.0), "level: needed"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_ranks_beside_scipy() -> None:
    rng = np.random.default_rng(7)
    for _ in range(100):
        values = rng.integers(0, rng.integers(1, 8), (3, rng.integers(2, 9))).astype(float)
        assert _shares.mean_ranks(values).tolist() == stats.rankdata(values, axis=-1).tolist()
        x, y = values[:2]
        if np.ptp(x) and np.ptp(y):
            assert _shares.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
        else:
            assert np.isnan(_shares.rank_correlation(x, y))
