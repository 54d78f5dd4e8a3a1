"""Measures of how well off voters are together, and how unequally.

Welfare functions take utilities ``[..., n, m]`` (the axis before the last runs over voters or groups) and give
``[..., m]``; measures of inequality take ``[..., n]`` and give ``[...]``. NaN in, NaN out.
"""

from choicekit.welfare.averages import egalitarian, exponential_mean, nash, power_mean, utilitarian
from choicekit.welfare.inequality import atkinson, generalised_entropy, gini, hoover, spread
from choicekit.welfare.ordered import generalised_gini, leximin, ordered_average, quantile

__all__ = [
    "atkinson",
    "egalitarian",
    "exponential_mean",
    "generalised_entropy",
    "generalised_gini",
    "gini",
    "hoover",
    "leximin",
    "nash",
    "ordered_average",
    "power_mean",
    "quantile",
    "spread",
    "utilitarian",
]
