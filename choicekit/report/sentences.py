"""The findings of an audit as sentences; the page and the terminal share them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from choicekit.report.numbers import (
    SHOWN,
    Document,
    bounds,
    count,
    counted,
    decimal,
    holm,
    label,
    listed,
    p_value,
    percent,
    places,
    quoted,
)

Row = dict[str, Any]
#: Said in place of all that compares groups.
ONE_GROUP = (
    "There is only one group, so nothing can be said about differences between groups or about whom the pooled "
    "reward fails, and the rules, which balance groups, are not compared."
)
_SHUFFLED = {
    "voters": "voters were dealt to the groups anew",
    "rows of each voter": "each voter's comparisons were dealt to the groups anew",
    "rows": "comparisons were dealt to the groups anew",
}


def check(document: Document) -> None:
    """Raise ``ValueError`` for anything but a document of an audit.

    >>> check({"schema": "choicekit.audit/1"})
    """
    found = document.get("schema")
    if found != "choicekit.audit/1":
        raise ValueError(f"report: needed a document of schema 'choicekit.audit/1' (Audit.to_dict()), got {found!r}")


def worst_first(document: Document, truth: Mapping[str, float] | None = None) -> list[Row]:
    """The rows of the groups, largest gap first, with ``place``, ``corrected`` p-value, ``shown`` and ``true_gap``.

    >>> group = {"gap": 0.1, "p_value": 0.04}
    >>> found = worst_first({"groups": [{"group": "a"} | group, {"group": "b"} | group | {"gap": 0.2}]})
    >>> [(row["group"], row["corrected"], row["shown"]) for row in found]
    [('b', 0.08, False), ('a', 0.08, False)]
    """
    groups = document["groups"]
    tested = all(group["p_value"] is not None for group in groups)
    corrected = holm(group["p_value"] for group in groups) if tested else [None] * len(groups)
    rows = [
        {
            **group,
            "place": place,
            "corrected": value,
            "shown": value is not None and value <= SHOWN,
            "true_gap": (truth or {}).get(group["group"]),
        }
        for place, (group, value) in enumerate(zip(groups, corrected, strict=True))
    ]
    return sorted(rows, key=lambda row: -row["gap"])


def differ(document: Document) -> bool:
    """Whether the groups are shown to differ more than shuffled ones.

    >>> differ({"heterogeneity": {"p_value": 0.005}}), differ({"heterogeneity": None})
    (True, False)
    """
    found = document["heterogeneity"]
    return found is not None and found["p_value"] <= SHOWN


def was_read(document: Document) -> list[str]:
    """What the data are, which rows were left out and which columns were guessed.

    >>> data = {"comparisons": 9, "weight": 9.0, "ties": 2.0, "alternatives": 4, "voters": 3, "groups": None,
    ...         "contexts": None, "group_column": None}
    >>> was_read({"data": data, "source": None})
    ['9 comparisons (2 of them tied) of 4 alternatives by 3 voters.']
    """
    data, source = document["data"], document["source"]
    return [_data(data, source), *_rows(source)]


def _data(data: Row, source: Row | None) -> str:
    weighted = abs(data["weight"] - data["comparisons"]) > 1e-9
    said = counted(data["comparisons"], "weighted comparison" if weighted else "comparison")
    inner = [f"total weight {count(data['weight'])}"] if weighted else []
    inner += [f"{count(data['ties'])} of {'that' if weighted else 'them'} tied"] if data["ties"] else []
    said += f" ({', '.join(inner)})" if inner else ""
    said += f" of {counted(data['alternatives'], 'alternative')}"
    said += f" by {counted(data['voters'], 'voter')}" if data["voters"] else ""
    if data["groups"]:
        said += f" in {counted(data['groups'], 'group')} (column {quoted(str(data['group_column']))})"
    if data["contexts"]:
        column = (source or {}).get("roles", {}).get("context")
        said += f", within {counted(data['contexts'], 'context')}" + (f" (column {quoted(column)})" if column else "")
    return said + "."


def _rows(source: Row | None) -> list[str]:
    if source is None:
        return []
    read, used, name = source["rows_read"], source["rows_used"], quoted(source["name"], 60)
    if read == used:
        said = [f"All {counted(read, 'row')} of {name} were used." if read != 1 else f"The one row of {name} was used."]
    else:
        why = listed([f"{label(reason, 60)} ({count(rows)})" for reason, rows in source["skipped"].items()], 6)
        left = f"{count(read - used)} left out" + (f": {why}" if why else "")
        said = [f"Of {counted(read, 'row')} of {name}, {count(used)} were used and {left}."]
    if source["guessed"]:
        parts = [f"{role} = {column(source['roles'].get(role))}" for role in source["guessed"]]
        said.append(f"Guessed from the names of the columns, so please check: {listed(parts, 9)}.")
    return said


def column(name: Any) -> str:
    """The column, or columns, that played a role.

    >>> column("worker"), column(["party", "gender"])
    ('“worker”', '“party” × “gender”')
    """
    return " × ".join(quoted(str(part)) for part in (name if isinstance(name, list | tuple) else [name]))


def difference(document: Document) -> str:
    """Whether the groups differ more than chance.

    >>> found = {"statistic": 80.0, "expected": 15.2, "p_value": 0.005, "permutations": 200, "shuffled": "voters"}
    >>> difference({"heterogeneity": found})
    'The groups differ more than chance: 80.0 against 15.2 on average when voters were dealt to the groups anew
    200 times (p = 0.005).'
    """
    found = document["heterogeneity"]
    if found is None:
        return ONE_GROUP
    verdict = "The groups differ more than chance" if differ(document) else "The groups are not shown to differ"
    how = _SHUFFLED.get(found["shuffled"], f"{found['shuffled']} were shuffled")
    return (
        f"{verdict}: {decimal(found['statistic'], 1)} against {decimal(found['expected'], 1)} on average when {how} "
        f"{counted(found['permutations'], 'time')} (p = {p_value(found['p_value'])})."
    )


def failed(document: Document, truth: Mapping[str, float] | None = None) -> list[str]:
    """Whom the pooled reward fails and by how much, as far as it is shown; the first sentence is the finding.

    >>> row = {"gap": 0.5, "gap_low": 0.2, "gap_high": 0.9, "p_value": 0.01, "win_rate": 0.6}
    >>> other = row | {"group": "b", "gap": 0.1, "p_value": 0.4}
    >>> document = {"heterogeneity": {"p_value": 0.01, "permutations": 200},
    ...     "groups": [row | {"group": "a"}, other]}
    >>> failed(document)[0]
    'The pooled reward serves “a” worst: its gap is 0.50 [0.20, 0.90] log-odds, more than chance explains (p = 0.020,
    corrected for 2 groups).'
    """
    rows = worst_first(document, truth)
    if len(rows) == 1:
        return [ONE_GROUP]
    worst, digits = rows[0], places(document)
    if worst["gap"] < 1e-9:
        high = max((row["gap_high"] for row in rows if row["gap_high"] is not None), default=None)
        allowed = "" if high is None else f" The intervals allow gaps up to {decimal(high, digits)} log-odds."
        return ["No group is shown to be failed: every estimated gap is zero." + allowed]
    shown = [row for row in rows if row["shown"]]
    said = [_served_worst(worst, digits, len(rows)), *_too_few_shuffles(document), *_others(worst, shown, digits)]
    if worst["shown"] and worst["win_rate"] < 0.5:
        said.append(
            f"{quoted(worst['group'])} is estimated to prefer the policy's answer to the reference's only "
            f"{percent(worst['win_rate'])} of the time."
        )
    if shown and not differ(document):
        said.append("As a whole, though, the groups are not shown to differ, so take this with care.")
    known = [row for row in rows if row["true_gap"] is not None and row["gap_low"] is not None]
    if known:
        inside = sum(row["gap_low"] <= row["true_gap"] <= row["gap_high"] for row in known)
        said.append(f"The true gaps are known here: {inside} of {len(known)} lie within their intervals.")
    return said


def _served_worst(worst: Row, digits: int, groups: int) -> str:
    gap = f"{decimal(worst['gap'], digits)} {bounds(worst['gap_low'], worst['gap_high'], digits)}"
    if worst["p_value"] is None:
        return f"The largest gap is that of {quoted(worst['group'])}: {gap} log-odds; it was not tested against chance."
    tested = f"(p = {p_value(worst['corrected'])}, corrected for {groups} groups)"
    if worst["shown"]:
        return (
            f"The pooled reward serves {quoted(worst['group'])} worst: its gap is {gap} log-odds, more than chance "
            f"explains {tested}."
        )
    return (
        f"The largest gap, {gap} log-odds for {quoted(worst['group'])}, is not shown to be more than chance explains "
        f"{tested}."
    )


def _too_few_shuffles(document: Document) -> list[str]:
    """Where even the smallest p-value there can be would not survive the correction."""
    found, groups = document["heterogeneity"], len(document["groups"])
    if found is None or groups / (1 + found["permutations"]) <= SHOWN:
        return []
    return [
        f"With {count(found['permutations'])} shuffles no gap among {groups} groups can be shown; that takes at least "
        f"{math.ceil(groups / SHOWN - 1e-9) - 1}."
    ]


def _others(worst: Row, shown: list[Row], digits: int) -> list[str]:
    others = [f"{quoted(row['group'])} ({decimal(row['gap'], digits)})" for row in shown if row is not worst]
    if not others:
        return ["No other group is shown to lose more than chance explains."] if worst["shown"] else []
    loses = "loses" if len(others) == 1 else "lose"
    return [f"{listed(others)} {'also ' if worst['shown'] else ''}{loses} more than chance explains."]


def ordered_rules(document: Document) -> list[Row]:
    """The rules with the ``name`` they go by; the pooled reward comes first, then by largest gap.

    >>> rules = [{"rule": name, "worst_gap": gap} for name, gap in (("pooled (RLHF)", 2), ("b", 3), ("c", 1))]
    >>> [row["name"] for row in ordered_rules({"rules": rules})]
    ['pooled', 'c', 'b']
    """
    rows = [{**rule, "name": rule.get("label", rule["rule"]).split(" (")[0]} for rule in document["rules"]]
    return rows[:1] + sorted(rows[1:], key=lambda row: float(row["worst_gap"]))


def rules(document: Document) -> list[str]:
    """What another rule would change for the worst-off group, and at what price.

    >>> rule = {"worst_gap": 2.8, "change": 0, "average_gap": 0.3, "price": 0}
    >>> other = {"worst_gap": 1.0, "change": -1.8, "change_low": -2.5, "change_high": -1.4, "average_gap": 0.8}
    >>> other |= {"price": 0.5, "price_low": 0.4, "price_high": 0.6}
    >>> document = {"groups": [{"gap": 2.8}, {"gap": 0.1}], "heterogeneity": {"p_value": 0.01}, "rules": [
    ...     rule | {"rule": "pooled_reward", "label": "pooled reward (RLHF)", "worst_group": "a"},
    ...     other | {"rule": "minimax_regret", "label": "minimax regret", "worst_group": "b"}]}
    >>> rules(document)[0]
    'Minimax regret would lower the largest gap most, from 2.80 to 1.00 (now “b”), while the average gap rises from
    0.30 to 0.80.'
    """
    if len(document["groups"]) == 1:
        return [ONE_GROUP]
    pooled, best = ordered_rules(document)[:2]
    digits = places(document)
    before, after = (decimal(row["worst_gap"], digits) for row in (pooled, best))
    if best["change"] >= 0 or before == after:
        return [f"None of the other rules lowers the largest gap, {before} under the pooled reward."]
    now = "still" if best["worst_group"] == pooled["worst_group"] else "now"
    costs = [decimal(row["average_gap"], digits) for row in (pooled, best)]
    verb = "stays at" if costs[0] == costs[1] else "rises" if best["price"] > 0 else "falls"
    average = f"{verb} {costs[0]}" if costs[0] == costs[1] else f"{verb} from {costs[0]} to {costs[1]}"
    sure = differ(document) and best["change_high"] < 0
    name = best["name"][0].upper() + best["name"][1:] if sure else f"By the estimates alone, {best['name']}"
    said = (
        f"{name} would lower the largest gap most, from {before} to {after} ({now} {quoted(best['worst_group'])}), "
        f"while the average gap {average}."
    )
    return [said, _how_sure(document, best)]


def _how_sure(document: Document, best: Row) -> str:
    if not differ(document):
        return "The groups are not shown to differ, so these differences between rules are not shown either."
    change, price = (
        f"{decimal(best[name], places(document))} {bounds(best[f'{name}_low'], best[f'{name}_high'], places(document))}"
        for name in ("change", "price")
    )
    if best["change_high"] < 0:
        return f"The largest gap changes by {change}, the average by {price}."
    return f"The change of the largest gap, {change}, may be none, so the data do not settle it."


def top_alternatives(document: Document) -> list[Row]:
    """The alternatives of the context that the report shows, highest pooled reward first.

    >>> rows = [{"alternative": "a", "context": "x"}, {"alternative": "b", "context": "y"}]
    >>> [row["alternative"] for row in top_alternatives({"alternatives": rows, "collapse": {"context": "y"}})]
    ['b']
    """
    shown = document["collapse"]["context"]
    return [row for row in document["alternatives"] if row["context"] == shown]


def rewards(document: Document) -> list[str]:
    """Which alternative comes first, for everybody and for each group.

    >>> row = {"context": None, "reward": 0.5, "reward_low": 0.4, "reward_high": 0.6}
    >>> rows = [row | {"alternative": "a", "group_rewards": [1.0, 0.0]},
    ...         row | {"alternative": "b", "group_rewards": [0.0, 1.0], "reward": 0.1, "reward_high": 0.2}]
    >>> groups = [{"group": "old"}, {"group": "young"}]
    >>> rewards({"alternatives": rows, "groups": groups, "collapse": {"context": None}})
    ['“a” has the highest pooled reward, 0.50 [0.40, 0.60].',
    'By the estimates, another alternative comes first for “young” (“b”).']
    """
    rows, groups, context = top_alternatives(document), document["groups"], document["collapse"]["context"]
    best = rows[0]
    where = f"In {quoted(context)}, the context with most comparisons, " if context is not None else ""
    said = [f"{where}{quoted(best['alternative'])} {_highest(best, rows[1:])}."]
    if len(groups) == 1:
        return said
    first = [max(rows, key=lambda row: row["group_rewards"][g]) for g in range(len(groups))]
    apart = [(group["group"], row["alternative"]) for group, row in zip(groups, first, strict=True) if row is not best]
    if not apart:
        said.append("By the estimates, every group has the same alternative first.")
    elif len(apart) > 3:
        said.append(f"By the estimates, {len(apart)} of {len(groups)} groups have another alternative first.")
    else:
        who = listed([f"{quoted(group)} ({quoted(choice)})" for group, choice in apart])
        said.append(f"By the estimates, another alternative comes first for {who}.")
    return said


def _highest(best: Row, others: list[Row]) -> str:
    """That a reward is the highest, and how many intervals leave it open."""
    reward = f"{decimal(best['reward'])} {bounds(best['reward_low'], best['reward_high'])}"
    known = best["reward_low"] is not None
    open_to = [row for row in others if known and row["reward_high"] is not None]
    rivals = sum(row["reward_high"] >= best["reward_low"] for row in open_to) + len(others) - len(open_to)
    if not rivals:
        return f"has the highest pooled reward, {reward}"
    ends = ("interval", "overlaps") if rivals == 1 else ("intervals", "overlap")
    return (
        f"has the highest estimated pooled reward, {reward}; the {ends[0]} of {counted(rivals, 'other')} {ends[1]} it"
    )


def readings(document: Document) -> list[str]:
    """Where readings of the same data elect different alternatives: which elects whom, and why wins mislead.

    >>> rows = [{"alternative": "a", "comparisons": 9.0}, {"alternative": "b", "comparisons": 90.0}]
    >>> read = [{"reading": "most wins", "first": ["b"]}, {"reading": "Borda", "first": ["a"]}]
    >>> readings({"readings": read, "alternatives": rows})
    ['“b” comes first by most wins; “a” comes first by Borda.',
    'A count of wins grows with how often an alternative was compared: “b” was compared 90 times, “a” 9 times.']
    """
    elected: dict[tuple[str, ...], list[str]] = {}
    for reading in document["readings"]:
        elected.setdefault(tuple(reading["first"]), []).append(reading["reading"])
    if len(elected) < 2:
        return []
    said = [
        f"{listed([quoted(name) for name in first])} {'comes' if len(first) == 1 else 'come'} first by {listed(by, 9)}"
        for first, by in elected.items()
    ]
    by_wins = next((reading["first"] for reading in document["readings"] if reading["reading"] == "most wins"), None)
    other = next((list(first) for first in elected if by_wins is not None and list(first) != by_wins), None)
    found = ["; ".join(said) + "."]
    if by_wins is None or other is None or elected[tuple(by_wins)] != ["most wins"]:
        return found
    met = {row["alternative"]: row["comparisons"] for row in document["alternatives"]}
    times = [f"{quoted(name)} {{}}{counted(met[name], 'time')}" for name in (by_wins[0], other[0])]
    return [
        *found,
        "A count of wins grows with how often an alternative was compared: "
        f"{times[0].format('was compared ')}, {times[1].format('')}.",
    ]


def collapse(document: Document) -> list[str]:
    """How much less varied the pooled policy's answers are than the people's choices.

    >>> found = {"context": None, "shown": ["a", "b"], "shares": [0.6, 0.4], "index": 0.97, "entropy_ratio": 0.13,
    ...     "path": [{"beta": 0.1, "probabilities": [0.98, 0.02]}]}
    >>> collapse({"collapse": found, "settings": {"beta": 0.1}})
    ['At β = 0.1 the pooled policy would answer “a” 98% of the time, where 60% of the population would choose it.',
    'The collapse index is 0.97 nats, and the entropy of the answers is 13% of that of the choices.']
    """
    found, now = document["collapse"], audited(document)
    likeliest = max(range(len(found["shown"])), key=now["probabilities"].__getitem__)
    where = f"In {quoted(found['context'])}, at" if found["context"] is not None else "At"
    over = ", averaged over contexts," if found["context"] is not None else ""
    return [
        f"{where} β = {now['beta']:g} the pooled policy would answer {quoted(found['shown'][likeliest])} "
        f"{percent(now['probabilities'][likeliest])} of the time, where {percent(found['shares'][likeliest])} of the "
        "population would choose it.",
        f"The collapse index{over} is {decimal(found['index'])} nats, and the entropy of the answers is "
        f"{percent(found['entropy_ratio'])} of that of the choices.",
    ]


def audited(document: Document) -> Row:
    """The step of the path at the audit's β.

    >>> audited({"settings": {"beta": 0.1}, "collapse": {"path": [{"beta": 0.01}, {"beta": 0.1}]}})
    {'beta': 0.1}
    """
    wanted = document["settings"]["beta"]
    step: Row = min(document["collapse"]["path"], key=lambda step: abs(step["beta"] - wanted))
    return step


def limited(document: Document) -> str:
    """How many checks raised a warning.

    >>> limited({"notes": []})
    'No check of these data raised a warning; what follows holds for every audit.'
    """
    notes = len(document["notes"])
    if not notes:
        return "No check of these data raised a warning; what follows holds for every audit."
    return (
        "One check of these data raised a warning." if notes == 1 else f"{notes} checks of these data raised warnings."
    )


def limits(document: Document) -> list[str]:
    """What the audit cannot say: the notes on these data, then what holds for every audit.

    >>> limits({"notes": [], "data": {"group_column": None}})[0]
    'Policies are computed, not trained: how a model generalises beyond the alternatives in the data is not seen.'
    """
    said = [label(note["text"], 2000) for note in document["notes"]]
    said.append(
        "Policies are computed, not trained: how a model generalises beyond the alternatives in the data is not seen."
    )
    if document["data"]["group_column"] is not None:
        named = quoted(str(document["data"]["group_column"]))
        said.append(
            f"Groups are those of the column {named}: differences within a group, and people not in the data, "
            "are not seen."
        )
    return said
