"""Where the marks of the page's charts stand, in percent of their width; drawing is left to the template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from choicekit.report import sentences
from choicekit.report.numbers import Document, bounds, count, counted, decimal, label, percent, quoted

Row = dict[str, Any]
#: As many alternatives as the page shows; the rest are in the JSON file.
MOST_ALTERNATIVES = 20
#: Shapes for groups, the worst served first; groups beyond them share a grey ring.
SHAPES = ("diamond", "circle", "square", "up", "down", "cross")
_DISTINCT_BEYOND = 3


class Scale:
    """A horizontal axis from ``low`` to ``high``, widened to round ticks.

    >>> scale = Scale([0.0, 2.7])
    >>> scale.at(1.5), [tick["text"] for tick in scale.ticks]
    (50.0, ['0', '1', '2', '3'])
    """

    def __init__(self, values: Iterable[float]) -> None:
        known = list(values)
        low, high = min(known), max(known)
        high = high if high - low > 1e-9 else low + 1
        step = _round_step((high - low) / 4)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        self.low, self.high = first * step, last * step
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        self.ticks = [{"at": self.at(k * step), "text": decimal(k * step, digits)} for k in range(first, last + 1)]

    def at(self, value: float | None) -> float | None:
        """Where a value stands, in percent.

        >>> Scale([0, 4]).at(1)
        25.0
        """
        return None if value is None else round(100 * (value - self.low) / (self.high - self.low), 2)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= least * (1 - 1e-9))


def gaps(document: Document, truth: Mapping[str, float] | None = None) -> Row:
    """Each group's gap under the pooled reward with its interval and true value; worst first.

    >>> row = {"group": "a", "gap": 1.0, "gap_low": 0.5, "gap_high": 2.0, "chance_gap": 0.1, "p_value": 0.01,
    ...        "voters": 9, "share": 1.0}
    >>> chart = gaps({"groups": [row]})
    >>> chart["rows"][0]["low"], chart["rows"][0]["at"], chart["rows"][0]["high"]
    (25.0, 50.0, 100.0)
    """
    rows = sentences.worst_first(document, truth)
    names = ("gap", "gap_low", "gap_high", "true_gap")
    scale = Scale([0.0, *(row[name] for row in rows for name in names if row[name] is not None)])
    return {
        "ticks": scale.ticks,
        "truth": any(row["true_gap"] is not None for row in rows),
        "rows": [
            {
                "group": row["group"],
                "size": f"{percent(row['share'])} of the comparisons"
                if row["voters"] is None
                else f"{counted(row['voters'], 'voter')} ({percent(row['share'])})",
                "shown": row["shown"],
                "at": scale.at(row["gap"]),
                "low": scale.at(row["gap_low"]),
                "high": scale.at(row["gap_high"]),
                "truth": scale.at(row["true_gap"]),
                "said": decimal(row["gap"], 3),
                "bounds": bounds(row["gap_low"], row["gap_high"], 3),
            }
            for row in rows
        ],
        "alt": "Gap of each group under the pooled reward: "
        + "; ".join(
            f"{label(row['group'])} {decimal(row['gap'], 3)} {bounds(row['gap_low'], row['gap_high'], 3)}"
            for row in rows
        ),
    }


def shapes(document: Document) -> list[tuple[int, str]]:
    """Each group's place and shape, the worst served first; where there are many, all but the worst three share one.

    >>> shapes({"groups": [{"group": "a", "gap": 0.1, "p_value": None}, {"group": "b", "gap": 0.2, "p_value": None}]})
    [(1, 'diamond'), (0, 'circle')]
    """
    rows = sentences.worst_first(document)
    distinct = len(rows) if len(rows) <= len(SHAPES) else _DISTINCT_BEYOND
    return [(row["place"], SHAPES[rank] if rank < distinct else "ring") for rank, row in enumerate(rows)]


def rewards(document: Document) -> Row:
    """The groups' and the pooled rewards of the alternatives that come first.

    >>> from choicekit import audit, domains
    >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
    >>> chart = rewards(audit(votes, replicates=20, permutations=20).to_dict())
    >>> chart["rows"][0]["alternative"], chart["more"]
    ('brief', 0)
    """
    rows = sentences.top_alternatives(document)
    kept, several = rows[:MOST_ALTERNATIVES], len(document["groups"]) > 1
    marks, names = shapes(document), [group["group"] for group in document["groups"]]
    values = [value for row in kept for value in (row["reward_low"], row["reward_high"], row["reward"])]
    scale = Scale([v for v in values if v is not None] + [v for row in kept for v in row["group_rewards"] if several])
    distinct = [{"shape": shape, "group": names[g]} for g, shape in marks if shape != "ring"]
    others = len(names) - len(distinct)
    return {
        "ticks": scale.ticks,
        "more": len(document["alternatives"]) - len(kept),
        "legend": [*distinct, *([{"shape": "ring", "group": f"the other {others} groups"}] if others else [])],
        "several": several,
        "rows": [
            {
                **row,
                "at": scale.at(row["reward"]),
                "low": scale.at(row["reward_low"]),
                "high": scale.at(row["reward_high"]),
                "marks": [
                    {"shape": shape, "at": scale.at(row["group_rewards"][g]),
                     "title": f"{label(names[g])}: {decimal(row['group_rewards'][g])}"}
                    for g, shape in reversed(marks) if several
                ],
            }
            for row in kept
        ],
        "alt": "Pooled reward" + (" and the groups' rewards" if several else "") + " of each alternative: "
        + "; ".join(f"{label(row['alternative'], 30)} {decimal(row['reward'])}" for row in kept),
    }  # fmt: skip


def rules(document: Document) -> Row:
    """The largest and the average gap under each rule, with intervals.

    >>> from choicekit import audit, domains
    >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
    >>> rules(audit(votes, replicates=20, permutations=20).to_dict())["rows"][0]["name"]
    'pooled reward'
    """
    rows = sentences.ordered_rules(document)
    kinds = ("worst_gap", "average_gap")
    names = [kind + end for kind in kinds for end in ("", "_low", "_high")]
    scale = Scale([0.0, *(row[name] for row in rows for name in names if row[name] is not None)])
    return {
        "ticks": scale.ticks,
        "pooled": scale.at(rows[0]["worst_gap"]),
        "rows": [
            {
                **row,
                "lanes": [
                    {
                        "kind": kind.split("_")[0],
                        "at": scale.at(row[kind]),
                        "low": scale.at(row[f"{kind}_low"]),
                        "high": scale.at(row[f"{kind}_high"]),
                        "said": decimal(row[kind], 3),
                    }
                    for kind in kinds
                ],
            }
            for row in rows
        ],
        "alt": "Largest and average gap under each rule: "
        + "; ".join(
            f"{row['name']} {decimal(row['worst_gap'], 3)} and {decimal(row['average_gap'], 3)}" for row in rows
        ),
    }


def collapse(document: Document) -> Row:
    """The states of the slider over β, each with the widths and the texts of its bars.

    >>> from choicekit import audit, domains
    >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
    >>> chart = collapse(audit(votes, replicates=20, permutations=20).to_dict())
    >>> chart["steps"][chart["start"]]["beta"]
    '0.1'
    """
    found, groups = document["collapse"], document["groups"]
    here = sentences.top_alternatives(document)
    names, shares = list(found["shown"]), list(found["shares"])
    rest = len(here) - len(names)
    if rest:
        names.append(f"the other {count(rest)}")
        shares.append(max(0.0, 1 - sum(shares)))
    order = [row["place"] for row in sentences.worst_first(document)] if len(groups) > 1 else []
    scale = Scale([0.0, *(step["gaps"][g] for step in found["path"] for g in order)])
    return {
        "start": found["path"].index(sentences.audited(document)),
        "rows": [
            {"alternative": name, "rest": place >= len(found["shown"]), "share": round(100 * share, 2),
             "said": percent(share, 1)}
            for place, (name, share) in enumerate(zip(names, shares, strict=True))
        ],
        "groups": [groups[g]["group"] for g in order],
        "steps": [_step(step, rest > 0, order, scale) for step in found["path"]],
        "alt": f"Answers of the pooled policy at the audit's β against the population's choices, for "
        f"{counted(len(found['shown']), 'alternative')}"
        + (f" of {quoted(found['context'])}" if found["context"] is not None else ""),
    }  # fmt: skip


def _step(step: Mapping[str, Any], rest: bool, order: list[int], scale: Scale) -> Row:
    answers = list(step["probabilities"])
    answers += [max(0.0, 1 - sum(answers))] if rest else []
    return {
        "beta": f"{step['beta']:g}",
        "index": decimal(step["index"]),
        "entropy": percent(step["entropy_ratio"], 1),
        "answers": [[round(100 * share, 2), percent(share, 1)] for share in answers],
        "gaps": [[scale.at(step["gaps"][g]), decimal(step["gaps"][g], 3)] for g in order],
    }
