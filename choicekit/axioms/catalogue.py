"""The axioms there are, and which of them a rule can be held to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from choicekit.axioms import _readings
from choicekit.axioms._axiom import Axiom, Ballots
from choicekit.axioms._problems import CommitteeProblem, RewardProblem
from choicekit.outcomes import Lottery
from choicekit.profiles import Approvals, Margins, Rankings, Utilities

_RANKS = [[0, 1, 2], [1, 0, 2], [0, 2, 1]]
_TIED = Rankings([[0, 1, 2], [2, 1, 0]])
_SAMPLES: dict[Ballots, Any] = {
    "strict": Rankings(_RANKS),
    "weak": Rankings([[0, 0, 1], [1, 0, 2], [0, 1, 1]]),
    "truncated": Rankings([[0, -1, -1], [1, 0, -1], [0, 1, 2]]),
    "utilities": Utilities([[3.0, 2.0, 1.0], [2.0, 3.0, 1.0], [3.0, 1.0, 2.0]]),
    "approvals": Approvals([[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
    "committees": CommitteeProblem(Approvals([[1, 0, 0], [1, 1, 0], [0, 0, 1]]), 2),
    "features": RewardProblem(Rankings(_RANKS), [[1.0, 0.0], [0.0, 1.0], [0.3, 0.2]]),
}
# The ballots that axioms for rules on a type of profile speak of.
_SPOKEN: dict[type, tuple[Ballots, ...]] = {
    Rankings: ("strict", "weak", "truncated", "features"),
    Margins: ("strict", "weak", "truncated", "features"),
    Utilities: ("utilities",),
    Approvals: ("approvals", "committees"),
}


def every_axiom() -> tuple[Axiom, ...]:
    """Every axiom of ``choicekit.axioms``, in the order in which its modules define them.

    >>> from choicekit import axioms
    >>> axioms.condorcet_winner in axioms.every_axiom()
    True
    """
    package = sys.modules["choicekit.axioms"]
    return tuple(value for value in vars(package).values() if isinstance(value, Axiom))


def applicable(rule: Callable[[Any], Any]) -> tuple[Axiom, ...]:
    """The axioms that a rule can be held to: it answers the ballots they speak of with what they read.

    Looked at by running the rule on a small profile of each kind. A lottery is held to the axioms of lotteries, not by
    its support to those of winners. A rule of choicekit is held to axioms on the ballots
    that it needs (not, say, a rule on rankings to those on utilities, which it would forget down to rankings).

    >>> from choicekit import axioms, rules
    >>> found = {axiom.name for axiom in applicable(rules.maximal_lottery)}
    >>> "sd_efficiency" in found, "justified_representation" in found
    (True, False)
    """
    inner = _readings.runnable(rule, "applicable")
    while hasattr(inner, "func"):
        inner = inner.func
    needs = getattr(inner, "needs", None)
    spoken = _SPOKEN.get(needs, tuple(_SAMPLES)) if needs else tuple(_SAMPLES)
    answered = {
        (ballots, reading.name) for ballots in spoken for reading in _readings.EVERY if _reads(rule, ballots, reading)
    }
    return tuple(axiom for axiom in every_axiom() if (axiom.ballots, axiom.about.name) in answered)


def _reads(rule: Callable[[Any], Any], ballots: Ballots, reading: _readings.Reading) -> bool:
    own: dict[str, Ballots] = {"rewards": "features", "committees": "committees"}
    if reading.name in ("answer", "relation"):  # anything is an answer; an ordering is what it is to be
        return _reads(rule, ballots, _readings.ordering)
    if own.get(reading.name, ballots) != ballots or (ballots in own.values() and reading.name not in own):
        return False
    samples = [_SAMPLES[ballots]] + [_TIED] * (ballots == "strict")
    try:
        for profile in samples:
            outcome = reading.ask(rule, profile)
            reading.read(outcome, profile)
    except Exception:
        return False
    return reading is not _readings.winners or not isinstance(outcome, Lottery)
