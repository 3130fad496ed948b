# SPDX-License-Identifier: Apache-2.0
"""Tables of weights that select a lighting class: read from data, one file per standard, each with its source.

A class is 6 minus the sum of the weights (CEN/TR 13201-1:2014, clauses 5.2 to 5.4; CIE 115:2010). Over a night only traffic
volume, ambient light and the weather change; by how much their weights fall below those of the design, by so many classes a
street may go below its design class.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.services.lighting.terms import WEIGHTS
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

FAMILIES = ("M", "C", "P")
BRIGHTEST = {"M": 1, "C": 0, "P": 1}
DIMMEST = {"M": 6, "C": 5, "P": 6}


@dataclass(frozen=True)
class Bounds:
    """Weights by a quantity: below value[0] it is weight[0], from value[-1] on weight[-1]. value (k,), weight (k + 1,)."""

    value: tuple[float, ...]
    weight: tuple[float, ...]


@dataclass(frozen=True)
class Weights:
    """One table. design_ratio: the weight of volume that a road of little, usual or much traffic was designed with; wet_ratio:
    the weight of a wet road; quiet_classes: by which paths go down in quiet hours; fixed: per family and parameter the weight of
    each option."""

    name: str
    title: str
    region: str
    source: str
    certainty: str
    design_ratio: tuple[float, float, float]
    two_lane: Bounds
    multilane: Bounds
    ambient: Bounds
    wet_ratio: float
    quiet_classes: int
    fixed: Mapping[str, Mapping[str, Mapping[str, float]]]


def _bounds(given: Mapping[str, Any], key: str) -> Bounds:
    at = tuple(float(v) for v in given[key])
    weight = tuple(float(v) for v in given["weight"])
    if len(weight) != len(at) + 1 or list(at) != sorted(at):
        raise ValueError(f"{key} has {len(at)} bounds and {len(weight)} weights; it needs rising bounds and one weight more")
    return Bounds(at, weight)


def load(name: str) -> Weights:
    """Return a table by name; ValueError names the tables there are, or says what is wrong in the file."""
    if name not in WEIGHTS:
        raise ValueError(f"weights are {name!r}; known tables are {', '.join(WEIGHTS)}")
    return read(Path(__file__).with_name(f"{name}.toml"))


def read(file: Path) -> Weights:
    """Return the table of a file; ValueError says what is wrong in it."""
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
        design = tuple(float(v) for v in given["design"])
        if len(design) != 3:
            raise ValueError(f"design has {len(design)} weights; it needs 3: of little, usual and much traffic")
        return Weights(
            file.stem, given["title"], given["region"], given["source"], given["certainty"],
            (design[0], design[1], design[2]),
            _bounds(given["two_lane"], "share"), _bounds(given["multilane"], "share"), _bounds(given["ambient"], "lx"),
            float(given["wet"]), int(given["quiet"]), {family: given.get(family, {}) for family in FAMILIES},
        )  # fmt: skip
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{file.name}: {error!r}; a table of weights was expected") from error


def lighting_class(table: Weights, family: str, chosen: Mapping[str, str], varying_weight: float = 0.0) -> str:
    """Return the class of a road: 6 minus the weights of the chosen options and of what varies, in the brighter class where
    that is a fraction. ValueError names the parameter or option that is not known, or missing."""
    parameters = table.fixed.get(family, {})
    if not parameters:
        raise ValueError(f"{table.title} has no weights for {family} classes; it has them for {_families(table)}")
    unknown = sorted(set(chosen) - set(parameters))
    if unknown:
        raise ValueError(f"{table.title} has no parameter {unknown[0]!r} for {family} classes; it has {', '.join(parameters)}")
    total = varying_weight
    for parameter, options in parameters.items():
        option = chosen.get(parameter, "")
        if option not in options:
            raise ValueError(f"{parameter} is {option!r}; {table.title} knows {', '.join(repr(o) for o in options)}")
        total += options[option]
    number = int(np.floor(6.0 - total + 1e-9))
    return f"{family}{min(max(number, BRIGHTEST[family]), DIMMEST[family])}"


def _families(table: Weights) -> str:
    return ", ".join(family for family in FAMILIES if table.fixed[family]) or "none"


def volume_weight(table: Weights, share: float, multilane: bool) -> float:
    """Return the weight of a flow that is this share of the largest."""
    bounds = table.multilane if multilane else table.two_lane
    return bounds.weight[int(np.searchsorted(bounds.value, share, side="right"))]


def relax_table(table: Weights, design: IntArray, multilane: BoolArray, most: int) -> tuple[FloatArray, IntArray]:
    """Return for roads (s,) the shares of the largest flow at which the class changes (s, t), inf where a road has fewer, and
    the classes below design in each interval between (s, t + 1), at most `most`.

    design (s,): -1 little, 0 usual, 1 much traffic in the design class.
    """
    many = max(len(table.two_lane.value), len(table.multilane.value))
    share = np.full((len(design), many), np.inf)
    relax = np.zeros((len(design), many + 1), dtype=np.int64)
    drawn = np.array(table.design_ratio)[np.asarray(design) + 1]
    for bounds, rows in ((table.two_lane, np.flatnonzero(~multilane)), (table.multilane, np.flatnonzero(multilane))):
        weight = np.array([*bounds.weight, *[bounds.weight[-1]] * (many - len(bounds.value))])
        share[rows, : len(bounds.value)] = bounds.value
        lower = np.floor(drawn[rows, None] - weight[None, :] + 1e-9)
        relax[rows] = np.clip(lower, 0, most).astype(np.int64)
    return share, relax
