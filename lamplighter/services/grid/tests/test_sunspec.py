# SPDX-License-Identifier: Apache-2.0
"""Inverters over SunSpec Modbus: found, given set-points that they end themselves, read back by two readers."""

import math
import re
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sunspec2 import device

from lamplighter.connectors.modbus import ModbusClient, path_of
from lamplighter.runtime.wiring import WiringError, read_wiring
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.sunspec.inverters import boxes_of
from lamplighter.services.grid.sunspec.models import LAYOUTS, MEASURED, RATED, RATING_LENGTHS
from lamplighter.services.grid.sunspec.talks import Expected
from lamplighter.services.grid.tests.sunspec_field import OLD, inverter, of_model, sets, wired
from lamplighter.terms.exchange import Answered, Asked
from lamplighter.terms.reading import Message


def test_every_register_is_where_the_published_definitions_have_it() -> None:
    """All points that are read or written: name, register, type and scale factor as pysunspec2 reads the models."""
    rated = [(model, value) for _, model, value in RATED]
    told = [(model, point) for model, value in rated for point in (value.point, value.scale) if point is not None]
    told += [
        (model, point) for model, (_, value) in MEASURED.items() for point in (value.point, value.scale) if point is not None
    ]
    told += [(layout.model, point) for layout in LAYOUTS for point in layout.points]
    for model, point in told:
        published: Any = device.Model(model).points[point.name]
        assert (published.offset, published.pdef["type"].replace("enum", "uint")) == (point.at, point.kind), (model, point)
    for model, value in rated + [(model, value) for model, (_, value) in MEASURED.items()]:
        assert device.Model(model).points[value.point.name].pdef.get("sf") == (value.scale.name if value.scale else None)
    lengths = RATING_LENGTHS | {model: length for model, (length, _) in MEASURED.items()}
    for model, length in (lengths | {layout.model: layout.length for layout in LAYOUTS}).items():
        assert len(device.Model(model).get_mb()) // 2 - 2 == length, model
    symbols = {row["name"]: row["value"] for row in device.Model(704).points["VarSetMod"].pdef["symbols"]}
    assert (symbols["VARS"], symbols["VAR_MAX_PCT"], symbols["W_MAX_PCT"], symbols["VA_MAX_PCT"]) == (4, 1, 0, 3)
    symbols = {row["name"]: row["value"] for row in device.Model(123).points["VArPct_Mod"].pdef["symbols"]}
    assert (symbols["VArMax"], symbols["WMax"]) == (2, 1)


def test_a_set_point_is_given_with_its_end_first_and_read_by_a_second_reader() -> None:
    """End, read back, set-point, mode, then that it counts; pysunspec2 reads the same in its own words."""
    with inverter() as peer, wired(peer.port) as wire:
        assert not wire.send(5.0, 600.0), "nothing is sent to an inverter of which nothing is known"
        assert wire.run(600.0) == [], "being found, it is not written to"
        assert wire.send(-7.25, 601.0)
        written = wire.run(601.0)
        names = {at: name for name, (at, _) in peer.at.items()}
        assert [names[int(asked.path.split("/")[5])] for asked in written] == [
            "704.VarSetEnaRvrt", "704.VarSetRvrt", "704.VarSetRvrtTms", "704.VarSet", "704.VarSetMod", "704.VarSetEna",
        ]  # fmt: skip
        order = [asked.method for asked in wire.asked[-9:]]
        assert order.index("READ") < len(order) - 1 - order[::-1].index("WRITE"), "the end is read back before the set-point"
        names_of = ("VarSetEna", "VarSetMod", "VarSet", "VarSetRvrtTms", "VarSetEnaRvrt", "VarSetRvrt", "VarSetPri")
        assert peer.points(704, *names_of) == [1, 4, -7250, 900, 0, 0, 0]
        assert 890 <= peer.points(704, "VarSetRvrtRem")[0] <= 900
        wire.run(610.0)
        assert wire.dialect.fault() == ""
        assert wire.rows(660.0) == [(10, 0, 0.0, -7.25)]


@pytest.mark.parametrize("power", [-1, 0, 1, 3])
def test_scale_factors_hold_both_ways(power: int) -> None:
    """Set-point and measurement with tenths, ones, tens and thousands of vars; never more is asked for than was permitted."""
    with inverter(VarSet_SF=power, Var=-20, **of_model(701, Var_SF=max(power, 1))) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.send(9.87, 601.0)
        wire.run(601.0)
        (vars_set,) = peer.points(704, "VarSet")
        step = 10.0**power
        assert vars_set == pytest.approx(math.floor(9870.0 / step) * step)
        wire.run(610.0)
        ((_, _, measured, told),) = wire.rows(660.0)
        assert measured == pytest.approx(-20 * 10.0 ** max(power, 1) / 1000.0)
        assert told == pytest.approx(vars_set / 1000.0, abs=0.005)


def test_percent_of_what_is_injected_and_taken_where_vars_cannot_be_set() -> None:
    """Without VarSet the same goes in percent: 6 kvar of 24 injected are 25 %, of 18 taken 33.3 %, and read back as kvar."""
    with inverter(VarSet=None, VarMaxInj=240) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        for now_s, kvar, percent in ((601.0, 6.0, 25.0), (631.0, -6.0, -33.3)):
            assert wire.send(kvar, now_s)
            wire.run(now_s)
            assert peer.points(704, "VarSetEna", "VarSetMod", "VarSetPct") == [1, 1, pytest.approx(percent)]
            wire.run(now_s + 10.0)
        assert wire.rows(660.0) == [(10, 0, 0.0, pytest.approx(-5.99))]


def test_handed_back_at_once_and_only_where_something_is_held() -> None:
    """A return disables the set-point; where none is held, nothing is written."""
    with inverter() as peer, wired(peer.port) as wire:
        assert not wire.send(None, 599.0), "not read yet: it may hold something from before a restart"
        assert not wire.dialect.waiting()
        wire.run(600.0)
        assert wire.send(None, 600.0)
        assert wire.run(600.0) == []
        assert wire.send(6.0, 601.0)
        wire.run(601.0)
        assert wire.send(None, 602.0)
        assert wire.dialect.waiting()
        assert len(wire.run(602.0)) == 1
        assert not wire.dialect.waiting()
        assert peer.points(704, "VarSetEna", "VarSet") == [0, 6000]
        wire.run(610.0)
        assert wire.rows(660.0) == [(10, 0, 0.0, 0.0)]


def test_the_inverter_ends_the_set_point_itself() -> None:
    """Nobody speaks any more: its own timer ends the set-point, and who comes back reads that it ended."""
    with inverter(speed=100.0) as peer:
        with wired(peer.port) as wire:
            wire.run(600.0)
            assert wire.send(6.0, 601.0, duration_s=60)
            wire.run(601.0)
            assert peer.points(704, "VarSetEna") == [1]
        time.sleep(0.8)
        assert peer.points(704, "VarSetEna", "VarSetRvrtRem") == [0, 0]
        with wired(peer.port) as wire:
            wire.run(660.0)
            assert wire.rows(720.0) == [(11, 0, 0.0, 0.0)]
            assert wire.dialect.fault() == ""


def test_after_a_restart_and_after_others_what_is_read_counts() -> None:
    """A second dialect without memory tells the set-point that the first gave; one that another master changed is told too."""
    with inverter() as peer:
        with wired(peer.port) as wire:
            wire.run(600.0)
            assert wire.send(6.0, 601.0)
            wire.run(601.0)
        with wired(peer.port) as wire:
            assert wire.run(610.0) == []
            peer.put(704, VarSet=-2500)
            wire.run(620.0)
            assert wire.rows(660.0) == [(10, 0, 0.0, -2.5)]
            assert wire.send(None, 661.0)
            assert len(wire.run(661.0)) == 1
            peer.put(704, VarSet=1200, VarSetRvrtTms=0, VarSetEna=1)
            wire.run(670.0)
            assert wire.send(6.0, 671.0)
            assert wire.run(671.0) == [], "a set-point without an end is another's"
            assert "obeys a set-point without an end" in wire.dialect.fault()
            assert wire.rows(720.0) == [(11, 0, 0.0, 1.2)]


def test_a_renewal_counts_down_from_the_start() -> None:
    """The same set-point once more begins its time anew."""
    with inverter(speed=100.0) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        for now_s in (601.0, 602.0):
            assert wire.send(6.0, now_s, duration_s=900)
            wire.run(now_s)
            time.sleep(1.0)
        assert 700 <= peer.points(704, "VarSetRvrtRem")[0] <= 810


@pytest.mark.parametrize("base", [0, 50000])
def test_the_map_is_found_where_it_may_begin(base: int) -> None:
    with inverter(base=base) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.dialect.fault() == ""
        assert wire.send(6.0, 601.0)
        wire.run(601.0)
        assert peer.points(704, "VarSetEna", "VarSet") == [1, 6000]


def test_the_minute_is_the_mean_of_what_was_measured() -> None:
    with inverter() as peer, wired(peer.port) as wire:
        for now_s, vars_measured in ((600.0, 1000), (610.0, 2000), (655.0, 6000)):
            peer.put(701, Var=vars_measured)
            wire.run(now_s)
        assert wire.rows(659.0) == []
        assert wire.rows(660.0) == [(10, 0, 3.0, 0.0)]
        assert wire.rows(661.0) == []


def test_older_inverters_are_steered_in_percent_with_their_own_timer() -> None:
    """Models 103, 120, 121 and 123: 4.5 of 18 kvar are 25 %; the waiting time is taken away, the timer ends it."""
    with inverter(OLD, VAr=-3210, speed=100.0) as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.dialect.fault() == ""
        assert wire.send(-4.5, 601.0, duration_s=60)
        wire.run(601.0)
        names = ("VArPct_Ena", "VArPct_Mod", "VArMaxPct", "VArPct_RvrtTms", "VArPct_WinTms")
        assert peer.points(123, *names) == [1, 2, pytest.approx(-25.0), 60, 0]
        wire.run(602.0)
        wire.run(610.0)
        time.sleep(0.8)
        assert peer.points(123, "VArPct_Ena") == [0]
        assert wire.rows(660.0) == [(10, 0, -3.21, -4.5)]
        wire.run(660.0)
        assert wire.rows(720.0) == [(11, 0, -3.21, 0.0)]


def test_nothing_is_read_but_headers_nameplate_control_and_vars() -> None:
    """Serial number, names, energy and the owner's power stay where they are."""
    with inverter() as peer, wired(peer.port) as wire:
        wire.run(600.0)
        assert wire.send(6.0, 601.0)
        wire.run(601.0)
        wire.run(610.0)
    read = {
        register
        for asked in wire.asked
        for register in range(int(asked.path.split("/")[5]), sum(map(int, asked.path.split("/")[5:7])))
    }
    points = {register: name for name, (at, count) in peer.at.items() for register in range(at, at + count)}
    names = {points[register] for register in read if register in points and not points[register].endswith((".ID", ".L"))}
    assert {name for name in names if name.startswith(("1.", "701."))} == {"701.Var", "701.Var_SF"}
    assert all(name.startswith(("702.", "704.VarSet")) or name in ("704.WSetPct_SF",) for name in names if name[:4] != "701.")


def test_meters_cannot_write_and_inverters_only_what_is_named() -> None:
    """A client opened without a word on writing has no way to; one with it is held to the registers that are named."""
    with inverter() as peer:
        at = peer.at["704.VarSetEna"][0]
        path = path_of("127.0.0.1", peer.port, 1, "holding", at, 1)
        reader = ModbusClient()
        with pytest.raises(ValueError, match="registers are only read"):
            reader.ask(Asked("WRITE", path, "", {}, b"\0\1"))
        writer = ModbusClient(1.0, lambda host, port, unit: {at} if (port, unit) == (peer.port, 1) else set[int]())
        answer = writer.ask(Asked("WRITE", path, "", {}, b"\0\1"))
        assert answer == Answered(200, {}, b"")
        for wrong, body in (
            (path_of("127.0.0.1", peer.port, 1, "holding", at, 2), b"\0\1\0\1"),
            (path_of("127.0.0.1", peer.port, 1, "holding", at + 1, 1), b"\0\1"),
            (path_of("127.0.0.1", peer.port, 2, "holding", at, 1), b"\0\1"),
            (path_of("127.0.0.1", peer.port, 0, "holding", at, 1), b"\0\1"),
            (path, b"\0\1\0\1"),
            (path, b""),
            (path_of("127.0.0.1", peer.port, 1, "input", at, 1), b"\0\1"),
        ):
            with pytest.raises(ValueError, match=r"may not be written|only read"):
                writer.ask(Asked("WRITE", wrong, "", {}, body))
        assert peer.points(704, "VarSetEna", "VarSetMod") == [1, 0]
        reader.close()
        writer.close()


def test_from_the_wiring_file_to_the_register_and_back(tmp_path: Path) -> None:
    """Limits go out on the service's first wire and set-points on their own; closing lets the return go out."""
    table = type("I", (), {"id": np.array(["I0", "I1"]), "q_max_kvar": np.full(2, 18.0), "sn_kva": np.full(2, 30.0)})()
    none = np.zeros(0, np.str_)
    grid = type("G", (), {"inverters": table, "station_id": none, "meter_id": np.array(["E1"])})()
    service = replace(SERVICE, prepare=lambda _: type("P", (), {"grid": grid})())
    start: Any = type("Start", (), {"city": None})()
    with inverter() as peer, inverter(OLD) as other:
        (tmp_path / "meters.toml").write_text(
            '[kind.k]\nu = { at = 7, type = "int16", unit = "V" }\n'
            f'[[meter]]\nasset = "E1"\nkind = "k"\nhost = "127.0.0.1"\nport = {peer.port}\n'
        )
        wired = f'[grid]\nconnector = "modbus"\nmap_file = "{tmp_path / "meters.toml"}"\n'
        for name, port in (("I0", peer.port), ("I1", other.port)):
            file = tmp_path / f"{name}.toml"
            file.write_text(f'period_s = 1\n[[inverter]]\nasset = "{name}"\nhost = "127.0.0.1"\nport = {port}\nunit = 1\n')
            wired += f'[grid.{name}]\nconnector = "sunspec"\nmap_file = "{file}"\ntimeout_s = 1\n'
        (tmp_path / "wiring.toml").write_text(wired)
        field = read_wiring(tmp_path / "wiring.toml", (service,)).open_field(service, start)
        try:
            end_s = time.monotonic() + 20.0
            while "inverter I" in field.fault() and time.monotonic() < end_s:
                time.sleep(0.05)
            assert "inverter I" not in field.fault()
            assert not field.send((sets((0, 6.0, 900)),), time.time() - 60.0), "an order for another moment"
            assert field.send((sets((0, 6.0, 900), (1, -9.0, 900)),), time.time())
            assert not field.send((Message("grid/charging/limit", b""),), time.time()), "the first wire only reads"
            while peer.points(704, "VarSetEna") + other.points(123, "VArPct_Ena") != [1, 1] and time.monotonic() < end_s:
                time.sleep(0.05)
            assert peer.points(704, "VarSetEna", "VarSet") == [1, 6000]
            assert other.points(123, "VArPct_Ena", "VArMaxPct") == [1, pytest.approx(-50.0)]
            assert field.send((sets((0, None, 0), (1, None, 0)),), None)
        finally:
            field.close()
        assert peer.points(704, "VarSetEna") + other.points(123, "VArPct_Ena") == [0, 0]
    (tmp_path / "wiring.toml").write_text('[grid]\nconnector = "sunspec"\nhost = "x"\n')
    with pytest.raises(WiringError, match="host: unknown") as error:
        read_wiring(tmp_path / "wiring.toml", (service,))
    assert "map_file: missing" in str(error.value)


def test_the_page_for_engineers_shows_files_that_can_be_read(repository: Path, tmp_path: Path) -> None:
    """The map and the wiring of the page are read; each register that it names is one that is written."""
    text = (repository / "docs" / "how-to" / "steer-inverters.md").read_text(encoding="utf-8")
    table, wired = (
        "\n".join(line.removeprefix("   ") for line in block.splitlines())
        for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    )
    boxes, period_s = boxes_of(tomllib.loads(table), {"ST10.I1": (0, Expected(10.0, 20.0))})
    assert ([box.asset for box in boxes], period_s) == (["ST10.I1"], 10.0)
    (tmp_path / "wiring.toml").write_text(wired)
    assert read_wiring(tmp_path / "wiring.toml", (SERVICE,)).services["grid"]["inverters"]["connector"] == "sunspec"
    named = set(re.findall(r"`(V[Aa]r\w+)`", text[text.index("**What is written**") : text.index("Positive lifts")]))
    values = {way.value.point.name for layout in LAYOUTS for way in layout.modes}
    written = {point.name for layout in LAYOUTS for point in (layout.enabled, layout.mode, layout.timer)}
    written |= {point.name for layout in LAYOUTS for point, _, _ in layout.first} | values
    assert named - {"VarMaxInj", "VarMaxAbs"} == written
