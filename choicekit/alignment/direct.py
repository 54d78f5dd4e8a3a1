"""Direct preference losses: of single comparisons, and the policies that minimise them over a whole population.

Shapes: log-probabilities ``[B]`` of comparisons (or any shape, the same for all four), each the sum over the tokens of
one answer. Preferences of populations ``[..., m, m]``: P[a, b] is the share that prefers a to b; a leading axis holds
contexts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import graphs
from choicekit.alignment._tabular import Floats, checked, positive, preference_matrix, tilt
from choicekit.kernels import luce
from choicekit.models.luce import Pairs, win_components
from choicekit.outcomes import NotConverged, Policy, no_finite_estimate

Ints = NDArray[np.int64]


def dpo_loss(
    chosen: ArrayLike,
    rejected: ArrayLike,
    reference_chosen: ArrayLike,
    reference_rejected: ArrayLike,
    beta: float,
    *,
    label_smoothing: float = 0.0,
) -> Floats:
    """The direct preference optimisation loss of each comparison: −(1 − s)·log σ(βh) − s·log σ(−βh).

    h = (log π(chosen) − log π(rejected)) − (log ρ(chosen) − log ρ(rejected)), from the policy's and the reference's
    log-probabilities ``[B]`` of whole answers (sums over tokens, not means). ``label_smoothing`` s is how often a label
    is believed to be flipped ("conservative" DPO), 0 ≤ s < ½. Exact for any finite h: nothing overflows, and a loss
    near 0 keeps its digits. The derivative with respect to h is β·(s − σ(−βh)).

    Raises ``ValueError`` for log-probabilities that are not finite or do not match, a ``beta`` that is not positive or
    an s out of range.

    Source: Rafailov et al. 2023, arXiv:2305.18290; label smoothing as in the authors' code.

    >>> dpo_loss([-10.0], [-12.0], [-11.0], [-12.0], 0.1).round(6).tolist()      # h = 1: −log σ(0.1)
    [0.644397]
    >>> dpo_loss([-10.0], [-12.0], [-11.0], [-12.0], 0.1, label_smoothing=0.1).round(6).tolist()    # and 0.1·0.1 more
    [0.654397]
    """
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"label_smoothing: needed a share of flipped labels, 0 ≤ s < 0.5, got {label_smoothing!r}")
    scaled = beta * _log_ratios(chosen, rejected, reference_chosen, reference_rejected, beta)
    loss: Floats = np.logaddexp(0.0, -scaled)
    if label_smoothing > 0:
        loss = (1 - label_smoothing) * loss + label_smoothing * np.logaddexp(0.0, scaled)
    return loss


def ipo_loss(
    chosen: ArrayLike, rejected: ArrayLike, reference_chosen: ArrayLike, reference_rejected: ArrayLike, beta: float
) -> Floats:
    """The identity preference optimisation loss of each comparison: (h − 1/(2β))².

    h and the arguments are those of :func:`dpo_loss`. The derivative with respect to h is 2·(h − 1/(2β)).

    Source: Azar et al. 2023, arXiv:2310.12036.

    >>> ipo_loss([-10.0], [-12.0], [-11.0], [-12.0], 0.1).tolist()      # h = 1, wanted 5
    [16.0]
    """
    ratios = _log_ratios(chosen, rejected, reference_chosen, reference_rejected, beta)
    loss: Floats = np.square(ratios - 0.5 / beta)
    return loss


def dpo_policy(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    sampling: ArrayLike | None = None,
) -> Policy:
    """The policy that minimises the DPO loss of a whole population, over all policies on the alternatives.

    Minimises Σ_ab μ(a, b)·P(a, b)·log(1 + e^{−βh_ab}) with h_ab = log(π_a/ρ_a) − log(π_b/ρ_b). That is the
    Bradley–Terry likelihood of rewards r = β·log(π/ρ), so π ∝ ρ·exp(r/β) for its maximiser r: with BT preferences the
    policy of their rewards, and otherwise a reward that no member of the population need have.

    ``preferences[..., m, m]`` with P + Pᵀ = 1. ``reference[..., m]`` (default uniform) is 0 where an alternative is not
    available; its comparisons are left out. ``sampling[..., m, m]`` are weights μ of pairs (default: all pairs of
    different alternatives alike); what counts is μ(a, b) + μ(b, a).

    Raises ``NoFiniteEstimate`` where no policy attains the minimum: some alternatives of a context are never compared
    with, or always win against, all others. ``ValueError`` for preferences that are not shares; ``NotConverged`` where
    the likelihood's equations are not met.

    Source: Rafailov et al. 2023, arXiv:2305.18290 (the reparametrisation). The equivalence for whole populations is
    tested by the gradient of the loss above.

    >>> dpo_policy([[0.5, 0.75], [0.25, 0.5]]).probabilities.round(6).tolist()
    [0.75, 0.25]
    >>> dpo_policy([[0.5, 1.0], [0.0, 0.5]])
    Traceback (most recent call last):
        ...
    choicekit.outcomes.NoFiniteEstimate: no finite maximum-likelihood estimate exists: ...
    """
    shares, ground, weights = _population(preferences, reference, beta, sampling)
    contexts, size = ground.shape
    upper = np.triu_indices(size, 1)
    here, pair = np.nonzero(weights[:, upper[0], upper[1]] > 0)
    a, b = upper[0][pair], upper[1][pair]
    available = (ground > 0).ravel()
    number = np.cumsum(available) - 1
    pairs = Pairs(
        number[here * size + a], number[here * size + b], weights[here, a, b], weights[here, a, b] * shares[here, a, b]
    )
    _refuse_infinite(pairs, here, np.flatnonzero(available), contexts, size)
    seen = np.concatenate([pairs.won, pairs.count - pairs.won])
    tolerance = min(1e-12, max(1e-2 * float(seen[seen > 0].min(initial=1.0)), 1e-15))
    rewards = np.zeros(contexts * size)
    rewards[available], _, missed = luce.newton_apart(
        pairs.first, pairs.second, pairs.count, pairs.won, np.flatnonzero(available) // size, contexts,
        np.zeros(int(available.sum())), 0.0, tolerance, 200,
    )  # fmt: skip
    shape = np.shape(preferences)[:-1]
    policy = Policy(tilt(rewards.reshape(ground.shape), ground, beta).reshape(shape), ground.reshape(shape), beta)
    if missed > max(tolerance, 1e-12):
        raise NotConverged(f"dpo_policy: the likelihood's equations are missed by {missed:.1e}", policy)
    return policy


def ipo_policy(
    preferences: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    sampling: ArrayLike | None = None,
) -> Policy:
    """The policy that minimises the IPO loss of a whole population, over all policies on the alternatives.

    Minimises Σ_ab μ(a, b)·P(a, b)·(h_ab − 1/(2β))² with h_ab = z_a − z_b, z = log(π/ρ). Setting the gradient to 0
    leaves linear equations, those of least squares on a graph: for every alternative a
    Σ_b n_ab·(z_a − z_b) = Σ_b n_ab·(P(a, b) − ½)/β, n = μ + μᵀ. With all pairs alike z_a = mean_b (P(a, b) − ½)/β, the
    mean being over all m alternatives; with pairs drawn independently from ν, z_a = Σ_b ν_b·(P(a, b) − ½)/β. The
    minimum is attained whatever the preferences.

    Arguments as in :func:`dpo_policy`. Raises ``ValueError`` for preferences that are not shares, or where ``sampling``
    leaves alternatives of a context uncompared with the others, so that nothing is said of them.

    Source: Azar et al. 2023, arXiv:2310.12036 (the loss); the equations follow by differentiation.

    >>> policy = ipo_policy([[0.5, 1.0], [0.0, 0.5]], beta=0.5)          # z = ½·(0 + ½)/0.5 = ½ and −½
    >>> np.log(policy.probabilities[0] / policy.probabilities[1]).round(6).item()
    1.0
    """
    shares, ground, weights = _population(preferences, reference, beta, sampling)
    available = ground > 0
    contexts, size = ground.shape
    here, a, b = np.nonzero(weights > 0)
    parts, label = graphs.components(here * size + a, here * size + b, contexts * size, strong=False)
    if parts > contexts + int((~available).sum()):
        labels = np.where(available, label.reshape(ground.shape), label.reshape(ground.shape)[available].max())
        apart = [x for x in range(contexts) if len(set(labels[x, available[x]].tolist())) > 1]
        raise ValueError(f"sampling: context {apart[0]} has available alternatives that no pairs of weight connect")
    # One equation of each context is implied by the others; adding the mean of z makes up for it.
    equations = -weights / beta
    diagonal = np.arange(size)
    equations[:, diagonal, diagonal] = weights.sum(-1) / beta + ~available
    equations += (available[:, :, None] & available[:, None, :]) / (beta * size)
    wanted = (weights * (shares - 0.5)).sum(-1) / beta**2
    levels = np.linalg.solve(equations, wanted[..., None])[..., 0]
    shape = np.shape(preferences)[:-1]
    return Policy(tilt(levels, ground, 1.0).reshape(shape), ground.reshape(shape), beta)


def _log_ratios(
    chosen: ArrayLike, rejected: ArrayLike, reference_chosen: ArrayLike, reference_rejected: ArrayLike, beta: float
) -> Floats:
    given = [np.asarray(each, np.float64) for each in (chosen, rejected, reference_chosen, reference_rejected)]
    if len({each.shape for each in given}) > 1:
        raise ValueError(
            "log-probabilities: needed four arrays of one shape, one entry a comparison, got "
            f"{', '.join(str(each.shape) for each in given)}"
        )
    if not all(np.isfinite(each).all() for each in given):
        raise ValueError("log-probabilities: needed finite numbers; an answer of probability 0 has no finite loss")
    positive("beta", beta)
    ratios: Floats = (given[0] - given[1]) - (given[2] - given[3])
    return ratios


def _population(
    preferences: ArrayLike, reference: ArrayLike | None, beta: float, sampling: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Preferences ``[x, m, m]``, references ``[x, m]`` and weights of unordered pairs that sum to 1 in each context."""
    shares = preference_matrix(preferences)
    size = shares.shape[-1]
    ground = checked(np.zeros(shares.shape[:-1]), reference, beta, 1)[1].reshape(-1, size)
    weights = np.ones((size, size)) if sampling is None else np.array(sampling, np.float64)
    if weights.shape[-2:] != (size, size) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"sampling: needed weights of pairs [..., {size}, {size}], at least 0, got {weights.shape}")
    pairs = np.broadcast_to(weights + np.swapaxes(weights, -1, -2), shares.shape).reshape(-1, size, size)
    pairs = pairs * ((ground > 0)[:, :, None] & (ground > 0)[:, None, :]) * ~np.eye(size, dtype=bool)
    total = pairs.sum((-2, -1), keepdims=True)
    return shares.reshape(-1, size, size), ground, pairs * (2 / np.where(total > 0, total, 1))


def _refuse_infinite(pairs: Pairs, context: Ints, cells: Ints, contexts: int, size: int) -> None:
    """Raise where the available alternatives of a context are not strongly connected by who beats whom."""
    forward, backward = pairs.won > 0, pairs.count - pairs.won > 0
    source = np.concatenate([pairs.first[forward], pairs.second[backward]])
    target = np.concatenate([pairs.second[forward], pairs.first[backward]])
    parts, label = graphs.components(source, target, len(cells), strong=True)
    if parts == contexts:
        return
    owner = cells // size
    first = np.unique(label, return_index=True)[1]
    where = int(np.flatnonzero(np.bincount(owner[first], minlength=contexts) > 1)[0])
    begin, mine = int(np.searchsorted(owner, where)), context == where
    inside = Pairs(pairs.first[mine] - begin, pairs.second[mine] - begin, pairs.count[mine], pairs.won[mine])
    groups = win_components(inside, int((owner == where).sum()))
    named = tuple(tuple(int(cells[begin + a]) % size for a in part) for part in groups)
    raise no_finite_estimate(
        named,
        f"compare them, mix the preferences with ½, or use ipo_policy (alternatives are numbered, context {where})",
    )
