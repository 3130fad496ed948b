# SPDX-License-Identifier: Apache-2.0
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.ies import read_ies
from lamplighter.services.lighting.photometry.luminaires import luminaire
from lamplighter.services.lighting.photometry.textfile import PhotometryError


def written(light: Distribution, c_to_deg: float = 360.0, multiplier: float = 1.0) -> str:
    """An IES file of one of our luminaires, its C planes from 0 up to c_to_deg."""
    planes = light.intensity_cd[: round(c_to_deg / light.c_step_deg) + 1] / multiplier
    c = np.arange(len(planes)) * light.c_step_deg
    gamma = np.arange(planes.shape[1]) * light.gamma_step_deg
    rows = [" ".join(f"{v:.9g}" for v in row) for row in (gamma, c, *planes)]
    counts = f"1 -1 {multiplier:g} {len(gamma)} {len(c)} 1 2 0.1 0.1 0"
    head = f"IESNA:LM-63-2002\n[TEST] made up\nTILT=NONE\n{counts}\n1 1 {light.power_w}"
    return "\n".join([head, *rows]) + "\n"


@pytest.mark.parametrize("multiplier", [1.0, 2.5])
def test_what_is_written_is_read_back(tmp_path: Path, multiplier: float) -> None:
    light = luminaire("street", 5000.0)
    file = tmp_path / "street.ies"
    file.write_text(written(light, multiplier=multiplier))
    back = read_ies(file, turn=False)
    assert back.flux_lm() == pytest.approx(5000.0, rel=1e-6)
    assert back.power_w == light.power_w
    assert back.intensity_cd == pytest.approx(light.intensity_cd, rel=1e-6, abs=1e-6)
    assert read_ies(file).intensity_cd[18] == pytest.approx(light.intensity_cd[0], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("upto", [90.0, 180.0, 355.0])
def test_symmetric_files_are_unfolded(tmp_path: Path, upto: float) -> None:
    light = luminaire("street", 5000.0)
    table = light.intensity_cd.copy()
    if upto < 300.0:
        table = (table + table[::-1]) / 2.0
    if upto == 90.0:
        half = len(table) // 2 + 1
        table[:half] = (table[:half] + table[:half][::-1]) / 2.0
        table[half - 1 :] = table[:half][::-1]
    whole = Distribution("made", table, light.c_step_deg, light.gamma_step_deg, 40.0)
    file = tmp_path / "made.ies"
    file.write_text(written(whole, upto))
    assert read_ies(file, turn=False).intensity_cd == pytest.approx(table, rel=1e-6, abs=1e-6)


LINES = written(luminaire("path", 1000.0)).split("\n")
BROKEN = {
    "no line TILT=": "\n".join(LINES[:2]),
    "only TILT=NONE": "\n".join(LINES).replace("TILT=NONE", "TILT=INCLUDE"),
    "cut short": "\n".join(LINES[:-20]),
    "longer than its header says": "\n".join([*LINES, "1 2 3"]),
    "line 8: -5 cd": "\n".join([*LINES[:7], LINES[7].replace(LINES[7].split()[3], "-5"), *LINES[8:]]),
    "1e\\+09 cd": "\n".join([*LINES[:7], LINES[7].replace(LINES[7].split()[3], "1e9"), *LINES[8:]]),
    "a number is needed": "\n".join([*LINES[:7], LINES[7].replace(LINES[7].split()[3], "x" * 60), *LINES[8:]]),
    "a whole number from 2": "\n".join(LINES).replace("1 -1 1 73", "1 -1 1 1000000"),
    "only type 1": "\n".join(LINES).replace(" 1 2 0.1", " 2 2 0.1"),
    "must be above 0": "\n".join(LINES).replace("1 -1 1 ", "1 -1 0 "),
    "angles must rise": "\n".join(LINES).replace("0 2.5 5 7.5", "0 2.5 2 7.5"),
    "the file ends after": "\n".join(LINES[:4]),
}


@pytest.mark.parametrize("said", BROKEN)
def test_rubbish_is_named_with_its_place(tmp_path: Path, said: str) -> None:
    file = tmp_path / "broken.ies"
    file.write_text(BROKEN[said])
    with pytest.raises(PhotometryError, match=said) as error:
        read_ies(file)
    assert str(file) in str(error.value)


def test_a_missing_or_huge_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhotometryError, match="cannot be read"):
        read_ies(tmp_path / "none.ies")
    (tmp_path / "huge.ies").write_bytes(b"0" * 8_000_001)
    with pytest.raises(PhotometryError, match="at most"):
        read_ies(tmp_path / "huge.ies")


@given(st.integers(0, len("\n".join(LINES))), st.binary(max_size=12))
def test_a_damaged_file_is_refused_or_still_a_luminaire(tmp_path: Path, place: int, rubbish: bytes) -> None:
    file = tmp_path / "damaged.ies"
    raw = "\n".join(LINES).encode()
    file.write_bytes(raw[:place] + rubbish + raw[place + len(rubbish) :])
    with suppress(PhotometryError):  # any other error fails the test
        back = read_ies(file)
        assert back.intensity_cd.min() >= 0.0
        assert np.isfinite(back.intensity_cd).all()
