"""What the crossroads' episodes are called: names without the simulator."""

from __future__ import annotations

from typing import Any

from bench.contracts import Environment

VERSION = "highway-env-1.12.1+1"
AGENTS = ("4", "3", "2")
TRAFFIC = ("fickle", "steady")
META_ACTIONS = ("slower", "idle", "faster")
SIGNALS = ("turns_right", "turns_left", "goes_straight")
OWN = ("horizontal", "progress", "aside", "speed", "target", "cos", "sin", *SIGNALS)
ALLY = ("there", "ahead", "right", "speed", "cos", "sin", "progress", *SIGNALS)
OUTSIDER = ("seen", "ahead", "right", "speed", "cos", "sin", "pace", *SIGNALS)


def described(agents: int, outsiders: int) -> dict[str, Any]:
    """What actions, orders and features are called, as :class:`bench.contracts.EnvSpec` has it."""
    layout = [f"own.{name}" for name in OWN]
    layout += [f"ally.{k}.{name}" for k in range(agents - 1) for name in ALLY]
    layout += [f"outsider.{k}.{name}" for k in range(outsiders) for name in OUTSIDER]
    return {
        "agent_actions": META_ACTIONS, "outsider_orders": META_ACTIONS, "observation_layout": tuple(layout),
        "success": "all agents have arrived, and none has crashed", "sighted_by": "seen",
        "order_seen_by": {"faster": ("pace", 1), "slower": ("pace", -1)}}


ENVIRONMENT = Environment("intersection", VERSION, "bench.envs.intersection.IntersectionBattles",
                          {"agents": AGENTS, "traffic": TRAFFIC})
