"""Calibration under disagreement: scipy's correlations, planted noise, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy, pearsonr, spearmanr

from choicekit.alignment.calibration import (
    _correlation,
    disagreement_calibration,
    disagreement_entropy,
    similar_quality,
)


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any), min_size=1, max_size=8))
def test_entropy_is_scipys_and_between_its_bounds(counts: list[list[int]]) -> None:
    found = disagreement_entropy(counts)
    assert np.allclose(found, entropy(np.array(counts), axis=-1), rtol=0, atol=1e-12)
    assert ((found >= 0) & (found <= np.log(3) + 1e-12)).all()


def test_correlations_are_scipys() -> None:
    rng = np.random.default_rng(0)
    for trial in range(60):
        n = int(rng.integers(8, 60))
        scores, quality = rng.normal(size=n).round(1), rng.normal(size=n).round(1)
        divided = rng.random(n)
        threshold = None if trial % 2 else 0.4
        for method, peer in (("spearman", spearmanr), ("pearson", pearsonr)):
            found = disagreement_calibration(scores, quality, divided, threshold=threshold, method=method)
            above = divided > (np.median(divided) if threshold is None else threshold)
            assert found.counts == (n, (~above).sum(), above.sum())
            for value, rows in ((found.overall, above | True), (found.agreed, ~above), (found.disputed, above)):
                if rows.sum() > 1:
                    assert np.isclose(value, peer(scores[rows], quality[rows]).statistic, rtol=0, atol=1e-12)


def test_repeated_rows_are_rows() -> None:
    """The correlation of rows counted several times is that of a table that has them so often."""
    rng = np.random.default_rng(5)
    for method, peer in (("spearman", spearmanr), ("pearson", pearsonr)):
        for _ in range(30):
            columns, times = rng.normal(size=(2, 20)).round(1), rng.integers(0, 4, (3, 20))
            found = _correlation(*columns, method, times.astype(float))
            for b in range(3):
                expected = peer(*np.repeat(columns, times[b], axis=1)).statistic
                assert np.isclose(found[b], expected, rtol=0, atol=1e-12)


def test_planted_noise_is_found() -> None:
    """Scores that follow the ratings where people agree and are noise elsewhere; and the same noise everywhere."""
    rng = np.random.default_rng(1)
    for _ in range(10):
        quality, divided = rng.normal(size=400), np.arange(400) % 2
        noise = rng.normal(size=400)
        found = disagreement_calibration(quality * 0.8 + noise * np.where(divided == 1, 3.0, 0.3), quality, divided)
        low, _ = found.interval(replicates=200)[3]
        assert found.drop > 0.4
        assert low > 0.2


def test_intervals_cover_without_a_difference() -> None:
    rng = np.random.default_rng(2)
    held, trials = np.zeros(4), 120
    truth = 0.8 / np.hypot(0.8, 0.6)
    for trial in range(trials):
        quality, divided = rng.normal(size=160), rng.integers(0, 2, 160)
        scores = 0.8 * quality + 0.6 * rng.normal(size=160)
        ends = disagreement_calibration(scores, quality, divided, threshold=0.5, method="pearson").interval(
            0.9, replicates=200, rng=trial
        )
        aim = np.array([truth, truth, truth, 0.0])
        held += (ends[:, 0] <= aim) & (aim <= ends[:, 1])
    assert (held >= 0.8 * trials).all()
    assert (held <= trials - 2).any()  # and not because they are as wide as can be


def test_intervals_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    found = disagreement_calibration(*rng.normal(size=(2, 50)), np.arange(50))
    whole = found.interval(replicates=2_000)
    monkeypatch.setattr("choicekit.alignment.calibration._NUMBERS", 5_000)
    parts = found.interval(replicates=2_000)  # other draws of the same law
    assert whole.shape == parts.shape == (4, 2)
    assert np.allclose(whole, parts, rtol=0, atol=0.08)


def test_one_part_alone_has_no_other() -> None:
    found = disagreement_calibration([1, 2, 3], [1, 3, 2], [0, 0, 0])
    assert found.agreed == found.overall == 0.5
    assert np.isnan(found.disputed)
    ends = found.interval(replicates=50)
    assert np.isnan(ends[2:]).all()
    assert np.array_equal(ends[0], ends[1])
    assert np.isfinite(ends[0]).all()
    assert np.isnan(disagreement_calibration([1, 1], [1, 2], [0, 0]).overall)


def test_fences_by_the_book() -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        n = int(rng.integers(1, 40))
        quality, context, fence = rng.normal(size=n).round(2), rng.integers(0, 4, n), float(rng.choice([0, 0.5, 1.5]))
        found = similar_quality(quality, context, fence=fence)
        for row in range(n):
            low, high = np.quantile(quality[context == context[row]], [0.25, 0.75])
            reach = fence * (high - low)
            assert found[row] == (low - reach - 1e-9 <= quality[row] <= high + reach + 1e-9)
    assert (similar_quality(quality, context, fence=0.2) <= similar_quality(quality, context, fence=2)).all()


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="counts"):
        disagreement_entropy([[0, 0]])
    with pytest.raises(ValueError, match="counts"):
        disagreement_entropy([[1, -1]])
    with pytest.raises(ValueError, match="one length"):
        disagreement_calibration([1, 2], [1, 2], [0])
    with pytest.raises(ValueError, match="finite"):
        disagreement_calibration([1, np.nan], [1, 2], [0, 1])
    with pytest.raises(ValueError, match="method"):
        disagreement_calibration([1, 2], [1, 2], [0, 1], method="kendall")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="level"):
        disagreement_calibration([1, 2], [1, 2], [0, 1]).interval(2)
    with pytest.raises(ValueError, match="fence"):
        similar_quality([1.0], ["x"], fence=-1)
    with pytest.raises(ValueError, match="finite"):
        similar_quality([np.inf], ["x"])
