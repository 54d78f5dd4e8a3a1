"""No expected utility prefers a sure million to a gamble, and the gamble once both lose the same chance of a million.

Source: Allais 1953 (doi:10.2307/1907921); von Neumann and Morgenstern 1944, whose independence axiom it breaks.

Scope: the four lotteries of Allais over 0, 1 and 5 million, in exact fractions. That no utilities have both preferences
strictly is proved by a Farkas certificate, two weights under which they add up to 0 > 0, by hand and by a linear
programme. Preferences that do not reverse, and both without independence, have an example.
"""

from __future__ import annotations

from fractions import Fraction

from choicekit import alignment

METHOD = ("LP", "witness")
#: Chances of 0, 1 and 5 million.
A, B = [Fraction(0), Fraction(1), Fraction(0)], [Fraction(1, 100), Fraction(89, 100), Fraction(10, 100)]
C, D = [Fraction(89, 100), Fraction(11, 100), Fraction(0)], [Fraction(90, 100), Fraction(0), Fraction(10, 100)]
Lottery = list[Fraction]


def _less(one: Lottery, other: Lottery) -> Lottery:
    return [x - y for x, y in zip(one, other, strict=True)]


def _value(utilities: Lottery, lottery: Lottery) -> Fraction:
    return sum((u * p for u, p in zip(utilities, lottery, strict=True)), Fraction(0))


def claim_the_preferences_of_allais_contradict_each_other() -> None:
    """(A − B) + (D − C) = 0, so that utilities with A ≻ B and D ≻ C would give 0 > 0: a certificate in fractions."""
    for lottery in (A, B, C, D):
        assert sum(lottery) == 1, f"{lottery} is no lottery"
    total = [x + y for x, y in zip(_less(A, B), _less(D, C), strict=True)]
    assert total == [0, 0, 0], f"the differences add up to {total}"


def claim_no_utilities_have_both() -> None:
    """The linear programme ends on that certificate, weights ½ and ½, and not on utilities."""
    assert alignment.linear_reward([A, D], [B, C]).certificate == (Fraction(1, 2), Fraction(1, 2)), (
        "another certificate"
    )


def claim_preferences_that_do_not_reverse_have_utilities() -> None:
    """A ≻ B with C ≻ D, and B ≻ A with D ≻ C, have utilities: the programme's, and 0, 1, 1.05 and 0, 1, 5."""
    assert alignment.linear_reward([A, C], [B, D]).expressible, "no utilities for A ≻ B and C ≻ D"
    assert alignment.linear_reward([B, D], [A, C]).expressible, "no utilities for B ≻ A and D ≻ C"
    careful, neutral = [Fraction(0), Fraction(1), Fraction(21, 20)], [Fraction(0), Fraction(1), Fraction(5)]
    assert _value(careful, A) > _value(careful, B), "the first utilities do not prefer A to B"
    assert _value(careful, C) > _value(careful, D), "the first utilities do not prefer C to D"
    assert _value(neutral, B) > _value(neutral, A), "the second utilities do not prefer B to A"
    assert _value(neutral, D) > _value(neutral, C), "the second utilities do not prefer D to C"


def claim_without_independence_both_preferences_are_possible() -> None:
    """Chances of at least an amount counted by their squares, and utilities 0, 1, 2, prefer A to B and D to C."""
    utilities = [0, 1, 2]

    def value(lottery: Lottery) -> Fraction:
        return sum(
            ((utilities[k] - utilities[k - 1]) * sum(lottery[k:], Fraction(0)) ** 2 for k in (1, 2)), Fraction(0)
        )

    assert value(A) > value(B), f"{value(A)} for A, {value(B)} for B"
    assert value(D) > value(C), f"{value(D)} for D, {value(C)} for C"


def explain() -> str:
    """The four lotteries and the clash."""
    lines = ["Chances in hundredths of      0, 1 and 5 million:"]
    for name, lottery in zip("ABCD", (A, B, C, D), strict=True):
        lines.append(f"  {name}: " + "".join(f"{int(100 * p):>8}" for p in lottery))
    lines.append("Many prefer A to B and D to C. But B − A = D − C, so that an expected utility")
    lines.append("gains from B instead of A exactly what it gains from D instead of C.")
    return "\n".join(lines)
