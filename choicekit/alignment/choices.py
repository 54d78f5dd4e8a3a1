"""What a choice between two policies means, in words and numbers: who gains, who pays, which floor costs what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._tabular import Floats, checked, distribution_over, kl, normalised
from choicekit.outcomes import Policy
from choicekit.profiles._columns import frozen

_SHOWN = 6  # groups named on each side of the account


@dataclass(frozen=True, eq=False)
class Choice:
    """What going from one policy to another does to each group; ``str()`` says it.

    ``groups`` are the labels; ``before[g]`` and ``after[g]`` the mean rewards E_π[r_g], averaged over contexts, in the
    rewards' units. ``divergences`` are KL(π‖ρ) before and after in nats. ``prices`` are those of floors by name: how
    much the objective would rise for each unit that the floor is lowered; 0 where it does not bind. Changes up to
    ``tolerance`` (the same units) count as none.

    >>> choice = explain([1.0, 0.0], [0.5, 0.5], [[1, 0], [0, 1]], groups=["A", "B"])
    >>> choice.gains.tolist(), choice.gainers, choice.payers, choice.pareto_improvement
    ([-0.5, 0.5], ('B',), ('A',), False)
    """

    groups: tuple[Any, ...]
    before: Floats
    after: Floats
    divergences: tuple[float, float]
    beta: float
    prices: dict[str, float]
    tolerance: float

    @property
    def gains(self) -> Floats:
        """What each group's mean reward rises by, ``[g]``; below 0 it pays.

        >>> explain([1.0, 0.0], [0.5, 0.5], [[1, 0], [0, 4]]).gains.tolist()
        [-0.5, 2.0]
        """
        found: Floats = self.after - self.before
        return found

    @property
    def penalty(self) -> float:
        """What the KL penalty β·KL rises by, in the rewards' units; it is the same for all groups.

        >>> round(explain([1.0, 0.0], [0.5, 0.5], [[1, 0], [0, 4]], beta=2.0).penalty, 4)    # −2·ln 2
        -1.3863
        """
        return self.beta * (self.divergences[1] - self.divergences[0])

    @property
    def gainers(self) -> tuple[Any, ...]:
        """The groups that gain, the largest gain first.

        >>> explain([1.0, 0.0], [0.5, 0.5], [[0, 1], [0, 4]]).gainers
        (1, 0)
        """
        order = np.argsort(-self.gains, kind="stable")
        return tuple(self.groups[g] for g in order if self.gains[g] > self.tolerance)

    @property
    def payers(self) -> tuple[Any, ...]:
        """The groups that pay, the one that pays most first.

        >>> explain([1.0, 0.0], [0.5, 0.5], [[1, 0], [4, 0]]).payers
        (1, 0)
        """
        order = np.argsort(self.gains, kind="stable")
        return tuple(self.groups[g] for g in order if self.gains[g] < -self.tolerance)

    @property
    def pareto_improvement(self) -> bool:
        """Whether some group gains and none pays, in mean reward.

        >>> explain([1.0, 0.0], [0.5, 0.5], [[0, 1], [1, 1]]).pareto_improvement
        True
        """
        return bool(self.gainers) and not self.payers

    @property
    def binding(self) -> dict[str, float]:
        """The floors whose price is above 1e-9, with the price, the dearest first.

        >>> explain([1.0, 0.0], [0.5, 0.5], [[0, 1]], prices={"safety": 0.4, "tone": 0.0}).binding
        {'safety': 0.4}
        """
        kept = {name: price for name, price in self.prices.items() if price > 1e-9}
        return dict(sorted(kept.items(), key=lambda pair: -pair[1]))

    def __str__(self) -> str:
        """The account in three or four clauses.

        >>> print(explain([1.0, 0.0], [0.5, 0.5], [[1, 0], [0, 4]], groups=["A", "B"], prices={"safety": 0.4}))
        group B gains 2, group A pays 0.5; not a Pareto improvement; the policy is 0 nats from its reference, before it
        was 0.693; the safety floor binds with price 0.4
        """
        rises = dict(zip(self.groups, self.gains.tolist(), strict=True))
        sides = [_account(self.gainers, rises, "gains"), _account(self.payers, rises, "pays")]
        who = ", ".join(side for side in sides if side) or "no group gains or pays"
        verdict = {
            (True, False): "a Pareto improvement",
            (True, True): "not a Pareto improvement",
            (False, True): "nobody gains",
            (False, False): "the same for all",
        }[bool(self.gainers), bool(self.payers)]
        was, now = (f"{each + 0.0:.3g}" for each in self.divergences)
        clauses = [who, verdict, f"the policy is {now} nats from its reference, before it was {was}"]
        for name, price in self.binding.items():
            floor = name if name.startswith("floor ") else f"the {name} floor"
            clauses.append(f"{floor} binds with price {price:.3g}")
        if self.prices and not self.binding:
            clauses.append("no floor binds")
        return "; ".join(clauses)


def explain(
    before: Policy | ArrayLike,
    after: Policy | ArrayLike,
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    groups: Sequence[Any] | None = None,
    prices: Any = None,
    context_weights: ArrayLike | None = None,
    tolerance: float | None = None,
) -> Choice:
    """Who gains and who pays when one policy takes the place of another, and which floors cost how much.

    A group's gain is the change of its mean reward E_π[r_g]: what it gets from the answers. The KL penalty is stated
    apart, for it is a term of training that all groups would share. Gains of different groups are compared with 0 only,
    never with each other, so that no common unit is needed.

    ``before``, ``after``, ``reference[..., m]`` and ``rewards[..., g, m]`` (contexts broadcast); ``beta`` > 0 for the
    penalty; ``groups[g]`` labels (default 0, 1, …), all different; ``context_weights`` one for each context (default
    equal). ``prices`` is a mapping from floors to prices, or a result that has ``multipliers``: a mapping, or numbers
    named by its ``names`` if it has those ("floor 0" and on if not). They are taken as given: a policy whose
    multipliers are weights of groups has none that are prices of floors. ``tolerance`` is by default 1e-9 of the
    largest range of a group's rewards over what the reference allows. Raises ``ValueError`` for other shapes, policies
    that are no distributions, negative prices.

    >>> print(explain([0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [[1, 0, 0.9], [0, 1, 0.9]], groups=["north", "south"]))
    group south gains 0.25, group north gains 0.15; a Pareto improvement; the policy is 0.069 nats from its reference,
    before it was 0.405
    """
    values, ground = checked(rewards, reference, beta, 2)
    count, size = values.shape[-2:]
    labels = tuple(range(count)) if groups is None else tuple(groups)
    if len(labels) != count or len(set(labels)) != count:
        raise ValueError(f"groups: needed {count} different labels, got {groups!r}")
    leading = values.shape[:-2]
    both = (("before", before), ("after", after))
    rows = [distribution_over(name, each, (*leading, size)).reshape(-1, size) for name, each in both]
    flat = values.reshape(-1, count, size)
    grounds = np.broadcast_to(ground, (*leading, size)).reshape(-1, size)
    contexts = normalised(context_weights, len(flat))
    means = [contexts @ np.einsum("xm,xgm->xg", row, flat) for row in rows]
    distances = [float(contexts @ kl(row, grounds)) for row in rows]
    there = grounds[:, None] > 0
    ranges = np.where(there, flat, -np.inf).max(-1) - np.where(there, flat, np.inf).min(-1)
    slack = 1e-9 * float(ranges.max()) if tolerance is None else float(tolerance)
    was, now = map(frozen, means)
    return Choice(labels, was, now, (distances[0], distances[1]), float(beta), _named(prices), slack)


def _account(names: Sequence[Any], rises: Mapping[Any, float], verb: str) -> str:
    shown = ", ".join(f"group {name} {verb} {abs(rises[name]):.3g}" for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    if more <= 0:
        return shown
    return f"{shown} and {more} more {'gain' if verb == 'gains' else 'pay'} less"


def _named(prices: Any) -> dict[str, float]:
    """Prices by the floor's name."""
    given = getattr(prices, "multipliers", prices)
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        numbers = np.asarray(given, np.float64)
        if numbers.ndim != 1:
            raise ValueError(
                f"prices: needed one number for each floor, got shape {numbers.shape}; average them over contexts first"
            )
        names = getattr(prices, "names", None)
        names = [f"floor {k}" for k in range(len(numbers))] if names is None else list(names)
        given = dict(zip(names, numbers.tolist(), strict=True))
    found = {str(name): float(price) for name, price in given.items()}
    if not all(np.isfinite(price) and price >= 0 for price in found.values()):
        raise ValueError(f"prices: needed non-negative numbers, got {found}")
    return found
