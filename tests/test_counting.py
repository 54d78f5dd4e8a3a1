"""Every way of counting gives what a dictionary gives, and every kind of frame what lists give."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit import frames
from choicekit.kernels import counting
from choicekit.profiles import comparisons as module


def by_the_book(data: ck.Comparisons) -> dict[tuple[int, int], list[float]]:
    cells: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for winner, loser, tie, weight in zip(data.winner, data.loser, data.tie, data.weight, strict=True):
        pair = (int(min(winner, loser)), int(max(winner, loser)))
        cells[pair][2 if tie else int(winner > loser)] += float(weight)
    return {pair: cell for pair, cell in sorted(cells.items()) if sum(cell) > 0}


def told(tally: Any) -> dict[tuple[int, int], list[float]]:
    first, second, won, lost, tied = tally
    tied = tied if len(tied) else np.zeros(len(won))
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return {pair: list(cell) for pair, cell in zip(pairs, zip(won, lost, tied, strict=True), strict=True)}


@st.composite
def tables(draw: st.DrawFn) -> ck.Comparisons:
    size = draw(st.integers(2, 40))
    rows = draw(st.integers(1, 120))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    a = rng.integers(0, size, rows)
    columns: dict[str, Any] = {}
    if draw(st.booleans()):
        columns["tie"] = rng.random(rows) < 0.3
    if draw(st.booleans()):
        columns["weight"] = rng.choice([0.0, 0.5, 1.0, 2.0], rows) + (np.arange(rows) == 0)
    return ck.Comparisons(a, (a + rng.integers(1, size, rows)) % size, **columns)


@given(tables())
def test_tallies(data: ck.Comparisons) -> None:
    expected = by_the_book(data)
    assert told(data.tally()) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LARGEST_DENSE", 0)
        patch.setattr(module, "_LARGEST_BLOCKED", 0)
        assert told(data.tally()) == expected
    counts = data.counts()
    assert told((counts.first, counts.second, counts.won, counts.lost, counts.tied)) == expected


@settings(max_examples=30)
@given(st.integers(2, 70), st.integers(1, 300), st.integers(0, 4), st.integers(0, 10**6))
def test_blocks(size: int, rows: int, shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, size, rows).astype(np.uint16)
    b = ((a + rng.integers(1, size, rows)) % size).astype(np.uint16)
    blocked = counting.wins_blocked(a, b, size, shift)
    dense = ck.Comparisons(a, b).tally()
    labels = np.array(ck.Comparisons(a, b).alternatives)
    for one, other in zip(blocked, (labels[dense[0]], labels[dense[1]], *dense[2:]), strict=False):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=30)
@given(st.integers(2, 30), st.integers(1, 2_000), st.integers(0, 10**6))
def test_pairs_that_never_met_change_nothing(size: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, size, rows)
    data = ck.Comparisons(a, (a + rng.integers(1, size, rows)) % size)
    few, all_of_them = data.tally(), data.tally(unmet=True)
    met = all_of_them[2] + all_of_them[3] > 0
    assert len(met) in (met.sum(), len(data.alternatives) * (len(data.alternatives) - 1) // 2)
    for one, other in zip(few[:4], all_of_them[:4], strict=True):
        np.testing.assert_array_equal(one, other[met])


@settings(max_examples=30)
@given(tables())
def test_voters_groups_and_orders_are_told_apart(data: ck.Comparisons) -> None:
    rng = np.random.default_rng(len(data))
    voter, group, order = (rng.integers(0, n, len(data)) for n in (3, 2, 3))
    full = ck.Comparisons(
        data.winner, data.loser, tie=data.tie, weight=data.weight, voter=voter, group=group, order=order - 1
    )
    counts = full.counts("voter", "group", "order")
    cells: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    assert full.voter is not None
    assert full.group is not None
    for row in range(len(full)):
        winner, loser = int(full.winner[row]), int(full.loser[row])
        sign = 1 if winner < loser else -1
        key = (
            int(full.voter[row]),
            int(full.group[row]),
            min(winner, loser),
            max(winner, loser),
            sign * int(order[row] - 1),
        )
        cells[key][2 if full.tie[row] else int(sign < 0)] += float(full.weight[row])
    expected = {key: cell for key, cell in sorted(cells.items()) if sum(cell) > 0}
    keys = zip(
        *(getattr(counts, name).tolist() for name in ("voter", "group", "first", "second", "order")), strict=True
    )
    found = {
        key: list(cell) for key, cell in zip(keys, zip(counts.won, counts.lost, counts.tied, strict=True), strict=True)
    }
    assert list(found.items()) == list(expected.items())


# --- Frames ----------------------------------------------------------------------------------------------------------

WINNER, LOSER = ["tea", "milk", "tea", "juice"], ["milk", "juice", "juice", "tea"]
MORE = {"who": ["ann", "bob", "ann", "cid"], "heavy": [1.0, 2.0, 0.5, 1.0], "even": [False, True, False, False],
        "place": [1, -1, 0, 1]}  # fmt: skip


def a_frame(kind: str) -> Any:
    columns = {"w": WINNER, "l": LOSER, **MORE}
    if kind == "pandas":
        return pd.DataFrame(columns)
    if kind == "pandas objects":
        return pd.DataFrame(columns).astype({"w": object, "l": object, "who": object})
    if kind == "pandas categories":
        return pd.DataFrame(columns).astype({"w": "category", "who": "category"})
    if kind == "polars":
        return pl.DataFrame(columns)
    if kind == "polars lazy":
        return pl.LazyFrame(columns)
    if kind == "polars categories":
        return pl.DataFrame(columns).with_columns(pl.col("w").cast(pl.Categorical), pl.col("who").cast(pl.Categorical))
    if kind == "arrow in chunks":
        return pa.concat_tables([pa.table(columns).slice(0, 3), pa.table(columns).slice(3)])
    return pa.table(columns | {"w": pa.array(WINNER).dictionary_encode()})


KINDS = ["pandas", "pandas objects", "pandas categories", "polars", "polars lazy", "polars categories",
         "arrow in chunks", "arrow dictionaries"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_frames_say_what_lists_say(kind: str) -> None:
    found = ck.Comparisons.from_frame(
        a_frame(kind), winner="w", loser="l", voter="who", weight="heavy", tie="even", order="place", group="who"
    )
    expected = ck.Comparisons(WINNER, LOSER, voter=MORE["who"], weight=MORE["heavy"], tie=MORE["even"],
                              order=MORE["place"], group=MORE["who"])  # fmt: skip
    for name in ("alternatives", "voters", "groups"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("winner", "loser", "voter", "weight", "tie", "order", "group"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_missing_labels_in_a_frame_are_said(kind: str) -> None:
    columns = {"w": ["a", None, "b"], "l": ["b", "a", "a"], "v": ["x", "y", None]}
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[kind]
    frame, whole = make(columns), make(columns | {"w": ["a", "c", "b"]})
    with pytest.raises(ValueError, match=r"winner: 1 of 3 labels are missing .* the first in row 1"):
        ck.Comparisons.from_frame(frame, winner="w", loser="l")
    with pytest.raises(ValueError, match=r"voter: 1 of 3 labels are missing .* the first in row 2"):
        ck.Comparisons.from_frame(whole, winner="w", loser="l", voter="v")


def test_coded_and_plain_columns_mix() -> None:
    coded = frames.arrays(pa.table({"a": ["x", "y", "y"]}), ["a"])["a"]
    found = ck.Comparisons(coded, ["y", "z", "x"])
    assert found.alternatives == ("x", "y", "z")
    assert found.winner.tolist() == [0, 1, 1]
    unused = frames.Coded(np.array([0, 2]), ["x", "never", "z"])
    assert ck.Comparisons(unused, frames.Coded(np.array([1, 0]), ["x", "z"])).alternatives == ("x", "z")


def test_codes_take_the_smallest_type() -> None:
    rng = np.random.default_rng(0)
    for size, kind in ((200, np.uint8), (300, np.uint16), (70_000, np.uint32)):
        a = np.concatenate([np.arange(size), rng.integers(0, size, 10)])
        data = ck.Comparisons(a, (a + 1) % size)
        assert data._winner.dtype == kind
        assert data.winner.dtype == np.int64
        assert len(data.alternatives) == size
        np.testing.assert_array_equal(data.winner, a)


@given(st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=6, unique=True))
def test_integers_however_far_apart(labels: list[int]) -> None:
    a, b = np.array(labels), np.array([*labels[1:], labels[0]])
    data = ck.Comparisons(a, b)
    assert data.alternatives == tuple(sorted(labels))
    assert [data.alternatives[code] for code in data.winner] == labels


def test_whole_counts_too_large_for_integers_become_numbers() -> None:
    heavy = ck.Comparisons(["a"] * 5_000, ["b"] * 5_000, weight=[2.0**52] * 5_000).counts()
    assert heavy.won.tolist() == [5_000 * 2.0**52]
    half = ck.Comparisons(["a"] * 1_000, ["b"] * 1_000, weight=[2.0**52] * 1_000).counts()
    assert half.won.dtype == np.int64
    assert (half + half).won.tolist() == [2_000 * 2.0**52]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"second": [9]}, "codes second from 0 to 1"),
        ({"first": [1], "second": [0]}, "first < second"),
        ({"won": [-1]}, "at least 0 won"),
        ({"won": [1.0, 2.0]}, "columns of one length"),
    ],
)
def test_counts_made_by_hand_are_checked(changes: dict[str, list[float]], said: str) -> None:
    given = {"first": [0], "second": [1], "won": [3], "lost": [1], "tied": [0], **changes}
    with pytest.raises(ValueError, match=said):
        ck.PairCounts(("a", "b"), **{name: np.array(column) for name, column in given.items()})
