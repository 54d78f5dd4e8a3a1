"""Answers: frozen values that say how they came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.profiles._columns import Label, short

Floats = NDArray[np.float64]

#: Scores closer than this, relative to the largest, count as equal (welfare sums are exact to about 1e-15).
TIE_TOLERANCE = 1e-9


class NotConverged(RuntimeError):
    """An iteration stopped at its limit before it met its tolerance; ``partial`` is what it had by then.

    >>> raise NotConverged("bradley_terry: residual 1e-3 after 2 steps", None)
    Traceback (most recent call last):
        ...
    choicekit.outcomes.NotConverged: bradley_terry: residual 1e-3 after 2 steps
    """

    def __init__(self, message: str, partial: Any) -> None:
        super().__init__(message)
        self.partial = partial


class NoFiniteEstimate(ValueError):
    """The likelihood has no finite maximum: the comparison graph is not strongly connected.

    ``components`` are its strongly connected components as tuples of labels, those that never lost to a later one
    first (Zermelo 1929; Ford 1957, doi:10.2307/2308513).

    >>> error = NoFiniteEstimate("no finite maximum", (("a",), ("b",)))
    >>> error.components
    (('a',), ('b',))
    """

    def __init__(self, message: str, components: tuple[tuple[Label, ...], ...]) -> None:
        super().__init__(message)
        self.components = components


def winners(alternatives: Sequence[Label], scores: Floats) -> tuple[Label, ...]:
    """The labels whose score is the highest, up to :data:`TIE_TOLERANCE` times the largest finite size of a score.

    >>> winners("abc", np.array([0.1 + 0.2, 0.3, 0.0]))
    ('a', 'b')
    """
    finite = np.abs(scores[np.isfinite(scores)])
    slack = TIE_TOLERANCE * (finite.max() if finite.size else 0.0)
    best = scores.max()
    best_ones = np.flatnonzero((scores == best) | (scores >= best - slack))
    return tuple(alternatives[a] for a in best_ones.tolist())


@dataclass(frozen=True, eq=False)
class Scores:
    """One number an alternative, higher is better; ``winners`` are the labels with the highest.

    >>> Scores(("x", "y"), np.array([1.0, 3.0])).winners
    ('y',)
    """

    alternatives: tuple[Label, ...]
    scores: Floats

    @property
    def winners(self) -> tuple[Label, ...]:
        """The labels with the highest score, all of them where they tie.

        >>> Scores(("x", "y"), np.array([2.0, 2.0])).winners
        ('x', 'y')
        """
        return winners(self.alternatives, self.scores)


@dataclass(frozen=True, eq=False)
class Lottery:
    """A probability for each alternative.

    >>> Lottery(("x", "y"), np.array([0.25, 0.75])).winners
    ('x', 'y')
    """

    alternatives: tuple[Label, ...]
    probabilities: Floats

    @property
    def winners(self) -> tuple[Label, ...]:
        """The support: the labels that win with positive probability (more than 1e-9).

        >>> Lottery(("x", "y"), np.array([0.0, 1.0])).winners
        ('y',)
        """
        return tuple(self.alternatives[a] for a in np.flatnonzero(self.probabilities > 1e-9))


@dataclass(frozen=True, eq=False)
class Policy:
    """What a model would answer: ``probabilities[..., m]`` over alternatives, a leading axis for contexts.

    ``beta`` is the weight of the Kullback–Leibler penalty to ``reference`` it was made with (``None``: no penalty).
    ``multipliers[g]`` are the weights on group rewards under which the policy is the optimum of a weighted sum, for
    rules that have them; ``duality_gap`` certifies such an optimum (its distance from the best possible value).

    ``numpy.asarray(policy)`` gives the probabilities.

    >>> np.asarray(Policy(np.array([0.5, 0.5]), np.array([0.5, 0.5]), beta=1.0)).tolist()
    [0.5, 0.5]
    """

    probabilities: Floats
    reference: Floats
    beta: float | None = None
    multipliers: Floats | None = None
    duality_gap: float | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.probabilities, dtype=dtype, copy=copy)


def no_finite_estimate(components: tuple[tuple[Label, ...], ...], ways_out: str) -> NoFiniteEstimate:
    """The refusal of a maximum-likelihood fit, naming the components.

    >>> str(no_finite_estimate((("a",), ("b", "c")), "pass prior=1.0"))[:64]
    'no finite maximum-likelihood estimate exists: the comparisons fa'
    """
    shown = "; ".join("{" + short(component, 4) + "}" for component in components[:4])
    more = f"; and {len(components) - 4} more" if len(components) > 4 else ""
    return NoFiniteEstimate(
        f"no finite maximum-likelihood estimate exists: the comparisons fall into {len(components)} strongly connected "
        f"components, between which wins go one way only or not at all: {shown}{more}. Ways out: {ways_out}",
        components,
    )
