"""Do a repair and a response keep their contracts, :class:`bench.contracts.Repair` and ``Responder``? They are given a
team that knows nothing yet, and its battles."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import torch

from bench.conformance.checks import Outcome
from bench.conformance.walk import expect, walk
from bench.contracts import Battles, Episodes, InformedResponder, ParticularResponder, Progress, Repair, Responder
from bench.contracts.calls import class_name
from bench.marl.play import play
from bench.marl.team import Team, greedy

SEED, EPISODES = 20_029, 16
SLOTS, STEPS = 8, 12  # battles that a response follows at once, and for how long


class Repaired:
    """The repair under test, and what it makes of a team."""

    def __init__(self, make: Callable[[], Repair], battles: Battles, team: Team, progress: Progress) -> None:
        self.make, self.battles, self.team, self.progress = make, battles, team, progress
        self.before = {name: value.clone() for name, value in team.tensors().items()}

    def again(self) -> Team:
        """What a new repair makes of the team."""
        episodes = play(self.battles, self.team, EPISODES, SEED, record=("hidden",)).public()
        return self.make()(self.team, self.battles, episodes, SEED, self.progress)

    @cached_property
    def once(self) -> Team:
        """The same, made once for all checks."""
        return self.again()


def repair_outcomes(make: Callable[[], Repair], battles: Battles, team: Team, progress: Progress) -> Iterator[Outcome]:
    """The outcome of every check of the repair that ``make`` makes, one after the other. Raises BenchError if it
    refuses the team."""
    subject = Repaired(make, battles, team, progress)
    return walk(REPAIR, ("name", "team"), lambda: subject)


def _is_named(name: object) -> None:
    expect(isinstance(name, str) and re.fullmatch(r"[\w.-]+", name) is not None,
           f"name is {name!r}, which cannot be part of a file's name")


def _name(subject: Repaired) -> None:
    _is_named(subject.make().name)


def _team(subject: Repaired) -> None:
    found, given = subject.once, subject.team
    expect(isinstance(found, type(given)), f"it returned an object of type {class_name(found)}")
    expect((found.algo, found.spec) == (given.algo, given.spec), "the team is of another algorithm or environment")
    shapes = {name: (tuple(value.shape), value.dtype) for name, value in subject.before.items()}
    for name, value in found.tensors().items():
        expect(shapes.get(name) == (tuple(value.shape), value.dtype), f"tensor '{name}' has another shape or type")
        expect(bool(value.isfinite().all()), f"tensor '{name}' holds numbers that are not finite")
    lacking = sorted(shapes.keys() - found.tensors().keys())
    expect(not lacking, f"tensor '{lacking[0] if lacking else ''}' is gone")


def _delivered(subject: Repaired) -> None:
    subject.again()
    for name, value in subject.team.tensors().items():
        expect(torch.equal(value, subject.before[name]), f"it changed tensor '{name}' of the team that it was given")


def _repeats(subject: Repaired) -> None:
    first, second = subject.once.tensors(), subject.again().tensors()
    differing = [name for name, value in first.items() if not torch.equal(value, second[name])]
    expect(not differing, f"tensor '{differing[0] if differing else ''}' differs when the same is repaired again")


REPAIR: dict[str, tuple[Callable[[Repaired], None], str]] = {
    "name": (_name, "a name that a file can have"),
    "team": (_team, "a team of the same architecture, sizes and environment, its weights finite"),
    "delivered": (_delivered, "the team that it is given stays as it is"),
    "seed": (_repeats, "the same weights for the same team, episodes and seed")}


class Asked:
    """The response under test, following battles in which agents are suspected from some step on."""

    def __init__(self, make: Callable[[], Responder], battles: Battles, team: Team) -> None:
        self.make, self.battles, self.team = make, battles, team

    @cached_property
    def known(self) -> Episodes:
        """Battles without the trigger."""
        return play(self.battles, self.team, EPISODES, SEED).public()

    def actions(self, responder: Responder) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
        """(what it does, which actions there are, whether it left what it was given alone) of every step."""
        rng, step = np.random.default_rng(SEED), self.battles.reset(SEED, np.arange(SLOTS))
        last, memory = np.full(step.available.shape[:2], -1), self.team.start(SLOTS)
        suspected, fresh = np.zeros(step.available.shape[:2], bool), np.ones(SLOTS, bool)
        if isinstance(responder, ParticularResponder):
            responder.require(self.battles.spec)
        if isinstance(responder, InformedResponder):
            responder.learn(self.team, self.known)
        responder.start(self.team, copy.deepcopy(self.team), SLOTS)
        for _ in range(STEPS):
            preferences, memory = self.team.act(step.observation, last, memory)
            given = greedy(preferences, step.available), step.observation, last, step.available, fresh, suspected
            before = copy.deepcopy(given)
            action = responder.act(*given)
            yield action, step.available, all(map(np.array_equal, given, before))
            last, fresh = np.where(suspected, action, before[0]), np.zeros(SLOTS, bool)
            step = self.battles.step(last, np.full((SLOTS, self.battles.spec.n_outsiders), -1))
            suspected |= rng.random(suspected.shape) < 0.1  # more of them in each step


def response_outcomes(make: Callable[[], Responder], battles: Battles, team: Team) -> Iterator[Outcome]:
    """The outcome of every check of the response that ``make`` makes, one after the other."""
    subject = Asked(make, battles, team)
    return walk(RESPONSE, ("values", "actions"), lambda: subject)


def _values(subject: Asked) -> None:
    responder = subject.make()
    _is_named(responder.name)
    expect(isinstance(responder.battles, int) and responder.battles > 0, f"battles is {responder.battles!r}")
    expect(isinstance(responder.halts, bool), f"halts is {responder.halts!r}, not True or False")


def _actions(subject: Asked) -> None:
    for action, available, untouched in subject.actions(subject.make()):
        expect(isinstance(action, np.ndarray), f"act returned an object of type {class_name(action)}")
        expect(action.shape == available.shape[:2] and action.dtype.kind in "iu",
               f"actions are {action.dtype} of shape {action.shape}; expected are integers, {available.shape[:2]}")
        within = bool(((action >= 0) & (action < available.shape[2])).all())
        expect(within and bool(np.take_along_axis(available, action[..., None], 2).all()),
               "an action is not available")
        expect(untouched, "act changed what it was given")


def _forgets(subject: Asked) -> None:
    responder = subject.make()
    first, second = ([action for action, *_ in subject.actions(responder)] for _ in range(2))
    expect(all(map(np.array_equal, first, second)), "after start it acts otherwise than it did at first")


RESPONSE: dict[str, tuple[Callable[[Asked], None], str]] = {
    "values": (_values, "a name that a file can have, battles of 1 or more, halts True or False"),
    "actions": (_actions, "an available action for every agent, in an array of its own"),
    "start": (_forgets, "everything forgotten by start")}
