"""How policies learn in preference games: the updates of published methods, exact on finite response sets.

Shapes: ``preferences[..., m, m]``, policies and references ``[..., m]``; a leading axis holds contexts, which learn
apart. ρ is the reference, τ ≥ 0 the weight of KL(π‖ρ), η a step, and (Pπ)_a how often a is preferred to π's answer.
Nothing is sampled: it is what a method does with all preferences known and a policy free to move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment import _games as shared
from choicekit.alignment._tabular import Floats, distribution_over, preference_matrix
from choicekit.kernels import games as kernels
from choicekit.outcomes import Policy

Booleans: TypeAlias = NDArray[np.bool_]
#: Against whom a step's preferences are taken: the policy, its mixture with the reference, or where the step leads.
_Look: TypeAlias = Literal[0, 1, 2]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where learning went.

    ``policy`` is the last iterate and ``average`` the mean of those before it, π_0 … π_{T−1}, the policies that were
    played. ``exploitability[k, ...]`` is that of the iterates recorded, of the game without penalty (shares above one
    half), ``gap[k, ...]`` that of the game being learned: with the penalty where τ > 0, else the same.
    ``divergence[k, ...]`` is KL(target‖π) in nats, ``None`` without a target. k = 0 is the start, and one iterate (for
    :func:`comal` one round) is recorded every ``every``. ``iterations`` counts the updates, ``converged[...]`` says
    whether the last gap is within the tolerance.

    >>> found = mirror_descent([[0.5, 0.9], [0.1, 0.5]], steps=200, learning_rate=1.0)
    >>> found.policy.probabilities.round(6).tolist(), bool(found.converged)
    ([1.0, 0.0], True)
    """

    policy: Policy
    average: Policy
    exploitability: Floats
    gap: Floats
    divergence: Floats | None
    iterations: int
    converged: Booleans


def mirror_descent(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    tau: float = 0.0,
    *,
    steps: int = 1000,
    learning_rate: float | ArrayLike = 0.3,
    start: ArrayLike | None = None,
    target: ArrayLike | None = None,
    every: int = 1,
    tolerance: float = 1e-9,
) -> Trajectory:
    """Self-play by multiplicative weights: π' ∝ π^(1 − ητ)·ρ^ητ·exp(η·Pπ).

    With τ = 0 it is π' ∝ π·exp(η·Pπ): the self-play of SPO and SPPO. Then ``average``, SPO's output, is near
    equilibrium: after T steps of η from a uniform start its exploitability is at most log m/(ηT) + η/8. The last
    iterate is not: KL(π*‖π) never falls where π* has full support. With τ > 0 the last iterate tends to the
    equilibrium of the regularised game for small η, as in the inner loop of :func:`comal`.

    ``reference`` (default: uniform) is also the ``start``, unless that is given; ``learning_rate`` is η, or one for
    each step; ``target[..., m]`` is a policy to record KL(target‖π) to. Raises ``ValueError`` for ητ > 1, and for a
    start without probability on an alternative that is available.

    Source: Swamy et al. 2024, arXiv:2401.04056 (SPO), Wu et al. 2024, arXiv:2405.00675 (SPPO), as told by others;
    Freund and Schapire 1999 (doi:10.1006/game.1999.0738) for the average.

    >>> from choicekit.alignment.games import exploitability
    >>> cycle = [[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]]
    >>> found = mirror_descent(cycle, start=[0.2, 0.5, 0.3], steps=3000)
    >>> found.exploitability[-1].round(3).item(), exploitability(found.average, cycle).round(3).item()
    (0.339, 0.004)
    """
    return _run(preferences, reference, tau, 0, steps, learning_rate, start, target, every, tolerance)


def nash_md(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    tau: float = 0.1,
    *,
    steps: int = 1000,
    learning_rate: float | ArrayLike | None = None,
    start: ArrayLike | None = None,
    target: ArrayLike | None = None,
    every: int = 1,
    tolerance: float = 1e-9,
) -> Trajectory:
    """Nash mirror descent: the opponent is the mixture μ ∝ π^(1 − ητ)·ρ^ητ, and π' ∝ μ·exp(η·Pμ).

    It tends to the equilibrium π*_τ of the regularised game. Each step has KL(π*_τ‖π') ≤ (1 − ητ)·KL(π*_τ‖π) + 2η²,
    and with η_t = 2/(τ(t + 2)), the ``learning_rate`` by default, KL(π*_τ‖π_T) ≤ 8/(τ²(T + 1)).

    Arguments and errors as in :func:`mirror_descent`; τ > 0.

    Source: Munos et al. 2023, arXiv:2312.00886, Theorem 1 (constants seen at second hand).

    >>> found = nash_md([[0.5, 0.9], [0.1, 0.5]], tau=0.4, steps=5000)
    >>> found.policy.probabilities.round(3).tolist()
    [0.731, 0.269]
    """
    shared.weight(tau, positive=True)
    rates = 2 / (tau * (np.arange(max(steps, 1)) + 2)) if learning_rate is None else learning_rate
    return _run(preferences, reference, tau, 1, steps, rates, start, target, every, tolerance)


def inpo(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    tau: float = 0.1,
    *,
    eta: float = 3.0,
    steps: int = 1000,
    start: ArrayLike | None = None,
    target: ArrayLike | None = None,
    every: int = 1,
    tolerance: float = 1e-9,
) -> Trajectory:
    """Iterative Nash policy optimisation: π' ∝ exp(Pπ/η)·ρ^(τ/η)·π^(1 − τ/η).

    ``eta`` is an *inverse* step, as in the source and its training loss, whose minimiser the update is: it is
    :func:`mirror_descent` with a learning rate of 1/η. It tends to the equilibrium of the regularised game, which is
    not that of P.

    Other arguments and errors as in :func:`mirror_descent`; 0 < τ ≤ η.

    Source: Zhang et al. 2024, arXiv:2407.00617 (abstract, and the update as told by others).

    >>> inpo([[0.5, 0.9], [0.1, 0.5]], tau=0.4).policy.probabilities.round(6).tolist()
    [0.731059, 0.268941]
    """
    shared.weight(tau, positive=True)
    if not (np.isfinite(eta) and eta > 0):
        raise ValueError(f"eta: needed a positive number, the inverse of a step, got {eta!r}")
    return _run(preferences, reference, tau, 0, steps, 1 / eta, start, target, every, tolerance)


def extragradient(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    tau: float = 0.1,
    *,
    steps: int = 1000,
    learning_rate: float | ArrayLike | None = None,
    start: ArrayLike | None = None,
    target: ArrayLike | None = None,
    every: int = 1,
    tolerance: float = 1e-9,
) -> Trajectory:
    """Extragradient (EGPO): a half step h ∝ π^(1 − ητ)·ρ^ητ·exp(η·Pπ), then π' ∝ π^(1 − ητ)·ρ^ητ·exp(η·Ph).

    With η ≤ 1/(τ + ½), the ``learning_rate`` by default, the last iterate comes near the regularised equilibrium at a
    linear rate: KL(π*_τ‖π_t) ≤ (1 − ητ)^t·KL(π*_τ‖π_0), the rate of policy extragradient for such games. τ = 0 is
    allowed, and learns the game without penalty.

    Arguments and errors as in :func:`mirror_descent`.

    Source: Zhou, Fazel and Du 2025, arXiv:2503.08942 (abstract); the rate after Cen, Wei and Chi 2021,
    arXiv:2105.15186, as recalled, and tested on drawn games.

    >>> extragradient([[0.5, 0.9], [0.1, 0.5]], tau=0.4).policy.probabilities.round(6).tolist()
    [0.731059, 0.268941]
    """
    rates = 1 / (shared.weight(tau, positive=False) + 0.5) if learning_rate is None else learning_rate
    return _run(preferences, reference, tau, 2, steps, rates, start, target, every, tolerance)


def comal(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    tau: float = 0.1,
    *,
    rounds: int = 40,
    steps: int = 400,
    learning_rate: float = 0.3,
    target: ArrayLike | None = None,
    tolerance: float = 1e-9,
) -> Trajectory:
    """COMAL: each round learns the game regularised towards the last round's policy, and so the exact equilibrium.

    π_{k+1} is the equilibrium of the game with penalty τ·KL(π‖π_k), found by ``steps`` of :func:`mirror_descent` from
    π_k with reference π_k; π_0 is ``reference`` (default: uniform). With exact rounds KL(π*‖π_k) never rises, for any
    τ > 0 and any equilibrium π* of P, and the last iterate tends to an equilibrium. The inner steps obey
    KL(π*_τ‖μ_j) ≤ (1 − ητ/2)^(j − 1)·KL(π*_τ‖π_k) for j ≥ 1 and small η; tested for η ≤ τ/(τ² + ½), which the
    default step exceeds.

    ``exploitability``, ``gap`` and ``divergence`` have an entry a round; ``average`` is the mean over rounds. Other
    arguments and errors as in :func:`mirror_descent`.

    Source: Liu, Oikonomou, Zheng, Cai and Cohan 2026, arXiv:2410.23223, Theorems 1 and 2 (as quoted by others).

    >>> cycle = [[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]]
    >>> found = comal(cycle, [0.2, 0.5, 0.3])
    >>> found.policy.probabilities.round(6).tolist(), bool(found.exploitability[-1] < 1e-11)
    ([0.363636, 0.272727, 0.363636], True)
    """
    shared.weight(tau, positive=True)
    first = _run(preferences, reference, tau, 0, 0, learning_rate, None, target, 1, tolerance)
    if rounds < 1 or steps < 1:
        raise ValueError(f"rounds, steps: needed at least 1 of each, got {rounds!r} and {steps!r}")
    now, mean = first.policy.probabilities, np.zeros(first.policy.probabilities.shape)
    exploits, away = [first.exploitability[0]], [first.divergence]
    for _ in range(rounds):
        mean = mean + now / rounds
        done = _run(preferences, now, tau, 0, steps, learning_rate, None, target, steps, tolerance)
        now = done.policy.probabilities
        exploits.append(done.exploitability[-1])
        away.append(None if done.divergence is None else done.divergence[-1:])
    path = np.array(exploits)
    ground = first.policy.reference
    return Trajectory(
        Policy(now, ground, tau), Policy(mean, ground, tau), path, path,
        None if target is None else np.concatenate([part for part in away if part is not None]),
        rounds * steps, np.asarray(path[-1] <= tolerance),
    )  # fmt: skip


def _run(
    preferences: ArrayLike,
    reference: ArrayLike | None,
    tau: float,
    look: _Look,
    steps: int,
    learning_rate: float | ArrayLike,
    start: ArrayLike | None,
    target: ArrayLike | None,
    every: int,
    tolerance: float,
) -> Trajectory:
    game, tau = preference_matrix(preferences), shared.weight(tau, positive=False)
    lead, size = game.shape[:-2], game.shape[-1]
    ground = shared.grounds(reference, game.shape[:-1])
    first = ground if start is None else distribution_over("start", start, game.shape[:-1])
    if ((first > 0) != (ground > 0)).any():
        raise ValueError("start: needed a positive probability for just the alternatives that the reference allows")
    if steps < 0 or every < 1 or steps % every:
        raise ValueError(f"steps, every: needed a number of steps and a divisor of it, got {steps!r} and {every!r}")
    given = np.asarray(learning_rate, np.float64)
    if given.shape not in ((), (steps,)) or not np.isfinite(given).all() or (given <= 0).any():
        raise ValueError(f"learning_rate: needed a positive number, or one for each of {steps} steps")
    if given.size and given.max() * tau > 1 + 1e-12:
        raise ValueError(f"learning_rate: needed at most 1/τ = {1 / tau:.6g}, got {given.max():.6g}")
    aims = np.zeros((0, size))
    if target is not None:
        aims = np.array(distribution_over("target", target, game.shape[:-1])).reshape(-1, size)
    with np.errstate(divide="ignore"):
        anchors, starts = np.log(ground).reshape(-1, size), np.log(first).reshape(-1, size)
    rates = np.array(np.broadcast_to(given, (steps,)))
    last, mean, exploits, gaps, away = kernels.learn(
        game.reshape(-1, size, size), anchors, starts, rates, tau, look, every, aims
    )
    beta, shape = tau if tau > 0 else None, game.shape[:-1]
    return Trajectory(
        Policy(last.reshape(shape), ground, beta),
        Policy(mean.reshape(shape) if steps else last.reshape(shape), ground, beta),
        exploits.reshape(-1, *lead), gaps.reshape(-1, *lead),
        None if target is None else np.maximum(away, 0.0).reshape(-1, *lead),
        steps, np.asarray(gaps[-1].reshape(lead) <= tolerance),
    )  # fmt: skip
