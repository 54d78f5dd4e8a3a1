"""Rules on utilities and on approvals."""

from __future__ import annotations

import numpy as np

from choicekit import welfare
from choicekit.outcomes import Scores
from choicekit.profiles import Approvals, Utilities
from choicekit.profiles._columns import frozen
from choicekit.rules._rule import rule


@rule
def utilitarian(profile: Utilities) -> Scores:
    """The weighted mean of the voters' utilities, Σ_i w_i u_i(a) / Σ_i w_i.

    Raises ``ValueError`` where a utility is missing.

    Source: Harsanyi 1955 (doi:10.1086/257678).

    >>> utilitarian(Utilities([[4, 0], [1, 2]], weights=[1, 3], alternatives="ab")).scores.tolist()
    [1.75, 1.5]
    """
    _complete("utilitarian", profile)
    return Scores(profile.alternatives, frozen(welfare.utilitarian(profile.values, profile.weights)))


@rule
def egalitarian(profile: Utilities) -> Scores:
    """The utility of the worst-off voter, min_i u_i(a), over the voters of positive weight.

    Raises ``ValueError`` where a utility is missing.

    Source: Rawls 1971, Sen 1970.

    >>> egalitarian(Utilities([[4, 0], [1, 2]], alternatives="ab")).scores.tolist()
    [1.0, 0.0]
    """
    _complete("egalitarian", profile)
    return Scores(profile.alternatives, frozen(welfare.egalitarian(profile.values[profile.weights > 0])))


@rule
def nash(profile: Utilities, *, disagreement: float = 0.0) -> Scores:
    """The weighted mean of the logarithms of the voters' gains, Σ_i w_i log(u_i(a) − d) / Σ_i w_i.

    It orders alternatives as the product of the gains does. An alternative that leaves some voter of positive weight
    no gain scores minus infinity. Raises ``ValueError`` where a utility is missing.

    Source: Nash 1950 (doi:10.2307/1907266), Kaneko and Nakamura 1979 (doi:10.2307/1914191).

    >>> profile = Utilities([[8, 3], [1, 3]], alternatives="ab")      # √(8·1) < √(3·3)
    >>> np.exp(nash(profile).scores).round(4).tolist(), nash(profile).winners
    ([2.8284, 3.0], ('b',))
    """
    _complete("nash", profile)
    return Scores(profile.alternatives, frozen(welfare.nash(profile.values, profile.weights, disagreement)))


@rule
def approval(profile: Approvals) -> Scores:
    """The weight of the voters who approve of an alternative.

    Source: Brams and Fishburn 1978 (doi:10.2307/1955105).

    >>> approval(Approvals([[1, 0], [1, 1]], weights=[2, 3], alternatives="ab")).scores.tolist()
    [5.0, 3.0]
    """
    return Scores(profile.alternatives, frozen(profile.weights @ profile.values))


def _complete(name: str, profile: Utilities) -> None:
    missing = np.isnan(profile.values)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise ValueError(
            f"{name}: needed a utility for every voter and alternative, got {missing.sum()} missing of {missing.size}, "
            f"the first in row {row} for {profile.alternatives[column]!r}; fill them in (a model's estimate, each "
            "voter's mean) or leave those voters or alternatives out"
        )
