"""Whether the top of a leaderboard, or a set of responses, leaves out a group large enough to object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import normalised
from choicekit.outcomes import TIE_TOLERANCE
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label, frozen, short
from choicekit.profiles._ranks import Unranked, reading

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeaderboardStability:
    """How far each prefix of an order is from being locally stable.

    ``gamma[k − 1]`` is γ of the first k of ``order``: k times the largest share of voters who prefer one alternative
    outside to all k, so that 1 is a seat's worth of voters; 0 for the whole order. ``objections[k − 1]`` is that
    alternative (the first in the order of several; the last entry, where nothing is outside, repeats the order's own
    last). ``voters`` is how many voters the shares were taken over, None where weights differ.

    >>> found = leaderboard_stability(Rankings.from_orders({"abcd": 6, "dcba": 4}), "abcd")
    >>> found.gamma.round(6).tolist(), found.objections
    ([0.4, 0.8, 1.2, 0.0], ('b', 'c', 'd', 'd'))
    """

    order: tuple[Label, ...]
    gamma: Floats
    objections: tuple[Label, ...]
    voters: int | None

    @property
    def worst(self) -> int:
        """The size of the prefix with the largest γ, the shortest of several.

        >>> leaderboard_stability(Rankings.from_orders({"abcd": 6, "dcba": 4}), "abcd").worst
        3
        """
        return int(self.gamma.argmax()) + 1

    def stable(self, bound: float = 1.0) -> bool:
        """Whether no prefix has a γ above ``bound``, to rounding.

        >>> leaderboard_stability(Rankings.from_orders({"abcd": 6, "dcba": 4}), "adbc").stable()
        True
        """
        return bool(self.gamma.max() <= bound * (1 + TIE_TOLERANCE))

    def interval(self, level: float = 0.95) -> Floats:
        """Bounds ``[m, 2]`` on the population's γ of every prefix at once, for voters drawn independently from it.

        Each of the m(m − 1)/2 shares (a prefix, an alternative outside) is within √(log(m(m − 1)/(1 − level))/2n) of
        the population's, all of them with at least ``level`` (Hoeffding 1963, doi:10.1080/01621459.1963.10500830);
        times k, and cut at 0 and k. It is valid at any n and wide at small ones: k times ±0.08 for 500 voters and ten
        alternatives. Raises ``ValueError`` where voters have different weights, or the level is outside (0, 1).

        >>> found = leaderboard_stability(Rankings.from_orders({"abc": 600, "cba": 400}), "abc")
        >>> found.interval().round(2).tolist()
        [[0.35, 0.45], [0.7, 0.9], [0.0, 0.0]]
        """
        if not 0 < level < 1:
            raise ValueError(f"interval: the level must lie between 0 and 1, got {level}; 0.95 is usual")
        if self.voters is None:
            raise ValueError("interval: weights are not counts of voters, who must count alike here")
        size = len(self.order)
        reach = np.sqrt(np.log(max(size * (size - 1), 1) / (1 - level)) / (2 * self.voters))
        places = np.arange(1, size + 1)
        share = self.gamma / places
        ends: Floats = np.stack([np.maximum(share - reach, 0), np.minimum(share + reach, 1)], axis=1)
        ends *= places[:, None]
        ends[-1] = 0.0
        return ends


def leaderboard_stability(
    profile: Rankings, order: Iterable[Label], *, unranked: Unranked = "below"
) -> LeaderboardStability:  # fmt: skip
    """How far every prefix of a leaderboard is from locally stable: γ_k = k · max over a of the share who put a first.

    For the first k of ``order``, γ_k = k · max_{a outside} Pr(a preferred to all k), as
    :func:`~choicekit.rules.local_stability` has it for a committee, in one pass over the prefixes. A leaderboard is
    γ-stable where no prefix is above γ. ``order`` names every alternative of the profile once; ``unranked`` is as
    there. Raises ``ValueError`` for another order.

    Source: Haghtalab, Procaccia, Shao, Wang and Yang 2026, arXiv:2606.02547 (seen in part); Aziz et al. 2017
    (doi:10.24963/ijcai.2017/13) for committees.

    >>> found = leaderboard_stability(Rankings.from_orders({"abcd": 6, "dcba": 4}), "abcd")
    >>> found.worst, found.stable(), round(float(found.gamma[2]), 6)
    (3, False, 1.2)
    """
    names = tuple(order)
    column = {label: a for a, label in enumerate(profile.alternatives)}
    if len(names) != len(column) or set(names) != set(column):
        raise ValueError(f"order: needed each of {short(profile.alternatives)} once, got {short(names)}")
    ranks, held = _ranks(profile)
    absent = reading(unranked) == "absent"
    weights, total = profile.weights, float(profile.weights.sum())
    columns = np.array([column[label] for label in names])
    gamma, objections = np.zeros(len(names)), [names[-1]] * len(names)
    for k in range(1, len(names)):
        held = np.minimum(held, _held(profile, ranks, int(columns[k - 1]), absent))
        against = weights @ (ranks[:, columns[k:]] < held[:, None])
        gamma[k - 1] = k * against.max() / total
        objections[k - 1] = names[k + int(against.argmax())]
    return LeaderboardStability(names, frozen(gamma), tuple(objections), _voters(profile))


def stable_leaderboard(
    profile: Rankings, *, unranked: Unranked = "below"
) -> LeaderboardStability:  # fmt: skip
    """An order made from the top so that every prefix keeps γ low: the next place goes to who leaves the least γ.

    A greedy heuristic in m³ comparisons a voter, of this project: place k goes to the alternative for which the
    largest share preferring some outsider to the first k is smallest; of several to the one with most voters who
    prefer it to all placed before, then to the first named. It comes with no guarantee (for the algorithms that have
    one see the source of :func:`leaderboard_stability`); what it reached is in the result. In the tests' electorates of
    two opposed clusters (Mallows, 60 to 40, dispersion 0.1) it stays below 0.5 where the order of a pooled
    Bradley–Terry fit exceeds 3; at a dispersion of 0.5 it is above 1 now and then.

    >>> found = stable_leaderboard(Rankings.from_orders({"abcd": 6, "dcba": 4}))
    >>> found.order, found.gamma.round(6).tolist()
    (('a', 'd', 'b', 'c'), [0.4, 0.0, 0.0, 0.0])
    """
    absent = reading(unranked) == "absent"
    ranks, held = _ranks(profile)
    size, weights = ranks.shape[1], profile.weights
    left, order = list(range(size)), []
    while left:
        # how many voters prefer a to all placed so far; the ones without a member yet prefer whatever they rank
        support = weights @ (ranks[:, left] < held[:, None])
        trials = []
        for place, a in enumerate(left):
            now = np.minimum(held, _held(profile, ranks, a, absent))
            others = [b for b in left if b != a]
            missed = float((weights @ (ranks[:, others] < now[:, None])).max(initial=0.0))
            trials.append((missed, -float(support[place]), place))
        chosen = left.pop(min(trials)[2])
        held = np.minimum(held, _held(profile, ranks, chosen, absent))
        order.append(chosen)
    return leaderboard_stability(profile, [profile.alternatives[a] for a in order], unranked=unranked)


_FAR = np.iinfo(np.int64).max


def _ranks(profile: Rankings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks, an unranked alternative's being out of reach, and the best rank held before anything is placed."""
    ranks = profile._ranks.astype(np.int64)
    return np.where(ranks < 0, _FAR, ranks), np.full(len(ranks), _FAR)


def _held(profile: Rankings, ranks: NDArray[np.int64], a: int, absent: bool) -> NDArray[np.int64]:
    """The rank that alternative a holds on each ballot; where it is absent nothing is preferred to it."""
    return np.where(profile._ranks[:, a] < 0, -1, ranks[:, a]) if absent else ranks[:, a]


def _voters(profile: Rankings) -> int | None:
    """How many voters the weights count, where they are whole numbers."""
    whole = (profile.weights == np.floor(profile.weights)).all()
    return int(profile.weights.sum()) if whole else None


def set_stability(rewards: ArrayLike, members: ArrayLike, *, weights: ArrayLike | None = None) -> Floats:
    """γ of a set of responses in each context: size · max over outsiders of the share of groups who prefer it to all.

    ``rewards[..., g, m]``, ``members[..., m]`` marks who is in the set (true or 1), ``weights[g]`` the groups' shares
    (default equal); a leading axis holds contexts, and so does the result ``[...]``. A group prefers an outsider where
    its reward is larger than that of every member. 0 where all are members.

    Raises ``ValueError`` for rewards that are not finite, or a context without members.

    Source: as :func:`leaderboard_stability`.

    >>> rewards = [[3, 2, 1, 0], [0, 1, 2, 3]]
    >>> set_stability(rewards, [1, 1, 1, 0], weights=[6, 4]).round(6).item()
    1.2
    >>> set_stability([rewards, rewards], [[1, 0, 0, 1], [1, 0, 0, 0]], weights=[6, 4]).round(6).tolist()
    [0.0, 0.4]
    """
    values = np.array(rewards, np.float64)
    if values.ndim < 2 or 0 in values.shape or not np.isfinite(values).all():
        raise ValueError(f"rewards: needed finite numbers indexed [..., group, alternative], got shape {values.shape}")
    inside = np.broadcast_to(np.array(members, bool), (*values.shape[:-2], values.shape[-1]))
    if not inside.any(-1).all():
        raise ValueError("members: needed at least one in every context")
    held = np.where(inside[..., None, :], values, -np.inf).max(-1)
    prefers = (values > held[..., None]) & ~inside[..., None, :]
    against = np.einsum("g,...gm->...m", normalised(weights, values.shape[-2]), prefers.astype(np.float64))
    found: Floats = np.asarray(inside.sum(-1) * against.max(-1))
    return found
