"""Figures across teams: means over attacks, what other attacks and teams would bring, and which differences are beyond
doubt.

The unit is the team. An attack's teams are draws from what its authors could have trained, the attacks draws from those
that there could be, and each figure is of so many battles: all three are drawn anew, the same draws for every detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtr, ndtri, stdtrit  # scipy.stats takes a second of every start that prints a ranking

RESAMPLES = 2_000
LEVEL, POWER = 0.05, 0.8  # of the test that `needed` speaks of
Z = -ndtri(LEVEL / 2)
TINY = 1e-9
ENDS = [2.5, 97.5]  # percent


@dataclass(frozen=True)
class Teams:
    """What a leaderboard's figures are of: ``attacks`` names the attack of each team (team,)."""

    attacks: Sequence[str]

    @property
    def shares(self) -> np.ndarray:
        """(team,) each one's weight in the mean over attacks of the mean over an attack's teams."""
        names, of, sizes = np.unique(np.array(list(self.attacks)), return_inverse=True, return_counts=True)
        return 1 / (len(names) * sizes[of])

    def draws(self) -> np.ndarray:
        """(RESAMPLES, team) the weights where attacks are drawn anew, and for each of them its teams."""
        names, of, sizes = np.unique(np.array(list(self.attacks)), return_inverse=True, return_counts=True)
        rng = np.random.default_rng(0)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
        weights = np.zeros((RESAMPLES, len(of)))
        for attack, n in enumerate(sizes):
            weights[:, of == attack] = rng.multinomial(n * drawn[:, attack], np.full(n, 1 / n)) / (n * len(names))
        return weights


@dataclass(frozen=True)
class Means:
    """The mean over attacks of each of several figures (figure,), with 95 % intervals.

    ``low``, ``high`` : over attacks, teams and battles.
    ``behind`` ... : by how much it is less than the greatest, in the same draws.
    ``beaten`` : the share of teams, every attack counting alike, on which the one with the greatest mean is ahead; ties
    count half (probability of improvement; Agarwal et al. 2021).
    ``needed`` : how many teams, paired, it would take to tell it from the one with the greatest mean, if the difference
    and its spread over teams are as they are here: 80 % power, two-sided at 5 %; NaN where they do not differ.
    ``new_low``, ``new_high`` : what a single further team would have, of an attack drawn from those that are there.
    ``middle`` : the mean of the middle half of the attacks (interquartile mean; Agarwal et al. 2021).
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    behind: np.ndarray
    behind_low: np.ndarray
    behind_high: np.ndarray
    beaten: np.ndarray
    needed: np.ndarray
    new_low: np.ndarray
    new_high: np.ndarray
    middle: np.ndarray


def means(values: np.ndarray, errors: np.ndarray, teams: Teams) -> Means:
    """:class:`Means` of figures that are known of every team.

    Parameters
    ----------
    values : (team, figure) in [0, 1].
    errors : (team, figure) their standard errors over battles; they are taken to be independent of each other, so that
        differences are, if anything, more certain than said here.
    """
    weights = teams.draws()
    rng = np.random.default_rng(1)
    drawn = weights @ values + rng.normal(size=(len(weights), values.shape[1])) * np.sqrt(weights**2 @ errors**2)
    value = teams.shares @ values
    best = int(np.argmax(value))
    behind = drawn[:, [best]] - drawn
    one = rng.choice(len(values), RESAMPLES, p=teams.shares)
    single = values[one] + rng.normal(size=(RESAMPLES, values.shape[1])) * errors[one]
    low, high = np.percentile(drawn, ENDS, axis=0)
    behind_low, behind_high = np.percentile(behind, ENDS, axis=0)
    new_low, new_high = np.clip(np.percentile(single, ENDS, axis=0), 0, 1)
    attacks = np.array(list(teams.attacks))
    by_attack = np.array([values[attacks == name].mean(0) for name in np.unique(attacks)])
    apart = values[:, [best]] - values
    beaten = teams.shares @ np.where(apart == 0, 0.5, apart > 0)
    return Means(value, low, high, value[best] - value, behind_low, behind_high, beaten,
                 _needed(apart, teams.shares), new_low, new_high, _middle(by_attack))


def profiles(values: np.ndarray, teams: Teams, levels: np.ndarray) -> np.ndarray:
    """(level, figure) the share of teams, every attack counting alike, whose figure (team, figure) is at least so high
    (performance profiles; Agarwal et al. 2021)."""
    return np.einsum("t,tfl->lf", teams.shares, values[:, :, None] >= levels)


def _middle(values: np.ndarray) -> np.ndarray:
    """The mean of (attack, figure) without the lowest and the highest quarter of each figure, rounded down."""
    cut = len(values) // 4
    return np.sort(values, axis=0)[cut: len(values) - cut].mean(0)


def _needed(apart: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """How many teams tell each mean difference, of (team, figure), from 0: at least two."""
    mean = shares @ apart
    spread = np.sqrt(shares @ (apart - mean) ** 2)
    needed = np.where(np.abs(mean) > TINY, 2.0, np.nan)
    varied = (np.abs(mean) > TINY) & (spread >= np.abs(mean) * TINY)
    needed[varied] = pairs(np.abs(mean[varied]) / spread[varied])
    return needed


def pairs(effect: np.ndarray) -> np.ndarray:
    """The least number of pairs, two or more, by which a paired t-test finds differences whose mean is so many (> 0) of
    their standard deviations with a chance of ``POWER``, two-sided at ``LEVEL``."""
    by_normal = ((Z + ndtri(POWER)) / effect) ** 2  # a t-test takes one or two more
    low, high = np.maximum(np.floor(by_normal * (1 - 1e-6)) - 1, 1), np.ceil(by_normal) + 4
    while (high - low > 1).any():  # low is too few, high is enough
        middle = np.floor((low + high) / 2)
        enough = power(effect, np.maximum(middle, 2)) >= POWER
        low, high = np.where(enough & (middle > low), low, middle), np.where(enough & (middle > low), middle, high)
    return np.maximum(high, 2)


def power(effect: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The chance that a paired t-test of ``n`` pairs finds such an effect, two-sided at ``LEVEL``."""
    critical, shift = -stdtrit(n - 1, LEVEL / 2), effect * np.sqrt(n)
    wrong_sign = np.nan_to_num(nctdtr(n - 1, shift, -critical))  # scipy has none where it is nearest to 0
    return 1 - nctdtr(n - 1, shift, critical) + wrong_sign
