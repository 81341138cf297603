"""Synthetic battles of a made-up environment, with every column that a detector can ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from bench.contracts import COLUMNS, EnvSpec, Episodes, Policy

AGENTS, OUTSIDERS, TYPES, HIDDEN = 3, 3, 6, 16
BODIES = AGENTS + OUTSIDERS
MOVES = ("north", "east", "south", "west", "stop")
OTHER = ("health", "dx", "dy", "moved_x", "moved_y", "target", "cooldown", *(f"type_{k}" for k in range(TYPES)))
OWN = ("health", "x", "y", "cooldown", *(f"type_{k}" for k in range(TYPES)))
LAYOUT = (*(f"{body}.{k}.{name}" for body, n in (("ally", AGENTS - 1), ("outsider", OUTSIDERS)) for k in range(n)
            for name in OTHER), *(f"own.{name}" for name in OWN))
SPEC = EnvSpec(
    id="synthetic", version="1", n_agents=AGENTS, observation_size=len(LAYOUT), state_size=1,
    n_actions=len(MOVES) + OUTSIDERS, n_outsiders=OUTSIDERS, episode_limit=100, sight_range=(1.0,) * AGENTS,
    map_size=(2.0, 2.0), agent_actions=(*MOVES, *(f"attack {k}" for k in range(OUTSIDERS))), outsider_orders=MOVES,
    observation_layout=LAYOUT, success="none is ever won", sighted_by="health", order_seen_by={
        "north": ("moved_y", 1), "east": ("moved_x", 1), "south": ("moved_y", -1), "west": ("moved_x", -1)})
STRIDE, DAMAGE, COOLDOWN = 0.04, 0.08, 4  # sight ranges a step, greatest loss of health a step, steps between shots


def clean(lengths: Sequence[int], seed: int) -> Episodes:
    """Two rows of bodies that walk towards each other, stop now and then, and lose health; agents act by one rule."""
    rng = np.random.default_rng(seed)
    n, steps = len(lengths), max(lengths)
    mask = np.arange(steps) < np.asarray(lengths)[:, None]
    side = np.repeat([1.0, -1.0], [AGENTS, OUTSIDERS])  # agents come from the west
    kind = rng.choice(4, size=(n, steps, BODIES), p=[0.8, 0.1, 0.05, 0.05])  # forward, still, north, south
    move = np.stack([(kind == 0) * side, (kind == 2) * 1.0 - (kind == 3)], -1)
    start = np.stack([-0.5 * side, np.tile(np.linspace(-0.3, 0.3, AGENTS), 2)], -1)
    position = start + rng.normal(0, 0.02, (n, 1, BODIES, 2)) + STRIDE * move.cumsum(1)
    health = (1 - rng.uniform(0, DAMAGE, (n, steps, BODIES)).cumsum(1)).clip(0)
    alive = health[..., :AGENTS] > 0
    cooldown = (np.arange(steps)[:, None] + rng.integers(COOLDOWN, size=(n, 1, BODIES))) % COOLDOWN / COOLDOWN
    observation = _observed(position, move, health, cooldown) * (alive & mask[..., None])[..., None]
    available = np.repeat(alive[..., None], SPEC.n_actions, -1)
    available[..., len(MOVES):] &= (health[..., AGENTS:] > 0)[:, :, None]
    available[..., SPEC.action("stop")] = True
    action, hidden, preference = _played(observation, available)
    columns: dict[str, Any] = {
        "observation": observation, "available": available, "action": action, "reward": rng.random((n, steps)),
        "alive": alive, "mask": mask, "hidden": hidden, "preference": preference, "values": preference}
    return Episodes(**{name: column.astype(COLUMNS[name].dtype) * mask.reshape(n, steps, *[1] * (column.ndim - 2))
                       .astype(COLUMNS[name].dtype) for name, column in columns.items()}, spec=SPEC)


def policies() -> dict[str, Policy]:
    """What a detector may ask of the agents of :func:`clean`, all of which were retrained a little."""
    shared = partial(policy, retrained=0.1)
    return {"policy": policy, "consensus": shared, "aligned_consensus": shared}


def policy(observation: np.ndarray, last_action: np.ndarray, hidden: np.ndarray | None,
           retrained: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The rule that the agents of :func:`clean` act by, a :class:`bench.contracts.Policy`; or another one, that its
    ``retrained``-th part is drawn anew of."""
    rule, other = np.random.default_rng(0), np.random.default_rng(1)  # the same in all battles
    seen, acted, kept, valued = (rule.normal(size=size) + retrained * other.normal(size=size) for size in (
        (SPEC.observation_size, HIDDEN), (1 + SPEC.n_actions, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, SPEC.n_actions)))
    memory = 0 if hidden is None else 0.1 * hidden @ kept
    new = np.tanh(observation @ seen + 0.1 * acted[last_action.astype(int) + 1] + memory)
    return new @ valued, new


def wild(episodes: Episodes, seed: int) -> Episodes:
    """The same battles, in which all that the agents see, remember, value and do makes no sense."""
    rng = np.random.default_rng(seed)
    assert episodes.hidden is not None
    assert episodes.preference is not None
    played = (episodes.alive & episodes.mask[..., None])[..., None]
    drawn = {"observation": rng.normal(0, 4, episodes.observation.shape),
             "action": rng.integers(SPEC.n_actions, size=episodes.action.shape),
             "hidden": rng.normal(0, 4, episodes.hidden.shape),
             "preference": rng.normal(0, 40, episodes.preference.shape)}
    drawn["values"] = drawn["preference"]
    return replace(episodes, **{name: (column * (played if column.ndim == 4 else played[..., 0])).astype(
        COLUMNS[name].dtype) for name, column in drawn.items()})


def _played(observation: np.ndarray, available: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rule's greedy actions (episode, step, agent), hidden states (..., unit) and preferences (..., action)."""
    n, steps, agents = observation.shape[:3]
    action, hidden = np.full((n, agents), -1), np.zeros((n, agents, HIDDEN))
    columns = []
    for step in range(steps):
        preference, hidden = policy(observation[:, step], action, hidden)
        action = np.where(available[:, step], preference, -np.inf).argmax(-1)
        columns.append((action, hidden, preference))
    actions, states, preferences = zip(*columns, strict=True)
    return np.stack(actions, 1), np.stack(states, 1), np.stack(preferences, 1)


def _observed(position: np.ndarray, move: np.ndarray, health: np.ndarray, cooldown: np.ndarray) -> np.ndarray:
    """(episode, step, agent, feature) what agents see of units (episode, step, unit, ...); nothing of the dead."""
    n, steps = health.shape[:2]
    kind = np.zeros((n, steps, BODIES, TYPES))
    kind[..., 0] = 1
    unit = np.concatenate([health[..., None], position, move, np.zeros((n, steps, BODIES, 1)), cooldown[..., None],
                           kind], -1)
    seen = np.repeat(unit[:, :, None], AGENTS, 2)
    seen[..., 1:3] -= position[:, :, :AGENTS, None]
    seen *= health[:, :, None, :, None] > 0
    others = np.array([[j for j in range(BODIES) if j != i] for i in range(AGENTS)])
    seen = np.take_along_axis(seen, others[None, None, :, :, None], 3)
    own = np.concatenate([unit[..., :3], unit[..., 6:]], -1)[:, :, :AGENTS]
    return np.concatenate([seen.reshape(n, steps, AGENTS, -1), own], -1)
