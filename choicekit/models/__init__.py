"""Models of who prefers what."""

from choicekit.models.fit import Estimates, Fit, Prediction
from choicekit.models.groups import GroupFits, GroupScores, Shuffled, bradley_terry_by_group
from choicekit.models.luce import bradley_terry

__all__ = [
    "Estimates",
    "Fit",
    "GroupFits",
    "GroupScores",
    "Prediction",
    "Shuffled",
    "bradley_terry",
    "bradley_terry_by_group",
]
