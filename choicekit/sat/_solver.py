"""The one door to python-sat."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from choicekit.sat.formulas import Formula

#: The solvers that log a proof which can be checked.
PROVERS = ("glucose4", "glucose42", "glucose3", "cadical195", "cadical153", "cadical103")


def _opened(name: str, **settings: Any) -> Any:
    if name not in PROVERS:
        raise ValueError(f"solver: needed one of {', '.join(PROVERS)}, which log proofs; got {name!r}")
    try:
        from pysat.solvers import Solver  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError(
            "deciding needs python-sat: pip install 'choicekit[sat]' (checking certificates does not)"
        ) from None
    return Solver(name=name, **settings)


def loaded(formula: Formula, name: str, proof: bool) -> Any:
    """A solver that holds the formula."""
    solver = _opened(name, with_proof=proof)
    for block in formula.blocks():
        solver.append_formula(block)
    return solver


def selecting(clauses: Iterable[list[int]]) -> Any:
    """A solver for clauses that are asked about again and again under assumptions."""
    solver = _opened("glucose4", incr=True)
    solver.append_formula(list(clauses))
    return solver


def release() -> str:
    """The name and version of the library."""
    return f"python-sat {version('python-sat')}"
