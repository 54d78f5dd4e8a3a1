"""Multicalibration and decisions: the definition, that patching reaches its level, that decisions earn what is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from choicekit.alignment.decisions import (
    Recalibration,
    crossed,
    decision_utilities,
    multicalibration_error,
    quoted_discrepancy_bound,
    recalibrate,
)
from choicekit.outcomes import NotConverged

Array = np.ndarray


def drawn(rng: np.random.Generator, rows: int) -> tuple[Array, Array, Array, Array]:
    """Probabilities that are off by group and by people's own confidence, outcomes, groups, confidences."""
    group, confidence = rng.integers(0, 3, rows), rng.integers(0, 2, rows)
    truth = rng.beta(1.5, 1.5, rows)
    off = np.array([0.6, -0.4, 0.0])[group] + np.array([0.5, -0.5])[confidence]
    given = 1 / (1 + np.exp(-np.log(truth / (1 - truth)) - off))
    return given, (rng.random(rows) < truth).astype(float), group, confidence


def test_crossed_by_the_book() -> None:
    rng = np.random.default_rng(0)
    group, confidence = rng.choice(list("xyz"), 40), rng.choice(["low", "high"], 40)
    found = crossed(group=group, confidence=confidence)
    assert found[()].all()
    assert len(found) == 1 + 3 + 2 + 6
    for g in "xyz":
        assert np.array_equal(found[(("group", g),)], group == g)
        for c in ("low", "high"):
            both = found[(("group", g), ("confidence", c))]
            assert np.array_equal(both, (group == g) & (confidence == c))


def test_error_by_the_book() -> None:
    rng = np.random.default_rng(1)
    for _ in range(25):
        given, outcome, group, confidence = drawn(rng, 200)
        given[:3] = [0.0, 1.0, 0.3]
        bins, least = int(rng.integers(1, 8)), int(rng.integers(1, 25))
        subsets = crossed(group=group, confidence=confidence)
        found = multicalibration_error(given, outcome, subsets, bins=bins, least=least)
        gaps, skipped = {}, 0
        for name, mask in subsets.items():
            for b in range(bins):
                last = b == bins - 1
                rows = mask & (given >= b / bins) & ((given < (b + 1) / bins) | (last & (given == 1)))
                if rows.sum() >= least:
                    gaps[name, b] = outcome[rows].mean() - given[rows].mean()
                else:
                    skipped += rows.sum()
        assert found.skipped == skipped
        assert found.error == pytest.approx(max(map(abs, gaps.values()), default=0))
        assert sorted(cell.gap for cell in found.cells) == pytest.approx(sorted(gaps.values()))
        assert 0 <= found.expected <= found.error + 1e-12


def test_patching_reaches_its_level_on_every_draw() -> None:
    rng = np.random.default_rng(2)
    for _ in range(25):
        given, outcome, group, confidence = drawn(rng, int(rng.integers(300, 1500)))
        subsets = crossed(group=group, confidence=confidence)
        alpha, least = float(rng.uniform(0.01, 0.1)), int(rng.integers(5, 40))
        found = recalibrate(given, outcome, subsets, alpha=alpha, least=least, bins=8)
        again = multicalibration_error(found.probabilities, outcome, subsets, bins=8, least=least)
        assert again.error <= alpha + 1e-9
        assert found.error == pytest.approx(again.error, abs=1e-9)
        assert found.brier[1] <= found.brier[0] + 1e-12
        assert len(found.patches) <= len(given) / (least * alpha**2)
        assert ((found.probabilities >= 0) & (found.probabilities <= 1)).all()
        assert np.allclose(found.apply(given, subsets), found.probabilities, rtol=0, atol=1e-12)


def test_every_patch_gains_what_is_promised() -> None:
    rng = np.random.default_rng(3)
    given, outcome, group, confidence = drawn(rng, 800)
    subsets = crossed(group=group, confidence=confidence)
    found = recalibrate(given, outcome, subsets, alpha=0.03, least=20)
    assert found.patches
    for step in range(len(found.patches)):
        before = Recalibration(given, found.patches[:step], 0, (0, 0), np.zeros(0)).apply(given, subsets)
        after = Recalibration(given, found.patches[: step + 1], 0, (0, 0), np.zeros(0)).apply(given, subsets)
        patch = found.patches[step]
        rows = subsets[patch.subset] & (before >= patch.lower) & ((before < patch.upper) | (patch.upper == 1))
        assert rows.sum() >= 20
        assert abs(patch.shift) > 0.03
        gained = ((before - outcome) ** 2).sum() - ((after - outcome) ** 2).sum()
        assert gained >= rows.sum() * patch.shift**2 - 1e-9


def test_patches_help_on_rows_held_out() -> None:
    rng = np.random.default_rng(4)
    for _ in range(5):
        given, outcome, group, confidence = drawn(rng, 12_000)
        subsets = crossed(group=group, confidence=confidence)
        learn, held = np.arange(12_000) < 6_000, np.arange(12_000) >= 6_000
        found = recalibrate(
            given[learn], outcome[learn], {name: mask[learn] for name, mask in subsets.items()}, least=100
        )
        others = {name: mask[held] for name, mask in subsets.items()}
        patched = found.apply(given[held], others)
        before = multicalibration_error(given[held], outcome[held], others, least=100)
        after = multicalibration_error(patched, outcome[held], others, least=100)
        assert after.error < before.error
        assert after.expected < 0.6 * before.expected
        assert ((patched - outcome[held]) ** 2).mean() < ((given[held] - outcome[held]) ** 2).mean()


def test_calibrated_groups_earn_what_they_are_promised() -> None:
    """With the threshold an edge: |promised − realised| ≤ error·max|u_d1 − u_d0|, before and after patching."""
    rng = np.random.default_rng(5)
    for _ in range(25):
        given, outcome, group, confidence = drawn(rng, 600)
        low, high = rng.uniform(0.5, 2, 2)
        table = np.array([[0.0, 0.0], [-low, high]])  # to act earns `high` if y = 1 and costs `low` if not
        edges = np.unique([0, 0.25, low / (low + high), 0.75, 1])
        subsets = crossed(group=group, confidence=confidence)
        patched = recalibrate(given, outcome, subsets, alpha=0.04, bins=edges, least=1).probabilities
        for column in (given, patched):
            found = decision_utilities(column, outcome, group, table)
            alone = {name: mask for name, mask in subsets.items() if len(name) == 1 and name[0][0] == "group"}
            error = multicalibration_error(column, outcome, alone, bins=edges, least=1).error
            assert found.disappointment <= error * (low + high) + 1e-9
            assert (found.realised <= found.best + 1e-12).all()
        assert found.disappointment <= 0.04 * (low + high) + 1e-9


def test_decisions_by_the_book() -> None:
    rng = np.random.default_rng(6)
    for _ in range(40):
        given, outcome, group, _ = drawn(rng, 60)
        table = rng.normal(size=(2, 2))
        found = decision_utilities(given, outcome, group, table)
        for g, label in enumerate(found.groups):
            promised, realised, best, acted = [], [], [], []
            for p, y, own in zip(given, outcome.astype(int), group, strict=True):
                if own == label:
                    hopes = [(1 - p) * table[d, 0] + p * table[d, 1] for d in (0, 1)]
                    d = int(hopes[1] > hopes[0])
                    promised.append(hopes[d])
                    realised.append(table[d, y])
                    best.append(max(table[:, y]))
                    acted.append(d)
            row = (found.promised[g], found.realised[g], found.best[g], found.share[g])
            assert row == pytest.approx([np.mean(each) for each in (promised, realised, best, acted)])
        assert found.discrepancy == pytest.approx(found.realised.max() - found.realised.min())


def test_patching_raises_utility_on_average() -> None:
    """Best responses to patched probabilities earn more over all rows than to the raw ones, on drawn instances."""
    rng = np.random.default_rng(7)
    gains = []
    for _ in range(20):
        given, outcome, group, confidence = drawn(rng, 4_000)
        subsets = crossed(group=group, confidence=confidence)
        patched = recalibrate(given, outcome, subsets, alpha=0.03).probabilities
        everybody, table = np.zeros(4_000, int), [[1, 0], [0, 1]]
        pair = [decision_utilities(column, outcome, everybody, table).realised[0] for column in (given, patched)]
        gains.append(pair[1] - pair[0])
    assert min(gains) > 0


def test_quoted_bound_is_the_formula() -> None:
    assert quoted_discrepancy_bound([[0, 0], [0, 1]], alpha_human=0, alpha_group=0) == 0
    assert quoted_discrepancy_bound([[1, 0], [0, 1]], alpha_human=0.2, alpha_group=0) == pytest.approx(0.2)
    assert quoted_discrepancy_bound([[0, 0], [-1, 1]], alpha_human=0.1, alpha_group=0.2) == pytest.approx(
        2 * (0.05 + 0.95 * 0.56)
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: recalibrate([0.5], [2], {"x": [True]}), "outcome"),
        (lambda: recalibrate([1.5], [1], {"x": [True]}), "probabilities"),
        (lambda: recalibrate([np.nan], [1], {"x": [True]}), "probabilities"),
        (lambda: recalibrate([0.5], [1], {}), "at least one subset"),
        (lambda: recalibrate([0.5], [1], {"x": [True, False]}), "1 rows"),
        (lambda: recalibrate([0.5], [1], {"x": [True]}, alpha=0), "alpha"),
        (lambda: multicalibration_error([0.5], [1], {"x": [True]}, bins=0), "bins"),
        (lambda: multicalibration_error([0.5], [1], {"x": [True]}, bins=[0, 0.5, 0.5, 1]), "bins"),
        (lambda: multicalibration_error([0.5], [1], {"x": [True]}, least=0), "least"),
        (lambda: decision_utilities([0.5], [1], ["x"], [[1, 2]]), "2 × 2"),
        (lambda: decision_utilities([0.5], [1], ["x", "y"], np.eye(2)), "one length"),
        (lambda: crossed(group=["x"], level=["y", "z"]), "one length"),
        (lambda: quoted_discrepancy_bound(np.eye(2), alpha_human=2, alpha_group=0), "levels"),
        (lambda: quoted_discrepancy_bound(np.eye(3), alpha_human=0, alpha_group=0), "2 × 2"),
    ],
)
def test_bad_input(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_too_few_patches_say_what_is_left() -> None:
    given, outcome, group, confidence = drawn(np.random.default_rng(8), 800)
    with pytest.raises(NotConverged) as caught:
        recalibrate(given, outcome, crossed(group=group, confidence=confidence), alpha=0.01, limit=2)
    assert len(caught.value.partial.patches) == 2
    assert caught.value.partial.error > 0.01
