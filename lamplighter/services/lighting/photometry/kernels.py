# SPDX-License-Identifier: Apache-2.0
"""Compiled sums over luminaires: luminance, illuminance and veiling luminance at points (EN 13201-3:2015, clauses 7 and 8).

Every kernel takes intensities of one luminaire type on a regular grid (c, g), steps in degrees, and the luminaires as
columns; what it returns is for full output and a maintenance factor of 1.
"""

import math

import numpy as np
from numba import njit

from lamplighter.terms.columns import FloatArray

_DEG = 180.0 / math.pi


@njit(cache=True)
def intensity_cd(table: FloatArray, steps_deg: FloatArray, way: FloatArray, side: float, tilt_rad: float) -> float:
    """Return the intensity towards `way` (dx, dy, dz), from luminaire to point, by linear interpolation in C and gamma.

    steps_deg: the table's C and gamma steps; side +1 faces +y, -1 faces -y; tilt lifts the beam towards the road.
    """
    along, across = way[0] * side, way[1] * side
    outward = across * math.cos(tilt_rad) + way[2] * math.sin(tilt_rad)
    down = across * math.sin(tilt_rad) - way[2] * math.cos(tilt_rad)
    gamma = math.atan2(math.sqrt(along * along + outward * outward), down) * _DEG
    plane = math.atan2(outward, along) * _DEG
    if plane < 0.0:
        plane += 360.0
    c, g = plane / steps_deg[0], gamma / steps_deg[1]
    i, j = min(int(c), table.shape[0] - 2), min(int(g), table.shape[1] - 2)
    c, g = c - i, g - j
    low = table[i, j] + (table[i, j + 1] - table[i, j]) * g
    high = table[i + 1, j] + (table[i + 1, j + 1] - table[i + 1, j]) * g
    return low + (high - low) * c


@njit(cache=True)
def reduced(r_table: FloatArray, tan_nodes: FloatArray, beta_nodes: FloatArray, tan_gamma: float, beta_deg: float) -> float:
    """Return r times 10^4 by linear interpolation in tan(gamma) and beta; 0 beyond the table."""
    if tan_gamma > tan_nodes[-1]:
        return 0.0
    i = min(np.searchsorted(tan_nodes, tan_gamma, side="right") - 1, len(tan_nodes) - 2)
    j = min(np.searchsorted(beta_nodes, beta_deg, side="right") - 1, len(beta_nodes) - 2)
    t = (tan_gamma - tan_nodes[i]) / (tan_nodes[i + 1] - tan_nodes[i])
    b = (beta_deg - beta_nodes[j]) / (beta_nodes[j + 1] - beta_nodes[j])
    low = r_table[i, j] + (r_table[i, j + 1] - r_table[i, j]) * b
    high = r_table[i + 1, j] + (r_table[i + 1, j + 1] - r_table[i + 1, j]) * b
    return low + (high - low) * t


@njit(cache=True)
def illuminance(points: FloatArray, lamps: FloatArray, table: FloatArray, steps_deg: FloatArray, mount: FloatArray) -> FloatArray:
    """Return (p, k) horizontal illuminance in lx at each point from each luminaire.

    points (p, 2) x and y; lamps (k, 3) x, y and side; mount: height in m and tilt in radians. Luminaires further than 5
    mounting heights along or across do not count.
    """
    height, tilt = mount[0], mount[1]
    out = np.zeros((len(points), len(lamps)))
    way = np.empty(3)
    for p in range(len(points)):
        for k in range(len(lamps)):
            dx, dy = points[p, 0] - lamps[k, 0], points[p, 1] - lamps[k, 1]
            if abs(dx) > 5.0 * height + 1e-9 or abs(dy) > 5.0 * height + 1e-9:
                continue
            way[0], way[1], way[2] = dx, dy, -height
            d2 = dx * dx + dy * dy + height * height
            out[p, k] = intensity_cd(table, steps_deg, way, lamps[k, 2], tilt) * height / (d2 * math.sqrt(d2))
    return out


@njit(cache=True)
def luminance(
    points: FloatArray,
    observer: FloatArray,
    lamps: FloatArray,
    light: tuple[FloatArray, FloatArray],
    mount: FloatArray,
    road: tuple[FloatArray, FloatArray, FloatArray],
) -> FloatArray:
    """Return (p, k) luminance in cd/m2 of each point from each luminaire, as seen from observer (x, y).

    light: intensity table and its steps; road: r-table times 10^4, its tan(gamma) and beta nodes. Luminaires count from
    5 heights before a point to 12 behind it, and 5 to either side.
    """
    table, steps_deg = light
    r_table, tan_nodes, beta_nodes = road
    height, tilt = mount[0], mount[1]
    out = np.zeros((len(points), len(lamps)))
    way = np.empty(3)
    for p in range(len(points)):
        view_x, view_y = points[p, 0] - observer[0], points[p, 1] - observer[1]
        for k in range(len(lamps)):
            to_x, to_y = lamps[k, 0] - points[p, 0], lamps[k, 1] - points[p, 1]
            if to_x < -5.0 * height - 1e-9 or to_x > 12.0 * height + 1e-9 or abs(to_y) > 5.0 * height + 1e-9:
                continue
            away = math.sqrt(to_x * to_x + to_y * to_y)
            turn = abs(math.atan2(view_x * to_y - view_y * to_x, view_x * to_x + view_y * to_y)) * _DEG if away > 0 else 0.0
            r = reduced(r_table, tan_nodes, beta_nodes, away / height, turn)
            if r > 0.0:
                way[0], way[1], way[2] = -to_x, -to_y, -height
                out[p, k] = intensity_cd(table, steps_deg, way, lamps[k, 2], tilt) * r * 1e-4 / (height * height)
    return out


@njit(cache=True)
def veil(eyes: FloatArray, lamps: FloatArray, table: FloatArray, steps_deg: FloatArray, mount: FloatArray) -> FloatArray:
    """Return (e, k) equivalent veiling luminance in cd/m2 from each luminaire for an eye of 23 years at each (x, y).

    Sight is 1 degree down along x; what stands more than 20 degrees up is hidden by the roof (EN 13201-3:2015, 8.5).
    """
    height, tilt = mount[0], mount[1]
    eye_m, sight = 1.5, math.pi / 180.0
    out = np.zeros((len(eyes), len(lamps)))
    way = np.empty(3)
    wide, narrow = 9.86 * (1.0 + (23.0 / 66.4) ** 4), 5.0 * (1.0 + (23.0 / 62.5) ** 4)
    for e in range(len(eyes)):
        for k in range(len(lamps)):
            dx, dy, dz = lamps[k, 0] - eyes[e, 0], lamps[k, 1] - eyes[e, 1], height - eye_m
            if dx <= 0.0 or dx > 500.0 or dz * 2.75 > dx + 1e-9:
                continue
            d2 = dx * dx + dy * dy + dz * dz
            cosine = (dx * math.cos(sight) - dz * math.sin(sight)) / math.sqrt(d2)
            theta = math.acos(min(1.0, cosine)) * _DEG
            if theta <= 0.1 or theta > 60.0:
                continue
            way[0], way[1], way[2] = -dx, -dy, -dz
            at_eye = intensity_cd(table, steps_deg, way, lamps[k, 2], tilt) / d2 * cosine
            factor = wide / theta**2 if theta > 1.5 else 10.0 / theta**3 + narrow / theta**2
            out[e, k] = at_eye * factor
    return out
