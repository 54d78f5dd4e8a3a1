"""The stakeholder game: every group plays a policy of its own against the other groups' policies.

Shapes: ``preferences[..., g, m, m]``, one preference matrix a group, P_g[a, b] = share of group g preferring a to b;
policies ``[..., g, m]``; a leading axis holds contexts, which are apart. The definition is this project's; it goes
back to the idea that policies play a game of several players instead of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment import _games as shared
from choicekit.alignment._tabular import Floats, distribution_over, divergence, normalised, preference_matrix
from choicekit.kernels import games as kernels
from choicekit.outcomes import NotConverged, Policy

Booleans: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class StakeholderEquilibrium:
    """Policies of groups none of which gains by changing its own alone.

    ``policies[..., g, m]`` are what the groups play; ``mixture`` is Σ_g w_g·π_g, what is deployed if the group that
    answers is drawn by weight. ``payoffs[..., g]`` are the groups' payoffs, ``gains[..., g]`` what the best change of
    a group's own policy would add to its payoff, in the same units (shares): 0 at an equilibrium.
    ``proved_unique[...]`` is true where the groups are near enough to each other, for the penalty, that the equilibrium
    is proved to be the only one; false says nothing. ``iterations[...]`` were needed, ``converged[...]`` says whether
    all gains are within the tolerance.

    >>> alike = [[[0.5, 0.9], [0.1, 0.5]]] * 2
    >>> found = stakeholder_game(alike, tau=0.4)
    >>> found.policies.round(6).tolist(), bool(found.proved_unique)
    ([[0.731059, 0.268941], [0.731059, 0.268941]], True)
    """

    policies: Floats
    mixture: Policy
    payoffs: Floats
    gains: Floats
    proved_unique: Booleans
    iterations: NDArray[np.int64]
    converged: Booleans


def stakeholder_game(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    tau: float = 0.1,
    *,
    weights: ArrayLike | None = None,
    learning_rate: float | None = None,
    steps: int = 100_000,
    tolerance: float = 1e-9,
) -> StakeholderEquilibrium:
    """An equilibrium of the game in which each group's policy meets those of the other groups, before its own judges.

    Group g plays π_g and gets u_g = Σ_{h≠g} w_h/(1 − w_g)·P_g(π_g ≻ π_h) − τ·KL(π_g‖ρ), where P_g(π ≻ π') is how often
    g prefers π's answer to π''s: how often g's own answer beats that of another group, drawn by weight, in g's own
    eyes. An equilibrium exists, since u_g is concave in π_g. For two groups of the same preferences it is the
    regularised preference game. It is found by extragradient steps of all groups at once,
    π_g' ∝ π_g^(1 − ητ)·ρ^ητ·exp(η·(what alternatives get)), until every policy is the best answer to the others
    up to ``tolerance`` in probability; what a group would gain by answering best is computed exactly, and reported.

    It is proved to be the only one where the matrix with τ·w_g(1 − w_g) on its diagonal and −½·w_g w_h·max|P_g − P_h|
    beside it is positive definite: then the game is strictly monotone (Rosen 1965), by Pinsker's inequality. Without
    that others may exist, and steps may go round for ever: of drawn games of eight alternatives and three groups some
    do at τ = 0.05.

    ``preferences[..., g, m, m]`` for two groups or more (of rewards ``r[..., g, m]``:
    ``preferences(r[..., None, :])``), ``reference[..., m]``, ``weights[g]`` (default: equal), τ > 0 in shares,
    ``learning_rate`` is η ≤ 1/τ, by default 1/(τ + ½). Raises ``NotConverged`` with the last policies where
    they are not best answers by then, and ``ValueError`` for a single group or one of all weight.

    Source: the project's own definition, after the multiplayer games of Wu et al. 2025, arXiv:2509.23102 (seen at
    second hand; theirs has one preference for all players).

    Two groups that each want their own answer play it, the more surely the less the penalty:

    >>> mine, yours = [[0.5, 0.9], [0.1, 0.5]], [[0.5, 0.1], [0.9, 0.5]]
    >>> found = stakeholder_game([mine, yours], tau=0.2)
    >>> found.policies.round(3).tolist(), found.mixture.probabilities.round(3).tolist()
    ([[0.881, 0.119], [0.119, 0.881]], [0.5, 0.5])
    """
    games, tau = preference_matrix(preferences, 3), shared.weight(tau, positive=True)
    shares, share = _meetings(games.shape[-3], weights)
    lead, groups, size = games.shape[:-3], games.shape[-3], games.shape[-1]
    ground = shared.grounds(reference, (*lead, size))
    rate = 1 / (tau + 0.5) if learning_rate is None else float(learning_rate)
    if not 0 < rate * tau <= 1 + 1e-12:
        raise ValueError(f"learning_rate: needed a positive number of at most 1/τ = {1 / tau:.6g}, got {learning_rate}")
    with np.errstate(divide="ignore"):
        anchors = np.log(ground).reshape(-1, size)
    found, values, gains, used, missed = kernels.several(
        games.reshape(-1, groups, size, size), shares, anchors, tau, rate, int(steps), tolerance
    )
    policies, gains = found.reshape(*lead, groups, size), gains.reshape(*lead, groups)
    mixture = Policy(np.einsum("g,...gm->...m", share, policies), ground, tau)
    answer = StakeholderEquilibrium(
        policies, mixture, values.reshape(*lead, groups), gains,
        _single(games, share, tau), used.reshape(lead), np.asarray(missed.reshape(lead) <= tolerance),
    )  # fmt: skip
    if not answer.converged.all():
        raise NotConverged(
            f"stakeholder_game: a group still gains {gains.max():.1e} by deviating after {steps} steps; use a larger "
            "tau or a smaller learning_rate",
            answer,
        )
    return answer


def deviation_gains(
    policies: ArrayLike,
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    tau: float = 0.0,
    *,
    weights: ArrayLike | None = None,
) -> Floats:
    """What each group of a stakeholder game would gain by the best change of its own policy alone, ``[..., g]``.

    With q_a what alternative a gets in g's eyes against the others' policies, the best answer has value max_a q_a, or
    τ·log Σ_a ρ_a·exp(q_a/τ) for τ > 0; the gain is that minus u_g (see :func:`stakeholder_game`), so at least 0, and 0
    for all groups just at an equilibrium. ``policies[..., g, m]``, ``preferences[..., g, m, m]``; with τ > 0 a policy
    that answers what the reference rules out has an infinite gain.

    >>> mine, yours = [[0.5, 0.9], [0.1, 0.5]], [[0.5, 0.1], [0.9, 0.5]]
    >>> deviation_gains([[1, 0], [0.5, 0.5]], [mine, yours]).round(3).tolist()       # yours gets 0.7, and could get 0.9
    [0.0, 0.2]
    """
    games, tau = preference_matrix(preferences, 3), shared.weight(tau, positive=False)
    shares, _ = _meetings(games.shape[-3], weights)
    shape = games.shape[:-1]
    played = distribution_over("policies", policies, shape)
    ground = shared.grounds(reference, (*games.shape[:-3], shape[-1]))[..., None, :]
    met = np.einsum("gh,...hm->...gm", shares, played)
    pay = np.einsum("...gab,...gb->...ga", games, met)
    top = np.where(ground > 0, pay, -np.inf).max(-1)
    own = (played * pay).sum(-1)
    if tau == 0:
        return np.asarray(np.maximum(top - own, 0.0))
    spread = np.where(ground > 0, ground * np.exp((pay - top[..., None]) / tau), 0.0).sum(-1)
    return np.asarray(np.maximum(top + tau * np.log(spread) - own + tau * divergence(played, ground), 0.0))


def _meetings(groups: int, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """How often group g meets h, ``[g, h]``, and the weights."""
    share = normalised(weights, groups)
    if groups < 2 or share.max() >= 1:
        raise ValueError(f"preferences: needed two groups with weight, to play against each other, got {groups}")
    shares = share[None] / (1 - share[:, None])
    np.fill_diagonal(shares, 0.0)
    return shares, share


def _single(games: Floats, share: Floats, tau: float) -> Booleans:
    """Whether the sufficient condition for one equilibrium holds, ``[...]``; groups without weight are not met."""
    counts = share > 0
    games, share = games[..., counts, :, :], share[counts]
    apart = np.abs(games[..., :, None, :, :] - games[..., None, :, :, :]).max((-2, -1))
    matrix = -0.5 * share[:, None] * share * apart + np.diag(tau * share * (1 - share))
    return np.asarray(np.linalg.eigvalsh(matrix)[..., 0] > 0)
