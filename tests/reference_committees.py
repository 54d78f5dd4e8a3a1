"""Slow twins of the rules that elect committees: every committee, every universe, exact fractions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache

Ballots = Sequence[frozenset[int]]
Weights = Sequence[Fraction]
Committee = tuple[int, ...]


def committees(width: int, size: int) -> list[Committee]:
    return list(itertools.combinations(range(width), size))


def best(width: int, size: int, score: Callable[[Committee], object]) -> list[Committee]:
    scored = [(score(each), each) for each in committees(width, size)]
    top = max(value for value, _ in scored)
    return [each for value, each in scored if value == top]


def thiele(ballots: Ballots, weights: Weights, worth: Sequence[Fraction], committee: Iterable[int]) -> Fraction:
    chosen = set(committee)
    return sum(
        (w * sum(worth[: len(ballot & chosen)], Fraction(0)) for ballot, w in zip(ballots, weights, strict=True)),
        Fraction(0),
    )


def harmonic(size: int) -> list[Fraction]:
    return [Fraction(1, place) for place in range(1, size + 1)]


def universes(size: int, worths: Callable[[Committee], dict[int, Fraction]]) -> set[Committee]:
    """Every committee that some way of breaking ties elects; ``worths`` of an order of election, empty at the end."""
    found = set()

    def go(elected: Committee) -> None:
        values = worths(elected) if len(elected) < size else {}
        if not values:
            found.add(tuple(sorted(elected)))
            return
        top = max(values.values())
        for a in sorted(values):
            if values[a] == top:
                go((*elected, a))

    go(())
    return found


def sequential_pav(ballots: Ballots, weights: Weights, width: int, size: int) -> set[Committee]:
    def worths(elected: Committee) -> dict[int, Fraction]:
        now = thiele(ballots, weights, harmonic(size), elected)
        left = set(range(width)) - set(elected)
        return {a: thiele(ballots, weights, harmonic(size), (*elected, a)) - now for a in left}

    return universes(size, worths)


NOBODY = Fraction(10**12)  # the load of an alternative without supporters


def phragmen_loads(ballots: Ballots, weights: Weights, elected: Committee, start: Sequence[Fraction]) -> list[Fraction]:
    """The loads after electing in that order."""
    load = list(start)
    for a in elected:
        price = phragmen_price(ballots, weights, load, a)
        if price != NOBODY:
            load = [price if a in ballot else mine for ballot, mine in zip(ballots, load, strict=True)]
    return load


def phragmen_price(ballots: Ballots, weights: Weights, load: Sequence[Fraction], a: int) -> Fraction:
    backers = [i for i, ballot in enumerate(ballots) if a in ballot and weights[i] > 0]
    if not backers:
        return NOBODY
    return (1 + sum(weights[i] * load[i] for i in backers)) / sum(weights[i] for i in backers)


def sequential_phragmen(ballots: Ballots, weights: Weights, width: int, size: int) -> set[Committee]:
    def worths(elected: Committee) -> dict[int, Fraction]:
        load = phragmen_loads(ballots, weights, elected, [Fraction(0)] * len(ballots))
        return {a: -phragmen_price(ballots, weights, load, a) for a in range(width) if a not in elected}

    return universes(size, worths)


def leximax_loads(ballots: Ballots, weights: Weights, committee: Committee) -> tuple[Fraction, list[Fraction]]:
    """How many members nobody approves of, and the loads, largest first, one for each unit 1/4 of weight.

    The most burdened set of members T shares |T| among its supporters, and so on with the others.
    """
    left = set(committee)
    free = {i for i, w in enumerate(weights) if w > 0}
    lonely = [a for a in left if not any(a in ballots[i] for i in free)]
    left -= set(lonely)
    loads: list[Fraction] = []
    while left:
        options = []
        for number in range(1, len(left) + 1):
            for group in itertools.combinations(sorted(left), number):
                backers = {i for i in free if ballots[i] & set(group)}
                options.append((Fraction(number) / sum(weights[i] for i in backers), number, group, backers))
        load, _, group, backers = max(options, key=lambda option: (option[0], option[1]))
        loads += [load] * int(4 * sum(weights[i] for i in backers))
        left -= set(group)
        free -= backers
    loads += [Fraction(0)] * (int(4 * sum(weights)) - len(loads))
    return Fraction(len(lonely)), loads


def price(ballots: Ballots, weights: Weights, money: Sequence[Fraction], a: int, cost: Fraction) -> Fraction | None:
    """The least t with Σ w min(money, t) = cost over the supporters: it is found between two of their moneys."""
    backers = [i for i, ballot in enumerate(ballots) if a in ballot and weights[i] > 0]
    for limit in sorted({money[i] for i in backers}):
        if sum(weights[i] * min(money[i], limit) for i in backers) >= cost:
            poor = sum(weights[i] * money[i] for i in backers if money[i] < limit)
            return (cost - poor) / sum(weights[i] for i in backers if money[i] >= limit)
    return None


def equal_shares(
    ballots: Ballots, weights: Weights, width: int, size: int, completion: str | None,
    costs: Sequence[Fraction] | None = None, worth: Sequence[Fraction] | None = None, start: Fraction | None = None,
) -> set[Committee]:  # fmt: skip
    """The method of equal shares, each universe replayed from the start."""
    costs = costs or [Fraction(1)] * width
    worth = worth or [Fraction(1)] * width
    start = Fraction(size) / sum(weights) if start is None else start

    @cache
    def replay(elected: Committee) -> tuple[tuple[Fraction, ...], bool]:
        """The money left, and whether the market was already closed, after electing in that order."""
        if not elected:
            return (start,) * len(ballots), False
        money, closed = replay(elected[:-1])
        a = elected[-1]
        share = None if closed else price(ballots, weights, money, a, costs[a])
        if share is not None:
            left = [m - min(m, share) if a in b else m for b, m in zip(ballots, money, strict=True)]
            return tuple(left), False
        if completion == "sequential_phragmen":
            load = phragmen_loads(ballots, weights, (a,), [-m for m in money])
            return tuple(-each for each in load), True
        return money, True

    def worths(elected: Committee) -> dict[int, Fraction]:
        money, closed = replay(elected)
        left = [a for a in range(width) if a not in elected]
        if not closed:
            paid = {a: price(ballots, weights, money, a, costs[a]) for a in left}
            open_ones = {a: -each / worth[a] for a, each in paid.items() if each is not None}
            if open_ones:
                return open_ones
        if completion == "sequential_phragmen":
            return {a: -phragmen_price(ballots, weights, [-m for m in money], a) for a in left}
        if completion == "utilitarian":
            return {a: sum((w for b, w in zip(ballots, weights, strict=True) if a in b), Fraction(0)) for a in left}
        return {}

    return universes(size, worths)


def monroe(ballots: Ballots, weights: Weights, committee: Committee) -> int:
    """Whole weights: the most voters assigned to a member they approve of, by trying every assignment."""
    voters = [ballot for ballot, w in zip(ballots, weights, strict=True) for _ in range(int(w))]
    least, extra = divmod(len(voters), len(committee))

    @cache
    def go(voter: int, seated: tuple[int, ...]) -> int:
        if voter == len(voters):
            return 0
        options = []
        for place, number in enumerate(seated):
            full = number > least or (number == least and sum(each > least for each in seated) >= extra)
            if not full:
                after = (*seated[:place], number + 1, *seated[place + 1 :])
                options.append((committee[place] in voters[voter]) + go(voter + 1, after))
        return max(options)

    return go(0, (0,) * len(committee))


# --- Representation: every group of voters ---------------------------------------------------------------------------


def groups(ballots: Ballots, weights: Weights, size: int) -> Iterable[tuple[list[frozenset[int]], int]]:
    """Every group of voters and the most seats it deserves."""
    total = sum(weights)
    for number in range(1, len(ballots) + 1):
        for group in itertools.combinations(range(len(ballots)), number):
            if all(weights[i] > 0 for i in group):
                deserved = int(sum(weights[i] for i in group) * size / total)
                if deserved:
                    yield [ballots[i] for i in group], deserved


def fails(axiom: str, ballots: Ballots, weights: Weights, width: int, committee: Committee) -> bool:
    """Whether some group is not represented, by the definitions."""
    chosen = frozenset(committee)
    for group, most in groups(ballots, weights, len(committee)):
        common = frozenset.intersection(*group)
        held = max(len(ballot & chosen) for ballot in group)
        together = len(frozenset.union(*group) & chosen)
        for deserved in range(1, most + 1):
            cohesive = len(common) >= deserved
            if axiom == "JR" and deserved == 1 and cohesive and held == 0:
                return True
            if axiom == "PJR" and cohesive and together < deserved:
                return True
            if axiom == "EJR" and cohesive and held < deserved:
                return True
            if axiom == "EJR+" and common - chosen and held < deserved:
                return True
            if axiom == "core":
                for wanted in itertools.combinations(range(width), deserved):
                    if all(len(ballot & set(wanted)) > len(ballot & chosen) for ballot in group):
                        return True
    return False


# --- The single transferable vote ------------------------------------------------------------------------------------


def stv(
    orders: Sequence[Sequence[int]], weights: Weights, width: int, size: int, quota: Fraction, simultaneous: bool
) -> set[Committee]:
    """Strict ballots as orders, best first; pieces of ballots are moved from alternative to alternative."""
    found = set()

    def go(piles: dict[int, list[tuple[Fraction, Sequence[int]]]], elected: frozenset[int]) -> None:
        left = size - len(elected)
        if len(piles) <= left or not left:
            found.add(tuple(sorted(elected | (set(piles) if left else set()))))
            return
        votes = {a: sum((w for w, _ in pile), Fraction(0)) for a, pile in piles.items()}
        reached = [a for a in piles if votes[a] >= quota]
        if reached:
            top = max(votes.values())
            all_at_once = simultaneous and len(reached) <= left
            for winners in [reached] if all_at_once else [[a] for a in reached if votes[a] == top]:
                go(moved(piles, {a: (votes[a] - quota) / votes[a] for a in winners}), elected | set(winners))
            return
        for a in [a for a in piles if votes[a] == min(votes.values())]:
            go(moved(piles, {a: Fraction(1)}), elected)

    def moved(
        piles: dict[int, list[tuple[Fraction, Sequence[int]]]], out: dict[int, Fraction]
    ) -> dict[int, list[tuple[Fraction, Sequence[int]]]]:
        after = {a: list(pile) for a, pile in piles.items() if a not in out}
        for a, share in out.items():
            for w, order in piles[a]:
                following = next((b for b in order if b in after), None)
                if following is not None:
                    after[following].append((w * share, order))
        return after

    piles: dict[int, list[tuple[Fraction, Sequence[int]]]] = {a: [] for a in range(width)}
    for order, w in zip(orders, weights, strict=True):
        if order:
            piles[order[0]].append((w, order))
    go(piles, frozenset())
    return found
