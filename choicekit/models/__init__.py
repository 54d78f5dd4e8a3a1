"""Models of who prefers what."""

from choicekit.models.annotators import AnnotatorFit, annotators
from choicekit.models.disagreement import Disagreement, Question, disagreement
from choicekit.models.distributional import DistributionalFit, distributional
from choicekit.models.fit import Estimates, Fit, Prediction
from choicekit.models.groups import GroupFits, GroupScores, Shuffled, bradley_terry_by_group
from choicekit.models.luce import bradley_terry
from choicekit.models.mixture_choice import ComponentChoice, MixtureComparison, choose_components, compare_mixtures
from choicekit.models.mixture_shards import mixture_of_shards
from choicekit.models.mixtures import Mixture, mixture, plackett_luce_mixture
from choicekit.models.plackett_luce import choice_probabilities, plackett_luce, ranking_log_probabilities
from choicekit.models.resampling import Bootstrap, bootstrap, sandwich
from choicekit.models.spammers import SpammerScreen, spammers

__all__ = [
    "AnnotatorFit",
    "Bootstrap",
    "ComponentChoice",
    "Disagreement",
    "DistributionalFit",
    "Estimates",
    "Fit",
    "GroupFits",
    "GroupScores",
    "Mixture",
    "MixtureComparison",
    "Prediction",
    "Question",
    "Shuffled",
    "SpammerScreen",
    "annotators",
    "bootstrap",
    "bradley_terry",
    "bradley_terry_by_group",
    "choice_probabilities",
    "choose_components",
    "compare_mixtures",
    "disagreement",
    "distributional",
    "mixture",
    "mixture_of_shards",
    "plackett_luce",
    "plackett_luce_mixture",
    "ranking_log_probabilities",
    "sandwich",
    "spammers",
]
