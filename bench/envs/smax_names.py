"""What SMAX's battles are called: names without the simulator, whose import takes seconds."""

from __future__ import annotations

from typing import Any

from bench.contracts import Environment

VERSION = "jaxmarl-0.2.0+1"
OPPONENTS = ("random", "closest", "skirmish")
EPISODE_LIMITS = {"3m": 60, "2s3z": 120, "25m": 150, "3s5z": 150, "8m": 120, "5m_vs_6m": 70, "10m_vs_11m": 150,
                  "27m_vs_30m": 180, "3s5z_vs_3s6z": 170, "3s_vs_5z": 250, "6h_vs_8z": 150, "smacv2_5_units": 200,
                  "smacv2_10_units": 200, "smacv2_20_units": 200}  # SMAC's and SMACv2's own limits


MOVES = ("north", "east", "south", "west", "stop")
UNIT = ("health", "dx", "dy", "moved_x", "moved_y", "target", "cooldown")  # what is seen of another unit
OWN = ("health", "x", "y", "cooldown")
EXTRAS = ("health",)  # of Step


def described(agents: int, enemies: int, types: int) -> dict[str, Any]:
    """What actions, orders and features are called, as :class:`bench.contracts.EnvSpec` has it; ``types`` of units."""
    unit, own = ((*names, *(f"type_{k}" for k in range(types))) for names in (UNIT, OWN))
    others = [f"ally.{k}" for k in range(agents - 1)] + [f"outsider.{k}" for k in range(enemies)]
    return {
        "agent_actions": (*MOVES, *(f"attack {k}" for k in range(enemies))), "outsider_orders": MOVES,
        "observation_layout": (*(f"{who}.{name}" for who in others for name in unit), *(f"own.{name}" for name in own)),
        "success": "all enemy units are dead, and not all agents", "sighted_by": "health", "order_seen_by": {
            "north": ("moved_y", 1), "east": ("moved_x", 1), "south": ("moved_y", -1), "west": ("moved_x", -1)},
        "extras": EXTRAS, "bar": "health"}


ENVIRONMENT = Environment("smax", VERSION, "bench.envs.smax.SmaxBattles",
                          {"map": tuple(EPISODE_LIMITS), "opponent": OPPONENTS})
