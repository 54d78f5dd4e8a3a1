"""The page "choose a rule", made of reference/axiom-table.json; called by build.py."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import axiom_table

Cell = dict[str, Any]
Row = dict[str, Cell]

# The axioms of each table with its heading, those that most often decide first.
WINNERS = {
    "condorcet_winner": "Condorcet winner", "condorcet_loser": "Condorcet loser", "smith": "Smith",
    "majority": "majority",
    "mutual_majority": "mutual majority", "pareto": "Pareto", "monotonicity": "monotone",
    "participation_kelly": "participation", "positive_involvement": "positive involvement",
    "reinforcement": "reinforcement", "independence_of_clones": "clones",
    "independence_of_smith_dominated_alternatives": "ISDA", "stability_for_winners": "stable for winners",
    "reversal_symmetry": "reversal", "strategyproofness_kelly": "Kelly-strategyproof", "resolvability": "resolvable",
}  # fmt: skip
NEEDS = {
    "condorcet_winner": "elect the alternative that beats every other",
    "condorcet_loser": "never elect the one that loses to every other",
    "independence_of_clones": "not be moved by near-copies of an alternative",
    "monotonicity": "never punish an alternative for rising on a ballot",
    "participation_kelly": "never punish a voter for taking part",
    "reinforcement": "agree with two electorates that agree",
    "positive_involvement": "never punish an alternative for a new voter who ranks it first",
    "stability_for_winners": "keep a winner when one it beats comes in",
}
FAMILIES = {
    "Orders of all alternatives": ("weak_pareto", (
        "weak_pareto", "independence_of_irrelevant_alternatives", "nondictatorship_of_orderings",
        "positive_association", "pairwise_majority_consistency", "reinforcement_of_orderings", "local_independence",
        "reversal_of_orderings")),
    "Lotteries": ("sd_efficiency", (
        "ex_post_efficiency", "sd_efficiency", "sd_strategyproofness_strong", "sd_strategyproofness_weak",
        "sd_participation_strong", "condorcet_lottery", "population_consistency", "clone_consistency",
        "proportional_share", "monotonicity_of_lotteries")),
    "Orders by utilities": ("hammond_equity", (
        "strong_pareto_of_utilities", "anonymity_of_utilities", "separability_of_utilities", "pigou_dalton",
        "hammond_equity", "cardinal_unit_comparability", "ordinal_level_comparability", "ratio_scale_noncomparability",
        "cardinal_full_comparability")),
    "Bargains": ("pareto_of_bargains", (
        "pareto_of_bargains", "symmetry_of_bargains", "scale_invariance_of_bargains",
        "independence_of_irrelevant_bargains", "individual_monotonicity", "strong_monotonicity")),
    "Committees": ("justified_representation", (
        "justified_representation", "proportional_justified_representation", "extended_justified_representation",
        "core_stability", "priceability", "pareto_of_committees", "committee_monotonicity", "support_monotonicity",
        "cardinality_strategyproofness", "consistency_of_committees")),
    "Linear rewards": ("pareto_of_rewards", (
        "pareto_of_rewards", "pairwise_majority_consistency_of_rewards", "majority_consistency_of_rewards",
        "winner_monotonicity", "separability_of_rewards")),
}  # fmt: skip


def page() -> str:
    """The whole page."""
    table: dict[str, Row] = json.loads(axiom_table.FILE.read_text(encoding="utf-8"))
    winners = {name: row for name, row in table.items() if "condorcet_winner" in row}
    parts = [INTRODUCTION, "## What must the rule do?\n", *needs(winners), "\n## Winners of strict rankings\n"]
    parts += [grid(winners, WINNERS), "\n"]
    for heading, (sign, names) in FAMILIES.items():
        rows = {name: row for name, row in table.items() if sign in row}
        parts += [f"## {heading}\n", grid(rows, {name: name.replace("_", " ") for name in names}), "\n"]
    return "\n".join([*parts, remarks(table)])


def needs(rows: dict[str, Row]) -> Iterable[str]:
    """For each wish the rules without a known violation, those with a proof first."""
    for name, wish in NEEDS.items():
        proved = [rule for rule, row in rows.items() if "literature" in row[name]]
        found = [rule for rule, row in rows.items() if row[name]["status"] != "violated" and rule not in proved]
        said = f"- **{wish.capitalize()}** (`{name}`): {listed(proved) or 'proved of none here'}"
        yield said + (f"; no violation found by {listed(found)}" if found else "") + "."
    both = [rule for rule, row in rows.items() if all(row[name]["status"] != "violated" for name in
            ("condorcet_winner", "independence_of_clones", "monotonicity", "pareto"))]  # fmt: skip
    yield f"- Condorcet winners, clones, monotonicity and Pareto **together**, unrefuted: {listed(both)}."


def grid(rows: dict[str, Row], columns: dict[str, str]) -> str:
    """Rules down, axioms across."""
    lines = ["| rule | " + " | ".join(columns.values()) + " |", "|---" * (len(columns) + 1) + "|"]
    for rule, row in rows.items():
        cells = [short(row[name]) if name in row else "" for name in columns]
        lines.append(f"| `{rule}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def short(cell: Cell) -> str:
    """A cell in a word."""
    if cell["status"] == "violated":
        return f"✗ {cell['voters']:g}×{cell['alternatives']}"
    if "literature" in cell:
        return "✓"
    return "–" if cell["status"] == "holds" else "?"


def listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def remarks(table: dict[str, Row]) -> str:
    """How many pairs there are, and which works the proofs are from."""
    cells = [cell for row in table.values() for cell in row.values()]
    violated = sum(cell["status"] == "violated" for cell in cells)
    cited = sorted({cell["literature"] for cell in cells if "literature" in cell})
    return (
        f"## What it rests on\n\n{len(cells):,} pairs of a rule and an axiom, of which {violated:,} have a witness. "
        f"The proofs that ✓ stands for are from: {'; '.join(cited)}. Most of these works were not read again for this "
        "table: their claims agree with what was computed.\n"
    )


INTRODUCTION = """# Choose a rule

No rule does everything: which axioms can you not give up? This page is made from the table of all rules and axioms
([the data](../reference/axiom-table.json)); every witness in it is replayed by the tests.

- **✗ 5×3**: violated, and the smallest profile that was found has 5 voters on 3 alternatives. To see it:
  `choicekit axioms RULE AXIOM`.
- **✓**: no violation on any profile that was examined, and the literature has a proof for all sizes.
- **–**: no violation on any profile that was examined: for winners up to 9 voters on 3 alternatives, 6 on 4 and 3 on 5
  (fewer for axioms of changing electorates and for rules that run slowly: the data say it), for orders and lotteries 4
  on 3, for committees 3 on 3. A larger one may violate it.
- **?**: not all profiles of the sizes asked for were examined.

Ties are as the rules have them by default: all that tie for winning win. Options that break ties change some cells.
"""
