"""From a result's configuration back to the command that measures it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from bench import options, plugins, siblings
from bench.artifacts.files import config_hash
from bench.artifacts.written import plain, unspelled
from bench.errors import BenchError
from bench.harness import gate
from bench.harness.configuration import describe, option

CAUSES = ("budget.", "attack.victim")  # values that others follow: once they are set, these need no word


def words_of_config(config: Mapping[str, Any], trusted: frozenset[str] = frozenset()) -> list[str]:
    """The words of ``python -m bench run`` that make a configuration: its choices, and every value that is not theirs,
    but for the secret that private battles were drawn by.

    Nothing of the configuration is built. Raises BenchError if it does not pass the gate, and NotHere if no words make
    it, as with a detector that was handed over as an object.
    """
    try:
        read = unspelled(config)
    except (RecursionError, TypeError) as error:
        raise BenchError(f"the configuration is none: {type(error).__name__}") from None
    gate.check(read, trusted)
    drawn = {"referee": config["referee"]} if "referee" in config else {}  # by a secret, which no word has
    try:
        wanted = {name: value for name, value in read.items() if name not in ("benchmark_version", "referee")}
        words = _choices(wanted)
        for causes in (CAUSES, ("",)):
            differing = dict(_differing("", _composed(words), wanted))
            words += [f"{name}={_literal(value)}" for name, value in differing.items() if name.startswith(causes)]
        cfg = compose("config", plugins.words(words))
        if config_hash(describe(cfg, None)[0] | drawn) == config_hash(dict(config)):
            return words
    except (HydraException, OmegaConfBaseException, AttributeError, KeyError, TypeError, ValueError):
        pass
    raise gate.NotHere(f"{gate.NO_COMMAND}; was its detector handed over as an object, or does an option come from a "
                       "folder of its own (--config-dir)?")


def _choices(config: Mapping[str, Any]) -> list[str]:
    """The options of each group that are nearest to the configuration."""
    words = [f"{group}={config[group]['name']}" for group in ("algo", "attack")]
    words.append("control=null" if config["control"] is None else f"attack@control={config['control']['name']}")
    words += [f"budget={_nearest('budget', config['budget'])}", f"seed={config['seed']}"]
    if "response" in config:
        words.append(f"response={config['response']['name']}")
    detector = config["detector"]
    if not (alike := [name for name in options.names("detector")
                      if siblings.recorded(str(option("detector", name).get("_target_"))) == detector["_target_"]]):
        return [*words, f"detector._target_={detector['_target_']}"]
    words.append(f"detector={_nearest('detector', detector, alike)}")
    if detector.get("view") is not None:
        words.append(f"view={_nearest('view', detector['view'])}")
    return words


def _nearest(group: str, node: Mapping[str, Any], names: list[str] | None = None) -> str:
    """The option that needs the fewest values changed to be the node, and none taken away; its view is another's."""
    def distance(name: str) -> tuple[int, int]:
        found: Any = plain(option(group, name))
        known, wanted = ({key: value for key, value in side.items() if key != "view"} for side in (found, node))
        away = [where for where, _ in _differing("", wanted, known) if where.startswith("++")]
        return len(away), len([*_differing("", known, wanted)])

    return min(names or options.names(group), key=distance)


def _composed(words: list[str]) -> Any:
    return plain(compose("config", plugins.words(words)))


def _differing(path: str, known: Any, wanted: Any) -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of what is not as wanted, "++" before what is not there at all; the view of a detector is
    set by its own name."""
    for name, value in wanted.items():
        where = f"{path}{name}"
        there = known.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            yield from _differing("view." if where == "detector.view" else f"{where}.", there, value)
        elif name not in known or value != there:
            yield where if name in known else f"++{where}", value


def _literal(value: Any) -> str:
    """A value as Hydra's grammar of overrides has it."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_literal(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        return options.quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value)

