"""With four or more alternatives no rule with one winner elects Condorcet winners and never punishes voting.

Source: Moulin 1988 (doi:10.1016/0022-0531(88)90253-0); Brandt, Geist and Peters 2016 (arXiv:1602.08063),
who prove it from 12 voters on and have a rule up to 11.

Scope: strict rankings of four alternatives. Checked here: no anonymous rule meets both axioms at 23 listed profiles of
10 to 12 voters, and so none does at all profiles of up to 12 voters; minimax, Copeland, Schulze and Black fail there
whichever order breaks their ties; minimax fails at 11 voters, two of whom had better stay at home, and not at all with
three alternatives and up to 9 voters, as far as its winners are unique. Rules that are not anonymous, more alternatives
or voters, and that there is such a rule up to 11 voters, are literature.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

import choicekit as ck
from choicekit import domains, rules, sat

METHOD = ("certificate", "witness", "exhaustive")
AXIOMS = (sat.condorcet, sat.participation)
HERE = Path(__file__).parent
LISTED = (
    "2 adcb, 3 badc, 2 cbad, 3 dcba",
    "1 abcd, 2 adbc, 2 adcb, 3 badc, 2 cbad, 1 dcba",
    "1 adbc, 2 adcb, 3 badc, 2 cbad, 3 dcba",
    "2 adbc, 2 adcb, 1 badc, 1 cabd, 1 dabc, 1 cbad, 3 dcba",
    "2 adbc, 2 adcb, 1 badc, 2 dabc, 1 cbad, 3 dcba",
    "2 adbc, 2 adcb, 2 badc, 1 dabc, 1 cbad, 3 dcba",
    "2 adbc, 2 adcb, 3 badc, 1 cbad, 3 dcba",
    "2 adbc, 2 adcb, 3 badc, 2 cbad, 2 dcba",
    "1 adcb, 1 bacd, 3 badc, 1 bcad, 2 cbad, 2 cbda, 1 dcba",
    "1 adcb, 3 badc, 1 bcad, 2 cbad, 2 cbda, 2 dcba",
    "1 adcb, 3 badc, 2 cbad, 2 cbda, 3 dcba",
    "2 adcb, 1 badc, 2 cbad, 1 cdab, 2 cbda, 3 dcba",
    "2 adcb, 2 badc, 2 cbad, 2 cbda, 3 dcba",
    "2 adcb, 3 badc, 2 cbad, 1 cbda, 3 dcba",
    "1 abcd, 2 adbc, 2 adcb, 3 badc, 2 cbad, 2 dcba",
    "2 adbc, 2 adcb, 2 badc, 1 cabd, 1 dabc, 1 cbad, 3 dcba",
    "2 adbc, 2 adcb, 2 badc, 2 dabc, 1 cbad, 3 dcba",
    "2 adbc, 2 adcb, 3 badc, 2 cbad, 3 dcba",
    "2 adbc, 2 adcb, 3 badc, 1 dabc, 1 cbad, 3 dcba",
    "1 adcb, 1 bacd, 3 badc, 1 bcad, 2 cbad, 2 cbda, 2 dcba",
    "1 adcb, 3 badc, 1 bcad, 2 cbad, 2 cbda, 3 dcba",
    "2 adcb, 2 badc, 2 cbad, 1 cdab, 2 cbda, 3 dcba",
    "2 adcb, 3 badc, 2 cbad, 2 cbda, 3 dcba",
)


def listed() -> sat.Electorates:
    """Rules on the listed profiles."""
    orders = [{ballot: int(count) for count, ballot in (part.split() for part in row.split(", "))} for row in LISTED]
    return sat.Electorates(ck.Rankings.from_orders(each, alternatives="abcd") for each in orders)


def claim_no_rule_at_these_profiles_of_at_most_twelve_voters() -> None:
    """A certificate refutes Condorcet and participation at 23 profiles, of 10 (1), 11 (13) and 12 (9) voters."""
    frame = listed()
    assert np.bincount(frame.counts.sum(1)).tolist()[10:] == [1, 13, 9]
    sat.Certificate.read(HERE / "moulin_1988_m4_n12.lrat").verify(frame, AXIOMS)


def claim_every_condorcet_rule_breaks_participation_on_the_way() -> None:
    """Minimax, Copeland, Schulze and Black, with ties broken by any of the 24 orders, punish a voter somewhere."""
    frame = listed()
    profiles = [ck.Rankings(frame.orders.argsort(1)[row > 0], row[row > 0], "abcd") for row in frame.counts]
    for rule in (rules.minimax, rules.copeland, rules.schulze, rules.black):
        winners = [set(rule(profile).winners) for profile in profiles]
        for order in itertools.permutations("abcd"):
            broken = ["abcd".index(next(label for label in order if label in tied)) for tied in winners]
            places = frame.orders.argsort(1)
            assert any(places[r, broken[p]] < places[r, broken[q]] for p, r, q in frame.joined().tolist())


def claim_minimax_punishes_two_of_eleven_voters() -> None:
    """Minimax elects 3 from 3 with 3102, 2 with 1230, 4 with 0231, 2 with 1032; without these two 0, their second."""
    others = {(3, 1, 0, 2): 3, (1, 2, 3, 0): 2, (0, 2, 3, 1): 4}
    voting = ck.Rankings.from_orders({**others, (1, 0, 3, 2): 2})
    assert rules.minimax(voting).winners == (3,)
    assert rules.minimax(ck.Rankings.from_orders(others)).winners == (0,)


def claim_minimax_punishes_nobody_among_three_alternatives() -> None:
    """With three alternatives and up to 9 voters, nobody who joins makes a unique minimax winner a worse one."""
    ballots = np.array(list(itertools.permutations(range(3))))
    won = {}
    for voters in range(1, 10):
        profiles = list(domains.every(voters=voters, alternatives=3, anonymous=True))
        ranks = np.array([np.repeat(each.ranks, each.weights.astype(int), axis=0) for each in profiles])
        scores = rules.minimax.batch(ranks)
        for held, row in zip(ranks, scores, strict=True):
            best = np.flatnonzero(row == row.max())
            counts = tuple(int((held == ballot).all(1).sum()) for ballot in ballots)
            won[counts] = int(best[0]) if len(best) == 1 else None
    assert len(won) == 5004  # C(15, 6) − 1
    for counts, before in won.items():
        for place, ballot in enumerate(ballots.tolist()):
            after = won.get((*counts[:place], counts[place] + 1, *counts[place + 1 :]))
            assert before is None or after is None or ballot[after] <= ballot[before]


def explain() -> str:
    """The clash at the listed profiles."""
    return str(sat.explain(listed(), AXIOMS, tries=5))
