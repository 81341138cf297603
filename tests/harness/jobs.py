"""Jobs that tests give to executors. No heavy import: every job of submitit's is a process that begins with this."""

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
