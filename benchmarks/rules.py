"""Rules beside pref_voting, svvamp, elsim and VoteKit, in one run: ``python benchmarks/against.py rules``.

The data are impartial cultures as arrays of ranks. Ours is run at least five times and the median counts; a peer is run
once on as many profiles as named and its time multiplied. Everything is compiled before. ``--only`` names a job.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# svvamp imports it for its plots; it does not load beside a current matplotlib.
sys.modules["tikzplotlib"] = types.ModuleType("tikzplotlib")
warnings.simplefilter("ignore")

import elsim.methods as elsim
import pref_voting.voting_methods as pv
import svvamp
from pref_voting.profiles import Profile

import choicekit as ck
from choicekit import rules

Ints = NDArray[np.int64]
RUNS, PATIENCE = 7, 10


def orders(profiles: int, voters: int, size: int) -> tuple[Ints, Ints]:
    """Ranks ``[b, n, m]`` and the same ballots as orders, best first."""
    best_first = np.argsort(np.random.default_rng(0).random((profiles, voters, size)), 2)
    return np.argsort(best_first, 2), best_first


def ours(work: Callable[[], Any]) -> float:
    """Median seconds, compiled."""
    work()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def theirs(work: Callable[[Any], Any], given: Iterable[Any], scale: float = 1.0) -> float:
    """Seconds for one pass over the profiles, times the scale; a call longer than the patience is stopped."""
    given = list(given)

    def stop(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    spent = 0.0
    for index, each in enumerate([given[0], *given]):
        start = time.perf_counter()
        signal.alarm(PATIENCE)
        try:
            work(each)
        except TimeoutError:
            print(f"    (stopped after {PATIENCE} s)", flush=True)
        finally:
            signal.alarm(0)
        spent += (time.perf_counter() - start) * (index > 0)
    return spent * scale


def line(name: str, seconds: float, base: float, note: str = "") -> None:
    print(f"  {name:44}{seconds:11.5f} s{seconds / base:10.1f}×  {note}", flush=True)


def svvamp_profile(ranks: Ints) -> Any:
    return svvamp.Profile(preferences_rk=np.argsort(ranks, 1))


def four() -> None:
    ranks, order = orders(10_000, 101, 5)
    print("\n10,000 profiles × 101 voters × 5 alternatives: plurality, Borda, Copeland, Condorcet winner, from ranks")

    def all_four() -> None:
        many = ck.Batch(ranks)
        for rule in (rules.plurality, rules.borda, rules.copeland, rules.condorcet_or_all):
            rule.batch(many)

    def tallies() -> None:
        many = ck.Batch(ranks)
        many.margins()
        many.first_places()

    base = ours(all_four)
    line("choicekit, all four", base, base)
    line("choicekit, tallying alone", ours(tallies), base)
    some = order[:1000]
    fastest: dict[str, float] = {}

    def peer(rule: str, name: str, seconds: float, note: str = "") -> None:
        fastest[rule] = min(seconds, fastest.get(rule, np.inf))
        line(f"{name}, {rule}", seconds, base, note)

    for rule, work in {"plurality": elsim.fptp, "Borda": elsim.borda, "Condorcet winner": elsim.condorcet}.items():
        peer(rule, "elsim", theirs(work, some, 10), "1,000 profiles timed")
    for rule, made in {
        "plurality": lambda p: svvamp.RulePlurality()(p).w_, "Borda": lambda p: svvamp.RuleBorda()(p).w_,
        "Copeland": lambda p: svvamp.RuleCopeland()(p).w_,
        "Condorcet winner": lambda p: p.condorcet_winner_rk,
    }.items():  # fmt: skip
        peer(rule, "svvamp", theirs(lambda r, made=made: made(svvamp_profile(r)), ranks[:500], 20), "profiles built")
    profiles = [Profile(each.tolist()) for each in order[:500]]
    for rule, work in {
        "plurality": pv.plurality, "Borda": pv.borda, "Copeland": pv.copeland, "Condorcet winner": pv.condorcet,
    }.items():  # fmt: skip
        peer(rule, "pref_voting", theirs(work, profiles, 20), "profiles not built in this time")
    line("the fastest of each rule, together", sum(fastest.values()), base)


def others() -> None:
    ranks, order = orders(10_000, 101, 5)
    print("\nthe same profiles, other rules, from ranks; 100 profiles of pref_voting timed")
    some = order[:100]
    building = theirs(lambda each: Profile(each.tolist()), some, 100)
    profiles = [Profile(each.tolist()) for each in some]
    line("pref_voting, building its profiles", building, building)
    for rule, work in {
        rules.schulze: pv.beat_path, rules.ranked_pairs: pv.ranked_pairs_tb,
        rules.instant_runoff: pv.instant_runoff_put,
        rules.minimax: pv.minimax, rules.split_cycle: pv.split_cycle, rules.baldwin: pv.baldwin,
    }.items():  # fmt: skip
        base = ours(lambda rule=rule: rule.batch(ck.Batch(ranks)))
        line(f"choicekit, {rule.__name__}", base, base)
        alone = theirs(work, profiles, 100)
        line(f"pref_voting, {work.name}, building included", alone + building, base, f"rule alone {alone / base:.0f}×")


def large() -> None:
    ranks, order = orders(1, 100_000, 50)
    print("\n100,000 voters × 50 alternatives: the profile built, then Borda, Copeland, Schulze, ranked pairs")
    four_rules = (rules.borda, rules.copeland, rules.schulze, rules.ranked_pairs)

    def everything() -> None:
        profile = ck.Rankings(ranks[0])
        for rule in four_rules:
            rule(profile)

    base = ours(everything)
    line("choicekit", base, base)

    def by_svvamp(given: Ints) -> None:
        profile = svvamp_profile(given)
        for rule in (svvamp.RuleBorda, svvamp.RuleCopeland, svvamp.RuleSchulze, svvamp.RuleRankedPairs):
            _ = rule()(profile).w_

    def by_pref_voting(given: Ints) -> None:
        profile = Profile(given.tolist())
        for rule in (pv.borda, pv.copeland, pv.beat_path, pv.ranked_pairs_tb):
            rule(profile)

    global PATIENCE
    PATIENCE = 300
    line("svvamp", theirs(by_svvamp, ranks), base)
    line("pref_voting", theirs(by_pref_voting, order), base, "ranked pairs by a fixed order")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["four", "others", "large"])
    given, _ = parser.parse_known_args()
    for name, part in {"four": four, "others": others, "large": large}.items():
        if given.only in (None, name):
            part()


if __name__ == "__main__":
    main()
