# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a file or on the command line: a plain answer or a clear error, never a traceback, never a silent figure."""

import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lamplighter.services.lighting.commands import lighting
from lamplighter.services.lighting.mounting import candidates
from lamplighter.services.lighting.mounting.candidates import Choices, Section
from lamplighter.services.lighting.photometry import classes, luminaires, quality
from lamplighter.services.lighting.photometry.azimuth import open_photometry
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS, RoadField
from lamplighter.services.lighting.photometry.textfile import PhotometryError

GAMMA, PLANES = np.arange(0.0, 90.1, 10.0), np.arange(0.0, 360.1, 45.0)
LIGHT = luminaires.luminaire("street", 5000.0)
CELLS = LIGHT.intensity_cd[:: round(45.0 / LIGHT.c_step_deg), : round(90.0 / LIGHT.gamma_step_deg) + 1 : 4]
QUICK = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD = ("-1", "nan", "inf", "-inf", "1e400", "1e30", "0", "1000000", "3.5", "", "x", "0x10", "1,5", "\u0663", "--", "9" * 400)


def words(rows: np.ndarray) -> str:
    return "\n".join(" ".join(f"{value:.2f}" for value in row) for row in np.atleast_2d(rows))


def ies_text() -> str:
    head = f"IESNA:LM-63-2002\n[TEST] made\nTILT=NONE\n1 5000 1 {len(GAMMA)} {len(PLANES)} 1 2 0.3 0.6 0.1\n1 1 40\n"
    return head + words(GAMMA) + "\n" + words(PLANES) + "\n" + words(CELLS) + "\n"


def ldt_text() -> str:
    planes = PLANES[:-1]
    top = ["Made", "1", "0", str(len(planes)), "45", str(len(GAMMA)), "10", "r", "name", "n", "f", "d", *["100"] * 3, *["0"] * 6]
    rest = ["100", "100", "1", "0", "1", "1", "LED", "5000", "4000", "80", "40"]
    column = [f"{value:.2f}" for value in (CELLS[:-1] / 5.0).ravel()]
    return "\r\n".join([*top, *rest, *["1"] * 10, *map(str, planes), *map(str, GAMMA), *column]) + "\r\n"


TEXTS = {".ies": ies_text(), ".ldt": ldt_text()}


def opened(folder: Path, ending: str, raw: bytes) -> Distribution | None:
    """Return the luminaire, or None where the file was refused with a message that names it; anything else fails."""
    file = folder / f"odd{ending}"
    file.write_bytes(raw)
    said = ""
    try:
        light = open_photometry(file, None).light
    except PhotometryError as error:
        said, light = str(error), None
    if light is None:
        assert str(file) in said
        assert len(said) < 400 + len(str(file))
        return None
    assert np.isfinite(light.intensity_cd).all()
    assert (light.intensity_cd >= 0.0).all()
    assert 0.0 < light.flux_lm() < 1e9
    assert 0.0 <= light.power_w <= 1e5
    return light


@pytest.mark.parametrize("ending", [".ies", ".ldt"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_a_whole_file_is_read_in_every_usual_encoding(ending: str, code: str, tmp_path: Path) -> None:
    text = TEXTS[ending].replace("made", "m\u00e4de").replace("Made", "M\u00e4de")
    light = opened(tmp_path, ending, text.encode(code))
    assert light is not None
    assert light.flux_lm() == pytest.approx(5000.0, rel=0.08)


@QUICK
@given(ending=st.sampled_from([".ies", ".ldt"]), share=st.floats(0.0, 0.995))
def test_a_file_that_is_cut_short_is_refused(ending: str, share: float, tmp_path: Path) -> None:
    raw = TEXTS[ending].encode()
    kept = raw[: int(len(raw) * share)]
    light = opened(tmp_path, ending, kept)
    whole_last_number = raw[len(kept) : len(kept) + 1] in (b".", *(bytes([digit]) for digit in string.digits.encode()))
    assert light is None or (whole_last_number and len(kept) > len(raw) - 8)


@QUICK
@given(data=st.data(), ending=st.sampled_from([".ies", ".ldt"]), odd=st.sampled_from(ODD))
def test_one_odd_word_is_refused_or_harmless(data: st.DataObject, ending: str, odd: str, tmp_path: Path) -> None:
    lines = TEXTS[ending].split("\n")
    row = data.draw(st.integers(0, len(lines) - 2))
    cells = lines[row].split(" ")
    cells[data.draw(st.integers(0, len(cells) - 1))] = odd
    lines[row] = " ".join(cells)
    opened(tmp_path, ending, "\n".join(lines).encode())


@QUICK
@given(ending=st.sampled_from([".ies", ".ldt"]), raw=st.binary(max_size=4000))
@example(ending=".ies", raw=b"")
@example(ending=".ies", raw=b"TILT=NONE")
@example(ending=".ies", raw=b"TILT=INCLUDE\n1 1")
@example(ending=".ldt", raw=b"\xff\xfe\x00")
@example(ending=".ies", raw=b"TILT=NONE\n" + b"1 " * 3000)
@example(ending=".ldt", raw=b"1\n" * 2000)
def test_bytes_of_any_kind_are_refused(ending: str, raw: bytes, tmp_path: Path) -> None:
    assert opened(tmp_path, ending, raw) is None


@QUICK
@given(data=st.data(), ending=st.sampled_from([".ies", ".ldt"]))
def test_shuffled_lines_are_refused_or_read_as_numbers(data: st.DataObject, ending: str, tmp_path: Path) -> None:
    lines = TEXTS[ending].split("\n")
    first, second = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    kind = data.draw(st.sampled_from(["swap", "double", "drop"]))
    if kind == "swap":
        lines[first], lines[second] = lines[second], lines[first]
    elif kind == "double":
        lines.insert(first, lines[first])
    else:
        del lines[first]
    opened(tmp_path, ending, "\n".join(lines).encode())


@pytest.mark.parametrize(
    ("ending", "old", "new", "said"),
    [
        (".ies", f"{len(GAMMA)} {len(PLANES)}", f"1000000 {len(PLANES)}", "vertical angles"),
        (".ies", f"{len(GAMMA)} {len(PLANES)}", f"{len(GAMMA)} 1000000", "horizontal angles"),
        (".ies", f"{len(GAMMA)} {len(PLANES)}", f"{len(GAMMA) + 1} {len(PLANES)}", "line"),
        (".ies", f"{len(GAMMA)} {len(PLANES)}", f"{len(GAMMA) - 1} {len(PLANES)}", "angles must rise"),
        (".ies", "1 1 40", "1 1 -40", "watts"),
        (".ies", "1 1 40", "1 1 1e9", "watts"),
        (".ies", words(CELLS), words(-CELLS), "cd; 0 to"),
        (".ies", words(CELLS), words(CELLS * 0.0), "every candela value is 0"),
        (".ldt", f"\r\n{len(GAMMA)}\r\n", "\r\n1000000\r\n", "intensities per plane"),
        (".ldt", f"0\r\n{len(PLANES) - 1}\r\n45", "0\r\n1000000\r\n45", "C planes"),
        (".ldt", f"0\r\n{len(PLANES) - 1}\r\n45", f"4\r\n{len(PLANES) - 2}\r\n45", "multiple of 4"),
    ],
)
def test_wrong_counts_and_values_are_named(ending: str, old: str, new: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / f"odd{ending}"
    assert old in TEXTS[ending]
    file.write_bytes(TEXTS[ending].replace(old, new, 1).encode())
    with pytest.raises(PhotometryError, match=said):
        open_photometry(file, None)


def test_a_file_beyond_all_bounds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "large.ies"
    with file.open("wb") as out:
        out.truncate(9_000_000)
    with pytest.raises(PhotometryError, match="at most that many"):
        open_photometry(file, None)
    with pytest.raises(PhotometryError, match="cannot be read"):
        open_photometry(tmp_path, None)


NUMBER = st.one_of(st.floats(-50.0, 250.0), st.sampled_from([float("nan"), float("inf"), -1e300, 0.0, 1e-300]))


BOUNDS = {
    "spacing_m": (3, 200),
    "width_m": (0.5, 60),
    "lanes": (1, 12),
    "height_m": (2, 40),
    "overhang_m": (-10, 10),
    "tilt_deg": (-30, 45),
}


@QUICK
@given(
    arrangement=st.sampled_from([*ARRANGEMENTS, "spiral"]),
    number=st.fixed_dictionaries({name: st.integers(-3, 20) if name == "lanes" else NUMBER for name in BOUNDS}),
)
def test_geometry_that_cannot_be_is_named(arrangement: Any, number: dict[str, Any]) -> None:
    said = ""
    try:
        RoadField(arrangement, **number)
    except ValueError as error:
        said = str(error)
    possible = arrangement in ARRANGEMENTS and all(low <= number[name] <= high for name, (low, high) in BOUNDS.items())
    assert possible == (said == "")
    assert possible or said.startswith("road field: ")


@QUICK
@given(
    road=st.builds(
        RoadField, st.sampled_from(ARRANGEMENTS), st.floats(3.0, 200.0), st.floats(0.5, 60.0), st.integers(1, 3),
        st.floats(2.0, 40.0), st.floats(-10.0, 10.0), st.floats(-30.0, 45.0),
    ),
    optic=st.sampled_from(list(luminaires.OPTICS)),
)  # fmt: skip
@example(road=RoadField("single", 200.0, 0.5, 1, 2.0, -10.0, -30.0), optic="path")
@example(road=RoadField("single", 200.0, 60.0, 1, 2.0, 0.0, 45.0), optic="avenue")
def test_every_geometry_that_can_be_has_figures_and_both_computations_agree(road: RoadField, optic: str) -> None:
    light = luminaires.luminaire(optic, 5000.0)
    found = quality.evaluate(road, light, "R3", 0.8)
    assert found.luminance_cd_m2 >= 0.0
    assert 0.0 <= found.uniformity_ratio <= 1.0
    assert 0.0 <= found.lengthwise_ratio <= 1.0
    assert found.glare_percent >= 0.0
    assert found.edge_ratio >= 0.0
    assert 0.0 <= found.illuminance_min_lx <= found.illuminance_lx
    section = Section(road.width_m, road.lanes, "R3")
    one = Choices((road.arrangement,), (road.spacing_m,), (road.height_m,), (road.overhang_m,), (road.tilt_deg,))
    (other,) = candidates.unit_figures(candidates.ways_of(section, one), [light], classes.code("M3"))[0]
    if found.luminance_cd_m2 > 0.0:
        assert other[0] * 5.0 * 0.8 == pytest.approx(found.luminance_cd_m2, rel=1e-5)
        assert other[1] == pytest.approx(found.uniformity_ratio, abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    name=st.text(string.ascii_letters + string.digits, max_size=4),
    spacing=st.sampled_from(["30", "0", "-5", "nan", "1e9", "x", ""]),
    lanes=st.sampled_from(["2", "0", "-1", "99", "2.5"]),
    surface=st.sampled_from(["R3", "r3", "R9", ""]),
)
def test_commands_answer_or_refuse_whatever_is_typed(name: str, spacing: str, lanes: str, surface: str) -> None:
    road = ["--width", "7", "--lanes", lanes, "--surface", surface]
    few = ["--height", "8", "--overhang", "0", "--tilt", "0", "--photometry", "street:6000"]
    for arguments in (
        ["design", *road, *few, "--class", name, "--spacing", spacing],
        ["check", *road, *few, "--spacing", spacing],
    ):
        done = CliRunner().invoke(lighting, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
        assert done.exit_code in (0, 1, 2)
        if name not in classes.CLASSES and arguments[0] == "design":
            assert done.exit_code == 2


def test_an_unknown_class_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="known are M1"):
        classes.code("M9")
