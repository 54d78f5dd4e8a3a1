"""What an axiom reads in a rule's outcome, as plain values: winners, an ordering, a lottery, committees, utilities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from choicekit.outcomes import TIE_TOLERANCE, Bargain, Committees, Labels, LinearOrder, Orders, Scores
from choicekit.profiles import Margins
from choicekit.profiles._columns import Label, short

#: An order from the top down, those level together.
Levels: TypeAlias = tuple[Labels, ...]


def equal(one: Any, other: Any) -> bool:
    """Whether two plain values are the same."""
    return bool(one == other)


def called(rule: Callable[[Any], Any], profile: Any) -> Any:
    """The rule's outcome on a profile."""
    return rule(profile)


@dataclass(frozen=True, eq=False)
class Reading:
    """What is read in an outcome: ``read`` makes a plain value of it, ``same`` compares two, ``show`` puts it in words.

    ``ask`` calls the rule on a profile.
    """

    name: str
    read: Callable[[Any, Any], Any]
    show: Callable[[Any], str]
    same: Callable[[Any, Any], bool] = equal
    ask: Callable[[Any, Any], Any] = called


class Ask:
    """A rule as an axiom sees it: called on a profile it gives the reading, each profile asked of the rule once.

    ``voters_named=False`` (the rule was checked to be anonymous): profiles that differ in the order of voters are one.
    """

    def __init__(self, rule: Callable[[Any], Any], about: Reading, *, voters_named: bool = True) -> None:
        self.rule, self.about, self.voters_named = rule, about, voters_named
        self.calls = 0
        self._known: dict[Any, Any] = {}

    def __call__(self, profile: Any) -> Any:
        key = self._key(profile)
        if key not in self._known:
            self.calls += 1
            self._known[key] = answered(self.about, self.rule, profile)
        return self._known[key]

    def _key(self, profile: Any) -> Any:
        held = getattr(profile, "_ranks", None)
        if held is None:
            return profile_key(profile)
        if self.voters_named:
            return held.tobytes(), held.shape, profile.weights.tobytes(), profile.alternatives
        rows = [row for row, weight in zip(held.tolist(), profile.weights.tolist(), strict=True) if weight]
        weights = [weight for weight in profile.weights.tolist() if weight]
        return tuple(sorted(zip(map(tuple, rows), weights, strict=True))), profile.alternatives


def answered(about: Reading, rule: Callable[[Any], Any], profile: Any) -> Any:
    """What is read of the rule's outcome; an exception on the way gets a note that names the profile."""
    if about is winners and len(profile.alternatives) == 1:
        return tuple(profile.alternatives)  # nobody else could win, whatever the rule makes of so few
    try:
        return about.read(about.ask(rule, profile), profile)
    except Exception as error:
        located(error, rule, profile)
        raise


def runnable(rule: Any, asker: str) -> Any:
    """The rule, where it can be called; else a refusal."""
    if hasattr(rule, "examine"):
        raise TypeError(f"{asker}: needed a rule there, got {rule!r}; the rule and the axiom have changed places")
    if not callable(rule):
        raise TypeError(f"{asker}: needed a rule, a function of a profile such as rules.borda; got {rule!r}")
    return rule


def located(error: Exception, rule: Any, profile: Any) -> None:
    """Note on which profile a rule went wrong."""
    from choicekit.axioms.violation import table  # which prints profiles, and needs this module

    lines = [f"{name_of(rule)} was asked about the ballots", *(f"  {line}" for line in table(profile))]
    error.add_note("\n".join(lines))


def profile_key(profile: Any) -> Any:
    """What tells a profile of utilities, approvals or rankings with features from another."""
    arrays = [np.asarray(value) for value in vars(profile).values() if isinstance(value, np.ndarray)]
    inner = getattr(profile, "rankings", getattr(profile, "approvals", None))
    own = tuple((array.tobytes(), array.shape) for array in arrays)
    size = getattr(profile, "size", None)
    return type(profile).__name__, own, size, getattr(profile, "alternatives", None), inner and profile_key(inner)


def name_of(rule: Any) -> str:
    """The name of a rule, that of the function behind a partial one."""
    while hasattr(rule, "func"):
        rule = rule.func
    return str(getattr(rule, "__name__", None) or type(rule).__name__)


def law_of(culture: Any) -> str:
    """The name of a culture, with the options that a partial one has been given."""
    options = ", ".join(f"{key}={value!r}" for key, value in getattr(culture, "keywords", {}).items())
    return name_of(culture) + (f"({options})" if options else "")


def read_winners(outcome: Any, profile: Any) -> Labels:
    """The winners, in the order of the profile's alternatives."""
    if outcome is None:
        raise ValueError("the rule named None as winners, as functions without a return do; needed the winners' labels")
    named = getattr(outcome, "winners", outcome)
    if type(named) not in (set, tuple, list, frozenset):
        named = _several(named)
    alternatives: Labels = profile.alternatives
    chosen = tuple([a for a in alternatives if a in named])
    if not chosen or len(chosen) != len(named):
        raise ValueError(
            f"the rule named {short(tuple(named), 5) or 'nobody'} as winners, of the alternatives "
            f"{short(alternatives, 5)}; needed at least one of them, each once, and no others"
        )
    if type(next(iter(named))) in _NUMBERS and not any(type(a) in _NUMBERS for a in alternatives):
        raise TypeError(
            f"the rule answered with {short(tuple(named), 5)}, which looks like truth values or scores; needed the "
            f"labels of the winners, of the alternatives {short(alternatives, 5)}"
        )
    return chosen


_NUMBERS = (bool, float, np.bool_, np.float64, np.float32)


def _several(named: Any) -> tuple[Any, ...]:
    """Winners named alone or by anything that can be gone through, as a tuple."""
    if isinstance(named, Mapping):
        raise TypeError(
            f"the rule answered with a {type(named).__name__}, of which it is not plain who wins; needed the labels of "
            "the winners"
        )
    return tuple(named) if isinstance(named, Iterable) and not isinstance(named, str) else (named,)


def read_ordering(outcome: Any, profile: Any) -> Levels:
    """The order of all alternatives, best first, those level together."""
    alternatives: Labels = profile.alternatives
    if isinstance(outcome, LinearOrder):
        found: Levels = outcome.levels
    elif isinstance(outcome, Scores):
        found = levels(alternatives, outcome.scores)
    elif isinstance(outcome, Orders):
        if len(outcome.orders) > 1 or not outcome.all_listed:
            raise TypeError(
                "the rule answers with several orders that are equally good; an axiom of orderings needs one: choose "
                "it, as in lambda profile: rules.kemeny(profile).orders[0]"
            )
        found = tuple((label,) for label in outcome.orders[0])
    elif isinstance(outcome, Sequence) and not isinstance(outcome, str):
        tiers = [tier if isinstance(tier, set | frozenset | list | tuple) else (tier,) for tier in outcome]
        unknown = [label for tier in tiers for label in tier if label not in alternatives]
        if unknown:
            raise ValueError(f"the rule's order names {short(tuple(unknown), 3)}, which is no alternative")
        found = tuple(tuple(a for a in alternatives if a in tier) for tier in tiers)
    else:
        raise TypeError(
            f"an axiom of orderings needs an order of all alternatives (Scores, a LinearOrder, or a sequence of them, "
            f"best first, with sets for ties); the rule answered with {type(outcome).__name__}, which orders none of "
            "those that do not win"
        )
    if sorted(map(repr, (a for level in found for a in level))) != sorted(map(repr, alternatives)):
        raise ValueError(f"the rule's order {found!r} does not hold each of {short(alternatives, 5)} once")
    return found


def levels(alternatives: Labels, scores: Any) -> Levels:
    """Alternatives by score, highest first, those within the tolerance of ties together."""
    values = np.asarray(scores, np.float64)
    if values.shape != (len(alternatives),) or np.isnan(values).any():
        given = short(tuple(values.ravel().tolist()), 5)
        raise ValueError(f"the rule gave the scores {given}; needed a number for each of {short(alternatives, 5)}")
    finite = np.abs(values[np.isfinite(values)])
    slack = TIE_TOLERANCE * (float(finite.max()) if finite.size else 0.0)
    found: list[list[Label]] = []
    last = np.inf
    for a in np.argsort(-values, kind="stable").tolist():
        if not found or values[a] < last - slack:
            found.append([])
            last = float(values[a])
        found[-1].append(alternatives[a])
    return tuple(tuple(a for a in alternatives if a in level) for level in found)


def places(ordering: Levels) -> dict[Label, int]:
    """The level of each alternative, 0 on top."""
    return {label: place for place, level in enumerate(ordering) for label in level}


def read_lottery(outcome: Any, profile: Any) -> tuple[float, ...]:
    """The probability of each alternative."""
    chances = getattr(outcome, "probabilities", None)
    if chances is None or np.shape(chances) != (len(profile.alternatives),):
        raise TypeError(
            f"an axiom of lotteries needs a probability for each of {len(profile.alternatives)} alternatives (a "
            f"Lottery); the rule answered with {type(outcome).__name__}. An even chance for tied winners is a lottery "
            "you can make yourself"
        )
    return tuple(float(chance) for chance in chances)


def read_committees(outcome: Any, profile: Any) -> tuple[Labels, ...]:
    """The committees that the rule elects, each in the order of the alternatives, sorted."""
    if isinstance(outcome, Committees):
        found = outcome.committees
    elif isinstance(outcome, Sequence | set | frozenset) and not isinstance(outcome, str):
        unknown = [label for committee in outcome for label in committee if label not in profile.alternatives]
        if unknown:
            raise ValueError(f"the rule's committees seat {short(tuple(unknown), 3)}, which is no alternative")
        found = tuple(tuple(a for a in profile.alternatives if a in committee) for committee in outcome)
    else:
        raise TypeError(f"an axiom of committees needs Committees; the rule answered with {type(outcome).__name__}")
    return tuple(sorted(found, key=lambda committee: [profile.alternatives.index(a) for a in committee]))


def read_bargain(outcome: Any, profile: Any) -> tuple[float, ...]:
    """What each voter gets: of a lottery its expected utilities; an array of numbers, one for each voter, as it is."""
    if isinstance(outcome, Bargain):
        return tuple(float(gain) for gain in outcome.utilities)
    if not hasattr(outcome, "probabilities") and np.shape(outcome) == profile.weights.shape:
        return tuple(float(gain) for gain in outcome)
    chances = np.array(read_lottery(outcome, profile))
    return tuple(float(gain) for gain in profile.values @ chances)


def read_relation(outcome: Any, profile: Any) -> tuple[Labels, ...]:
    """The pairs (a, b) of which a is at least as good as b: where a matrix says so, a margin is no less than 0, or an
    order has a no lower.
    """
    alternatives: Labels = profile.alternatives
    if isinstance(outcome, Margins):
        column = {label: at for at, label in enumerate(outcome.alternatives)}
        held = {(a, b): bool(outcome.values[column[a], column[b]] >= 0) for a in column for b in column}
    elif isinstance(outcome, np.ndarray) and outcome.dtype == bool and outcome.shape == (len(alternatives),) * 2:
        at_least = dict(zip(alternatives, outcome.tolist(), strict=True))
        held = {(a, b): row[at] for a, row in at_least.items() for at, b in enumerate(alternatives)}
    elif isinstance(outcome, np.ndarray):
        raise ValueError(
            f"a relation on {len(alternatives)} alternatives is a matrix of as many rows and columns of true (at least "
            f"as good) and false; the rule answered with shape {outcome.shape} of {outcome.dtype}"
        )
    else:
        place = places(read_ordering(outcome, profile))
        held = {(a, b): place[a] <= place[b] for a in place for b in place}
    return tuple((a, b) for a in alternatives for b in alternatives if a != b and held[a, b])


def ask_anyway(rule: Any, profile: Any) -> Any:
    """The rule's outcome, or the exception that it raised."""
    try:
        return rule(profile)
    except Exception as error:  # whatever goes wrong is an answer here
        return error


def read_answer(outcome: Any, profile: Any) -> Levels | str:
    """The order of all alternatives, or in words why there is none."""
    if not isinstance(outcome, Exception):
        try:
            return read_ordering(outcome, profile)
        except (TypeError, ValueError) as error:
            outcome = error
    return f"{type(outcome).__name__}: {outcome}"


def show_winners(value: Labels) -> str:
    """The winners in words."""
    return " and ".join(map(str, value)) + (" win" if len(value) > 1 else " wins")


def show_ordering(value: Levels) -> str:
    """An order in a line, best first."""
    return " > ".join(" = ".join(map(str, level)) for level in value)


def show_committees(value: tuple[Labels, ...]) -> str:
    """Committees in braces."""
    return " or ".join("{" + ", ".join(map(str, committee)) + "}" for committee in value)


def show_numbers(value: Sequence[float]) -> str:
    """Numbers in brackets, to six digits."""
    return "(" + ", ".join(f"{number:.6g}" for number in value) + ")"


def show_relation(value: tuple[Labels, ...]) -> str:
    """The pairs, with ``>`` where the second is not as good as the first; those not compared are left out."""
    held = set(value)
    seen: dict[Labels, str] = {}
    for a, b in value:
        if (b, a) not in seen:
            seen[a, b] = f"{a} = {b}" if (b, a) in held else f"{a} > {b}"
    return ", ".join(seen.values()) or "nothing is compared"


def show_answer(value: Levels | str) -> str:
    """The order, or why there is none."""
    return value if isinstance(value, str) else show_ordering(value)


def same_answer(one: Levels | str, other: Levels | str) -> bool:
    """Whether two answers are the same order, or fail in the same way, in whatever words."""
    if isinstance(one, str) and isinstance(other, str):
        return one.partition(":")[0] == other.partition(":")[0]
    return one == other


def close(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two lists of numbers agree up to 1e-6 of their size, the accuracy of bargains."""
    return len(one) == len(other) and np.allclose(one, other, rtol=1e-6, atol=1e-9)


winners = Reading("winners", read_winners, show_winners)
ordering = Reading("ordering", read_ordering, show_ordering)
lottery = Reading("lottery", read_lottery, show_numbers, close)
committees = Reading(
    "committees", read_committees, show_committees, ask=lambda rule, problem: rule(problem.approvals, size=problem.size)
)
bargain = Reading("bargain", read_bargain, show_numbers, close)
rewards = Reading(
    "rewards", read_ordering, show_ordering, ask=lambda rule, problem: rule(problem.rankings, features=problem.features)
)
relation = Reading("relation", read_relation, show_relation)
answer = Reading("answer", read_answer, show_answer, same_answer, ask_anyway)
EVERY = (winners, ordering, lottery, committees, bargain, rewards, relation, answer)
