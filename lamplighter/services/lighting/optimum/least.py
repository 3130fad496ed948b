# SPDX-License-Identifier: Apache-2.0
"""The least power that keeps every field of a street in a class, lamp by lamp or all alike, with its bound.

Linear programmes are solved with HiGHS; glare enters by tangents until none is passed. Every row is asked for a hair more than
it needs, so that rounding cannot undo a class; the bound is of the exact rows. What the programme says is judged again from the
stored influences by `verdict`, another code path.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from lamplighter.services.lighting.optimum import certificate, rows
from lamplighter.services.lighting.optimum.rows import AVERAGE, CRITERIA, GlareRows, RowMatrix, Rows
from lamplighter.services.lighting.photometry import classes, verdict
from lamplighter.services.lighting.photometry.verdict import Stored
from lamplighter.terms.columns import FloatArray

SURE = 1e-5  # so much more than a requirement is asked for
CUTS_MOST = 40
SLACK_SEEN = 1e-5
CLOSE = 1e-7


@dataclass(frozen=True)
class Task:
    """Lamps (n,) that light stored fields. power_w: what each draws at full output beyond its gear; low, high: bounds of its
    output (both 0 for a dead lamp); lighting_class: code; the influences are of full output, new."""

    stored: Stored
    power_w: FloatArray
    low: FloatArray
    high: FloatArray
    lighting_class: int
    maintenance_ratio: float


@dataclass(frozen=True)
class Optimum:
    """dimming_level (n,) of each lamp; power_w it draws beyond the gear; bound_w that nothing lawful goes below; margin_ratio:
    share of the most pressing requirement met in the worst field, judged anew; cuts: rounds of glare tangents."""

    dimming_level: FloatArray
    power_w: float
    bound_w: float
    margin_ratio: float
    cuts: int

    def gap_ratio(self) -> float:
        """Return how far the power can be above the least there is."""
        return (self.power_w - self.bound_w) / self.power_w if self.power_w > 0.0 else 0.0


@dataclass(frozen=True)
class Missed:
    """A criterion that a field cannot meet whatever its lamps give: observed is the figure nearest to it, limit what is asked."""

    field: int
    criterion: str
    observed: float
    limit: float


@dataclass(frozen=True)
class Unreachable:
    """No output of the lamps meets the class; what stands in the way, field by field."""

    missed: tuple[Missed, ...]


def _joined(first: Rows, second: Rows) -> Rows:
    return Rows(
        np.concatenate([first.matrix, second.matrix]),
        np.concatenate([first.right, second.right]),
        np.concatenate([first.field, second.field]),
        np.concatenate([first.criterion, second.criterion]),
        first.extra_high,
    )


def _solved(asked: Rows, cost: RowMatrix, low: RowMatrix, high: RowMatrix) -> tuple[RowMatrix, RowMatrix] | None:
    """Return unknowns and row weights of the least cost, None where no output keeps every row; RuntimeError if HiGHS fails."""
    bounds = list(zip(low.tolist(), high.tolist(), strict=True))
    sparse: Any = -csr_array(asked.matrix)  # each row is of the few lamps that light one field
    found = linprog(cost, A_ub=sparse, b_ub=-(asked.right + SURE), bounds=bounds, method="highs")
    if found.status == 2:
        return None
    if found.status != 0:
        raise RuntimeError(f"least power: HiGHS ended with {found.message}; the street keeps full output meanwhile")
    return np.asarray(found.x, dtype=np.float64), -np.asarray(found.ineqlin.marginals, dtype=np.float64)


def _bounds(task: Task, asked: Rows) -> tuple[RowMatrix, RowMatrix, RowMatrix]:
    """Return cost, low and high of every unknown."""
    extra = len(asked.extra_high)
    return (
        np.concatenate([task.power_w, np.zeros(extra)]),
        np.concatenate([task.low, np.zeros(extra)]),
        np.concatenate([task.high, asked.extra_high]),
    )


def _passed(glare: GlareRows, x: FloatArray, kind: int) -> tuple[FloatArray, FloatArray]:
    """Return (e,) by how much fTI passes its limit, as a share of it, and the mean luminance there."""
    mean: FloatArray = glare.mean_cd_m2 @ x
    dazzle = 65.0 * (glare.veil_cd_m2 @ x) / np.maximum(mean, 1e-9) ** 0.8
    return dazzle / float(classes.GLARE_PERCENT[kind]) - 1.0, mean


def per_lamp(task: Task) -> Optimum | Unreachable:
    """Return the least power with an output of its own for each lamp."""
    lamps, kind = len(task.power_w), task.lighting_class
    asked, glare = rows.rows_of(task.stored, lamps, kind, task.maintenance_ratio)
    if glare is not None:
        every = np.arange(len(glare.field))
        needed = np.full(len(every), float(classes.LUMINANCE_CD_M2[kind]) / task.maintenance_ratio)
        asked = _joined(asked, rows.tangents(glare, kind, needed, every, len(asked.extra_high)))
    cost, low, high = _bounds(task, asked)
    for cuts in range(CUTS_MOST):
        answer = _solved(asked, cost, low, high)
        if answer is None:
            return _unreachable(task, asked)
        x, weight = answer
        output: FloatArray = np.clip(x[:lamps], task.low, task.high)
        bright = np.zeros(0, dtype=np.int64)
        if glare is not None:
            over, mean = _passed(glare, output, kind)
            bright = np.flatnonzero(over > 0.0)
            if len(bright):
                asked = _joined(asked, rows.tangents(glare, kind, mean[bright], bright, len(asked.extra_high)))
        if len(bright) == 0:
            bound = certificate.bound_w(asked, cost, low, high, weight)
            return Optimum(output, float(task.power_w @ output), max(bound, 0.0), _worst(task, output), cuts)
    raise RuntimeError(
        f"least power: glare is passed after {CUTS_MOST} rounds of tangents; the street keeps full output meanwhile"
    )


def uniform(task: Task) -> Optimum | Unreachable:
    """Return the least power with one share of its upper bound for every lamp, in closed form; its bound is itself.

    Dimming alike scales every mean and least value and leaves ratios; fTI falls with the fifth root. So the least share is
    the largest that any average, or a P class's darkest point, asks for.
    """
    row = verdict.figures(task.stored, task.high)
    need = classes.REQUIRED[task.lighting_class]
    with np.errstate(divide="ignore"):
        shares = [
            float((need[at] / (row[:, figure] * task.maintenance_ratio)).max())
            for at, figure in ((0, 0), (5, 5), (6, 6))
            if need[at] > 0.0
        ]
    share = max([*shares, float((task.low[task.high > 0] / task.high[task.high > 0]).max())]) * (1.0 + CLOSE)
    output = task.high * share
    margin = _worst(task, output) if np.isfinite(share) else 0.0
    if share > 1.0 + CLOSE or margin < 1.0 - CLOSE:
        at = task.high * min(share, 1.0)
        return Unreachable(_shortfalls(task, at))
    power = float(task.power_w @ output)
    return Optimum(output, power, power / (1.0 + CLOSE), margin, 0)


def _worst(task: Task, output: FloatArray) -> float:
    count = len(task.stored.fields.begin_m)
    kind = np.full(count, task.lighting_class, dtype=np.int64)
    return float(verdict.margins(task.stored, output, kind, np.full(count, task.maintenance_ratio)).min())


def _figure(row: FloatArray, criterion: int, maintenance: float) -> float:
    """Return the figure of a field that a criterion is about, maintained where that is asked."""
    by_row = {rows.LUX_UNIFORMITY: row[6] / row[5] if row[5] > 0.0 else 0.0, rows.LUX_CEILING: row[5] * maintenance}
    if criterion in by_row:
        return float(by_row[criterion])
    place = {AVERAGE: 0, rows.UNIFORMITY: 1, rows.LENGTHWISE: 2, rows.GLARE: 3, rows.EDGE: 4, rows.LUX: 5, rows.LUX_LEAST: 6}
    at = place[criterion]
    return float(row[at]) * (maintenance if at in (0, 5, 6) else 1.0)


def _shortfalls(task: Task, output: FloatArray) -> tuple[Missed, ...]:
    """Return every criterion that fields miss at an output."""
    figures, need = verdict.figures(task.stored, output), classes.REQUIRED[task.lighting_class]
    found: list[Missed] = []
    for f, row in enumerate(figures):
        for criterion, name in enumerate(CRITERIA):
            limit = float(need[criterion])
            if limit <= 0.0 or not np.isfinite(limit):
                continue
            observed = _figure(row, criterion, task.maintenance_ratio)
            most = criterion in (rows.GLARE, rows.LUX_CEILING)
            if observed > limit * (1 + CLOSE) if most else observed < limit * (1 - CLOSE):
                found.append(Missed(f, name, observed, limit))
    return tuple(found)


def _unreachable(task: Task, asked: Rows) -> Unreachable:
    """Return the criteria that must give way: the least sum of shortfalls over fields and criteria says which."""
    key = asked.field * len(CRITERIA) + asked.criterion
    groups, group = np.unique(key, return_inverse=True)
    _, low, high = _bounds(task, asked)
    give = np.zeros((len(key), len(groups)))
    give[np.arange(len(key)), group] = 1.0
    wide = Rows(np.concatenate([asked.matrix, give], axis=1), asked.right, asked.field, asked.criterion, asked.extra_high)
    cost = np.concatenate([np.zeros(asked.matrix.shape[1]), np.ones(len(groups))])
    most = np.full(len(groups), 1e3)
    answer = _solved(wide, cost, np.concatenate([low, np.zeros(len(groups))]), np.concatenate([high, most]))
    if answer is None:
        return Unreachable(_shortfalls(task, task.high))
    x = answer[0]
    output = np.clip(x[: len(task.power_w)], task.low, task.high)
    figures, need = verdict.figures(task.stored, output), classes.REQUIRED[task.lighting_class]
    found: list[Missed] = []
    for k, short in zip(groups.tolist(), x[asked.matrix.shape[1] :].tolist(), strict=True):
        if short > SLACK_SEEN:
            f, criterion = divmod(int(k), len(CRITERIA))
            observed = _figure(figures[f], criterion, task.maintenance_ratio)
            found.append(Missed(f, CRITERIA[criterion], observed, float(need[criterion])))
    return Unreachable(tuple(found))
