"""What some rules are asked besides ballots: the features of the alternatives, or how many seats there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from choicekit.outcomes import Labels
from choicekit.profiles import Approvals, Rankings
from choicekit.profiles._columns import Floats, frozen


@dataclass(frozen=True, eq=False, init=False)
class RewardProblem:
    """Rankings of alternatives whose ``features[m, d]`` are known; a rule is called ``rule(rankings, features=…)``.

    Raises ``ValueError`` where the features are not one finite row for each alternative.

    >>> import choicekit as ck
    >>> RewardProblem(ck.Rankings([[0, 1]]), [[1.0], [0.0]]).features.tolist()
    [[1.0], [0.0]]
    """

    rankings: Rankings
    features: Floats

    def __init__(self, rankings: Rankings, features: ArrayLike) -> None:
        values = np.array(features, np.float64)
        if values.ndim != 2 or len(values) != len(rankings.alternatives) or not np.isfinite(values).all():
            raise ValueError(
                f"features: needed a finite row for each of {len(rankings.alternatives)} alternatives, got an array of "
                f"shape {values.shape}"
            )
        object.__setattr__(self, "rankings", rankings)
        object.__setattr__(self, "features", frozen(values))

    @property
    def alternatives(self) -> Labels:
        """The alternatives of the rankings.

        >>> import choicekit as ck
        >>> RewardProblem(ck.Rankings([[0, 1]]), [[1.0], [0.0]]).alternatives
        (0, 1)
        """
        return self.rankings.alternatives


@dataclass(frozen=True, eq=False, init=False)
class CommitteeProblem:
    """Approvals, and the ``size`` of the committee to elect; a rule is called ``rule(approvals, size=…)``.

    Raises ``ValueError`` where the size is not from 1 to the number of alternatives.

    >>> import choicekit as ck
    >>> CommitteeProblem(ck.Approvals([[1, 0], [0, 1]]), 1).size
    1
    """

    approvals: Approvals
    size: int

    def __init__(self, approvals: Approvals, size: int) -> None:
        if not 1 <= size <= len(approvals.alternatives):
            raise ValueError(f"size: needed 1 to the {len(approvals.alternatives)} alternatives, got {size}")
        object.__setattr__(self, "approvals", approvals)
        object.__setattr__(self, "size", int(size))

    @property
    def alternatives(self) -> Labels:
        """The alternatives of the approvals.

        >>> import choicekit as ck
        >>> CommitteeProblem(ck.Approvals([[1, 0]]), 1).alternatives
        (0, 1)
        """
        return self.approvals.alternatives
