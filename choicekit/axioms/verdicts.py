"""What a check found, together with where it looked: never a bare yes or no."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from choicekit.axioms.violation import Violation, counted

#: "violated": there is a witness. "holds": on every profile of the scope. "not refuted": none was drawn.
Status: TypeAlias = Literal["violated", "holds", "not refuted"]


@dataclass(frozen=True)
class Scope:
    """Where a check looked.

    ``sizes`` are pairs of a number of alternatives m and a number of voters n: every profile of m alternatives and
    ``least`` (by default 1) to n voters was examined, ``profiles`` of them in all, counted once up to the order of the
    voters where ``symmetry`` says that the rule is anonymous. ``asked`` is how many profiles the rule was run on.
    ``draws`` is how many profiles of ``drawn = (m, n)`` were drawn from ``culture`` besides, and ``bound`` the upper
    end of a 95 % confidence interval for the share of that culture's profiles where the axiom is violated: 1 −
    0.05^(1/draws), as none of them was. ``given`` is how many profiles of the caller's own were examined, ``most`` the
    largest (m, n) asked for.

    >>> print(Scope(ballots="strict", sizes=((2, 4), (3, 4), (4, 2)), profiles=571))
    all 571 profiles of strict ballots of up to 4 voters on 2 to 3 alternatives, and up to 2 voters on 4 alternatives
    >>> print(Scope(ballots="strict", draws=100, drawn=(3, 9), culture="impartial_culture"))
    100 draws of 9 voters on 3 alternatives from impartial_culture
    """

    ballots: str
    most: tuple[int, int] = (0, 0)
    sizes: tuple[tuple[int, int], ...] = ()
    profiles: int = 0
    symmetry: str = ""
    asked: int = 0
    given: int = 0
    draws: int = 0
    drawn: tuple[int, int] = (0, 0)
    culture: str = ""
    bound: float | None = None
    least: int = 1

    def __str__(self) -> str:
        parts = []
        if self.profiles:
            symmetry = f" ({self.symmetry})" if self.symmetry else ""
            parts.append(f"all {self.profiles:,} profiles of {self.ballots} ballots of {self._sizes()}{symmetry}")
        if self.given:
            parts.append(f"the {counted(self.given, 'profile')} given")
        if self.draws:
            m, n = self.drawn
            of = f"{counted(n, 'voter')} on {counted(m, 'alternative')}"
            parts.append(f"{counted(self.draws, 'draw')} of {of} from {self.culture}")
        return ", and ".join(parts) or "no profile"

    def _sizes(self) -> str:
        """The sizes in words, those with as many voters together."""
        said: list[str] = []
        for n, group in itertools.groupby(self.sizes, key=lambda pair: pair[1]):
            widths = [m for m, _ in group]
            span = f"{widths[0]} to {widths[-1]}" if len(widths) > 1 else str(widths[0])
            from_ = "" if n == self.least else f"{self.least} to " if self.least > 1 else "up to "
            said.append(f"{from_}{counted(n, 'voter')} on {span} alternatives")
        return ", and ".join(said)


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """What a check of one axiom found: "violated" with a witness, or "holds" or "not refuted", each with its scope.

    "holds" speaks of the profiles of the scope alone, "not refuted" of the draws. ``minimal`` says of the witness
    whether no smaller profile is one: "proved" (every profile with fewer alternatives and up to the voters asked for,
    or with as many alternatives and fewer voters, was examined), "locally" (no deletion of up to four voters, or of an
    alternative, leaves a violation) or ``None``. ``evidence`` tells what was done. A verdict has no truth value: ask
    for its ``status``.

    >>> verdict = Verdict("majority", "plurality", "holds", Scope("strict", sizes=((2, 4), (3, 4)), profiles=223))
    >>> print(verdict)
    plurality, majority: holds for all 223 profiles of strict ballots of up to 4 voters on 2 to 3 alternatives
    >>> bool(verdict)
    Traceback (most recent call last):
        ...
    TypeError: a verdict is more than true or false, as it has a scope; ask for verdict.status, which is 'holds'
    """

    axiom: str
    rule: str
    status: Status
    scope: Scope
    violation: Violation | None = None
    minimal: Literal["proved", "locally"] | None = None
    evidence: tuple[str, ...] = ()

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"a verdict is more than true or false, as it has a scope; ask for verdict.status, which is {self.status!r}"
        )

    def __repr__(self) -> str:
        return f"<verdict {self.rule}, {self.axiom}: {self.summary}>"

    @property
    def summary(self) -> str:
        """The verdict in one line.

        >>> Verdict("majority", "veto", "not refuted", Scope("strict")).summary
        'not refuted in no profile'
        """
        if self.violation is not None:
            grid = " with utilities 1, 2 or 3" if self.scope.ballots.startswith("utilities") else ""
            smallest = {
                "proved": f", the smallest of all profiles of up to {counted(self.scope.most[1], 'voter')}{grid}",
                "locally": "; a smaller violation was looked for near it alone",
            }
            return f"violated by {self.violation.size}{smallest.get(self.minimal or '', '')}"
        bound = ""
        if self.scope.bound is not None and self.status == "not refuted":
            bound = f"; violated in at most {self.scope.bound:.3g} of that culture's profiles, at 95 % confidence"
        return f"{'holds for' if self.status == 'holds' else 'not refuted in'} {self.scope}{bound}"

    def __str__(self) -> str:
        lines = [f"{self.rule}, {self.axiom}: {self.summary}"]
        return "\n".join([*lines, *([str(self.violation)] if self.violation else [])])
