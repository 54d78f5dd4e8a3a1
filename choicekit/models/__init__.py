"""Models of who prefers what."""

from choicekit.models.fit import Estimates, Fit, Prediction
from choicekit.models.groups import GroupFits, GroupScores, Shuffled, bradley_terry_by_group
from choicekit.models.luce import bradley_terry
from choicekit.models.resampling import Bootstrap, bootstrap, sandwich

__all__ = [
    "Bootstrap",
    "Estimates",
    "Fit",
    "GroupFits",
    "GroupScores",
    "Prediction",
    "Shuffled",
    "bootstrap",
    "bradley_terry",
    "bradley_terry_by_group",
    "sandwich",
]
