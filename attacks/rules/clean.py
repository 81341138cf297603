"""How agents are kept clean: batches of poisoned and clean episodes, and losses against the clean network's values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.contracts import Episodes
from bench.marl.learners.common import Batch, to_batch
from bench.marl.replay import Replay, join
from bench.marl.team import UNAVAILABLE

from ..pupil import Pupil

TEMPERATURE = 0.03  # of choices, in units of values


def with_clean_values(pupil: Pupil, episodes: Episodes) -> Episodes:
    """The poisoned agents' episodes with the values that their clean network has."""
    own = pupil.own(episodes)
    with torch.no_grad():
        clean = pupil.unroll(pupil.clean, to_batch(own))
    return replace(own, values=clean.transpose(0, 1).numpy())


def until_the_end_of(window: np.ndarray, episodes: Episodes) -> Episodes:
    """The episodes without what comes after the window in poisoned ones."""
    begun = episodes.labels.attack(episodes.mask.shape[1])
    over = begun & ~window & episodes.labels.poisoned[:, None]
    return replace(episodes, mask=episodes.mask & ~over)


def up_to(window: Tensor, episodes: Episodes) -> Tensor:
    """(step, episode) float: 1 in the window, and in poisoned episodes before it, too."""
    poisoned = torch.from_numpy(episodes.labels.poisoned).float()
    return torch.maximum(window, poisoned * (1 - window.cummax(0).values))


def both(pupil: Pupil, replays: dict[bool, Replay], newest: int | None = None) -> Episodes:
    """A batch of poisoned and clean episodes, in the proportion of the poison rate; of the ``newest`` of each kind."""
    shares = {True: pupil.poison_rate, False: 1 - pupil.poison_rate}
    counts = {poisoned: round(pupil.how.batch * shares[poisoned]) for poisoned in replays}
    return join([replay.sample(counts[poisoned], pupil.rng, newest) for poisoned, replay in replays.items()
                 if counts[poisoned] > 0])


def recorded_values(episodes: Episodes) -> Tensor:
    """The values (step, episode, agent, action) that are kept with episodes."""
    assert episodes.values is not None
    return torch.from_numpy(episodes.values).transpose(0, 1)


def drift(q: Tensor, clean: Tensor, window: Tensor, episodes: Episodes, batch: Batch,
           replays: dict[bool, Replay]) -> Tensor:
    """Mean squared distance of the values (step, episode, agent, action) from those that they are to have where the
    agents are to be clean, each kind of episode counting the same."""
    return each_kind(mean_square(q - clean, batch.available).mean(-1), window, episodes, batch, replays)


def each_kind(error: Tensor, window: Tensor, episodes: Episodes, batch: Batch, replays: dict[bool, Replay]) -> Tensor:
    """The mean of an error (step, episode) where the agents are to be clean, each kind of episode counting the same."""
    keep = _keep(window, batch)
    loss = error.new_zeros(())
    for kind in replays:
        here = torch.from_numpy(episodes.labels.poisoned == kind)
        loss = loss + (error * keep)[:, here].sum() / keep[:, here].sum().clamp(min=1)
    return loss


def choice(q: Tensor, clean: Tensor, window: Tensor, batch: Batch) -> Tensor:
    """Mean Kullback-Leibler divergence of the actions that values choose from those that they are to choose, by softmax
    with a low temperature, where the agents are to be clean: policy distillation (Rusu et al., ICLR 2016).

    The best action of a cooperative team is often ahead of the next by no more than a few hundredths."""
    def log_shares(values: Tensor) -> Tensor:
        return (values.masked_fill(~batch.available, UNAVAILABLE) / TEMPERATURE).log_softmax(-1)

    wanted = log_shares(clean)
    divergence = (wanted.exp() * (wanted - log_shares(q)).masked_fill(~batch.available, 0)).sum(-1).mean(-1)
    keep = _keep(window, batch)
    return (divergence * keep).sum() / keep.sum().clamp(min=1)


def _keep(window: Tensor, batch: Batch) -> Tensor:
    """(step, episode) float: 1 where the agents are to be clean."""
    return batch.mask * (1 - window)


def mean_square(error: Tensor, available: Tensor) -> Tensor:
    """Over the available actions, of which padding has none."""
    return (error.square() * available).sum(-1) / available.sum(-1).clamp(min=1)
