"""Fifty million comparisons in Parquet counted by us and by DuckDB in one run: seconds, memory, same counts.

    python benchmarks/scale.py [--rows 50_000_000] [--labels numbers|names] [--folder DIR]

Rows are made once (ten files, 100,000 voters, 500 alternatives, 8 groups, a tenth of them ties) and deleted at the end.
Every route runs in a fresh process and writes its counts, which are then compared. Memory is the most that the process
had resident, Python and the libraries included; CPU seconds say what a busy machine hides.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

FILES, VOTERS, ALTERNATIVES, GROUPS = 10, 100_000, 500, 8
COLUMNS = {"winner": "winner", "loser": "loser", "tie": "tie", "group": "country"}
BY_VOTER = {"winner": "winner", "loser": "loser", "tie": "tie", "voter": "voter"}


def make(folder: Path, rows: int, labels: str) -> None:
    """Comparisons by a Bradley–Terry model whose scores rise with the code, in chunks of a million rows."""
    import pyarrow as pa
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    place = rng.integers(0, GROUPS, VOTERS).astype(np.int8)
    names = pa.array([f"model-{code:03d}" for code in range(ALTERNATIVES)])

    def column(codes: np.ndarray) -> pa.Array:
        if labels == "numbers":
            return pa.array(codes.astype(np.int16))
        return pa.DictionaryArray.from_arrays(codes.astype(np.int32), names).cast(pa.string())

    for file in range(FILES):
        writer, left = None, rows // FILES
        while left:
            chunk = min(left, 1_000_000)
            left -= chunk
            a = rng.integers(0, ALTERNATIVES, chunk)
            b = (a + rng.integers(1, ALTERNATIVES, chunk)) % ALTERNATIVES
            ahead = rng.random(chunk) < 1 / (1 + np.exp((b - a) / 200))
            voter = rng.integers(0, VOTERS, chunk)
            table = pa.table({
                "voter": pa.array(voter.astype(np.int32)), "country": pa.array(place[voter]),
                "winner": column(np.where(ahead, a, b)), "loser": column(np.where(ahead, b, a)),
                "tie": pa.array(rng.random(chunk) < 0.1),
            })  # fmt: skip
            writer = writer or pyarrow.parquet.ParquetWriter(
                folder / f"{file}.parquet", table.schema, compression="zstd"
            )
            writer.write_table(table)
        assert writer is not None
        writer.close()


def ours(folder: Path, out: Path) -> None:
    import pyarrow

    from choicekit import statistics

    pyarrow.set_cpu_count(1)
    statistics.count(folder, **COLUMNS).counts.save(out)


def ours_threads(folder: Path, out: Path) -> None:
    import pyarrow

    from choicekit import statistics

    pyarrow.set_cpu_count(1)
    files = sorted(folder.glob("*.parquet"))
    workers = os.cpu_count() or 1
    shards = [files[worker::workers] for worker in range(workers)]  # a shard may be a list of files
    statistics.reduce(shards, partial(statistics.count, **COLUMNS)).counts.save(out)


def ours_in_duckdb(folder: Path, out: Path) -> None:
    import duckdb

    from choicekit import statistics

    statistics.count(duckdb.sql(f"SELECT * FROM '{folder}/*.parquet'"), **COLUMNS).counts.save(out)


def by_duckdb(folder: Path, out: Path) -> None:
    import duckdb

    duckdb.sql(f"""COPY (
        SELECT country AS "group", least(winner, loser) AS first, greatest(winner, loser) AS second,
               count(*) FILTER (NOT tie AND winner < loser) AS won,
               count(*) FILTER (NOT tie AND winner > loser) AS lost,
               count(*) FILTER (tie) AS tied
        FROM '{folder}/*.parquet' WHERE winner <> loser GROUP BY ALL ORDER BY ALL
    ) TO '{out}' (FORMAT parquet)""")


def ours_by_voter(folder: Path, out: Path) -> None:
    from choicekit import statistics

    statistics.count(sorted(folder.glob("*.parquet"))[0], **BY_VOTER).counts.save(out)


def voters_by_duckdb(folder: Path, out: Path) -> None:
    import duckdb

    duckdb.sql(f"""COPY (
        SELECT voter, least(winner, loser) AS first, greatest(winner, loser) AS second,
               count(*) FILTER (NOT tie AND winner < loser) AS won,
               count(*) FILTER (NOT tie AND winner > loser) AS lost,
               count(*) FILTER (tie) AS tied
        FROM '{sorted(folder.glob("*.parquet"))[0]}' WHERE winner <> loser GROUP BY ALL ORDER BY ALL
    ) TO '{out}' (FORMAT parquet)""")


ROUTES: dict[str, Callable[[Path, Path], None]] = {
    "DuckDB's SQL": by_duckdb,
    "ours, one thread": ours,
    "ours, threads": ours_threads,
    "ours, in DuckDB": ours_in_duckdb,
}
VOTER_ROUTES: dict[str, Callable[[Path, Path], None]] = {
    "DuckDB's SQL, by voter": voters_by_duckdb,
    "ours, by voter": ours_by_voter,
}


def one(route: str, folder: Path, out: Path) -> None:
    """Run a route in this process and print what it took."""
    import duckdb  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from choicekit import statistics  # noqa: F401

    start, processor = time.perf_counter(), time.process_time()
    (ROUTES | VOTER_ROUTES)[route](folder, out)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    print(json.dumps({"seconds": seconds, "processor": processor, "peak": peak()}))


def peak() -> float:
    """The most memory this process has had resident, in MB (getrusage would count its parent's before exec too)."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def compare(title: str, routes: dict[str, Callable[[Path, Path], None]], folder: Path, runs: int) -> None:
    """Rounds over all the routes, so that whatever else the machine does meets them alike; the median of each."""
    import pyarrow.parquet

    took: dict[str, list[dict[str, float]]] = {route: [] for route in routes}
    tables = {}
    with tempfile.TemporaryDirectory() as outs:
        for turn in range(runs + 1):  # the first reads the files into the system's cache and compiles
            for number, route in enumerate(routes):
                out = Path(outs) / f"{number}.parquet"
                command = [sys.executable, __file__, "--route", route, "--folder", str(folder), "--out", str(out)]
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                if turn:
                    took[route].append(json.loads(printed))
                tables[route] = pyarrow.parquet.read_table(out)
    names = sorted(tables[next(iter(routes))].column_names)
    plain = [
        {name: table[name].to_numpy() if table[name].type not in ("string", "large_string") else table[name].to_pylist()
         for name in names} for table in tables.values()
    ]  # fmt: skip
    same = [all(np.array_equal(plain[0][name], other[name]) for name in names) for other in plain]
    heads = zip(["median s", "ratio", "CPU s", "ratio", "peak MB"], (10, 8, 8, 8, 9), strict=True)
    print(f"\n{title}: {len(plain[0]['won']):,} cells")
    print(" " * 26 + "".join(f"{head:>{width}}" for head, width in heads) + "  same counts")
    base: list[float] = []
    for route, alike in zip(routes, same, strict=True):
        wall, processor = (float(np.median([found[key] for found in took[route]])) for key in ("seconds", "processor"))
        base = base or [wall, processor]
        most = max(found["peak"] for found in took[route])
        print(f"{route:26}{wall:10.2f}{wall / base[0]:7.2f}×{processor:8.2f}{processor / base[1]:7.2f}×{most:9.0f}  "
              f"{'yes' if alike else 'NO'}")  # fmt: skip
    assert all(same)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--labels", choices=["numbers", "names"], default="numbers")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to make the rows (about 0.4 GB), else a temporary folder")
    parser.add_argument("--route", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.route:
        one(given.route, given.folder, given.out)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        folder = Path(made)
        make(folder, given.rows, given.labels)
        size = sum(file.stat().st_size for file in folder.glob("*.parquet")) / 1e6
        print(f"{given.rows:,} rows, labels as {given.labels}: {FILES} files, {size:.0f} MB")
        compare("By pair and group", ROUTES, folder, given.runs)
        compare("By pair and voter, one file", VOTER_ROUTES, folder, given.runs)


if __name__ == "__main__":
    main()
