"""What repeated training does to a population's answers: collapse along β, iterated RLHF, learning from oneself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import Floats, checked, tilt
from choicekit.alignment.distances import entropy
from choicekit.alignment.gaps import gap, preference_collapse, win_rates
from choicekit.alignment.hidden_context import population_rewards
from choicekit.alignment.policies import choice_shares, preferences
from choicekit.kernels import dynamics as kernels
from choicekit.outcomes import NotConverged, Policy
from choicekit.profiles._columns import frozen


@dataclass(frozen=True, eq=False)
class CollapsePath:
    """The policies of one reward under ever weaker penalties, beside how often people choose each alternative.

    ``policies[k, ..., m]`` at ``betas[k]``; ``shares[..., m]`` are the population's choice shares and
    ``rewards[..., m]`` the one reward fitted to it. ``divergence[k]`` = KL(shares‖policy) in nats,
    ``total_variation[k]`` and ``entropy_ratio[k]`` are those of
    :func:`~choicekit.alignment.gaps.preference_collapse`, averaged over contexts.

    >>> path = collapse_path([[np.log(1.5), 0.0]], [10.0, 1.0, 0.1])
    >>> path.total_variation.round(4).tolist(), path.matching
    ([0.0899, 0.0, 0.383], 1.0)
    """

    betas: Floats
    policies: Floats
    shares: Floats
    rewards: Floats
    divergence: Floats
    total_variation: Floats
    entropy_ratio: Floats

    @property
    def matching(self) -> float:
        """The β among those of the path whose policy is nearest the choice shares, in divergence.

        >>> collapse_path([[1.0, 0.0, 2.0]], [2.0, 1.0, 0.5]).matching
        1.0
        """
        return float(self.betas[self.divergence.argmin()])


def collapse_path(
    rewards: ArrayLike,
    betas: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
) -> CollapsePath:
    """How far the policy of one pooled reward is from the population's choice shares, for each weight of the penalty.

    The pooled reward r is what the Bradley–Terry model fits to everybody's preferences, all available pairs compared
    equally often (:func:`~choicekit.alignment.hidden_context.population_rewards`); at each β the policy is ρ·e^{r/β}/Z.
    The shares are Σ_g w_g·softmax(r_g). For one group and a uniform reference they agree at β = 1; as β falls the
    policy's most likely alternative takes all, as β grows the policy returns to the reference.

    ``rewards[..., g, m]`` are the groups' own, on the Bradley–Terry scale; ``betas[k]`` positive; ``weights[g]``,
    ``reference[..., m]`` and ``context_weights[...]`` default to equal. Raises ``ValueError`` for betas that are not.

    Source: Xiao et al. 2025, arXiv:2405.16455.

    Sixty people in a hundred prefer A:

    >>> path = collapse_path([[np.log(1.5), 0.0]], [10.0, 1.0, 0.5, 0.1])
    >>> path.policies[:, 0].round(4).tolist()
    [0.5101, 0.6, 0.6923, 0.983]
    """
    strengths = np.array(betas, np.float64)
    if strengths.ndim != 1 or not strengths.size or not (np.isfinite(strengths).all() and (strengths > 0).all()):
        raise ValueError(f"betas: needed a row of positive numbers, weights of the KL penalty, got {betas!r}")
    values, ground = checked(rewards, reference, 1.0, 2)
    able = (ground > 0).astype(np.float64)
    often = able[..., :, None] * able[..., None, :]
    pooled = _pooled(preferences(values, weights), often)
    shares = choice_shares(values, ground, weights)
    policies = np.stack([tilt(pooled, ground, float(beta)) for beta in strengths])
    found = [preference_collapse(policy, shares, context_weights) for policy in policies]
    return CollapsePath(
        frozen(strengths), frozen(policies), frozen(shares), frozen(pooled),
        frozen(np.array([each.divergence for each in found])),
        frozen(np.array([each.total_variation for each in found])),
        frozen(np.array([each.entropy_ratio for each in found])),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class IteratedTraining:
    """A model trained round after round on preferences between its own answers; index 0 is the reference.

    ``policies[t, ..., m]``; ``rewards[t, ..., m]``, the reward fitted in round t + 1; ``gaps[t, ..., g]``, what each
    group loses compared with its own optimum, counted from the first reference at the same β; ``win_rates[t, ..., g]``,
    how often it prefers the policy's answer to the first reference's; ``entropy[t, ...]`` in nats and
    ``largest[t, ...]``, the greatest probability.

    >>> path = iterated_rlhf([[np.log(2), 0.0]], rounds=2)
    >>> path.policies[:, 0].round(4).tolist(), path.gaps.shape
    ([0.5, 0.6667, 0.8], (3, 1))
    """

    policies: Floats
    rewards: Floats
    gaps: Floats
    win_rates: Floats
    entropy: Floats
    largest: Floats

    @property
    def last(self) -> Floats:
        """The policy after the last round, ``[..., m]``.

        >>> iterated_rlhf([[np.log(2), 0.0]], rounds=1).last.round(4).tolist()
        [0.6667, 0.3333]
        """
        last: Floats = self.policies[-1]
        return last


def iterated_rlhf(
    rewards: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    rounds: int,
    comparisons: int | None = None,
    beta: float = 1.0,
    reference: ArrayLike | None = None,
    anchor: Literal["previous", "first"] = "previous",
    prior: float = 10.0,
    rng: int | np.random.Generator = 0,
) -> IteratedTraining:
    """Reward learning and policy training repeated, each round on preferences between the last policy's answers.

    A round: (1) in every context ``comparisons`` pairs of answers are drawn independently from the current policy π_t;
    a member of group g (chance w_g) prefers a to b with chance σ(r_g,a − r_g,b). (2) One Bradley–Terry reward r̂ is
    fitted to them, with independent N(0, ``prior``) priors, without which few comparisons have no finite fit. (3) The
    next policy is ∝ ρ·e^{r̂/β} with ρ = π_t (``anchor="previous"``) or the first reference (``"first"``).

    With ``comparisons=None`` the round's reward is fitted to infinitely many, without a prior:
    Σ_b π_t(b)·(σ(r̂_a − r̂_b) − P_ab) = 0, and nothing is random. For a single group that gives the group's own reward
    each time: the policy stays at its optimum for β with ``"first"``, and is the optimum for β/t after t rounds with
    ``"previous"``. Groups that differ are pooled by how the current policy makes them meet, and r̂ changes with it.

    ``rewards[..., g, m]`` on the Bradley–Terry scale, the last axis but one over groups; ``weights[g]`` and
    ``reference[..., m]`` default to equal; ``rng`` as for :func:`numpy.random.default_rng`. A pair of the same answer
    twice teaches nothing but counts. Raises ``ValueError`` for arguments out of range and where chances of preference
    round to 0 or 1 in the limit; ``NotConverged`` where a reward cannot be fitted.

    Source: the loop of Christiano et al. 2017, arXiv:1706.03741, on a finite set of answers.

    >>> people = [[1.0, 0.0, 0.6], [0.0, 1.0, 0.6]]
    >>> path = iterated_rlhf(people, [0.7, 0.3], rounds=40, beta=0.5)
    >>> path.last.round(3).tolist(), path.gaps[-1].round(2).tolist()
    ([1.0, 0.0, 0.0], [0.23, 1.23])
    """
    values, ground = checked(rewards, reference, beta, 2)
    _check(rounds, comparisons, anchor, prior)
    chances = preferences(values, weights)
    generator = np.random.default_rng(rng)
    policies, fits = [np.array(ground)], []
    for _ in range(rounds):
        now = policies[-1]
        if comparisons is None:
            fitted = _pooled(chances, np.broadcast_to(now[..., None, :], chances.shape))
        else:
            fitted = _sampled(chances, now, comparisons, prior, generator)
        fits.append(fitted)
        policies.append(tilt(fitted, now if anchor == "previous" else ground, beta))
    path = np.stack(policies)
    return IteratedTraining(
        policies=frozen(path),
        rewards=frozen(np.array(fits).reshape(rounds, *ground.shape)),
        gaps=frozen(np.stack([gap(values, policy, ground, beta).gaps for policy in path])),
        win_rates=frozen(np.stack([win_rates(values, policy, ground) for policy in path])),
        entropy=frozen(entropy(path)),
        largest=frozen(np.asarray(path.max(-1))),
    )


@dataclass(frozen=True, eq=False)
class RecursiveTraining:
    """A model re-estimated round after round from a sample of its own answers; index 0 is the start.

    ``policies[t, ..., m]`` are observed frequencies; ``alive[t, ...]`` how many alternatives are still said at all;
    ``entropy[t, ...]`` in nats; ``heterozygosity[t, ...]`` = 1 − Σ p², the chance that two answers differ, and
    ``expected_heterozygosity[t, ...]`` its exact expectation over all that is drawn. ``floor[...]`` is what that
    expectation tends to: 0 without fresh data.

    >>> path = recursive_training([0.5, 0.5], samples=2, rounds=2)
    >>> path.expected_heterozygosity.tolist(), path.floor.tolist()           # halves each time
    ([0.5, 0.25, 0.125], 0.0)
    """

    policies: Floats
    alive: NDArray[np.int64]
    entropy: Floats
    heterozygosity: Floats
    expected_heterozygosity: Floats
    floor: Floats


def recursive_training(
    policy: Policy | ArrayLike,
    *,
    samples: int,
    rounds: int,
    fresh: float = 0.0,
    rng: int | np.random.Generator = 0,
) -> RecursiveTraining:
    """A model trained on its own answers, again and again: what chance alone does to variety.

    Each round ``samples`` = n answers are drawn independently, each from the human distribution p_0 with chance
    ``fresh`` = f, else from the current model, and the next model is their frequencies. An alternative that is not
    drawn is gone unless human data bring it back. No alternative is favoured: E p_t = p_0 throughout. With
    S = E Σ p², S' = 1/n + (1 − 1/n)·((1 − f)² S + (2f − f²) S_0): without fresh data the heterozygosity 1 − S decays as
    (1 − 1/n)^t, with it there is a floor.

    ``policy[..., m]`` is p_0; a leading axis holds contexts, or copies of one start. ``rng`` as for
    :func:`numpy.random.default_rng`. Raises ``ValueError`` for a policy that is no distribution, fewer than one sample,
    or an f outside [0, 1].

    Source: Wright 1931 (doi:10.1093/genetics/16.2.97) for the sampling; Shumailov et al. 2024
    (doi:10.1038/s41586-024-07566-y) for the loop.

    >>> path = recursive_training([[0.25] * 4] * 500, samples=10, rounds=20)
    >>> path.heterozygosity[-1].mean().round(2).item(), path.expected_heterozygosity[-1, 0].round(4).item()
    (0.1, 0.0912)
    >>> recursive_training([0.25] * 4, samples=10, rounds=0, fresh=0.1).floor.round(3).item()
    0.473
    """
    start = np.array(policy, np.float64)
    if start.ndim < 1 or not start.size:
        raise ValueError(f"policy: needed probabilities [..., m], got shape {start.shape}")
    _, start = checked(np.zeros(start.shape), start, 1.0, 1)
    if rounds < 0 or samples < 1 or samples != int(samples):
        raise ValueError(f"needed rounds ≥ 0 and a whole number of samples ≥ 1, got {rounds!r} and {samples!r}")
    if not 0 <= fresh <= 1:
        raise ValueError(f"fresh: needed a share of human data between 0 and 1, got {fresh!r}")
    generator = np.random.default_rng(rng)
    path = np.empty((rounds + 1, *start.shape))
    path[0] = start
    alike = np.empty((rounds + 1, *start.shape[:-1]))
    alike[0] = (start**2).sum(-1)
    kept, source = (1 - fresh) ** 2, (2 * fresh - fresh**2) * alike[0]
    for t in range(rounds):
        mixed = (1 - fresh) * path[t] + fresh * start
        path[t + 1] = generator.multinomial(samples, mixed / mixed.sum(-1, keepdims=True)) / samples
        alike[t + 1] = 1 / samples + (1 - 1 / samples) * (kept * alike[t] + source)
    limit = (1 / samples + (1 - 1 / samples) * source) / (1 - (1 - 1 / samples) * kept)
    return RecursiveTraining(
        policies=frozen(path),
        alive=frozen(np.asarray((path > 0).sum(-1))),
        entropy=frozen(np.asarray(entropy(path))),
        heterozygosity=frozen(np.asarray(1 - (path**2).sum(-1))),
        expected_heterozygosity=frozen(1 - alike),
        floor=frozen(np.asarray(1 - limit)),
    )


def _check(rounds: int, comparisons: int | None, anchor: str, prior: float) -> None:
    if rounds < 0:
        raise ValueError(f"rounds: needed a number of at least 0, got {rounds!r}")
    if comparisons is not None and (comparisons < 1 or comparisons != int(comparisons)):
        raise ValueError(f"comparisons: needed a whole number a context and round, or None, got {comparisons!r}")
    if anchor not in ("previous", "first"):
        raise ValueError(f"anchor: needed 'previous' or 'first', the policy that the penalty holds to, got {anchor!r}")
    if not (np.isfinite(prior) and prior > 0):
        raise ValueError(f"prior: needed a positive number, the variance of the rewards, got {prior!r}")


def _pooled(chances: Floats, often: Floats) -> Floats:
    """The Bradley–Terry reward where a meets b with weight ``often[..., a, b]``, which need not be symmetric: only each
    row's proportions count, as they do in the score equations."""
    size = chances.shape[-1]
    if size == 1:
        return np.zeros(chances.shape[:-1])
    apart = ~np.eye(size, dtype=bool)
    if ((chances <= 0) | (chances >= 1))[..., apart].any():
        raise ValueError("rewards: some lie so far apart that a chance of preference rounds to 0 or 1; scale them down")
    rows = np.where(apart, often, 0.0)
    # an alternative that nothing is compared with is placed against all
    rows = np.where(rows.sum(-1, keepdims=True) > 0, rows, apart)
    rows = rows / rows.sum(-1, keepdims=True)
    flat = np.ascontiguousarray(chances.reshape(-1, size, size))
    scores, missed = kernels.fitted(flat, rows.reshape(flat.shape), np.zeros(flat.shape[:2]), 1e-10, 500)
    fitted = scores.reshape(chances.shape[:-1])
    if missed > 1e-10:
        raise NotConverged(f"pooled reward: score equations missed by {missed:.1e}; scale the rewards down", fitted)
    return fitted


def _sampled(chances: Floats, policy: Floats, comparisons: int, prior: float, rng: np.random.Generator) -> Floats:
    """The reward fitted to comparisons of pairs drawn from the policy."""
    size = chances.shape[-1]
    pairs = (policy[..., :, None] * policy[..., None, :]).reshape(*policy.shape[:-1], size * size)
    drawn = rng.multinomial(comparisons, pairs / pairs.sum(-1, keepdims=True)).reshape(chances.shape)
    upper = np.triu(np.ones((size, size), dtype=bool), 1)
    often = np.where(upper, drawn + np.swapaxes(drawn, -1, -2), 0)
    won = rng.binomial(often, chances)
    count = often + np.swapaxes(often, -1, -2)
    wins = won + np.swapaxes(often - won, -1, -2)
    shares = np.where(count > 0, wins / np.maximum(count, 1), 0.5)
    return population_rewards(shares, count, prior=prior)
