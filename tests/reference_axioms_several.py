"""Axioms of several profiles by the book, on lists of orders and functions from these to sets of winners; and rules."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import choicekit as ck

Order = tuple[str, ...]
Orders = tuple[Order, ...]
Winners = frozenset[str]
#: The winners of ballots on some alternatives.
Choice = Callable[[Orders, Order], Winners]
Better = Callable[[Order, Winners, Winners], bool]


def orders_of(profile: ck.Rankings) -> Orders:
    """A row for each voter, best first."""
    found = []
    for ranks, weight in zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True):
        ranked = sorted((rank, label) for rank, label in zip(ranks, profile.alternatives, strict=True) if rank >= 0)
        found += [tuple(str(label) for _, label in ranked)] * int(weight)
    return tuple(found)


def profile_of(orders: Iterable[Sequence[str]], alternatives: Sequence[str]) -> ck.Rankings:
    return ck.Rankings.from_orders([tuple(order) for order in orders], alternatives)


def rule_of(choice: Choice) -> Callable[[ck.Rankings], tuple[str, ...]]:
    """A choice as a rule on rankings."""

    def written(profile: ck.Rankings) -> tuple[str, ...]:
        labels = tuple(str(label) for label in profile.alternatives)
        won = choice(orders_of(profile), labels)
        return tuple(label for label in labels if label in won)

    return written


def chance(seed: int, base: str, noise: int, named: bool = False) -> Choice:
    """A rule that is one by the book, except where chance has it (``noise`` times in a hundred).

    ``named``: who cast which ballot matters to chance.
    """

    def choice(orders: Orders, alternatives: Order) -> Winners:
        told = repr((seed, orders if named else sorted(orders), sorted(alternatives)))
        drawn = zlib.crc32(told.encode()) ^ (zlib.crc32(told[::-1].encode()) << 8)
        if (drawn >> 8) % 100 < noise:
            number = zlib.adler32(told.encode()) % (2 ** len(alternatives) - 1) + 1
            return frozenset(a for i, a in enumerate(sorted(alternatives)) if number >> i & 1)
        return BASES[base](orders, alternatives)

    return choice


def impartial(seed: int, base: str, noise: int) -> Choice:
    """The same, but neither the names of voters nor those of alternatives matter to chance."""

    @cache
    def choice(orders: Orders, alternatives: Order) -> Winners:
        letters = "abcdefgh"[: len(alternatives)]
        told: dict[Orders, list[dict[str, str]]] = {}
        for names in itertools.permutations(letters):
            moves = dict(zip(alternatives, names, strict=True))
            told.setdefault(tuple(sorted(tuple(moves[a] for a in order) for order in orders)), []).append(moves)
        first = min(told)
        number = zlib.crc32(repr((seed, first)).encode())
        if (number >> 8) % 100 >= noise:
            return BASES[base](orders, alternatives)
        held = [letter for i, letter in enumerate(letters) if (number % (2 ** len(letters) - 1) + 1) >> i & 1]
        backwards = [{new: old for old, new in moves.items()} for moves in told[first]]
        return frozenset(back[letter] for back in backwards for letter in held)

    return choice


def everybody(_: Orders, alternatives: Order) -> Winners:
    return frozenset(alternatives)


def fixed(_: Orders, alternatives: Order) -> Winners:
    return frozenset({min(alternatives)})


def most(scores: dict[str, float]) -> Winners:
    return frozenset(a for a in scores if scores[a] == max(scores.values()))


def firsts(orders: Orders, alternatives: Order) -> Winners:
    return most({a: sum(order[:1] == (a,) for order in orders) for a in alternatives})


def points(orders: Orders, alternatives: Order) -> Winners:
    return most({a: sum(len(order) - order.index(a) for order in orders if a in order) for a in alternatives})


def dictator(orders: Orders, alternatives: Order) -> Winners:
    return frozenset(orders[-1][:1] or alternatives)


def dominant(orders: Orders, alternatives: Order) -> Winners:
    return smith(orders, alternatives)


BASES: dict[str, Choice] = {
    "everybody": everybody,
    "fixed": fixed,
    "firsts": firsts,
    "points": points,
    "dictator": dictator,
    "dominant": dominant,
}


def singleton(order: Order, one: Winners, other: Winners) -> bool:
    return len(one) == 1 == len(other) and order.index(min(one)) < order.index(min(other))


def kelly(order: Order, one: Winners, other: Winners) -> bool:
    return one != other and all(order.index(x) <= order.index(y) for x in one for y in other)


def fishburn(order: Order, one: Winners, other: Winners) -> bool:
    pairs = [*itertools.product(one - other, other), *itertools.product(one & other, other - one)]
    return one != other and all(order.index(x) < order.index(y) for x, y in pairs)


def gardenfors(order: Order, one: Winners, other: Winners) -> bool:
    if one < other:
        pairs = itertools.product(one, other - one)
    elif other < one:
        pairs = itertools.product(one - other, other)
    else:
        pairs = itertools.product(one - other, other - one)
    return one != other and all(order.index(x) < order.index(y) for x, y in pairs)


def optimist(order: Order, one: Winners, other: Winners) -> bool:
    return any(all(order.index(x) < order.index(y) for y in other) for x in one)


def pessimist(order: Order, one: Winners, other: Winners) -> bool:
    return any(all(order.index(x) < order.index(y) for x in one) for y in other)


def lexicographic(order: Order, one: Winners, other: Winners) -> bool:
    return order.index(min(one)) < order.index(min(other))


SETS: dict[str, Better] = {
    each.__name__: each for each in (singleton, kelly, fishburn, gardenfors, optimist, pessimist, lexicographic)
}


def positive_involvement(f: Choice, orders: Orders, alternatives: Order) -> bool:
    before = f(orders, alternatives)
    return any(r[0] in before - f((*orders, r), alternatives) for r in itertools.permutations(alternatives))


def negative_involvement(f: Choice, orders: Orders, alternatives: Order) -> bool:
    before = f(orders, alternatives)
    return any(r[-1] in f((*orders, r), alternatives) - before for r in itertools.permutations(alternatives))


def participation(better: Better) -> Callable[[Choice, Orders, Order], bool]:
    def violated(f: Choice, orders: Orders, alternatives: Order) -> bool:
        before = f(orders, alternatives)
        return any(better(r, before, f((*orders, r), alternatives)) for r in itertools.permutations(alternatives))

    return violated


def changed(orders: Orders, voter: int, ballot: Order) -> Orders:
    return (*orders[:voter], ballot, *orders[voter + 1 :])


def strategyproofness(better: Better) -> Callable[[Choice, Orders, Order], bool]:
    def violated(f: Choice, orders: Orders, alternatives: Order) -> bool:
        before = f(orders, alternatives)
        return any(
            better(orders[voter], f(changed(orders, voter, ballot), alternatives), before)
            for voter in range(len(orders))
            for ballot in itertools.permutations(alternatives)
        )

    return violated


def group_strategyproofness_kelly(f: Choice, orders: Orders, alternatives: Order) -> bool:
    before = f(orders, alternatives)
    for told in itertools.product(itertools.permutations(alternatives), repeat=len(orders)):
        liars = [voter for voter in range(len(orders)) if told[voter] != orders[voter]]
        if liars and all(kelly(orders[voter], f(told, alternatives), before) for voter in liars):
            return True
    return False


def reinforcement(f: Choice, orders: Orders, alternatives: Order) -> bool:
    voters = range(len(orders))
    for size in range(1, len(orders)):
        for part in itertools.combinations(voters, size):
            one = f(tuple(orders[i] for i in part), alternatives)
            other = f(tuple(orders[i] for i in voters if i not in part), alternatives)
            if one & other and f(orders, alternatives) != one & other:
                return True
    return False


def on(orders: Orders, agenda: Iterable[str]) -> Orders:
    return tuple(tuple(a for a in order if a in set(agenda)) for order in orders)


def rest(f: Choice, orders: Orders, alternatives: Order, gone: str) -> Winners:
    left = tuple(a for a in alternatives if a != gone)
    return f(on(orders, left), left)


def independence_of_clones(f: Choice, orders: Orders, alternatives: Order) -> bool:
    before = f(orders, alternatives)
    for size in range(2, len(alternatives)):
        for clones in map(frozenset, itertools.combinations(alternatives, size)):
            runs = [frozenset(order[i : i + size]) for order in orders for i in range(len(order) - size + 1)]
            if runs.count(clones) == len(orders):
                for gone in clones:
                    after = rest(f, orders, alternatives, gone)
                    if before - clones != after - clones or bool(before & clones) != bool(after & clones):
                        return True
    return False


def majority(orders: Orders, a: str, b: str) -> bool:
    return 2 * sum(order.index(a) < order.index(b) for order in orders) > len(orders)


def smith(orders: Orders, alternatives: Order) -> Winners:
    for size in range(1, len(alternatives) + 1):
        for held in itertools.combinations(alternatives, size):
            outside = [b for b in alternatives if b not in held]
            if all(majority(orders, a, b) for a in held for b in outside):
                return frozenset(held)
    raise AssertionError


def without_losers(losers: Callable[[Orders, Order], Iterable[str]]) -> Callable[[Choice, Orders, Order], bool]:
    def violated(f: Choice, orders: Orders, alternatives: Order) -> bool:
        before = f(orders, alternatives)
        return any(rest(f, orders, alternatives, loser) != before for loser in losers(orders, alternatives))

    return violated


def pareto_dominated(orders: Orders, alternatives: Order) -> Iterator[str]:
    for b in alternatives:
        if any(all(order.index(a) < order.index(b) for order in orders) for a in alternatives if a != b):
            yield b


def outside_smith(orders: Orders, alternatives: Order) -> Iterator[str]:
    return (a for a in alternatives if a not in smith(orders, alternatives))


def stability_for_winners(f: Choice, orders: Orders, alternatives: Order) -> bool:
    return any(
        a != b and majority(orders, a, b) and a in rest(f, orders, alternatives, b) - f(orders, alternatives)
        for a in alternatives
        for b in alternatives
    )


def immunity_to_spoilers(f: Choice, orders: Orders, alternatives: Order) -> bool:
    won = f(orders, alternatives)
    return any(
        a != b and majority(orders, a, b) and a in rest(f, orders, alternatives, b) - won and b not in won
        for a in alternatives
        for b in alternatives
    )


def agendas(alternatives: Order) -> list[Order]:
    return [held for size in range(1, len(alternatives) + 1) for held in itertools.combinations(alternatives, size)]


def alpha(f: Choice, orders: Orders, alternatives: Order) -> bool:
    won = f(orders, alternatives)
    return any((won & set(agenda)) - f(on(orders, agenda), agenda) for agenda in agendas(alternatives))


def gamma(f: Choice, orders: Orders, alternatives: Order) -> bool:
    won = {agenda: f(on(orders, agenda), agenda) for agenda in agendas(alternatives)}
    return any(
        (won[one] & won[other]) - won[alternatives]
        for one in won
        for other in won
        if {*one, *other} == set(alternatives)
    )


def continued(orders: Orders, alternatives: Order) -> Iterator[tuple[Order, Orders]]:
    """A ballot, and the ballots when it goes on."""
    for voter, order in enumerate(orders):
        below = [a for a in alternatives if a not in order]
        for size in range(1, len(below) + 1):
            for more in itertools.permutations(below, size):
                yield order, changed(orders, voter, (*order, *more))


def later_no_harm(f: Choice, orders: Orders, alternatives: Order) -> bool:
    won = f(orders, alternatives)
    return any((won & set(order)) - f(longer, alternatives) for order, longer in continued(orders, alternatives))


def later_no_help(f: Choice, orders: Orders, alternatives: Order) -> bool:
    won = f(orders, alternatives)
    return any((f(longer, alternatives) & set(order)) - won for order, longer in continued(orders, alternatives))


BOOK: dict[str, Callable[[Choice, Orders, Order], bool]] = {
    "positive_involvement": positive_involvement,
    "negative_involvement": negative_involvement,
    **{f"participation_{name}": participation(better) for name, better in SETS.items()},
    **{f"strategyproofness_{name}": strategyproofness(better) for name, better in SETS.items()},
    "reinforcement": reinforcement,
    "independence_of_clones": independence_of_clones,
    "independence_of_pareto_dominated_alternatives": without_losers(pareto_dominated),
    "independence_of_smith_dominated_alternatives": without_losers(outside_smith),
    "stability_for_winners": stability_for_winners,
    "immunity_to_spoilers": immunity_to_spoilers,
    "alpha": alpha,
    "gamma": gamma,
}
