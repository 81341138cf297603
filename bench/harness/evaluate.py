"""``bench.evaluate``: what ``python -m bench run`` does, from Python."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, cast

from hydra import compose, initialize_config_module
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from bench import compat, plugins, terminal
from bench.contracts import Detector, Result
from bench.harness.cell import run
from bench.harness.composed import remembering
from bench.harness.teams import Say, Stage
from bench.marl.process import tune
from bench.overrides import explained, prepared


@contextmanager
def silent(_: str):
    """A stage that shows nothing."""
    yield lambda *_: None


def evaluate(detector: Detector | str | None = None, *, overrides: tuple[str, ...] = (), stage: Stage = silent,
             say: Say = terminal.say, **choices: Any) -> Result:
    """Measure a detector against an attack; the same as ``python -m bench run``.

    Parameters
    ----------
    detector : an object with ``fit`` and ``score`` (:class:`bench.contracts.Detector`), or the name of an option of
        conf/detector; without one, the configured.
    stage, say : how to show progress and remarks; by default only remarks, on standard output.
    choices : configuration groups and values, as on the command line: ``attack="spatiotemporal"``, ``algo="qmix"``,
        ``seed=1``, ``out="results"`` ...
    overrides : further ones, written as on the command line: ``("budget.test_battles=200",)``.

    Raises
    ------
    BenchError : anything wrong with what was asked for; DetectorError, one of them, if the detector is at fault.
    """
    tune()
    made: Detector | None = None
    if issubclass(type(detector), str):  # isinstance would ask the detector itself
        choices = choices | {"detector": detector}
    else:
        made = cast("Detector | None", detector)
    given = [*(f"{name}={value}" for name, value in choices.items()), *overrides]
    plugins.register()
    given = plugins.overrides(prepared(given))
    with initialize_config_module("bench.conf", **compat.VERSION):
        try:
            cfg = compose("config", given, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise explained(error, given, command_line=False) from error
        HydraConfig.instance().set_config(cfg)  # as the command line does it
        return run(remembering(cfg), stage, say=say, detector=made)
