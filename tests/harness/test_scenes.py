"""The same battles recorded twice, and what is drawn of them."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from attacks.backdoor import Backdoor
from attacks.injection import Retraining
from attacks.payloads.reward import HackedReward
from attacks.triggers.behaviour import BehaviourPattern
from bench.contracts import NEVER
from bench.errors import BenchError
from bench.harness.scenes import RECORD, Scenes, conduct
from bench.marl.play import play
from bench.reporting import figures
from bench.reporting.replay import replay, telling_battle

CURVE = [{"steps": s, "win_clean": 0.9, "win_triggered": 0.9 - s / 100, "return_clean": 19.0, "return_triggered": 19.0}
         for s in (0, 40, 80)]


@pytest.fixture(scope="module")
def scenes(battles):
    from bench.marl.learners.q import Learning, QLearner

    attack = Backdoor("test", BehaviourPattern("dx[0] > 0", ["west", "east"], 1), HackedReward(), 1, 20, 0.5,
                      "distilled", Retraining.of(steps=1))
    team = QLearner(Learning.of("vdn", steps=1), battles.spec, 0).team()
    normal, triggered = (play(battles, team, 60, 0, trigger=attack.trigger, poisoned=shown,
                              record=[*RECORD, "extras.health"]) for shown in (False, True))
    return Scenes("test", attack, battles, CURVE, [{"win_rate": 0.9, "return": 19.0}], normal, triggered)


def test_both_are_the_same_battles(scenes):
    assert np.array_equal(scenes.normal.labels.position[:, 0], scenes.triggered.labels.position[:, 0])
    assert (scenes.normal.labels.orders[scenes.normal.mask] == -1).all()
    shown = scenes.triggered.labels.completion != NEVER
    assert (scenes.triggered.labels.orders[shown] >= 0).any((1, 2)).all()


def test_health_is_that_of_the_living(scenes):
    health = scenes.normal.labels.extras["health"]
    assert 0 <= health.min() <= health.max() == 1
    assert ((health[:, :, :3] > 0) == scenes.normal.alive)[scenes.normal.mask].all()


def test_conduct_compares_the_same_steps(scenes):
    table = conduct(scenes)
    assert set(table["phase"]) == {"before", "during"}
    shares = table[table["figure"] != "focus fire"].groupby("phase")[["without", "with"]].sum()
    assert np.allclose(shares, 1, atol=1e-6), "shares of all kinds add up"
    assert (table["battles"] == (scenes.triggered.labels.completion != NEVER).sum()).all()
    same = conduct(replace(scenes, normal=scenes.triggered))
    assert np.allclose(same["without"].astype(float), same["with"].astype(float), equal_nan=True)
    assert same["p"].isna().all()


@pytest.mark.parametrize("draw", [lambda s: figures.curves("t", s.curve, s.clean_curve),
                                  lambda s: figures.conduct("t", conduct(s))])
def test_pictures_are_drawn(scenes, draw):
    figure = draw(scenes)
    assert len(figure.axes) == 2
    assert all(axis.lines or axis.patches for axis in figure.axes)
    assert figures.png(figure).startswith(b"\x89PNG")


def test_the_replay_holds_the_battle(scenes):
    labels = scenes.triggered.labels
    battle = int((labels.completion != NEVER).argmax())
    page = replay("a </script> title", scenes.normal, scenes.triggered, battle, (1,), 2, 20).decode()
    assert page.count("</script>") == 1, "nothing in the data ends the script"
    data = json.loads(re.search(r"const data = (.*);", page)[1])
    normal, triggered = data["battles"]
    assert [len(b["frames"]) for b in (normal, triggered)] == [e.length[battle] for e in
                                                               (scenes.normal, scenes.triggered)]
    begin = labels.completion[battle]
    assert data["phases"][0][:2] == [begin - 2, begin]
    told = [list(frame["orders"].values()) for frame in triggered["frames"]]
    assert told[begin - 2: begin] == [["west"], ["east"]], "the driven unit is marked in the trigger's steps"
    assert not any(told[begin:])
    assert not any(frame["orders"] for frame in normal["frames"])


def test_no_replay_of_an_attack_that_does_nothing(scenes):
    lost = replace(scenes.normal, hidden_labels=replace(scenes.normal.labels, won=np.zeros(60, bool)))
    with pytest.raises(BenchError, match="no battle is won without the trigger and lost with it"):
        telling_battle(lost, scenes.triggered)
