"""Our own speed, followed from commit to commit: ``pytest benchmarks/test_speed.py`` (needs pytest-benchmark)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import domains, models


@pytest.fixture(scope="module")
def million() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    strength = rng.normal(size=100)
    left = rng.integers(0, 100, 1_000_000)
    right = (left + rng.integers(1, 100, 1_000_000)) % 100
    won = rng.random(1_000_000) < 1 / (1 + np.exp(strength[right] - strength[left]))
    return np.where(won, left, right), np.where(won, right, left)


def test_comparisons_from_integer_arrays(benchmark: Any, million: tuple[Any, Any]) -> None:
    assert len(benchmark(ck.Comparisons, *million)) == 1_000_000


def test_bradley_terry(benchmark: Any, million: tuple[Any, Any]) -> None:
    assert benchmark(models.bradley_terry, ck.Comparisons(*million)).converged


def test_bradley_terry_by_group(benchmark: Any) -> None:
    votes = domains.three_groups().sample(voters=400, comparisons=20, rng=0)
    assert len(benchmark(models.bradley_terry_by_group, votes).fits) == 3


def test_audit(benchmark: Any) -> None:
    votes = domains.three_groups().sample(voters=400, comparisons=20, rng=0)
    assert benchmark(ck.audit, votes).worst_group == "minority"


def test_borda_batch(benchmark: Any) -> None:
    rng = np.random.default_rng(0)
    ranks = rng.permuted(np.tile(np.arange(5), (10_000, 101, 1)), axis=2)
    assert benchmark(ck.rules.borda.batch, ranks).shape == (10_000, 5)
