# SPDX-License-Identifier: Apache-2.0
"""A golden quarter of an hour at the hand-made intersection, with and without; tolerances stand beside the figures."""

import json
from pathlib import Path

import pytest

from lamplighter.services.traffic.tests.test_simulator import alone, drive

FOLDER = Path(__file__).with_name("golden")
MINUTES = 15
RED_MAX_S = 100.0  # of the groups of the hand-made intersection

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("arm", ["adaptive", "baseline"])
def test_the_quarter_of_an_hour_is_as_it_was(tmp_path: Path, arm: str) -> None:
    golden = json.loads((FOLDER / "crossroads.json").read_text())
    seen = alone(drive, str(tmp_path), MINUTES, arm == "adaptive", 0, {})
    for name, value in golden[arm].items():
        found = seen[name] if name in seen else seen["means"][name]
        assert found == pytest.approx(value, rel=golden["tolerance_share"][name], abs=1e-9), name
    assert seen["faults"] == []
    assert seen["longest_s"] <= RED_MAX_S


def test_the_quarter_of_an_hour_shows_what_it_should() -> None:
    golden = json.loads((FOLDER / "crossroads.json").read_text())
    adaptive, baseline = golden["adaptive"], golden["baseline"]
    assert adaptive["refused"] == 0
    assert adaptive["vehicle_delay_s_trip"] < 0.85 * baseline["vehicle_delay_s_trip"]
    assert adaptive["longest_s"] <= baseline["longest_s"]
