"""From fitted groups to policies, gaps and what chance alone would show: the numbers behind an audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import alignment
from choicekit.models import GroupFits
from choicekit.outcomes import Policy
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[str, int, int], None]

#: The rules an audit compares, with what they are called in print. The first is what a single reward model does.
RULES: Mapping[str, str] = {
    "pooled_reward": "pooled reward (RLHF)",
    "borda": "Borda",
    "egalitarian": "egalitarian (max–min)",
    "minimax_regret": "minimax regret",
    "nash": "Nash welfare",
    "maximal_lottery": "maximal lottery",
    "random_dictatorship": "random dictatorship",
}


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each arm (an alternative in a context) stands in arrays ``[context, alternative]``, padded to one width.

    ``labels[a]`` are the arms' alternatives without their context, ``context[a]`` and ``place[a]`` where they stand,
    ``reference[x, m]`` is 0 where nothing does, and ``weights[x]`` are the contexts' shares of the comparisons.
    """

    arms: tuple[Label, ...]
    labels: tuple[Label, ...]
    context: Ints
    place: Ints
    reference: Floats
    weights: Floats

    def spread(self, values: Floats) -> Floats:
        """Values ``[..., arm]`` as ``[x, ..., m]``, 0 where nothing stands."""
        out = np.zeros((*values.shape[:-1], *self.reference.shape))
        out[..., self.context, self.place] = values
        return np.moveaxis(out, -2, 0)

    def gather(self, values: Floats) -> Floats:
        """Values ``[x, m]`` back as ``[arm]``."""
        return values[self.context, self.place]


def layout(comparisons: Comparisons, reference: Mapping[Label, float] | ArrayLike | None = None) -> Layout:
    """The layout of comparisons whose alternatives are told apart by context (``comparisons.by_context()``).

    ``reference`` gives the alternatives' weights under the reference policy, as a mapping by label or in the order of
    ``comparisons.alternatives``; they are scaled to sum to one in each context. Raises ``ValueError`` where one is
    missing, negative or infinite, or a context has none above zero.

    >>> votes = Comparisons(["a", "b"], ["b", "c"])
    >>> layout(votes, {"a": 2, "b": 1, "c": 1}).reference.tolist()
    [[0.5, 0.25, 0.25]]
    """
    arms, size = comparisons.alternatives, len(comparisons.alternatives)
    context = np.zeros(size, np.int64)
    if comparisons.context is not None:
        context[comparisons.winner] = comparisons.context
        context[comparisons.loser] = comparisons.context
    width = np.bincount(context)
    starts = np.concatenate([[0], np.cumsum(width)[:-1]])
    order = np.argsort(context, kind="stable")
    place = np.empty(size, np.int64)
    place[order] = np.arange(size) - starts[context[order]]
    weight = np.ones(size) if reference is None else _reference_weights(arms, reference)
    totals = np.bincount(context, weight)
    if (totals <= 0).any():
        where = f" in context {comparisons.contexts[int(np.argmin(totals))]!r}" if comparisons.contexts else ""
        raise ValueError(f"reference: no alternative{where} has a weight above 0")
    table = np.zeros((len(width), int(width.max())))
    table[context, place] = weight / totals[context]
    rows = np.zeros(len(comparisons), np.int64) if comparisons.context is None else comparisons.context
    share = np.bincount(rows, comparisons.weight, len(width))
    both: tuple[Any, ...] = arms
    labels = both if comparisons.context is None else tuple(arm[1] for arm in both)
    return Layout(arms, labels, context, place, table, share / share.sum())


def _reference_weights(arms: tuple[Label, ...], reference: Mapping[Label, float] | ArrayLike) -> Floats:
    if isinstance(reference, Mapping):
        absent = [arm for arm in arms if arm not in reference]
        if absent:
            raise ValueError(f"reference: needed a weight for each alternative, none came for {short(absent, 3)}")
        reference = [reference[arm] for arm in arms]
    weight = np.array(reference, np.float64)
    if weight.shape != (len(arms),) or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(f"reference: needed {len(arms)} finite non-negative weights, got shape {weight.shape}")
    return weight


@dataclass(frozen=True, eq=False)
class Measured:
    """The rules' policies ``[x, m]`` and what they mean for the groups: ``gaps[rule, g]``, ``win_rates[rule, g]``."""

    policies: Mapping[str, Policy]
    gaps: Floats
    win_rates: Floats


def policies(
    pooled: Floats, groups: Floats, shares: Floats, frame: Layout, beta: float, tolerance: float = 1e-9
) -> dict[str, Policy]:
    """Every rule's policy for pooled scores ``[arm]`` and group scores ``[g, arm]``."""
    rewards, ground = frame.spread(groups), frame.reference
    own = alignment.rlhf_policy(rewards, np.broadcast_to(ground[:, None], rewards.shape), beta).probabilities
    with np.errstate(divide="ignore"):
        optima = beta * np.logaddexp.reduce(np.log(ground)[:, None] + rewards / beta, axis=-1)
    share = np.broadcast_to(shares, own.shape[:1] + shares.shape)
    return {
        "pooled_reward": alignment.rlhf_policy(frame.spread(pooled), ground, beta),
        "borda": alignment.borda_policy(rewards, ground, beta, weights=shares),
        "egalitarian": alignment.egalitarian_policy(
            rewards, ground, beta, context_weights=frame.weights, tolerance=tolerance
        ),
        "minimax_regret": alignment.egalitarian_policy(
            rewards,
            ground,
            beta,
            disagreement=frame.weights @ optima,
            context_weights=frame.weights,
            tolerance=tolerance,
        ),
        "nash": alignment.nash_policy(
            rewards, ground, beta, weights=shares, context_weights=frame.weights, tolerance=tolerance
        ),
        "maximal_lottery": alignment.maximal_lottery_policy(
            rewards, ground, beta, weights=shares, tolerance=tolerance / 10
        ),
        "random_dictatorship": Policy(np.einsum("xg,xgm->xm", share, own), ground, beta),
    }


def gaps(groups: Floats, policy: Policy, frame: Layout, beta: float) -> Floats:
    """Each group's gap ``[g]`` under a policy ``[x, m]``, averaged over contexts."""
    found = alignment.gap(frame.spread(groups), policy, frame.reference, beta).gaps
    mean: Floats = frame.weights @ found
    return mean


def measure(fits: GroupFits, frame: Layout, beta: float) -> Measured:
    """Policies, gaps and win rates of every rule at the fitted scores."""
    made = policies(fits.population.scores, fits.scores, fits.shares, frame, beta)
    rewards = frame.spread(fits.scores)
    rates = [frame.weights @ alignment.win_rates(rewards, policy, frame.reference) for policy in made.values()]
    return Measured(
        made, np.stack([gaps(fits.scores, policy, frame, beta) for policy in made.values()]), np.stack(rates)
    )


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Draws of the bootstrap, ``gaps[b, rule, g]`` and ``pooled[b, arm]``, and what shuffled groups show.

    From the shuffles come ``statistics[p]`` and ``shuffled[p, g]``, the gaps of the pooled reward's policy at the
    rewards fitted to shuffled groups.
    """

    gaps: Floats
    pooled: Floats
    statistics: Floats
    shuffled: Floats

    @property
    def estimates(self) -> Floats:
        """The estimated gaps ``[rule, g]``: means over the draws."""
        mean: Floats = self.gaps.mean(0)
        return mean


def uncertainty(
    fits: GroupFits, frame: Layout, measured: Measured, beta: float, replicates: int, permutations: int,
    rng: np.random.Generator, progress: Progress,
) -> Uncertainty:  # fmt: skip
    """Resample voters and shuffle groups; one group has nothing to shuffle."""
    groups, several = len(fits.groups), len(fits.groups) > 1
    drawn, pooled = np.zeros((replicates, len(RULES), groups)), np.zeros((replicates, len(fits.alternatives)))
    for step, draw in enumerate(fits.bootstrap(replicates, rng=rng)):
        progress("resampling voters", step, replicates)
        made = policies(draw.population, draw.groups, fits.shares, frame, beta, 1e-6)
        drawn[step] = [gaps(draw.groups, policy, frame, beta) for policy in made.values()]
        pooled[step] = draw.population
    statistics, shuffled = np.zeros(permutations * several), np.zeros((permutations * several, groups))
    for step, shuffle in enumerate(fits.shuffled(len(statistics), rng=rng)):
        progress("shuffling groups", step, len(statistics))
        statistics[step] = shuffle.statistic
        shuffled[step] = gaps(shuffle.groups, measured.policies["pooled_reward"], frame, beta)
    progress("done", 1, 1)
    return Uncertainty(drawn, pooled, statistics, shuffled)
