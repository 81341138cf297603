"""Jobs that tests give to executors. No heavy import: every job of submitit's is a process that begins with this."""

import json
import time
from pathlib import Path


def empty(words):
    return None


def odd(folder: Path, words):
    """Shows that it was here. The jobs 1 and 2 fail, each in its own way."""
    (folder / words[0]).touch()
    if words[0] == "2":
        raise ValueError("a job with\nan error of its own")
    return "told so" if words[0] == "1" else None


def slow(folder: Path, words):
    """Shows each time that it was here, and takes a second."""
    (folder / f"{words[0]}-{time.time_ns()}").touch()
    time.sleep(1.0)


def placed(folder: Path, words):
    """Says on which of the nodes it was (that has a resource of this name), and when; takes half a second."""
    import ray

    here, began = ray.get_runtime_context().get_node_id(), time.time()
    time.sleep(0.5)
    (name,) = {"first", "second"} & next(node["Resources"] for node in ray.nodes() if node["NodeID"] == here).keys()
    (folder / words[0]).write_text(json.dumps({"node": name, "began": began, "ended": time.time()}))
