"""Aggregation rules, and the decorator that makes a function one."""

from choicekit.rules._rule import Rule, rule
from choicekit.rules._ties import break_ties, fixed_order, parallel_universes, seeded_lottery
from choicekit.rules.cardinal import approval, egalitarian, nash, utilitarian
from choicekit.rules.condorcet import copeland, minimax, schulze
from choicekit.rules.ordinal import borda, plurality
from choicekit.rules.probabilistic import maximal_lottery, random_dictatorship

__all__ = [
    "Rule",
    "approval",
    "borda",
    "break_ties",
    "copeland",
    "egalitarian",
    "fixed_order",
    "maximal_lottery",
    "minimax",
    "nash",
    "parallel_universes",
    "plurality",
    "random_dictatorship",
    "rule",
    "schulze",
    "seeded_lottery",
    "utilitarian",
]
