"""The conformance suite: each broken promise is found by its own check, and by no other."""

from __future__ import annotations

import itertools
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator

from bench.artifacts.written import written
from bench.conformance import check_detector, outcomes
from bench.conformance.checks import CHECKS
from bench.conformance.episodes import clean, policies, policy, wild
from bench.contracts import NEVER, needed
from bench.envs.smax import SmaxBattles
from bench.errors import DetectorError
from bench.protocol.host import InProcess, usable
from detectors import EnemyMoves
from detectors.views.observation import FIRST, UNSEEN

NORTH, EAST, SOUTH, WEST = range(FIRST, FIRST + 4)

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

    needs = ("hidden", "preference", "policy")

    def fit(self, episodes, policy):
        self.policy_ = policy
        return self

    def score(self, episodes):
        last, before = np.full(episodes.action.shape, -1), np.zeros(episodes.hidden.shape)
        last[:, 1:], before[:, 1:] = episodes.action[:, :-1], episodes.hidden[:, :-1]
        flat = (column.reshape(-1, *column.shape[2:]) for column in (episodes.observation, last, before))
        return np.abs(self.policy_(*flat)[0].reshape(episodes.preference.shape) - episodes.preference).max(-1)


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
    """Detectors that were written for the offsets of its observations pass the checks as well."""
    episodes = clean([12, 8, 15], seed=0)
    for name in ("n_agents", "n_outsiders", "observation_layout", "agent_actions", "order_seen_by", "sighted_by"):
        assert getattr(battles.spec, name) == getattr(episodes.spec, name), name
    assert episodes.observation.shape[-1] == battles.spec.observation_size
    assert episodes.available.shape[-1] == battles.spec.n_actions
    moves = EnemyMoves()(episodes)[episodes.alive & episodes.mask[..., None]]
    assert np.mean(moves == WEST) > 0.6, "enemies come from the east"
    assert not np.isin(moves, [UNSEEN, EAST]).any()
    assert (np.diff(episodes.alive.astype(int), axis=1) <= 0).all(), "nobody rises from the dead"
    taken = np.take_along_axis(episodes.available, episodes.action[..., None].astype(int), -1)[..., 0]
    assert taken[episodes.mask].all(), "actions are available ones"
    assert not episodes.observation[~episodes.mask].any()
    assert episodes.hidden is not None
    assert episodes.preference is not None
    assert episodes.hidden_labels is None
    odd = wild(episodes, seed=1)
    assert np.abs(odd.observation).max() > 5 > np.abs(episodes.observation).max()
    assert np.array_equal(odd.mask, episodes.mask)
    assert NEVER not in odd.action


class Plain:
    """Learns nothing."""

    def fit(self, episodes):
        return self

    def score(self, episodes):
        return np.abs(episodes.observation.astype(np.float32)).mean(-1)


def raises(error):
    def method(self, *given, **named):
        raise error

    return method


def returns(change):
    return lambda self, episodes: change(Plain.score(self, episodes), episodes)


class Own(BaseException):
    """No Exception."""


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Metaclass(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")

    def __getattr__(cls, name):
        raise RuntimeError(f"no {name}")


class Uncallable(type):
    def __call__(cls, *given, **named):
        raise KeyboardInterrupt


class Hostile:
    """As an array, or as the name of a need."""

    def __array__(self, *given, **named):
        sys.exit(1)

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    __hash__ = None
    __repr__ = __str__ = raises(RuntimeError("no text"))


class Slots:
    __slots__ = ("mean_",)

    def fit(self, episodes):
        self.mean_ = float(Plain.score(self, episodes).mean())
        return self

    def score(self, episodes):
        return np.abs(Plain.score(self, episodes) - self.mean_)


class Lock(Plain):
    def __init__(self):
        self.lock = threading.Lock()


class LateLock(Plain):
    def fit(self, episodes):
        self.lock_ = threading.Lock()
        return self


class Holds(Plain):
    def __init__(self, held=threading.Lock()):  # noqa: B008
        self.held = held


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def fit(self, episodes):
        return self

    def score(self, episodes):
        return self.layer(torch.from_numpy(Plain.score(self, episodes))[..., None])[..., 0].abs()


class Infinite(Plain):
    def __init__(self, limit=float("inf")):
        self.limit = limit


class Sometimes(Plain):
    """Scores agents, but whole steps if asked about a single battle."""

    def score(self, episodes):
        scores = super().score(episodes)
        return scores if len(episodes) > 1 else scores.max(-1)


def odd(name, kind=type, base=Plain, **namespace):
    return kind(name, (base,), namespace)


ODD = [
    odd("Raises", __init__=raises(ValueError("no"))), odd("Exits", __init__=raises(SystemExit(3))),
    odd("Empty", __init__=raises(ValueError())), odd("Asserts", __init__=raises(AssertionError)),
    odd("NeedsWords", __init__=lambda self, words: None), odd("NoCopy", __deepcopy__=raises(SystemExit(1))),
    odd("NoAttribute", __getattr__=raises(RuntimeError("none"))), odd("Nothing", __getattribute__=raises(Own("none"))),
    odd("Interrupts", fit=raises(KeyboardInterrupt())), odd("Leaves", score=raises(SystemExit("bye"))),
    odd("Base", fit=raises(Own("mine"))), odd("Silent", score=raises(Mute())),
    odd("Lines", score=raises(ValueError("[/red] [bold]one\n\n  two"))), odd("NoFit", fit=None),
    odd("NoScore", score=3), odd("Property", fit=property(raises(RuntimeError("no")))),
    odd("Asks", needs=property(raises(KeyboardInterrupt()))), odd("Generates", needs=property(lambda self: iter("ab"))),
    odd("Compares", needs=(Hostile(),)), odd("Unequal", __eq__=raises(RuntimeError("no")), __hash__=None),
    odd("Speechless", __repr__=raises(SystemExit("no"))), odd("Classless", __class__=property(raises(Own("no")))),
    odd("Lost", __dict__=property(raises(RuntimeError("no dict")))), odd("Unsigned", __signature__=3),
    odd("Nameless", Metaclass), odd("Uncalled", Uncallable), Slots, Lock, LateLock, Holds, Network, Infinite, Sometimes]
SCORES = {
    "None": lambda s, e: None, "text": lambda s, e: "abc", "texts": lambda s, e: np.full(s.shape, "a"),
    "objects": lambda s, e: s.astype(object), "ragged": lambda s, e: [list(s[i, :n]) for i, n in enumerate(e.length)],
    "a generator": lambda s, e: (part for part in s), "a dictionary": lambda s, e: {"scores": s},
    "a class": lambda s, e: Plain, "no array": lambda s, e: Hostile(), "complex": lambda s, e: s * 1j,
    "bool": lambda s, e: s > 1, "durations": lambda s, e: s.astype("m8[s]"), "one more axis": lambda s, e: s[..., None],
    "records": lambda s, e: np.zeros(s.shape, [("a", "f4")]), "masked": lambda s, e: np.ma.array(s, mask=s >= 0),
    "overflow": lambda s, e: s.astype(float) * 1e308 * 1e9, "unmasked": lambda s, e: np.ma.array(s),
    "tensor": lambda s, e: torch.from_numpy(s), "lists": lambda s, e: s.tolist(), "half": lambda s, e: s.astype("f2"),
    "frame": lambda s, e: pd.DataFrame(s.max(-1)), "unsigned": lambda s, e: (s * 100).astype(np.uint8)}
ODD += [odd(name, score=returns(change)) for name, change in SCORES.items()]
FINE = {"Slots", "Infinite", "Unequal", "Classless", "unmasked", "tensor", "lists", "half", "frame", "unsigned"}


def run_alike(detector):
    """What a run asks of a detector, of an object."""
    usable(detector)
    written(detector)
    needed(detector)
    with InProcess(detector).fit(clean([12, 9, 14], seed=1), SimpleNamespace(policies=policies)).scorer() as score:
        for lengths in ([8, 6], [5]):
            score(clean(lengths, seed=2))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", ODD, ids=lambda kind: type.__dict__["__name__"].__get__(kind))
def test_an_odd_detector_ends_in_a_table_and_a_run_in_one_line(kind):
    """Whatever passes the checks is run; whatever does not has a reason, and never an exception of its own."""
    name = type.__dict__["__name__"].__get__(kind)
    found = outcomes(kind)
    assert [outcome.check for outcome in found] == list(CHECKS)
    failed = [outcome for outcome in found if outcome.status == "failed"]
    assert all(outcome.message and "\n" not in outcome.message for outcome in failed)
    assert (not failed) == (name in FINE), failed
    if failed and failed[0].check == "constructor" and failed[1:] == [] and found[1].status == "not run":
        return  # there is nothing to run
    try:
        run_alike(kind())
    except DetectorError as error:
        assert failed, f"the checks pass, and a run refuses: {error}"
        assert "\n" not in str(error)
    else:
        assert not failed or name in ("Unsigned", "LateLock", "Sometimes", "Speechless"), failed


@pytest.mark.parametrize(("thing", "message"), [
    (np, "no method 'fit'"), (len, "no method 'fit'"), (5, "no method 'fit'"), (None, "no method 'fit'"),
    (Plain, r"Plain is a class; hand over an object of it: Plain\(\)")])
def test_what_is_no_detector_at_all(thing, message):
    if thing is not Plain:
        assert any(outcome.status == "failed" for outcome in outcomes(thing))
    with pytest.raises(DetectorError, match=message):
        usable(thing)


def test_reasons_say_what_to_do():
    reasons = {kind: "; ".join(o.message for o in outcomes(kind) if o.status == "failed") for kind in (
        Lock, LateLock, Network, Sometimes)}
    assert "copy.deepcopy raised TypeError: cannot pickle '_thread.lock'" in reasons[Lock]
    assert "copy.deepcopy of the fitted detector raised TypeError" in reasons[LateLock]
    assert "make one in fit, as net_" in reasons[Network]
    assert "Use tensor.detach().numpy() instead" in reasons[Network]
    assert "scores of agents at one time and of whole steps at another" in reasons[Sometimes]


def test_ctrl_c_is_still_ctrl_c():
    class Waits(Plain):
        def fit(self, episodes):
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError("interrupted")

    import signal

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            outcomes(Waits)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
