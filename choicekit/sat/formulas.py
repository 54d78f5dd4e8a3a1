"""Clauses that know which instance of which axiom they say, and the formula they make together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.sat._frame import Frame

Literals = NDArray[np.int32]
Ints = NDArray[np.int64]

_BLOCK = 1 << 16


class Instance(NamedTuple):
    """One instance of an axiom: the profiles it speaks of, by their number in the frame, and what it says of them.

    >>> Instance("unanimity", (0,), "At (ab, ab) everybody puts a first, so a wins.").axiom
    'unanimity'
    """

    axiom: str
    profiles: tuple[int, ...]
    sentence: str


@dataclass(frozen=True, eq=False)
class Clauses:
    """Clauses of one length: ``literals[c, length]``, and which instance of the axiom each is part of.

    A literal is the number of a variable, counted from 1, negative where the variable is denied; a clause says that
    at least one of its literals holds. ``instances[c]`` numbers the instances of the axiom, which ``tell`` puts into
    words.

    >>> said = Instance("unanimity", (0,), "At (ab, ab) a wins.")
    >>> len(Clauses("unanimity", np.array([[1]], np.int32), np.array([0]), lambda number: said))
    1
    """

    axiom: str
    literals: Literals
    instances: NDArray[Any]
    tell: Callable[[int], Instance]

    def __len__(self) -> int:
        return len(self.literals)


#: From a frame to the clauses that say what the axiom asks of a rule on it.
Axiom: TypeAlias = Callable[[Any], tuple[Clauses, ...]]


@dataclass(frozen=True, eq=False)
class Formula:
    """The clauses of a frame and of axioms, in order: a list of clauses, numbered from 0.

    ``sha256`` is the digest of the formula as a DIMACS file, the format that every solver and proof checker reads.

    >>> from choicekit import sat
    >>> formula = sat.encode(sat.Choices(voters=1, alternatives="ab"), [sat.unanimity])
    >>> [formula[number] for number in range(len(formula))]      # one winner at ab, one at ba; a at ab, b at ba
    [[1, 2], [3, 4], [-1, -2], [-3, -4], [1], [4]]
    """

    frame: Frame
    parts: tuple[Clauses, ...]

    @cached_property
    def starts(self) -> Ints:
        """The number of the first clause of each part, and the number of all clauses.

        >>> from choicekit import sat
        >>> sat.encode(sat.Choices(voters=1, alternatives="ab"), []).starts.tolist()
        [0, 2, 4]
        """
        return np.concatenate([[0], np.cumsum([len(part) for part in self.parts])]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, number: int) -> list[int]:
        if not 0 <= number < len(self):
            raise IndexError(f"clause: needed a number below {len(self)}, got {number}")
        part = int(np.searchsorted(self.starts, number, side="right")) - 1
        clause: list[int] = self.parts[part].literals[number - self.starts[part]].tolist()
        return clause

    def blocks(self) -> Iterator[list[list[int]]]:
        """The clauses in order as lists of literals, some thousands at a time.

        >>> from choicekit import sat
        >>> list(sat.encode(sat.Choices(voters=1, alternatives="ab"), []).blocks())
        [[[1, 2], [3, 4]], [[-1, -2], [-3, -4]]]
        """
        for part in self.parts:
            rows = max(1, _BLOCK // max(1, part.literals.shape[1]))
            for start in range(0, len(part), rows):
                yield part.literals[start : start + rows].tolist()

    def flat(self) -> tuple[Literals, Ints]:
        """All literals one after another, and where each clause starts (and the last one ends).

        >>> from choicekit import sat
        >>> literals, offsets = sat.encode(sat.Choices(voters=1, alternatives="ab"), []).flat()
        >>> literals.tolist(), offsets.tolist()
        ([1, 2, 3, 4, -1, -2, -3, -4], [0, 2, 4, 6, 8])
        """
        lengths = np.concatenate([np.full(len(part), part.literals.shape[1]) for part in self.parts])
        return (
            np.concatenate([part.literals.ravel() for part in self.parts]),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )

    def dimacs(self) -> Iterator[str]:
        """The formula as a DIMACS file, in pieces.

        >>> from choicekit import sat
        >>> print("".join(sat.encode(sat.Choices(voters=1, alternatives="a"), []).dimacs()), end="")
        p cnf 1 1
        1 0
        """
        yield f"p cnf {self.frame.variables} {len(self)}\n"
        for block in self.blocks():
            yield "".join(" ".join(map(str, clause)) + " 0\n" for clause in block)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 digest of the DIMACS file.

        >>> from choicekit import sat
        >>> formula = sat.encode(sat.Choices(voters=1, alternatives="a"), [])
        >>> formula.sha256 == hashlib.sha256(b"p cnf 1 1\\n1 0\\n").hexdigest()
        True
        """
        digest = hashlib.sha256()
        for piece in self.dimacs():
            digest.update(piece.encode())
        return digest.hexdigest()


def encode(frame: Frame, axioms: Any) -> Formula:
    """The formula which holds exactly of the rules on a frame that meet all these axioms.

    An axiom is a function from the frame to its clauses; those of the frame itself come first, then the axioms' in
    the order given. Raises ``TypeError`` where an axiom has no meaning on the frame.

    >>> from choicekit import sat
    >>> arrow = [sat.weak_pareto, sat.independence_of_irrelevant_alternatives, sat.non_dictatorship]
    >>> formula = encode(sat.Orderings(voters=2, alternatives="abc"), arrow)
    >>> formula.frame.variables, len(formula)
    (216, 596)
    """
    parts = [*frame.structure(), *(part for axiom in axioms for part in axiom(frame))]
    return Formula(frame, tuple(part for part in parts if len(part)))
