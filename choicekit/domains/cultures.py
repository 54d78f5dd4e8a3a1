"""Cultures: laws of random rankings, each stated exactly.

Every culture is called with ``voters``, ``alternatives`` (a number, or labels) and ``rng`` besides its own options.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.domains._culture import Draw, Rng, culture, whole
from choicekit.kernels import cultures
from choicekit.profiles import Utilities
from choicekit.profiles._columns import Floats, Label, matrix

#: Where positions are drawn: the cube [0, 1]^d, the ball of radius 1, or a standard normal law in each coordinate.
Space: TypeAlias = Literal["cube", "ball", "gaussian"]


@culture
def impartial_culture(draw: Draw) -> NDArray[Any]:
    """Each voter's ranking is drawn uniformly from the m! strict rankings, independently of the others.

    Source: Guilbaud 1952, Garman and Kamien 1968.

    >>> impartial_culture(voters=3, alternatives="abc", rng=0).ranks.tolist()
    [[2, 0, 1], [0, 1, 2], [0, 2, 1]]
    >>> impartial_culture.batch(10_000, voters=101, alternatives=5, rng=0)
    <Batch of 10000 Rankings: 101 voters, 5 alternatives>
    """
    return cultures.shuffled(draw.rng.random(draw.shape))


@culture
def impartial_anonymous_culture(draw: Draw) -> NDArray[Any]:
    """Each anonymous profile is as likely as any other.

    An anonymous profile says how many voters hold each of the m! rankings; there are C(n + m! − 1, n). It is drawn as
    the urn that puts one copy back, ``alpha`` = 1/m!.

    Source: Kuga and Nagatani 1974, Gehrlein and Fishburn 1976; as an urn, Berg 1985.

    >>> impartial_anonymous_culture(voters=3, alternatives="ab", rng=0).ranks.tolist()
    [[1, 0], [1, 0], [1, 0]]
    """
    return _urn(draw, math.exp(-math.lgamma(draw.shape[2] + 1)))


@culture
def urn(draw: Draw, *, alpha: float) -> NDArray[Any]:
    """Pólya and Eggenberger's urn: after each draw the ranking goes back together with ``alpha``·m! copies of it.

    The urn starts with each of the m! rankings once, so that voter i + 1 draws afresh from all rankings with chance
    1 / (1 + i·alpha) and otherwise copies one of the i voters before, each as likely. ``alpha`` = 0 is the impartial
    culture, ``alpha`` = 1/m! the impartial anonymous culture. Raises ``ValueError`` for a negative ``alpha``.

    Source: Eggenberger and Pólya 1923, Berg 1985; with alpha in units of m!, McCabe-Dansted and Slinko 2006.

    >>> urn(voters=4, alternatives="abc", alpha=1e9, rng=0).ranks.tolist()
    [[2, 0, 1], [2, 0, 1], [2, 0, 1], [2, 0, 1]]
    """
    if not (alpha >= 0 and math.isfinite(alpha)):
        raise ValueError(f"urn: needed a finite alpha of at least 0, got {alpha!r}")
    return _urn(draw, float(alpha))


def _urn(draw: Draw, alpha: float) -> NDArray[Any]:
    fresh = cultures.shuffled(draw.rng.random(draw.shape))
    return cultures.copied(fresh, draw.rng.random(draw.shape[:2]), alpha)


@culture
def mallows(draw: Draw, *, dispersion: float, centre: Iterable[Label] | None = None) -> NDArray[Any]:
    """Mallows' model: a ranking at Kendall tau distance k from ``centre`` has a probability proportional to φ^k.

    φ = ``dispersion`` is from 0 (all voters hold the central ranking) to 1 (the impartial culture); voters are
    independent. ``centre`` is an order of the labels, best first, by default that of the alternatives. Drawn by
    repeated insertion. Raises ``ValueError`` for another φ, or a centre that is no order of the alternatives.

    Source: Mallows 1957 (doi:10.1093/biomet/44.1-2.114); Doignon, Pekeč and Regenwetter 2004
    (doi:10.1007/BF02295838).

    >>> mallows(voters=3, alternatives="abc", dispersion=0.2, rng=1).ranks.tolist()
    [[1, 0, 2], [0, 1, 2], [0, 1, 2]]
    """
    return _mallows(draw, _share("mallows: needed a dispersion", dispersion), centre)


@culture
def mallows_normalised(draw: Draw, *, dispersion: float, centre: Iterable[Label] | None = None) -> NDArray[Any]:
    """Mallows' model whose ``dispersion`` is the expected distance to the centre over that of the impartial culture.

    It is from 0 to 1 and means the same for any number of alternatives, as φ does not; :func:`mallows_dispersion` gives
    φ. ``centre`` as in :func:`mallows`.

    Source: Boehmer, Bredereck, Faliszewski, Niedermeier and Szufa 2021 (arXiv:2105.07815).

    >>> mallows_normalised(voters=3, alternatives="abc", dispersion=0.2, rng=0).ranks.tolist()
    [[0, 1, 2], [0, 2, 1], [0, 1, 2]]
    """
    return _mallows(draw, mallows_dispersion(dispersion, alternatives=draw.shape[2]), centre)


def _mallows(draw: Draw, dispersion: float, centre: Iterable[Label] | None) -> NDArray[Any]:
    size = draw.shape[2]
    upto = np.cumsum(dispersion ** np.arange(size, dtype=np.float64))
    return cultures.inserted(draw.rng.random(draw.shape), upto / upto[:, None], draw.columns("centre", centre))


def mallows_dispersion(distance: float, *, alternatives: int) -> float:
    """The φ of Mallows' model at which the expected distance to the centre is ``distance`` times that at φ = 1.

    The expected Kendall tau distance is Σ_{i=1}^{m} Σ_{v<i} v φ^v / Σ_{v<i} φ^v, and m(m − 1)/4 at φ = 1; it grows with
    φ, which is found by bisection to the last digit. Raises ``ValueError`` where ``distance`` is not from 0 to 1.

    Source: Boehmer, Bredereck, Faliszewski, Niedermeier and Szufa 2021 (arXiv:2105.07815).

    >>> round(mallows_dispersion(0.5, alternatives=2), 12)      # φ/(1 + φ) = ½·½
    0.333333333333
    >>> round(mallows_dispersion(0.5, alternatives=10), 3)
    0.653
    """
    wanted = _share("mallows_dispersion: needed a distance", distance)
    above = np.arange(whole("alternatives", alternatives), dtype=np.float64)
    if wanted in (0.0, 1.0) or len(above) == 1:
        return wanted
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        power = middle**above
        expected = (np.cumsum(above * power) / np.cumsum(power)).sum()
        low, high = (middle, high) if expected < wanted * above.sum() / 2 else (low, middle)
    return high


def _share(needed: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{needed} from 0 to 1, got {value!r}")
    return float(value)


@culture
def plackett_luce(draw: Draw, *, strengths: Sequence[float]) -> NDArray[Any]:
    """Plackett and Luce's model: from the best down, each time in proportion to strength among those left.

    ``strengths[m]`` are positive numbers, one an alternative; voters are independent. Drawn by ranking
    log strength + Gumbel noise. Raises ``ValueError`` for strengths that are not positive and finite.

    Source: Luce 1959, Plackett 1975 (doi:10.2307/2346567); by noise, Yellott 1977 (doi:10.1016/0022-2496(77)90026-8).

    >>> plackett_luce(voters=3, alternatives="abc", strengths=[100, 10, 1], rng=0).ranks.tolist()
    [[0, 1, 2], [0, 1, 2], [0, 1, 2]]
    """
    given = np.asarray(strengths, np.float64)
    if given.shape != draw.shape[2:] or not ((given > 0) & np.isfinite(given)).all():
        raise ValueError(
            f"plackett_luce: needed {draw.shape[2]} positive finite strengths, one an alternative, got {strengths!r}"
        )
    return cultures.ascending(-np.log(given) - draw.rng.gumbel(size=draw.shape))


@culture
def single_peaked_walsh(draw: Draw, *, axis: Iterable[Label] | None = None) -> NDArray[Any]:
    """Each voter's ranking is drawn uniformly from the 2^(m − 1) that are single-peaked on ``axis``.

    From the worst up, one of the two ends of what is left of the axis follows, each with chance ½; voters are
    independent. ``axis`` is an order of the labels, by default that of the alternatives.

    Source: Walsh 2015 (arXiv:1503.02766).

    >>> single_peaked_walsh(voters=3, alternatives="abc", rng=0).ranks.tolist()
    [[2, 1, 0], [0, 1, 2], [0, 1, 2]]
    """
    return cultures.from_the_ends(draw.rng.random(draw.shape), draw.columns("axis", axis))


@culture
def single_peaked_conitzer(draw: Draw, *, axis: Iterable[Label] | None = None) -> NDArray[Any]:
    """A peak drawn uniformly from ``axis``, then each time the next on its left or right with chance ½ each.

    Where one side is used up the other follows. A ranking whose peak is at an end has probability 1/m, far more than
    under :func:`single_peaked_walsh`; voters are independent. ``axis`` is as there.

    Source: Conitzer 2009 (doi:10.1613/jair.2606).

    >>> single_peaked_conitzer(voters=3, alternatives="abc", rng=0).ranks.tolist()
    [[1, 0, 2], [0, 1, 2], [2, 0, 1]]
    """
    return cultures.from_the_peak(draw.rng.random(draw.shape), draw.columns("axis", axis))


@culture
def single_crossing_culture(draw: Draw, *, first: Iterable[Label] | None = None) -> NDArray[Any]:
    """Voters along a chain of rankings in which each pair of alternatives is swapped once, all chains as likely.

    A chain leads from the ranking ``first`` (by default the order of the alternatives) to its reverse by m(m − 1)/2
    swaps of neighbours, that is, a maximal single-crossing domain that starts there. One chain is drawn uniformly for a
    profile; then each voter draws one of its m(m − 1)/2 + 1 rankings uniformly and independently.

    Source: uniform chains are the random sorting networks of Angel, Holroyd, Romik and Virág 2007
    (arXiv:math/0609538), drawn by the bijection of Edelman and Greene 1987
    (doi:10.1016/0001-8708(87)90063-6) from standard Young tableaux, and those by the hook lengths of Greene, Nijenhuis
    and Wilf 1979 (doi:10.1016/0001-8708(79)90023-9).

    >>> single_crossing_culture(voters=4, alternatives="abc", rng=0).ranks.tolist()
    [[0, 1, 2], [0, 1, 2], [0, 1, 2], [2, 1, 0]]
    """
    profiles, voters, size = draw.shape
    swaps = size * (size - 1) // 2
    uniform = draw.rng.random((profiles, swaps))
    moments = draw.rng.integers(0, swaps + 1, (profiles, voters))
    return cultures.crossed(uniform, moments, draw.columns("first", first))


@culture
def euclidean_culture(draw: Draw, *, dimensions: int = 2, space: Space = "cube") -> NDArray[Any]:
    """Voters and alternatives are points drawn independently from a space; a voter ranks the nearer higher.

    ``space`` is as in :func:`positions`. For one profile, voters' positions are drawn before the alternatives':
    ``positions(n, rng=g)`` and ``positions(m, rng=g)`` with one generator are those of a profile drawn from its seed.

    Source: Downs 1957, Enelow and Hinich 1984.

    >>> euclidean_culture(voters=3, alternatives="abc", dimensions=1, rng=0).ranks.tolist()
    [[2, 0, 1], [0, 1, 2], [0, 1, 2]]
    """
    return cultures.ascending(_distances(draw, dimensions, space))


@culture(kind=Utilities)
def euclidean_utilities(draw: Draw, *, dimensions: int = 2, space: Space = "cube") -> NDArray[Any]:
    """The same voters and alternatives as :func:`euclidean_culture`, with minus the distance for utility.

    >>> votes = euclidean_utilities(voters=3, alternatives="abc", dimensions=1, rng=0)
    >>> votes.values.round(2).tolist()
    [[-0.62, -0.18, -0.28], [-0.25, -0.54, -0.64], [-0.02, -0.77, -0.87]]
    """
    return -_distances(draw, dimensions, space)


def _distances(draw: Draw, dimensions: int, space: Space) -> Floats:
    profiles, voters, size = draw.shape
    here = _points((profiles, voters, whole("dimensions", dimensions)), space, draw.rng)
    there = _points((profiles, size, here.shape[2]), space, draw.rng)
    return _apart(here, there)


def _apart(here: Floats, there: Floats) -> Floats:
    """Distances ``[..., n, m]`` between points ``[..., n, d]`` and ``[..., m, d]``."""
    squared = np.zeros((*here.shape[:-1], there.shape[-2]))
    for one, other in zip(np.moveaxis(here, -1, 0), np.moveaxis(there, -1, 0), strict=True):
        squared += (one[..., :, None] - other[..., None, :]) ** 2
    distance: Floats = np.sqrt(squared)
    return distance


def _points(shape: tuple[int, ...], space: Space, rng: np.random.Generator) -> Floats:
    if space == "cube":
        return rng.random(shape)
    if space not in ("gaussian", "ball"):
        raise ValueError(f"space: needed 'cube', 'ball' or 'gaussian', got {space!r}")
    points = rng.standard_normal(shape)
    if space == "ball":
        radius = rng.random((*shape[:-1], 1)) ** (1 / shape[-1])
        points *= radius / np.linalg.norm(points, axis=-1, keepdims=True)
    return points


def positions(points: int, *, dimensions: int = 2, space: Space = "cube", rng: Rng = None) -> Floats:
    """Points drawn independently from the cube [0, 1]^d, the unit ball, or a normal law, ``[n, d]``.

    ``space`` is ``"cube"`` or ``"ball"`` (centred at 0), where they are uniform, or ``"gaussian"`` (mean 0 and variance
    1 in each coordinate). Raises ``ValueError`` for another.

    >>> positions(2, dimensions=1, rng=0).round(2).tolist()
    [[0.64], [0.27]]
    """
    shape = (whole("points", points), whole("dimensions", dimensions))
    return _points(shape, space, np.random.default_rng(rng))


def spatial_utilities(voters: ArrayLike, alternatives: ArrayLike, labels: Iterable[Label] | None = None) -> Utilities:
    """Utilities of voters and alternatives at given points: minus the Euclidean distance, ``[n, m]``.

    ``voters[n, d]``, ``alternatives[m, d]``; ``labels`` name the alternatives (default 0, 1, …). Raises ``ValueError``
    where the dimensions differ or a coordinate is not finite.

    >>> votes = spatial_utilities([[0, 0]], [[3, 4], [1, 0]], labels=["far", "near"])
    >>> votes.values.tolist(), votes.to_rankings().ranks.tolist()
    ([[-5.0, -1.0]], [[1, 0]])
    """
    here, there = matrix("voters", voters, "voter, dimension"), matrix("alternatives", alternatives, "point, dimension")
    if here.shape[1] != there.shape[1] or not (np.isfinite(here).all() and np.isfinite(there).all()):
        raise ValueError(
            f"spatial_utilities: needed finite points of the same dimension, got shapes {here.shape} and {there.shape}"
        )
    return Utilities(-_apart(here, there), None, labels)
