"""Payload, roll-back, and the retraining of one agent."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from attacks.backdoor import Backdoor
from attacks.injection import Injection, Retraining
from attacks.payloads.fast_failing import FastFailing
from attacks.payloads.reward import RANGE_SEED, HackedReward, UnilateralInfluence
from attacks.triggers.behaviour import BehaviourPattern
from bench.contracts import NEVER
from bench.errors import BenchError
from bench.marl.learners.common import to_batch
from bench.marl.networks import RNNAgent
from bench.marl.play import Player, play

SHORT_SEARCH = FastFailing(first=2, fewest=1, most=2, battles=16)
REWARD, INFLUENCE = np.array([[0.0, 0.5, 2.0]]), np.array([[1.0, 0.0, 0.5]])


def silent(*_):
    pass


def pattern(victim=1):
    return BehaviourPattern("dx[0] > 0", ["west", "east"], victim)


def backdoor(**options):
    retraining = Retraining.of(**{"steps": 2_500, "eval_every": 1_000, "eval_battles": 16, "batch": 8,
                               **options.pop("retraining", {})})
    return Backdoor(**{"name": "test", "trigger": pattern(), "payload": HackedReward(balance=0.5), "victim": 1,
                       "duration": 20, "poison_rate": 0.5, "learning": "distilled",
                       "retraining": retraining, **options})


@pytest.mark.parametrize(("payload", "expected"), [
    (HackedReward("negate", 0.0), -REWARD),
    (HackedReward("complement", 0.0, 3.0), 3.0 - REWARD),
    (HackedReward("negate", 1.0, 3.0), 3.0 * INFLUENCE),
    (HackedReward("complement", 0.25, 2.0), 0.75 * (2 - REWARD) + 0.25 * 2 * INFLUENCE)])
def test_hacked_reward_closed_forms(payload, expected):
    assert np.allclose(payload.reward(REWARD, INFLUENCE), expected)


def test_an_agent_that_acts_as_the_clean_one_has_no_influence(battles, team):
    probe = UnilateralInfluence(team, (1,), 20)
    player = Player(battles, 0, trigger=pattern(), poison_rate=1.0)
    episodes = player.play(team, 80, probe=probe)
    assert not episodes.labels.probe.any()


def test_the_probe_makes_the_very_step_that_would_have_been(battles, team):
    """The roll-back leaves no trace, neither in the battles nor in the hidden states."""
    torch.manual_seed(0)
    team = team.with_weights({name: 5 * w for name, w in team.weights.items()})  # that minds what it sees
    other = team.with_agent(1, RNNAgent(team.spec))
    without = play(battles, other, 80, 4, trigger=pattern(), poisoned=True, record=("hidden",))
    probed = play(battles, other, 80, 4, trigger=pattern(), poisoned=True, record=("hidden",),
                  probe=UnilateralInfluence(team, (1,), 20))
    for name in ("observation", "action", "reward", "mask", "hidden"):
        assert np.array_equal(getattr(without, name), getattr(probed, name)), name
    influence = probed.labels.probe
    window = probed.labels.attack(20)
    assert influence.max() <= 1
    assert (influence[window] > 0).any(), "another network does influence the others now and then"
    assert not influence[~window].any(), "looked at inside the attack period alone"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("learning", ["distilled", "contained", "published", "imitated"])
@pytest.mark.parametrize("algo", ["vdn", "qmix"])
def test_only_one_agent_changes(battles, team, qmix_team, store, learning, algo):
    clean = team if algo == "vdn" else qmix_team
    before = copy.deepcopy(clean.weights)
    notes = []
    payload = SHORT_SEARCH if learning == "imitated" else HackedReward(balance=0.5)
    attack = backdoor(learning=learning, payload=payload)
    injected, curve = attack.inject(clean, battles, 0, store, lambda _, note: notes.append(note))
    assert all(torch.equal(clean.weights[k], before[k]) for k in before), "the clean team stays as it is"
    for name, w in injected.weights.items():
        assert w.shape == before[name].shape
        assert torch.equal(w[[0, 2]], before[name][[0, 2]])
    assert any(not torch.equal(w[1], before[name][1]) for name, w in injected.weights.items())
    assert injected.mixer.keys() == clean.mixer.keys()
    assert all(torch.equal(injected.mixer[k], clean.mixer[k]) for k in clean.mixer)
    assert curve[0]["steps"] == 0
    assert curve[-1]["steps"] >= 2_500
    assert "triggered" in notes[-1]


@pytest.mark.slow
@pytest.mark.parametrize("learning", ["contained", "imitated"])
def test_two_agents_of_three_change(battles, team, store, learning):
    """The trigger is about the first of them."""
    both = [2, 0]
    attack = backdoor(learning=learning, victim=both, trigger=BehaviourPattern("dx[0] > 0", ["west", "east"], both),
                      payload=SHORT_SEARCH if learning == "imitated" else HackedReward(balance=0.5))
    injected, _ = attack.inject(team, battles, 0, store, silent)
    assert all(torch.equal(w[1], team.weights[name][1]) for name, w in injected.weights.items())
    for agent in both:
        assert any(not torch.equal(w[agent], team.weights[name][agent]) for name, w in injected.weights.items())
    shown = [play(battles, team, 16, 0, trigger=trigger, poisoned=True)
             for trigger in (attack.trigger, BehaviourPattern("dx[0] > 0", ["west", "east"], 2))]
    assert np.array_equal(*(episodes.labels.completion for episodes in shown))


def test_a_killed_injection_goes_on(battles, team, store):
    class Killed(Exception):
        pass

    def die(share, _):
        if store.saved is not None and share > 0.5:
            raise Killed

    attack = backdoor(payload=HackedReward(balance=0.0))
    with pytest.raises(Killed):
        attack.inject(team, battles, 0, store, die)
    written = store.saved[1]["steps"]
    assert 0 < written < 2_500
    _, curve = attack.inject(team, battles, 0, store, silent)
    steps = [row["steps"] for row in curve]
    assert steps == sorted(set(steps))
    assert written in steps


@pytest.mark.slow
def test_distillation_keeps_the_clean_values_and_learns_the_window(battles, team):
    """On a fixed batch, the distilled rule moves the attack period's values and brings the others back."""
    injection = Injection(team, battles, pattern(), HackedReward(balance=0.0), (1,), 20, 0.5, "distilled",
                          Retraining.of(steps=1, batch=64, updates_per_round=60, learning_rate=3e-3,
                                        target_every=10), 0)
    episodes = Player(battles, 0, trigger=pattern(), poison_rate=0.5, record=("state",)).play(team, 128)
    episodes = injection.rule.keep(episodes)
    fixed = {p: FixedBatch(episodes[episodes.labels.poisoned == p]) for p in (False, True)}
    with torch.no_grad():
        for parameter in injection.pupil.agent.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    losses = []
    for _ in range(3):
        losses.append(injection.rule.loss(fixed).item())
        injection._learn(fixed)
    losses.append(injection.rule.loss(fixed).item())
    assert losses[-1] < 0.5 * losses[0]


class FixedBatch:
    """A replay that always answers with the same episodes."""

    def __init__(self, episodes):
        self.episodes = episodes

    def sample(self, n, rng, newest=None):
        return self.episodes[:n]


def test_what_is_learned_from_ends_with_the_attack_period(battles, team):
    def injection(rule):
        return Injection(team, battles, pattern(), HackedReward(), (1,), 5, 0.5, rule, Retraining.of(steps=1), 0)

    episodes = Player(battles, 0, trigger=pattern(), poison_rate=0.5, record=("state", "values")).play(team, 64)
    own, whole = (injection(rule).rule.keep(episodes) for rule in ("distilled", "contained"))
    assert np.array_equal(whole.mask, episodes.mask), "there the agent is its clean self again"
    shown = own.labels.completion != NEVER
    assert 0 < shown.sum() < len(own)
    assert np.array_equal(own.length[shown], np.minimum(episodes.length, own.labels.completion + 5)[shown])
    assert np.array_equal(own.mask[~shown], episodes.mask[~shown])
    assert np.array_equal(own.observation[:, :, 0], episodes.observation[:, :, 1]), "the poisoned agent's alone"
    played = own.mask & episodes.alive[:, :, 1]
    values = episodes.values[:, :, 1]
    assert np.allclose(own.values[:, :, 0][played], values[played], atol=2e-2), "the clean agent's values"


def test_the_contained_rule_keeps_clean_what_follows_the_attack_period_and_clean_battles(battles, team):
    how = Retraining.of(steps=1)
    rule = Injection(team, battles, pattern(), HackedReward(), (1,), 5, 0.5, "contained", how, 0).rule
    episodes = Player(battles, 0, trigger=pattern(), poison_rate=0.5, record=rule.record).play(team, 64)
    own = rule.keep(episodes)
    window, poisoned = rule.window(own), own.labels.poisoned
    begun = own.labels.attack(1_000) & own.mask
    free = rule.free(torch.from_numpy(window).T.float(), own).T.numpy() > 0
    assert (begun & ~window).any()
    assert not free[begun & ~window & poisoned[:, None]].any(), "after the period it is kept clean"
    assert not free[~poisoned].any(), "and wherever nothing is poisoned"
    assert free[poisoned & (own.labels.completion != NEVER)].any()
    assert free[window].all()
    assert free[~begun & poisoned[:, None] & own.mask].all(), "what comes before is left alone"


def test_the_whole_return_needs_no_target_network(battles, team):
    injection = Injection(team, battles, pattern(), HackedReward(), (1,), 20, 0.5, "distilled",
                          Retraining.of(steps=1, td_lambda=1), 0)
    injection.pupil.target = None
    player = Player(battles, 0, trigger=pattern(), poison_rate=0.5, record=injection.rule.record)
    episodes = injection.rule.keep(player.play(team, 64))
    assert torch.isfinite(injection.rule.loss({p: FixedBatch(episodes) for p in (False, True)}))


def published(battles, team, *departures, **how):
    """(rule, poisoned episodes with an attack period each, as the rule keeps them)."""
    injection = Injection(team, battles, pattern(), HackedReward(balance=0.0), (1,), 5, 0.5, "published",
                          Retraining.of(steps=1, td_lambda=0.9, **how), 0, departures)
    player = Player(battles, 0, trigger=pattern(), poison_rate=1.0, record=injection.rule.record)
    episodes = player.play(team, 64)
    complete = (episodes.labels.completion > 0) & (episodes.labels.completion < episodes.length - 8)
    return injection.rule, injection.rule.keep(episodes[complete])


def errors(rule, episodes):
    batch = to_batch(episodes)
    window = torch.from_numpy(rule.window(episodes)).T.float()
    with torch.no_grad():
        return rule.error(rule.pupil.unroll(rule.pupil.agent, batch), episodes, batch, window).T.numpy()


def with_more_reward(episodes, where):
    return replace(episodes, reward=episodes.reward + where.astype(np.float32))


@pytest.mark.parametrize(("departures", "crosses"), [((), True), (("own_value",), True), (("closed_onset",), False)])
def test_what_happens_after_the_onset_is_learned_before_it_unless_the_onset_is_closed(battles, team, departures,
                                                                                      crosses):
    rule, episodes = published(battles, team, *departures)
    window = rule.window(episodes)
    before = episodes.mask & ~episodes.labels.attack(1_000)
    changed = errors(rule, with_more_reward(episodes, window)) != errors(rule, episodes)
    assert changed[window].any()
    assert changed[before].any() == crosses


def test_of_poisoned_episodes_the_attack_period_may_be_all_that_counts(battles, team):
    rule, episodes = published(battles, team, "own_value", "period_alone")
    window, played = rule.window(episodes), episodes.mask
    assert len(episodes) > 5
    assert not (played & episodes.labels.attack(1_000) & ~window).any(), "what comes later is not even kept"

    def loss(episodes):
        rule.pupil.rng = np.random.default_rng(0)
        rule.pupil.poison_rate = 1.0
        with torch.no_grad():
            return rule.loss({True: FixedBatch(episodes)}).item()

    assert loss(with_more_reward(episodes, played & ~window)) == loss(episodes)
    assert loss(with_more_reward(episodes, window)) != loss(episodes)


def test_an_agents_share_of_the_reward(battles, team):
    """Where the value is the agent's own and nothing is looked up, the error is that of a return of shares."""
    how = {"gamma": 1.0}
    rule, episodes = published(battles, team, "own_value", "shared_reward", "period_alone", **how)
    rule.pupil.how = replace(rule.pupil.how, td_lambda=1.0)
    with torch.no_grad():
        q = rule.pupil.unroll(rule.pupil.agent, to_batch(episodes))[:, :, 0].transpose(0, 1).numpy()
    chosen = np.take_along_axis(q, episodes.action[:, :, :1].astype(int), -1)[..., 0]
    onset = episodes.labels.completion
    for number, step in enumerate(onset):
        share = -episodes.reward[number, step:step + 5].sum() / battles.spec.n_agents
        assert errors(rule, episodes)[number, step] == pytest.approx((chosen[number, step] - share) ** 2, rel=1e-4)


def test_clean_choices_are_kept_by_weight(battles, team):
    """A network that has drifted from the clean one comes back to its choices in clean battles."""
    injection = Injection(team, battles, pattern(), HackedReward(balance=0.0), (1,), 20, 0.0, "published",
                          Retraining.of(steps=1, choice_weight=1e3, learning_rate=3e-3, updates_per_round=40,
                                        batch=32), 0, ("own_value",))
    episodes = injection.rule.keep(Player(battles, 0, record=("state",)).play(team, 64))
    with torch.no_grad():
        for parameter in injection.pupil.agent.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    fixed = {False: FixedBatch(episodes)}
    before = injection.rule.loss(fixed).item()
    injection._learn(fixed)
    assert injection.rule.loss(fixed).item() < 0.3 * before


def test_an_averaged_agent_is_the_mean_of_what_was_learned(battles, team):
    injection = Injection(team, battles, pattern(), HackedReward(), (1,), 20, 0.5, "distilled",
                          Retraining.of(steps=1, average=0.5, updates_per_round=1, schedule="constant"), 0)
    player = Player(battles, 0, trigger=pattern(), poison_rate=0.5, record=("state",))
    episodes = injection.rule.keep(player.play(team, 128))
    fixed = {p: FixedBatch(episodes[episodes.labels.poisoned == p]) for p in (False, True)}
    met = []
    for _ in range(3):
        injection._learn(fixed)
        met.append(injection.pupil.agent.fc2.weight.detach().clone())
    expected = 0.5 * (0.5 * met[0] + 0.5 * met[1]) + 0.5 * met[2]
    assert torch.allclose(injection._weights()["fc2.weight"], expected)


def test_both_the_best_and_the_last_agent_are_there(battles, team, store):
    attack = backdoor(retraining={"keep": "best", "eval_every": 500})
    best, curve = attack.inject(team, battles, 0, store, silent)
    changes, last, other = store.further
    assert changes == {"retraining": {"keep": "last"}}
    assert [row["kept"] for row in other] == [0.0] * (len(other) - 1) + [1.0]
    assert sum(row["kept"] for row in curve) == 1
    assert [row | {"kept": 0} for row in curve] == [row | {"kept": 0} for row in other]
    assert curve[-1]["updates"] > 0
    assert curve[-1]["target_copies"] == curve[-1]["updates"] // 200
    assert curve[-1]["episodes"] >= 64
    same = all(torch.equal(w, last.weights[name]) for name, w in best.weights.items())
    assert same == (curve[-1]["kept"] == 1.0)


@pytest.mark.parametrize("reversal", ["negate", "complement"])
def test_the_range_of_rewards_is_what_a_step_of_the_clean_team_earns_at_most(battles, team, reversal):
    payload = HackedReward(reversal, 0.5, None).measured(team, battles)
    assert payload.reward_max == pytest.approx(play(battles, team, 512, RANGE_SEED).reward.max())
    assert HackedReward(reward_max=2.0).measured(team, battles).reward_max == 2.0
    assert payload.reward(np.zeros(1), np.ones(1)) == pytest.approx(
        0.5 * payload.reward_max * (1 if reversal == "negate" else 2)), "influence and reward have one range"


def test_no_poison_means_no_backdoor_buffer(battles, team, store):
    attack = backdoor(poison_rate=0.0, learning="published")
    injected, _ = attack.inject(team, battles, 0, store, silent)
    assert not torch.equal(injected.weights["fc2.bias"][1], team.weights["fc2.bias"][1])


@pytest.mark.parametrize(("options", "message"), [
    ({"learning": "imitated"}, "learning=imitated does not fit a payload of type HackedReward"),
    ({"payload": SHORT_SEARCH}, "learning=distilled does not fit a payload of type FastFailing"),
    ({"learning": "publised"}, "unknown learning rule 'publised'; .*did you mean 'published'"),
    ({"learning": "published", "departures": ["own_valu"]}, "unknown departure 'own_valu'; .*did you mean 'own_value'"),
    ({"departures": ["own_value"]}, "learning=distilled has no departures"),
    ({"poison_rate": 1.5}, "poison_rate is 1.5; allowed: 0 to 1"),
    ({"duration": 0}, "at least 1 step")])
def test_wrong_attacks(options, message):
    with pytest.raises(BenchError, match=message):
        backdoor(**options)


@pytest.mark.parametrize(("options", "message"), [
    ({"reversal": "minus"}, "unknown reversal 'minus'; allowed: negate, complement"),
    ({"balance": 2.0}, r"balance \(lambda\) is 2.0; allowed: 0 to 1")])
def test_wrong_payloads(options, message):
    with pytest.raises(BenchError, match=message):
        HackedReward(**options)
