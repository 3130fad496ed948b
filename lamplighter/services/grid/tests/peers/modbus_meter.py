# SPDX-License-Identifier: Apache-2.0
"""A meter on Modbus TCP by libmodbus (Debian's libmodbus5): `python modbus_meter.py '[["input", 0, "int16", 230]]' [SLOW_S]`.

Writes its port, then answers one connection after the other. Values are laid into registers by libmodbus itself.
"""

import ctypes
import json
import socket
import sys
import time
from typing import Any

REGISTERS = 200


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


def main() -> None:
    """Serve until killed."""
    library: Any = ctypes.CDLL("libmodbus.so.5")
    library.modbus_new_tcp.restype = ctypes.c_void_p
    library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", 0))
    mapping = library.modbus_mapping_new(0, 0, REGISTERS, REGISTERS)
    for table, at, kind, value in json.loads(sys.argv[1]):
        tab = mapping.contents.tab_input_registers if table == "input" else mapping.contents.tab_registers
        place = ctypes.byref(tab.contents, 2 * at)
        if kind == "int16":
            tab[at] = int(value) & 0xFFFF
        elif kind == "int32":
            tab[at], tab[at + 1] = (int(value) >> 16) & 0xFFFF, int(value) & 0xFFFF
        else:
            getattr(library, f"modbus_set_{kind}")(ctypes.c_float(value), place)
    slow_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    listener = library.modbus_tcp_listen(context, 4)
    with socket.socket(fileno=listener) as here:
        sys.stdout.write(f"{here.getsockname()[1]}\n")
        sys.stdout.flush()
        at_socket, query = ctypes.c_int(listener), (ctypes.c_uint8 * 260)()
        while True:
            library.modbus_tcp_accept(context, ctypes.byref(at_socket))
            while (length := library.modbus_receive(context, query)) != -1:
                time.sleep(slow_s)
                library.modbus_reply(context, query, length, mapping)
            library.modbus_close(context)


if __name__ == "__main__":
    main()
