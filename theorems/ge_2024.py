"""Linear rewards that minimise a convex loss on comparisons can reverse a pair on which all voters agree.

Source: Ge, Halpern, Micha, Procaccia, Shapira, Vorobeychik and Wu 2024 (arXiv:2405.14758), Theorems 3.1, 3.6 and 4.3.

Scope: their six alternatives in the plane, where the logistic loss (the Bradley–Terry likelihood) reverses a unanimous
pair at three choices of the parameters and the exponential and the hinge loss at one; that no rewards which keep the
pair lose as little is shown by the least loss on the line between. A second instance in which the Condorcet winner
comes second. On 60 drawn electorates their leximax Copeland rule keeps all unanimous pairs and the feasible majority
orders, which majority losses keep too. Losses in general are literature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import rules

METHOD = ("witness", "numeric")
Floats = NDArray[np.float64]
LABELS = ("a", "b", "c", "a'", "b'", "c'")
#: The share of the first voters, and the δ and ε of the points.
CHOICES = ((0.75, 0.5, 0.1), (0.6, 0.5, 0.1), (0.9, 0.2, 0.05))
FIRST, SECOND = ("a", "a'", "b", "b'", "c'", "c"), ("c'", "c", "b'", "b", "a'", "a")


def _six(share: float, delta: float, epsilon: float) -> tuple[Floats, ck.Rankings]:
    """The points of a, b, c, a', b', c', and the two kinds of voters. All put c' right above c."""
    points = np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    moved = points + np.array([[-epsilon, 0.0], [-epsilon, 0.0], [-epsilon, delta * epsilon]])
    votes = ck.Rankings.from_orders({FIRST: share, SECOND: 1 - share}, alternatives=LABELS)
    return np.concatenate([points, moved]), votes


def _lost(rewards: Floats, votes: ck.Rankings, loss: str) -> float:
    """Σ n(a ≻ b) ℓ(r(b) − r(a)), by the definition."""
    x = rewards[None, :] - rewards[:, None]
    shapes = {"logistic": np.logaddexp(0.0, x), "exponential": np.exp(x), "hinge": np.maximum(0.0, 1.0 + x)}
    return float((votes.supports() * shapes[loss]).sum())


def _reverses(choice: tuple[float, float, float], loss: str) -> None:
    points, votes = _six(*choice)
    found = rules.loss_rule(votes, features=points, loss=loss)
    assert found.scores[5] < found.scores[2] - 1e-3, f"{choice}, {loss}: c' gets {found.scores[5] - found.scores[2]}"
    # a convex loss is, among the θ with r(c') ≥ r(c), the least where the two are equal, as it is lower beyond
    across = points[5] - points[2]
    level = points @ np.array([[-across[1]], [across[0]]])
    kept = rules.loss_rule(votes, features=level, loss=loss).scores
    assert abs(kept[5] - kept[2]) <= 1e-12, "the line does not put c and c' level"
    gain = _lost(kept, votes, loss) - _lost(found.scores, votes, loss)
    assert gain > 1e-4, f"{choice}, {loss}: keeping the pair costs only {gain}"


def claim_both_kinds_of_voters_have_linear_rewards() -> None:
    """The two orders are those of θ = (1, 2/δ) and of (−1, 0), and c' is above c in both."""
    for choice in CHOICES:
        points, votes = _six(*choice)
        for order, theta in ((FIRST, (1.0, 2.0 / choice[1])), (SECOND, (-1.0, 0.0))):
            rewards = points @ np.array(theta)
            assert tuple(LABELS[a] for a in np.argsort(-rewards)) == order, f"{choice}: θ = {theta}"
            assert (np.diff(np.sort(rewards)) > 1e-9).all(), f"{choice}: θ = {theta} puts some level"
        assert abs(votes.supports()[5, 2] - 1.0) <= 1e-12, "somebody puts c above c'"


def claim_convex_losses_reverse_a_unanimous_pair() -> None:
    """The logistic loss at three choices of p, δ, ε, the exponential and the hinge at the first, put c above c'."""
    for choice in CHOICES:
        _reverses(choice, "logistic")
    for loss in ("exponential", "hinge"):
        _reverses(CHOICES[0], loss)


def claim_leximax_copeland_keeps_the_pair_and_the_majority_order() -> None:
    """On the same voters it and the majority loss give the order of the majority, which all pairs agree on respect."""
    for choice in CHOICES:
        points, votes = _six(*choice)
        for rule in (rules.leximax_copeland, rules.majority_loss):
            assert rule(votes, features=points).order == FIRST, f"{rule}: {rule(votes, features=points).order}"


def claim_the_condorcet_winner_can_come_second() -> None:
    """Of four alternatives the logistic loss puts 1 above the Condorcet winner 2, which leximax Copeland has on top."""
    points = [[2, 1], [0, -2], [-1, -3], [-3, -3]]
    votes = ck.Rankings.from_orders([[3, 2, 0, 1], [0, 1, 2, 3], [2, 1, 0, 3]])
    assert votes.to_margins().condorcet_winner == 2, "2 is not the Condorcet winner"
    assert rules.feasible(points, [2, 0, 1, 3]) is None, "the majority order is feasible"
    assert rules.loss_rule(votes, features=points).order == (1, 2, 0, 3), "another order by the loss"
    assert rules.leximax_copeland(votes, features=points).order == (2, 1, 0, 3), "another order by leximax Copeland"


def claim_leximax_copeland_keeps_what_all_or_a_feasible_majority_say() -> None:
    """In 60 draws (five alternatives, five voters by linear rewards) it keeps every unanimous pair, and it and the
    majority loss give the majority order wherever there is one that a direction induces."""
    rng, feasible, unanimous = np.random.default_rng(2405), 0, 0
    for _ in range(60):
        points = rng.normal(size=(5, 2))
        tastes = rng.normal(size=(5, 2)) + rng.normal(size=2)
        votes = ck.Utilities(tastes @ points.T).to_rankings()
        order = rules.leximax_copeland(votes, features=points).order
        for a, b in np.argwhere(votes.supports() == 5).tolist():
            unanimous += 1
            assert order.index(a) < order.index(b), f"all prefer {a} to {b}, but the order is {order}"
        wins = (votes.to_margins().values > 0).sum(1)
        majority = tuple(np.argsort(-wins).tolist())
        if len(set(wins.tolist())) == 5 and rules.feasible(points, majority) is not None:
            feasible += 1
            assert order == majority, f"{order} instead of {majority}"
            assert rules.majority_loss(votes, features=points).order == majority, f"the loss misses {majority}"
    assert min(feasible, unanimous) >= 10, f"{feasible} feasible majority orders, {unanimous} unanimous pairs"
