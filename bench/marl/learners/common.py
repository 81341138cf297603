"""What learners have in common: episodes as tensors, TD(lambda) targets, a step of the optimiser, and its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench import interrupts
from bench.contracts import Episodes
from bench.errors import BenchError

GRADIENT_NORM = 10.0  # PyMARL's clip
TINY = 1e-12


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
    _differentiate(loss, optimizer)
    _step(parameters, optimizer, learning_rate)


def descend_flatly(loss: Callable[[], Tensor], parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer,
                   learning_rate: float, radius: float) -> Tensor:
    """The same with sharpness-aware minimisation: the step follows the gradient of where the loss is greatest, to
    first order, within ``radius`` (Euclidean, of all parameters together). Returns the loss where the parameters are.

    Foret, Kleiner, Mobahi & Neyshabur, "Sharpness-aware minimization for efficiently improving generalization", ICLR
    2021 (arXiv 2010.01412), eq. 2 and algorithm 1.
    """
    here = loss()
    _differentiate(here, optimizer)
    before = [parameter.detach().clone() for parameter in parameters]
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.add_(gradient * (radius / norm.clamp_min(TINY)))
    _differentiate(loss(), optimizer)
    with torch.no_grad():
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(value)
    _step(parameters, optimizer, learning_rate)
    return here


def _differentiate(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """The gradients of a loss, in place of those before. Raises BenchError on one that is not finite."""
    interrupts.poll()
    if not torch.isfinite(loss):
        raise BenchError("learning has diverged: the loss is not finite; a lower learning_rate may help")
    optimizer.zero_grad()
    loss.backward()


def _step(parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
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
