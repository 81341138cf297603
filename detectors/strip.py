"""White-box detector of actions that stay the same whatever an agent's observation is mixed with."""

from __future__ import annotations

import numpy as np
from scipy.special import entr, softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes, Policy
from bench.errors import DetectorError

from .asked import last_actions, remembered
from .recorded import chunks, living, rows

LEAST_DEVIATION = 1e-2  # of an entropy in [0, 1]
LEAST_SCALE = 1e-6  # of preferences
ASKED = 200  # steps that a policy is asked about together
LEAST_STEPS = 30  # in which an action was taken, for it to have a normal entropy of its own


class Strip(BaseEstimator):
    """How far the entropy of an agent's actions under perturbation lies below its normal mean, in standard deviations.

    An agent's observation is superimposed with observations of normal battles, one after the other, and its policy is
    asked each time what it would do, with the last action that was really taken and the hidden state that it has after
    what was seen and done before: its own, whoever's battles they are. An input that is dominated by
    a trigger keeps its action whatever it is mixed with: the entropy is low.

    Theirs are the superimposed inputs, the entropy, and the threshold from normal inputs. Theirs is a classifier of
    images, whose class probabilities have an entropy for every mixture, and the mean of those is the figure. Ours, for
    a recurrent agent that takes the action it prefers most:

    - the agent's memory is not perturbed, since it is not an input; what dominates may have come with it;
    - the probabilities are a softmax of the preferences among the available actions, and the figure is the entropy of
      their mean over the mixtures: with ``temperature`` 0 it would be that of the greedy actions, which is 0 for some
      agent in every normal battle, so that no threshold promises few false alarms;
    - it is given as a share of the greatest entropy that the available actions allow, and compared with what is normal
      for the agent when it takes the action that it took: some are dominated in normal play, too;
    - every input is mixed with the same observations, where they draw anew, so that scores do not depend on chance.

    Parameters
    ----------
    perturbations : observations that each one is mixed with, drawn in ``fit`` from the same agent's.
    weight : of the drawn observation in the mixture, in (0, 1).
    temperature : of the softmax, in standard deviations of the agent's normal advantages; above 0.
    seed : of the draw.

    Raises
    ------
    DetectorError : by ``fit``, if a parameter is out of its range.

    Attributes
    ----------
    policy_ : the policy of the delivered team.
    others_ : (perturbation, agent, feature) the observations drawn.
    scale_ : (agent,) standard deviation of the agent's preferences among the available actions of a step.
    mean_, deviation_ : (agent, action) of the entropy in normal battles; of all the agent's steps for actions that it
        took in fewer than 30.

    References
    ----------
    Gao et al., "STRIP: a defence against trojan attacks on deep neural networks", ACSAC 2019, arXiv 1902.06531: 100
    perturbations there. Ours: see above.
    """

    needs = ("policy",)

    def __init__(self, perturbations: int = 16, weight: float = 0.5, temperature: float = 0.25, seed: int = 0) -> None:
        self.perturbations = perturbations
        self.weight = weight
        self.temperature = temperature
        self.seed = seed

    def fit(self, episodes: Episodes, policy: Policy) -> Strip:
        self._check()
        lives, rng = living(episodes), np.random.default_rng(self.seed)
        self.policy_ = policy
        self.others_ = np.stack([
            rng.choice(episodes.observation[:, :, agent][lives[..., agent]], self.perturbations).astype(np.float32)
            for agent in range(lives.shape[-1])], 1)
        self.scale_ = self._scale(episodes)
        taken = np.eye(episodes.available.shape[-1], dtype=bool)[episodes.action] & lives[..., None]
        counted = np.where(taken.sum((0, 1)) < LEAST_STEPS, lives[..., None], taken)
        entropy = np.broadcast_to(self._entropy(episodes)[..., None], counted.shape)
        self.mean_ = entropy.mean((0, 1), where=counted)
        self.deviation_ = np.maximum(entropy.std((0, 1), where=counted), LEAST_DEVIATION)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent); 0 for the dead."""
        check_is_fitted(self)
        normal = np.arange(episodes.action.shape[-1]), episodes.action
        return (self.mean_[normal] - self._entropy(episodes)) / self.deviation_[normal] * living(episodes)

    def _check(self) -> None:
        for name, fits, allowed in (("perturbations", self.perturbations >= 1, "1 and more"),
                                    ("weight", 0 < self.weight < 1, "above 0, below 1"),
                                    ("temperature", self.temperature > 0, "above 0")):
            if not fits:
                raise DetectorError(f"{name} is {getattr(self, name)}; allowed: {allowed}")

    def _scale(self, episodes: Episodes) -> np.ndarray:
        """(agent,) what one standard deviation of advantages is, without any perturbation."""
        squares, counts = np.zeros(episodes.alive.shape[2]), np.zeros(episodes.alive.shape[2])
        for _, some in chunks(episodes):
            observation, last_action, hidden, choices = self._inputs(some)
            preference = self.policy_(observation, last_action, hidden)[0]
            advantage = preference - preference.mean(-1, where=choices, keepdims=True)
            counted = choices & some.alive[living(some).any(-1)][..., None]
            squares += (advantage ** 2).sum((0, 2), where=counted)
            counts += counted.sum((0, 2))
        return np.maximum(np.sqrt(squares / counts), LEAST_SCALE)

    def _entropy(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in [0, 1]; 1 where there is nothing to choose, and where nobody lives."""
        entropy = np.ones(episodes.alive.shape)
        for where, some in chunks(episodes):
            observation, last_action, hidden, choices = self._inputs(some)
            mean = np.zeros(choices.shape)
            for part in rows(len(choices), ASKED):
                mean[part] = self._mixed(observation[part], last_action[part], hidden[part], choices[part])
            count = choices.sum(-1)
            share = entr(mean).sum(-1) / np.log(np.maximum(count, 2))
            here = np.ones(some.alive.shape)
            here[living(some).any(-1)] = np.where(count > 1, share, 1)
            entropy[where] = here
        return entropy

    def _mixed(self, observation: np.ndarray, last_action: np.ndarray, hidden: np.ndarray,
               choices: np.ndarray) -> np.ndarray:
        """(n, agent, action) the mean over the mixtures of what :meth:`_inputs` gives, as probabilities."""
        mean = np.zeros(choices.shape)
        for other in self.others_:
            mixed = (1 - self.weight) * observation + self.weight * other
            preference = self.policy_(mixed, last_action, hidden)[0] / (self.temperature * self.scale_[:, None])
            mean += softmax(np.where(choices, preference, -np.inf), -1)
        return mean / len(self.others_)

    def _inputs(self, episodes: Episodes) -> tuple[np.ndarray, ...]:
        """What the policy is asked with, (n, agent, ...) of the n steps in which somebody lives: the observation, the
        last action, and the hidden state before; and (n, agent, action) bool, which actions are available."""
        steps = living(episodes).any(-1)
        after = remembered(self.policy_, episodes)
        before = np.concatenate([np.zeros_like(after[:, :1]), after[:, :-1]], 1)
        available = episodes.available[steps]
        return (episodes.observation[steps].astype(np.float32), last_actions(episodes)[steps], before[steps],
                available | ~available.any(-1, keepdims=True))  # the dead may have none
