"""A white-box model detector: a patch on an agent's sensors is reconstructed by gradient, under which it turns."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import Battles, Episodes
from bench.errors import DetectorError
from bench.marl.networks import RNNAgent
from bench.marl.team import UNAVAILABLE, RecurrentTeam, Team

from .asked import last_actions
from .recorded import living, recorded

TINY = 1e-6
TURNED = -1.0  # a lead, in mean leads, that is lost by so much is lost: no more is asked for


class TriggerInversion(BaseEstimator):
    """How much of an agent's lead of its own choice over the next best one a constant patch on few features takes away.

    For each agent, a patch is looked for on those of its features that are always 0 in battles without a trigger. A
    weight on an input of 0 has no gradient: a clean training leaves it as it was drawn, and what a patch there does to
    a clean team is an accident. What varies, each team reads, and a patch on it sways a clean one too. So a trigger
    that shows itself in features that vary, as an outsider's behaviour does, is out of reach.

    The patch is added in short pieces of recorded battles, from the memory that the agent had there, and its memory of
    the patch is carried along; what it is driven to is left open. It minimises the mean lead by the conditional
    gradient (Frank & Wolfe) over patches whose values are at most ``bound`` each, and ``features * bound`` in total.
    The largest ``features`` values of it are kept, at full size. The statistic is the share of the mean lead that the
    patch takes, of the agent where that is most. It needs no teammate to compare with, and sees a backdoor in the
    network that all agents share.

    Parameters
    ----------
    features : of the patch.
    bound : the greatest value of a feature, whose unit is about 1.
    steps : of a piece.
    pieces : of battles, of each agent.
    iterations : of the conditional gradient.
    seed : of what pieces are drawn.

    Raises
    ------
    DetectorError : agents with another kind of network; parameters that make no patch.

    Attributes
    ----------
    found_ : the agent, the names of the features, and their values (None if no feature is always 0).

    References
    ----------
    Wang et al., "Neural Cleanse: identifying and mitigating backdoor attacks in neural networks", S&P 2019; Chen, Guo,
    Tao, Zhang & Song, "BIRD: generalizable backdoor detection and removal for deep reinforcement learning", NeurIPS
    2023. An approximation of both: theirs go by the size of the patch that turns a classifier to a class, and by what a
    patch does to the return in the simulator; ours by what it does to the choices in recorded battles. Ours, too, is
    that features are looked at which nothing but a trigger uses.
    """

    needs = ("episodes", "hidden")

    def __init__(self, features: int = 3, bound: float = 0.5, steps: int = 3, pieces: int = 96, iterations: int = 12,
                 seed: int = 0) -> None:
        self.features = features
        self.bound = bound
        self.steps = steps
        self.pieces = pieces
        self.iterations = iterations
        self.seed = seed

    def statistic(self, team: Team, battles: Battles, episodes: Episodes) -> float:
        """About 0 where no patch does anything, 1 where one takes the whole lead, more where other choices lead."""
        self._check(team)
        assert isinstance(team, RecurrentTeam)
        seen = episodes.observation[living(episodes)]
        silent = torch.from_numpy(~seen.any(0) & bool(len(seen)))
        self.found_ = None
        if not silent.any():
            return 0.0
        patches, taken = zip(*(self._inverted(team.agent(agent), agent, episodes, silent)
                               for agent in range(team.spec.n_agents)), strict=True)
        suspect = int(np.argmax(taken))
        where = patches[suspect].nonzero().ravel().tolist()
        names = battles.spec.observation_layout
        self.found_ = {"agent": suspect, "features": [names[i] for i in where],
                       "values": patches[suspect][where].tolist()}
        return float(taken[suspect])

    def _check(self, team: Team) -> None:
        if not isinstance(team, RecurrentTeam):
            raise DetectorError(f"{type(self).__name__} goes through recurrent networks, and this {team.algo} team "
                                f"({team.architecture}) has none")
        for name in "features", "bound", "steps", "pieces", "iterations":
            if not getattr(self, name) > 0:
                raise DetectorError(f"{name} is {getattr(self, name)}; allowed: above 0")

    def _inverted(self, network: RNNAgent, agent: int, episodes: Episodes, silent: Tensor) -> tuple[Tensor, float]:
        """The patch (feature,) on an agent, and the share of its mean lead that this takes."""
        rng = np.random.default_rng([self.seed, agent])
        replay = Replayed(network.requires_grad_(False), agent, episodes, self._drawn(episodes, agent, rng), self.steps,
                          recorded(episodes, "hidden", self))
        patch, few = torch.zeros(len(silent)), min(self.features, int(silent.sum()))
        if not replay.choices:
            return patch, 0.0
        for number in range(self.iterations):
            patch.requires_grad_()
            slope, = torch.autograd.grad(replay.lead(patch).clamp_min(TURNED).mean(), patch)
            patch = patch.detach()
            corner = self._corner(-slope * silent, few)
            patch = patch + (corner - patch) * 2 / (number + 2)
        patch = self._corner(patch, few)
        with torch.no_grad():
            return patch, float(1 - replay.lead(patch).mean())

    def _corner(self, direction: Tensor, few: int) -> Tensor:
        """The patch of ``few`` features at full size that lies furthest in a direction (feature,)."""
        largest = direction.abs().topk(few).indices
        return torch.zeros_like(direction).index_put((largest,), self.bound * direction[largest].sign())

    def _drawn(self, episodes: Episodes, agent: int, rng: np.random.Generator) -> np.ndarray:
        """(piece, 2) episodes and first steps of pieces in which the agent lives."""
        lives = living(episodes)[:, :, agent]
        last = lives.shape[1] - self.steps + 1
        whole = np.all([lives[:, k: k + last] for k in range(self.steps)], axis=0) if last > 0 else lives[:, :0]
        there = np.argwhere(whole)
        return rng.permutation(there)[: self.pieces]


class Replayed:
    """Pieces of recorded battles, as one agent would choose in them with a patch on its observation.

    Parameters
    ----------
    where : (piece, 2) the episode and the first step.
    hidden : (episode, step, agent, unit) as recorded, after the observation.
    """

    def __init__(self, network: RNNAgent, agent: int, episodes: Episodes, where: np.ndarray, steps: int,
                 hidden: np.ndarray) -> None:
        episode, step = where[:, :1].T, where[:, 1] + np.arange(steps)[:, None]  # (step, piece)
        seen = torch.from_numpy(episodes.observation[episode, step, agent].astype(np.float32))
        acted = torch.from_numpy(last_actions(episodes)[episode, step, agent] + 1)
        identity = torch.eye(network.parts[2])[agent].expand(*acted.shape, -1)
        taken = F.one_hot(acted, network.parts[1] + 1)[..., 1:].float()
        before = hidden[episode[0], np.maximum(step[0] - 1, 0), agent] * (step[0] > 0)[:, None]
        self.network, self.memory = network, torch.from_numpy(before.astype(np.float32))
        self.first = network.fc1(torch.cat([seen, taken, identity], -1))  # (step, piece, unit), before the patch
        self.available = torch.from_numpy(episodes.available[episode, step, agent])
        self.several = self.available.sum(-1) > 1
        self.choices = int(self.several.sum())
        if self.choices:
            preference = self._preference(torch.zeros(network.parts[0]))
            self.own = preference.argmax(-1, keepdim=True)
            self.unit = self._lead(preference).mean().clamp_min(TINY)

    def lead(self, patch: Tensor) -> Tensor:
        """(choice,) of the action that is chosen without the patch over the best other one, in mean leads without it;
        of the steps in which several are available."""
        return self._lead(self._preference(patch)) / self.unit

    def _lead(self, preference: Tensor) -> Tensor:
        others = preference.scatter(-1, self.own, UNAVAILABLE).amax(-1)
        return (preference.gather(-1, self.own).squeeze(-1) - others)[self.several]

    def _preference(self, patch: Tensor) -> Tensor:
        """(step, piece, action), of the available ones."""
        moved = self.first + self.network.fc1.weight[:, : len(patch)] @ patch
        memory, out = self.memory, []
        for inputs in F.relu(moved):
            memory = self.network.rnn(inputs, memory)
            out.append(self.network.fc2(memory))
        return torch.stack(out).masked_fill(~self.available, UNAVAILABLE)
