"""The main job: whom would a single reward model fail, by how much, and what would other rules change?"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from choicekit import evidence, report
from choicekit.document import Findings
from choicekit.evidence import Progress
from choicekit.ingest import ReadReport
from choicekit.models import bradley_terry_by_group
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label


def audit(
    comparisons: Comparisons,
    *,
    beta: float = 0.1,
    reference: Mapping[Label, float] | ArrayLike | None = None,
    replicates: int = 200,
    permutations: int | None = None,
    level: float = 0.95,
    rng: int | np.random.Generator = 0,
    source: ReadReport | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit preference data: fit groups, train every rule's policy on paper, and measure what each group loses.

    Parameters
    ----------
    comparisons : the data. The partition in force gives the groups, ``voter`` what is resampled; with ``context``
        each context has alternatives and a policy of its own.
    beta : weight of the KL penalty in every policy, in the units of the rewards (log-odds). 0.1 is the usual default
        of preference-optimisation trainers.
    reference : the reference policy as weights by alternative (mapping, or in the order of
        ``comparisons.by_context().alternatives``), scaled to sum to one in each context; default uniform.
    replicates, permutations : bootstrap refits for the intervals, and shuffles of the groups for the test (by default
        as many, and at least 30 a group, so that one group's p-value can stand correction for the others).
    level : of the intervals.
    rng : a seed or generator; the default makes audits repeatable.
    source : how the data were read, for the report (:func:`choicekit.ingest.read_comparisons`).
    progress : called with (stage, done, total).

    Raises ``ValueError`` for settings that make no sense, and what the fits raise.

    >>> from choicekit import domains
    >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
    >>> found = audit(votes, replicates=20, permutations=20)
    >>> found.worst_group
    'minority'
    """
    if len(comparisons.partitions) > 1:
        names = tuple(comparisons.partitions)
        raise ValueError(f"audit: choose one of the partitions {names} with grouped_by(name), or cross them")
    shuffles = max(replicates, 30 * len(comparisons.groups)) if permutations is None else permutations
    for name, value in (("replicates", replicates), ("permutations", shuffles)):
        if value < 20:
            raise ValueError(f"audit: {name} must be at least 20 for intervals and p-values to mean much, got {value}")
    if not 0 < level < 1:
        raise ValueError(f"audit: level must lie between 0 and 1, got {level}")
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"audit: beta must be a positive number, got {beta}")
    generator = np.random.default_rng(rng)
    arms = comparisons.by_context()
    frame = evidence.layout(arms, reference)
    fits = bradley_terry_by_group(arms, rng=generator)
    measured = evidence.measure(fits, frame, beta)
    drawn = evidence.uncertainty(
        fits, frame, measured, beta, replicates, shuffles, generator, progress or (lambda *_: None)
    )
    return Audit(arms, fits, frame, measured, drawn, beta, level, reference is not None, source)


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Findings):
    """What an audit found. Everything in print is in :meth:`to_dict`, whose form ``report.json`` documents.

    ``comparisons`` have their alternatives told apart by context; ``fits`` are the groups' fits, ``frame`` the layout
    of alternatives by context, ``measured`` the rules' policies, gaps and win rates, ``drawn`` the bootstrap and the
    shuffles.

    >>> from choicekit import domains
    >>> found = audit(domains.three_groups().sample(voters=90, comparisons=20, rng=0), replicates=20, permutations=20)
    >>> found
    Audit(1800 comparisons, 3 groups, worst under the pooled reward: 'minority')
    """

    def __repr__(self) -> str:
        worst = f", worst under the pooled reward: {self.worst_group!r}" if len(self.fits.groups) > 1 else ""
        return f"Audit({len(self.comparisons)} comparisons, {len(self.fits.groups)} groups{worst})"

    @property
    def worst_group(self) -> Label:
        """The group with the largest gap under the pooled reward's policy.

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> audit(votes, replicates=20, permutations=20).worst_group
        'minority'
        """
        return self.fits.groups[int(self.drawn.estimates[0].argmax())]

    def table(self) -> dict[str, list[Any]]:
        """One row a group, as columns that any data frame takes.

        ``group``, ``voters`` (``None`` without a voter column), ``comparisons``, ``share``, ``gap`` under the pooled
        reward with ``gap_low`` and ``gap_high``, ``fitted_gap`` (at the fitted rewards), ``chance_gap`` (the mean of
        that under shuffled groups), ``p_value`` (share of shuffles with a fitted gap as large), and ``win_rate``
        against the reference.

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> audit(votes, replicates=20, permutations=20).table()["voters"]
        [54, 9, 27]
        """
        rows = self._document["groups"]
        return {name: [row[name] for row in rows] for name in report.GROUP_COLUMNS}

    def to_dict(self) -> dict[str, Any]:
        """Everything found, as plain values ready for JSON (the schema is ``choicekit/report/audit.schema.json``).

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> sorted(audit(votes, replicates=20, permutations=20).to_dict())[:4]
        ['alternatives', 'choicekit', 'collapse', 'data']
        """
        return copy.deepcopy(self._document)

    def to_json(self) -> str:
        """:meth:`to_dict` as JSON text, one line for each entry of each list.

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> json.loads(audit(votes, replicates=20, permutations=20).to_json())["schema"]
        'choicekit.audit/1'
        """
        lines = [f"{json.dumps(name)}: {_lines(value)}" for name, value in self._document.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one self-contained HTML file. Raises ``ImportError`` without the ``report`` extra.

        >>> import pathlib, tempfile
        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "report.html"
        >>> audit(votes, replicates=20, permutations=20).write_html(file)
        >>> file.read_text()[:15]
        '<!doctype html>'
        """
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(report.html(self._document))

    def training_table(self) -> dict[str, Any]:
        """Each comparison with what a trainer needs, as columns that any data frame takes.

        ``chosen``, ``rejected`` and ``tie``, ``weight``; ``voter`` and ``context`` where there are any; ``group``,
        ``group_id`` (its position in the audit's groups) and ``group_weight`` (its share of the population);
        ``pooled_margin``, the pooled reward of chosen minus rejected, and ``margin:<group>`` likewise for each group.

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> columns = audit(votes, replicates=20, permutations=20).training_table()
        >>> list(columns)[-4:], len(columns["chosen"])
        (['pooled_margin', 'margin:first', 'margin:minority', 'margin:second'], 1800)
        """
        rows, labels = self.comparisons, self.frame.labels
        columns: dict[str, Any] = {
            "chosen": [labels[a] for a in rows.winner.tolist()],
            "rejected": [labels[a] for a in rows.loser.tolist()],
            "tie": np.array(rows.tie),
            "weight": np.array(rows.weight),
        }
        for name, codes, names in (("voter", rows.voter, rows.voters), ("context", rows.context, rows.contexts)):
            if codes is not None:
                columns[name] = [names[code] for code in codes.tolist()]
        group = np.zeros(len(rows), np.int64) if rows.group is None else np.array(rows.group)
        named = report.texts(self.fits.groups)
        columns["group"] = [named[code] for code in group.tolist()]
        columns["group_id"] = group
        columns["group_weight"] = self.fits.shares[group]
        columns["pooled_margin"] = self.fits.population.scores[rows.winner] - self.fits.population.scores[rows.loser]
        for label, scores in zip(named, self.fits.scores, strict=True):
            columns[f"margin:{label}"] = scores[rows.winner] - scores[rows.loser]
        return columns

    @cached_property
    def _document(self) -> dict[str, Any]:
        from choicekit import __version__

        return self._in_full(__version__)


def _lines(value: Any) -> str:
    """JSON text, with the entries of a list on lines of their own."""
    if not isinstance(value, list) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "[\n " + ",\n ".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in value) + "\n]"
