"""Teams from and to the files of PyMARL (oxwhirl/pymarl), and of pymarl2 where its networks are the same.

Such files are pickles, the only ones that are read: by torch's loader, which runs no code of theirs. What is not this
benchmark's own network, tensor for tensor, is refused.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.artifacts.files import read_bytes, sha256
from bench.artifacts.pymarl_settings import Trained
from bench.artifacts.reading import MIB
from bench.contracts import Shape
from bench.errors import BenchError, shown
from bench.marl.learners.q import QTeam, make_mixer
from bench.marl.networks import RNNAgent

AGENT, MIXER = "agent.th", "mixer.th"
LARGEST = 64 * MIB  # of a file, and of what is in it; large teams have some MB
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
PYMARL2 = {"hyper_w1.": "hyper_w_1.", "hyper_b1.0.": "hyper_b_1.", "hyper_w2.": "hyper_w_final.", "hyper_b2.": "V."}
OF_STATE = ("hyper_w_1.0", "hyper_b_1", "hyper_w_final.0", "V.0")  # the mixer's layers that take the state


def read_pymarl(folder: Path, trained: Trained, spec: Shape, state_shift: np.ndarray | None = None) -> QTeam:
    """The team in PyMARL's ``agent.th`` and ``mixer.th``.

    Parameters
    ----------
    state_shift : (feature,) what the environment adds to the state that PyMARL was shown. The mixer is changed so that
        it makes the same of the environment's.

    Raises
    ------
    BenchError : a file holds anything but the tensors of such a team for this environment.
    """
    observed, acted, named = spec.observation_size, spec.n_actions, spec.n_agents
    inputs = observed + acted * trained.obs_last_action + named * trained.obs_agent_id
    with torch.device("meta"):  # shapes alone
        agent, mixer = RNNAgent(spec), make_mixer(trained.algo, spec.n_agents, spec.state_size)
    expected = _shapes(agent) | {"fc1.weight": (agent.fc1.out_features, inputs)}
    what = (f"a {trained.algo} team for {spec.id}, with rnn_hidden_dim={trained.rnn_hidden_dim} "
            f"obs_last_action={str(trained.obs_last_action).lower()} obs_agent_id={str(trained.obs_agent_id).lower()}")
    weights = _fitting(folder / AGENT, _stored(folder / AGENT), expected, what)
    parts = list(weights["fc1.weight"].split([observed, inputs - observed], dim=1))
    # An input that the network was never given is one without weight.
    if not trained.obs_last_action:
        parts.insert(1, parts[0].new_zeros(len(parts[0]), acted))
    if not trained.obs_agent_id:
        parts.append(parts[0].new_zeros(len(parts[0]), named))
    weights["fc1.weight"] = torch.cat(parts, 1)
    mixing = _fitting(folder / MIXER, _mixer(folder / MIXER, trained.algo), _shapes(mixer), what)
    if state_shift is not None and mixing:
        shift = torch.as_tensor(state_shift, dtype=torch.float32)
        mixing |= {f"{layer}.bias": mixing[f"{layer}.bias"] - mixing[f"{layer}.weight"] @ shift for layer in OF_STATE}
    return QTeam(trained.algo, spec, {name: w.expand(named, *w.shape).clone() for name, w in weights.items()}, mixing)


def files(folder: Path) -> dict[str, str]:
    """The sha256 of the files that a team is read from."""
    return {name: sha256(read_bytes(folder / name, LARGEST)) for name in (AGENT, MIXER)}


def write_pymarl(folder: Path, team: QTeam) -> None:
    """Write a team whose agents share their weights as PyMARL's ``agent.th`` and ``mixer.th``."""
    if any(not torch.equal(w, w[:1].expand_as(w)) for w in team.weights.values()):
        raise BenchError("PyMARL's agents share one network; this team's agents differ (it is backdoored or retrained)")
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({name: w[0].clone() for name, w in team.weights.items()}, folder / AGENT)
    torch.save(dict(team.mixer), folder / MIXER)


def _shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(w.shape) for name, w in module.state_dict().items()}


def _stored(file: Path) -> dict[str, Any]:
    """What torch.save has written of a network: names and, as far as anybody knows yet, tensors."""
    data = read_bytes(file, LARGEST)
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(part.file_size for part in archive.infolist()) > LARGEST:
                    raise BenchError(f"{file} is too large: it inflates to more than {LARGEST / 1e6:.1f} MB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other protocols of pickle
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except BenchError:
        raise
    except Exception:  # in many ways
        raise BenchError(f"{file} is refused: torch finds more in it than tensors, such as code of its author, or no "
                         "file of its own") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise BenchError(f"{file} is refused: it does not hold tensors by their names")
    return found


def _mixer(file: Path, algo: str) -> dict[str, Any]:
    """What is stored of a mixer, by PyMARL's names. pymarl2 has others for the same layers."""
    found = _stored(file)
    if algo == "vdn" and found:
        raise BenchError(f"{file} holds a mixer with weights, which VDN has not: is it a QMIX team (algo=qmix)?")
    if algo == "qmix" and not found:
        raise BenchError(f"{file} holds a mixer without weights: is it a VDN team (algo=vdn)?")
    if "hyper_w_1.weight" in found:
        raise BenchError(f"{file} holds a mixer with hypernet_layers=1; allowed: 2, PyMARL's own setting of QMIX")
    for theirs, ours in PYMARL2.items():
        found = {ours + name.removeprefix(theirs) if name.startswith(theirs) else name: w for name, w in found.items()}
    return found


def _fitting(file: Path, found: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]],
             what: str) -> dict[str, Tensor]:
    """The tensors in single precision, if they are those expected. Shapes come first: nothing of a shape that was not
    asked for is copied."""
    for name in sorted(found.keys() | expected.keys()):
        value = found.get(name)
        shape = tuple(value.shape) if isinstance(value, Tensor) else "no tensor" if name in found else "missing"
        if shape != expected.get(name):
            raise BenchError(f"{file} does not hold {what}: '{shown(name)}' is {shape}, expected "
                             f"{expected.get(name, 'nothing of that name')}")
    tensors = {}
    for name, value in found.items():
        if value.dtype not in FLOATS or value.layout != torch.strided or value.device.type != "cpu":
            raise BenchError(f"{file} does not hold {what}: '{name}' is no plain tensor of floating-point numbers")
        tensors[name] = value.detach().to(torch.float32, copy=True).contiguous()
        if not tensors[name].isfinite().all():
            raise BenchError(f"{file} does not hold {what}: '{name}' holds numbers that are not finite")
    return tensors
