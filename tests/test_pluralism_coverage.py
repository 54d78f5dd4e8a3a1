"""Overton coverage against worked numbers, loops over rows, and what must move it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from choicekit.alignment.coverage import coverage_from_ratings, overton_coverage


def test_worked_numbers() -> None:
    rep, sizes = [4.3, 3.9, 4.1, 2.5], [0.5, 0.25, 0.15, 0.1]
    assert overton_coverage(rep) == 0.5
    assert overton_coverage(rep, sizes=sizes) == pytest.approx(0.65)


@given(st.integers(0, 2**32))
def test_by_the_book_and_batches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratings = rng.uniform(1, 5, (4, 6)).round(1)
    ratings[:, 1:][rng.random((4, 5)) < 0.3] = np.nan
    sizes, threshold = rng.random((4, 6)), float(rng.uniform(1, 5).__round__(1))
    plain, heavy = [], []
    for row, size in zip(ratings, sizes, strict=True):
        there = [(r, s) for r, s in zip(row, size, strict=True) if r == r]
        plain.append(sum(r >= threshold for r, _ in there) / len(there))
        heavy.append(sum(s for r, s in there if r >= threshold) / sum(s for _, s in there))
    assert overton_coverage(ratings, threshold=threshold) == pytest.approx(plain)
    assert overton_coverage(ratings, threshold=threshold, sizes=sizes) == pytest.approx(heavy)
    assert overton_coverage(ratings, threshold=threshold, sizes=np.ones(6)) == pytest.approx(plain)
    # better ratings and lower thresholds never cover less
    assert (overton_coverage(ratings + 0.5, threshold=threshold) >= plain).all()
    assert (overton_coverage(ratings, threshold=threshold + 0.5) <= plain).all()


def long_table(rng: np.random.Generator) -> tuple[list[Any], list[Any], list[Any]]:
    rows = int(rng.integers(30, 200))
    question = [f"q{i}" for i in rng.integers(0, 5, rows)]
    viewpoint = ["abc"[i] for i in rng.integers(0, 3, rows)]
    rating: list[Any] = rng.integers(1, 6, rows).tolist()
    for row in rng.integers(0, rows, 5).tolist():
        rating[row] = None if row % 2 else float("nan")
    return question, viewpoint, rating


def test_long_tables_by_the_book() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        question, viewpoint, rating = long_table(rng)
        rows = [row for row in zip(question, viewpoint, rating, strict=True) if row[2] is not None and row[2] == row[2]]
        found = coverage_from_ratings(question, viewpoint, rating, threshold=3.2)
        assert found.left_out == len(question) - len(rows)
        for x, name in enumerate(found.questions):
            cells = {
                c: [r for q, v, r in rows if (q, v) == (name, c)] for c in found.viewpoints
            }  # fmt: skip
            means = {c: sum(given) / len(given) for c, given in cells.items() if given}
            covered = [c for c, mean in means.items() if mean >= 3.2]
            assert found.by_question[x] == pytest.approx(len(covered) / len(means))
            people = sum(len(given) for given in cells.values())
            assert found.by_people[x] == pytest.approx(sum(len(cells[c]) for c in covered) / people)
            for c, viewpoint_name in enumerate(found.viewpoints):
                assert found.representation[x, c] == pytest.approx(means.get(viewpoint_name, np.nan), nan_ok=True)
        assert found.mean == pytest.approx(found.by_question.mean())
        assert found.mean_by_people == pytest.approx(found.by_people.mean())
        curve = found.curve(np.linspace(0, 6, 13))
        assert curve[0] == pytest.approx(1)
        assert curve[-1] == 0
        assert (np.diff(curve) <= 1e-12).all()
        assert found.curve(3.2).item() == pytest.approx(found.mean)
        low, high = found.interval(rng=1)[0]
        assert low <= found.mean <= high


def test_weights_are_repeated_rows_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        question, viewpoint, rating = long_table(rng)
        times = rng.integers(1, 4, len(question))
        weighed = coverage_from_ratings(question, viewpoint, rating, weights=times)
        order = rng.permutation(np.repeat(np.arange(len(question)), times))
        repeated = coverage_from_ratings(*([column[i] for i in order] for column in (question, viewpoint, rating)))
        assert weighed.by_people == pytest.approx(repeated.by_people)
        assert weighed.representation == pytest.approx(repeated.representation, nan_ok=True)
    heavy = coverage_from_ratings(["q", "r"], ["a", "a"], [5, 1], question_weights=[3, 1])
    assert heavy.mean == 0.75
    assert not heavy.representation.flags.writeable


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: overton_coverage([np.nan, np.nan]), "1 questions have no viewpoint"),
        (lambda: overton_coverage([5, 4], sizes=[0, 0]), "no viewpoint"),
        (lambda: overton_coverage([5, 4], sizes=[-1, 2]), "at least 0"),
        (lambda: overton_coverage([5, 4], sizes=[1, 1, 1]), "sizes: needed one for each viewpoint"),
        (lambda: overton_coverage([5, 4], threshold=np.nan), "threshold: needed a number"),
        (lambda: overton_coverage([np.inf, 4]), "representation: needed ratings"),
        (lambda: coverage_from_ratings(["q"], ["a", "b"], [1, 2]), "columns of one length"),
        (lambda: coverage_from_ratings(["q", "r"], ["a", "a"], [1, None]), "'r' has no rating"),
        (lambda: coverage_from_ratings(["q"], ["a"], [1]).interval(), "at least 2 contexts"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
