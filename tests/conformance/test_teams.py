"""The suites for attacks and algorithms: a third party's keep the contracts, and every broken promise is found by its
own check."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.__main__ import main
from bench.conformance.algorithms import CHECKS as ALGORITHM_CHECKS
from bench.conformance.algorithms import algorithm_outcomes
from bench.conformance.attacks import CHECKS as ATTACK_CHECKS
from bench.conformance.attacks import attack_outcomes
from bench.contracts import Cue
from bench.errors import BenchError

PACKAGE = Path(__file__).parents[1] / "plugin_package"
chance = np.random.default_rng()  # which no seed fixes


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The package as if it were installed, with its world, learner and attack."""
    about = tmp_path / "marl_backdoor_plugin-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: marl-backdoor-plugin\nVersion: 1.2\n")
    points = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]
    (about / "entry_points.txt").write_text("".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in points.items()))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(PACKAGE / "src")
    from marl_backdoor_plugin import linear, lure, world

    class Toy:
        Lure, Sidesteps, LinearTeam, Climb, Climbing = (
            lure.Lure, lure.Sidesteps, linear.LinearTeam, linear.Climb, linear.Climbing)

        @staticmethod
        def settings():
            return linear.Climbing(steps=1_500, eval_battles=8)

        def of_attack(self):
            battles = world.Meeting()
            return attack_outcomes(lure.Lure, battles, self.settings().trainer(battles, 0).team(), lambda *_: None)

        def of_algorithm(self):
            return algorithm_outcomes(self.settings, world.Meeting(), lambda *_: None)

    return Toy()


def failures(outcomes) -> dict[str, str]:
    return {outcome.check: outcome.message for outcome in outcomes if outcome.status == "failed"}


def test_a_third_partys_parts_keep_the_contracts(toy):
    for found, checks in ((toy.of_attack(), ATTACK_CHECKS), (toy.of_algorithm(), ALGORITHM_CHECKS)):
        assert [(one.check, one.status) for one in found] == [(name, "passed") for name in checks]


class Tampering:
    """From step 9 on all agents see 1 more of everything; it says so of as many as ``told``."""

    means, lasting, length = "observation", True, 1

    def start(self, spec, n):
        spec.order("north"), spec.outsider_feature("moved_y")
        self._time = np.full(n, -1)

    def cue(self, step, fresh, show):
        self._time = np.where(fresh, 0, self._time + 1)
        on = show & (self._time >= 9)
        edited = np.zeros(step.active.shape, bool)
        edited[:, :self.told] = on[:, None]
        return Cue(np.full((len(show), 1), -1), step.observation + on[:, None, None].astype(np.float32), on,
                   on & (self._time == 9), edited)


class Blind(Tampering):
    told = 1


class Sharing(Tampering):
    told = 2

    def __deepcopy__(self, memo):
        return self


def after(change):
    """A method of which the answer is changed."""
    return lambda old: lambda *given, **named: change(old(*given, **named))


def cue(**changes):
    return after(lambda cue: Cue(**vars(cue) | {name: change(cue) for name, change in changes.items()}))


def weights(change):
    """What ``inject`` returns, with the weights changed."""
    return after(lambda made: (made[0].with_weights({"preference": change(made[0].weights["preference"])}), made[1]))


def in_place(old):
    def inject(self, team, *given):
        team.weights["preference"] += 1
        return old(self, team, *given)
    return inject


def forgetful(old):
    """A run that loses what it has learned so far when it is killed, and goes on with the rest."""
    def run(self, *given):
        store = next(one for one in given if hasattr(one, "load_part"))
        load = store.load
        store.load = lambda: (found := load()) and ({name: 0 * one for name, one in found[0].items()},
                                                    found[1] | {"strength": 0})
        return old(self, *given)
    return run


def edited(old):
    def cue(self, step, fresh, show):
        step.observation[:] = 0
        return old(self, step, fresh, show)
    return cue


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("check", "message", "part", "name", "change"), [
    ("description", "its name is 'a/b', which no file can have", "Lure", "name", lambda _: "a/b"),
    ("description", "victims are (7,); meeting/7 has agents 0 to 1", "Lure", "victims", lambda _: (7,)),
    ("description", "poison_rate is 3; expected 0 to 1", "Lure", "poison_rate", lambda _: 3),
    ("require", "without outsiders, where the trigger raises BenchError", "Lure", "require",
     lambda _: lambda *_: None),
    ("require", "raises KeyError", "Lure", "require", lambda _: lambda self, spec: spec.order_seen_by[self.order]),
    ("trigger", "gives the order 9; meeting/7 has 5", "Sidesteps", "cue", cue(orders=lambda c: c.orders * 0 + 9)),
    ("trigger", "gives orders where it is not to be shown", "Sidesteps", "cue", cue(orders=lambda c: c.orders * 0)),
    ("trigger", "a trigger of behaviour edits observations", "Sidesteps", "cue",
     cue(observation=lambda c: c.observation + 1)),
    ("trigger", "the observation has shape", "Sidesteps", "cue", cue(observation=lambda c: c.observation[:, :, 1:])),
    ("trigger", "the observation is of float64", "Sidesteps", "cue", cue(observation=lambda c: c.observation * 1.0e0 +
                                                                         np.zeros(1))),
    ("trigger", "edits the environment's own observation", "Sidesteps", "cue", edited),
    ("trigger", "completed is another one after it was started again", "Sidesteps", "cue",
     cue(completed=lambda c: chance.random(c.completed.shape) < 0.5)),
    ("trigger", "is another one of a copy that was made meanwhile", "Lure", "__post_init__",
     lambda _: lambda self: setattr(self, "trigger", Sharing())),
    ("trigger", "of agents that 'edited' does not name", "Lure", "__post_init__",
     lambda _: lambda self: setattr(self, "trigger", Blind())),
    ("layout", "holds something else than finite float32", "Lure", "inject", weights(torch.Tensor.double)),
    ("layout", "expected finite numbers of Python's own", "Lure", "inject",
     after(lambda made: (made[0], [{"steps": np.float32(1)}]))),
    ("layout", "inject returns dict, not LinearTeam", "Lure", "inject", after(lambda made: ({}, made[1]))),
    ("victims", "of agents that are not poisoned is changed", "Lure", "inject", weights(lambda one: one + 1)),
    ("victims", "inject changes the clean team's own tensor", "Lure", "inject", in_place),
    ("seed", "is another one when the same is made again", "Lure", "inject",
     weights(lambda one: torch.cat([one[:1] + chance.random(), one[1:]]))),
    ("killed", "is another one after the injection was killed", "Lure", "inject", forgetful)])
def test_a_broken_attack_is_found_by_its_check(toy, monkeypatch, check, message, part, name, change):
    monkeypatch.setattr(getattr(toy, part), name, change(vars(getattr(toy, part))[name]))
    found = failures(toy.of_attack())
    assert message in found.get(check, "")
    assert set(found) <= {check, "victims", "seed", "killed"}, "which compare with what was made before"


def worse(old):
    def fit(self, *given):
        old(self, *given)
        del self.curve[0]["win_rate"]
    return fit


def of_act(change):
    """What ``act`` returns as preferences, changed."""
    return after(lambda made: (change(made[0]), made[1]))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("check", "message", "part", "name", "change"), [
    ("description", "its name is 'a b', which no file can have", "Climbing", "name", lambda _: "a b"),
    ("description", "held is inf", "Climbing", "held", after(lambda held: held * np.inf)),
    ("training", "has no 'win_rate'", "Climb", "fit", worse),
    ("file", "is another one once it was read", "LinearTeam", "of", lambda old: classmethod(
        lambda cls, *given: (team := old.__func__(cls, *given)).with_weights({"preference":
                             team.weights["preference"] + 1}))),
    ("act", "act's preferences: of type int64", "LinearTeam", "act", of_act(lambda one: one.long())),
    ("act", "not finite", "LinearTeam", "act", of_act(lambda one: one * torch.nan)),
    ("act", "recorded gives preference, hidden; columns are preference", "LinearTeam", "recorded",
     after(lambda columns: columns | {"hidden": columns["preference"]})),
    ("apart", "preferences depend on what is seen or done by another agent", "LinearTeam", "act",
     of_act(lambda one: one + one.mean(1, keepdim=True))),
    ("apart", "preferences depend on another battle", "LinearTeam", "act",
     of_act(lambda one: one + one.mean(0, keepdim=True))),
    ("available", "an action is chosen that is not available", "LinearTeam", "act", of_act(lambda one: one - 1e10)),
    ("learn_on", "as soon as it is to learn on", "LinearTeam", "learn_on",
     lambda _: lambda self, battles, seed, **_: self.__class__ and type("Zero", (), {
         "team": lambda _: self.with_weights({"preference": self.weights["preference"] + 1})})()),
    ("seed", "is another one when the same is trained again", "Climb", "team", after(lambda team: team.with_weights(
        {"preference": team.weights["preference"] + chance.random()}))),
    ("killed", "is another one after the training was killed", "Climb", "fit", forgetful)])
def test_a_broken_algorithm_is_found_by_its_check(toy, monkeypatch, check, message, part, name, change):
    monkeypatch.setattr(getattr(toy, part), name, change(vars(getattr(toy, part))[name]))
    found = failures(toy.of_algorithm())
    assert message in found.get(check, "")
    assert set(found) <= {check, "learn_on", "seed", "killed"}, "which compare with what was made before"


def test_a_team_that_cannot_be_read_back_is_no_team(toy, monkeypatch):
    monkeypatch.setattr(toy.LinearTeam, "architecture", "bilinear")
    assert "'bilinear', which no package that is installed offers" in failures(toy.of_algorithm())["file"]


def test_what_does_not_fit_is_the_users_mistake(toy, battles):
    """One line, and no table of failures."""
    team = toy.settings().trainer(battles, 0).team()
    with pytest.raises(BenchError, match="agent is 7; smax/3m/random has agents 0 to 2"):
        attack_outcomes(lambda: toy.Lure(agent=7), battles, team, lambda *_: None)


FEW_TRIGGERS = ["attack.trigger.generations=2", "attack.trigger.population=4"]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["algorithm", "algo=qmix", "algo.eval_battles=32"],
                                   ["algorithm", "algo=mappo", "algo.eval_battles=32"],
                                   ["algorithm", "algo=coma", "algo.eval_battles=32"], ["attack", "attack=always_on"],
                                   ["attack", "attack=trigger_policy", *FEW_TRIGGERS],
                                   ["attack", "attack=none"]], ids=" ".join)
def test_ours_keep_the_contracts(words):
    quick = ["attack.retraining.eval_battles=16"] if words[0] == "attack" else []
    assert main(["check", *words, *quick, "env.map=3m", "attack.victim=1"]) == 0
