"""Rules that order the alternatives so as to break as little of the majority comparisons as possible."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs
from choicekit.kernels import orders as kernels
from choicekit.kernels import voting
from choicekit.outcomes import Orders
from choicekit.profiles import Batch, Margins
from choicekit.profiles._ranks import Unranked
from choicekit.rules._cutting import Search
from choicekit.rules._rule import Floats, rule
from choicekit.rules.condorcet import slack

Ints = NDArray[np.int64]

# Up to here the dynamic programme is done before a linear programme is set up.
_SMALL = 15
# Up to here components are found from paths between all pairs, without SciPy.
_FEW = 64
# A table of 2^26 sets is the largest: half a gigabyte.
_LARGEST = 26
# A batch runs the dynamic programme on all alternatives at once up to here.
_BATCHED = 12


def _against(margins: Floats) -> Floats:
    """The cost of putting a above b, ``[..., a, b]``: the margin of b over a where that is positive."""
    costs: Floats = np.where(margins < -slack(margins), -margins, 0.0)
    return costs


def _signs(margins: Floats) -> Floats:
    found: Floats = np.sign(np.where(np.abs(margins) > slack(margins), margins, 0.0))
    return found


def _kemeny(
    many: Batch, *, unranked: Unranked = "below", orders: int = 100, limit: int = 24, time_limit: float = 60.0
) -> Floats:
    return _tops(many.margins(unranked), orders, limit, time_limit)


def _slater(
    many: Batch, *, unranked: Unranked = "below", orders: int = 100, limit: int = 24, time_limit: float = 60.0
) -> Floats:
    return _tops(_signs(many.margins(unranked)), orders, limit, time_limit)


@rule(batch=_kemeny)
def kemeny(profile: Margins, *, orders: int = 100, limit: int = 24, time_limit: float = 60.0) -> Orders:
    """The orders that disagree with the voters on as few pairs as can be, and the alternatives on top of them.

    cost(order) = Σ M(b, a) over the pairs with a above b in the order and M(b, a) > 0: the margins of the majorities
    that the order reverses. Voters disagree with an order on Σ_{a above b} s(b, a) pairs, s(b, a) of them preferring b
    to a; that is the cost and, besides, the smaller of s(a, b) and s(b, a) summed over all pairs, the same for every
    order. Both are least at the same orders, which are the medians of the ballots. Tied pairs cost nothing either way.

    Exact. Strongly connected components of the majorities are ordered apart. One of up to 15 alternatives is solved by
    a dynamic programme over its subsets; a larger one by linear programmes, to which constraints on cycles are added as
    they are needed, then, where a solution is not whole, by the dynamic programme up to ``limit`` alternatives (2^limit
    numbers of memory), by integer programmes beyond. ``winners`` are the tops of all best orders. ``orders`` best ones
    are listed at most, ``all_listed`` says whether there are more.

    Where ``time_limit`` (seconds, for the programmes) ends the search, ``optimal`` is false, ``bound`` is what is
    proved of the least cost, the winners are those of the best order found and ``notes`` say so. Raises ``ValueError``
    for options out of range.

    Source: Kemeny 1959, Young and Levenglick 1978 (doi:10.1137/0135023); Bartholdi, Tovey and Trick 1989
    (doi:10.1007/BF00303169) on how hard it is.

    >>> import choicekit as ck
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})      # a beats b by 3, b c by 3, c a by 1
    >>> found = kemeny(votes)
    >>> found.orders, found.cost, found.winners
    ((('a', 'b', 'c'),), 1.0, ('a',))
    """
    return _median(profile.values, profile.alternatives, orders, limit, time_limit)


@rule(batch=_slater)
def slater(profile: Margins, *, orders: int = 100, limit: int = 24, time_limit: float = 60.0) -> Orders:
    """The orders that reverse as few majorities as can be, and the alternatives on top of them.

    cost(order) = |{(a, b) : a above b in the order, M(b, a) > 0}|. Tied pairs cost nothing either way. Found and
    reported as :func:`kemeny` is, which weighs each majority by its margin.

    Source: Slater 1961 (doi:10.1093/biomet/48.3-4.303).

    >>> votes = Margins([[0, 3, -1], [-3, 0, 5], [1, -5, 0]], "abc")
    >>> slater(votes).cost, slater(votes).winners
    (1.0, ('a', 'b', 'c'))
    """
    return _median(_signs(profile.values), profile.alternatives, orders, limit, time_limit)


def _median(margins: Floats, alternatives: tuple[Any, ...], most: int, limit: int, time_limit: float) -> Orders:
    _check(most, limit, time_limit)
    costs = _against(margins)
    deadline = time.monotonic() + time_limit
    equal = float(slack(margins).item())
    parts = [_solved(members, costs, most, limit, deadline, equal) for members in _components(costs)]
    listed, complete = _listed(parts, costs, most)
    on_top = {a for part in parts for a in part.tops(part.start)} | {a for part in parts for a in part.others}
    part_of = {a: k for k, part in enumerate(parts) for a in part.members}
    beaten = {
        a for b, a in np.argwhere(costs.T > 0).tolist() if part_of[a] != part_of[b]
    }  # by an alternative of another component
    names = [tuple(alternatives[a] for a in order) for order in listed]
    return Orders(
        alternatives,
        tuple(names),
        tuple(label for a, label in enumerate(alternatives) if a in on_top - beaten),
        cost=float(sum(part.cost for part in parts)),
        bound=float(sum(part.bound for part in parts)),
        all_listed=complete and all(part.complete for part in parts),
        notes=tuple(note for part in parts for note in part.notes),
    )


def _check(most: int, limit: int, time_limit: float) -> None:
    if most < 1:
        raise ValueError(f"orders: needed at least 1 order to list, got {most!r}")
    if not 0 <= limit <= _LARGEST:
        raise ValueError(
            f"limit: needed 0 to {_LARGEST} alternatives for the dynamic programme, got {limit!r}; its table holds "
            "2^limit numbers"
        )
    if not time_limit > 0:
        raise ValueError(f"time_limit: needed a positive number of seconds, got {time_limit!r}")


def _components(costs: Floats) -> list[list[int]]:
    """The strongly connected components of the majorities: those of which no cycle leads back are apart."""
    if len(costs) > _FEW:
        winner, loser = np.nonzero(costs.T > 0)
        leader = graphs.components(winner, loser, len(costs), strong=True)[1]
    else:
        reach = voting.strongest_paths((costs.T > 0).astype(np.float64)[None])[0] > 0
        leader = ((reach & reach.T) | np.eye(len(costs), dtype=bool)).argmax(1)
    return [np.flatnonzero(leader == each).tolist() for each in np.unique(leader).tolist()]


@dataclass
class _Listed:
    """A component with best orders one by one; a state is how one of them begins."""

    members: list[int]
    orders: list[tuple[int, ...]]
    cost: float = 0.0
    bound: float = 0.0
    complete: bool = True
    others: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    start: tuple[int, ...] = ()

    def tops(self, state: Any) -> dict[int, Any]:
        """What may come next, and the state after it."""
        fitting = [order for order in self.orders if order[: len(state)] == state and len(order) > len(state)]
        return {order[len(state)]: order[: len(state) + 1] for order in fitting}


@dataclass
class _Table:
    """A component with the least cost of each subset; a state is the subset still to be ordered, as bits."""

    members: list[int]
    costs: Floats
    least: NDArray[Any]
    slack: float
    complete: bool = True
    others: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    start: int = field(init=False)
    cost: float = field(init=False)
    bound: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = len(self.least) - 1
        self.cost = self.bound = float(self.least[-1])

    def tops(self, state: Any) -> dict[int, Any]:
        """What may come next, and the state after it."""
        there = [k for k in range(len(self.members)) if state >> k & 1]
        on_top = self.costs[np.ix_(there, there)].sum(1).tolist()
        most = float(self.least[state]) + self.slack
        return {
            self.members[k]: state ^ (1 << k)
            for k, cost in zip(there, on_top, strict=True)
            if cost + float(self.least[state ^ (1 << k)]) <= most
        }


_Part = _Listed | _Table


def _solved(members: list[int], costs: Floats, most: int, limit: int, deadline: float, equal: float) -> _Part:
    """One component, solved by the means its size allows."""
    if len(members) == 1:
        return _Listed(members, [(members[0],)])
    mine = np.ascontiguousarray(costs[np.ix_(members, members)])
    whole = bool((mine == np.round(mine)).all())
    size = len(members)
    if size > min(_SMALL, limit):
        search = Search(mine, slack=0.0 if whole else equal, deadline=deadline)
        search.run(whole=size > limit)
        search.run_on(most + 1, whole=size > limit)
        if search.complete or size > limit:
            return _from_search(search, members, most)
    narrow = whole and mine.sum() < 2**31 - 1
    table = kernels.least_costs(mine.astype(np.int32 if narrow else np.float64))
    return _Table(members, mine, table, equal)


def _from_search(search: Search, members: list[int], most: int) -> _Listed:
    found = [tuple(members[a] for a in order.tolist()) for order in search.found]
    tops = {order[0] for order in found}
    others: list[int] = []
    notes: tuple[str, ...] = ()
    if not search.done:
        notes = (
            f"the time was up before the order of {len(members)} alternatives that beat each other in cycles was "
            f"proved to be the best: it costs {search.cost:g}, and no order less than {search.bound:g}; the winners "
            "are those of this order",
        )
    elif not search.complete:
        answers = {a: search.has_top(k) for k, a in enumerate(members) if a not in tops}
        others = [a for a, answer in answers.items() if answer]
        unknown = sum(answer is None for answer in answers.values())
        if unknown:
            notes = (
                f"the time was up before it was settled whether {unknown} more alternatives are on top of an order as "
                "good",
            )
    return _Listed(
        members, found[: most + 1], search.cost, search.cost if search.done else search.bound,
        search.complete, tuple(others), notes,
    )  # fmt: skip


def _listed(parts: list[_Part], costs: Floats, most: int) -> tuple[list[list[int]], bool]:
    """Best orders, ``most`` of them at most, and whether these are all that the parts allow."""
    found: list[list[int]] = []
    for order in _walk(parts, costs):
        if len(found) == most:
            return found, False
        found.append(order)
    return found, True


def _walk(parts: list[_Part], costs: Floats) -> Iterator[list[int]]:
    """The orders whose restriction to each part is one of its best and which reverse no majority between parts.

    Every beginning that keeps to that can be finished so: majorities between parts go one way round, and so does the
    order within each.
    """
    part_of = np.zeros(len(costs), np.int64)
    for k, part in enumerate(parts):
        part_of[part.members] = k
    # who must come first: beats it and is of another part
    before = (costs.T > 0) & (part_of[:, None] != part_of[None, :])
    waiting = before.sum(0)
    states: list[Any] = [part.start for part in parts]
    after = {a: state for part in parts for a, state in part.tops(part.start).items()}
    offered = np.zeros(len(costs), bool)
    offered[list(after)] = True

    def enter(k: int, state: Any) -> None:
        """Bring a part to a state: what it offers next."""
        states[k] = state
        offered[parts[k].members] = False
        for a, following in parts[k].tops(state).items():
            after[a], offered[a] = following, True

    def choices() -> Iterator[int]:
        return iter(np.flatnonzero(offered & (waiting == 0)).tolist())

    # what is put down, with the state its part was in, and what else could be in each of these places
    taken: list[tuple[int, Any]] = []
    open_ = [choices()]
    while open_:
        a = next(open_[-1], None)
        if a is not None:
            k = int(part_of[a])
            taken.append((a, states[k]))
            enter(k, after[a])
            waiting[before[a]] -= 1
            if len(taken) < len(costs):
                open_.append(choices())
                continue
            yield [a for a, _ in taken]
        else:
            open_.pop()
        if taken:
            a, state = taken.pop()
            waiting[before[a]] += 1
            enter(int(part_of[a]), state)


def _tops(margins: Floats, most: int, limit: int, time_limit: float) -> Floats:
    """1 for the winners in a batch ``[b, m, m]``."""
    _check(most, limit, time_limit)
    labels = tuple(range(margins.shape[-1]))
    if len(labels) <= _BATCHED:
        return kernels.tops(_against(margins), np.ravel(slack(margins)))
    found = np.zeros(margins.shape[:2])
    for row, each in enumerate(margins):
        found[row] = _median(each, labels, most, limit, time_limit).scores
    return found
