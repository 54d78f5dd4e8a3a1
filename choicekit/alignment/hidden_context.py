"""What one reward makes of people whose contexts nobody recorded: Borda's order, not that of their mean utility."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import normalised, preference_matrix
from choicekit.kernels import dynamics as kernels
from choicekit.outcomes import NotConverged
from choicekit.profiles._columns import frozen

Floats = NDArray[np.float64]

#: Numbers that a block of comparisons between contexts may hold at once.
_BLOCK = 10_000_000


@dataclass(frozen=True, eq=False)
class HiddenContextOrder:
    """How alternatives stand when the comparisons of people in different contexts are pooled.

    ``preferences[..., m, m]`` is P(a preferred to b) over contexts, ``borda[..., m]`` the Borda count Σ_b P(a, b)/m, an
    alternative's chance against one drawn from all (itself for ½), ``expected[..., m]`` its mean utility.
    ``reversed[..., m, m]`` is true at [a, b] where a has the larger mean utility and b the larger Borda count.

    >>> found = hidden_context_order([[1.0, 0.0], [1.0, 0.0], [1.0, 10.0]])
    >>> found.reversed_share, round(found.regret, 4)
    (1.0, 2.3333)
    """

    preferences: Floats
    borda: Floats
    expected: Floats
    reversed: NDArray[np.bool_]

    @property
    def reversed_share(self) -> float:
        """The share of all pairs that are ranked against their mean utility; averaged over leading axes.

        >>> hidden_context_order([[2.0, 1.0, 0.0]]).reversed_share
        0.0
        """
        size = self.borda.shape[-1]
        pairs = max(size * (size - 1) // 2, 1)
        return float(self.reversed.sum((-2, -1)).mean() / pairs)

    @property
    def regret(self) -> float:
        """The largest mean utility less that of the Borda winner (the best of those that tie); averaged over leading
        axes.

        >>> round(hidden_context_order([[1.0, 0.0], [1.0, 0.0], [1.0, 10.0]]).regret, 4)     # 10/3 − 1
        2.3333
        """
        first = self.borda >= self.borda.max(-1, keepdims=True) - 1e-12
        reached = np.where(first, self.expected, -np.inf).max(-1)
        return float((self.expected.max(-1) - reached).mean())


def hidden_context_order(
    utilities: ArrayLike, weights: ArrayLike | None = None, *, noise: float = 0.0
) -> HiddenContextOrder:
    """The order that pooled comparisons give alternatives, beside the order of their mean utility.

    In context z the alternative with the larger utility is preferred, equal ones half the time; with ``noise`` > 0 the
    choice is P(a over b | z) = σ((u_z(a) − u_z(b))/noise). Averaged over contexts this is the table P that comparisons
    without the context show. A Bradley–Terry reward fitted to it, every pair compared equally often, has the order of
    the Borda counts (:func:`population_rewards`), whatever the mean utilities are: many who are slightly better off
    outvote few who are much worse off.

    ``utilities[..., z, m]``: contexts (kinds of people, or moods of one) by alternatives; ``weights[z]`` how common
    each is (default equal). Assumed: comparisons are drawn independently of the context. To fit means and spreads of
    utility to recorded comparisons see :func:`choicekit.models.distributional`.

    Raises ``ValueError`` for utilities that are not finite numbers so indexed, or a negative ``noise``.

    Source: Siththaranjan, Laidlaw and Hadfield-Menell 2024, arXiv:2312.08358.

    Two in three prefer a slightly, the third b greatly:

    >>> found = hidden_context_order([[1.0, 0.0], [1.0, 0.0], [1.0, 10.0]])
    >>> found.borda.round(4).tolist(), found.expected.round(4).tolist()
    ([0.5833, 0.4167], [1.0, 3.3333])
    >>> found.reversed.tolist()                                  # b is better on average, and ranked below a
    [[False, False], [True, False]]
    """
    values = np.array(utilities, np.float64)
    if values.ndim < 2 or 0 in values.shape or not np.isfinite(values).all():
        raise ValueError(
            f"utilities: needed finite numbers indexed [..., context, alternative], got shape {values.shape}"
        )
    if not (np.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: needed a number of at least 0, the scale of the choices' noise, got {noise!r}")
    share = normalised(weights, values.shape[-2])
    size = values.shape[-1]
    chances = np.zeros((*values.shape[:-2], size, size))
    block = max(1, _BLOCK // max(values.size // values.shape[-2] * size, 1))
    for begin in range(0, len(share), block):
        own = values[..., begin : begin + block, :]
        apart = own[..., :, None] - own[..., None, :]
        won = np.sign(apart) if noise == 0 else np.tanh(apart / (2 * noise))
        chances += np.einsum("z,...zab->...ab", share[begin : begin + block], won)
    chances = 0.5 * (1 + chances)
    borda = chances.mean(-1)
    expected = np.einsum("z,...zm->...m", share, values)
    slack = 1e-12 * max(1.0, float(np.abs(expected).max()))
    better = expected[..., :, None] - expected[..., None, :] > slack
    lower = borda[..., :, None] - borda[..., None, :] < -1e-12
    return HiddenContextOrder(frozen(chances), frozen(borda), frozen(expected), frozen(better & lower))


def population_rewards(
    preferences: ArrayLike,
    sampling: ArrayLike | None = None,
    *,
    prior: float | None = None,
    tolerance: float = 1e-10,
    limit: int = 500,
) -> Floats:
    """The rewards ``[..., m]`` that the Bradley–Terry model fits to a whole population's preferences, mean zero.

    They maximise Σ_{a<b} W_ab·(P_ab log σ(r_a − r_b) + P_ba log σ(r_b − r_a)), and so solve
    Σ_b W_ab σ(r_a − r_b) = Σ_b W_ab P_ab: each alternative wins as often as it should. With all W equal their order is
    that of Σ_b P_ab, the Borda counts; with others it can be another.

    ``preferences[..., m, m]`` is P (see :func:`~choicekit.alignment.policies.preferences`); ``sampling[..., m, m]`` is
    W, symmetric, how often each pair is compared (default: all equally). ``prior`` adds the log-density of independent
    N(0, prior) rewards, beside which ``sampling`` counts comparisons; there it must be given.

    Raises ``ValueError`` for a P that is no table of preferences, a W that is not symmetric and non-negative, and,
    without a prior, where no finite rewards are best because some alternatives never lose to the others (Ford 1957).
    Raises ``NotConverged`` where the equations, each divided by how often its alternative is compared, are not met to
    ``tolerance``.

    Source: Siththaranjan, Laidlaw and Hadfield-Menell 2024, arXiv:2312.08358 (the order of Borda).

    >>> narrow = [[0.5, 0.6, 0.6], [0.4, 0.5, 0.95], [0.4, 0.05, 0.5]]        # the first beats both others
    >>> population_rewards(narrow).round(3).tolist()                          # 1.2, 1.35 and 0.45 wins
    [0.302, 0.525, -0.827]
    >>> population_rewards([[0.5, 1.0], [0.0, 0.5]])
    Traceback (most recent call last):
        ...
    ValueError: preferences: no finite rewards are best: ...
    """
    chances = preference_matrix(preferences)
    size = chances.shape[-1]
    if sampling is None and prior is not None:
        raise ValueError("sampling: needed with a prior: how many comparisons of each pair stand beside it")
    often = np.ones((size, size)) if sampling is None else np.array(sampling, np.float64)
    if often.shape[-2:] != (size, size) or not (np.isfinite(often).all() and (often >= 0).all()):
        raise ValueError(f"sampling: needed non-negative numbers [..., {size}, {size}], got shape {often.shape}")
    if not np.allclose(often, np.swapaxes(often, -1, -2), rtol=1e-9, atol=0):
        raise ValueError("sampling: needed as many comparisons of a with b as of b with a; add the transpose")
    if prior is not None and not (np.isfinite(prior) and prior > 0):
        raise ValueError(f"prior: needed a positive number, the variance of the rewards, got {prior!r}")
    often = np.where(np.eye(size, dtype=bool), 0.0, often)
    shape = np.broadcast_shapes(chances.shape, often.shape)
    chances, often = np.broadcast_to(chances, shape), np.broadcast_to(often, shape)
    if prior is None and size > 1:
        _refuse_unconnected(chances, often)
    total = often.sum(-1) + (0.0 if prior is None else 1 / prior)
    total = np.where(total > 0, total, 1.0)
    pull = np.zeros(shape[:-1]) if prior is None else 1 / (prior * total)
    scores, missed = kernels.fitted(
        np.ascontiguousarray(chances.reshape(-1, size, size)),
        (often / total[..., None]).reshape(-1, size, size), pull.reshape(-1, size), tolerance, limit,
    )  # fmt: skip
    rewards = scores.reshape(shape[:-1])
    if missed > tolerance:
        raise NotConverged(f"population_rewards: score equations missed by {missed:.1e}; pass a prior", rewards)
    return rewards


def _refuse_unconnected(chances: Floats, often: Floats) -> None:
    """Refuse where "won against" does not lead from every alternative to every other."""
    size = chances.shape[-1]
    reached = ((often > 0) & (chances > 0)) | np.eye(size, dtype=bool)
    if reached.reshape(-1, size * size).all():
        return
    for _ in range(max(1, int(np.ceil(np.log2(size))))):
        reached = (reached.astype(np.float64) @ reached) > 0
    if not reached.all():
        a, b = (int(k) for k in np.argwhere(~reached)[0][-2:])
        raise ValueError(
            f"preferences: no finite rewards are best: no chain of wins leads from alternative {a} to {b}. Ways out: a "
            "prior, more pairs compared, or leaving alternatives out"
        )
