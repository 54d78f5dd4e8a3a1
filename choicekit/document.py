"""The JSON document of an audit: every number that the page, the terminal and the files show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import alignment, evidence, report, welfare
from choicekit.evidence import RULES, Layout, Measured, Uncertainty
from choicekit.ingest import ReadReport
from choicekit.limits import limits
from choicekit.models import GroupFits
from choicekit.outcomes import winners
from choicekit.profiles import Comparisons

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Findings:
    """What an audit has, and how it is written down; :class:`choicekit.Audit` is this with ways to hand it out."""

    comparisons: Comparisons
    fits: GroupFits
    frame: Layout
    measured: Measured
    drawn: Uncertainty
    beta: float
    level: float
    own_reference: bool
    source: ReadReport | None

    def _in_full(self, version: str) -> dict[str, Any]:
        """The document, whose schema is ``choicekit/report/audit.schema.json``."""
        heterogeneity, groups = self._heterogeneity(), self._groups()
        return {
            "schema": "choicekit.audit/1",
            "choicekit": version,
            "source": _source(self.source),
            "settings": self._settings(),
            "data": self._data(),
            "heterogeneity": heterogeneity,
            "groups": groups,
            "rules": self._rules(),
            "alternatives": self._alternatives(),
            "readings": self._readings(),
            "collapse": self._collapse(),
            "notes": limits(self.comparisons, self.fits, groups, heterogeneity, self.source),
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
        ends = np.stack([np.minimum(low, self.drawn.estimates), np.maximum(high, self.drawn.estimates)])
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
        rows, gaps, (low, high) = self.comparisons, self.drawn.estimates[0], self._interval
        fitted = self.measured.gaps[0]
        codes = np.zeros(len(rows), np.int64) if rows.group is None else rows.group
        found = []
        for g, label in enumerate(report.texts(self.fits.groups)):
            mine = codes == g
            shuffled = self.drawn.shuffled[:, g]
            as_large = float(1 + (shuffled >= fitted[g] - 1e-12).sum()) / (1 + len(shuffled))
            found.append(
                {
                    "group": label,
                    "voters": None if rows.voter is None else len(np.unique(rows.voter[mine])),
                    "comparisons": float(rows.weight[mine].sum()),
                    "share": float(self.fits.shares[g]),
                    "gap": float(gaps[g]),
                    "gap_low": _known(low[0, g]),
                    "gap_high": _known(high[0, g]),
                    "fitted_gap": float(fitted[g]),
                    "chance_gap": float(shuffled.mean()) if len(shuffled) else None,
                    "p_value": as_large if len(shuffled) else None,
                    "win_rate": float(self.measured.win_rates[0, g]),
                }
            )
        return found

    def _rules(self) -> list[dict[str, Any]]:
        shares, (low, high) = self.fits.shares, self._interval
        labels = report.texts(self.fits.groups)
        largest, average = self.drawn.estimates.max(1), self.drawn.estimates @ shares
        # Draws of each rule's largest and average gap, and of both less the pooled reward's.
        tops, means = self.drawn.gaps.max(2), self.drawn.gaps @ shares
        found = []
        for k, (name, called) in enumerate(RULES.items()):
            gaps, rates = self.drawn.estimates[k], self.measured.win_rates[k]
            worst = int(gaps.argmax())
            multipliers = self.measured.policies[name].multipliers
            found.append(
                {
                    "rule": name,
                    "label": called,
                    "worst_group": labels[worst],
                    "worst_gap": float(gaps[worst]),
                    "worst_gap_low": _known(low[k, worst]),
                    "worst_gap_high": _known(high[k, worst]),
                    **self._ends("change", largest[k] - largest[0], tops[:, k] - tops[:, 0]),
                    **self._ends("average_gap", average[k], means[:, k]),
                    **self._ends("price", average[k] - average[0], means[:, k] - means[:, 0]),
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

    def _ends(self, name: str, estimate: float, draws: Floats) -> dict[str, float]:
        """An estimate and its interval, which holds it."""
        low, high = np.quantile(draws, [(1 - self.level) / 2, (1 + self.level) / 2])
        ends = min(low, estimate), max(high, estimate)
        return {name: float(estimate), f"{name}_low": float(ends[0]), f"{name}_high": float(ends[1])}

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
                    "alternative": report.text(self.frame.labels[a]),
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
            "shown": [report.text(self.frame.labels[a]) for a in best],
            "shares": frame.gather(self._choice_shares)[best].tolist(),
            "path": path,
        }

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
