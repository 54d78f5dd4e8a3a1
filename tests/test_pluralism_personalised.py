"""Personalised accuracy: by the book, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from choicekit.alignment.personalised import personalised_accuracy, share_interval

Row = tuple[float, int]


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.5, 0.999))
def test_intervals_are_scipys(hits: int, misses: int, level: float) -> None:
    of = hits + misses
    for method in ("wilson", "clopper_pearson"):
        ends = share_interval(hits, of, level, method=method)
        if of:
            peer = binomtest(hits, of).proportion_ci(level, "exact" if method == "clopper_pearson" else "wilson")
            assert np.allclose(ends, [peer.low, peer.high], rtol=0, atol=1e-9)
        else:
            assert ends.tolist() == [0.0, 1.0]


def test_clopper_pearson_never_covers_less_than_its_level() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        of, chance, level = int(rng.integers(1, 40)), float(rng.random()), float(rng.uniform(0.6, 0.99))
        ends = share_interval(np.arange(of + 1), of, level, method="clopper_pearson")
        covers = (ends[:, 0] <= chance) & (chance <= ends[:, 1])
        assert binom.pmf(np.arange(of + 1), of, chance)[covers].sum() >= level - 1e-9


rows = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 5)), min_size=1, max_size=30)


@given(rows)
def test_by_the_book(table: list[Row]) -> None:
    group = {v: "xy"[v % 2] for v in range(6)}
    found = personalised_accuracy([c for c, _ in table], [v for _, v in table], group=[group[v] for _, v in table])
    own = {v: [c for c, w in table if w == v] for v in found.voters}
    for v, accuracy, count in zip(found.voters, found.accuracy, found.counts, strict=True):
        assert accuracy == pytest.approx(np.mean(own[v]))
        assert count == len(own[v])
    assert found.mean == pytest.approx(np.mean([np.mean(row) for row in own.values()]))
    assert found.pooled == pytest.approx(np.mean([c for c, _ in table]))
    for g, label in enumerate(found.groups):
        members = [v for v in own if group[v] == label]
        assert found.group_accuracy[g] == pytest.approx(np.mean([np.mean(own[v]) for v in members]))
        assert found.group_pooled[g] == pytest.approx(np.mean([c for v in members for c in own[v]]))
    lowest = min(np.mean(row) for row in own.values())
    assert np.mean(own[found.worst]) == pytest.approx(lowest)
    assert len(own[found.worst]) == max(len(row) for row in own.values() if np.isclose(np.mean(row), lowest))


def test_interval_of_the_worst_covers_whoever_it_is() -> None:
    """The lowest observed accuracy is biased down; the simultaneous interval holds the true minimum often enough."""
    rng = np.random.default_rng(1)
    held, below = 0, 0
    for _ in range(400):
        chances = rng.uniform(0.55, 0.95, 30)
        counts = rng.integers(3, 40, 30)
        voter = np.repeat(np.arange(30), counts)
        found = personalised_accuracy(rng.random(len(voter)) < chances[voter], voter)
        low, high = found.worst_interval(0.9)
        held += low <= chances.min() <= high
        below += found.accuracy.min() < chances.min()
    assert held >= 0.9 * 400
    assert below > 0.9 * 400  # and so the raw minimum does not do


def test_group_intervals_cover_and_tell_people_from_answers() -> None:
    """40 people, 100 answers each, who differ: resampling persons covers, taking answers for people does not."""
    rng = np.random.default_rng(2)
    voter = np.repeat(np.arange(40), 100)
    held, naive = 0, 0
    for trial in range(150):
        chances = rng.beta(2, 1, 40)  # mean 2/3
        correct = rng.random(4000) < chances[voter]
        found = personalised_accuracy(correct, voter, group=np.full(4000, "x"))
        low, high = found.group_interval(0.9, replicates=300, rng=trial)[0]
        held += low <= 2 / 3 <= high
        ends = share_interval(correct.sum(), 4000, 0.9)
        naive += ends[0] <= 2 / 3 <= ends[1]
    assert held >= 0.82 * 150
    assert naive < 0.6 * 150


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="one length"):
        personalised_accuracy([1, 0], ["a"])
    with pytest.raises(ValueError, match="one length"):
        personalised_accuracy([], [])
    with pytest.raises(ValueError, match="½ for a tie"):
        personalised_accuracy([2], ["a"])
    with pytest.raises(ValueError, match="½ for a tie"):
        personalised_accuracy([np.nan], ["a"])
    with pytest.raises(ValueError, match="two groups"):
        personalised_accuracy([1, 0], ["a", "a"], group=["x", "y"])
    with pytest.raises(ValueError, match="group a row"):
        personalised_accuracy([1, 0], ["a", "a"], group=["x"])
    with pytest.raises(ValueError, match="needed groups"):
        personalised_accuracy([1], ["a"]).group_interval()
    with pytest.raises(ValueError, match="level"):
        personalised_accuracy([1], ["a"], level=1.0)
    with pytest.raises(ValueError, match="method"):
        share_interval(1, 2, method="wald")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="hits"):
        share_interval(3, 2)
