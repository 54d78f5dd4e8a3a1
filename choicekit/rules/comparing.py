"""What several rules say of one profile, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from choicekit.outcomes import Labels, Lottery, NotConverged
from choicekit.profiles._columns import frozen
from choicekit.rules._rule import Floats, Profile
from choicekit.rules.robustness import Robustness, bootstrap, checked, proved, taken_apart, winners_of


@dataclass(frozen=True, eq=False)
class Answer:
    """What one rule says: its winners and how firm they are, or why it does not speak.

    ``probabilities`` are those of the winners, for a lottery. ``refusal`` is the message with which the rule turned
    the profile down; there is no outcome then.

    >>> Answer("plurality", winners=("a",)).refusal is None
    True
    """

    rule: str
    winners: Labels = ()
    probabilities: tuple[float, ...] | None = None
    robustness: Robustness | None = None
    outcome: Any = None
    refusal: str | None = None


@dataclass(frozen=True, eq=False)
class Contest:
    """The answers of several rules on one profile; made by :func:`compare`, printed as a table.

    >>> Contest(("a", "b"), (Answer("one", ("a",)), Answer("other", ("a", "b")))).agreement.tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """

    alternatives: Labels
    answers: tuple[Answer, ...]

    @property
    def groups(self) -> dict[Labels, tuple[str, ...]]:
        """The rules that name the same set of winners, by that set; the largest group first.

        >>> Contest(("a", "b"), (Answer("one", ("a",)), Answer("other", ("b",)), Answer("third", ("b",)))).groups
        {('b',): ('other', 'third'), ('a',): ('one',)}
        """
        found: dict[Labels, list[str]] = {}
        for answer in self.answers:
            if answer.refusal is None:
                found.setdefault(answer.winners, []).append(answer.rule)
        ordered = sorted(found.items(), key=lambda group: -len(group[1]))
        return {winners: tuple(names) for winners, names in ordered}

    @property
    def agreement(self) -> Floats:
        """How far two rules agree, ``[r, r]``: the winners they share over those that either names (Jaccard).

        1 for the same set, 0 for sets with none in common, NaN for a rule that turned the profile down.

        >>> Contest(("a", "b"), (Answer("one", ("a",)), Answer("other", ("b",)))).agreement.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        out = np.full((len(self.answers), len(self.answers)), np.nan)
        for i, one in enumerate(self.answers):
            for j, other in enumerate(self.answers):
                mine, theirs = set(one.winners), set(other.winners)
                if mine | theirs and one.refusal is None and other.refusal is None:
                    out[i, j] = len(mine & theirs) / len(mine | theirs)
        return frozen(out)

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain dictionaries, one a rule, with the same keys each.

        ``robustness`` is in words, ``kind``, ``voters``, ``at_most``, ``share`` and ``interval`` are its parts.

        >>> Contest(("a",), (Answer("one", ("a",)),)).rows()[0]["winners"]
        ['a']
        """
        found = []
        for answer in self.answers:
            firm = answer.robustness
            found.append(
                {
                    "rule": answer.rule,
                    "winners": list(answer.winners),
                    "probabilities": None if answer.probabilities is None else list(answer.probabilities),
                    "robustness": None if firm is None else str(firm),
                    "kind": None if firm is None else firm.kind,
                    "voters": None if firm is None else firm.voters,
                    "at_most": None if firm is None else firm.at_most,
                    "share": None if firm is None else firm.share,
                    "interval": None if firm is None or firm.interval is None else list(firm.interval),
                    "refusal": answer.refusal,
                }
            )
        return found

    def __str__(self) -> str:
        table = [("rule", "winners", "voters to change it")]
        for answer in self.answers:
            said = _named(answer) if answer.refusal is None else f"refused: {_cut(answer.refusal, 80)}"
            table.append((answer.rule, said, "" if answer.robustness is None else str(answer.robustness)))
        first = max(len(row[0]) for row in table)
        refused = [answer.refusal is not None for answer in self.answers]
        second = max(len(row[1]) for row, no in zip(table, [False, *refused], strict=True) if not no)
        lines = [f"{name:<{first}}  {winners:<{second}}  {firm}".rstrip() for name, winners, firm in table]
        lines.insert(1, "-" * max(len(line) for line, no in zip(lines, [False, *refused], strict=True) if not no))
        return "\n".join([*lines, "", *self._said()])

    def _said(self) -> list[str]:
        groups = self.groups
        if not groups:
            return ["No rule speaks."]
        if len(groups) == 1:
            return [f"All agree on {_listed(next(iter(groups)))}."]
        return [f"{_listed(winners)}: {', '.join(names)}" for winners, names in groups.items()]


def compare(
    profile: Profile,
    rules: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]],
    *,
    replicates: int = 200,
    rng: int | np.random.Generator | None = None,
    level: float = 0.95,
) -> Contest:
    """What each of several rules says of a profile, how few voters could change it, and where the rules disagree.

    ``rules`` are rules of this package, rules with options (``functools.partial(rules.k_approval, k=2)``), or any
    functions of a profile that give an outcome; a mapping gives them names. How firm the winners are is found as in
    :func:`~choicekit.rules.margin_of_victory`: the smallest number of voters, exactly or as a bound, where that can be
    proved, and otherwise the share of ``replicates`` resamples of the voters, the same ones for every rule, that have
    the same winners. A rule that cannot run on the profile has a row that says why. Raises ``TypeError`` for what is
    no function, and ``ValueError`` for a negative number of replicates or a level outside (0, 1).

    >>> from choicekit import Rankings, rules
    >>> capital = Rankings.from_orders({"MNCK": 42, "NCKM": 26, "CKNM": 15, "KCNM": 17})      # of Tennessee
    >>> print(compare(capital, [rules.plurality, rules.borda, rules.copeland, rules.utilitarian]))
    rule         winners  voters to change it
    ---------------------------------------------------------
    plurality    M        exact: 8 of 100 voters
    borda        N        exact: 6 of 100 voters
    copeland     N        at least 8, at most 9 of 100 voters
    utilitarian  refused: utilitarian needs Utilities; Rankings cannot be turned into them without inve...
    <BLANKLINE>
    N: borda, copeland
    M: plurality
    """
    checked(replicates, level)
    answers: list[Answer] = []
    left: list[tuple[int, Callable[..., Any]]] = []
    for name, rule in _named_rules(rules):
        try:
            outcome = rule(profile)
            found = winners_of(outcome)
        except (TypeError, ValueError, NotConverged) as refusal:
            answers.append(Answer(name, refusal=str(refusal)))
            continue
        known = proved(profile, rule, found)
        if known is None:
            left.append((len(answers), rule))
        answers.append(Answer(name, found, _chances(outcome), known, outcome))
    shares = bootstrap(
        profile, [(rule, answers[at].winners) for at, rule in left], replicates, np.random.default_rng(rng), level
    )
    for (at, _), share in zip(left, shares, strict=True):
        old = answers[at]
        answers[at] = Answer(old.rule, old.winners, old.probabilities, share, old.outcome)
    return Contest(profile.alternatives, tuple(answers))


def _named_rules(
    rules: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]],
) -> list[tuple[str, Callable[..., Any]]]:
    """Each rule with a name of its own."""
    if callable(rules):
        raise TypeError(f"compare: needed a list of rules or a mapping from names to rules, got {rules!r}; pass [rule]")
    given = list(rules.items()) if isinstance(rules, Mapping) else [(None, rule) for rule in rules]
    found: list[tuple[str, Callable[..., Any]]] = []
    taken: set[str] = set()
    for position, (name, rule) in enumerate(given):
        if not callable(rule):
            raise TypeError(f"compare: needed rules, functions of a profile, got {rule!r} in place {position}")
        base = str(name) if name is not None else _name(rule, position)
        label, count = base, 2
        while label in taken:
            label, count = f"{base} ({count})", count + 1
        taken.add(label)
        found.append((label, rule))
    return found


def _name(rule: Callable[..., Any], position: int) -> str:
    """A function's name with the options it is given; a lambda's is its place in the list."""
    function, options = taken_apart(rule)
    name = getattr(function, "__name__", type(function).__name__)
    if name == "<lambda>":
        name = f"rule {position + 1}"
    shown = ", ".join(f"{key}={_short(value)}" for key, value in options.items())
    return f"{name}({shown})" if shown else name


def _short(value: Any) -> str:
    text = getattr(value, "method", None) or repr(value)
    return _cut(text, 24)


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size - 3]}..."


def _chances(outcome: Any) -> tuple[float, ...] | None:
    if not isinstance(outcome, Lottery):
        return None
    chance = dict(zip(outcome.alternatives, outcome.probabilities.tolist(), strict=True))
    return tuple(chance[label] for label in outcome.winners)


def _named(answer: Answer) -> str:
    if answer.probabilities is None or len(answer.winners) == 1:
        return _listed(answer.winners)
    pairs = [f"{label} {chance:.3g}" for label, chance in zip(answer.winners, answer.probabilities, strict=True)]
    return _listed(tuple(pairs))


def _listed(labels: Labels) -> str:
    """Labels for a reader: at most six of them."""
    shown = ", ".join(str(label) for label in labels[:6])
    return shown if len(labels) <= 6 else f"{shown} and {len(labels) - 6} more"
