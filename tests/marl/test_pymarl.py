"""Teams of PyMARL's: files as it writes them, its forward pass written out from its source, and files that are not."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from sc2_double import install

from bench.__main__ import main
from bench.artifacts.pymarl import read_pymarl, write_pymarl
from bench.artifacts.pymarl_settings import Trained, trained
from bench.artifacts.teams import load_team
from bench.contracts import Shape
from bench.errors import BenchError
from bench.marl.networks import RNNAgent
from bench.marl.team import greedy

SPEC = Shape("smax/3m/random", "v", 3, 11, 20, 8)
SETTINGS = {"name": "qmix", "agent": "rnn", "mac": "basic_mac", "agent_output_type": "q", "mixer": "qmix",
            "rnn_hidden_dim": 64, "obs_last_action": True, "obs_agent_id": True, "mixing_embed_dim": 32,
            "hypernet_layers": 2, "hypernet_embed": 64, "env_args": {"map_name": "3m", "seed": 7}}
OURS = {"hyper_w1": "hyper_w_1", "hyper_b1.0": "hyper_b_1", "hyper_w2": "hyper_w_final", "hyper_b2": "V"}


def how(algo="qmix", last=True, name=True) -> Trained:
    return Trained(algo, 64, last, name)


def layers(**sizes) -> dict[str, torch.Tensor]:
    """Weights and biases of linear layers, by their names, "__" for a dot."""
    rng = torch.Generator().manual_seed(3)
    found = {}
    for name, (inputs, outputs) in sizes.items():
        found[f"{name.replace('__', '.')}.weight"] = torch.randn(outputs, inputs, generator=rng) / inputs**0.5
        found[f"{name.replace('__', '.')}.bias"] = torch.randn(outputs, generator=rng)
    return found


def an_agent(spec=SPEC, last=True, name=True, hidden=64) -> dict[str, torch.Tensor]:
    """RNNAgent's state_dict."""
    inputs = spec.observation_size + last * spec.n_actions + name * spec.n_agents
    found = layers(fc1=(inputs, hidden), rnn__ih=(hidden, 3 * hidden), rnn__hh=(hidden, 3 * hidden),
                   fc2=(hidden, spec.n_actions))
    return {f"rnn.{key.split('.')[2]}_{key.split('.')[1]}" if key.startswith("rnn") else key: w
            for key, w in found.items()}


def a_mixer(spec=SPEC, theirs=False, embed=32) -> dict[str, torch.Tensor]:
    """QMixer's state_dict, or with ``theirs`` that of pymarl2's Mixer."""
    state, n = spec.state_size, spec.n_agents
    found = layers(hyper_w_1__0=(state, 64), hyper_w_1__2=(64, embed * n), hyper_w_final__0=(state, 64),
                   hyper_w_final__2=(64, embed), hyper_b_1=(state, embed), V__0=(state, embed), V__2=(embed, 1))
    names = {ours: name for name, ours in OURS.items()} if theirs else {}
    return {next((key.replace(ours, name, 1) for ours, name in names.items() if key.startswith(f"{ours}.")), key): w
            for key, w in found.items()}


def files(folder, agent, mixer, **options):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(agent, folder / "agent.th", **options)
    torch.save(mixer, folder / "mixer.th", **options)
    return folder


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pymarl_q(agent, observation, actions, last, name):
    """BasicMAC and RNNAgent: values (step, agent, action) of one episode; ``actions`` (step, agent) are those taken."""
    w = {key: tensor.double().numpy() for key, tensor in agent.items()}
    steps, n, _ = observation.shape
    onehot = np.eye(len(w["fc2.bias"]))
    hidden, found = np.zeros((n, 64)), []
    for t in range(steps):
        parts = [observation[t]]
        if last:
            parts.append(np.zeros((n, len(onehot))) if t == 0 else onehot[actions[t - 1]])
        if name:
            parts.append(np.eye(n))
        x = np.maximum(linear(np.concatenate(parts, 1), w, "fc1"), 0)
        new = x @ w["rnn.weight_ih"].T + w["rnn.bias_ih"]
        old = hidden @ w["rnn.weight_hh"].T + w["rnn.bias_hh"]
        (r, z, c), (r_old, z_old, c_old) = np.split(new, 3, 1), np.split(old, 3, 1)
        update = sigmoid(z + z_old)
        hidden = (1 - update) * np.tanh(c + sigmoid(r + r_old) * c_old) + update * hidden
        found.append(linear(hidden, w, "fc2"))
    return np.array(found)


def pymarl_total(mixer, q, state):
    """QMixer: (n, agent) and (n, feature) -> (n,)."""
    w = {key: tensor.double().numpy() for key, tensor in mixer.items()}

    def two(name):
        return linear(np.maximum(linear(state, w, f"{name}.0"), 0), w, f"{name}.2")

    first = np.abs(two("hyper_w_1")).reshape(*q.shape, 32)
    hidden = np.einsum("na,nae->ne", q, first) + linear(state, w, "hyper_b_1")
    hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
    return (hidden * np.abs(two("hyper_w_final"))).sum(1) + two("V")[:, 0]


@pytest.mark.parametrize(("last", "name"), [(True, True), (True, False), (False, True), (False, False)])
def test_agents_value_actions_as_in_pymarl(tmp_path, last, name):
    agent = an_agent(last=last, name=name)
    files(tmp_path, agent, {})
    team = read_pymarl(tmp_path, how("vdn", last, name), SPEC)
    rng = np.random.default_rng(0)
    observation, actions = rng.normal(size=(9, 3, 11)).astype(np.float32), rng.integers(8, size=(9, 3))
    found, memory = [], team.start(1)
    for t in range(9):
        before = actions[None, t - 1] if t else np.full((1, 3), -1)
        q, memory = team.act(observation[None, t], before, memory)
        found.append(q[0].numpy())
    assert np.allclose(found, pymarl_q(agent, observation, actions, last, name), atol=1e-5)


@pytest.mark.parametrize("theirs", [False, True], ids=["pymarl", "pymarl2"])
def test_the_mixer_mixes_as_in_pymarl(tmp_path, theirs):
    files(tmp_path, an_agent(), a_mixer(theirs=theirs))
    shift = np.linspace(-1, 0.5, 20)
    rng = np.random.default_rng(0)
    q, state = rng.normal(size=(50, 3)).astype(np.float32), rng.random((50, 20)).astype(np.float32)
    for added in (None, shift):
        mixer = read_pymarl(tmp_path, how(), SPEC, added).make_mixer()
        shown = state if added is None else state - shift
        with torch.no_grad():
            total = mixer(torch.tensor(q), torch.tensor(state)).numpy()
        assert np.allclose(total, pymarl_total(a_mixer(), q, shown), atol=1e-4)


def test_a_team_plays_in_starcraft_as_it_does_under_pymarl(tmp_path, monkeypatch):
    """Values from the game's own observations, what they are mixed to from its own state, and so what is done."""
    for package in ("s2clientprotocol", "pysc2", "smac.env"):
        pytest.importorskip(package, reason="needs oxwhirl/smac, pysc2 and the extra [smac]")
    from bench.envs.smac import SmacBattles

    monkeypatch.setenv("SC2PATH", str(install(tmp_path)))
    battles = SmacBattles("3m")
    agent, mixer = an_agent(battles.spec), a_mixer(battles.spec)
    team = read_pymarl(files(tmp_path, agent, mixer), how(), battles.spec, battles.state_shift)
    mixing = team.make_mixer()
    step, last, memory = battles.reset(0, np.arange(1)), np.full((1, 3), -1), team.start(1)
    seen, done, valued = [], [], []
    while not step.done[0]:
        env = battles._games[0].env
        q, memory = team.act(step.observation, last, memory)
        best = q.max(-1).values
        with torch.no_grad():
            total = mixing(best, torch.tensor(step.state))
        assert np.allclose(total, pymarl_total(mixer, best.numpy(), np.array([env.get_state()])), atol=1e-2)
        seen.append(np.array(env.get_obs()))
        last = greedy(q, step.available)
        valued.append(q[0].numpy())
        done.append(last[0])
        step = battles.step(last)
    assert len(seen) > 5
    assert np.allclose(valued, pymarl_q(agent, np.array(seen), np.array(done), True, True), atol=1e-4)


def test_what_is_written_is_read(tmp_path, team):
    spec = team.spec
    agent, mixer = an_agent(spec), a_mixer(spec)
    files(tmp_path, agent, mixer)
    write_pymarl(tmp_path / "out", read_pymarl(tmp_path, how(), spec))
    for name, expected in (("agent.th", agent), ("mixer.th", mixer)):
        back = torch.load(tmp_path / "out" / name, weights_only=True)
        assert back.keys() == expected.keys()
        assert all(torch.equal(back[key], expected[key]) for key in expected)
    with pytest.raises(BenchError, match="agents differ"):
        write_pymarl(tmp_path, team.with_agent(1, RNNAgent(spec)))


@pytest.mark.parametrize("old", [False, True], ids=["of torch 1.6 and later", "of earlier torch"])
def test_double_precision_is_taken_as_single(tmp_path, old):
    agent = {name: w.double() for name, w in an_agent().items()}
    files(tmp_path, agent, {}, _use_new_zipfile_serialization=not old)
    team = read_pymarl(tmp_path, how("vdn"), SPEC)
    assert torch.equal(team.weights["rnn.weight_hh"][2], agent["rnn.weight_hh"].float())


class Code:
    def __reduce__(self):
        return open, ("ran", "w")


def without(tensors, name):
    return {key: w for key, w in tensors.items() if key != name}


@pytest.mark.parametrize(("agent", "mixer", "message"), [
    (an_agent(last=False), a_mixer(), r"agent\.th does not hold .*'fc1.weight' is \(64, 14\), expected \(64, 22\)"),
    (an_agent(hidden=32), a_mixer(), r"'fc1.bias' is \(32,\), expected \(64,\)"),
    (without(an_agent(), "fc2.bias"), a_mixer(), "'fc2.bias' is missing"),
    (an_agent() | {"layer_norm.weight": torch.ones(64)}, a_mixer(), "'layer_norm.weight' .* nothing of that name"),
    (an_agent() | {"fc2.bias": [0.0] * 8}, a_mixer(), "'fc2.bias' is no tensor"),
    (an_agent() | {"fc2.bias": torch.zeros(8, dtype=torch.int64)}, a_mixer(), "no plain tensor of floating-point"),
    (an_agent() | {"fc2.bias": torch.full((8,), float("nan"))}, a_mixer(), "not finite"),
    (an_agent() | {"fc2.bias": torch.full((8,), 1e300, dtype=torch.float64)}, a_mixer(), "not finite"),
    (an_agent() | {"fc2.bias": torch.ones(8).to_sparse()}, a_mixer(), "no plain tensor"),
    (an_agent() | {"fc2.weight": torch.ones(1).expand(10**6, 10**6)}, a_mixer(), r"'fc2.weight' is \(1000000, 10"),
    ([1, 2], a_mixer(), r"agent\.th is refused: it does not hold tensors by their names"),
    (Code(), a_mixer(), r"agent\.th is refused: .*code"),
    (an_agent(), Code(), r"mixer\.th is refused: .*code"),
    (an_agent(), {}, r"mixer\.th holds a mixer without weights.*algo=vdn"),
    (an_agent(), a_mixer(embed=16), r"mixer\.th .*'V.0.bias' is \(16,\)"),
    (an_agent(), layers(hyper_w_1=(20, 96)), "hypernet_layers=1; allowed: 2")])
def test_what_is_no_such_team_is_refused(tmp_path, monkeypatch, agent, mixer, message):
    monkeypatch.chdir(tmp_path)
    files(tmp_path, agent, mixer)
    with pytest.raises(BenchError, match=message):
        read_pymarl(tmp_path, how(), SPEC)
    assert not (tmp_path / "ran").exists()


def test_files_that_torch_does_not_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files(tmp_path, an_agent(), a_mixer())
    with pytest.raises(BenchError, match=r"mixer with weights.*algo=qmix"):
        read_pymarl(tmp_path, how("vdn"), SPEC)
    for content in (b"", b"PK\x03\x04", b"\x80\x02.", pickle.dumps(Code()), pickle.dumps({"fc1.weight": 1})):
        (tmp_path / "agent.th").write_bytes(content)
        with pytest.raises(BenchError, match=r"agent\.th is refused"):
            read_pymarl(tmp_path, how(), SPEC)
    with zipfile.ZipFile(tmp_path / "agent.th", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**27))
    with pytest.raises(BenchError, match="inflates to more than"):
        read_pymarl(tmp_path, how(), SPEC)
    (tmp_path / "agent.th").unlink()
    with pytest.raises(BenchError, match="cannot read"):
        read_pymarl(tmp_path, how(), SPEC)
    assert not (tmp_path / "ran").exists()


def as_sacred_has_it(root, token, **runs):
    """results/models/TOKEN/STEP and results/sacred/NUMBER/config.json."""
    folder = root / "results/models" / token / "2000"
    folder.mkdir(parents=True)
    for number, settings in runs.items():
        place = root / "results/sacred" / number
        place.mkdir(parents=True)
        (place / "config.json").write_text(json.dumps(settings))
    return folder


def test_settings_are_those_of_the_run_that_has_the_teams_name(tmp_path):
    vdn = SETTINGS | {"name": "vdn", "mixer": "vdn", "obs_agent_id": False}
    again = SETTINGS | {"env_args": {"map_name": "3m", "seed": 8}}
    folder = as_sacred_has_it(tmp_path, "qmix__2021-08-08_10-00-00", _1=vdn, _2=SETTINGS, _3=again)
    found = trained(folder, {}, "vdn")
    assert (found.algo, found.obs_agent_id, found.map) == ("qmix", True, "3m")
    assert found.config == tmp_path / "results/sacred/_2/config.json"
    assert trained(folder, {"obs_agent_id": False}, "vdn").obs_agent_id is False
    assert trained(folder, {}, "vdn", tmp_path / "results/sacred/_1/config.json").algo == "vdn"
    (tmp_path / "results/sacred/_3/config.json").write_text(json.dumps(SETTINGS | {"obs_last_action": False}))
    with pytest.raises(BenchError, match="_2.* and .*_3.* differ; say which"):
        trained(folder, {}, "vdn")
    (folder / "config.json").write_text(json.dumps(vdn))
    assert trained(folder, {}, "qmix").algo == "vdn"


@pytest.mark.parametrize(("changed", "message"), [
    ({"agent": "rnn_ns"}, "agent is rnn_ns; allowed: rnn, n_rnn"), ({"mixer": None}, "IQL"),
    ({"mixer": "qtran_base"}, "mixer is qtran_base; allowed: vdn, qmix"),
    ({"rnn_hidden_dim": 128}, "rnn_hidden_dim is 128; allowed: 64"), ({"obs_agent_id": 1}, "obs_agent_id is 1"),
    ({"hypernet_layers": 1}, "hypernet_layers is 1; allowed: 2"), ({"mixing_embed_dim": 8}, "mixing_embed_dim is 8"),
    ({"qmix_pos_func": "softplus"}, "qmix_pos_func"), ({"use_layer_norm": True}, "use_layer_norm is True")])
def test_settings_of_other_networks_are_refused_by_name(tmp_path, changed, message):
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS | changed))
    with pytest.raises(BenchError, match=f"config.json.*{message}"):
        trained(tmp_path, {}, "qmix")


def test_without_settings_they_are_asked_for(tmp_path):
    with pytest.raises(BenchError, match="algo=vdn or algo=qmix .* pymarl.rnn_hidden_dim=64 "
                                         "pymarl.obs_last_action=true pymarl.obs_agent_id=true$"):
        trained(tmp_path, {"rnn_hidden_dim": None}, "vdn")
    given = {"rnn_hidden_dim": 64, "obs_last_action": True, "obs_agent_id": False}
    assert trained(tmp_path, given, "vdn") == Trained("vdn", 64, True, False)
    with pytest.raises(BenchError, match="^rnn_hidden_dim is 32; allowed: 64$"):
        trained(tmp_path, given | {"rnn_hidden_dim": 32}, "vdn")


@pytest.mark.slow
def test_an_imported_team_is_used_in_place_of_a_trained_one(tmp_path, monkeypatch, capsys, team):
    monkeypatch.chdir(tmp_path)
    folder = as_sacred_has_it(tmp_path, "vdn__1", _1=SETTINGS | {"name": "vdn", "mixer": "vdn"})
    write_pymarl(folder, team)

    def run(*words):
        code = main([*words, "env.map=3m"])
        done = capsys.readouterr()
        return code, done.out, done.err

    assert main(["import", "pymarl", str(folder)]) == 2
    assert "trained on the map '3m'" in capsys.readouterr().err
    assert not (tmp_path / "results/teams").exists()
    code, said, _ = run("import", "pymarl", str(folder))
    assert code == 0
    (file,) = (tmp_path / "results/teams").glob("vdn-smax-3m-random-pymarl-*.json")
    assert f"run algo=vdn env.map=3m clean={file.stem}" in said
    found, about = load_team(file)
    assert all(torch.equal(found.weights[name], w) for name, w in team.weights.items())

    cell = ("run", "attack=trojdrl", "attack.victim=1", "control=null", "budget=smoke")
    results = []
    for clean in (file.stem, str(file)):  # by its name, and by its place
        assert run(*cell, f"clean={clean}")[0] == 0
        (result,) = (tmp_path / "results/runs").glob("*-????????????.json")
        results.append(json.loads(result.read_text())["result"])
    assert results[0] == results[1]
    assert results[0]["checkpoints"]["clean"] == results[0]["config"]["clean"] == about["sha256"]
    (attacked,) = (tmp_path / "results/teams").glob("*trojdrl*.json")
    assert json.loads(attacked.read_text())["recipe"]["clean_sha256"] == about["sha256"]

    for words, message in (((*cell, f"clean={file.stem}", "algo=qmix"), "is a vdn team, and algo=qmix is configured"),
                           ((*cell, f"clean={attacked.stem}"), "says that it was attacked"),
                           ((*cell, "clean=elsewhere"), "no team is there"),
                           (("train", f"clean={file.stem}"), "there already")):
        code, _, error = run(*words)
        assert code == 2
        assert message in error
        assert error.count("\n") == 1
    assert main(["accidents", f"clean={file.stem}"]) == 2  # env.map=8m
    assert "cannot play in 'smax/8m/random'" in capsys.readouterr().err
