"""Group-robust DPO on linear bandits: ``python benchmarks/group_robust_bandits.py [--seeds 20] [--write]``.

Two groups share one log-linear policy whose features are swapped for the second group, so that no parameter serves
both. The set-up is that of the synthetic experiments of Ramesh et al. 2024 (arXiv:2405.20304): states uniform on
[0, 1]², 8 actions, 300 comparisons answered without noise, one start for all objectives drawn from U(0, 5)⁴. "even"
compares random pairs of actions in both groups; "uneven" compares neighbours in the first group and actions four apart
(modulo 8) in the second. Step sizes of the uneven configurations are those of the authors' scripts, those of the even
one are ours. A fourth configuration, not theirs, flips 30 % of the second group's labels, in training and validation.
IS-DPO weighs groups alike at the same rate as DPO. Validation is on 1000 comparisons with equal groups, and on the
reward of the policy's most likely action at 1000 states.

``--write`` puts the table between the markers of docs/explanation/group-robust-learning.md.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from choicekit.alignment.robust import Objective, group_robust_fit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ACTIONS, STATES, COMPARISONS, TRIALS = 8, 2, 300, 1000
TRUE = np.array([[1.0, 3.0, 1.0, 3.0], [3.0, 1.0, 3.0, 1.0]])
NAMES: dict[Objective, str] = {"pooled": "DPO", "importance": "IS-DPO", "robust": "GR-DPO", "excess": "excess"}
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "group-robust-learning.md"
BEGIN, END = "<!-- table of benchmarks/group_robust_bandits.py -->", "<!-- end of table -->"


@dataclass(frozen=True)
class Setting:
    """A configuration: how pairs are drawn, the first group's share, flipped labels of the second, and step sizes."""

    title: str
    uneven: bool
    share: float
    flipped: float
    beta: float
    rate: float
    step: float
    iterations: int


SETTINGS = (
    Setting("even, 20/80", False, 0.2, 0.0, 1.0, 0.5, 0.9, 10_000),
    Setting("uneven, 50/50", True, 0.5, 0.0, 2.0, 5.0, 0.01, 5_000),
    Setting("uneven, 20/80", True, 0.2, 0.0, 1.0, 0.9, 0.5, 20_000),
    Setting("uneven, 20/80, noisy second group", True, 0.2, 0.3, 1.0, 0.9, 0.5, 20_000),
)


def features(states: Floats, actions: Ints, group: Ints) -> Floats:
    """φ(state, action, group) ``[n, 4]``; the second group's have the two coordinates of each dimension swapped."""
    scale = actions[:, None] / ACTIONS + 1
    along, across = scale * np.cos(np.pi * states), np.sin(np.pi * states) / scale
    pairs = np.stack([along, across], axis=-1)
    pairs[group == 1] = pairs[group == 1, :, ::-1]
    return pairs.reshape(len(states), 2 * STATES)


def comparisons(
    count: int, share: float, setting: Setting, flipped: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Ints]:
    """Features of the chosen and of the rejected action, and groups: the higher reward wins, but for flipped labels."""
    group = (np.arange(count) >= round(share * count)).astype(np.int64)
    states, first = rng.random((count, STATES)), rng.integers(ACTIONS, size=count)
    if setting.uneven:
        beside = first + rng.choice([-1, 1], size=count)
        beside = np.where(beside < 0, 1, np.where(beside >= ACTIONS, ACTIONS - 2, beside))
        second = np.where(group == 0, beside, (first + ACTIONS // 2) % ACTIONS)
    else:
        second = (first + rng.integers(1, ACTIONS, size=count)) % ACTIONS
    one, two = features(states, first, group), features(states, second, group)
    wins = ((one - two) * TRUE[group]).sum(1) > 0
    wins ^= (group == 1) & (rng.random(count) < flipped)
    return np.where(wins[:, None], one, two), np.where(wins[:, None], two, one), group


def reward_errors(parameters: Floats, states: Floats) -> Floats:
    """What share of the best mean reward each group loses, where the policy's most likely action is played."""
    lost = []
    for g in range(len(TRUE)):
        group = np.full(len(states), g)
        every = np.stack([features(states, np.full(len(states), a), group) for a in range(ACTIONS)], axis=1)
        reward, picked = every @ TRUE[g], (every @ parameters).argmax(1)
        best = reward.max(1).mean()
        lost.append((best - reward[np.arange(len(states)), picked].mean()) / best)
    return np.array(lost)


def run(setting: Setting, seed: int, objective: Objective, iterations: int | None = None) -> list[float]:
    """The worst group's validation loss, its reward error, and the fit's duality gap."""
    rng = np.random.default_rng(seed)
    chosen, rejected, group = comparisons(COMPARISONS, setting.share, setting, setting.flipped, rng)
    held_chosen, held_rejected, held_group = comparisons(TRIALS, 0.5, setting, setting.flipped, rng)
    states, start = rng.random((TRIALS, STATES)), rng.uniform(0, 5, 2 * STATES)
    fit = group_robust_fit(
        chosen, rejected, group, beta=setting.beta, objective=objective, rate=setting.rate, step=setting.step,
        iterations=iterations or setting.iterations, start=start,
    )  # fmt: skip
    ratios = (held_chosen - held_rejected) @ fit.parameters
    losses = np.logaddexp(0, -setting.beta * ratios)
    worst = max(float(losses[held_group == g].mean()) for g in (0, 1))
    return [worst, float(reward_errors(fit.parameters, states).max()), fit.duality_gap]


def measure(setting: Setting, seeds: int, iterations: int | None = None) -> dict[Objective, Floats]:
    """Of each objective, worst validation loss, reward error and duality gap ``[seed, 3]``, fits in parallel."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = {
            objective: [pool.submit(run, setting, 2021 + seed, objective, iterations) for seed in range(seeds)]
            for objective in NAMES
        }
        return {objective: np.array([job.result() for job in some]) for objective, some in jobs.items()}


def table(seeds: int) -> str:
    lines = [
        f"| largest of both groups, {seeds} seeds | β, rate, step, iterations | " + " | ".join(NAMES.values()) + " |",
        "|---|---|" + "---|" * len(NAMES),
    ]
    orders = []
    for setting in SETTINGS:
        found = measure(setting, seeds)
        sizes = f"{setting.beta:g}, {setting.rate:g}, {setting.step:g}, {setting.iterations // 1000}k"
        for column, what in enumerate(("validation loss", "reward error")):
            cells = [f"{some[:, column].mean():.3f} ± {some[:, column].std(ddof=1):.3f}" for some in found.values()]
            lines.append(f"| {setting.title}: {what} | {sizes} | " + " | ".join(cells) + " |")
        gaps = [f"{np.median(some[:, 2]):.0e}" for some in found.values()]
        lines.append(f"| {setting.title}: median duality gap in training | {sizes} | " + " | ".join(gaps) + " |")
        losses = {name: found[objective][:, 0] for objective, name in NAMES.items()}
        ordered = np.sum((losses["DPO"] > losses["IS-DPO"]) & (losses["IS-DPO"] > losses["GR-DPO"]))
        orders.append(f"{ordered} ({setting.title})")
    return "\n".join(lines) + f"\n\nSeeds of {seeds} on which validation losses fall strictly: {', '.join(orders)}."


def main(arguments: list[str]) -> None:
    seeds = int(arguments[arguments.index("--seeds") + 1]) if "--seeds" in arguments else 20
    begun = time.perf_counter()
    found = table(seeds)
    print(found)
    print(f"{time.perf_counter() - begun:.0f} s", file=sys.stderr)
    if "--write" in arguments:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
