"""Axioms of lotteries by the book: rules that answer in fractions, and each axiom as its definition reads."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from fractions import Fraction

Order = tuple[str, ...]
Votes = tuple[Order, ...]
Exact = dict[str, Fraction]
Rule = Callable[[Votes, Order], Exact]


# --- Rules in fractions ---------------------------------------------------------------------------------------------


def dictatorship(votes: Votes, labels: Order) -> Exact:
    return {a: Fraction(sum(vote[0] == a for vote in votes), len(votes)) for a in labels}


def borda(votes: Votes, labels: Order) -> Exact:
    points = {a: sum(len(labels) - 1 - vote.index(a) for vote in votes) for a in labels}
    return {a: Fraction(points[a], sum(points.values())) if len(labels) > 1 else Fraction(1) for a in labels}


def even(_: Votes, labels: Order) -> Exact:
    return {a: Fraction(1, len(labels)) for a in labels}


def winner_or_even(votes: Votes, labels: Order) -> Exact:
    for a in labels:
        if all(2 * sum(v.index(a) < v.index(b) for v in votes) > len(votes) for b in labels if b != a):
            return {b: Fraction(a == b) for b in labels}
    return even(votes, labels)


def first_voter(votes: Votes, labels: Order) -> Exact:
    return {a: Fraction(votes[0][0] == a) for a in labels}


BASES = (dictatorship, borda, even, winner_or_even, first_voter)


def mixed(base: Rule, salt: int, share: int, named: bool = False) -> Rule:
    """The base, but on a share (in hundreds) of all profiles, which the ballots decide, a lottery out of a hat."""

    def rule(votes: Votes, labels: Order) -> Exact:
        code = zlib.crc32(repr((salt, labels, votes if named else sorted(votes))).encode())
        if code % 100 >= share:
            return base(votes, labels)
        hat = [each for each in itertools.product(range(5), repeat=len(labels)) if sum(each) == 4]
        return dict(zip(labels, (Fraction(part, 4) for part in hat[code // 100 % len(hat)]), strict=True))

    return rule


# --- The axioms by the book -----------------------------------------------------------------------------------------


def steps(vote: Order, new: Exact, old: Exact) -> list[Fraction]:
    return [sum((new[a] - old[a] for a in vote[:k]), Fraction(0)) for k in range(1, len(vote) + 1)]


def better(vote: Order, new: Exact, old: Exact) -> bool:
    """Whether a lottery dominates another stochastically, and is not the same."""
    return all(step >= 0 for step in steps(vote, new, old)) and new != old


def compared(vote: Order, new: Exact, old: Exact) -> Fraction:
    pairs = itertools.combinations(vote, 2)
    return sum((new[a] * old[b] - old[a] * new[b] for a, b in pairs), Fraction(0))


def restrict(votes: Votes, labels: Order) -> Votes:
    return tuple(tuple(a for a in vote if a in labels) for vote in votes)


def rewrite(votes: Votes, i: int, vote: Order) -> Votes:
    return (*votes[:i], vote, *votes[i + 1 :])


def beats(votes: Votes, a: str, b: str) -> int:
    return sum(1 if v.index(a) < v.index(b) else -1 for v in votes)


def by_ex_post(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    return any(found[b] and all(v.index(a) < v.index(b) for v in votes) for a, b in itertools.permutations(labels, 2))


def by_sd_efficiency(rule: Rule, votes: Votes, labels: Order) -> bool:
    """Directions of few alternatives are made of those with small whole numbers."""
    found = rule(votes, labels)
    for way in itertools.product(range(-2, 3), repeat=len(labels)):
        if sum(way) or not any(way) or any(step < 0 and not found[a] for a, step in zip(labels, way, strict=True)):
            continue
        new = {a: found[a] + Fraction(step, 1000) for a, step in zip(labels, way, strict=True)}
        if all(min(steps(vote, new, found)) >= 0 for vote in votes):
            return True
    return False


def by_pc_efficiency(rule: Rule, votes: Votes, labels: Order) -> bool:
    """Three alternatives: all corners of the lotteries that nobody likes less."""
    found = rule(votes, labels)
    a, b, c = labels
    gain = [{x: compared(v, {y: Fraction(x == y) for y in labels}, found) for x in labels} for v in votes]
    # each line: k + l·q(a) + m·q(b) ≥ 0, with q(c) = 1 − q(a) − q(b)
    lines = [(row[c], row[a] - row[c], row[b] - row[c]) for row in gain]
    lines += [(Fraction(0), Fraction(1), Fraction(0)), (Fraction(0), Fraction(0), Fraction(1))]
    lines += [(Fraction(1), Fraction(-1), Fraction(-1))]
    for (k, s, t), (n, u, v) in itertools.combinations(lines, 2):
        det = s * v - t * u
        if det == 0:
            continue
        x, y = (t * n - k * v) / det, (k * u - s * n) / det
        values = [at + over * x + up * y for at, over, up in lines]
        if min(values) >= 0 and max(values[: len(votes)]) > 0:
            return True
    return False


def by_condorcet(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    return any(all(beats(votes, a, b) > 0 for b in labels if b != a) and found[a] != 1 for a in labels)


def by_share(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    return any(found[a] < Fraction(sum(v[0] == a for v in votes), len(votes)) for a in labels)


def by_cancellation(rule: Rule, votes: Votes, labels: Order) -> bool:
    tied = all(beats(votes, a, b) == 0 for a, b in itertools.combinations(labels, 2))
    return tied and rule(votes, labels) != even(votes, labels)


def by_anonymity(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    return any(
        rule(rewrite(rewrite(votes, i, votes[j]), j, votes[i]), labels) != found
        for i, j in itertools.combinations(range(len(votes)), 2)
    )


def by_neutrality(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    for image in itertools.permutations(labels):
        name = dict(zip(labels, image, strict=True))
        if rule(tuple(tuple(name[a] for a in v) for v in votes), labels) != {name[a]: found[a] for a in labels}:
            return True
    return False


def by_population(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    for chosen in itertools.product((True, False), repeat=len(votes)):
        one = tuple(itertools.compress(votes, chosen))
        other = tuple(itertools.compress(votes, (not each for each in chosen)))
        if one and other and rule(one, labels) == rule(other, labels) != found:
            return True
    return False


def by_agenda(rule: Rule, votes: Votes, labels: Order) -> bool:
    """Of agendas B and C that hold all alternatives together, the lottery on both is that on all of them."""
    parts = [part for size in range(1, len(labels) + 1) for part in itertools.combinations(labels, size)]
    on = {part: {a: p for a, p in rule(restrict(votes, part), part).items() if p} for part in parts}
    for one, other in itertools.product(parts, repeat=2):
        if {*one, *other} == set(labels):
            for p in on.values():
                chosen = set(p) <= {*one} & {*other} and on[labels] == p
                if chosen != (on[one] == p == on[other]):
                    return True
    return False


def clones(votes: Votes, labels: Order) -> list[Order]:
    def together(vote: Order, part: Order) -> bool:
        places = sorted(vote.index(a) for a in part)
        return places[-1] - places[0] == len(part) - 1

    parts = [part for size in range(2, len(labels)) for part in itertools.combinations(labels, size)]
    return [part for part in parts if all(together(vote, part) for vote in votes)]


def by_clones(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    for part in clones(votes, labels):
        for gone in part:
            kept = tuple(a for a in labels if a != gone)
            after = rule(restrict(votes, kept), kept)
            if any(after[a] != found[a] for a in labels if a not in part):
                return True
    return False


def by_composition(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    for part in clones(votes, labels):
        inside = rule(restrict(votes, part), part)
        for head in part:
            kept = tuple(a for a in labels if a == head or a not in part)
            outside = rule(restrict(votes, kept), kept)
            wanted = {a: outside[head] * inside[a] if a in part else outside[a] for a in labels}
            if found != wanted:
                return True
    return False


def deviations(votes: Votes, labels: Order) -> list[tuple[Order, Votes]]:
    return [
        (vote, rewrite(votes, i, other)) for i, vote in enumerate(votes) for other in itertools.permutations(labels)
    ]


def by_strong_sp(rule: Rule, votes: Votes, labels: Order) -> bool:
    truth = rule(votes, labels)
    return any(max(steps(vote, rule(lie, labels), truth)) > 0 for vote, lie in deviations(votes, labels))


def by_weak_sp(rule: Rule, votes: Votes, labels: Order) -> bool:
    truth = rule(votes, labels)
    return any(better(vote, rule(lie, labels), truth) for vote, lie in deviations(votes, labels))


def by_pc_sp(rule: Rule, votes: Votes, labels: Order) -> bool:
    truth = rule(votes, labels)
    return any(compared(vote, rule(lie, labels), truth) > 0 for vote, lie in deviations(votes, labels))


def by_strong_part(rule: Rule, votes: Votes, labels: Order) -> bool:
    away = rule(votes, labels)
    return any(max(steps(v, away, rule((*votes, v), labels))) > 0 for v in itertools.permutations(labels))


def by_weak_part(rule: Rule, votes: Votes, labels: Order) -> bool:
    away = rule(votes, labels)
    return any(better(v, away, rule((*votes, v), labels)) for v in itertools.permutations(labels))


def by_pc_part(rule: Rule, votes: Votes, labels: Order) -> bool:
    away = rule(votes, labels)
    return any(compared(v, away, rule((*votes, v), labels)) > 0 for v in itertools.permutations(labels))


def by_monotonicity(rule: Rule, votes: Votes, labels: Order) -> bool:
    found = rule(votes, labels)
    for i, vote in enumerate(votes):
        for k in range(1, len(vote)):
            lifted = (*vote[: k - 1], vote[k], vote[k - 1], *vote[k + 1 :])
            if rule(rewrite(votes, i, lifted), labels)[vote[k]] < found[vote[k]]:
                return True
    return False


TWINS: dict[str, Callable[[Rule, Votes, Order], bool]] = {
    "ex_post_efficiency": by_ex_post, "sd_efficiency": by_sd_efficiency, "pc_efficiency": by_pc_efficiency,
    "condorcet_lottery": by_condorcet, "proportional_share": by_share, "cancellation_of_lotteries": by_cancellation,
    "anonymity_of_lotteries": by_anonymity, "neutrality_of_lotteries": by_neutrality,
    "population_consistency": by_population, "agenda_consistency": by_agenda, "clone_consistency": by_clones,
    "composition_consistency": by_composition, "sd_strategyproofness_strong": by_strong_sp,
    "sd_strategyproofness_weak": by_weak_sp, "pc_strategyproofness": by_pc_sp,
    "sd_participation_strong": by_strong_part, "sd_participation_weak": by_weak_part,
    "pc_participation": by_pc_part, "monotonicity_of_lotteries": by_monotonicity,
}  # fmt: skip
