"""Detectors in processes of their own: what they cannot see, cannot change and cannot remember."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import hostile
import numpy as np
import psutil
import pytest

from bench.conformance.episodes import clean
from bench.errors import DetectorError
from bench.isolation.elsewhere import Elsewhere
from bench.isolation.own_process import Limits, OwnProcess
from bench.metrics import detection
from bench.protocol import scoring
from bench.protocol.host import InProcess
from bench.protocol.scoring import score_all

MANY = 4  # times in which all battles are shown


@pytest.fixture(scope="module")
def battles():
    rng = np.random.default_rng(0)
    return clean(rng.integers(6, 20, 20).tolist(), seed=1), clean(rng.integers(6, 20, 80).tolist(), seed=2)


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 80 // MANY)


def own(name: str, **limits) -> Elsewhere:
    return Elsewhere(OwnProcess({"_target_": f"hostile.{name}"}, name,
                                Limits(**{"minutes": 0.5, "gigabytes": 2.0} | limits)))


def scores(host, battles, team=None) -> np.ndarray:
    with host.fit(battles[0], team) as fitted:
        return score_all(fitted, [battles[1]])[0]


def running() -> set[psutil.Process]:
    return {process for process in psutil.Process().children(recursive=True) if process.status() != "zombie"}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No process outlives the one who holds the detector."""
    before = running()
    yield
    assert not running() - before


def test_the_same_scores_as_in_this_process(battles):
    with own("Honest") as host:
        assert np.array_equal(scores(host, battles), scores(InProcess(hostile.Honest()), battles))
        assert np.array_equal(scores(host, battles[::-1]), scores(InProcess(hostile.Honest()), battles[::-1]))


def test_an_object_is_sent_as_it_is(battles):
    class Threshold:  # of a function's own: no module has it
        def __init__(self, limit):
            self.limit = limit

        def fit(self, episodes):
            return self

        def score(self, episodes):
            return (np.abs(episodes.observation).max((-1, -2)) > self.limit).astype(float)

    made = Threshold(0.5)
    with Elsewhere(OwnProcess(made, "Threshold", Limits())) as host:
        assert np.array_equal(scores(host, battles), scores(InProcess(made), battles))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", ["LooksForLabels", "Secrets", "Noisy", "ClosesOutput", "LeavesThreads", "ChangesState",
                                  "Spoils", "LeavesChildren", "Hidden", "Figures"])
def test_what_a_detector_does_stays_in_its_process(name, battles, monkeypatch, capfd):
    expected = scores(InProcess(hostile.Honest()), battles)
    monkeypatch.setenv("BENCH_REFEREE", "a secret that is long enough")
    before = [column.copy() for column in (battles[1].observation, battles[1].mask)]
    state = os.getcwd(), np.geterr(), dict(os.environ), detection.auroc
    with own(name) as host:
        found = scores(host, battles)
    if name not in ("LooksForLabels", "Hidden"):
        assert np.array_equal(found, expected)
    if name in ("LooksForLabels", "Hidden"):
        assert not found.any(), "nothing was there to be found"
    assert all(map(np.array_equal, before, (battles[1].observation, battles[1].mask)))
    assert state == (os.getcwd(), np.geterr(), dict(os.environ), detection.auroc)
    assert capfd.readouterr().out == ""


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", ["Foresees", "Remembers", "RemembersOnDisk", "RemembersInNames",
                                  "RemembersElsewhere", "RemembersInMemory", "RemembersInAPipe", "RemembersInAThread",
                                  "CausalAtFirst"])
def test_the_future_is_not_known_and_nothing_is_remembered(name, battles):
    """In each of two tries: whether a cut battle comes before or after the whole one is drawn by lot."""
    caught = []
    for _ in range(2):
        with own(name) as host, pytest.raises(DetectorError) as error:
            scores(host, battles)
        caught.append(str(error.value))
    assert all(re.search("not causal|other battles|PermissionError|OSError|Refused", said) for said in caught), caught


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "said"), [
    ("ExitsInFit", r"ExitsInFit\.fit ended its process \(exit code 0\)"),
    ("ExitsInScore", r"ExitsInScore\.score ended its process \(exit code 7\)"),
    ("SysExit", r"SysExit\.score failed: SystemExit: enough"),
    ("Interrupts", r"Interrupts\.fit failed: KeyboardInterrupt"),
    ("KillsItself", r"KillsItself\.score ended its process \(SIGKILL\)"),
    ("Crashes", r"Crashes\.score ended its process \(SIGSEGV\)"),
    ("Unmakeable", r"cannot make detector hostile\.Unmakeable: SystemExit: 3"),
    ("Nowhere", r"cannot make detector hostile\.Nowhere"),
    ("KillsItsMaker", r"KillsItsMaker\.score failed: PermissionError"),
    ("ReadsItsMaker", r"ReadsItsMaker\.score failed: PermissionError"),
    ("ClosesAll", r"ClosesAll\.score ended its process"),
    ("WrongShape", r"WrongShape\.score returned shape \(\d+, 2\)"),
    ("NotFinite", r"NotFinite\.score returned .* scores that are not finite"),
    ("Texts", r"Texts\.score returned <U4; expected real numbers"),
    ("Babbles", r"Babbles\.score "), ("Floods", r"Floods\.score "),
    ("ForksInFit", ""), ("ForksInScore", "")])
def test_what_goes_wrong_is_said_in_one_line(name, said, battles):
    with own(name, minutes=0.2) as host:  # of which starting it takes a part on a busy machine
        try:
            scores(host, battles)
        except DetectorError as error:
            assert "\n" not in str(error)
            if said:
                assert re.search(said, str(error)), error
        else:
            assert not said, "no error"


def test_a_score_depends_on_its_own_battle(battles):
    with own("Adapts") as host, pytest.raises(DetectorError, match="beside other battles|not causal"):
        scores(host, battles)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "limits", "said"), [
    ("Hangs", {"minutes": 0.02}, r"Hangs\.score took longer than 0\.02 minutes; allowed by limits\.minutes"),
    ("HangsInFit", {"minutes": 0.02}, r"HangsInFit\.fit took longer"),
    ("Stops", {"minutes": 0.02}, r"Stops\.score took longer"),
    ("Hoards", {"gigabytes": 0.7}, r"Hoards\.fit took [\d.]+ GiB of memory; allowed by limits\.gigabytes: 0\.7")])
def test_limits(name, limits, said, battles):
    began = time.monotonic()
    with own(name, **limits) as host, pytest.raises(DetectorError, match=said):
        scores(host, battles)
    assert time.monotonic() - began < 100, "nobody waits for what a detector means to do"


def test_an_error_of_this_side_ends_the_copies_at_once(battles):
    began = time.monotonic()
    with own("TwoKinds", minutes=5.0) as host, pytest.raises(DetectorError, match="scores of agents at one time"):
        scores(host, battles)
    assert time.monotonic() - began < 100, "nobody waits for the limit"


def test_after_an_error_the_next_fit_has_a_new_process(battles):
    with own("ExitsInFit") as host:
        for _ in range(2):
            with pytest.raises(DetectorError, match="ended its process"):
                host.fit(battles[0], None)


def test_nothing_is_written_into_the_folder_of_temporary_files():
    assert not [*Path(os.environ.get("TMPDIR", "/tmp")).glob("remembered-*")]
    assert not [*Path(os.environ.get("TMPDIR", "/tmp")).glob("name-*")]
