"""Files of rows become Arrow tables; the one door to pyarrow."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".jsonl", ".ndjson", ".jsonl.gz", ".parquet")


def read_table(path: str | os.PathLike[str]) -> Any:
    """A CSV, TSV, JSON-lines or Parquet file as a ``pyarrow.Table``.

    CSV columns stay text, exactly as written, so that no label is re-read as a number or a date; the delimiter is the
    one of comma, semicolon, tab and bar that the header has most of. ``.gz`` is unpacked. Nested JSON values become
    their JSON text. Raises ``FileNotFoundError``, and ``ValueError`` for a file that is empty, binary, not UTF-8, of
    an unknown kind, or malformed, with the line where that is known.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "votes.csv"
    >>> _ = file.write_text("winner;loser\\n01;2\\n")
    >>> read_table(file).to_pydict()
    {'winner': ['01'], 'loser': ['2']}
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such file; give the path of a {', '.join(SUFFIXES[:3])}, … file")
    if file.is_dir():
        raise ValueError(f"{file}: is a folder; give one file in it")
    if file.stat().st_size == 0:
        raise ValueError(f"{file}: the file is empty; needed a header line and at least one row")
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return _parquet(file)
    if not name.endswith(SUFFIXES):
        raise ValueError(f"{file}: cannot tell the format from the name; rename it to one of {', '.join(SUFFIXES)}")
    text = _text(file)
    return _json_lines(file, text) if name.endswith((".jsonl", ".ndjson")) else _delimited(file, text)


def write_table(columns: Mapping[str, Iterable[Any]], path: str | os.PathLike[str]) -> None:
    """Write columns of equal length as Parquet or, for a name in ``.jsonl``, as one JSON object a line.

    Raises ``ValueError`` for any other name.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "rows.jsonl"
    >>> write_table({"a": [1, 2], "b": ["x", None]}, file)
    >>> print(file.read_text().strip())
    {"a": 1, "b": "x"}
    {"a": 2, "b": null}
    """
    if str(path).endswith(".jsonl"):
        listed = {
            name: getattr(values, "tolist", lambda values=values: list(values))() for name, values in columns.items()
        }
        with open(path, "w", encoding="utf-8") as stream:
            for row in zip(*listed.values(), strict=True):
                stream.write(json.dumps(dict(zip(listed, row, strict=True)), ensure_ascii=False) + "\n")
        return
    if not str(path).endswith(".parquet"):
        raise ValueError(f"{path}: cannot tell the format from the name; end it in .parquet or .jsonl")
    arrow = _arrow()
    import pyarrow.parquet

    pyarrow.parquet.write_table(arrow.table(dict(columns)), path)


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise ImportError("reading and writing files needs pyarrow: pip install 'choicekit[cli]'") from None
    return pyarrow


def _text(file: Path) -> bytes:
    with file.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        raw = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{file}: cannot be unpacked as gzip ({error}); download it again") from None
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if b"\0" in raw[:100_000]:
        raise ValueError(f"{file}: is a binary file, not text; needed CSV, TSV, JSON lines or Parquet")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(f"{file}: line {line} is not UTF-8 text; save the file as UTF-8") from None
    if not raw.strip():
        raise ValueError(f"{file}: the file is empty; needed a header line and at least one row")
    return raw


def _delimited(file: Path, text: bytes) -> Any:
    arrow = _arrow()
    import pyarrow.csv

    header = text.splitlines()[0].decode()
    delimiter = max(",;\t|", key=header.count)
    # A first read of the header alone gives the names; then every column is read as text.
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        names = pyarrow.csv.read_csv(arrow.py_buffer(text.splitlines()[0] + b"\n"), parse_options=parse).column_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{file}: the header has the column {twice[0]!r} more than once; rename one of them")
        convert = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, arrow.string()), strings_can_be_null=False
        )
        # a row must fit in a block, and prompts are long
        blocks = pyarrow.csv.ReadOptions(block_size=min(len(text) + 1, 1 << 26))
        whole = arrow.py_buffer(text if text.endswith(b"\n") else text + b"\n")
        table = pyarrow.csv.read_csv(whole, read_options=blocks, parse_options=parse, convert_options=convert)
    except arrow.ArrowInvalid as error:
        raise ValueError(f"{file}: not a well-formed table ({str(error).splitlines()[0][:160]})") from None
    if table.num_rows == 0:
        raise ValueError(f"{file}: has a header and no rows; needed at least one row of data")
    return table


def _json_lines(file: Path, text: bytes) -> Any:
    rows = []
    for number, line in enumerate(text.decode().split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(
                    f"{file}: line {number} is not JSON ({error.msg}); one object a line is needed"
                ) from None
            if not isinstance(row, dict):
                raise ValueError(f"{file}: line {number} is not a JSON object; one object a line is needed")
            rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        if any(isinstance(value, list | dict) for value in values):
            columns[name] = values = [json.dumps(value, ensure_ascii=False, sort_keys=True) for value in values]
        kinds = {float if type(value) is int else type(value) for value in values if value is not None}
        if len(kinds) > 1:
            shown = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise ValueError(f"{file}: column {name!r} mixes {shown}; write its values in one way")
    try:
        return _arrow().table(columns)
    except (ValueError, OverflowError) as error:  # an integer beyond 64 bits, half of a surrogate pair
        raise ValueError(f"{file}: holds a value that no table can ({error}); write it in another way") from None


def _parquet(file: Path) -> Any:
    arrow = _arrow()
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(file)
    except (arrow.ArrowInvalid, OSError) as error:
        raise ValueError(f"{file}: not a Parquet file ({str(error).splitlines()[0][:120]})") from None
