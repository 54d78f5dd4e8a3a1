"""Files and tables as record batches, a row group or a block at a time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from choicekit.arrow._library import library

_BATCH = 1 << 18
_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
_MISSING = ["", "nan", "NaN", "null", "NULL", "<NA>"]


def paths(source: Any) -> list[str]:
    """The files that a path, a pattern with ``*``, a folder of Parquet files, or a list of these stands for.

    Raises ``FileNotFoundError`` where there is none, ``ValueError`` for an empty list.

    >>> paths("nowhere/*.parquet")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere/*.parquet: no such file
    """
    if not isinstance(source, str | os.PathLike):
        if not len(source):
            raise ValueError("needed at least one file, got an empty list")
        return [file for part in source for file in paths(part)]
    path = os.fspath(source)
    if os.path.isfile(path):
        return [path]
    inside = os.path.join(glob.escape(path), "*.parquet") if os.path.isdir(path) else path
    found = sorted(name for name in glob.glob(inside, recursive=True) if os.path.isfile(name))
    if not found:
        raise FileNotFoundError(f"{path}: " + ("holds no Parquet files" if os.path.isdir(path) else "no such file"))
    return found


def column_names(file: str) -> list[str]:
    """The names of the columns of a Parquet or CSV file.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "votes.csv"
    >>> _ = file.write_text("winner;loser\\n01;2\\n")
    >>> column_names(str(file))
    ['winner', 'loser']
    """
    if file.lower().endswith(_CSV):
        return list(_csv(file, None).schema.names)
    return list(parquet(file).schema_arrow.names)


def batches(file: str, labels: Sequence[str], types: Mapping[str, str]) -> Iterator[Any]:
    """The named columns of a Parquet or CSV file as record batches, of a row group or a block at a time.

    ``labels`` are columns of labels, text in CSV; ``types`` names the Arrow types of the others in CSV.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "votes.csv"
    >>> _ = file.write_text("winner;loser;times\\n01;2;3\\n")
    >>> [batch.to_pydict() for batch in batches(str(file), ["winner"], {"times": "int8"})]
    [{'winner': ['01'], 'times': [3]}]
    """
    if file.lower().endswith(_CSV):
        arrow = library()
        try:
            yield from _csv(file, dict.fromkeys(labels, "string") | dict(types))
        except arrow.ArrowInvalid as error:
            raise ValueError(f"{file}: not a well-formed table ({str(error).splitlines()[0][:160]})") from None
        return
    opened = parquet(file, labels)
    wanted = list(dict.fromkeys([*labels, *types]))
    for part in range(opened.num_row_groups):
        yield from opened.iter_batches(_BATCH, row_groups=[part], columns=wanted)


def of_table(table: Any) -> Iterator[Any]:
    """A table as record batches.

    >>> import pyarrow as pa
    >>> [len(batch) for batch in of_table(pa.table({"a": [1, 2]}))]
    [2]
    """
    yield from table.to_batches(max_chunksize=4 * _BATCH)


def parquet(file: str, labels: Sequence[str] = ()) -> Any:
    """A Parquet file, opened; of the columns ``labels`` those of text are read as codes and a dictionary.

    Raises ``ValueError`` for a file that is none.

    >>> parquet("nowhere.parquet")
    Traceback (most recent call last):
        ...
    ValueError: nowhere.parquet: not a Parquet or CSV file ...
    """
    arrow = library()
    import pyarrow.parquet

    try:
        opened = pyarrow.parquet.ParquetFile(file)
        kinds = arrow.types
        texts = [
            field.name for field in opened.schema_arrow
            if field.name in labels and (kinds.is_string(field.type) or kinds.is_large_string(field.type))
        ]  # fmt: skip
        return pyarrow.parquet.ParquetFile(file, read_dictionary=texts) if texts else opened
    except (arrow.ArrowInvalid, OSError) as error:
        raise ValueError(f"{file}: not a Parquet or CSV file ({str(error).splitlines()[0][:120]})") from None


def _csv(file: str, types: Mapping[str, str] | None) -> Any:
    """A reader of a CSV file by blocks; columns are text unless ``types`` says otherwise."""
    arrow = library()
    import pyarrow.csv

    with arrow.input_stream(file, compression="detect") as stream:
        header = stream.read(1 << 16).decode("utf-8", "replace").lstrip("\ufeff").split("\n")[0]
    if not header.strip():
        raise ValueError(f"{file}: the file is empty; needed a header line")
    parse = pyarrow.csv.ParseOptions(delimiter=max(",;\t|", key=header.count), newlines_in_values=True)
    convert = pyarrow.csv.ConvertOptions(
        include_columns=list(types or ()), column_types={name: arrow.type_for_alias(kind) for name, kind in
                                                         (types or {}).items()},
        null_values=_MISSING, strings_can_be_null=True,
    )  # fmt: skip
    try:
        return pyarrow.csv.open_csv(
            arrow.input_stream(file, compression="detect"), parse_options=parse, convert_options=convert,
            read_options=pyarrow.csv.ReadOptions(block_size=1 << 24),
        )  # fmt: skip
    except arrow.ArrowInvalid as error:
        raise ValueError(f"{file}: not a well-formed table ({str(error).splitlines()[0][:160]})") from None
