"""From requests to answers: what a game does at each, and in which of its states it may be asked."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from s2clientprotocol import debug_pb2, sc2api_pb2
from s2clientprotocol.error_pb2 import ActionResult

from sc2_double import messages
from sc2_double.game import Game
from sc2_double.maps import MAPS, VERSION
from sc2_double.misbehaviour import Misbehaviour, Orders, crash, hang

Request, Response = sc2api_pb2.Request, sc2api_pb2.Response
LAUNCHED, INIT, IN_GAME, ENDED = sc2api_pb2.launched, sc2api_pb2.init_game, sc2api_pb2.in_game, sc2api_pb2.ended
ALLOWED = {  # request -> the states in which it is answered; those not named here are answered in all
    "create_game": {LAUNCHED, IN_GAME, ENDED}, "join_game": {INIT}, "restart_game": {IN_GAME, ENDED},
    "leave_game": {IN_GAME, ENDED}, "game_info": {IN_GAME}, "data": {IN_GAME}, "observation": {IN_GAME, ENDED},
    "action": {IN_GAME}, "step": {IN_GAME}, "debug": {IN_GAME}, "quick_save": {IN_GAME}, "quick_load": {IN_GAME},
    "save_replay": {IN_GAME, ENDED}}


class Dropped(Exception):
    """The connection is to be closed without an answer."""


class Session:
    """A game process: what it plays, and what it has been told to do wrong."""

    def __init__(self) -> None:
        self.status = LAUNCHED
        self.orders = Orders()
        self.game: Game | None = None
        self.make = lambda: None  # the game that create_game has asked for, anew
        self.bookmark: Game | None = None  # one, and in memory alone
        self.wrong: Misbehaviour | None = None  # what is to go wrong at this request
        self.trace = os.environ.get("SC2_DOUBLE_TRACE")  # a file that gets a line for each request

    def answer(self, request: Request) -> Response:
        name = request.WhichOneof("request")
        if self.trace:
            with Path(self.trace).open("a") as file:
                file.write(f"{os.getpid()} {name} {' '.join(str(getattr(request, name)).split())[:300]}\n")
        self.wrong = self.orders.due(name)
        self.before()
        response = Response(id=request.id)
        if self.is_wrong("error"):
            response.error.append(f"{VERSION}: told to answer {name} with an error")
        elif name not in HANDLERS:
            response.error.append(f"{VERSION}: {name} is not supported")
        elif self.status not in ALLOWED.get(name, {self.status}):
            response.error.append(f"{VERSION}: {name} is not valid in the state {sc2api_pb2.Status.Name(self.status)}")
        else:
            getattr(response, name).SetInParent()
            HANDLERS[name](self, getattr(request, name), getattr(response, name))
        response.status = self.status
        return response

    def is_wrong(self, way: str) -> bool:
        return self.wrong is not None and self.wrong.do == way

    def before(self) -> None:
        """What may go wrong at any request."""
        if self.is_wrong("slow"):
            time.sleep(self.wrong.seconds)
        elif self.is_wrong("hang"):
            hang()
        elif self.is_wrong("drop"):
            raise Dropped
        elif self.is_wrong("crash") and self.wrong.at != "step":
            crash()

    def ping(self, _, response) -> None:
        messages.ping(response)

    def available_maps(self, _, response) -> None:
        messages.available_maps(response)

    def create_game(self, request, response) -> None:
        """A map of those known, a participant and a computer; without a seed the game takes one of its own."""
        where = MAPS.get(Path(request.local_map.map_path).stem)
        computers = [player for player in request.player_setup if player.type == sc2api_pb2.Computer]
        if where is None:
            response.error = response.InvalidMapPath
        elif len(request.player_setup) != 2 or len(computers) != 1:
            response.error = response.InvalidPlayerSetup
        else:
            seed = request.random_seed if request.HasField("random_seed") else random.randrange(1 << 31)
            level, late = computers[0].difficulty or 1, self.is_wrong("late")
            self.make = lambda: Game(where, seed, level, late)
            self.game, self.bookmark, self.status = None, None, INIT

    def join_game(self, _, response) -> None:
        self.game, self.status = self.make(), IN_GAME
        response.player_id = 1

    def restart_game(self, *_) -> None:
        self.game, self.bookmark, self.status = self.make(), None, IN_GAME

    def leave_game(self, *_) -> None:
        self.game, self.bookmark, self.status = None, None, LAUNCHED

    def quit(self, *_) -> None:
        self.status = sc2api_pb2.quit

    def game_info(self, _, response) -> None:
        messages.game_info(self.game, response)

    def data(self, _, response) -> None:
        messages.catalogue(self.game, response)

    def observation(self, _, response) -> None:
        messages.observation(self.game, response)

    def action(self, request, response) -> None:
        for action in request.actions:
            if self.is_wrong("refuse"):
                response.result.append(ActionResult.NotSupported)
            elif action.action_raw.HasField("unit_command"):
                response.result.append(self.game.order(action.action_raw.unit_command))
            else:
                response.result.append(ActionResult.Success)  # a camera, a chat: nothing that the double has

    def step(self, request, response) -> None:
        loops = request.count or 1
        if self.is_wrong("crash"):
            self.game.advance(loops // 2)
            crash()
        self.game.advance(loops)
        response.simulation_loop = self.game.loop

    def debug(self, request, _) -> None:
        """Control of the enemy is a toggle: asked for a second time, it is off again."""
        if self.is_wrong("ignore"):
            return
        for command in request.debug:
            kind = command.WhichOneof("command")
            if kind == "kill_unit":
                self.game.kill(command.kill_unit.tag)
            elif kind == "game_state" and command.game_state == debug_pb2.control_enemy:
                self.game.control_enemy = not self.game.control_enemy
            elif kind == "test_process":
                hang() if command.test_process.test == debug_pb2.DebugTestProcess.hang else crash()

    def quick_save(self, *_) -> None:
        self.bookmark = self.game.bookmark()

    def quick_load(self, *_) -> None:
        """Back to the one bookmark; without one the game crashes. Control of the enemy stays as it is."""
        if self.bookmark is None:
            crash()
        control = self.game.control_enemy and not self.is_wrong("forget")
        self.game = self.bookmark.bookmark()
        self.game.control_enemy = control
        if self.is_wrong("inexact"):
            self.game.random.random()

    def save_replay(self, _, response) -> None:
        response.data = f"{VERSION}: there is nothing to see in this replay\n".encode()


HANDLERS = {name: getattr(Session, name) for name in (*ALLOWED, "ping", "available_maps", "quit")}
