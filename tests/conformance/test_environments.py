"""The suite for environments: ours keep the contract, and every broken promise is found by its own check."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.conformance.environments import CHECKS, environment_outcomes
from bench.envs.smax import SmaxBattles

PACKAGE = Path(__file__).parents[1] / "plugin_package" / "src"


def failures(make) -> dict[str, str]:
    return {outcome.check: outcome.message for outcome in environment_outcomes(make) if outcome.status == "failed"}


@pytest.mark.parametrize("options", [("3m", "random"), pytest.param(("2s3z", "closest"), marks=pytest.mark.slow),
                                     pytest.param(("3m", "skirmish"), marks=pytest.mark.slow)])
def test_smax_keeps_the_contract(options):
    assert failures(lambda: SmaxBattles(*options)) == {}


class Broken:
    """An environment that passes everything on to another one, but for what a test changes."""

    def __init__(self, battles, **changes):
        self.battles, self.spec = battles, changes.pop("spec", battles.spec)
        self.change = changes.pop("step", lambda step: step)
        self.ignores, self.forgets = changes.pop("ignores", False), changes.pop("forgets", False)

    def reset(self, seed, battles):
        return self.change(self.battles.reset(seed, battles))

    def step(self, actions, orders=None):
        return self.change(self.battles.step(actions, None if self.ignores else orders))

    def replace(self, slots, battles):
        return self.change(self.battles.replace(slots, battles))

    def snapshot(self):
        return self.battles.snapshot()

    def restore(self, snapshot):
        if not self.forgets:
            self.battles.restore(snapshot)


def slot_number(step):
    return replace(step, observation=step.observation + np.arange(len(step.done))[:, None, None].astype(np.float32))


@pytest.mark.parametrize(("check", "message", "changes"), [
    ("description", "agent_actions has 1 entries for 8", {"spec": lambda s: replace(s, agent_actions=("north",))}),
    ("description", "towards an outsider that is not there", {"spec": lambda s: replace(s, n_outsiders=2)}),
    ("shapes", "state has shape", {"step": lambda s: replace(s, state=s.state[:, :-1])}),
    ("shapes", "position holds numbers that are not", {"step": lambda s: replace(s, position=s.position * np.nan)}),
    ("episodes", "observation after 0 steps is another one", {"step": slot_number}),
    ("snapshot", "differs after restore", {"forgets": True}),
    ("finished", "lasts longer", {"spec": lambda s: replace(s, episode_limit=3)}),
    ("orders", "does not show the order", {"ignores": True})])
def test_a_broken_promise_is_found_by_its_check(battles, check, message, changes):
    changes = dict(changes)
    if "spec" in changes:
        changes["spec"] = changes["spec"](battles.spec)
    found = failures(lambda: Broken(battles, **dict(changes)))
    assert message in found.get(check, "")
    assert set(found) <= {check, "replace"}, "whose battles are compared with those of other slots, too"


def test_what_cannot_be_made_says_so():
    def make():
        raise RuntimeError("no licence")

    first = next(iter(environment_outcomes(make)))
    assert (first.check, first.status) == (next(iter(CHECKS)), "failed")
    assert "RuntimeError: no licence" in first.message


def test_a_third_partys_environment_keeps_the_contract(monkeypatch):
    monkeypatch.syspath_prepend(PACKAGE)
    from marl_backdoor_plugin.world import Meeting

    assert failures(Meeting) == {}
