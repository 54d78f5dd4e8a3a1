"""Which pair to compare next: what one more comparison is expected to tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.models.fit import Fit
from choicekit.models.inference import difference_variances
from choicekit.models.prediction import TieKind, log_outcomes, meetings, slopes, tie_of
from choicekit.profiles._columns import Label, listed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BLOCK = 1 << 12
# Standard errors of η up to which so many nodes of Gauss–Hermite quadrature are exact to 1e-12; a grid takes the rest.
_NODES = ((0.25, 10), (0.5, 16), (1.0, 40))


@dataclass(frozen=True)
class NextPair:
    """A pair worth comparing: ``gain`` is the expected information of one comparison about the scores, in nats.

    ``difference`` is the fitted score of ``first`` minus that of ``second``, ``error`` its standard error.

    >>> NextPair("a", "b", 0.1, 0.0, 1.0).gain
    0.1
    """

    first: Label
    second: Label
    gain: float
    difference: float
    error: float


def next_pairs(
    fit: Fit,
    count: int = 10,
    *,
    pairs: Iterable[tuple[Label, Label]] | None = None,
    together: bool = False,
) -> tuple[NextPair, ...]:
    """The ``count`` pairs of which one more comparison is expected to tell most about the scores, best first.

    The gain is the mutual information between the outcome and the scores under the normal approximation, which is that
    between the outcome y and the pair's log-odds η ~ N(s_i − s_k, Var(s_i − s_k)), shown in neither order:

        I = H(E p(η)) − E H(p(η)),    p(η) the probabilities of the two or three outcomes, H their entropy.

    It is 0 where the difference is known, at most log 2 (log 3 with ties), and largest across weak links of the
    comparison graph.

    Parameters
    ----------
    pairs : the pairs to choose from, as tuples of labels; ``None`` for all.
    together : choose for all comparisons being made, not for one: each pair is the best one given that those before it
        in the answer are compared as well (the variance along a pair's difference then falls by the factor e^{−2·gain};
        a pair may come twice). Takes ``count`` passes over all pairs.

    Raises ``ValueError`` for a count below 1, no pairs, a pair of an alternative with itself or parts fitted apart
    (compare across those first), and ``KeyError`` for labels that the fit does not have.

    Source: Lindley 1956 (doi:10.1214/aoms/1177728069); the same gain for comparisons: Houlsby et al. 2011
    (arXiv:1112.5745).

    >>> import choicekit as ck
    >>> votes = ck.Comparisons([*"ab" * 50, *"cd" * 50, *"bc"], [*"ba" * 50, *"dc" * 50, *"cb"])
    >>> [(pair.first, pair.second, round(pair.gain, 3)) for pair in next_pairs(ck.models.bradley_terry(votes), 2)]
    [('a', 'd', 0.158), ('a', 'c', 0.156)]
    >>> [pair.first + pair.second for pair in next_pairs(ck.models.bradley_terry(votes), pairs=["ab", "cd"])]
    ['ab', 'cd']
    """
    if count < 1:
        raise ValueError(f"next_pairs: count must be at least 1, got {count}")
    first, second = _candidates(fit, pairs)
    variances = difference_variances(fit)
    covariance = np.array(fit.covariance) if together else fit.covariance
    gaps = fit.scores[first] - fit.scores[second]
    kind, tie = tie_of(fit)
    found: list[NextPair] = []
    while len(found) < count:
        spread = variances[first, second]
        gains = expected_information(kind, tie, gaps, spread)
        best = [int(gains.argmax())] if together else np.argsort(-gains, kind="stable")[:count].tolist()
        found += [
            NextPair(
                fit.alternatives[first[at]], fit.alternatives[second[at]], float(gains[at]), float(gaps[at]),
                float(np.sqrt(spread[at])),
            )
            for at in best
        ]  # fmt: skip
        if not together:
            break
        at = best[0]
        if spread[at] > 0:
            along = covariance[first[at]] - covariance[second[at]]
            covariance = covariance - np.outer(along, along) * (-np.expm1(-2 * gains[at]) / spread[at])
            variance = np.diag(covariance)
            variances = np.maximum(variance[:, None] + variance - 2 * covariance, 0.0)
    return tuple(found)


def expected_information(kind: TieKind, tie: float, mean: Floats, variance: Floats) -> Floats:
    """Mutual information in nats between an outcome and its log-odds η ~ N(mean, variance), entry by entry.

    Where η is known to about 1, by Gauss–Hermite quadrature. Where it is less known, by the trapezoid rule on a fixed
    grid, for the entropy and the probabilities' slopes vanish exponentially away from 0:
    E p(η) = ∫ p'(x)·P(η > x) dx. Both are exact to about 1e-12.

    >>> expected_information("none", 0.0, np.zeros(3), np.array([0.0, 1.0, 1e12])).round(6).tolist()
    [0.0, 0.093709, 0.693146]
    """
    error = np.sqrt(variance)
    gain = np.zeros(len(mean))
    done = np.zeros(len(mean), np.bool_)
    for most, nodes in (*_NODES, (np.inf, 0)):
        at = np.flatnonzero((error <= most) & ~done)
        done[at] = True
        for start in range(0, len(at), _BLOCK):
            part = at[start : start + _BLOCK]
            if nodes:
                expected, uncertain = _by_hermite(kind, tie, mean[part], error[part], nodes)
            else:
                expected, uncertain = _by_grid(kind, tie, mean[part], error[part])
            gain[part] = _entropy(np.log(np.maximum(expected, 1e-320))) - uncertain
    return np.maximum(gain, 0.0)


def _by_hermite(kind: TieKind, tie: float, mean: Floats, error: Floats, number: int) -> tuple[Floats, Floats]:
    """E p ``[n, 2 or 3]`` and E H(p) ``[n]``."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(number)
    weights = weights / weights.sum()
    x = mean[:, None] + error[:, None] * nodes
    if kind == "none":
        tail = np.exp(-np.abs(x))
        upset = tail / (1 + tail)
        win = np.where(x < 0, upset, 1 - upset) @ weights
        return np.stack([win, 1 - win], axis=1), (np.log1p(tail) + np.abs(x) * upset) @ weights
    logs = log_outcomes(kind, tie, x)
    return np.einsum("k,nkc->nc", weights, np.exp(logs)), _entropy(logs) @ weights


def _by_grid(kind: TieKind, tie: float, mean: Floats, error: Floats) -> tuple[Floats, Floats]:
    from scipy.special import ndtr

    # beyond it, slopes and entropy are below 1e-16 of their peak
    width, step = (80 + 2 * max(tie, 0.0) if kind == "davidson" else 40 + tie), 0.5
    x = np.arange(-width, width + step, step)
    by_eta, _ = slopes(kind, tie, x)
    entropy = _entropy(log_outcomes(kind, tie, x))
    z = (x - mean[:, None]) / error[:, None]
    win, loss = ndtr(-z) @ by_eta[:, 0] * step, ndtr(z) @ -by_eta[:, 2] * step
    density = np.exp(-0.5 * z**2) / (error[:, None] * np.sqrt(2 * np.pi))
    return np.stack([win, np.maximum(1 - win - loss, 0.0), loss], axis=1), density @ entropy * step


def _entropy(logs: Floats) -> Floats:
    share = np.exp(logs)
    return np.asarray(-(share * np.where(share > 0, logs, 0.0)).sum(-1), np.float64)


def _candidates(fit: Fit, pairs: Iterable[Any] | None) -> tuple[Ints, Ints]:
    if pairs is None:
        first, second = np.triu_indices(len(fit.scores), 1)
        return first.astype(np.int64), second.astype(np.int64)
    given = [tuple(pair) for pair in listed("pairs", pairs)]
    if not given or any(len(pair) != 2 for pair in given):
        raise ValueError("next_pairs: pairs must be tuples of two labels, at least one; None chooses from all pairs")
    table = dict.fromkeys(given)
    i, j, _, _ = meetings(fit, [pair[0] for pair in table], [pair[1] for pair in table])
    return i, j
