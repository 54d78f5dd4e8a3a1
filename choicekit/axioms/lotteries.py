"""Axioms of rules that answer with a lottery: efficiency, agreement, and what similar alternatives change.

They speak of the probabilities a rule gives. A rule whose definition leaves several lotteries, as maximal lotteries do
where margins tie (``Lottery.unique`` is false), is judged by the one it answers with, and may break axioms of
consistency that its set of lotteries satisfies. Probabilities within 1e-6 are the same,
as some rules find theirs by iterations.
"""

from __future__ import annotations

import itertools

import numpy as np

from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import casting, every_ballot, relabelled, restricted, said, strict, total
from choicekit.axioms._lotteries import (
    APART,
    TOLERANCE,
    apart,
    better_for_all,
    clone_sets,
    duel_rows,
    exchanges,
    prefix_rows,
    show,
    splits,
)  # fmt: skip
from choicekit.axioms._readings import Ask, lottery
from choicekit.profiles import Rankings


@axiom(kind="intra", about=lottery)
def ex_post_efficiency(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative has no chance if all voters prefer some other one to it.

    Where every ballot has a above b, p(b) is at most 1e-6.

    Source: Gibbard 1977 (doi:10.2307/1911681).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(ex_post_efficiency(rules.proportional_borda, ck.Rankings.from_orders({"abc": 1})))
    proportional_borda violates ex_post_efficiency: all prefer a to b, which has a chance of 0.333333
    the ballots: (0.666667, 0.333333, 0)
      1: a > b > c
    """
    profile = strict(profile, "ex_post_efficiency")
    ranks = profile.ranks[casting(profile)]
    chances, labels = ask(profile), profile.alternatives
    for a, b in itertools.permutations(range(len(labels)), 2):
        if chances[b] > TOLERANCE and (ranks[:, a] < ranks[:, b]).all():
            reason = f"all prefer {labels[a]} to {labels[b]}, which has a chance of {chances[b]:.6g}"
            return Clash(reason, (profile,), ("the ballots",), (labels[b],))
    return None


@axiom(kind="intra", about=lottery, implies=("ex_post_efficiency",))
def sd_efficiency(ask: Ask, profile: Rankings) -> Clash | None:
    """No other lottery is at least as likely to give each voter one of its k best, for every k, and likelier to one.

    Such a lottery dominates stochastically. A linear programme looks for the one with the largest sum of gains; it
    counts if some voter gains more than 1e-6 for some k, and nobody loses more than 1e-9.

    Source: Bogomolnaia and Moulin 2001 (doi:10.1006/jeth.2000.2710).

    Two pairs of voters agree on what they like beside their favourites, a and b, or c and d:

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> votes = ck.Rankings.from_orders(["acbd", "adbc", "bcad", "bdac"])
    >>> print(sd_efficiency(rules.proportional_borda, votes).reason)
    the lottery (0.5, 0.5, 0, 0) gives each voter one of its k best at least as likely, and some likelier, for all k
    """
    profile = strict(profile, "sd_efficiency")
    ballots = [tuple(profile.ranks[row].tolist()) for row in casting(profile)]
    found = better_for_all(prefix_rows(ballots), ask(profile))
    if found is None:
        return None
    reason = f"the lottery {show(found)} gives each voter one of its k best at least as likely, and some likelier"
    return Clash(f"{reason}, for all k", (profile,), ("the ballots",))


@axiom(kind="intra", about=lottery, implies=("sd_efficiency",))
def pc_efficiency(ask: Ask, profile: Rankings) -> Clash | None:
    """There is no other lottery q that no voter likes less, pairwise compared, than p, and that some like better.

    A voter likes q better if what q draws beats what p draws, drawn apart, more often than it loses to it. A linear
    programme looks for the largest sum of gains; q counts if some voter's gain is above 1e-6 and no loss above 1e-9.

    Source: Aziz, Brandl and Brandt 2015 (Journal of Mathematical Economics 60).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bca": 1})
    >>> pc_efficiency(rules.proportional_borda, votes).reason
    'each voter likes the lottery (0.375, 0.625, 0) at least as well, pairwise compared, and some like it better'
    """
    profile = strict(profile, "pc_efficiency")
    ballots = [tuple(profile.ranks[row].tolist()) for row in casting(profile)]
    chances = ask(profile)
    found = better_for_all(duel_rows(ballots, chances), chances)
    if found is None:
        return None
    reason = f"each voter likes the lottery {show(found)} at least as well, pairwise compared, and some like it better"
    return Clash(reason, (profile,), ("the ballots",))


@axiom(kind="intra", about=lottery)
def condorcet_lottery(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that beats every other by a majority has probability 1 (up to 1e-6).

    Source: Fishburn 1984 (doi:10.2307/2297786).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> condorcet_lottery(rules.random_dictatorship, ck.Rankings.from_orders({"ab": 2, "ba": 1})).reason
    'a beats every other alternative, and has a chance of only 0.666667'
    """
    profile = strict(profile, "condorcet_lottery")
    winner = profile.to_margins().condorcet_winner
    if winner is None:
        return None
    chance = ask(profile)[profile.alternatives.index(winner)]
    if chance >= 1 - TOLERANCE:
        return None
    reason = f"{winner} beats every other alternative, and has a chance of only {chance:.6g}"
    return Clash(reason, (profile,), ("the ballots",), (winner,))


@axiom(kind="intra", about=lottery)
def proportional_share(ask: Ask, profile: Rankings) -> Clash | None:
    """No alternative is less likely than the share of voters who have it on top.

    p(a) ≥ Σ_i w_i [a is on top of ballot i] / Σ_i w_i, less 1e-6. The shares add up to 1, so that on strict ballots
    random dictatorship alone satisfies it.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> proportional_share(rules.maximal_lottery, ck.Rankings.from_orders({"ab": 2, "ba": 1})).reason
    'a share of 0.333333 have b on top, which has a chance of only 0'
    """
    profile = strict(profile, "proportional_share")
    chances, voters = ask(profile), total(profile)
    for a, label in enumerate(profile.alternatives):
        share = float(profile.weights[profile.ranks[:, a] == 0].sum()) / voters if voters else 0.0
        if chances[a] < share - TOLERANCE:
            reason = f"a share of {share:.6g} have {label} on top, which has a chance of only {chances[a]:.6g}"
            return Clash(reason, (profile,), ("the ballots",), (label,))
    return None


@axiom(kind="intra", about=lottery)
def cancellation_of_lotteries(ask: Ask, profile: Rankings) -> Clash | None:
    """Where every two alternatives tie by majority, all are equally likely (up to 1e-6).

    Source: Young 1974 (doi:10.1016/0022-0531(74)90073-8), for sets of winners.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> cancellation_of_lotteries(rules.random_dictatorship, ck.Rankings.from_orders(["abc", "cba"])).reason
    'every two alternatives tie, and a has a chance of 0.5 among 3'
    """
    profile = strict(profile, "cancellation_of_lotteries")
    if np.abs(profile.to_margins().values).max() > TOLERANCE * total(profile):
        return None
    chances, even = ask(profile), 1 / len(profile.alternatives)
    for label, chance in zip(profile.alternatives, chances, strict=True):
        if abs(chance - even) > TOLERANCE:
            reason = f"every two alternatives tie, and {label} has a chance of {chance:.6g} among {len(chances)}"
            return Clash(reason, (profile,), ("the ballots",), (label,))
    return None


# --- Other electorates ----------------------------------------------------------------------------------------------


@axiom(kind="neighbour", about=lottery, anonymous=False)
def anonymity_of_lotteries(ask: Ask, profile: Rankings) -> Clash | None:
    """The lottery stays the same (up to 1e-6) when two voters exchange their ballots.

    Every two voters with different ballots are looked at; rows of a whole weight are as many voters, others are one,
    who keeps the weight with the ballot. Raises ``ValueError`` for more than 600 voters.

    >>> import choicekit as ck
    >>> def first(profile):
    ...     return ck.outcomes.Lottery(profile.alternatives, (profile.ranks[0] == 0) * 1.0)
    >>> anonymity_of_lotteries(first, ck.Rankings.from_orders(["ab", "ba"])).reason
    'when voters of a > b and b > a exchange their ballots, the lottery changes'
    """
    profile = strict(profile, "anonymity_of_lotteries")
    chances = ask(profile)
    for other, one, two in exchanges(profile):
        if apart(ask(other), chances) > TOLERANCE:
            reason = f"when voters of {said(profile, one)} and {said(profile, two)} exchange their ballots, the lottery"
            return Clash(f"{reason} changes", (profile, other), ("the ballots", "two ballots exchanged"))
    return None


@axiom(kind="neighbour", about=lottery)
def neutrality_of_lotteries(ask: Ask, profile: Rankings) -> Clash | None:
    """When the alternatives change names on every ballot, their probabilities move with them (up to 1e-6).

    All m! − 1 relabellings are looked at.

    >>> import choicekit as ck
    >>> def first(profile):
    ...     return ck.outcomes.Lottery(profile.alternatives, [1.0, 0.0])
    >>> neutrality_of_lotteries(first, ck.Rankings.from_orders(["ab"])).reason
    'when a, b are called b, a, what was a has a chance of 0 and not 1'
    """
    profile = strict(profile, "neutrality_of_lotteries")
    chances, labels = ask(profile), profile.alternatives
    for moves in every_ballot(len(labels))[1:]:
        other = relabelled(profile, moves)
        renamed = ask(other)
        for a, b in enumerate(moves):
            if abs(renamed[b] - chances[a]) > TOLERANCE:
                names = f"{', '.join(map(str, labels))} are called {', '.join(str(labels[each]) for each in moves)}"
                reason = f"when {names}, what was {labels[a]} has a chance of {renamed[b]:.6g} and not {chances[a]:.6g}"
                return Clash(reason, (profile, other), ("the ballots", "with other names"), (labels[a],))
    return None


@axiom(kind="global", about=lottery)
def population_consistency(ask: Ask, profile: Rankings) -> Clash | None:
    """A lottery that two electorates agree on is that of both together.

    All ways to split the profile into two electorates are looked at; they agree where their lotteries are within 1e-6,
    and the axiom is broken where that of both together differs by more than 1e-5. Raises ``ValueError`` for more than
    200,000 splits.

    Source: Brandl, Brandt and Seedig 2016 (arXiv:1503.00694), for rules that answer with sets of lotteries. Of
    several maximal lotteries the one of largest entropy may not be that of the union:

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bca": 1, "cab": 1, "cba": 2, "acb": 1, "bac": 1})
    >>> found = population_consistency(rules.maximal_lottery, votes)
    >>> found.reason
    'both electorates have the lottery (0.5, 0, 0.5), together they have (0.333333, 0.333333, 0.333333)'
    """
    profile = strict(profile, "population_consistency")
    chances = ask(profile)
    for one, other in splits(profile, "population_consistency"):
        first = ask(one)
        if apart(first, chances) > APART and apart(first, ask(other)) <= TOLERANCE:
            reason = f"both electorates have the lottery {show(first)}, together they have {show(chances)}"
            return Clash(reason, (profile, one, other), ("together", "one electorate", "the other"))
    return None


# --- Other agendas --------------------------------------------------------------------------------------------------


@axiom(kind="neighbour", about=lottery)
def agenda_consistency(ask: Ask, profile: Rankings) -> Clash | None:
    """A lottery on B ∩ C is that of the profile on all of B ∪ C if and only if it is that on B and that on C.

    Looked at for all alternatives and their subsets: if p gives no chance to alternatives outside B it is also the
    lottery when they are withdrawn; and if two smaller agendas that together hold all alternatives have one lottery,
    it is that of the profile. Equal is within 1e-6, different by more than 1e-5.

    Source: Sen 1971 (doi:10.2307/2296384), whose α and γ for sets of alternatives these two parts are.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> agenda_consistency(rules.proportional_borda, ck.Rankings.from_orders({"abc": 2, "bac": 1})).reason
    'c, which have no chance, are withdrawn, and the lottery changes'
    """
    profile = strict(profile, "agenda_consistency")
    chances, labels = ask(profile), profile.alternatives
    agendas = [part for size in range(2, len(labels)) for part in itertools.combinations(range(len(labels)), size)]
    parts = {part: restricted(profile, part) for part in agendas}
    spread = {part: tuple(_spread(ask(parts[part]), part, len(labels))) for part in agendas}
    for part in agendas:
        out = [a for a in range(len(labels)) if a not in part]
        if all(chances[a] <= TOLERANCE for a in out) and apart(spread[part], chances) > APART:
            reason = f"{', '.join(str(labels[a]) for a in out)}, which have no chance, are withdrawn, and the lottery"
            return Clash(f"{reason} changes", (profile, parts[part]), ("all alternatives", "without those"))
    for one, other in itertools.combinations(agendas, 2):
        agreed = len({*one, *other}) == len(labels) and apart(spread[one], spread[other]) <= TOLERANCE
        if agreed and apart(spread[one], chances) > APART:
            named = [", ".join(str(labels[a]) for a in part) for part in (one, other)]
            reason = f"the lottery is the same among {named[0]} as among {named[1]}, and another among all"
            captions = ("all alternatives", f"among {named[0]}", f"among {named[1]}")
            return Clash(reason, (profile, parts[one], parts[other]), captions)
    return None


@axiom(kind="neighbour", about=lottery)
def clone_consistency(ask: Ask, profile: Rankings) -> Clash | None:
    """When one of several clones withdraws, every alternative that is no clone keeps its probability.

    Clones are a set of at least two alternatives, not all, that stand next to each other on every ballot. All sets and
    all of their members are looked at; probabilities more than 1e-5 apart are different.

    Source: Brandl, Brandt and Seedig 2016 (arXiv:1503.00694), after Tideman 1987 (doi:10.1007/BF00433944).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> clone_consistency(rules.proportional_borda, ck.Rankings.from_orders({"abc": 1, "cab": 1})).reason
    'a and b are clones; when a withdraws, c goes from a chance of 0.333333 to 0.5'
    """
    profile = strict(profile, "clone_consistency")
    chances, labels = ask(profile), profile.alternatives
    for clones in clone_sets(profile, casting(profile)):
        for gone in clones:
            kept = [a for a in range(len(labels)) if a != gone]
            other = restricted(profile, kept)
            for a, chance in zip(kept, ask(other), strict=True):
                if a not in clones and abs(chance - chances[a]) > APART:
                    named = " and ".join(str(labels[each]) for each in clones)
                    change = f"{labels[a]} goes from a chance of {chances[a]:.6g} to {chance:.6g}"
                    reason = f"{named} are clones; when {labels[gone]} withdraws, {change}"
                    return Clash(reason, (profile, other), ("the ballots", f"without {labels[gone]}"), (labels[a],))
    return None


@axiom(kind="neighbour", about=lottery, implies=("clone_consistency",))
def composition_consistency(ask: Ask, profile: Rankings) -> Clash | None:
    """Clones share, by the lottery among themselves, what one of them would have had in the place of all.

    For a set C of clones (see :data:`clone_consistency`) and b in it, with p′ the lottery where C − b withdraws and r
    that among C alone: p(x) = p′(x) outside C and p(x) = p′(b) r(x) inside, up to 1e-5.

    Source: Laffond, Lainé and Laslier 1996 (Social Choice and Welfare 13), for lotteries Brandl, Brandt and Seedig 2016
    (arXiv:1503.00694).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> composition_consistency(rules.proportional_borda, ck.Rankings.from_orders({"abc": 1, "cab": 1})).reason
    'a and b are clones; b has a chance of 0.166667, not 0, its share of what a has alone'
    """
    profile = strict(profile, "composition_consistency")
    chances, labels = ask(profile), profile.alternatives
    for clones in clone_sets(profile, casting(profile)):
        among = restricted(profile, clones)
        shares = dict(zip(clones, ask(among), strict=True))
        for head in clones:
            kept = [a for a in range(len(labels)) if a == head or a not in clones]
            other = restricted(profile, kept)
            whole = dict(zip(kept, ask(other), strict=True))
            for a, label in enumerate(labels):
                wanted = whole[head] * shares[a] if a in clones else whole[a]
                if abs(chances[a] - wanted) > APART:
                    named = " and ".join(str(labels[each]) for each in clones)
                    due = (
                        f"its share of what {labels[head]} has alone" if a in clones else "what it has with one of them"
                    )
                    reason = f"{named} are clones; {label} has a chance of {chances[a]:.6g}, not {wanted:.6g}, {due}"
                    captions = ("the ballots", f"{labels[head]} for all clones", "among the clones")
                    return Clash(reason, (profile, other, among), captions, (label,))
    return None


def _spread(chances: tuple[float, ...], part: tuple[int, ...], size: int) -> list[float]:
    """A lottery among some alternatives as one among all."""
    found = [0.0] * size
    for a, chance in zip(part, chances, strict=True):
        found[a] = chance
    return found
