"""Wall-clock time to a win rate: this project's VDN beside JaxMARL's own VDN-RNN baseline script, on one core.

    python benchmarks/training_speed.py PATH_TO_A_JAXMARL_CHECKOUT [--opponent closest] [--target 0.75] [--core 0]

Both play the same battles (8m, this project's clock and walls), have 64 hidden units, and are timed from the start of
their process, imports and compilation included, to their first greedy evaluation at or above the target. JaxMARL's
script is run as it is, with 32 battles at a time, everything else as in its ql_rnn_smax.yaml but for the learning rate:
the published one is meant for 10 million steps and 512 units. It needs flashbax and flax; wandb is not needed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import types
from pathlib import Path

UNITS, BATTLES, STEPS = 64, 32, 2_000_000


def ours(options: argparse.Namespace, said) -> None:
    """Train this project's VDN and report every evaluation."""
    from bench.marl.process import tune

    tune()
    from bench.envs.smax import SmaxBattles
    from bench.marl.learner import Learning
    from bench.marl.train import Trainer

    trainer = Trainer(SmaxBattles("8m", options.opponent), Learning(name="vdn", eval_every=25_000), options.seed)
    seen = 0
    for row in trainer.run():
        if len(trainer.curve) > seen:
            seen = len(trainer.curve)
            said(row["steps"], row["win_rate"])


def jaxmarl(options: argparse.Namespace, said) -> None:
    """Run JaxMARL's script, with a stand-in for wandb that takes its reports."""
    def log(metrics) -> None:
        said(int(metrics["env_step"]), float(metrics["test_returned_won_episode"]))

    sys.modules["wandb"] = types.SimpleNamespace(init=lambda **_: None, log=log)  # type: ignore[assignment]
    folder = Path(options.checkout) / "baselines" / "QLearning"
    sys.path.insert(0, str(folder))
    import vdn_rnn
    import yaml

    from bench.envs.smax import EPISODE_LIMITS, TICK

    alg = yaml.safe_load((folder / "config" / "alg" / "ql_rnn_smax.yaml").read_text())
    alg |= {"TOTAL_TIMESTEPS": STEPS, "NUM_ENVS": BATTLES, "HIDDEN_SIZE": UNITS, "LR": options.learning_rate,
            "MAP_NAME": "8m", "TEST_INTERVAL": 25_000 / STEPS, "TEST_NUM_ENVS": 256, "ENV_KWARGS": {
                "attack_mode": options.opponent, "time_per_step": TICK, "walls_cause_death": False,
                "max_steps": EPISODE_LIMITS["8m"] - 1, "see_enemy_actions": True}}
    vdn_rnn.single_run({"alg": alg, "NUM_SEEDS": 1, "SEED": options.seed, "ENTITY": "", "PROJECT": "",
                        "WANDB_MODE": "online", "SAVE_PATH": None})


def contender(options: argparse.Namespace) -> None:
    """In a process of its own: print (steps, win rate, seconds) at each evaluation, stop at the target."""
    last = None

    def said(steps: int, win_rate: float) -> None:
        nonlocal last
        if win_rate == last:  # JaxMARL reports the last evaluation again in between
            return
        last = win_rate
        print(json.dumps([steps, win_rate, time.time() - options.began]), flush=True)
        if win_rate >= options.target:
            os._exit(0)

    {"ours": ours, "jaxmarl": jaxmarl}[options.contender](options, said)


def race(options: argparse.Namespace, name: str) -> list[list[float]]:
    """A contender's evaluations, from its process on the chosen core."""
    words = [sys.executable, __file__, options.checkout, "--contender", name, "--began", str(time.time()),
             *(f"--{key}={getattr(options, key.replace('-', '_'))}" for key in
               ("opponent", "target", "seed", "learning-rate"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "JAX_COMPILATION_CACHE_DIR": "",
                   "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
    os.sched_setaffinity(process.pid, {options.core})
    assert process.stdout is not None
    rows = []
    for line in process.stdout:
        if line.startswith("["):
            rows.append(json.loads(line))
            print(f"{name:<8} {rows[-1][0]:>9,} steps  wins {rows[-1][1]:.0%}  {rows[-1][2]:>5.0f} s", flush=True)
    if process.wait() or not rows:
        sys.exit(f"{name} ended with exit code {process.returncode}")
    return rows


def main() -> None:
    """Race both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", help="a checkout of github.com/FLAIROx/JaxMARL")
    parser.add_argument("--opponent", default="closest")
    parser.add_argument("--target", type=float, default=0.75)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="of JaxMARL's script")
    parser.add_argument("--contender", choices=["ours", "jaxmarl"], help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        contender(options)
        return
    ends = {name: race(options, name)[-1] for name in ("ours", "jaxmarl")}
    for name, (steps, win_rate, seconds) in ends.items():
        reached = "reached" if win_rate >= options.target else "did not reach"
        print(f"{name} {reached} {options.target:.0%}: {win_rate:.0%} after {steps:,} steps, {seconds:.0f} s")
    if all(row[1] >= options.target for row in ends.values()):
        print(f"JaxMARL's script takes {ends['jaxmarl'][2] / ends['ours'][2]:.1f} times as long")


if __name__ == "__main__":
    main()
