"""Entropy under perturbation: who keeps its action whatever it sees?"""

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import DetectorError
from bench.marl.play import play
from detectors import Strip


def remembered(observation, hidden):
    """The memory of one who remembers the sum of all that feature 0 was."""
    return (0 if hidden is None else hidden) + observation[..., :1].astype(float)


def reads(observation, last_action, hidden):
    """Agent 0 values its six actions by what it sees; agent 1 does too, unless feature 6 is large."""
    q = observation[..., :6].astype(float)
    dominated = observation[..., 1, 6] > 5
    q[dominated, 1] = [9, 0, 0, 0, 0, 0]
    return q, remembered(observation, hidden)


def test_a_trigger_that_dominates_its_input(make_episodes):
    fit, test = make_episodes([20] * 20, seed=1), make_episodes([20] * 5, seed=2)
    test.observation[2, 9, :, 6] = 20  # half of it is left in a mixture
    detector = Strip(perturbations=8).fit(fit.public(), policy=reads)
    scores = detector.score(test.public())
    assert np.unravel_index(scores.argmax(), scores.shape) == (2, 9, 1)
    taken = 1, test.action[2, 9, 1]
    least = detector.mean_[taken] / detector.deviation_[taken]
    assert scores[2, 9, 1] == pytest.approx(least, rel=1e-3), "its entropy is 0"


def test_scores_are_of_the_agent_and_its_action(make_episodes):
    """In standard deviations of what is normal for both; what was hardly ever done is compared with all that was."""
    fit = make_episodes([40] * 20, seed=1)
    fit.action[fit.action == 5] = 4
    fit.action[0, :29, 0] = 5
    detector = Strip(perturbations=4).fit(fit.public(), policy=reads)
    scores = detector.score(fit.public())
    for agent in (0, 1):
        for action in range(5):
            some = scores[..., agent][fit.action[..., agent] == action]
            assert (some.mean(), some.std()) == pytest.approx((0, 1), abs=1e-6)
    entropy = detector.mean_[0, fit.action[..., 0]] - scores[..., 0] * detector.deviation_[0, fit.action[..., 0]]
    assert detector.mean_[0, 5] == pytest.approx(entropy.mean())
    assert detector.deviation_[0, 5] == pytest.approx(entropy.std())


def test_the_entropy_of_a_policy_that_ignores_all_or_one_part(make_episodes):
    """An agent that sees nothing has the same entropy whatever the mixture, that of its own softmax."""
    def blind(observation, last_action, hidden):
        return np.broadcast_to([1.0, 0, 0, 0, 0, 0], (*last_action.shape, 6)), remembered(observation, hidden)

    episodes = make_episodes([6] * 4)
    detector = Strip(perturbations=5, temperature=1.0).fit(episodes.public(), policy=blind)
    assert detector.scale_ == pytest.approx(np.sqrt([5 / 36] * 2))
    p = np.exp([1 / detector.scale_[0], 0, 0, 0, 0, 0])
    p /= p.sum()
    assert detector.mean_ == pytest.approx(np.full((2, 6), -(p * np.log(p)).sum() / np.log(6)))
    assert detector.deviation_ == pytest.approx(np.full((2, 6), 0.01)), "no less"
    assert not detector.score(episodes.public()).round(6).any()

    def half_blind(observation, last_action, hidden):
        """Chooses action 0 or 1 by the sign of feature 0, and is deaf to the others."""
        sign = 50 * np.sign(observation[..., :1].astype(float))
        return np.concatenate([sign, -sign, np.full((*sign.shape[:2], 4), -99.0)], -1), remembered(observation, hidden)

    episodes.observation[..., 0] = np.where(np.arange(6)[:, None] % 2, 1, -1)
    detector = Strip(perturbations=50, weight=0.9, temperature=0.01).fit(episodes.public(), policy=half_blind)
    share = (detector.others_[:, 0, 0] > 0).mean()
    expected = -(share * np.log(share) + (1 - share) * np.log(1 - share)) / np.log(6)
    assert detector.mean_[0] == pytest.approx(np.full(6, expected))
    kept = Strip(perturbations=50, weight=0.1, temperature=0.01).fit(episodes.public(), policy=half_blind)
    assert kept.mean_ == pytest.approx(np.zeros((2, 6)), abs=1e-9), "what is mixed in weighs too little"


def test_what_the_policy_is_asked_with(make_episodes):
    asked = []

    def listener(observation, last_action, hidden):
        asked.append((observation, last_action, hidden))
        return reads(observation, last_action, hidden)

    episodes = make_episodes([2, 4])
    Strip(perturbations=1, weight=0.25).fit(episodes.public(), policy=listener)
    plain, mixed = (each for each in asked if len(each[0]) == 6)  # of the steps that were played
    assert np.array_equal(plain[0][2:], episodes.observation[1].astype(np.float32))
    other = (mixed[0] - 0.75 * plain[0]) / 0.25
    assert other == pytest.approx(np.broadcast_to(other[:1], other.shape), abs=1e-5)
    seen = np.cumsum(episodes.observation[..., :1].astype(float), 1)
    for _, last_action, hidden in (plain, mixed):
        assert (last_action[[0, 2]] == -1).all()
        assert np.array_equal(last_action[3:], episodes.action[1, :3])
        assert not hidden[[0, 2]].any()
        assert hidden[3:] == pytest.approx(seen[1, :3]), "unperturbed"
        assert hidden[1] == pytest.approx(seen[0, 0])
    first = asked[0]
    assert np.array_equal(first[0], episodes.observation[:, 0].astype(np.float32))
    assert first[2] is None


def test_the_memory_is_the_policys_own_and_nobody_elses(make_episodes, battles, team):
    """A defender who fits to a trusted team's battles is shown that team's hidden states."""
    fit, test = make_episodes([9] * 9), make_episodes([9] * 3, seed=3)
    scores = [Strip(perturbations=2).fit(replace(fit, hidden=hidden).public(), policy=reads).score(test.public())
              for hidden in (fit.hidden, None)]
    assert np.array_equal(*scores)
    episodes = play(battles, team, 4, 3, record=("hidden",))
    detector = Strip(perturbations=2).fit(episodes.public(), policy=team.policy)
    lives = (episodes.alive & episodes.mask[..., None]).any(-1)
    before = np.concatenate([np.zeros_like(episodes.hidden[:, :1]), episodes.hidden[:, :-1]], 1)[lives]
    assert detector._inputs(episodes)[2] == pytest.approx(before, abs=2e-3), "its own battles', in half precision"


def test_what_cannot_be_done_and_the_dead_do_not_count(make_episodes):
    fit, test = make_episodes([9] * 9), make_episodes([4, 2], seed=3)
    detector = Strip().fit(fit.public(), policy=reads)
    before = detector.score(test.public())
    test.available[0, 1, 0] = [True, False, False, False, False, False]
    test.available[0, 2, 0] = False
    test.alive[0, 2, 0] = False
    scores = detector.score(test.public())
    normal = 0, test.action[0, 1, 0]
    assert scores[0, 1, 0] == pytest.approx((detector.mean_[normal] - 1) / detector.deviation_[normal]), "no choice"
    assert scores[0, 2, 0] == 0
    assert np.array_equal(scores[0, 3:], before[0, 3:])
    assert not scores[1, 2:].any()


def test_a_detector_without_its_policy(make_episodes):
    assert Strip.needs == ("policy",)
    with pytest.raises(TypeError, match="policy"):
        Strip().fit(make_episodes([4]).public())


@pytest.mark.parametrize("wrong", [{"perturbations": 0}, {"weight": 0}, {"weight": 1.0}, {"temperature": 0}])
def test_parameters_that_mix_nothing(wrong, make_episodes):
    (name,) = wrong
    with pytest.raises(DetectorError, match=f"{name} is .*; allowed"):
        Strip(**wrong).fit(make_episodes([4]).public(), policy=reads)
