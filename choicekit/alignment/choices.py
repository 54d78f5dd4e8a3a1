"""What a choice between two policies means: who gains, who pays, what floors and norms cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._tabular import Floats, checked, distribution_over, divergence, normalised
from choicekit.alignment.constrained import ConstrainedPolicy
from choicekit.alignment.norms import Norm
from choicekit.outcomes import Policy
from choicekit.profiles._columns import frozen

_SHOWN = 6  # groups named on each side of the account


@dataclass(frozen=True, eq=False)
class Choice:
    """What going from one policy to another does to each group; ``str()`` says it.

    ``groups`` are the labels; ``before[g]`` and ``after[g]`` the mean rewards E_π[r_g], averaged over contexts, in the
    rewards' units. ``divergences`` are KL(π‖ρ) before and after in nats. ``prices`` are those of floors by name: how
    much the objective would rise for each unit that the floor is lowered; 0 where it does not bind. ``norm_prices`` are
    those of norms by name, for each unit that the limit is raised. A price is infinite where a limit bars alternatives
    outright, and NaN where there is none (a bargain that nobody gains by). Changes up to ``tolerance`` (the rewards'
    units) count as none.

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
    norm_prices: dict[str, float] = field(default_factory=dict)

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
        """The floors and norms whose price is above 1e-9, with the price, the dearest first.

        >>> explain([1.0, 0.0], [0.5, 0.5], [[0, 1]], prices={"safety": 0.4, "tone": 0.0}).binding
        {'safety': 0.4}
        """
        kept = {name: price for name, price in (self.prices | self.norm_prices).items() if price > 1e-9}
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
            kind = "norm" if name in self.norm_prices else "floor"
            limit = name if name.startswith(f"{kind} ") else f"the {name} {kind}"
            said = (
                f"binds with price {price:.3g}" if price < np.inf else "bars some answers outright, at no finite price"
            )
            clauses.append(f"{limit} {said}")
        unknown = [name for name, price in self.norm_prices.items() if np.isnan(price)]
        clauses += [f"{name if name.startswith('norm ') else f'the {name} norm'} has no price" for name in unknown]
        kinds = [kind for kind, some in (("floor", self.prices), ("norm", self.norm_prices)) if some]
        if kinds and not (self.binding or unknown):
            clauses.append(f"no {' or '.join(kinds)} binds")
        return "; ".join(clauses)


def explain(
    before: Policy | ArrayLike,
    after: Policy | ArrayLike,
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    groups: Sequence[Any] | None = None,
    prices: Mapping[str, float] | Policy | None = None,
    floor_names: Sequence[str] | None = None,
    norms: Sequence[Norm] = (),
    context_weights: ArrayLike | None = None,
    tolerance: float | None = None,
) -> Choice:
    """Who gains and who pays when one policy takes the place of another, and what floors and norms cost.

    A group's gain is the change of its mean reward E_π[r_g]: what it gets from the answers. The KL penalty is stated
    apart, for it is a term of training that all groups would share. Gains of different groups are compared with 0 only,
    never with each other, so that no common unit is needed.

    ``before``, ``after``, ``reference[..., m]`` and ``rewards[..., g, m]`` (contexts broadcast); ``beta`` > 0 for the
    penalty; ``groups[g]`` labels (default 0, 1, …), all different; ``context_weights`` one for each context (default
    equal). ``tolerance`` is by default 1e-9 of the largest range of a group's rewards over what the reference allows.

    ``prices`` of floors are a mapping from their names, or a
    :class:`~choicekit.alignment.constrained.ConstrainedPolicy` (``floor_names`` for its floors, "floor 0" and on if not
    given). Those of norms are read from ``norm_prices`` of the policy given as ``prices`` or else as ``after``;
    ``norms`` are those that it was made with, for their names. Prices of each context are averaged with
    ``context_weights``; the mean is what a limit loosened everywhere brings.

    Raises ``ValueError`` for other shapes, policies that are no distributions, negative prices, names that do not fit,
    and for a policy as ``prices`` that has none: ``multipliers`` of a bargain are weights of groups, not prices.

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
    distances = [float(contexts @ divergence(row, grounds)) for row in rows]
    there = grounds[:, None] > 0
    ranges = np.where(there, flat, -np.inf).max(-1) - np.where(there, flat, np.inf).min(-1)
    slack = 1e-9 * float(ranges.max()) if tolerance is None else float(tolerance)
    was, now = map(frozen, means)
    floors = _floors(prices, floor_names, contexts)
    kept = _norms(prices, after, norms, contexts)
    if both_kinds := floors.keys() & kept.keys():
        raise ValueError(f"a floor and a norm have the same name, {sorted(both_kinds)[0]!r}; name the floor otherwise")
    return Choice(labels, was, now, (distances[0], distances[1]), float(beta), floors, slack, kept)


def _account(names: Sequence[Any], rises: Mapping[Any, float], verb: str) -> str:
    shown = ", ".join(f"group {name} {verb} {abs(rises[name]):.3g}" for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    if more <= 0:
        return shown
    return f"{shown} and {more} more {'gain' if verb == 'gains' else 'pay'} less"


def _floors(prices: object, names: Sequence[str] | None, contexts: Floats) -> dict[str, float]:
    """Prices of floors by name."""
    if isinstance(prices, ConstrainedPolicy):
        numbers = _averaged("multipliers", prices.multipliers, contexts)
        return _labelled("floor_names", names, "floor", numbers)
    if names is not None:
        raise ValueError(
            "floor_names: needed a ConstrainedPolicy as prices, whose floors they name; a mapping has names"
        )
    if isinstance(prices, Policy) and prices.norm_prices is None:
        raise ValueError(
            "prices: needed the result of constrained_policy or a policy made with norms, got one that has no prices "
            "of limits; its multipliers, if any, are weights of groups. Leave prices out, or pass {name: price}"
        )
    if prices is None or isinstance(prices, Policy):
        return {}
    if not isinstance(prices, Mapping):
        raise ValueError(
            f"prices: needed a mapping from names to prices or the result of constrained_policy, got {prices!r}"
        )
    found = {str(name): float(price) for name, price in prices.items()}
    if not all(price >= 0 for price in found.values()):
        raise ValueError(f"prices: needed non-negative numbers, got {found}")
    return found


def _norms(prices: object, after: object, norms: Sequence[Norm], contexts: Floats) -> dict[str, float]:
    """Prices of norms by name, of the policy given as prices or else as after."""
    policies = (each for each in (prices, after) if isinstance(each, Policy) and each.norm_prices is not None)
    source = next(policies, None)
    if source is None:
        if norms:
            raise ValueError("norms: needed a policy made with them as after or prices, whose norm_prices they name")
        return {}
    numbers = _averaged("norm_prices", source.norm_prices, contexts)
    return _labelled("norms", [norm.name for norm in norms] or None, "norm", numbers)


def _averaged(name: str, prices: object, contexts: Floats) -> Floats:
    """Prices ``[k]`` or ``[x, k]`` averaged over contexts; what no weight covers has no say."""
    table = np.asarray(prices, np.float64)
    rows = table.reshape(-1, table.shape[-1])
    if table.ndim == 1:
        return table
    if len(rows) != len(contexts):
        raise ValueError(f"{name}: needed prices of the {len(contexts)} contexts of the rewards, got {len(rows)}")
    found: Floats = contexts[contexts > 0] @ rows[contexts > 0]
    return found


def _labelled(name: str, labels: Sequence[str] | None, kind: str, numbers: Floats) -> dict[str, float]:
    names = [f"{kind} {k}" for k in range(len(numbers))] if labels is None else [str(label) for label in labels]
    if len(names) != len(numbers) or len(set(names)) != len(names):
        raise ValueError(f"{name}: needed {len(numbers)} different names, one a {kind}, got {names}")
    return dict(zip(names, numbers.tolist(), strict=True))
