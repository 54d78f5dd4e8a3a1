"""That the rule responds to somebody and to nobody alone: axioms that say that some profile exists, or that none does.

Each looks at all profiles of as many named voters and the same alternatives as the profile given, up to 200,000 of
them, and raises ``ValueError`` for more: (m!)^n profiles of n voters and m alternatives. So a violation is a fact about
all of them, and not about the profile given alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import Ranks, every_ballot, made, strict
from choicekit.axioms._readings import Ask, winners
from choicekit.profiles import Rankings

_MOST = 200_000


def _size(profile: Rankings, axiom: str) -> tuple[int, int]:
    """How many voters and alternatives there are; a refusal where that is not whole, or too many."""
    weights = strict(profile, axiom).weights
    if (weights != np.floor(weights)).any():
        raise ValueError(
            f"{axiom}: needed whole numbers of voters, got the weights {weights.tolist()}; it looks at all profiles of "
            "as many voters"
        )
    n, m = int(weights.sum()), len(profile.alternatives)
    count = 1
    for k in range(2, m + 1):
        count *= k**n
    if count > _MOST:
        raise ValueError(
            f"{axiom}: there are {_short(count)} profiles of {n} voters and {m} alternatives, more than the {_MOST:,} "
            "that it looks at; ask about a profile of fewer voters or alternatives"
        )
    return n, m


def _short(count: int) -> str:
    return f"{count:,}" if count < 10**15 else f"{float(count):.1e}" if count < 10**300 else "more than 1e300"


def _all(profile: Rankings, voters: int) -> Iterator[tuple[tuple[Ranks, ...], Rankings]]:
    """Every profile of so many named voters, in lexicographic order, with its ballots."""
    labels = profile.alternatives
    for rows in itertools.product(every_ballot(len(labels)), repeat=voters):
        yield rows, made(np.array(rows, np.int8), np.ones(voters), labels)


def _on_all(voters: int, alternatives: int) -> str:
    """The scope in words."""
    count = len(every_ballot(alternatives)) ** voters
    of = f"{voters} voter{'s' * (voters > 1)} and {alternatives} alternatives"
    return f"all {count:,} profiles of {of}"


@axiom(kind="existential", about=winners, implies=("non_constancy",))
def non_imposition(ask: Ask, profile: Rankings) -> Clash | None:
    """Every alternative is the only winner on some profile.

    Looked for on all profiles of as many voters and alternatives. Called citizens' sovereignty too.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> def never_c(profile):
    ...     return [a for a in rules.borda(profile).winners if a != "c"] or ["a"]
    >>> print(non_imposition(never_c, ck.Rankings.from_orders({"abc": 2})))
    never_c violates non_imposition: c is the only winner on none of all 36 profiles of 2 voters and 3 alternatives
    the ballots: a wins
      2: a > b > c
    """
    n, m = _size(profile, "non_imposition")
    left = list(profile.alternatives)
    for _, each in _all(profile, n):
        won = ask(each)
        if len(won) == 1 and won[0] in left:
            left.remove(won[0])
        if not left:
            return None
    reason = f"{left[0]} is the only winner on none of {_on_all(n, m)}"
    return Clash(reason, (profile,), ("the ballots",), tuple(left))


@axiom(kind="existential", about=winners)
def non_constancy(ask: Ask, profile: Rankings) -> Clash | None:
    """Of two or more alternatives not the same ones win on every profile.

    Looked for on all profiles of as many voters and alternatives.

    >>> import choicekit as ck
    >>> print(non_constancy(lambda profile: "a", ck.Rankings.from_orders({"ba": 3})))
    <lambda> violates non_constancy: the winners are the same on all 8 profiles of 3 voters and 2 alternatives
    the ballots: a wins
      3: b > a
    """
    n, m = _size(profile, "non_constancy")
    won = ask(profile)
    if m == 1 or any(ask(each) != won for _, each in _all(profile, n)):
        return None
    return Clash(f"the winners are the same on {_on_all(n, m)}", (profile,), ("the ballots",), won)


@axiom(kind="existential", about=winners)
def nondictatorship(ask: Ask, profile: Rankings) -> Clash | None:
    """Of two or more voters none is a dictator, whose favourite of two or more alternatives is always the only winner.

    Looked for on all profiles of as many voters and alternatives. Voters are numbered by row; a row of weight 3 is
    three voters.

    Source: Gibbard 1973 (doi:10.2307/1914083).

    >>> import choicekit as ck
    >>> def second_voter(profile):
    ...     return profile.alternatives[profile.ranks[1].argmin()]
    >>> print(nondictatorship(second_voter, ck.Rankings([[0, 1], [1, 0]], alternatives="ab")))
    second_voter violates nondictatorship: the favourite of voter 2 is the only winner on all 4 profiles of 2 voters ...
    the ballots: b wins
      1: a > b
      1: b > a
    """
    n, m = _size(profile, "nondictatorship")
    if n == 1 or m == 1:
        return None
    left = list(range(n))
    for rows, each in _all(profile, n):
        won = ask(each)
        left = [i for i in left if won == (profile.alternatives[rows[i].index(0)],)]
        if not left:
            return None
    reason = f"the favourite of voter {left[0] + 1} is the only winner on {_on_all(n, m)}"
    return Clash(reason, (profile,), ("the ballots",))


@axiom(kind="existential", about=winners)
def minimal_liberalism(ask: Ask, profile: Rankings) -> Clash | None:
    """Two voters at least are decisive, each about some pair of alternatives.

    A voter is decisive about x and y where, on every profile, y does not win if the voter ranks x above y, and x does
    not win if the voter ranks y above x. Looked for on all profiles of as many voters and alternatives; of a single
    voter or alternative nothing is said.

    Source: Sen 1970, The impossibility of a Paretian liberal, whose society has an ordering in the place of winners.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(minimal_liberalism(rules.plurality, ck.Rankings.from_orders({"ab": 1, "ba": 1})))
    plurality violates minimal_liberalism: of 2 voters none is decisive about any pair of alternatives
    the ballots: a and b win
      1: a > b
      1: b > a
    """
    n, m = _size(profile, "minimal_liberalism")
    if n == 1 or m == 1:
        return None
    pairs = list(itertools.combinations(range(m), 2))
    left = [set(pairs) for _ in range(n)]
    for rows, each in _all(profile, n):
        won = {a for a, label in enumerate(profile.alternatives) if label in set(ask(each))}
        for i, ranks in enumerate(rows):
            left[i] -= {(x, y) for x, y in left[i] if (y if ranks[x] < ranks[y] else x) in won}
        if not any(left):
            break
    decisive = [i + 1 for i in range(n) if left[i]]
    if len(decisive) > 1:
        return None
    who = f"only voter {decisive[0]}" if decisive else "none"
    return Clash(f"of {n} voters {who} is decisive about any pair of alternatives", (profile,), ("the ballots",))
