"""Counting: how rare is what an outsider did in its last few steps? What every clever detector has to beat."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes

from .recorded import living
from .views.observation import UNSEEN, EnemyMoves, symbols


class NGram(BaseEstimator):
    """Surprise, -log of the frequency, of the last ``n`` moves of the outsider that surprises an agent most.

    Parameters
    ----------
    n : how many moves in a row are counted, from 1 on.
    smoothing : added to every count, so that a sequence that was never seen is rare and not impossible.

    Attributes
    ----------
    surprise_ : (symbols ** n,) the surprise of each sequence of moves, in nats.
    """

    def __init__(self, n: int = 2, smoothing: float = 1.0) -> None:
        self.n = n
        self.smoothing = smoothing

    def fit(self, episodes: Episodes) -> NGram:
        grams = self._grams(episodes)
        watched = living(episodes)[:, self.n - 1:]
        counts = np.bincount(grams[watched].ravel(), minlength=symbols(episodes)**self.n) + self.smoothing
        self.surprise_ = -np.log(counts / counts.sum())
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in nats; 0 for the dead, and while fewer than ``n`` moves have been seen."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        scores[:, self.n - 1:] = self.surprise_[self._grams(episodes)].max(-1)
        return scores * episodes.alive

    def _grams(self, episodes: Episodes) -> np.ndarray:
        """(episode, step from n - 1 on, agent, outsider) the number of the sequence of the last n moves."""
        return sequence_numbers(EnemyMoves()(episodes), self.n, symbols(episodes))


class ConditionalNGram(BaseEstimator):
    """Surprise, -log p(move | the ``n - 1`` moves before), summed over an outsider's last ``window`` moves.

    A rare move in a common place counts, a common one after a rare beginning does not, and several rare moves in a
    row add up: of an opponent whose units now and then feint, the longest feints score highest. A sequence that was
    never seen is as likely as its shorter parts make it: p is the Witten-Bell interpolation of all orders up to ``n``,
    p_n = (count(past, move) + kinds(past) p_{n-1}) / (count(past) + kinds(past)), where kinds(past) is how many
    different moves followed, and p_0 is uniform. Of the outsiders that an agent sees, the most surprising one counts.

    Parameters
    ----------
    n : the order, from 1 (moves by themselves) to 5 (6 ** 5 sequences, where four moves are told apart).
    window : how many moves are summed, from 1 on.

    Attributes
    ----------
    surprise_ : (symbols ** n,) -log p of the last move of each sequence, in nats.

    References
    ----------
    Witten & Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 37(4), 1991;
    Chen & Goodman, "An empirical study of smoothing techniques for language modeling", 1999, section 2.5.
    """

    def __init__(self, n: int = 3, window: int = 4) -> None:
        self.n = n
        self.window = window

    def fit(self, episodes: Episodes) -> ConditionalNGram:
        moves, watched, kinds_of_move = self._moves(episodes), living(episodes), symbols(episodes)
        p = np.full(kinds_of_move, 1 / kinds_of_move)
        for order in range(1, self.n + 1):
            grams = sequence_numbers(moves[:, self.n - order:], order, kinds_of_move)[watched]
            counts = np.bincount(grams.ravel(), minlength=kinds_of_move**order).reshape([kinds_of_move] * order)
            kinds = np.maximum((counts > 0).sum(-1, keepdims=True), 1)  # 1 where nothing followed: then p_{n-1} is left
            p = (counts + kinds * p) / (counts.sum(-1, keepdims=True) + kinds)  # p lacks the oldest move: broadcast
        self.surprise_ = -np.log(p).ravel()
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in nats; 0 for the dead."""
        check_is_fitted(self)
        surprise = self.surprise_[sequence_numbers(self._moves(episodes), self.n, symbols(episodes))]
        padded = np.pad(surprise, [(0, 0), (self.window - 1, 0), (0, 0), (0, 0)])
        return sliding_window_view(padded, self.window, axis=1).sum(-1).max(-1) * episodes.alive

    def _moves(self, episodes: Episodes) -> np.ndarray:
        """(episode, n - 1 + step, agent, outsider): before the battle begins, none is seen."""
        return np.pad(EnemyMoves()(episodes), [(0, 0), (self.n - 1, 0), (0, 0), (0, 0)], constant_values=UNSEEN)


def sequence_numbers(moves: np.ndarray, n: int, kinds: int) -> np.ndarray:
    """(episode, step from n - 1 on, agent, outsider) the number of each sequence of n moves (episode, step, ...), each
    one of so many kinds."""
    if moves.shape[1] < n:
        return np.zeros((len(moves), 0, *moves.shape[2:]), np.int32)
    return sliding_window_view(moves.astype(np.int32), n, axis=1) @ kinds ** np.arange(n, dtype=np.int32)[::-1]
