"""Check every rule against every axiom that speaks of it: ``python docs/axiom_table.py [RULE …]``, some minutes long.

Writes ``reference/axiom-table.json``: for each pair the status, the sizes that were examined, and the smallest profile
that violates the axiom with what the rule says of it. ``python docs/build.py`` makes the pages of it, and
``tests/test_axiom_table.py`` replays every witness and examines the small sizes again. What the literature proves
stands in the file by hand under "literature", and stays.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from choicekit import axioms, rules
from choicekit.axioms.violation import profile_to_dict

FILE = Path(__file__).parent / "reference" / "axiom-table.json"
# Rules that need options, with those that are usual; the rest are asked as they are.
WITH_OPTIONS: dict[str, Callable[..., Any]] = {
    "k_approval": partial(rules.k_approval, k=2),
    "positional": partial(rules.positional, points=lambda m: [float(m - 1 - a) ** 2 for a in range(m)]),
    "single_transferable_vote": partial(rules.single_transferable_vote, size=1),
    "chamberlin_courant": partial(rules.chamberlin_courant, size=1),
    "power_mean": partial(rules.power_mean, p=0.5),
    "quantile": partial(rules.quantile, q=0.5),
    "loss_rule": partial(rules.loss_rule, loss="logistic"),
}
# Answers that are no winners of an election, or that chance or a price list makes.
LEFT_OUT = {
    "condorcet_loser": "names a loser",
    "weak_condorcet_winners": "may name nobody",
    "sampled_serial_dictatorship": "is random_serial_dictatorship by draws",
    "equal_shares_budget": "needs prices",
    "greedy_budget": "needs prices",
}
#: Sizes (alternatives, voters) by ballots; with the last ones, where nothing was found before, for axioms of winners.
SIZES: dict[str, list[tuple[int, int]]] = {
    "strict": [(3, 9), (4, 4)],
    "weak": [(3, 3)],
    "truncated": [(3, 4)],
    "utilities": [(3, 2), (2, 3)],
    "committees": [(3, 4), (4, 2)],
    "features": [(3, 2)],
}
ORDINARY = {"strict": [(3, 4), (4, 2)]}
DEEP = [(4, 6), (5, 3)]
#: A rule that has no compiled kernel is run on at most so many profiles of an axiom.
CALLS = 20_000


def subjects() -> dict[str, Callable[..., Any]]:
    """The rules of the table by name."""
    named = {name: getattr(rules, name) for name in rules.__all__ if isinstance(getattr(rules, name), rules.Rule)}
    return {name: WITH_OPTIONS.get(name, rule) for name, rule in named.items() if name not in LEFT_OUT}


def row(name: str, rule: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """One rule's cells."""
    found: dict[str, axioms.Verdict] = {}
    for axiom in axioms.applicable(rule):
        quick = axiom.scan is not None and getattr(_inner(rule), "kernel", None) is not None
        sizes = SIZES[axiom.ballots] if quick else ORDINARY.get(axiom.ballots, SIZES[axiom.ballots])
        for alternatives, voters in sizes + (DEEP if quick else []):
            verdict = axioms.check(
                rule, axiom, voters=voters, alternatives=alternatives, budget=2_000_000 if quick else CALLS, draws=50
            )
            best = found.get(axiom.name)
            if best is None or verdict.violation or verdict.scope.profiles > best.scope.profiles:
                found[axiom.name] = verdict
            if verdict.violation:
                break
    return {name: cell(verdict) for name, verdict in found.items()}


def cell(verdict: axioms.Verdict) -> dict[str, Any]:
    """A verdict as plain values."""
    if verdict.violation is None:
        said: dict[str, Any] = {
            "status": verdict.status,
            "sizes": verdict.scope.sizes,
            "profiles": verdict.scope.profiles,
        }
        return said | ({"draws": verdict.scope.draws} if verdict.scope.draws else {})
    violation = verdict.violation
    return {
        "status": "violated", "minimal": verdict.minimal, "voters": violation.voters,
        "alternatives": len(violation.profiles[0].alternatives), "profile": profile_to_dict(violation.profiles[0]),
        "outcomes": json.loads(violation.to_json())["outcomes"],
    }  # fmt: skip


def _inner(rule: Any) -> Any:
    while hasattr(rule, "func"):
        rule = rule.func
    return rule


def main() -> None:
    table: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    wanted = sys.argv[1:] or list(subjects())
    for name in wanted:
        start = time.perf_counter()
        old = table.get(name, {})
        table[name] = row(name, subjects()[name])
        for axiom, held in table[name].items():
            if "literature" in old.get(axiom, {}) and held["status"] != "violated":
                held["literature"] = old[axiom]["literature"]
        rows = [
            f" {json.dumps(rule)}: {{\n" + ",\n".join(f"  {json.dumps(axiom)}: {json.dumps(held)}" for axiom, held in sorted(cells.items()))
            + "\n }" for rule, cells in sorted(table.items())
        ]  # fmt: skip
        FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
        print(f"{name}: {len(table[name])} axioms, {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
