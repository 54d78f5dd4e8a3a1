"""Correcting a model's decision by how far simulated people differ from it, and less the more they differ among
themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import normalised
from choicekit.profiles._columns import frozen

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Debiased:
    """Log-odds of A over B freed of the position in which they were shown.

    ``logits[...]`` is the preference for A, ``bias[...]`` what being shown first adds to an alternative's log-odds.

    >>> found = debiased(1.5, -0.5)
    >>> found.logits.item(), found.bias.item()
    (0.5, 1.0)
    """

    logits: Floats
    bias: Floats


def debiased(first: ArrayLike, swapped: ArrayLike) -> Debiased:
    """The log-odds of A over B averaged over the two orders of showing them.

    ``first[...]`` are a model's log-odds of choosing A over B with A shown first, ``swapped[...]`` of choosing A over B
    as well, with B shown first. Preference (first + swapped)/2, bias (first − swapped)/2. It is exact where being shown
    first adds the same log-odds to whatever is first, and assumes so. Raises ``ValueError`` for log-odds that are not
    finite.

    >>> debiased([2.0, -1.0], [0.0, -1.0]).logits.tolist()
    [1.0, -1.0]
    """
    a, b = np.broadcast_arrays(_finite("first", first), _finite("swapped", swapped))
    return Debiased(frozen(np.asarray((a + b) / 2)), frozen(np.asarray((a - b) / 2)))


def prospect_value(gains: ArrayLike, *, curvature: float = 0.88, aversion: float = 2.25) -> Floats:
    """What gains and losses are felt to be worth: g^α for g ≥ 0, −λ·(−g)^α for g < 0.

    ``curvature`` 0 < α ≤ 1 and ``aversion`` λ > 0 default to the medians that Tversky and Kahneman estimated.

    Source: Tversky and Kahneman 1992 (doi:10.1007/BF00122574).

    >>> prospect_value([1.0, 0.0, -1.0]).tolist()
    [1.0, 0.0, -2.25]
    """
    if not 0 < curvature <= 1 or not (np.isfinite(aversion) and aversion > 0):
        raise ValueError(f"needed 0 < curvature ≤ 1 and a positive aversion, got {curvature!r} and {aversion!r}")
    values = _finite("gains", gains)
    felt: Floats = np.abs(values) ** curvature * np.where(values >= 0, 1.0, -aversion)
    return felt + 0.0


@dataclass(frozen=True, eq=False)
class Shift:
    """A bounded correction of log-odds: ``shift[...]``, and ``corrected[...]``, the model's own with it added.

    ``mean[...]`` and ``variance[...]`` are those of the personas' gaps to the model (as valued, if they are);
    ``trust[...]`` = e^{−variance/s²} in (0, 1] is the share of the mean that is taken over before the bound.

    >>> found = disagreement_shift([0.5, 0.5], bound=0.2)
    >>> found.shift.item(), found.trust.item(), found.corrected.item()
    (0.2, 1.0, 0.2)
    """

    shift: Floats
    corrected: Floats
    mean: Floats
    variance: Floats
    trust: Floats


def disagreement_shift(
    personas: ArrayLike,
    own: ArrayLike = 0.0,
    *,
    scale: float = 1.0,
    bound: float = 1.0,
    weights: ArrayLike | None = None,
    value: Callable[[Floats], Floats] | None = None,
) -> Shift:
    """A model's log-odds moved towards those of simulated people, less the more they disagree, and never by much.

    With d_k = v(ℓ_k − ℓ) for persona k's log-odds ℓ_k and the model's own ℓ:

        shift = clip(mean_k d_k · exp(−var_k d_k / s²), −B, B).

    ``personas[..., k]`` and ``own[...]`` are log-odds of A over B for the same decisions (see :func:`debiased`);
    ``scale`` s > 0 and ``bound`` B ≥ 0 are log-odds; ``weights[k]`` how common each persona is (default equal);
    ``value`` is v, elementwise, such as :func:`prospect_value` (default: the gap itself). Raises ``ValueError`` for
    log-odds that are not finite and a scale or bound out of range.

    This is a simplification in the manner of DISCA, not that method: the importance sampling of shifts, the agreement
    gate of two passes and the running prior of a country that are reported of it are left out. Nothing is claimed of
    how near personas are to the people they stand for.

    Source: after Kiet et al. 2026, arXiv:2605.10843 (seen at second hand).

    >>> disagreement_shift([0.6, 0.6, 0.6, 0.6]).shift.round(4).item()
    0.6
    >>> disagreement_shift([1.6, -0.4, 1.6, -0.4]).shift.round(4).item()           # the same mean, variance 1: 0.6/e
    0.2207
    """
    if not (np.isfinite(scale) and scale > 0 and np.isfinite(bound) and bound >= 0):
        raise ValueError(f"needed a positive scale and a bound of at least 0, got {scale!r} and {bound!r}")
    voices = _finite("personas", personas)
    if voices.ndim < 1 or not voices.shape[-1]:
        raise ValueError(f"personas: needed log-odds [..., persona], got shape {voices.shape}")
    base = _finite("own", own)
    gaps = voices - base[..., None]
    if value is not None:
        gaps = np.asarray(value(gaps), np.float64)
    share = normalised(weights, voices.shape[-1])
    mean = np.asarray(gaps @ share)
    variance = np.asarray((gaps - mean[..., None]) ** 2 @ share)
    trust = np.exp(-variance / scale**2)
    shift = np.clip(mean * trust, -bound, bound)
    return Shift(*(frozen(np.asarray(each)) for each in (shift, base + shift, mean, variance, trust)))


def misalignment_score(model: ArrayLike, people: ArrayLike) -> Floats:
    """How far a model's effects of attributes on decisions are from people's: ‖model − people‖₂ along the last axis.

    ``model[..., d]`` and ``people[..., d]`` are average marginal component effects, differences in the chance of
    choosing an alternative with and without each of d attributes, so that 0 is the same and √d the most apart that
    effects in [0, 1] can be. Raises ``ValueError`` for effects that are not finite or of different length.

    Source: after Kiet et al. 2026, arXiv:2605.10843 (seen at second hand); the effects are those of Hainmueller,
    Hopkins and Yamamoto 2014 (doi:10.1093/pan/mpt024).

    >>> misalignment_score([0.5, 0.1], [0.2, 0.5]).item()
    0.5
    """
    a, b = _finite("model", model), _finite("people", people)
    if a.ndim < 1 or b.ndim < 1 or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"needed as many effects of the model as of people, got shapes {a.shape} and {b.shape}")
    return np.asarray(np.sqrt(((a - b) ** 2).sum(-1)))


def _finite(name: str, values: ArrayLike) -> Floats:
    found = np.array(values, np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: needed finite numbers, got {int((~np.isfinite(found)).sum())} that are not")
    return found
