"""Openings: what the poisoned agent does before any trigger, and what the search for them keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks.injection import Injection, Retraining
from attacks.payloads.fast_failing import Walk
from attacks.payloads.opening import CLEAN, STANCES, OpenedFailing, Opener, Opening, Plan, most_harmful
from attacks.triggers.never import Never
from bench.marl.learners.common import to_batch
from bench.marl.play import Player, play

MOVES = {name: number for number, name in enumerate(("north", "east", "south", "west", "stop"))}

SHORT = OpenedFailing(first=3, fewest=2, most=3, battles=8, tried=2)
SHARE = st.integers(0, 100).map(lambda percent: percent / 100)  # subnormal floats are off
BOLD = Opening("west", advance=True, stand=True, back=0.8)


def test_an_opening_advances_keeps_its_distance_stands_and_ends_with_the_first_hurt(battles):
    spec = battles.spec
    nearest = np.array([np.inf, 0.95, 0.7, 0.4, 0.7])
    hurt = np.array([False, False, False, False, True])
    anything, only_stop = np.ones((5, 9), bool), np.tile(np.arange(9) == MOVES["stop"], (5, 1))
    east, west, stop = (MOVES[name] for name in ("east", "west", "stop"))
    assert BOLD.act(nearest, hurt, anything, spec).tolist() == [east, stop, west, west, CLEAN]
    assert BOLD.act(nearest, hurt, only_stop, spec).tolist() == [CLEAN, stop, stop, stop, CLEAN]
    patient = Opening("west", stand=True, near=0.5)
    assert patient.act(nearest, hurt, anything, spec).tolist() == [CLEAN, stop, stop, CLEAN, CLEAN]
    assert (Opening("west").act(nearest, hurt, anything, spec) == CLEAN).all()


def test_the_record_asks_for_what_the_opener_does(battles, team):
    plan = Plan(BOLD, Walk("west", 3), 1, battles.spec.sight_range[1])
    episodes = play(battles, team, 64, 3, probe=Opener(BOLD, None, 1), record=plan.record)
    told = plan.before(_only(episodes, 1))[:, :, 0]
    position, health = episodes.labels.position[:, :, 1], episodes.labels.extras["health"][:, :, 1]
    moved = position[:, 1:] - position[:, :-1]
    living = episodes.mask[:, 1:] & (health[:, 1:] > 0)
    east, west, still = (living & (told[:, :-1] == MOVES[name]) for name in ("east", "west", "stop"))
    assert min(east.sum(), west.sum(), still.sum()) > 30
    assert (moved[east][:, 0] > 0).mean() > 0.9  # others may stand in the way
    assert (moved[west & (position[:, :-1, 0] > 2)][:, 0] < 0).mean() > 0.9  # the map ends at 0
    assert (np.abs(moved[still]).max(1) < 0.3).mean() > 0.9  # and push
    assert (told[:, 0] != CLEAN).all()
    own = episodes.labels.extras["health"][:, :, 1]
    assert (told[(own > 0) & (own < 1)] == CLEAN).all()


def _only(episodes, agent):
    """The episodes as a behaviour is given them: observations, available actions and values of one agent."""
    from dataclasses import replace
    return replace(episodes, observation=episodes.observation[:, :, [agent]],
                   available=episodes.available[:, :, [agent]])


def test_without_an_opening_or_a_walk_the_clean_battles_are_played(battles, team):
    plain = play(battles, team, 32, 5)
    opened = play(battles, team, 32, 5, probe=Opener(Opening("west"), None, 1))
    assert np.array_equal(plain.action, opened.action)
    assert np.array_equal(plain.reward, opened.reward)


@pytest.mark.slow
def test_the_search_goes_on_where_it_was(battles, team):
    history, notes = [], []
    whole = SHORT.prepare(team, battles, Never(), (1,), history, lambda share, _: notes.append(share))
    assert [len(entry) for entry in history] == [1] * 4 + [2] * (2 * len(STANCES) + 1) + [1] * 2
    assert notes == sorted(notes)
    assert notes[-1] == 1
    for known in (3, len(history)):  # as after a kill; with all known, nothing is played
        assert SHORT.prepare(team, battles, Never(), (1,), history[:known], lambda *_: None) == whole


@given(st.lists(st.tuples(SHARE, SHARE).map(list), min_size=1, max_size=20), SHARE)
def test_the_opening_kept_is_affordable_and_none_affordable_is_more_harmful(judged, max_clean_loss):
    def affordable(clean):
        return clean >= (1 - max_clean_loss) * judged[0][0]

    clean, shown = judged[most_harmful(judged, max_clean_loss)]
    assert affordable(clean)
    assert all((shown, -clean) <= (other_shown, -other) for other, other_shown in judged if affordable(other))


def test_the_most_harmful_opening_by_hand():
    judged = [[0.9, 0.8], [0.9, 0.4], [0.87, 0.1], [0.88, 0.1], [0.45, 0.0]]  # losses 0, 0, .033, .022, .5
    assert [most_harmful(judged, loss) for loss in (0.0, 0.03, 0.04, 0.5)] == [1, 3, 3, 4]


@pytest.mark.slow
def test_imitation_learns_the_opening_and_keeps_the_rest(battles, team):
    injection = Injection(team, battles, Never(), SHORT, (1,), 20, 0.5, "imitated",
                          Retraining.of(steps=1, batch=64, updates_per_round=250, learning_rate=3e-3), 0)
    injection.rule.behaviour = Plan(BOLD, Walk("west", 3), 1, battles.spec.sight_range[1])
    player = Player(battles, 0, trigger=Never(), record=injection.rule.record)
    own = injection.rule.keep(player.play(team, 64))

    class Fixed:
        def sample(self, n, rng, newest=None):
            return own[:n]

    told = injection.rule.behaviour.before(own)
    clean = np.where(own.available, own.values, -np.inf).argmax(-1)
    living = (own.mask & own.alive[:, :, 1])[..., None]

    def agreement(wanted, where):
        q = injection.pupil.unroll(injection.pupil.agent, to_batch(own)).detach().transpose(0, 1).numpy()
        return (np.where(own.available, q, -np.inf).argmax(-1) == wanted)[where & living].mean()

    before = agreement(told, told != CLEAN)
    injection._learn({True: Fixed(), False: Fixed()})
    assert before < 0.7 < 0.9 < agreement(told, told != CLEAN)
    assert agreement(clean, told == CLEAN) > 0.8
