"""What an audit cannot say, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from choicekit import graphs
from choicekit.ingest import ReadReport
from choicekit.models import GroupFits
from choicekit.models.luce import count_pairs, win_components
from choicekit.profiles import Comparisons
from choicekit.report import text

#: Fewer voters than this in a group, and its interval rests on too few people.
FEW_VOTERS = 10
#: Fewer comparisons an alternative than this, and a group's rewards are mostly the population's.
FEW_COMPARISONS = 5.0


def limits(
    comparisons: Comparisons,
    fits: GroupFits,
    groups: list[dict[str, Any]],
    heterogeneity: dict[str, Any] | None,
    source: ReadReport | None,
) -> list[dict[str, str]]:
    """Notes ``{"kind", "text"}`` on what stands in the way of the audit's numbers, the gravest first.

    >>> votes = Comparisons(["a", "b"] * 5, ["b", "a"] * 5, voter=range(10))
    >>> from choicekit.models import bradley_terry_by_group
    >>> [note["kind"] for note in limits(votes, bradley_terry_by_group(votes), [], None, None)]
    ['no groups']
    """
    found = [
        *_about_groups(heterogeneity, fits),
        *_about_voters(comparisons, groups),
        *_about_sparseness(comparisons, fits),
        *_about_the_graph(comparisons),
    ]
    found += [("reading", note) for note in (source.notes if source is not None else ())]
    return [{"kind": kind, "text": said} for kind, said in found]


def _about_groups(heterogeneity: dict[str, Any] | None, fits: GroupFits) -> list[tuple[str, str]]:
    if heterogeneity is None:
        return [
            ("no groups", "There is no group column (or only one group): nothing is said about whom a reward fails.")
        ]
    found = []
    if heterogeneity["p_value"] > 0.05:
        found.append(
            (
                "no difference shown",
                "The groups are not shown to differ more than shuffled groups do "
                f"(p = {heterogeneity['p_value']:.2f}). The gaps are no evidence that anyone is failed, and no "
                "evidence that nobody is.",
            )
        )
    if fits.pooling == 0:
        found.append(
            (
                "fully pooled",
                "Held-out comparisons are predicted best when all groups share one reward. The gaps and their "
                "intervals say what differences the data leave room for, not that there are any.",
            )
        )
    return found


def _about_voters(comparisons: Comparisons, groups: list[dict[str, Any]]) -> list[tuple[str, str]]:
    if comparisons.voter is None:
        return [
            (
                "no voters",
                "There is no voter column: every comparison is treated as another person's, so intervals are too "
                "narrow and p-values too small if people answered more than once.",
            )
        ]
    found = []
    alone = [group["group"] for group in groups if group["voters"] == 1]
    few = [f"{group['group']} ({group['voters']})" for group in groups if 1 < group["voters"] < FEW_VOTERS]
    if alone:
        found.append(("one voter", f"{_listed(alone)}: a single voter, so no interval can be given."))
    if few:
        found.append(
            ("few voters", f"Fewer than {FEW_VOTERS} voters: {_listed(few)}. Their intervals may be too narrow.")
        )
    return found


def _about_sparseness(comparisons: Comparisons, fits: GroupFits) -> list[tuple[str, str]]:
    size = len(comparisons.alternatives)
    codes = np.zeros(len(comparisons), np.int64) if comparisons.group is None else comparisons.group
    sparse, unseen = [], []
    for g, label in enumerate(fits.groups):
        mine = codes == g
        met = np.unique(np.concatenate([comparisons.winner[mine], comparisons.loser[mine]]))
        rate = 2 * float(comparisons.weight[mine].sum()) / size
        if rate < FEW_COMPARISONS:
            sparse.append(f"{text(label)} ({rate:.1f})")
        if len(met) < size:
            unseen.append(f"{text(label)} ({size - len(met)} of {size})")
    found = []
    if sparse:
        found.append(
            (
                "few comparisons",
                f"Fewer than {FEW_COMPARISONS:g} comparisons for each alternative: {_listed(sparse)}. Their rewards "
                "are mostly the population's, and much of their gaps is uncertainty.",
            )
        )
    if unseen and len(fits.groups) > 1:
        found.append(
            (
                "never compared",
                f"Alternatives that a group never compared: {_listed(unseen)}. Those rewards are borrowed.",
            )
        )
    return found


def _about_the_graph(comparisons: Comparisons) -> list[tuple[str, str]]:
    """Separate contexts are expected; further splits, and wins that go one way only, are worth a word."""
    size, contexts = len(comparisons.alternatives), max(1, len(comparisons.contexts))
    pairs = count_pairs(comparisons)
    apart, _ = graphs.components(pairs.first, pairs.second, size, strong=False)
    strong = len(win_components(pairs, size))
    found = []
    if apart > contexts:
        where = "" if contexts == 1 else f" in {contexts} contexts"
        found.append(
            (
                "disconnected",
                f"The comparisons fall into {apart} parts{where} with none between them: how alternatives of different "
                "parts compare is not in the data, and the prior puts each part's mean at zero.",
            )
        )
    if strong > apart:
        found.append(
            (
                "one-way wins",
                f"Wins go one way only between {strong} parts of the comparison graph, so no finite maximum-likelihood "
                "rewards exist; the prior keeps them finite.",
            )
        )
    return found


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:6]) + (f" and {len(parts) - 6} more" if len(parts) > 6 else "")
