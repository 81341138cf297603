"""The commands, one small module each, with ``main(cfg)``; and how Hydra calls them."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from bench.errors import BenchError, unknown


def launch(job: Callable[[DictConfig], None], words: list[str]) -> None:
    """Compose the configuration from the command line's words and run the job with it.

    Raises BenchError, in one line, for whatever is wrong with the words.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come here instead of being printed by Hydra
    sys.argv = ["python -m bench", *words]
    errors: list[BenchError] = []

    @functools.wraps(job)
    def guarded(cfg: DictConfig) -> None:
        try:  # an error that reached Hydra would be printed by it, and would end a sweep
            job(cfg)
        except BenchError as error:
            errors.append(error)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                print(f"error in {' '.join(HydraConfig.get().overrides.task)}: {error}", file=sys.stderr)

    try:
        hydra.main(version_base="1.3", config_path="pkg://conf", config_name="config")(guarded)()
    except MissingConfigException as error:
        raise _missing(error) from error
    except (HydraException, OmegaConfBaseException) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, BenchError):
            cause = cause.__cause__
        raise (cause if cause is not None else BenchError(_one_line(error))) from error
    if len(errors) > 1:
        raise BenchError(f"{len(errors)} runs of the sweep failed")
    if errors:
        raise errors[0]


def _missing(error: MissingConfigException) -> BenchError:
    """Hydra's word that a group has no such option, in one line."""
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    if not group or not error.options:
        return BenchError(_one_line(error))
    return unknown(group, name, error.options)


def _one_line(error: BaseException) -> str:
    """The first lines of a Hydra message: what is wrong and what could be done."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines[:3] if not re.match(r"See https|full_key|object_type|reference_type", line)]
    return "; ".join(said) or type(error).__name__
