"""What makes a function a rule: it says in its annotation what it may see, and is shown no more."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.naming import importable_name, pass_for
from choicekit.outcomes import Lottery
from choicekit.profiles import Approvals, Batch, Comparisons, Margins, Rankings, Utilities
from choicekit.profiles._ranks import reading

Floats = NDArray[np.float64]
Profile: TypeAlias = Utilities | Rankings | Approvals | Comparisons | Margins
#: Numbers ``[b, m]`` for a batch of profiles; keyword options are the rule's own.
Kernel: TypeAlias = Callable[..., Floats]
Outcome = TypeVar("Outcome")
Arrow: TypeAlias = Callable[[Any], Any]

_PROFILES: dict[str, type] = {kind.__name__: kind for kind in (Utilities, Rankings, Approvals, Comparisons, Margins)}

# The arrows that only forget.
_FORGETS: dict[tuple[type, type], Arrow] = {
    (Utilities, Rankings): Utilities.to_rankings,
    (Utilities, Margins): Utilities.to_margins,
    (Approvals, Rankings): Approvals.to_rankings,
    (Approvals, Margins): lambda profile: profile.to_rankings().to_margins(),
    (Rankings, Margins): Rankings.to_margins,
    (Comparisons, Margins): Comparisons.to_margins,
}

# What every other arrow would have to invent.
_INVENTED: dict[type, str] = {
    Utilities: "how much each voter likes each alternative",
    Rankings: "each voter's whole order",
    Approvals: "a threshold above which a voter approves",
    Comparisons: "which pairs were put to whom",
}


@dataclass(frozen=True, eq=False, repr=False)
class Rule(Generic[Outcome]):
    """An aggregation rule: a function on a profile together with what it may see of one.

    Called on a profile it forgets down to ``needs`` and hands over to ``function``; keyword options are passed on.
    ``kernel``, where there is one, answers a whole batch of profiles at once. Made by :func:`rule`.

    >>> from choicekit import rules
    >>> rules.copeland, rules.copeland.needs.__name__
    (<rule copeland on Margins>, 'Margins')
    """

    function: Callable[..., Outcome]
    needs: type
    kernel: Kernel | None = None

    def __post_init__(self) -> None:
        pass_for(self, self.function)

    def __repr__(self) -> str:
        return f"<rule {_name(self.function)} on {self.needs.__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """By its name where it can be imported, as functions are pickled; by its parts otherwise."""
        return importable_name(self) or super().__reduce_ex__(protocol)

    def __call__(self, profile: Profile, **options: Any) -> Outcome:
        """The outcome on one profile, of which what the rule may not see is forgotten first.

        ``unranked`` says what a truncated ballot tells of an alternative it does not rank, in every rule on rankings
        or margins alike: ``"below"`` (the default), that it is below every ranked one and level with the other
        unranked; ``"absent"``, nothing. Raises ``TypeError`` for a profile that does not hold what the rule needs.

        >>> import choicekit as ck
        >>> from choicekit import rules
        >>> rules.borda(ck.Utilities([[0.9, 0.5, 0.1]], alternatives="abc")).scores.tolist()
        [2.0, 1.0, 0.0]
        >>> rules.copeland(ck.Rankings.from_orders({"ab": 2, "b": 3}), unranked="absent").winners
        ('a',)
        >>> rules.borda(ck.Comparisons(["a"], ["b"]))
        Traceback (most recent call last):
            ...
        TypeError: borda needs Rankings; Comparisons cannot be turned into them without inventing each voter's whole ...
        """
        if self.needs is Margins and "unranked" in options:
            profile = _counted(profile, options.pop("unranked"), _name(self.function))
        return self.function(forget(profile, self.needs, _name(self.function)), **options)

    def batch(self, profiles: ArrayLike | Batch, weights: ArrayLike | None = None, **options: Any) -> Floats:
        """What the rule says of each alternative in many profiles at once, ``[b, m]``.

        That is its score, its probability in a lottery, or, in a set of winners, 1 or 0. ``profiles`` is a
        :class:`~choicekit.Batch`, whose tallies the rules that see it share, or an array: ``ranks[b, n, m]`` (-1
        unranked) for rules on rankings or margins, utilities or approvals ``[b, n, m]`` for rules on those, with
        ``weights[n]`` (default 1). A rule without a compiled kernel is called on one profile after the other.

        Raises ``TypeError`` for a batch that does not hold what the rule needs and ``ValueError`` for values or
        weights that its profiles would refuse.

        >>> from choicekit import rules
        >>> rules.plurality.batch([[[0, 1], [1, 0]], [[0, 1], [0, 1]]], weights=[2, 1]).tolist()
        [[2.0, 1.0], [3.0, 0.0]]
        """
        name = _name(self.function)
        kind = Rankings if self.needs is Margins else self.needs
        if kind is Comparisons:
            raise TypeError(f"{name}.batch: {name} needs Comparisons, which have no batches; call it on one at a time")
        if isinstance(profiles, Batch):
            if weights is not None:
                raise TypeError(f"{name}.batch: the Batch has weights of its own; give them to it")
            many = profiles
        else:
            many = Batch(profiles, weights, kind=kind)
        if self.kernel is not None and many.kind is kind:
            return self.kernel(many, **options)
        out = np.zeros((len(many), many.values.shape[2]))
        for row in range(len(many)):
            outcome: Any = self(many[row], **options)
            out[row] = outcome.probabilities if isinstance(outcome, Lottery) else outcome.scores
        return out


def _counted(profile: Profile, unranked: Any, name: str) -> Margins:
    """Margins under a convention on unranked alternatives."""
    reading(unranked)
    if isinstance(profile, Margins | Comparisons):
        raise TypeError(f"{name}: unranked={unranked!r} is about ballots; {type(profile).__name__} hold none")
    ballots: Rankings = forget(profile, Rankings, name)
    return ballots.to_margins(unranked)


@overload
def rule(function: Callable[..., Outcome], /) -> Rule[Outcome]: ...


@overload
def rule(*, batch: Kernel) -> Callable[[Callable[..., Outcome]], Rule[Outcome]]: ...


def rule(function: Callable[..., Any] | None = None, /, *, batch: Kernel | None = None) -> Any:
    """Make a function of a profile a rule that accepts every profile which holds what it needs.

    The annotation of the first parameter says what the rule may see: ``Utilities``, ``Rankings``, ``Approvals``,
    ``Comparisons`` or ``Margins``. A profile that holds more is forgotten down to it (utilities and approvals to
    rankings, all to margins); what would have to be invented is refused with a ``TypeError``. ``batch`` is a function
    from a :class:`~choicekit.Batch` to ``scores[b, m]`` and takes the same options. Raises ``TypeError``
    where the annotation is missing or is no profile.

    >>> import choicekit as ck
    >>> @rule
    ... def sincere(profile: ck.Margins) -> str:
    ...     return f"{len(profile.alternatives)} alternatives"
    >>> sincere(ck.Rankings.from_orders(["abc"]))
    '3 alternatives'
    >>> @rule
    ... def careless(profile): ...
    Traceback (most recent call last):
        ...
    TypeError: rule careless: needed an annotation on its first parameter that says what it may see, got none; ...
    """
    if function is None:
        return lambda inner: Rule(inner, _needs(inner), batch)
    return Rule(function, _needs(function), batch)


def forget(profile: Profile, needs: type, name: str) -> Any:
    """The profile as one of the type a rule needs; the name is for the refusal.

    >>> import choicekit as ck
    >>> forget(ck.Approvals([[1, 0]]), ck.Margins, "copeland").values.tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    if isinstance(profile, needs):
        return profile
    for (kind, aim), arrow in _FORGETS.items():
        if aim is needs and isinstance(profile, kind):
            return arrow(profile)
    if isinstance(profile, tuple(_PROFILES.values())):
        raise TypeError(
            f"{name} needs {needs.__name__}; {type(profile).__name__} cannot be turned into them without inventing "
            f"{_INVENTED[needs]}. Make the {needs.__name__} yourself, so that the choice is yours to see"
        )
    sources = [kind.__name__ for kind, aim in _FORGETS if aim is needs]
    others = f" (or {' or '.join(sources)}, which hold more)" if sources else ""
    raise TypeError(
        f"{name} needs {needs.__name__}{others}, got {type(profile).__name__}; build a profile first, "
        f"choicekit.{needs.__name__}(...)"
    )


def _needs(function: Callable[..., Any]) -> type:
    """The profile type that annotates a function's first parameter."""
    parameters = list(inspect.signature(function).parameters.values())
    annotation = parameters[0].annotation if parameters else inspect.Parameter.empty
    if isinstance(annotation, str):
        word = annotation.strip("'\" ").rpartition(".")[2]
        try:
            annotation = typing.get_type_hints(function)[parameters[0].name]
        except (NameError, AttributeError, SyntaxError, TypeError):
            # some name was imported inside a function or for type checkers only; a profile's own name still says enough
            annotation = _PROFILES.get(word, annotation)
    if isinstance(annotation, type) and annotation in _PROFILES.values():
        return annotation
    got = "none" if annotation is inspect.Parameter.empty else repr(annotation)
    raise TypeError(
        f"rule {_name(function)}: needed an annotation on its first parameter that says what it may see, got {got}; "
        f"annotate it with one of {', '.join(_PROFILES)}"
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
