"""Rules that choose a set of alternatives by who beats whom in majority comparisons.

a beats b where its margin over b is positive, by more than 1e-9 of the largest margin; else, where b does not beat a,
the two tie. Without ties the margins make a tournament.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from choicekit.kernels import tournaments
from choicekit.outcomes import TIE_TOLERANCE, Winners
from choicekit.profiles import Batch, Margins
from choicekit.profiles._columns import Label, short
from choicekit.profiles._ranks import Unranked
from choicekit.rules import _games
from choicekit.rules._rule import Floats, rule

Covering: TypeAlias = Literal["gillies", "bordes", "mckelvey", "fishburn"]

_COVERINGS = ("gillies", "bordes", "mckelvey", "fishburn")


def _smith(many: Batch, *, unranked: Unranked = "below") -> Floats:
    return tournaments.smith(many.margins(unranked), TIE_TOLERANCE)


def _schwartz(many: Batch, *, unranked: Unranked = "below") -> Floats:
    return tournaments.schwartz(many.margins(unranked), TIE_TOLERANCE)


def _covering(name: Covering) -> int:
    if name not in _COVERINGS:
        raise ValueError(f"uncovered_set: covering: needed one of {', '.join(map(repr, _COVERINGS))}, got {name!r}")
    return _COVERINGS.index(name)


def _uncovered(many: Batch, *, covering: Covering = "gillies", unranked: Unranked = "below") -> Floats:
    return tournaments.uncovered(many.margins(unranked), TIE_TOLERANCE, _covering(covering))


def _budget(budget: int) -> int:
    if budget < 0:
        raise ValueError(f"banks: budget: needed a number of chains of at least 0, got {budget!r}")
    return int(budget)


def _banks(many: Batch, *, budget: int = 100_000, unranked: Unranked = "below") -> Floats:
    found = tournaments.banks(many.margins(unranked), TIE_TOLERANCE, _budget(budget))
    answer: Floats = np.where(found < 0, np.nan, found)
    return answer


def _essential(many: Batch, *, unranked: Unranked = "below") -> Floats:
    return _games.solve(_games.games(many.margins(unranked), "margins"))[2].astype(np.float64)


def _bipartisan(many: Batch, *, unranked: Unranked = "below") -> Floats:
    return _games.solve(_games.games(many.margins(unranked), "majority"))[2].astype(np.float64)


def _winners(profile: Margins, chosen: Floats) -> Winners:
    return Winners(profile.alternatives, _where(profile, chosen > 0))


def _where(profile: Margins, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[Label, ...]:
    return tuple(profile.alternatives[a] for a in np.flatnonzero(chosen).tolist())


@rule(batch=_smith)
def smith(profile: Margins) -> Winners:
    """The smallest non-empty set of alternatives each of which beats every alternative outside the set.

    There is only one, since of two such sets one contains the other. Also called the top cycle or GETCHA. An
    alternative that ties with a member is in it too; see :func:`schwartz` for the set that only guards against
    defeats.

    Source: Good 1971 (Public Choice 10), Smith 1973 (doi:10.2307/1914033).

    >>> smith(Margins([[0, 1, -1, 1], [-1, 0, 1, 1], [1, -1, 0, 1], [-1, -1, -1, 0]], "abcd")).winners
    ('a', 'b', 'c')
    >>> smith(Margins([[0, 2, 0], [-2, 0, 2], [0, -2, 0]], "abc")).winners      # a beats b, b beats c, c ties with a
    ('a', 'b', 'c')
    """
    return _winners(profile, tournaments.smith(profile.values[None], TIE_TOLERANCE)[0])


@rule(batch=_schwartz)
def schwartz(profile: Margins) -> Winners:
    """The alternatives in some minimal non-empty set that no alternative outside it beats a member of.

    Those are the alternatives that reach, along a path of defeats, every alternative that reaches them. Also called
    GOCHA. It is part of :func:`smith`, and equal to it where no margins tie.

    Source: Schwartz 1972, Schwartz 1986, The Logic of Collective Choice.

    >>> schwartz(Margins([[0, 2, 0], [-2, 0, 2], [0, -2, 0]], "abc")).winners   # a beats b, b beats c, c ties with a
    ('a',)
    """
    return _winners(profile, tournaments.schwartz(profile.values[None], TIE_TOLERANCE)[0])


@rule(batch=_uncovered)
def uncovered_set(profile: Margins, *, covering: Covering = "gillies") -> Winners:
    """The alternatives that no other alternative covers.

    ``covering`` says when a covers b. Without ties the four agree; with ties

    - ``"gillies"``: a beats b, and what beats a beats b;
    - ``"bordes"``: a beats b, and what b beats a beats (that is, what beats or ties with a beats or ties with b);
    - ``"mckelvey"``: a beats b, what beats a beats b, and what b beats a beats: both of the above, so that its
      uncovered set contains both of theirs;
    - ``"fishburn"``: what beats a beats b, and something beats b that does not beat a.

    Raises ``ValueError`` for another word.

    Source: Gillies 1959, Fishburn 1977 (doi:10.1137/0133030), Bordes 1983, McKelvey
    1986; compared by Penn 2006 and Duggan 2013
    (Social Choice and Welfare 41).

    A cycle a, b, c over d, where a covers d and b and c do too:

    >>> uncovered_set(Margins([[0, 1, -1, 1], [-1, 0, 1, 1], [1, -1, 0, 1], [-1, -1, -1, 0]], "abcd")).winners
    ('a', 'b', 'c')

    b beats c, and a ties with both:

    >>> votes = Margins([[0, 0, 0], [0, 0, 2], [0, -2, 0]], "abc")
    >>> uncovered_set(votes, covering="gillies").winners, uncovered_set(votes, covering="bordes").winners
    (('a', 'b'), ('a', 'b'))
    """
    return _winners(profile, tournaments.uncovered(profile.values[None], TIE_TOLERANCE, _covering(covering))[0])


@rule(batch=_banks)
def banks(profile: Margins, *, budget: int = 100_000) -> Winners:
    """The tops of the chains that are part of no longer chain.

    A chain is a set of alternatives that can be put in an order in which each beats all that come after it. With ties
    too, a chain holds no two alternatives that tie. a is the top of a maximal chain exactly where it beats all of
    some chain such that nothing beats a and all of that chain.

    To find that out is NP-hard, so that ``budget`` limits how many chains are looked at, beyond a first one for each
    alternative. Where it does not suffice, ``winners`` are those that are found, at least one, and ``notes`` name the
    alternatives that are left open; in a batch those are NaN. Raises ``ValueError`` for a budget below 0.

    Source: Banks 1985 (doi:10.1007/BF00649265), Woeginger 2003 (Social Choice and Welfare 20), the first chains as in
    Hudry 2004.

    >>> banks(Margins([[0, 1, -1, 1], [-1, 0, 1, 1], [1, -1, 0, 1], [-1, -1, -1, 0]], "abcd")).winners
    ('a', 'b', 'c')
    """
    found = tournaments.banks(profile.values[None], TIE_TOLERANCE, _budget(budget))[0]
    notes: tuple[str, ...] = ()
    if (found < 0).any():
        notes = (
            f"the budget of {budget} chains ended the search; whether these win too is left open: "
            f"{short(_where(profile, found < 0))}",
        )
    return Winners(profile.alternatives, _where(profile, found > 0), notes=notes)


@rule(batch=_bipartisan)
def bipartisan_set(profile: Margins) -> Winners:
    """The alternatives that some maximal lottery on who beats whom chooses.

    The game between two parties that each name an alternative and win 1 where theirs beats the other's, has one
    equilibrium where no margins tie; the set is its support. Where margins tie there may be more equilibria, and the
    set is the union of their supports, the essential set of that game. Raises ``RuntimeError`` where the linear
    program's answer fails its check.

    Source: Laffond, Laslier and Le Breton 1993 (doi:10.1006/game.1993.1010), with ties Dutta and Laslier 1999
    (Social Choice and Welfare 16).

    >>> bipartisan_set(Margins([[0, 3, -1, 1], [-3, 0, 5, 1], [1, -5, 0, 1], [-1, -1, -1, 0]], "abcd")).winners
    ('a', 'b', 'c')
    """
    return _winners(profile, _games.solve(_games.games(profile.values[None], "majority"))[2][0])


@rule(batch=_essential)
def essential_set(profile: Margins) -> Winners:
    """The alternatives that some maximal lottery on margins chooses with positive probability.

    It is the support of :func:`~choicekit.rules.maximal_lottery`, which is spread over all of them, and is found by a
    strictly complementary solution of the game's linear program: an alternative is either in the set, or some maximal
    lottery beats it. Raises ``RuntimeError`` where that answer fails its check.

    Source: Dutta and Laslier 1999 (Social Choice and Welfare 16).

    a ties with b, and both beat c, a by more: (½, ½, 0) is maximal, but so is every lottery over a and b.

    >>> essential_set(Margins([[0, 0, 4], [0, 0, 2], [-4, -2, 0]], "abc")).winners
    ('a', 'b')
    """
    return _winners(profile, _games.solve(_games.games(profile.values[None], "margins"))[2][0])
