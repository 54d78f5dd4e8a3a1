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

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms.violation import profile_to_dict

FILE = Path(__file__).parent / "reference" / "axiom-table.json"


def squares(profile: ck.Rankings) -> ck.Scores:
    """A positional rule with points for any number of alternatives: the squares of Borda's."""
    return rules.positional(profile, points=[float(place) ** 2 for place in range(len(profile.alternatives))][::-1])


# Rules that need options, with those that are usual; the rest are asked as they are.
WITH_OPTIONS: dict[str, Callable[..., Any]] = {
    "k_approval": partial(rules.k_approval, k=2),
    "positional": squares,
    "single_transferable_vote": partial(rules.single_transferable_vote, size=1),
    "chamberlin_courant": partial(rules.chamberlin_courant, size=1),
    "power_mean": partial(rules.power_mean, exponent=0.5),
    "ordered_average": partial(rules.ordered_average, rank_weights=[3, 2, 1]),
    "loss_rule": partial(rules.loss_rule, loss="logistic"),
}
# Answers that are no winners of an election, or that chance or a price list makes.
LEFT_OUT = {
    "weak_condorcet_winners": "may name nobody",
    "sampled_serial_dictatorship": "is random_serial_dictatorship by draws",
    "equal_shares_budget": "needs prices",
    "greedy_budget": "needs prices",
    "approval": "is asked for approvals, on which no axiom of winners here speaks",
}
#: Sizes (alternatives, voters) by ballots; with the last ones, where nothing was found before, for axioms of winners.
SIZES: dict[str, list[tuple[int, int]]] = {
    "strict": [(3, 9), (4, 4)],
    "weak": [(3, 3)],
    "truncated": [(3, 4)],
    "utilities": [(3, 2), (2, 3)],
    "committees": [(3, 3), (4, 2)],
    "features": [(3, 2)],
}
#: For axioms without a scan; and for those with one, of rules without a compiled kernel.
ORDINARY = {"strict": [(3, 4), (4, 2)]}
SLOWLY = [(3, 9), (4, 3)]
DEEP = [(4, 6)]
#: Axioms of one profile, or of fewer alternatives, are looked at here too.
WIDE = [(5, 3)]
#: Axioms that need tables of many more voters than the profile has.
SHALLOW = {"block_invariance": [(3, 9)], "homogeneity": [(3, 9), (4, 2)], "neutral_reversal": [(3, 9), (4, 5)]}
#: Where (alternatives, voters) a violation is known that lies beyond the other sizes.
FURTHER = {
    "black": {"smith": (4, 8)},
    "bucklin": {"positive_involvement": (5, 2)},
    "copeland": {"stability_for_winners": (5, 4)},
    "proportional_approval": {"committee_monotonicity": (3, 4)},
    "equal_shares": {"pareto_of_committees": (4, 3), "committee_monotonicity": (4, 3)},
    "ranked_pairs": {"stability_for_winners": (4, 7), "immunity_to_spoilers": (4, 7)},
    "minimax": {"reinforcement_of_orderings": (3, 5)},
}


def problem(ballots: dict[str, int], size: int) -> axioms.CommitteeProblem:
    """Approvals by how many cast each ballot, a letter an alternative."""
    labels = sorted({label for ballot in ballots for label in ballot})
    rows = [[label in ballot for label in labels] for ballot in ballots]
    return axioms.CommitteeProblem(ck.Approvals(rows, list(ballots.values()), labels), size)


REPRESENTED = (
    "justified_representation", "proportional_justified_representation", "extended_justified_representation",
    "core_stability", "priceability", "laminar_proportionality",
)  # fmt: skip
_MANY = "cdefghijklmn"
#: Committees on which known rules go wrong that do well on small ones. The second is Peters and Skowron's (2020), the
#: fourth that of Brill, Freeman, Janson and Lackner (2024).
PROBLEMS = (
    problem({"d": 2, "e": 2, "f": 2, "bf": 2, "ce": 1, "cf": 1, "acd": 1, "bcd": 1, "abce": 3, "abde": 3, "acdf": 2,
             "g": 4}, 6),
    problem({"abcd": 1, "abce": 1, "abcf": 1, "ghi": 1, "jkl": 1, "mno": 1}, 12),
    problem({"ac": 2, "bc": 2, "ad": 2, "bd": 1, "d": 1}, 2),
    problem({"abc": 2, "abd": 2, _MANY: 6, _MANY[1:]: 5, _MANY[2:]: 9}, 12),
)  # fmt: skip
#: A rule that has no compiled kernel is run on at most so many profiles of an axiom.
CALLS = 20_000


def subjects() -> dict[str, Callable[..., Any]]:
    """The rules of the table by name."""
    named = {name: getattr(rules, name) for name in rules.__all__ if isinstance(getattr(rules, name), rules.Rule)}
    return {name: WITH_OPTIONS.get(name, rule) for name, rule in named.items() if name not in LEFT_OUT}


def row(name: str, rule: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """One rule's cells."""
    found: dict[str, axioms.Verdict] = {}
    examined: dict[str, dict[int, int]] = {}
    compiled = getattr(_inner(rule), "kernel", None) is not None
    looks: dict[tuple[int, int], list[axioms.Axiom]] = {}
    for axiom in axioms.applicable(rule):
        quick = compiled and axiom.scan is not None
        wide = WIDE if axiom.kind == "intra" or axiom.__module__.endswith("agendas") else []
        sizes = SIZES[axiom.ballots] + DEEP + wide if quick else ORDINARY.get(axiom.ballots, SIZES[axiom.ballots])
        if axiom.scan is not None and not compiled:
            sizes = SLOWLY
        for size in SHALLOW.get(axiom.name, sizes):
            looks.setdefault(size, []).append(axiom)
    for (alternatives, voters), wanted in sorted(looks.items()):
        left = [axiom for axiom in wanted if axiom.name not in found or found[axiom.name].violation is None]
        budget = 2_000_000 if compiled else CALLS
        for verdict in axioms.check(rule, left, voters=voters, alternatives=alternatives, budget=budget, draws=50):
            most = examined.setdefault(verdict.axiom, {})
            most.update({m: max(n, most.get(m, 0)) for m, n in verdict.scope.sizes})
            best = found.get(verdict.axiom)
            if best is None or verdict.violation or verdict.scope.profiles >= best.scope.profiles:
                found[verdict.axiom] = verdict
    represented = [axiom for axiom in axioms.applicable(rule) if axiom.name in REPRESENTED]
    for verdict in axioms.check(rule, represented, profiles=PROBLEMS) if represented else ():
        if verdict.violation is not None and found[verdict.axiom].violation is None:
            found[verdict.axiom] = verdict
    for axiom_name, (m, n) in FURTHER.get(name, {}).items():
        axiom = getattr(axioms, axiom_name)
        found[axiom_name] = axioms.check(rule, axiom, alternatives=(m, m), voters=(n, n), budget=3_000_000)
    return {axiom: cell(verdict, examined[axiom]) for axiom, verdict in found.items()}


def cell(verdict: axioms.Verdict, examined: dict[int, int]) -> dict[str, Any]:
    """A verdict as plain values, with all sizes (alternatives, voters) up to which every profile was examined."""
    if verdict.violation is None:
        said: dict[str, Any] = {"status": verdict.status, "sizes": sorted(examined.items())}
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


def text(table: dict[str, Any]) -> str:
    """JSON with a cell a line."""
    rows = []
    for rule, cells in sorted(table.items()):
        lines = [f"  {json.dumps(axiom)}: {json.dumps(held)}" for axiom, held in sorted(cells.items())]
        rows.append(f" {json.dumps(rule)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(rows) + "\n}\n"


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
        FILE.write_text(text(table), encoding="utf-8")
        print(f"{name}: {len(table[name])} axioms, {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
