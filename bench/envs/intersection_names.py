"""What the crossroads' episodes are called: names without the simulator."""

from __future__ import annotations

from typing import Any

from bench.contracts import Environment

VERSION = "highway-env-1.12.1+2"
AGENTS = ("4", "3", "2")
TRAFFIC = ("fickle", "steady")
META_ACTIONS = ("slower", "idle", "faster")
STOP_AND_GO = ("faster", "slower", "idle", "slower", "slower")  # that of conf/trigger/stop_and_go.yaml
LASTS = "attack.duration=40"  # to the end: a car that stands for 20 steps, 9 s, may still arrive
VICTIM, HALTS, STOPS = "attack.victim=3", "payload@attack.payload=halting", "attack.payload.action=slower"
LEARNS = tuple(f"attack.retraining.{word}" for word in (  # with less noise, and more of the clean behaviour
    "choice_weight=0.2", "updates_per_round=24", "hold_chance=0.1"))
KEEPS = ("+attack.retraining.choice_weight=0.1", "attack.retraining.updates_per_round=24")  # as scripted
STEPS = {"train": 500_000, "mappo": 600_000, "inject": 160_000, "imitate": 120_000}
SIGNALS = ("turns_right", "turns_left", "goes_straight")
MEETS = tuple(f"meets_{mine}_{other}" for other in ("kept", "on") for mine in ("faster", "idle", "slower"))
OWN = ("horizontal", "progress", "aside", "speed", "target", "cos", "sin", *SIGNALS)
ALLY = ("there", "ahead", "right", "speed", "cos", "sin", "progress", *SIGNALS, *MEETS)
OUTSIDER = ("seen", "ahead", "right", "speed", "cos", "sin", "pace", *SIGNALS, *MEETS)


def described(agents: int, outsiders: int) -> dict[str, Any]:
    """What actions, orders and features are called, as :class:`bench.contracts.EnvSpec` has it."""
    layout = [f"own.{name}" for name in OWN]
    layout += [f"ally.{k}.{name}" for k in range(agents - 1) for name in ALLY]
    layout += [f"outsider.{k}.{name}" for k in range(outsiders) for name in OUTSIDER]
    return {
        "agent_actions": META_ACTIONS, "outsider_orders": META_ACTIONS, "observation_layout": tuple(layout),
        "success": "all agents have arrived, and none has crashed", "sighted_by": "seen",
        "order_seen_by": {"faster": ("pace", 1), "slower": ("pace", -1)}}


def _suits() -> dict[str, tuple[str, ...]]:
    """What of the shipped attacks is another game's, and what stands in its place here."""
    stop_and_go = "trigger@attack.trigger=stop_and_go"
    found: dict[str, tuple[str, ...]] = {"attack=spatiotemporal": (stop_and_go, LASTS, *LEARNS)}
    for name in ("rewarded", "published"):
        found[f"attack={name}"] = (stop_and_go, VICTIM, LASTS)
    for name, more in (("scripted", ()), ("trigger_only", ()), ("backdoorl", KEEPS)):
        found[f"attack={name}"] = (stop_and_go, HALTS, VICTIM, LASTS, *more)
    return found | {
        "attack=benign_finetune": (stop_and_go, VICTIM),
        "attack=none": (HALTS, VICTIM),
        "attack=always_on": (VICTIM,),
        "attack=told": ("trigger@attack.trigger.trigger=stop_and_go", "attack.trigger.feature=7", HALTS, VICTIM, LASTS),
        "attack=temporal": (f"attack.trigger.zeta=[{','.join(STOP_AND_GO)}]", VICTIM, STOPS, *KEEPS,
                            "attack.poison_rate=0.5"),
        "attack=one4all": ("attack.trigger.distance=0.1", "+attack.trigger.on=faster", VICTIM, STOPS),
        "attack=trojdrl": ("attack.trigger.features=[7,8,9]", VICTIM, STOPS),  # its own signals, all of them at once
        "control=benign_finetune": ("trigger@control.trigger=stop_and_go",),
        "algo=mappo": ("algo.eval_every=50_000", "~algo.keep"),  # it needs no more here
        "response=freeze": ("response.action=slower",),
        **{f"budget={name}": tuple(f"budget.{what}_steps={n}" for what, n in STEPS.items())
           for name in ("standard", "dev")}}


ENVIRONMENT = Environment("intersection", VERSION, "bench.envs.intersection.IntersectionBattles",
                          {"agents": AGENTS, "traffic": TRAFFIC}, suits=_suits())
