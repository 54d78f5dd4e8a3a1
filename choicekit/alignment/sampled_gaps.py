"""Gaps of a real model, from samples with their log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import positive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TooFewEffectiveSamples(ValueError):
    """The samples that count are too few to say what a group's own policy would reach.

    ``effective`` are Kish's effective sample sizes, ``[g]`` or ``[x, g]``, and ``needed`` what was asked for.

    >>> TooFewEffectiveSamples("too few", np.array([3.0]), 20.0).needed
    20.0
    """

    def __init__(self, message: str, effective: Floats, needed: float) -> None:
        super().__init__(message)
        self.effective = effective
        self.needed = needed


@dataclass(frozen=True, eq=False)
class SampledGaps:
    """Each group's gap as estimated from samples of the deployed policy.

    ``gaps[g]`` have the first bias removed by the jackknife and can be slightly negative where the gap is 0;
    ``values[g]`` are F_g(π) and ``optima[g]`` their sum, F_g(π_g*). ``standard_errors[g]`` are those of the gaps, with
    ``freedom`` degrees of freedom. ``effective`` are the effective sample sizes of the optima, ``[g]`` or, by context,
    ``[x, g]``. ``covered`` is the mean of ρ/π, for exact log-probabilities the share of the reference's answers that
    the samples stand for: well below 1 says that the rest was not seen, and whatever groups think of it is left out.

    >>> found = gap_from_samples(np.zeros((40, 1)), np.zeros(40), np.zeros(40))
    >>> found.gaps.tolist(), found.covered, found.effective.tolist()
    ([0.0], 1.0, [40.0])
    """

    gaps: Floats
    values: Floats
    optima: Floats
    standard_errors: Floats
    freedom: int
    effective: Floats
    covered: float

    def interval(self, level: float = 0.95) -> Floats:
        """Student intervals ``[g, 2]`` for the gaps, cut off at 0. Raises ``ValueError`` unless 0 < level < 1.

        >>> gap_from_samples(np.zeros((40, 1)), np.zeros(40), np.zeros(40)).interval().tolist()
        [[0.0, 0.0]]
        """
        from scipy.special import stdtrit

        if not 0 < level < 1:
            raise ValueError(f"interval: the level must lie between 0 and 1, got {level}; 0.95 is usual")
        half = float(stdtrit(self.freedom, (1 + level) / 2)) * self.standard_errors
        return np.asarray(np.maximum(np.stack([self.gaps - half, self.gaps + half], axis=1), 0.0), np.float64)


def gap_from_samples(
    rewards: ArrayLike,
    log_policy: ArrayLike,
    log_reference: ArrayLike,
    beta: float = 1.0,
    *,
    context: ArrayLike | None = None,
    self_normalise: bool = False,
    min_effective: float = 20.0,
) -> SampledGaps:
    """The alignment gap of each group from answers that the deployed policy gave, and their log-probabilities.

    F_g(π) = E_π[r_g − β·log(π/ρ)] is a mean over the samples, and F_g(π_g*) = β·log E_π[(ρ/π)·e^{r_g/β}] is got by
    importance sampling. With s = r_g/β + log ρ − log π the gap is β·(log E_π[e^s] − E_π[s]): at least 0, and the same
    whatever constant is added to a group's rewards or to the log-probabilities of either model.

    Parameters
    ----------
    rewards : ``[n, g]``, each group's reward of each answer.
    log_policy, log_reference : ``[n]``, log π and log ρ of the whole answer (the sum over its tokens), in nats.
    beta : the weight of the KL penalty.
    context : ``[n]``, which context (prompt) each answer belongs to. E_π is then within each context, the result the
        mean over contexts with equal weights, and its error that of contexts drawn at random from those it is about.
        Without it all samples are of one context.
    self_normalise : divide by the mean of ρ/π, whose expectation is 1 where π can say all that ρ can. Off by default:
        it costs the invariance to constants, may make the gap negative and usually adds noise. Where the mean of ρ/π
        falls short of 1 it takes ρ as restricted to the answers of π.
    min_effective : the least effective sample size, (Σe^s)²/Σe^{2s}, of every group in every context (and of ρ/π where
        that is divided by); more than 1.

    The first bias, of order 1/n, is removed by the jackknife; errors are the jackknife's, or those between contexts.

    What samples cannot show: answers that π hardly ever gives are not among them. A group whose best answers are such
    has a larger gap than any estimate from π's own samples, and the effective sample size does not tell. Look at
    ``covered``, and sample from ρ or a mixture where it is far from 1.

    Raises :class:`TooFewEffectiveSamples` where samples that count are too few, and ``ValueError`` for lengths that do
    not fit, numbers that are not finite, a single context, or ``beta`` ≤ 0.

    Sources: Kish 1965, *Survey Sampling* (effective size); Efron 1982 (doi:10.1137/1.9781611970319; the jackknife);
    Chakraborty et al. 2024, arXiv:2402.08925 (the gap).

    >>> rng = np.random.default_rng(0)
    >>> answer = rng.integers(0, 2, 4000)                              # π = ρ = (½, ½), and a group that wants 0
    >>> found = gap_from_samples((answer == 0)[:, None] * 1.0, np.full(4000, -np.log(2)), np.full(4000, -np.log(2)))
    >>> found.gaps.round(2).tolist(), round(float(np.log((np.e + 1) / 2) - 0.5), 2)
    ([0.12], 0.12)
    """
    given, policy, reference = _samples(rewards, log_policy, log_reference, beta, min_effective)
    ratio = (reference - policy)[:, None]
    where, starts, sizes = _blocks(context, len(given))
    scaled = (given / beta + ratio)[where]
    over = _Blocks(starts, sizes)
    levels, effective = over.level(scaled)
    base, spread = over.level(ratio[where])
    if self_normalise:
        effective = np.minimum(effective, spread)
    _refuse_few(effective, min_effective, context is not None)
    means = over.mean(scaled)
    without = over.without(scaled)
    if self_normalise:
        levels, without = levels - base, without - over.without(ratio[where])
    rough = levels - means
    # leaving one out: (n·whole − (n − 1)·mean of the rest) has no bias of order 1/n
    rest = without - (sizes[over.number, None] * means[over.number] - scaled) / (sizes[over.number, None] - 1)
    average = over.mean(rest)
    found = sizes[:, None] * rough - (sizes[:, None] - 1) * average
    if context is None:
        freedom = len(given) - 1
        variance = freedom * over.mean((rest - average[over.number]) ** 2)[0]
    else:
        freedom = len(found) - 1
        variance = found.var(0, ddof=1) / len(found)
    gaps, values = beta * found.mean(0), beta * means.mean(0)
    covered = float(np.exp(np.minimum(base, 700.0)).mean())
    return SampledGaps(
        gaps=gaps, values=values, optima=values + gaps, standard_errors=beta * np.sqrt(variance), freedom=freedom,
        effective=effective if context is not None else effective[0], covered=covered,
    )  # fmt: skip


def _samples(
    rewards: ArrayLike, log_policy: ArrayLike, log_reference: ArrayLike, beta: float, needed: float
) -> tuple[Floats, Floats, Floats]:
    given = np.asarray(rewards, np.float64)
    logs = [np.asarray(each, np.float64) for each in (log_policy, log_reference)]
    if given.ndim != 2 or len(given) < 2 or any(each.shape != (len(given),) for each in logs):
        raise ValueError(
            "gap_from_samples: needed rewards [n, g] and log-probabilities [n] of at least two answers, got shapes "
            f"{given.shape}, {logs[0].shape} and {logs[1].shape}"
        )
    for name, each in (("rewards", given), ("log_policy", logs[0]), ("log_reference", logs[1])):
        if not np.isfinite(each).all():
            raise ValueError(f"gap_from_samples: {name} must be finite, got {each[~np.isfinite(each)][0]}")
    if all(each.min() > 0 and each.max() <= 1 for each in logs):
        raise ValueError(
            "gap_from_samples: needed log-probabilities, which are at most 0, but log_policy and log_reference are all "
            "between 0 and 1, as probabilities are; take their logarithms"
        )
    positive("beta", beta)
    if not needed > 1:
        raise ValueError(f"gap_from_samples: min_effective must be more than 1, got {needed!r}")
    return given, logs[0], logs[1]


def _blocks(context: ArrayLike | None, length: int) -> tuple[Ints, Ints, Ints]:
    """The samples in the order of their contexts, where each context starts, and its size."""
    if context is None:
        return np.arange(length), np.zeros(1, np.int64), np.array([length])
    named = np.asarray(context)
    if named.shape != (length,):
        raise ValueError(f"gap_from_samples: context: needed {length} labels, got shape {named.shape}")
    _, code = np.unique(named, return_inverse=True)
    sizes = np.bincount(code)
    if len(sizes) < 2:
        raise ValueError("gap_from_samples: needed at least two contexts to tell how they differ; leave context out")
    return np.argsort(code, kind="stable"), np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes


class _Blocks(NamedTuple):
    """Sums over contexts of rows in their order."""

    starts: Ints
    sizes: Ints

    @property
    def number(self) -> Ints:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def mean(self, rows: Floats) -> Floats:
        return np.asarray(np.add.reduceat(rows, self.starts) / self.sizes[:, None], np.float64)

    def level(self, logs: Floats) -> tuple[Floats, Floats]:
        """log mean e^s and the effective sample size, ``[x, g]``."""
        top = np.maximum.reduceat(logs, self.starts)
        weight = np.exp(logs - top[self.number])
        total = np.add.reduceat(weight, self.starts)
        return top + np.log(total / self.sizes[:, None]), total**2 / np.add.reduceat(weight**2, self.starts)

    def without(self, logs: Floats) -> Floats:
        """log mean e^s over the context's other samples, ``[n, g]``."""
        number = self.number
        top = np.maximum.reduceat(logs, self.starts)[number]
        weight = np.exp(logs - top)
        total = np.add.reduceat(weight, self.starts)[number]
        rest = np.maximum(total - weight, 1e-300)
        return np.asarray(top + np.log(rest / (self.sizes[number, None] - 1)), np.float64)


def _refuse_few(effective: Floats, needed: float, several: bool) -> None:
    if (least := float(effective.min())) >= needed:
        return
    row, group = np.unravel_index(effective.argmin(), effective.shape)
    place = f" in context number {row}" if several else ""
    raise TooFewEffectiveSamples(
        f"gap_from_samples: needed {needed:g} effective samples, got {least:.3g} of group {group}{place}; sample more "
        "answers, take a larger beta, or, knowing the risk, a smaller min_effective",
        effective if several else effective[0],
        needed,
    )
