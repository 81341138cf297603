"""Runs a command and says, as a line of JSON, what it took: ``python taken.py FOLDER COMMAND...``.

A process of its own, and a small one: Linux takes the memory of whoever starts a process for the least that this has
had. Nothing of ``bench`` is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main(folder: str, command: list[str]) -> None:
    """Run the command in a folder; its output goes nowhere."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL,  # noqa: S603
                               stderr=subprocess.DEVNULL)  # its input is this one's: the end of who asked is its end
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
        process.returncode = os.waitstatus_to_exitcode(status)
        known = {"cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss / unit}
    else:  # Windows
        process.wait()
        known = {}
    print(json.dumps({"clock": time.perf_counter() - began, "code": process.returncode} | known))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
