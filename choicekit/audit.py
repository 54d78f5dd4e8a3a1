"""The main job: whom would a single reward model fail, by how much, and what would other rules change?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import alignment, evidence, report, welfare
from choicekit.evidence import RULES, Layout, Measured, Progress, Uncertainty
from choicekit.ingest import ReadReport
from choicekit.limits import limits
from choicekit.models import GroupFits, bradley_terry_by_group
from choicekit.outcomes import winners
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]


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
        as many, and at least 40 a group, so that one group's p-value can stand correction for the others).
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
    shuffles = max(replicates, 40 * len(comparisons.groups)) if permutations is None else permutations
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
class Audit:
    """What an audit found. Everything in print is in :meth:`to_dict`, whose form ``report.json`` documents.

    ``comparisons`` have their alternatives told apart by context; ``fits`` are the groups' fits, ``frame`` the layout
    of alternatives by context, ``measured`` the rules' policies, gaps and win rates, ``drawn`` the bootstrap and the
    shuffles.

    >>> from choicekit import domains
    >>> found = audit(domains.three_groups().sample(voters=90, comparisons=20, rng=0), replicates=20, permutations=20)
    >>> found
    Audit(1800 comparisons, 3 groups, worst under the pooled reward: 'minority')
    """

    comparisons: Comparisons
    fits: GroupFits
    frame: Layout
    measured: Measured
    drawn: Uncertainty
    beta: float
    level: float
    own_reference: bool
    source: ReadReport | None

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
        return self.fits.groups[int(self.measured.gaps[0].argmax())]

    def table(self) -> dict[str, list[Any]]:
        """One row a group, as columns that any data frame takes.

        ``group``, ``voters`` (``None`` without a voter column), ``comparisons``, ``share``, ``gap`` under the pooled
        reward with ``gap_low`` and ``gap_high``, ``chance_gap`` (what shuffled groups show on average), ``p_value``
        (share of shuffles with a gap as large), and ``win_rate`` against the reference.

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> audit(votes, replicates=20, permutations=20).table()["voters"]
        [54, 9, 27]
        """
        rows = self.to_dict()["groups"]
        return {name: [row[name] for row in rows] for name in report.GROUP_COLUMNS}

    def to_dict(self) -> dict[str, Any]:
        """Everything found, as plain values ready for JSON (the schema is ``choicekit/report/audit.schema.json``).

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> sorted(audit(votes, replicates=20, permutations=20).to_dict())[:4]
        ['alternatives', 'collapse', 'data', 'groups']
        """
        return self._document

    def to_json(self) -> str:
        """:meth:`to_dict` as JSON text.

        >>> from choicekit import domains
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> json.loads(audit(votes, replicates=20, permutations=20).to_json())["schema"]
        'choicekit.audit/1'
        """
        return json.dumps(self._document, indent=1, ensure_ascii=False, allow_nan=False)

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
        rows, labels = self.comparisons, self._labels
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
        columns["group"] = [report.text(self.fits.groups[code]) for code in group.tolist()]
        columns["group_id"] = group
        columns["group_weight"] = self.fits.shares[group]
        columns["pooled_margin"] = self.fits.population.scores[rows.winner] - self.fits.population.scores[rows.loser]
        for label, scores in zip(self.fits.groups, self.fits.scores, strict=True):
            columns[f"margin:{report.text(label)}"] = scores[rows.winner] - scores[rows.loser]
        return columns

    @cached_property
    def _document(self) -> dict[str, Any]:
        from choicekit import __version__

        return {
            "schema": "choicekit.audit/1",
            "choicekit": __version__,
            "source": _source(self.source),
            "settings": self._settings(),
            "data": self._data(),
            "heterogeneity": self._heterogeneity(),
            "groups": self._groups(),
            "rules": self._rules(),
            "alternatives": self._alternatives(),
            "readings": self._readings(),
            "collapse": self._collapse(),
            "notes": limits(self.comparisons, self.fits, self._groups(), self._heterogeneity(), self.source),
        }

    def _settings(self) -> dict[str, Any]:
        return {
            "beta": self.beta,
            "level": self.level,
            "reference": "given" if self.own_reference else "uniform",
            "replicates": len(self.drawn.gaps),
            "permutations": len(self.drawn.statistics),
            "prior_variance": self.fits.prior,
            "pooling_variance": self.fits.pooling,
        }

    def _data(self) -> dict[str, Any]:
        rows = self.comparisons
        return {
            "comparisons": len(rows),
            "weight": float(rows.weight.sum()),
            "ties": float(rows.weight[rows.tie].sum()),
            "alternatives": len(rows.alternatives),
            "voters": len(rows.voters) or None,
            "groups": len(rows.groups) or None,
            "contexts": len(rows.contexts) or None,
            "group_column": next(iter(rows.partitions), None),
        }

    @cached_property
    def _interval(self) -> tuple[Floats, Floats]:
        """Lower and upper ends ``[rule, g]``, which hold the estimate; NaN for a group of one voter."""
        rows = self.comparisons
        low, high = np.quantile(self.drawn.gaps, [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        ends = np.stack([np.minimum(low, self.measured.gaps), np.maximum(high, self.measured.gaps)])
        if rows.voter is not None and rows.group is not None:
            people = np.unique(np.stack([rows.group, rows.voter]), axis=1)[0]
            ends[..., np.bincount(people, minlength=len(rows.groups)) == 1] = np.nan
        return ends[0], ends[1]

    def _heterogeneity(self) -> dict[str, Any] | None:
        shuffled = self.drawn.statistics
        if not len(shuffled):
            return None
        observed = self.fits.statistic()
        return {
            "statistic": observed,
            "expected": float(shuffled.mean()),
            "p_value": float(1 + (shuffled >= observed - 1e-9 * abs(observed)).sum()) / (1 + len(shuffled)),
            "permutations": len(shuffled),
            "shuffled": self.fits.exchangeable,
            "pooling": [{"variance": variance, "heldout_loglik": score} for variance, score in self.fits.heldout],
        }

    def _groups(self) -> list[dict[str, Any]]:
        rows, gaps, (low, high) = self.comparisons, self.measured.gaps[0], self._interval
        codes = np.zeros(len(rows), np.int64) if rows.group is None else rows.group
        found = []
        for g, label in enumerate(self.fits.groups):
            mine = codes == g
            chance = self.drawn.chance[:, g]
            as_large = float(1 + (chance >= gaps[g] - 1e-12).sum()) / (1 + len(chance))
            found.append(
                {
                    "group": report.text(label),
                    "voters": None if rows.voter is None else len(np.unique(rows.voter[mine])),
                    "comparisons": float(rows.weight[mine].sum()),
                    "share": float(self.fits.shares[g]),
                    "gap": float(gaps[g]),
                    "gap_low": _known(low[0, g]),
                    "gap_high": _known(high[0, g]),
                    "chance_gap": float(chance.mean()) if len(chance) else None,
                    "p_value": as_large if len(chance) else None,
                    "win_rate": float(self.measured.win_rates[0, g]),
                }
            )
        return found

    def _rules(self) -> list[dict[str, Any]]:
        shares, (low, high) = self.fits.shares, self._interval
        labels = [report.text(label) for label in self.fits.groups]
        tails = [(1 - self.level) / 2, (1 + self.level) / 2]
        found = []
        for k, (name, called) in enumerate(RULES.items()):
            gaps, rates = self.measured.gaps[k], self.measured.win_rates[k]
            worst_draws, mean_draws = self.drawn.gaps[:, k].max(1), self.drawn.gaps[:, k] @ shares
            (worst_low, worst_high), (mean_low, mean_high) = (
                np.quantile(worst_draws, tails),
                np.quantile(mean_draws, tails),
            )
            multipliers = self.measured.policies[name].multipliers
            found.append(
                {
                    "rule": name,
                    "label": called,
                    "worst_group": labels[int(gaps.argmax())],
                    "worst_gap": float(gaps.max()),
                    "worst_gap_low": float(min(worst_low, gaps.max())),
                    "worst_gap_high": float(max(worst_high, gaps.max())),
                    "average_gap": float(gaps @ shares),
                    "average_gap_low": float(min(mean_low, gaps @ shares)),
                    "average_gap_high": float(max(mean_high, gaps @ shares)),
                    "spread": float(welfare.spread(gaps)),
                    "worst_win_rate": float(rates.min()),
                    "average_win_rate": float(rates @ shares),
                    "gini": float(welfare.gini(rates, shares)),
                    "multipliers": None if multipliers is None else multipliers.tolist(),
                    "groups": [
                        {"group": label, "gap": float(gaps[g]), "gap_low": _known(low[k, g]),
                         "gap_high": _known(high[k, g]), "win_rate": float(rates[g])}
                        for g, label in enumerate(labels)
                    ],
                }
            )  # fmt: skip
        return found

    def _alternatives(self) -> list[dict[str, Any]]:
        """One row an alternative, best pooled reward first within each context."""
        wins, count = self._tallies
        scores, shares = self.fits.population.scores, self.frame.gather(self._choice_shares)
        low, high = np.quantile(self.drawn.pooled, [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        policy = self.frame.gather(self.measured.policies["pooled_reward"].probabilities)
        context, contexts = self.frame.context, self.comparisons.contexts
        found = []
        for a in np.lexsort((-scores, context)).tolist():
            found.append(
                {
                    "alternative": report.text(self._labels[a]),
                    "context": report.text(contexts[context[a]]) if contexts else None,
                    "comparisons": float(count[a]),
                    "wins": float(wins[a]),
                    "reward": float(scores[a]),
                    "reward_low": float(min(low[a], scores[a])),
                    "reward_high": float(max(high[a], scores[a])),
                    "group_rewards": self.fits.scores[:, a].tolist(),
                    "pooled_probability": float(policy[a]),
                    "choice_share": float(shares[a]),
                }
            )
        return found

    def _readings(self) -> list[dict[str, Any]]:
        """Who comes first by several readings of the same data; for one context only."""
        if len(self.frame.weights) > 1:
            return []
        wins, count = self._tallies
        lottery = self.measured.policies["maximal_lottery"].probabilities[0]
        borda = alignment.preferences(self.fits.scores, self.fits.shares).mean(1)
        readings = {
            "most wins": wins,
            "highest win rate": np.divide(wins, count, out=np.zeros_like(wins), where=count > 0),
            "pooled Bradley–Terry reward": self.fits.population.scores,
            "Borda": borda,
            "maximal lottery": self.frame.gather(lottery[None]),
        }
        first = {name: winners(self.frame.arms, values) for name, values in readings.items()}
        return [{"reading": name, "first": [report.text(label) for label in found]} for name, found in first.items()]

    def _collapse(self) -> dict[str, Any]:
        """The pooled policy from strong to weak KL penalty, in the context with most comparisons."""
        frame, shown = self.frame, int(self.frame.weights.argmax())
        rewards = frame.spread(self.fits.population.scores)
        here = np.flatnonzero(frame.context == shown)
        best = here[np.argsort(-self.fits.population.scores[here], kind="stable")[:8]]
        path = []
        for beta in sorted({*np.geomspace(0.01, 10, 31).round(4).tolist(), self.beta}):
            policy = alignment.rlhf_policy(rewards, frame.reference, beta)
            found = alignment.preference_collapse(policy, self._choice_shares, frame.weights)
            # KL(shares‖policy) as what the shares would lose, which is finite where a probability underflows to 0
            apart = alignment.gap(rewards[:, None], self._choice_shares, frame.reference, beta).gaps[:, 0] / beta
            path.append(
                {
                    "beta": beta,
                    "index": float(frame.weights @ apart),
                    "total_variation": found.total_variation,
                    "entropy_ratio": found.entropy_ratio,
                    "gaps": evidence.gaps(self.fits.scores, policy, frame, beta).tolist(),
                    "probabilities": frame.gather(policy.probabilities)[best].tolist(),
                }
            )
        now = next(step for step in path if step["beta"] == self.beta)
        return {
            **{name: now[name] for name in ("index", "total_variation", "entropy_ratio")},
            "context": report.text(self.comparisons.contexts[shown]) if self.comparisons.contexts else None,
            "shown": [report.text(self._labels[a]) for a in best],
            "shares": frame.gather(self._choice_shares)[best].tolist(),
            "path": path,
        }

    @property
    def _labels(self) -> tuple[Any, ...]:
        """Each arm's alternative, without its context."""
        arms: tuple[Any, ...] = self.frame.arms
        return tuple(arm[1] for arm in arms) if self.comparisons.contexts else arms

    @cached_property
    def _choice_shares(self) -> Floats:
        return alignment.choice_shares(self.frame.spread(self.fits.scores), self.frame.reference, self.fits.shares)

    @cached_property
    def _tallies(self) -> tuple[Floats, Floats]:
        """Wins (ties as half) and comparisons of each arm."""
        rows, size = self.comparisons, len(self.frame.arms)
        half = np.where(rows.tie, 0.5, 0.0) * rows.weight
        wins = np.bincount(rows.winner, rows.weight - half, size) + np.bincount(rows.loser, half, size)
        count = np.bincount(rows.winner, rows.weight, size) + np.bincount(rows.loser, rows.weight, size)
        return np.asarray(wins, np.float64), np.asarray(count, np.float64)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _source(read: ReadReport | None) -> dict[str, Any] | None:
    if read is None:
        return None
    return {
        "name": read.source,
        "rows_read": read.rows_read,
        "rows_used": read.rows_used,
        "skipped": dict(read.skipped),
        "roles": {role: list(column) if isinstance(column, tuple) else column for role, column in read.roles.items()},
        "guessed": list(read.guessed),
        "notes": list(read.notes),
    }
