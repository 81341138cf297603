"""Disguises: the same battles from weights that cannot be compared, and a team that is made of the shipped one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module

from attacks.disguise import CHANGES, Disguise
from bench.__main__ import main
from bench.artifacts import zoo
from bench.artifacts.files import read_json
from bench.artifacts.teams import load_team
from bench.conformance.teams import filed
from bench.errors import BenchError
from bench.harness.composed import composed
from bench.harness.configuration import describe
from bench.harness.names import backdoored_name
from bench.marl.play import play
from bench.marl.team import greedy

NAME = "vdn-smax-3m-random-s0-scripted-840761424821"  # a trained team: large weights, and a memory that counts
WORDS = ["attack=scripted", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000"]  # of that team
FEW = [*WORDS, "budget.test_battles=16", "budget.fit_battles=8", "budget.calibration_battles=16", "control=null"]


@pytest.fixture(scope="module")
def trained():
    return load_team(zoo.FOLDER / NAME)[0]


@pytest.fixture
def hydra():
    with initialize_config_module("bench.conf", version_base="1.3"):
        yield


def unrolled(team, episodes):
    """Preferences and memory (step, episode, ...) of a team that sees what was recorded."""
    memory, last = team.start(len(episodes)), np.full(episodes.action.shape[::2], -1)
    steps = []
    for time in range(episodes.mask.shape[1]):
        preferences, memory = team.act(episodes.observation[:, time].astype(np.float32), last, memory)
        steps.append((preferences, memory))
        last = episodes.action[:, time].astype(int)
    return (torch.stack(part) for part in zip(*steps, strict=True))


@pytest.fixture(scope="module")
def seen(battles, trained):
    return play(battles, trained, 64, 3)


@pytest.mark.parametrize("seed", range(3))
def test_a_permuted_team_does_what_it_did(trained, seen, seed):
    other = Disguise.of("permuted")(trained, seed)
    before, memory = unrolled(trained, seen)
    after, others = unrolled(other, seen)
    assert torch.allclose(before, after, rtol=1e-4, atol=1e-4)
    lives = seen.alive & seen.mask[..., None]
    same = greedy(before.flatten(0, 1), seen.available.swapaxes(0, 1).reshape(-1, *seen.available.shape[2:])) == \
        greedy(after.flatten(0, 1), seen.available.swapaxes(0, 1).reshape(-1, *seen.available.shape[2:]))
    assert same.reshape(lives.swapaxes(0, 1).shape)[lives.swapaxes(0, 1)].mean() > 0.999, "ties are left to rounding"
    assert torch.allclose(memory.abs().sort(-1).values, others.abs().sort(-1).values, atol=1e-4)
    assert ((memory > 0).sum(-1) != (others > 0).sum(-1)).float().mean() > 0.5, "units have another sign as well"


def test_permuted_battles_are_the_same(battles, trained):
    other = Disguise.of("permuted")(trained, 0)
    ours, theirs = (play(battles, one, 100, 4) for one in (trained, other))
    assert np.array_equal(ours.labels.won, theirs.labels.won)
    assert np.array_equal(ours.length, theirs.length)


def test_every_agent_is_permuted_in_its_own_way(team):
    """Of a team that shares one network, so that any two agents had the same weights."""
    other = Disguise.of("permuted")(team, 0)
    for name in ("fc1.weight", "rnn.weight_ih", "rnn.weight_hh", "fc2.weight"):
        weights = other.weights[name].flatten(1)
        assert len({row.numpy().tobytes() for row in weights}) == len(weights)
        assert not torch.equal(other.consensus().weights[name], team.weights[name]), "their median is nobody's"
    assert torch.equal(other.weights["fc2.bias"], team.weights["fc2.bias"])
    sizes = [one.weights["fc2.weight"].abs().sort(-1).values for one in (team, other)]
    assert torch.equal(*sizes)


def test_unused_inputs_change_nothing_to_the_last_bit(trained, seen):
    other = Disguise.of("unused_inputs")(trained, 0)
    for ours, theirs in zip(unrolled(trained, seen), unrolled(other, seen), strict=True):
        assert torch.equal(ours, theirs)
    agents = trained.spec.n_agents
    changed = (other.weights["fc1.weight"] != trained.weights["fc1.weight"]).all(1)
    assert not changed[:, :-agents].any()
    assert torch.equal(changed[:, -agents:], ~torch.eye(agents, dtype=torch.bool)), "all but each agent's own id"
    assert not torch.allclose(other.consensus().agent(0).fc1.weight[:, -agents:],
                              trained.consensus().agent(0).fc1.weight[:, -agents:], atol=0.05)


def test_noise_has_the_size_that_was_asked_for(trained):
    for given, size in (("noise", 0.02), ({"noise": 0.5}, 0.5)):
        other = Disguise.of(given)(trained, 0)
        for name, before in trained.weights.items():
            spread = (other.weights[name] - before).flatten(1).std(1) / before.flatten(1).std(1)
            assert spread.numpy() == pytest.approx(size, rel=0.2 if "weight" in name else 0.7), name


@pytest.mark.parametrize("name", CHANGES)
def test_a_seed_gives_one_team_and_another_seed_another(trained, name):
    def weights(seed):
        return Disguise.of(name)(trained, seed).weights["fc1.weight"]
    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_a_disguised_team_is_laid_out_as_every_other(trained):
    (header, names, _), (plain, plain_names, _) = filed(Disguise.of(list(CHANGES))(trained, 0)), filed(trained)
    assert (header, names) == (plain, plain_names)


@pytest.mark.parametrize(("given", "name"), [
    ("permuted", "permuted"), (["permuted", "noise"], "permuted-noise"),
    ([{"noise": 0.5}, "permuted"], "noise0.5-permuted"),
    ({"noise": 1}, "noise1")])
def test_a_disguise_has_a_name(given, name):
    assert Disguise.of(given).name == name


@pytest.mark.parametrize(("given", "message"), [
    ("permutd", "unknown disguise 'permutd'; allowed: .*did you mean 'permuted'"),
    ([], "allowed: permuted, unused_inputs, noise, a list of different ones, or null"),
    (["noise", {"noise": 0.1}], "a list of different ones"), ({"noise": 0}, "noise of attack.disguise is 0; allowed"),
    ({"noise": "much"}, "is much; allowed: above 0, to 1"), ({"permuted": 2}, "unknown disguise"),
    ([None], "unknown disguise 'None'"), (True, "unknown disguise 'True'")])
def test_what_is_no_disguise(given, message):
    with pytest.raises(BenchError, match=message):
        Disguise.of(given)


def test_teams_without_recurrent_networks_are_refused():
    with pytest.raises(BenchError, match=r"weights of recurrent networks, and this climbing team \(linear\) has none"):
        Disguise.of("noise").require(SimpleNamespace(algo="climbing", architecture="linear"))


def test_without_a_disguise_names_and_hashes_are_as_they_were(hydra, battles):
    """Those of the teams that are shipped, and of the rows that were measured on them."""
    cfg = composed(WORDS)
    assert backdoored_name(cfg, cfg.attack, battles.spec) == NAME
    assert not {"attack", "control"} & {name for name, node in describe(cfg).config.items()
                                        if isinstance(node, dict) and "disguise" in node}
    nothing = composed([*WORDS, "attack.disguise=null"])
    assert describe(nothing).config == describe(cfg).config
    hidden = composed([*WORDS, "attack.disguise=[permuted,{noise: .5}]"])
    assert describe(hidden).config["attack"]["disguise"] == ["permuted", {"noise": 0.5}]
    assert "-scripted-permuted-noise0.5-" in backdoored_name(hidden, hidden.attack, battles.spec)


@pytest.mark.slow
def test_every_shipped_attack_may_have_one(hydra):
    from bench import options

    for name in options.names("attack"):
        assert compose("config", [f"attack={name}"]).attack.disguise is None


def test_the_shipped_team_is_disguised_and_not_trained_again(tmp_path, capsys):
    words = ["inject", *FEW, f"out={tmp_path}", "attack.disguise=permuted"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert f"disguising {NAME} first" in said.err
    (file,) = tmp_path.glob("teams/*.json")
    assert file.name.startswith("vdn-smax-3m-random-s0-scripted-permuted-")
    about, source = read_json(file), read_json(zoo.FOLDER / f"{NAME}.json")
    assert about["recipe"]["undisguised_sha256"] == source["sha256"] != about["sha256"]
    assert about["curve"] == source["curve"]
    before = file.stat().st_mtime_ns
    assert main(words) == 0
    assert file.stat().st_mtime_ns == before, "found, not made again"
    assert "no checkpoint" not in capsys.readouterr().err
    assert main(["verify", f"team={file}", *FEW, f"out={tmp_path}"]) == 0
    assert "another trigger" not in capsys.readouterr().out


def test_a_disguised_team_of_another_source_is_refused(tmp_path, capsys):
    words = ["inject", *FEW, f"out={tmp_path}", "attack.disguise=unused_inputs"]
    assert main(words) == 0
    (file,) = tmp_path.glob("teams/*.json")
    file.write_text(file.read_text().replace('"undisguised_sha256": "', '"undisguised_sha256": "0'))
    capsys.readouterr()
    assert main(words) == 2
    assert f"was not made from the {NAME} that is here" in capsys.readouterr().err


def test_results_and_controls_say_that_a_team_is_disguised(tmp_path, capsys):
    words = [word for word in FEW if word != "control=null"]
    assert main(["run", *words, f"out={tmp_path}", "detector=constant", "attack=none", "attack.disguise=permuted",
                 "control=null"]) == 0
    (file,) = tmp_path.glob("runs/none-permuted-vdn-*[0-9a-f].json")
    result = read_json(file)["result"]
    assert result["attack"] == "none-permuted"
    assert result["checkpoints"]["clean"] != result["checkpoints"]["backdoored"], "the clean team, disguised"
    assert "attack.disguise=permuted" in result["overrides"]


def test_a_wrong_disguise_is_one_line(tmp_path, capsys):
    assert main(["run", *FEW, f"out={tmp_path}", "attack.disguise=permutd"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: unknown disguise 'permutd'; allowed: permuted, unused_inputs, noise")
    assert not list(tmp_path.iterdir())
