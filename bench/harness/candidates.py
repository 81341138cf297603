"""What an attack could be instead: the candidates of a search, and the overrides that make each of them."""

from __future__ import annotations

import copy
import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf, open_dict

from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import Attack, EnvSpec, VariedTrigger
from bench.errors import BenchError, unknown
from bench.options import quoted

AS_IT_IS = re.compile(r'[^"$`\\!]*')  # a text that a shell leaves alone between double quotes
WORD = re.compile(r"[A-Za-z_]\w*")  # a text that needs no quotes
READ_SO = ("true", "false", "null", "yes", "no", "on", "off", "nan", "inf", "none")  # or that is read as something else


@dataclass(frozen=True)
class Candidate:
    """An attack with other values: ``changes`` has them by their names below ``attack``; without any it is the
    configured one."""

    changes: Mapping[str, Any]
    attack: Attack
    overrides: tuple[str, ...]  # what makes it of the configured attack

    @property
    def key(self) -> str:
        """What tells it from others."""
        return json.dumps(self.changes, sort_keys=True)


def changed(attack: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """The attack's configuration with other values."""
    node = copy.deepcopy(attack)
    with open_dict(node):
        for name, value in values.items():
            OmegaConf.update(node, name, value, merge=False)
    return node


def candidates(node: DictConfig, spec: EnvSpec, longest: int, places: Sequence[Mapping[str, Any]],
               vary: Mapping[str, Sequence[Any]], n: int, seed: int) -> list[Candidate]:
    """``n`` attacks, or all if there are fewer, that differ from the configured one (``node``), drawn by ``seed``: as
    many of each length of the trigger as there can be, since of long ones there are far more.

    Parameters
    ----------
    longest : steps of the longest trigger.
    places : further values of the trigger, with each of which every one of its variants is tried.
    vary : values of the attack, by their names below ``attack``, and for each those that it is tried with.

    Raises
    ------
    BenchError : a name or a value that the attack does not have, or nothing to be varied.
    """
    attack: Attack = build(node, "attack")
    _check_vary(node, vary)
    further = [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
    pools = [further]
    if isinstance(attack.trigger, VariedTrigger):
        _check_places(node, spec, attack.trigger, longest, places)
        pools = [[{f"trigger.{name}": value for name, value in {**variant, **place, **variant}.items()} | more
                  for variant in attack.trigger.variants(spec, length) for place in places or [{}] for more in further]
                 for length in range(1, longest + 1)]
    elif not vary:
        raise BenchError(f"the trigger of attack={attack.name} is no pattern that could be another one; vary other "
                         "values of it: adapt.vary={NAME: [VALUE, VALUE]}")
    rng = np.random.default_rng([seed, longest])
    fitting = [_fitting(node, spec, [pool[k] for k in rng.permutation(len(pool))]) for pool in pools]
    found = list(itertools.islice(_in_turn(fitting), n))
    if not found:
        raise BenchError("no other attack can be made of these values: none of them fits a trigger of up to "
                         f"{longest} steps, or they are the configured ones")
    return found


def _check_vary(node: DictConfig, vary: Mapping[str, Sequence[Any]]) -> None:
    """Raise BenchError for a value that the attack does not take."""
    for name, values in vary.items():
        if not isinstance(values, list) or not values:
            raise BenchError(f"adapt.vary: {name} is {values}; a list of values is needed")
        for value in values:
            build(changed(node, {name: value}), "attack")


def _check_places(node: DictConfig, spec: EnvSpec, trigger: VariedTrigger, longest: int,
                  places: Sequence[Mapping[str, Any]]) -> None:
    """Raise BenchError for a place that fits no trigger, even the longest or one as long as the configured one."""
    one = trigger.variants(spec, max(longest, trigger.length))[0]
    for place in places:
        for name in place:
            if name not in node.trigger:
                raise unknown("value of the trigger", name, list(node.trigger))
        values = {f"trigger.{name}": value for name, value in {**place, **one}.items()}
        build(changed(node, values), "attack").require(spec)


def _fitting(node: DictConfig, spec: EnvSpec, pool: Sequence[Mapping[str, Any]]) -> Iterator[Candidate]:
    """Those of a pool that differ from the configured attack and can be made; others have values that do not go
    together, such as a place that speaks of a step which a short trigger has not."""
    configured = plain(node)
    for changes in pool:
        other = changed(node, changes)
        if plain(other) == configured:
            continue
        try:
            attack: Attack = build(other, "attack")
            attack.require(spec)
        except BenchError:
            continue
        yield Candidate(changes, attack, _overrides(node, changes))


def _overrides(node: DictConfig, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Values as overrides; those that the configuration leaves to a class are added to it."""
    missing = object()
    return tuple(f"{'++' if OmegaConf.select(node, name, default=missing) is missing else ''}attack.{name}="
                 f"{_word(value)}" for name, value in values.items())


def _in_turn(pools: Sequence[Iterator[Candidate]]) -> Iterator[Candidate]:
    """One of each pool after the other, until all are empty."""
    for turn in itertools.zip_longest(*pools):
        yield from (one for one in turn if one is not None)


def _word(value: Any) -> str:
    """A value as a command line has it."""
    if isinstance(value, list):
        return f"[{','.join(map(_word, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_word(one)}" for name, one in value.items()) + "}"
    if isinstance(value, str):
        return value if WORD.fullmatch(value) and value.lower() not in READ_SO else quoted(value)
    return json.dumps(value)


def in_shell(words: Sequence[str]) -> str:
    """Words as a shell is told them: as by :func:`shlex.join`, but without quotes within quotes where that can be."""
    return " ".join(f'"{word}"' if "'" in word and AS_IT_IS.fullmatch(word) else shlex.quote(word) for word in words)
