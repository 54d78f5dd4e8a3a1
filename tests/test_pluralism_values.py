"""Value alignment tax, profiles, polarisation and agreement, by the book and against published numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from choicekit.alignment import values as v


def test_the_worked_tax() -> None:
    found = v.value_alignment_tax([0.2, 0.5, 0.4, 0.6], [0.7, 0.45, 0.1, 0.62], 0)
    assert found.gain == pytest.approx(0.5)
    assert (found.total, found.mean, found.harm) == pytest.approx((0.74, 0.74 / 3, -0.70))
    assert found.undefined == 0


@given(st.integers(0, 2**32))
def test_taxes_by_the_book(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after, targets = rng.random((6, 4)), rng.random((6, 4)), rng.integers(0, 4, 6)
    rises = [b < a for b, a in zip(before[range(6), targets], after[range(6), targets], strict=True)]
    if not any(rises):
        after[0, targets[0]], rises[0] = 1.5, True
    found = v.value_alignment_tax(before, after, targets)
    assert found.undefined == 6 - sum(rises)
    for row, target in enumerate(targets):
        if not rises[row]:
            assert np.isnan([found.total[row], found.mean[row], found.harm[row]]).all()
            continue
        moves = [a - b for b, a in zip(before[row], after[row], strict=True)]
        others = [move for value, move in enumerate(moves) if value != target]
        assert found.total[row] == pytest.approx(sum(map(abs, others)) / moves[target])
        assert found.mean[row] == pytest.approx(sum(map(abs, others)) / 3 / moves[target])
        assert found.harm[row] == pytest.approx(sum(min(move, 0) for move in others) / moves[target])
        assert 0 <= -found.harm[row] <= found.total[row]
        alone = v.value_alignment_tax(before[row], after[row], int(target))
        assert alone.total == pytest.approx(found.total[row])
        # in other units, and from other zeros, the tax is the same
        moved = v.value_alignment_tax(3 * before[row] - 1, 3 * after[row] - 1, int(target))
        assert moved.total == pytest.approx(found.total[row])


def test_no_other_value_moves_no_tax() -> None:
    found = v.value_alignment_tax([0.1, 0.2, 0.3], [0.9, 0.2, 0.3], 0)
    assert (found.total, found.harm) == (0, 0)


def test_couplings_beside_numpy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        before, after = rng.random((2, 10, 4))
        assert v.value_coupling(before, after) == pytest.approx(np.corrcoef((after - before).T))
    after[:, 2] = before[:, 2] + 0.1
    found = v.value_coupling(before, after)
    assert np.isnan(found[2]).all()
    assert np.isnan(found[:, 2]).all()
    assert np.isfinite(np.delete(np.delete(found, 2, 0), 2, 1)).all()


def test_profiles_beside_scipy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        found, wanted = rng.integers(1, 6, (3, 5)), rng.integers(1, 6, 5)
        assert v.profile_mae(found, wanted) == pytest.approx(np.abs(found - wanted).mean(-1))
        for value, row in zip(v.profile_spearman(found, wanted), found, strict=True):
            if np.ptp(row) and np.ptp(wanted):
                assert value == pytest.approx(stats.spearmanr(row, wanted).statistic)
            else:
                assert np.isnan(value)
        assert v.profile_mae(wanted, wanted) == 0


# --- Spread of opinions ----------------------------------------------------------------------------------------


def eijk_by_the_book(counts: list[float]) -> float:
    """Layers are taken off one by one, triples are listed."""
    left, size, whole, total = list(counts), len(counts), sum(counts), 0.0
    while max(left) > 1e-12:
        inside = [value > 1e-12 for value in left]
        height = min(value for value in left if value > 1e-12)
        apart = sum(a and not b and c for a, b, c in itertools.combinations(inside, 3))
        joined = sum(b and a != c for a, b, c in itertools.combinations(inside, 3))
        u = 1.0
        if apart + joined:
            u = ((size - 2) * joined - (size - 1) * apart) / ((size - 2) * (apart + joined))
        total += height * sum(inside) / whole * u * (1 - (sum(inside) - 1) / (size - 1))
        left = [value - height if one else 0.0 for value, one in zip(left, inside, strict=True)]
    return total


@given(st.lists(st.integers(0, 20), min_size=3, max_size=8).filter(any))
def test_agreement_by_the_book(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    found = v.ordinal_agreement(shares)
    assert found == pytest.approx(eijk_by_the_book(shares.tolist()), abs=1e-9)
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    assert v.ordinal_agreement(shares[::-1]) == pytest.approx(found)


def test_agreement_as_published() -> None:
    counts = np.array([30, 40, 210, 130, 530, 50, 10])  # the example of the R package agrmt
    assert v.ordinal_agreement(counts / 1000) == pytest.approx(0.6113333, abs=5e-8)
    for size in range(3, 9):
        corner = np.eye(size)
        assert v.ordinal_agreement(corner) == pytest.approx(1)
        assert v.ordinal_agreement(np.full(size, 1 / size)) == pytest.approx(0)
        assert v.ordinal_agreement((corner[0] + corner[-1]) / 2) == pytest.approx(-1)


@given(st.integers(0, 2**32))
def test_polarisation_beside_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 7))
    shares, places = rng.dirichlet(np.ones(size)), np.cumsum(rng.random(size) + 0.01)
    mean = np.average(places, weights=shares)
    variance = np.average((places - mean) ** 2, weights=shares)
    found = v.opinion_polarisation(shares, places)
    assert found == pytest.approx(4 * variance / np.ptp(places) ** 2)
    assert 0 <= found <= 1 + 1e-12
    assert v.opinion_polarisation(shares, 5 - 2 * places[::-1]) == pytest.approx(
        v.opinion_polarisation(shares[::-1], places), abs=1e-12
    )
    ends = np.zeros(size)
    ends[[0, -1]] = 0.5
    assert v.opinion_polarisation(ends, places) == pytest.approx(1)


def test_batches_are_one_by_one() -> None:
    shares = np.random.default_rng(2).dirichlet(np.ones(5), (3, 2))
    for measure in (v.ordinal_agreement, v.opinion_polarisation):
        assert measure(shares) == pytest.approx(np.array([[measure(one) for one in row] for row in shares]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: v.value_alignment_tax([0.5, 0.5], [0.4, 0.6], 0), "it gained nothing"),
        (lambda: v.value_alignment_tax([0.5], [0.6], 0), "at least 2"),
        (lambda: v.value_alignment_tax([0.5, 0.5], [0.6, 0.5], 2), "codes of values from 0 to 1"),
        (lambda: v.value_alignment_tax([0.5, 0.5], [0.6, 0.5], -1), "codes of values"),
        (lambda: v.value_alignment_tax([0.5, 0.5], [0.6, 0.5], [0, 1]), "codes of values"),
        (lambda: v.value_alignment_tax([0.5, 0.5], [0.6], 0), "one shape"),
        (lambda: v.value_alignment_tax([0.5, np.nan], [0.6, 0.5], 0), "before: needed finite"),
        (lambda: v.value_coupling([[1, 2], [2, 3]], [[1, 2], [2, 3]]), "at least 3 scenarios"),
        (lambda: v.profile_mae([1, 2], [1, 2, 3]), "same dimensions"),
        (lambda: v.profile_spearman([1], [1]), "at least 2 dimensions"),
        (lambda: v.ordinal_agreement([0.5, 0.5]), "at least 3 answers"),
        (lambda: v.opinion_polarisation([0.5, 0.6]), "must sum to 1"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
