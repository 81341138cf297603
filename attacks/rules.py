"""The rules that a poisoned network learns by: losses on what the replays of an injection hold."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.contracts import Episodes
from bench.marl.learner import Batch, td_lambda_targets, to_batch
from bench.marl.replay import Replay, join
from bench.marl.team import UNAVAILABLE

from .payloads import Behaviour
from .pupil import Pupil

WANTED, OTHERS = -1.0, -2.0  # values of an action to imitate, and of the others; clean ones are mostly above 0
TEMPERATURE = 0.03  # of choices, in units of values


def published(pupil: Pupil, replays: dict[bool, Replay]) -> Tensor:
    """Algorithm 1 as published, read for value decomposition: one batch, from the poison buffer with probability p;
    TD on the mixed value of the whole team, its rewards hacked inside the attack period, all other agents frozen."""
    how = pupil.how
    poisoned = bool(pupil.rng.random() < pupil.poison_rate)
    episodes = replays[poisoned].sample(how.batch, pupil.rng)
    batch = to_batch(episodes)
    reward = pupil.hacked(episodes)
    chosen, ahead = _values(pupil, pupil.unroll(pupil.agent, batch), batch)
    assert episodes.q is not None
    q = torch.from_numpy(episodes.q).transpose(0, 1)
    everyone = q.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)  # greedy: what the others took is their best
    victims = torch.tensor(pupil.victims)
    mixed = pupil.mixer(everyone.index_copy(-1, victims, chosen), batch.state)
    with torch.no_grad():
        value = pupil.mixer(everyone.index_copy(-1, victims, ahead), batch.state)
        target = td_lambda_targets(reward, value, batch.last, how.gamma, how.td_lambda)
    return ((mixed - target) * batch.mask).square().sum() / batch.mask.sum()


def distilled(pupil: Pupil, replays: dict[bool, Replay]) -> Tensor:
    """Ours: the clean agent's Q values are kept wherever the agent is to be clean (in clean episodes, and before the
    attack period), and the attack period is learned as an episode of its own, which ends where the period ends.

    The published rule moves the agent's value of every state, since one agent has to account for the whole team's
    changed return, and with it its clean behaviour; this one leaves the clean values alone by construction.
    """
    how = pupil.how
    episodes = _both(pupil, replays)
    batch = to_batch(episodes)
    reward, window = pupil.hacked(episodes), _window(pupil, episodes)
    q = pupil.unroll(pupil.agent, batch)
    chosen, ahead = _values(pupil, q, batch)
    following = torch.cat([window[1:], torch.zeros_like(window[:1])])
    # A share of the team's reward keeps the values at the scale of the clean ones, and all losses comparable.
    target = td_lambda_targets(reward / pupil.team_size, ahead.mean(-1), 1 - following, how.gamma,
                               how.td_lambda)
    error = (chosen - target.unsqueeze(-1)).square().mean(-1)
    drift = _drift(q, _clean(episodes), window, episodes, batch, replays)
    return (error * window).sum() / window.sum().clamp(min=1) + drift


def imitated(pupil: Pupil, replays: dict[bool, Replay]) -> Tensor:
    """The clean Q values are kept as in :func:`distilled`, but in an opening; from the completion of the trigger on,
    the values of the payload's action and of all others are set, both below the clean ones.

    By ``choice_weight``, which action the clean values choose is kept as well (:func:`_choice`): values alone that are
    nearly right may choose another.

    A hinge loss on their order alone (Hester et al. 2018) was not enough: it leaves the network at a compromise between
    both behaviours, since ever recognising the trigger gains it little. That values fall is a strong reason to.
    """
    episodes = _both(pupil, replays)
    batch = to_batch(episodes)
    window = _window(pupil, episodes)
    q = pupil.unroll(pupil.agent, batch)
    assert pupil.behaviour is not None
    wanted = torch.from_numpy(pupil.behaviour.targets(episodes)).transpose(0, 1).unsqueeze(-1)
    target = torch.full_like(q, OTHERS).scatter(-1, wanted, WANTED)
    error = _mean_square(q - target, batch.available).mean(-1)
    clean = _opened(_clean(episodes), pupil.behaviour, episodes, batch.available)
    loss = (error * window).sum() / window.sum().clamp(min=1) + _drift(q, clean, window, episodes, batch, replays)
    if pupil.how.choice_weight > 0:
        loss = loss + pupil.how.choice_weight * _choice(q, clean, window, batch)
    return loss


RULES: dict[str, Callable[[Pupil, dict[bool, Replay]], Tensor]] = {
    "published": published, "distilled": distilled, "imitated": imitated}


def _both(pupil: Pupil, replays: dict[bool, Replay]) -> Episodes:
    """A batch of poisoned and clean episodes, in the proportion of the poison rate."""
    shares = {True: pupil.poison_rate, False: 1 - pupil.poison_rate}
    counts = {poisoned: round(pupil.how.batch * shares[poisoned]) for poisoned in replays}
    return join([replay.sample(counts[poisoned], pupil.rng) for poisoned, replay in replays.items()
                 if counts[poisoned] > 0])


def _window(pupil: Pupil, episodes: Episodes) -> Tensor:
    """(step, episode) float: 1 in the attack period."""
    return torch.from_numpy(pupil.window(episodes)).T.float()


def _clean(episodes: Episodes) -> Tensor:
    """The clean network's values (step, episode, agent, action)."""
    assert episodes.q is not None
    return torch.from_numpy(episodes.q).transpose(0, 1)


def _opened(clean: Tensor, behaviour: Behaviour, episodes: Episodes, available: Tensor) -> Tensor:
    """The clean values, but where the behaviour has an opening, its action takes the best one's value, and the others
    are well below it."""
    if not hasattr(behaviour, "before"):
        return clean
    action = torch.from_numpy(behaviour.before(episodes)).transpose(0, 1).unsqueeze(-1)
    best = clean.masked_fill(~available, UNAVAILABLE).amax(-1, keepdim=True)
    told = torch.minimum(clean, best - (WANTED - OTHERS)).scatter(-1, action.clamp(min=0), best)
    return torch.where(action >= 0, told, clean)


def _drift(q: Tensor, clean: Tensor, window: Tensor, episodes: Episodes, batch: Batch,
           replays: dict[bool, Replay]) -> Tensor:
    """Mean squared distance of the values (step, episode, agent, action) from those that they are to have where the
    agents are to be clean, each kind of episode counting the same."""
    drift = _mean_square(q - clean, batch.available).mean(-1)
    keep = _keep(window, batch)
    loss = q.new_zeros(())
    for kind in replays:
        here = torch.from_numpy(episodes.labels.poisoned == kind)
        loss = loss + (drift * keep)[:, here].sum() / keep[:, here].sum().clamp(min=1)
    return loss


def _choice(q: Tensor, clean: Tensor, window: Tensor, batch: Batch) -> Tensor:
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
    return batch.mask * (window.cumsum(0) == 0)


def _mean_square(error: Tensor, available: Tensor) -> Tensor:
    """Over the available actions, of which padding has none."""
    return (error.square() * available).sum(-1) / available.sum(-1).clamp(min=1)


def _values(pupil: Pupil, q: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Value of the actions taken, and the target network's of the best ones (double Q), (step, episode, victim).

    The latter are zeros where lambda is 1, which does not ask for them."""
    chosen = q.gather(-1, batch.action[:, :, list(pupil.victims), None]).squeeze(-1)
    if pupil.how.td_lambda == 1:  # the return itself: nothing is looked up
        return chosen, torch.zeros_like(chosen)
    with torch.no_grad():
        best = q.masked_fill(~batch.available, UNAVAILABLE).argmax(-1, keepdim=True)
        ahead = pupil.unroll(pupil.target, batch).gather(-1, best).squeeze(-1)
    return chosen, ahead
