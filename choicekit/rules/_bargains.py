"""What a bargain starts from, the proof that an answer is best, and the reasons why there may be none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import bargains
from choicekit.profiles._columns import Floats, numbers
from choicekit.solvers import linear_program

Constraints: TypeAlias = tuple[ArrayLike, ArrayLike]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Table:
    """What is bargained over: ``utilities[x, g, m]``, ``base[x, g]``, ``slacks[x or 1, c, m]``, ``weights[g]``.

    ``counted`` are the groups of positive weight and ``shares`` their weights made to sum to 1; ``slacks`` are what
    an alternative leaves of each constraint and ``sizes[x or 1, c]`` their largest sizes.
    """

    name: str
    batched: bool
    utilities: Floats
    base: Floats
    slacks: Floats
    sizes: Floats
    shares: Floats
    counted: Codes

    @property
    def gains(self) -> Floats:
        """What the groups that count get from each alternative above their disagreement, ``[x, g, m]``."""
        found: Floats = self.utilities[:, self.counted] - self.base[:, self.counted, None]
        return found

    @property
    def rows(self) -> Floats:
        """Slacks with a largest size of 1."""
        found: Floats = self.slacks / self.sizes[..., None]
        return found

    def prompt(self, x: int) -> str:
        """How an error names the prompt."""
        return f"{self.name}, prompt {x}" if self.batched else self.name


def laid(
    name: str, utilities: ArrayLike, weights: ArrayLike | None, disagreement: ArrayLike, constraints: Constraints | None
) -> Table:
    """The table of a bargain, checked."""
    values = np.array(utilities, np.float64)
    batched = values.ndim == 3
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ValueError(
            f"{name}: needed utilities[group, alternative] or [prompt, group, alternative], got an array of shape "
            f"{values.shape}"
        )
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"{name}: needed a finite utility for every group and alternative, got {values[tuple(bad[0])]} at "
            f"{bad[0].tolist()} and {len(bad)} such values of {values.size}; fill them in or leave those groups or "
            "alternatives out"
        )
    values = values if batched else values[None]
    prompts, groups, size = values.shape
    share = numbers("weights", weights, groups)
    counted = np.flatnonzero(share)
    base = np.asarray(disagreement, np.float64)
    if base.shape not in ((), (groups,), (prompts, groups))[: 3 if batched else 2] or not np.isfinite(base).all():
        raise ValueError(
            f"{name}: needed a disagreement that is a finite number, [{groups}] for the groups"
            f"{f' or [{prompts}, {groups}]' if batched else ''}, got an array of shape {base.shape}"
        )
    slacks, sizes = _slacks(name, constraints, prompts, size, batched)
    return Table(
        name, batched, values, np.broadcast_to(base, (prompts, groups)), slacks, sizes,
        share[counted] / share[counted].sum(), counted,
    )  # fmt: skip


def _slacks(
    name: str, constraints: Constraints | None, prompts: int, size: int, batched: bool
) -> tuple[Floats, Floats]:
    """b − A_a of each alternative, which a lottery has the mean of as its probabilities sum to 1; and their sizes."""
    if constraints is None:
        return np.zeros((1, 0, size)), np.zeros((1, 0))
    try:
        rows, bounds = (np.asarray(part, np.float64) for part in constraints)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: needed constraints=(A, b) for A p ≤ b, got {constraints!r}") from None
    wanted = ((2, 3) if batched else (2,), (0, 1, 2) if batched else (0, 1))
    fits = rows.ndim in wanted[0] and bounds.ndim in wanted[1] and rows.shape[-1] == size
    fits = fits and (rows.ndim == 2 or len(rows) == prompts) and (bounds.ndim < 2 or len(bounds) == prompts)
    fits = fits and (bounds.ndim == 0 or bounds.shape[-1] == rows.shape[-2])
    if not fits or not np.isfinite(rows).all() or not np.isfinite(bounds).all():
        raise ValueError(
            f"{name}: needed constraints=(A, b) of finite numbers, A[c, {size}] and b[c]"
            f"{f' or A[{prompts}, c, {size}] and b[{prompts}, c]' if batched else ''}, got arrays of shapes "
            f"{rows.shape} and {bounds.shape}"
        )
    slacks = np.broadcast_to(bounds, (*np.broadcast_shapes(rows.shape[:-2], bounds.shape[:-1]), rows.shape[-2]))
    sides = slacks[..., None]
    slacks = sides - rows
    # a difference of equals is nothing, whatever rounding makes of it
    slacks = np.where(np.abs(slacks) <= 1e-15 * (np.abs(sides) + np.abs(rows)), 0.0, slacks)
    slacks = np.ascontiguousarray(slacks if slacks.ndim == 3 else slacks[None])
    sizes = np.abs(slacks).max(-1)
    return slacks, np.where(sizes > 0, sizes, 1.0)


def worth(table: Table, multipliers: Floats, prices: Floats) -> Floats:
    """The most that an alternative is worth at the groups' multipliers and the constraints' prices, ``[x]``.

    No lottery that meets the constraints is worth more.
    """
    values = np.einsum("xg,xgm->xm", multipliers, table.gains)
    if prices.shape[-1]:
        values += np.einsum("xc,xcm->xm", prices, np.broadcast_to(table.slacks, (len(values), *table.slacks.shape[1:])))
    found: Floats = values.max(-1)
    return found


def refuse(table: Table, x: int, kind: str) -> None:
    """Raise ``ValueError`` where no lottery of a prompt meets the constraints, or gives each group a gain."""
    rows = table.rows[x if len(table.slacks) > 1 else 0]
    if len(rows):
        _refuse_constraints(table, x, rows)
    if kind in ("nash", "kalai_smorodinsky"):
        _refuse_gains(table, x, rows)


def _refuse_constraints(table: Table, x: int, rows: Floats) -> None:
    """By weights of the constraints at which every alternative is over them (Farkas), on as few as can be."""
    chosen = np.arange(len(rows))
    prices, over = _prices(rows, rows[:0])
    if over > -1e-9:
        return
    chosen = chosen[prices > 1e-9]
    for row in chosen.tolist():
        fewer = chosen[chosen != row]
        if len(fewer) and _prices(rows[fewer], rows[:0])[1] < -1e-9:
            chosen = fewer
    prices, over = _prices(rows[chosen], rows[:0])
    scaled = prices / table.sizes[x if len(table.slacks) > 1 else 0][chosen]
    over /= scaled.sum()
    shown = ", ".join(f"{weight:.4g} · row {row}" for row, weight in zip(chosen, scaled / scaled.sum(), strict=True))
    together = f"rows {', '.join(map(str, chosen))} together" if len(chosen) > 1 else f"row {chosen[0]}"
    raise ValueError(
        f"{table.prompt(x)}: no lottery meets {together} of the constraints A p ≤ b: every alternative is over {shown} "
        f"by at least {-over:.4g}; loosen or leave out one of them, or offer an alternative that meets them"
    )


def _refuse_gains(table: Table, x: int, rows: Floats) -> None:
    """By weights of the groups at which no lottery is worth more than nothing."""
    gains = table.gains[x]
    sizes = np.abs(gains).max(1)
    sizes[sizes == 0] = 1.0
    weights, best = _prices(gains / sizes[:, None], rows)
    if best > 1e-9:
        return
    chosen = np.flatnonzero(weights[: len(gains)] > 1e-9)
    p = bargains.leximin(gains[None, chosen], rows[None], 1)[0][0]
    level = float((gains[chosen] @ p).min())
    names = table.counted[chosen].tolist()
    shown = ", ".join(map(str, names[:6])) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    alone = f"group {shown} a utility" if len(names) == 1 else f"groups {shown} all a utility"
    raise ValueError(
        f"{table.prompt(x)}: no lottery{' that meets the constraints' if len(rows) else ''} gives {alone} above the "
        f"disagreement; the best for the worst-off of them is a gain of {level + 0.0:.4g}. Lower their disagreement "
        "(for instance to what a reference policy gives them), give a group weight 0, or take egalitarian_lottery or "
        "leximin_lottery, which need no gain"
    )


def _prices(ahead: Floats, rows: Floats) -> tuple[Floats, float]:
    """Weights of ``ahead`` (that sum to 1) and prices of ``rows`` at which the best alternative is worth the least."""
    count, size = len(ahead) + len(rows), ahead.shape[1]
    found = linear_program(
        np.append(np.zeros(count), 1.0),
        at_most=(np.hstack([ahead.T, rows.T, -np.ones((size, 1))]), np.zeros(size)),
        equal=(np.append(np.ones(len(ahead)), np.zeros(len(rows) + 1))[None], np.ones(1)),
        bounds=[(0, None)] * count + [(None, None)],
    )
    return found[:-1], float(found[-1])
