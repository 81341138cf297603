"""How detectors read episodes."""

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import DetectorError
from detectors import ActivationClusters, NeuronBands, SpectralSignature, TDError
from detectors.cusum import cusum
from detectors.recorded import by_agent, by_step, chunks, living, living_steps, windows


def test_sequences_are_agents_battles_and_back(make_episodes):
    episodes = make_episodes([5, 3])
    sequences = by_agent(episodes.observation)
    assert np.array_equal(sequences[1], episodes.observation[0, :, 1])
    assert np.array_equal(by_step(sequences[..., 4], episodes), episodes.observation[..., 4])


def test_living_steps(make_episodes):
    episodes = make_episodes([5, 3])
    episodes.alive[0, 2:, 1] = False
    where = living_steps(episodes)
    found = np.zeros(by_agent(episodes.alive).shape, bool)
    found[tuple(where.T)] = True
    assert np.array_equal(by_step(found, episodes), living(episodes))
    some = living_steps(episodes, 4, seed=1)
    assert len({tuple(pair) for pair in some}) == 4
    assert {tuple(pair) for pair in some} < {tuple(pair) for pair in where}
    assert np.array_equal(some, living_steps(episodes, 4, seed=1))


def test_chunks_are_of_like_length_and_without_padding(make_episodes):
    episodes = make_episodes([5, 2, 9, 2])
    found = np.zeros(episodes.alive.shape)
    sizes = []
    for where, some in chunks(episodes, 2):
        assert some.observation.shape[1] == some.length.max()
        found[where] = some.observation[..., 0]
        sizes.append(some.length.tolist())
    assert sizes == [[2, 2], [5, 9]]
    assert np.array_equal(found[episodes.mask], episodes.observation[..., 0][episodes.mask])
    assert not list(chunks(replace(episodes, mask=np.zeros_like(episodes.mask))))
    assert not list(chunks(episodes[:0]))


def test_windows_look_back_to_the_first_step(make_episodes):
    episodes = make_episodes([5, 5])
    seen, counts = windows(by_agent(episodes.observation), np.array([[0, 4], [3, 1]]), 3)
    assert np.array_equal(seen[0], episodes.observation[0, 2:5, 0])
    assert not seen[1, 0].any()
    assert np.array_equal(seen[1, 1:], episodes.observation[1, :2, 1])
    assert counts.tolist() == [[True] * 3, [False, True, True]]


@pytest.mark.parametrize(("detector", "column"), [
    (NeuronBands(), "hidden"), (ActivationClusters(), "hidden"), (SpectralSignature(), "hidden"),
    (TDError(), "values")])
def test_a_column_that_was_not_recorded(detector, column, make_episodes):
    assert detector.needs == (column,)
    whole = make_episodes([6] * 6)
    without = replace(whole, **{column: None}).public()
    message = f"{type(detector).__name__} needs the column '{column}' .* recorded without"
    with pytest.raises(DetectorError, match=message):
        detector.fit(without)
    with pytest.raises(DetectorError, match=message):
        detector.fit(whole.public()).score(without)


def test_cusum_is_the_recursion():
    deviation = np.random.default_rng(0).normal(0.3, size=(3, 20, 2))
    total, expected = np.zeros((3, 2)), []
    for step in range(20):
        total = np.maximum(0, total + deviation[:, step] - 0.5)
        expected.append(total)
    assert cusum(deviation, 0.5) == pytest.approx(np.stack(expected, 1))
