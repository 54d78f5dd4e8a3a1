"""Proofs that no rule meets some axioms, kept in a file and checked without a solver."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from choicekit.sat._frame import Frame
from choicekit.sat.formulas import Axiom, encode
from choicekit.sat.lrat import refutes

_FIELDS = ("frame", "axioms", "variables", "clauses", "sha256", "solver")


@dataclass(frozen=True)
class Certificate:
    """A refutation of the formula of a frame and axioms, with the digest of that formula.

    ``lrat`` is the proof; ``sha256`` the digest of the formula as a DIMACS file with so many ``variables`` and
    ``clauses``. ``frame``, ``axioms`` and ``solver`` are the names of what it was made of and by, for readers.

    >>> from choicekit import sat
    >>> gibbard = [sat.onto, sat.strategyproofness, sat.non_dictatorship]
    >>> found = sat.decide(sat.Choices(voters=2, alternatives=3), gibbard)
    >>> found.certificate.clauses, found.certificate.axioms
    (1229, ('onto', 'strategyproofness', 'non_dictatorship'))
    """

    frame: str
    axioms: tuple[str, ...]
    variables: int
    clauses: int
    sha256: str
    solver: str
    lrat: str

    @property
    def lemmas(self) -> int:
        """How many clauses the proof derives, the empty one included.

        >>> Certificate("Choices", (), 1, 2, "", "", "3 0 1 2 0\\n").lemmas
        1
        """
        return sum(not line.startswith("c") for line in self.lrat.splitlines())

    def verify(self, frame: Frame, axioms: Iterable[Axiom]) -> None:
        """Check that the certificate refutes just this frame and these axioms.

        Makes the formula anew, compares digests, and follows the proof; needs no solver. Raises ``ValueError``
        where the formula is another one, or the proof does not refute it.

        >>> from choicekit import sat
        >>> frame, axioms = sat.Orderings(voters=2, alternatives=3), [sat.weak_pareto]
        >>> Certificate("Orderings", ("weak_pareto",), 216, 594, "0" * 64, "", "595 0 1 2 0").verify(frame, axioms)
        Traceback (most recent call last):
            ...
        ValueError: certificate: made for a formula with 216 variables, 594 clauses and digest 0000000000000000..., ...
        """
        formula = encode(frame, axioms)
        mine = (self.variables, self.clauses, self.sha256)
        found = (frame.variables, len(formula), formula.sha256)
        if mine != found:
            told = [f"{v} variables, {c} clauses and digest {digest[:16]}..." for v, c, digest in (mine, found)]
            raise ValueError(
                f"certificate: made for a formula with {told[0]}, but this frame and these axioms make one with "
                f"{told[1]}"
            )
        if not refutes(formula, self.lrat):
            raise ValueError("certificate: the proof does not refute the formula")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the proof to a file, after comments that hold the rest.

        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "one.lrat")
        >>> one = Certificate("Choices", ("never_b",), 1, 2, "0" * 64, "by hand", "3 0 1 2 0\\n")
        >>> one.write(path)
        >>> Certificate.read(path) == one
        True
        """
        values = (self.frame, " ".join(self.axioms), self.variables, self.clauses, self.sha256, self.solver)
        head = "".join(f"c {field} {value}\n" for field, value in zip(_FIELDS, values, strict=True))
        Path(path).write_text(head + self.lrat, encoding="ascii")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Certificate:
        """The certificate in a file that :meth:`write` wrote.

        Raises ``ValueError`` where a comment is missing.

        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "bare.lrat")
        >>> with open(path, "w") as file:
        ...     _ = file.write("3 0 1 2 0\\n")
        >>> Certificate.read(path)
        Traceback (most recent call last):
            ...
        ValueError: bare.lrat: needed the comments frame, axioms, variables, clauses, sha256, solver; frame is missing
        """
        lines = Path(path).read_text(encoding="ascii").splitlines(keepends=True)
        head = dict(line[2:].rstrip("\n").partition(" ")[::2] for line in lines if line.startswith("c "))
        for field in _FIELDS:
            if field not in head:
                raise ValueError(f"{Path(path).name}: needed the comments {', '.join(_FIELDS)}; {field} is missing")
        frame, axioms, variables, clauses, digest, solver = (head[field] for field in _FIELDS)
        proof = "".join(line for line in lines if not line.startswith("c "))
        return cls(frame, tuple(axioms.split()), int(variables), int(clauses), digest, solver, proof)
