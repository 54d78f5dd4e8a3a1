"""Is an axiom violated by a rule? On every profile of a size, then by chance, then where a theorem says to look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms import _domains, _symmetry, _tabulation
from choicekit.axioms._axiom import Axiom
from choicekit.axioms._electorates import made
from choicekit.axioms._readings import Ask, Reading, law_of, name_of, runnable, winners
from choicekit.axioms.guided import follow
from choicekit.axioms.linear import hard_reward_problems
from choicekit.axioms.polishing import polish
from choicekit.axioms.verdicts import Scope, Verdict
from choicekit.axioms.violation import Violation
from choicekit.domains import impartial_culture
from choicekit.domains._culture import whole

Rule: TypeAlias = Callable[[Any], Any]
#: ``progress(what, done, total)``.
Progress: TypeAlias = Callable[[str, int, int], None]

#: An axiom that some profile exists looks at no more profiles of named voters.
_MOST_NAMED = 200_000
#: Where a scan would need too large a table, so many profiles are looked at one by one.
_FEW = 500
#: Of the pairs of electorates that a scan may compare at one size.
_PAIRS = 60_000_000


#: Up to so many, or from so many to so many.
Sizes: TypeAlias = int | tuple[int, int]


class _Found(NamedTuple):
    """What the exhaustive search came to: a violation, or the sizes it examined and whether these are all."""

    violation: Violation | None
    scope: Scope
    complete: bool


class _Spent(Exception):
    """The budget does not reach to the next size."""


@dataclass(eq=False)
class _Bench:
    """A rule under examination: its table of winners, what was read of it so far, and what it may still be asked."""

    rule: Rule
    widths: range
    numbers: range
    budget: int
    asks: dict[tuple[str, bool], Ask] = field(default_factory=dict)
    symmetries: dict[str, _symmetry.Symmetry] = field(default_factory=dict)
    table: _tabulation.Table = field(init=False)

    def __post_init__(self) -> None:
        self.table = _tabulation.Table(self.rule)

    def symmetry(self, about: Reading) -> _symmetry.Symmetry:
        """What the rule was checked to be."""
        if about.name not in self.symmetries:
            if about is winners:
                found = _symmetry.of_winners(self.table, self.widths, self.voters, self.budget)
                self.table = self.table.of_neutral() if found.neutral else self.table
            else:
                ask = self.asks.setdefault((about.name, False), Ask(self.rule, about))
                found = _symmetry.of_voters(ask, self.widths, self.voters, self.budget)
            self.symmetries[about.name] = found
        return self.symmetries[about.name]

    def ask(self, axiom: Axiom, anonymous: bool) -> Ask:
        """The rule as an axiom reads it; ``anonymous``: profiles that differ in the order of voters are one."""
        key = axiom.about.name, anonymous
        return self.asks.setdefault(key, Ask(self.rule, axiom.about, voters_named=not anonymous))

    @property
    def alternatives(self) -> int:
        """The most of them."""
        return self.widths[-1]

    @property
    def voters(self) -> int:
        """The most of them."""
        return self.numbers[-1]

    def anonymous(self, axiom: Axiom) -> bool:
        """Whether profiles that differ in the order of the voters may be taken for one."""
        if axiom.ballots != "strict" or not axiom.anonymous or axiom.kind == "existential":
            return False
        return self.symmetry(axiom.about).anonymous

    @property
    def asked(self) -> int:
        """On how many profiles the rule was run."""
        return sum(ask.calls for ask in self.asks.values()) + self.table.calls[0]

    def tables(self, m: int, n: int) -> _tabulation.Masks:
        """The winners on all profiles of a size, where the budget reaches."""
        if _tabulation.reaches(m, n) and self.asked + self.table.cost(m, n) > self.budget:
            raise _Spent
        return self.table(m, n)

    def standing(self, axiom: Axiom, m: int, n: int) -> NDArray[np.bool_] | None:
        """The profiles that a scan has to look at; ``None`` for all.

        Where a neutral rule violates a neutral axiom, it does so at the first of the relabellings of the profile too.
        """
        if not axiom.neutral or self.asked + self.table.cost(m, n) > self.budget:
            return None
        return self.table.standing(m, n)


@overload
def check(
    rule: Rule, axioms: Axiom, *, voters: Sizes = ..., alternatives: Sizes = ..., budget: int = ..., draws: int = ...,
    culture: Callable[..., Any] = ..., profiles: Iterable[Any] | None = ..., rng: Any = ...,
    progress: Progress | None = ...,
) -> Verdict: ...  # fmt: skip


@overload
def check(
    rule: Rule, axioms: Sequence[Axiom], *, voters: Sizes = ..., alternatives: Sizes = ..., budget: int = ...,
    draws: int = ..., culture: Callable[..., Any] = ..., profiles: Iterable[Any] | None = ..., rng: Any = ...,
    progress: Progress | None = ...,
) -> tuple[Verdict, ...]: ...  # fmt: skip


def check(
    rule: Rule,
    axioms: Axiom | Sequence[Axiom],
    *,
    voters: Sizes = 5,
    alternatives: Sizes = 4,
    budget: int = 200_000,
    draws: int = 200,
    culture: Callable[..., Any] = impartial_culture,
    profiles: Iterable[Any] | None = None,
    rng: Any = 0,
    progress: Progress | None = None,
) -> Verdict | tuple[Verdict, ...]:
    """Whether a rule violates an axiom (or each of several): a :class:`Verdict` for each, which says where it looked.

    Every profile of 2 to ``alternatives`` alternatives and 1 to ``voters`` voters (or of the sizes from and to which a
    pair names) is examined, few alternatives first, then few voters, so that a witness is the smallest. The rule is run
    once for each profile, up to the order of the voters and the names of the alternatives where it was found to be
    anonymous and neutral on all small profiles; about ``budget`` times in all, for all axioms together. Where that does
    not reach, ``draws`` profiles of the largest size are drawn from ``culture`` and examined with all their neighbours,
    and a witness is made smaller. Where four alternatives are asked for, the chain of profiles by which Moulin proved
    that Condorcet rules violate participation is followed too, which leads to up to 25 voters.

    ``rule`` is any function of a profile: a rule of choicekit (with options: ``functools.partial``) or your own,
    answering with an outcome, a set of winners, or what the axiom reads. ``profiles`` are examined instead of all where
    they are given. Raises what the rule raises, with a note that names the profile, and ``RuntimeError`` where the
    rule, asked again, does not answer alike.

    >>> from choicekit import axioms, rules
    >>> print(axioms.check(rules.plurality, axioms.condorcet_winner).violation)
    plurality violates condorcet_winner: ...
    >>> axioms.check(rules.borda, axioms.monotonicity, voters=4, alternatives=3).status
    'holds'
    """
    several, draws = _listed(axioms), whole("draws", draws, 0)
    widths, numbers = _span("alternatives", alternatives, 2), _span("voters", voters, 1)
    bench = _Bench(runnable(rule, "check"), widths, numbers, whole("budget", budget))
    given = None if profiles is None else tuple(_gone_through(profiles, "check"))
    seed = int(np.random.default_rng(rng).integers(2**63))
    found: dict[int, Verdict] = {}
    for done, place in enumerate(_strongest_first(several)):
        axiom = several[place]
        if progress:
            progress(axiom.name, done, len(several))
        if given is not None:
            found[place] = _confirmed(bench, _on(bench, axiom, given))
            continue
        known = {several[i].name: verdict for i, verdict in found.items()}
        implied = _implied(bench, axiom, several, known)
        if implied is None:
            implied = _confirmed(bench, _verdict(bench, axiom, draws, culture, seed))
        found[place] = implied
    if progress:
        progress("", len(several), len(several))
    verdicts = tuple(found[place] for place in range(len(several)))
    return verdicts[0] if isinstance(axioms, Axiom) else verdicts


def _listed(axioms: Axiom | Sequence[Axiom]) -> list[Axiom]:
    several = [axioms] if isinstance(axioms, Axiom | str) or not isinstance(axioms, Iterable) else list(axioms)
    for axiom in several:
        if not isinstance(axiom, Axiom):
            raise TypeError(
                f"check: needed axioms, as axioms.monotonicity, or functions made so by @axioms.axiom; got {axiom!r}"
            )
    return several


def _gone_through(profiles: Iterable[Any], asker: str) -> Iterable[Any]:
    """The profiles, of which there is at least one; a refusal where there is none."""
    if not isinstance(profiles, Iterable):
        raise TypeError(f"{asker}: needed several profiles, as in a list, got {type(profiles).__name__}")
    there = False
    for profile in profiles:
        there = True
        yield profile
    if not there:
        raise ValueError(f"{asker}: needed at least one profile, got none; a generator can be gone through only once")


def _confirmed(bench: _Bench, verdict: Verdict) -> Verdict:
    """The verdict, where the rule, asked again, still says what violates the axiom."""
    found = verdict.violation
    if found is not None and not all(found.replay(bench.rule) for _ in range(3)):
        raise RuntimeError(
            f"check: {verdict.rule} does not answer alike each time it is asked, so no axiom can be checked; if it is "
            f"random, fix its rng. It first answered:\n{found}"
        )
    return verdict


def _span(name: str, sizes: Sizes, least: int) -> range:
    if isinstance(sizes, Sequence):
        if isinstance(sizes, str) or len(sizes) != 2:
            raise TypeError(f"{name}: needed a whole number, or a pair (from, to) of them, got {sizes!r}")
        low, high = sizes
        return range(whole(name, low, least), whole(name, high, low) + 1)
    return range(least, whole(name, sizes, least) + 1)


def counterexample(axiom: Callable[[Rule, Any], Violation | None], rule: Rule, profiles: Iterable[Any]) -> Any:
    """The first violation that any of the profiles, with its neighbourhood, holds; ``None`` where none does.

    >>> from choicekit import axioms, domains, rules
    >>> found = axioms.counterexample(axioms.majority, rules.borda, domains.every(voters=3, alternatives=3))
    >>> found.profiles[0].ranks.tolist()
    [[0, 1, 2], [0, 1, 2], [2, 0, 1]]
    """
    given = _gone_through(profiles, "counterexample")
    if isinstance(axiom, Axiom):
        ask = Ask(runnable(rule, "counterexample"), axiom.about)
        return next((found for each in given if (found := axiom.examine(ask, each))), None)
    return next((found for each in given if (found := axiom(rule, each))), None)


def _strongest_first(axioms: Sequence[Axiom]) -> list[int]:
    """The places of the axioms, so that each comes after those that imply it."""
    weaker = {axiom.name: set(axiom.implies) for axiom in axioms}

    def depth(name: str) -> int:
        return 1 + max((depth(stronger) for stronger, below in weaker.items() if name in below), default=0)

    return sorted(range(len(axioms)), key=lambda place: depth(axioms[place].name))


def _implied(bench: _Bench, axiom: Axiom, several: Sequence[Axiom], known: dict[str, Verdict]) -> Verdict | None:
    """The verdict that follows from a stronger axiom which holds."""
    for stronger in several:
        verdict = known.get(stronger.name)
        if axiom.name in stronger.implies and verdict is not None and verdict.status == "holds":
            above = [each for each in verdict.evidence if each.startswith("implied by ")]
            evidence = (f"implied by {stronger.name}, {above[0] if above else 'which was examined'}",)
            return Verdict(axiom.name, name_of(bench.rule), "holds", verdict.scope, evidence=evidence)
    return None


def _verdict(bench: _Bench, axiom: Axiom, draws: int, culture: Callable[..., Any], seed: int) -> Verdict:
    name = name_of(bench.rule)
    found = _exhausted(bench, axiom)
    if found.violation:
        from_below = found.complete and bench.widths[0] == 2 and bench.numbers[0] == 1
        minimal: Any = "proved" if from_below else None
        return Verdict(axiom.name, name, "violated", found.scope, found.violation, minimal, ("exhaustive",))
    evidence: tuple[str, ...] = ("exhaustive",) if found.scope.profiles else ()
    if 4 in bench.widths and axiom.name.startswith("participation_") and axiom.about is winners:
        followed = follow(axiom, bench.ask(axiom, bench.anonymous(axiom)))
        evidence += ("Moulin's chain",)
        if followed:
            return Verdict(axiom.name, name, "violated", found.scope, followed, None, evidence)
    if found.complete:
        return Verdict(axiom.name, name, "holds", found.scope, evidence=evidence)
    return _drawn(bench, axiom, draws, culture, np.random.default_rng(seed), found.scope, evidence)


def _exhausted(bench: _Bench, axiom: Axiom) -> _Found:
    """The smallest violation, or the sizes up to which there is none."""
    if axiom.ballots == "features":
        return _constructed(bench, axiom)
    symmetry = bench.symmetry(axiom.about) if axiom.ballots == "strict" else None
    scanned = False
    if symmetry is not None and axiom.scan is not None and axiom.about is winners:
        scanned = symmetry.anonymous and symmetry.columns
    anonymous = bench.anonymous(axiom)
    covered: dict[int, int] = {}
    seen, complete = 0, True
    for m in bench.widths:
        for n in bench.numbers:
            try:
                look = _scanned if scanned and _tabulation.scanned(m, n) else _looked
                violation, profiles = look(bench, axiom, m, n, anonymous)
            except _Spent:
                complete = False
                break
            if violation:
                return _Found(violation, _scope(bench, axiom, covered, seen, symmetry), complete)
            covered[m], seen = n, seen + profiles
    return _Found(None, _scope(bench, axiom, covered, seen, symmetry), complete)


def _constructed(bench: _Bench, axiom: Axiom) -> _Found:
    """Features are not enumerable: the problems that are known to be hard are looked at."""
    problems, ask = list(hard_reward_problems()), bench.ask(axiom, False)
    violation = next((found for each in problems if (found := axiom.examine(ask, each))), None)
    most = (bench.alternatives, bench.voters)
    return _Found(violation, Scope(_domains.words(axiom.ballots), most, given=len(problems), asked=bench.asked), False)


def _scope(
    bench: _Bench, axiom: Axiom, covered: dict[int, int], seen: int, symmetry: _symmetry.Symmetry | None
) -> Scope:
    used = symmetry is not None and symmetry.anonymous and axiom.anonymous and axiom.kind != "existential"
    most = (bench.alternatives, bench.voters)
    sizes = tuple(covered.items())
    words = _domains.words(axiom.ballots)
    said, least = str(symmetry) if used else "", bench.numbers[0]
    return Scope(words, most, sizes, seen, said, bench.asked, least=least)


def _scanned(bench: _Bench, axiom: Axiom, m: int, n: int, anonymous: bool) -> tuple[Violation | None, int]:
    """By the table of winners; where no table is made of such a size, one profile after the other."""
    pairs = sum(_tabulation.size(m, k) * _tabulation.size(m, n - k) for k in range(1, n // 2 + 1))
    if axiom.kind == "global" and pairs > _PAIRS:
        raise _Spent
    assert axiom.scan is not None
    try:
        wrong = axiom.scan(bench.tables, m, n, only=bench.standing(axiom, m, n))
    except _tabulation.TooManyError:
        if _tabulation.size(m, n) > _FEW:
            raise _Spent from None
        return _looked(bench, axiom, m, n, anonymous)
    if not wrong.any():
        return None, len(wrong)
    place = int(wrong.argmax())
    rows = _tabulation.ballots(m)[_tabulation.tuples(m, n, place, place + 1)[0]]
    violation = axiom.examine(bench.ask(axiom, True), made(rows, np.ones(n), tuple(range(m))))
    if violation is None:
        raise RuntimeError(
            f"check: the table of {name_of(bench.rule)} violates {axiom.name} on {rows.tolist()}, the rule asked again "
            "does not; the rule does not answer alike each time, or not as its symmetry on small profiles promised"
        )
    return violation, len(wrong)


def _looked(bench: _Bench, axiom: Axiom, m: int, n: int, anonymous: bool) -> tuple[Violation | None, int]:
    """One profile after the other."""
    total = _domains.number(axiom.ballots, m, n, anonymous)
    if total == 0 or total > (min(bench.budget, _MOST_NAMED) if axiom.kind == "existential" else bench.budget):
        raise _Spent
    ask = bench.ask(axiom, anonymous)
    for profile in _domains.profiles(axiom.ballots, m, n, anonymous):
        if bench.asked > bench.budget:
            raise _Spent
        violation = axiom.examine(ask, profile)
        if violation or axiom.kind == "existential":
            return violation, total
    return None, total


def _drawn(
    bench: _Bench, axiom: Axiom, draws: int, culture: Callable[..., Any], rng: np.random.Generator, scope: Scope,
    evidence: tuple[str, ...],
) -> Verdict:  # fmt: skip
    """By profiles of the largest size, drawn at random, and their neighbourhoods."""
    name, m, n = name_of(bench.rule), bench.alternatives, bench.voters
    strict = axiom.ballots == "strict"
    law = law_of(culture) if strict else _domains.law(axiom.ballots)
    drawn, ask = 0, bench.ask(axiom, bench.anonymous(axiom))
    for _ in range(0 if axiom.kind == "existential" else draws):
        profile = culture(voters=n, alternatives=m, rng=rng) if strict else _domains.drawn(axiom.ballots, m, n, rng)
        drawn += 1
        violation = axiom.examine(ask, profile)
        if violation:
            smaller = polish(axiom, bench.rule, violation)
            evidence = (*evidence, f"draw {drawn} of {law} with {n} voters on {m} alternatives, made smaller")
            return Verdict(axiom.name, name, "violated", scope, smaller, "locally", evidence)
    if not drawn:
        return Verdict(axiom.name, name, "not refuted", replace(scope, asked=bench.asked), evidence=evidence)
    bound = 1 - 0.05 ** (1 / drawn)
    looked = replace(scope, asked=bench.asked, draws=drawn, drawn=(m, n), culture=law, bound=bound)
    return Verdict(axiom.name, name, "not refuted", looked, evidence=(*evidence, f"{drawn} draws of {law}"))


def _on(bench: _Bench, axiom: Axiom, profiles: Sequence[Any]) -> Verdict:
    """On the caller's profiles."""
    ask = bench.ask(axiom, False)
    found = next((violation for each in profiles if (violation := axiom.examine(ask, each))), None)
    scope = Scope(_domains.words(axiom.ballots), given=len(profiles), asked=bench.asked)
    status: Any = "violated" if found else "holds"
    return Verdict(axiom.name, name_of(bench.rule), status, scope, found, None, ("the profiles given",))
