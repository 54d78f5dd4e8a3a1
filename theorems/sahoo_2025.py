"""Representing many values closely, cheaply and robustly is said to cost κ·2^d/(ε²nδ) operations: a calculator only.

For n people, error ε, failure chance δ, d bits of context and a constant κ. The claim is asymptotic (an unspecified
constant and a worst case), so that no finite run can refute or confirm it.

Source: Sahoo et al. 2025, arXiv:2511.19504 (a position paper; the statement is informal and was seen at second hand).

Scope: arithmetic of the expression alone: how it scales in each argument on a grid of 216 values, to 1e-12.
Nothing is checked about any method, and no theorem is claimed.
"""

from __future__ import annotations

from itertools import product
from math import isclose

from choicekit import alignment

METHOD = "numeric"


def claim_how_the_expression_scales() -> None:
    """A bit more doubles it, half the error quadruples it, half the failure doubles it, twice the people halve it."""
    seen = 0
    parts = [1 / k for k in (2, 5, 10, 20, 50, 100)]
    for error, failure, people, bits in product(parts, parts[:3], (1, 10, 1000), (0, 3, 10, 64)):
        base = alignment.trilemma_cost(error, failure, people=people, bits=bits)
        scaled = {
            "a bit more": (alignment.trilemma_cost(error, failure, people=people, bits=bits + 1), 2),
            "half the error": (alignment.trilemma_cost(error / 2, failure, people=people, bits=bits), 4),
            "half the failure": (alignment.trilemma_cost(error, failure / 2, people=people, bits=bits), 2),
            "twice the people": (alignment.trilemma_cost(error, failure, people=2 * people, bits=bits), 1 / 2),
            "thrice the constant": (alignment.trilemma_cost(error, failure, people=people, bits=bits, constant=3), 3),
        }
        for change, (found, factor) in scaled.items():
            assert isclose(found, factor * base, rel_tol=1e-12), f"{change}: {found} for {base}"
        seen += 1
    assert isclose(alignment.trilemma_cost(0.1, 0.05, people=100, bits=10), 20480, rel_tol=1e-12)
    assert seen == 216, f"{seen} values"
