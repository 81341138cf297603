"""Each way in which the double fails on purpose, as pysc2 sees it."""

import time

import pytest

from sc2_double import Misbehaviour
from sc2_double.maps import COMPUTER, PLAYER
from sc2_double.misbehaviour import WAYS
from sc2_double.player import control_enemy, create, order, play, units
from sc2_double.units import MOVE, STOP


def test_a_way_that_there_is_not():
    with pytest.raises(ValueError, match="explode"):
        Misbehaviour("explode", "step")
    assert "crash" in WAYS


def lost(process, say) -> str:
    """What pysc2 says when no answer comes."""
    from pysc2.lib import protocol

    with pytest.raises(protocol.ConnectionError) as caught:
        say()
    return str(caught.value)


def test_a_crash_in_mid_step(fresh):
    process = fresh(Misbehaviour("crash", "step", first=3))
    create(process.controller)
    play(process.controller, 2)
    assert "step" in lost(process, lambda: process.controller.step(8))
    assert process._proc.wait(5) == 139


def test_a_dropped_connection_leaves_the_game_running(fresh):
    process = fresh(Misbehaviour("drop", "observation", first=2))
    create(process.controller)
    units(process.controller)
    lost(process, process.controller.observe)
    assert process.running


def test_a_hang_outlives_being_asked_to_end(fresh):
    process = fresh(Misbehaviour("hang", "step"))
    create(process.controller)
    process.controller._client._sock.settimeout(0.3)
    assert "timed out" in lost(process, lambda: process.controller.step(8))
    process._proc.terminate()
    with pytest.raises(TimeoutError):
        _wait(process._proc, 0.3)
    process._proc.kill()
    assert process._proc.wait(5) < 0


def _wait(proc, seconds) -> None:
    end = time.monotonic() + seconds
    while proc.poll() is None:
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def test_a_crash_that_the_protocol_asks_for(fresh):
    from s2clientprotocol import debug_pb2

    process = fresh()
    create(process.controller)
    test = debug_pb2.DebugTestProcess(test=debug_pb2.DebugTestProcess.crash)
    lost(process, lambda: process.controller.debug(debug_pb2.DebugCommand(test_process=test)))
    assert process._proc.wait(5) == 139


@pytest.fixture
def once(controller, told):
    """Tell the running game to misbehave once; it is told nothing more at the test's end."""
    yield lambda *args, **more: told.write_text(Misbehaviour(*args, **more).text())
    told.unlink(missing_ok=True)


def test_a_slow_answer(controller, once, told):
    create(controller)
    once("slow", "step", seconds=0.4)
    begun = time.monotonic()
    units(controller)
    assert told.exists(), "it waits for its request"
    controller.step(1)
    assert time.monotonic() - begun > 0.4
    assert not told.exists(), "it happens once"


def test_an_answer_in_error(controller, once):
    from pysc2.lib import protocol

    create(controller)
    once("error", "observation")
    with pytest.raises(protocol.ProtocolError, match="told to"):
        controller.observe()
    assert len(units(controller)) == 6


def test_refused_orders(controller, once):
    from s2clientprotocol.error_pb2 import ActionResult

    create(controller)
    mine = units(controller, PLAYER)
    once("refuse", "action")
    assert order(controller, [mine[0].tag], MOVE, (9.0, 9.0)) == [ActionResult.NotSupported]
    controller.step(8)
    assert [unit.pos for unit in units(controller, PLAYER)] == [unit.pos for unit in mine]


def test_control_of_the_enemy_that_does_not_work(controller, once):
    create(controller)
    once("ignore", "debug")
    control_enemy(controller)
    assert order(controller, [units(controller, COMPUTER)[0].tag], STOP) != [1]


def test_units_that_come_late(controller, once):
    once("late", "create_game")
    create(controller)
    assert [len(units(controller, owner)) for owner in (PLAYER, COMPUTER)] == [2, 2]
    controller.step(1)
    assert [len(units(controller, owner)) for owner in (PLAYER, COMPUTER)] == [3, 3]


def test_control_that_a_quick_load_loses(controller, once):
    from s2clientprotocol import sc2api_pb2 as api

    create(controller)
    control_enemy(controller)
    controller._client.send(quick_save=api.RequestQuickSave())
    once("forget", "quick_load")
    controller._client.send(quick_load=api.RequestQuickLoad())
    assert order(controller, [units(controller, COMPUTER)[0].tag], STOP) != [1]


def test_a_quick_load_that_is_not_exact(controller, once):
    from s2clientprotocol import sc2api_pb2 as api

    create(controller)
    controller._client.send(quick_save=api.RequestQuickSave())
    went = play(controller, 40)
    once("inexact", "quick_load")
    controller._client.send(quick_load=api.RequestQuickLoad())
    again = play(controller, 40)
    assert again[0] == went[0]
    assert again != went


def test_a_trace_of_requests(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("SC2_DOUBLE_TRACE", str(tmp_path / "trace"))
    process = fresh()
    create(process.controller)
    lines = [line.split(" ", 2) for line in (tmp_path / "trace").read_text().splitlines()]
    assert [name for _, name, _ in lines] == ["ping", "create_game", "join_game"]
    assert {int(number) for number, *_ in lines} == {process._proc.pid}
