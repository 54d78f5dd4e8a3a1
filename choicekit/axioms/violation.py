"""A counterexample: the profiles, what the rule said of each, and in words why that breaks the axiom."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from choicekit.axioms import _readings
from choicekit.axioms._electorates import said
from choicekit.axioms._problems import CommitteeProblem, RewardProblem
from choicekit.outcomes import Labels
from choicekit.profiles import Approvals, Rankings, Utilities


@dataclass(frozen=True, eq=False, repr=False)
class Violation:
    """Profiles on which a rule breaks an axiom.

    ``profiles`` are those the axiom compares, the one it was asked about first, each with a caption; ``outcomes`` what
    the rule said of each, as plain values: labels of the winners; an ordering as a tuple of levels; probabilities;
    committees; utilities. ``alternatives`` are those the clash is about (in a set of winners the wrong ones, for
    independence the pair), ``reason`` says in words what is wrong. Printed as ballot tables.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> found = axioms.condorcet_winner(rules.plurality, ck.Rankings.from_orders({"abc": 3, "bca": 2, "cba": 2}))
    >>> print(found)
    plurality violates condorcet_winner: b beats every other alternative, and is not the only winner
    the ballots: a wins
      3: a > b > c
      2: b > c > a
      2: c > b > a
    """

    axiom: str
    rule: str
    reason: str
    alternatives: Labels
    profiles: tuple[Any, ...]
    captions: tuple[str, ...]
    outcomes: tuple[Any, ...]
    reading: str
    asked: Callable[[Any], Any] | None = field(default=None)

    @property
    def voters(self) -> float:
        """How many voters the profile that the axiom was asked about has.

        >>> import choicekit as ck
        >>> Violation("a", "r", "…", (), (ck.Rankings([[0, 1], [1, 0]]),), ("",), (((0,),),), "winners").voters
        2.0
        """
        first = self.profiles[0]
        first = getattr(first, "rankings", getattr(first, "approvals", first))
        return float(first.weights.sum())

    @property
    def size(self) -> str:
        """How large that profile is, in words.

        >>> import choicekit as ck
        >>> Violation("a", "r", "…", (), (ck.Rankings([[0, 1], [1, 0]]),), ("",), (((0,),),), "winners").size
        '2 voters on 2 alternatives'
        """
        return f"{counted(self.voters, 'voter')} on {counted(len(self.profiles[0].alternatives), 'alternative')}"

    def __repr__(self) -> str:
        return f"<violation by {self.size}: {self.rule} violates {self.axiom}: {self.reason}>"

    def __str__(self) -> str:
        about = _reading(self.reading)
        lines = [f"{self.rule} violates {self.axiom}: {self.reason}"]
        for profile, caption, outcome in zip(self.profiles, self.captions, self.outcomes, strict=True):
            lines.append(f"{caption}: {about.show(outcome)}")
            lines += [f"  {line}" for line in table(profile)]
        return "\n".join(lines)

    def replay(self, rule: Callable[[Any], Any] | None = None) -> bool:
        """Whether the rule, run again on the profiles, still says the same of each, so that the clash stands.

        Without ``rule``, the one that was found at fault; after :meth:`from_json` it must be given.

        >>> import choicekit as ck
        >>> from choicekit import axioms, rules
        >>> found = axioms.majority(rules.borda, ck.Rankings.from_orders({"abc": 3, "bca": 2}))
        >>> found.replay(), found.replay(rules.plurality)
        (True, False)
        """
        rule = rule or self.asked
        if rule is None:
            raise TypeError("replay: a violation read from JSON does not hold the rule; pass it, replay(rule)")
        about = _reading(self.reading)
        return all(
            about.same(_readings.answered(about, rule, profile), outcome)
            for profile, outcome in zip(self.profiles, self.outcomes, strict=True)
        )

    def to_json(self) -> str:
        """The violation as JSON text, without the rule itself. Labels must be text, numbers or booleans.

        >>> import choicekit as ck
        >>> from choicekit import axioms, rules
        >>> found = axioms.majority(rules.borda, ck.Rankings.from_orders({"abc": 3, "bca": 2}))
        >>> print(Violation.from_json(found.to_json()).outcomes)
        (('b',),)
        """
        return json.dumps(
            {
                "axiom": self.axiom, "rule": self.rule, "reason": self.reason, "reading": self.reading,
                "alternatives": [_label(label) for label in self.alternatives],
                "profiles": [profile_to_dict(profile) for profile in self.profiles],
                "captions": list(self.captions), "outcomes": [_plain(outcome) for outcome in self.outcomes],
            }
        )  # fmt: skip

    @classmethod
    def from_json(cls, text: str) -> Violation:
        """The violation that :meth:`to_json` wrote; :meth:`replay` needs the rule then. ``ValueError`` for other text.

        >>> Violation.from_json("{}")
        Traceback (most recent call last):
            ...
        ValueError: violation: needed the JSON that Violation.to_json writes; 'axiom' is missing
        """
        try:
            held = json.loads(text)
            found = cls(
                axiom=held["axiom"],
                rule=held["rule"],
                reason=held["reason"],
                alternatives=tuple(held["alternatives"]),
                profiles=tuple(profile_from_dict(each) for each in held["profiles"]),
                captions=tuple(held["captions"]),
                outcomes=tuple(_tuples(outcome) for outcome in held["outcomes"]),
                reading=_reading(held["reading"]).name,
            )
            if not len(found.profiles) == len(found.captions) == len(found.outcomes) > 0:
                raise TypeError("each profile has a caption and an outcome there")
            return found
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            missing = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"violation: needed the JSON that Violation.to_json writes; {missing}") from None


def counted(number: float, noun: str) -> str:
    """A number of something in words.

    >>> counted(1, "voter"), counted(2002, "voter")
    ('1 voter', '2,002 voters')
    """
    return f"{number:,g} {noun}" + ("" if number == 1 else "s")


def _reading(name: str) -> _readings.Reading:
    for reading in _readings.EVERY:
        if reading.name == name:
            return reading
    raise ValueError(f"violation: no reading is called {name!r}; there are {[each.name for each in _readings.EVERY]}")


def table(profile: Any) -> list[str]:
    """A profile as lines: how many voters, and what they said.

    >>> import choicekit as ck
    >>> table(ck.Rankings.from_orders({"ab": 2, "ba": 1}))
    ['2: a > b', '1: b > a']
    """
    if isinstance(profile, RewardProblem):
        points = [f"features of {a}: {_readings.show_numbers(row)}" for a, row in
                  zip(profile.alternatives, profile.features.tolist(), strict=True)]  # fmt: skip
        return table(profile.rankings) + points
    if isinstance(profile, CommitteeProblem):
        return [*table(profile.approvals), f"{profile.size} seat{'s' if profile.size > 1 else ''}"]
    counted: dict[str, float] = {}
    values = profile.ranks if isinstance(profile, Rankings) else profile.values
    for row, weight in zip(values.tolist(), profile.weights.tolist(), strict=True):
        if weight:
            words = _ballot(profile, row)
            counted[words] = counted.get(words, 0) + weight
    return [f"{weight:g}: {words}" for words, weight in counted.items()]


def _ballot(profile: Any, row: list[Any]) -> str:
    if isinstance(profile, Rankings):
        return said(profile, row)
    named = list(zip(profile.alternatives, row, strict=True))
    if isinstance(profile, Approvals):
        return "{" + ", ".join(str(label) for label, yes in named if yes) + "}"
    return ", ".join(f"{label} {value:.6g}" for label, value in named)


def profile_to_dict(profile: Any) -> dict[str, Any]:
    """A profile as plain values.

    >>> import choicekit as ck
    >>> profile_to_dict(ck.Rankings([[0, 1]]))
    {'kind': 'Rankings', 'alternatives': [0, 1], 'weights': [1.0], 'values': [[0, 1]]}
    """
    if isinstance(profile, RewardProblem):
        return profile_to_dict(profile.rankings) | {"kind": "RewardProblem", "features": profile.features.tolist()}
    if isinstance(profile, CommitteeProblem):
        return profile_to_dict(profile.approvals) | {"kind": "CommitteeProblem", "size": profile.size}
    values = profile.ranks if isinstance(profile, Rankings) else profile.values
    written = [[None if value != value else value for value in row] for row in values.tolist()]
    labels = [_label(label) for label in profile.alternatives]
    return {
        "kind": type(profile).__name__, "alternatives": labels, "weights": profile.weights.tolist(), "values": written,
    }  # fmt: skip


def profile_from_dict(held: dict[str, Any]) -> Any:
    """The profile that :func:`profile_to_dict` wrote.

    >>> import choicekit as ck
    >>> profile_from_dict(profile_to_dict(ck.Approvals([[1, 0]]))).values.tolist()
    [[True, False]]
    """
    labels, weights = held["alternatives"], held["weights"]
    if held["kind"] in ("Rankings", "RewardProblem"):
        rankings = Rankings(np.array(held["values"], np.int64), weights, labels)
        return rankings if held["kind"] == "Rankings" else RewardProblem(rankings, held["features"])
    values = [[np.nan if value is None else value for value in row] for row in held["values"]]
    if held["kind"] == "Utilities":
        return Utilities(values, weights, labels)
    if held["kind"] in ("Approvals", "CommitteeProblem"):
        approvals = Approvals(values, weights, labels)
        return approvals if held["kind"] == "Approvals" else CommitteeProblem(approvals, held["size"])
    raise ValueError(f"profile: no kind {held['kind']!r} is known")


def _label(label: Any) -> Any:
    plain = label.item() if isinstance(label, np.generic) else label
    if not isinstance(plain, str | int | float | bool):
        raise TypeError(f"violation: JSON holds labels that are text, numbers or booleans, got {label!r}")
    return plain


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple) else _label(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
