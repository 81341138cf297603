"""What environments in JAX have in common: a batch of battles that is stepped by one compiled function."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

import bench.envs.threefry  # noqa: F401 - all that is compiled after this draws without loops
from bench.contracts import EnvSpec, Step
from bench.envs.traced import Traced

jax.config.update("jax_compilation_cache_dir", os.environ.get(
    "JAX_COMPILATION_CACHE_DIR", str(Path.home() / ".cache" / "marl-backdoor-bench" / "jax")))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


class Game(Protocol):
    """An environment as functions. A state is a tree of arrays with a leading battle axis, and has an entry "done";
    what is seen of it is a dict, named as in :class:`bench.contracts.Step`, extras among it."""

    spec: EnvSpec

    @property
    def reset(self) -> Callable[[int, np.ndarray], tuple[Any, dict[str, Any]]]:
        """From a seed and battles' numbers to their first states and what is seen of them: :func:`begin`."""
        ...

    @property
    def step(self) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """The same a step later: :func:`go_on`."""
        ...


class CompiledBattles:
    """A batch of battles of a :class:`Game`; see :class:`bench.contracts.Battles` for the methods.

    A battle is named by (seed, battle number) and does not depend on the batch around it.
    """

    def __init__(self, game: Game) -> None:
        self._game, self.spec = game, game.spec
        self._state: Any = None
        self._seed = 0
        self._seen: dict[str, np.ndarray] = {}  # what the outside sees of the state
        self._pending: tuple[Any, np.ndarray] | None = None  # battles to begin with the next step, and their slots
        self._spare: Any = None  # first states of n battles in a row, and what is seen of them
        self._spare_is: tuple[int, int, int] | None = None  # their seed, first number and n

    # The interface: numpy in, numpy out.

    def reset(self, seed: int, battles: np.ndarray) -> Step:
        self._seed, self._pending = seed, None
        self._state, view = self._game.reset(seed, battles)
        return self._show(view)

    def step(self, actions: np.ndarray, orders: np.ndarray | None = None) -> Step:
        if orders is None:
            orders = np.full((len(actions), self.spec.n_outsiders), -1)
        spare, source = self._pending or (self._state, np.full(len(actions), -1))
        self._pending = None
        self._state, view = self._game.step(self._state, spare, source, actions.astype(np.int32),
                                            orders.astype(np.int32))
        return self._show(view)

    def replace(self, slots: np.ndarray, battles: np.ndarray) -> Step:
        n = len(self._seen["done"])
        view = {name: value.copy() for name, value in self._seen.items()}
        for first in sorted({int(battle) // n * n for battle in battles}):
            if self._spare_is != (self._seed, first, n):  # made n at a time, since a lone reset costs as much as n
                self._spare = self._game.reset(self._seed, np.arange(first, first + n))
                self._spare_is = (self._seed, first, n)
            state, seen = self._spare
            here = (battles >= first) & (battles < first + n)
            source = np.full(n, -1)
            source[slots[here]] = battles[here] - first
            self._settle()
            self._pending = state, source
            for name, value in seen.items():
                view[name][slots[here]] = np.asarray(value)[battles[here] - first]
        return self._show(view)

    def snapshot(self) -> Any:
        self._settle()
        return self._seed, self._state, self._seen  # JAX arrays never change: the state itself is the snapshot

    def restore(self, snapshot: Any) -> None:
        self._seed, self._state, self._seen = snapshot
        self._pending = None

    def _settle(self) -> None:
        """Put the battles that were begun by :meth:`replace` into the state; the next step would do it, too."""
        if self._pending is not None:
            self._state, self._pending = _merge(self._state, *self._pending), None

    def _show(self, view: dict[str, Any]) -> Step:
        self._seen = {name: np.asarray(value) for name, value in view.items()}
        bodies = dict(self._seen)
        return Step(extras={name: bodies.pop(name) for name in self.spec.extras}, **bodies)


def begin(one: Callable[[Any, Any], Any], see: Callable[[Any], dict[str, Any]], name: str = "",
          folders: Iterable[Path] = ()) -> Callable[..., Any]:
    """A game's ``reset``, of what makes the first state of one battle from seed and number, and what is seen of one.

    A game with a ``name`` that says all that it was made with, and ``folders`` with its source, is traced once on a
    machine (:class:`bench.envs.traced.Traced`), and else in each process.
    """
    def many(seed, battles):
        state = jax.tree.map(_strong, jax.vmap(partial(one, seed))(battles))
        return state, jax.vmap(see)(state)

    return Traced(many, f"{name} reset", folders) if name else jax.jit(many)


def go_on(one: Callable[[Any, Any, Any], Any], name: str = "", folders: Iterable[Path] = ()) -> Callable[..., Any]:
    """A game's ``step``, of what makes the next state of one battle, and what is seen of it, from its state, actions
    and orders. Battles that begin with this step come in ``spare``: row i is its row ``source[i]``, unless that is -1.
    ``name`` and ``folders`` are those of :func:`begin`.
    """
    def many(state, spare, source, actions, orders):
        return jax.vmap(one)(_merged(state, spare, source), actions, orders)

    return Traced(many, f"{name} step", folders) if name else jax.jit(many)


def standing(state: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The new state of a battle, or the one before, without a reward, if that was done."""
    masked = {**state, "reward": jnp.zeros_like(state["reward"])}
    return jax.tree.map(lambda old, fresh: jnp.where(state["done"], old, fresh), masked, new)


def _strong(value):
    """The value with its type for good. Where a step's states have types of their own and a first state's has not, JAX
    would compile the step three times."""
    return jax.lax.convert_element_type(value, value.dtype)


def _merged(state, spare, source):
    """``state`` with row i taken from row ``source[i]`` of ``spare`` wherever that is not -1."""
    def pick(old, new):
        chosen = source.reshape((-1,) + (1,) * (old.ndim - 1)) >= 0
        return jnp.where(chosen, new[jnp.maximum(source, 0)], old)
    return jax.tree.map(pick, state, spare)


_merge = jax.jit(_merged)
