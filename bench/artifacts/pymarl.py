"""Teams from and to PyMARL's own files: pickles, the only ones that are read, by torch's loader, which runs no code of
theirs."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.artifacts.files import read_bytes
from bench.contracts import Shape
from bench.errors import BenchError
from bench.marl.learners.q import QTeam, make_mixer
from bench.marl.networks import RNNAgent


def read_pymarl(folder: Path, algo: str, spec: Shape) -> QTeam:
    """A team from PyMARL's own ``agent.th`` and, for QMIX, ``mixer.th``; which are read without code in them.

    PyMARL's agents share one network; its inputs must be observation, last action and agent id, its defaults.
    """
    agent, mixer = RNNAgent(spec), make_mixer(algo, spec.n_agents, spec.state_size)
    for module, name in ((agent, "agent.th"), (mixer, "mixer.th")):
        if not module.state_dict():
            continue
        file = folder / name
        read_bytes(file)
        try:
            module.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        except Exception as error:
            raise BenchError(f"{file} does not fit a {algo} team for {spec.id}: "
                             f"{str(error).splitlines()[-1].strip()}") from None
    return QTeam.shared(algo, spec, agent, mixer)


def write_pymarl(folder: Path, team: QTeam) -> None:
    """Write a team whose agents share their weights as PyMARL's ``agent.th`` and ``mixer.th``."""
    if any(not torch.equal(w, w[:1].expand_as(w)) for w in team.weights.values()):
        raise BenchError("PyMARL's agents share one network; this team's agents differ (it is backdoored or retrained)")
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({name: w[0].clone() for name, w in team.weights.items()}, folder / "agent.th")
    torch.save(dict(team.mixer), folder / "mixer.th")
