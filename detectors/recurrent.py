"""What recurrent detectors share: scaled inputs, and a quiet, seeded training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from bench.contracts import Episodes

from .recorded import living

LONGEST_GRADIENT = 1.0

Network = TypeVar("Network", bound=nn.Module)


def observation_scaler(episodes: Episodes) -> StandardScaler:
    """To mean 0 and standard deviation 1 of what living agents see; features that never change keep their unit."""
    return StandardScaler().fit(episodes.observation[living(episodes)].astype(np.float32))


def scaled(scaler: StandardScaler, observation: np.ndarray) -> np.ndarray:
    """Scaled observations (..., feature) float32."""
    return ((observation - scaler.mean_) / scaler.scale_).astype(np.float32)


def delayed(sequences: np.ndarray) -> np.ndarray:
    """Sequences (sequence, step, feature) one step later; zeros first."""
    return np.pad(sequences, [(0, 0), (1, 0), (0, 0)])[:, :-1]


def train(make: Callable[[], Network], loss: Callable[..., Tensor], columns: Sequence[np.ndarray], counts: np.ndarray,
          *, epochs: int, batch: int, rate: float, seed: int) -> Network:
    """A network that has learnt from sequences, by Adam; the same on every call, whatever was drawn before.

    Parameters
    ----------
    make : a fresh network.
    loss : (network, *columns of some sequences) -> the loss (sequence, step).
    columns : arrays (sequence, step, ...).
    counts : (sequence, step) bool, the steps whose loss counts; later steps than the last of a batch are left away.
    epochs, batch, rate : passes over the sequences, sequences a step of Adam, its learning rate.
    """
    tensors = [torch.from_numpy(column) for column in (*columns, counts)]
    ends = torch.from_numpy(counts.shape[1] - counts[:, ::-1].argmax(1))
    has_steps = torch.from_numpy(np.nonzero(counts.any(1))[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make()
        optimizer = torch.optim.Adam(network.parameters(), rate)
        for _ in range(epochs):
            for index in has_steps[torch.randperm(len(has_steps))].split(batch):
                *parts, counting = (tensor[index, : int(ends[index].max())] for tensor in tensors)
                optimizer.zero_grad()
                loss(network, *parts)[counting].mean().backward()
                nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
                optimizer.step()
    return network.eval().requires_grad_(False)
