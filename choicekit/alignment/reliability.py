"""How far raters can be exchanged for one another: Krippendorff's alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Scale = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True)
class Reliability:
    """Krippendorff's alpha = 1 − ``observed``/``expected`` disagreement, with a percentile interval at ``level``.

    1 where all raters of every context agree, 0 where they agree as strangers would, below 0 where they disagree in a
    pattern. ``contexts`` is the number of those with two ratings or more, ``ratings`` that of their ratings. The
    interval is from resampling contexts; NaN where no replicates were asked for. ``alpha`` is NaN where all ratings are
    the same.

    >>> Reliability(0.75, 0.1, 0.4, (0.5, 0.9), 0.95, 10, 30).alpha
    0.75
    """

    alpha: float
    observed: float
    expected: float
    interval: tuple[float, float]
    level: float
    contexts: int
    ratings: int


def krippendorff_alpha(
    ratings: ArrayLike,
    *,
    scale: Scale = "nominal",
    level: float = 0.95,
    replicates: int = 999,
    rng: int | np.random.Generator = 0,
) -> Reliability:
    """Agreement of raters beyond chance, for any number of raters, with ratings missing.

    ``ratings[v, x]`` is voter v's rating of context x, such as an answer, NaN where there is none. Ratings of the same
    context disagree by δ(a, b) = 1 for a ≠ b on a ``"nominal"`` scale, (a − b)² on an ``"interval"`` one; on an
    ``"ordinal"`` one by the squared number of ratings between them, those at a and at b counting half. Observed
    disagreement is the mean δ of pairs of one context, each weighing as many ratings as it has; expected is that of
    pairs of any two ratings.
    α = 1 − observed/expected.

    Alpha treats raters as exchangeable: low alpha says that they are not copies of one judge, and not whether the
    difference is noise or values; :func:`~choicekit.models.disagreement` needs repeated answers to tell these apart.

    Raises ``ValueError`` for a table that is not two-dimensional, infinite ratings, and no context with two ratings.

    Source: Krippendorff 2004, Content Analysis (chapter 11); Hayes and Krippendorff 2007
    (doi:10.1080/19312450709336664).

    >>> found = krippendorff_alpha([[0, 1, 1, 0], [0, 1, 0, np.nan]], replicates=0)
    >>> found.alpha, found.contexts                         # 1 pair of 3 differs; 9 of the 15 pairs among 3 and 3 would
    (0.4444444444444444, 3)
    """
    table = np.array(ratings, np.float64)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError(f"ratings: needed finite numbers [voter, context], NaN where missing, got shape {table.shape}")
    if scale not in ("nominal", "ordinal", "interval"):
        raise ValueError(f"scale: needed 'nominal', 'ordinal' or 'interval', got {scale!r}")
    if not 0 < level < 1 or replicates < 0:
        raise ValueError(f"needed a level between 0 and 1 and replicates of at least 0, got {level!r}, {replicates!r}")
    kept = (~np.isnan(table)).sum(0) >= 2
    if not kept.any():
        raise ValueError("ratings: needed a context with two ratings or more, got none; alpha compares these")
    values = np.unique(table[:, kept][~np.isnan(table[:, kept])])
    counts = np.stack([(table[:, kept] == value).sum(0) for value in values], axis=1).astype(np.float64)
    observed, expected = _disagreements(counts[None], values, scale)
    generator = np.random.default_rng(rng)
    drawn = [
        generator.multinomial(len(counts), np.full(len(counts), 1 / len(counts))).astype(np.float64)
        for _ in range(replicates)
    ]
    ends = (np.nan, np.nan)
    if drawn:
        again = [_alpha(*_disagreements(counts[None], values, scale, times)) for times in drawn]
        there = [value for value in again if not np.isnan(value)]
        if there:
            low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
            ends = (float(low), float(high))
    return Reliability(_alpha(observed, expected), observed, expected, ends, level, len(counts), int(counts.sum()))


def _alpha(observed: float, expected: float) -> float:
    return 1 - observed / expected if expected > 0 else float("nan")


def _disagreements(counts: Floats, values: Floats, scale: Scale, times: Floats | None = None) -> tuple[float, float]:
    """Observed and expected disagreement; ``counts[x, k]`` ratings of each value, contexts taken ``times`` over."""
    table = counts.reshape(-1, len(values))
    often = np.ones(len(table)) if times is None else times
    sizes = table.sum(1)
    totals = often @ table
    number = totals.sum()
    apart = _apart(values, totals, scale)
    # Σ_pairs δ of a context is counts·δ·counts: δ(a, a) = 0
    own = np.einsum("xk,kl,xl->x", table, apart, table)
    observed = float(often @ (own / (sizes - 1)) / number)
    return observed, float(totals @ apart @ totals / (number * (number - 1)))


def _apart(values: Floats, totals: Floats, scale: Scale) -> Floats:
    if scale == "nominal":
        return 1 - np.eye(len(values))
    at = values if scale == "interval" else np.cumsum(totals) - totals / 2
    found: Floats = (at[:, None] - at) ** 2
    return found
