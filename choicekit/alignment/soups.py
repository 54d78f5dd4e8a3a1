"""Soups: models made by averaging the parameters of models, and whether that is safe between two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import Floats, normalised
from choicekit.profiles._columns import frozen


@overload
def soup(
    parameters: Sequence[Mapping[str, ArrayLike]], weights: ArrayLike | None = None
) -> dict[str, NDArray[Any]]: ...
@overload
def soup(parameters: Sequence[ArrayLike], weights: ArrayLike | None = None) -> NDArray[Any]: ...
def soup(
    parameters: Sequence[Mapping[str, ArrayLike]] | Sequence[ArrayLike], weights: ArrayLike | None = None
) -> dict[str, NDArray[Any]] | NDArray[Any]:
    """The weighted mean of several models' parameters, Σ_i λ_i·θ_i.

    Where policies are softmax(θ) of a table and θ_i = log ρ + r_i/β, the soup is the policy of Σ λ_i·r_i: the optimum
    of the weighted objective without training it. For other models that is a hypothesis, and a strong one: the models
    must share their initial weights; see :func:`connectivity_gap`.

    ``parameters`` are one array a model, or one mapping from names to arrays (a state dictionary) a model, and the soup
    is of the same kind. ``weights`` (default equal) are non-negative and made to sum to one. Sums are taken in double
    precision, one model at a time, and returned in the models' common floating type (integers become ``float64``).
    Raises ``ValueError`` where names or shapes differ, naming the first that does.

    Source: Ramé et al. 2023, arXiv:2306.04488 (rewarded soups).

    >>> soup([[0.0, 0.0], [1.0, 2.0]], [0.25, 0.75]).tolist()
    [0.75, 1.5]
    >>> soup([{"bias": [1.0]}, {"bias": [3.0]}])
    {'bias': array([2.])}
    """
    models: list[Any] = list(parameters)
    if not models:
        raise ValueError("soup: needed the parameters of at least one model, got none")
    shares = normalised(weights, len(models))
    named = [isinstance(model, Mapping) for model in models]
    if not any(named):
        return _mean(models, shares, "the parameters")
    if not all(named):
        raise ValueError("soup: needed arrays for all models or mappings for all, got some of each")
    for i, model in enumerate(models):
        odd = set(model) ^ set(models[0])
        if odd:
            raise ValueError(
                f"soup: needed the same names in all models, but {min(odd)!r} is not both in model 0 and {i}"
            )
    return {name: _mean([model[name] for model in models], shares, repr(name)) for name in models[0]}


@dataclass(frozen=True, eq=False)
class Connectivity:
    """What a model is worth on the segment between two models, beside the straight line between their worths.

    ``shares[k]`` are λ, the part of the second model, inside the segment; ``values[k, ...]`` are R((1−λ)θ₀ + λθ₁),
    ``chords[k, ...]`` are (1−λ)·R(θ₀) + λ·R(θ₁), in the units of R.

    >>> Connectivity(np.array([0.5]), np.array([1.0]), np.array([0.75])).gap
    0.25
    """

    shares: Floats
    values: Floats
    chords: Floats

    @property
    def gap(self) -> float:
        """The least of values − chords: negative where averaging loses against the straight line.

        >>> Connectivity(np.array([0.25, 0.5]), np.array([1.0, 0.5]), np.array([0.75, 0.75])).gap
        -0.25
        """
        return float((self.values - self.chords).min())

    @property
    def connected(self) -> bool:
        """Whether no inspected point is below the line, up to 1e-9 of the size of the values.

        >>> Connectivity(np.array([0.5]), np.array([1.0]), np.array([0.75])).connected
        True
        """
        return self.gap >= -1e-9 * max(float(np.abs(self.chords).max()), float(np.abs(self.values).max()))


def connectivity_gap(
    value: Callable[[Any], ArrayLike],
    first: Mapping[str, ArrayLike] | ArrayLike,
    second: Mapping[str, ArrayLike] | ArrayLike,
    *,
    steps: int = 20,
) -> Connectivity:
    """Linear mode connectivity of two models: what their averages are worth, against averaging what they are worth.

    R((1−λ)θ₀ + λθ₁) − [(1−λ)R(θ₀) + λR(θ₁)] at λ = 1/steps, …, 1 − 1/steps; its least is the ``gap`` of the result. At
    least 0 is what rewarded soups assume of fine-tuned models; a concave R has it between any two. Only the inspected
    points are vouched for.

    ``value`` takes parameters of the kind given (see :func:`soup`) and returns one number, or one for each objective.
    It is called steps + 1 times. Raises ``ValueError`` for fewer than 2 ``steps`` or where a value is not finite.

    Source: Ramé et al. 2023, arXiv:2306.04488 (the working hypothesis, as quoted).

    With R = −θ² the gap is λ(1−λ)·(θ₁ − θ₀)², here ¼·4 in the middle:

    >>> connectivity_gap(lambda theta: -theta[0] ** 2, [0.0], [2.0], steps=2).gap
    1.0
    """
    if steps < 2:
        raise ValueError(f"connectivity_gap: steps: needed at least 2 parts of the segment, got {steps!r}")
    shares = np.arange(steps + 1) / steps
    pair: list[Any] = [first, second]
    found = np.array([np.asarray(value(soup(pair, [1 - share, share])), np.float64) for share in shares])
    if not np.isfinite(found).all():
        raise ValueError("connectivity_gap: needed finite values all along the segment, got one that is not")
    weigh = shares.reshape((-1,) + (1,) * (found.ndim - 1))
    chords = (1 - weigh) * found[0] + weigh * found[-1]
    return Connectivity(*(frozen(each[1:-1]) for each in (shares, found, chords)))


def _mean(arrays: Sequence[ArrayLike], shares: Floats, name: str) -> NDArray[Any]:
    """The weighted mean of arrays of one shape, in their common floating type."""
    given = [np.asarray(array) for array in arrays]
    for i, array in enumerate(given):
        if array.shape != given[0].shape:
            raise ValueError(f"soup: {name}: needed shape {given[0].shape} as in model 0, model {i} has {array.shape}")
        if array.dtype.kind not in "fiub":
            raise ValueError(f"soup: {name}: needed real numbers, model {i} has {array.dtype}")
    kind = np.result_type(*given) if all(array.dtype.kind == "f" for array in given) else np.dtype(np.float64)
    total = np.zeros(given[0].shape)
    for share, array in zip(shares, given, strict=True):
        if share > 0:
            total += share * array
    return total.astype(kind)
