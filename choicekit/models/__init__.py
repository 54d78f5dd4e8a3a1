"""Models of who prefers what."""

from choicekit.models.crowd import AnnotatorFit, annotators
from choicekit.models.cycles import CyclicTriangle, Hodge, hodge
from choicekit.models.fit import Estimates, Fit, Prediction
from choicekit.models.goodness import (
    CalibrationTable,
    DevianceBootstrap,
    DevianceTest,
    calibration,
    deviance_bootstrap,
    deviance_test,
)
from choicekit.models.groups import GroupFits, GroupScores, Shuffled, bradley_terry_by_group
from choicekit.models.heldout import HeldOut, held_out
from choicekit.models.hidden_context import DistributionalFit, distributional
from choicekit.models.inference import (
    QuasiVariances,
    RankIntervals,
    SimultaneousIntervals,
    quasi_variances,
    rank_intervals,
    simultaneous_differences,
    simultaneous_intervals,
    simultaneous_rank_intervals,
)
from choicekit.models.information import NextPair, next_pairs
from choicekit.models.luce import bradley_terry
from choicekit.models.mixture_choice import ComponentChoice, MixtureComparison, choose_components, compare_mixtures
from choicekit.models.mixture_shards import mixture_of_shards
from choicekit.models.mixtures import Mixture, mixture, plackett_luce_mixture
from choicekit.models.noise import Disagreement, Question, disagreement
from choicekit.models.offsets import PersonalFit, RankChoice, Voter, choose_rank, personal
from choicekit.models.rankings import choice_probabilities, plackett_luce, ranking_log_probabilities
from choicekit.models.resampling import Bootstrap, bootstrap, sandwich
from choicekit.models.screening import SpammerScreen, spammers

__all__ = [
    "AnnotatorFit",
    "Bootstrap",
    "CalibrationTable",
    "ComponentChoice",
    "CyclicTriangle",
    "DevianceBootstrap",
    "DevianceTest",
    "Disagreement",
    "DistributionalFit",
    "Estimates",
    "Fit",
    "GroupFits",
    "GroupScores",
    "HeldOut",
    "Hodge",
    "Mixture",
    "MixtureComparison",
    "NextPair",
    "PersonalFit",
    "Prediction",
    "QuasiVariances",
    "Question",
    "RankChoice",
    "RankIntervals",
    "Shuffled",
    "SimultaneousIntervals",
    "SpammerScreen",
    "Voter",
    "annotators",
    "bootstrap",
    "bradley_terry",
    "bradley_terry_by_group",
    "calibration",
    "choice_probabilities",
    "choose_components",
    "choose_rank",
    "compare_mixtures",
    "deviance_bootstrap",
    "deviance_test",
    "disagreement",
    "distributional",
    "held_out",
    "hodge",
    "mixture",
    "mixture_of_shards",
    "next_pairs",
    "personal",
    "plackett_luce",
    "plackett_luce_mixture",
    "quasi_variances",
    "rank_intervals",
    "ranking_log_probabilities",
    "sandwich",
    "simultaneous_differences",
    "simultaneous_intervals",
    "simultaneous_rank_intervals",
    "spammers",
]
