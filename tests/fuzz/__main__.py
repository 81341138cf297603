"""``python -m tests.fuzz [INPUTS] [SEED]``: see :mod:`fuzzing`."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "reporting")]
from bench.marl.process import single_thread_environment, tune

single_thread_environment()
tune()
from fuzzing import fuzz, show

if __name__ == "__main__":
    outcomes, wrong = fuzz(*map(int, sys.argv[1:3] or ["2000"]))
    print(show(outcomes), *wrong, sep="\n")
    sys.exit(bool(wrong))
