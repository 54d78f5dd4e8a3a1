"""What the report calls things, and what each number means."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final

GROUP_COLUMNS: Final = (
    "group",
    "voters",
    "comparisons",
    "share",
    "gap",
    "gap_low",
    "gap_high",
    "fitted_gap",
    "chance_gap",
    "p_value",
    "win_rate",
)

#: The definition of every number the report shows.
DEFINITIONS: Final = {
    "comparisons": "How often two alternatives were compared: the rows of the data, or their weights where rows carry "
    "any.",
    "wins": "How often the alternative was preferred, ties counting half. Wins grow with how often it was compared.",
    "reward": "Log-strength in a Bradley–Terry model: A is preferred to B with probability 1/(1 + exp(reward of B − "
    "reward of A)). A difference of 1 is odds of 2.7 to 1. Rewards have mean zero.",
    "pooled reward": "The reward fitted to everybody's comparisons at once: what one reward model would learn.",
    "group reward": "The reward fitted to one group's comparisons, shrunk towards the pooled one. How strongly is "
    "chosen by how well held-out comparisons are predicted, so with few comparisons differences come out small.",
    "policy": "What a model would answer after training on a reward r: probability ∝ reference × exp(r/β), the optimum "
    "of expected reward minus β times the Kullback–Leibler divergence from the reference.",
    "reference": "The policy that training starts from. Unless weights were given, it answers with each alternative "
    "equally often.",
    "β": "The weight of the Kullback–Leibler penalty, in log-odds: the smaller, the further a policy may move from the "
    "reference.",
    "gap": "F(own policy) − F(policy), with F(π) = the group's expected reward − β·KL(π‖reference). How much worse off "
    "the group is than under a policy made for it alone, in log-odds. Equal to β·KL(π‖own policy); never negative. The "
    "estimate is the mean over refits to resampled voters: at the fitted rewards themselves, which are shrunk, gaps "
    "come out too small.",
    "fitted gap": "The gap at the fitted rewards; the policies shown are those of the fitted rewards too.",
    "largest gap": "The gap of the group that is worst off under a rule; which group that is may change with the rule.",
    "average gap": "The mean of the groups' gaps, weighted by their shares.",
    "change": "A rule's largest gap minus that of the pooled reward: below zero the worst-off group is better served.",
    "price": "A rule's average gap minus that of the pooled reward: what the average voter gives up.",
    "true gap": "The gap computed from the rewards the data were drawn with; known only for made-up populations.",
    "interval": "Voters are resampled with replacement and everything is fitted again; each time the strength of "
    "shrinkage and the centres of the priors are drawn anew. The ends are quantiles, widened to hold the estimate.",
    "chance": "The mean fitted gap when group labels are shuffled: what a group of that size shows where labels mean "
    "nothing.",
    "p-value": "(1 + the number of shuffles at least as extreme) / (1 + the number of shuffles). For a group it is "
    "about the fitted gap, compared with that by chance.",
    "corrected p-value": "The p-values of all groups, raised so that a false alarm among any of them is as rare as in "
    "a single test (Holm 1979). A gap is called larger than chance explains when this is at most 0.05.",
    "win rate": "How often the group prefers the policy's answer to the reference's, each drawn at random; ½ is no "
    "better than the reference.",
    "share": "The group's share of the voters (of the comparisons where voters belong to several groups or are "
    "unknown). Averages over groups weigh by it.",
    "heterogeneity": "Twice the gain in penalised log-likelihood when each group has rewards of its own, compared with "
    "the same after shuffling group labels.",
    "held-out log-likelihood": "The mean log-probability of comparisons that were left out of the fit; higher is "
    "better, and −0.693 is tossing a coin.",
    "prior variance": "The variance of the Gaussian prior that keeps pooled rewards finite, chosen on held-out "
    "comparisons.",
    "pooling variance": "The variance of the Gaussian prior on how far a group's rewards lie from the pooled ones: 0 "
    "gives all groups one reward, a large one leaves each group to its own comparisons.",
    "Gini": "Half the mean absolute difference of win rates between two people drawn at random, over the mean: 0 is "
    "equality.",
    "spread": "The largest gap minus the smallest.",
    "group weights": "The weights of the groups' rewards in the single reward that, trained on as usual, gives the "
    "rule's policy.",
    "choice share": "The share of the population that would choose the alternative from all those available: the "
    "average over groups of softmax(reward).",
    "collapse index": "KL(choice shares ‖ policy) in nats: 0 when the model answers as varied as the people choose, "
    "growing as it says only what is most popular.",
    "entropy ratio": "Entropy of the policy over entropy of the choice shares; below 1 the model is less varied than "
    "the people.",
    "pooled_reward": "Train on the pooled reward: ordinary RLHF.",
    "borda": "Train on each alternative's mean win probability against all others, on the log-odds scale.",
    "egalitarian": "The policy whose worst-off group gains most over the reference (max–min).",
    "minimax_regret": "The policy whose largest gap is smallest.",
    "nash": "The policy with the largest product of groups' gains over the reference, each to the power of its share.",
    "maximal_lottery": "The policy no other beats in a majority vote, under the same KL penalty: the equilibrium of "
    "the preference game.",
    "random_dictatorship": "Draw a group by its share and use the policy made for it.",
}


def texts(labels: Iterable[Hashable]) -> tuple[str, ...]:
    """Labels as the report prints them, told apart by a number where two print alike.

    >>> texts((1, "1", "x"))
    ('1', '1 (2)', 'x')
    """
    found: list[str] = []
    for label in labels:
        said, times = text(label), 1
        while said in found:
            times += 1
            said = f"{text(label)} ({times})"
        found.append(said)
    return tuple(found)


def text(label: Hashable) -> str:
    """A label as the report prints it; the parts of a crossing are joined by ×.

    >>> text(("Democrat", "Female")), text(7)
    ('Democrat × Female', '7')
    """
    return " × ".join(text(part) for part in label) if isinstance(label, tuple) else str(label)
