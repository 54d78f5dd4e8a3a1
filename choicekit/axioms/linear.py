"""Axioms of rules that answer with an order by linear rewards, and problems on which learning rewards breaks them.

The voters rank alternatives whose features are known, each by a direction of its own: ballots that no direction
induces are refused. An order is by the rewards of one direction for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from choicekit import solvers
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import Ranks, casting, order, replaced, said, strict
from choicekit.axioms._lotteries import splits
from choicekit.axioms._problems import RewardProblem
from choicekit.axioms._readings import Ask, places, rewards, show_ordering
from choicekit.profiles import Rankings

Floats = NDArray[np.float64]

# A direction must tell two alternatives apart by more than this, where features are spread evenly; and a majority is
# more than this share of the voters above one half.
_STRICT = 1e-9


def _direction(features: Floats, best_first: Sequence[int]) -> Floats | None:
    """A direction whose rewards put rows of the features into a strict order, or ``None`` where there is none.

    In coordinates where the features are spread evenly, that for which the least step is largest.
    """
    centred = features - features.mean(0)
    spread = np.abs(centred).max(0, initial=0.0)
    varying = spread > 1e-12 * np.abs(features).max(0, initial=0.0)
    left, sizes, right = np.linalg.svd(centred[:, varying] / spread[varying], full_matrices=False)
    kept = sizes > 1e-12 * len(features)
    points, width = left[:, kept], int(kept.sum())
    chosen = points[list(best_first)]
    steps = chosen[:-1] - chosen[1:]
    found = np.zeros(features.shape[1])
    if len(steps) == 0:
        return found
    lengths = np.linalg.norm(steps, axis=1)
    if width == 0 or (lengths <= _STRICT).any():
        return None
    rows = steps / lengths[:, None]
    theta = solvers.linear_program(
        np.append(np.zeros(width), -1.0),
        at_most=(np.column_stack([-rows, np.ones(len(rows))]), np.zeros(len(rows))),
        equal=(np.zeros((0, width + 1)), np.zeros(0)),
        bounds=[(-1.0, 1.0)] * width + [(None, 1.0)],
    )[:width]
    if (rows @ theta).min() <= _STRICT:
        return None
    found[varying] = (right[kept] / sizes[kept, None]).T @ theta / spread[varying]
    return found


@axiom(kind="intra", about=rewards, ballots="features")
def pareto_of_rewards(ask: Ask, problem: RewardProblem) -> Clash | None:
    """Where all voters prefer a to b, a is strictly above b in the order of rewards.

    Source: Ge et al. 2024 (arXiv:2405.14758), who show (Theorem 3.1) that rules that minimise a convex loss over all
    comparisons break it.

    >>> from choicekit import rules
    >>> problem = next(hard_reward_problems())
    >>> print(pareto_of_rewards(rules.loss_rule, problem))
    loss_rule violates pareto_of_rewards: all prefer c' to c, and c' is below c
    the problem: a > a' > b > b' > c > c'
      3: a > a' > b > b' > c' > c
      1: c' > c > b' > b > a' > a
      features of a: (2, 1)
      features of a': (1.9, 1)
      features of b: (1, 1)
      features of b': (0.9, 1)
      features of c': (-0.1, 0.05)
      features of c: (0, 0)
    """
    rankings = _linear(problem, "pareto_of_rewards").rankings
    ranks, labels = rankings.ranks[casting(rankings)], rankings.alternatives
    level = places(ask(problem))
    for a, b in itertools.permutations(range(len(labels)), 2):
        if (ranks[:, a] < ranks[:, b]).all() and level[labels[a]] >= level[labels[b]]:
            where = "level with" if level[labels[a]] == level[labels[b]] else "below"
            reason = f"all prefer {labels[a]} to {labels[b]}, and {labels[a]} is {where} {labels[b]}"
            return Clash(reason, (problem,), ("the problem",), (labels[a], labels[b]))
    return None


@axiom(kind="intra", about=rewards, ballots="features")
def pairwise_majority_consistency_of_rewards(ask: Ask, problem: RewardProblem) -> Clash | None:
    """If the majorities make a strict order of all alternatives and some direction induces it, it is the order.

    A linear programme looks for the direction whose least step down that order, over the distance of the features, is
    largest, in coordinates where the features are spread evenly. One of at most 1e-9 does not count.

    Source: Ge et al. 2024 (arXiv:2405.14758), Definition 2.2; minimising a convex loss over all comparisons breaks it
    (Theorem 3.1), over those that a majority wins it does not (Theorem 3.6).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> problem = next(hard_reward_problems())
    >>> pairwise_majority_consistency_of_rewards(rules.majority_loss, problem) is None
    True
    >>> pairwise_majority_consistency_of_rewards(rules.loss_rule, problem).reason
    "the majorities make the order a > a' > b > b' > c' > c, which a direction induces, and the rewards do not"
    """
    rankings = _linear(problem, "pairwise_majority_consistency_of_rewards").rankings
    wins = rankings.to_margins().values > 0
    beaten = wins.sum(0)
    if sorted(beaten.tolist()) != list(range(len(beaten))):
        return None
    columns = np.argsort(beaten).tolist()
    wanted = tuple((rankings.alternatives[a],) for a in columns)
    if _direction(problem.features, columns) is None or ask(problem) == wanted:
        return None
    reason = f"the majorities make the order {show_ordering(wanted)}, which a direction induces, and the rewards do not"
    return Clash(reason, (problem,), ("the problem",))


@axiom(kind="intra", about=rewards, ballots="features")
def majority_consistency_of_rewards(ask: Ask, problem: RewardProblem) -> Clash | None:
    """The first choice of more than half of the voters is alone on top of the order.

    Source: Ge et al. 2024 (arXiv:2405.14758), Section 4.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2})
    >>> majority_consistency_of_rewards(rules.loss_rule, RewardProblem(votes, np.eye(3))).reason
    'a is the first choice of more than half of the voters, and not alone on top'
    """
    rankings = _linear(problem, "majority_consistency_of_rewards").rankings
    half = float(rankings.weights.sum()) * (0.5 + _STRICT)
    for a, label in enumerate(rankings.alternatives):
        if float(rankings.weights[rankings.ranks[:, a] == 0].sum()) > half and ask(problem)[0] != (label,):
            reason = f"{label} is the first choice of more than half of the voters, and not alone on top"
            return Clash(reason, (problem,), ("the problem",), (label,))
    return None


@axiom(kind="neighbour", about=rewards, ballots="features")
def winner_monotonicity(ask: Ask, problem: RewardProblem) -> Clash | None:
    """An alternative on top of the order stays on top when a voter lifts it.

    One voter of each row lifts each alternative on top to each higher place at which some direction induces the new
    ballot; the others on that ballot stay as they were. More voters are more such steps.

    Source: Ge et al. 2024 (arXiv:2405.14758), Section 4.

    >>> import choicekit as ck
    >>> def contrary(rankings, *, features):        # on top: whom fewest have on top
    ...     return ck.Scores(rankings.alternatives, -rankings.weights @ (rankings.ranks == 0))
    >>> votes = ck.Rankings.from_orders(["abc", "bca"])
    >>> winner_monotonicity(contrary, RewardProblem(votes, np.eye(3))).reason
    'c is on top, is lifted, and is no longer on top'
    """
    rankings = _linear(problem, "winner_monotonicity").rankings
    for label in ask(problem)[0]:
        a = rankings.alternatives.index(label)
        for row in casting(rankings):
            ballot = rankings.ranks[row].tolist()
            for new in _lifts(ballot, a):
                if _direction(problem.features, order(new)) is None:
                    continue
                changed = RewardProblem(replaced(rankings, row, new), problem.features)
                if label not in ask(changed)[0]:
                    reason = f"{label} is on top, is lifted, and is no longer on top"
                    caption = f"a voter of {said(rankings, ballot)} casts {said(rankings, new)}"
                    return Clash(reason, (problem, changed), ("the problem", caption), (label,))
    return None


@axiom(kind="global", about=rewards, ballots="features")
def separability_of_rewards(ask: Ask, problem: RewardProblem) -> Clash | None:
    """An order that two electorates agree on is that of both together.

    All ways to split the voters into two electorates are looked at. Raises ``ValueError`` for more than 200,000.

    Source: Ge et al. 2024 (arXiv:2405.14758).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bca": 1, "cab": 1})
    >>> separability_of_rewards(rules.loss_rule, RewardProblem(votes, np.eye(3))) is None
    True
    """
    rankings = _linear(problem, "separability_of_rewards").rankings
    for one, other in splits(rankings, "separability_of_rewards"):
        first, second = RewardProblem(one, problem.features), RewardProblem(other, problem.features)
        agreed = ask(first)
        if agreed != ask(problem) and agreed == ask(second):
            reason = f"both electorates have the order {show_ordering(agreed)}, together they have another"
            return Clash(reason, (problem, first, second), ("together", "one electorate", "the other"))
    return None


def hard_reward_problems(
    *,
    sides: Sequence[tuple[int, int]] = ((3, 1), (5, 1), (9, 1)),
    heights: Sequence[float] = (0.5, 0.2),
    gaps: Sequence[float] = (0.1, 0.01),
) -> Iterator[RewardProblem]:
    """Problems on which rules that minimise a loss put b above a though all prefer a, which drawn ones hardly are.

    For each height δ, gap ε and sides (s, t) there are three alternatives of the plane a = (2, 1), b = (1, 1) and
    c = (0, 0), and beside them a′ = a − (ε, 0), b′ = b − (ε, 0) and c′ = c + (−ε, δε); s voters say
    a > a′ > b > b′ > c′ > c, by the direction (1, 2/δ), and t say c′ > c > b′ > b > a′ > a, by (−1, 0). All have c′
    above c, but what the first coordinate tells about the others outweighs the little that the second tells about
    these two. Raises ``ValueError`` for sides that are not more than 0, δ or ε not between 0 and 1 (0 and 1 left out).

    Source: Ge, Halpern, Micha, Procaccia, Shapira, Vorobeychik and Wu 2024 (arXiv:2405.14758), proof of Theorem 3.1.

    >>> print(next(hard_reward_problems()).rankings.weights.tolist(), len(list(hard_reward_problems())))
    [3.0, 1.0] 12
    """
    labels = ("a", "a'", "b", "b'", "c'", "c")
    first, second = (0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 0, 1)
    for side, height, gap in itertools.product(sides, heights, gaps):
        if not (min(side) > 0 and 0 < height < 1 and 0 < gap < 1):
            raise ValueError(
                f"hard_reward_problems: needed voters on both sides, and a height and a gap between 0 and 1, got "
                f"{side!r}, {height!r} and {gap!r}"
            )
        points = [(2.0, 1.0), (2 - gap, 1.0), (1.0, 1.0), (1 - gap, 1.0), (-gap, height * gap), (0.0, 0.0)]
        yield RewardProblem(Rankings([first, second], side, labels), points)


def _linear(problem: RewardProblem, axiom: str) -> RewardProblem:
    """The problem, where its ballots are strict and complete and directions induce them; else a refusal."""
    rankings = strict(problem.rankings, axiom)
    for row in casting(rankings):
        if _direction(problem.features, order(rankings.ranks[row].tolist())) is None:
            raise ValueError(
                f"{axiom}: needed ballots that are orders by linear rewards, but no direction of the features gives "
                f"{said(rankings, rankings.ranks[row].tolist())} (row {row}); give features that tell the "
                "alternatives apart as the voters do"
            )
    return problem if rankings is problem.rankings else RewardProblem(rankings, problem.features)


def _lifts(ranks: Sequence[int], a: int) -> Iterator[Ranks]:
    """A strict ballot with an alternative at each higher place, from the next one to the top."""
    for place in range(ranks[a] - 1, -1, -1):
        yield tuple(place if b == a else rank + (place <= rank < ranks[a]) for b, rank in enumerate(ranks))
