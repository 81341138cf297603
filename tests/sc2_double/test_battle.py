"""pysc2, as it stands, plays battles against the double."""

import pytest

from sc2_double import MAPS, VERSION
from sc2_double.maps import COMPUTER, PLAYER
from sc2_double.player import control_enemy, create, order, play, start, units
from sc2_double.units import ATTACK, MOVE, STOP


def test_it_says_that_it_is_a_double(controller, sc2path):
    assert controller.ping().game_version == VERSION == "double-1"
    for name in MAPS:
        assert VERSION.encode() in (sc2path / f"Maps/SMAC_Maps/{name}.SC2Map").read_bytes()
    assert len(controller.available_maps().local_map_paths) == len(MAPS)


@pytest.mark.parametrize(("name", "ours", "theirs", "full"), [
    ("3m", [1970] * 3, [48] * 3, {(45, 0)}), ("8m", [1970] * 8, [48] * 8, {(45, 0)}),
    ("5m_vs_6m", [1970] * 5, [48] * 6, {(45, 0)}),
    ("2s3z", [1970] * 2 + [1971] * 3, [74] * 2 + [73] * 3, {(80, 80), (100, 50)})])
def test_a_map_has_its_units(controller, name, ours, theirs, full):
    create(controller, name)
    assert [unit.unit_type for unit in units(controller, PLAYER)] == ours
    assert [unit.unit_type for unit in units(controller, COMPUTER)] == theirs
    assert {(unit.health, unit.shield) for unit in units(controller)} == full
    assert all(abs(unit.pos.x - {PLAYER: 9, COMPUTER: 23}[unit.owner]) < 4 for unit in units(controller))
    named = controller.data().units
    assert {named[number] for number in ours} == {f"{named[number]}_RL" for number in theirs}


def test_the_map_can_be_walked_where_it_says(controller):
    create(controller)
    start = controller.game_info().start_raw
    cells = [[byte >> (7 - i) & 1 for byte in start.pathing_grid.data[4 * y:4 * y + 4] for i in range(8)]
             for y in range(start.map_size.y)]
    one = units(controller, PLAYER)[0]
    assert cells[int(one.pos.y)][int(one.pos.x)]
    order(controller, [one.tag], MOVE, (one.pos.x, 32.0))
    controller.step(200)
    now = units(controller, PLAYER)[0]
    assert not cells[int(now.pos.y) + 1][int(now.pos.x)]
    assert not now.orders, "it cannot go on"


@pytest.mark.parametrize("name", MAPS)
def test_a_battle_ends(controller, name):
    create(controller, name)
    seen = play(controller, 150)
    ours = sum(number for number, _ in MAPS[name].player)
    sides = {tag: PLAYER if i < ours else COMPUTER for i, (tag, *_) in enumerate(seen[0])}
    assert any(len({sides[tag] for tag, *_ in step if tag in sides}) == 1 for step in seen), "one side is left"


def test_a_seed_names_a_battle(controller):
    battles = []
    for seed in (5, 5, 6):
        create(controller, "2s3z", seed)
        battles.append(play(controller, 40))
    assert battles[0] == battles[1] != battles[2]


def test_when_all_are_dead_the_map_makes_others(controller):
    from s2clientprotocol import debug_pb2

    create(controller)
    first = units(controller)
    controller.debug(debug_pb2.DebugCommand(kill_unit=debug_pb2.DebugKillUnit(tag=[unit.tag for unit in first])))
    controller.step(2)
    observed = controller.observe().observation.raw_data
    assert set(observed.event.dead_units) == {unit.tag for unit in first}
    assert len(observed.units) == 6
    assert not {unit.tag for unit in observed.units} & {unit.tag for unit in first}
    assert {unit.pos.x for unit in observed.units}.isdisjoint(unit.pos.x for unit in first), "random numbers go on"


def test_the_computer_attacks_the_players_point(controller):
    create(controller)
    before = units(controller, COMPUTER)
    controller.step(40)
    assert all(now.pos.x < then.pos.x - 4 for now, then in zip(units(controller, COMPUTER), before, strict=True))


def test_orders_begin_and_end(controller):
    create(controller)
    one = units(controller, PLAYER)[0]
    assert order(controller, [one.tag], MOVE, (one.pos.x, one.pos.y + 2)) == [1]
    controller.step(8)
    assert [o.ability_id for o in units(controller, PLAYER)[0].orders] == [MOVE]
    controller.step(16)
    there = units(controller, PLAYER)[0]
    assert (there.pos.y, list(there.orders)) == (pytest.approx(one.pos.y + 2), [])
    order(controller, [one.tag], MOVE, (20.0, 16.0))
    controller.step(1)
    order(controller, [one.tag], STOP)
    assert not units(controller, PLAYER)[0].orders


def test_an_order_can_be_queued(controller):
    create(controller)
    one = units(controller, PLAYER)[0]
    order(controller, [one.tag], MOVE, (one.pos.x, one.pos.y + 1))
    order(controller, [one.tag], MOVE, (one.pos.x + 1, one.pos.y + 1), queue=True)
    assert len(units(controller, PLAYER)[0].orders) == 2
    controller.step(24)
    now = units(controller, PLAYER)[0]
    assert (now.pos.x, now.pos.y) == (pytest.approx(one.pos.x + 1), pytest.approx(one.pos.y + 1))


def test_what_cannot_be_ordered_is_refused_in_the_result_alone(controller):
    from s2clientprotocol.error_pb2 import ActionResult

    create(controller)
    mine, other = units(controller, PLAYER)[0].tag, units(controller, COMPUTER)[0].tag
    assert order(controller, [other], MOVE, (9.0, 9.0)) == [ActionResult.YouCantControlThatUnit]
    assert order(controller, [12345], STOP) == [ActionResult.Error]
    assert order(controller, [mine], ATTACK, 12345) == [ActionResult.CantTargetThatUnit]
    assert order(controller, [mine], 380) == [ActionResult.NotSupported]


def test_control_of_the_enemy(controller):
    """It is a toggle; and an enemy's order is seen by nobody, is obeyed, and is not followed by the map's."""
    create(controller)
    one = units(controller, COMPUTER)[0]
    goal = (one.pos.x + 2, one.pos.y)
    control_enemy(controller)
    assert order(controller, [one.tag], MOVE, goal) == [1]
    controller.step(48)
    now = units(controller, COMPUTER)[0]
    assert (now.pos.x, now.pos.y) == (pytest.approx(goal[0]), pytest.approx(goal[1]))
    assert not now.orders
    order(controller, [one.tag], MOVE, (goal[0] + 1, goal[1]))
    order(controller, [one.tag], ATTACK, (9.0, 16.0), queue=True)
    controller.step(48)
    assert units(controller, COMPUTER)[0].pos.x < goal[0], "the queued order brings it back"
    control_enemy(controller)
    assert order(controller, [one.tag], MOVE, goal) != [1], "a second call switches it off"
    create(controller)
    assert order(controller, [units(controller, COMPUTER)[0].tag], STOP) != [1], "and a new game begins without"


def test_quick_load_goes_back_exactly(controller):
    from s2clientprotocol import sc2api_pb2 as api

    create(controller, "2s3z", seed=3)
    control_enemy(controller)
    play(controller, 12)
    controller._client.send(quick_save=api.RequestQuickSave())
    went = play(controller, 30)
    for _ in range(2):  # the bookmark stays
        controller._client.send(quick_load=api.RequestQuickLoad())
        assert controller.observe().observation.game_loop == 0
        assert play(controller, 30) == went
    assert order(controller, [units(controller, COMPUTER)[0].tag], STOP) == [1], "control of the enemy is kept"


def test_quick_load_without_a_bookmark_is_a_crash(fresh):
    from pysc2.lib import protocol
    from s2clientprotocol import sc2api_pb2 as api

    process = fresh()
    create(process.controller)
    with pytest.raises(protocol.ConnectionError):
        process.controller._client.send(quick_load=api.RequestQuickLoad())


def test_a_game_can_be_restarted_replayed_and_left(controller):
    create(controller, seed=9)
    first = play(controller, 20)
    assert VERSION.encode() in controller.save_replay()
    controller.restart()
    assert play(controller, 20) == first
    controller.leave()
    create(controller, seed=9)
    assert play(controller, 20) == first


def test_a_request_that_comes_at_the_wrong_time_is_an_error(controller):
    from pysc2.lib import protocol
    from s2clientprotocol import query_pb2
    from s2clientprotocol import sc2api_pb2 as api

    create(controller, join=False)
    with pytest.raises(protocol.ProtocolError, match="init_game"):
        controller._client.send(step=api.RequestStep(count=1))
    controller.join_game(api.RequestJoinGame())
    with pytest.raises(protocol.ProtocolError, match="not supported"):
        controller._client.send(query=query_pb2.RequestQuery())


def test_quit_ends_it(sc2path):
    process = start()
    running = process._proc
    process.controller.quit()
    assert running.wait(5) == 0
    process.close()
