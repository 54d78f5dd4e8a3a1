"""The one door to moocore, which compares sets of points with several objectives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def non_dominated(points: Floats) -> NDArray[np.bool_]:
    """Which points no other is above in one objective and below in none; equals of such a point with it."""
    found: NDArray[np.bool_] = _library().is_nondominated(points, maximise=True, keep_weakly=True)
    return found


def hypervolume(points: Floats, worst: Floats) -> float:
    """The volume that lies below some point and above the worst."""
    return float(_library().hypervolume(points, ref=worst, maximise=True))


def additive_epsilon(points: Floats, front: Floats) -> float:
    """What must be added to the points for them to cover the front."""
    return float(_library().epsilon_additive(points, ref=front, maximise=True))


def multiplicative_epsilon(points: Floats, front: Floats) -> float:
    """What positive points must be multiplied by for them to cover the front."""
    return float(_library().epsilon_mult(points, ref=front, maximise=True))


def _library() -> Any:
    try:
        import moocore  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("fronts of several objectives need moocore: pip install 'choicekit[pareto]'") from None
    return moocore
