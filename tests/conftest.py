"""Shared fixtures. Battles are real, on the smallest map; everything is written below a test's own folder."""

from __future__ import annotations

from bench.marl.process import single_thread_environment, tune

single_thread_environment()
tune()

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import settings

from bench.contracts import EnvSpec, Episodes, Labels
from bench.envs.smax import SmaxBattles
from bench.envs.smax_names import described
from bench.marl.learners.q import Learning, QLearner

settings.register_profile("shared", deadline=None)  # a test's time says nothing on a machine with other work
settings.load_profile("shared")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is ``sampled(n)``, every n-th set of parameters is tried in each run, and the others are slow."""
    seen: Counter[str] = Counter()
    for item in items:
        if (mark := item.get_closest_marker("sampled")) is not None:
            test = item.nodeid.partition("[")[0]
            if seen[test] % mark.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[test] += 1


@pytest.fixture(scope="session")
def battles() -> SmaxBattles:
    return SmaxBattles("3m")


@pytest.fixture(scope="session")
def battles_8m() -> SmaxBattles:
    return SmaxBattles("8m")


@pytest.fixture(scope="session")
def battles_skirmish() -> SmaxBattles:
    return SmaxBattles("3m", "skirmish")


@pytest.fixture
def team(battles):
    return QLearner(Learning.of("vdn", steps=1), battles.spec, 0).team()


@pytest.fixture
def qmix_team(battles):
    return QLearner(Learning.of("qmix", steps=1), battles.spec, 1).team()


def made_up(agents: int, features: int) -> EnvSpec:
    """An environment with one outsider, laid out as SMAX is where so many features can be."""
    names = described(agents, 1, max((features - 7 * agents - 4) // (agents + 1), 0))
    if len(names["observation_layout"]) != features:
        names |= {"observation_layout": tuple(f"own.{k}" for k in range(features)), "order_seen_by": {}}
    return EnvSpec("made up", "1", agents, features, 1, 6, 1, 200, (9.0,) * agents, (32.0, 32.0), **names)


@pytest.fixture
def make_episodes():
    """Synthetic episodes of given lengths, laid out as SMAX's with one enemy; observations are normal noise."""

    def make(lengths, agents=2, features=21, seed=0, completion=None) -> Episodes:
        rng = np.random.default_rng(seed)
        n, steps = len(lengths), max(lengths)
        mask = np.arange(steps) < np.asarray(lengths)[:, None]
        labels = Labels(np.arange(n), rng.random(n) < 0.5, np.zeros(n, bool), np.zeros((n, steps), bool),
                        np.full(n, -1) if completion is None else np.asarray(completion))
        return Episodes(rng.normal(size=(n, steps, agents, features)).astype(np.float16),
                        np.ones((n, steps, agents, 6), bool), rng.integers(6, size=(n, steps, agents)).astype(np.uint8),
                        rng.random((n, steps)).astype(np.float32), np.repeat(mask[..., None], agents, -1), mask,
                        hidden=np.tanh(rng.normal(size=(n, steps, agents, 8))).astype(np.float16),
                        preference=(values := rng.normal(size=(n, steps, agents, 6)).astype(np.float32)),
                        values=values.copy(), spec=made_up(agents, features), hidden_labels=labels)

    return make


class MemoryStore:
    """A store in memory, that can hand out what was saved."""

    def __init__(self) -> None:
        self.saved: tuple | None = None
        self.parts: dict[str, dict] = {}

    def load(self):
        return self.saved

    def save(self, tensors, values, team) -> None:
        self.saved = {name: torch.clone(t) for name, t in tensors.items()}, dict(values)

    def save_part(self, name, tensors) -> None:
        self.parts[name] = {name: torch.clone(t) for name, t in tensors.items()}

    def load_part(self, name):
        return self.parts[name]

    def keep_parts(self, names) -> None:
        self.parts = {name: part for name, part in self.parts.items() if name in names}

    def also(self, changes, team, curve) -> None:
        self.further = changes, team, curve


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()
