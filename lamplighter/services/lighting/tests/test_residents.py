# SPDX-License-Identifier: Apache-2.0
import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest

from lamplighter.services.lighting import SERVICE
from lamplighter.services.lighting.commands.night import quarters
from lamplighter.services.lighting.commands.residents import curfew, plain, report, show, totals, write_csv
from lamplighter.services.lighting.layout import REST, WORK, day_kind, day_outputs, quarter
from lamplighter.services.lighting.obtrusive import facades, nights, upward
from lamplighter.services.lighting.obtrusive.facades import Facades
from lamplighter.services.lighting.obtrusive.limits import GLARE_INDEX, ZONES
from lamplighter.services.lighting.obtrusive.nights import Clock
from lamplighter.services.lighting.photometry import luminaires
from lamplighter.services.lighting.photometry.distribution import Distribution, flux_lm
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.prepared import distinct_fields
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.tests.small import EVENING_S, Small

ASKED: dict[str, object] = {
    "year": 2026, "volume": "0:00=-1,6:00=1,20:00=0,22:00=-1", "zone": "E3", "curfew": "23-6", "beyond_m": 4.0,
    "windows": "1.5,4.5,7.5", "price_kwh": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def timed(small: Small) -> Small:
    """The same city with a calendar in its lamps: two classes down from 22 to 6 o'clock, at weekends three from midnight."""
    rows = [
        (cell, days, from_h, step)
        for cell in small.city.tables["cells"]["id"].tolist()
        for days, from_h, step in (("work", 6.0, 0), ("work", 22.0, 2), ("rest", 0.0, 3), ("rest", 8.0, 0))
    ]
    cell, days, from_h, step = zip(*rows, strict=True)
    table = {"cell": np.array(cell), "days": np.array(days), "from_h": np.array(from_h), "step": np.array(step, dtype=np.int64)}
    city = replace(small.city, tables={**small.city.tables, "timetable": table})
    return Small(city, SERVICE.prepare(city))


def same_everywhere(intensity_cd: float, last_gamma_deg: float = 180.0) -> Distribution:
    gamma = np.arange(0.0, 180.1, 0.5)
    return Distribution("even", np.tile(np.where(gamma <= last_gamma_deg, intensity_cd, 0.0), (73, 1)), 5.0, 0.5, 50.0)


def test_one_even_lamp_lights_a_wall_by_the_inverse_square() -> None:
    road = RoadField("single", 200.0, 7.0, 2, 8.0)
    lit, most = facades.walls_lx(road, same_everywhere(1000.0), Facades(4.0), np.array([1.5, 8.0]))
    x = (np.arange(200) + 0.5) * 1.0
    for wall, away in ((0, 4.0), (1, 11.0)):
        for row, z in enumerate((1.5, 8.0)):
            near = x <= 96.0
            d = np.sqrt(x**2 + away**2 + (8.0 - z) ** 2)[near]
            assert lit[wall, row, near] == pytest.approx(1000.0 * away / d**3, rel=1e-6)
    assert most == pytest.approx([1000.0, 1000.0])


def test_a_lamp_behind_the_wall_gives_it_nothing() -> None:
    road = RoadField("single", 30.0, 7.0, 2, 8.0, overhang_m=-5.0)
    lit, most = facades.walls_lx(road, same_everywhere(1000.0), Facades(4.0), np.array([1.5]))
    assert lit[0].max() == 0.0
    assert most[0] == 0.0
    assert lit[1].min() > 0.0


@pytest.mark.parametrize("tilt_deg", [0.0, 10.0, 30.0])
def test_upward_share_of_plain_bodies(tilt_deg: float) -> None:
    assert upward.upward_share(same_everywhere(10.0), tilt_deg) == pytest.approx(0.5, abs=1e-3)
    below = upward.upward_share(same_everywhere(10.0, 90.0), tilt_deg)
    # A hemisphere that leans by t lifts a lune of t over the horizon, and its edge of one grid step is half lit.
    assert below == pytest.approx(tilt_deg / 180.0, abs=0.006)
    assert upward.upward_share(luminaires.luminaire("avenue", 5000.0), 0.0) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("cd_klm", "name"),
    [
        ((300, 80, 0, 0), "G*6"),
        ((300, 80, 8, 0), "G*5"),
        ((450, 80, 8, 0), "G*4"),
        ((300, 80, 8, 5), "G*3"),
        ((300, 140, 28, 28), "G*2"),
        ((300, 190, 48, 48), "G*1"),
        ((300, 190, 52, 0), None),
        ((300, 210, 8, 0), None),
    ],
)
def test_intensity_classes_of_made_up_bodies(cd_klm: tuple[int, int, int, int], name: str | None) -> None:
    gamma = np.arange(0.0, 180.1, 2.5)
    at_70, at_80, at_90, above = cd_klm
    wide = np.interp(gamma, [67.5, 70.0, 80.0, 90.0, 92.5, 95.0], [0.0, at_70, at_80, at_90, at_90, above])
    down = np.where(gamma <= 60.0, 1.0, 0.0)
    lm = [flux_lm(np.tile(column, (73, 1)), 2.5) for column in (wide, down)]
    body = np.tile(wide + down * (1000.0 - lm[0]) / lm[1], (73, 1))  # 1000 lm, whatever stands near the horizon
    assert upward.intensity_class(Distribution("body", body * 7.0, 5.0, 2.5, 50.0), 0.0) == name


def test_the_glare_index_is_intensity_over_the_root_of_the_area() -> None:
    assert upward.glare_index(same_everywhere(400.0), 0.0, 0.04) == (pytest.approx(2000.0, rel=1e-6), "D4")
    assert upward.glare_index(same_everywhere(2000.0), 0.0, 0.04)[1] == "D0"
    assert [most for _, most in GLARE_INDEX] == sorted((most for _, most in GLARE_INDEX), reverse=True)
    with pytest.raises(ValueError, match="luminous area"):
        upward.glare_index(same_everywhere(1.0), 0.0, 0.0)


def test_zones_allow_more_the_brighter_they_are_and_less_after_curfew() -> None:
    rows = list(ZONES.values())
    for one, brighter in pairwise(rows):
        assert one.early_lx < brighter.early_lx
        assert one.late_lx <= brighter.late_lx
        assert one.upward_share <= brighter.upward_share
    assert all(zone.late_lx <= zone.early_lx and zone.late_cd <= zone.early_cd for zone in rows)


def clock(small: Small, relax: int) -> Clock:
    hours = np.stack([np.full(96, 0.25 * 5 / 7), np.full(96, 0.25 * 2 / 7)])
    lower = np.full((len(small.layout.segments.design), 96), relax)
    return Clock(hours, nights.by_volume(small.layout, lower), curfew("23-6"))


def test_a_streets_light_and_energy_follow_its_output(small: Small) -> None:
    table, layout = small.city.tables["segments"], small.layout
    roads, which = distinct_fields(table)
    unit = nights.units(roads, Facades())
    found = nights.of_segments(layout, table["length_m"], unit, clock(small, 0))
    lower = nights.of_segments(layout, table["length_m"], unit, clock(small, 1))
    output = layout.class_share
    k = int(np.argmax(output[:, 0] - output[:, 1]))
    road, optic, _ = roads[int(which[k])]
    light = luminaires.luminaire(optic, float(table["rated_flux_lm"][k]))
    assert found.full_lx[k] == pytest.approx(facades.on_facade(road, light, Facades()).vertical_max_lx, rel=1e-6)
    assert found.late_lx[k] == pytest.approx(found.full_lx[k] * output[k, 0])
    assert lower.late_lx[k] == pytest.approx(found.full_lx[k] * output[k, 1])
    assert lower.late_lx[k] < found.late_lx[k]
    watts, gear = float(table["rated_power_w"][k]), luminaires.GEAR_W
    lamps = int(table["luminaires"][k])
    assert found.full_kwh[k] == pytest.approx(24.0 * lamps * watts / 1000.0)
    assert found.clock_kwh[k] == pytest.approx(24.0 * lamps * (gear + (watts - gear) * output[k, 0]) / 1000.0)
    assert found.usual_kwh[k] == pytest.approx(lamps * (24.0 * gear + (watts - gear) * (18.0 + 3.0)) / 1000.0)
    streets = nights.by_street(found, table["id"])
    assert streets.full_kwh.sum() == pytest.approx(found.full_kwh.sum())
    assert int(streets.lamps.sum()) == int(found.lamps.sum())
    main = streets.name == "Main Street"
    assert streets.full_lx[main].max() == found.full_lx[table["name"] == "Main Street"].max()


def test_the_report_names_streets_over_a_limit_and_writes_them_all(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = report(small.city, ASKED)
    strict = report(small.city, {**ASKED, "zone": "E1"})
    assert totals(strict)["over_a_limit_streets"] >= totals(made)["over_a_limit_streets"]
    assert totals(strict)["over_a_limit_streets"] > 0
    sums = totals(made)
    assert sums["clock_kwh"] < sums["full_kwh"]
    assert sums["saved_money"] == pytest.approx((sums["full_kwh"] - sums["clock_kwh"]) * 0.3)
    show(made, 50)
    assert "Main" in capsys.readouterr().out
    file = tmp_path / "streets.csv"
    write_csv(file, made)
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(made.streets)
    assert sum(float(row["saved_kwh"]) for row in rows) == pytest.approx(sums["saved_kwh"], rel=1e-3)
    json.dumps(plain(made, 0))


def test_without_a_clock_given_the_calendars_stored_in_the_lamps_count(
    small: Small, timed: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    plainly = report(small.city, {**ASKED, "volume": None})
    assert totals(plainly)["clock_kwh"] == pytest.approx(totals(plainly)["full_kwh"])  # no calendar: full output
    assert "no cell holds a calendar" in plainly.clock
    found = report(timed.city, {**ASKED, "volume": None, "zone": "E1"})
    layout, own = timed.layout, timed.layout.segments
    assert (found.streets.late_lx <= plainly.streets.late_lx + 1e-9).all()
    day = {k: day_outputs(layout)[k] for k in (WORK, REST)}
    noon_s = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    light_kw = (own.power_w - luminaires.GEAR_W) * own.lamps / 1000.0
    summed, burnt = 0.0, 0.0
    at_s = noon_s + 450.0 + 900.0 * np.arange(365 * 96, dtype=np.float64)  # the year, quarter-hour by quarter-hour
    dark = elevation_deg(at_s, layout.lon_deg, layout.lat_deg) < layout.dusk_elevation_deg
    for moment in at_s[dark].tolist():
        summed += float(light_kw @ day[day_kind(moment, layout.local)][:, quarter(moment, layout.local)]) / 4.0
        burnt += 0.25
    gear = burnt * float((luminaires.GEAR_W * own.lamps).sum()) / 1000.0
    assert totals(found)["clock_kwh"] == pytest.approx(summed + gear, rel=2e-3)
    assert totals(found)["clock_kwh"] < totals(plainly)["clock_kwh"]
    show(found, 3)
    said = " ".join(capsys.readouterr().out.split())
    assert "calendars stored in the lamps of" in said
    assert "No second source confirms" in said


def test_a_brighter_clock_means_more_light_at_night(small: Small) -> None:
    busy = report(small.city, {**ASKED, "volume": "0:00=1"})
    quiet = report(small.city, ASKED)
    assert (busy.streets.late_lx >= quiet.streets.late_lx - 1e-9).all()
    assert (busy.streets.late_lx > quiet.streets.late_lx * 1.1).any()
    assert quarters("0:00=1").min() == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"curfew": "23"}, "two whole hours"),
        ({"curfew": "23-25"}, "two whole hours"),
        ({"price_kwh": -1.0}, "--price"),
        ({"windows": "high"}, "--windows"),
        ({"windows": "900"}, "0.1 to 60 m"),
        ({"beyond_m": 0.0}, "0.5 to 100 m"),
        ({"volume": "now"}, "quarter-hour"),
    ],
)
def test_mistakes_are_told(small: Small, wrong: dict[str, object], said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        report(small.city, {**ASKED, **wrong})


def test_the_map_shows_light_on_facades_at_the_output_that_lamps_report(small: Small) -> None:
    layout, table = small.layout, small.city.tables["segments"]
    snapshot = small.snapshot(EVENING_S, {}, reported=0.4)
    assert SERVICE.derive is not None
    column = SERVICE.derive(snapshot, None, layout)["facade_lx"]
    own = layout.segments.asset - layout.start
    roads, which = distinct_fields(table)
    k = 3
    road, optic, _ = roads[int(which[k])]
    full = facades.on_facade(road, luminaires.luminaire(optic, float(table["rated_flux_lm"][k])), Facades())
    assert column.value[own[k]] == pytest.approx(0.4 * full.vertical_max_lx)
    assert "facade_lx" in {layer.quantity for layer in SERVICE.layers}
    said = " ".join(SERVICE.explain(snapshot, layout, int(layout.segments.asset[k])))
    assert f"gets {0.4 * full.vertical_max_lx:.1f} lx at most" in said
