"""The equilibrium of a symmetric zero-sum game with a KL penalty, by Newton's method; also under norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from choicekit.alignment._norms import Laid, laid
from choicekit.alignment._tabular import Floats, tilt
from choicekit.alignment.norms import Norm
from choicekit.kernels import tilts


def equilibrium(
    game: Floats, ground: Floats, beta: float, norms: Sequence[Norm], tolerance: float
) -> tuple[Floats, Floats | None, float]:
    """The policy that is best against itself, the norms' prices (``None`` without), and how far it is from that.

    ``game[..., m, m]`` are antisymmetric payoffs.
    """
    if norms:
        return _under_norms(game, ground, beta, laid(norms, ground), tolerance)
    # First from the score against an even mix, which is near where most agree; if that fails, from large β down.
    available = ground > 0
    uniform = available / available.sum(-1, keepdims=True)
    logits, missed = _newton(game, ground, beta, np.einsum("...ij,...j->...i", game, uniform) / beta, tolerance)
    if missed > tolerance:
        logits, strength = np.zeros(ground.shape), max(float(np.abs(game).max()), beta)
        while True:
            logits, missed = _newton(game, ground, strength, logits, tolerance)
            if strength <= beta or missed > tolerance:
                break
            strength = max(beta, strength / 2)
    return tilt(logits, ground, 1.0), None, missed


def _newton(game: Floats, ground: Floats, beta: float, logits: Floats, tolerance: float) -> tuple[Floats, float]:
    """Newton's method for z = Gπ/β − const on the available alternatives, π ∝ ρe^z; with the relative error left."""
    available = ground > 0
    missed = np.inf
    for _ in range(60):
        policy = tilt(logits, ground, 1.0)
        against = np.einsum("...ij,...j->...i", game, policy)
        error = np.where(available, against / beta - logits, 0)
        error -= np.where(available, error.sum(-1, keepdims=True) / available.sum(-1, keepdims=True), 0)
        missed = float(np.abs(error).max()) / max(1.0, float(np.abs(logits).max()))
        if missed <= tolerance:
            break
        # dπ = (diag π − ππᵀ) dz, so the Jacobian of z − Gπ/β is I − J with J = (G·diag π − Gπ πᵀ)/β, whose columns
        # vanish where π does: solve on what carries the mass, then substitute.
        width = int((policy > 1e-7).sum(-1).max())
        support = np.argsort(-policy, axis=-1)[..., :width]
        moved = np.take_along_axis(game, support[..., None, :], -1) - against[..., :, None]
        moved *= np.take_along_axis(policy, support, -1)[..., None, :] / beta
        inner = np.take_along_axis(moved, support[..., :, None], -2)
        known = np.take_along_axis(error, support, -1)[..., None]
        step = error + (moved @ np.linalg.solve(np.eye(width) - inner, known))[..., 0]
        # What has no probability and loses more may fall as far as it likes; everything else moves by at most 4.
        falls = (policy <= 1e-14) & (step < 0)
        longest = np.where(falls, 0, np.abs(step)).max(-1, keepdims=True)
        logits = logits + step * np.where(falls, 1.0, np.minimum(1.0, 4.0 / np.maximum(longest, 1e-300)))
    return logits, missed


def _under_norms(
    game: Floats, ground: Floats, beta: float, rows: Laid, tolerance: float
) -> tuple[Floats, Floats, float]:
    size = ground.shape[-1]
    flat, reference = np.ascontiguousarray(game.reshape(-1, size, size)), ground.reshape(-1, size)
    logs = rows.logs(reference)
    policy, nu, _ = tilts.projected(logs, rows.slacks)
    logits = np.where(rows.left, -np.einsum("xk,xkm->xm", nu, np.broadcast_to(rows.slacks, (*nu.shape, size))), 0.0)
    prices, strength = nu + 1.0, max(float(np.abs(flat).max()), beta)
    while True:
        logits, prices = _interior(flat, logs, rows.slacks, strength, logits, prices, tolerance)
        if strength <= beta:
            break
        strength = max(beta, strength / 2)
    reached = _softmax(logs + logits)
    # the best answer to it among the policies that meet the norms, which is the policy itself if all is well
    best = logs + np.einsum("xij,xj->xi", flat, reached) / beta
    policy, nu, met = tilts.projected(best, rows.slacks)
    # an error of the policy comes back 1/β times as large
    missed = float(np.abs(policy - reached).max()) * min(1.0, beta / float(np.abs(flat).max() + 1e-300))
    missed = missed if met.all() else np.inf
    return policy.reshape(ground.shape), rows.prices(nu, beta, ground.shape[:-1]), missed


def _softmax(logits: Floats) -> Floats:
    found: Floats = np.exp(logits - logits.max(-1, keepdims=True))
    found /= found.sum(-1, keepdims=True)
    return found


def _interior(
    game: Floats, logs: Floats, slacks: Floats, beta: float, logits: Floats, nu: Floats, tolerance: float
) -> tuple[Floats, Floats]:
    """z = Gπ/β − ν·e − const and ν·s = 0 with s = −E_π[e] ≥ 0, by an interior-point method; z and ν."""
    e = np.broadcast_to(slacks, (len(game), *slacks.shape[1:]))
    # a norm that nothing left is over has no price, however little it leaves
    idle: Any = (np.where(np.isfinite(logs)[:, None], e, -1.0) <= tilts.TINY).all(-1)
    e = np.where(idle[:, :, None], -1.0, e)
    available, size, count = np.isfinite(logs), game.shape[-1], e.shape[1]
    s = np.full(nu.shape, 0.1)
    nu = np.maximum(nu, 1e-6)
    for _ in range(150):
        policy = _softmax(logs + logits)
        error = np.einsum("xij,xj->xi", game, policy) / beta - np.einsum("xk,xkm->xm", nu, e) - logits
        error = np.where(available, error, 0.0)
        error -= np.where(available, np.einsum("xm,xm->x", policy, error)[:, None], 0.0)
        over = np.einsum("xkm,xm->xk", e, policy) + s
        if max((np.abs(error) * policy).max(), np.abs(over).max(), (nu * s).max()) <= 1e-5 * tolerance:
            break
        spread = policy[:, :, None] * np.eye(size) - policy[:, :, None] * policy[:, None, :]
        target = 0.1 * (nu * s).mean(-1, keepdims=True)
        system = np.zeros((len(game), size + count, size + count))
        # what changes an alternative without probability is its own affair
        system[:, :size, :size] = np.eye(size) - (game @ spread) * available[:, :, None] / beta
        system[:, :size, size:] = np.swapaxes(e, 1, 2) * available[:, :, None]
        tilted = e @ spread
        system[:, size:, :size] = nu[:, :, None] * tilted
        system[:, size:, size:] = -np.eye(count) * (s + 1e-15)[:, :, None]
        known = np.concatenate([error, nu * s - target - nu * over], axis=-1)
        found = np.linalg.solve(system, known[..., None])[..., 0]
        step, dnu = found[:, :size], found[:, size:]
        ds = -over - np.einsum("xkm,xm->xk", tilted, step)
        now, change = np.concatenate([s, nu], axis=-1), np.concatenate([ds, dnu], axis=-1)
        falls = change < -0.5 * now
        shrunk = np.where(falls, -0.95 * now / np.where(falls, change, -1.0), 1.0).min(-1, keepdims=True)
        step -= np.einsum("xm,xm->x", policy, step)[:, None]
        longest = np.where(policy > 1e-14, np.abs(step), 0).max(-1, keepdims=True)
        length = np.minimum(np.minimum(shrunk, 1.0), 4.0 / np.maximum(longest, 1e-300))
        logits = np.where(available, logits + length * step, 0.0)
        s, nu = s + length * ds, nu + length * dnu
    return logits, np.where(idle, 0.0, nu)
