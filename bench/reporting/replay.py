"""A battle as a page: the same start without the trigger and with it, side by side (the paper's Fig. 3)."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import numpy as np

from bench.contracts import NEVER, Episodes
from bench.errors import BenchError

MARGIN = 1.5  # map units around all that is seen


def telling_battle(normal: Episodes, triggered: Episodes) -> int:
    """The first battle that is won without the trigger and lost with it. Raises BenchError if there is none."""
    found = normal.labels.won & ~triggered.labels.won & (triggered.labels.completion != NEVER)
    if not found.any():
        raise BenchError("no battle is won without the trigger and lost with it: there is no replay to show")
    return int(found.argmax())


def replay(title: str, normal: Episodes, triggered: Episodes, battle: int, victims: tuple[int, ...],
           trigger_length: int, duration: int) -> bytes:
    """One self-contained HTML page of a battle that was recorded twice with positions, who is present, orders and the
    environment's extras."""
    both = [_battle(normal, battle, "without the trigger"), _battle(triggered, battle, "with the trigger")]
    places = np.concatenate([np.array(frame["position"])[frame["present"]] for b in both for frame in b["frames"]])
    low, high = places.min(0) - MARGIN, places.max(0) + MARGIN
    begin = int(triggered.labels.completion[battle])
    data = {
        "title": title, "battles": both, "victims": list(victims), "agents": normal.action.shape[2],
        "what": "The same team in the same battle. On the right an outsider shows the trigger; from then on the "
                "poisoned agent works against its team.",
        "ground": normal.described.ground, "leaves": normal.described.leaves,
        "box": [round(float(v), 2) for v in (*low, *high)],
        "phases": [[begin - trigger_length, begin, "#f2b90f", "the trigger is shown"],
                   [begin, begin + duration, "#d0453a", "the attack period"]]}
    page = resources.files("bench.reporting").joinpath("replay.html").read_text(encoding="utf-8")
    return page.replace("/*DATA*/null", json.dumps(data, separators=(",", ":")).replace("</", "<\\/")).encode()


def _battle(episodes: Episodes, battle: int, caption: str) -> dict[str, Any]:
    labels = episodes.labels
    assert labels.position is not None
    assert labels.present is not None
    assert labels.orders is not None
    spec = episodes.described
    bar = labels.extras[spec.bar] if spec.bar else None
    told = labels.orders[battle]
    frames = [{"position": labels.position[battle, t].astype(float).round(2).tolist(),  # float32 prints all its digits
               "present": labels.present[battle, t].tolist(),
               "bar": None if bar is None else bar[battle, t].astype(float).round(2).tolist(),
               "target": spec.target_of_action[episodes.action[battle, t]].tolist(),
               "action": [spec.agent_actions[action] for action in episodes.action[battle, t]],
               "orders": {int(k): spec.outsider_orders[told[t, k]] for k in np.nonzero(told[t] >= 0)[0]}}
              for t in range(int(episodes.length[battle]))]
    return {"caption": caption, "won": bool(labels.won[battle]), "frames": frames}
