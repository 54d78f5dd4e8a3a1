"""What every frame has."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Frame(Protocol):
    """What a rule is to be found on: numbered profiles, and variables that say what the rule does there.

    The first ``outcomes`` of its ``variables`` say what the rule does; the others, where there are any, help to say
    what an axiom asks. ``structure()`` gives the clauses that every rule meets, ``words(profile)`` a profile's ballots,
    ``rule(model)`` the rule in which a set of literals holds.

    >>> from choicekit import sat
    >>> frame: Frame = sat.Choices(voters=2, alternatives="ab")
    >>> frame.profiles, frame.variables, frame.words(1)
    (4, 8, '(ab, ba)')
    """

    @property
    def profiles(self) -> int:
        """How many there are."""

    @property
    def variables(self) -> int:
        """How many there are."""

    @property
    def outcomes(self) -> int:
        """How many of the variables say what the rule does."""

    def structure(self) -> tuple[Any, ...]:
        """The clauses that every rule meets."""

    def words(self, profile: int) -> str:
        """The ballots of a profile."""

    def rule(self, model: NDArray[np.bool_]) -> Any:
        """The rule in which a set of literals holds."""
