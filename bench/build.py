"""From a node of the configuration to the object that it describes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from bench import compat, plugins
from bench.contracts.calls import Raised, absent, ask, said, shown
from bench.contracts.locate import missing
from bench.contracts.version import require_contract
from bench.errors import BenchError, DetectorError


def build(cfg: DictConfig, kind: str, contract: type | None = None) -> Any:
    """The object that a configuration node describes by ``_target_``.

    Raises
    ------
    BenchError : it cannot be found or made, has not what a contract (a runtime-checkable Protocol) asks for, or keeps
        a later version of the contract (:mod:`bench.contracts.version`); says why in one line. DetectorError if a
        detector's own code is at fault.
    """
    target = str(cfg.get("_target_", cfg))
    try:
        with compat.only(targets(cfg)):
            made = ask(lambda: instantiate(cfg, _convert_="all"))
        require_contract(made, target)
    except Raised as error:
        raise _reason(error, f"{kind} {target}{plugins.origin(target)}", cfg) from error
    if contract is not None and not isinstance(made, contract):
        raise BenchError(f"{target}{plugins.origin(target)} is no {kind}: it has not all that "
                         f"bench.contracts.{contract.__name__} has")
    return made


def targets(node: Any) -> Iterator[str]:
    """Every class and function that a configuration node names, in its own words: all that is made of it."""
    if OmegaConf.is_dict(node) or isinstance(node, dict):
        if "_target_" in node:
            yield str(node["_target_"])
            if str(node["_target_"]).startswith("hydra.utils.get_"):  # names something by a value
                yield str(node.get("path"))
        node = list(node.values())
    if OmegaConf.is_list(node) or isinstance(node, list):
        for part in node:
            yield from targets(part)


def import_classes(detector: Mapping[str, Any], trusted: frozenset[str]) -> None:
    """Import the classes of a detector that has passed which are a named package's, and see that they are.

    Raises BenchError for one that cannot be imported, is no class of these packages (but what one of their modules
    imports from elsewhere), or is to be the detector and cannot be one.
    """
    for target in (one for one in targets(detector) if plugins.belongs(one, trusted)):
        module, _, name = target.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except Exception as error:  # it is the package's own code that is run here
            raise BenchError(f"{target} cannot be imported here ({error}); install its package, or run this in its "
                             "folder") from None
        if not inspect.isclass(found) or not plugins.belongs(f"{found.__module__}.", trusted):
            raise BenchError(f"{target} is no class of {', '.join(sorted(trusted))}")
        if target == detector["_target_"] and not (hasattr(found, "fit") and hasattr(found, "score")):
            raise BenchError(f"{target} is no detector: it is no class with fit and score")


def _reason(error: BaseException, what: str, cfg: DictConfig) -> BenchError:
    """The innermost cause, in one line."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, BenchError):
        cause = cause.__cause__
    if isinstance(cause, BenchError):
        return cause
    if isinstance(cause, ValidationError):
        first = cause.errors()[0]
        wrong = "is missing" if first["type"] == "missing" else f"is {first['input']!r}; {first['msg']}"
        return BenchError(f"{what}: {'.'.join(map(str, first['loc']))} {wrong}")
    # What was refused for another reason must not be imported to find out more.
    unfound = missing(OmegaConf.to_container(cfg)) if isinstance(cause, ImportError | SystemExit) else None
    if unfound is not None:
        return BenchError(f"cannot make {what}: {unfound}")
    kind = DetectorError if what.startswith("detector ") else BenchError
    return kind(f"cannot make {what}: {absent(cause) or _text(cause)}")


def _text(error: BaseException) -> str:
    return (shown(error, str) if isinstance(error, Exception) else "") or said(error)
