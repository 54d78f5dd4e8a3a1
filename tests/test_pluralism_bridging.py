"""Bridging scores: the conditions of a minimum, a general optimiser, planted divides, real votes."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from choicekit.alignment.bridging import Bridging, bridging_scores
from choicekit.outcomes import NotConverged

Array = np.ndarray


def drawn(rng: np.random.Generator, voters: int, alternatives: int, share: float = 0.6) -> tuple[Array, Array, Array]:
    """Ratings by two poles of alternatives that lean to either, with noise and gaps; everybody has rated something."""
    side = np.where(np.arange(voters) < voters * 0.6, 1.0, -1.0)
    lean, good = rng.normal(size=alternatives), rng.normal(size=alternatives)
    mean = side[:, None] * lean + good + rng.normal(size=(voters, alternatives)) * 0.5
    seen = rng.random((voters, alternatives)) < share
    seen[np.arange(voters), rng.integers(0, alternatives, voters)] = True
    seen[rng.integers(0, voters, alternatives), np.arange(alternatives)] = True
    who, what = np.nonzero(seen)
    return who, what, (mean[who, what] > 0).astype(float)


def objective(found: Bridging, who: Array, what: Array, rating: Array, on_i: float, on_f: float) -> float:
    """The definition, term by term."""
    total = 0.0
    for u, n, r in zip(who.tolist(), what.tolist(), rating.tolist(), strict=True):
        u, n = found.voters.index(u), found.alternatives.index(n)
        match = float(found.voter_factors[u] @ found.factors[n])
        total += (r - found.mean - found.voter_intercepts[u] - found.scores[n] - match) ** 2
    total += on_i * (found.mean**2 + float((found.scores**2).sum()) + float((found.voter_intercepts**2).sum()))
    return total + on_f * (float((found.factors**2).sum()) + float((found.voter_factors**2).sum()))


def slopes(found: Bridging, who: Array, what: Array, rating: Array, on_i: float, on_f: float) -> float:
    """The largest derivative of the objective by any parameter, from the definition."""
    error = rating - found.mean - found.voter_intercepts[who] - found.scores[what]
    error -= (found.voter_factors[who] * found.factors[what]).sum(1)
    by = [np.array([on_i * found.mean - error.sum()])]
    for codes, own, factors, other in (
        (who, found.voter_intercepts, found.voter_factors, found.factors[what]),
        (what, found.scores, found.factors, found.voter_factors[who]),
    ):
        by.append(on_i * own - np.bincount(codes, error, len(own)))
        for k in range(factors.shape[1]):
            by.append(on_f * factors[:, k] - np.bincount(codes, error * other[:, k], len(own)))
    return 2 * float(np.abs(np.concatenate(by)).max())


def test_every_slope_vanishes_and_the_objective_is_the_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(25):
        who, what, rating = drawn(rng, int(rng.integers(3, 30)), int(rng.integers(2, 12)))
        on_i, on_f, factors = *rng.uniform(0.05, 0.5, 2), int(rng.integers(1, 4))
        found = bridging_scores(
            who, what, rating, factors=factors, intercept_penalty=on_i, factor_penalty=on_f, starts=2, tolerance=1e-7
        )
        assert np.isclose(found.objective, objective(found, who, what, rating, on_i, on_f), rtol=1e-10)
        steepest = slopes(found, who, what, rating, on_i, on_f)
        assert steepest <= 1e-7 * 2 * (len(rating) + 1)
        assert np.isclose(steepest, found.gradient, rtol=1e-3, atol=1e-9)


def test_gauge_is_the_one_stated() -> None:
    rng = np.random.default_rng(1)
    for _ in range(15):
        who, what, rating = drawn(rng, 25, 10)
        found = bridging_scores(who, what, rating, factors=2, starts=2, tolerance=1e-7)
        inner = found.factors.T @ found.factors
        assert np.isclose(inner[0, 1], 0, rtol=0, atol=1e-9 * inner[0, 0] + 1e-12)
        assert inner[0, 0] >= inner[1, 1]
        assert np.allclose(inner, found.voter_factors.T @ found.voter_factors, rtol=0, atol=1e-4)
        assert (found.factors[np.abs(found.factors).argmax(0), [0, 1]] >= 0).all()


def test_a_general_optimiser_finds_nothing_better() -> None:
    rng = np.random.default_rng(2)
    for _ in range(6):
        who, what, rating = drawn(rng, 9, 5)
        found = bridging_scores(who, what, rating)
        v, a = len(found.voters), len(found.alternatives)

        def value(
            x: Array, who: Array = who, what: Array = what, rating: Array = rating, v: int = v, a: int = a
        ) -> Any:
            mean, i_u, i_n, f_u, f_n = np.split(x, np.cumsum([1, v, a, v]))
            error = rating - mean - i_u[who] - i_n[what] - f_u[who] * f_n[what]
            return error @ error + 0.15 * (mean @ mean + i_u @ i_u + i_n @ i_n) + 0.03 * (f_u @ f_u + f_n @ f_n)

        ends = [minimize(value, rng.normal(size=1 + 2 * (v + a)) * 0.7, method="BFGS").fun for _ in range(4)]
        assert found.objective <= min(ends) + 1e-6
        assert min(found.objectives) == found.objective


def test_both_poles_beat_the_larger_pole_at_equal_approval() -> None:
    """As many like "both", spread over the poles, as like "one", who are the larger pole; others show the divide."""
    rng = np.random.default_rng(3)
    for trial in range(60):
        large, small = int(rng.integers(12, 30)), int(rng.integers(6, 12))
        side = np.arange(large + small) < large
        of_large = round(large * large / (large + small))
        both = np.zeros(large + small)
        both[rng.choice(large, of_large, replace=False)] = 1
        both[large + rng.choice(small, large - of_large, replace=False)] = 1
        columns = {"both": both, "one": side.astype(float)}
        for k in range(4 + 2 * (trial % 3)):
            columns[f"divide {k}"] = (rng.random(large + small) < np.where(side == (k % 2 == 0), 0.85, 0.15)) * 1.0
        rows = [(v, n, column[v]) for n, column in columns.items() for v in range(large + small)]
        found = bridging_scores(*zip(*rows, strict=True))
        score = dict(zip(found.alternatives, found.scores.tolist(), strict=True))
        assert both.sum() == side.sum()
        assert score["both"] > score["one"]
        factor = dict(zip(found.alternatives, np.abs(found.factors[:, 0]).tolist(), strict=True))
        assert factor["one"] > factor["both"]


def test_without_a_divide_scores_follow_the_means() -> None:
    rng = np.random.default_rng(4)
    rating = (rng.random((40, 6)) < np.linspace(0.1, 0.9, 6)).astype(float)
    who, what = np.nonzero(np.ones(rating.shape, bool))
    found = bridging_scores(who, what, rating.ravel(), factor_penalty=50.0)  # factors cost too much to be used
    assert np.abs(found.factors).max() < 1e-4
    assert (np.argsort(found.scores) == np.argsort(rating.mean(0))).all()


def test_rows_in_any_order_and_labels_of_any_kind() -> None:
    rng = np.random.default_rng(5)
    who, what, rating = drawn(rng, 20, 8)
    found = bridging_scores(who, what, rating, tolerance=1e-7)
    mixed = rng.permutation(len(rating))
    again = bridging_scores([f"v{who[r]:02}" for r in mixed], what[mixed], rating[mixed], tolerance=1e-7, rng=9)
    assert np.allclose(again.scores, found.scores, rtol=0, atol=1e-4)
    assert np.allclose(again.factors, found.factors, rtol=0, atol=1e-3)
    assert found.voters[0] == 0
    assert again.voters[0] == "v00"


def test_helpful_wants_a_score_and_enough_ratings() -> None:
    rows = [(v, n, n == "x" or (n == "y" and v < 8)) for v in range(16) for n in "xyz"] + [
        (0, "rare", 1),
        (1, "rare", 1),
    ]
    found = bridging_scores(*zip(*rows, strict=True))
    score = dict(zip(found.alternatives, found.scores.tolist(), strict=True))
    assert found.helpful(-9, least=3) == tuple(sorted("xyz", key=lambda n: -score[n]))
    assert "rare" in found.helpful(-9, least=2)
    assert all(score[n] >= 0.1 for n in found.helpful(0.1, least=1))
    assert found.counts.tolist() == [2, 16, 16, 16]


def test_intervals_shrink_with_more_voters_and_hold_the_score() -> None:
    rng = np.random.default_rng(6)
    widths = []
    for voters in (20, 180):
        side = np.where(np.arange(voters) < voters * 0.6, 1.0, -1.0)
        lean = np.array([0.0, 1.5, -1.5, 1.0, -1.0, 0.5])
        rating = (side[:, None] * lean + rng.normal(size=(voters, 6)) > 0).astype(float)
        who, what = np.nonzero(np.ones(rating.shape, bool))
        found = bridging_scores(who, what, rating.ravel())
        ends = found.interval(replicates=60)
        assert ((ends[:, 0] <= found.scores + 0.02) & (found.scores - 0.02 <= ends[:, 1])).all()
        widths.append(np.ptp(ends, axis=1).mean())
    assert widths[1] < 0.6 * widths[0]
    assert np.array_equal(found.interval(replicates=10, rng=3), found.interval(replicates=10, rng=3))


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (([0], [0], [np.nan]), {}, "finite"),
        (([0, 1], [0], [1]), {}, "one length"),
        (([], [], []), {}, "one length"),
        (([0], [0], [1]), {"factors": 0}, "factor"),
        (([0], [0], [1]), {"starts": 0}, "start"),
        (([0], [0], [1]), {"factor_penalty": 0.0}, "positive"),
    ],
)
def test_bad_input(columns: tuple[Any, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bridging_scores(*columns, **options)


def test_bad_intervals_and_too_few_steps() -> None:
    who, what, rating = drawn(np.random.default_rng(7), 20, 8)
    with pytest.raises(ValueError, match="level"):
        bridging_scores(who, what, rating).interval(1.0)
    with pytest.raises(NotConverged) as caught:
        bridging_scores(who, what, rating, tolerance=1e-9, limit=2)
    assert isinstance(caught.value.partial, Bridging)
    assert caught.value.partial.residual > 1e-9


def test_real_votes_meet_the_conditions(data: Path) -> None:
    for name in ("polis_brexit", "polis_vtaiwan_uber"):
        with gzip.open(data / name / "votes.csv.gz", "rt", encoding="utf-8") as file:
            rows = [(int(row["participant"]), int(row["statement"]), int(row["vote"])) for row in csv.DictReader(file)]
        who, what, vote = np.array(rows).T
        found = bridging_scores(who, what, (vote + 1) / 2, starts=2)
        codes = [np.searchsorted(labels, column) for labels, column in
                 ((np.array(found.voters), who), (np.array(found.alternatives), what))]  # fmt: skip
        assert slopes(found, *codes, (vote + 1) / 2, 0.15, 0.03) <= 2e-5 * (len(vote) + 1)
        assert np.isclose(found.objectives[0], found.objectives[1], rtol=1e-6)
