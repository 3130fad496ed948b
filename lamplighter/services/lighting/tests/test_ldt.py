# SPDX-License-Identifier: Apache-2.0
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting.photometry.azimuth import halves_lm, open_photometry
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.ldt import read_ldt, stored_planes
from lamplighter.services.lighting.photometry.luminaires import luminaire
from lamplighter.services.lighting.photometry.textfile import PhotometryError
from lamplighter.services.lighting.tests.test_ies import written as written_ies

GAMMA = np.arange(0.0, 91.0, 5.0)


def symmetric(symmetry: int) -> np.ndarray:
    """Intensities (24, 19) that have a symmetry of EULUMDAT and no other."""
    c = np.radians(np.arange(24) * 15.0)
    shape = {0: 1.2 + np.sin(c) + 0.1 * np.sin(2 * c) + 0.2 * np.cos(c), 1: 1.0 + 0 * c, 2: 1.5 + np.cos(c),
             3: 1.5 + np.sin(c), 4: 1.5 + np.cos(2 * c)}[symmetry]  # fmt: skip
    return shape[:, None] * (100.0 * np.cos(np.radians(GAMMA)) ** 2 + 10.0)[None, :]


def planes_held(symmetry: int, table: np.ndarray) -> np.ndarray:
    if symmetry == 3:
        return np.roll(table, 6, axis=0)[: stored_planes(3, 24)]
    return table[: stored_planes(symmetry, 24)]


def written(symmetry: int, flux_lm: float = 4000.0, newline: str = "\r\n") -> str:
    table = planes_held(symmetry, symmetric(symmetry))
    head = ["made up", "1", str(symmetry), "24", "15", str(len(GAMMA)), "5", "report", "name", "number", "file", "2026"]
    sizes = ["600", "200", "100", "400", "150", "0", "0", "0", "0", "100", "100", "1", "0", "1"]
    lamps = ["1", "LED", f"{flux_lm:g}", "4000 K", "70", "33,5"]
    ratios = ["0.5"] * 10
    angles = [f"{15.0 * i:g}" for i in range(24)] + [f"{g:g}" for g in GAMMA]
    values = [f"{v:.6f}" for v in table.ravel()]
    return newline.join([*head, *sizes, *lamps, *ratios, *angles, *values]) + newline


@pytest.mark.parametrize("symmetry", range(5))
def test_every_symmetry_is_unfolded(tmp_path: Path, symmetry: int) -> None:
    file = tmp_path / "made.ldt"
    file.write_text(written(symmetry))
    light = read_ldt(file)
    assert light.intensity_cd[:-1, : len(GAMMA)] == pytest.approx(symmetric(symmetry) * 4.0, abs=1e-4)
    assert light.intensity_cd[-1] == pytest.approx(light.intensity_cd[0])
    assert light.power_w == 33.5


@pytest.mark.parametrize("symmetry", range(5))
def test_eulumdat_py_reads_the_same(tmp_path: Path, symmetry: int) -> None:
    pyldt = pytest.importorskip("pyldt", reason="eulumdat-py is not installed: the oracle for EULUMDAT is missing")
    file = tmp_path / "made.ldt"
    file.write_text(written(symmetry))
    theirs = np.array(pyldt.LdtReader.read(file).intensities)
    assert read_ldt(file).intensity_cd[:-1, : len(GAMMA)] == pytest.approx(theirs * 4.0, abs=1e-4)


def test_photompy_reads_the_same_ies(tmp_path: Path) -> None:
    photompy = pytest.importorskip("photompy", reason="photompy is not installed: the oracle for IES flux is missing")
    light = luminaire("street", 5000.0)
    file = tmp_path / "made.ies"
    file.write_text(written_ies(light))
    theirs = photompy.IESFile.read(file).photometry
    assert theirs.total_optical_power() == pytest.approx(light.flux_lm(), rel=2e-3)
    for c_deg, g_deg in ((0.0, 40.0), (90.0, 62.5), (225.0, 10.0)):
        mine = light.intensity_cd[round(c_deg / light.c_step_deg), round(g_deg / light.gamma_step_deg)]
        assert float(np.squeeze(theirs.get_intensity(g_deg, c_deg))) == pytest.approx(mine, rel=1e-6)


def test_photompy_agrees_on_the_flux_of_real_files(shared_data: Path) -> None:
    photompy = pytest.importorskip("photompy", reason="photompy is not installed: the oracle for IES flux is missing")
    for name in ("ITALO*", "Outdoor*"):
        file = next((shared_data / "photometry").glob(name))
        theirs = photompy.IESFile.read(file).photometry.total_optical_power()
        assert open_photometry(file, None).light.flux_lm() == pytest.approx(theirs, rel=1e-4)


LINES = written(2, newline="\n").split("\n")


def with_line(number: int, text: str) -> str:
    return "\n".join([*LINES[: number - 1], text, *LINES[number:]])


BROKEN = {
    "cut short: fetch it again": "\n".join(LINES[:20]),
    "intensities for 13 x 19 angles": "\n".join(LINES[:-40]),
    "longer than its header says": "\n".join([*LINES, "1", "2"]),
    "symmetry \\(line 3\\) is 7": with_line(3, "7"),
    "a multiple of 2": with_line(4, "23"),
    "number of C planes \\(line 4\\) is 1e\\+06": with_line(4, "1000000"),
    "line 6": with_line(6, "many"),
    "conversion factor for intensities is 0": with_line(24, "0"),
    "luminous flux is -1": with_line(29, "-1"),
    "C angle 5 follows 15": with_line(45, "5"),
    "-3 cd|-12 cd": with_line(90, "-3"),
    "zero bytes": "\x00".join("made"),
}


@pytest.mark.parametrize("said", BROKEN)
def test_rubbish_is_named_with_its_place(tmp_path: Path, said: str) -> None:
    file = tmp_path / "broken.ldt"
    file.write_text(BROKEN[said])
    with pytest.raises(PhotometryError, match=said) as error:
        read_ldt(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("name", ["made.ldt", "made.ies"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str, name: str) -> None:
    text = written(2) if name.endswith("ldt") else written_ies(luminaire("path", 1000.0))
    file = tmp_path / name
    file.write_bytes(text.replace("made up", "Straßenleuchte").encode(encoding))
    assert open_photometry(file, None).light.flux_lm() > 100.0


@given(st.integers(0, len("\n".join(LINES))), st.binary(max_size=12))
def test_a_damaged_file_is_refused_or_still_a_luminaire(
    tmp_path_factory: pytest.TempPathFactory, place: int, rubbish: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "damaged.ldt"
    raw = "\n".join(LINES).encode()
    file.write_bytes(raw[:place] + rubbish + raw[place + len(rubbish) :])
    with suppress(PhotometryError):  # any other error fails the test
        back = read_ldt(file)
        assert back.intensity_cd.min() >= 0.0
        assert np.isfinite(back.intensity_cd).all()


def test_the_flux_decides_which_way_a_file_faces(tmp_path: Path) -> None:
    street = luminaire("street", 5000.0)  # C90 faces the road
    as_it_is, towards_c0 = tmp_path / "along.ies", tmp_path / "towards.ies"
    as_it_is.write_text(written_ies(street))
    towards_c0.write_text(written_ies(street.turned(-90.0)))
    kept, turned = open_photometry(as_it_is, None), open_photometry(towards_c0, None)
    assert (kept.turned_deg, turned.turned_deg) == (0.0, 90.0)
    assert kept.doubt == turned.doubt == ""
    assert turned.light.intensity_cd == pytest.approx(street.intensity_cd, rel=1e-6, abs=1e-6)
    forced = open_photometry(towards_c0, turn=False)
    assert (forced.turned_deg, forced.why) == (0.0, "as asked")
    assert "uneven along the road" in forced.doubt
    assert "behind" in open_photometry(as_it_is, turn=True).doubt or "uneven" in open_photometry(as_it_is, turn=True).doubt


def test_without_a_leaning_the_formats_habit_holds(tmp_path: Path) -> None:
    ball = Distribution("ball", np.full((25, 37), 100.0), 15.0, 5.0, 10.0)
    file = tmp_path / "ball.ies"
    file.write_text(written_ies(ball))
    assert open_photometry(file, None).turned_deg == 90.0
    round_ldt = tmp_path / "round.LDT"
    round_ldt.write_text(written(1))
    assert open_photometry(round_ldt, None).turned_deg == 0.0


def test_half_spaces_share_the_flux() -> None:
    light = luminaire("street", 5000.0)
    half = halves_lm(light)
    assert half[0] + half[2] == pytest.approx(5000.0)
    assert half[1] + half[3] == pytest.approx(5000.0)
    assert half[0] == pytest.approx(half[2])
    assert half[1] > half[3]
