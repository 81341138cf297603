"""The rounds of a search for an attack that a detector does not see.

Two of them, by other battles each, so that who was lucky in the first does not win the second; then the chosen attack
beside the original in the battles of the protocol, which neither round has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from omegaconf import DictConfig
from pydantic import TypeAdapter

from bench.artifacts.files import read_json, write_atomic, write_json
from bench.artifacts.reading import valid
from bench.contracts import Battles
from bench.errors import BenchError
from bench.harness.candidates import Candidate, in_shell
from bench.harness.cell import run
from bench.harness.composed import PARTS, composed, made, part
from bench.harness.configuration import Description
from bench.harness.measure import sizes
from bench.harness.referee import seeds
from bench.harness.teams import Checkpoint, Say, Stage
from bench.harness.trials import ByInjection, ByPuppet, Scene
from bench.marl.onlookers import Probe
from bench.marl.play import Player
from bench.protocol.adapt import SEARCHED, Lookout, Trial, best
from bench.protocol.host import Host
from bench.protocol.plan import BACKDOORED

if TYPE_CHECKING:
    from bench.harness.adapt import Search

MORE = 4  # times as many battles a finalist is judged by


@dataclass
class Known:
    """What a search has found so far, as it is kept in a file."""

    history: list[list[float]] = field(default_factory=list)  # of the puppet's own preparation
    accidents: dict[str, float] = field(default_factory=dict)  # candidate -> share of the clean team's battles
    trials: dict[str, dict[str, Trial]] = field(default_factory=dict)  # round -> candidate -> what came of it


@dataclass(frozen=True)
class Adapted:
    """What a search has come to.

    ``table`` has a line a trial: its ``round`` ("screening", "finals", "held out" for a puppet in the protocol's
    battles, "injected" for the real team in the same), its ``role`` ("original", "candidate", "chosen"), the
    ``overrides`` that make it, ``accidents`` (the share of the clean team's battles in which the trigger comes up by
    itself), and ``asr``, ``cpvr``, ``completed`` and the AUROC ``before``, ``after`` and ``whole``, each with the ends
    of its 95 % interval.
    """

    path: Path  # of the table
    table: pd.DataFrame
    command: str  # that makes and measures the chosen attack
    candidates: int  # how many there were beside the original
    found: bool  # whether one of them was chosen


@dataclass(frozen=True)
class Searching:
    """A search under way; ``attacks`` are those that take part, the original first."""

    cfg: DictConfig
    search: Search
    battles: Battles
    clean: Checkpoint
    host: Host
    about: Description
    attacks: Sequence[Candidate]
    base: Path  # of its files, without their endings
    stage: Stage
    say: Say

    def run(self) -> Adapted:
        """All rounds. Raises BenchError if no attack keeps the bounds."""
        few = self.cfg.budget.adapt_battles
        self._count_accidents()
        own = self._scene(SEARCHED, {**sizes(self.cfg), "normal": MORE * few})
        finalists = list(self.attacks)
        if self.search.by == "puppet":
            with ByPuppet(own, lambda: self._puppet) as by:
                self._round("screening", by, self.attacks, few, by.prepare)
                finalists = self._finalists()
                self._round("finals", by, finalists, MORE * few, by.prepare)
        else:
            self._round("finals", ByInjection(own, self.say), finalists, MORE * few)
        chosen = self._chosen(finalists)
        pair = [self.attacks[0]] + ([chosen] if chosen.changes else [])
        if self.search.by == "puppet":
            drawn = seeds(self.cfg)
            theirs = self._scene({**drawn, "held out": drawn["triggered"]}, sizes(self.cfg))
            with ByPuppet(theirs, lambda: self._puppet) as by:
                self._round("held out", by, pair, self.cfg.budget.test_battles, by.prepare)
        lines = self._lines(chosen) + ([self._injected(one, chosen) for one in pair] if self.search.inject else [])
        table, path = pd.DataFrame(lines), self.base.with_name(f"{self.base.name}.csv")
        write_atomic(path, table.to_csv(index=False).encode())
        return Adapted(path, table, f"python -m bench run {in_shell(self._recipe(chosen))}", len(self.attacks) - 1,
                       bool(chosen.changes))

    def _scene(self, its_seeds: dict[str, int], its_sizes: dict[str, int]) -> Scene:
        return Scene(self.cfg, self.battles, self.clean, self.host, its_seeds, its_sizes, self.stage)

    @cached_property
    def _file(self) -> Path:
        return self.base.with_name(f"{self.base.name}.json")

    @cached_property
    def _known(self) -> Known:
        """What an earlier run has found. Raises BenchError if the file is none of a search."""
        if not self._file.exists():
            return Known()
        return valid(TypeAdapter(Known), read_json(self._file), self._file, "record of a search",
                     "; delete it to search again")

    def _write(self) -> None:
        write_json(self._file, asdict(self._known))

    @cached_property
    def _puppet(self) -> Probe:
        """What acts in the poisoned agents' place: what costs the team most under the original's trigger."""
        def wrote(share: float, note: str) -> None:
            self._write()
            progress(share, note)

        with self.stage("looking for what the puppet does") as progress:
            attack = self.attacks[0].attack
            return self.search.puppet.puppet(self.clean.team, self.battles, attack.trigger, attack.victims,
                                             self._known.history, wrote)

    def _count_accidents(self) -> None:
        """In how many battles of the clean team each trigger comes up by itself."""
        if all(one.key in self._known.accidents for one in self.attacks):
            return
        n = MORE * self.cfg.budget.adapt_battles
        player = Player(self.battles, SEARCHED["normal"], limit=n,
                        trigger=Lookout([one.attack.trigger for one in self.attacks]))
        with self.stage("watching for accidents") as progress:
            player.play(self.clean.team, n, progress=progress)
        assert isinstance(player.trigger, Lookout)
        self._known.accidents.update(zip((one.key for one in self.attacks), (player.trigger.counts / n).tolist(),
                                         strict=True))
        self._write()

    def _round(self, name: str, by: Callable[[Candidate, int, str], Trial], those: Sequence[Candidate], n: int,
               prepare: Callable[[], None] | None = None) -> None:
        """Try those that have not been tried in this round, ``n`` battles each. With ``prepare``, what is done once
        before, they are so quick that one bar shows them all."""
        trials = self._known.trials.setdefault(name, {})
        left = [one for one in those if one.key not in trials and self._harmless(one)]
        if left and prepare is not None:
            prepare()
            with self.stage(f"{name}: {len(those)} attacks") as progress:
                for one in left:
                    self._try(trials, one, by, n, name)
                    progress(len(trials) / len(those), self._lowest(trials))
        else:
            for one in left:
                self._try(trials, one, by, n, name)

    def _try(self, trials: dict[str, Trial], one: Candidate, by: Callable[[Candidate, int, str], Trial], n: int,
             name: str) -> None:
        trials[one.key] = by(one, n, name)
        self._write()

    def _harmless(self, one: Candidate) -> bool:
        """Whether a trigger is rare enough to be tried at all; the original always is."""
        return not one.changes or self._known.accidents[one.key] <= self.search.max_accidents

    def _lowest(self, trials: dict[str, Trial]) -> str:
        values = [one.objective(self.search.objective) for one in trials.values()
                  if (one.asr.value or 0.0) >= self.search.min_asr]
        return f"lowest AUROC {min(values):.2f}" if values else "none keeps the ASR yet"

    def _best(self, name: str, those: Sequence[Candidate], n: int) -> list[Candidate]:
        """Those of a round that are the lowest within the bounds."""
        tried = [one for one in those if one.key in self._known.trials[name]]
        found = best([self._known.trials[name][one.key] for one in tried],
                     [self._known.accidents[one.key] for one in tried], self.search.bounds, self.search.objective, n)
        return [tried[k] for k in found]

    def _finalists(self) -> list[Candidate]:
        """The original, and the best candidates of the screening."""
        return [self.attacks[0], *self._best("screening", self.attacks[1:], self.search.finalists)]

    def _chosen(self, finalists: Sequence[Candidate]) -> Candidate:
        if found := self._best("finals", finalists, 1):
            return found[0]
        name = "screening" if self.search.by == "puppet" else "finals"
        asrs = [one.asr.value for one in self._known.trials[name].values() if one.asr.value is not None]
        bounds = self.search
        raise BenchError(
            f"none of {len(self.attacks)} attacks keeps the bounds (adapt.min_asr={bounds.min_asr}, "
            f"max_cpvr={bounds.max_cpvr}, max_accidents={bounds.max_accidents}); the greatest ASR that was seen is "
            f"{max(asrs, default=float('nan')):.2f}; what was tried is in {self._file}")

    def _lines(self, chosen: Candidate) -> list[dict[str, Any]]:
        """The table's lines of all trials, in the order of the rounds and then of the objective."""
        lines = []
        for name, trials in self._known.trials.items():
            there = [one for one in self.attacks if one.key in trials]
            for one in sorted(there, key=lambda one, trials=trials: trials[one.key].objective(  # type: ignore[misc]
                    self.search.objective)):
                lines.append(self._line(name, one, chosen, self._known.accidents[one.key], trials[one.key]))
        return lines

    def _line(self, name: str, one: Candidate, chosen: Candidate, accidents: float | None,
              trial: Trial) -> dict[str, Any]:
        role = "original" if not one.changes else "chosen" if one.key == chosen.key else "candidate"
        figures = {figure + end: value for figure, found in vars(trial).items()
                   for end, value in (("", found.value), ("_low", found.low), ("_high", found.high))}
        return {"round": name, "role": role, "overrides": in_shell(one.overrides), "accidents": accidents} | figures

    def _recipe(self, one: Candidate) -> list[str]:
        """The overrides of ``python -m bench run`` that make an attack and measure it, where this search has its
        files."""
        mine = {override.partition("=")[0] for override in one.overrides}
        cell = [override for override in self.about.overrides
                if "@adapt." not in override and not override.startswith("budget.adapt_")
                and override.partition("=")[0] not in mine]
        others = [override for override in made(self.cfg).overrides if part(override) not in (*PARTS, "adapt")]
        control = [] if any(part(override) == "control" or override.startswith("attack@control")
                            for override in cell + others) else ["control=null"]
        return [*cell, *one.overrides, *control, *others]

    def _injected(self, one: Candidate, chosen: Candidate) -> dict[str, Any]:
        """The line of an attack's real team: what ``python -m bench run`` says of it."""
        result = run(composed(self._recipe(one)), self.stage, say=self.say)
        row = next(row for row in result.rows if row.team == BACKDOORED and row.triggered and row.kind != "floor")
        figures = result.figures
        trial = Trial(figures.asr, figures.cpvr, figures.trigger_completed,
                      **{phase: row.phases[phase].auroc for phase in ("before", "after", "whole")})
        return self._line("injected", one, chosen, figures.accidental.value, trial)
