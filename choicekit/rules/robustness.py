"""How few voters could have changed the winners, where that can be known, and how often a resample changes them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.outcomes import TIE_TOLERANCE, Labels, NotConverged
from choicekit.profiles import Approvals, Rankings, Utilities
from choicekit.rules._rule import Floats, Profile, Rule

#: A rule, a rule with options (``functools.partial``), or any function of a profile.
Choice: TypeAlias = Callable[..., Any]
Ballots: TypeAlias = Rankings | Utilities | Approvals

# Rules that add up points for places, averaged over those level on a ballot, and the options that keep them so.
_POSITIONAL = frozenset({"plurality", "veto", "borda", "k_approval", "dowdall", "positional"})
_POINTS = frozenset({"k", "points"})
# Rules that elect the Condorcet winner alone where there is one, under options that leave it at that.
_CONDORCET = frozenset({
    "baldwin", "banks", "benham", "bipartisan_set", "black", "condorcet_or_all", "copeland", "essential_set",
    "kemeny", "llull", "maximal_lottery", "minimax", "minimax_winning_votes", "nanson", "ranked_pairs", "river",
    "schulze", "schulze_winning_votes", "schwartz", "simple_stable_voting", "slater", "smith", "smith_irv",
    "split_cycle", "stable_voting", "tideman_alternative", "uncovered_set", "weak_condorcet_winners",
})  # fmt: skip
_HARMLESS = frozenset({"unranked", "ties", "budget", "orders", "limit", "time_limit"})
# How many ballot entries are scored at once.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Robustness:
    """How firm the winners are, and how that is known.

    ``kind`` is "exact" (``voters`` is the smallest number of voters whose change of ballot changes the set of winners;
    ``None``: no change does), "at least" (``voters`` is proved to be too few by one or exact; ``at_most`` is a number
    that was found to be enough), "bootstrap" (``share`` of ``replicates`` resamples of the voters have the same set of
    winners, ``interval`` is Wilson's at the level asked for) or "unknown" (``note`` says why). ``of`` is how many
    voters there are; in a bootstrap from weights that are no whole numbers, how many were drawn each time.

    >>> str(Robustness("exact", voters=8, of=100)), str(Robustness("at least", voters=8, at_most=9, of=100))
    ('exact: 8 of 100 voters', 'at least 8, at most 9 of 100 voters')
    """

    kind: Literal["exact", "at least", "bootstrap", "unknown"]
    voters: int | None = None
    at_most: int | None = None
    share: float | None = None
    interval: tuple[float, float] | None = None
    replicates: int = 0
    of: int | None = None
    note: str = ""

    def __str__(self) -> str:
        if self.kind == "exact":
            return "exact: no change of ballots" if self.voters is None else f"exact: {self.voters} of {self.of} voters"
        if self.kind == "at least":
            most = "" if self.at_most is None else f", at most {self.at_most}"
            return f"at least {self.voters}{most} of {self.of} voters"
        if self.share is None or self.interval is None:
            return f"unknown: {self.note}"
        low, high = self.interval
        return f"bootstrap: same in {self.share:.0%} of {self.replicates} resamples ({low:.0%} to {high:.0%})"


def margin_of_victory(
    profile: Profile,
    rule: Choice,
    *,
    replicates: int = 200,
    rng: int | np.random.Generator | None = None,
    level: float = 0.95,
) -> Robustness:
    """The smallest number of voters whose change of ballot changes the set of winners, where it can be known.

    Ballots are to be counted: each weight a whole number, that many voters with the ballot.

    * Exact for plurality, veto, Borda, k-approval, Dowdall and positional rules on rankings (or utilities, of which
      they see the rankings), and for approval on approvals. Where a alone wins, a rival c catches up with the k voters
      that can do most, each of whom goes over to a ballot with c on the best place and a on the worst; the smallest k
      over all rivals is the answer. Where several win, one voter is enough.
    * For a rule that elects the Condorcet winner, where there is one, alone: at least half the smallest of its
      margins, because a voter changes a margin by 2 at most. Trial shows for how many voters the answer does change
      when they all put the same rival first and the winner last; where that is the lower bound it is exact.
    * Otherwise, and for weights that are no whole numbers, the share of ``replicates`` resamples of the voters that
      have the same winners. A resample draws, by weight and with replacement, as many voters as there are; from
      real weights, Kish's effective number (Σw)²/Σw². Resamples that the rule refuses do not count.

    ``rule`` is one of this package, one with options (``functools.partial(rules.k_approval, k=2)``) or any function
    of a profile that gives an outcome. Comparisons and margins hold no ballots: unknown. Raises ``TypeError`` where the
    profile does not hold what the rule needs, and ``ValueError`` for a negative number of replicates or a level
    outside (0, 1).

    Source: Xia 2012 (doi:10.1145/2229012.2229086), Magrino, Rivest, Shen and Wagner 2011, Cary 2011; Wilson 1927
    (doi:10.1080/01621459.1927.10502953); Kish 1965.

    >>> from choicekit import rules
    >>> votes = Rankings.from_orders({"abc": 5, "bca": 2, "cab": 2})
    >>> print(margin_of_victory(votes, rules.plurality))      # 5 : 2, so that 2 going over make 3 : 4
    exact: 2 of 9 voters
    >>> print(margin_of_victory(votes, rules.copeland))      # a is a majority's first: 7 : 2 against b, 5 : 4 against c
    exact: 1 of 9 voters
    """
    checked(replicates, level)
    expected = winners_of(rule(profile))
    known = proved(profile, rule, expected)
    if known is not None:
        return known
    return bootstrap(profile, [(rule, expected)], replicates, np.random.default_rng(rng), level)[0]


def winners_of(outcome: Any) -> Labels:
    """The winners that an outcome names.

    >>> from choicekit import rules
    >>> winners_of(rules.plurality(Rankings.from_orders(["ab"])))
    ('a',)
    """
    found = getattr(outcome, "winners", None)
    if not isinstance(found, tuple):
        raise TypeError(
            f"needed an outcome with winners (Scores, Winners, Orders, Lottery, Committees), got "
            f"{type(outcome).__name__}"
        )
    return found


def taken_apart(rule: Choice) -> tuple[Choice, dict[str, Any]]:
    """The function under ``functools.partial``, and the keyword options it is called with.

    >>> taken_apart(functools.partial(max, default=1))
    (<built-in function max>, {'default': 1})
    """
    options: dict[str, Any] = {}
    while isinstance(rule, functools.partial) and not rule.args:
        options = {**rule.keywords, **options}
        rule = rule.func
    return rule, options


def proved(profile: Profile, rule: Choice, expected: Labels) -> Robustness | None:
    """What can be said for certain, if anything; ``expected`` are the winners.

    >>> proved(Rankings.from_orders(["ab", "ba"]), lambda profile: None, ("a", "b")) is None
    True
    """
    function, options = taken_apart(rule)
    if not isinstance(profile, Rankings | Utilities | Approvals) or not isinstance(function, Rule):
        return None
    if not (profile.weights == np.floor(profile.weights)).all():
        return None
    name = getattr(function, "__name__", "")
    if not getattr(function, "__module__", "").startswith("choicekit.rules."):
        return None
    if len(profile.alternatives) == 1:
        return Robustness("exact", of=int(profile.weights.sum()))
    if name in _POSITIONAL and options.keys() <= _POINTS and not isinstance(profile, Approvals):
        return _by_points(profile, function, options, expected)
    if name == "approval" and not options and isinstance(profile, Approvals):
        return _smallest(profile.values.astype(np.float64), profile.weights, 1.0, profile.alternatives, expected)
    if name in _CONDORCET and options.keys() <= _HARMLESS:
        return _by_margins(profile, rule, options, expected)
    return None


def _by_points(
    profile: Rankings | Utilities, rule: Rule[Any], options: Mapping[str, Any], expected: Labels
) -> Robustness | None:
    """The exact number for a rule that adds up what each ballot gives."""
    votes = _merged(_rankings(profile))
    rows, size = votes._ranks.shape
    points = rule.batch(np.arange(size)[None, None], **options)[0]
    given = np.zeros((rows, size))
    step = max(1, _BLOCK // size**2)
    for start in range(0, rows, step):
        given[start : start + step] = rule.batch(votes._ranks[start : start + step, None], **options)
    return _smallest(given, votes.weights, float(points.max() - points.min()), votes.alternatives, expected)


def _smallest(given: Floats, weights: Floats, most: float, alternatives: Labels, expected: Labels) -> Robustness | None:
    """The smallest number of voters, of whom each gives ``given[n, m]`` points and can give c ``most`` more than a."""
    totals, voters = weights @ given, int(weights.sum())
    slack = TIE_TOLERANCE * float(np.abs(totals).max())
    best = np.flatnonzero(totals >= totals.max() - slack)
    if tuple(alternatives[a] for a in best) != expected:
        return None
    if most <= 0:
        return Robustness("exact", of=voters)
    if len(best) > 1:
        return Robustness("exact", voters=1, of=voters)
    winner = int(best[0])
    fewest = min(
        _enough(most - (given[:, rival] - given[:, winner]), weights, float(totals[winner] - totals[rival]) - slack)
        for rival in range(len(alternatives))
        if rival != winner
    )
    return Robustness("exact", voters=fewest, of=voters)


def _enough(gains: Floats, weights: Floats, lead: float) -> int:
    """How many voters, those who gain most first, make up a lead."""
    order = np.argsort(-gains)[: int((gains > 0).sum())]
    gained = np.cumsum(gains[order] * weights[order])
    last = min(int(np.searchsorted(gained, lead)), len(gained) - 1)
    before = float(gained[last - 1]) if last else 0.0
    people = float(weights[order][:last].sum())
    return int(people) + max(0, int(np.ceil((lead - before) / float(gains[order[last]]) - 1e-9)))


def _by_margins(profile: Ballots, rule: Choice, options: Mapping[str, Any], expected: Labels) -> Robustness | None:
    """A bound for a rule that elects the Condorcet winner, if there is one and it did."""
    votes = _rankings(profile)
    margins = votes.to_margins(options.get("unranked", "below"))
    winner = margins.condorcet_winner
    if winner is None or expected != (winner,):
        return None
    a, voters = votes.alternatives.index(winner), int(votes.weights.sum())
    leads = np.delete(margins.values[a], a)
    rivals = np.delete(np.arange(len(votes.alternatives)), a)
    fewest = int(np.ceil(leads.min() / 2))
    found = None
    if not isinstance(profile, Approvals):
        found = _trial(_merged(votes), rule, a, rivals[np.argsort(leads, kind="stable")], fewest, expected)
    if found == fewest:
        return Robustness("exact", voters=fewest, of=voters)
    return Robustness("at least", voters=fewest, at_most=found, of=voters)


def _trial(
    votes: Rankings, rule: Choice, winner: int, rivals: NDArray[np.int64], fewest: int, expected: Labels
) -> int | None:
    """A number of voters whose going over to a rival is seen to change the winners."""

    def changes(rival: int, voters: int) -> bool:
        return winners_of(rule(_gone_over(votes, winner, rival, voters))) != expected

    try:
        if any(changes(int(rival), fewest) for rival in rivals[:4]):
            return fewest
        low, high = fewest, int(votes.weights.sum())
        if not changes(int(rivals[0]), high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if changes(int(rivals[0]), middle) else (middle, high)
    except (ValueError, NotConverged):
        return None
    return high


def _gone_over(votes: Rankings, winner: int, rival: int, voters: int) -> Rankings:
    """The ballots after that many voters have put the rival first and the winner last, those who gain most first."""
    ranks, weights = votes.ranks, votes.weights.copy()
    places = np.where(ranks < 0, ranks.max() + 1, ranks)
    order = np.argsort(np.sign(places[:, winner] - places[:, rival]), kind="stable")
    gone = np.clip(voters - (np.cumsum(weights[order]) - weights[order]), 0, weights[order])
    weights[order] -= gone
    changed = places[order][gone > 0] + 1
    changed[:, rival] = 0
    changed[:, winner] = changed.max(initial=0) + 1
    both = np.vstack([ranks[weights > 0], changed])
    return Rankings(both, np.concatenate([weights[weights > 0], gone[gone > 0]]), votes.alternatives)


def bootstrap(
    profile: Profile,
    choices: list[tuple[Choice, Labels]],
    replicates: int,
    rng: np.random.Generator,
    level: float,
) -> list[Robustness]:
    """For each rule with its winners, how many resamples of the voters have the same; all rules see the same ones.

    >>> from choicekit import rules
    >>> votes = Rankings.from_orders({"ab": 9})
    >>> print(bootstrap(votes, [(rules.plurality, ("a",))], 20, np.random.default_rng(0), 0.95)[0])
    bootstrap: same in 100% of 20 resamples (84% to 100%)
    """
    if not isinstance(profile, Rankings | Utilities | Approvals):
        kind = type(profile).__name__
        return [Robustness("unknown", note=f"{kind} hold no ballots") for _ in choices]
    if not replicates:
        return [Robustness("unknown", note="no resamples were asked for") for _ in choices]
    same, tried = [0] * len(choices), [0] * len(choices)
    drawn = _voters(profile.weights)
    for resample in _resamples(profile, drawn, replicates, rng):
        for position, (rule, expected) in enumerate(choices):
            try:
                found = winners_of(rule(resample))
            except (ValueError, NotConverged):
                continue
            tried[position] += 1
            same[position] += found == expected
    return [_wilson(*counts, drawn, level) for counts in zip(same, tried, strict=True)]


def _resamples(profile: Ballots, drawn: int, replicates: int, rng: np.random.Generator) -> Iterator[Ballots]:
    """The profile with other weights: how often each ballot was drawn. Equal rankings are put together first."""
    kept: Ballots = _merged(profile) if isinstance(profile, Rankings) else profile
    chances = kept.weights / kept.weights.sum()
    for _ in range(replicates):
        weights = rng.multinomial(drawn, chances)
        if isinstance(kept, Rankings):
            there = weights > 0
            yield Rankings(kept._ranks[there], weights[there], kept.alternatives)
        else:  # rows stay, since options may speak of them
            yield type(kept)(kept.values, weights, kept.alternatives)


def _voters(weights: Floats) -> int:
    """How many voters the weights stand for."""
    total = float(weights.sum())
    if (weights == np.floor(weights)).all():
        return int(total)
    return max(1, round(total**2 / float((weights**2).sum())))


def _wilson(same: int, tried: int, drawn: int, level: float) -> Robustness:
    if not tried:
        return Robustness("unknown", note="the rule refused every resample")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = same / tried
    centre = (share + z**2 / (2 * tried)) / (1 + z**2 / tried)
    half = z * float(np.sqrt(share * (1 - share) / tried + z**2 / (4 * tried**2))) / (1 + z**2 / tried)
    interval = (max(0.0, centre - half), min(1.0, centre + half))
    return Robustness("bootstrap", share=share, interval=interval, replicates=tried, of=drawn)


def _rankings(profile: Ballots) -> Rankings:
    return profile if isinstance(profile, Rankings) else profile.to_rankings()


def _merged(votes: Rankings) -> Rankings:
    """The same ballots with equal rows put together, of voters with weight."""
    there = votes.weights > 0
    rows, owner = np.unique(votes._ranks[there], axis=0, return_inverse=True)
    return Rankings(rows, np.bincount(owner.reshape(-1), weights=votes.weights[there]), votes.alternatives)


def checked(replicates: int, level: float) -> None:
    """Refuse a negative number of resamples and a level that is none.

    >>> checked(-1, 0.95)
    Traceback (most recent call last):
        ...
    ValueError: replicates: needed a number of at least 0, got -1
    """
    if replicates < 0:
        raise ValueError(f"replicates: needed a number of at least 0, got {replicates!r}")
    if not 0 < level < 1:
        raise ValueError(f"level: needed a probability between 0 and 1, got {level!r}")
