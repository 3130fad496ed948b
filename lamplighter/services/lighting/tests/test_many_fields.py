# SPDX-License-Identifier: Apache-2.0
"""Many fields at once against one field at a time: two code paths over the same standard."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.lighting.photometry import classes, columns, influence, judgement, luminaires, quality, verdict
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS, RoadField
from lamplighter.services.lighting.photometry.quality import Quality
from lamplighter.services.lighting.tests.test_photometry_cases import FIGURES, luminaire, road

LIGHTS = [luminaires.luminaire(optic, flux) for optic, flux in (("street", 6000.0), ("avenue", 9000.0))]
SURFACES = ["R3", "C2W3", "R1"]
OPTICS = (columns.lights_of(LIGHTS), columns.surfaces_of(SURFACES))
ROADS = st.builds(
    RoadField,
    st.sampled_from(ARRANGEMENTS),
    st.floats(12.0, 60.0),
    st.floats(3.0, 16.0),
    st.integers(1, 4),
    st.floats(4.0, 14.0),
    st.floats(-1.0, 2.0),
    st.floats(0.0, 15.0),
)


def one_by_one(road: RoadField, light: int, surface: int) -> list[float]:
    q = quality.evaluate(road, LIGHTS[light], SURFACES[surface], 1.0)
    return [getattr(q, name) for name in Quality.__dataclass_fields__]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(ROADS, st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=4))
def test_many_fields_have_the_figures_of_each(asked: list[tuple[RoadField, int, int]]) -> None:
    roads, light, surface = [a[0] for a in asked], np.array([a[1] for a in asked]), np.array([a[2] for a in asked])
    fields, poles = columns.fields_of(roads, surface, light)
    got = verdict.cold_figures(fields, poles, OPTICS, verdict.every_block(len(roads)))
    assert got == pytest.approx(np.array([one_by_one(*a) for a in asked]), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", ["A", "C", "D", "E", "G"])
def test_the_fast_path_agrees_with_the_reference_cases(shared_data: Path, name: str) -> None:
    case = json.loads((shared_data / "photometry" / "cases.json").read_text())[name]
    zero = np.zeros(1, dtype=np.int64)
    fields, poles = columns.fields_of([road(case)], zero, zero)
    optics = (columns.lights_of([luminaire(shared_data / "photometry", case["phot"])]), columns.surfaces_of([case["r"]]))
    row = verdict.cold_figures(fields, poles, optics, verdict.every_block(1))[0] * [0.8, 1, 1, 1, 1, 0.8, 0.8]
    for (key, _), value in zip(FIGURES.items(), row, strict=True):
        if key in case:
            assert value == pytest.approx(case[key], rel=1e-3), key


def some_fields(count: int = 12) -> tuple[columns.Fields, columns.Poles, list[RoadField]]:
    dice = np.random.default_rng(3)
    roads = [
        RoadField(ARRANGEMENTS[i % 4], float(dice.uniform(20, 45)), float(dice.uniform(5, 11)), 2, float(dice.uniform(6, 11)))
        for i in range(count)
    ]
    fields, poles = columns.fields_of(roads, np.zeros(count, np.int64), np.arange(count) % 2)
    return fields, poles, roads


def test_stored_influences_judge_as_single_roads_do() -> None:
    fields, poles, roads = some_fields()
    lamps = int(poles.lamp.max()) + 1
    for name in ("M3", "M5", "C3", "P2", "P4"):
        kind = np.full(len(roads), classes.code(name))
        stored = verdict.store(fields, poles, OPTICS, verdict.blocks_for(kind))
        for share in (1.0, 0.6, 0.3):
            got = verdict.margins(stored, np.full(lamps, share), kind, np.full(len(roads), 0.8)) >= 1.0
            for i, one in enumerate(roads):
                light = LIGHTS[i % 2]
                dim = replace(light, intensity_cd=light.intensity_cd * share)
                assert got[i] == judgement.meets(quality.evaluate(one, dim, "R3", 0.8), name)


def test_a_few_fields_are_judged_as_among_all() -> None:
    fields, poles, roads = some_fields()
    kind = np.full(len(roads), classes.code("M4"))
    stored = verdict.store(fields, poles, OPTICS, verdict.blocks_for(kind))
    share = np.random.default_rng(5).uniform(0.3, 1.0, int(poles.lamp.max()) + 1)
    every = verdict.margins(stored, share, kind, np.full(len(roads), 0.8))
    which = np.array([7, 2, 11])
    assert (verdict.margins(stored, share, kind, np.full(len(roads), 0.8), which) == every[which]).all()


def test_the_margin_is_the_share_of_the_most_pressing_requirement() -> None:
    need = classes.REQUIRED[classes.code("M3")]
    row = np.array([2.0, 0.8, 1.0, 5.0, 0.6, 0.0, 0.0])
    assert verdict.margin(row, 0.8, need) == pytest.approx(1.6)
    assert verdict.margin(np.array([2.0, 0.2, 0.9, 5.0, 0.6, 0, 0]), 0.8, need) == pytest.approx(0.5)
    assert verdict.margin(np.array([2.0, 0.8, 0.9, 30.0, 0.6, 0, 0]), 0.8, need) == pytest.approx(0.5)
    walk = classes.REQUIRED[classes.code("P3")]
    assert verdict.margin(np.array([0, 0, 0, 0, 0, 18.75, 6.0]), 0.8, walk) == pytest.approx(0.75)  # over-lit: 15 of 11.25 lx


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_the_fast_angle_is_the_arc_tangent(rise: float, run: float) -> None:
    assert influence.angle_deg(rise, run) == pytest.approx(np.degrees(np.arctan2(abs(rise), run)), abs=2e-6)
