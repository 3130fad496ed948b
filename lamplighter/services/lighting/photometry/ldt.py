# SPDX-License-Identifier: Apache-2.0
"""Reads luminaire photometry in the EULUMDAT text format (.ldt), every kind of symmetry.

Intensities stand there in cd per 1000 lm of the first set of lamps; C0 lies along the road and C90 towards it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.services.lighting.photometry.distribution import Distribution, from_planes
from lamplighter.services.lighting.photometry.textfile import (
    ANGLES_MAX,
    INTENSITY_MAX_CD,
    POWER_MAX_W,
    Numbers,
    PhotometryError,
    lines_of,
)
from lamplighter.terms.columns import FloatArray

SETS_MAX = 20
_LINES_BEFORE_SETS = 26
_LINES_PER_SET = 6
_DIRECT_RATIOS = 10


@dataclass(frozen=True)
class _Header:
    symmetry: int
    planes: int
    gammas: int
    per_value_cd_klm: float
    flux_lm: float
    power_w: float
    first_line: int


def _number(path: Path, lines: list[str], place: int, what: str) -> float:
    """Return the number on a line of its own (counted from 0); an empty line is no number."""
    if place >= len(lines):
        raise PhotometryError(
            f"{path}: the file ends after {len(lines)} lines where {what} is due in line {place + 1}; it is cut short: "
            "fetch it again"
        )
    text = lines[place].strip()
    return Numbers(str(path), [text.replace(",", ".")], [place + 1]).number(0, what)


def _whole(path: Path, lines: list[str], place: int, what: str, bounds: tuple[int, int]) -> int:
    value = _number(path, lines, place, what)
    return Numbers(str(path), [f"{value:.17g}"], [place + 1]).whole(0, what, *bounds)


def _header(path: Path, lines: list[str]) -> _Header:
    symmetry = _whole(path, lines, 2, "the symmetry (line 3)", (0, 4))
    planes = _whole(path, lines, 3, "the number of C planes (line 4)", (1, ANGLES_MAX))
    gammas = _whole(path, lines, 5, "the number of intensities per plane (line 6)", (2, ANGLES_MAX))
    multiple = {0: 1, 1: 1, 2: 2, 3: 4, 4: 4}[symmetry]
    if planes % multiple:
        raise PhotometryError(f"{path}, line 4: {planes} C planes with symmetry {symmetry}; a multiple of {multiple} is needed")
    factor = _number(path, lines, 23, "the conversion factor for intensities (line 24)")
    if not factor > 0.0:
        raise PhotometryError(f"{path}, line 24: the conversion factor for intensities is {factor:g}; it must be above 0")
    sets = _whole(path, lines, 25, "the number of sets of lamps (line 26)", (1, SETS_MAX))
    flux_lm = _number(path, lines, 28, "the luminous flux of the first set of lamps (line 29)")
    power_w = _number(path, lines, 31, "the power of the first set of lamps (line 32)")
    if not 0.0 < flux_lm <= 1e6:
        raise PhotometryError(f"{path}, line 29: the luminous flux is {flux_lm:g} lm; above 0 and at most 1000000 is needed")
    if not 0.0 <= power_w <= POWER_MAX_W:
        raise PhotometryError(f"{path}, line 32: the power is {power_w:g} W; 0 to {POWER_MAX_W:g} is needed")
    first = _LINES_BEFORE_SETS + _LINES_PER_SET * sets
    return _Header(symmetry, planes, gammas, factor, flux_lm, power_w, first)


def _numbers(path: Path, lines: list[str], first: int) -> Numbers:
    """Return every number from a line (counted from 0) on, however many stand on a line."""
    word: list[str] = []
    where: list[int] = []
    for number, line in enumerate(lines[first:], start=first + 1):
        found = line.replace(",", ".").split()
        word += found
        where += [number] * len(found)
    return Numbers(str(path), word, where)


def _rising(words: Numbers, start: int, count: int, what: str) -> FloatArray:
    angles = np.array([words.number(start + i, f"{what} angle {i + 1} of {count}") for i in range(count)])
    falls = np.flatnonzero(np.diff(angles) <= 0)
    if len(falls):
        i = int(falls[0])
        raise PhotometryError(
            f"{words.where(start + i + 1)}: {what} angle {angles[i + 1]:g} follows {angles[i]:g}; angles must rise"
        )
    return angles


def stored_planes(symmetry: int, planes: int) -> int:
    """Return how many of the C planes a file holds: all, one, half and one more, or a quarter and one more."""
    return {0: planes, 1: 1, 2: planes // 2 + 1, 3: planes // 2 + 1, 4: planes // 4 + 1}[symmetry]


def _unfolded(symmetry: int, planes: int, stored: FloatArray) -> FloatArray:
    """Return (planes, g) intensities from those that the file holds.

    Symmetry: 0 none, 1 about the vertical axis, 2 to C0-C180, 3 to C90-C270 (held from C270 over C0 to C90), 4 to both.
    """
    place = np.arange(planes)
    if symmetry == 0:
        return stored
    if symmetry == 1:
        return np.repeat(stored, planes, axis=0)
    if symmetry == 2:
        return stored[np.minimum(place, planes - place)]
    if symmetry == 3:
        from_270 = (place + planes // 4) % planes
        return stored[np.minimum(from_270, planes - from_270)]
    half = np.minimum(place, planes - place)
    return stored[np.minimum(half, planes // 2 - half)]


def read_ldt(path: Path) -> Distribution:
    """Return the luminaire of a EULUMDAT file as it stands there: C0 along the road, C90 towards it.

    Errors: PhotometryError for anything that is not a whole, plausible file.
    """
    lines = lines_of(path, "a EULUMDAT file")
    head = _header(path, lines)
    words = _numbers(path, lines, head.first_line + _DIRECT_RATIOS)
    c_deg = _rising(words, 0, head.planes, "C")
    gamma_deg = _rising(words, head.planes, head.gammas, "gamma")
    if float(c_deg[0]) != 0.0 or float(c_deg[-1]) >= 360.0:
        raise PhotometryError(f"{path}: C angles run from {c_deg[0]:g} to {c_deg[-1]:g}; 0 to below 360 is needed")
    if float(gamma_deg[0]) != 0.0 or float(gamma_deg[-1]) > 180.0:
        raise PhotometryError(f"{path}: gamma angles run from {gamma_deg[0]:g} to {gamma_deg[-1]:g}; 0 to at most 180 is needed")
    even = np.abs(c_deg - np.arange(head.planes) * 360.0 / head.planes) < 0.01
    if head.symmetry > 1 and not even.all():
        raise PhotometryError(f"{path}: symmetry {head.symmetry} with C angles that are not evenly apart; even angles are needed")
    first = head.planes + head.gammas
    stored = stored_planes(head.symmetry, head.planes)
    need = stored * head.gammas
    if len(words.word) - first != need:
        said = "cut short" if len(words.word) - first < need else "longer than its header says"
        raise PhotometryError(
            f"{path}: {len(words.word) - first} intensities for {stored} x {head.gammas} angles ({need}); the file is {said}"
        )
    values = np.array([words.number(first + i, "an intensity") for i in range(need)])
    values *= head.per_value_cd_klm * head.flux_lm / 1000.0
    wrong = np.flatnonzero((values < 0.0) | (values > INTENSITY_MAX_CD))
    if len(wrong):
        i = int(wrong[0])
        raise PhotometryError(f"{words.where(first + i)}: {values[i]:g} cd; 0 to {INTENSITY_MAX_CD:g} is allowed")
    if not values.any():
        raise PhotometryError(f"{path}: every intensity is 0; a luminaire gives light")
    planes = _unfolded(head.symmetry, head.planes, values.reshape(stored, head.gammas))
    return from_planes(path.stem, np.append(c_deg, 360.0), gamma_deg, np.concatenate([planes, planes[:1]]), head.power_w)
