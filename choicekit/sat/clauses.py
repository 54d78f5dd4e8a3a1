"""Axioms as generators of clauses: what each asks of a rule on a frame, one function an axiom."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.sat.electorates import Electorates
from choicekit.sat.formulas import Clauses, Instance
from choicekit.sat.frames import Choices, ChoiceSets
from choicekit.sat.orderings import Orderings, PairwiseOrderings

Ints = NDArray[np.int64]


def _on(axiom: str, frame: Any, *kinds: type) -> None:
    if not isinstance(frame, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{axiom}: needed a frame of {wanted}, got {type(frame).__name__}")


def _int32(array: Any) -> NDArray[np.int32]:
    return np.asarray(array, np.int32)


def weak_pareto(frame: Orderings | PairwiseOrderings | ChoiceSets | Choices) -> tuple[Clauses, ...]:
    """Where all voters put a above b, a is above b; of winners: b is not one.

    One clause for each profile and pair on which all agree. Raises ``TypeError`` for other frames.

    Source: Arrow 1951, Social Choice and Individual Values.

    >>> from choicekit import sat
    >>> [part] = weak_pareto(sat.Orderings(voters=2, alternatives="ab"))
    >>> part.literals.tolist(), part.tell(0).sentence
    ([[-2], [-7]], 'At (ab, ab) all voters put a above b, so a is above b.')
    """
    _on("weak_pareto", frame, Orderings, PairwiseOrderings, ChoiceSets, Choices)
    orders = isinstance(frame, Orderings | PairwiseOrderings)
    electorate, names = frame.electorate, frame.alternatives
    literals, marks, pairs = [], [], electorate.pairs()
    for number, (a, b) in enumerate(pairs):
        agreed = np.flatnonzero(electorate.above(a, b).all(1))
        denied = frame.variable(agreed, b, a) if orders else frame.variable(agreed, b)  # type: ignore[call-arg]
        literals.append(-denied)
        marks.append(agreed * len(pairs) + number)

    def tell(mark: int) -> Instance:
        profile, (a, b) = mark // len(pairs), pairs[mark % len(pairs)]
        so = f"{names[a]} is above {names[b]}" if orders else f"{names[b]} does not win"
        words = f"At {frame.words(profile)} all voters put {names[a]} above {names[b]}, so {so}."
        return Instance("weak_pareto", (profile,), words)

    if not pairs:
        return ()
    found, which = _int32(np.concatenate(literals))[:, None], np.concatenate(marks)
    if isinstance(frame, PairwiseOrderings):
        return (frame.clauses("weak_pareto", found, which, tell),)
    return (Clauses("weak_pareto", found, which, tell),)


def independence_of_irrelevant_alternatives(
    frame: Orderings | PairwiseOrderings, *, every_pair: bool = False
) -> tuple[Clauses, ...]:
    """Two profiles which each voter's order of a and b is the same at have the same order of a and b.

    The profiles alike on a and b are put in a circle, and "a at least as good as b" is passed on around it: as many
    clauses as profiles. ``every_pair=True`` passes it on from each to each, which is far more and says the same, but
    gives shorter explanations. On a frame of pairwise orderings the axiom is built in, and there are no clauses.
    Raises ``TypeError`` for other frames.

    Source: Arrow 1951, Social Choice and Individual Values.

    >>> from choicekit import sat
    >>> [part] = independence_of_irrelevant_alternatives(sat.Orderings(voters=1, alternatives="abc"))
    >>> len(part), part.tell(int(part.instances[0])).sentence      # 3 rankings with a above b, passed around
    (36, 'Each voter orders a and b at (bac) as at (bca), so if a is at least as good as b there, then here too.')
    """
    name = "independence_of_irrelevant_alternatives"
    _on(name, frame, Orderings, PairwiseOrderings)
    if isinstance(frame, PairwiseOrderings):
        return ()
    electorate, names, pairs = frame.electorate, frame.alternatives, frame.electorate.pairs()
    power = 1 << np.arange(electorate.voters)
    literals, marks = [], []
    for number, (a, b) in enumerate(pairs):
        pattern = electorate.above(a, b) @ power
        order = np.argsort(pattern, kind="stable").reshape(2**electorate.voters, -1)
        if every_pair:
            first, second = np.nonzero(~np.eye(order.shape[1], dtype=np.bool_))
            here, there = order[:, first].ravel(), order[:, second].ravel()
        else:
            here, there = order.ravel(), np.roll(order, -1, axis=1).ravel()
        literals.append(np.stack([-frame.variable(there, a, b), frame.variable(here, a, b)], 1))
        marks.append((here * frame.profiles + there) * len(pairs) + number)

    def tell(mark: int) -> Instance:
        both, (a, b) = mark // len(pairs), pairs[mark % len(pairs)]
        here, there, x, y = both // frame.profiles, both % frame.profiles, names[a], names[b]
        words = (
            f"Each voter orders {x} and {y} at {frame.words(here)} as at {frame.words(there)}, so if {x} is at least "
            f"as good as {y} there, then here too."
        )
        return Instance(name, (here, there), words)

    return (Clauses(name, _int32(np.concatenate(literals)), np.concatenate(marks), tell),) if pairs else ()


def non_dictatorship(frame: Orderings | PairwiseOrderings | Choices) -> tuple[Clauses, ...]:
    """No voter is a dictator: each fails, at some profile, to get what they put above something else.

    Of orderings: for each voter there are a profile, and a and b, which the voter puts a above b at and where b is at
    least as good as a. Of winners: there is a profile at which the voter's first alternative does not win. One clause
    for each voter. Raises ``TypeError`` for other frames.

    Source: Arrow 1951, Social Choice and Individual Values; Gibbard 1973 (doi:10.2307/1914083).

    >>> from choicekit import sat
    >>> [part] = non_dictatorship(sat.Choices(voters=2, alternatives="ab"))
    >>> part.literals.tolist()
    [[-1, -3, -6, -8], [-1, -4, -5, -8]]
    """
    _on("non_dictatorship", frame, Orderings, PairwiseOrderings, Choices)
    electorate, rows = frame.electorate, []
    for voter in range(electorate.voters):
        if isinstance(frame, Choices):
            tops = electorate.tops[electorate.held[:, voter]]
            rows.append(-frame.variable(np.arange(frame.profiles), tops))
            continue
        overruled = []
        for a, b in electorate.pairs():
            variables = frame.variable(np.flatnonzero(electorate.above(a, b)[:, voter]), b, a)
            overruled.append(np.unique(variables) if isinstance(frame, PairwiseOrderings) else variables)
        rows.append(np.concatenate(overruled) if overruled else np.zeros(0, np.int64))

    def tell(voter: int) -> Instance:
        return Instance("non_dictatorship", (), f"Voter {voter + 1} does not get their way at every profile.")

    return (Clauses("non_dictatorship", _int32(np.stack(rows)), np.arange(electorate.voters), tell),)


def onto(frame: Choices) -> tuple[Clauses, ...]:
    """Each alternative wins at some profile (citizens' sovereignty).

    One clause for each alternative. Raises ``TypeError`` for other frames.

    Source: Gibbard 1973 (doi:10.2307/1914083).

    >>> from choicekit import sat
    >>> onto(sat.Choices(voters=1, alternatives="ab"))[0].literals.tolist()
    [[1, 3], [2, 4]]
    """
    _on("onto", frame, Choices)

    def tell(a: int) -> Instance:
        return Instance("onto", (), f"{frame.alternatives[a]} wins at some profile.")

    size = len(frame.alternatives)
    wins = frame.variable(np.arange(frame.profiles), np.arange(size)[:, None])
    return (Clauses("onto", _int32(wins), np.arange(size), tell),)


def unanimity(frame: Choices) -> tuple[Clauses, ...]:
    """An alternative that all voters put first wins.

    One clause for each profile at which all voters agree on the first. Raises ``TypeError`` for other frames.

    Source: Muller and Satterthwaite 1977 (doi:10.1016/0022-0531(77)90140-5).

    >>> from choicekit import sat
    >>> unanimity(sat.Choices(voters=2, alternatives="ab"))[0].literals.tolist()
    [[1], [8]]
    """
    _on("unanimity", frame, Choices)
    tops = frame.electorate.tops[frame.electorate.held]
    agreed = np.flatnonzero((tops == tops[:, :1]).all(1))

    def tell(profile: int) -> Instance:
        first = frame.alternatives[int(tops[profile, 0])]
        return Instance("unanimity", (profile,), f"At {frame.words(profile)} all put {first} first, so {first} wins.")

    return (Clauses("unanimity", _int32(frame.variable(agreed, tops[agreed, 0]))[:, None], agreed, tell),)


def _turned(frame: Choices) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """All turns of one voter to another ballot: profile, profile after, voter, ballot, ballot after."""
    electorate = frame.electorate
    kinds = len(electorate.ranks)
    before = np.repeat(np.arange(frame.profiles), electorate.voters * (kinds - 1))
    voter = np.tile(np.repeat(np.arange(electorate.voters), kinds - 1), frame.profiles)
    held = np.repeat(electorate.held.ravel(), kinds - 1).astype(np.int64)
    other = np.tile(np.arange(kinds - 1), frame.profiles * electorate.voters)
    other += other >= held
    return before, before + (other - held) * electorate.steps[voter], voter, held, other


def strategyproofness(frame: Choices) -> tuple[Clauses, ...]:
    """No voter can turn to another ballot and so bring about a winner they prefer.

    For each profile, voter and other ballot, and each x that the voter prefers to y: not y before and x after.
    Raises ``TypeError`` for other frames.

    Source: Gibbard 1973 (doi:10.2307/1914083); Satterthwaite 1975 (doi:10.1016/0022-0531(75)90050-2).

    >>> from choicekit import sat
    >>> [part] = strategyproofness(sat.Choices(voters=1, alternatives="ab"))
    >>> part.literals.tolist(), part.tell(0).sentence
    ([[-2, -3], [-3, -2]], 'At (ab) voter 1 does not gain by voting ba: the winner at (ba) is no better by ab.')
    """
    _on("strategyproofness", frame, Choices)
    electorate, size = frame.electorate, len(frame.alternatives)
    before, after, voter, held, other = _turned(frame)
    better, worse = np.array(list(itertools.combinations(range(size), 2)), np.int64).reshape(-1, 2).T
    orders = electorate.orders.astype(np.int32)
    literals = np.empty((len(before), len(better), 2), np.int32)
    literals[:, :, 0] = -frame.variable(before.astype(np.int32)[:, None], orders[:, worse][held])
    literals[:, :, 1] = -frame.variable(after.astype(np.int32)[:, None], orders[:, better][held])

    def tell(number: int) -> Instance:
        here, there, ballot = int(before[number]), int(after[number]), electorate.order(int(other[number]))
        words = (
            f"At {frame.words(here)} voter {voter[number] + 1} does not gain by voting {ballot}: the winner at "
            f"{frame.words(there)} is no better by {electorate.order(int(held[number]))}."
        )
        return Instance("strategyproofness", (here, there), words)

    marks = np.repeat(np.arange(len(before), dtype=np.int32), len(better))
    return (Clauses("strategyproofness", literals.reshape(-1, 2), marks, tell),)


def maskin_monotonicity(frame: Choices) -> tuple[Clauses, ...]:
    """A winner still wins when a voter turns to a ballot on which it is above all that it was above before.

    For each profile, voter, other ballot and such alternative x: x does not win before, or wins after. Turns of one
    voter suffice, since those of several follow. Raises ``TypeError`` for other frames.

    Source: Maskin 1999 (doi:10.1111/1467-937X.00076); Muller and Satterthwaite 1977
    (doi:10.1016/0022-0531(77)90140-5), who call it strong positive association.

    >>> from choicekit import sat
    >>> [part] = maskin_monotonicity(sat.Choices(voters=1, alternatives="ab"))
    >>> part.literals.tolist(), part.tell(int(part.instances[0])).sentence
    ([[-2, 4], [-3, 1]], 'If b wins at (ab), it wins at (ba) too, where voter 1 puts it above all that it was above.')
    """
    _on("maskin_monotonicity", frame, Choices)
    ranks, size = frame.electorate.ranks, len(frame.alternatives)
    above: NDArray[np.bool_] = ranks[:, :, None] < ranks[:, None, :]  # [ballot, x, y]: x above y
    kept = np.all(~above[:, None] | above[None], axis=3)  # [ballot, ballot after, x]
    before, after, voter, held, other = _turned(frame)
    turn, x = np.nonzero(kept[held, other])
    literals = np.stack([-frame.variable(before[turn], x), frame.variable(after[turn], x)], 1)

    def tell(mark: int) -> Instance:
        number, a = mark // size, frame.alternatives[mark % size]
        here, there = int(before[number]), int(after[number])
        words = (
            f"If {a} wins at {frame.words(here)}, it wins at {frame.words(there)} too, where voter "
            f"{voter[number] + 1} puts it above all that it was above."
        )
        return Instance("maskin_monotonicity", (here, there), words)

    return (Clauses("maskin_monotonicity", _int32(literals), turn * size + x, tell),)


def minimal_liberalism(frame: ChoiceSets) -> tuple[Clauses, ...]:
    """At least two voters are each decisive over some pair: of its two, the one they put below does not win.

    For each voter and pair, if the voter is decisive over it, then at each profile the alternative that they put below
    the other is no winner; and whichever one voter is left out, some other is decisive over some pair. Raises
    ``TypeError`` for other frames.

    Source: Sen 1970 (doi:10.1086/259614).

    >>> from choicekit import sat
    >>> decisive, two = minimal_liberalism(sat.ChoiceSets(voters=2, alternatives="ab"))
    >>> two.literals.tolist(), decisive.tell(0).sentence
    ([[10], [9]], 'If voter 1 decides between a and b, b does not win at (ab, ab).')
    """
    _on("minimal_liberalism", frame, ChoiceSets)
    voters, names, pairs = frame.electorate.voters, frame.alternatives, frame.pairs
    cells = voters * len(pairs)
    profiles, rows = np.arange(frame.profiles), []
    for voter, (number, (a, b)) in itertools.product(range(voters), enumerate(pairs)):
        lower = np.where(frame.electorate.above(a, b)[:, voter], b, a)
        decisive = np.full(frame.profiles, frame.decisive(voter, number))
        rows.append(np.stack([-decisive, -frame.variable(profiles, lower)], 1))

    def tell(mark: int) -> Instance:
        profile, (voter, number) = mark // cells, divmod(mark % cells, len(pairs))
        a, b = pairs[number]
        above = bool(frame.electorate.above(a, b)[profile, voter])
        words = (
            f"If voter {voter + 1} decides between {names[a]} and {names[b]}, {names[b if above else a]} does not win "
            f"at {frame.words(profile)}."
        )
        return Instance("minimal_liberalism", (profile,), words)

    def others(voter: int) -> Instance:
        return Instance("minimal_liberalism", (), f"Some voter other than voter {voter + 1} is decisive over a pair.")

    if not pairs:
        raise ValueError("minimal_liberalism: needed at least 2 alternatives to decide between, got 1")
    rights = np.stack(rows, 1).reshape(-1, 2)
    two = [
        [frame.decisive(v, p) for v in range(voters) if v != left for p in range(len(pairs))] for left in range(voters)
    ]
    return (
        Clauses("minimal_liberalism", _int32(rights), np.arange(len(rights)), tell),
        Clauses("minimal_liberalism", _int32(two).reshape(voters, -1), np.arange(voters), others),
    )


def condorcet(frame: Choices | Electorates) -> tuple[Clauses, ...]:
    """An alternative that beats every other by a strict majority wins, and alone.

    One clause for each profile that has such an alternative. Raises ``TypeError`` for other frames.

    Source: Condorcet 1785, Essai sur l'application de l'analyse.

    >>> from choicekit import sat
    >>> condorcet(sat.Choices(voters=2, alternatives="ab"))[0].literals.tolist()
    [[1], [8]]
    """
    _on("condorcet", frame, Choices, Electorates)
    if isinstance(frame, Electorates):
        margins = frame.margins
    else:
        margins = np.zeros((frame.profiles, len(frame.alternatives), len(frame.alternatives)), np.int64)
        for a, b in frame.electorate.pairs():
            margins[:, a, b] = 2 * frame.electorate.above(a, b).sum(1) - frame.electorate.voters
    profile, winner = np.nonzero((margins > 0).sum(2) == len(frame.alternatives) - 1)

    def tell(number: int) -> Instance:
        at, a = int(profile[number]), frame.alternatives[int(winner[number])]
        return Instance("condorcet", (at,), f"At {frame.words(at)} {a} beats every other alternative, so {a} wins.")

    literals = _int32(frame.variable(profile, winner))[:, None]
    return (Clauses("condorcet", literals, np.arange(len(profile)), tell),)


def participation(frame: Electorates) -> tuple[Clauses, ...]:
    """No voter does better by staying at home: who wins with their ballot is no worse by it than who wins without.

    For each profile of the frame, each ballot with which another of its profiles comes of it, and each x above y on
    the ballot: not x before and y after. Raises ``TypeError`` for other frames.

    Source: Moulin 1988 (doi:10.1016/0022-0531(88)90253-0).

    >>> import choicekit as ck
    >>> from choicekit import sat
    >>> frame = sat.Electorates([ck.Rankings.from_orders({"ab": 1}), ck.Rankings.from_orders({"ab": 1, "ba": 1})])
    >>> [part] = participation(frame)
    >>> part.literals.tolist(), part.tell(0).sentence
    ([[-2, -3]], 'A voter with ba who joins (1 ab) to make (1 ab, 1 ba) gets a winner no worse by ba.')
    """
    _on("participation", frame, Electorates)
    joined, size = frame.joined(), len(frame.alternatives)
    better, worse = np.array(list(itertools.combinations(range(size), 2)), np.int64).reshape(-1, 2).T
    before, ballot, after = joined.T
    literals = np.empty((len(joined), len(better), 2), np.int32)
    literals[:, :, 0] = -frame.variable(before[:, None], frame.orders[:, better][ballot])
    literals[:, :, 1] = -frame.variable(after[:, None], frame.orders[:, worse][ballot])

    def tell(number: int) -> Instance:
        here, kind, there = (int(value) for value in joined[number])
        order = frame.order(kind)
        words = (
            f"A voter with {order} who joins {frame.words(here)} to make {frame.words(there)} gets a winner no worse "
            f"by {order}."
        )
        return Instance("participation", (here, there), words)

    marks = np.repeat(np.arange(len(joined)), len(better))
    return (Clauses("participation", literals.reshape(-1, 2), marks, tell),)
