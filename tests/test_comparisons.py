"""Comparisons: what they take, what they refuse and with which words, and what regrouping leaves alone."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labels import column, said

import choicekit as ck

NAN = float("nan")
Columns = dict[str, Any]


# --- Construction -------------------------------------------------------------------------------------------------


def test_by_default_rows_count_once_and_nobody_is_named() -> None:
    votes = ck.Comparisons(["x", "y"], ["y", "z"])
    assert said(votes) == [("x", "y", False, 1.0), ("y", "z", False, 1.0)]
    assert (votes.voter, votes.group, votes.context) == (None, None, None)
    assert (votes.voters, votes.groups, votes.contexts, dict(votes.partitions)) == ((), (), (), {})
    assert len(votes) == 2
    assert repr(votes) == "Comparisons(2 rows, 3 alternatives)"


def test_every_column_is_kept() -> None:
    votes = ck.Comparisons(
        ["x", "y", "x"], ["y", "z", "z"], weight=[0, 2.5, 1], tie=[False, True, False], voter=["bob", "ann", "bob"],
        group=["m", "f", "m"], context=[2, 1, 2],
    )  # fmt: skip
    assert said(votes) == [("x", "y", False, 0), ("y", "z", True, 2.5), ("x", "z", False, 1)]
    assert column(votes.voter, votes.voters) == ["bob", "ann", "bob"]
    assert column(votes.group, votes.groups) == ["m", "f", "m"]
    assert column(votes.context, votes.contexts) == [2, 1, 2]
    assert repr(votes) == "Comparisons(3 rows, 3 alternatives, 2 voters, 2 groups, 2 contexts)"


SOURCES: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple, "generator": lambda values: (value for value in values), "numpy": np.array,
    "numpy objects": lambda values: np.array(values, dtype=object), "pandas": pd.Series,
    "pandas index": lambda values: pd.Series(values, index=range(9, 9 - len(values), -1)),
    "pandas categories": lambda values: pd.Series(values, dtype="category"),
    "pandas nullable": lambda values: pd.Series(values).convert_dtypes(), "pyarrow": pa.array,
    "pyarrow chunks": lambda values: pa.chunked_array([values[:1], values[1:]]),
    "pyarrow dictionary": lambda values: pa.array(values).dictionary_encode(), "polars": pl.Series,
}  # fmt: skip


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("labels", [["b", "a", "c"], [30, -1, 7]])
def test_a_column_may_be_of_any_kind(make: Callable[[list[Any]], Any], labels: list[Any]) -> None:
    first, second = labels, [*labels[1:], labels[0]]
    plain = ck.Comparisons(first, second, voter=first, weight=[1, 2, 3], tie=[True, False, True])
    ties, weights = np.array([True, False, True]), np.array([1, 2, 3])
    other = ck.Comparisons(
        make(first), make(second), voter=make(first), group={"g": make(second)}, context=make(first),
        weight=pa.chunked_array([[1], [2, 3]]) if "chunks" in str(make) else pd.Series(weights), tie=pl.Series(ties),
    )  # fmt: skip
    assert said(other) == said(plain)
    assert other.alternatives == tuple(sorted(labels))
    assert [type(label) for label in other.alternatives] == [type(label) for label in plain.alternatives]
    assert column(other.voter, other.voters) == first
    assert column(other.group, other.groups) == second
    assert column(other.context, other.contexts) == first


@pytest.mark.parametrize(
    "labels",
    [
        [3, 1, 2], ["b", "a"], [("b", 1), ("a", 2)], ["x", 1, ("y",)], [1.5, -2.0], [True, False], [b"b", b"a"],
        [frozenset("ab"), frozenset("bc")], [datetime.date(2024, 1, 2), datetime.date(2023, 1, 2)],
        [2**70, -(2**70)], ["", " ", "é", "e\u0301"], ["1", 1], ["a\0b", "a"],
    ],
)  # fmt: skip
def test_labels_come_back_as_given(labels: list[Any]) -> None:
    shifted = [*labels[1:], labels[0]]
    votes = ck.Comparisons(labels, shifted, voter=labels, group=shifted, context=labels)
    assert column(votes.winner, votes.alternatives) == labels
    assert column(votes.loser, votes.alternatives) == shifted
    assert column(votes.voter, votes.voters) == column(votes.context, votes.contexts) == labels
    assert column(votes.group, votes.groups) == shifted
    assert {type(label) for label in votes.alternatives} == {type(label) for label in labels}


def test_labels_are_sorted_where_they_can_be_and_in_order_of_appearance_where_not() -> None:
    assert ck.Comparisons(["b", "a"], ["c", "b"]).alternatives == ("a", "b", "c")
    assert ck.Comparisons([10, 9], [9, 2]).alternatives == (2, 9, 10)
    assert ck.Comparisons(["b", 1], [1, "a"]).alternatives == ("b", 1, "a")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_integer_arrays_of_every_size(dtype: Any) -> None:
    limits = np.iinfo(dtype)
    near = [limits.max, limits.max - 1, limits.max - 5]
    for labels in (near, [limits.min, limits.max, 7], [5, 6, 7]):
        first, second = np.array(labels, dtype), np.array([*labels[1:], labels[0]], dtype)
        votes = ck.Comparisons(first, second)
        assert column(votes.winner, votes.alternatives) == labels
        assert column(votes.loser, votes.alternatives) == [*labels[1:], labels[0]]
        assert votes.alternatives == tuple(sorted(labels))
        assert all(type(label) is int for label in votes.alternatives)


def test_arrays_of_different_kinds_are_joined_by_value() -> None:
    votes = ck.Comparisons(np.array([-1, 2]), np.array([2**63 + 2, 3], np.uint64))
    assert column(votes.loser, votes.alternatives) == [2**63 + 2, 3]
    assert ck.Comparisons(np.array([1, 2]), np.array(["a", "b"])).alternatives == (1, 2, "a", "b")


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 6)), min_size=1, max_size=30))
def test_codes_of_arrays_and_lists_agree(drawn: list[tuple[int, int]]) -> None:
    first, second = [a for a, _ in drawn], [a + d for a, d in drawn]
    plain, fast = ck.Comparisons(first, second), ck.Comparisons(np.array(first), np.array(second))
    assert plain.alternatives == fast.alternatives == tuple(sorted({*first, *second}))
    np.testing.assert_array_equal(plain.winner, fast.winner)
    np.testing.assert_array_equal(plain.loser, fast.loser)


def test_codes_are_positions_in_the_labels() -> None:
    votes = ck.Comparisons(["b", "a"], ["a", "c"])
    assert votes.winner.dtype == votes.loser.dtype == np.int64
    assert votes.winner.tolist() == [1, 0]
    assert votes.loser.tolist() == [0, 2]
    assert votes.tie.dtype == np.bool_
    assert votes.weight.dtype == np.float64


# --- Immutability -------------------------------------------------------------------------------------------------


def test_arrays_are_read_only() -> None:
    votes = ck.Comparisons(["a", "b"], ["b", "a"], voter=[1, 2], group=[3, 4], context=[5, 6])
    crossed = votes.by_context()
    for each in (votes, crossed):
        for name in ("winner", "loser", "tie", "weight", "voter", "group", "context"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(each, name)[0] = 0
        for codes, _ in each.partitions.values():
            with pytest.raises(ValueError, match="read-only"):
                codes[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        votes.winner = votes.loser  # type: ignore[misc]
    with pytest.raises(TypeError):
        votes.partitions["new"] = votes.partitions["group"]  # type: ignore[index]


def test_the_callers_arrays_are_copied_and_stay_writable() -> None:
    given_: Columns = {
        "winner": np.array([0, 1]), "loser": np.array([1, 2]), "weight": np.array([1.0, 2.0]),
        "tie": np.array([False, True]), "voter": np.array([0, 1]), "group": np.array([0, 1]),
        "context": np.array([0, 1]),
    }  # fmt: skip
    votes = ck.Comparisons(**given_)
    before = said(votes), votes.voter.tolist(), votes.group.tolist(), votes.context.tolist()
    for values in given_.values():
        values[:] = values[::-1].copy()
    assert (said(votes), votes.voter.tolist(), votes.group.tolist(), votes.context.tolist()) == before


# --- Refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"winner": [], "loser": []}, ValueError, "comparisons: needed at least one row, got none"),
        ({"loser": ["b"]}, ValueError, "loser: needed 3 rows, as many as there are winners, got 1"),
        ({"voter": [1]}, ValueError, "voter: needed 3 rows, as many as there are winners, got 1"),
        ({"group": [1] * 4}, ValueError, "group: needed 3 rows, as many as there are winners, got 4"),
        ({"group": {"sex": [1]}}, ValueError, "sex: needed 3 rows, as many as there are winners, got 1"),
        ({"context": []}, ValueError, "context: needed 3 rows, as many as there are winners, got 0"),
        ({"weight": [1, 2]}, ValueError, r"weight: needed 3 numbers, one a row, got an array of shape \(2,\)"),
        ({"tie": [True]}, ValueError, "tie: needed 3 booleans, one a row, got 1"),
        ({"winner": "abc"}, TypeError, "winner: needed a column of labels, got the single string 'abc'; pass a list"),
        ({"loser": b"abc"}, TypeError, "loser: needed a column of labels, got the single string b'abc'; pass a list"),
        ({"voter": "abc"}, TypeError, "voter: needed a column of labels, got the single string 'abc'"),
        ({"group": "abc"}, TypeError, "group: needed a column of labels, got the single string 'abc'"),
        ({"winner": 3}, TypeError, "winner: needed a column of labels, got 3; pass a list of labels"),
        ({"loser": None}, TypeError, "loser: needed a column of labels, got None"),
        ({"winner": np.array(3)}, TypeError, r"winner: needed a column of labels, got array\(3\)"),
        ({"tie": True}, TypeError, "tie: needed a column of labels, got True"),
        (
            {"winner": ["a", None, "b"]}, ValueError,
            r"winner: 1 of 3 labels are missing \(None or NaN\), the first in row 1; name them or leave those rows out",
        ),
        ({"loser": ["b", NAN, None]}, ValueError, r"loser: 2 of 3 labels are missing .* the first in row 1"),
        ({"loser": np.array([1.0, 2.0, NAN])}, ValueError, r"loser: 1 of 3 labels are missing .* the first in row 2"),
        ({"loser": pd.Series(["b", "c", pd.NA])}, ValueError, "loser: 1 of 3 labels are missing .* in row 2"),
        ({"loser": pa.array(["b", None, "c"])}, ValueError, "loser: 1 of 3 labels are missing .* in row 1"),
        ({"voter": [None, 1, 2]}, ValueError, "voter: 1 of 3 labels are missing .* in row 0"),
        ({"group": {"sex": ["f", "m", NAN]}}, ValueError, "sex: 1 of 3 labels are missing .* in row 2"),
        ({"context": pd.to_datetime(["2024-01-01", None, None])}, ValueError, "context: 2 of 3 labels .* in row 1"),
        ({"winner": ["a", ["b"], "c"]}, TypeError, "winner: labels must be hashable, but row 1 holds a list; use"),
        ({"loser": ["b", "c", {"a": 1}]}, TypeError, "loser: labels must be hashable, but row 2 holds a dict"),
        ({"loser": ["b", ("c", []), "a"]}, TypeError, "loser: labels must be hashable, but row 1 holds a tuple"),
        ({"winner": np.zeros((3, 2))}, TypeError, "winner: labels must be hashable, but row 0 holds a list"),
        ({"voter": [set(), 1, 2]}, TypeError, "voter: labels must be hashable, but row 0 holds a set"),
        (
            {"loser": ["b", "b", "c"]}, ValueError,
            r"comparisons: 2 rows compare an alternative with itself, the first is row 1 \('b'\); leave those rows out",
        ),
        ({"weight": [1, -1, 2]}, ValueError, r"weight: needed finite numbers of at least 0, got -1.0 in row 1 \(1"),
        ({"weight": [1, NAN, -2]}, ValueError, r"weight: needed finite numbers .* got nan in row 1 \(2 such rows\)"),
        ({"weight": [1, 2, float("inf")]}, ValueError, "weight: needed finite numbers of at least 0, got inf in row 2"),
        ({"weight": [1, None, 2]}, ValueError, "weight: needed finite numbers of at least 0, got nan in row 1"),
        ({"weight": [0, 0, 0]}, ValueError, "weight: every value is 0, so nothing would count; give a positive weight"),
        ({"weight": ["one", "two", "three"]}, TypeError, "weight: needed 3 numbers, got values that do not read as"),
        ({"weight": 2}, TypeError, "weight: needed 3 numbers, got values that do not read as numbers"),
        ({"weight": [[1], [2], [3]]}, ValueError, r"weight: needed 3 numbers, one a row, got .* \(3, 1\)"),
        ({"tie": ["true", "false", "true"]}, ValueError, "tie: needed true or false in each row, got 'true' in row 0"),
        ({"tie": [True, None, False]}, ValueError, "tie: needed true or false in each row, got None in row 1"),
        ({"tie": [True, 0.5, False]}, ValueError, r"tie: needed true or false in each row, got 0\.5 in row 1"),
        ({"tie": [True, False, 2]}, ValueError, "tie: needed true or false in each row, got 2 in row 2"),
        ({"tie": np.array([0.0, 1.0, NAN])}, ValueError, "tie: needed true or false in each row, got nan in row 2"),
        ({"tie": pd.array([True, None, False])}, ValueError, "tie: needed true or false .* got <NA> in row 1"),
        ({"tie": [[True], [False, True], False]}, ValueError, r"tie: needed true or false .* got \[True\] in row 0"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(columns: Columns, error: type[Exception], message: str) -> None:
    good: Columns = {"winner": ["a", "b", "c"], "loser": ["b", "c", "a"]}
    with pytest.raises(error, match=message):
        ck.Comparisons(**{**good, **columns})


def test_ties_may_be_said_by_numbers() -> None:
    for ties in ([1, 0], [1.0, 0.0], np.array([1, 0]), pd.array([True, False]), pa.chunked_array([[True], [False]])):
        assert ck.Comparisons(["a", "b"], ["b", "a"], tie=ties).tie.tolist() == [True, False]


# --- Frames -------------------------------------------------------------------------------------------------------


def test_frames_of_every_kind_say_the_same() -> None:
    import duckdb

    table = pa.table({
        "good": ["a", "b", "a"], "bad": ["b", "c", "c"], "n": [1, 2, 3], "even": [True, False, False],
        "who": [7, 8, 7], "sex": ["f", "m", "f"], "home": ["u", "u", "v"], "prompt": ["p", "q", "p"],
    })  # fmt: skip
    roles: Columns = {
        "winner": "good", "loser": "bad", "weight": "n", "tie": "even", "voter": "who", "group": ["sex", "home"],
        "context": "prompt",
    }  # fmt: skip
    plain = ck.Comparisons(
        ["a", "b", "a"], ["b", "c", "c"], weight=[1, 2, 3], tie=[True, False, False], voter=[7, 8, 7],
        group={"sex": ["f", "m", "f"], "home": ["u", "u", "v"]}, context=["p", "q", "p"],
    )  # fmt: skip
    with duckdb.connect() as connection:
        connection.register("votes", table)
        frames = [
            table, table.to_pandas(), table.to_pandas().convert_dtypes(), table.to_pandas().set_index("n", drop=False),
            pl.from_arrow(table), pl.from_arrow(table).lazy(), connection.sql("select * from votes"),
        ]  # fmt: skip
        for frame in frames:
            votes = ck.Comparisons.from_frame(frame, **roles)
            assert said(votes) == said(plain)
            assert column(votes.voter, votes.voters) == [7, 8, 7]
            assert votes.groups == ("f", "m")
            assert votes.grouped_by("home").groups == ("u", "v")
            assert column(votes.context, votes.contexts) == ["p", "q", "p"]
    single = ck.Comparisons.from_frame(table, winner="good", loser="bad", group="sex")
    assert list(single.partitions) == ["sex"]


def test_frames_need_their_columns() -> None:
    table = pa.table({"good": ["a"], "bad": ["b"]})
    with pytest.raises(KeyError, match=r"no column 'god'; the columns are 'good', 'bad'\. Did you mean 'good'"):
        ck.Comparisons.from_frame(table, winner="god", loser="bad")
    with pytest.raises(TypeError, match=r"needed a data frame that Narwhals reads .* got dict"):
        ck.Comparisons.from_frame({"good": ["a"]}, winner="good", loser="bad")


# --- Groups and contexts ------------------------------------------------------------------------------------------


@pytest.fixture
def people() -> ck.Comparisons:
    return ck.Comparisons(
        ["a", "b", "a", "c"], ["b", "c", "c", "a"], weight=[1, 2, 3, 4], tie=[True, False, False, False],
        voter=[1, 2, 3, 4], context=["p", "p", "q", "q"],
        group={"sex": ["m", "f", "m", "f"], "home": ["u", "v", "u", "u"], "age": [30, 40, 30, 50]},
    )  # fmt: skip


def test_the_first_partition_is_in_force(people: ck.Comparisons) -> None:
    assert list(people.partitions) == ["sex", "home", "age"]
    assert people.groups == ("f", "m")
    assert column(people.group, people.groups) == ["m", "f", "m", "f"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["home"], ["u", "v", "u", "u"]),
        (["sex", "home"], [("m", "u"), ("f", "v"), ("m", "u"), ("f", "u")]),
        (["home", "sex"], [("u", "m"), ("v", "f"), ("u", "m"), ("u", "f")]),
        (["age", "sex", "home"], [(30, "m", "u"), (40, "f", "v"), (30, "m", "u"), (50, "f", "u")]),
    ],
)
def test_grouping_picks_and_crosses(people: ck.Comparisons, names: list[str], expected: list[Any]) -> None:
    votes = people.grouped_by(*names)
    assert column(votes.group, votes.groups) == expected
    assert votes.groups == tuple(sorted(set(expected)))
    assert next(iter(votes.partitions)) == " × ".join(names)
    assert said(votes) == said(people)
    for name in ("voter", "context"):
        np.testing.assert_array_equal(getattr(votes, name), getattr(people, name))
    assert people.groups == ("f", "m")


def test_grouping_by_what_is_not_there(people: ck.Comparisons) -> None:
    with pytest.raises(
        KeyError, match=r"needed names among \['age', 'home', 'sex'\], got \['party'\]; give the column"
    ):
        people.grouped_by("sex", "party")
    with pytest.raises(KeyError, match="got none"):
        people.grouped_by()


def test_alternatives_are_told_apart_by_context(people: ck.Comparisons) -> None:
    votes = people.by_context()
    assert [row[:2] for row in said(votes)] == [
        (("p", "a"), ("p", "b")), (("p", "b"), ("p", "c")), (("q", "a"), ("q", "c")), (("q", "c"), ("q", "a")),
    ]  # fmt: skip
    assert votes.alternatives == tuple(sorted(votes.alternatives))
    assert ("q", "b") not in votes.alternatives
    assert [row[2:] for row in said(votes)] == [row[2:] for row in said(people)]
    assert list(votes.partitions) == list(people.partitions)
    np.testing.assert_array_equal(votes.context, people.context)


def test_without_contexts_nothing_is_told_apart() -> None:
    votes = ck.Comparisons(["a"], ["b"])
    assert votes.by_context() is votes


# --- Margins ------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.booleans()
        ),
        min_size=1, max_size=25,
    )
)  # fmt: skip
def test_margins_are_differences_of_strict_preferences(drawn: list[tuple[int, int, float, bool]]) -> None:
    rows = [(a, (a + d) % 5, w, tie) for a, d, w, tie in drawn] + [(0, 1, 1.0, False)]
    votes = ck.Comparisons(*([row[k] for row in rows] for k in (0, 1)), weight=[row[2] for row in rows],
                           tie=[row[3] for row in rows])  # fmt: skip
    margins = votes.to_margins()
    assert margins.alternatives == votes.alternatives
    for i, a in enumerate(votes.alternatives):
        for j, b in enumerate(votes.alternatives):
            expected = 0.0
            for winner, loser, weight, tie in rows:
                if not tie and (winner, loser) == (a, b):
                    expected += weight
                if not tie and (winner, loser) == (b, a):
                    expected -= weight
            assert margins.values[i, j] == pytest.approx(expected, abs=1e-12)


def test_rounding_does_not_decide_a_majority() -> None:
    """0.1 + 0.2 against 0.3 is a tie."""
    votes = ck.Comparisons(["a", "a", "b"], ["b", "b", "a"], weight=[0.1, 0.2, 0.3])
    np.testing.assert_array_equal(votes.to_margins().values, [[0, 0], [0, 0]])


def test_dates_come_back_as_dates() -> None:
    days = np.array(["2026-01-02", "2026-01-01"], dtype="datetime64[ns]")
    assert ck.Comparisons(days[:1], days[1:]).alternatives == (days[1], days[0])
