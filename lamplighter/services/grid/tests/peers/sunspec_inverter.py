# SPDX-License-Identifier: Apache-2.0
"""An inverter on Modbus TCP by libmodbus (Debian's libmodbus5): `sunspec_inverter.py '{"base": 40000, "words": "53756e53"}'`.

Writes its port, then answers any number of connections; its registers are those given. Where `control` names the registers of a
set-point (enabled, its timer, what is left of it, what it goes back to), it counts that timer down and ends the set-point,
`speed` seconds in one. `habit` is how it does otherwise: deaf (confirms writes and forgets them), endless (lets the time run
out and goes on), timeless (never starts its timer), refuses (answers a write with an exception), follows (measures what is set,
at the time that is written to its standard input).
"""

import ctypes
import json
import os
import select
import socket
import sys
import time
from typing import Any

WRITES = (6, 16)
ILLEGAL_FUNCTION = 1


class Mapping(ctypes.Structure):
    """modbus_mapping_t of libmodbus 3.1."""

    _fields_ = (
        *((name, ctypes.c_int) for name in (
            "nb_bits", "start_bits", "nb_input_bits", "start_input_bits", "nb_input_registers", "start_input_registers",
            "nb_registers", "start_registers",
        )),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)), ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)), ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    )  # fmt: skip


class Inverter:
    """The registers, and the timer of the set-point."""

    def __init__(self, told: dict[str, Any], tab: Any) -> None:
        """Lay out the registers."""
        self.tab, self.base = tab, int(told["base"])
        self.control, self.habit, self.speed = told.get("control", {}), told.get("habit", ""), float(told.get("speed", 1.0))
        self.begun_s: float | None = None
        self.told_s = 0.0
        for at, word in enumerate(words_of(told)):
            tab[at] = word

    def get(self, name: str) -> int:
        """Return a number of one register, or of two."""
        at, count = self.control[name]
        return sum(self.tab[at - self.base + n] << 16 * (count - 1 - n) for n in range(count))

    def put(self, name: str, number: int) -> None:
        """Set a number of one register, or of two."""
        at, count = self.control[name]
        for n in range(count):
            self.tab[at - self.base + n] = number >> 16 * (count - 1 - n) & 0xFFFF

    def now_s(self) -> float:
        """Return the time by which it lives."""
        return self.told_s if self.habit == "follows" else time.monotonic() * self.speed

    def written(self) -> None:
        """Begin the time anew, where a set-point counts."""
        if self.control and self.habit != "timeless":
            self.begun_s = self.now_s() if self.get("enabled") and self.get("timer") else None

    def pass_time(self) -> None:
        """Let the timer run."""
        if self.begun_s is None:
            return
        left = max(0.0, self.get("timer") - (self.now_s() - self.begun_s))
        if "left" in self.control:
            self.put("left", int(left))
        if left == 0.0 and self.habit != "endless":
            self.begun_s = None
            self.put("enabled", self.get("after") if "after" in self.control else 0)

    def follow(self) -> None:
        """Supply what the set-point says; its number and that of the measurement count the same."""
        if self.habit == "follows":
            self.put("measured", self.get("value") & 0xFFFF if self.get("enabled") else 0)


def words_of(told: dict[str, Any]) -> list[int]:
    """Return the registers as numbers."""
    octets = bytes.fromhex(told["words"])
    return [octets[at] << 8 | octets[at + 1] for at in range(0, len(octets), 2)]


def main() -> None:
    """Serve until killed."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    library: Any = ctypes.CDLL("libmodbus.so.5")
    library.modbus_new_tcp.restype = ctypes.c_void_p
    new = library.modbus_mapping_new_start_address
    new.restype = ctypes.POINTER(Mapping)
    context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", 0))
    many = len(words_of(told))
    mapping, forgotten = (new(0, 0, 0, 0, told["base"], many, 0, 0) for _ in range(2))
    inverter = Inverter(told, mapping.contents.tab_registers)
    with socket.socket(fileno=library.modbus_tcp_listen(context, 8)) as here:
        sys.stdout.write(f"{here.getsockname()[1]}\n")
        sys.stdout.flush()
        peers: list[socket.socket] = []
        query = (ctypes.c_uint8 * 260)()
        while True:
            hears = [sys.stdin] if inverter.habit == "follows" else []
            ready, _, _ = select.select([*hears, here, *peers], [], [], 0.05)
            if sys.stdin in ready:
                inverter.told_s = float(os.read(sys.stdin.fileno(), 65536).split()[-1])
            inverter.pass_time()
            inverter.follow()
            if here in ready:
                peers.append(here.accept()[0])
            for peer in [peer for peer in peers if peer in ready]:
                library.modbus_set_socket(context, peer.fileno())
                length = library.modbus_receive(context, query)
                if length == -1:
                    peers.remove(peer)
                    peer.close()
                    continue
                writes = query[7] in WRITES
                if writes and inverter.habit == "refuses":
                    library.modbus_reply_exception(context, query, ILLEGAL_FUNCTION)
                    continue
                library.modbus_reply(context, query, length, forgotten if writes and inverter.habit == "deaf" else mapping)
                if writes:
                    inverter.written()


if __name__ == "__main__":
    main()
