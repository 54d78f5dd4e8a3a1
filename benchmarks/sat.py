"""How far the impossibility theorems reach on one machine: ``python benchmarks/sat.py``.

Each instance in a process of its own: seconds to encode, to load the clauses into glucose4 through python-sat, to solve
with glucose4 and with cadical195 (proof logged), to make a certificate of glucose's proof and to check it; lemmas and
size of the certificate; peak memory. ``ratio`` is the time to encode over that of the quicker solver. A step that would
pass ``--limit`` seconds ends the instance.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import signal
import time
from typing import Any

from choicekit import sat
from choicekit.sat._solver import loaded

ARROW = [sat.weak_pareto, sat.independence_of_irrelevant_alternatives, sat.non_dictatorship]
GIBBARD = [sat.onto, sat.strategyproofness, sat.non_dictatorship]
MULLER = [sat.unanimity, sat.maskin_monotonicity, sat.non_dictatorship]
SEN = [sat.weak_pareto, sat.minimal_liberalism]
INSTANCES: list[tuple[str, Any, Any, int, int]] = [
    *(("Arrow", sat.Orderings, ARROW, 3, n) for n in range(2, 8)),
    ("Arrow", sat.Orderings, ARROW, 4, 2),
    ("Arrow", sat.Orderings, ARROW, 4, 3),
    ("Arrow", sat.Orderings, ARROW, 5, 2),
    *(("Arrow, pairwise", sat.PairwiseOrderings, ARROW, m, n) for m, n in ((3, 7), (5, 3), (6, 2))),
    *(
        ("Gibbard-Satterthwaite", sat.Choices, GIBBARD, m, n)
        for m, n in ((3, 2), (3, 3), (3, 4), (3, 5), (4, 2), (4, 3))
    ),
    *(("Muller-Satterthwaite", sat.Choices, MULLER, m, n) for m, n in ((3, 2), (4, 2), (4, 3))),
    *(("Sen", sat.ChoiceSets, SEN, m, n) for m, n in ((3, 2), (4, 2), (4, 3))),
]
HEAD = (
    f"{'instance':22} {'m,n':>4} {'variables':>9} {'clauses':>9} {'encode':>7} {'load':>7} {'glucose4':>8} "
    f"{'cadical195':>10} {'ratio':>7} {'certify':>8} {'lemmas':>6} {'bytes':>10} {'check':>7} {'MB':>6}"
)


class _TooLongError(Exception):
    pass


def _late(*_: object) -> None:
    raise _TooLongError


def timed(job: Any, limit: int) -> tuple[float, Any]:
    signal.alarm(limit)
    start = time.perf_counter()
    try:
        found = job()
    finally:
        signal.alarm(0)
    return time.perf_counter() - start, found


def solved(formula: sat.Formula, solver: str) -> tuple[float, float, list[str]]:
    """Seconds to load, seconds to solve, the proof."""
    start = time.perf_counter()
    with loaded(formula, solver, proof=True) as engine:
        load = time.perf_counter() - start
        assert not engine.solve()
        return load, time.perf_counter() - start - load, list(engine.get_proof())


def one(name: str, kind: Any, axioms: Any, m: int, n: int, limit: int) -> None:
    signal.signal(signal.SIGALRM, _late)
    sat.elaborate(sat.encode(sat.Choices(voters=1, alternatives=1), [sat.non_dictatorship]), ["0"])  # compiled
    start = time.perf_counter()
    formula = sat.encode(kind(voters=n, alternatives=m), axioms)
    encode = time.perf_counter() - start
    line = f"{name:22} {m},{n:<2} {formula.frame.variables:9,} {len(formula):9,} {encode:7.3f}"
    print(line, end=" ", flush=True)
    try:
        _, (load, glucose, proof) = timed(lambda: solved(formula, "glucose4"), limit)
        print(f"{load:7.3f} {glucose:8.3f}", end=" ", flush=True)
        _, (_, cadical, _) = timed(lambda: solved(formula, "cadical195"), limit)
        print(f"{cadical:10.3f} {encode / min(glucose, cadical):7.2f}", end=" ", flush=True)
        certify, lrat = timed(lambda: sat.elaborate(formula, proof), limit)
        print(f"{certify:8.3f} {lrat.count(chr(10)):6,} {len(lrat):10,}", end=" ", flush=True)
        check, right = timed(lambda: sat.refutes(formula, lrat), limit)
        assert right
        print(f"{check:7.3f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:6.0f}", flush=True)
    except _TooLongError:
        print(f"  over {limit} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=60)
    limit = parser.parse_args().limit
    print(HEAD, flush=True)
    for instance in INSTANCES:
        process = multiprocessing.get_context("spawn").Process(target=one, args=(*instance, limit))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
