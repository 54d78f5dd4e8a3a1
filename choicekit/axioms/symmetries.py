"""What must not change the winners, or only in step: names of voters and alternatives, numbers, opposite ballots."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from choicekit.axioms import _scans_single as scans
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import (
    every_ballot,
    exchanged,
    joined,
    made,
    relabelled,
    repeated,
    said,
    singly,
    strict,
    turned,
    united,
)
from choicekit.axioms._readings import Ask, show_winners, winners
from choicekit.outcomes import Labels
from choicekit.profiles import Rankings

_MOST = 200_000


@axiom(kind="neighbour", about=winners, anonymous=False)
def anonymity(ask: Ask, profile: Rankings) -> Clash | None:
    """Two voters who exchange their ballots do not change the winners.

    Exchanges make all permutations: a rule without a clash on any profile of n named voters does not depend on who cast
    which ballot. A row of weight 3 is three voters; where weights are not whole, a row with its weight is one voter.
    Any rankings will do. Raises ``ValueError`` for more than 200,000 exchanges of different ballots.

    Source: May 1952 (doi:10.2307/1907651).

    >>> import choicekit as ck
    >>> def first_voter(profile):
    ...     return profile.alternatives[profile.ranks[0].argmin()]
    >>> print(anonymity(first_voter, ck.Rankings([[0, 1], [1, 0]], alternatives="ab")))
    first_voter violates anonymity: voters 1 and 2 exchange their ballots, and the winners change
    the ballots: a wins
      1: a > b
      1: b > a
    the ballots of voters 1 and 2 exchanged: b wins
      1: b > a
      1: a > b
    """
    if not _exchanges(profile):
        return None
    voters, won = singly(profile), ask(profile)
    held = [(row.tobytes(), weight) for row, weight in zip(voters._ranks, voters.weights.tolist(), strict=True)]
    for i, j in itertools.combinations(range(len(held)), 2):
        if held[i] == held[j]:
            continue
        other = exchanged(voters, i, j)
        if ask(other) != won:
            both = f"voters {i + 1} and {j + 1}"
            return Clash(
                f"{both} exchange their ballots, and the winners change",
                (profile, other),
                ("the ballots", f"the ballots of {both} exchanged"),
            )
    return None


def _exchanges(profile: Rankings) -> float:
    """How many pairs of voters have different ballots; a refusal where they are too many."""
    voters: dict[bytes, float] = {}
    for row, weight in zip(profile._ranks, profile.weights.tolist(), strict=True):
        voters[row.tobytes()] = voters.get(row.tobytes(), 0.0) + weight
    number = (sum(voters.values()) ** 2 - sum(weight**2 for weight in voters.values())) / 2
    if number > _MOST:
        raise ValueError(
            f"anonymity: there are about {number:,.0f} exchanges of two voters' ballots, more than the {_MOST:,} that "
            "it looks at; ask about a profile of fewer voters"
        )
    return number


def _relabellings(size: int) -> Iterator[tuple[int, ...]]:
    """Every permutation but the identity, the exchanges of two first."""
    for a, b in itertools.combinations(range(size), 2):
        yield tuple(b if c == a else a if c == b else c for c in range(size))
    for moves in itertools.permutations(range(size)):
        if sum(a != b for a, b in enumerate(moves)) > 2:
            yield moves


def _moved(labels: Labels, won: Labels, moves: tuple[int, ...]) -> Labels:
    images = {labels[moves[a]] for a, label in enumerate(labels) if label in won}
    return tuple(label for label in labels if label in images)


@axiom(kind="neighbour", about=winners, scan=scans.neutrality)
def neutrality(ask: Ask, profile: Rankings) -> Clash | None:
    """Relabelling the alternatives on all ballots relabels the winners in the same way.

    All m! relabellings are looked at, exchanges of two labels first. Any rankings will do.

    Source: May 1952 (doi:10.2307/1907651).

    >>> import choicekit as ck
    >>> def first_of_the_tied(profile):
    ...     return ck.rules.plurality(profile).winners[0]
    >>> print(neutrality(first_of_the_tied, ck.Rankings.from_orders({"ab": 1, "ba": 1})))
    first_of_the_tied violates neutrality: with b for a and a for b on all ballots, b should win; a wins
    the ballots: a wins
      1: a > b
      1: b > a
    the ballots relabelled: a wins
      1: b > a
      1: a > b
    """
    labels, won = profile.alternatives, ask(profile)
    for moves in _relabellings(len(labels)):
        other = relabelled(profile, moves)
        found, wanted = ask(other), _moved(labels, won, moves)
        if found != wanted:
            changes = [f"{labels[b]} for {labels[a]}" for a, b in enumerate(moves) if a != b]
            words = ", ".join(changes[:-1]) + " and " + changes[-1]
            return Clash(
                f"with {words} on all ballots, {_should(wanted)} win; {show_winners(found)}",
                (profile, other),
                ("the ballots", "the ballots relabelled"),
                tuple(a for a in labels if (a in found) != (a in wanted)),
            )
    return None


def _should(wanted: Labels) -> str:
    return " and ".join(map(str, wanted)) + " should"


@axiom(kind="neighbour", about=winners, scan=scans.reversal_symmetry)
def reversal_symmetry(ask: Ask, profile: Rankings) -> Clash | None:
    """The only winner, of two or more alternatives, is not the only winner after every ballot was turned upside down.

    Source: Saari and Barney 2003, Consequences of reversing preferences.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(reversal_symmetry(rules.plurality, ck.Rankings.from_orders({"abc": 3, "bca": 2, "cba": 2})))
    plurality violates reversal_symmetry: a is the only winner, and still is after every ballot is reversed
    the ballots: a wins
      3: a > b > c
      2: b > c > a
      2: c > b > a
    the ballots reversed: a wins
      3: c > b > a
      2: a > c > b
      2: a > b > c
    """
    profile = strict(profile, "reversal_symmetry")
    won = ask(profile)
    if len(won) > 1 or len(profile.alternatives) < 2:
        return None
    other = turned(profile)
    if ask(other) != won:
        return None
    reason = f"{won[0]} is the only winner, and still is after every ballot is reversed"
    return Clash(reason, (profile, other), ("the ballots", "the ballots reversed"), won)


@axiom(kind="neighbour", about=winners, scan=scans.homogeneity)
def homogeneity(ask: Ask, profile: Rankings) -> Clash | None:
    """The winners are the same where every voter counts twice, and where every voter counts three times.

    The axiom says so of any number of times; two and three are looked at. Any rankings will do.

    Source: Smith 1973 (doi:10.2307/1914033), Fishburn 1977 (doi:10.1137/0133030).

    >>> import choicekit as ck
    >>> def at_least_two(profile):                    # those on top of two ballots or more, else all
    ...     tops = profile.weights @ (profile.ranks == 0)
    ...     return [a for a, n in zip(profile.alternatives, tops) if n >= 2] or profile.alternatives
    >>> print(homogeneity(at_least_two, ck.Rankings.from_orders({"abc": 1})))
    at_least_two violates homogeneity: the winners change when every voter counts 2 times
    the ballots: a and b and c win
      1: a > b > c
    every voter 2 times: a wins
      2: a > b > c
    """
    won = ask(profile)
    for times in (2, 3):
        other = repeated(profile, times)
        if ask(other) != won:
            return Clash(
                f"the winners change when every voter counts {times} times",
                (profile, other),
                ("the ballots", f"every voter {times} times"),
            )
    return None


@axiom(kind="neighbour", about=winners, scan=scans.neutral_reversal)
def neutral_reversal(ask: Ask, profile: Rankings) -> Clash | None:
    """Two more voters with opposite rankings do not change the winners.

    All m! rankings are looked at, each followed by its reverse.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> found = neutral_reversal(rules.plurality, ck.Rankings.from_orders({"bac": 1, "bca": 1, "abc": 1}))
    >>> print(found)
    plurality violates neutral_reversal: voters of a > b > c and c > b > a join, and the winners change
    the ballots: b wins
      1: b > a > c
      1: b > c > a
      1: a > b > c
    with the two opposite ballots: a and b win
      1: b > a > c
      1: b > c > a
      2: a > b > c
      1: c > b > a
    """
    profile = strict(profile, "neutral_reversal")
    won, size = ask(profile), len(profile.alternatives)
    for ballot in every_ballot(size):
        reverse = tuple(size - 1 - rank for rank in ballot)
        other = joined(joined(profile, ballot), reverse)
        if ask(other) != won:
            both = f"{said(profile, ballot)} and {said(profile, reverse)}"
            return Clash(
                f"voters of {both} join, and the winners change",
                (profile, other),
                ("the ballots", "with the two opposite ballots"),
            )
    return None


@axiom(kind="neighbour", about=winners, scan=scans.block_invariance)
def block_invariance(ask: Ask, profile: Rankings) -> Clash | None:
    """m! more voters, one of each strict ranking, do not change the winners.

    >>> import choicekit as ck
    >>> def at_least_half(profile):                   # those on top of half of the ballots, else all
    ...     tops = profile.weights @ (profile.ranks == 0)
    ...     return [a for a, n in zip(profile.alternatives, tops) if 2 * n >= profile.weights.sum()] or list("abc")
    >>> print(block_invariance(at_least_half, ck.Rankings.from_orders({"abc": 1})))
    at_least_half violates block_invariance: a voter of each ranking joins, and the winners change
    the ballots: a wins
      1: a > b > c
    with one more ballot of each ranking: a and b and c win
      2: a > b > c
      1: a > c > b
      1: b > a > c
      1: c > a > b
      1: b > c > a
      1: c > b > a
    """
    profile = strict(profile, "block_invariance")
    block = np.array(every_ballot(len(profile.alternatives)), np.int8)
    other = united(profile, made(block, np.ones(len(block)), profile.alternatives))
    if ask(other) == ask(profile):
        return None
    return Clash(
        "a voter of each ranking joins, and the winners change",
        (profile, other),
        ("the ballots", "with one more ballot of each ranking"),
    )
