"""The configured response to alarms."""

from __future__ import annotations

from omegaconf import DictConfig

from bench import options
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import EnvSpec, ParticularResponder, Responder
from bench.errors import BenchError
from bench.protocol.response import asked, fewest_calibration_battles


def responder(cfg: DictConfig, calibration: str, spec: EnvSpec) -> Responder | None:
    """What is done about alarms, if anything; their threshold comes from ``budget.CALIBRATION`` battles.

    Raises BenchError for a response that cannot be made or does not suit the environment, and where these are too few
    to take a threshold from.
    """
    if cfg.response.get("_target_") is None:
        if plain(cfg.response) != {"name": "none"}:
            raise BenchError(f"response is {plain(cfg.response)}, which names no class; allowed: response=" +
                             ", ".join(options.names("response")))
        return None
    response: Responder = build(cfg.response, "response", Responder)
    if type(response.battles) is not int or response.battles < 1:
        raise BenchError(f"battles of response={response.name} is {response.battles}; allowed: whole numbers from 1")
    found, fewest = cfg.budget[calibration], fewest_calibration_battles()
    if found < fewest:
        raise BenchError(f"response={response.name} needs a threshold for 5 % false alarms: "
                         f"budget.{calibration} is {found}; allowed: whole numbers from {fewest}")
    if isinstance(response, ParticularResponder):
        asked(response, lambda: response.require(spec))
    return response
