"""Axioms beside pref_voting, in one run: ``python benchmarks/against.py axioms``.

Ours examines every anonymous profile of four alternatives and six voters (475,020 of them) from a table of winners; the
time is that of the table and of the whole scan, in which each profile's search ends at its first violation. pref_voting
answers ``has_violation`` on profiles drawn from the impartial culture, already built. Both are given a profile;
ratios compare the time for each. Everything is compiled before. ``--only`` names a job.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

warnings.simplefilter("ignore")

import pref_voting.voting_methods as pv
from pref_voting.monotonicity_axioms import has_monotonicity_violation
from pref_voting.profiles import Profile
from pref_voting.strategic_axioms import has_strategy_proofness_violation
from pref_voting.variable_voter_axioms import has_participation_violation

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms import _domains, _tabulation

#: The thirty rules of the table.
RULES: dict[str, Any] = {
    name: getattr(rules, name)
    for name in (
        "plurality", "veto", "borda", "dowdall", "instant_runoff", "two_round_runoff", "coombs", "baldwin", "nanson",
        "bucklin", "black", "condorcet_or_all", "copeland", "llull", "minimax", "kemeny", "slater", "schulze",
        "ranked_pairs", "river", "split_cycle", "stable_voting", "simple_stable_voting", "smith", "uncovered_set",
        "schwartz", "benham", "smith_irv", "tideman_alternative",
    )
} | {"two_approval": partial(rules.k_approval, k=2)}  # fmt: skip


def timed(work: Callable[[], Any], runs: int = 3) -> float:
    """Median seconds, compiled."""
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def drawn(profiles: int, voters: int, size: int) -> list[Any]:
    """Profiles as pref_voting has them."""
    found = np.argsort(np.random.default_rng(0).random((profiles, voters, size)), 2)
    return [Profile(each.tolist()) for each in found]


def beside_pref_voting(profiles: int) -> None:
    """Time for each profile at m = 4, n = 6."""
    joining = partial(has_participation_violation, violation_type="Addition")
    jobs = [
        ("monotonicity", axioms.monotonicity, has_monotonicity_violation),
        ("participation", axioms.participation_singleton, joining),
        ("strategyproofness", axioms.strategyproofness_singleton, has_strategy_proofness_violation),
    ]  # fmt: skip
    methods = {"borda": pv.borda, "instant_runoff": pv.instant_runoff_put, "copeland": pv.copeland}
    votes = drawn(profiles, 6, 4)
    total = _tabulation.size(4, 6)
    print(f"m = 4, n = 6: ours on all {total:,} anonymous profiles, pref_voting on {profiles}; µs a profile")
    for name, axiom, peer in jobs:
        for rule, method in methods.items():
            mine = getattr(rules, rule)

            def work(mine: Any = mine, axiom: Any = axiom) -> Any:
                return axiom.scan(_tabulation.Table(mine, True), 4, 6)

            own = timed(work) / total
            peer(votes[0], method)
            start = time.perf_counter()
            for profile in votes:
                peer(profile, method)
            theirs = (time.perf_counter() - start) / profiles
            print(f"  {name:20}{rule:16}{own * 1e6:10.3f}{theirs * 1e6:12.1f}{theirs / own:10.0f}×", flush=True)


def whole_table() -> None:
    """Thirty rules on the winner-set axioms that a table is scanned for."""
    chosen = [axiom for axiom in axioms.every_axiom() if axiom.scan is not None]
    print(f"{len(RULES)} rules × {len(chosen)} axioms of winners:")
    for round_ in ("with compilation", "compiled"):
        start = time.perf_counter()
        found: dict[str, int] = {}
        for rule in RULES.values():
            for m, n in ((3, 9), (4, 4)):
                for verdict in axioms.check(rule, chosen, voters=n, alternatives=m, budget=10**7):
                    found[verdict.status] = found.get(verdict.status, 0) + 1
        print(f"  m = 3, n ≤ 9 and m = 4, n ≤ 4: {time.perf_counter() - start:.1f} s {round_}  {found}", flush=True)


def far() -> None:
    """The first violation of monotonicity by instant runoff on four alternatives."""
    start = time.perf_counter()
    table = _tabulation.Table(rules.instant_runoff, True)
    wrong = axioms.monotonicity.scan(table, 4, 8)
    spent = time.perf_counter() - start
    print(f"instant runoff, monotonicity, m = 4, n = 8: {wrong.sum():,} of {len(wrong):,} profiles in {spent:.1f} s")


def own_function() -> None:
    """What checking a function of the user's costs beside its own calls."""
    borda: Callable[[ck.Rankings], Any]

    def borda(profile: ck.Rankings) -> set[Any]:
        points = dict.fromkeys(profile.alternatives, 0)
        for ballot in profile.ranks.tolist():
            for label, rank in zip(profile.alternatives, ballot, strict=True):
                points[label] -= rank
        return {label for label, sum_ in points.items() if sum_ == max(points.values())}

    wanted = [axioms.monotonicity, axioms.condorcet_loser, axioms.pareto, axioms.reversal_symmetry, axioms.cancellation]
    profiles = list(_domains.profiles("strict", 4, 5, True))[:20_000]
    seconds = timed(
        lambda: [borda(ck.Rankings._made(each._ranks, each.weights, each.alternatives)) for each in profiles]
    )
    each = seconds / len(profiles)
    asked = 0

    def counted(profile: ck.Rankings) -> set[Any]:
        nonlocal asked
        asked += 1
        return borda(profile)

    axioms.check(counted, wanted, voters=6, alternatives=4)
    whole = timed(lambda: axioms.check(borda, wanted, voters=6, alternatives=4))
    print(
        f"a Python rule: {asked:,} calls of {each * 1e6:.1f} µs = {asked * each:.2f} s, the check of "
        f"{len(wanted)} axioms {whole:.2f} s: {whole / (asked * each):.2f}×"
    )


JOBS: dict[str, Callable[[], None]] = {
    "peer": lambda: beside_pref_voting(100), "table": whole_table, "far": far, "function": own_function,
}  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=JOBS)
    only = parser.parse_args().only
    for name, job in JOBS.items():
        if only in (None, name):
            job()
