"""Files and frames become profiles."""

from choicekit.ingest.comparisons import Reading, ReadReport, read_comparisons
from choicekit.ingest.files import read_table, write_table
from choicekit.ingest.pabulib import Budgeting, read_budgeting
from choicekit.ingest.preflib import read_approvals, read_rankings

__all__ = [
    "Budgeting",
    "ReadReport",
    "Reading",
    "read_approvals",
    "read_budgeting",
    "read_comparisons",
    "read_rankings",
    "read_table",
    "write_table",
]
