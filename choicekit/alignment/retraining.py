"""Retraining a model on those of its answers that people keep: where it goes, and what it maximises on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._tabular import Floats, checked, normalised
from choicekit.alignment.distances import entropy
from choicekit.kernels import dynamics as kernels
from choicekit.outcomes import Policy
from choicekit.profiles._columns import frozen
from choicekit.rules import bargain

#: e^r is taken of differences of rewards up to this.
_WIDEST = 600.0


def curate(
    policy: Policy | ArrayLike, rewards: ArrayLike, weights: ArrayLike | None = None, *, samples: int | None = None
) -> Policy:
    """The model refitted to what people keep of its answers: one round.

    Somebody of group g, met with chance q_g, sees K answers drawn from p and keeps one, x with a chance proportional to
    e^{r_g(x)}. The kept answers have the distribution

        p'(x) = p(x)·Σ_g q_g·E[K·e^{r_g(x)} / (e^{r_g(x)} + Σ_{j<K} e^{r_g(y_j)})],   y_j drawn from p,

    which for K → ∞ is p(x)·Σ_g q_g·e^{r_g(x)} / E_p[e^{r_g}]. No randomness is left: this is refitting to infinitely
    many kept answers. For K = 2 that is a sum over pairs; for other finite K the expectation is an integral,
    K·a·∫ e^{−ta} E_p[e^{−t e^r}]^{K−1} dt with a = e^{r(x)}, taken to about 1e-14 of itself.

    ``policy[..., m]`` is p, ``rewards[..., g, m]`` are log-odds of being kept, ``weights[g]`` are q (default equal),
    ``samples`` is K ≥ 2 (``None``: infinitely many). What has no probability gets none. The result's ``reference`` is
    p.

    Raises ``ValueError`` for a policy that is no distribution, for K < 2, and where a group's rewards lie further than
    600 apart.

    Source: Falahati, Amiri, Larson and Golab 2026, arXiv:2605.07724 (seen as quoted by others).

    Of two answers drawn at random, two in three of the people keep the first where they have the choice:

    >>> curate([0.5, 0.5], [[np.log(2), 0.0]], samples=2).probabilities.round(6).tolist()      # ¼ + ½·⅔
    [0.583333, 0.416667]
    >>> curate([0.5, 0.5], [[np.log(2), 0.0]]).probabilities.round(6).tolist()
    [0.666667, 0.333333]
    """
    start, kept, _, shares = _laid(policy, rewards, weights, samples)
    after = _round(start.reshape(-1, start.shape[-1]), _rows(kept), shares, samples)
    return Policy(frozen(after.reshape(start.shape)), start)


@dataclass(frozen=True, eq=False)
class Retraining:
    """A model retrained round after round on what people keep; index 0 is the start.

    ``policies[t, ..., m]``; ``welfare[t, ...]`` = Σ_g q_g log E_p[e^{r_g}], in nats; ``shortfall[t, ...]`` is an upper
    bound on how much more welfare any distribution over what the model could say at first has: the logarithm of the
    largest factor by which a probability would grow with infinitely many samples. How varied the answers are:
    ``entropy`` in nats, ``effective`` = e^entropy, the number of equally likely answers of the same entropy, and
    ``largest``, the greatest probability, each ``[t, ...]``. ``samples`` is K.

    >>> path = curated_retraining([0.25, 0.75], [[1.0, 0.0]], rounds=30)
    >>> path.policies.shape, path.largest[-1].round(6).item(), path.effective[-1].round(3).item()
    ((31, 2), 1.0, 1.0)
    """

    policies: Floats
    welfare: Floats
    shortfall: Floats
    entropy: Floats
    effective: Floats
    largest: Floats
    samples: int | None

    @property
    def last(self) -> Floats:
        """The policy after the last round, ``[..., m]``.

        >>> curated_retraining([0.5, 0.5], [[np.log(2), 0.0]], rounds=1).last.round(6).tolist()
        [0.666667, 0.333333]
        """
        last: Floats = self.policies[-1]
        return last


def curated_retraining(
    policy: Policy | ArrayLike,
    rewards: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    rounds: int,
    samples: int | None = None,
) -> Retraining:
    """The path of a model that is refitted ``rounds`` times to what people keep of its own answers.

    Each round is :func:`curate`. With infinitely many samples it is Cover's multiplicative algorithm for
    max_p Σ_g q_g log E_p[e^{r_g}]: that welfare never falls, and from a start that can say everything it tends to its
    maximum, the weighted Nash bargain over *all* distributions (:func:`curation_limit`), slowly where several answers
    are nearly as good. With finitely many samples that welfare can fall and the limit is another; the path measures the
    same things. With K = 2, p'(x) = 2p(x)·Σ_y p(y) P(x, y) for the population's preferences P: what a majority prefers
    to each other alternative grows every round.

    Arguments and errors are those of :func:`curate`; ``rounds`` ≥ 0.

    Source: Falahati, Amiri, Larson and Golab 2026, arXiv:2605.07724 (seen as quoted by others); Cover 1984
    (doi:10.1109/TIT.1984.1056869).

    Two favourites and a compromise, of which the compromise takes all:

    >>> path = curated_retraining([0.4, 0.4, 0.2], np.log([[1, 0.01, 0.8], [0.01, 1, 0.8]]), rounds=60)
    >>> path.last.round(4).tolist(), bool((np.diff(path.welfare) >= -1e-12).all()), bool(path.shortfall[-1] < 1e-6)
    ([0.0, 0.0, 1.0], True, True)
    """
    if rounds < 0:
        raise ValueError(f"rounds: needed a number of at least 0, got {rounds!r}")
    start, kept, level, shares = _laid(policy, rewards, weights, samples)
    size = start.shape[-1]
    policies = np.empty((rounds + 1, start.size // size, size))
    policies[0] = start.reshape(-1, size)
    rows = _rows(kept)
    for t in range(rounds):
        policies[t + 1] = _round(policies[t], rows, shares, samples)
    path = policies.reshape(rounds + 1, *start.shape)
    means = np.einsum("...gm,t...m->t...g", kept, path)
    growth = np.einsum("t...g,...gm->t...m", shares / means, kept)
    growth = np.where(start > 0, growth, 0.0)
    spread = entropy(path)
    return Retraining(
        policies=frozen(path),
        welfare=frozen(np.asarray((np.log(means) + level) @ shares)),
        shortfall=frozen(np.asarray(np.log(np.maximum(growth.max(-1), 1.0)))),
        entropy=frozen(spread),
        effective=frozen(np.asarray(np.exp(spread))),
        largest=frozen(np.asarray(path.max(-1))),
        samples=samples,
    )


def curation_limit(
    rewards: ArrayLike, weights: ArrayLike | None = None, *, policy: Policy | ArrayLike | None = None
) -> Policy:
    """Where retraining on what people keep ends: a distribution with the most weighted Nash welfare.

    A maximiser of Σ_g q_g log E_p[e^{r_g}] over every distribution on what ``policy[..., m]`` can say (default:
    everything), found not by iterating but as a Nash bargain with utilities e^{r_g}, by
    :func:`choicekit.rules.bargain`. The groups' E_p[e^{r_g}] are unique; where several p have them, a path may end at
    another one. ``multipliers[..., g]`` and ``duality_gap[...]`` certify it.

    ``rewards[..., g, m]``, ``weights[g]`` as in :func:`curate`, with the same errors.

    Source: Nash 1950 (doi:10.2307/1907266); Cover 1984 (doi:10.1109/TIT.1984.1056869).

    >>> curation_limit(np.log([[1, 1e-9, 0.6], [1e-9, 1, 0.6]]), [0.7, 0.3]).probabilities.round(6).tolist()
    [0.25, 0.0, 0.75]
    """
    values, uniform = checked(rewards, None, 1.0, 2)
    start, kept, _, shares = _laid(uniform if policy is None else policy, values, weights, None)
    # what cannot be said is worth nothing to anybody, and no bargain puts weight on it
    found = bargain(_rows(kept), "nash", weights=shares)
    likely = np.where(start.reshape(found.probabilities.shape) > 0, found.probabilities, 0.0)
    likely /= likely.sum(-1, keepdims=True)
    available = (start > 0) / (start > 0).sum(-1, keepdims=True)
    groups = (*start.shape[:-1], len(shares))
    gap = np.asarray(found.duality_gap).max(initial=0.0)
    return Policy(
        frozen(likely.reshape(start.shape)), available, None, np.asarray(found.multipliers).reshape(groups), float(gap)
    )


def _round(policy: Floats, kept: Floats, shares: Floats, samples: int | None) -> Floats:
    if samples is None:
        return kernels.curated(policy, kept, shares)
    if samples == 2:
        return kernels.curated_of_two(policy, kept, shares)
    return kernels.curated_of_few(policy, kept, shares, samples)


def _rows(kept: Floats) -> Floats:
    return np.ascontiguousarray(kept.reshape((-1, *kept.shape[-2:])))


def _laid(
    policy: Policy | ArrayLike, rewards: ArrayLike, weights: ArrayLike | None, samples: int | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Start ``[..., m]``, e^r scaled to at most 1 ``[..., g, m]``, log of the scale ``[..., g]``, shares ``[g]``."""
    if samples is not None and (samples != int(samples) or samples < 2):
        raise ValueError(f"samples: needed a whole number of at least 2 answers to keep one of, got {samples!r}")
    values, _ = checked(rewards, None, 1.0, 2)
    start = np.asarray(policy, np.float64)
    shape = np.broadcast_shapes(start.shape[:-1], values.shape[:-2])
    values = np.broadcast_to(values, (*shape, *values.shape[-2:]))
    if start.shape[-1:] != values.shape[-1:]:
        raise ValueError(f"policy: needed {values.shape[-1]} probabilities, one an alternative, got {start.shape}")
    _, start = checked(np.zeros((*shape, values.shape[-1])), start, 1.0, 1)
    able = (start > 0)[..., None, :]
    level = np.where(able, values, -np.inf).max(-1)
    lowest = np.where(able, values, np.inf).min(-1)
    if (level - lowest > _WIDEST).any():
        raise ValueError(
            f"rewards: needed log-odds within {_WIDEST:g} of each other in each group, got a range of "
            f"{float((level - lowest).max()):.4g}; are they in other units?"
        )
    kept = np.where(able, np.exp(np.where(able, values - level[..., None], 0.0)), 0.0)
    return np.array(start), kept, level, normalised(weights, values.shape[-2])
