"""Kemeny's rule beside the peers, in one run, as ratios: ``python benchmarks/kemeny.py``.

1,000 voters drawn from impartial culture (every order as likely as any other), where nothing decides an election
beforehand; the same ballots for all, three draws a size, the median counts. Each library starts from its own form of
the profile, made beforehand; ours starts from the ballots, so that counting them is inside. All are exact: corankco's
integer programmes (CBC, by PuLP; its own default needs CPLEX), pref_voting's search through all orders, which is run up
to 8 alternatives. The costs found are compared. Ours lists all best orders and all alternatives on top of one; corankco
is asked for one order.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

# first: OR-Tools, which it loads, and SciPy hold different releases of HiGHS, and in this order both find their own
from pref_voting import voting_methods  # isort: skip
from pref_voting.profiles import Profile  # isort: skip

import numpy as np
from corankco.algorithms.exact.exactalgorithmpulp import ExactAlgorithmPulp
from corankco.dataset import Dataset
from corankco.scoringscheme import ScoringScheme

import choicekit as ck
from choicekit.rules.medians import kemeny

VOTERS, DRAWS, BRUTE = 1_000, 3, 8
SCHEME = ScoringScheme([[0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]])


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = job()
    return time.perf_counter() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[7, 8, 10, 15, 20, 25])
    brute = getattr(voting_methods, "kemeny_young", None) or voting_methods.kemmeny_young
    kemeny(ck.Rankings([[0, 1, 2], [1, 2, 0], [2, 0, 1]]))
    kemeny(ck.Rankings(np.random.default_rng(0).random((10, 18)).argsort(1)))
    print(f"{VOTERS:,} voters, impartial culture; medians of {DRAWS} draws, in seconds\n")
    print(f"{'m':>3} {'choicekit':>10} {'corankco':>10} {'ratio':>7} {'pref_voting':>12} {'ratio':>7}")
    for size in parser.parse_args().sizes:
        ours, theirs, searched = [], [], []
        for draw in range(DRAWS):
            ranks = np.random.default_rng([size, draw]).random((VOTERS, size)).argsort(1)
            orders = np.argsort(ranks, axis=1).tolist()
            data = Dataset.from_raw_list([[{a} for a in order] for order in orders])
            seconds, mine = timed(lambda ranks=ranks: kemeny(ck.Rankings(ranks)))
            ours.append(seconds)
            seconds, found = timed(
                lambda data=data: ExactAlgorithmPulp().compute_consensus_rankings(data, SCHEME, True)
            )
            theirs.append(seconds)
            support = ck.Rankings(ranks).supports()
            shared = sum(min(support[a, b], support[b, a]) for a in range(size) for b in range(a))
            assert mine.optimal
            assert abs(found.kemeny_score - mine.cost - shared) < 1e-6
            if size <= BRUTE:
                profile = Profile(orders)
                seconds, winners = timed(lambda profile=profile: brute(profile))
                searched.append(seconds)
                assert sorted(winners) == sorted(mine.winners)
        a, b = statistics.median(ours), statistics.median(theirs)
        line = f"{size:>3} {a:>10.4f} {b:>10.3f} {b / a:>7.0f}"
        if searched:
            c = statistics.median(searched)
            line += f" {c:>12.3f} {c / a:>7.0f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
