"""Is there any rule that meets these axioms? A rule that does, or a proof that none does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.domains._culture import whole
from choicekit.outcomes import Scores
from choicekit.rules._rule import Rule
from choicekit.sat._frame import Frame
from choicekit.sat._solver import loaded, release
from choicekit.sat.certificates import Certificate
from choicekit.sat.elaboration import elaborate
from choicekit.sat.formulas import Axiom, Formula, encode
from choicekit.sat.lrat import refutes


@dataclass(frozen=True, eq=False)
class Possible:
    """There is a rule that meets the axioms on the frame: ``rule`` is one, looked up in a table.

    >>> from choicekit import sat
    >>> found = sat.decide(sat.Choices(voters=2, alternatives="ab"), [sat.unanimity, sat.strategyproofness])
    >>> found.possible, found.rule
    (True, <rule tabulated on Rankings>)
    """

    formula: Formula = field(repr=False)
    solver: str
    rule: Rule[Scores]

    @property
    def possible(self) -> bool:
        """True: there is a rule.

        >>> from choicekit import sat
        >>> sat.decide(sat.Choices(voters=1, alternatives="ab"), []).possible
        True
        """
        return True


@dataclass(frozen=True, eq=False)
class Impossible:
    """No rule meets the axioms on the frame: ``proof`` is what the solver logged, ``certificate`` can be checked.

    >>> from choicekit import sat
    >>> found = sat.decide(sat.Choices(voters=1, alternatives="ab"), [sat.unanimity, sat.non_dictatorship])
    >>> found.possible, found.certificate.lemmas
    (False, 1)
    """

    formula: Formula = field(repr=False)
    axioms: tuple[str, ...]
    solver: str
    proof: tuple[str, ...] = field(repr=False)

    @property
    def possible(self) -> bool:
        """False: there is no rule.

        >>> from choicekit import sat
        >>> sat.decide(sat.Choices(voters=1, alternatives="ab"), [sat.unanimity, sat.non_dictatorship]).possible
        False
        """
        return False

    @cached_property
    def certificate(self) -> Certificate:
        """The proof with reasons and without what is not needed, checked.

        >>> from choicekit import sat
        >>> found = sat.decide(sat.Choices(voters=1, alternatives="ab"), [sat.unanimity, sat.non_dictatorship])
        >>> found.certificate.verify(sat.Choices(voters=1, alternatives="ab"), [sat.unanimity, sat.non_dictatorship])
        """
        lrat = elaborate(self.formula, self.proof)
        if not refutes(self.formula, lrat):
            raise RuntimeError(f"certificate: the proof that {self.solver} logged does not refute the formula")
        frame = self.formula.frame
        return Certificate(
            frame=type(frame).__name__,
            axioms=self.axioms,
            variables=frame.variables,
            clauses=len(self.formula),
            sha256=self.formula.sha256,
            solver=f"{self.solver} ({release()})",
            lrat=lrat,
        )


def decide(frame: Frame, axioms: Iterable[Axiom], *, solver: str = "glucose4") -> Possible | Impossible:
    """Whether some rule on a frame meets all these axioms, with such a rule or a proof that there is none.

    An axiom is a function from the frame to clauses, such as :func:`~choicekit.sat.strategyproofness`; what is
    decided is just what the frame's docstring and theirs say, for this number of voters and alternatives.
    ``solver`` is one of python-sat's that log proofs: ``"glucose4"``, ``"glucose42"``, ``"glucose3"``,
    ``"cadical195"``, ``"cadical153"`` or ``"cadical103"``. Raises ``ImportError`` without python-sat, ``ValueError``
    for another solver and ``TypeError`` for an axiom without meaning on the frame.

    Source: Tang and Lin 2009 (doi:10.1016/j.artint.2009.02.005); Geist and Endriss 2011 (doi:10.1613/jair.3126).

    >>> from choicekit import sat
    >>> frame = sat.Orderings(voters=2, alternatives="abc")
    >>> arrow = [sat.weak_pareto, sat.independence_of_irrelevant_alternatives, sat.non_dictatorship]
    >>> decide(frame, arrow).possible
    False
    >>> decide(frame, arrow[:2]).rule(frame.electorate.profile(0)).winners      # without the last: a dictatorship
    ('a',)
    """
    axioms = tuple(axioms)
    formula = encode(frame, axioms)
    with loaded(formula, solver, proof=True) as engine:
        if engine.solve():
            return Possible(formula, solver, frame.rule(_values(engine, frame)))
        names = tuple(str(getattr(axiom, "__name__", axiom)).replace(" ", "_") for axiom in axioms)
        return Impossible(formula, names, solver, tuple(engine.get_proof()))


def every_rule(frame: Frame, axioms: Iterable[Axiom], *, solver: str = "glucose4") -> Iterator[Rule[Scores]]:
    """Each rule on a frame that meets all these axioms, once, in no particular order.

    After each rule the formula is given the clause that another is wanted. Raises as :func:`decide` does.

    >>> from choicekit import sat
    >>> found = every_rule(sat.Choices(voters=1, alternatives="ab"), [sat.onto])
    >>> len(list(found))      # the first alternative, and the last
    2
    """
    formula = encode(frame, axioms)
    variables = np.arange(1, frame.outcomes + 1)
    with loaded(formula, solver, proof=False) as engine:
        while engine.solve():
            model = _values(engine, frame)
            yield frame.rule(model)
            engine.add_clause(np.where(model[: frame.outcomes], -variables, variables).tolist())


def count_models(frame: Frame, axioms: Iterable[Axiom], *, limit: int = 1000, solver: str = "glucose4") -> int:
    """How many rules on a frame meet all these axioms; ``limit`` where there are that many or more.

    Raises as :func:`decide` does, and ``ValueError`` for a limit below 1.

    >>> from choicekit import sat
    >>> axioms = [sat.weak_pareto, sat.independence_of_irrelevant_alternatives]
    >>> count_models(sat.Orderings(voters=2, alternatives=3), axioms)      # the two dictatorships
    2
    """
    return sum(1 for _ in islice(every_rule(frame, axioms, solver=solver), whole("limit", limit)))


def _values(engine: Any, frame: Frame) -> NDArray[np.bool_]:
    """The truth of each variable; those that no clause speaks of are false."""
    values = np.zeros(frame.variables, np.bool_)
    model = np.array(engine.get_model(), np.int64)
    true = model[(model > 0) & (model <= frame.variables)]
    values[true - 1] = True
    return values
