"""Runs a training script of a JaxMARL checkout, unmodified, with Weights & Biases replaced by a file.

``python jaxmarl_baseline.py SCRIPT LOG [overrides]``, in a process of its own: what the script logs becomes a line of
JSON in LOG. Nothing of ``bench`` is imported, so that the script's start is its own.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
import types


def main(script: str, log: str, overrides: list[str]) -> None:
    """Run the script as if it had been called with these overrides."""
    with open(log, "w", encoding="utf-8") as file:
        def write(metrics, **_) -> None:
            row = {name: float(value) for name, value in metrics.items() if getattr(value, "ndim", None) == 0}
            print(json.dumps(row), file=file, flush=True)

        wandb = types.ModuleType("wandb")
        wandb.init, wandb.log = lambda **_: None, write  # type: ignore[attr-defined]  # all that the script asks of it
        sys.modules["wandb"] = wandb
        sys.argv = [script, *overrides]
        runpy.run_path(script, run_name="__main__")


def end_with_parent() -> None:
    """What :func:`bench.children.follow_parent` does: wait for the end of the pipe that the parent holds."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    if "BENCH_FOLLOWS_PARENT" in os.environ:
        threading.Thread(target=end_with_parent, daemon=True).start()
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
