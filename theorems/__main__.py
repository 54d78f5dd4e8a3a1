"""``python -m theorems``: run the claims of all theorem files, or of those named, and print the table."""

from __future__ import annotations

import argparse
import difflib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from theorems import _table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m theorems",
        description=(
            "Check theorems of social choice and alignment to the scope that each file states, and print a table: "
            "theorem, scope, method, verdict, seconds. The exit code is 1 if a claim fails."
        ),
    )
    parser.add_argument("names", nargs="*", metavar="name", help="theorem files such as may_1952 (default: all)")
    parser.add_argument(
        "--explain", action="store_true", help="say what each claim checks, and print the clash or the example itself"
    )
    return parser


def explained(row: _table.Row) -> str:
    """The statement, the source, the scope, each claim with its verdict, and the file's own explanation."""
    if row.theorem is None:
        return f"{row.name}: {row.broken}"
    theorem = row.theorem
    lines = [theorem.name, ""]
    for text in (theorem.statement, *theorem.more):
        lines += [*_table.wrapped(text), ""]
    for word, text in (("Source", theorem.source), ("Scope", theorem.scope), ("Method", ", ".join(theorem.method))):
        lines += _table.wrapped(f"{word}: {text}", later="  ")
    lines.append("")
    for claim in row.claims:
        verdict = "holds" if claim.failure is None else "FAILS"
        lines += _table.wrapped(f"[{verdict}, {claim.seconds:.2f} s] {claim.says}", later="  ")
        lines += _table.wrapped(claim.failure or "", "    ")
    if theorem.explain is not None:
        lines += ["", theorem.explain().rstrip()]
    return "\n".join(lines)


def _asked(parser: argparse.ArgumentParser, names: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """The names given, each of which must be known, or all."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            parser.error(f"no theorem file is called {name!r}; {hint}")
    return names or known


def main(arguments: Sequence[str] | None = None, *, folder: Path = _table.HERE) -> int:
    """Run the claims of a folder of theorem files; 0 where all hold, 1 where one fails."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not __debug__:
        parser.error("claims are assertions, which python -O leaves out; run it without -O")
    start, rows = time.perf_counter(), []
    for name in _asked(parser, given.names, _table.names(folder)):
        rows.append(_table.row(name, folder))
        if given.explain:
            print(explained(rows[-1]), end="\n\n", flush=True)
    if not given.explain:
        _table.show(rows)
    wrong = _table.failures(rows)
    claims = sum(len(row.claims) for row in rows)
    held = claims - sum(claim.failure is not None for row in rows for claim in row.claims)
    theorems = f"{len(rows)} theorem{'s' * (len(rows) != 1)}"
    told = "1 claim holds" if claims == 1 else f"{claims} claims hold"
    print(f"{theorems}, {held} of {told}, {time.perf_counter() - start:.1f} s")
    for line in wrong:
        print(f"FAILS: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
