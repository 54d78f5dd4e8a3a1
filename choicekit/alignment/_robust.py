"""Exact answers that group-robust descent is measured by: minimax log-odds, and lower bounds of losses."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from choicekit.alignment._tabular import Floats

Ints = NDArray[np.int64]
Loss = Literal["dpo", "ipo"]


def two_losses(chance: Floats, odds: Floats) -> Floats:
    """p·log(1 + e^{−θ}) + (1 − p)·log(1 + e^θ), with 0·∞ = 0."""
    theta = np.asarray(odds)[..., None]
    with np.errstate(invalid="ignore"):
        against = np.where(chance > 0, chance * np.logaddexp(0, -theta), 0.0)
        losses: Floats = against + np.where(chance < 1, (1 - chance) * np.logaddexp(0, theta), 0.0)
    return losses


def minimax(chance: Floats, base: Floats) -> tuple[Floats, Floats]:
    """θ that minimises max_g L_g(θ) − base_g, and the weights that prove it: bisection on σ(θ), then the crossing.

    L_g(θ) = log(1 + e^θ) − p_g·θ, so which group is worst is a matter of the lines −p_g·θ − base_g, and the derivative
    is σ(θ) − p of the worst.
    """

    from scipy import special

    def worst(middle: Floats) -> Ints:
        finite = np.where((middle > 0) & (middle < 1), middle, 0.5)
        lines: Floats = -chance * special.logit(finite)[..., None] - base
        found: Ints = np.argmax(lines, axis=-1)
        return found

    def of(values: Floats, which: Ints) -> Floats:
        found: Floats = np.take_along_axis(values, which[..., None], -1)[..., 0]
        return found

    low, high = chance.min(-1), chance.max(-1)
    # Far to the left the group that says A most often is worst, far to the right the one that does so least.
    below, above = chance.argmax(-1), chance.argmin(-1)
    below = np.where((low > 0) & (low < 1), worst(low), below)
    above = np.where((high > 0) & (high < 1), worst(high), above)
    for _ in range(1100):
        middle = low + 0.5 * (high - low)
        moving = (middle > low) & (middle < high)
        if not moving.any():
            break
        inside = np.where(moving, middle, 0.5)
        which = worst(inside)
        slope = inside - of(chance, which)
        rising, falling = moving & (slope >= 0), moving & (slope <= 0)
        high, above = np.where(rising, inside, high), np.where(rising, which, above)
        low, below = np.where(falling, inside, low), np.where(falling, which, below)
    up, down = of(chance, below), of(chance, above)
    crossing = up > down
    gap = np.where(crossing, up - down, 1.0)
    crossed = np.clip(
        (of(base, above) - of(base, below)) / gap, special.logit(down), special.logit(np.maximum(up, down))
    )
    odds: Floats = np.where(crossing, crossed, special.logit(down)) + 0.0
    part = np.where(crossing, np.clip((special.expit(odds) - down) / gap, 0, 1), 1.0)
    multipliers = np.zeros(chance.shape)
    np.put_along_axis(multipliers, above[..., None], (1 - part)[..., None], -1)
    added = np.take_along_axis(multipliers, below[..., None], -1) + part[..., None]
    np.put_along_axis(multipliers, below[..., None], added, -1)
    return odds, multipliers


def least(deltas: Floats, weights: Floats, loss: Loss, beta: float) -> float:
    """A lower bound of min_θ Σ_i c_i·ℓ(⟨θ, δ_i⟩), tight up to rounding.

    DPO: a Newton fit gives α_i = σ(−βh_i), moved the shortest way to Σ_i c_i·α_i·δ_i = 0; then Σ_i c_i·H(α_i), H the
    entropy, bounds the loss from below for every θ. IPO: the residual of weighted least squares.
    """
    from scipy import special

    if loss == "ipo":
        root = np.sqrt(weights)
        wanted = root * 0.5 / beta
        solution = np.linalg.lstsq(root[:, None] * deltas, wanted, rcond=None)[0]
        return float(np.square(wanted - root * (deltas @ solution)).sum())
    odds, best = np.zeros(len(deltas)), 0.0
    for _ in range(200):
        alpha = special.expit(-odds)
        slope = (weights * alpha) @ deltas
        curve = (deltas * (weights * alpha * (1 - alpha))[:, None]).T @ deltas
        along = deltas @ np.linalg.lstsq(curve, slope, rcond=1e-13)[0]
        moved = alpha - alpha * (1 - alpha) * along
        left = float(np.abs((weights * moved) @ deltas).max(initial=0.0))
        value = float(weights @ np.logaddexp(0, -odds))
        if left <= 1e-12 * np.abs(deltas).max(initial=1.0) and moved.min() >= 0 and moved.max() <= 1:
            best = max(best, float(weights @ (special.entr(moved) + special.entr(1 - moved))))
        if value - best <= 1e-10:
            break
        length, decrement = 1.0, float((weights * alpha) @ along)
        while length > 1e-10:
            trial = odds + length * along
            if weights @ np.logaddexp(0, -trial) <= value - 1e-4 * length * decrement:
                break
            length *= 0.5
        else:
            break
        odds = trial
    return best
