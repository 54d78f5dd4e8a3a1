"""A checker of refutations in the LRAT format that knows nothing of solvers, of rules, or of the rest of choicekit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class _Numbered(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> Sequence[int]: ...


def refutes(clauses: _Numbered, proof: str) -> bool:
    """Whether a proof shows that these clauses cannot all hold.

    ``clauses`` are lists of literals, numbered from 1 in the proof; a line of the proof is "number, literals of a new
    clause, 0, numbers of earlier clauses, 0". Deny the new clause: in each earlier clause named, in turn, all literals
    but one must be false by then, so that one is true, until in the last all are false. The empty clause must come.
    Lines that start with "c" are comments. A hint that does not do this makes the answer ``False``, and so does
    anything else the format may hold.

    Source: Cruz-Filipe, Heule, Hunt, Kaufmann and Schneider-Kamp 2017 (doi:10.1007/978-3-319-63046-5_14).

    >>> refutes([[1, 2], [-1, 2], [-2]], "4 2 0 1 2 0")      # 2 follows, but nothing is refuted yet
    False
    >>> refutes([[1, 2], [-1, 2], [-2]], "4 2 0 1 2 0\\n5 0 4 3 0")
    True
    """
    derived: dict[int, list[int]] = {}
    for line in proof.splitlines():
        if not line or line.startswith("c"):
            continue
        words = line.split()
        if "0" not in words[1:-1] or words[-1] != "0" or not all(word.removeprefix("-").isdecimal() for word in words):
            return False
        number, *rest = map(int, words[:-1])
        clause, hints = rest[: rest.index(0)], rest[rest.index(0) + 1 :]
        true = {-literal for literal in clause}
        refuted = False
        for hint in hints:
            if refuted or not (0 < hint <= len(clauses) or hint in derived):
                return False
            open_ones = [x for x in (derived[hint] if hint in derived else clauses[hint - 1]) if -x not in true]
            if len(set(open_ones)) > 1:
                return False
            true.update(open_ones)
            refuted = not open_ones
        if not refuted or number <= len(clauses) or number in derived:
            return False
        if not clause:
            return True
        derived[number] = clause
    return False
