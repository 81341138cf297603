"""What a policy makes of recorded battles: those of its own team, or what it would have thought in another's place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.contracts import Episodes, Policy


def last_actions(episodes: Episodes) -> np.ndarray:
    """(episode, step, agent) int: what each agent did in the step before, -1 in the first."""
    last = np.full(episodes.action.shape, -1)
    last[:, 1:] = episodes.action[:, :-1]
    return last


def remembered(policy: Policy, episodes: Episodes) -> np.ndarray:
    """(episode, step, agent, unit) the policy's hidden state after each step's observation, given all that the agents
    have seen and done until then."""
    return np.stack([hidden for _, hidden in _answers(policy, episodes)], 1)


def preferred(policy: Policy, episodes: Episodes) -> np.ndarray:
    """(episode, step, agent, action) the policy's preferences then."""
    return np.stack([preferences for preferences, _ in _answers(policy, episodes)], 1)


def _answers(policy: Policy, episodes: Episodes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each step the preferences (episode, agent, action), and the hidden state after it (episode, agent, unit)."""
    last, hidden = last_actions(episodes), None
    for step in range(last.shape[1]):
        preferences, hidden = policy(episodes.observation[:, step].astype(np.float32), last[:, step], hidden)
        yield preferences, hidden
