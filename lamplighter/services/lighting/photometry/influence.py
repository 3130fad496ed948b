# SPDX-License-Identifier: Apache-2.0
"""What each luminaire gives to each point, observer and glare position of many fields, compiled (EN 13201-3:2015, 7 and 8).

Every sum of the standard is linear in lamp output, so a field is a small matrix: rows are its points, columns the luminaires
that count for them. A block of a field is stored luminaire by luminaire, the points of one luminaire side by side.
"""

import math

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry.columns import Fields, Lights, Poles, Surfaces
from lamplighter.terms.columns import FloatArray, IntArray

SEEN, VEIL, LIT, STRIPS = range(4)  # blocks: luminance, veiling luminance, illuminance, edge strips
BLOCKS = 4
_DEG = 180.0 / math.pi
_EYE_M = 1.5
_WIDE, _NARROW = 9.86 * (1.0 + (23.0 / 66.4) ** 4), 5.0 * (1.0 + (23.0 / 62.5) ** 4)


@njit(cache=True, error_model="numpy")
def angle_deg(rise: float, run: float) -> float:
    """Return the angle in degrees, 0 to 180, of a point with |rise| above and run along; within 2e-8 rad.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 4.4.49: three times as fast as the library's arc tangent.
    """
    up, flat = abs(rise), abs(run)
    most = max(up, flat)
    if most == 0.0:
        return 0.0
    q = min(up, flat) / most
    s = q * q
    high = s * (0.1065626393 + s * (-0.0752896400 + s * (0.0429096138 + s * (-0.0161657367 + s * 0.0028662257))))
    a = q * (1.0 + s * (-0.3333314528 + s * (0.1999355085 + s * (-0.1420889944 + high)))) * _DEG
    if up > flat:
        a = 90.0 - a
    return a if run >= 0.0 else 180.0 - a


@njit(cache=True, error_model="numpy")
def intensity_cd(lights: Lights, pole: tuple[int, float, float, float], along: float, across: float, up: float) -> float:
    """Return the intensity of a luminaire on the way (along, across, up) from it to a point.

    pole: its type (row), side, and cosine and sine of its tilt.
    """
    kind, side, cosine, sine = pole
    a, b = along * side, across * side
    outward = b * cosine + up * sine
    gamma = angle_deg(math.sqrt(a * a + outward * outward), b * sine - up * cosine)
    plane = angle_deg(outward, a)
    if outward < 0.0:
        plane = 360.0 - plane
    c, g = plane / lights.steps_deg[kind, 0], gamma / lights.steps_deg[kind, 1]
    i, j = min(int(c), lights.cells[kind, 0] - 1), min(int(g), lights.cells[kind, 1] - 1)
    c, g = c - i, g - j
    table = lights.intensity_cd
    low = table[kind, i, j] + (table[kind, i, j + 1] - table[kind, i, j]) * g
    high = table[kind, i + 1, j] + (table[kind, i + 1, j + 1] - table[kind, i + 1, j]) * g
    return low + (high - low) * c


@njit(cache=True)
def pole_of(poles: Poles, k: int) -> tuple[int, float, float, float]:
    """Return what `intensity_cd` must know of a luminaire."""
    return poles.light[k], poles.side[k], math.cos(poles.tilt_rad[k]), math.sin(poles.tilt_rad[k])


@njit(cache=True, error_model="numpy")
def _reduced(surfaces: Surfaces, kind: int, tan_gamma: float, beta_deg: float) -> float:
    """Return r in sr^-1 by linear interpolation; the rows of the table stand at 0, 0.25 .. 2, 2.5 .. 12."""
    if tan_gamma > 12.0:
        return 0.0
    if tan_gamma < 2.0:
        i = int(tan_gamma * 4.0)
        t = tan_gamma * 4.0 - i
    else:
        i = min(int(tan_gamma * 2.0) + 4, 27)
        t = tan_gamma * 2.0 + 4.0 - i
    j = surfaces.beta_at[min(int(beta_deg), 180)]
    b = (beta_deg - surfaces.beta_deg[j]) / (surfaces.beta_deg[j + 1] - surfaces.beta_deg[j])
    r = surfaces.r_per_sr
    low = r[kind, i, j] + (r[kind, i, j + 1] - r[kind, i, j]) * b
    high = r[kind, i + 1, j] + (r[kind, i + 1, j + 1] - r[kind, i + 1, j]) * b
    return low + (high - low) * t


@njit(cache=True, error_model="numpy")
def _reach(fields: Fields, poles: Poles, f: int, block: int) -> tuple[int, int]:
    """Return the run of poles that may count for a block of a field."""
    low, high = fields.begin_m[f], fields.begin_m[f] + fields.spacing_m[f]
    from_, to = -1, -1
    for k in range(fields.first[f], fields.last[f]):
        height, x = poles.height_m[k], poles.x_m[k]
        if block == SEEN:
            inside = x >= low - 5.0 * height and x <= high + 12.0 * height
        elif block == VEIL:
            eye = low - 2.75 * (fields.height_m[f] - _EYE_M)
            inside = x > eye and x <= high + 500.0
        else:
            inside = x >= low - 5.0 * height and x <= high + 5.0 * height
        if inside:
            if from_ < 0:
                from_ = k
            to = k + 1
    return (from_, to) if from_ >= 0 else (fields.first[f], fields.first[f])


@njit(cache=True)
def rows_of(fields: Fields, f: int, block: int) -> int:
    """Return the number of rows of a block of a field."""
    if block == SEEN:
        return fields.lanes[f] * fields.along[f] * 3 * fields.lanes[f]
    if block == VEIL:
        return fields.lanes[f] * fields.along[f]
    if block == LIT:
        return fields.along[f] * fields.across[f]
    return 4


@njit(cache=True)
def reaches(fields: Fields, poles: Poles, wanted: IntArray) -> tuple[IntArray, IntArray]:
    """Return (f, BLOCKS, 2) the run of poles of every block, and (f, BLOCKS) their sizes; 0 where wanted (f, BLOCKS) is 0."""
    count = len(fields.begin_m)
    run = np.zeros((count, BLOCKS, 2), dtype=np.int64)
    size = np.zeros((count, BLOCKS), dtype=np.int64)
    for f in range(count):
        for block in range(BLOCKS):
            if wanted[f, block]:
                run[f, block, 0], run[f, block, 1] = _reach(fields, poles, f, block)
                size[f, block] = (run[f, block, 1] - run[f, block, 0]) * rows_of(fields, f, block)
    return run, size


@njit(cache=True, error_model="numpy")
def _luminance(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], f: int, run: IntArray, out: FloatArray) -> None:
    lights, surfaces = optics
    lanes, along, across = fields.lanes[f], fields.along[f], 3 * fields.lanes[f]
    rows = lanes * along * across
    eye_x = fields.begin_m[f] - 60.0
    lane_m, step_m = fields.width_m[f] / lanes, fields.spacing_m[f] / along
    for k in range(run[0], run[1]):
        height = poles.height_m[k]
        pole = pole_of(poles, k)
        at = (k - run[0]) * rows
        for i in range(along):
            x = fields.begin_m[f] + (i + 0.5) * step_m
            to_x = poles.x_m[k] - x
            for j in range(across):
                y = (j + 0.5) * lane_m / 3.0
                to_y = poles.y_m[k] - y
                inside = to_x >= -5.0 * height - 1e-9 and to_x <= 12.0 * height + 1e-9 and abs(to_y) <= 5.0 * height + 1e-9
                away = math.sqrt(to_x * to_x + to_y * to_y)
                lit = inside and away <= 12.0 * height
                strength = intensity_cd(lights, pole, -to_x, -to_y, -height) / (height * height) if lit else 0.0
                for lane in range(lanes):
                    value = 0.0
                    if strength > 0.0:
                        view_x, view_y = x - eye_x, y - (lane + 0.5) * lane_m
                        turn = angle_deg(view_x * to_y - view_y * to_x, view_x * to_x + view_y * to_y)
                        value = strength * _reduced(surfaces, fields.surface[f], away / height, turn)
                    out[at + (lane * along + i) * across + j] = value


@njit(cache=True, error_model="numpy")
def _veil(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], f: int, run: IntArray, out: FloatArray) -> None:
    lanes, along = fields.lanes[f], fields.along[f]
    cosine_sight, sine_sight = math.cos(math.pi / 180.0), math.sin(math.pi / 180.0)
    first = fields.begin_m[f] - 2.75 * (fields.height_m[f] - _EYE_M)
    for k in range(run[0], run[1]):
        dz = poles.height_m[k] - _EYE_M
        pole = pole_of(poles, k)
        for lane in range(lanes):
            dy = poles.y_m[k] - (lane + 0.5) * fields.width_m[f] / lanes
            for i in range(along):
                dx = poles.x_m[k] - first - i * fields.spacing_m[f] / along
                value = 0.0
                if 0.0 < dx <= 500.0 and dz * 2.75 <= dx + 1e-9:
                    d2 = dx * dx + dy * dy + dz * dz
                    cosine = (dx * cosine_sight - dz * sine_sight) / math.sqrt(d2)
                    theta = math.acos(min(1.0, cosine)) * _DEG
                    if 0.1 < theta <= 60.0:
                        factor = _WIDE / theta**2 if theta > 1.5 else 10.0 / theta**3 + _NARROW / theta**2
                        value = intensity_cd(optics[0], pole, -dx, -dy, -dz) / d2 * cosine * factor
                out[((k - run[0]) * lanes + lane) * along + i] = value


@njit(cache=True, error_model="numpy")
def _lux(lights: Lights, pole: tuple[int, float, float, float], dx: float, dy: float, height: float) -> float:
    """Return the horizontal illuminance of a luminaire `height` above a point that lies (dx, dy) from its foot."""
    if abs(dx) > 5.0 * height + 1e-9 or abs(dy) > 5.0 * height + 1e-9:
        return 0.0
    d2 = dx * dx + dy * dy + height * height
    return intensity_cd(lights, pole, dx, dy, -height) * height / (d2 * math.sqrt(d2))


@njit(cache=True, error_model="numpy")
def _illuminance(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], f: int, run: IntArray, out: FloatArray) -> None:
    along, across = fields.along[f], fields.across[f]
    for k in range(run[0], run[1]):
        pole = pole_of(poles, k)
        for i in range(along):
            dx = fields.begin_m[f] + (i + 0.5) * fields.spacing_m[f] / along - poles.x_m[k]
            for j in range(across):
                dy = (j + 0.5) * fields.width_m[f] / across - poles.y_m[k]
                out[((k - run[0]) * along + i) * across + j] = _lux(optics[0], pole, dx, dy, poles.height_m[k])


@njit(cache=True, error_model="numpy")
def _strips(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], f: int, run: IntArray, out: FloatArray) -> None:
    along, across, width = fields.along[f], fields.strip_across[f], fields.width_m[f]
    strip = min(width / fields.lanes[f], width / 2.0)
    for k in range(run[0], run[1]):
        pole = pole_of(poles, k)
        for s in range(4):
            edge = (-strip, 0.0, width - strip, width)[s] - poles.y_m[k]
            total = 0.0
            for i in range(along):
                dx = fields.begin_m[f] + (i + 0.5) * fields.spacing_m[f] / along - poles.x_m[k]
                for j in range(across):
                    total += _lux(optics[0], pole, dx, edge + (j + 0.5) * strip / across, poles.height_m[k])
            out[(k - run[0]) * 4 + s] = total / (along * across)


@njit(cache=True)
def fill(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], run: IntArray, start: IntArray, out: FloatArray) -> None:
    """Write every wanted block: block b of field f from out[start[f, b]] on, for the poles run[f, b]."""
    for f in range(len(fields.begin_m)):
        _luminance(fields, poles, optics, f, run[f, SEEN], out[start[f, SEEN] :])
        _veil(fields, poles, optics, f, run[f, VEIL], out[start[f, VEIL] :])
        _illuminance(fields, poles, optics, f, run[f, LIT], out[start[f, LIT] :])
        _strips(fields, poles, optics, f, run[f, STRIPS], out[start[f, STRIPS] :])
