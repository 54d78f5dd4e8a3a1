"""The same counts by every route: many files, row groups, nulls, ties, an empty shard, a group that a shard lacks.

Engines that are not installed with the test tools (Dask, PySpark, Ibis, Ray) are tried where they are, under the marker
``slow``, and skipped, visibly, where they are not.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import PairCounts, statistics

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet  # noqa: E402

Row = dict[str, Any]
COLUMNS = {"winner": "won", "loser": "lost", "tie": "tied", "order": "shown", "voter": "who", "group": "place"}
ARGUMENTS = [
    {"winner": "won", "loser": "lost"},
    {"winner": "won", "loser": "lost", "tie": "tied", "group": "place"},
    {"winner": "won", "loser": "lost", "voter": "who"},
    {"winner": "won", "loser": "lost", "tie": "tied", "weight": "times", "order": "shown", "group": "place"},
    {**COLUMNS, "weight": "times"},
    {"winner": "number", "loser": "other", "tie": "tied", "group": "who"},
]
SCHEMA = pa.schema(
    {"won": pa.string(), "lost": pa.string(), "tied": pa.bool_(), "shown": pa.int8(), "who": pa.int16(),
     "place": pa.string(), "times": pa.int32(), "share": pa.float64(), "number": pa.int16(), "other": pa.int32()}
)  # fmt: skip


def rows_of(file: int, rows: int = 400) -> list[Row]:
    """Rows with everything that goes wrong in them; the place "far" is in the last file alone, "near" not there."""
    draw = random.Random(file)
    names = ["gull", "auk", "tern", "Ørn", "skua", "", "duck"]

    def some(values: list[Any]) -> Any:
        return None if draw.random() < 0.04 else draw.choice(values)

    return [
        {
            "won": some(names[:5] if file else names), "lost": some(names), "tied": some([True, False, False]),
            "shown": some([-1, 0, 1]), "who": some([-300, 7, 8, 9, 20_000]),
            "place": some(["near", "mid"] if file < 3 else ["mid", "far"]), "times": some([0, 1, 2, 3]),
            "share": some([0.0, 0.25, 1.1, 2.0]), "number": some([5, 300, 301]), "other": some([5, 300, 70_000]),
        }
        for _ in range(rows)
    ]  # fmt: skip


SHARDS = [rows_of(0), rows_of(1), [], rows_of(2), rows_of(3)]
ROWS = [row for shard in SHARDS for row in shard]


def by_hand(rows: list[Row], arguments: dict[str, str]) -> tuple[dict[Any, list[Any]], dict[str, int]]:
    """Cells {(voter, group, first, second, order): [won, lost, tied]} in labels, and rows skipped by reason."""
    cells: dict[Any, list[Any]] = {}
    skipped: dict[str, int] = {}
    for row in rows:
        got = {role: row[column] for role, column in arguments.items()}
        roles = ("winner", "loser", "tie", "order", "voter", "group", "weight")
        reason = next((f"missing {role}" for role in roles if role in got and got[role] is None), None)
        reason = reason or ("winner is loser" if got["winner"] == got["loser"] else None)
        if reason:
            skipped[reason] = skipped.get(reason, 0) + 1
            continue
        turned = got["winner"] > got["loser"]
        first, second = sorted([got["winner"], got["loser"]])
        shown = got.get("order", 0) * (-1 if turned else 1)
        cell = cells.setdefault((got.get("voter"), got.get("group"), first, second, shown), [0, 0, 0])
        cell[2 if got.get("tie") else int(turned)] += got.get("weight", 1)
    return {key: cell for key, cell in cells.items() if sum(cell) > 0}, skipped


def cells_of(counts: PairCounts) -> dict[Any, list[Any]]:
    """The cells of counts, in labels, in their order."""
    labels = counts.alternatives
    return {
        (
            None if counts.voter is None else counts.voters[counts.voter[cell]],
            None if counts.group is None else counts.groups[counts.group[cell]],
            labels[counts.first[cell]], labels[counts.second[cell]],
            0 if counts.order is None else int(counts.order[cell]),
        ): [counts.won[cell].item(), counts.lost[cell].item(), counts.tied[cell].item()]
        for cell in range(len(counts))
    }  # fmt: skip


def check(found: statistics.Counted, arguments: dict[str, str]) -> None:
    cells, skipped = by_hand(ROWS, arguments)
    got = cells_of(found.counts)
    assert got == cells
    assert list(got) == sorted(got)
    assert dict(found.skipped) == skipped
    assert found.rows == len(ROWS)
    assert found.used == len(ROWS) - sum(skipped.values())
    assert found.counts.won.dtype == "int64"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five Parquet files of four row groups, one of them without rows."""
    path = tmp_path_factory.mktemp("shards")
    for number, rows in enumerate(SHARDS):
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pyarrow.parquet.write_table(table, path / f"part-{number}.parquet", row_group_size=100)
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(file) for file in folder.glob("*.parquet"))


def from_pandas(folder: Path) -> Any:
    return pytest.importorskip("pandas").concat(
        [pytest.importorskip("pandas").read_parquet(file) for file in files(folder)]
    )


def from_polars(folder: Path) -> Any:
    return pytest.importorskip("polars").read_parquet(files(folder))


def polars_lazy(folder: Path) -> Any:
    return pytest.importorskip("polars").scan_parquet(files(folder))


def polars_categorical(folder: Path) -> Any:
    polars = pytest.importorskip("polars")
    return from_polars(folder).with_columns(polars.col("won", "place").cast(polars.Categorical))


def pandas_categorical(folder: Path) -> Any:
    return from_pandas(folder).astype({"won": "category", "lost": "category", "place": "category", "who": "category"})


def arrow_reader(_: Path) -> Any:
    return pa.Table.from_pylist(ROWS, schema=SCHEMA).to_reader(max_chunksize=70)


def from_duckdb(folder: Path) -> Any:
    return pytest.importorskip("duckdb").sql(f"SELECT * FROM read_parquet({files(folder)})")


HERE: dict[str, Callable[[Path], Any]] = {
    "folder": lambda folder: folder,
    "list of files": files,
    "pattern": lambda folder: f"{folder}/*.parquet",
    "Arrow table": lambda folder: pyarrow.parquet.read_table(folder),
    "Arrow reader": arrow_reader,
    "mapping": lambda _: {name: [row[name] for row in ROWS] for name in SCHEMA.names},
    "pandas": from_pandas,
    "pandas, categorical": pandas_categorical,
    "Polars": from_polars,
    "Polars, categorical": polars_categorical,
    "Polars, lazy": polars_lazy,
    "DuckDB": from_duckdb,
}


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda given: "+".join(given))
@pytest.mark.parametrize("route", HERE)
def test_every_route_counts_alike(route: str, arguments: dict[str, str], folder: Path) -> None:
    check(statistics.count(HERE[route](folder), **arguments), arguments)


@pytest.mark.parametrize("route", ["list of files", "pandas", "Polars, lazy", "DuckDB"])
def test_fractional_weights_agree_but_for_their_last_bits(route: str, folder: Path) -> None:
    arguments = {"winner": "won", "loser": "lost", "weight": "share", "group": "place"}
    found = statistics.count(HERE[route](folder), **arguments)
    cells, skipped = by_hand(ROWS, arguments)
    assert found.counts.won.dtype == "float64"
    assert dict(found.skipped) == skipped
    got = cells_of(found.counts)
    assert got.keys() == cells.keys()
    assert all(got[key] == pytest.approx(cells[key], rel=1e-12) for key in cells)


def test_a_table_too_large_to_keep_is_counted_by_sorting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from choicekit.profiles import _cells

    monkeypatch.setattr(_cells, "_WAITING", 150)
    for largest in (0, 40, 200):
        monkeypatch.setattr(_cells, "_LARGEST_DENSE", largest)
        for arguments in ARGUMENTS:
            check(statistics.count(folder, **arguments), arguments)


COUNT = partial(statistics.count, **ARGUMENTS[3])


@pytest.fixture
def shards(folder: Path) -> list[str]:
    return files(folder)


def test_threads_and_processes_reduce_alike(shards: list[str]) -> None:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context

    check(statistics.reduce(shards, COUNT), ARGUMENTS[3])
    with ThreadPoolExecutor(3) as pool:
        check(statistics.reduce(shards, COUNT, executor=pool), ARGUMENTS[3])
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        check(statistics.reduce(shards, COUNT, executor=pool), ARGUMENTS[3])
        with pytest.raises(FileNotFoundError, match="gone") as caught:
            statistics.reduce([shards[0], "gone.parquet"], COUNT, executor=pool)
        assert "in shard 1 of 2: gone.parquet" in caught.value.__notes__


@pytest.mark.parametrize("options", [{"backend": "threading"}, {"return_as": "generator_unordered"}])
def test_joblib_reduces_alike(shards: list[str], options: dict[str, str]) -> None:
    joblib = pytest.importorskip("joblib", reason="joblib: not installed (pip install joblib)")
    check(statistics.reduce(shards, COUNT, executor=joblib.Parallel(n_jobs=2, **options)), ARGUMENTS[3])


# --- engines and schedulers that the test tools do not bring along -------------------------------------------------


@pytest.fixture(scope="module")
def dask_client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="Dask: not installed (pip install 'dask[distributed]')")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark", reason="PySpark: not installed (pip install pyspark)")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


elsewhere = pytest.mark.filterwarnings("ignore")  # the engines' own warnings are not ours


@elsewhere
@pytest.mark.slow
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda given: "+".join(given))
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.usefixtures("dask_client")
def test_dask_counts_alike(arguments: dict[str, str], split: bool, folder: Path) -> None:
    dask = pytest.importorskip("dask.dataframe", reason="Dask: not installed (pip install 'dask[dataframe]')")
    check(statistics.count(dask.read_parquet(files(folder), split_row_groups=split), **arguments), arguments)


@elsewhere
@pytest.mark.slow
def test_dask_reduces_alike(shards: list[str], dask_client: Any) -> None:
    check(statistics.reduce(shards, COUNT, executor=dask_client), ARGUMENTS[3])
    check(statistics.reduce(shards, COUNT, executor=dask_client.get_executor()), ARGUMENTS[3])
    with pytest.raises(FileNotFoundError) as caught:
        statistics.reduce([shards[0], "gone.parquet"], COUNT, executor=dask_client)
    assert "in shard 1 of 2: gone.parquet" in caught.value.__notes__


@elsewhere
@pytest.mark.slow
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda given: "+".join(given))
def test_pyspark_counts_alike(arguments: dict[str, str], folder: Path, spark: Any) -> None:
    check(statistics.count(spark.read.parquet(*files(folder)), **arguments), arguments)


@elsewhere
@pytest.mark.slow
def test_pyspark_reduces_alike(shards: list[str], spark: Any) -> None:
    check(statistics.reduce(shards, COUNT, executor=spark), ARGUMENTS[3])
    check(statistics.reduce(shards, COUNT, executor=spark.sparkContext), ARGUMENTS[3])
    with pytest.raises(FileNotFoundError) as caught:
        statistics.reduce([shards[0], "gone.parquet"], COUNT, executor=spark)
    assert "in shard 1 of 2: gone.parquet" in caught.value.__notes__


@elsewhere
@pytest.mark.slow
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda given: "+".join(given))
def test_ibis_counts_alike(arguments: dict[str, str], folder: Path) -> None:
    ibis = pytest.importorskip("ibis", reason="Ibis: not installed (pip install 'ibis-framework[duckdb]')")
    check(statistics.count(ibis.duckdb.connect().read_parquet(files(folder)), **arguments), arguments)


@elsewhere
@pytest.mark.slow
def test_ray_reduces_alike(shards: list[str]) -> None:
    ray = pytest.importorskip("ray", reason="Ray: not installed (pip install ray)")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        check(statistics.reduce(shards, COUNT, executor=ray), ARGUMENTS[3])
        with pytest.raises(FileNotFoundError) as caught:
            statistics.reduce([shards[0], "gone.parquet"], COUNT, executor=ray)
        assert "in shard 1 of 2: gone.parquet" in caught.value.__notes__
    finally:
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"backend": "loky"}])
def test_joblib_processes_reduce_alike(shards: list[str], options: dict[str, str]) -> None:
    joblib = pytest.importorskip("joblib", reason="joblib: not installed (pip install joblib)")
    check(statistics.reduce(shards, COUNT, executor=joblib.Parallel(n_jobs=2, **options)), ARGUMENTS[3])


@pytest.fixture
def voters_in_files(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    voter = np.repeat(np.arange(60), 30)
    gap = np.where(voter % 2, 1.5, -1.5) * 1.0
    a, shift = rng.integers(0, 4, len(voter)), rng.integers(1, 4, len(voter))
    b = (a + shift) % 4
    won = rng.random(len(voter)) < 1 / (1 + np.exp(gap * (b - a)))
    votes = ck.Comparisons(np.where(won, a, b), np.where(won, b, a), voter=voter)
    paths = [str(tmp_path / f"{number}.parquet") for number in range(4)]
    for part, path in zip(votes.counts("voter").split(4), paths, strict=True):
        part.save(path)
    return paths


@elsewhere
@pytest.mark.slow
def test_dask_fits_a_mixture_as_threads_do(voters_in_files: list[str], dask_client: Any) -> None:
    here = ck.models.mixture_of_shards(voters_in_files, components=2)
    there = ck.models.mixture_of_shards(voters_in_files, components=2, executor=dask_client)
    np.testing.assert_array_equal(there.scores, here.scores)


@elsewhere
@pytest.mark.slow
def test_spark_fits_a_mixture_as_threads_do(voters_in_files: list[str], spark: Any) -> None:
    here = ck.models.mixture_of_shards(voters_in_files, components=2, restarts=2)
    there = ck.models.mixture_of_shards(voters_in_files, components=2, restarts=2, executor=spark)
    np.testing.assert_array_equal(there.scores, here.scores)
