"""The report of an audit: its words, its page, its terminal summary. All of it is made from the JSON document alone."""

from choicekit.report.words import DEFINITIONS, GROUP_COLUMNS, text

__all__ = ["DEFINITIONS", "GROUP_COLUMNS", "text"]
