"""The conformance suite: each broken promise is found by its own check, and by no other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from bench.conformance import check_detector, outcomes
from bench.conformance.checks import CHECKS
from bench.conformance.episodes import AGENTS, ENEMIES, OBSERVATION, clean, policy, wild
from bench.contracts import NEVER
from bench.envs.smax import SmaxBattles
from bench.errors import DetectorError
from detectors import EnemyMoves
from detectors.views.observation import EAST, UNSEEN, WEST

count = itertools.count()


class Good(BaseEstimator):
    """How far the strangest feature is away from its mean."""

    def __init__(self, floor=0.01):
        self.floor = floor

    def fit(self, episodes):
        seen = episodes.observation[episodes.alive & episodes.mask[..., None]].astype(float)
        self.mean_, self.std_ = seen.mean(0), seen.std(0) + self.floor
        return self

    def score(self, episodes):
        return np.abs((episodes.observation - self.mean_) / self.std_).max(-1)


class Converts(Good):
    def __init__(self, floor=0.01):
        self.floor = float(floor)


class Prepares(Good):
    def __init__(self, floor=0.01):
        self.floor = floor
        self.cache = {}


class Anything(Good):
    def __init__(self, **options):
        self.floor = 0.01


class Unique(Good):
    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle a lock")


class Nameless(Good):
    def __repr__(self):
        return self.name


class Needless(Good):
    needs = None


class Needy(Good):
    needs = ("hidden", "states")


class Careless(Good):
    @property
    def needs(self):
        return tuple(self.floor)


class Curious(Good):
    def score(self, episodes):
        return super().score(episodes) + 0 * episodes.labels.completion[:, None, None]


class Sly(Good):
    def fit(self, episodes):
        try:
            self.won_ = episodes[:2].labels.won
        except DetectorError:
            self.won_ = None
        return super().fit(episodes)


class Scribbler(Good):
    def score(self, episodes):
        episodes.observation[:] = 0
        return super().score(episodes)


class Burglar(Good):
    def score(self, episodes):
        scores = super().score(episodes)
        episodes.observation.flags.writeable = True
        episodes.observation[:] = 0
        return scores


class Forgetful(Good):
    def fit(self, episodes):
        super().fit(episodes)


class Unfit(Good):
    def fit(self, episodes):
        raise RuntimeError("no memory")


class Unnamed(Good):
    def fit(self, episodes):
        self.threshold = 3
        return super().fit(episodes)


class Overwrites(Good):
    def fit(self, episodes):
        self.floor = 0.02
        return super().fit(episodes)


class Failing(Good):
    def score(self, episodes):
        return 1 / 0


class Eager(Good):
    def score(self, episodes):
        return super().score(episodes) if hasattr(self, "mean_") else np.zeros(episodes.mask.shape)


class OneEach(Good):
    def score(self, episodes):
        return super().score(episodes).max((1, 2))


class Boolean(Good):
    def score(self, episodes):
        return super().score(episodes) > 3


class Hollow(Good):
    def score(self, episodes):
        return np.where(episodes.observation[..., 3] == 1, super().score(episodes), np.nan)


class Moody(Good):
    def fit(self, episodes):
        super().fit(episodes)
        self.mean_ = self.mean_ + next(count)
        return self


class Prophet(Good):
    def score(self, episodes):
        scores = super().score(episodes) * episodes.mask[..., None]
        return np.maximum.accumulate(scores[:, ::-1], 1)[:, ::-1]


class Remembers(Good):
    """Is alarmed where a longer battle comes after a shorter one."""

    def score(self, episodes):
        return super().score(episodes) + (episodes.length[-1] > episodes.length[0])


class Relative(Good):
    """Compares with the other battles of the batch."""

    def score(self, episodes):
        scores = super().score(episodes)
        return scores - (scores[:, :1].mean(0) if len(episodes) > 1 else 0)


class Measures(Good):
    def score(self, episodes):
        return super().score(episodes) * episodes.mask.shape[1]


class Differences(Good):
    def score(self, episodes):
        scores = super().score(episodes)
        return scores + scores[:, [0, 1]][:, :1]


class Weighs(Good):
    def score(self, episodes):
        scores = super().score(episodes) * episodes.alive
        return scores.sum(-1) / (episodes.alive.sum(-1) + ~episodes.mask)


class Backwards(Good):
    def score(self, episodes):
        return -super().score(episodes)


BROKEN = [(Converts, "constructor", "__init__ raised TypeError"),
          (Prepares, "constructor", "__init__ also sets cache; set them in fit, as cache_"),
          (Anything, "constructor", "__init__ takes \\*\\*options"),
          (Unique, "constructor", "copy.deepcopy raised TypeError: cannot pickle a lock"),
          (Nameless, "constructor", "repr raised AttributeError"),
          (Needless, "needs", "Needless.needs is None"),
          (Needy, "needs", "Needy.needs: unknown need 'states'"),
          (Careless, "needs", "Careless.needs failed: TypeError: 'float' object is not iterable"),
          (Curious, "labels", "score raised DetectorError: a detector asked for the labels"),
          (Sly, "labels", "it asked for episodes.labels and caught the error"),
          (Scribbler, "read-only", "score raised ValueError: .*read-only"),
          (Burglar, "read-only", "it changed the column 'observation'"),
          (Forgetful, "fit", "fit returned None"),
          (Unfit, "fit", "fit raised RuntimeError: no memory"),
          (Unnamed, "attributes", "fit sets threshold; name it threshold_"),
          (Overwrites, "attributes", "fit changes the parameter 'floor'"),
          (Failing, "score", "score raised ZeroDivisionError: division by zero"),
          (Eager, "unfitted", "score before fit returned scores"),
          (OneEach, "shape", r"score returned shape \(8,\) for \(8, 20\) steps"),
          (Boolean, "shape", "score returned bool"),
          (Hollow, "finite", "of 480 scores are not finite"),
          (Moody, "seed", "scores differ when it is fitted again"),
          (Prophet, "future", "scores differ when later steps change, the first at"),
          (Remembers, "order", "scores differ in the reverse order"),
          (Relative, "batch size", "scores differ when battles are scored one at a time"),
          (Measures, "padding", "scores differ with more padding"),
          (Differences, "one step", "score raised IndexError"),
          (Weighs, "nobody alive", "scores are not finite"),
          (Backwards, "sign", "the wild one scores higher in 0% of the pairs: is the sign reversed")]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("detector", "check", "message"), BROKEN, ids=[kind.__name__ for kind, *_ in BROKEN])
def test_each_broken_promise_fails_its_own_check(detector, check, message):
    failed = [outcome.check for outcome in outcomes(detector) if outcome.status == "failed"]
    assert failed == [check]
    expected = CHECKS[check][1].replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(DetectorError, match=f"{detector.__name__} fails 1 of {len(CHECKS)} checks: {check}: "
                                            f"expected {expected}, .*{message}"):
        check_detector(detector())


def test_every_check_can_fail():
    assert {check for _, check, _ in BROKEN} == set(CHECKS)


def test_a_good_detector_passes_as_class_and_as_object():
    for one in (Good, Good(floor=0.1)):
        assert {outcome.status for outcome in check_detector(one)} == {"passed"}


class Asks(Good):
    """Is surprised by values that are not those of the policy that it was given."""

    needs = ("hidden", "q", "policy")

    def fit(self, episodes, policy):
        self.policy_ = policy
        return self

    def score(self, episodes):
        last, before = np.full(episodes.action.shape, -1), np.zeros(episodes.hidden.shape)
        last[:, 1:], before[:, 1:] = episodes.action[:, :-1], episodes.hidden[:, :-1]
        flat = (column.reshape(-1, *column.shape[2:]) for column in (episodes.observation, last, before))
        return np.abs(self.policy_(*flat)[0].reshape(episodes.q.shape) - episodes.q).max(-1)


def test_a_detector_that_needs_the_policy_is_given_that_of_the_battles():
    assert {outcome.status for outcome in check_detector(Asks)} == {"passed"}
    episodes = clean([12, 8, 15], seed=0)
    scores = Asks().fit(episodes, policy).score(episodes)
    assert scores[episodes.mask].max() < 0.05, "columns are recorded in half precision"


def test_what_stands_behind_an_earlier_failure_is_not_run():
    statuses = {outcome.check: (outcome.status, outcome.message) for outcome in outcomes(Unfit)}
    assert statuses["constructor"][0] == "passed"
    assert statuses["future"] == ("not run", "see 'fit'")


def test_battles_are_laid_out_as_smaxs(battles: SmaxBattles):
    spec, episodes = battles.spec, clean([12, 8, 15], seed=0)
    assert (spec.n_agents, spec.n_enemies, spec.observation_size) == (AGENTS, ENEMIES, OBSERVATION)
    assert episodes.available.shape[-1] == spec.n_actions
    moves = EnemyMoves()(episodes)[episodes.alive & episodes.mask[..., None]]
    assert np.mean(moves == WEST) > 0.6, "enemies come from the east"
    assert not np.isin(moves, [UNSEEN, EAST]).any()
    assert (np.diff(episodes.alive.astype(int), axis=1) <= 0).all(), "nobody rises from the dead"
    taken = np.take_along_axis(episodes.available, episodes.action[..., None].astype(int), -1)[..., 0]
    assert taken[episodes.mask].all(), "actions are available ones"
    assert not episodes.observation[~episodes.mask].any()
    assert episodes.hidden is not None
    assert episodes.q is not None
    assert episodes.hidden_labels is None
    odd = wild(episodes, seed=1)
    assert np.abs(odd.observation).max() > 5 > np.abs(episodes.observation).max()
    assert np.array_equal(odd.mask, episodes.mask)
    assert NEVER not in odd.action
