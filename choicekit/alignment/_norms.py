"""Norms as kernels take them, and who is in conflict where no policy meets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import tilts
from choicekit.outcomes import NotConverged
from choicekit.solvers import linear_program

if TYPE_CHECKING:
    from choicekit.alignment.norms import Norm

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

#: A total of what limits give way, with slacks of size 1, below which they can be met.
_ENOUGH = 1e-9


@dataclass(frozen=True, eq=False)
class Laid:
    """``slacks[x or 1, k, m]`` are costs above limits, scaled by ``sizes[x or 1, k]``; ``left[x, m]`` is what norms
    leave of the alternatives, and ``hard[x, k]`` which norms bar some."""

    slacks: Floats
    sizes: Floats
    left: Booleans
    hard: Booleans

    def logs(self, reference: Floats) -> Floats:
        """log ρ, −∞ for what is not left."""
        with np.errstate(divide="ignore"):
            found: Floats = np.where(self.left, np.log(reference), -np.inf)
        return found

    def prices(self, nu: Floats, unit: Any, shape: tuple[int, ...]) -> Floats:
        """Prices in units of the objective per unit of cost, ``[..., k]``."""
        found: Floats = np.where(self.hard, np.inf, nu * unit / self.sizes)
        return found.reshape(*shape, nu.shape[1])


def laid(norms: Sequence[Norm], reference: Floats) -> Laid:
    """Norms checked against the reference ``[..., m]``, flat over its contexts; refuses conflicts."""
    shape = reference.shape
    flat = np.ascontiguousarray(reference.reshape(-1, shape[-1]))
    available = flat > 0
    if not norms:
        none = np.zeros((len(flat), 0))
        return Laid(np.zeros((1, 0, shape[-1])), np.ones((1, 0)), available, none.astype(np.bool_))
    given = [norms] if hasattr(norms, "cost") else list(norms)
    if hasattr(norms, "cost") or not all(hasattr(norm, "cost") for norm in given):
        raise TypeError(f"norms: needed a list of norms, such as [Norm(...)] or [forbid(...)], got {norms!r}")
    slacks = _slacks(norms, shape)
    sizes = np.abs(slacks).max(-1)
    sizes = np.where(sizes > 0, sizes, 1.0)
    slacks = np.ascontiguousarray(slacks / sizes[..., None])
    left, hard, possible = tilts.barred(available, slacks)
    names, contexts = [norm.name for norm in norms], shape[:-1]
    if not possible.all():
        _refuse(names, slacks, sizes, available, int(possible.argmin()), contexts)
    found = Laid(slacks, sizes, left, hard)
    _, _, met = tilts.projected(found.logs(flat), slacks)
    for x in np.flatnonzero(~met).tolist():
        e = slacks[x if len(slacks) > 1 else 0]
        if _shortfall(e, available[x])[0] > _ENOUGH:
            _refuse(names, slacks, sizes, available, x, contexts)
        # together the norms leave some alternatives no probability
        open_ = np.array([left[x, m] and _most(e, left[x], m) > _ENOUGH for m in range(shape[-1])])
        hard[x] |= (e[:, left[x] & ~open_] > tilts.TINY).any(1)
        left[x] = open_
    again = np.flatnonzero(~met)
    if len(again):
        own = slacks[again] if len(slacks) > 1 else slacks
        _, _, met = tilts.projected(found.logs(flat)[again], own)
        if not met.all():
            raise NotConverged(
                f"norms{_where(int(again[met.argmin()]), contexts)}: the projection of the reference was not found to "
                f"{tilts.NEAR:.0e}; loosen a limit that leaves almost no room",
                None,
            )
    return found


def held(logits: Floats, reference: Floats, norms: Sequence[Norm], unit: float) -> tuple[Floats, Floats | None]:
    """The policy closest to exp(logits)/Z among those that meet the norms, and their prices (``None`` without)."""
    if not norms:
        peak = logits.max(-1, keepdims=True)
        found: Floats = np.exp(logits - peak)
        found /= found.sum(-1, keepdims=True)
        return found, None
    rows = laid(norms, reference)
    flat = np.where(rows.left, logits.reshape(-1, logits.shape[-1]), -np.inf)
    probabilities, nu, met = tilts.projected(flat, rows.slacks)
    policy: Floats = probabilities.reshape(logits.shape)
    if not met.all():
        raise NotConverged(
            f"norms{_where(int(met.argmin()), logits.shape[:-1])}: the projection was not found to {tilts.NEAR:.0e}; "
            "use a larger beta",
            policy,
        )
    return policy, rows.prices(nu, unit, logits.shape[:-1])


def _slacks(norms: Sequence[Norm], shape: tuple[int, ...]) -> Floats:
    """Costs above limits ``[x or 1, k, m]``; 0 where a norm does not hold."""
    names = [norm.name for norm in norms]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"norms: needed a name for each, got {twice!r} more than once")
    rows = []
    for norm in norms:
        wanted = f"cost[{shape[-1]}]" + (f" or cost{list(shape)}" if len(shape) > 1 else "")
        if norm.cost.shape not in (shape[-1:], shape):
            raise ValueError(f"norm {norm.name!r}: needed {wanted}, got shape {norm.cost.shape}")
        slack = norm.cost - norm.limit
        slack = np.where(np.abs(slack) <= 1e-15 * (np.abs(norm.cost) + abs(norm.limit)), 0.0, slack)
        if norm.contexts is not None:
            if norm.contexts.shape != shape[:-1]:
                raise ValueError(
                    f"norm {norm.name!r}: needed contexts of shape {shape[:-1]}, one boolean a context, got shape "
                    f"{norm.contexts.shape}"
                )
            slack = np.where(norm.contexts[..., None], slack, 0.0)
        rows.append(slack if slack.ndim == 1 else slack.reshape(-1, shape[-1]))
    if all(row.ndim == 1 for row in rows):
        return np.stack(rows)[None]
    number = int(np.prod(shape[:-1]))
    return np.stack([np.broadcast_to(row, (number, shape[-1])) for row in rows], axis=1)


def _shortfall(e: Floats, available: Booleans) -> tuple[float, Floats]:
    """The least sum by which scaled limits must give way for some policy to meet them, and by how much each."""
    number, size = len(e), int(available.sum())
    found = linear_program(
        np.append(np.zeros(size), np.ones(number)),
        at_most=(np.hstack([e[:, available], -np.eye(number)]), np.zeros(number)),
        equal=(np.append(np.ones(size), np.zeros(number))[None], np.ones(1)),
        bounds=[(0, None)] * (size + number),
    )
    return float(found[size:].sum()), np.maximum(found[size:], 0.0)


def _most(e: Floats, available: Booleans, m: int) -> float:
    """The largest probability of an alternative under the norms."""
    columns = np.flatnonzero(available)
    goal = -(columns == m).astype(np.float64)
    found = linear_program(
        goal,
        at_most=(e[:, columns], np.full(len(e), 1e-12)),
        equal=(np.ones((1, len(columns))), np.ones(1)),
        bounds=[(0, None)] * len(columns),
    )
    return float(-goal @ found)


def _where(x: int, contexts: tuple[int, ...]) -> str:
    if not contexts:
        return ""
    place = np.unravel_index(x, contexts)
    return f", context {int(place[0]) if len(place) == 1 else tuple(map(int, place))}"


def _refuse(
    names: list[str], slacks: Floats, sizes: Floats, available: Booleans, x: int, contexts: tuple[int, ...]
) -> None:
    """Raise ``Infeasible`` with a conflict of the fewest norms."""
    from choicekit.alignment.norms import Infeasible

    e, size = slacks[x if len(slacks) > 1 else 0], sizes[x if len(sizes) > 1 else 0]
    present = [k for k in range(len(e)) if e[k, available[x]].max() > 0]
    chosen = next(
        set_
        for count in range(1, len(present) + 1)
        for set_ in combinations(present, count)
        if _shortfall(e[list(set_)], available[x])[0] > _ENOUGH
    )
    _, lacks = _shortfall(e, available[x])
    by = {names[k]: float(lacks[k] * size[k]) for k in range(len(e)) if k in chosen or lacks[k] > _ENOUGH}
    conflict = tuple(names[k] for k in chosen)
    loosen = ", ".join(f"{name!r} by {give:.4g}" for name, give in by.items() if give > 0)
    together = f"no policy meets {', '.join(map(repr, conflict))}" + (" together" if len(conflict) > 1 else "")
    place = None if not contexts else np.unravel_index(x, contexts)
    index = None if place is None else (int(place[0]) if len(place) == 1 else tuple(map(int, place)))
    raise Infeasible(
        f"norms{_where(x, contexts)}: {together}, whatever the rewards; the least that makes all norms agree is to "
        f"loosen {loosen}; or offer an alternative that meets them",
        conflict, index, by,
    )  # fmt: skip
