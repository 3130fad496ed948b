# SPDX-License-Identifier: Apache-2.0
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting.photometry import (
    columns,
    curved,
    energy,
    field,
    inventory,
    luminaires,
    measured,
    quality,
    upright,
)
from lamplighter.services.lighting.photometry.curved import Standing
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.energy import Period
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.textfile import PhotometryError

BALL = Distribution("ball", np.full((25, 13), 100.0), 15.0, 15.0, 10.0)
ROAD = RoadField("single", 30.0, 7.0, 2, 8.0)


def test_upright_light_of_a_uniform_source_is_the_closed_form() -> None:
    zero = np.zeros(1, dtype=np.int64)
    # One lamp near the field's middle counts at every point: the next ones are further than five heights away.
    fields, poles = columns.fields_of([RoadField("single", 120.0, 3.0, 1, 4.0)], zero, zero)
    fields = fields._replace(begin_m=np.array([5.0]), spacing_m=np.array([10.0]), along=np.array([10]))
    got = upright.upright(fields, poles, (columns.lights_of([BALL]), columns.surfaces_of(["R3"])), 1.0)[0]
    x, y = np.meshgrid(5.5 + np.arange(10), [0.5, 1.5, 2.5])
    d2 = x**2 + y**2 + 2.5**2
    curved_away = 100.0 / d2 * np.hypot(x, y) / np.sqrt(d2) * (1.0 - x / np.hypot(x, y)) / math.pi
    assert got.vertical_min_lx == 0.0  # who walks away from the only lamp is lit from behind
    assert got.semicylindrical_min_lx == pytest.approx(curved_away.min(), rel=1e-6)


def test_the_same_road_is_lit_alike_as_straight_and_as_curve() -> None:
    light = luminaires.luminaire("street", 6000.0)
    road = RoadField("staggered", 30.0, 9.0, 2, 8.0, 0.5, 5.0)
    lamps = field.lamps_of(road)
    count = len(lamps.x_m)
    standing = Standing(lamps.x_m, lamps.y_m, np.full(count, 8.0), np.where(lamps.side > 0, 90.0, -90.0), np.full(count, 5.0))
    ground = curved.ground_of(np.array([0.0, 30.0]), np.array([4.5, 4.5]), 9.0, 3.0)
    lit = curved.illuminance_lx(ground, standing, light, np.ones(count), 0.8)
    q = quality.evaluate(road, light, "R3", 0.8)
    assert lit.mean() == pytest.approx(q.illuminance_lx, rel=1e-6)
    assert lit.min() == pytest.approx(q.illuminance_min_lx, rel=1e-6)


@given(st.floats(0.0, 360.0))
def test_turning_road_and_lamps_together_changes_nothing(turn_deg: float) -> None:
    light = luminaires.luminaire("street", 6000.0)
    angle = np.linspace(0.0, 1.2, 40)
    axis = 50.0 * np.sin(angle), 50.0 * (1.0 - np.cos(angle))
    at = np.array([0.1, 0.5, 0.9])
    place = 55.0 * np.sin(at), 50.0 - 55.0 * np.cos(at)
    facing = np.degrees(at) + 90.0

    def mean(by_deg: float) -> float:
        c, s = np.cos(np.radians(by_deg)), np.sin(np.radians(by_deg))
        ground = curved.ground_of(axis[0] * c - axis[1] * s, axis[0] * s + axis[1] * c, 7.0, 2.0)
        x, y = place[0] * c - place[1] * s, place[0] * s + place[1] * c
        standing = Standing(x, y, np.full(3, 8.0), facing + by_deg, np.zeros(3))
        return float(curved.illuminance_lx(ground, standing, light, np.ones(3), 0.8).mean())

    assert mean(turn_deg) == pytest.approx(mean(0.0), rel=1e-6)


@pytest.mark.parametrize(
    ("axis", "step", "said"),
    [
        (([0.0], [0.0]), 3.0, "no length"),
        (([0.0, 0.0], [1.0, 1.0]), 3.0, "no length"),
        (([0.0, 9.0], [0.0, 0.0]), 9.0, "grid step"),
        (([0.0, 9e5], [0.0, 0.0]), 3.0, "in parts"),
    ],
)
def test_impossible_middle_lines_are_refused(axis: tuple[list[float], list[float]], step: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        curved.ground_of(np.array(axis[0]), np.array(axis[1]), 7.0, step)


def test_energy_figures_are_those_of_the_standard() -> None:
    assert energy.power_density_w_lx_m2(76.7, np.array([15.436]), np.array([210.0])) == pytest.approx(0.02366, rel=1e-3)
    assert energy.power_density_w_lx_m2(76.7, np.array([0.0]), np.array([210.0])) is None
    assert energy.annual_energy_kwh_m2(76.7, 0.0, (Period(4000.0, 1.0),), 210.0) == pytest.approx(1.461, rel=1e-3)
    halved = (Period(1500.0, 1.0), Period(2500.0, 0.5, 0.2))
    assert energy.annual_energy_kwh_m2(100.0, 1.0, halved, 100.0) == pytest.approx((150_000 + 150_000 + 4760) / 1e5)
    with pytest.raises(ValueError, match="a year has"):
        energy.annual_energy_kwh_m2(100.0, 0.0, (Period(9000.0, 1.0),), 100.0)
    with pytest.raises(ValueError, match="shares"):
        energy.annual_energy_kwh_m2(100.0, 0.0, (Period(900.0, 1.5),), 100.0)


def test_no_errors_leave_no_interval_and_flux_alone_scales() -> None:
    light = luminaires.luminaire("street", 6000.0)
    q = quality.evaluate(ROAD, light, "R3", 0.8)
    sure = inventory.interval(ROAD, light, "R3", 0.8, inventory.Errors(0.0, 0.0, 0.0))
    exact = [getattr(q, name) for name in quality.Quality.__dataclass_fields__]
    assert sure[:, 0] == pytest.approx(exact, rel=1e-6)
    assert sure[:, 1] == pytest.approx(exact, rel=1e-6)
    flux = inventory.interval(ROAD, light, "R3", 0.8, inventory.Errors(0.0, 0.0, 0.10))
    assert flux[0] == pytest.approx(q.luminance_cd_m2 * np.array([0.905, 1.095]), rel=6e-3)
    assert flux[1] == pytest.approx(q.uniformity_ratio, rel=1e-6)


def test_errors_of_the_inventory_make_an_interval_around_the_figure() -> None:
    light = luminaires.luminaire("street", 6000.0)
    q = quality.evaluate(ROAD, light, "R3", 0.8)
    span = inventory.interval(ROAD, light, "R3", 0.8, inventory.Errors())
    assert (span == inventory.interval(ROAD, light, "R3", 0.8, inventory.Errors())).all()
    assert span[0, 0] < q.luminance_cd_m2 < span[0, 1]
    assert span[5, 0] < q.illuminance_lx < span[5, 1]
    assert (span[:, 0] < span[:, 1]).all()


def grid_file(folder: Path, values: np.ndarray, quantity: str = "illuminance_lx") -> Path:
    x, y = np.repeat(field.grid_x(ROAD), 5), np.tile(field.illuminance_y(ROAD), 10)
    rows = [f"{a:.6g},{b:.6g},{v:.9g}" for a, b, v in zip(x, y, values, strict=True)]
    file = folder / "grid.csv"
    file.write_text("\n".join([f"x_m,y_m,{quantity}", *rows]) + "\n")
    return file


def test_a_measured_grid_is_set_beside_the_computed(tmp_path: Path) -> None:
    light = luminaires.luminaire("street", 6000.0)
    lit = quality.coefficients(ROAD, light, "R3").illuminance_lx.ravel() * 0.8
    same = measured.compared(measured.read_grid(grid_file(tmp_path, lit)), ROAD, light, "R3", 0.8, 1.75)
    assert (same.mean_ratio, same.least_ratio) == pytest.approx((1.0, 1.0), rel=1e-6)
    assert same.deviation_share < 1e-5
    lit[17] *= 0.5
    odd = measured.compared(measured.read_grid(grid_file(tmp_path, lit)), ROAD, light, "R3", 0.8, 1.75)
    assert odd.worst_at_m == pytest.approx((field.grid_x(ROAD)[3], field.illuminance_y(ROAD)[2]))
    assert odd.worst_share > 0.0


def test_measured_luminance_needs_the_observer(tmp_path: Path) -> None:
    light = luminaires.luminaire("street", 6000.0)
    x, y = np.repeat(field.grid_x(ROAD), 6), np.tile(field.luminance_y(ROAD), 10)
    seen = quality.coefficients(ROAD, light, "R3").luminance_cd_m2[1].ravel()
    grid = measured.Grid(measured.LUMINANCE, x, y, seen)
    own, other = (measured.compared(grid, ROAD, light, "R3", 1.0, at) for at in (5.25, 1.75))
    assert own.mean_ratio == pytest.approx(1.0, rel=1e-9)
    assert other.mean_ratio != pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x_m,y_m\n1,2\n", "are needed"),
        ("x_m,y_m,illuminance_lx\n1,2,x\n", "line 2"),
        ("x_m,y_m,illuminance_lx\n1,2,-3\n", "line 2"),
        ("x_m,y_m,illuminance_lx\n1,2,3\n", "1 points"),
        ("x_m,y_m,illuminance_lx\n1,2,0\n1,3,0\n1,4,0\n", "darkness"),
        ("", "line 1"),
    ],
)
def test_bad_grids_are_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "grid.csv"
    file.write_text(text)
    with pytest.raises(PhotometryError, match=said):
        measured.read_grid(file)


def test_central_columns_light_both_halves_alike() -> None:
    lit = quality.coefficients(
        RoadField("central", 32.0, 14.0, 4, 10.0, 1.0), luminaires.luminaire("avenue", 9000.0), "R3"
    ).illuminance_lx
    assert lit == pytest.approx(lit[:, ::-1], rel=1e-9)
    assert field.lamps_of(RoadField("central", 32.0, 14.0, 4, 10.0, 1.0)).y_m.max() == 8.0
