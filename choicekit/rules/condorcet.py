"""Rules on majority margins that elect the Condorcet winner where there is one.

In a batch ``margins[b, m, m]`` the entry ``[b, x, y]`` is the margin of x over y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from choicekit.kernels import voting
from choicekit.outcomes import TIE_TOLERANCE, Labels, Scores, Winners
from choicekit.profiles import Batch, Margins, Rankings
from choicekit.profiles._columns import Label, frozen
from choicekit.profiles._ranks import Unranked
from choicekit.rules._rule import Floats, Kernel, Profile, forget, rule


def on_margins(score: Callable[..., Floats]) -> Kernel:
    """The kernel of a rule on margins ``[b, m, m]`` that gives scores ``[b, m]``."""

    def kernel(many: Batch, *, unranked: Unranked = "below", **options: Any) -> Floats:
        return score(many.margins(unranked), **options)

    return kernel


def _on_supports(score: Callable[[Floats], Floats]) -> Kernel:
    """The kernel of a rule on supports ``[b, m, m]`` that gives scores ``[b, m]``."""

    def kernel(many: Batch, *, unranked: Unranked = "below") -> Floats:
        return score(many.supports(unranked))

    return kernel


def slack(margins: Floats) -> Floats:
    """Margins no farther apart than this are equal: sums of weights such as 0.1 are exact only up to rounding."""
    found: Floats = TIE_TOLERANCE * np.abs(margins).max(axis=(-2, -1), keepdims=True)
    return found


def elected(alternatives: Labels, marks: Any) -> Labels:
    """The labels of those marked true or 1.

    >>> elected(("a", "b", "c"), [1, 0, 1])
    ('a', 'c')
    """
    return tuple(alternatives[a] for a in np.flatnonzero(marks).tolist())


def _copeland(margins: Floats, alpha: float = 0.5) -> Floats:
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"copeland: needed alpha between 0 and 1, the part of a win that a tie is worth, got {alpha!r}"
        )
    won, level = voting.victories(margins, TIE_TOLERANCE)
    wins: Floats = won + alpha * level
    return wins


def _llull(margins: Floats) -> Floats:
    return _copeland(margins, 1.0)


def _minimax(margins: Floats) -> Floats:
    # The diagonal is 0, which stands for no defeat at all; adding 0 turns −0 into 0.
    lowest: Floats = margins.min(-1) + 0.0
    return lowest


def _won_votes(supports: Floats) -> Floats:
    """The support of a over b where it is larger than that of b over a, and 0 elsewhere."""
    margins = voting.margins(supports)
    held: Floats = np.where(margins > slack(margins), supports, 0.0)
    return held


def _minimax_winning_votes(supports: Floats) -> Floats:
    worst: Floats = 0.0 - _won_votes(supports).max(-2)
    return worst


def _minimax_opposition(supports: Floats) -> Floats:
    worst: Floats = 0.0 - supports.max(-2)  # the diagonal is 0
    return worst


def _chains(held: Floats) -> Floats:
    """Minus how many alternatives have a stronger path to one than it has back, through positive steps."""
    strength = voting.strongest_paths(held)
    stronger = np.swapaxes(strength, -1, -2) > strength + slack(held)
    scores: Floats = 0.0 - stronger.sum(-1)
    return scores


def _chains_of_votes(supports: Floats) -> Floats:
    return _chains(_won_votes(supports))


def _beats_all(margins: Floats) -> Floats:
    won, _ = voting.victories(margins, TIE_TOLERANCE)
    found: Floats = (won == margins.shape[-1] - 1).astype(np.float64)
    return found


def _condorcet_or_all(margins: Floats) -> Floats:
    found = _beats_all(margins)
    found[found.sum(-1) == 0] = 1.0
    return found


def _unbeaten(margins: Floats) -> Floats:
    beaten = (np.swapaxes(margins, -1, -2) > slack(margins)).any(-1)
    return np.asarray(~beaten, np.float64)


def _black(margins: Floats) -> Floats:
    found = _beats_all(margins)
    # twice the Borda scores, each less the same number
    points = margins.sum(-1)
    most = points.max(-1, keepdims=True)
    borda = points >= most - TIE_TOLERANCE * np.abs(points).max(-1, keepdims=True)
    chosen: Floats = np.where(found.any(-1, keepdims=True), found, borda)
    return chosen


@rule(batch=on_margins(_copeland))
def copeland(profile: Margins, *, alpha: float = 0.5) -> Scores:
    """How many alternatives an alternative beats in majority comparisons, a tied comparison counting a half.

    score(a) = |{b : M(a, b) > 0}| + α |{b ≠ a : M(a, b) = 0}|, with α = ½ unless ``alpha`` says otherwise. Margins
    within 1e-9 of the largest count as zero. Raises ``ValueError`` for an ``alpha`` outside 0 to 1.

    Source: Copeland 1951, α after Faliszewski, Hemaspaandra, Hemaspaandra and Rothe 2009 (doi:10.1613/jair.2697).

    >>> votes = Margins([[0, 1, 4], [-1, 0, 0], [-4, 0, 0]], "abc")
    >>> copeland(votes).scores.tolist(), copeland(votes, alpha=0).scores.tolist()
    ([2.0, 0.5, 0.5], [2.0, 0.0, 0.0])
    """
    return Scores(profile.alternatives, frozen(_copeland(profile.values[None], alpha)[0]))


@rule(batch=on_margins(_llull))
def llull(profile: Margins) -> Scores:
    """How many alternatives an alternative beats or ties in majority comparisons.

    score(a) = |{b ≠ a : M(a, b) ≥ 0}|, which is :func:`copeland` with α = 1.

    Source: Llull 1299.

    >>> llull(Margins([[0, 1, 4], [-1, 0, 0], [-4, 0, 0]], "abc")).scores.tolist()
    [2.0, 1.0, 1.0]
    """
    return Scores(profile.alternatives, frozen(_llull(profile.values[None])[0]))


@rule(batch=on_margins(_minimax))
def minimax(profile: Margins) -> Scores:
    """Minus the largest margin by which an alternative is beaten; 0 for one that nothing beats.

    score(a) = −max(0, max_b M(b, a)). On strict complete ballots :func:`minimax_winning_votes` and
    :func:`minimax_opposition` have the same winners.

    Source: Simpson 1969 (doi:10.2307/1880533), Kramer 1977.

    >>> votes = Margins([[0, 3, -1], [-3, 0, 5], [1, -5, 0]], "abc")
    >>> minimax(votes).scores.tolist(), minimax(votes).winners
    ([-1.0, -3.0, -5.0], ('a',))
    """
    return Scores(profile.alternatives, frozen(_minimax(profile.values)))


@rule(batch=_on_supports(_minimax_winning_votes))
def minimax_winning_votes(profile: Rankings, *, unranked: Unranked = "below") -> Scores:
    """Minus the most votes by which an alternative is beaten; 0 for one that nothing beats.

    score(a) = −max{S(b, a) : S(b, a) > S(a, b)}, where S(b, a) is the weight of the ballots that put b above a.

    Two of three voters put b above a, and one alone, whose vote stands against none, c above b:

    >>> votes = Rankings.from_orders({"ba": 2, "cba": 1}, alternatives="abc")
    >>> minimax_winning_votes(votes).scores.tolist(), minimax(votes).scores.tolist()
    ([-3.0, 0.0, -2.0], [-3.0, 0.0, -1.0])
    """
    return Scores(profile.alternatives, frozen(_minimax_winning_votes(profile.supports(unranked)[None])[0]))


@rule(batch=_on_supports(_minimax_opposition))
def minimax_opposition(profile: Rankings, *, unranked: Unranked = "below") -> Scores:
    """Minus the most votes that any other alternative gets against an alternative, a majority or not.

    score(a) = −max_{b ≠ a} S(b, a), where S(b, a) is the weight of the ballots that put b above a. A Condorcet winner
    need not have the highest score where ballots leave pairs undecided.

    >>> minimax_opposition(Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})).scores.tolist()
    [-4.0, -5.0, -5.0]
    """
    return Scores(profile.alternatives, frozen(_minimax_opposition(profile.supports(unranked)[None])[0]))


@rule(batch=on_margins(_chains))
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
    return Scores(profile.alternatives, frozen(_chains(profile.values[None])[0]))


@rule(batch=_on_supports(_chains_of_votes))
def schulze_winning_votes(profile: Rankings, *, unranked: Unranked = "below") -> Scores:
    """Schulze's rule with a step as strong as the votes for its winner, not as the margin.

    A step from a to b is there where S(a, b) > S(b, a) and is as strong as S(a, b), the weight of the ballots that put
    a above b; the rest is as in :func:`schulze`. On strict complete ballots the two agree.

    Source: Schulze 2011 (doi:10.1007/s00355-010-0475-4).

    >>> schulze_winning_votes(Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})).scores.tolist()
    [0.0, -1.0, -2.0]
    """
    return Scores(profile.alternatives, frozen(_chains_of_votes(profile.supports(unranked)[None])[0]))


@rule(batch=on_margins(_condorcet_or_all))
def condorcet_or_all(profile: Margins) -> Winners:
    """The alternative that beats every other by a majority; every alternative where there is none.

    Margins within 1e-9 of the largest count as zero. ``notes`` say so where all win for want of a Condorcet winner;
    :attr:`Margins.condorcet_winner <choicekit.Margins.condorcet_winner>` is ``None`` then.

    Source: Condorcet 1785.

    >>> condorcet_or_all(Margins([[0, 1, 1], [-1, 0, 3], [-1, -3, 0]], "abc")).winners
    ('a',)
    >>> condorcet_or_all(Margins([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], "abc")).notes
    ('no alternative beats every other: all win',)
    """
    labels = profile.alternatives
    found = _condorcet_or_all(profile.values[None])[0]
    none = not _beats_all(profile.values[None]).any()
    return Winners(labels, elected(labels, found), notes=("no alternative beats every other: all win",) if none else ())


@rule(batch=on_margins(_unbeaten))
def weak_condorcet_winners(profile: Margins) -> Winners:
    """The alternatives that no other beats by a majority: maybe several, maybe none.

    {a : M(a, b) ≥ 0 for every b}. Margins within 1e-9 of the largest count as zero.

    >>> weak_condorcet_winners(Margins([[0, 1, 0], [-1, 0, 1], [0, -1, 0]], "abc")).winners
    ('a',)
    >>> weak_condorcet_winners(Margins([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], "abc")).winners
    ()
    """
    return Winners(profile.alternatives, elected(profile.alternatives, _unbeaten(profile.values[None])[0]))


@rule(batch=on_margins(_black))
def black(profile: Margins) -> Winners:
    """The Condorcet winner; where there is none, the alternatives with the highest Borda score.

    Borda scores order alternatives as their summed margins Σ_b M(a, b) do, which is all that is needed.

    Source: Black 1958.

    >>> import choicekit as ck
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2})      # Borda elects b
    >>> black(votes).winners
    ('a',)
    >>> black(Margins([[0, 1, -4], [-1, 0, 2], [4, -2, 0]], "abc")).winners      # sums -3, 1, 2
    ('c',)
    """
    return Winners(profile.alternatives, elected(profile.alternatives, _black(profile.values[None])[0]))


def condorcet_loser(profile: Profile) -> Label | None:
    """The alternative that every other beats by a majority, or ``None``.

    Any profile will do that rules on margins accept. Margins within 1e-9 of the largest count as zero.

    >>> condorcet_loser(Margins([[0, 1, 1], [-1, 0, 3], [-1, -3, 0]], "abc"))
    'c'
    """
    margins: Margins = forget(profile, Margins, "condorcet_loser")
    loses_to_all = np.flatnonzero(_beats_all(-margins.values[None])[0])
    return margins.alternatives[loses_to_all[0]] if loses_to_all.size else None
