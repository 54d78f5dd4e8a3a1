"""Files as Arrow batches, columns as arrays of codes, counts as files: the room through which pyarrow comes."""

from choicekit.arrow.columns import Encoder, column, signs, summed, truths, weights, whole
from choicekit.arrow.files import batches, column_names, of_table, parquet, paths
from choicekit.arrow.saved import read_counts, write_counts

__all__ = [
    "Encoder",
    "batches",
    "column",
    "column_names",
    "of_table",
    "parquet",
    "paths",
    "read_counts",
    "signs",
    "summed",
    "truths",
    "weights",
    "whole",
    "write_counts",
]
