"""How likely an agent's action probabilities are in battles without the trigger: a kernel density of each agent."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax

from bench.contracts import EnvSpec
from bench.errors import DetectorError

from .recorded import rows

LEAST_SCALE = 1e-6  # of preferences


class ActionDensity:
    """A Gaussian kernel density of each agent's action probabilities, learned in battles without the trigger.

    The probabilities are a softmax of the preferences among the available actions, "attack 0" and "attack 1" added up,
    being of one kind: (kind,) numbers that sum to 1. Preferences are taken in units of each agent's usual spread, since
    a team that learns values has no scale of its own, and its agents act greedily.

    Parameters
    ----------
    spec : names the kinds of actions.
    temperature : of the softmax, in standard deviations of the agent's usual advantages; above 0.
    bandwidth : standard deviation of the kernels, in units of probability; above 0.
    points : how many usual steps of each agent the density is made of.
    seed : of their draw.

    Attributes
    ----------
    scale_ : (agent,) standard deviation of usual preferences among the available actions of a step.
    points_ : (agent, point, kind) probabilities of usual steps.
    able_ : (agent, point, kind) bool, which kinds of actions were available then.

    Raises
    ------
    DetectorError : a parameter that is out of its range.
    """

    def __init__(self, spec: EnvSpec, temperature: float, bandwidth: float, points: int, seed: int) -> None:
        for name, value, least in (("temperature", temperature, 0), ("bandwidth", bandwidth, 0), ("points", points, 1)):
            if not value >= least or value == 0:
                raise DetectorError(f"{name} is {value}; allowed: {'1 and more' if least else 'above 0'}")
        self.kind_of_action = spec.kind_of_action
        self.kinds = np.eye(len(spec.action_kinds), dtype=np.float32)[spec.kind_of_action]  # (action, kind)
        self.temperature, self.bandwidth, self.points, self.seed = temperature, bandwidth, points, seed

    def learn(self, preference: np.ndarray, available: np.ndarray, lives: np.ndarray) -> ActionDensity:
        """From usual steps: preferences and what was available (..., agent, action), and who lived (..., agent).

        An agent that never lived is taken to be as all others are.
        """
        agents = lives.shape[-1]
        preference, available = (column.reshape(-1, agents, column.shape[-1]) for column in (preference, available))
        lives = lives.reshape(-1, agents)
        counted = available & lives[..., None]
        advantage = preference - preference.mean(-1, where=_choices(available), keepdims=True)
        count = np.maximum(counted.sum((0, 2)), 1)
        self.scale_ = np.maximum(np.sqrt((advantage ** 2).sum((0, 2), where=counted) / count), LEAST_SCALE)
        likely, able = self.probabilities(preference, available), self.able(available)
        rng = np.random.default_rng(self.seed)
        drawn = []  # (point,) the step and the agent
        for agent in range(agents):
            where = np.argwhere(lives & ((np.arange(agents) == agent) | ~lives[:, agent].any()))
            drawn.append(rng.choice(where, self.points, replace=len(where) < self.points))
        step, who = np.moveaxis(np.stack(drawn), -1, 0)
        self.points_, self.able_ = likely[step, who], able[step, who]
        return self

    def probabilities(self, preference: np.ndarray, available: np.ndarray) -> np.ndarray:
        """(..., agent, kind) float32 from preferences and what is available (..., agent, action)."""
        scaled = (preference / (self.temperature * self.scale_[:, None])).astype(np.float32)
        likely: np.ndarray = softmax(np.where(_choices(available), scaled, -np.inf), -1) @ self.kinds
        return likely

    def able(self, available: np.ndarray) -> np.ndarray:
        """(..., agent, kind) bool: is an action of the kind available?"""
        return (available @ self.kinds) > 0

    def surprise(self, likely: np.ndarray) -> np.ndarray:
        """(step, agent) minus the log density, but for a constant that is the same everywhere, of probabilities
        (step, agent, kind)."""
        if not len(likely):
            return np.zeros(likely.shape[:2])
        found = [torch.logsumexp(self._exponents(likely[part]), -1) for part in rows(len(likely), 200)]
        return np.log(self.points) - torch.cat(found, 1).numpy().T.astype(float)

    def nearer(self, likely: np.ndarray, able: np.ndarray) -> np.ndarray:
        """Probabilities (step, agent, kind) after a step of mean shift: where the density is higher. Only usual steps
        count in which the same kinds of actions were available, ``able`` (step, agent, kind), if there are any."""
        exponents = self._exponents(likely)
        same = torch.from_numpy((able[:, :, None] == self.able_).all(-1)).transpose(0, 1)  # (agent, step, point)
        weights = exponents.masked_fill(~same & same.any(-1, keepdim=True), -torch.inf).softmax(-1)
        return torch.bmm(weights, torch.from_numpy(self.points_)).transpose(0, 1).numpy()

    def _exponents(self, likely: np.ndarray) -> torch.Tensor:
        """(agent, step, point) minus half the squared distance from each point, in bandwidths."""
        here, there = (torch.from_numpy(one / self.bandwidth) for one in (likely.swapaxes(0, 1), self.points_))
        return torch.baddbmm(-there.square().sum(-1)[:, None] / 2, here, there.transpose(1, 2)).sub_(
            here.square().sum(-1, keepdim=True) / 2)


def limits(surprise: np.ndarray, lives: np.ndarray, quantile: float) -> np.ndarray:
    """(agent,) the quantile in (0, 1) of the surprises (..., agent) of steps in which each lives; infinite of one that
    never does. Raises DetectorError for another quantile."""
    if not 0 < quantile < 1:
        raise DetectorError(f"quantile is {quantile}; allowed: above 0, below 1")
    return np.array([np.quantile(surprise[..., agent][lives[..., agent]], quantile) if lives[..., agent].any() else
                     np.inf for agent in range(lives.shape[-1])])


def _choices(available: np.ndarray) -> np.ndarray:
    """What is available, and all actions for the dead, who may have none."""
    return available | ~available.any(-1, keepdims=True)
