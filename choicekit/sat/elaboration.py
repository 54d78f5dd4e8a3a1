"""From what a solver logged to a proof that says why each step follows, without the steps that are not needed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from choicekit.kernels.resolution import justify
from choicekit.sat.formulas import Formula


def elaborate(formula: Formula, drup: Iterable[str]) -> str:
    """A trimmed LRAT proof made of a DRUP proof.

    ``drup`` has a line for each clause that a solver learnt, ending in 0; lines that begin with "d" (clauses that the
    solver forgot) are passed over. From the empty clause back, each needed clause is denied and followed up through
    the earlier clauses, those already needed first; the clauses that lead to the conflict are its hints, and needed
    in turn. Nothing here need be trusted: :func:`~choicekit.sat.refutes` checks the outcome. Raises ``ValueError``
    where a clause does not follow in this way.

    Source: Heule, Hunt and Wetzler 2013 (doi:10.1109/FMCAD.2013.6679408) on trimming backwards.

    >>> from choicekit import sat
    >>> def never_b(frame):
    ...     said = sat.Instance("never_b", (0,), "b does not win at (b).")
    ...     return (sat.Clauses("never_b", np.array([[-1]], np.int32), np.array([0]), lambda number: said),)
    >>> elaborate(sat.encode(sat.Choices(voters=1, alternatives="b"), [never_b]), ["0"])      # clauses 1: b; 2: not b
    '3 0 1 2 0\\n'
    """
    literals, offsets = formula.flat()
    empty = np.flatnonzero(np.diff(offsets) == 0)
    if len(empty):  # an axiom that nothing can meet
        return f"{len(formula) + 1} 0 {empty[0] + 1} 0\n"
    lemmas: list[list[int]] = []
    for line in drup:
        if line and not line.startswith("d"):
            lemmas.append([int(word) for word in line.split()][:-1])
            if not lemmas[-1]:
                break
    if not lemmas or lemmas[-1]:
        lemmas.append([])
    added = np.array([literal for lemma in lemmas for literal in lemma], np.int32)
    literals = np.concatenate([literals, added])
    ends = offsets[-1] + np.cumsum([len(lemma) for lemma in lemmas])
    codes = (2 * np.abs(literals) + (literals < 0)).astype(np.int32)
    variables = int(codes.max(initial=0)) >> 1
    kept, upto, hints, wrong = justify(codes, np.concatenate([offsets, ends]), len(formula), variables)
    if wrong >= 0:
        raise ValueError(
            f"elaborate: clause {wrong - len(formula) + 1} of the proof does not follow from those before it"
        )
    name = {int(lemma): len(formula) + 1 + place for place, lemma in enumerate(kept[::-1])}
    lines, starts = [], np.concatenate([[0], upto])
    for place in range(len(kept) - 1, -1, -1):
        used = hints[starts[place] : starts[place + 1]].tolist()
        clause = lemmas[int(kept[place]) - len(formula)]
        words = [name[int(kept[place])], *clause, 0, *(name.get(hint, hint + 1) for hint in used), 0]
        lines.append(" ".join(map(str, words)) + "\n")
    return "".join(lines)
