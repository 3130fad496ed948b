# SPDX-License-Identifier: Apache-2.0
"""TraCI, the protocol of SUMO's remote control, as far as a trial needs it: one message per simulated second.

Everything for a second goes out in one message (the states to show, then the step), and what was subscribed comes
back in one. The answer stays raw bytes; `sensing` reduces it to sums in a compiled loop. See SUMO's documentation,
"TraCI/Protocol". Byte order is big-endian throughout.
"""

import socket
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

STEP, CLOSE, GET_VERSION = 0x02, 0x7F, 0x00
GET_SIMULATION, GET_JUNCTION, GET_SIGNAL, GET_TYPE = 0xAB, 0xA9, 0xA2, 0xA5
SET_SIGNAL = 0xC2
SUBSCRIBE_LOOP, SUBSCRIBE_SIGNAL, SUBSCRIBE_SIMULATION, SUBSCRIBE_AROUND_JUNCTION = 0xD0, 0xD2, 0xDB, 0x89
TOLD_LOOP, TOLD_SIGNAL, TOLD_SIMULATION, TOLD_AROUND_JUNCTION = 0xE0, 0xE2, 0xEB, 0x99
VEHICLES, PEOPLE = 0xA4, 0xAE
ID_LIST, LANE_ID, LANE_POSITION, LENGTH, STATE = 0x00, 0x51, 0x56, 0x44, 0x20
NEXT_EDGE, SPEED = 0xC1, 0x40
LOOP_VEHICLES, EXPECTED, PENDING, TELEPORTS, VEHICLE_CLASS = 0x17, 0x7D, 0x94, 0x75, 0x49
DEPARTED, ARRIVED = 0x73, 0x79
UBYTE, BYTE, INTEGER, DOUBLE, TEXT, TEXTS, COMPOUND, DOUBLES = 0x07, 0x08, 0x09, 0x0B, 0x0C, 0x0E, 0x0F, 0x10
EVERYTHING_M = 1e7
CONNECT_S = 60.0


class TalkError(RuntimeError):
    """SUMO refused a request or ended; the text says what it said."""


class Answer(NamedTuple):
    """One answer: the buffer it lies in and where the bytes after the first status begin and end."""

    data: bytearray
    begin: int
    end: int


def text(value: str) -> bytes:
    """Return a string as the protocol writes it."""
    raw = value.encode()
    return struct.pack(">i", len(raw)) + raw


def request(number: int, body: bytes) -> bytes:
    """Return one command with its length in front."""
    if len(body) + 2 <= 255:
        return struct.pack(">BB", len(body) + 2, number) + body
    return struct.pack(">BiB", 0, len(body) + 6, number) + body


def show_state(signal: str, state: str) -> bytes:
    """Return the command that makes a signal show one state."""
    return request(SET_SIGNAL, bytes((STATE,)) + text(signal) + bytes((TEXT,)) + text(state))


def subscribe(number: int, name: str, variables: tuple[int, ...]) -> bytes:
    """Return the command that has some values of one object told after every step."""
    return request(number, struct.pack(">dd", -1e10, 1e10) + text(name) + bytes((len(variables), *variables)))


def subscribe_around(junction: str, whom: int, variables: tuple[int, ...]) -> bytes:
    """Return the command that has some values of all vehicles, or people, told after every step, without naming any."""
    head = struct.pack(">dd", -1e10, 1e10) + text(junction) + struct.pack(">Bd", whom, EVERYTHING_M)
    return request(SUBSCRIBE_AROUND_JUNCTION, head + bytes((len(variables), *variables)))


NEXT_STEP = request(STEP, struct.pack(">d", 0.0))


class Talk:
    """One connection to a running SUMO. alive: called while waiting, raises TalkError where SUMO has ended."""

    def __init__(self, port: int, alive: Callable[[], None]) -> None:
        self._alive = alive
        self._socket = self._connect(port)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)

    def _connect(self, port: int) -> socket.socket:
        until = time.monotonic() + CONNECT_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port))
            except OSError:
                self._alive()
                if time.monotonic() > until:
                    raise TalkError(f"SUMO did not open its port within {CONNECT_S:.0f} s") from None
                time.sleep(0.02)

    def send(self, commands: bytes) -> None:
        """Send commands as one message."""
        self._socket.sendall(struct.pack(">i", len(commands) + 4) + commands)

    def receive(self) -> Answer:
        """Wait for one message. The buffer is used again by the next call."""
        self._fill(0, 4)
        length = struct.unpack_from(">i", self._buffer)[0]
        if length > len(self._buffer):
            self._buffer = bytearray(2 * length)
        self._fill(4, length)
        return Answer(self._buffer, 4, length)

    def _fill(self, begin: int, end: int) -> None:
        view = memoryview(self._buffer)
        while begin < end:
            got = self._socket.recv_into(view[begin:end])
            if got == 0:
                self._alive()
                raise TalkError("SUMO closed the connection")
            begin += got

    def ask(self, commands: bytes, many: int) -> list[int]:
        """Send `many` commands and return where each one's answer begins; TalkError where one was refused."""
        self.send(commands)
        return skim(self.receive(), many)

    def values(self, number: int, variable: int, name: str) -> list[str]:
        """Return one value of one object as texts; a single text is a list of one."""
        self.send(request(number, bytes((variable,)) + text(name)))
        answer = self.receive()
        place, _ = status(answer, answer.begin)
        place += 1 if answer.data[place] else 5
        place += 2  # what it answers and which variable
        place += 4 + struct.unpack_from(">i", answer.data, place)[0]
        return _texts(answer.data, place)

    def close(self) -> None:
        """Let SUMO write its outputs and end."""
        try:
            self.send(request(CLOSE, b""))
            self.receive()
        finally:
            self._socket.close()

    def cut(self) -> None:
        """Close the connection without a word."""
        self._socket.close()


def status(answer: Answer, place: int) -> tuple[int, int]:
    """Read one status; return where it ends and which command it is of. TalkError where the command was refused."""
    data = answer.data
    length = data[place]
    begin = place + 1
    if length == 0:
        length = struct.unpack_from(">i", data, place + 1)[0]
        begin = place + 5
    if data[begin + 1] != 0:
        size = struct.unpack_from(">i", data, begin + 2)[0]
        raise TalkError(bytes(data[begin + 6 : begin + 6 + size]).decode(errors="replace"))
    return place + length, data[begin]


def skim(answer: Answer, many: int) -> list[int]:
    """Return where what follows each of `many` statuses begins. Answers of subscriptions are jumped over."""
    place = answer.begin
    found: list[int] = []
    for _ in range(many):
        place, number = status(answer, place)
        found.append(place)
        if number in (SUBSCRIBE_LOOP, SUBSCRIBE_SIGNAL, SUBSCRIBE_SIMULATION, SUBSCRIBE_AROUND_JUNCTION):
            length = answer.data[place]
            place += length if length else struct.unpack_from(">i", answer.data, place + 1)[0]
    return found


def _texts(data: bytearray, place: int) -> list[str]:
    count = struct.unpack_from(">i", data, place + 1)[0]
    single = data[place] == TEXT
    place += 5
    if single:
        return [bytes(data[place : place + count]).decode()]
    texts: list[str] = []
    for _ in range(count):
        size = struct.unpack_from(">i", data, place)[0]
        texts.append(bytes(data[place + 4 : place + 4 + size]).decode())
        place += 4 + size
    return texts
