"""Scores that cells share: they are those that would have been given, and a broken file is none."""

import numpy as np

from bench.harness.scores import KeptScores
from bench.protocol.host import FittedBefore, InProcess
from bench.protocol.judge import scored
from bench.protocol.watch import Watched
from detectors import GRUPredictor, NeuronBands


def test_what_is_kept_is_what_was_scored(tmp_path, make_episodes):
    kept = KeptScores(tmp_path / "scores", {"detector": "bands"})
    assert kept.read() is None
    lengths = [9] * 9, [5, 7] * 9, [8, 3] * 9, [6] * 5
    parts = [make_episodes(some, seed=seed) for seed, some in enumerate(lengths)]
    watched = Watched(*parts)
    first = scored(InProcess(NeuronBands()), watched, None, kept=kept)
    normal, calibration = kept.read()
    assert np.array_equal(normal, first.normal)
    assert np.array_equal(calibration, first.calibration)
    other = scored(InProcess(NeuronBands()), Watched(*parts[:3], make_episodes([4, 9, 2], seed=9)), None, kept=kept)
    afresh = scored(InProcess(NeuronBands()), Watched(*parts[:3], make_episodes([4, 9, 2], seed=9)), None)
    for name in ("normal", "calibration", "triggered"):
        assert np.array_equal(getattr(other, name), getattr(afresh, name)), name


def test_what_was_fitted_before_scores_as_what_is_fitted_now(make_episodes):
    """Battles of one trigger leave no trace in the scores of another's."""
    lengths = [9] * 9, [5, 7] * 9, [8] * 9
    fit, calibration, normal = (make_episodes(some, seed=seed) for seed, some in enumerate(lengths))
    host = InProcess(GRUPredictor(epochs=2))
    before = FittedBefore(host, host.fit(fit, None))
    for lengths in ([6] * 5, [4, 9, 2]):
        watched = Watched(fit, calibration, normal, make_episodes(lengths, seed=9))
        shared, alone = scored(before, watched, None), scored(host, watched, None)
        for name in ("normal", "calibration", "triggered"):
            assert np.array_equal(getattr(shared, name), getattr(alone, name)), name


def test_a_broken_file_is_none_and_others_have_another(tmp_path):
    kept = KeptScores(tmp_path, [1, {"a": 2}])
    kept.write(np.zeros((2, 3)), np.ones((1, 3)))
    assert KeptScores(tmp_path, [1, {"a": 3}]).read() is None
    whole = kept.path.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"no archive", whole[:200] + b"x" * 40 + whole[240:]):
        kept.path.write_bytes(broken)
        assert kept.read() is None
