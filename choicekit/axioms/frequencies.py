"""How often an axiom is violated: exactly where a table reaches, else by draws with an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms import _extensions, _symmetry, _tabulation, manipulations
from choicekit.axioms._axiom import Axiom
from choicekit.axioms._electorates import Ranks, lies, made, replaced, said, voting
from choicekit.axioms._extensions import Extension, prefers
from choicekit.axioms._readings import Ask, law_of, name_of, runnable, winners
from choicekit.axioms.violation import Violation, counted
from choicekit.domains import impartial_anonymous_culture, impartial_culture
from choicekit.domains._culture import whole
from choicekit.kernels import relabellings
from choicekit.outcomes import Labels
from choicekit.profiles import Rankings

Rule = Callable[[Any], Any]


@dataclass(frozen=True)
class Frequency:
    """The share of a culture's profiles with so many voters and alternatives on which a rule violates an axiom.

    Exact (to rounding) where ``draws`` is 0: ``profiles`` is how many anonymous profiles were examined, ``violated`` on
    how many of them the axiom is violated. Else ``violated`` of ``draws`` drawn profiles, with the Wilson ``interval``
    at 95 %.

    >>> print(Frequency("monotonicity", "instant_runoff", "impartial_culture", 9, 3, 0.069016, 38, profiles=2002))
    instant_runoff violates monotonicity in 0.069 of impartial_culture's profiles of 9 voters on 3 alternatives (exact)
    """

    axiom: str
    rule: str
    culture: str
    voters: int
    alternatives: int
    share: float
    violated: int
    profiles: int = 0
    draws: int = 0
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        how = "exact" if self.interval is None else f"{self.interval[0]:.3g} to {self.interval[1]:.3g} at 95 %"
        return (
            f"{self.rule} violates {self.axiom} in {self.share:.3g} of {self.culture}'s profiles of "
            f"{counted(self.voters, 'voter')} on {self.alternatives} alternatives ({how})"
        )


@dataclass(frozen=True, eq=False)
class Manipulability:
    """How often some voter gains by a lie, and the lie with the largest gain that was found.

    ``gain`` is by how many places the mean position of the winners on the liar's true ballot rises. ``complete`` says
    whether every profile on which a lie helps was searched for the largest one. Made by :func:`manipulability`.

    >>> from choicekit import axioms, rules
    >>> found = axioms.manipulability(rules.borda, voters=3, alternatives=3)
    >>> found.gain, found.complete
    (0.5, True)
    """

    frequency: Frequency
    lie: Violation | None
    gain: float
    complete: bool

    def __str__(self) -> str:
        best = (
            "" if self.lie is None else f"\nthe largest gain{'' if self.complete else ' found'}, {self.gain:g} places:"
        )
        return f"{self.frequency}{best}" + (f"\n{self.lie}" if self.lie else "")


def frequency(
    rule: Rule,
    axiom: Axiom,
    *,
    voters: int,
    alternatives: int,
    culture: Callable[..., Any] = impartial_culture,
    draws: int = 1000,
    rng: Any = 0,
) -> Frequency:
    """How often a rule violates an axiom in a culture of strict rankings, with as many voters and alternatives.

    A profile counts where it, or its neighbourhood, holds a violation. For the impartial culture (each ranking as
    likely for each voter) and the impartial anonymous culture (each anonymous profile as likely) that is exact where
    the rule is anonymous, the axiom is one of winners with a scan, and there are at most ten million anonymous
    profiles. Otherwise ``draws`` profiles are drawn; a culture with options is given as
    ``functools.partial(domains.urn, alpha=0.1)``. Raises ``ValueError`` for axioms of other ballots and existential
    ones, which no profile violates.

    >>> from choicekit import axioms, rules
    >>> found = frequency(rules.instant_runoff, axioms.monotonicity, voters=9, alternatives=3)
    >>> round(found.share, 6), found.interval is None
    (0.069016, True)
    """
    n, m = whole("voters", voters), whole("alternatives", alternatives, 2)
    runnable(rule, "frequency")
    if not isinstance(axiom, Axiom):
        raise TypeError(f"frequency: needed one axiom, as axioms.monotonicity, got {axiom!r}")
    if axiom.ballots != "strict" or axiom.kind == "existential":
        raise ValueError(f"frequency: needed an axiom that profiles of strict rankings violate, got {axiom!r}")
    wrong = _scanned(rule, axiom, m, n) if culture in (impartial_culture, impartial_anonymous_culture) else None
    name = law_of(culture)
    if wrong is None:
        return _by_draws(rule, axiom, m, n, culture, whole("draws", draws), rng)
    share = float(wrong.mean())
    if culture is impartial_culture:
        share = float(relabellings.orders(len(wrong), factorial(m), n)[wrong].sum() / float(factorial(m)) ** n)
    return Frequency(axiom.name, name_of(rule), name, n, m, share, int(wrong.sum()), len(wrong))


def _scanned(rule: Rule, axiom: Axiom, m: int, n: int) -> NDArray[np.bool_] | None:
    """Where the axiom is violated, for every anonymous profile, if a table can be made."""
    if axiom.scan is None or axiom.about is not winners:
        return None
    if not _tabulation.scanned(m, n) or not _tabulation.reaches(m, n):
        return None
    table = _tabulation.Table(rule)
    symmetry = _symmetry.of_winners(table, range(min(m, 4), m + 1), n)
    if not symmetry.anonymous or not symmetry.columns:
        return None
    try:
        return axiom.scan(table.of_neutral() if symmetry.neutral else table, m, n)
    except _tabulation.TooManyError:
        return None


def _by_draws(rule: Rule, axiom: Axiom, m: int, n: int, culture: Callable[..., Any], draws: int, rng: Any) -> Frequency:
    from scipy.stats import binomtest

    rng, ask = np.random.default_rng(rng), Ask(rule, axiom.about)
    hits = sum(axiom.examine(ask, culture(voters=n, alternatives=m, rng=rng)) is not None for _ in range(draws))
    interval = binomtest(hits, draws).proportion_ci(0.95, method="wilson")
    name = law_of(culture)
    span = (float(interval.low), float(interval.high))
    return Frequency(axiom.name, name_of(rule), name, n, m, hits / draws, hits, draws=draws, interval=span)


def manipulability(
    rule: Rule,
    *,
    voters: int,
    alternatives: int,
    extension: str = "kelly",
    culture: Callable[..., Any] = impartial_culture,
    draws: int = 1000,
    searched: int = 1000,
    rng: Any = 0,
) -> Manipulability:
    """How often some voter gains by a lie, and the lie that gains most.

    What is a gain is said by a set ``extension``: "singleton", "kelly", "fishburn", "gardenfors", "optimist",
    "pessimist" or "lexicographic"; the share is the :func:`frequency` of ``strategyproofness_…``. Of the lies that are
    gains the one is shown after which the winners' mean place on the liar's true ballot has risen most; it is looked
    for on the first ``searched`` profiles of the culture on which a lie helps. Raises ``ValueError`` for another
    extension.

    >>> from choicekit import rules
    >>> found = manipulability(rules.borda, voters=3, alternatives=3, extension="singleton")
    >>> found.frequency.share == 0, manipulability(rules.borda, voters=3, alternatives=3).gain      # half a place
    (True, 0.5)
    """
    known = {each.name: each for each in _extensions.EVERY}
    if extension not in known:
        raise ValueError(f"extension: needed one of {', '.join(known)}, got {extension!r}")
    axiom: Axiom = getattr(manipulations, f"strategyproofness_{extension}")
    rng = int(np.random.default_rng(rng).integers(2**63))  # the same profiles are drawn twice
    settings: dict[str, Any] = {"culture": culture, "draws": draws, "rng": rng}
    share = frequency(rule, axiom, voters=voters, alternatives=alternatives, **settings)
    ask = Ask(rule, winners)
    best, gain, seen = None, 0.0, 0
    for profile in _manipulable(rule, axiom, share, culture, rng):
        if seen == searched:
            break
        seen += 1
        for found, lie in _lies(known[extension], ask, profile):
            if found > gain or best is None:
                best, gain = (profile, lie), found
    if best is None:
        return Manipulability(share, None, 0.0, True)
    return Manipulability(share, _shown(axiom, ask, *best, gain), gain, seen == share.violated)


def _manipulable(
    rule: Rule, axiom: Axiom, share: Frequency, culture: Callable[..., Any], rng: Any
) -> Iterator[Rankings]:
    """The profiles that were found to violate the axiom, in the order of the search."""
    m, n = share.alternatives, share.voters
    if share.interval is None:
        wrong = _scanned(rule, axiom, m, n)
        assert wrong is not None
        for place in np.flatnonzero(wrong).tolist():
            yield made(
                _tabulation.ballots(m)[_tabulation.tuples(m, n, place, place + 1)[0]], np.ones(n), tuple(range(m))
            )
        return
    rng, ask = np.random.default_rng(rng), Ask(rule, axiom.about)
    for _ in range(share.draws):
        profile = culture(voters=n, alternatives=m, rng=rng)
        if axiom.examine(ask, profile):
            yield profile


class _Lie(NamedTuple):
    """A voter's row, and what they say."""

    row: int
    ballot: Ranks


def _lies(extension: Extension, ask: Ask, profile: Rankings) -> Iterator[tuple[float, _Lie]]:
    """Each lie that is a gain, and by how many places the mean of the winners rises."""
    labels = profile.alternatives
    before = ask(profile)
    for row, truth, ballot, lied in lies(profile, voting(profile, ask.voters_named)):
        after = ask(lied)
        if prefers(extension, labels, truth, after, before):
            yield _mean_place(labels, truth, before) - _mean_place(labels, truth, after), _Lie(row, ballot)


def _mean_place(labels: Labels, truth: Ranks, chosen: Labels) -> float:
    return sum(truth[labels.index(label)] for label in chosen) / len(chosen)


def _shown(axiom: Axiom, ask: Ask, profile: Rankings, lie: _Lie, gain: float) -> Violation:
    """The lie as a violation of strategyproofness."""
    after = replaced(profile, lie.row, lie.ballot)
    voter, words = said(profile, profile.ranks[lie.row].tolist()), said(profile, lie.ballot)
    return Violation(
        axiom=axiom.name, rule=name_of(ask.rule), alternatives=(), asked=ask.rule, reading=axiom.about.name,
        reason=f"a voter of {voter} who says {words} gains {gain:g} places on average", profiles=(profile, after),
        captions=("the ballots", f"a voter of {voter} says {words}"), outcomes=(ask(profile), ask(after)),
    )  # fmt: skip
