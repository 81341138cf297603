"""The closed loop: what happens to battles when something is done about a detector's alarms."""

import numpy as np
import pytest
import torch

from attacks.triggers.behaviour import BehaviourPattern
from bench.artifacts import zoo
from bench.artifacts.teams import load_team
from bench.contracts import NEVER
from bench.errors import BenchError, DetectorError
from bench.marl.learners.q import Learning, QLearner
from bench.marl.play import SLOTS, play
from bench.marl.team import greedy
from bench.metrics.attack import rate
from bench.metrics.detection import first_alarm
from bench.protocol.host import FittedInProcess, InProcess, Score
from bench.protocol.response import Sentry, respond
from bench.protocol.seeds import PUBLIC
from detectors import Random
from detectors.responses import Fallback, Freeze, Halt, Projection, Teammate

N, SEED = 80, 5  # more battles than slots: some begin while others go on


class AtStep:
    """Scores a step 1 from ``step`` on and 0 before, for the whole team or most for one agent."""

    needs = ()

    def __init__(self, step, agent=None):
        self.step, self.agent = step, agent

    def fit(self, episodes):
        return self

    def score(self, episodes):
        scores = np.broadcast_to(1.0 * (np.arange(episodes.mask.shape[1]) >= self.step), episodes.mask.shape)
        if self.agent is None:
            return scores
        return scores[..., None] * (1 + (np.arange(episodes.alive.shape[2]) == self.agent))


def held(detector) -> Score:
    with FittedInProcess(detector, ()).scorer() as score:
        return score


@pytest.fixture(scope="module")
def clean(battles):
    return QLearner(Learning.of("vdn", steps=1), battles.spec, 7).team()


def same(one, other):
    """The episodes are the same, labels apart."""
    return all(np.array_equal(getattr(one, name), getattr(other, name))
               for name in ("mask", "action", "observation", "reward", "alive", "available"))


def by_hand(battles, team, clean, seed, numbers, when, replaced):
    """(step, battle, agent) actions of battles in which the agents ``replaced`` (agent,) act by the clean team's
    network after the step ``when``."""
    step = battles.reset(seed, numbers)
    last = np.full((len(numbers), battles.spec.n_agents), -1)
    hidden = [one.start(len(numbers)) for one in (team, clean)]
    actions = []
    while not step.done.all():
        both = []
        for i, one in enumerate((team, clean)):
            q, hidden[i] = one.act(step.observation, last, hidden[i])
            both.append(greedy(q, step.available))
        last = np.where(replaced & (len(actions) > when), both[1], both[0])
        actions.append(last)
        step = battles.step(last)
    return np.stack(actions)


@pytest.mark.parametrize(("when", "agent"), [(0, None), (0, 2), (6, 1)])
def test_after_the_alarm_the_suspected_agents_act_as_the_clean_team(battles, team, clean, when, agent):
    played = play(battles, team, N, SEED, guard=Sentry(held(AtStep(when, agent)), 0.5, Fallback(N), team, clean))
    replaced = np.ones(3, bool) if agent is None else np.arange(3) == agent
    expected = by_hand(battles, team, clean, SEED, np.arange(SLOTS), when, replaced)[: played.mask.shape[1]]
    ours = np.where(played.mask[:SLOTS, :, None], played.action[:SLOTS], 0)
    assert np.array_equal(ours, np.where(played.mask[:SLOTS, : len(expected), None], expected.swapaxes(0, 1), 0))
    assert not same(played, play(battles, team, N, SEED)), "the networks do differ"
    reached = played.length > when + 1  # an alarm in a battle's last step leaves nothing to do
    assert (played.labels.alarm == np.where(reached, when, NEVER)).all()


def test_a_fallback_at_once_is_the_clean_team(battles, clean):
    """The delivered team begins as the clean one does, for its agent 1 differs in what it remembers alone."""
    network = clean.agent(1)
    with torch.no_grad():
        network.rnn.weight_hh *= -3
    odd = clean.with_agent(1, network)
    theirs = play(battles, clean, N, SEED)
    assert not same(play(battles, odd, N, SEED), theirs)
    for agent in (None, 1):
        ours = play(battles, odd, N, SEED, guard=Sentry(held(AtStep(0, agent)), 0.5, Fallback(N), odd, clean))
        assert same(ours, theirs)
        assert np.array_equal(ours.labels.won, theirs.labels.won)
    other = Sentry(held(AtStep(0, 0)), 0.5, Fallback(N), odd, clean)
    assert not same(play(battles, odd, N, SEED, guard=other), theirs), "the wrong agent"


def test_a_teammates_network_undoes_what_was_done_to_one_agent(battles, clean):
    """The clean agents share a network: whoever acts by the next one's is clean again, without a clean team."""
    network = clean.agent(1)
    with torch.no_grad():
        network.rnn.weight_hh *= -3
    odd, theirs = clean.with_agent(1, network), play(battles, clean, N, SEED)
    for clean_team in (clean, odd):  # what the defender does not need is not looked at
        guard = Sentry(held(AtStep(0, 1)), 0.5, Teammate(N), odd, clean_team)
        assert same(play(battles, odd, N, SEED, guard=guard), theirs)
    wrong = Sentry(held(AtStep(0, 0)), 0.5, Teammate(N), odd, clean)
    assert not same(play(battles, odd, N, SEED, guard=wrong), theirs), "the next one is the odd one"


def projection(**changes):
    values = {"temperature": 1.0, "bandwidth": 0.1, "points": 300, "quantile": 0.95, "seed": 0, **changes}
    return Projection(N, **values)


def stopping(team, agent):
    """The team with an agent that prefers the last move, "stop", whatever it sees."""
    network = team.agent(agent)
    with torch.no_grad():
        network.fc2.bias[4] += 99
    return team.with_agent(agent, network)


def test_a_suspected_agent_that_is_frozen_stops_where_it_can(battles, clean):
    frozen = Freeze(N, "stop")
    frozen.require(battles.spec)
    played = play(battles, clean, N, SEED, guard=Sentry(held(AtStep(0, 1)), 0.5, frozen, clean, clean))
    lives = (played.alive & played.mask[..., None])[..., 1]
    assert (played.action[:, 1:, 1][lives[:, 1:]] == battles.spec.action("stop")).all()
    assert same(played, play(battles, stopping(clean, 1), N, SEED, guard=Sentry(
        held(AtStep(0, 1)), 0.5, frozen, clean, clean))) == (played.action[:, 0, 1] == 4).all()
    with pytest.raises(BenchError, match="sit"):
        Freeze(N, "sit").require(battles.spec)


def test_what_is_usual_is_not_projected(battles, team):
    """Nothing is beyond a limit that no surprise exceeds."""
    known, response = play(battles, team, 40, SEED + 1).public(), projection()
    response.learn(team, known)
    response.limit_[:] = np.inf
    guard = Sentry(held(AtStep(0)), 0.5, response, team, team)
    assert same(play(battles, team, N, SEED, guard=guard), play(battles, team, N, SEED))


def test_what_is_unusual_becomes_what_is_usual(battles, clean):
    """An agent that was never seen to prefer "stop" does so, and is made to do what it did before."""
    known, odd = play(battles, clean, 40, SEED + 1).public(), stopping(clean, 1)
    response = projection()
    response.learn(clean, known)
    guard = Sentry(held(AtStep(0, 1)), 0.5, response, odd, clean)
    played = play(battles, odd, N, SEED, guard=guard)
    lives = (played.alive & played.mask[..., None])[:, 1:, 1]
    usual = known.action[:, :, 1][(known.alive & known.mask[..., None])[..., 1]]
    assert (play(battles, odd, N, SEED).action[:, 1:, 1][lives[:, : played.mask.shape[1]]] == 4).mean() > 0.9
    assert (usual == 4).mean() < 0.5
    assert (played.action[:, 1:, 1][lives] == 4).mean() < 0.5


def test_mean_shift_ends_where_it_is_usual(battles, clean):
    known, response = play(battles, clean, 40, SEED + 1).public(), projection(quantile=0.5)
    response.learn(clean, known)
    rng = np.random.default_rng(0)
    preference = (rng.normal(size=(20, 3, 8)) * 9).astype(np.float32)
    available = np.ones((20, 3, 8), bool)
    mended = response._mended(preference, available)
    strange = response.density_.surprise(response.density_.probabilities(preference, available)) > response.limit_
    assert ((mended >= 0) == strange).all()
    assert strange.mean() > 0.5


def test_the_delivered_teams_states_are_recorded_whoever_acts(battles, team, clean):
    """Values are the delivered team's own, of what it saw and of what was really done."""
    guard = Sentry(held(AtStep(0)), 0.5, Fallback(N), team, clean)
    played = play(battles, team, 8, SEED, record=("preference",), guard=guard)
    hidden = team.start(8)
    last = np.full((8, 3), -1)
    for t in range(6):
        q, hidden = team.act(played.observation[:, t].astype(np.float32), last, hidden)
        assert played.preference[:, t] == pytest.approx(q.numpy(), abs=2e-3)
        last = played.action[:, t].astype(int)


class Reversed:
    """Does the last available action instead, in all battles, whatever is suspected."""

    name, battles, halts = "reversed", N, False

    def start(self, team, clean, n):
        pass

    def act(self, action, observation, last_action, available, fresh, suspected):
        return available.shape[2] - 1 - available[..., ::-1].argmax(-1)


@pytest.mark.parametrize("response", [Fallback(N), Halt(N), Teammate(N), Reversed()])
def test_without_an_alarm_nothing_changes(battles, team, clean, response):
    guard = Sentry(held(AtStep(0)), 1.5, response, team, clean)
    watched, alone = play(battles, team, N, SEED, guard=guard), play(battles, team, N, SEED)
    assert same(watched, alone)
    assert (watched.labels.alarm == NEVER).all()
    assert np.array_equal(watched.labels.won, alone.labels.won)
    assert alone.labels.alarm is None
    assert guard.battle_steps == (alone.length - 1).sum(), "asked about every step but the last, which ends the battle"


def test_alarms_inside_are_those_of_the_record(battles, team):
    """A battle is the same up to its alarm, and what the detector makes of its beginning is what it makes of it all."""
    alone = play(battles, team, N, SEED)
    limit = np.quantile(Random().score(alone)[alone.mask], 1 - 0.5 / alone.length.mean())
    halted = play(battles, team, N, SEED, guard=Sentry(held(Random()), limit, Halt(N), team, team))
    alarm = first_alarm(Random().score(alone), alone.mask, limit, np.zeros(N, int))
    alarm[alarm == alone.length - 1] = NEVER
    assert np.array_equal(halted.labels.alarm, alarm)
    assert 0.1 < (alarm != NEVER).mean() < 0.9
    assert np.array_equal(halted.length, np.where(alarm == NEVER, alone.length, alarm + 1))
    assert not halted.labels.won[alarm != NEVER].any()


def test_halt_stops_every_battle_at_its_alarm(battles, team):
    played = play(battles, team, N, SEED, guard=Sentry(held(AtStep(3)), 0.5, Halt(N), team, team))
    assert (played.length == 4).all()
    assert (played.labels.alarm == 3).all()
    assert not played.labels.won.any()
    assert played.labels.battle.tolist() == list(range(N))


def test_figures_are_those_of_the_battles(battles):
    """Of the shipped teams, which win."""
    names = sorted((name for name in zoo.names() if name.startswith("vdn-smax-3m-random-s0-")), key=len)
    attacked = next(name for name in names if "-scripted-" in name)
    (clean, _), (team, _) = (load_team(zoo.FOLDER / name) for name in (names[0], attacked))
    trigger = BehaviourPattern("distance[0] < 1", ["west", "east"], 0)
    known = {part: play(battles, team, 30, PUBLIC[part]) for part in ("fit", "calibration")}
    won = np.arange(40) < 30

    def figures(response, detector):
        return respond(response, InProcess(detector), **known, battles=battles, team=team, clean=clean, won_clean=won,
                       trigger=trigger, seeds=PUBLIC, progress=lambda *_: None)

    late = figures(Halt(20), Late(known["calibration"]))
    assert (late.name, late.battles) == ("halt", 20)
    assert late.alarms_normal.value == late.alarms_triggered.value == 1
    assert late.win_normal.value == late.win_triggered.value == 0, "halted battles are not won"
    assert late.residual_asr.value == 1
    silent = figures(Fallback(20), AtStep(0))
    assert silent.alarms_triggered.value == silent.alarms_normal.value == 0, "all score alike in calibration, too"
    for seed, figure in (("normal", silent.win_normal), ("triggered", silent.win_triggered)):
        shown = play(battles, team, 20, PUBLIC[seed], trigger=trigger, poisoned=seed == "triggered").labels
        assert figure == rate(shown.won)
        assert figure.value > 0
    assert silent.residual_asr.value == pytest.approx(1 - silent.win_triggered.value / 0.75)
    assert 0 < silent.battle_step_ms < silent.step_ms
    taken = figures(Fallback(20), Late(known["calibration"]))
    theirs = play(battles, clean, 20, PUBLIC["normal"]).labels
    assert taken.win_normal.value == pytest.approx(theirs.won.mean(), abs=0.15), "the clean team wins in its place"


class Late(AtStep):
    """Raises an alarm in battles that do not begin like these."""

    def __init__(self, known):
        super().__init__(2)
        self.known = {first.tobytes() for first in known.observation[:, 0]}

    def score(self, episodes):
        new = [first.tobytes() not in self.known for first in episodes.observation[:, 0]]
        return super().score(episodes) * np.array(new)[:, None]


@pytest.mark.parametrize(("fault", "message"), [
    (lambda e: np.full(e.mask.shape, np.nan), "Faulty.score returned .* not finite"),
    (lambda e: 1 / 0, "Faulty.score failed: ZeroDivisionError"), (lambda e: np.zeros(3), "returned shape"),
    (lambda e: e.labels, "asked for the labels")])
def test_a_detector_that_fails_inside(battles, team, fault, message):
    class Faulty(AtStep):
        def score(self, episodes):
            return fault(episodes)

    with pytest.raises(DetectorError, match=message):
        play(battles, team, 4, SEED, guard=Sentry(held(Faulty(0)), 0.5, Halt(4), team, team))


@pytest.mark.parametrize(("answer", "message"), [
    (lambda action, available: action[0], r"reversed returned int64 of shape \(3,\); needed are actions"),
    (lambda action, available: action * 0.5, "reversed returned float64"),
    (lambda action, available: available.argmin(-1), "reversed chose an action that was not available"),
    (lambda action, available: action + 99, "reversed chose an action that was not available"),
    (lambda action, available: {}["nothing"], "response reversed failed: KeyError: 'nothing'")])
def test_a_response_that_does_what_cannot_be_done(battles, team, clean, answer, message):
    class Faulty(Reversed):
        def act(self, action, observation, last_action, available, fresh, suspected):
            return answer(action, available)

    with pytest.raises(BenchError, match=message):
        play(battles, team, 4, SEED, guard=Sentry(held(AtStep(0)), 0.5, Faulty(), team, clean))
