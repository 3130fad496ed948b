# SPDX-License-Identifier: Apache-2.0
"""Reads luminaire photometry in the IES LM-63 text format (1991, 1995, 2002; type C, TILT=NONE)."""

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

ROAD_TURN_DEG = 90.0  # real road files have C0 towards the street; here C0 is along the road and C90 towards it


@dataclass(frozen=True)
class _Header:
    lamps: int
    flux_lm: float
    multiplier: float
    gamma_count: int
    c_count: int


def _words(path: Path) -> Numbers:
    lines = lines_of(path, "an IES file")
    tilt = next((i for i, line in enumerate(lines) if line.strip().upper().startswith("TILT=")), None)
    if tilt is None:
        raise PhotometryError(f"{path}: no line TILT=; this is not an IES LM-63 file (a EULUMDAT file is named .ldt)")
    kind = lines[tilt].strip().upper().removeprefix("TILT=")
    if kind != "NONE":
        raise PhotometryError(
            f"{path}, line {tilt + 1}: TILT={kind[:20]}; only TILT=NONE is read (road luminaires have no other)"
        )
    word: list[str] = []
    where: list[int] = []
    for number, line in enumerate(lines[tilt + 1 :], start=tilt + 2):
        found = line.replace(",", " ").split()
        word += found
        where += [number] * len(found)
    return Numbers(str(path), word, where)


def _header(words: Numbers) -> _Header:
    photometric_type = words.whole(5, "the photometric type (6th number)", 1, 3)
    if photometric_type != 1:
        raise PhotometryError(f"{words.path}, line {words.line[5]}: photometric type {photometric_type}; only type 1 (C) is read")
    multiplier = words.number(2, "the candela multiplier") * words.number(10, "the ballast factor")
    if not multiplier > 0:
        raise PhotometryError(f"{words.path}: candela multiplier times ballast factor is {multiplier:g}; it must be above 0")
    return _Header(
        lamps=words.whole(0, "the number of lamps", 1, 1000),
        flux_lm=words.number(1, "lumens per lamp"),
        multiplier=multiplier,
        gamma_count=words.whole(3, "the number of vertical angles", 2, ANGLES_MAX),
        c_count=words.whole(4, "the number of horizontal angles", 1, ANGLES_MAX),
    )


def _angles(words: Numbers, start: int, count: int, what: str) -> FloatArray:
    angles = np.array([words.number(start + i, f"{what} angle {i + 1} of {count}") for i in range(count)])
    if np.any(np.diff(angles) <= 0):
        i = int(np.flatnonzero(np.diff(angles) <= 0)[0])
        raise PhotometryError(
            f"{words.path}, line {words.line[start + i + 1]}: {what} angle {angles[i + 1]:g} follows {angles[i]:g}; "
            "angles must rise"
        )
    return angles


def _whole_turn(path: str, c_deg: FloatArray, planes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return C angles 0 to 360 and their planes, unfolded by the symmetry that the last angle declares."""
    last = float(c_deg[-1])
    if float(c_deg[0]) == 90.0 and last == 270.0:
        c_deg = c_deg - 90.0
        mirrored = np.concatenate([c_deg, 360.0 - c_deg[-2::-1]])
        unfolded = np.concatenate([planes, planes[-2::-1]])
        turn = np.argsort((mirrored[:-1] + 90.0) % 360.0, kind="stable")
        c_all = ((mirrored[:-1] + 90.0) % 360.0)[turn]
        return np.append(c_all, 360.0), np.concatenate([unfolded[:-1][turn], unfolded[:-1][turn][:1]])
    if float(c_deg[0]) != 0.0 or not (last in (0.0, 90.0, 180.0, 360.0) or 270.0 < last < 360.0):
        raise PhotometryError(f"{path}: horizontal angles run from {c_deg[0]:g} to {last:g}; 0 to 0, 90, 180 or 360 is needed")
    if last == 0.0:
        return np.array([0.0, 360.0]), np.concatenate([planes, planes])
    if last == 90.0:
        c_deg, planes = np.concatenate([c_deg, 180.0 - c_deg[-2::-1]]), np.concatenate([planes, planes[-2::-1]])
        last = 180.0
    if last == 180.0:
        return np.concatenate([c_deg, 360.0 - c_deg[-2::-1]]), np.concatenate([planes, planes[-2::-1]])
    if last < 360.0:
        return np.append(c_deg, 360.0), np.concatenate([planes, planes[:1]])
    return c_deg, planes


def read_ies(path: Path, turn: bool = True) -> Distribution:
    """Return the luminaire of an IES file, turned so that C90 faces the road unless `turn` is false.

    Errors: PhotometryError for anything that is not a whole, plausible type C file.
    """
    words = _words(path)
    head = _header(words)
    power_w = words.number(12, "input watts")
    if not 0.0 <= power_w <= POWER_MAX_W:
        raise PhotometryError(f"{words.where(12)}: input watts are {power_w:g}; 0 to {POWER_MAX_W:g} is needed")
    start = 13
    gamma_deg = _angles(words, start, head.gamma_count, "vertical")
    c_deg = _angles(words, start + head.gamma_count, head.c_count, "horizontal")
    if float(gamma_deg[0]) != 0.0 or float(gamma_deg[-1]) not in (90.0, 180.0):
        raise PhotometryError(f"{path}: vertical angles run from {gamma_deg[0]:g} to {gamma_deg[-1]:g}; 0 to 90 or 180 is needed")
    first = start + head.gamma_count + head.c_count
    need = head.gamma_count * head.c_count
    spare = len(words.word) - first - need
    if spare != 0:
        said = "cut short" if spare < 0 else "longer than its header says"
        raise PhotometryError(
            f"{path}: {len(words.word) - first} candela values for {head.c_count} x {head.gamma_count} angles ({need}); {said}"
        )
    values = np.array([words.number(first + i, "a candela value") for i in range(need)]) * head.multiplier
    if np.any(values < 0) or np.any(values > INTENSITY_MAX_CD):
        i = int(np.flatnonzero((values < 0) | (values > INTENSITY_MAX_CD))[0])
        raise PhotometryError(f"{path}, line {words.line[first + i]}: {values[i]:g} cd; 0 to {INTENSITY_MAX_CD:g} is allowed")
    if not values.any():
        raise PhotometryError(f"{path}: every candela value is 0; a luminaire gives light")
    c_all, planes = _whole_turn(str(path), c_deg, values.reshape(head.c_count, head.gamma_count))
    made = from_planes(path.stem, c_all, gamma_deg, planes, power_w)
    return made.turned(ROAD_TURN_DEG) if turn else made
