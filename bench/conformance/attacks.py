"""Does an attack keep :class:`bench.contracts.Attack`'s contract? It is put into a team that knows nothing yet."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch

from bench.conformance.checks import Outcome
from bench.conformance.teams import SEED, Kept, array, curve, filed, killed, same_weights
from bench.conformance.walk import Beside, expect, walk
from bench.contracts import NEVER, NOBODY, Attack, Battles, Cue, EnvSpec, Progress, Step, Store, Trigger
from bench.contracts.calls import said
from bench.errors import BenchError
from bench.marl.team import Team

SLOTS, STEPS = 8, 24  # battles that a trigger watches at once, and for how long
MEANS = ("behaviour", "observation", "none")


class Injected:
    """The attack under test, and what it makes of a clean team.

    Raises BenchError if it does not fit the environment.
    """

    def __init__(self, make: Callable[[], Attack], battles: Battles, team: Team, progress: Progress) -> None:
        self.make, self.battles, self.clean, self.progress = make, battles, team, progress
        self.before = {name: value.clone() for name, value in team.tensors().items()}
        self.attack, self.repeats = make(), False
        self.attack.require(battles.spec)

    def inject(self, store: Store) -> tuple[Attack, Team, list[dict[str, float]]]:
        """A new attack, the team with its backdoor, and the curve."""
        attack = self.make()
        if not attack.changes_team:
            raise Beside("it leaves the team as it is")
        team, rows = attack.inject(self.clean, self.battles, SEED, store, self.progress)
        return attack, team, rows

    @cached_property
    def injected(self) -> tuple[Attack, Team, list[dict[str, float]]]:
        """The same, made once for all checks."""
        return self.inject(Kept())

    @property
    def trigger(self) -> Trigger:
        """The trigger, learned if it has to be."""
        return (self.injected[0] if self.attack.changes_team else self.attack).trigger


def attack_outcomes(make: Callable[[], Attack], battles: Battles, team: Team, progress: Progress) -> Iterator[Outcome]:
    """The outcome of every check of the attack that ``make`` makes, one after the other.

    Raises BenchError if it does not fit the environment, or refuses the team.
    """
    subject = Injected(make, battles, team, progress)
    return walk(CHECKS, FIRST, lambda: subject)


def description(subject: Injected) -> None:
    """What tables and files say of the attack."""
    attack, spec = subject.attack, subject.battles.spec
    expect(re.fullmatch(r"[\w.-]+", str(attack.name)) is not None,
           f"its name is {attack.name!r}, which no file can have")
    victims = attack.victims
    expect(isinstance(victims, tuple) and len(set(victims)) == len(victims) > 0,
           f"victims are {victims!r}; expected a tuple of different agents")
    expect(not attack.changes_team or all(isinstance(agent, int) and 0 <= agent < spec.n_agents for agent in victims),
           f"victims are {victims}; {spec.id} has agents 0 to {spec.n_agents - 1}")
    expect(isinstance(attack.duration, int) and attack.duration >= 1, f"duration is {attack.duration!r}")
    expect(0 <= attack.poison_rate <= 1, f"poison_rate is {attack.poison_rate}; expected 0 to 1")
    for name in ("changes_team", "poisons"):
        expect(isinstance(getattr(attack, name), bool), f"{name} is {getattr(attack, name)!r}; expected True or False")
    trigger = attack.trigger
    expect(trigger.means in MEANS, f"the trigger's means is {trigger.means!r}; expected one of {', '.join(MEANS)}")
    expect(isinstance(trigger.length, int) and trigger.length >= 0, f"the trigger's length is {trigger.length!r}")
    expect(isinstance(trigger.lasting, bool), f"the trigger's lasting is {trigger.lasting!r}")


def refusals(subject: Injected) -> None:
    """An environment that lacks what it needs is refused before anything is made, by a BenchError."""
    attack, spec = subject.make(), subject.battles.spec
    for what, lesser in _lesser(spec):
        try:
            attack.require(lesser)
        except BenchError:
            continue
        except Exception as error:
            expect(False, f"require raises {said(error)} for an environment {what}")
        expect(not attack.changes_team or max(attack.victims) < lesser.n_agents,
               f"require accepts an environment {what}, without the victims")
        try:
            copy.deepcopy(attack.trigger).start(lesser, SLOTS)
        except Exception as error:
            expect(False, f"require accepts an environment {what}, where the trigger raises {said(error)}")


def _lesser(spec: EnvSpec) -> Iterator[tuple[str, EnvSpec]]:
    """Environments that have less than this one."""
    yield "with one agent", replace(spec, n_agents=1, sight_range=spec.sight_range[:1])
    yield "without extras", replace(spec, extras=(), bar="")
    nameless = {"observation_layout": tuple(f"rest.{i}" for i in range(spec.observation_size)), "sighted_by": "",
                "order_seen_by": {}, "agent_actions": tuple(f"action.{i}" for i in range(spec.n_actions))}
    yield "whose names say nothing", replace(spec, **nameless)  # type: ignore[arg-type]
    yield "without outsiders", replace(spec, n_outsiders=0, outsider_orders=(), extras=(),
                                       **nameless)  # type: ignore[arg-type]


def cues(subject: Injected) -> None:
    """The trigger starts again and copies as it should, and gives what the environment has a name for."""
    trigger = copy.deepcopy(subject.trigger)
    trigger.start(subject.battles.spec, SLOTS)
    moments, half = [], None
    first: list[Cue] = []
    for time, (step, fresh, show) in enumerate(_watched(subject.battles, trigger, first)):
        moments.append((step, fresh, show))
        if time == STEPS // 2:
            half = copy.deepcopy(trigger)
    assert half is not None
    trigger.start(subject.battles.spec, SLOTS)
    for what, other, since in (("after it was started again", trigger, 0),
                               ("of a copy that was made meanwhile", half, STEPS // 2 + 1)):
        for moment, cue in zip(moments[since:], first[since:], strict=True):
            again = other.cue(*moment)
            for name in ("orders", "observation", "showing", "completed"):
                expect(np.array_equal(getattr(cue, name), getattr(again, name)), f"{name} is another one {what}")


def _watched(battles: Battles, trigger: Trigger,
             told: list[Cue]) -> Iterator[tuple[Step, np.ndarray, np.ndarray]]:
    """Steps of battles in which the trigger is shown in every other one, as play asks for it; two begin anew on the
    way. What the trigger has said is put into ``told``."""
    rng, spec = np.random.default_rng(SEED), battles.spec
    step, fresh = battles.reset(SEED, np.arange(SLOTS)), np.ones(SLOTS, bool)
    completion = np.full(SLOTS, NEVER)
    for time in range(STEPS):
        show = (np.arange(SLOTS) % 2 == 0) & (trigger.lasting | (completion == NEVER))
        before = step.observation.copy()
        told.append(trigger.cue(step, fresh, show))
        expect(np.array_equal(step.observation, before), "the trigger edits the environment's own observation, no copy")
        _sound(step, show, told[-1], spec, trigger.means)
        yield step, fresh, show
        completion[told[-1].completed & (completion == NEVER)] = time
        action = np.where(step.available, rng.random(step.available.shape), -1).argmax(-1)
        step, fresh = battles.step(action, told[-1].orders), np.zeros(SLOTS, bool)
        if time == STEPS // 3:
            again = np.array([0, 5])
            step, fresh[again], completion[again] = battles.replace(again, SLOTS + again), True, NEVER


def _sound(step: Step, show: np.ndarray, cue: Cue, spec: EnvSpec, means: str) -> None:
    """Broken unless a cue is one."""
    array("orders", cue.orders, (SLOTS, spec.n_outsiders), "i")
    given = cue.orders[cue.orders != NOBODY]
    expect(bool(((given >= 0) & (given < len(spec.outsider_orders))).all()),
           f"the trigger gives the order {given.max(initial=NOBODY)}; {spec.id} has {len(spec.outsider_orders)}")
    expect(bool((cue.orders[~show] == NOBODY).all()), "the trigger gives orders where it is not to be shown")
    array("the observation", cue.observation, step.observation.shape, "f")
    expect(cue.observation.dtype == step.observation.dtype, f"the observation is of {cue.observation.dtype}")
    for name in ("showing", "completed"):
        array(name, getattr(cue, name), (SLOTS,), "b")
    expect(not cue.showing[~show].any(), "showing where it is not to be shown")
    edits = (cue.observation != step.observation).any(-1)
    expect(means != "behaviour" or not edits.any(), "a trigger of behaviour edits observations")
    if cue.edited is not None:
        array("edited", cue.edited, (SLOTS, spec.n_agents), "b")
        expect(not (edits & ~cue.edited).any(), "observations are edited of agents that 'edited' does not name")


def layout(subject: Injected) -> None:
    """Nothing but numbers tells a backdoored team's file from a clean one's."""
    _, team, rows = subject.injected
    expect(type(team) is type(subject.clean),
           f"inject returns {type(team).__name__}, not {type(subject.clean).__name__}")
    expect((team.algo, team.spec) == (subject.clean.algo, subject.clean.spec), "algo or spec are not the clean team's")
    (header, names, read), (clean_header, clean_names, _) = filed(team), filed(subject.clean)
    expect(header == clean_header, "names, shapes, types or order of tensors in the file are not the clean team's")
    expect(names == clean_names, "names in the JSON file are not the clean team's")
    same_weights(team, read, "once it was read from its file")
    curve(rows, ())


def victims(subject: Injected) -> None:
    """Nobody else is changed, and the clean team is left alone."""
    attack, team, _ = subject.injected
    for name, value in subject.clean.tensors().items():
        expect(torch.equal(value, subject.before[name]), f"inject changes the clean team's own tensor '{name}'")
    others = [agent for agent in range(team.spec.n_agents) if agent not in attack.victims]
    for name, value in team.weights.items():
        same = torch.equal(value[others], subject.clean.weights[name][others])
        expect(same, f"'{name}' of agents that are not poisoned is changed")
    own = {f"agent.{name}" for name in team.weights}
    for name, value in team.tensors().items():
        expect(name in own or torch.equal(value, subject.before[name]), f"tensor '{name}', no agent's, is changed")


def goes_on(subject: Injected) -> None:
    """A killed injection goes on as if nothing had been."""
    same_weights(subject.injected[1], killed(lambda store: subject.inject(store)[1]), "after the injection was killed")
    subject.repeats = True


def repeats(subject: Injected) -> None:
    """The same seed gives the same weights, as it did if even a killed injection came to them."""
    if not subject.repeats:
        same_weights(subject.injected[1], subject.inject(Kept())[1], "when the same is made again")


CHECKS: dict[str, tuple[Callable[[Injected], None], str]] = {
    "description": (description, "a name, victims, rates and a trigger's means that tables can hold"),
    "require": (refusals, "a BenchError for an environment that lacks what is needed"),
    "trigger": (cues, "orders that have a name, edits within the layout, the same after start and in a copy"),
    "layout": (layout, "a file like the clean team's: names, shapes, types"),
    "victims": (victims, "weights of the victims that change, and no others"),
    "killed": (goes_on, "the same weights if it is killed and goes on"),
    "seed": (repeats, "the same weights from the same seed")}
FIRST = ("description", "layout")  # whoever breaks these is not asked further
