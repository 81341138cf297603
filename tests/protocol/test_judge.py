"""The detection protocol, with detectors whose figures are known beforehand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from attacks.triggers.behaviour import BehaviourPattern
from bench.__main__ import main
from bench.artifacts.results import read_result
from bench.contracts import NEVER, differing
from bench.errors import DetectorError
from bench.marl.play import play
from bench.protocol.host import FittedInProcess, InProcess
from bench.protocol.judge import Judgement, backdoor_detection, judge, scored, without_trigger
from bench.protocol.scoring import score_all
from bench.protocol.seeds import PUBLIC
from bench.protocol.watch import Watched, needs, watch

LENGTH, DURATION = 4, 10


@pytest.fixture
def watched(make_episodes):
    """Battles in which the trigger leaves a mark: feature 0 is 50 in the trigger's steps, 90 in the attack period."""
    rng = np.random.default_rng(0)
    parts = {}
    for name, n in {"fit": 20, "calibration": 200, "normal": 60, "triggered": 60}.items():
        completion = rng.integers(5, 9, n) if name == "triggered" else np.full(n, NEVER)
        parts[name] = make_episodes(rng.integers(22, 30, n).tolist(), seed=len(parts), completion=completion)
    marked = parts["triggered"]
    step = np.arange(marked.mask.shape[1])
    since = step - marked.labels.completion[:, None]
    marked.observation[(since >= -LENGTH) & (since < 0), 1, 0] = 50
    marked.observation[(since >= 0) & (since < DURATION), 1, 0] = 90
    return Watched(**parts)


class Oracle:
    """Looks at the mark."""

    fitted = 0

    def fit(self, episodes):
        self.fitted = len(episodes)
        return self

    def score(self, episodes):
        return episodes.observation[..., 0].astype(float)


class Changed(Oracle):
    def __init__(self, change):
        self.change = change

    def score(self, episodes):
        return self.change(super().score(episodes), episodes)


def nobody(observation, last_action, hidden):
    raise AssertionError("asked for a policy without need")


def median(observation, last_action, hidden):
    raise AssertionError("asked for a policy without need")


POLICIES = {"policy": nobody, "consensus": median}
TEAM = SimpleNamespace(policies=lambda: POLICIES)


def run(detector, watched, completion=None, poisoned=None) -> Judgement:
    completion = watched.triggered.labels.completion if completion is None else completion
    return judge(scored(InProcess(detector), watched, TEAM), completion, LENGTH, DURATION, poisoned)


def test_what_counts_as_after_onset_can_be_shorter_than_the_attack(watched):
    late = watched.triggered.labels.completion[:, None] + 3 == np.arange(watched.triggered.mask.shape[1])
    watched.triggered.observation[..., 0] = late[..., None]
    watched.normal.observation[..., 0] = 0
    found = scored(InProcess(Oracle()), watched, TEAM)
    when = watched.triggered.labels.completion
    for after_steps, auroc in ((None, 1), (4, 1), (3, 0.5), (100, 1)):
        assert judge(found, when, LENGTH, DURATION, after_steps=after_steps).phases["after"].auroc.value == auroc


@pytest.fixture
def clean(watched):
    """The clean team in the same battles: it is shown the trigger, and nothing comes of it."""
    triggered = watched.triggered
    observation = np.where(triggered.observation == 90, 0, triggered.observation).astype(np.float16)
    return replace(watched, triggered=replace(triggered, observation=observation))


def test_what_sees_the_trigger_alone_finds_no_backdoor(watched, clean):
    """Both teams' battles are as strange under it; the attack after it is the backdoored team's alone."""
    sees = Changed(lambda s, _: np.where(s == 50, 50.0, 0.0))
    assert run(sees, watched).phases["before"].auroc.value == 1
    found = backdoor_detection(run(sees, clean), run(sees, watched))
    assert [found.before.value, found.first.value, found.period.value] == pytest.approx([0.5] * 3)
    attack = Changed(lambda s, _: np.where(s == 90, 90.0, 0.0))
    found = backdoor_detection(run(attack, clean), run(attack, watched))
    assert [found.before.value, found.first.value, found.period.value] == pytest.approx([0.5, 1, 1], abs=0.01)
    assert found.first.low > 0.95


def test_a_late_sign_is_not_of_the_first_steps(watched, clean):
    since = np.arange(watched.triggered.mask.shape[1]) - watched.triggered.labels.completion[:, None]
    watched.triggered.observation[..., 0] = (since == 5)[..., None]
    clean.triggered.observation[..., 0] = 0
    watched.normal.observation[..., 0] = 0
    found = backdoor_detection(run(Oracle(), clean), run(Oracle(), watched))
    assert [found.before.value, found.first.value, found.period.value] == pytest.approx([0.5, 0.5, 1], abs=0.01)


def test_battles_count_in_which_the_trigger_is_complete_for_both(watched, clean):
    judged = run(Oracle(), watched)
    some, others = (np.where(np.arange(60) % 2 == k, watched.triggered.labels.completion, NEVER) for k in (0, 1))
    assert backdoor_detection(run(Oracle(), clean, some), judged).first.value > 0.98
    assert backdoor_detection(run(Oracle(), clean, some), run(Oracle(), watched, others)).first.value is None


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["scripted", "trojdrl"])
def test_the_baselines_find_no_backdoor(attack, tmp_path):
    """Of hundreds of battles of shipped teams: those that look at nothing are at chance in every phase, which the plain
    comparison of battles with and without the trigger is not."""
    assert main(["run", f"attack={attack}", "detector=losing", "control=null", "budget.fit_battles=8",
                 "budget.test_battles=500", "budget.calibration_battles=20", f"out={tmp_path}"]) == 0
    (path,) = tmp_path.glob("runs/*.curves.json")
    rows = {row.detector: row for row in read_result(path.with_name(path.name.removesuffix(".curves.json"))).rows
            if row.team == "backdoored" and row.triggered}
    assert rows["episode_length"].phases["whole"].auroc.value > 0.8
    for name in ("constant", "random", "episode_length"):
        found = rows[name].backdoor
        for figure in (found.before, found.first, found.period):
            assert figure.value is None or abs(figure.value - 0.5) < 4 * np.sqrt(1 / 12 * 4 / 500), (name, figure)
    assert rows["losing"].backdoor.period.value > 0.6, "a battle that is being lost shows in the end"


def run_untriggered(detector, watched) -> Judgement:
    untriggered = without_trigger(scored(InProcess(detector), watched, TEAM))
    return judge(untriggered, watched.triggered.labels.completion[: len(untriggered.triggered)], LENGTH, DURATION)


def test_an_oracle_catches_everything_at_once(watched):
    oracle = Oracle()
    judged = run(oracle, watched)
    phases = judged.phases
    for phase in ("before", "after", "whole"):
        found = phases[phase]
        assert found.auroc.value == found.auprc.value == 1
        assert found.tpr_at_1fpr.value == found.tpr_at_5fpr.value == 1
        assert found.false_alarms_at_5fpr.value < 0.2
        assert found.n_triggered == found.n_normal == 60
        assert found.base_rate == 0.5
    assert judged.delay.value == -LENGTH, "seen with the first of the trigger's steps"
    assert oracle.fitted == 0, "what was handed in is not fitted: every team gets a copy of its own"


def test_one_who_sees_the_attack_alone_is_blind_before_it(watched):
    judged = run(Changed(lambda s, _: np.where(s == 90, 90.0, 0.0)), watched)
    phases = judged.phases
    assert phases["before"].auroc.value == 0.5
    assert phases["before"].tpr_at_5fpr.value == 0
    assert phases["after"].auroc.value == 1
    assert judged.delay.value == 0


def test_ignorance_is_chance(watched):
    judged = run(Changed(lambda s, _: np.zeros(s.shape[:2])), watched)
    for found in judged.phases.values():
        assert found.auroc.value == found.auprc.value == 0.5
        assert found.tpr_at_5fpr.value == found.false_alarms_at_5fpr.value == 0
    assert judged.delay.value is None


def test_the_clock_alone_scores_chance_in_matched_windows(watched):
    """Normal battles are scored over the very steps of triggered ones, so that time gives nothing away."""
    phases = run(Changed(lambda s, _: np.broadcast_to(np.arange(s.shape[1]) + 0.0, s.shape[:2])), watched).phases
    assert phases["before"].auroc.value == 0.5


def test_the_curves_are_those_of_the_figures(watched):
    curves = run(Changed(lambda s, _: np.where(s == 90, 90.0, 0.0)), watched).curves
    assert curves.roc == {"before": [[0, 1], [0, 1]], "after": [[0, 0, 1], [0, 1, 1]], "whole": [[0, 0, 1], [0, 1, 1]]}
    assert curves.pr["after"][1][0] == 1
    assert curves.delay == [[0], [1]], "every battle has its alarm at the completion"
    assert (curves.limits, curves.trigger_length, curves.duration) == ([0, 0], LENGTH, DURATION)
    none = run(Oracle(), watched, np.full(60, NEVER)).curves
    assert none.delay == none.roc["after"] == none.pr["after"] == [[], []]
    assert [battle.what for battle in none.timelines] == ["without trigger"]


def test_the_most_and_the_least_anomalous_battle_are_kept(watched):
    triggered = watched.triggered
    most, least = 7, 9
    triggered.observation[most, triggered.labels.completion[most], 0, 0] = 95
    triggered.observation[least, :, 1, 0] = np.minimum(triggered.observation[least, :, 1, 0], 50)
    battles = {battle.what: battle for battle in run(Oracle(), watched).curves.timelines}
    assert list(battles) == ["most anomalous", "least anomalous", "without trigger"]
    for what, number in (("most anomalous", most), ("least anomalous", least)):
        battle, when = battles[what], triggered.labels.completion[number]
        assert (battle.battle, battle.completion, len(battle.scores)) == (number, when, triggered.length[number])
        assert battle.scores[when - LENGTH : when] == [50] * LENGTH, "the greatest of the agents' scores"
    assert max(battles["most anomalous"].scores) == 95
    untouched = run_untriggered(Oracle(), watched).curves
    assert [battle.completion for battle in untouched.timelines] == [None] * 3, "nothing was shown in any of them"
    assert battles["without trigger"].completion is None


def test_battles_without_a_complete_trigger_are_not_scored(watched):
    completion = watched.triggered.labels.completion.copy()
    completion[:45] = NEVER
    assert run(Oracle(), watched, completion).phases["before"].n_triggered == 15
    none = run(Oracle(), watched, np.full(60, NEVER), poisoned=[1])
    assert none.phases["before"].auroc.value is None
    assert none.phases["before"].tpr_at_1fpr.value is None
    assert none.phases["whole"].vus_pr.value is None
    assert none.delay.value is none.attribution.value is none.attribution_chance is None


def test_the_control_without_trigger_is_chance_for_an_oracle(watched):
    phases = run_untriggered(Oracle(), watched).phases
    assert phases["after"].auroc.low <= 0.5 <= phases["after"].auroc.high
    assert phases["after"].n_triggered == phases["after"].n_normal == 30


def test_a_detector_cannot_tell_the_battles_by_how_it_is_asked(watched):
    """Neither the order of the calls, nor the place in a batch, nor the padding says which battles are triggered."""
    calls = []

    def by_call(s, e):
        calls.append(e.mask.shape)
        return np.broadcast_to(np.arange(len(s))[:, None] + 1000.0 * len(calls), s.shape[:2])

    class Curious(Changed):
        def __deepcopy__(self, memo):
            return self

    with pytest.raises(DetectorError, match="not causal|asked again"):  # the same battles asked twice
        run(Curious(by_call), watched)
    assert len({steps for _, steps in calls}) == 1
    with pytest.raises(DetectorError, match="asked again beside other battles"):
        run(Changed(lambda s, e: np.broadcast_to(np.arange(len(s))[:, None] + 0.0, s.shape[:2])), watched)


def test_rounding_is_no_look_ahead():
    """A score that happens to be near zero is not held to more digits than single precision has."""
    scores = np.random.default_rng(0).normal(size=(50, 20))
    scores[0, 0] = -6e-6
    judged = np.ones(scores.shape, bool)
    judged[:, 10:] = False
    assert not differing(scores, scores + 4e-6, judged).any()
    other = scores + 1e-4 * (scores == -6e-6)
    assert np.argwhere(differing(scores, other, judged)).tolist() == [[0, 0]]
    assert not differing(scores, np.where(judged, scores, 9), judged).any()
    assert differing(scores[:, :10] * 0, scores[:, :10] * 1e-5, judged[:, :10]).any(), "all are alike: digits tell"


def test_thresholds_know_nothing_of_the_triggered_battles(watched):
    """Alarms need no label: with other triggered battles, the normal ones raise the very same alarms."""
    noise = Changed(lambda s, e: e.observation[..., 1].astype(float))
    one = run(noise, watched).phases
    other = watched.triggered.labels.completion.copy()
    other[::2] = NEVER
    two = run(noise, watched, other).phases
    assert one["whole"].false_alarms_at_5fpr == two["whole"].false_alarms_at_5fpr


def test_too_few_battles_for_a_threshold_give_no_rate(watched):
    few = Watched(watched.fit, watched.calibration[:50], watched.normal, watched.triggered)
    phases = run(Oracle(), few).phases
    assert phases["before"].tpr_at_1fpr.value is None
    assert phases["before"].tpr_at_5fpr.value == 1


@pytest.mark.parametrize(("change", "message"), [
    (lambda s, e: np.cumsum(s[:, ::-1], 1)[:, ::-1], "is not causal: .* scores change when later steps"),
    (lambda s, e: np.broadcast_to(e.length[:, None] + 0.0, s.shape[:2]), "is not causal"),
    (lambda s, e: s - s.mean(), "other scores when it is asked again beside other battles"),
    (lambda s, e: s * np.random.default_rng().random(), "asked again .* and not on chance"),
    (lambda s, e: np.full(s.shape, np.nan), r"Changed.score returned .* scores that are not finite"),
    (lambda s, e: s[:-1], r"returned shape \(.*\); expected \(episode, step\) \(.*\) or \(episode, step, agent\)"),
    (lambda s, e: s > 1, "returned bool; expected real numbers"),
    (lambda s, e: e.labels.completion, "asked for the labels"),
    (lambda s, e: e.observation.__setitem__(0, 0), "score failed: ValueError: .*read-only"),
    (lambda s, e: 1 / 0, "Changed.score failed: ZeroDivisionError"),
    (lambda s, e: None, "returned shape")])
def test_a_detector_that_breaks_its_contract(watched, change, message):
    with pytest.raises(DetectorError, match=message):
        run(Changed(change), watched)


def test_what_is_not_finite_in_steps_not_played_does_not_matter(watched):
    phases = run(Changed(lambda s, e: np.where(e.mask[..., None], s, np.nan)), watched).phases
    assert phases["after"].auroc.value == 1


def test_the_steps_of_trigger_and_attack_are_those_of_vus_pr(watched):
    """An oracle that rises in just these steps is perfect; the clock, the constant and other phases are not."""
    perfect = run(Changed(lambda s, _: np.where(s >= 50, 1.0, 0.0)), watched).phases
    assert (perfect["whole"].vus_pr.value, perfect["whole"].vus_pr.low) == (1, 1)
    assert perfect["before"].vus_pr.value is perfect["after"].vus_pr.value is None
    attack_alone = run(Changed(lambda s, _: np.where(s >= 90, 1.0, 0.0)), watched).phases["whole"].vus_pr
    assert 0.6 < attack_alone.value < 1
    anything = run(Changed(lambda s, _: np.zeros(s.shape[:2])), watched).phases["whole"].vus_pr
    steps = watched.normal.mask.sum() + watched.triggered.mask.sum()
    assert anything.value == pytest.approx(60 * (LENGTH + DURATION) / steps, rel=0.15)


def test_the_poisoned_agent_is_named(watched):
    """Agent 1 bears the mark; agent 0 does not, and may die before the attack."""
    named = run(Oracle(), watched, poisoned=[1])
    assert (named.attribution.value, named.attribution_chance) == (1, 0.5)
    assert run(Oracle(), watched, poisoned=[0]).attribution.value == 0
    tied = run(Changed(lambda s, _: np.zeros(s.shape)), watched, poisoned=[1])
    assert tied.attribution.value == 0.5
    assert run(Oracle(), watched).attribution.value is None, "nobody is poisoned"
    assert run(Changed(lambda s, _: s.max(-1)), watched, poisoned=[1]).attribution.value is None, "nobody is named"
    dead = np.arange(watched.triggered.mask.shape[1]) >= watched.triggered.labels.completion[:, None]
    watched.triggered.alive[..., 0] &= ~dead
    alone = run(Changed(lambda s, _: np.zeros(s.shape)), watched, poisoned=[1])
    assert (alone.attribution.value, alone.attribution_chance) == (1, 1)
    watched.triggered.alive[..., 1] &= ~dead
    assert run(Oracle(), watched, poisoned=[1]).attribution.value is None


def test_scores_of_agents_and_of_steps_are_not_mixed(watched):
    class Fickle(Oracle):
        calls = 0

        def score(self, episodes):
            self.calls += 1
            return super().score(episodes).max(-1) if self.calls > 1 else super().score(episodes)

    with pytest.raises(DetectorError, match="scores of agents at one time and of whole steps at another"):
        run(Fickle(), watched)


class Insider(Oracle):
    """Looks at recurrent states and values."""

    needs = ("hidden", "preference")

    def score(self, episodes):
        return episodes.hidden[..., 0].astype(float) + episodes.preference.max(-1)


def test_what_detectors_need_is_recorded_and_reaches_them(battles, team):
    trigger = BehaviourPattern("distance[0] < 1", ["west", "east"], 0)
    sizes = {"fit": 2, "calibration": 3, "normal": 4, "triggered": 5}
    record = needs([InProcess(Oracle()), InProcess(Insider())])
    watched = watch(battles, team, trigger, sizes, PUBLIC, lambda *_: None, record)
    assert record == {"hidden", "preference"}
    assert watched.fit.hidden.shape == (*watched.fit.alive.shape, 64)
    assert watched.fit.preference.shape == watched.fit.available.shape
    parts = [watched.normal, watched.triggered]
    for part, scores in zip(parts, score_all(FittedInProcess(Insider(), Insider.needs), parts), strict=True):
        own = np.where(part.alive, Insider().score(part), -np.inf).max(-1)
        assert scores.max(-1)[part.mask] == pytest.approx(own[part.mask])
    assert watch(battles, team, trigger, sizes, PUBLIC, lambda *_: None).fit.hidden is None


ALLOWED = "hidden, preference, values, policy, consensus, aligned_consensus"


@pytest.mark.parametrize(("asked", "message"), [
    (("hidden", "memories"), f"Oracle.needs: unknown need 'memories'; allowed: {ALLOWED}$"),
    ("memories", f"Oracle.needs: unknown need 'memories'; allowed: {ALLOWED}$"),
    (None, f"Oracle.needs is None; expected a tuple of: {ALLOWED}$"),
    (2, r"Oracle.needs is 2; expected a tuple of: "),
    (("hidden", 2), r"Oracle.needs: unknown need '2'; allowed: hidden"),
    (("policies", "hidden"), rf"unknown need 'policies'; allowed: {ALLOWED} \(did you mean 'policy'\?\)")])
def test_nobody_can_need_what_is_not_there(asked, message):
    detector = Oracle()
    detector.needs = asked
    with pytest.raises(DetectorError, match=message):
        needs([InProcess(detector)])


@pytest.mark.parametrize("asked", [("policy",), ("hidden", "policy"), "policy", ("consensus", "policy"), "consensus"])
def test_a_detector_that_needs_a_policy_gets_it(watched, asked):
    given = []

    class Asks(Oracle):
        needs = asked

        def fit(self, episodes, **policies):
            given.append(policies)
            return super().fit(episodes)

    assert needs([InProcess(Asks())]) == set(asked) & {"hidden"}, "a policy is not a column"
    assert run(Asks(), watched).phases["whole"].auroc.value == 1
    assert given == [{name: POLICIES[name] for name in POLICIES if name in asked}]
    with pytest.raises(DetectorError, match=r"Deaf.fit failed: TypeError: .* unexpected keyword argument '[pc]o"):
        run(type("Deaf", (Oracle,), {"needs": asked})(), watched)


def test_the_policy_is_the_teams(battles, team, qmix_team):
    """Asked with what was recorded, it answers as in the battles: every agent's own network, from the same memory."""
    team = team.with_agent(1, qmix_team.agent(0))
    episodes = play(battles, team, 6, 3, record=("hidden", "preference"))
    last_action, hidden = np.full(episodes.action[:, 0].shape, -1), np.zeros(episodes.hidden[:, 0].shape)
    for step in range(int(episodes.length.min())):
        q, hidden = team.policy(episodes.observation[:, step], last_action, hidden)
        assert q == pytest.approx(episodes.preference[:, step], abs=2e-3), "observations are recorded in half precision"
        assert hidden == pytest.approx(episodes.hidden[:, step], abs=2e-3)
        last_action = episodes.action[:, step]
    assert type(q) is np.ndarray
    assert (q.shape, hidden.shape) == (episodes.preference[:, 0].shape, episodes.hidden[:, 0].shape)
    other, _ = team.policy(episodes.observation[:, 1], last_action, hidden)
    assert not np.allclose(other, q, atol=1e-2), "what it is asked with matters"


def test_the_width_of_a_batch_is_nothing_to_score_by(watched, make_episodes):
    """A batch is as wide as its longest battle, which says a little of the others' future."""
    class Width(Oracle):
        def score(self, episodes):
            return np.full(episodes.mask.shape, float(episodes.mask.shape[1]))

    one_is_long = replace(watched, normal=make_episodes([5] * 899 + [30]))
    with pytest.raises(DetectorError, match="other scores|not causal"):
        scored(InProcess(Width()), one_is_long, TEAM)
