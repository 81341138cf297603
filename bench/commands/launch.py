"""How Hydra calls a command."""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError

from bench import compat, plugins
from bench.artifacts.shared import BUSY, Busy
from bench.artifacts.yaml_files import check_folders
from bench.commands.elsewhere import Run, collected
from bench.errors import BenchError
from bench.harness.composed import remembering
from bench.marl.process import single_thread_environment, tune
from bench.overrides import explained, prepared

_OVERRIDE = re.compile("~|[^-].*=")  # "NAME=VALUE" or "~NAME", as opposed to a flag and what follows it


def launch(command: str, job: Callable[[DictConfig], None], arguments: list[str], plays: bool = True) -> None:
    """Compose a command's configuration from its arguments and run the job with it, which may play battles itself
    (``plays``: torch is loaded and tuned for that).

    Raises BenchError, in one line, for whatever is wrong with the arguments.
    """
    single_thread_environment()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come here instead of being printed by Hydra
    plugins.register()
    arguments = plugins.overrides(prepared(arguments, command))
    # Overrides come first and together: between flags argparse refuses them.
    sys.argv = ["python -m bench", *sorted(arguments, key=lambda argument: not _OVERRIDE.match(argument))]
    _check_flags(sys.argv[1:])
    check_folders(sys.argv[1:])
    errors: list[BenchError] = []
    elsewhere: list[Run] = []

    @functools.wraps(job)
    def guarded(cfg: DictConfig) -> None:
        try:  # an error that reached Hydra would be printed by it, and would end a sweep
            if plays:
                tune()
            cfg = remembering(cfg, HydraConfig.get())
            if HydraConfig.get().mode == RunMode.MULTIRUN and (one := collected(cfg)) is not None:
                elsewhere.append(one)
            else:
                job(cfg)
        except BenchError as error:
            errors.append(error)
        except Exception as error:
            if os.environ.get("BENCH_DEBUG"):
                raise
            if isinstance(error, ConfigAttributeError) and error.full_key:
                errors.append(BenchError(f"the configuration has no value '{error.full_key}', which is needed"))
            else:
                errors.append(BenchError(f"{type(error).__name__}: {error} (BENCH_DEBUG=1 shows where)"))
        else:
            return
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            print(f"error in {shlex.join(HydraConfig.get().overrides.task)}: {errors[-1]}", file=sys.stderr)

    try:
        with warnings.catch_warnings(), compat.composing_once(sys.argv[1:]):
            warnings.filterwarnings("error", "provider=hydra.searchpath", UserWarning)  # a folder that is not there
            hydra.main(config_path="pkg://bench.conf", config_name="config", **compat.VERSION)(guarded)()
    except Exception as error:  # of Hydra, which fails in many ways over odd arguments
        if os.environ.get("BENCH_DEBUG"):
            raise
        raise explained(error, arguments) from error
    if elsewhere and not errors:
        errors += _done(command, elsewhere)
    if len(errors) > 1:
        busy = sum(isinstance(error, Busy) for error in errors)
        raise BenchError(f"{len(errors)} runs of the sweep failed" + (f", {busy} of them {BUSY}" if busy else ""))
    if errors:
        raise errors[0]


def _done(command: str, runs: list[Run]) -> list[BenchError]:
    """Have an executor do the runs of ``-m``; what went wrong."""
    from bench.commands import elsewhere
    from bench.harness.executors import executor_of

    found = elsewhere.run(command, runs, executor_of(runs[0].cfg))
    for one, error in zip(runs, found, strict=True):
        if error is not None:
            print(f"error in {shlex.join(one.overrides)}: {error}", file=sys.stderr)
    print(f"{found.count(None)} of {len(runs)} runs are done")
    return [BenchError(error) for error in found if error is not None]


def _check_flags(arguments: list[str]) -> None:
    """Raise BenchError for flags that Hydra does not know: it would print its usage and end the process itself."""
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise BenchError(f"{message}; values are given as NAME=VALUE, flags are --config-dir DIR, --cfg job, -m")

    parser.error = refuse  # type: ignore[method-assign]
    if not {"--version", "--help", "-h", "--hydra-help"} & set(arguments):
        parser.parse_args(arguments)
