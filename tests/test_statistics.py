"""Counts as values: they add like rows do, come back from a file bit by bit, and refuse what has no meaning."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_engines import by_hand, cells_of

import choicekit as ck
from choicekit import PairCounts, models, statistics
from choicekit.kernels import accumulate
from choicekit.profiles import _cells

pa = pytest.importorskip("pyarrow")
BY: list[tuple[Any, ...]] = [(), ("voter",), ("group",), ("order",), ("voter", "group", "order")]
ALL = {"winner": "w", "loser": "l", "tie": "t", "voter": "v", "group": "g", "order": "o", "weight": "n"}


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in ALL.values()}


def comparisons(rows: list[dict[str, Any]], weights: bool = True) -> ck.Comparisons:
    got = columns_of(rows)
    return ck.Comparisons(
        got["w"], got["l"], tie=got["t"], voter=got["v"], group=got["g"], order=got["o"],
        weight=got["n"] if weights else None,
    )  # fmt: skip


labels = st.one_of(st.just(st.integers(-3, 5)), st.just(st.sampled_from(["b", "a", "é", "Z", ""])))


@st.composite
def tables(draw: st.DrawFn, least: int = 1) -> list[dict[str, Any]]:
    """Rows that Comparisons takes, with labels of one type a column."""
    names, voters, groups = draw(labels), draw(labels), draw(labels)
    row = st.fixed_dictionaries({
        "w": names, "l": names, "t": st.booleans(), "v": voters, "g": groups, "o": st.sampled_from([-1, 0, 1]),
        "n": st.integers(0, 3),
    })  # fmt: skip
    rows = draw(st.lists(row.filter(lambda row: row["w"] != row["l"]), min_size=least, max_size=30))
    if rows and not any(row["n"] for row in rows):
        rows[0]["n"] = 1
    return rows


def arguments(by: tuple[str, ...]) -> dict[str, str]:
    return {role: column for role, column in ALL.items() if role in ("winner", "loser", "tie", "weight", *by)}


@given(tables(), st.sampled_from(BY))
def test_counts_are_those_made_by_hand(rows: list[dict[str, Any]], by: tuple[Any, ...]) -> None:
    counts = comparisons(rows).counts(*by)
    got = cells_of(counts)
    assert got == by_hand(rows, arguments(by))[0]
    assert list(got) == sorted(got)
    assert counts.won.dtype == np.int64
    assert counts.by == tuple(name for name in ("voter", "group", "order") if name in by)
    found = statistics.count(columns_of(rows), **arguments(by))
    assert found.counts.equals(counts)
    assert found.used == found.rows == len(rows)


@given(tables(), st.sampled_from(BY), st.lists(st.integers(0, 2), min_size=30, max_size=30))
def test_counts_of_parts_add_up_to_counts_of_all(
    rows: list[dict[str, Any]], by: tuple[Any, ...], parts: list[int]
) -> None:
    whole = statistics.count(columns_of(rows), **arguments(by))
    shards = [[row for row, part in zip(rows, parts, strict=False) if part == number] for number in range(3)]
    found = [statistics.count(pa.table(columns_of(shard)), **arguments(by)) for shard in shards]
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        total = sum(found[number] for number in order)
        assert isinstance(total, statistics.Counted)
        assert total.counts.equals(whole.counts)
        assert total.rows == whole.rows
    assert (found[0] + (found[1] + found[2])).counts.equals(whole.counts)


@given(tables(), st.sampled_from(BY))
def test_sorting_and_the_table_gather_the_same_cells(rows: list[dict[str, Any]], by: tuple[Any, ...]) -> None:
    expected = comparisons(rows).counts(*by)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_cells, "_LARGEST_DENSE", 0)
        assert comparisons(rows).counts(*by).equals(expected)
        patched.setattr(_cells, "_WAITING", 3)
        assert comparisons(rows).counts(*by).equals(expected)
        patched.setattr(_cells, "_KEYS", 1)  # so many codes that cell and outcome need two numbers
        assert comparisons(rows).counts(*by).equals(expected)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40_000), st.integers(0, 2), st.integers(0, 3)), max_size=60)
)
def test_cells_are_sorted_and_merged_as_by_a_dictionary(drawn: list[tuple[int, int, int, int]]) -> None:
    low = np.array([(a << 32) + (b << 2) + 1 for _, b, a, _ in drawn], np.int64)
    high = np.array([(voter << 32) + 5 for voter, *_ in drawn], np.int64)
    values = np.array([[n, 0, 0] for *_, n in drawn], np.int64).reshape(-1, 3)
    expected: dict[tuple[int, int], int] = {}
    for h, lo, (n, *_) in zip(high.tolist(), low.tolist(), values.tolist(), strict=True):
        expected[h, lo] = expected.get((h, lo), 0) + n
    expected = {key: n for key, n in expected.items() if n}
    found = _cells.ordered((low, high, values))
    assert dict(zip(zip(found[1].tolist(), found[0].tolist(), strict=True), found[2][:, 0].tolist(), strict=True)) \
        == dict(sorted(expected.items()))  # fmt: skip
    assert accumulate.is_sorted(found[0], found[1])
    half = len(drawn) // 2
    parts = [_cells.ordered((low[s], high[s], values[s])) for s in (slice(half), slice(half, None))]
    merged = _cells.added(parts[0], parts[1])
    assert all(np.array_equal(one, two) for one, two in zip(merged, found, strict=True))


def test_many_rows_many_voters() -> None:
    """Enough of both for every pass of the sort, against NumPy's own."""
    rng = np.random.default_rng(0)
    a, step, voter = rng.integers(0, 3_000, 200_000), rng.integers(1, 3_000, 200_000), rng.integers(0, 70_000, 200_000)
    b = (a + step) % 3_000
    counts = ck.Comparisons(a, b, voter=voter).counts("voter")
    keys = (voter * 3_000 + np.minimum(a, b)) * 3_000 + np.maximum(a, b)
    cells, total = np.unique(keys, return_counts=True)
    names = (
        np.array(counts.voters)[counts.voter],
        *(np.array(counts.alternatives)[c] for c in (counts.first, counts.second)),
    )
    assert np.array_equal((names[0] * 3_000 + names[1]) * 3_000 + names[2], cells)
    assert np.array_equal(counts.won + counts.lost, total)
    assert counts.won.sum() == (a < b).sum()


def test_labels_that_cannot_be_sorted_stay_in_the_order_of_appearance() -> None:
    one = ck.Comparisons(["a", 1], [1, "b"]).counts()
    other = ck.Comparisons(["b", (2, 3)], ["a", 1]).counts()
    total = one + other
    assert total.alternatives == ("a", 1, "b", (2, 3))
    assert cells_of(total) == {
        (None, None, "a", 1, 0): [1, 0, 0], (None, None, 1, "b", 0): [1, 0, 0],
        (None, None, "a", "b", 0): [0, 1, 0], (None, None, 1, (2, 3), 0): [0, 1, 0],
    }  # fmt: skip


def test_a_pair_turned_by_new_labels_keeps_its_order_of_showing() -> None:
    """Labels out of order, as counts made by hand may have them, are put in order by adding; first and second swap."""
    one = PairCounts(("b", "a"), *(np.array([n]) for n in (0, 1, 3, 2, 1)), order=np.array([1], np.int8))
    other = ck.Comparisons(["c"], ["b"], order=[1]).counts("order")
    assert cells_of(one + other) == {(None, None, "a", "b", -1): [2, 3, 1], (None, None, "b", "c", -1): [0, 1, 0]}
    assert (one + other).equals(other + one)


def test_counts_that_tell_different_things_apart_do_not_add() -> None:
    votes = ck.Comparisons(["a"], ["b"], voter=[1], group=["x"])
    with pytest.raises(ValueError, match="pairs alone, the other voter and group"):
        votes.counts() + votes.counts("group", "voter")
    with pytest.raises(TypeError):
        votes.counts() + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        1 + votes.counts()
    with pytest.raises(KeyError, match="order"):
        votes.counts("order")


def test_no_rows_add_nothing() -> None:
    table = pa.table({"w": pa.array([], pa.string()), "l": pa.array([], pa.string()), "g": pa.array([], pa.null())})
    none = statistics.count(table, winner="w", loser="l", group="g")
    assert (len(none.counts), none.rows, none.counts.by, none.counts.won.dtype) == (0, 0, ("group",), np.int64)
    some = ck.Comparisons(["a"], ["b"], group=[1]).counts("group")
    assert (none.counts + some).equals(some)
    assert (some + none.counts).equals(some)
    assert (none + none).counts.equals(none.counts)


@given(tables(), st.sampled_from(BY))
def test_counts_become_comparisons_with_the_same_counts(rows: list[dict[str, Any]], by: tuple[Any, ...]) -> None:
    counts = comparisons(rows).counts(*by)
    assert counts.to_comparisons().counts(*by).equals(counts)


def test_models_fit_counts_as_they_fit_rows() -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(0, 6, 500)
    b = (a + rng.integers(1, 6, 500)) % 6
    votes = ck.Comparisons(a, b, tie=rng.random(500) < 0.2)
    again = models.bradley_terry(votes.counts().to_comparisons())
    np.testing.assert_allclose(again.scores, models.bradley_terry(votes).scores, atol=1e-9)
    with pytest.raises(ValueError, match="no cells"):
        statistics.count({"w": [], "l": []}, winner="w", loser="l").counts.to_comparisons()


@given(tables(), st.integers(1, 6))
def test_parts_by_voter_hold_each_voter_whole(rows: list[dict[str, Any]], parts: int) -> None:
    counts = comparisons(rows).counts("voter", "group")
    found = counts.split(parts)
    assert len(found) <= parts
    assert sum(found).equals(counts)
    voters = [set(part.voter.tolist()) for part in found if part.voter is not None]
    assert sum(map(len, voters)) == len(set().union(*voters))


def test_splitting_needs_voters_and_a_number_of_parts() -> None:
    votes = ck.Comparisons(["a"], ["b"], voter=[1])
    with pytest.raises(ValueError, match="count by voter"):
        votes.counts().split(2)
    with pytest.raises(ValueError, match="got 0"):
        votes.counts("voter").split(0)


# --- files --------------------------------------------------------------------------------------------------------


@given(rows=tables(), by=st.sampled_from(BY))
def test_saved_counts_come_back(
    rows: list[dict[str, Any]], by: tuple[Any, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "saved.parquet"
    counts = comparisons(rows).counts(*by)
    counts.save(file)
    again = PairCounts.load(file)
    assert again.equals(counts)
    assert (again.alternatives, again.voters, again.groups) == (counts.alternatives, counts.voters, counts.groups)
    assert [type(label) for label in again.voters] == [type(label) for label in counts.voters]
    for name in ("first", "second", "won", "voter", "order"):
        one, two = getattr(again, name), getattr(counts, name)
        assert one is two is None or one.dtype == two.dtype


@pytest.mark.parametrize(
    "names",
    [("a", "é", ""), (1, -(2**62), 2**62), (0.1, 1.0, 2.5), (date(2024, 1, 1), date(2025, 1, 1)), (b"a", b"\xff"),
     (datetime(2024, 1, 1, 12), datetime(2024, 1, 2)), (True, False)],
    ids=lambda names: type(names[0]).__name__,
)  # fmt: skip
def test_labels_of_one_type_survive_a_file(names: tuple[Any, ...], tmp_path: Path) -> None:
    counts = ck.Comparisons([names[0]], [names[1]], weight=[0.3]).counts()
    counts = PairCounts(
        (*counts.alternatives, *names[2:]), counts.first, counts.second, counts.won, counts.lost, counts.tied
    )
    counts.save(tmp_path / "counts.parquet")
    again = PairCounts.load(tmp_path / "counts.parquet")
    assert again.equals(counts)
    assert [type(label) for label in again.alternatives] == [type(label) for label in counts.alternatives]


@pytest.mark.parametrize("names", [(1, "a"), (("x", 1), ("y", 2)), (2**70, 1), (1, 1.5), (None, "a"), ("\ud800", "a")])
def test_labels_that_would_not_survive_are_refused(names: tuple[Any, ...], tmp_path: Path) -> None:
    cells = [np.array([n]) for n in (0, 1, 1, 0, 0)]
    with pytest.raises(ValueError, match="alternatives: Parquet cannot hold these labels"):
        PairCounts(names, *cells).save(tmp_path / "counts.parquet")
    assert not (tmp_path / "counts.parquet").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({"first": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="holds no saved counts"):
        PairCounts.load(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(ValueError, match="not a Parquet"):
        PairCounts.load(tmp_path / "text.parquet")


def test_other_engines_read_saved_counts(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    ck.Comparisons(["x", "x"], ["y", "z"], group=["NO", "AU"]).counts("group").save(tmp_path / "c.parquet")
    found = duckdb.sql(f"SELECT * FROM '{tmp_path}/c.parquet'").fetchall()
    assert found == [("x", "z", "AU", 1, 0, 0), ("x", "y", "NO", 1, 0, 0)]


def test_csv_is_read_as_text(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text(
        "w;l;t;n;o\n01;2;true;1;1\n2;01;false;2;-1\n;2;false;1;0\n01;01;0;1;0\n2;01;1;;0\n", encoding="utf-8"
    )
    found = statistics.count(file, winner="w", loser="l", tie="t", weight="n", order="o")
    assert cells_of(found.counts) == {(None, None, "01", "2", 1): [0, 2, 1]}
    assert dict(found.skipped) == {"missing winner": 1, "missing weight": 1, "winner is loser": 1}
    import gzip

    packed = tmp_path / "votes.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    both = statistics.count([file, packed], winner="w", loser="l", tie="t", weight="n", order="o")
    assert both.rows == 10
    assert both.counts.equals(found.counts + found.counts)


# --- what is refused ------------------------------------------------------------------------------------------------

COUNT = {"winner": "w", "loser": "l"}
GOOD = {"w": ["a", "b"], "l": ["b", "a"]}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"weight": [1.0, -1.0]}, "at least 0"),
        ({"weight": [1.0, float("inf")]}, "finite|infinite"),
        ({"weight": [1.0, float("nan")]}, "nan"),
        ({"weight": ["1", "2"]}, "needed numbers"),
        ({"tie": ["yes", "no"]}, "needed true or false"),
        ({"tie": [2, 0]}, "needed true or false"),
        ({"order": [2, 0]}, "-1, 0 or 1"),
    ],
)
def test_columns_that_make_no_sense_are_refused(extra: dict[str, Any], message: str, lazy: bool) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(GOOD | extra)
    with pytest.raises((ValueError, TypeError), match=message):
        statistics.count(frame.lazy() if lazy else frame, **COUNT, **{name: name for name in extra})


def test_sources_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no column 'ww'"):
        statistics.count(GOOD, winner="ww", loser="l")
    with pytest.raises(FileNotFoundError, match="holds no Parquet"):
        statistics.count(tmp_path, **COUNT)
    with pytest.raises(ValueError, match="at least one file"):
        statistics.count([], **COUNT)
    with pytest.raises(TypeError, match="data frame"):
        statistics.count(3, **COUNT)
    with pytest.raises(TypeError, match="group: needed the name"):
        statistics.count(GOOD, **COUNT, group=["w", "l"])
    with pytest.raises(TypeError, match="winner"):
        statistics.count(pa.table({"w": [["a"]], "l": [["b"]]}), **COUNT)
    with pytest.raises(TypeError, match="one type"):
        statistics.count({"w": ["a", 1], "l": ["b", "a"]}, **COUNT)


def test_labels_of_two_types_in_two_files_are_refused(tmp_path: Path) -> None:
    import pyarrow.parquet

    for name, labels in (("a", ["x"]), ("b", [1])):
        pyarrow.parquet.write_table(pa.table({"w": labels, "l": ["y"]}), tmp_path / f"{name}.parquet")
    with pytest.raises(ValueError, match="large_string in some rows and int64 in others") as caught:
        statistics.count(tmp_path, **COUNT)
    assert any("b.parquet" in note or "a.parquet" in note for note in caught.value.__notes__)


def test_numbers_of_every_width_and_gap_are_the_same_labels() -> None:
    one = statistics.count({"w": np.array([1, 2**40], np.int64), "l": np.array([2, 1], np.uint64)}, **COUNT).counts
    assert one.alternatives == (1, 2, 2**40)
    with_gaps = statistics.count({"w": [1.0, None, 3.0], "l": np.array([2, 1, 1], np.int8)}, **COUNT)
    assert with_gaps.counts.alternatives == (1, 2, 3)
    assert all(type(label) is int for label in with_gaps.counts.alternatives)
    broken = statistics.count({"w": [1.5, 2.0], "l": np.array([2, 1])}, **COUNT).counts
    assert broken.alternatives == (1.0, 1.5, 2.0)
    assert statistics.count({"w": [1.0, float("nan")], "l": [2, 1]}, **COUNT).skipped == {"missing winner": 1}
    with pytest.raises(ValueError, match="64 bits"):
        statistics.count({"w": np.array([2**63], np.uint64), "l": np.array([1], np.uint64)}, **COUNT)


def test_unused_categories_and_skipped_rows_leave_no_labels() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"w": pandas.Categorical(["a", "d"], list("xadz")), "l": ["b", None]})
    found = statistics.count(frame, **COUNT)
    assert found.counts.alternatives == ("a", "b")
    assert dict(found.skipped) == {"missing loser": 1}
    weightless = statistics.count({"w": ["a", "c"], "l": ["b", "d"], "n": [1, 0]}, **COUNT, weight="n").counts
    assert weightless.alternatives == ("a", "b", "c", "d")
    assert len(weightless) == 1


def test_fractions_make_every_count_a_float() -> None:
    pieces = [{"w": ["a"], "l": ["b"], "n": [2.0]}, {"w": ["a"], "l": ["b"], "n": [0.25]}]
    found = [statistics.count(piece, **COUNT, weight="n").counts for piece in pieces]
    assert [counts.won.dtype for counts in found] == [np.int64, np.float64]
    both = statistics.count(
        pa.concat_tables([pa.table(piece) for piece in pieces]).to_reader(1), **COUNT, weight="n"
    ).counts
    assert both.equals(found[0] + found[1])
    assert both.won.tolist() == [2.25]
    assert not both.equals(found[0])
    nearly = PairCounts(both.alternatives, both.first, both.second, both.won * (1 + 1e-15), both.lost, both.tied)
    assert not both.equals(nearly)
    assert both.equals(nearly, tolerance=1e-12)


# --- reduce ---------------------------------------------------------------------------------------------------------


def test_results_are_added_in_the_order_of_the_shards() -> None:
    """Floats whose sum depends on the order, finished in another order than begun."""
    second_done = threading.Event()
    values = [1e16, 1.0, -1e16]

    def value(number: int) -> float:
        if number == 0:
            second_done.wait(5)
        if number == 1:
            second_done.set()
        return values[number]

    assert statistics.reduce([0, 1, 2], value) == (1e16 + 1.0) - 1e16
    assert statistics.reduce(list(range(100)), lambda n: [n]) == list(range(100))
    assert statistics.reduce([1.0], lambda x: x) == 1.0


def test_failures_name_the_shard_and_stop_the_rest() -> None:
    begun = []

    def fail(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise ZeroDivisionError("no")
        return number

    with pytest.raises(ZeroDivisionError, match="no") as caught:
        statistics.reduce(list(range(1000)), fail)
    assert "in shard 1 of 1000: int" in caught.value.__notes__
    assert len(begun) < 1000
    with pytest.raises(ValueError, match="at least one shard"):
        statistics.reduce([], fail)
    with pytest.raises(TypeError, match="got int"):
        statistics.reduce([1], fail, executor=3)


def load_shard() -> dict[str, list[str]]:
    return GOOD


def test_shards_may_be_functions() -> None:
    found = statistics.reduce([load_shard, load_shard], lambda load: statistics.count(load(), **COUNT))
    assert found.counts.won.tolist() == [2]
    with pytest.raises(KeyError) as caught:
        statistics.reduce([load_shard], lambda load: statistics.count(load(), winner="no", loser="l"))
    assert "in shard 0 of 1: load_shard" in caught.value.__notes__


def test_counts_are_read_only_also_after_pickling() -> None:
    found = pickle.loads(pickle.dumps(statistics.count(GOOD, **COUNT)))
    assert found.counts.equals(ck.Comparisons(["a", "b"], ["b", "a"]).counts())
    with pytest.raises(ValueError, match="read-only"):
        found.counts.won[0] = 3
    with pytest.raises(TypeError):
        found.skipped["x"] = 1


def test_importing_the_room_opens_no_engine() -> None:
    code = "import sys, choicekit.statistics; print(*{name.split('.')[0] for name in sys.modules})"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "narwhals", "pandas", "duckdb", "polars"} & set(there)


def test_times_are_told_from_zones(tmp_path: Path) -> None:
    names = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
    counts = PairCounts(names, *(np.array([n]) for n in (0, 1, 1, 0, 0)))
    counts.save(tmp_path / "c.parquet")
    assert PairCounts.load(tmp_path / "c.parquet").alternatives == names
