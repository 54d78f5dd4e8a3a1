"""Rules on majority margins that elect the Condorcet winner where there is one.

In a batch ``margins[b, m, m]`` the entry ``[b, x, y]`` is the margin of x over y.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from choicekit.kernels import voting
from choicekit.outcomes import TIE_TOLERANCE, Scores
from choicekit.profiles import Batch, Margins
from choicekit.profiles._columns import frozen
from choicekit.profiles._ranks import Unranked
from choicekit.rules._rule import Floats, Kernel, rule


def on_margins(score: Callable[[Floats], Floats]) -> Kernel:
    """The kernel of a rule on margins ``[b, m, m]`` that gives scores ``[b, m]``."""

    def kernel(many: Batch, *, unranked: Unranked = "below") -> Floats:
        return score(many.margins(unranked))

    return kernel


def slack(margins: Floats) -> Floats:
    """Margins no farther apart than this are equal: sums of weights such as 0.1 are exact only up to rounding."""
    found: Floats = TIE_TOLERANCE * np.abs(margins).max(axis=(-2, -1), keepdims=True)
    return found


def _copeland(margins: Floats) -> Floats:
    least = slack(margins)
    level: Floats = (np.abs(margins) <= least).sum(-1) - 1.0
    wins: Floats = (margins > least).sum(-1) + 0.5 * level
    return wins


def _minimax(margins: Floats) -> Floats:
    # The diagonal is 0, which stands for no defeat at all; adding 0 turns −0 into 0.
    lowest: Floats = margins.min(-1) + 0.0
    return lowest


def _schulze(margins: Floats) -> Floats:
    strength = voting.strongest_paths(margins)
    stronger = np.swapaxes(strength, -1, -2) > strength + slack(margins)
    scores: Floats = 0.0 - stronger.sum(-1)
    return scores


@rule(batch=on_margins(_copeland))
def copeland(profile: Margins) -> Scores:
    """How many alternatives an alternative beats in majority comparisons, a tied comparison counting a half.

    score(a) = |{b : M(a, b) > 0}| + ½ |{b ≠ a : M(a, b) = 0}|. Margins within 1e-9 of the largest count as zero.

    Source: Copeland 1951.

    >>> copeland(Margins([[0, 1, 4], [-1, 0, 0], [-4, 0, 0]], "abc")).scores.tolist()
    [2.0, 0.5, 0.5]
    """
    return Scores(profile.alternatives, frozen(_copeland(profile.values)))


@rule(batch=on_margins(_minimax))
def minimax(profile: Margins) -> Scores:
    """Minus the largest margin by which an alternative is beaten; 0 for one that nothing beats.

    score(a) = −max(0, max_b M(b, a)).

    Source: Simpson 1969 (doi:10.2307/1880533), Kramer 1977.

    >>> votes = Margins([[0, 3, -1], [-3, 0, 5], [1, -5, 0]], "abc")
    >>> minimax(votes).scores.tolist(), minimax(votes).winners
    ([-1.0, -3.0, -5.0], ('a',))
    """
    return Scores(profile.alternatives, frozen(_minimax(profile.values)))


@rule(batch=on_margins(_schulze))
def schulze(profile: Margins) -> Scores:
    """Minus the number of alternatives that have a stronger chain of majorities to an alternative than it has back.

    A path is as strong as the smallest margin along it, all of them positive; P(a, b) is the strength of the strongest
    path from a to b, 0 where there is none. score(a) = −|{b : P(b, a) > P(a, b)}|, so that the winners are the
    alternatives to which none has a stronger path. Strengths within 1e-9 of the largest margin are equal.

    Source: Schulze 2011 (doi:10.1007/s00355-010-0475-4).

    >>> import choicekit as ck
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})      # a beats b by 3, b c by 3, c a by 1
    >>> schulze(votes).scores.tolist(), schulze(votes).winners
    ([0.0, -1.0, -2.0], ('a',))
    """
    return Scores(profile.alternatives, frozen(_schulze(profile.values[None])[0]))
