# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting.photometry import classes, field, kernels, luminaires, quality, rtables
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.plan import least_output

STEPS = np.array([15.0, 15.0])
UNIFORM = np.full((25, 13), 100.0)
SUMS = {
    "R1": 67772.3,
    "R2": 47446.4,
    "R3": 42856.8,
    "R4": 45343.4,
    "C1": 73465.0,
    "C2": 45950.0,
    "C2W3": 107132.7,
    "C2W4": 123933.0,
}
SPECULAR = {"R1": 0.25, "R2": 0.58, "R3": 1.11, "R4": 1.55, "C1": 0.24, "C2": 0.97}
CORNERS = {"R1": (655, 341, 25, 269), "R3": (294, 362, 53, 100), "C2": (329, 372, 42, 130), "C2W4": (284, 806, 479, 100)}


@pytest.mark.parametrize("name", rtables.SURFACES)
def test_r_tables_have_their_published_sums(name: str) -> None:
    assert rtables.surface(name).sum() == pytest.approx(SUMS[name], abs=0.05)


@pytest.mark.parametrize("name", SPECULAR)
def test_r_tables_have_their_published_specular_factor(name: str) -> None:
    assert rtables.specular_factor(rtables.surface(name)) == pytest.approx(SPECULAR[name], abs=0.01)


@pytest.mark.parametrize("name", CORNERS)
def test_r_tables_have_their_published_corner_values(name: str) -> None:
    table = rtables.surface(name)
    assert (table[0, 0], table[4, 0], table[-1, 0], table[4, 13]) == CORNERS[name]


def test_c2_carries_the_three_corrections() -> None:
    table = rtables.surface("C2")
    assert (table[2, 1], table[11, 1], table[27, 0]) == (368, 168, 44)


@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(4, 15))
def test_a_uniform_source_gives_the_inverse_square_with_cosine(dx: float, dy: float, height: float) -> None:
    lamp = np.array([[0.0, 0.0, 1.0]])
    got = kernels.illuminance(np.array([[dx, dy]]), lamp, UNIFORM, STEPS, np.array([height, 0.0]))[0, 0]
    near = abs(dx) <= 5 * height and abs(dy) <= 5 * height
    assert got == pytest.approx(100.0 * height / (dx * dx + dy * dy + height * height) ** 1.5 if near else 0.0, rel=1e-9)


def test_one_lamp_on_a_node_of_the_table_gives_its_value() -> None:
    height, tan = 10.0, 2.0
    r = rtables.surface("R3")
    points, lamp = np.array([[60.0, 0.0]]), np.array([[60.0 + tan * height, 0.0, 1.0]])
    table = (r, rtables.TAN_GAMMA, rtables.BETA_DEG)
    mount = np.array([height, 0.0])
    got = kernels.luminance(points, np.array([0.0, 0.0]), lamp, (UNIFORM, STEPS), mount, table)[0, 0]
    assert got == pytest.approx(100.0 * r[8, 0] * 1e-4 / height**2, rel=1e-9)


def test_a_lamp_before_the_point_is_seen_at_180_degrees() -> None:
    r = rtables.surface("R1")
    table = (r, rtables.TAN_GAMMA, rtables.BETA_DEG)
    points, lamp = np.array([[60.0, 0.0]]), np.array([[50.0, 0.0, 1.0]])
    got = kernels.luminance(points, np.array([0.0, 0.0]), lamp, (UNIFORM, STEPS), np.array([10.0, 0.0]), table)[0, 0]
    assert got == pytest.approx(100.0 * r[4, -1] * 1e-4 / 100.0, rel=1e-9)


@given(st.floats(-20, 60), st.floats(-10, 10))
def test_a_matt_surface_gives_luminance_in_proportion_to_illuminance(dx: float, dy: float) -> None:
    q = 0.07
    tans = np.linspace(0.0, 12.0, 4001)
    r = np.repeat((q * (1.0 + tans**2) ** -1.5 * 1e4)[:, None], 20, axis=1)
    points, lamp, mount = np.array([[60.0, 0.0]]), np.array([[60.0 + dx, dy, 1.0]]), np.array([8.0, 0.0])
    seen = kernels.luminance(points, np.array([0.0, 0.0]), lamp, (UNIFORM, STEPS), mount, (r, tans, rtables.BETA_DEG))[0, 0]
    lit = kernels.illuminance(points, lamp, UNIFORM, STEPS, mount)[0, 0]
    if abs(dx) < 39.9:
        assert seen == pytest.approx(q * lit, rel=1e-3)


def test_one_lamp_dazzles_by_the_closed_form() -> None:
    height, ahead = 9.0, 40.0
    got = kernels.veil(np.array([[0.0, 0.0]]), np.array([[ahead, 0.0, 1.0]]), UNIFORM, STEPS, np.array([height, 0.0]))[0, 0]
    theta = math.degrees(math.atan2(height - 1.5, ahead)) + 1.0
    at_eye = 100.0 / (ahead**2 + (height - 1.5) ** 2) * math.cos(math.radians(theta))
    assert got == pytest.approx(10.002 * at_eye / theta**2, rel=1e-4)


def test_the_roof_hides_what_is_steep() -> None:
    lamps = np.array([[20.0, 0.0, 1.0], [21.0, 0.0, 1.0]])
    got = kernels.veil(np.array([[0.0, 0.0]]), lamps, UNIFORM, STEPS, np.array([9.0, 0.0]))[0]
    assert got[0] == 0.0
    assert got[1] > 0.0


@pytest.mark.parametrize(("spacing", "count"), [(30.0, 10), (36.0, 12), (37.0, 13), (12.0, 10)])
def test_grids_have_the_points_of_the_standard(spacing: float, count: int) -> None:
    assert field.points_along(spacing) == count


@given(st.floats(0.1, 1.0))
def test_dimming_scales_light_and_lowers_glare_with_the_fifth_root(share: float) -> None:
    road = RoadField("single", 30.0, 7.0, 2, 8.0)
    full = quality.evaluate(road, luminaires.luminaire("street", 6000.0), "R3", 0.8)
    dim = quality.evaluate(road, luminaires.luminaire("street", 6000.0 * share), "R3", 0.8)
    assert dim.luminance_cd_m2 == pytest.approx(share * full.luminance_cd_m2, rel=1e-9)
    assert dim.uniformity_ratio == pytest.approx(full.uniformity_ratio, rel=1e-9)
    assert dim.glare_percent == pytest.approx(full.glare_percent * share**0.2, rel=1e-9)


def test_the_closed_form_lands_on_the_requirement() -> None:
    road = RoadField("single", 30.0, 7.0, 2, 8.0)
    q = quality.evaluate(road, luminaires.luminaire("street", 9000.0), "R3", 0.8)
    row = [q.luminance_cd_m2, q.uniformity_ratio, q.lengthwise_ratio, q.glare_percent, q.edge_ratio, q.illuminance_lx]
    least = float(least_output(np.array([[*row, q.illuminance_min_lx]]), np.array([classes.code("M4")]))[0])
    dim = quality.evaluate(road, luminaires.luminaire("street", 9000.0 * least), "R3", 0.8)
    assert 0.75 <= dim.luminance_cd_m2 <= 0.75 * 1.001


@pytest.mark.parametrize("optic", luminaires.OPTICS)
def test_our_luminaires_give_their_rated_flux(optic: str) -> None:
    made = luminaires.luminaire(optic, 5000.0)
    assert made.flux_lm() == pytest.approx(5000.0, rel=1e-9)
    gamma = np.radians(np.arange(made.intensity_cd.shape[1]) * made.gamma_step_deg)
    rough = (made.intensity_cd[:-1].mean(axis=0) * np.sin(gamma)).sum() * np.radians(made.gamma_step_deg) * 2 * np.pi
    assert rough == pytest.approx(5000.0, rel=5e-3)
    assert made.intensity_cd[:, gamma > np.pi / 2].max() == 0.0


def test_a_uniform_sphere_has_four_pi_times_its_intensity() -> None:
    assert Distribution("ball", UNIFORM, 15.0, 15.0, 1.0).flux_lm() == pytest.approx(400.0 * math.pi, rel=1e-12)


def test_an_opposite_road_looks_the_same_from_its_other_kerb() -> None:
    road = RoadField("opposite", 36.0, 9.0, 2, 9.0)
    light = luminaires.luminaire("avenue", 8000.0)
    points = quality.coefficients(road, light, "R3").illuminance_lx
    assert points == pytest.approx(points[:, ::-1], rel=1e-9)


@pytest.mark.parametrize(
    ("road", "name"),
    [
        (classes.Traffic(50.0, 1, 1, separated=False, dense_junctions=True, parked=False), "M3"),
        (classes.Traffic(50.0, -1, 1, separated=False, dense_junctions=True, parked=False), "M5"),
        (classes.Traffic(120.0, 1, 0, separated=True, dense_junctions=True, parked=False), "M2"),
    ],
)
def test_m_classes_are_six_minus_the_weights(road: classes.Traffic, name: str) -> None:
    assert classes.m_class(road) == name


def test_p_classes_follow_the_worked_example() -> None:
    assert classes.p_class(1, 0, 1, parked=False) == "P4"
    assert classes.c_class_beside("M3") == "C3"
    with pytest.raises(ValueError, match="M9"):
        classes.code("M9")


@pytest.mark.parametrize(("name", "value"), [("spacing_m", float("nan")), ("height_m", 800.0), ("lanes", 0), ("width_m", -1.0)])
def test_impossible_roads_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        replace(RoadField("single", 30.0, 7.0, 2, 8.0), **{name: value})
