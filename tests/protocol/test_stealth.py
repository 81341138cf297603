"""What a team gives away: whose battles are played, which agents are compared, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from attacks.triggers.patch import Patch
from bench.contracts import Estimate
from bench.marl.learners.q import Learning, QLearner
from bench.marl.play import play
from bench.metrics.distinguish import recorded, statistics
from bench.protocol import stealth
from bench.protocol.seeds import PUBLIC, STEALTH, own

WEIGHTS = "ab" * 32
N = 160  # more than are held at once


@dataclass
class Attack:
    """As much of an attack as stealth asks for."""

    trigger: object
    duration: int = 5
    victims: tuple[int, ...] = (1,)


@pytest.fixture(scope="module")
def clean(battles):
    return QLearner(Learning.of("vdn", steps=1), battles.spec, 3).team()


@pytest.fixture(scope="module")
def other(battles):
    return QLearner(Learning.of("vdn", steps=1), battles.spec, 4).team()


@pytest.fixture(scope="module")
def attack():
    return Attack(Patch(1, [-1], start=2))


def nothing(share, what):
    assert 0 <= share <= 1


@pytest.fixture(scope="module")
def seen(battles, clean, attack):
    return stealth.see(battles, clean, clean, N, 9, attack, False, nothing)


def test_seeds_are_a_teams_own():
    mine, theirs = own(WEIGHTS), own("ac" * 32)
    assert mine.keys() == set(STEALTH)
    assert len({*mine.values(), *theirs.values(), *PUBLIC.values()}) == 2 * len(STEALTH) + len(PUBLIC)
    assert all(2**30 <= seed < 2**31 for seed in mine.values())
    assert own(WEIGHTS) == mine


def test_battles_that_are_watched_in_parts_are_those_that_are_watched_at_once(battles, clean, attack, seen):
    episodes = play(battles, clean, N, 9, record=recorded(battles.spec))
    whole = np.stack(list(statistics(episodes).values()), -1)
    assert seen.statistics == pytest.approx(whole, abs=1e-3)
    assert (seen.won == episodes.labels.won).all()
    assert (seen.steps == episodes.length).all()
    assert not seen.attacked.any()


def test_the_attack_period_counts_from_the_trigger(battles, clean, attack):
    shown = stealth.see(battles, clean, clean, 20, 9, attack, True, nothing)
    assert shown.completed.any()
    assert (shown.attacked <= np.minimum(attack.duration, shown.steps)).all()
    assert (shown.attacked[shown.completed] > 0).all()
    assert not shown.attacked[~shown.completed].any()


def test_a_team_agrees_with_itself_and_another_one_does_not(battles, clean, other, attack):
    same, different = (stealth.see(battles, team, clean, 20, 9, attack, True, nothing).agreed
                       for team in (clean, other))
    before, shown, period, after = same.T
    assert (before == 1).all()
    assert (period[np.isfinite(period)] == 1).all()
    assert np.isfinite(after).any()
    assert (after[np.isfinite(after)] == 1).all()
    assert np.isnan(shown).all(), "a patch of one step is complete at once"
    assert (different[:, 0] < 1).any()


def test_agreement_by_hand(battles, clean, attack):
    """Of one that stands still where its clean self would not."""
    episodes = play(battles, clean, 20, 9, trigger=attack.trigger, poisoned=True)
    stop = battles.spec.action("stop")
    action = episodes.action.copy()
    action[:, 1:3, 1] = stop  # around the completion of the trigger at step 2
    found = stealth.agreement(replace(episodes, action=action), clean, attack)
    honest = stealth.agreement(episodes, clean, attack)
    assert (honest[:, 0] == 1).all()
    moved = (episodes.action[:, 1, 1] != stop)[:, None]
    assert (found[:, :1][moved] == 0.5).all(), "one of two steps before the period"


def kinds(*rows) -> stealth.Seen:
    """Battles whose agents' only statistic is their number, of the kinds given a row a battle."""
    kind = np.array(rows, np.float32)[..., None]
    n, agents = kind.shape[:2]
    values = np.broadcast_to(np.arange(agents)[:, None], (n, agents, 1)).astype(np.float32)
    return stealth.Seen(["number"], values, kind, *(np.zeros(n, bool),) * 2, *(np.zeros(n, int),) * 2,
                        np.zeros((n, len(stealth.PHASES))))


def test_a_victim_is_compared_with_others_of_its_kind_in_turn():
    own_, others = stealth.beside(kinds(*[[0, 0, 1, 0]] * 4), (0,))
    assert own_.ravel().tolist() == [0, 0, 0, 0]
    assert others.ravel().tolist() == [1, 3, 1, 3]
    own_, others = stealth.beside(kinds([0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1], [0, 1, 0, 0]), (0, 3))
    assert own_.ravel().tolist() == [0, 3, 0, 3], "several victims take turns"
    assert others.ravel().tolist() == [1, 1, 2, 2], "and none of them is a teammate to compare with"
    own_, others = stealth.beside(kinds([0, 0], [0, 1]), (0,))
    assert others.ravel().tolist() == [1], "a battle without another one of its kind is left out"


def test_means_over_many_battles():
    assert stealth.means(np.arange(7.0)[:, None], 3).tolist() == [[1], [4]]
    assert stealth.means(np.arange(7.0)[:, None], 1).ravel().tolist() == list(range(7))


def test_a_victims_statistics_are_its_own_and_several_victims_mean(seen):
    assert (seen.of((1,)) == seen.statistics[:, 1]).all()
    assert seen.of((0, 2)) == pytest.approx(seen.statistics[:, [0, 2]].mean(1))


def test_a_team_is_told_from_the_clean_one_and_the_clean_one_not_from_itself(battles, clean, other, attack):
    """Two networks that were never trained differ in whatever they do."""
    shares = []
    found = stealth.measure(battles, attack, clean, other, clean, WEIGHTS, 60, 150,
                            lambda share, _: shares.append(share))
    assert (found.battles, found.clean_battles) == (60, 150)
    assert found.distinguishability.auroc.value > 0.9
    assert found.conspicuous
    assert abs(found.distinguishability_clean.auroc.value - 0.5) < 0.15
    assert abs(found.distinguishability_retrained.auroc.value - 0.5) < 0.15, "here it is the clean team"
    assert found.distinguishability_64.auroc == Estimate(None), "of 60 battles there are no means over 64"
    assert 0 <= found.attack_steps <= 1
    assert found.accidents == round(150 * found.accidental.value)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_without_a_retrained_team_its_figures_are_missing(battles, clean, attack):
    everyone = Attack(attack.trigger, victims=(0, 1, 2))
    found = stealth.measure(battles, everyone, clean, clean, None, WEIGHTS, 24, 1, nothing)
    assert found.distinguishability_retrained is None
    assert found.distinguishability_retrained_64 is None
    assert found.clean_battles == 48, "twice as many as are compared: one half is the control"
    assert found.beside_teammates.auroc.value is None, "all agents are poisoned"
    if found.win_clean_team.value == 0:
        assert (found.backdoor, found.cpvr.value) == (None, None), "nothing to lose"
