"""What :mod:`bench.envs.smac_doctor` tries with a game, in a process of its own: ``python -m bench.envs.smac_trial MAP
DIFFICULTY`` says a line of JSON for each."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NoReturn

import numpy as np

from bench import children
from bench.contracts import Finding
from bench.envs.smac_doctor import PLAYED

MOVE, NORTH_SOUTH_EAST_WEST = 16, ((0, 4), (0, -4), (4, 0), (-4, 0))  # an ability; places to go to, in cells
ENEMY = 2  # the player that the game itself plays
FAR = 1.0  # cells that a unit which was sent somewhere has gone in 32 loops; a marine goes 4.5
COMPARED = 10  # steps after a roll-back
MOST = 40  # steps in which there has to be a fight: the other side comes by itself


def main(map: str, difficulty: str) -> None:
    """Try all of it with one game; stops at what fails."""
    say = os.fdopen(os.dup(1), "w", encoding="utf-8")  # the game and pysc2 may print what they like elsewhere
    os.dup2(2, 1)
    env: Any = None

    def tried(name: str, what: Callable[[], str]) -> None:
        try:
            finding = Finding(name, True, what())
        except Exception as error:  # pysc2's, smac's, protobuf's: whatever it is, it is what there is to tell
            finding = Finding(name, False, " ".join(f"{type(error).__name__}: {error}".split())[:300])
        print(json.dumps(asdict(finding)), file=say, flush=True)
        if not finding.ok:
            raise SystemExit(1)

    def imported() -> str:
        nonlocal env
        from smac.env import StarCraft2Env

        from bench.envs import smac_process  # noqa: F401  # pysc2 starts games that end with this process

        env = StarCraft2Env(map_name=map, difficulty=difficulty, seed=1)
        env.full_restart = _lost  # smac would start another game
        return "oxwhirl/smac and pysc2 load in this process"

    try:
        for name, what in zip(PLAYED, (imported, lambda: _battle(env), lambda: _orders(env), lambda: _rolled(env)),
                              strict=True):
            tried(name, what)
    finally:
        if env is not None:
            env.close()


def _lost() -> NoReturn:
    raise RuntimeError(f"the game has ended, or refused a request ({sys.exc_info()[1]})")


def _battle(env: Any) -> str:
    """A battle of random actions, with smac as it stands."""
    began = time.monotonic()
    env.reset()
    started, rng, steps, over = time.monotonic(), np.random.default_rng(0), 0, False
    while not over:
        actions = [int(rng.choice(np.flatnonzero(row))) for row in env.get_avail_actions()]
        _, over, _ = env.step(actions)
        steps += 1
    seconds = time.monotonic() - started
    return (f"{steps} steps of {env.n_agents} agents in {seconds:.1f} s, {steps / seconds:.0f} a second; the game "
            f"started in {started - began:.1f} s")


def _orders(env: Any) -> str:
    """Take control of the other side, and send a unit away from its course."""
    from s2clientprotocol import debug_pb2

    env.reset()
    env._controller.debug(debug_pb2.DebugCommand(game_state=debug_pb2.control_enemy))
    _send_one(env)
    return "an enemy goes where it is sent (control_enemy)"


def _send_one(env: Any) -> None:
    """Send an enemy somewhere. Raises RuntimeError unless it goes."""
    from s2clientprotocol import common_pb2, raw_pb2
    from s2clientprotocol import sc2api_pb2 as api

    before = next(unit for unit in _units(env) if unit.owner == ENEMY)
    x, y = before.pos.x, before.pos.y
    ways = [way for way in NORTH_SOUTH_EAST_WEST if env.check_bounds(int(x + way[0]), int(y + way[1]))
            and env.pathing_grid[int(x + way[0]), int(y + way[1])]]
    if not ways:
        raise RuntimeError("the enemy that was to be sent has nowhere to go")
    dx, dy = ways[0]
    command = raw_pb2.ActionRawUnitCommand(ability_id=MOVE, unit_tags=[before.tag], queue_command=False,
                                           target_world_space_pos=common_pb2.Point2D(x=x + dx, y=y + dy))
    results = env._controller.actions(api.RequestAction(actions=[api.Action(action_raw=raw_pb2.ActionRaw(
        unit_command=command))])).result
    if list(results) != [1]:
        raise RuntimeError(f"the game refuses an order for an enemy (result {list(results)})")
    env._controller.step(32)
    after = next((unit for unit in _units(env) if unit.tag == before.tag), None)
    if after is None or ((after.pos.x - x) * dx + (after.pos.y - y) * dy) / 4 < FAR:
        raise RuntimeError("an enemy does not go where it is sent: control_enemy has no effect")


def _rolled(env: Any) -> str:
    """Save in the middle of a fight, play, load, and play again."""
    from s2clientprotocol import sc2api_pb2 as api

    env.reset()  # whoever was sent away stood where it was sent; control of the enemy stays
    for _ in range(MOST):
        env._controller.step(8)
        if any(unit.health + unit.shield < unit.health_max + unit.shield_max for unit in _units(env)):
            break
    env._controller._client.send(quick_save=api.RequestQuickSave())
    played = []
    for _ in range(2):
        played.append([_seen(env)])
        for _ in range(COMPARED):
            env._controller.step(8)
            played[-1].append(_seen(env))
        env._controller._client.send(quick_load=api.RequestQuickLoad())
    same = ("quick save and load lead to the same battle" if played[0] == played[1] else
            "quick load leads to another battle; battles will be gone back to by playing them again, which is slower")
    try:
        _send_one(env)
    except RuntimeError:
        return f"{same}; control of the enemy is lost by it, and will be taken again"
    return f"{same}; orders work after it"


def _units(env: Any) -> list[Any]:
    return list(env._controller.observe().observation.raw_data.units)


def _seen(env: Any) -> list[tuple[Any, ...]]:
    """All units: which, whose, where, and what is left of them."""
    return sorted((unit.tag, unit.owner, unit.pos.x, unit.pos.y, unit.health, unit.shield) for unit in _units(env))


if __name__ == "__main__":
    children.follow_parent()
    main(*sys.argv[1:])
