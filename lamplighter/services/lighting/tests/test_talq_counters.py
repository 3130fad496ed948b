# SPDX-License-Identifier: Apache-2.0
"""What a gateway counts and reports besides light and power: days of lamps, conditions, ambient light, rain, holidays."""

import json
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lamplighter.services.lighting import SERVICE, wire
from lamplighter.services.lighting.layout import day_kind, day_outputs
from lamplighter.services.lighting.talq import programme, timetable
from lamplighter.services.lighting.talq.dialect import TalqCms
from lamplighter.services.lighting.talq.intake import Event, Log, Taken
from lamplighter.services.lighting.terms import Settings
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.services.lighting.tests.talq_pair import counted
from lamplighter.services.lighting.tests.test_talq_lamps import Gateway, begun, settle
from lamplighter.services.lighting.tests.test_talq_pair import permits
from lamplighter.services.lighting.upkeep import finding, orders, reading
from lamplighter.services.lighting.upkeep.finding import Day, Reported
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.exchange import DialectStart
from lamplighter.terms.snapshot import Column

NOON_S = EVENING_S - 6 * 3600.0
DAY_S = 86_400.0


@pytest.fixture
def side(small: Small) -> tuple[TalqCms, Gateway]:
    cms, gateway = begun(small)
    settle(cms, gateway, EVENING_S)
    return cms, gateway


def told(cms: TalqCms, small: Small, now_s: float) -> dict[str, dict[int, float]]:
    """Return what the minute that ends now said: quantity to asset to value."""
    frames = np.frombuffer(wire.decode(cms.readings(now_s), small.layout), dtype=wire.FRAME)
    out: dict[str, dict[int, float]] = {}
    for row in frames:
        quantity = SERVICE.quantity(small.layout.vocabulary[int(row["quantity"])])
        out.setdefault(quantity.name, {})[int(row["asset"])] = float(row["value"]) * quantity.step
    return out


def test_a_lamp_that_counts_itself_has_the_registers_of_its_day(small: Small, side: tuple[TalqCms, Gateway]) -> None:
    cms, gateway = side
    own = [gateway.address[gateway.lamps[k]] for k in (0, 1, 2)]

    def registers(day: int, hours: float, kwh: float, addresses: list[str]) -> dict[str, dict[int, float]]:
        at_s = NOON_S + day * DAY_S
        rows = [Taken(a, "m", "activeEnergy", 1000.0 * (7.0 + kwh), at_s - 3600.0) for a in addresses]
        rows += [Taken(a, "m", "operatingHours", 100.0 + hours, at_s - 3600.0) for a in addresses]
        cms.collector.heard(Log(tuple(rows), (), 0))
        return told(cms, small, at_s + 60.0)

    registers(1, 0.0, 0.0, own)
    assert "lamp_burn_h" not in registers(2, 10.0, 0.2, own), "the day before was not seen from its beginning"
    night_s = NOON_S + 2 * DAY_S + 8 * 3600.0
    for minute in range(60):  # an hour at half output; the third lamp is heard for half of it
        at_s = night_s + 60.0 * minute
        heard = own if minute < 30 else own[:2]
        cms.collector.heard(Log(tuple(Taken(a, "a", "actualLightState", 50.0, at_s) for a in heard), (), 0))
        cms.readings(at_s)
    found = registers(3, 11.0, 0.23, own)
    lamps = small.layout.lamp_asset[:2].tolist()
    assert found["lamp_energy_kwh"] == {lamp: pytest.approx(0.03) for lamp in lamps}
    assert found["lamp_burn_h"] == {lamp: pytest.approx(1.0) for lamp in lamps}
    assert found["lamp_light_h"] == {lamp: pytest.approx(0.5) for lamp in lamps}
    assert "lamp_burn_h" not in registers(4, 3.0, 0.1, own), "a counter that was set back says nothing"


def event(gateway: Gateway, lamp: int, name: str, begins: bool) -> Log:
    return Log((), (Event(gateway.address[gateway.lamps[lamp]], name, begins, EVENING_S),), 0)


def test_conditions_are_counted_by_cabinet_and_end_with_their_own_event(small: Small, side: tuple[TalqCms, Gateway]) -> None:
    cms, gateway = side
    cabinet_of = small.layout.segments.cabinet[small.layout.lamp_segment]
    lamp = int(np.flatnonzero(cabinet_of == 1)[0])
    asset = int(small.layout.cabinet_asset[1])
    for name in ("lampFailure", "dimmingFailure"):
        cms.collector.heard(event(gateway, lamp, name, begins=True))
    cms.collector.heard(event(gateway, lamp + 1, "communicationFailure", begins=True))
    found = told(cms, small, EVENING_S + 60.0)
    assert (found["failed_lamps"][asset], found["unreached_lamps"][asset], found["supply_lost"][asset]) == (1.0, 1.0, 0.0)
    assert set(found["failed_lamps"]) == set(small.layout.cabinet_asset.tolist())
    assert sum(found["failed_lamps"].values()) == 1.0
    cms.collector.heard(event(gateway, lamp, "dimmingFailure", begins=False))
    assert told(cms, small, EVENING_S + 61.0)["failed_lamps"][asset] == 1.0, "its lamp failure still holds"
    assert cms.open_events() == {"lamp_failed": 1, "out_of_touch": 1}
    cms.collector.heard(event(gateway, lamp, "lampFailure", begins=False))
    assert told(cms, small, EVENING_S + 62.0)["failed_lamps"][asset] == 0.0
    for one in np.flatnonzero(cabinet_of == 1).tolist():
        assert told(cms, small, EVENING_S + 63.0)["supply_lost"][asset] == 0.0, "one lamp without supply is no dark cabinet"
        cms.collector.heard(event(gateway, int(one), "supplyLoss", begins=True))
    assert told(cms, small, EVENING_S + 64.0)["supply_lost"][asset] == 1.0


def test_what_the_field_reports_itself_becomes_orders_and_sentences(small: Small) -> None:
    layout = small.layout
    lamps, cabinets = len(layout.lamp_asset), len(layout.cabinet_asset)
    segment = layout.lamp_segment
    burn = np.full(lamps, 14.0)
    watts = finding.expected_kwh(burn, burn, layout)
    metered = np.bincount(layout.segments.cabinet[segment], weights=watts, minlength=cabinets).astype(np.float64)
    every, lit = np.ones(lamps, dtype=np.bool_), np.ones(cabinets, dtype=np.bool_)
    fine = Day(watts, burn, burn, every, metered, lit, lit, np.full(len(layout.segments.lamps), 14.0))
    failed, unreached = np.zeros(cabinets, dtype=np.int64), np.zeros(cabinets, dtype=np.int64)
    failed[2], unreached[0] = 3, 4
    lost = np.arange(cabinets) == 1
    found = finding.find(replace(fine, reported=Reported(failed, unreached, lost)), layout)
    assert found.cabinet.tolist() == [finding.DARK_CABINET if k == 1 else finding.FINE for k in range(cabinets)]
    assert found.told.tolist() == [3 if k == 2 else 0 for k in range(cabinets)]
    made = orders.ranked(found, np.zeros(len(layout.segments.design)), layout)
    assert sorted(order.asset for order in made) == sorted(
        str(layout.asset_id[int(layout.cabinet_asset[k]) - layout.start]) for k in (1, 2)
    )
    assert any("3 of its lamps report a failure" in order.what for order in made)
    assert finding.find(fine, layout).told.sum() == 0
    snapshot = small.snapshot(EVENING_S, {})

    def column(values: FloatArray, at_s: float) -> Column:
        whole = np.zeros(layout.size)
        whole[layout.cabinet_asset - layout.start] = values
        return Column(whole, np.full(layout.size, at_s), np.ones(layout.size, dtype=np.bool_))

    values = {name: each.astype(np.float64) for name, each in (("failed_lamps", failed), ("unreached_lamps", unreached))}
    values["supply_lost"] = lost.astype(np.float64)
    now = replace(snapshot, latest={**snapshot.latest, **{k: column(v, EVENING_S - 60.0) for k, v in values.items()}})
    said = [" ".join(SERVICE.explain(now, layout, int(a))) for a in layout.cabinet_asset]
    assert "4 of its lamps are not reached; that is the radio's" in said[0]
    assert "its supply is lost" in said[1]
    assert "3 of its lamps report a failure themselves" in said[2]
    old = replace(snapshot, latest={**snapshot.latest, **{k: column(v, EVENING_S - 3600.0) for k, v in values.items()}})
    stale = reading.reported(old, layout)
    assert stale is not None
    assert stale.failed.sum() == 0
    assert not stale.lost.any(), "what was said an hour ago is not said now"
    assert reading.reported(snapshot, layout) is None


def test_ambient_light_and_rain_come_from_what_was_set_up_to_speak_for_a_cell(
    small: Small, side: tuple[TalqCms, Gateway]
) -> None:
    cms, gateway = side
    cell = str(small.layout.asset_id[int(small.layout.cell_asset[1]) - small.layout.start])

    def sensor(address: str, asset: str) -> dict[str, object]:
        basic = {"id": "b", "type": "BasicFunction", "assetId": {"type": "AttributeString", "value": asset}}
        light, rain = {"id": "l", "type": "LightSensorFunction"}, {"id": "r", "type": "PrecipitationSensorFunction"}
        return {"address": address, "name": "x", "class": "sensor", "functions": [basic, light, rain]}

    mine, other = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    members = {**gateway.registration().members, mine: sensor(mine, cell), other: sensor(other, "photocell on a roof")}
    cms.collector.pair(members)
    begin_s = EVENING_S // 900 * 900
    asset = int(small.layout.cell_asset[1])
    found: dict[str, dict[int, float]] = {}
    for minute in range(1, 31):
        at_s = begin_s + 60.0 * minute
        rows = [Taken(mine, "l", "lightLevel", 4.0 if minute <= 15 else 7.5, at_s), Taken(other, "l", "lightLevel", 900.0, at_s)]
        rows.append(Taken(mine, "r", "precipitationRate", 2.0 if minute in (20, 21) else 0.0, at_s))
        cms.collector.heard(Log(tuple(rows), (), 0))
        now = told(cms, small, at_s)
        if minute % 15 == 0:
            found = {name: now.get(name, {}) for name in ("ambient_lx", "wet_share")}
            if minute == 15:
                assert found == {"ambient_lx": {asset: pytest.approx(4.0)}, "wet_share": {asset: pytest.approx(0.0)}}
    assert found["ambient_lx"] == {asset: pytest.approx(7.5)}
    assert found["wet_share"][asset] == pytest.approx(11 / 15, abs=0.006)  # from the rain on
    noon_s = NOON_S // 900 * 900 + DAY_S
    for minute in range(1, 16):
        cms.collector.heard(Log((Taken(mine, "l", "lightLevel", 900.0, noon_s + 60.0 * minute),), (), 0))
        assert "ambient_lx" not in told(cms, small, noon_s + 60.0 * minute), "by day it is the sun's"


def test_with_whole_percents_as_the_citys_step_a_permit_is_what_goes_out(small: Small) -> None:
    city = replace(small.city, settings=Settings(lamp_fault_share=0.0, output_step_share=0.01))
    whole = Small(city, SERVICE.prepare(city))
    percents = whole.layout.class_share * 100.0
    assert np.abs(percents - np.rint(percents)).max() < 1e-9
    assert (whole.layout.class_share >= small.layout.class_share - 1e-9).all()
    assert (whole.layout.class_share < small.layout.class_share + 0.01).all()
    cms, gateway = begun(whole)
    settle(cms, gateway, EVENING_S)
    assert "whole ones" not in cms.standing()
    half_percent = begun(small)[0]
    assert "output_step_share = 0.01" in half_percent.standing()
    now_s = EVENING_S + 60.0
    share = float(whole.layout.class_share[0, 1])
    assert cms.order(SERVICE.encode(permits(whole, share, now_s), whole.layout), now_s)
    settle(cms, gateway, now_s, 1)
    sent = {one["targetCommand"]["state"]["value"] for one in gateway.of("POST", "override-commands")}
    assert sent == {round(share * 100.0)}


@pytest.mark.parametrize(("step", "said"), [(0.007, "a multiple of 0.005"), (0.0125, "a multiple of 0.005")])
def test_a_step_that_no_command_can_carry_is_refused(step: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(output_step_share=step)


def test_the_calendar_that_is_installed_knows_the_citys_holidays(small: Small) -> None:
    city = replace(small.city, settings=Settings(lamp_fault_share=0.0, holidays=("2026-01-14", "2026-12-25", "2020-01-01")))
    layout = SERVICE.prepare(city)
    holiday = datetime(2026, 1, 14, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    assert day_kind(holiday, layout.local) == day_kind(holiday + 3 * DAY_S, layout.local)
    assert timetable.holidays_ahead(layout, EVENING_S) == ["2026-01-14", "2026-12-25"]
    assert np.array_equal(day_outputs(layout), day_outputs(small.layout)), "a day of work is one without a holiday"
    calendar = programme.calendar_of("c", "o", "work", "rest", timetable.holidays_ahead(layout, EVENING_S))
    held = {name: programme.programme_of(name, "o", [(0, percent)]) for name, percent in (("work", 80), ("rest", 40))}
    for day, percent in ((date(2026, 1, 13), 80), (date(2026, 1, 14), 40), (date(2026, 1, 17), 40), (date(2026, 1, 19), 80)):
        moment = programme.Moment(day, 80_000, 60_000, 30_000)
        assert programme.percent_at(calendar, held, moment) == percent
    json.dumps(calendar)


def test_only_what_is_announced_is_asked_to_be_logged(small: Small) -> None:
    start = DialectStart(small.city, small.layout, "https://cms/", "https://gw/", {}, b"", counted(8))
    for announced, expected in (((), set()), (("activeEnergy", "operatingHours"), {"activeEnergy", "operatingHours"})):
        cms, gateway = TalqCms(start), Gateway(small, {}, pages=False)
        about = {"functionId": "m", "type": "LampMonitorFunction", "attributes": [{"name": name} for name in announced]}
        registration = replace(gateway.registration(), classes={"lamp": {"name": "lamp", "functions": [about]}})
        cms.announced.adopt(registration, EVENING_S)
        settle(cms, gateway, EVENING_S)
        configured = next(one for one in gateway.of("POST", "logger-configs") if one["address"] == "lamplighter-values")
        names = {a["name"] for part in configured["recordingMode"]["content"] for a in part["function"]["attributes"]}
        assert names & {"activeEnergy", "operatingHours", "lightLevel", "precipitationRate"} == expected
