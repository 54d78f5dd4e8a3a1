"""The method of equal shares and greedy selection, for seats and for budgets: voters buy what they approve of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import committees
from choicekit.outcomes import TIE_TOLERANCE, Committees, Labels, TieBreak
from choicekit.profiles import Approvals
from choicekit.profiles._columns import Floats, Label, short
from choicekit.profiles._merging import electorate
from choicekit.rules import phragmen
from choicekit.rules._committees import UNIVERSES, Course, Followed, digest, elects, follow, outcome, seats
from choicekit.rules._rule import rule

Satisfaction: TypeAlias = Literal["cost", "cardinality"]


class Market(NamedTuple):
    """What is for sale: approvals, weights, the costs, how much a supporter is satisfied by each, seats and budget.

    >>> Market(np.ones((1, 1), np.uint8), np.ones(1), np.ones(1), np.ones(1), 1, np.inf, None).size
    1
    """

    values: NDArray[Any]
    weights: Floats
    cost: Floats
    worth: Floats
    size: int
    budget: float
    completion: str | None

    def affordable(self, elected: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What is not elected and fits into what is left of the seats and of the budget.

        >>> market = Market(np.ones((1, 2), np.uint8), np.ones(1), np.array([1.0, 3.0]), np.ones(2), 2, 3.0, None)
        >>> market.affordable(np.array([True, False])).tolist()
        [False, False]
        """
        if elected.sum() >= self.size:
            return np.zeros(len(elected), np.bool_)
        left = self.budget - self.cost[elected].sum()
        fits: NDArray[np.bool_] = ~elected & (self.cost <= left + TIE_TOLERANCE * float(self.cost.max()))
        return fits


class Purse(NamedTuple):
    """Who is elected ``[m]``, the money of each ballot ``[n]`` per unit of weight, and what each alternative is worth.

    ``sold`` is true once no group of supporters can pay for an alternative any more.

    >>> Purse(np.array([True]), np.zeros(1), None, False).sold
    False
    """

    elected: NDArray[np.bool_]
    money: Floats
    worths: Floats | None
    sold: bool


def _course(market: Market, money: float) -> Course[Purse]:
    """Equal shares with ``money`` for each voter to begin with."""
    values, weights = market.values, market.weights
    loads = phragmen.course(values, weights, market.size)
    efficiency = committees.totals(values, weights) * market.worth / market.cost
    unit = money if market.completion == "sequential_phragmen" else 0.0  # loads there may be about 0

    def settle(elected: NDArray[np.bool_], purse: Floats, sold: bool) -> Purse:
        open_ones = market.affordable(elected) if market.completion else ~elected
        if elected.sum() >= market.size or not open_ones.any():
            return Purse(elected, purse, None, sold)
        if not sold:
            paid = committees.prices(values, weights, purse, np.argsort(purse, kind="stable"), market.cost)
            worths = np.where(elected, -np.inf, -paid / market.worth)
            if worths.max() > -np.inf:
                return Purse(elected, purse, worths, False)
        if market.completion == "sequential_phragmen":
            return Purse(elected, purse, loads.worths(phragmen.Loads(elected, -purse)), True)
        if market.completion == "utilitarian":
            return Purse(elected, purse, np.where(open_ones, efficiency, -np.inf), True)
        return Purse(elected, purse, None, True)

    def seat(state: Purse, alternative: int, worths: Floats) -> Purse:
        elected = state.elected.copy()
        elected[alternative] = True
        purse = state.money
        if not state.sold:
            share = -worths[alternative] * market.worth[alternative]
            left = purse - np.where(values[:, alternative] != 0, np.minimum(purse, share), 0.0)
            purse = np.where(left <= TIE_TOLERANCE * money, 0.0, left)
        elif market.completion == "sequential_phragmen":
            purse = -loads.seat(phragmen.Loads(state.elected, -purse), alternative, worths).load
        return settle(elected, purse, state.sold)

    def key(state: Purse) -> bytes:
        return digest(state.elected, np.round(state.money / money, 9) + 0.0)

    start = settle(np.zeros(values.shape[1], np.bool_), np.full(len(values), money), False)
    return Course(start, lambda state: state.worths, seat, lambda state: state.elected, key, unit)


@rule
def equal_shares(
    profile: Approvals, *, size: int, completion: str | None = "sequential_phragmen",
    ties: TieBreak = UNIVERSES,
) -> Committees:  # fmt: skip
    """Each voter has an equal share of ``size`` seats to buy what they approve of, where the most pay is least first.

    Voter i has w_i k/n, an alternative costs 1, and ρ(a) is the least amount such that Σ_{i ∈ N(a)} min(money_i, w_i ρ)
    = 1. The alternative with the least ρ is elected and each supporter pays min(money_i, w_i ρ), until none can be
    paid for. ``completion`` fills the seats left: ``"sequential_phragmen"`` goes on as that rule with the money left as
    a start; ``"utilitarian"`` takes the alternatives with the most approvals; ``"increments"`` runs the rule again with
    the money of one more seat for all together, until the seats are filled (in parallel universes: in some); ``None``
    leaves them empty. In ``rounds``: −ρ and, after that, minus the load or the approvals. The committees satisfy
    extended justified representation, with any of the completions but increments. Raises ``ValueError`` for a size that
    is not from 1 to m or an unknown completion.

    Source: Peters and Skowron 2020 (doi:10.1145/3391403.3399465, arXiv:1911.11747).

    >>> votes = Approvals([[1, 1, 1, 0]] * 3 + [[0, 0, 0, 1]], alternatives="abcd")
    >>> equal_shares(votes, size=2, completion=None).committees      # each has ½: three buy one, 1 for d is too much
    (('a',), ('b',), ('c',))
    >>> equal_shares(votes, size=2).committees      # ½ is left of a's voters' money, and ½ of d's voter
    (('a', 'b'), ('a', 'c'), ('b', 'c'))
    """
    size = seats("equal_shares", size, profile.alternatives)
    _known("equal_shares", completion, (None, "sequential_phragmen", "utilitarian", "increments"))
    values, weights = electorate(profile)
    ones = np.ones(values.shape[1])
    market = Market(values, weights, ones, ones, size, float(size), completion)
    if completion == "increments":
        found = _filled(market, profile.alternatives, ties)
    else:
        found = follow(_course(market, size / float(weights.sum())), profile.alternatives, ties)
    return outcome(profile.alternatives, size, found)


def _filled(market: Market, alternatives: Labels, ties: TieBreak) -> Followed:
    """Equal shares with the money of more and more seats, until a universe fills all of them."""
    total = float(market.weights.sum())
    ties = ties.settled(alternatives)
    if market.values.any(0).sum() < market.size:
        return follow(_course(market._replace(completion="utilitarian"), market.size / total), alternatives, ties)
    plain = market._replace(completion=None)
    for virtual in range(market.size, int(np.ceil(market.size * total / market.weights.min())) + 2):
        found = follow(_course(plain, virtual / total), alternatives, ties)
        full = [committee for committee in found.committees if len(committee) == market.size]
        if full:
            return found._replace(committees=full)
    return follow(_course(market._replace(completion="utilitarian"), market.size / total), alternatives, ties)


@rule
def greedy_budget(
    profile: Approvals, *, costs: Mapping[Label, float] | ArrayLike, budget: float, by: Satisfaction = "cost",
    ties: TieBreak = UNIVERSES,
) -> Committees:  # fmt: skip
    """The most satisfaction for its cost first, as long as it fits into what is left of the budget.

    A voter is satisfied by an elected alternative that they approve of as much as it costs (``by="cost"``, so that the
    alternatives with the most approvals come first) or by 1 (``by="cardinality"``: the most approvals for the cost
    first). ``costs`` are by label or in the order of the alternatives. ``size`` of the outcome is how many are elected
    at most. Raises ``ValueError`` for costs that are not positive numbers, one each, or a budget that is not positive.

    Source: Talmon and Faliszewski 2019 (doi:10.1609/aaai.v33i01.33012181).

    >>> votes = Approvals([[1, 1, 0]] * 3 + [[1, 0, 1]] * 2, alternatives="abc")
    >>> greedy_budget(votes, costs={"a": 6, "b": 4, "c": 1}, budget=7).committees      # a has 5 votes; b does not fit
    (('a', 'c'),)
    >>> greedy_budget(votes, costs=[6, 4, 1], budget=7, by="cardinality").committees      # c 2 for 1, a 5/6, b 3/4
    (('a', 'c'),)
    """
    market = _market("greedy_budget", profile, costs, budget, by, "utilitarian")
    efficiency = committees.totals(market.values, market.weights) * market.worth / market.cost

    def worths(elected: NDArray[np.bool_]) -> Floats | None:
        fits = market.affordable(elected)
        return np.where(fits, efficiency, -np.inf) if fits.any() else None

    return _bought(profile.alternatives, follow(elects(len(market.cost), worths), profile.alternatives, ties))


@rule
def equal_shares_budget(
    profile: Approvals, *, costs: Mapping[Label, float] | ArrayLike, budget: float, by: Satisfaction = "cost",
    completion: str | None = "increments", increment: float = 1.0, ties: TieBreak = UNIVERSES,
) -> Committees:  # fmt: skip
    """The method of equal shares for a budget: voters share it equally and buy what satisfies them most for their pay.

    Voter i has w_i budget/n. Alternative a costs c(a) and satisfies those who approve of it by u(a) = c(a)
    (``by="cost"``) or 1 (``by="cardinality"``); ρ(a) is the least number such that
    Σ_{i ∈ N(a)} min(money_i, w_i ρ u(a)) = c(a), and the alternative with the least ρ is bought. ``completion`` uses
    what is left: ``"utilitarian"`` as :func:`greedy_budget`; ``"increments"`` gives each voter ``increment`` more,
    again and again, until the outcome would cost more than the budget or nothing else fits, and then completes as
    ``"utilitarian"``; ``None`` leaves it. ``costs`` and the errors are those of :func:`greedy_budget`.

    Source: Peters, Pierczyński and Skowron 2021 (arXiv:2008.13276).

    >>> votes = Approvals([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2, alternatives="abc")
    >>> equal_shares_budget(votes, costs=[60, 50, 40], budget=100, by="cardinality", completion=None).committees
    (('b', 'c'),)
    >>> equal_shares_budget(votes, costs=[60, 50, 40], budget=100, completion=None).committees      # 1/3 for a and b
    (('a', 'c'), ('b', 'c'))
    """
    name = "equal_shares_budget"
    _known(name, completion, (None, "utilitarian", "increments"))
    market = _market(name, profile, costs, budget, by, completion)
    ties = ties.settled(profile.alternatives)
    money = market.budget / float(market.weights.sum())
    if completion == "increments":
        money = _raised(market._replace(completion=None), money, increment, profile.alternatives, ties)
        market = market._replace(completion="utilitarian")
    return _bought(profile.alternatives, follow(_course(market, money), profile.alternatives, ties))


def _raised(market: Market, money: float, increment: float, alternatives: Labels, ties: TieBreak) -> float:
    """The most money a voter, in steps, with which no universe spends more than the budget."""
    if not np.isfinite(increment) or increment <= 0:
        raise ValueError(f"equal_shares_budget: the increment must be a positive number, got {increment!r}")
    best = money
    while True:
        elected = []
        for committee in follow(_course(market, money), alternatives, ties).committees:
            elected.append(np.isin(np.arange(len(market.cost)), committee))
            if market.cost[elected[-1]].sum() > market.budget * (1 + TIE_TOLERANCE):
                return best
        best = money
        full = not any(market.affordable(each).any() for each in elected)
        if full or money * market.weights.min() > market.cost.sum():
            return best
        money += increment


def _known(name: str, given: object, options: tuple[object, ...]) -> None:
    if given not in options:
        raise ValueError(f"{name}: completion must be one of {', '.join(map(repr, options))}, got {given!r}")


def _bought(alternatives: Labels, found: Followed) -> Committees:
    return outcome(alternatives, max(len(committee) for committee in found.committees), found)


def _market(name: str, profile: Approvals, costs: Any, budget: float, by: str, completion: str | None) -> Market:
    if by not in ("cost", "cardinality"):
        raise ValueError(f"{name}: by must be 'cost' or 'cardinality', got {by!r}")
    labels = profile.alternatives
    if isinstance(costs, Mapping):
        missing = [label for label in labels if label not in costs]
        if missing or len(costs) != len(labels):
            problem = f"none of {short(missing, 3)}" if missing else "others too"
            raise ValueError(f"{name}: needed a cost of each of the {len(labels)} alternatives, got {problem}")
        costs = [costs[label] for label in labels]
    cost = np.array(costs, np.float64)
    if cost.shape != (len(labels),) or not (np.isfinite(cost) & (cost > 0)).all():
        raise ValueError(f"{name}: costs must be {len(labels)} positive numbers, one an alternative, got {costs!r}")
    if not np.isfinite(budget) or budget <= 0:
        raise ValueError(f"{name}: the budget must be a positive number, got {budget!r}")
    values, weights = electorate(profile)
    worth = cost if by == "cost" else np.ones(len(cost))
    return Market(values, weights, cost, worth, len(labels), float(budget), completion)
