"""Which situations clash: a smallest-possible-by-deletion set of axiom instances that cannot hold together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from choicekit.domains._culture import Rng, whole
from choicekit.sat._frame import Frame
from choicekit.sat._solver import selecting
from choicekit.sat.formulas import Axiom, Formula, Instance, encode


@dataclass(frozen=True)
class Explanation:
    """Instances of axioms that cannot hold together, though they can if any one of them is left out.

    That a rule has a winner, or only one, or an order, is told as an instance too where the clash needs it; what the
    others allow without it need not be a rule. ``profiles`` are the numbers of the profiles the instances speak of:
    leave one out, with all that speaks of it, and the rest can hold together. Instances that speak of no profile in
    particular come last. ``str()`` tells it in sentences.

    >>> from choicekit import sat
    >>> print(sat.explain(sat.Choices(voters=1, alternatives="ab"), [sat.unanimity, sat.non_dictatorship]))
    These 3 cannot hold together, though any 2 of them can:
    - At (ab) all put a first, so a wins.
    - At (ba) all put b first, so b wins.
    - Voter 1 does not get their way at every profile.
    """

    instances: tuple[Instance, ...]
    profiles: tuple[int, ...] = field(default=())

    def __str__(self) -> str:
        count = len(self.instances)
        together = f"These {count} cannot hold together, though any {count - 1} of them can:"
        head = together if count > 1 else "No rule meets this:"
        return "\n".join([head, *(f"- {instance.sentence}" for instance in self.instances)])


def explain(frame: Frame, axioms: Iterable[Axiom], *, tries: int = 1, rng: Rng = 0) -> Explanation:
    """Why no rule meets these axioms: first few profiles that suffice, then few instances of the axioms at them.

    Profiles are left out one after another as long as what the axioms say of the others alone (and of no profile in
    particular) cannot be met; then instances, those of the frame itself included. What is left is minimal: nothing in
    it can be left out. It need not be the fewest there could be. ``tries`` orders of leaving out are drawn with
    ``rng``, and the answer with the fewest profiles, then instances, is returned. Raises ``ValueError`` where some rule
    meets the axioms, and ``ImportError`` without python-sat.

    >>> from choicekit import sat
    >>> frame = sat.ChoiceSets(voters=2, alternatives="abc")
    >>> found = explain(frame, [sat.weak_pareto, sat.minimal_liberalism])
    >>> len(found.profiles), sorted({instance.axiom for instance in found.instances})
    (6, ['a winner', 'minimal_liberalism', 'weak_pareto'])
    """
    formula, generator = encode(frame, axioms), np.random.default_rng(rng)
    instances, numbers = _instances(formula)
    at = {profile: place for place, profile in enumerate(sorted({p for each in instances for p in each.profiles}))}
    first = frame.variables + 1
    profile_on = {profile: first + place for profile, place in at.items()}
    instance_on = [first + len(at) + number for number in range(len(instances))]
    best: Explanation | None = None
    for _ in range(whole("tries", tries)):
        with selecting(_selected(formula, numbers, instances, profile_on, instance_on)) as engine:
            profiles = _shrunk(engine, instance_on, list(profile_on.values()), generator)
            kept = set(_shrunk(engine, profiles, instance_on, generator))
        chosen = [each for each, switch in zip(instances, instance_on, strict=True) if switch in kept]
        chosen.sort(key=lambda each: (not each.profiles, max(each.profiles, default=0)))
        found = Explanation(tuple(chosen), tuple(sorted({p for each in chosen for p in each.profiles})))
        if best is None or _size(found) < _size(best):
            best = found
    assert best is not None
    return best


def _size(found: Explanation) -> tuple[int, int]:
    return len(found.profiles), len(found.instances)


def _instances(formula: Formula) -> tuple[list[Instance], list[list[int]]]:
    """All instances in order, and for each part the number among them of each clause's."""
    found: dict[tuple[str, str], int] = {}
    instances: list[Instance] = []
    numbers = []
    for part in formula.parts:
        marks, inverse = np.unique(part.instances, return_inverse=True)
        places = []
        for mark in marks.tolist():
            told = part.tell(mark)
            key = (told.axiom, told.sentence)
            if key not in found:
                found[key] = len(instances)
                instances.append(told)
            places.append(found[key])
        numbers.append(np.array(places)[inverse].tolist())
    return instances, numbers


def _selected(formula: Formula, numbers: Any, instances: Any, profile_on: Any, instance_on: Any) -> list[list[int]]:
    """The clauses, each in force only if its instance and the profiles that this speaks of are switched on."""
    found = []
    for part, of_clause in zip(formula.parts, numbers, strict=True):
        for clause, number in zip(part.literals.tolist(), of_clause, strict=True):
            switches = [-profile_on[profile] for profile in set(instances[number].profiles)]
            found.append([*clause, -instance_on[number], *switches])
    return found


def _shrunk(engine: Any, fixed: list[int], parts: list[int], generator: np.random.Generator) -> list[int]:
    """Switches none of which can be left out without there being a rule, found by trying one after another."""
    if engine.solve(assumptions=[*fixed, *parts]):
        raise ValueError("explain: some rule meets these axioms, so nothing clashes; decide() returns it")
    core = set(engine.get_core() or ()) & set(parts)
    for switch in generator.permutation(sorted(core)).tolist():
        if switch not in core:
            continue
        rest = core - {switch}
        if not engine.solve(assumptions=[*fixed, *sorted(rest)]):
            core = rest & set(engine.get_core() or ())
    return sorted(core)
