"""Krippendorff's alpha: the published example, pairs by hand, another's figures on real ratings."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from choicekit.alignment.reliability import Scale, krippendorff_alpha

N = np.nan
# Krippendorff's own example: four observers, twelve units (Computing Krippendorff's Alpha-Reliability, 2011).
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(scale: Scale, alpha: float) -> None:
    found = krippendorff_alpha(PUBLISHED, scale=scale, replicates=0)
    assert found.alpha == pytest.approx(alpha, abs=5e-4)
    assert (found.contexts, found.ratings) == (11, 40)


def by_hand(table: NDArray[np.float64], scale: Scale) -> float:
    """Every pair of ratings looked at."""
    columns = [column[~np.isnan(column)] for column in table.T]
    columns = [column for column in columns if len(column) > 1]
    everything = np.concatenate(columns)

    def apart(a: float, b: float) -> float:
        if scale == "nominal":
            return float(a != b)
        if scale == "interval":
            return (a - b) ** 2
        low, high = sorted((a, b))
        between = sum((everything == x).sum() for x in np.unique(everything) if low <= x <= high)
        return float(between - ((everything == low).sum() + (everything == high).sum()) / 2) ** 2 if a != b else 0.0

    observed = sum(sum(apart(a, b) for a, b in permutations(c, 2)) / (len(c) - 1) for c in columns) / len(everything)
    pairs = [apart(a, b) for a, b in permutations(everything, 2)]
    return float(1 - observed / np.mean(pairs))


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("seed", range(6))
def test_pairs_by_hand(seed: int, scale: Scale) -> None:
    rng = np.random.default_rng(seed)
    table = rng.choice([0.0, 1.0, 2.5, 7.0], (4, 9))
    table[rng.random((4, 9)) < 0.3] = N
    assert krippendorff_alpha(table, scale=scale, replicates=0).alpha == pytest.approx(by_hand(table, scale))


def test_copies_and_strangers() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 3, 200)
    assert krippendorff_alpha([one, one, one], replicates=0).alpha == 1.0
    found = krippendorff_alpha(rng.integers(0, 3, (5, 2000)), rng=0, replicates=200)
    assert found.interval[0] < 0 < found.interval[1]
    assert abs(found.alpha) < 0.03
    assert np.isnan(krippendorff_alpha(np.ones((2, 3)), replicates=0).alpha)


def test_intervals_cover() -> None:
    """Raters who copy the truth with probability ½ each: alpha is ¼ for an even binary truth, 95 times in 100."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(150):
        truth = rng.integers(0, 2, 150)
        table = np.where(rng.random((4, 150)) < 0.5, truth, rng.integers(0, 2, (4, 150)))
        low, high = krippendorff_alpha(table, replicates=199, rng=rng).interval
        covered += low <= 0.25 <= high
    assert 131 <= covered <= 149  # 142.5 expected


def test_real_ratings_give_what_another_program_gives(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["dices350"]
    table = pd.read_csv(data / "dices_judgebench" / "dices350_matrix.csv.gz")
    answers = table[[column for column in table if column.startswith("r")]].to_numpy().T
    two = np.select([answers == "Yes", answers == "No"], [1.0, 0.0], N)
    three = np.select([answers == "Yes", answers == "No"], [1.0, 0.0], 2.0)
    assert krippendorff_alpha(two, replicates=0).alpha == pytest.approx(
        facts["krippendorff_alpha_nominal_unsure_missing"], abs=5e-5
    )
    assert krippendorff_alpha(three, replicates=0).alpha == pytest.approx(
        facts["krippendorff_alpha_nominal_3cat"], abs=5e-5
    )


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"needed finite numbers .*got shape \(3,\)"):
        krippendorff_alpha([1, 2, 3])
    with pytest.raises(ValueError, match="needed a context with two ratings or more, got none"):
        krippendorff_alpha([[1, N], [N, 2]])
    with pytest.raises(ValueError, match="scale: needed 'nominal', 'ordinal' or 'interval', got 'ratio'"):
        krippendorff_alpha([[1], [2]], scale="ratio")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needed a level between 0 and 1"):
        krippendorff_alpha([[1], [2]], level=95)
