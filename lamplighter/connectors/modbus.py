# SPDX-License-Identifier: Apache-2.0
"""Registers over Modbus TCP. A client reads; it writes only where it was opened with a word on what may be written.

Meters are opened without it: for them the two functions that read are the only ones there are. A client for boxes that take
orders is opened with a function that names, for one unit at one address, the holding registers that may be written; any
other write is an error and nothing is sent. Several registers are written at once (function 16), also where it is one: some
boxes know no other.

Modbus Application Protocol 1.1b3, sections 6.3, 6.4 and 6.12; Modbus Messaging on TCP/IP 1.0b, section 3.1.3. One connection
per address, kept open; an answer that is late, too long, for another question or of another unit ends it. Who does not
answer is left alone for a while, so that the others are not kept waiting. The protocol has neither
encryption nor passwords: it belongs on a network of its own.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Container
from dataclasses import dataclass

from lamplighter.terms.exchange import Answered, Asked

KEYS: dict[str, tuple[type, ...]] = {"connector": (str,), "map_file": (str,), "timeout_s": (int, float)}
NEEDED = ("connector", "map_file")
TABLES = {"holding": 3, "input": 4}  # function codes: Read Holding Registers, Read Input Registers
HEADER = struct.Struct(">HHHB")  # transaction, protocol (0), bytes that follow, unit
REGISTERS_MAX = 125
WRITE_FUNCTION = 16  # Write Multiple Registers
WRITTEN_MAX = 16  # registers of one write; the standard allows 123, an order needs a handful
ANSWER_MAX_BYTES = 260
LEFT_ALONE_S = 15.0
READ, WRITE = "READ", "WRITE"
Writable = Callable[[str, int, int], Container[int]]  # host, port, unit -> holding registers that may be written there


def path_of(host: str, port: int, unit: int, table: str, at: int, count: int) -> str:
    """Return the path of one reading or writing, as `Asked` carries it: `count` registers of a table from `at` on."""
    return f"/{host}/{port}/{unit}/{table}/{at}/{count}"


@dataclass
class _Line:
    """One connection. silent_until_s: by the monotonic clock, when the address is tried again."""

    connection: socket.socket | None = None
    silent_until_s: float = 0.0
    why: str = ""


class ModbusClient:
    """Asks one question at a time. Answers are the registers' bytes (status 200), or an exception code (502)."""

    def __init__(self, timeout_s: float = 2.0, writable: Writable | None = None) -> None:
        """Prepare to ask; nothing is connected yet. ValueError where the time allowed is out of bounds.

        writable: which holding registers may be written; without it this client only reads.
        """
        if not 0.05 <= timeout_s <= 30.0:
            raise ValueError(f"timeout_s is {timeout_s:g}; allowed is 0.05 to 30 seconds")
        self._timeout_s, self._writable = timeout_s, writable
        self._lines: dict[tuple[str, int], _Line] = {}
        self._transaction = 0

    @property
    def fault(self) -> str:
        """Return which addresses do not answer, at most three by name; empty where all do."""
        wrong = [f"{host}:{port} {line.why}" for (host, port), line in self._lines.items() if line.why]
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return "; ".join(wrong[:3]) + more

    def ask(self, asked: Asked) -> Answered | None:
        """Return the answer, nothing where none came whole. A write is answered without bytes once it is confirmed.

        ValueError for anything that neither reads nor may be written.
        """
        parts = asked.path.split("/")
        writes = asked.method == WRITE and self._writable is not None
        if len(parts) != 7 or parts[4] not in TABLES or not (asked.method == READ or (writes and parts[4] == "holding")):
            raise ValueError(f"{asked.method} {asked.path}: registers are only read, holding or input ones")
        host, port, unit, table = parts[1], int(parts[2]), int(parts[3]), parts[4]
        at, count = int(parts[5]), int(parts[6])
        most = WRITTEN_MAX if writes else REGISTERS_MAX
        if not (0 <= at <= at + count - 1 < 65536 and 1 <= count <= most and 0 <= unit < 256):
            raise ValueError(f"{asked.path}: 1 to {most} registers from 0 to 65535 of units 0 to 255 are allowed")
        question = struct.pack(">BHH", TABLES[table], at, count)
        if writes:
            question = self._writing((host, port, unit), at, count, asked.body)
        line = self._lines.setdefault((host, port), _Line())
        if time.monotonic() < line.silent_until_s:
            return None
        try:
            answer = self._exchange(line, (host, port), unit, question)
        except (OSError, ValueError) as error:
            self._hang_up(line)
            line.why = f"does not answer ({type(error).__name__}: {str(error)[:80]})"
            line.silent_until_s = time.monotonic() + LEFT_ALONE_S
            return None
        line.why = ""
        if answer[0] & 0x80:
            line.why = f"unit {unit} refuses register {at} of {table} (exception {answer[1]})"
            return Answered(502, {"exception": str(answer[1])}, b"")
        if writes and answer == question[:5]:  # what is confirmed is where and how many
            return Answered(200, {}, b"")
        if writes or len(answer) != 2 + 2 * count or answer[1] != 2 * count:
            self._hang_up(line)
            line.why = f"unit {unit} answers {count} registers with {len(answer) - 2} bytes"
            return None
        return Answered(200, {}, answer[2:])

    def _writing(self, whom: tuple[str, int, int], at: int, count: int, body: bytes) -> bytes:
        """Return the question that writes. ValueError, and nothing is sent, where a register is not named as writable."""
        named: Container[int] = self._writable(*whom) if self._writable is not None else ()
        if whom[2] == 0 or len(body) != 2 * count or not all(register in named for register in range(at, at + count)):
            raise ValueError(f"registers {at} to {at + count - 1} of {whom[0]}:{whom[1]} unit {whom[2]} may not be written")
        return struct.pack(">BHHB", WRITE_FUNCTION, at, count, len(body)) + body

    def _exchange(self, line: _Line, address: tuple[str, int], unit: int, question: bytes) -> bytes:
        end_s = time.monotonic() + self._timeout_s
        if line.connection is None:
            line.connection = socket.create_connection(address, timeout=self._timeout_s)
            line.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transaction = (self._transaction + 1) % 65536
        line.connection.settimeout(self._timeout_s)
        line.connection.sendall(HEADER.pack(self._transaction, 0, 1 + len(question), unit) + question)
        head = _whole(line.connection, HEADER.size, end_s)
        transaction, protocol, length, from_unit = HEADER.unpack(head)
        if protocol != 0 or not 3 <= length <= ANSWER_MAX_BYTES - 6:
            raise ValueError("an answer that is not Modbus")
        body = _whole(line.connection, length - 1, end_s)
        if transaction != self._transaction or from_unit != unit or body[0] & 0x7F != question[0]:
            raise ValueError("an answer to another question")
        return body

    def _hang_up(self, line: _Line) -> None:
        if line.connection is not None:
            with contextlib.suppress(OSError):
                line.connection.close()
        line.connection = None

    def close(self) -> None:
        """Hang up everywhere."""
        for line in self._lines.values():
            self._hang_up(line)


def _whole(connection: socket.socket, many: int, end_s: float) -> bytes:
    """Return so many bytes; TimeoutError where they have not come by `end_s` of the monotonic clock."""
    parts = bytearray()
    while len(parts) < many:
        left_s = end_s - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError("the answer did not come in time")
        connection.settimeout(left_s)
        part = connection.recv(many - len(parts))
        if not part:
            raise ConnectionError("it hung up")
        parts += part
    return bytes(parts)
