"""What triggers and probes remember between steps, as arrays for a file, whoever has written them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.marl.learners.common import load_moments, moments_of


def remembered(thing: object) -> dict[str, np.ndarray]:
    """What an object keeps in its attributes, by name: arrays and tensors of numbers, numpy's generators of random
    numbers, torch's networks with their Adam, and triggers that it holds. Nothing else is memory."""
    found: dict[str, np.ndarray] = {}
    for name, value in vars(thing).items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            found[name] = value
        elif isinstance(value, Tensor):
            found[name] = value.numpy()
        elif isinstance(value, np.random.Generator):
            found[name] = np.frombuffer(written(value).encode(), np.uint8)
        elif isinstance(value, nn.Module):
            found |= {f"{name}.{key}": part.numpy() for key, part in value.state_dict().items()}
        elif isinstance(value, torch.optim.Adam):
            found |= {f"{name}.{key}": part.numpy() for key, part in moments_of(value).items()}
        elif hasattr(value, "cue") or callable(value):  # a trigger or a probe within another
            found |= {f"{name}.{key}": part for key, part in remembered(value).items()}
    return found


def recall(thing: object, arrays: Mapping[str, np.ndarray]) -> None:
    """Let a fresh object of the same kind remember what :func:`remembered` has found.

    Raises KeyError or ValueError where that does not fit.
    """
    for name, value in list(vars(thing).items()):
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            setattr(thing, name, like(value, arrays[name]))
        elif isinstance(value, Tensor):
            setattr(thing, name, torch.from_numpy(like(value.numpy(), arrays[name])))
        elif isinstance(value, np.random.Generator):
            value.bit_generator.state = read(arrays[name].tobytes().decode())
        elif isinstance(value, nn.Module):
            value.load_state_dict({key: torch.from_numpy(part) for key, part in below(arrays, name).items()})
        elif isinstance(value, torch.optim.Adam):
            load_moments(value, {key: torch.from_numpy(part) for key, part in below(arrays, name).items()})
        elif hasattr(value, "cue") or callable(value):  # a trigger or a probe within another
            recall(value, below(arrays, name))


def below(arrays: Mapping[str, Any], part: str) -> dict[str, Any]:
    """What is named ``part``.NAME, as NAME."""
    return {name.removeprefix(f"{part}."): value for name, value in arrays.items() if name.startswith(f"{part}.")}


def like(old: Any, new: np.ndarray) -> np.ndarray:
    """A copy of a stored array that is to take an old one's place."""
    if new.shape != old.shape or new.dtype != old.dtype:
        raise ValueError(f"an array is of {new.dtype} {new.shape}, expected {old.dtype} {old.shape}")
    return new.copy()


def as_tensors(arrays: Mapping[str, np.ndarray], part: str) -> dict[str, Tensor]:
    """Arrays as tensors of their own, named ``part``.NAME."""
    return {f"{part}.{name}": torch.from_numpy(np.array(value, order="C")) for name, value in arrays.items()}


def written(rng: np.random.Generator) -> str:
    """The state of a generator of random numbers, as text."""
    return json.dumps(rng.bit_generator.state)


def read(text: str) -> dict[str, Any]:
    """The state back from :func:`written`."""
    return json.loads(text)
