"""Started as the game is: `-listen HOST -port PORT`, and what else pysc2 says, which is not used."""

from __future__ import annotations

import argparse
import signal
import socket

from s2clientprotocol import sc2api_pb2

from sc2_double.connection import Connection
from sc2_double.maps import VERSION
from sc2_double.session import Dropped, Session

PATIENCE = 60  # seconds that it waits for a client, the first or another, before it ends by itself


def main() -> None:
    parser = argparse.ArgumentParser(prog="SC2_x64", description=__doc__)
    parser.add_argument("-listen", default="127.0.0.1")
    parser.add_argument("-port", type=int, required=True)
    arguments, _ = parser.parse_known_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    session = Session()
    print(f"Version: {VERSION}", "Starting up...", sep="\n", flush=True)  # the game is talkative as well
    with socket.create_server((arguments.listen, arguments.port)) as server:
        print(f"Listening on: {arguments.listen}:{arguments.port}", flush=True)
        server.settimeout(PATIENCE)
        while session.status != sc2api_pb2.quit:
            try:
                sock, _ = server.accept()
            except TimeoutError:
                return
            sock.settimeout(None)
            serve(Connection(sock), session)


def serve(connection: Connection, session: Session) -> None:
    """Answer one client until it goes."""
    try:
        if not connection.shake_hands():
            return
        while session.status != sc2api_pb2.quit and (message := connection.receive()) is not None:
            connection.send(session.answer(sc2api_pb2.Request.FromString(message)).SerializeToString())
    except (Dropped, ConnectionError):
        pass
    finally:
        connection.close()


if __name__ == "__main__":
    main()
