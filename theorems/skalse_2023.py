"""A Markov reward expresses an order of policies only if it is linear in what they do; max–min and caution are not.

The expected return of a reward is a linear function of a policy's occupancy measure, so that an order of policies with
π ≽ π' and a positive combination of differences π − π' equal to zero, one of them strict, has no reward.

Source: Skalse and Abate 2023 (UAI), arXiv:2401.14811. That linear scalarisations are the only multi-objective tasks,
and affine functions of the return the only risk attitudes, which a reward expresses is its theorem.

Scope: a bandit with two arms and the max–min order of three policies; a decision problem of two steps and a
risk-averse order of four policies, and the Nash product of two rewards on nine policies: each refuted by a certificate
in fractions. 200 drawn linear orders and the risk-neutral order of the four, each expressed by a reward in fractions.
Finite lists of comparisons are decided, no orders of infinitely many policies; modal tasks are not checked.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from choicekit import alignment

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


def _decide(occupancies: Occupancies, order: list[tuple[str, str]], strict: list[bool]) -> alignment.Expressibility:
    return alignment.linear_reward(
        [occupancies[a] for a, _ in order], [occupancies[b] for _, b in order], strict=strict
    )


def claim_max_min_is_not_expressed() -> None:
    """min of two arms' rewards orders ½–½ above either arm: the differences cancel exactly."""
    worth = {name: min(row) for name, row in ARMS.items()}
    order = [("mixed", "first"), ("mixed", "second")]
    assert all(worth[a] > worth[b] for a, b in order)
    assert _decide(ARMS, order, [True, True]).certificate == (Half, Half), "another certificate"
    assert _decide(ARMS, order[:1], [True]).expressible, "one comparison alone has a reward"


def claim_risk_aversion_is_not_expressed() -> None:
    """Utility min(return, 1) over two steps: the differences cancel exactly; return itself has a reward."""
    returns = {name: row[0] + row[2] for name, row in STEPS.items()}
    averse = {name: min(total, 1) for name, total in returns.items()}
    order, strict = [("good bad", "good good"), ("bad good", "bad bad")], [False, True]
    assert averse["good bad"] == averse["good good"], "the first comparison is an indifference"
    assert averse["bad good"] > averse["bad bad"]
    assert _decide(STEPS, order, strict).certificate == (1, 1), "another certificate"
    neutral = [(a, b) for a in STEPS for b in STEPS if returns[a] > returns[b]]
    assert _decide(STEPS, neutral, [True] * len(neutral)).expressible, "the risk-neutral order has no reward"


def claim_linear_orders_are_expressed() -> None:
    """200 drawn orders of 8 policies over 5 outcomes by a linear function have a reward."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        policies, weights = rng.dirichlet(np.ones(5), 8), rng.normal(size=5)
        ranked = policies[np.argsort(-(policies @ weights))]
        assert alignment.linear_reward(ranked[:-1], ranked[1:]).expressible, "a linear order without a reward"


def claim_a_product_of_two_rewards_is_not_expressed() -> None:
    """The Nash product on the two arms orders ½–½ above both, on 9 policies pairwise: differences that cancel."""
    shares = [Fraction(k, 8) for k in range(9)]
    worth = [share * (1 - share) for share in shares]
    pairs = [(a, b) for a in range(9) for b in range(9) if worth[a] > worth[b]]
    policies = [[share, 1 - share] for share in shares]
    found = alignment.linear_reward([policies[a] for a, _ in pairs], [policies[b] for _, b in pairs])
    assert found.certificate is not None, "a reward was found"
