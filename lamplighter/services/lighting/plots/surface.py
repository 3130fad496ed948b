# SPDX-License-Identifier: Apache-2.0
"""Luminance, illuminance and light on facades of one field, finely enough to be looked at."""

import math
from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.obtrusive import facades as walls
from lamplighter.services.lighting.obtrusive.facades import Facades
from lamplighter.services.lighting.photometry import field, kernels, rtables
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.plots.svg import Mark, Panel
from lamplighter.terms.columns import FloatArray

CELL_M = 0.25
COLUMNS_MOST = 320
FACADE_TOP_M, FACADE_CELL_M = 12.0, 0.5


@dataclass(frozen=True)
class Scene:
    """A lit road: luminaires at `share` of their output, r-table, maintenance factor."""

    road: RoadField
    light: Distribution
    surface: str
    maintenance_ratio: float
    share: float


def _fine(road: RoadField) -> tuple[FloatArray, FloatArray]:
    """Return the middles of the cells along and across the carriageway."""
    along = min(math.ceil(road.spacing_m / CELL_M), COLUMNS_MOST)
    across = math.ceil(road.width_m / CELL_M)
    return (np.arange(along) + 0.5) * road.spacing_m / along, (np.arange(across) + 0.5) * road.width_m / across


def _lamps(road: RoadField) -> FloatArray:
    lamps = field.lamps_of(road)
    return np.stack([lamps.x_m, lamps.y_m, lamps.side.astype(np.float64)], axis=1)


def luminance_cd_m2(scene: Scene, lane: int, x_m: FloatArray, y_m: FloatArray) -> FloatArray:
    """Return (len(y_m), len(x_m)) maintained luminance of the road as the observer in a lane (from 0) sees it."""
    road, light = scene.road, scene.light
    points = np.stack([np.tile(x_m, len(y_m)), np.repeat(y_m, len(x_m))], axis=1)
    observer = np.array([-field.OBSERVER_BEFORE_M, float(field.lane_centre_y(road)[lane])])
    optics = (light.intensity_cd, np.array([light.c_step_deg, light.gamma_step_deg]))
    mount = np.array([road.height_m, math.radians(road.tilt_deg)])
    r_road = (rtables.surface(scene.surface), rtables.TAN_GAMMA, rtables.BETA_DEG)
    seen = kernels.luminance(points, observer, _lamps(road), optics, mount, r_road).sum(axis=1)
    return seen.reshape(len(y_m), len(x_m)) * scene.maintenance_ratio * scene.share


def illuminance_lx(scene: Scene, x_m: FloatArray, y_m: FloatArray) -> FloatArray:
    """Return (len(y_m), len(x_m)) maintained horizontal illuminance of the road."""
    road, light = scene.road, scene.light
    points = np.stack([np.tile(x_m, len(y_m)), np.repeat(y_m, len(x_m))], axis=1)
    mount = np.array([road.height_m, math.radians(road.tilt_deg)])
    steps = np.array([light.c_step_deg, light.gamma_step_deg])
    lit = kernels.illuminance(points, _lamps(road), light.intensity_cd, steps, mount).sum(axis=1)
    return lit.reshape(len(y_m), len(x_m)) * scene.maintenance_ratio * scene.share


def luminance_panel(scene: Scene, lane: int) -> Panel:
    """Return the luminance that the observer in a lane sees, with the grid that its figures rest on."""
    road = scene.road
    values = luminance_cd_m2(scene, lane, *_fine(road))
    grid_x, grid_y = field.grid_x(road), field.luminance_y(road)
    at_grid = luminance_cd_m2(scene, lane, grid_x, grid_y)
    line = at_grid[3 * lane + 1]
    title = (
        f"Luminance seen from lane {lane + 1} of {road.lanes}, 60 m before: average {at_grid.mean():.2f} cd/m2, "
        f"Uo {at_grid.min() / at_grid.mean():.2f}, Ul {line.min() / line.max():.2f}"
    )
    return _road_panel(road, (title, "cd/m2"), values, (grid_x, grid_y, at_grid))


def illuminance_panel(scene: Scene) -> Panel:
    """Return the horizontal illuminance, with the grid that its figures rest on."""
    road = scene.road
    values = illuminance_lx(scene, *_fine(road))
    grid_x, grid_y = field.grid_x(road), field.illuminance_y(road)
    at_grid = illuminance_lx(scene, grid_x, grid_y)
    title = f"Horizontal illuminance: average {at_grid.mean():.2f} lx, least {at_grid.min():.2f} lx"
    return _road_panel(road, (title, "lx"), values, (grid_x, grid_y, at_grid))


def _road_panel(
    road: RoadField, words: tuple[str, str], values: FloatArray, grid: tuple[FloatArray, FloatArray, FloatArray]
) -> Panel:
    grid_x, grid_y, at_grid = grid
    lamps = field.lamps_of(road)
    here = (lamps.x_m >= -1e-9) & (lamps.x_m <= road.spacing_m + 1e-9)
    marks = [Mark("grid", float(x), float(y)) for y in grid_y for x in grid_x]
    for kind, place in (("least", at_grid.argmin()), ("most", at_grid.argmax())):
        row, column = np.unravel_index(int(place), at_grid.shape)
        marks.append(Mark(kind, float(grid_x[column]), float(grid_y[row])))
    for x, y in zip(lamps.x_m[here].tolist(), lamps.y_m[here].tolist(), strict=True):
        marks.append(Mark("lamp", x, min(max(y, 0.0), road.width_m)))
    lanes = tuple(road.width_m * k / road.lanes for k in range(1, road.lanes))
    axes = ("along the road (m), in the direction of travel", "across (m)")
    return Panel(*words, values, (0.0, road.spacing_m), (0.0, road.width_m), axes, tuple(marks), lanes)


def facade_panel(scene: Scene, facades: Facades) -> Panel:
    """Return the vertical illuminance of the wall that gets more, new luminaires, with lines at the windows."""
    road = scene.road
    heights = np.arange(FACADE_CELL_M / 2.0, FACADE_TOP_M, FACADE_CELL_M)
    lit, _ = walls.walls_lx(road, scene.light, facades, heights)
    most, _ = walls.walls_lx(road, scene.light, facades, np.array(facades.windows_m))
    side = int(most.max(axis=(1, 2)).argmax())
    title = (
        f"Vertical illuminance on the {('right', 'left')[side]} facade, {facades.beyond_edge_m:g} m beyond the edge: "
        f"{most[side].max() * scene.share:.2f} lx at most at windows (new luminaires)"
    )
    axes = ("along the road (m)", "height (m)")
    values = lit[side] * scene.share
    return Panel(title, "lx", values, (0.0, road.spacing_m), (0.0, FACADE_TOP_M), axes, (), facades.windows_m)
