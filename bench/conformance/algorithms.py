"""Does an algorithm keep the contract of :mod:`bench.marl.learners`, and its teams that of a team?"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.conformance.checks import Outcome
from bench.conformance.teams import SEED, Kept, array, curve, filed, killed, same_weights
from bench.conformance.walk import Beside, expect, walk
from bench.contracts import RECORDABLE, Battles, Progress, Store, column_kind
from bench.marl.learners import Settings, Training
from bench.marl.team import Team, greedy

SLOTS = 8  # battles in which a team is asked at once
RTOL, ATOL = 1e-4, 1e-5  # a product of other numbers beside may round otherwise
WORDS = ("algo.", "budget.")  # of the configuration


class Trained:
    """The algorithm under test, and a team that it has trained."""

    def __init__(self, make: Callable[[], Settings], battles: Battles, progress: Progress) -> None:
        self.make, self.battles, self.progress = make, battles, progress
        self.repeats = False

    def train(self, store: Store) -> Training:
        """A training that is over."""
        training = self.make().trainer(self.battles, SEED)
        with tempfile.TemporaryDirectory() as folder:
            training.fit(store, self.progress, Path(folder))
        return training

    @cached_property
    def training(self) -> Training:
        """The same, made once for all checks."""
        return self.train(Kept())

    @cached_property
    def team(self) -> Team:
        """Its team."""
        return self.training.team()

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Observations (battle, agent, feature) and last actions (battle, agent)."""
        rng, spec = np.random.default_rng(SEED), self.battles.spec
        shape = (SLOTS, spec.n_agents, spec.observation_size)
        return (rng.uniform(-1, 1, shape).astype(np.float32),
                rng.integers(-1, spec.n_actions, size=(SLOTS, spec.n_agents)))

    def asked(self, observation: np.ndarray, last_action: np.ndarray) -> tuple[Tensor, Tensor]:
        """Preferences and memory of the second of two steps in which this is seen and has been done."""
        _, memory = self.team.act(observation, last_action, self.team.start(SLOTS))
        return self.team.act(observation, last_action, memory)


def algorithm_outcomes(make: Callable[[], Settings], battles: Battles, progress: Progress) -> Iterator[Outcome]:
    """The outcome of every check of the algorithm that ``make`` makes the settings of, one after the other."""
    subject = Trained(make, battles, progress)
    return walk(CHECKS, FIRST, lambda: subject)


def description(subject: Trained) -> None:
    """What is known of a training beforehand."""
    settings, spec = subject.make(), subject.battles.spec
    expect(re.fullmatch(r"[\w.-]+", str(settings.name)) is not None,
           f"its name is {settings.name!r}, which no file can have")
    expect(isinstance(settings.eval_battles, int) and settings.eval_battles >= 1,
           f"eval_battles is {settings.eval_battles!r}; expected a whole number from 1")
    expect(all(word.startswith(WORDS) for word in settings.heavy),
           f"heavy is {settings.heavy}; expected values of the configuration, 'algo.NAME'")
    held = settings.held(spec.episode_limit, 64)
    expect(bool(np.isfinite(held)) and held >= 0, f"held is {held}; expected a number of steps")


def training(subject: Trained) -> None:
    """A training comes to its end, and says on the way how it goes."""
    row = next(iter(subject.make().trainer(subject.battles, SEED).run()), None)
    expect(row is not None and "training_win_rate" in row,
           "what run yields first, if anything, has no 'training_win_rate'")
    done, team = subject.training, subject.team
    expect(done.steps > 0, "no step is made")
    curve(done.curve, ("steps", "seconds", "win_rate"))
    expect(isinstance(team, Team), f"team returns {type(team).__name__}, which is no bench.marl.team.Team")
    expect(team.algo == subject.make().name, f"the team says that it is of '{team.algo}'")
    expect(team.spec == subject.battles.spec.shape, f"the team says that it is for {team.spec}")


def acts(subject: Trained) -> None:
    """Preferences and memory are of the right sizes, and what is recorded of them."""
    team, spec, (observation, last_action) = subject.team, subject.battles.spec, subject.seen()
    memory = team.start(SLOTS)
    expect(memory.shape[:2] == (spec.n_agents, SLOTS) and memory.ndim == 3 and not memory.any(),
           f"start gives {tuple(memory.shape)}; expected zeros of shape (agent, battle, unit)")
    for last in (np.full_like(last_action, -1), last_action):
        given = memory.clone(), observation.copy(), last.copy()
        preferences, after = team.act(observation, last, memory)
        expect(torch.equal(memory, given[0]) and np.array_equal(observation, given[1]) and np.array_equal(
            last, given[2]), "act changes what it is given")
        array("act's preferences", preferences.numpy(), (SLOTS, spec.n_agents, spec.n_actions), "f")
        array("act's memory", after.numpy(), tuple(memory.shape), "f")
        memory = after
    columns = team.recorded(preferences, memory)
    expect(set(columns) == set(team.columns) <= set(RECORDABLE),
           f"recorded gives {', '.join(columns)}; columns are {', '.join(team.columns)} of {', '.join(RECORDABLE)}")
    sizes = {"action": spec.n_actions, "unit": memory.shape[-1]}
    for name, value in columns.items():
        array(name, value, (SLOTS, spec.n_agents, sizes[column_kind(name).axes[-1]]), "f")


def file(subject: Trained) -> None:
    """A team that is read from its file is the same, and acts the same."""
    team, seen = subject.team, subject.seen()
    *_, read = filed(team)
    same_weights(team, read, "once it was read from its file")
    expect(type(read) is type(team), f"its file is read as {type(read).__name__}")
    expect(torch.equal(team.act(*seen, team.start(SLOTS))[0], read.act(*seen, read.start(SLOTS))[0]),
           "the team acts otherwise once it was read from its file")


def apart(subject: Trained) -> None:
    """No agent knows what another one sees or does, nor what happens in another battle."""
    observation, last_action = subject.seen()
    before = subject.asked(observation, last_action)
    for what, changed in (("agent", np.s_[:, 0]), ("battle", np.s_[0])):
        if what == "agent" and subject.battles.spec.n_agents == 1:
            continue
        other, acted = observation.copy(), last_action.copy()
        other[changed], acted[changed] = -other[changed], (acted[changed] + 2) % subject.battles.spec.n_actions
        rest = np.s_[:, 1:] if what == "agent" else np.s_[1:]
        for name, one, two in zip(("preferences", "memory"), before, subject.asked(other, acted), strict=True):
            one, two = (value if name == "preferences" else value.transpose(0, 1) for value in (one, two))
            expect(np.allclose(one[rest], two[rest], RTOL, ATOL),
                   f"{name} depend on what is seen or done by another agent" if what == "agent" else
                   f"{name} depend on another battle")


def available(subject: Trained) -> None:
    """The greatest available preference is that of an available action."""
    observation, last_action = subject.seen()
    preferences, _ = subject.asked(observation, last_action)
    rng = np.random.default_rng(SEED)
    for _ in range(SLOTS):
        allowed = rng.random(preferences.shape) < 0.3
        allowed[..., rng.integers(preferences.shape[-1])] = True
        chosen = greedy(preferences, allowed)
        expect(bool(np.take_along_axis(allowed, chosen[..., None], -1).all()),
               "an action is chosen that is not available: a preference is not a number, or too small")


def learns_on(subject: Trained) -> None:
    """A training of a team that is there begins with this team."""
    team = subject.team
    try:
        again = team.learn_on(subject.battles, SEED, steps=1)
    except NotImplementedError:
        raise Beside("its teams do not learn on") from None
    same_weights(team, again.team(), "as soon as it is to learn on")


def goes_on(subject: Trained) -> None:
    """A killed training goes on as if nothing had been."""
    same_weights(subject.team, killed(lambda store: subject.train(store).team()), "after the training was killed")
    subject.repeats = True


def repeats(subject: Trained) -> None:
    """The same seed gives the same weights, as it did if even a killed training came to them."""
    if not subject.repeats:
        same_weights(subject.team, subject.train(Kept()).team(), "when the same is trained again")


CHECKS: dict[str, tuple[Callable[[Trained], None], str]] = {
    "description": (description, "a name, and what a training holds in memory"),
    "training": (training, "a training that ends, with a curve and a team for this environment"),
    "act": (acts, "preferences (battle, agent, action), the next memory, and the columns that the team declares"),
    "file": (file, "the same team once it is read from its file"),
    "apart": (apart, "preferences that depend on what an agent itself sees, does and remembers"),
    "available": (available, "preferences that leave the greatest to an available action"),
    "learn_on": (learns_on, "a training that begins with the team"),
    "killed": (goes_on, "the same weights if it is killed and goes on"),
    "seed": (repeats, "the same weights from the same seed")}
FIRST = ("description", "training", "act")  # whoever breaks these is not asked further
