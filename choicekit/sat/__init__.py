"""Is there any rule with these axioms at this size? A rule, or a proof that a short program can check."""

from choicekit.sat._frame import Frame
from choicekit.sat.certificates import Certificate
from choicekit.sat.clauses import (
    condorcet,
    independence_of_irrelevant_alternatives,
    maskin_monotonicity,
    minimal_liberalism,
    non_dictatorship,
    onto,
    participation,
    strategyproofness,
    unanimity,
    weak_pareto,
)
from choicekit.sat.deciding import Impossible, Possible, count_models, decide, every_rule
from choicekit.sat.elaboration import elaborate
from choicekit.sat.electorates import Electorates
from choicekit.sat.explaining import Explanation, explain
from choicekit.sat.formulas import Axiom, Clauses, Formula, Instance, encode
from choicekit.sat.frames import Choices, ChoiceSets
from choicekit.sat.lrat import refutes
from choicekit.sat.orderings import Orderings, PairwiseOrderings

__all__ = [
    "Axiom",
    "Certificate",
    "ChoiceSets",
    "Choices",
    "Clauses",
    "Electorates",
    "Explanation",
    "Formula",
    "Frame",
    "Impossible",
    "Instance",
    "Orderings",
    "PairwiseOrderings",
    "Possible",
    "condorcet",
    "count_models",
    "decide",
    "elaborate",
    "encode",
    "every_rule",
    "explain",
    "independence_of_irrelevant_alternatives",
    "maskin_monotonicity",
    "minimal_liberalism",
    "non_dictatorship",
    "onto",
    "participation",
    "refutes",
    "strategyproofness",
    "unanimity",
    "weak_pareto",
]
