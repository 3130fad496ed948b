# SPDX-License-Identifier: Apache-2.0
"""A recording of a simulated city decides the same again, and a recording that was changed does not."""

import json
from pathlib import Path

import pytest

from lamplighter.runtime import recording
from lamplighter.runtime.cityrun import RunPlan
from tests.spine import CITY, NOW_S
from tests.water import SERVICE

PLAN = RunPlan(5, NOW_S, 0.0, {"water": "adaptive"})


def nothing(_: float) -> None:
    """Report to nobody."""


def test_the_same_readings_lead_to_the_same_permits(tmp_path: Path) -> None:
    made = recording.record(tmp_path / "rec", (SERVICE,), {"water": CITY}, PLAN, NOW_S + 600, nothing)
    assert made[0].permits > 0
    again, different = recording.play(tmp_path / "rec", (SERVICE,), {"water": CITY}, nothing)
    assert different == []
    assert again[0].digest == made[0].digest
    assert again[0].admitted == made[0].admitted


def test_other_permits_are_noticed(tmp_path: Path) -> None:
    recording.record(tmp_path / "rec", (SERVICE,), {"water": CITY}, PLAN, NOW_S + 600, nothing)
    about = tmp_path / "rec" / recording.ABOUT
    changed = json.loads(about.read_text(encoding="utf-8"))
    changed["decisions"]["water"] = "0" * 64
    about.write_text(json.dumps(changed), encoding="utf-8")
    _, different = recording.play(tmp_path / "rec", (SERVICE,), {"water": CITY}, nothing)
    assert different == ["water"]


def test_a_folder_without_a_recording_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(recording.RecordingError, match="--record"):
        recording.play(tmp_path, (SERVICE,), {"water": CITY}, nothing)
