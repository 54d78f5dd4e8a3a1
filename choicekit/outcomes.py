"""Answers: frozen values that say how they came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.profiles._columns import Label, short

Floats = NDArray[np.float64]
Labels: TypeAlias = tuple[Label, ...]

#: Scores closer than this, relative to the largest, count as equal (welfare sums are exact to about 1e-15).
TIE_TOLERANCE = 1e-9


class NotConverged(RuntimeError):
    """An iteration stopped at its limit before it met its tolerance; ``partial`` is what it had by then.

    >>> raise NotConverged("bradley_terry: residual 1e-3 after 2 steps", None)
    Traceback (most recent call last):
        ...
    choicekit.outcomes.NotConverged: bradley_terry: residual 1e-3 after 2 steps
    """

    def __init__(self, message: str, partial: Any) -> None:
        super().__init__(message)
        self.partial = partial


class NoFiniteEstimate(ValueError):
    """The likelihood has no finite maximum: the comparison graph is not strongly connected.

    ``components`` are its strongly connected components as tuples of labels, those that never lost to a later one
    first (Zermelo 1929; Ford 1957, doi:10.2307/2308513).

    >>> error = NoFiniteEstimate("no finite maximum", (("a",), ("b",)))
    >>> error.components
    (('a',), ('b',))
    """

    def __init__(self, message: str, components: tuple[tuple[Label, ...], ...]) -> None:
        super().__init__(message)
        self.components = components


def winners(alternatives: Sequence[Label], scores: Floats) -> tuple[Label, ...]:
    """The labels whose score is the highest, up to :data:`TIE_TOLERANCE` times the largest finite size of a score.

    >>> winners("abc", np.array([0.1 + 0.2, 0.3, 0.0]))
    ('a', 'b')
    """
    finite = np.abs(scores[np.isfinite(scores)])
    slack = TIE_TOLERANCE * (finite.max() if finite.size else 0.0)
    best = scores.max()
    best_ones = np.flatnonzero((scores == best) | (scores >= best - slack))
    return tuple(alternatives[a] for a in best_ones.tolist())


@dataclass(frozen=True, eq=False, init=False)
class Scores:
    """One number an alternative, higher is better; ``winners`` are the labels with the highest.

    Raises ``ValueError`` where there is not one number for each alternative.

    >>> Scores(("x", "y"), [1.0, 3.0]).winners
    ('y',)
    """

    alternatives: tuple[Label, ...]
    scores: Floats

    def __init__(self, alternatives: Sequence[Label], scores: ArrayLike) -> None:
        labels, numbers = tuple(alternatives), np.asarray(scores, np.float64)
        if numbers.shape != (len(labels),):
            raise ValueError(
                f"scores: needed one number for each of {len(labels)} alternatives, got shape {numbers.shape}"
            )
        object.__setattr__(self, "alternatives", labels)
        object.__setattr__(self, "scores", numbers)

    @property
    def winners(self) -> tuple[Label, ...]:
        """The labels with the highest score, all of them where they tie.

        >>> Scores(("x", "y"), np.array([2.0, 2.0])).winners
        ('x', 'y')
        """
        return winners(self.alternatives, self.scores)


@dataclass(frozen=True)
class TieBreak:
    """How ties met on the way to an answer are settled, as asked for and, in an outcome, as done.

    ``method`` is "fixed order" (``order``: the first of the tied is preferred), "seeded lottery" (an order drawn from
    ``rng`` when the rule runs, and recorded as ``order``) or "parallel universes" (every way of breaking ties is
    followed; who wins in any of them is a winner). ``budget`` is how many universes may be opened, ``universes`` how
    many were; ``complete`` is false where the budget ended the search, so that others may win too.

    Made by :func:`choicekit.rules.fixed_order`, :func:`~choicekit.rules.seeded_lottery` and
    :func:`~choicekit.rules.parallel_universes`.

    >>> TieBreak("fixed order", order=("b", "a")).ranks(("a", "b", "c"))
    Traceback (most recent call last):
        ...
    ValueError: ties: needed an order of all 3 alternatives, got 2; 'c' is missing
    """

    method: Literal["fixed order", "seeded lottery", "parallel universes"]
    order: Labels | None = None
    budget: int | None = None
    universes: int | None = None
    complete: bool = True
    rng: Any = field(default=None, repr=False, compare=False)

    def settled(self, alternatives: Labels) -> TieBreak:
        """The same with the lottery drawn.

        >>> TieBreak("seeded lottery", rng=0).settled(("a", "b", "c")).order
        ('c', 'a', 'b')
        """
        if self.method != "seeded lottery" or self.order is not None:
            return self
        drawn = np.random.default_rng(self.rng).permutation(len(alternatives))
        return replace(self, order=tuple(alternatives[a] for a in drawn.tolist()))

    def ranks(self, alternatives: Labels) -> NDArray[np.int64] | None:
        """Each alternative's place in the order, 0 for the one that wins every tie; ``None`` for parallel universes.

        >>> TieBreak("fixed order", order=("b", "a")).ranks(("a", "b")).tolist()
        [1, 0]
        """
        if self.method == "parallel universes":
            return None
        order = self.settled(alternatives).order or ()
        place = {label: rank for rank, label in enumerate(order)}
        missing = [label for label in alternatives if label not in place]
        if missing or len(place) != len(alternatives):
            problem = f"{short(missing, 3)} is missing" if missing else "some are no alternatives or there twice"
            raise ValueError(
                f"ties: needed an order of all {len(alternatives)} alternatives, got {len(order)}; {problem}"
            )
        return np.array([place[label] for label in alternatives])


@dataclass(frozen=True, eq=False)
class Round:
    """One round of an elimination: who was left, their scores, who went out.

    >>> Round(("a", "b"), np.array([2.0, 1.0]), ("b",)).eliminated
    ('b',)
    """

    alternatives: Labels
    scores: Floats
    eliminated: Labels


@dataclass(frozen=True, eq=False)
class Winners:
    """A set of winning alternatives, in the order of ``alternatives``.

    ``ties`` says how ties on the way were broken (``None``: there was nothing to break, the set is the answer);
    ``rounds`` are those of an elimination, where it had only one course to take. ``notes`` says what a reader must
    know about how the answer was found.

    >>> Winners(("a", "b", "c"), ("b",)).winners
    ('b',)
    """

    alternatives: Labels
    winners: Labels
    ties: TieBreak | None = None
    rounds: tuple[Round, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scores(self) -> Floats:
        """1 for a winner and 0 for the others.

        >>> Winners(("a", "b", "c"), ("b",)).scores.tolist()
        [0.0, 1.0, 0.0]
        """
        chosen = set(self.winners)
        return np.array([float(label in chosen) for label in self.alternatives])


@dataclass(frozen=True, eq=False)
class Orders:
    """Rankings of the alternatives, best first, that cost the least.

    ``orders`` are all of them where ``all_listed``, else some; ``winners`` are the alternatives on top of any.
    ``cost`` is what they cost, ``bound`` a proved lower bound of the least cost: they are optimal where the two are
    equal.

    >>> Orders(("a", "b"), (("b", "a"),), ("b",), cost=1.0, bound=1.0, all_listed=True).optimal
    True
    """

    alternatives: Labels
    orders: tuple[Labels, ...]
    winners: Labels
    cost: float
    bound: float
    all_listed: bool
    notes: tuple[str, ...] = ()

    @property
    def optimal(self) -> bool:
        """Whether the cost is proved to be the least, up to :data:`TIE_TOLERANCE` of its size.

        >>> Orders(("a", "b"), (("b", "a"),), ("b",), cost=3.0, bound=2.0, all_listed=False).optimal
        False
        """
        return self.cost - self.bound <= TIE_TOLERANCE * max(abs(self.cost), 1.0)

    @property
    def scores(self) -> Floats:
        """1 for a winner and 0 for the others.

        >>> Orders(("a", "b"), (("b", "a"),), ("b",), cost=1.0, bound=1.0, all_listed=True).scores.tolist()
        [0.0, 1.0]
        """
        return Winners(self.alternatives, self.winners).scores


@dataclass(frozen=True, eq=False)
class Committees:
    """Sets of ``size`` alternatives that a multiwinner rule elects, each in the order of ``alternatives``.

    Several where they tie and ``ties`` follows parallel universes, or where they are equally good. ``score`` is the
    objective of rules that maximise one, ``bound`` a proved upper bound of it.

    >>> Committees(("a", "b", "c"), (("a", "b"), ("a", "c")), size=2).winners
    ('a', 'b', 'c')
    """

    alternatives: Labels
    committees: tuple[Labels, ...]
    size: int
    score: float | None = None
    bound: float | None = None
    ties: TieBreak | None = None
    rounds: tuple[Round, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def winners(self) -> Labels:
        """The alternatives that are on some committee.

        >>> Committees(("a", "b"), (("b",),), size=1).winners
        ('b',)
        """
        seated = {label for committee in self.committees for label in committee}
        return tuple(label for label in self.alternatives if label in seated)

    @property
    def scores(self) -> Floats:
        """The share of the committees that an alternative is on.

        >>> Committees(("a", "b", "c"), (("a", "b"), ("a", "c")), size=2).scores.tolist()
        [1.0, 0.5, 0.5]
        """
        seats = [sum(label in committee for committee in self.committees) for label in self.alternatives]
        return np.array(seats) / len(self.committees)


@dataclass(frozen=True, eq=False)
class Lottery:
    """A probability for each alternative.

    ``unique`` says whether the rule's definition leaves no other lottery (``None``: not looked at).

    >>> Lottery(("x", "y"), np.array([0.25, 0.75])).winners
    ('x', 'y')
    """

    alternatives: Labels
    probabilities: Floats
    unique: bool | None = None

    @property
    def winners(self) -> Labels:
        """The support: the labels that win with positive probability (more than 1e-9).

        >>> Lottery(("x", "y"), np.array([0.0, 1.0])).winners
        ('y',)
        """
        return tuple(self.alternatives[a] for a in np.flatnonzero(self.probabilities > 1e-9))


@dataclass(frozen=True, eq=False)
class Policy:
    """What a model would answer: ``probabilities[..., m]`` over alternatives, a leading axis for contexts.

    ``beta`` is the weight of the Kullback–Leibler penalty to ``reference`` it was made with (``None``: no penalty).
    ``multipliers[g]`` are the weights on group rewards under which the policy is the optimum of a weighted sum, for
    rules that have them (``[x, g]`` where each context is a bargain of its own); ``duality_gap`` certifies such an
    optimum (its distance from the best possible value). ``norm_prices[..., k]`` are what each norm costs in each
    context: what the optimum there gains for each unit that its limit is loosened, infinite where the norm bars
    alternatives outright. Their mean over contexts is the derivative for a limit loosened everywhere.

    ``numpy.asarray(policy)`` gives the probabilities.

    >>> np.asarray(Policy(np.array([0.5, 0.5]), np.array([0.5, 0.5]), beta=1.0)).tolist()
    [0.5, 0.5]
    """

    probabilities: Floats
    reference: Floats
    beta: float | None = None
    multipliers: Floats | None = None
    duality_gap: float | None = None
    norm_prices: Floats | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.probabilities, dtype=dtype, copy=copy)


def no_finite_estimate(components: tuple[tuple[Label, ...], ...], ways_out: str) -> NoFiniteEstimate:
    """The refusal of a maximum-likelihood fit, naming the components.

    >>> str(no_finite_estimate((("a",), ("b", "c")), "pass prior=1.0"))[:64]
    'no finite maximum-likelihood estimate exists: the comparisons fa'
    """
    shown = "; ".join("{" + short(component, 4) + "}" for component in components[:4])
    more = f"; and {len(components) - 4} more" if len(components) > 4 else ""
    return NoFiniteEstimate(
        f"no finite maximum-likelihood estimate exists: the comparisons fall into {len(components)} strongly connected "
        f"components, between which wins go one way only or not at all: {shown}{more}. Ways out: {ways_out}",
        components,
    )


@dataclass(frozen=True, eq=False)
class Seating(Round):
    """One round of a rule that fills seats: who was left, their scores, who went out, and who was elected.

    >>> Seating(("a", "b"), np.array([2.0, 1.0]), (), ("a",)).elected
    ('a',)
    """

    elected: Labels = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class SampledLottery(Lottery):
    """A lottery estimated by independent draws.

    ``standard_errors[m]`` are those of the probabilities, each a mean over ``draws``; 0 where no draw differed.

    >>> SampledLottery(("x", "y"), np.array([0.5, 0.5]), standard_errors=np.array([0.05, 0.05]), draws=100).draws
    100
    """

    standard_errors: Floats
    draws: int


@dataclass(frozen=True, eq=False)
class LinearOrder:
    """An order of the alternatives by rewards that are linear in their features.

    ``direction[d]`` is θ, ``scores[m]`` are the rewards ⟨θ, features of a⟩, and ``levels`` are the alternatives from
    the highest reward down, those of equal reward together. ``ties`` says how ties on the way were broken (``None``:
    there was nothing to break), ``notes`` what a reader must know about how the answer was found.

    >>> found = LinearOrder(("a", "b", "c"), (("b",), ("a", "c")), np.array([1.0]), np.array([1.0, 2.0, 1.0]))
    >>> found.order, found.winners, found.feasible
    (('b', 'a', 'c'), ('b',), False)
    """

    alternatives: Labels
    levels: tuple[Labels, ...]
    direction: Floats
    scores: Floats
    ties: TieBreak | None = None
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> Labels:
        """All alternatives, best first, those of equal reward in the order of ``alternatives``.

        >>> LinearOrder(("a", "b"), (("b",), ("a",)), np.array([1.0]), np.array([1.0, 2.0])).order
        ('b', 'a')
        """
        return tuple(label for level in self.levels for label in level)

    @property
    def winners(self) -> Labels:
        """The alternatives of the highest reward.

        >>> LinearOrder(("a", "b"), (("a", "b"),), np.array([0.0]), np.array([0.0, 0.0])).winners
        ('a', 'b')
        """
        return self.levels[0]

    @property
    def feasible(self) -> bool:
        """Whether the direction puts no two alternatives level, so that it induces one strict order.

        >>> LinearOrder(("a", "b"), (("b",), ("a",)), np.array([1.0]), np.array([1.0, 2.0])).feasible
        True
        """
        return len(self.levels) == len(self.alternatives)


@dataclass(frozen=True, eq=False, kw_only=True)
class Bargain(Lottery):
    """A lottery that groups would agree on, or one for each prompt, what they get, and the proof that it is best.

    ``probabilities[..., m]``, ``utilities[..., g]``, ``disagreement[..., g]``; ``multipliers[..., g]`` and
    ``constraint_multipliers[..., c]`` are prices at which no alternative is worth more than the lottery, and
    ``duality_gap[...]`` is how far the objective is from the bound that they prove. ``ideal[..., g]`` is the most that
    each group could get, where the solution asks for it. With prompts ``unique`` has one entry each.

    >>> Bargain(
    ...     ("x", "y"), np.array([0.5, 0.5]), utilities=np.array([0.5, 0.5]), disagreement=np.zeros(2),
    ...     multipliers=np.array([1.0, 1.0]), constraint_multipliers=np.zeros(0), duality_gap=0.0,
    ... ).winners
    ('x', 'y')
    """

    unique: Any = None
    utilities: Floats
    disagreement: Floats
    multipliers: Floats
    constraint_multipliers: Floats
    duality_gap: Any
    ideal: Floats | None = None

    @property
    def winners(self) -> Labels:
        """The support, the labels of probability more than 1e-9; with prompts a tuple of them for each.

        >>> nothing = dict.fromkeys(["utilities", "disagreement", "multipliers", "constraint_multipliers"], np.zeros(0))
        >>> Bargain(("x", "y"), np.array([[0.0, 1.0], [0.5, 0.5]]), **nothing, duality_gap=np.zeros(2)).winners
        (('y',), ('x', 'y'))
        """
        if self.probabilities.ndim == 1:
            return tuple(self.alternatives[a] for a in np.flatnonzero(self.probabilities > 1e-9))
        return tuple(Lottery(self.alternatives, each).winners for each in self.probabilities)
