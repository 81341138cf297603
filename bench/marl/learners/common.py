"""What learners have in common: episodes as tensors, TD(lambda) targets, a step of the optimiser, and its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench import interrupts
from bench.contracts import Episodes
from bench.errors import BenchError

GRADIENT_NORM = 10.0  # PyMARL's clip


@dataclass(frozen=True)
class Batch:
    """Episodes as time-major tensors. ``last`` marks the final step of each episode: nothing follows it."""

    observation: Tensor  # (step, episode, agent, feature)
    last_action: Tensor  # (step, episode, agent), -1 at the beginning
    available: Tensor  # (step, episode, agent, action) bool
    action: Tensor  # (step, episode, agent)
    reward: Tensor  # (step, episode)
    mask: Tensor  # (step, episode) float
    last: Tensor  # (step, episode) float
    state: Tensor  # (step, episode, feature)


def to_batch(episodes: Episodes) -> Batch:
    """Tensors for a learner; the episodes must have been recorded with their states."""
    action = _time_major(episodes.action).long()
    before = torch.cat([torch.full_like(action[:1], -1), action[:-1]])
    mask = _time_major(episodes.mask).float()
    following = torch.cat([mask[1:], torch.zeros_like(mask[:1])])
    state = episodes.labels.state
    assert state is not None, "recorded without record=('state',)"
    observation = torch.from_numpy(episodes.observation).transpose(0, 1).float()
    return Batch(observation, before, _time_major(episodes.available),
                 action, _time_major(episodes.reward), mask, mask * (1 - following), _time_major(state).float())


def _time_major(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).transpose(0, 1).contiguous()


def td_lambda_targets(reward: Tensor, value: Tensor, last: Tensor, gamma: float, td_lambda: float) -> Tensor:
    """TD(lambda) targets, all arguments (step, episode): G_t = r_t + gamma ((1 - lambda) V_{t+1} + lambda G_{t+1}),
    with nothing after a step where ``last`` is 1 (Sutton & Barto, 2nd ed., eq. 12.2 in its recursive form)."""
    targets = torch.empty_like(reward)
    ahead = torch.zeros_like(reward[0])
    following = torch.zeros_like(ahead)
    for t in range(len(reward) - 1, -1, -1):
        ahead = reward[t] + gamma * (1 - last[t]) * ((1 - td_lambda) * following + td_lambda * ahead)
        targets[t], following = ahead, value[t]
    return targets


def descend(loss: Tensor, parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """One optimiser step with PyMARL's gradient clip. Raises BenchError on a loss that is not finite."""
    interrupts.poll()
    if not torch.isfinite(loss):
        raise BenchError("learning has diverged: the loss is not finite; a lower learning_rate may help")
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_NORM)
    optimizer.step()


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments by name, for a file."""
    return {f"moments.{i}.{name}": torch.as_tensor(value)
            for i, moments in optimizer.state_dict()["state"].items() for name, value in moments.items()}


def load_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Take the moments back from :func:`moments_of`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("moments."):
            _, i, what = name.split(".")
            state.setdefault(int(i), {})[what] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
