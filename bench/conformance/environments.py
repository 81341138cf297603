"""Does an environment keep :class:`bench.contracts.Battles`' contract? Each check plays it with actions at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bench.conformance.checks import Outcome
from bench.conformance.walk import expect, walk
from bench.contracts import BODIES, NOBODY, Battles, Step

SLOTS, STEPS, SEED = 8, 12, 20_011  # of a check: battles at once, steps played, and the seed of battles and actions
RTOL, ATOL = 1e-4, 1e-5  # a batch of another order may round otherwise


def environment_outcomes(make: Callable[[], Battles]) -> Iterator[Outcome]:
    """The outcome of every check, one after the other, of an environment that ``make`` makes anew for each."""
    return walk(CHECKS, FIRST, make)


def description(battles: Battles) -> None:
    """The names fit the sizes."""
    spec = battles.spec
    for what, names, size in (("agent_actions", spec.agent_actions, spec.n_actions),
                              ("observation_layout", spec.observation_layout, spec.observation_size),
                              ("sight_range", spec.sight_range, spec.n_agents)):
        expect(len(names) == size, f"{what} has {len(names)} entries for {size}")
    for what, names in (("agent_actions", spec.agent_actions), ("outsider_orders", spec.outsider_orders),
                        ("observation_layout", spec.observation_layout)):
        expect(len(set(names)) == len(names), f"{what} has a name twice")
    expect(bool(spec.id) and bool(spec.version), "id or version is empty")
    expect(bool(spec.success), "success says nothing")
    odd = [name for name in spec.observation_layout if name.partition(".")[0] not in BODIES]
    expect(not odd, f"the feature '{odd[0] if odd else ''}' is about none of {', '.join(BODIES)}")
    towards = spec.target_of_action
    expect(bool((towards < spec.n_outsiders).all()), "an action is towards an outsider that is not there")
    expect(not spec.bar or spec.bar in spec.extras, f"bar is '{spec.bar}', and no extra has that name")
    for order, (name, sign) in spec.order_seen_by.items():
        spec.order(order)
        spec.outsider_feature(name)
        expect(sign in (-1, 1), f"order_seen_by has {sign} for '{order}'; expected 1 or -1")
    if spec.sighted_by:
        spec.outsider_feature(spec.sighted_by)


def shapes(battles: Battles) -> None:
    """What a step holds is of the sizes of the description."""
    spec = battles.spec
    bodies = spec.n_agents + spec.n_outsiders
    expected: dict[str, tuple[tuple[int, ...], str]] = {
        "observation": ((spec.n_agents, spec.observation_size), "f"), "state": ((spec.state_size,), "f"),
        "available": ((spec.n_agents, spec.n_actions), "b"), "reward": ((), "f"), "done": ((), "b"), "won": ((), "b"),
        "active": ((spec.n_agents,), "b"), "present": ((bodies,), "b"), "position": ((bodies, 2), "f"),
        "sight": ((spec.n_agents,), "f"), "outsider_actions": ((spec.n_outsiders,), "i")}
    for step in _played(battles, np.arange(SLOTS)):
        found = step.arrays()
        for name in spec.extras:
            expect(f"extras.{name}" in found, f"extras has no '{name}'")
        for name, value in found.items():
            shape, kind = expected.get(name, ((bodies,), "fiub"))
            expect(value.shape == (SLOTS, *shape), f"{name} has shape {value.shape}, not {(SLOTS, *shape)}")
            expect(value.dtype.kind in kind, f"{name} is of type {value.dtype}")
            expect(bool(np.isfinite(value).all()), f"{name} holds numbers that are not finite")
        going = ~step.done
        expect(bool(step.available[step.active & going[:, None]].any(-1).all()), "an agent that acts has no action")
        expect(not step.won[going].any(), "a battle is won that goes on")


def names_an_episode(battles: Battles) -> None:
    """(seed, number) is the same battle in whatever batch it is played."""
    together = [step.arrays() for step in _played(battles, np.arange(SLOTS))]
    order = np.random.default_rng(SEED).permutation(SLOTS)
    mixed = [step.arrays() for step in _played(battles, order)]
    for time, (one, other) in enumerate(zip(together, mixed, strict=True)):
        for name, value in one.items():
            expect(np.allclose(value[order], other[name], RTOL, ATOL),
                     f"{name} after {time} steps is another one in another batch")
    again = battles.reset(SEED + 1, np.arange(SLOTS)).arrays()
    expect(any(not np.array_equal(value, again[name]) for name, value in together[0].items()),
             "another seed gives the same battles")


def snapshots(battles: Battles) -> None:
    """After :meth:`restore` the same actions lead to the same battles, exactly."""
    *_, step = _played(battles, np.arange(SLOTS))
    kept = battles.snapshot()
    both = []
    for _ in range(2):
        rng = np.random.default_rng(SEED)
        now, found = step, []
        for _ in range(STEPS):
            now = battles.step(_actions(now, rng))
            found.append(now.arrays())
        both.append(found)
        battles.restore(kept)
    for one, other in zip(*both, strict=True):
        for name, value in one.items():
            expect(np.array_equal(value, other[name]), f"{name} differs after restore")


def stands_still(battles: Battles) -> None:
    """A battle that is over stays as it is and earns nothing, and lasts no longer than the limit."""
    step, rng = battles.reset(SEED, np.arange(SLOTS)), np.random.default_rng(SEED)
    for _ in range(battles.spec.episode_limit + 2):
        before, step = step, battles.step(_actions(step, rng))
        over = before.done
        expect(not step.reward[over].any(), "a battle that is over earns a reward")
        expect(bool(step.done[over].all()), "a battle that was over goes on")
        for name in ("position", "present", "won", "observation"):
            same = np.array_equal(getattr(step, name)[over], getattr(before, name)[over])
            expect(same, f"{name} changes in a battle that is over")
    expect(bool(step.done.all()), f"a battle lasts longer than episode_limit, {battles.spec.episode_limit} steps")


def replaced(battles: Battles) -> None:
    """A battle that begins in a slot is the one that this number always is, and leaves the others alone."""
    *_, step = _played(battles, np.arange(SLOTS))
    slots, numbers = np.array([1, 5]), np.array([40, 41])
    after = battles.replace(slots, numbers).arrays()
    others = np.setdiff1d(np.arange(SLOTS), slots)
    for name, value in step.arrays().items():
        expect(np.array_equal(value[others], after[name][others]), f"{name} of other battles changes by replace")
    fresh = battles.reset(SEED, np.resize(numbers, SLOTS)).arrays()
    for name, value in fresh.items():
        same = np.allclose(value[:2], after[name][slots], RTOL, ATOL)
        expect(same, f"{name} after replace is not that after reset")


def orders_are_obeyed(battles: Battles) -> None:
    """An outsider that is given an order follows it, and says so."""
    spec = battles.spec
    for order in range(len(spec.outsider_orders)):
        step, rng = battles.reset(SEED, np.arange(SLOTS)), np.random.default_rng(SEED)
        orders = np.full((SLOTS, spec.n_outsiders), NOBODY)
        orders[:, 0] = order
        after = battles.step(_actions(step, rng), orders)
        there = step.present[:, spec.n_agents] & ~step.done
        expect(bool((after.outsider_actions[there, 0] == order).all()),
                 f"outsider_actions does not show the order '{spec.outsider_orders[order]}'")


CHECKS: dict[str, tuple[Callable[[Battles], None], str]] = {
    "description": (description, "names and sizes of the spec that fit each other"),
    "shapes": (shapes, "arrays of the spec's sizes, finite, with an action for every agent that acts"),
    "episodes": (names_an_episode, "the same battle for the same seed and number, whatever the batch"),
    "snapshot": (snapshots, "exactly the same battles after restore"),
    "finished": (stands_still, "battles that stand still once they are over, within the limit"),
    "replace": (replaced, "the battle of that number in that slot, and no other one changed"),
    "orders": (orders_are_obeyed, "outsiders that do what they are told, and outsider_actions that say so")}
FIRST = ("description", "shapes")  # whoever breaks these is not asked further


def _played(battles: Battles, numbers: np.ndarray) -> Iterator[Step]:
    """The first step of battles, and those that follow; the actions of a battle depend on its number alone."""
    step = battles.reset(SEED, numbers)
    yield step
    for time in range(STEPS):
        drawn = np.stack([np.random.default_rng([SEED, time, number]).random(step.available.shape[1:])
                          for number in numbers])
        step = battles.step(_best(step, drawn))
        yield step


def _actions(step: Step, rng: np.random.Generator) -> np.ndarray:
    return _best(step, rng.random(step.available.shape))


def _best(step: Step, drawn: np.ndarray) -> np.ndarray:
    """(battle, agent) the available action of the greatest number drawn."""
    return np.where(step.available, drawn, -1.0).argmax(-1)
