"""A Markov reward expresses an order of policies only if it is linear in what they do; max–min and caution are not.

The expected return of a reward is a linear function of a policy's occupancy measure, so that an order of policies with
π ≽ π' and a positive combination of differences π − π' equal to zero, one of them strict, has no reward.

Source: Skalse and Abate 2023 (UAI), arXiv:2401.14811. That linear scalarisations are the only multi-objective tasks,
and affine functions of the return the only risk attitudes, which a reward expresses is its theorem.

Scope: a bandit with two arms and the max–min order of three policies; a decision problem of two steps and a
risk-averse order of four policies: both refuted by a certificate in rational numbers and by a linear programme of
margin 0 (tolerance 1e-9), which also refutes the Nash product of two rewards on nine policies; 200 drawn linear orders
and the risk-neutral order of the four, all expressed with a positive margin. A linear programme decides finite lists of
comparisons only; modal tasks are not checked.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from choicekit import solvers

METHOD = ("LP", "certificate")

Half = Fraction(1, 2)
Occupancies = dict[str, tuple[Fraction | int, ...]]
# How often a bandit's policies take each arm.
ARMS: Occupancies = {"first": (1, 0), "second": (0, 1), "mixed": (Half, Half)}
# How often each choice is made (step 1: good, bad; step 2: good, bad): both steps are free, good adds 1 to the return.
STEPS: Occupancies = {
    "good good": (1, 0, 1, 0),
    "good bad": (1, 0, 0, 1),
    "bad good": (0, 1, 1, 0),
    "bad bad": (0, 1, 0, 1),
}


def _margin(better: ArrayLike, worse: ArrayLike, strict: list[bool]) -> float:
    """The largest t ≤ 1 for which a reward in [−1, 1] gives each better − worse at least t (0 where not strict)."""
    rows = np.asarray(worse, np.float64) - np.asarray(better, np.float64)
    table = np.column_stack([rows, np.asarray(strict, np.float64)])
    size = rows.shape[1]
    found = solvers.linear_program(
        -np.eye(size + 1)[-1],
        at_most=(table, np.zeros(len(rows))),
        equal=(np.zeros((1, size + 1)), [0.0]),
        bounds=[(-1, 1)] * size + [(None, 1)],
    )
    return float(found[-1])


def _cancel(occupancies: Occupancies, order: list[tuple[str, str]]) -> bool:
    """Whether the differences, added up, are exactly zero."""
    size = len(next(iter(occupancies.values())))
    return all(sum(occupancies[a][k] - occupancies[b][k] for a, b in order) == 0 for k in range(size))


def _solve(occupancies: Occupancies, order: list[tuple[str, str]], strict: list[bool]) -> float:
    table = {name: [float(x) for x in row] for name, row in occupancies.items()}
    return _margin([table[a] for a, _ in order], [table[b] for _, b in order], strict)


def claim_max_min_is_not_expressed() -> None:
    """min of two arms' rewards orders ½–½ above either arm: the differences cancel exactly, the margin is 0."""
    worth = {name: min(row) for name, row in ARMS.items()}
    order = [("mixed", "first"), ("mixed", "second")]
    assert all(worth[a] > worth[b] for a, b in order)
    assert _cancel(ARMS, order), "the certificate is no certificate"
    assert abs(_solve(ARMS, order, [True, True])) <= 1e-9, "a reward was found"
    assert _solve(ARMS, order[:1], [True]) > 0.1, "one comparison alone has a reward"


def claim_risk_aversion_is_not_expressed() -> None:
    """Utility min(return, 1) over two steps: the differences cancel exactly, the margin is 0; return itself has one."""
    returns = {name: row[0] + row[2] for name, row in STEPS.items()}
    averse = {name: min(total, 1) for name, total in returns.items()}
    order, strict = [("good bad", "good good"), ("bad good", "bad bad")], [False, True]
    assert averse["good bad"] == averse["good good"], "the first comparison is an indifference"
    assert averse["bad good"] > averse["bad bad"]
    assert _cancel(STEPS, order), "the certificate is no certificate"
    assert abs(_solve(STEPS, order, strict)) <= 1e-9, "a reward was found"
    neutral = [(a, b) for a in STEPS for b in STEPS if returns[a] > returns[b]]
    assert _solve(STEPS, neutral, [True] * len(neutral)) > 0.1, "the risk-neutral order has no reward"


def claim_linear_orders_are_expressed() -> None:
    """200 drawn orders of 8 policies over 5 outcomes by a linear function have a reward with a positive margin."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        policies, weights = rng.dirichlet(np.ones(5), 8), rng.normal(size=5)
        ranked = policies[np.argsort(-(policies @ weights))]
        assert _margin(ranked[:-1], ranked[1:], [True] * 7) > 1e-9, "a linear order without a reward"


def claim_a_product_of_two_rewards_is_not_expressed() -> None:
    """The Nash product on the two arms orders ½–½ above both, on 9 policies pairwise: margin 0."""
    shares = np.linspace(0, 1, 9)
    policies = np.column_stack([shares, 1 - shares])
    worth = shares * (1 - shares)
    pairs = [(a, b) for a in range(9) for b in range(9) if worth[a] > worth[b] + 1e-12]
    found = _margin(policies[[a for a, _ in pairs]], policies[[b for _, b in pairs]], [True] * len(pairs))
    assert abs(found) <= 1e-9, f"a reward was found, margin {found}"
