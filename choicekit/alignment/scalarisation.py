"""How much of what groups want no single reward can carry."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import checked, normalised
from choicekit.alignment.policies import preferences
from choicekit.kernels import gaps as kernels
from choicekit.outcomes import NotConverged

Floats = NDArray[np.float64]

_MOST_GROUPS = 16


@dataclass(frozen=True, eq=False)
class ScalarisationLoss:
    """What one reward leaves of the rewards of several groups, in two ways.

    **One axis.** r_g ≈ a_g·r for the best single reward r, groups free to care more or less, or in the opposite
    direction: ``unexplained`` is the share of the variation of all groups' rewards that this leaves (0: one axis;
    at most 1 − 1/g), ``unexplained_by_group[g]`` the share of each group's own. ``coefficients[g]`` are a_g, and
    ``axis[..., m]`` is r, of mean 0 and mean square 1. A negative coefficient is a group that wants the opposite: the
    axis describes it and no reward along it serves it, which :meth:`unserved` counts.

    **One Bradley–Terry pool.** ``pooled[..., m]`` is the reward that fits the population's comparisons best.
    ``losses[g]`` is what it loses in predicting group g, in nats a comparison above the group's own reward: the mean
    KL(p_g‖p̂) over pairs. ``loss`` is their mean with the groups' weights, and is ``disagreement`` + ``misfit``: what
    any single table of win chances loses, Σ w_g·KL(p_g‖p̄) with p̄ = Σ w_g p_g, and what p̄ loses for being no
    Bradley–Terry model's, KL(p̄‖p̂).

    >>> found = scalarisation_loss([[1.0, 0.0], [-1.0, 0.0]])
    >>> found.unexplained, found.coefficients.round(6).tolist()
    (0.0, [0.5, -0.5])
    >>> found.pooled.tolist(), round(found.loss, 6), round(found.misfit, 6)         # ln 2 less the entropy of σ(1)
    ([0.0, 0.0], 0.110944, 0.0)
    """

    unexplained: float
    unexplained_by_group: Floats
    coefficients: Floats
    axis: Floats
    pooled: Floats
    losses: Floats
    loss: float
    disagreement: float
    misfit: float
    _products: Floats = field(repr=False)

    def unserved(self) -> float:
        """The share of variation that is left where no group may be described by the opposite: all a_g ≥ 0.

        At least ``unexplained``; 0 where groups differ only in how much they care. The best a ≥ 0 is the leading
        eigenvector of the matrix of the groups' inner products on some subset of groups, so that all subsets are tried.
        Raises ``ValueError`` for more than 16 groups.

        >>> scalarisation_loss([[1.0, 0.0], [-1.0, 0.0]]).unserved()
        0.5
        """
        size = len(self._products)
        if size > _MOST_GROUPS:
            raise ValueError(f"unserved: every subset is tried, of at most {_MOST_GROUPS} groups; got {size}")
        total = float(np.trace(self._products))
        if total <= 0:
            return 0.0
        subsets = np.arange(1, 2**size)
        inside = (subsets[:, None] >> np.arange(size)) & 1 == 1
        best = 0.0
        for some in np.array_split(inside, -(-len(subsets) // 4096)):
            values, vectors = np.linalg.eigh(self._products * (some[:, :, None] & some[:, None, :]))
            leading = vectors[:, :, -1]
            leading = leading * np.sign(np.take_along_axis(leading, np.abs(leading).argmax(-1)[:, None], -1))
            one_way = (leading >= -1e-9).all(-1)
            best = max(best, float(values[one_way, -1].max(initial=0.0)))
        return _share(1 - best / total)


def scalarisation_loss(
    rewards: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    reference: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
    tolerance: float = 1e-9,
) -> ScalarisationLoss:
    """How much of the groups' rewards no single reward can carry: the best axis, and the best Bradley–Terry pool.

    A reward has no zero of its own, so each group's are first centred in each context (mean 0 under the reference).
    The axis is the best approximation of rank one of groups × (context, alternative), entries weighted by
    w_g·c_x·ρ_xa, from the eigenvectors of the g × g inner products. The pool minimises Σ_x c_x Σ_g w_g·(cross-entropy
    of σ(r_g,a − r_g,b) and σ(r_a − r_b)) over pairs of different alternatives drawn independently from ρ, by Newton's
    method in each context.

    Parameters
    ----------
    rewards : ``[..., g, m]``, in log-odds for the pool to mean what it says; leading axes are contexts.
    weights : ``[g]``, the groups' shares of the comparisons (default: equal).
    reference : ``[..., m]``, how often alternatives are compared (default: equally); 0 = not available, where
        ``axis`` and ``pooled`` are NaN.
    context_weights : of the contexts, in the shape of the leading axes (default: equal).
    tolerance : of the pool's score equations, the largest |expected − observed| wins a comparison.

    The axis is fixed up to its sign, which is that of a positive weighted sum of coefficients, and 0 where there is no
    variation at all. Raises ``ValueError`` for bad shapes and weights, ``NotConverged`` where rewards are so far apart
    (some hundreds of log-odds) that the pool cannot be found.

    Sources: Eckart and Young 1936 (doi:10.1007/BF02288367) for the axis; Siththaranjan, Laidlaw and Hadfield-Menell
    2024, arXiv:2312.08358, for what pooling does.

    >>> scalarisation_loss([[2.0, 1.0, 0.0], [1.0, 0.5, 0.0]]).unserved()       # the same wish, half as strongly
    0.0
    """
    values, ground = checked(rewards, reference, 1.0, 2)
    groups, size = values.shape[-2:]
    share, lead = normalised(weights, groups), values.shape[:-2]
    contexts = _context_shares(context_weights, lead)
    rows, weight = values.reshape(-1, groups, size), np.ascontiguousarray(ground.reshape(-1, size))
    weight = weight / weight.sum(-1, keepdims=True)
    centred = np.where(weight[:, None] > 0, rows - np.einsum("xgm,xm->xg", rows, weight)[..., None], 0.0)
    scaled = centred * np.sqrt(contexts[:, None, None] * weight[:, None, :])
    inner = np.tensordot(scaled, scaled, axes=([0, 2], [0, 2]))
    coefficients, axis, left, unexplained = _axis(inner, share, centred)
    chances = preferences(rows, share)
    pooled, residuals = kernels.pooled(chances, weight, tolerance, 200)
    if (worst := float(residuals.max())) > tolerance:
        raise NotConverged(f"scalarisation_loss: the pool's equations are missed by {worst:.1e}", pooled)
    losses, spread = kernels.pool_losses(rows, np.nan_to_num(pooled), chances, weight, share)
    pairs = contexts * (1 - (weight**2).sum(-1))  # contexts with one alternative have nothing to compare
    pairs = contexts if pairs.sum() <= 0 else contexts * (pairs > 0) / contexts[pairs > 0].sum()
    by_group = pairs @ losses
    disagreement, loss = float(pairs @ spread), float(share @ by_group)
    available = weight > 0
    return ScalarisationLoss(
        unexplained=unexplained, unexplained_by_group=left, coefficients=coefficients,
        axis=np.where(available, axis, np.nan).reshape(*lead, size), pooled=pooled.reshape(*lead, size),
        losses=by_group, loss=loss, disagreement=disagreement, misfit=max(loss - disagreement, 0.0),
        _products=inner * np.sqrt(np.outer(share, share)),
    )  # fmt: skip


def _context_shares(weights: ArrayLike | None, lead: tuple[int, ...]) -> Floats:
    """In one row, summing to one."""
    if weights is None:
        return normalised(None, int(np.prod(lead)))
    given = np.asarray(weights, np.float64)
    if given.shape != lead:
        raise ValueError(f"context_weights: needed shape {lead}, one a context, got {given.shape}")
    return normalised(given.ravel(), given.size)


def _axis(inner: Floats, share: Floats, centred: Floats) -> tuple[Floats, Floats, Floats, float]:
    """Coefficients, axis ``[x, m]``, the share left of each group and of all, from the groups' inner products."""
    weighed = inner * np.sqrt(np.outer(share, share))
    total, own = float(np.trace(weighed)), np.diag(inner)
    if total <= 1e-300:
        return np.zeros(len(share)), np.zeros(centred.shape[::2]), np.zeros(len(share)), 0.0
    values, vectors = np.linalg.eigh(weighed)
    mix = vectors[:, -1] * np.sqrt(share)  # r ∝ Σ_g u_g·√w_g·r_g, of mean square λ
    axis = np.einsum("g,xgm->xm", mix, centred) / np.sqrt(values[-1])
    coefficients = inner @ mix / np.sqrt(values[-1])
    sign = 1.0 if share @ coefficients >= -1e-12 * np.abs(coefficients).max() else -1.0
    if abs(share @ coefficients) <= 1e-12 * np.abs(coefficients).max():
        sign = 1.0 if coefficients[np.abs(coefficients).argmax()] > 0 else -1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(own > 1e-300, np.clip(1 - coefficients**2 / own, 0.0, 1.0), 0.0)
    return sign * coefficients, sign * axis, left, _share(1 - float(values[-1]) / total)


def _share(left: float) -> float:
    """Free of rounding where nothing is left."""
    return left if left > 1e-14 else 0.0
