"""From groups' rewards to policies, and from policies to whom they fail."""

from choicekit.alignment._tabular import kl
from choicekit.alignment.bargains import egalitarian_policy, nash_policy
from choicekit.alignment.expressibility import Expressibility, linear_reward
from choicekit.alignment.gaps import Collapse, Gaps, gap, preference_collapse, win_rates
from choicekit.alignment.policies import (
    borda_policy,
    choice_shares,
    maximal_lottery_policy,
    preference_matching_policy,
    preferences,
    random_dictatorship_policy,
    rlhf_policy,
)

__all__ = [
    "Collapse",
    "Expressibility",
    "Gaps",
    "borda_policy",
    "choice_shares",
    "egalitarian_policy",
    "gap",
    "kl",
    "linear_reward",
    "maximal_lottery_policy",
    "nash_policy",
    "preference_collapse",
    "preference_matching_policy",
    "preferences",
    "random_dictatorship_policy",
    "rlhf_policy",
    "win_rates",
]
