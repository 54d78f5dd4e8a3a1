"""Representing many values closely, cheaply and robustly is said to cost κ·2^d/(ε²nδ) operations: a calculator only.

For n people, error ε, failure chance δ, d bits of context and a constant κ. The claim is asymptotic (an unspecified
constant and a worst case), so that no finite run can refute or confirm it.

Source: Sahoo et al. 2025, arXiv:2511.19504 (a position paper; the statement is informal and was seen at second hand).

Scope: arithmetic of the expression alone, in rational numbers: how it scales in each argument on a grid of 216 values.
Nothing is checked about any method, and no theorem is claimed.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

METHOD = "numeric"


def operations(error: Fraction, failure: Fraction, *, people: int, bits: int, constant: int = 1) -> Fraction:
    """κ·2^d/(ε²nδ), the order of magnitude the position paper names, up to its unknown constant.

    >>> operations(Fraction(1, 10), Fraction(1, 20), people=100, bits=10)
    Fraction(20480, 1)
    """
    if not (error > 0 and 0 < failure <= 1 and people >= 1 and bits >= 0 and constant > 0):
        raise ValueError(
            "operations: needed error > 0, 0 < failure ≤ 1, people ≥ 1, bits ≥ 0 and constant > 0, got "
            f"{error}, {failure}, {people}, {bits}, {constant}"
        )
    return Fraction(constant * 2**bits) / (error * error * people * failure)


def claim_how_the_expression_scales() -> None:
    """A bit more doubles it, half the error quadruples it, half the failure doubles it, twice the people halve it."""
    seen = 0
    parts = [Fraction(1, k) for k in (2, 5, 10, 20, 50, 100)]
    for error, failure, people, bits in product(parts, parts[:3], (1, 10, 1000), (0, 3, 10, 64)):
        base = operations(error, failure, people=people, bits=bits)
        assert operations(error, failure, people=people, bits=bits + 1) == 2 * base
        assert operations(error / 2, failure, people=people, bits=bits) == 4 * base
        assert operations(error, failure / 2, people=people, bits=bits) == 2 * base
        assert operations(error, failure, people=2 * people, bits=bits) == base / 2
        assert operations(error, failure, people=people, bits=bits, constant=3) == 3 * base
        seen += 1
    assert seen == 216, f"{seen} values"
