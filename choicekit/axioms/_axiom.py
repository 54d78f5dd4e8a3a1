"""What makes a function an axiom: from a rule and a profile to a violation, or to none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._problems import CommitteeProblem, RewardProblem
from choicekit.axioms._readings import Ask, Reading, name_of, runnable
from choicekit.axioms.violation import Violation
from choicekit.naming import importable_name, pass_for
from choicekit.outcomes import Labels
from choicekit.profiles import Approvals, Rankings, Utilities

#: How an axiom quantifies: over one profile; over a profile and those one move away from it; over any two or three
#: profiles that have something in common; or over whether some profile exists.
Kind: TypeAlias = Literal["intra", "neighbour", "global", "existential"]
#: The ballots the axiom speaks of.
Ballots: TypeAlias = Literal["strict", "weak", "truncated", "utilities", "approvals", "committees", "features"]
_TYPES: dict[str, type] = {
    "utilities": Utilities, "approvals": Approvals, "committees": CommitteeProblem, "features": RewardProblem,
}  # fmt: skip
#: Sets of winners as bits (alternative a is bit a), of every anonymous profile of strict rankings of n voters on m
#: alternatives, in the order of ``domains.every(voters=n, alternatives=m, anonymous=True)``: ``tables(m, n)``.
Tables: TypeAlias = Callable[[int, int], NDArray[np.uint16]]


class Scan(Protocol):
    """``scan(tables, m, n)`` says of each of those profiles whether the axiom is violated there.

    ``only`` are the profiles to look at, true and false, one for each; the answer is false on the others.
    """

    def __call__(
        self, tables: Tables, m: int, n: int, /, *, only: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]: ...  # fmt: skip


class Clash(NamedTuple):
    """What is wrong: in words, on which profiles (with captions, the one that was asked about first), about whom."""

    reason: str
    profiles: tuple[Any, ...]
    captions: tuple[str, ...]
    alternatives: Labels = ()


@dataclass(frozen=True, eq=False, repr=False)
class Axiom:
    """An axiom: a function ``(rule, profile) -> Violation | None`` that knows how it quantifies.

    ``kind`` is "intra" (one profile), "neighbour" (a profile and every profile one move away), "global" (profiles that
    share something) or "existential" (some profile must exist; looked for in *all* profiles with as many voters and
    alternatives as the one given, so that a violation is a fact about a complete domain). ``about`` is what is read of
    the outcome. ``ballots`` says which profiles it speaks of, ``implies`` names the axioms that follow from it,
    ``neutral`` and ``anonymous`` whether, of a rule known to treat them alike, profiles that differ in the names of the
    alternatives or the order of the voters may be taken for one. Called on a rule and a profile it looks at
    the complete neighbourhood of the profile. Made by :func:`axiom`.

    >>> from choicekit import axioms
    >>> axioms.monotonicity, axioms.monotonicity.kind
    (<axiom monotonicity of winners>, 'neighbour')
    """

    function: Callable[[Ask, Any], Clash | None]
    kind: Kind
    about: Reading
    ballots: Ballots
    implies: tuple[str, ...] = ()
    neutral: bool = True
    anonymous: bool = True
    scan: Scan | None = None

    def __post_init__(self) -> None:
        pass_for(self, self.function)

    @property
    def name(self) -> str:
        """The name of the axiom.

        >>> from choicekit import axioms
        >>> axioms.majority.name
        'majority'
        """
        return self.function.__name__

    def __repr__(self) -> str:
        return f"<axiom {self.name} of {self.about.name}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """By its name where it can be imported, as functions are pickled; by its parts otherwise."""
        return importable_name(self) or super().__reduce_ex__(protocol)

    def __call__(self, rule: Callable[[Any], Any], profile: Any) -> Violation | None:
        """The violation that the profile and its whole neighbourhood hold, or ``None`` where they hold none.

        Raises ``ValueError`` or ``TypeError`` for profiles the axiom does not speak of and outcomes it cannot read.

        >>> import choicekit as ck
        >>> from choicekit import axioms, rules
        >>> axioms.majority(rules.plurality, ck.Rankings.from_orders({"ab": 2, "ba": 1})) is None
        True
        """
        return self.examine(Ask(runnable(rule, self.name), self.about), profile)

    def examine(self, ask: Ask, profile: Any) -> Violation | None:
        """The same for a rule whose answers are remembered from one profile to the next.

        >>> import choicekit as ck
        >>> from choicekit import axioms, rules
        >>> from choicekit.axioms._readings import Ask, winners
        >>> axioms.majority.examine(Ask(rules.borda, winners), ck.Rankings.from_orders({"abc": 3, "bca": 2})).outcomes
        (('b',),)
        """
        try:
            clash = self.function(ask, profile)
        except (AttributeError, TypeError) as error:
            wanted = _TYPES.get(self.ballots, Rankings)
            raised = hasattr(error, "__notes__") and self.ballots not in _TYPES  # by the rule
            if isinstance(profile, wanted) or raised:
                raise
            got = type(profile).__name__
            raise TypeError(f"{self.name}: needed {wanted.__name__} for a profile, got {got}") from error
        if clash is None:
            return None
        if not isinstance(clash, Clash):
            raise TypeError(f"{self.name}: an axiom answers with a Clash, or None where all is well; got {clash!r}")
        return Violation(
            axiom=self.name,
            rule=name_of(ask.rule),
            reason=clash.reason,
            alternatives=clash.alternatives,
            profiles=clash.profiles,
            captions=clash.captions,
            outcomes=tuple(ask(each) for each in clash.profiles),
            reading=self.about.name,
            asked=ask.rule,
        )


def axiom(
    *,
    kind: Kind,
    about: Reading,
    ballots: Ballots = "strict",
    implies: tuple[str, ...] = (),
    neutral: bool = True,
    anonymous: bool = True,
    scan: Scan | None = None,
) -> Callable[[Callable[[Ask, Any], Clash | None]], Axiom]:
    """Make a function ``(ask, profile) -> Clash | None`` an axiom; ``ask(profile)`` is what is read of the outcome.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> @axiom(kind="intra", about=axioms.readings.winners)
    ... def first_voter_is_heard(ask, profile):
    ...     top = profile.alternatives[profile.ranks[0].argmin()]
    ...     if top not in ask(profile):
    ...         return Clash("the first voter's favourite does not win", (profile,), ("the ballots",), (top,))
    >>> print(first_voter_is_heard(rules.plurality, ck.Rankings.from_orders({"ab": 1, "ba": 2})))
    plurality violates first_voter_is_heard: the first voter's favourite does not win
    the ballots: b wins
      1: a > b
      2: b > a
    """
    for name, given, known in (("kind", kind, get_args(Kind)), ("ballots", ballots, get_args(Ballots))):
        if given not in known:
            raise ValueError(f"axiom: {name} is one of {', '.join(known)}, got {given!r}")
    return lambda function: Axiom(function, kind, about, ballots, implies, neutral, anonymous, scan)
