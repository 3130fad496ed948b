# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest

from lamplighter.services.lighting.photometry import judgement, quality
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.ies import read_ies

FIGURES = {
    "L": "luminance_cd_m2",
    "Uo": "uniformity_ratio",
    "Ul": "lengthwise_ratio",
    "TI": "glare_percent",
    "REI": "edge_ratio",
    "Eav": "illuminance_lx",
    "Emin": "illuminance_min_lx",
}
BEST = {"A": "M4", "C": "M3", "D": "M3", "E": "M1"}


def luminaire(folder: Path, name: str, turn: bool = True) -> Distribution:
    return read_ies(next(folder.glob({"ITALO": "ITALO*", "OS60": "Outdoor*"}[name])), turn)


def road(case: dict) -> RoadField:
    return RoadField(case["arr"], case["S"], case["W"], case["lanes"], case["H"], case["ov"], case.get("tilt", 0.0))


@pytest.mark.parametrize("name", ["A", "C", "D", "E", "G"])
def test_reference_cases_agree_to_a_thousandth(shared_data: Path, name: str) -> None:
    folder = shared_data / "photometry"
    case = json.loads((folder / "cases.json").read_text())[name]
    found = quality.evaluate(road(case), luminaire(folder, case["phot"]), case["r"], 0.8)
    for key, figure in FIGURES.items():
        if key in case:
            assert getattr(found, figure) == pytest.approx(case[key], rel=1e-3), key
    if name in BEST:
        assert judgement.classes_met(found).m_class == BEST[name]


def test_without_the_turn_the_road_is_in_no_class(shared_data: Path) -> None:
    folder = shared_data / "photometry"
    case = json.loads((folder / "cases.json").read_text())["A"]
    found = quality.evaluate(road(case), luminaire(folder, "ITALO", turn=False), "R3", 0.8)
    assert found.luminance_cd_m2 == pytest.approx(0.4242, rel=1e-3)
    assert found.uniformity_ratio == pytest.approx(0.3334, rel=1e-3)
    assert judgement.classes_met(found).m_class is None


def test_flux_agrees_with_photompy_and_the_files_own_statement(shared_data: Path) -> None:
    folder = shared_data / "photometry"
    assert luminaire(folder, "ITALO").flux_lm() == pytest.approx(10579.883, rel=1e-4)
    assert luminaire(folder, "OS60").flux_lm() == pytest.approx(9155.7, rel=1e-3)


def test_real_road_files_throw_towards_the_road_after_the_turn(shared_data: Path) -> None:
    folder = shared_data / "photometry"
    for name in ("ITALO", "OS60"):
        share = luminaire(folder, name).road_share()
        assert share[1] > share[3]
        assert np.isclose(share.sum(), 1.0)
