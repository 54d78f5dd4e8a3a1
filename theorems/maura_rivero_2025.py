"""The Nash equilibrium of a preference game is the maximal lottery, which is Condorcet consistent; a reward is Borda's.

A maximal lottery p has pᵀM ≥ 0 in every column of the margins M: the game's value is 0. It is the Condorcet winner
where there is one, lies in the Smith set, and changes neither when an alternative it does not choose is removed nor,
but for the split among copies, when one is cloned. A scalar reward reproduces P only where the log-odds of P add up to
0 round every cycle.

Source: Maura-Rivero et al. 2025, arXiv:2501.19266; Fishburn 1984 (doi:10.2307/2297786).

Scope: every profile up to names of three alternatives with 1 to 8 voters and of four with 1 to 3 (Condorcet, Smith and
value; tolerance 1e-9 of the largest margin); removal and cloning where lotteries are unique, all with an odd number of
voters, up to 7 on three alternatives and 3 on four (tolerance 1e-6); one jury of five by hand; 200 drawn rewards
against one cyclic game.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import alignment, domains, models, rules

METHOD = ("exhaustive", "witness", "numeric")

Floats = NDArray[np.float64]
JURY = {"rgb": 2, "brg": 3}  # red, green, blue


def _profiles(alternatives: int, voters: range) -> Iterator[ck.Rankings]:
    for n in voters:
        yield from domains.every(voters=n, alternatives=alternatives, anonymous=True, neutral=True)


def _winner_of_rewards(orders: dict[str, int]) -> str:
    """The best alternative by the Bradley–Terry reward of all pairwise comparisons that the ballots make."""
    pairs = [(o[i], o[j], w) for o, w in orders.items() for i in range(len(o)) for j in range(i + 1, len(o))]
    winner, loser, weight = zip(*pairs, strict=True)
    fit = models.bradley_terry(ck.Comparisons(winner, loser, weight=weight))
    return str(fit.alternatives[int(fit.scores.argmax())])


def claim_value_condorcet_and_smith() -> None:
    """On 648 profiles pᵀM ≥ 0, a Condorcet winner is chosen surely, and all that is chosen is in the Smith set."""
    seen = condorcet = 0
    for votes in (*_profiles(3, range(1, 9)), *_profiles(4, range(1, 4))):
        margins = votes.to_margins()
        lottery = rules.maximal_lottery(margins)
        size = max(1.0, float(np.abs(margins.values).max()))
        assert (lottery.probabilities @ margins.values >= -1e-9 * size).all(), f"{votes.ranks.tolist()}: value below 0"
        nash = alignment.equilibrium(0.5 + margins.values / (2 * votes.weights.sum()))
        assert np.allclose(nash.policy.probabilities, lottery.probabilities, rtol=0, atol=1e-6), "not the Nash policy"
        assert set(lottery.winners) <= set(rules.smith(margins).winners), f"{votes.ranks.tolist()}: outside Smith"
        if margins.condorcet_winner is not None:
            condorcet += 1
            assert lottery.winners == (margins.condorcet_winner,), f"{votes.ranks.tolist()}: not the Condorcet winner"
            assert lottery.unique
        seen += 1
    assert seen == 648, f"{seen} profiles"
    assert 0 < condorcet < seen


def claim_removal_and_clones() -> None:
    """What gets nothing can go, and a copy only shares its twin's chance: 297 profiles with odd numbers of voters."""
    seen = 0
    for votes in (*_profiles(3, range(1, 8, 2)), *_profiles(4, range(1, 4, 2))):
        margins = votes.to_margins().values
        whole = rules.maximal_lottery(ck.Margins(margins)).probabilities
        for a in range(len(margins)):
            rest = np.delete(np.arange(len(margins)), a)
            if whole[a] <= 1e-9:
                left = rules.maximal_lottery(ck.Margins(margins[np.ix_(rest, rest)])).probabilities
                assert np.allclose(left, whole[rest], rtol=0, atol=1e-6), f"{votes.ranks.tolist()}: {a} mattered"
            twins = [*range(len(margins)), a]
            cloned = margins[np.ix_(twins, twins)]
            cloned[a, -1], cloned[-1, a] = 1, -1  # one voter more prefers the original
            found = rules.maximal_lottery(ck.Margins(cloned)).probabilities
            assert np.allclose(found[rest], whole[rest], rtol=0, atol=1e-6), (
                f"{votes.ranks.tolist()}: a copy of {a} mattered"
            )
        seen += 1
    assert seen == 297, f"{seen} profiles"


def claim_a_reward_follows_borda_and_irrelevant_alternatives() -> None:
    """Of 2 rgb and 3 brg the reward and Borda choose r, the lottery b; without g the reward turns to b."""
    jury, without = ck.Rankings.from_orders(JURY), ck.Rankings.from_orders({"rb": 2, "br": 3})
    assert rules.borda(jury).scores.tolist() == [6.0, 2.0, 7.0]  # b, g, r: of 5 voters 1.2, 0.4 and 1.4 each
    assert (_winner_of_rewards(JURY), rules.borda(jury).winners) == ("r", ("r",))
    assert rules.maximal_lottery(jury).winners == ("b",) == rules.maximal_lottery(without).winners
    assert _winner_of_rewards({"rb": 2, "br": 3}) == "b", "the reward does not turn"
    thirds = rules.maximal_lottery(ck.Rankings.from_orders({"rgb": 1, "gbr": 1, "brg": 1})).probabilities
    assert np.allclose(thirds, 1 / 3, rtol=0, atol=1e-9), "a symmetric cycle is not a third each"


def claim_rewards_have_no_curl() -> None:
    """Log-odds add up to 0 round every cycle of a reward's P (200 draws, 1e-9), and to −5.78 in a cyclic game."""
    rng = np.random.default_rng(0)
    game = np.array([[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]])
    for _ in range(200):
        odds = _log_odds(alignment.preferences(rng.normal(size=(1, 4))))
        for a, b, c in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)):
            assert abs(odds[a, b] + odds[b, c] + odds[c, a]) <= 1e-9, "a reward with a curl"
    odds = _log_odds(game)
    curl = odds[0, 1] + odds[1, 2] + odds[2, 0]
    # P(a ≻ b)·P(b ≻ c)·P(c ≻ a) = 0.1·0.1·0.2 against 0.9·0.9·0.8
    assert np.isclose(curl, np.log(0.1 * 0.1 * 0.2 / (0.9 * 0.9 * 0.8)), rtol=0, atol=1e-12), f"curl {curl}"
    assert round(curl, 2) == -5.78


def _log_odds(chances: Floats) -> Floats:
    found: Floats = np.log(chances) - np.log(chances.T)
    return found
