"""Whether a reward model agrees with people also where people disagree with one another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.profiles._columns import encode, frozen

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Method = Literal["spearman", "pearson"]
_NUMBERS = 500_000  # numbers a block of replicates may hold


def disagreement_entropy(counts: ArrayLike) -> Floats:
    """How divided annotators are: the entropy −Σ p log p of their answers, in nats, along the last axis.

    ``counts[..., c]`` is how many gave each of c answers. 0 where all say the same, log c where the answers are spread
    evenly. It is the entropy of the sample and, with n annotators, about (c − 1)/2n too small for that of everybody.
    Raises ``ValueError`` for negative counts or rows without any.

    >>> disagreement_entropy([[4, 0], [2, 2], [3, 1]]).round(4).tolist()
    [0.0, 0.6931, 0.5623]
    """
    numbers = np.array(counts, np.float64)
    total = numbers.sum(-1, keepdims=True)
    if not np.isfinite(numbers).all() or (numbers < 0).any() or (total <= 0).any():
        raise ValueError("disagreement_entropy: needed counts of answers, not negative and some in every row")
    share = numbers / total
    found: Floats = -np.where(share > 0, share * np.log(np.where(share > 0, share, 1.0)), 0.0).sum(-1) + 0.0
    return found


def similar_quality(quality: ArrayLike, context: Iterable[Any], *, fence: float = 1.5) -> Mask:
    """The rows whose quality is inside Tukey's fences of their context, [Q₁ − f·(Q₃ − Q₁), Q₃ + f·(Q₃ − Q₁)].

    ``quality[r]`` is a mean human rating, ``context`` says which responses belong together. What is left are
    responses none of which stands out; a smaller ``fence`` leaves responses that are more alike, 0 the middle half.

    Raises ``ValueError`` for columns of different length, quality that is not finite, or a negative fence.

    Source: Tukey 1977 for the fences; their use for responses of similar quality by Jiang et al. 2025,
    arXiv:2510.22954, is known here at second hand.

    >>> similar_quality([3.0, 3.1, 3.2, 3.3, 5.0], ["x"] * 5).tolist()
    [True, True, True, True, False]
    """
    values = np.array(quality, np.float64)
    where, contexts = encode("context", context)
    if values.shape != where.shape or not np.isfinite(values).all():
        raise ValueError(f"similar_quality: needed finite numbers, one a context, got {values.shape}, {where.shape}")
    if not fence >= 0:
        raise ValueError(f"similar_quality: the fence must not be negative, got {fence}")
    order = np.lexsort((values, where))
    first = np.searchsorted(where[order], np.arange(len(contexts)))
    size = np.bincount(where)

    def quartile(at: float) -> Floats:
        place = first + at * (size - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, first + size - 1)
        below, above = values[order][low], values[order][high]
        found: Floats = below + (place - low) * (above - below)
        return found

    lower, upper = quartile(0.25), quartile(0.75)
    reach = fence * (upper - lower)
    slack = 1e-12 * np.maximum(np.abs(lower), np.abs(upper))
    kept: Mask = (values >= (lower - reach - slack)[where]) & (values <= (upper + reach + slack)[where])
    return kept


@dataclass(frozen=True, eq=False)
class DisagreementCalibration:
    """A reward model's correlation with mean human ratings where people agree and where they do not.

    ``overall``, ``agreed`` and ``disputed`` are the correlations over all rows, over those with a disagreement of at
    most ``threshold``, and over the others; NaN where a part has fewer than two rows or does not vary. ``counts`` are
    the rows of the three. ``drop`` is ``agreed`` − ``disputed``.

    >>> found = disagreement_calibration([1, 2, 3, 1, 2, 3], [1, 2, 3, 3, 2, 1], [0, 0, 0, 1, 1, 1])
    >>> found.overall, found.agreed, found.disputed, found.drop
    (0.0, 1.0, -1.0, 2.0)
    """

    overall: float
    agreed: float
    disputed: float
    threshold: float
    counts: tuple[int, int, int]
    method: Method
    _scores: Floats
    _quality: Floats
    _disputed: Mask

    @property
    def drop(self) -> float:
        """How much lower the correlation is where people disagree.

        >>> disagreement_calibration([1, 2, 1, 2], [1, 2, 1, 2], [0, 0, 1, 1]).drop
        0.0
        """
        return self.agreed - self.disputed

    def interval(self, level: float = 0.95, *, replicates: int = 1_000, rng: int | np.random.Generator = 0) -> Floats:
        """Percentile intervals ``[4, 2]`` of overall, agreed, disputed and drop, over rows drawn with replacement.

        The two parts are drawn each for itself at their sizes, with the threshold as it is. Rows count as independent:
        where several are of one context or one annotator the intervals are too short. Replicates in which a part does
        not vary are left out. Raises ``ValueError`` for a level outside (0, 1) or fewer than two replicates.

        >>> scores = np.arange(40.0)
        >>> found = disagreement_calibration(scores, scores, np.arange(40) % 2)
        >>> found.interval(replicates=50).round(6).tolist()
        [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
        """
        if not 0 < level < 1 or replicates < 2:
            raise ValueError(
                f"interval: needed a level between 0 and 1 and 2 replicates or more, got {level} and {replicates}"
            )
        generator, size = np.random.default_rng(rng), len(self._scores)
        parts = [np.flatnonzero(~self._disputed), np.flatnonzero(self._disputed)]
        found, step = [], max(1, _NUMBERS // size)
        for begin in range(0, replicates, step):
            times = np.zeros((min(step, replicates - begin), size))
            for row in times:
                for rows in parts:
                    if len(rows):
                        row[rows] = np.bincount(generator.integers(0, len(rows), len(rows)), minlength=len(rows))
            each = [times, times * ~self._disputed, times * self._disputed]
            three = [_correlation(self._scores, self._quality, self.method, part) for part in each]
            found.append(np.stack([*three, three[1] - three[2]]))
        draws = np.concatenate(found, axis=1)
        ends = np.full((4, 2), np.nan)
        for k, row in enumerate(draws):
            some = row[~np.isnan(row)]
            if len(some):
                ends[k] = np.quantile(some, [(1 - level) / 2, (1 + level) / 2])
        return ends


def disagreement_calibration(
    scores: ArrayLike,
    quality: ArrayLike,
    disagreement: ArrayLike,
    *,
    threshold: float | None = None,
    method: Method = "spearman",
) -> DisagreementCalibration:
    """Whether a reward model's scores follow mean human ratings as well where annotators disagree as where they agree.

    One row a response: the model's ``scores[r]``, the mean human rating ``quality[r]``, and ``disagreement[r]`` among
    its annotators, such as :func:`disagreement_entropy`. Rows above ``threshold`` (default: the median) are disputed.
    For responses of similar quality pass the rows that :func:`similar_quality` keeps.

    A lower correlation where people disagree need not be the model's fault. Mean ratings of few annotators are
    noisier there, and an answer on which they are divided has a middling mean, so that the mean varies less: compare
    with the correlation that held-out annotators reach on the same rows.

    Raises ``ValueError`` for columns that are not finite or of different length, fewer than two rows, or an unknown
    method.

    Source: Jiang et al. 2025, arXiv:2510.22954 (the comparison, as reported at second hand); Spearman 1904.

    >>> scores, ratings = [1, 2, 3, 4, 5, 6], [1, 2, 3, 5, 4, 6]
    >>> found = disagreement_calibration(scores, ratings, disagreement_entropy([[3, 0]] * 3 + [[2, 1]] * 3))
    >>> found.agreed, found.disputed, found.counts
    (1.0, 0.5, (6, 3, 3))
    """
    given, rated, divided = (np.array(column, np.float64) for column in (scores, quality, disagreement))
    if given.ndim != 1 or not given.shape == rated.shape == divided.shape or len(given) < 2:
        raise ValueError(
            "disagreement_calibration: needed three columns of one length, two rows or more, got "
            f"{given.shape}, {rated.shape} and {divided.shape}"
        )
    if not (np.isfinite(given).all() and np.isfinite(rated).all() and np.isfinite(divided).all()):
        raise ValueError("disagreement_calibration: columns must be finite; leave rows out that lack a number")
    if method not in ("spearman", "pearson"):
        raise ValueError(f"disagreement_calibration: method must be 'spearman' or 'pearson', got {method!r}")
    at = float(np.median(divided)) if threshold is None else float(threshold)
    disputed = divided > at
    parts = np.stack([np.ones(len(given)), ~disputed, disputed])
    overall, agreed, parted = _correlation(given, rated, method, parts).tolist()
    counts = (len(given), int((~disputed).sum()), int(disputed.sum()))
    return DisagreementCalibration(
        overall, agreed, parted, at, counts, method, frozen(given), frozen(rated), frozen(disputed)
    )


def _correlation(first: Floats, second: Floats, method: Method, times: Floats) -> Floats:
    """Of the rows counted ``times[b, r]`` times, for each b; NaN where either column does not vary."""
    total = np.maximum(times.sum(-1, keepdims=True), 1.0)
    centred, sizes, vary = [], [], np.ones(len(times), bool)
    for column in (first, second):
        values = _ranks(column, times) if method == "spearman" else np.broadcast_to(column, times.shape)
        away = values - (times * values).sum(-1, keepdims=True) / total
        centred.append(away)
        sizes.append(np.einsum("br,br,br->b", times, away, away))
        vary &= sizes[-1] > 1e-24 * total[:, 0] * np.abs(values).max(-1) ** 2
    product = np.einsum("br,br,br->b", times, *centred)
    found = np.divide(product, np.sqrt(sizes[0] * sizes[1]), out=np.full(len(times), np.nan), where=vary)
    clipped: Floats = np.clip(found, -1.0, 1.0)
    return clipped


def _ranks(column: Floats, times: Floats) -> Floats:
    """The rank of each row's value among all rows with their repetitions, equal values at the middle of theirs."""
    value, code = np.unique(column, return_inverse=True)
    order = np.argsort(code, kind="stable")
    first = np.searchsorted(code[order], np.arange(len(value)))
    same = np.add.reduceat(times[:, order], first, axis=1)
    middle: Floats = np.cumsum(same, axis=1) - (same - 1) / 2
    return middle[:, code]
