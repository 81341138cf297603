"""The server's side of one websocket (RFC 6455), as far as a client needs that sends whole messages."""

from __future__ import annotations

import base64
import hashlib
import socket

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self.stream = sock, sock.makefile("rb")

    def shake_hands(self) -> bool:
        """Answer the request that opens a websocket at /sc2api; False where it asks for something else."""
        asked, *lines = iter(lambda: self.stream.readline().strip(), b"")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if asked.split()[1:2] != [b"/sc2api"] or b"sec-websocket-key" not in headers:
            self.socket.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return False
        accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + GUID).digest())
        self.socket.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        return True

    def receive(self) -> bytes | None:
        """The next message; None at the connection's end. Nothing is decoded: pysc2 sends its bytes as TEXT."""
        message = b""
        while True:
            head = self.stream.read(2)
            if len(head) < 2:
                return None
            kind, length = head[0] & 0x0F, head[1] & 0x7F
            if length >= 126:
                length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
            key = self.stream.read(4) if head[1] & 0x80 else b"\0\0\0\0"
            data = unmask(self.stream.read(length), key)
            if kind == CLOSE:
                return None
            if kind == PING:
                self.send(data, PONG)
            elif kind != PONG:
                message += data
                if head[0] & 0x80:  # the last part
                    return message

    def send(self, data: bytes, kind: int = BINARY) -> None:
        if len(data) < 126:
            head = bytes([0x80 | kind, len(data)])
        elif len(data) < 1 << 16:
            head = bytes([0x80 | kind, 126]) + len(data).to_bytes(2, "big")
        else:
            head = bytes([0x80 | kind, 127]) + len(data).to_bytes(8, "big")
        self.socket.sendall(head + data)

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def unmask(data: bytes, key: bytes) -> bytes:
    """What a client has masked, as all clients must: each byte with one of the four of its key."""
    mask = (key * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(data), "big")
