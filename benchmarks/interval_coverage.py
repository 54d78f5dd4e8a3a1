"""How often an audit's 95 % intervals hold the true gap: ``python benchmarks/interval_coverage.py``.

Data sets are drawn from populations whose gaps are known; each is fitted and resampled as an audit does it. For every
population and β the table shows the true gaps, their means at the fitted rewards and as estimated, the mean ends of
the intervals and the share of them that hold the truth, group by group, with plain resampling (fixed pooling, priors
not redrawn) beside.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from choicekit import alignment, domains, evidence, models
from choicekit.models import GroupFits, GroupScores

Floats = NDArray[np.float64]
DATA_SETS, REPLICATES = 100, 100


def population(size: int, variance: float, seed: int) -> domains.Population:
    """Three groups (50, 30 and 20 %) whose rewards differ from a common one by N(0, variance)."""
    rng = np.random.default_rng(seed)
    common = rng.normal(scale=0.7, size=size)
    return domains.Population(
        alternatives=tuple(f"a{a:03}" for a in range(size)),
        groups=("g0", "g1", "g2"),
        rewards=common + rng.normal(scale=variance**0.5, size=(3, size)),
        shares=np.array([0.5, 0.3, 0.2]),
    )


def true_gaps(people: domains.Population, beta: float) -> tuple[tuple[object, ...], Floats]:
    """Groups in sorted order and their gaps under the reward that unlimited data would give."""
    fit = models.bradley_terry(people.everything())
    rewards = people.rewards[:, [people.alternatives.index(str(label)) for label in fit.alternatives]]
    order = sorted(range(len(people.groups)), key=lambda g: str(people.groups[g]))
    policy = alignment.rlhf_policy(fit.scores, beta=beta)
    return tuple(people.groups[g] for g in order), alignment.gap(rewards[order], policy, beta=beta).gaps


def plainly(fits: GroupFits, rng: np.random.Generator) -> Iterator[GroupScores]:
    """Voters resampled within groups, with the variances as chosen and the priors where they are."""
    cells, names = fits._cells, fits.alternatives
    for _ in range(REPLICATES):
        count, won = cells.tally(cells.resampled(rng))
        scores = models.groups._refit(cells.pairs, count.sum(0), won.sum(0), names, fits.prior, None, None).scores
        yield GroupScores(scores, fits._group_scores(count, won, scores, fits.pooling))


def measure(title: str, people: domains.Population, voters: int, comparisons: int, beta: float) -> None:
    groups, truth = true_gaps(people, beta)
    fitted, estimates, ends, plain = [], [], [], []
    for seed in range(DATA_SETS):
        votes = people.sample(voters=voters, comparisons=comparisons, rng=seed)
        fits = models.bradley_terry_by_group(votes)
        frame = evidence.layout(votes)

        def gaps(scores: GroupScores, frame: evidence.Layout = frame) -> Floats:
            policy = alignment.rlhf_policy(frame.spread(scores.population), frame.reference, beta)
            return evidence.gaps(scores.groups, policy, frame, beta)

        rng = np.random.default_rng(seed)
        fitted.append(gaps(GroupScores(fits.population.scores, fits.scores)))
        for found, draws in ((ends, fits.bootstrap(REPLICATES, rng=rng)), (plain, plainly(fits, rng))):
            drawn = np.array([gaps(draw) for draw in draws])
            low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
            found.append((np.minimum(low, drawn.mean(0)), np.maximum(high, drawn.mean(0))))
            if found is ends:
                estimates.append(drawn.mean(0))
    print(f"\n{title}: {voters} voters × {comparisons} comparisons, β = {beta}")
    print(
        f"{'group':10}{'true gap':>9}{'fitted':>9}{'estimate':>10}{'mean interval':>18}{'holds truth':>13}{'plain':>8}"
    )
    low, high = np.array(ends).transpose(1, 0, 2)
    held = ((low <= truth + 1e-9) & (truth - 1e-9 <= high)).mean(0)
    plain_low, plain_high = np.array(plain).transpose(1, 0, 2)
    plain_held = ((plain_low <= truth + 1e-9) & (truth - 1e-9 <= plain_high)).mean(0)
    for g, group in enumerate(groups):
        interval = f"[{low.mean(0)[g]:.3f}, {high.mean(0)[g]:.3f}]"
        fit, estimate = np.mean(fitted, axis=0)[g], np.mean(estimates, axis=0)[g]
        print(f"{group!s:10}{truth[g]:9.3f}{fit:9.3f}{estimate:10.3f}{interval:>18}{held[g]:13.0%}{plain_held[g]:8.0%}")


def main() -> None:
    demo = domains.three_groups()
    measure("The demo's population", demo, 300, 20, 0.1)
    measure("The same, fewer voters", demo, 60, 10, 0.1)
    for beta in (0.1, 1.0):
        measure("40 alternatives, groups far apart (variance 0.3)", population(40, 0.3, 1), 200, 15, beta)
        measure("40 alternatives, groups near (variance 0.03)", population(40, 0.03, 2), 200, 15, beta)
        measure("40 alternatives, groups alike", population(40, 0.0, 4), 200, 15, beta)
        measure("150 alternatives, sparse (variance 0.1)", population(150, 0.1, 3), 200, 8, beta)


if __name__ == "__main__":
    main()
