"""The spatiotemporal trigger on real battles."""

import numpy as np
import pytest

from attacks.triggers.behaviour import BehaviourPattern
from bench.contracts import NEVER, NOBODY
from bench.errors import BenchError
from bench.marl.learners.q import Learning, QLearner
from bench.marl.play import SLOTS, Player, play

MOVES = {name: number for number, name in enumerate(("north", "east", "south", "west", "stop"))}

ZETA = ["west", "east", "west", "east"]


def trigger(psi="dx[0] > 0", zeta=ZETA, **options):
    return BehaviourPattern(psi, zeta, **options)


class Watched:
    """Battles that write down the orders they are given and what they show."""

    def __init__(self, battles):
        self._battles, self.spec, self.steps, self.orders = battles, battles.spec, [], []

    def __getattr__(self, name):
        return getattr(self._battles, name)

    def reset(self, *args):
        self.steps.append(self._battles.reset(*args))
        return self.steps[-1]

    def step(self, actions, orders=None):
        self.orders.append(orders)
        self.steps.append(self._battles.step(actions, orders))
        return self.steps[-1]


def first_battles(battles, team, pattern, poison_rate=1.0, steps=25):
    """The first steps of a batch of battles, none of them replaced yet: (watched, player)."""
    watched = Watched(battles)
    player = Player(watched, 0, trigger=pattern, poison_rate=poison_rate, limit=SLOTS)
    for _ in range(steps):
        player._advance(team, np.zeros(battles.spec.n_agents), np.zeros(battles.spec.n_agents, bool), None)
    return watched, player


def test_shown_it_completes_after_four_orders_to_one_unit(battles, team):
    watched, player = first_battles(battles, team, trigger())
    orders = np.stack(watched.orders, 1)  # (battle, step, enemy)
    done = np.nonzero(player._completion != NEVER)[0]
    assert len(done) > SLOTS / 2
    for b in done:
        complete = player._completion[b]
        window = orders[b, complete - 4: complete]
        unit = window.max(0).argmax()
        assert window[:, unit].tolist() == [MOVES[order] for order in ZETA]
        assert (np.delete(window, unit, 1) == -1).all()
        assert (orders[b, complete:] == -1).all(), "handed back, and shown once"


def test_psi_holds_where_the_trigger_begins(battles, team):
    psi = "0.5 < dx[0] < 0.95 and -0.3 < dy[0] < 0.3"
    watched, player = first_battles(battles, team, trigger(psi))
    orders = np.stack(watched.orders, 1)
    sight, n = battles.spec.sight_range[0], battles.spec.n_agents
    seen = 0
    for b in np.nonzero(player._completion != NEVER)[0]:
        begin = player._completion[b] - 4
        unit = orders[b, begin].argmax()
        dx, dy = (watched.steps[begin].position[b, n + unit] - watched.steps[begin].position[b, 0]) / sight
        assert 0.5 < dx < 0.95
        assert -0.3 < dy < 0.3
        seen += 1
    assert seen > 5


def test_the_first_order_may_bring_the_unit_into_sight(battles, team):
    pattern = trigger("dx[0] > 0 and distance[0] >= 1 and distance[1] < 1", seen_from=1)
    watched, player = first_battles(battles, team, pattern)
    orders = np.stack(watched.orders, 1)
    distance = np.stack([np.linalg.norm(s.position[:, battles.spec.n_agents:] - s.position[:, 0, None], axis=-1)
                         for s in watched.steps], 1) / battles.spec.sight_range[0]
    done = np.nonzero(player._completion != NEVER)[0]
    assert len(done) > SLOTS / 2
    for b in done:
        begin = player._completion[b] - 4
        unit = orders[b, begin].argmax()
        assert orders[b, begin: begin + 4, unit].tolist() == [MOVES[order] for order in ZETA]
        assert distance[b, begin, unit] >= 1 > distance[b, begin + 1, unit]
        assert last_move_seen(watched.steps[begin + 1].observation[b, 0], battles.spec, unit) == (-1, 0), \
            "the agent is told of the step west that it could not see"


def last_move_seen(observation, spec, enemy):
    """What agent 0 is told of an enemy unit's last move, (x, y)."""
    others = spec.n_agents - 1 + spec.n_outsiders
    types = (len(observation) - 7 * others - 4) // (others + 1)  # 7 features of each other unit, 4 own, types with both
    first = (spec.n_agents - 1 + enemy) * (7 + types)
    return tuple(observation[first + 3: first + 5].round(3))


def test_an_unseen_unit_is_handed_back(battles, team):
    """A unit far out of sight is not brought into sight by one step."""
    far = trigger("dx[0] > 0 and distance[0] > 1.4", seen_from=1)
    watched, player = first_battles(battles, team, far)
    orders = np.stack(watched.orders, 1)
    assert (orders == MOVES["west"]).any()
    assert not (orders == MOVES["east"]).any()
    assert (player._completion == NEVER).all()


def test_a_failing_psi_hands_the_unit_back(battles, team):
    """West brings the unit closer, so the second constraint fails as soon as it is known."""
    impossible = trigger("dx[0] > 0 and distance[1] > 1.5")
    watched, player = first_battles(battles, team, impossible)
    orders = np.stack(watched.orders, 1)
    assert (player._completion == NEVER).all()
    assert (orders[..., 0] == MOVES["west"]).any()
    assert not (orders == MOVES["east"]).any(), "given up before the second order"


def test_never_shown_where_it_is_not_to_be(battles, team):
    watched, player = first_battles(battles, team, trigger(), poison_rate=0.0)
    assert all((orders == -1).all() for orders in watched.orders)
    assert (player._completion == NEVER).all()


def test_half_of_the_battles_at_half_the_rate(battles, team):
    episodes = Player(battles, 1, trigger=trigger(), poison_rate=0.5).play(team, 150)
    labels = episodes.labels
    assert 0.35 < labels.poisoned.mean() < 0.65
    assert (labels.completion[~labels.poisoned] == NEVER).all()
    assert (labels.completion[labels.poisoned] != NEVER).mean() > 0.5
    attack = labels.attack(20)
    rows = np.nonzero(labels.completion != NEVER)[0]
    assert (attack[rows].argmax(1) == labels.completion[rows]).all()
    assert attack[rows].sum(1).max() <= 20
    assert not attack[labels.completion == NEVER].any()


def test_what_enemies_do_by_themselves_counts_as_an_accident(battles, team):
    """Enemies walk west until they meet the team: four steps west, in sight at the first, happen by themselves."""
    walking = trigger("distance[0] < 1", ["west", "west"])
    episodes = play(battles, team, 60, 0, trigger=walking)
    assert (episodes.labels.completion != NEVER).mean() > 0.5
    assert not episodes.labels.poisoned.any()
    nothing = play(battles, team, 60, 0, trigger=trigger())
    assert (nothing.labels.completion == NEVER).all(), "nobody steps back and forth by himself"


def test_the_unit_of_length(battles, team):
    near = play(battles, team, 40, 0, trigger=trigger("distance[0] < 1", ["west"], unit="sight"))
    same = play(battles, team, 40, 0, trigger=trigger("distance[0] < 9", ["west"], unit="map"))
    assert np.array_equal(near.labels.completion, same.labels.completion)


def test_nothing_is_remembered_of_the_battle_before(battles):
    pattern = trigger()
    pattern.start(battles.spec, 4)
    step = battles.reset(0, np.arange(8))
    step = type(step)(**{name: value[:4] for name, value in step.arrays().items() if name != "extras.health"})
    pattern._driven[:] = 1
    cue = pattern.cue(step, np.array([True, True, False, False]), np.zeros(4, bool))
    assert not cue.showing.any()
    assert (pattern._driven == NOBODY).all()


@pytest.mark.parametrize(("options", "message"), [
    ({"zeta": []}, "at least one order"),
    ({"seen_from": 2}, "seen_from is 2; allowed: 0, or 1"),
    ({"seen_from": 1, "zeta": ["west"]}, "a trigger of at least 2 steps"),
    ({"unit": "metre"}, "unknown unit of length 'metre'; allowed: sight, map")])
def test_wrong_values(options, message):
    with pytest.raises(BenchError, match=message):
        trigger(**options)


def test_what_does_not_fit_the_map(battles, team):
    with pytest.raises(BenchError, match="unknown order in smax/3m/random 'easst'; allowed: .*did you mean 'east'"):
        play(battles, team, 2, 0, trigger=trigger(zeta=["west", "easst"]))
    with pytest.raises(BenchError, match="poisoned agent 3 does not exist; smax/3m/random has agents 0 to 2"):
        play(battles, team, 2, 0, trigger=trigger(victim=3))
    with pytest.raises(BenchError, match="trigger of 60 steps does not fit an episode of 60 steps"):
        play(battles, team, 2, 0, trigger=trigger("dx[0] > 0", ["west"] * 60))


@pytest.mark.slow
def test_the_census_counts_what_the_pattern_itself_would_find(battles_skirmish):
    """Every sequence's count is the number of battles in which a trigger of that sequence completes by itself."""
    team = QLearner(Learning.of("vdn", steps=1), battles_skirmish.spec, 0).team()
    player = Player(battles_skirmish, 3, trigger=trigger("distance[1] < 1.0", ["west", "west"]).census(), limit=150)
    player.play(team, 150)
    counts = dict(zip(player.trigger.sequences, player.trigger.counts, strict=True))
    assert len(counts) == 16
    for zeta in (("west", "west"), ("west", "east"), ("north", "south"), ("east", "north")):
        episodes = play(battles_skirmish, team, 150, 3, trigger=trigger("distance[1] < 1.0", list(zeta)))
        assert counts[zeta] == (episodes.labels.completion != NEVER).sum(), zeta
    assert counts["west", "west"] > counts["west", "east"] > 0
