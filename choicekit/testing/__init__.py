"""Testing rules: Hypothesis strategies for profiles, assertions of axioms, smallest violations."""

from choicekit.axioms import polish
from choicekit.testing.checks import assert_axiom, find_violation
from choicekit.testing.strategies import (
    AgreeingPair,
    CloneProfile,
    approvals,
    clone_profiles,
    comparisons,
    iia_pairs,
    lotteries,
    margins,
    rankings,
    register,
    single_peaked_rankings,
    truncated,
    utilities,
    weak_orders,
)

__all__ = [
    "AgreeingPair",
    "CloneProfile",
    "approvals",
    "assert_axiom",
    "clone_profiles",
    "comparisons",
    "find_violation",
    "iia_pairs",
    "lotteries",
    "margins",
    "polish",
    "rankings",
    "register",
    "single_peaked_rankings",
    "truncated",
    "utilities",
    "weak_orders",
]
