"""What makes a function a culture: from so many voters and alternatives to random profiles, one or many at once."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from choicekit.naming import importable_name, pass_for
from choicekit.profiles import Approvals, Batch, Rankings, Utilities
from choicekit.profiles._columns import Label, names

Rng: TypeAlias = int | np.random.Generator | None
#: A number of alternatives (labelled 0, 1, …) or their labels.
Alternatives: TypeAlias = int | Iterable[Label]
Profile = TypeVar("Profile", Rankings, Utilities, Approvals)

#: About how many values are drawn at a time, so that a large batch takes no more memory than what it returns.
_BLOCK = 1 << 21


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: needed a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name}: needed a whole number of at least {least}, got {number}")
    return number


def labelled(alternatives: Alternatives) -> tuple[Label, ...]:
    """The labels of the alternatives: 0, 1, … where only their number is given."""
    if isinstance(alternatives, Iterable):
        given = tuple(alternatives)
        whole("alternatives", len(given))
        return names(given, len(given))
    return tuple(range(whole("alternatives", alternatives)))


@dataclass(frozen=True, eq=False)
class Draw:
    """What a culture is asked for: ``profiles`` profiles of ``voters`` voters on ``alternatives``, drawn by ``rng``.

    >>> Draw(2, 3, ("x", "y"), np.random.default_rng(0)).shape
    (2, 3, 2)
    """

    profiles: int
    voters: int
    alternatives: tuple[Label, ...]
    rng: np.random.Generator

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the values asked for: profiles, voters, alternatives.

        >>> Draw(1, 3, ("x", "y"), np.random.default_rng(0)).shape
        (1, 3, 2)
        """
        return self.profiles, self.voters, len(self.alternatives)

    def columns(self, name: str, order: Iterable[Label] | None) -> NDArray[np.int64]:
        """The columns of the alternatives in the order in which their labels are given; as they stand for ``None``.

        >>> Draw(1, 1, ("x", "y", "z"), np.random.default_rng(0)).columns("axis", "zxy").tolist()
        [2, 0, 1]
        """
        if order is None:
            return np.arange(len(self.alternatives))
        given = tuple(order)
        column = {label: place for place, label in enumerate(self.alternatives)}
        if len(given) != len(column) or set(given) != set(column):
            raise ValueError(
                f"{name}: needed each of the {len(column)} alternatives once, got {given!r}; "
                f"the alternatives are {self.alternatives!r}"
            )
        return np.array([column[label] for label in given])


@dataclass(frozen=True, eq=False, repr=False)
class Culture(Generic[Profile]):
    """A statistical culture: a probability law of profiles with a given number of voters and alternatives.

    Called with ``voters``, ``alternatives`` (a number, or labels), ``rng`` (a whole number, a generator, or ``None``
    for fresh chance) and the culture's own options it draws one profile, each voter of weight 1; :meth:`batch` draws
    many. The same whole number gives the same profile. Made by :func:`culture`.

    >>> from choicekit import domains
    >>> domains.impartial_culture
    <culture impartial_culture of Rankings>
    >>> domains.impartial_culture(voters=2, alternatives="abc", rng=0).ranks.shape
    (2, 3)
    """

    function: Callable[..., NDArray[Any]]
    kind: type[Profile]

    def __post_init__(self) -> None:
        pass_for(self, self.function)
        object.__setattr__(self, "__signature__", _signature(self.function, self.kind))

    def __repr__(self) -> str:
        return f"<culture {getattr(self, '__name__', 'unnamed')} of {self.kind.__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """By its name where it can be imported, as functions are pickled; by its parts otherwise."""
        return importable_name(self) or super().__reduce_ex__(protocol)

    def __call__(self, *, voters: int, alternatives: Alternatives, rng: Rng = None, **options: Any) -> Profile:
        """One profile.

        Raises ``ValueError`` for fewer than one voter or alternative and for options the culture has no law for.

        >>> from choicekit import domains
        >>> domains.mallows(voters=2, alternatives="abc", dispersion=0.0, centre="bca").ranks.tolist()
        [[2, 0, 1], [2, 0, 1]]
        """
        labels = labelled(alternatives)
        return self.kind(self._values(1, voters, labels, rng, options)[0], None, labels)

    def batch(
        self, profiles: int, *, voters: int, alternatives: Alternatives, rng: Rng = None, **options: Any
    ) -> Batch:
        """So many profiles, each drawn independently of the others, for rules to answer at once.

        >>> from choicekit import domains, rules
        >>> many = domains.impartial_culture.batch(1000, voters=11, alternatives=3, rng=0)
        >>> many, rules.borda.batch(many).shape
        (<Batch of 1000 Rankings: 11 voters, 3 alternatives>, (1000, 3))
        """
        return Batch(self._values(profiles, voters, labelled(alternatives), rng, options), kind=self.kind)

    def _values(
        self, profiles: int, voters: int, labels: tuple[Label, ...], rng: Rng, options: dict[str, Any]
    ) -> NDArray[Any]:
        profiles, voters = whole("profiles", profiles), whole("voters", voters)
        generator = np.random.default_rng(rng)
        width = np.min_scalar_type(-len(labels)) if self.kind is Rankings else np.dtype(np.float64)
        out = np.empty((profiles, voters, len(labels)), width)
        block = max(1, _BLOCK // (voters * len(labels)))
        for start in range(0, profiles, block):
            asked = Draw(min(block, profiles - start), voters, labels, generator)
            drawn = np.asarray(self.function(asked, **options))
            if drawn.shape != asked.shape:
                raise ValueError(
                    f"{self!r}: needed values of shape {asked.shape} (profile, voter, alternative), got {drawn.shape}"
                )
            out[start : start + block] = drawn
        return out


@overload
def culture(function: Callable[..., NDArray[Any]], /) -> Culture[Rankings]: ...


@overload
def culture(*, kind: type[Profile]) -> Callable[[Callable[..., NDArray[Any]]], Culture[Profile]]: ...


def culture(function: Callable[..., NDArray[Any]] | None = None, /, *, kind: Any = Rankings) -> Any:
    """Make a function that draws values ``[profile, voter, alternative]`` a :class:`Culture`.

    The function is given a :class:`Draw` and the culture's keyword options, and takes all its chance from ``draw.rng``;
    it returns ranks (0 best), or what ``kind`` holds, of the shape ``draw.shape``.

    >>> @culture
    ... def unanimity(draw, *, best=0):
    ...     ranks = (np.arange(draw.shape[2]) - best) % draw.shape[2]
    ...     return np.broadcast_to(ranks, draw.shape)
    >>> unanimity(voters=2, alternatives="abc", best=1).ranks.tolist()
    [[2, 0, 1], [2, 0, 1]]
    """
    if function is None:
        return lambda inner: Culture(inner, kind)
    return Culture(function, kind)


def _signature(function: Callable[..., Any], kind: type) -> inspect.Signature:
    """How a culture is called: the sizes, the function's own options, the source of chance."""
    word, only = inspect.Parameter, inspect.Parameter.KEYWORD_ONLY
    given = inspect.signature(function).parameters.values()
    options = [parameter for parameter in given if parameter.kind is only]
    sizes = [word("voters", only, annotation="int"), word("alternatives", only, annotation="int | Iterable[Label]")]
    chance = word("rng", only, default=None, annotation="int | np.random.Generator | None")
    return inspect.Signature([*sizes, *options, chance], return_annotation=kind.__name__)
