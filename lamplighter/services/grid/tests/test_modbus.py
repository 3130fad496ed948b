# SPDX-License-Identifier: Apache-2.0
"""Meters on Modbus TCP, against libmodbus in a process of its own: registers, units, word order, what answers wrongly or late."""

import ctypes.util
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamplighter.connectors.modbus import ModbusClient, path_of
from lamplighter.runtime.wiring import WiringError, read_wiring
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.modbus import Meters, meters_of
from lamplighter.services.grid.wire import END_ROW, ENDS, STATION_ROW, STATIONS, decode_rows
from lamplighter.terms.exchange import Asked
from lamplighter.terms.reading import Message

PEER = Path(__file__).parent / "peers" / "modbus_meter.py"
NUMBERS = {"T1": (0, True), "T2": (1, True), "E1": (0, False)}
# A station's meter with the words of its floats the other way round, and a street end's that counts tenths of a volt.
STATION = [
    *(["input", at, "float_dcba", volts] for at, volts in ((0, 231.0), (2, 232.0), (4, 233.0))),
    ["input", 12, "float_dcba", 123456.0], ["input", 14, "float_dcba", -7890.0], ["holding", 100, "int16", 713],
]  # fmt: skip
END = [["holding", 7, "int16", 3987]]
WORDS = {"type": "float32", "words": "little", "table": "input"}
KINDS: dict[str, Any] = {
    "panel": {
        "u": {"at": [1, 3, 5], "first": 1, "unit": "V_to_neutral", **WORDS}, "p": {"at": 12, "unit": "W", **WORDS},
        "q": {"at": 14, "unit": "var", **WORDS}, "oil": {"at": 100, "type": "int16", "unit": "degC", "scale": 0.1},
    },
    "street": {"u": {"at": 7, "type": "int16", "unit": "V", "scale": 0.1}},
}  # fmt: skip


@contextmanager
def meter(registers: list[Any], slow_s: float = 0.0) -> Generator[int, None, None]:
    """Run libmodbus with these registers; its port."""
    if ctypes.util.find_library("modbus") is None:
        pytest.skip("libmodbus is not installed: the Modbus peer cannot run (scripts/debian-packages.sh names it)")
    process = subprocess.Popen([sys.executable, str(PEER), json.dumps(registers), str(slow_s)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def map_of(*meters: tuple[str, str, int], kinds: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a map of meters (asset, kind, port)."""
    rows = [{"asset": asset, "kind": kind, "host": "127.0.0.1", "port": port} for asset, kind, port in meters]
    return {"kind": KINDS if kinds is None else kinds, "meter": rows, "period_s": 10}


def sweep(dialect: Meters, client: ModbusClient, now_s: float) -> None:
    """Read all that is due."""
    while (asked := dialect.next_request(now_s)) is not None:
        dialect.answered(client.ask(asked), now_s)


def test_registers_become_the_mean_of_a_minute_in_the_units_of_the_wire() -> None:
    """Three voltages to neutral with swapped words, watts, vars, tenths: as libmodbus laid them into the registers."""
    with meter(STATION) as station, meter(END) as end:
        dialect = Meters(*meters_of(map_of(("T2", "panel", station), ("E1", "street", end)), NUMBERS))
        client = ModbusClient(2.0)
        for now_s in (600.0, 610.0, 655.0):
            sweep(dialect, client, now_s)
        assert dialect.readings(659.0) == ()
        told = {reading.topic: reading.payload for reading in dialect.readings(660.0)}
        client.close()
    window, rows = decode_rows(told[STATIONS], STATION_ROW) or (0, np.zeros(0, STATION_ROW))
    assert (window, rows["number"].tolist(), rows["warm"].tolist(), rows["oil_100mc"].tolist()) == (10, [1], [1], [713])
    assert rows["p_10w"][0] == 12346
    assert rows["q_10var"][0] == -789
    assert rows["u_10mv"][0] == round(232.0 * np.sqrt(3.0) * 100.0)
    window, rows = decode_rows(told[ENDS], END_ROW) or (0, np.zeros(0, END_ROW))
    assert (window, rows["number"].tolist(), rows["u_10mv"].tolist()) == (10, [0], [39870])
    assert dialect.fault() == ""
    assert dialect.readings(661.0) == ()


def test_every_order_of_words_and_bytes_is_read_one_way() -> None:
    """The same number laid by libmodbus in its four orders: each is given by one of the map's four readings, each by another."""
    right: list[tuple[str, str]] = []
    orders = [["holding", 20 + 2 * n, f"float_{order}", 398.75] for n, order in enumerate(("abcd", "badc", "cdab", "dcba"))]
    with meter(orders) as port:
        client = ModbusClient(2.0)
        for n in range(4):
            for words, swapped in ((a, b) for a in ("big", "little") for b in ("big", "little")):
                kinds = {"k": {"u": {"at": 20 + 2 * n, "type": "float32", "unit": "V", "words": words, "bytes": swapped}}}
                dialect = Meters(*meters_of(map_of(("E1", "k", port), kinds=kinds), NUMBERS))
                sweep(dialect, client, 0.0)
                told = [decode_rows(reading.payload, END_ROW) for reading in dialect.readings(60.0)]
                right += [(words, swapped) for batch in told if batch and batch[1]["u_10mv"][0] == 39875]
        client.close()
    assert len(right) == len(set(right)) == 4


def test_what_answers_wrongly_or_late_is_told_and_tells_nothing() -> None:
    """A register that is not there, a meter that is slow, one that is away, one that talks nonsense: none stops the others."""
    with meter(END) as good, meter(END, slow_s=1.0) as slow, garbage() as odd, socket.create_server(("127.0.0.1", 0)) as unused:
        away = int(unused.getsockname()[1])
        unused.close()
        kinds = {**KINDS, "beyond": {"u": {"at": 5000, "type": "int16", "unit": "V"}}}
        rows = [
            ("E1", "street", good),
            ("E2", "street", slow),
            ("E3", "street", away),
            ("E4", "street", odd),
            ("E5", "beyond", good),
        ]
        numbers = {f"E{n}": (n - 1, False) for n in range(1, 6)}
        dialect, client = Meters(*meters_of(map_of(*rows, kinds=kinds), numbers)), ModbusClient(0.2)
        begin = time.monotonic()
        sweep(dialect, client, 0.0)
        assert time.monotonic() - begin < 5.0
        told = [decode_rows(reading.payload, END_ROW) for reading in dialect.readings(60.0)]
        assert [batch[1]["number"].tolist() for batch in told if batch] == [[0]]
        assert "4 of 5 meters tell nothing (E2, E3, E4)" in dialect.fault()
        answer = client.ask(Asked("READ", path_of("127.0.0.1", good, 1, "holding", 5000, 1), "", {}, b""))
        assert answer is not None
        assert (answer.status, answer.headers["exception"]) == (502, "2")  # illegal data address
        assert f"127.0.0.1:{slow} does not answer" in client.fault
        client.close()


@contextmanager
def garbage() -> Generator[int, None, None]:
    """Answer every question with bytes that are none of Modbus."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    here, _ = listener.accept()
                    with here:
                        here.recv(260)
                        here.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5.0)


def test_there_is_no_way_to_write() -> None:
    """Neither the client nor the dialect knows anything but reading."""
    client = ModbusClient()
    for method, path in (("WRITE", path_of("127.0.0.1", 502, 1, "holding", 0, 1)), ("READ", "/127.0.0.1/502/1/coil/0/1")):
        with pytest.raises(ValueError, match="registers are only read"):
            client.ask(Asked(method, path, "", {}, b""))
    dialect = Meters(*meters_of(map_of(("T1", "panel", 502)), NUMBERS))
    assert not dialect.order((Message("grid/charging/limit", b""),), 0.0)
    assert dialect.answer(Asked("GET", "/", "", {}, b""), 0.0).status == 404


def test_only_named_registers_are_asked_for_and_neighbours_together() -> None:
    """What a meter holds beside (its number, its owner's name) is never read, also where it lies in between."""
    dialect = Meters(*meters_of(map_of(("T1", "panel", 502)), NUMBERS))
    paths: list[str] = []
    while (asked := dialect.next_request(0.0)) is not None and len(paths) < 9:
        paths.append(asked.path.removeprefix("/127.0.0.1/502/1"))
        dialect.answered(type("A", (), {"status": 200, "body": b"\x43\x00" * int(asked.path.rpartition("/")[2])})(), 0.0)  # type: ignore[arg-type]
    assert paths == ["/holding/100/1", "/input/0/6", "/input/12/4"]


def test_a_map_is_told_all_that_is_wrong_with_it_at_once() -> None:
    """A meter of a home, an unknown value, a unit, a type, a station without power: one sentence each."""
    told = map_of(("T1", "street", 502), ("Home 7", "panel", 70000))
    told["kind"]["odd"] = {"u": {"at": 0, "type": "float16", "unit": "volts"}, "serial_number": {"at": 3}}
    told["colour"] = "red"
    with pytest.raises(ValueError, match="colour is unknown") as error:
        meters_of(told, NUMBERS)
    for part in ("serial_number: nothing of this name is read", "type is 'float16'", "unit is 'volts'", "a station needs u, p, q",
                 "[[meter]] Home 7: allowed is the id of a station", "port is 70000"):  # fmt: skip
        assert part in str(error.value), part
    del told["kind"]["odd"], told["colour"]


def test_meters_join_the_wire_on_which_orders_go_out(tmp_path: Path) -> None:
    """A wiring file with a table of meters beside the service's own: read at once, and wrong keys are told."""
    with meter(END) as port:
        grid = type("G", (), {"station_id": np.array(["T1"]), "meter_id": np.array(["E1"])})()
        service = replace(SERVICE, prepare=lambda _: type("P", (), {"grid": grid})())
        start: Any = type("Start", (), {"city": None})()
        (tmp_path / "meters.toml").write_text(
            'period_s = 1\n[kind.street]\nu = { at = 7, type = "int16", unit = "V", scale = 0.1 }\n'
            f'[[meter]]\nasset = "E1"\nkind = "street"\nhost = "127.0.0.1"\nport = {port}\n'
        )
        wired = f'[grid]\nconnector = "modbus"\nmap_file = "{tmp_path / "meters.toml"}"\ntimeout_s = 1\n'
        (tmp_path / "wiring.toml").write_text(wired)
        field = read_wiring(tmp_path / "wiring.toml", (service,)).open_field(service, start)
        end_s = time.monotonic() + 20.0
        while field.fault() and time.monotonic() < end_s:
            time.sleep(0.05)
        assert field.fault() == ""
        assert not field.send((Message("grid/charging/limit", b""),), None)
        field.close()
    (tmp_path / "wiring.toml").write_text(
        wired + '[grid.meters]\nconnector = "snmp"\n[grid.more]\nconnector = "modbus"\nfile = 1\n'
    )
    with pytest.raises(WiringError, match=r"\[grid.meters\] connector: is 'snmp', allowed is 'modbus'") as error:
        read_wiring(tmp_path / "wiring.toml", (service,))
    assert "[grid.more] file: unknown" in str(error.value)
    assert "[grid.more] map_file: missing" in str(error.value)
