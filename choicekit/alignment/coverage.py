"""Overton pluralism: does an answer represent every reasonable viewpoint on the question?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._shares import Floats, over_contexts, resampled
from choicekit.alignment._tabular import normalised
from choicekit.profiles._columns import Column, Label, encode, frozen, listed, numbers


def overton_coverage(
    representation: ArrayLike, *, threshold: float = 4.0, sizes: ArrayLike | None = None
) -> NDArray[np.float64]:
    """The share of viewpoints that the answer represents: those that rate it at ``threshold`` or above.

    OS(x) = |{c : rep_c ≥ τ}| / |C|, with rep_c the mean rating that people of viewpoint c give to how well the answer
    represents them; with ``sizes`` the share of the people whose viewpoint is represented, Σ size_c·1[rep_c ≥ τ].

    ``representation[..., c]`` with NaN for viewpoints that a question does not have, ``sizes[..., c]`` non-negative
    (made to sum to one over the viewpoints there are); gives ``[...]``. The threshold 4 belongs to ratings from 1 to
    5. Raises ``ValueError`` for a question without viewpoints, or whose viewpoints have no size.

    Source: Poole-Dayan et al. 2025, arXiv:2512.01351 (seen at second hand); Sorensen et al. 2024, arXiv:2402.05070.

    >>> overton_coverage([4.3, 3.9, 4.1, 2.5]).item()
    0.5
    >>> overton_coverage([4.3, 3.9, 4.1, 2.5], sizes=[0.5, 0.25, 0.15, 0.1]).round(12).item()
    0.65
    """
    ratings = np.array(representation, np.float64)
    if ratings.ndim < 1 or 0 in ratings.shape or np.isinf(ratings).any():
        raise ValueError(f"representation: needed ratings indexed [..., c], got shape {ratings.shape}")
    if not np.isfinite(threshold):
        raise ValueError(f"threshold: needed a number, got {threshold!r}")
    there = ~np.isnan(ratings)
    heavy = np.ones(ratings.shape[-1]) if sizes is None else np.array(sizes, np.float64)
    try:
        heavy = np.where(there, np.broadcast_to(heavy, ratings.shape), 0.0)
    except ValueError:
        raise ValueError(f"sizes: needed one for each viewpoint, {ratings.shape}, got shape {heavy.shape}") from None
    if not np.isfinite(heavy).all() or (heavy < 0).any():
        raise ValueError("sizes: needed finite numbers of at least 0, one for each viewpoint that is there")
    total = heavy.sum(-1)
    if not (total > 0).all():
        raise ValueError(
            f"{int((total <= 0).sum())} questions have no viewpoint with a rating and a size; leave them out"
        )
    covered: NDArray[np.float64] = np.where(there & (ratings >= threshold), heavy, 0.0).sum(-1) / total
    return covered


@dataclass(frozen=True, eq=False)
class Coverage:
    """How well answers represent the viewpoints of each question.

    ``representation[x, c]`` are mean ratings and ``raters[x, c]`` how many people gave them; NaN and 0 where question
    x has no viewpoint c. ``by_question[x]`` is the share of viewpoints covered at ``threshold``, ``by_people[x]`` the
    share of the raters whose viewpoint is covered. ``question_weights[x]`` sum to 1. ``left_out`` counts the rows
    without a rating.

    >>> found = coverage_from_ratings(["q", "q", "q"], ["left", "left", "right"], [5, 4, 2])
    >>> found.representation.tolist(), found.mean, round(found.mean_by_people, 3)
    ([[4.5, 2.0]], 0.5, 0.667)
    """

    questions: tuple[Label, ...]
    viewpoints: tuple[Label, ...]
    representation: Floats
    raters: Floats
    by_question: Floats
    by_people: Floats
    threshold: float
    question_weights: Floats
    left_out: int

    @property
    def mean(self) -> float:
        """The share of viewpoints covered, averaged over questions.

        >>> coverage_from_ratings(["q", "r"], ["left", "left"], [5, 2]).mean
        0.5
        """
        return float(over_contexts(self.by_question, self.question_weights))

    @property
    def mean_by_people(self) -> float:
        """The share of raters whose viewpoint is covered, averaged over questions.

        >>> coverage_from_ratings(["q"] * 4, ["left", "left", "left", "right"], [5, 5, 5, 1]).mean_by_people
        0.75
        """
        return float(over_contexts(self.by_people, self.question_weights))

    def interval(self, level: float = 0.95, *, draws: int = 1000, rng: int | np.random.Generator = 0) -> Floats:
        """Percentile bootstrap intervals ``[2, 2]`` of ``mean`` and ``mean_by_people``, questions drawn anew.

        >>> coverage_from_ratings(["q", "r"], ["left", "left"], [5, 5]).interval().tolist()
        [[1.0, 1.0], [1.0, 1.0]]
        """
        both = np.stack([self.by_question, self.by_people], axis=-1)
        return resampled(both, self.question_weights, level, draws, rng)

    def curve(self, thresholds: ArrayLike) -> Floats:
        """The mean share of viewpoints covered at each of several thresholds, ``[t]``; it can only fall.

        >>> coverage_from_ratings(["q", "q"], ["left", "right"], [5, 3]).curve([3, 4, 5.5]).tolist()
        [1.0, 0.5, 0.0]
        """
        shares = [overton_coverage(self.representation, threshold=float(t)) for t in np.ravel(np.asarray(thresholds))]
        return np.array([float(self.question_weights @ share) for share in shares])


def coverage_from_ratings(
    question: Column,
    viewpoint: Column,
    rating: Column,
    *,
    threshold: float = 4.0,
    weights: ArrayLike | None = None,
    question_weights: ArrayLike | None = None,
) -> Coverage:
    """Overton coverage from a long table with one row for each rater and question.

    ``question``, ``viewpoint`` (the cluster of opinion that the rater belongs to on this question) and ``rating`` (how
    well the answer represents the rater) are columns of equal length; rows without a rating (None or NaN) are left out
    and counted. ``weights`` weigh rows, ``question_weights[x]`` the sorted questions (default equal). A rater counts
    once for each row: where people rate several answers to a question, make a table for each model.

    Raises ``ValueError`` for columns of different length and for a question none of whose rows has a rating.

    Source: as :func:`overton_coverage`.

    >>> found = coverage_from_ratings(["q"] * 3 + ["r"] * 2, list("aabab"), [5, 3, 1, 4, None])
    >>> found.by_question.tolist(), found.left_out
    ([0.5, 1.0], 1)
    """
    codes, questions = encode("question", question)
    places, viewpoints = encode("viewpoint", viewpoint)
    given = np.array([np.nan if value is None else value for value in listed("rating", rating)], np.float64)
    if not len(codes) == len(places) == len(given):
        raise ValueError(f"needed columns of one length, got {len(codes)}, {len(places)} and {len(given)} rows")
    heavy = numbers("weights", weights, len(given))
    shape = len(questions), len(viewpoints)
    there = ~np.isnan(given)
    cell = (codes * shape[1] + places)[there]
    cells = shape[0] * shape[1]
    raters = np.bincount(cell, heavy[there], minlength=cells).reshape(shape)
    totals = np.bincount(cell, heavy[there] * given[there], minlength=cells).reshape(shape)
    silent = np.flatnonzero(raters.sum(-1) == 0)
    if silent.size:
        raise ValueError(f"question: {questions[silent[0]]!r} has no rating ({silent.size} such); leave it out")
    ratings = np.full(shape, np.nan)
    np.divide(totals, raters, out=ratings, where=raters > 0)
    return Coverage(
        questions=questions,
        viewpoints=viewpoints,
        representation=frozen(ratings),
        raters=frozen(raters),
        by_question=frozen(overton_coverage(ratings, threshold=threshold)),
        by_people=frozen(overton_coverage(ratings, threshold=threshold, sizes=raters)),
        threshold=float(threshold),
        question_weights=normalised(question_weights, len(questions)),
        left_out=int((~there).sum()),
    )
