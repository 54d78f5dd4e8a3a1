"""The report of an audit: its words, its page, its terminal summary. All of it is made from the JSON document alone."""

from choicekit.report.page import html, schema
from choicekit.report.terminal import show
from choicekit.report.words import DEFINITIONS, GROUP_COLUMNS, text, texts

__all__ = ["DEFINITIONS", "GROUP_COLUMNS", "html", "schema", "show", "text", "texts"]
