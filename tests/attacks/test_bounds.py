"""The two bounds of what one poisoned agent can do: hostile from the start, and told when to begin."""

import numpy as np
import pytest

from attacks.triggers.always import Always
from attacks.triggers.announced import TOLD, Announced
from attacks.triggers.behaviour import BehaviourPattern
from bench.contracts import NEVER
from bench.errors import BenchError
from bench.marl.play import play


def told(**options):
    return Announced(BehaviourPattern("dx[0] > 0", ["west", "east"], 1), victim=1, **options)


@pytest.mark.parametrize("poisoned", [True, False])
def test_always_is_complete_at_the_first_step(battles, team, poisoned):
    labels = play(battles, team, 30, 0, trigger=Always(), poisoned=poisoned).labels
    assert (labels.completion == 0).all()
    assert labels.attack(1_000).all(1).all()
    assert not labels.trigger.any()


def test_one_agent_is_told_from_completion_on_and_nobody_else(battles, team):
    episodes = play(battles, team, 40, 0, trigger=told(), poisoned=True)
    after = episodes.labels.attack(1_000) & episodes.mask
    assert after.any()
    assert (episodes.observation[:, :, 1, -1][after] == TOLD).all()
    assert (episodes.observation[:, :, 1, -1][~after] == 0).all(), "a value that it never has otherwise"
    assert (episodes.observation[:, :, [0, 2], -1] == 0).all()


def test_what_is_announced_is_the_trigger_itself(battles, team):
    """Same battles, same completions as without the announcement, as long as nobody listens."""
    deaf = {name: w.clone() for name, w in team.weights.items()}
    deaf["fc1.weight"][:, :, battles.spec.observation_size - 1] = 0
    team = type(team)("vdn", team.spec, deaf)
    plain = play(battles, team, 40, 0, trigger=told().trigger, poisoned=True)
    announced = play(battles, team, 40, 0, trigger=told(), poisoned=True)
    assert np.array_equal(plain.labels.completion, announced.labels.completion)
    assert np.array_equal(plain.action, announced.action)


def test_nothing_is_told_without_a_trigger(battles, team):
    episodes = play(battles, team, 40, 0, trigger=told())
    assert (episodes.labels.completion == NEVER).all()
    assert (episodes.observation[..., -1] == 0).all()


def test_a_feature_that_is_not_there(battles):
    with pytest.raises(BenchError, match="feature 999 is not in an observation of"):
        told(feature=999).start(battles.spec, 4)
