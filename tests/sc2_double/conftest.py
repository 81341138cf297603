"""Games that pysc2 has started."""

import pytest

from sc2_double.install import install
from sc2_double.player import start


@pytest.fixture(scope="package")
def sc2path(tmp_path_factory):
    """A folder with the double in it, which is SC2PATH for the tests in this one."""
    for package in ("s2clientprotocol", "pysc2"):
        pytest.importorskip(package, reason="needs the extra [smac], and pip install --no-deps pysc2==4.0.0")
    with pytest.MonkeyPatch.context() as patch:
        root = install(tmp_path_factory.mktemp("double"))
        patch.setenv("SC2PATH", str(root))
        yield root


@pytest.fixture(scope="package")
def told(tmp_path_factory):
    """The file that tells a running game to misbehave once."""
    return tmp_path_factory.mktemp("told") / "once.json"


@pytest.fixture(scope="package")
def controller(sc2path, told):
    """One game process for all tests that leave it alive; each creates a game of its own in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SC2_DOUBLE_FILE", str(told))
        process = start()
    with process as controller:
        yield controller


@pytest.fixture
def fresh(sc2path, monkeypatch):
    """Start a game process for one test, told what to do wrong."""
    processes = []

    def begin(wrong=None):
        if wrong is not None:
            monkeypatch.setenv("SC2_DOUBLE", wrong.text())
        processes.append(start())
        return processes[-1]

    yield begin
    for process in processes:
        process.close()
