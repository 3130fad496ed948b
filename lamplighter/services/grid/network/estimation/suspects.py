# SPDX-License-Identifier: Apache-2.0
"""Meters that lie: what each says against what all others and the register let expect.

The innovation v = y - H x of a block has covariance S = H P H' + R; (S^-1 v)_i / sqrt((S^-1)_ii) is the error of meter i as
the others see it, over its spread (the deletion form of the largest normalised residual; Abur and Exposito 2004, 5.7).
The greatest above the gate is put aside, and the rest judged again.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.estimation.blocks import Block
from lamplighter.services.grid.network.estimation.meters import MeterPlan
from lamplighter.services.grid.network.estimation.prior import Weights
from lamplighter.services.grid.network.estimation.spread import SOURCE_SIGMA_PU, measured
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

GATE = 4.5  # standard deviations: with a thousand meters a false alarm in about 150 steps
VOLTAGE, LINE_P, LINE_Q, TRANSFORMER_P, TRANSFORMER_Q = range(5)
KINDS = ("voltage", "line power", "line reactive power", "transformer power", "transformer reactive power")


@dataclass(frozen=True)
class Suspects:
    """Meters that do not fit (k,), worst first within a block: kind, row in the plan's columns of that kind, error
    (difference) as the others see it (pu, kW or kvar), and how many standard deviations that is."""

    kind: IntArray
    meter: IntArray
    difference: FloatArray
    deviations_ratio: FloatArray


@dataclass(frozen=True)
class Heard:
    """One step's readings and what was expected of them without them: the same columns (v,), (w,), (m,)."""

    u_pu: FloatArray
    u_expected_pu: FloatArray
    u_known: BoolArray
    line_kw: FloatArray
    line_expected_kw: FloatArray
    line_known: BoolArray
    transformer_kw: FloatArray
    transformer_expected_kw: FloatArray
    transformer_known: BoolArray


def _whitened(rows: FloatArray, variance: FloatArray, prior: FloatArray, gap: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each row's error as the others see it, and its standard deviation."""
    inverse = np.linalg.inv(rows @ prior @ rows.T + np.diag(variance))
    own = np.diag(inverse)
    return (inverse @ gap) / own, 1.0 / np.sqrt(own)


def suspects(
    blocks: list[Block], plan: MeterPlan, weights: Weights, sky: float, heard: Heard, root_sigma_pu: FloatArray
) -> Suspects:
    """Return the meters that do not fit. root_sigma_pu (s,): spread of each station's busbar voltage as expected."""
    rows_found: list[tuple[int, int, float, float]] = []
    nothing = np.full(len(root_sigma_pu), np.inf)
    lines = len(plan.p_line)
    for block in blocks:
        root = SOURCE_SIGMA_PU if block.station < 0 else float(root_sigma_pu[block.station])
        found = measured(block, plan, weights, (sky, root), nothing, told=False)
        keys: list[tuple[int, int]] = [(VOLTAGE, int(meter)) for meter in block.u_meter]
        gap = list(heard.u_pu[block.u_meter] - heard.u_expected_pu[block.u_meter])
        known = list(heard.u_known[block.u_meter])
        used = list(range(len(keys)))
        row = len(keys)
        for meter in block.p_meter.tolist():
            of_line = meter < lines
            at = meter if of_line else meter - lines
            told = heard.line_kw - heard.line_expected_kw if of_line else heard.transformer_kw - heard.transformer_expected_kw
            keys.append((LINE_P if of_line else TRANSFORMER_P, at))
            gap.append(told[at])
            known.append(heard.line_known[at] if of_line else heard.transformer_known[at])
            used.append(row)  # the reactive row that follows is not judged
            row += 2
        left = [k for k in range(len(keys)) if known[k]]
        while left:
            take = np.array([used[k] for k in left])
            error, sigma = _whitened(
                found.rows_per_kw[take], found.variance_kw[take], found.prior_kw, np.array([gap[k] for k in left])
            )
            worst = int(np.argmax(np.abs(error) / sigma))
            if abs(error[worst]) <= GATE * sigma[worst]:
                break
            kind, meter = keys[left[worst]]
            rows_found.append((kind, meter, float(error[worst]), float(error[worst] / sigma[worst])))
            del left[worst]
    columns = list(zip(*rows_found, strict=True)) if rows_found else [(), (), (), ()]
    return Suspects(
        np.array(columns[0], np.int64), np.array(columns[1], np.int64), np.array(columns[2], np.float64),
        np.array(columns[3], np.float64),
    )  # fmt: skip


def least_noticed(block: Block, plan: MeterPlan, weights: Weights, sky: float, root_sigma_pu: float, stations: int) -> FloatArray:
    """Return the smallest error (v,) of each voltage meter of a block that would be noticed: the gate over its spread."""
    if not len(block.u_meter):
        return np.zeros(0)
    found = measured(block, plan, weights, (sky, root_sigma_pu), np.full(stations, np.inf), told=False)
    many = len(block.u_meter)
    _, sigma = _whitened(found.rows_per_kw, found.variance_kw, found.prior_kw, np.zeros(len(found.variance_kw)))
    return GATE * sigma[:many]
