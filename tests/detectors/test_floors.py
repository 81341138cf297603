"""What the baseline detectors look at."""

from dataclasses import replace

import numpy as np
import pytest

from detectors import Losing


def test_losing_counts_the_dead_and_what_the_others_have_lost(make_episodes):
    episodes = make_episodes([6, 6], agents=4)
    spec = replace(episodes.spec, bar="strength", observation_layout=(
        "own.strength", *episodes.spec.observation_layout[1:]))
    observation = episodes.observation.copy()
    observation[..., 0] = 1
    observation[0, 3:, 0, 0] = 0.5
    alive = episodes.alive.copy()
    alive[1, 4:, :2] = False
    found = Losing().fit(episodes).score(replace(episodes, spec=spec, observation=observation, alive=alive))
    assert found[0] == pytest.approx([0, 0, 0, 1 / 8, 1 / 8, 1 / 8])
    assert found[1] == pytest.approx([0, 0, 0, 0, 1 / 2, 1 / 2])
    untold = Losing().score(replace(episodes, spec=None, observation=observation, alive=alive))
    assert np.array_equal(untold[0], np.zeros(6)), "where nobody says what strength is, the dead alone count"
    leaving = replace(spec, leaves=True)
    through = Losing().score(replace(episodes, spec=leaving, observation=observation, alive=alive))
    assert np.array_equal(through[0], found[0])
    assert (through[1] == 0).all(), "who has arrived is not lost"


def test_a_battle_that_nobody_is_hurt_in_is_not_being_lost(battles, team):
    from bench.marl.play import play

    episodes = play(battles, team, 4, 3)
    found = Losing().score(episodes.public())
    assert (found[:, 0] == 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found, axis=1)[episodes.mask[:, 1:]] >= -1e-6).all(), "nobody is healed"
