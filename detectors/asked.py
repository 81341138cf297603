"""What a policy makes of recorded battles: those of its own team, or what it would have thought in another's place."""

from __future__ import annotations

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
    last, after = last_actions(episodes), list[np.ndarray]()
    for step in range(last.shape[1]):
        observation = episodes.observation[:, step].astype(np.float32)
        after.append(policy(observation, last[:, step], after[-1] if after else None)[1])
    return np.stack(after, 1)
