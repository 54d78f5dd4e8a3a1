"""Axioms of rules that answer with a lottery: what a voter can gain by another ballot, or by staying away.

Probabilities, and sums of them, within 1e-6 are the same, as some rules find theirs by iterations. A rule whose
definition leaves several lotteries is judged by the one it answers with.
"""

from __future__ import annotations

from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import every_ballot, joined, lies, lifted, replaced, said, strict, voting
from choicekit.axioms._lotteries import TOLERANCE, best, dominates, duel, gains
from choicekit.axioms._readings import Ask, lottery
from choicekit.profiles import Rankings


@axiom(kind="neighbour", about=lottery, implies=("pc_strategyproofness", "monotonicity_of_lotteries"))
def sd_strategyproofness_strong(ask: Ask, profile: Rankings) -> Clash | None:
    """No voter, by another ballot, makes it likelier to get one of its k best alternatives, for any k.

    The lottery of the true ballot dominates that of every other ballot stochastically, whatever utilities the voter
    has. One voter of each row and all m! − 1 other ballots are looked at.

    Source: Gibbard 1977 (doi:10.2307/1911681).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(sd_strategyproofness_strong(rules.maximal_lottery, ck.Rankings.from_orders(["abc", "cab"])))
    maximal_lottery violates sd_strategyproofness_strong: a voter of a > b > c gets a or b by 0.166667 likelier if ...
    the ballots: (0.5, 0, 0.5)
      1: a > b > c
      1: c > a > b
    a voter of a > b > c casts b > a > c: (0.333333, 0.333333, 0.333333)
      1: b > a > c
      1: c > a > b
    """
    profile = strict(profile, "sd_strategyproofness_strong")
    truth = ask(profile)
    for _, ballot, other, changed in lies(profile, voting(profile, ask.voters_named)):
        lie = ask(changed)
        k, gain = _largest(gains(ballot, lie, truth))
        if gain > TOLERANCE:
            reason = f"{_set(profile, ballot, k)} by {gain:.6g} likelier if it casts {said(profile, other)}"
            reason = f"a voter of {said(profile, ballot)} gets {reason}"
            return Clash(reason, (profile, changed), ("the ballots", _instead(profile, ballot, other)))
    return None


@axiom(kind="neighbour", about=lottery)
def sd_strategyproofness_weak(ask: Ask, profile: Rankings) -> Clash | None:
    """No voter, by another ballot, gets a lottery that dominates that of its true ballot stochastically.

    The other lottery dominates if for every k it is at least as likely to give one of the k best, and likelier for
    some. One voter of each row and all m! − 1 other ballots are looked at.

    Source: Postlewaite and Schmeidler 1986 (Social Choice and Welfare 3).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> sd_strategyproofness_weak(rules.random_dictatorship, ck.Rankings.from_orders(["abc", "cab"])) is None
    True
    """
    profile = strict(profile, "sd_strategyproofness_weak")
    truth = ask(profile)
    for _, ballot, other, changed in lies(profile, voting(profile, ask.voters_named)):
        if dominates(ballot, ask(changed), truth):
            reason = f"a voter of {said(profile, ballot)} gets a lottery that is better for all its utilities"
            reason = f"{reason} if it casts {said(profile, other)}"
            return Clash(reason, (profile, changed), ("the ballots", _instead(profile, ballot, other)))
    return None


@axiom(kind="neighbour", about=lottery, implies=("sd_strategyproofness_weak",))
def pc_strategyproofness(ask: Ask, profile: Rankings) -> Clash | None:
    """No voter, by another ballot, gets a lottery that it likes better than that of its true ballot, pairwise compared.

    It likes q better than p if what q draws beats what p draws, drawn apart, more often than it loses to it, by more
    than 1e-6. One voter of each row and all m! − 1 other ballots are looked at.

    Source: Aziz, Brandl and Brandt 2015 (Journal of Mathematical Economics 60), for the preferences.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> pc_strategyproofness(rules.random_dictatorship, ck.Rankings.from_orders(["abc", "cab"])) is None
    True
    """
    profile = strict(profile, "pc_strategyproofness")
    truth = ask(profile)
    for _, ballot, other, changed in lies(profile, voting(profile, ask.voters_named)):
        gain = duel(ballot, ask(changed), truth)
        if gain > TOLERANCE:
            reason = f"a voter of {said(profile, ballot)} who casts {said(profile, other)} gets something better"
            reason = f"{reason} more often than something worse, by {gain:.6g}"
            return Clash(reason, (profile, changed), ("the ballots", _instead(profile, ballot, other)))
    return None


@axiom(kind="neighbour", about=lottery, implies=("pc_participation",))
def sd_participation_strong(ask: Ask, profile: Rankings) -> Clash | None:
    """No voter, by joining, makes it less likely to get one of its k best alternatives, for any k.

    One voter joins those of the profile, with each of the m! ballots.

    Source: Brandl, Brandt and Hofbauer 2019 (arXiv:1508.03538).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> sd_participation_strong(rules.random_dictatorship, ck.Rankings.from_orders(["abc", "cab"])) is None
    True
    """
    profile = strict(profile, "sd_participation_strong")
    away = ask(profile)
    for ballot in every_ballot(len(profile.alternatives)):
        larger = joined(profile, ballot)
        k, loss = _largest(gains(ballot, away, ask(larger)))
        if loss > TOLERANCE:
            reason = f"a voter of {said(profile, ballot)} gets {_set(profile, ballot, k)} by {loss:.6g} less likely"
            return Clash(f"{reason} by joining", (profile, larger), ("without that voter", "with that voter"))
    return None


@axiom(kind="neighbour", about=lottery)
def sd_participation_weak(ask: Ask, profile: Rankings) -> Clash | None:
    """No voter, by joining, leaves a lottery that dominates the new one stochastically.

    For such a voter every k would be at least as likely to give one of its k best without it, and some k likelier. One
    voter joins those of the profile, with each of the m! ballots.

    Source: Brandl, Brandt and Hofbauer 2019 (arXiv:1508.03538).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> sd_participation_weak(rules.maximal_lottery, ck.Rankings.from_orders(["abc", "cab"])) is None
    True
    """
    profile = strict(profile, "sd_participation_weak")
    away = ask(profile)
    for ballot in every_ballot(len(profile.alternatives)):
        larger = joined(profile, ballot)
        if dominates(ballot, away, ask(larger)):
            reason = f"a voter of {said(profile, ballot)} who joins leaves a lottery that was better for all its"
            return Clash(f"{reason} utilities", (profile, larger), ("without that voter", "with that voter"))
    return None


@axiom(kind="neighbour", about=lottery, implies=("sd_participation_weak",))
def pc_participation(ask: Ask, profile: Rankings) -> Clash | None:
    """No voter, by joining, leaves a lottery that it likes better than the new one, pairwise compared.

    It likes p better than q if what p draws beats what q draws, drawn apart, more often than it loses to it, by more
    than 1e-6. One voter joins those of the profile, with each of the m! ballots.

    Source: Brandl, Brandt and Hofbauer 2019 (arXiv:1508.03538).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> pc_participation(rules.maximal_lottery, ck.Rankings.from_orders(["abc", "cab"])) is None
    True
    """
    profile = strict(profile, "pc_participation")
    away = ask(profile)
    for ballot in every_ballot(len(profile.alternatives)):
        larger = joined(profile, ballot)
        loss = duel(ballot, away, ask(larger))
        if loss > TOLERANCE:
            reason = f"a voter of {said(profile, ballot)} who joins gets something worse than without it more often"
            reason = f"{reason} than something better, by {loss:.6g}"
            return Clash(reason, (profile, larger), ("without that voter", "with that voter"))
    return None


@axiom(kind="neighbour", about=lottery)
def monotonicity_of_lotteries(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that a voter lifts does not lose probability.

    One voter of each row lifts each alternative by one place; more places are more such steps.

    Source: Gibbard 1977 (doi:10.2307/1911681), where such a rule is called nonperverse.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> monotonicity_of_lotteries(rules.maximal_lottery, ck.Rankings.from_orders(["abc", "cab"])) is None
    True
    """
    profile = strict(profile, "monotonicity_of_lotteries")
    chances, labels = ask(profile), profile.alternatives
    for row in voting(profile, ask.voters_named):
        ballot = profile.ranks[row].tolist()
        for a, new in lifted(ballot):
            changed = replaced(profile, row, new)
            chance = ask(changed)[a]
            if chance < chances[a] - TOLERANCE:
                reason = f"{labels[a]} is lifted and falls from a chance of {chances[a]:.6g} to {chance:.6g}"
                caption = f"a voter of {said(profile, ballot)} lifts {labels[a]}"
                return Clash(reason, (profile, changed), ("the ballots", caption), (labels[a],))
    return None


def _largest(steps: list[float]) -> tuple[int, float]:
    """The first k of the largest gain of getting one of the k best, and that gain."""
    if not steps:
        return 0, 0.0
    k = max(range(len(steps)), key=steps.__getitem__)
    return k + 1, steps[k]


def _set(profile: Rankings, ballot: tuple[int, ...], k: int) -> str:
    return " or ".join(str(profile.alternatives[a]) for a in best(ballot, k))


def _instead(profile: Rankings, ballot: tuple[int, ...], other: tuple[int, ...]) -> str:
    return f"a voter of {said(profile, ballot)} casts {said(profile, other)}"
