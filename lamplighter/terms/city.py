# SPDX-License-Identifier: Apache-2.0
"""A city as read from its folder: frozen values that every service is handed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.table import Table


@dataclass(frozen=True)
class Streets:
    """Streets and paths, columns of equal length (n,).

    id: the edge id of the road network; name: as on the street sign, may be empty; kind: `motor`, `cycle`,
    `foot` or `crossing`; highway: the road class of the source (`highway.residential`), may be empty;
    from_node, to_node: ids of the intersections at its ends; length_m; width_m (carriageway or path);
    lanes (motor lanes); speed_m_s; lit; area; geometry: shape_offsets (n+1,) into shape_lon_deg and
    shape_lat_deg (m,).
    """

    id: TextArray
    name: TextArray
    kind: TextArray
    highway: TextArray
    from_node: TextArray
    to_node: TextArray
    length_m: FloatArray
    width_m: FloatArray
    lanes: IntArray
    speed_m_s: FloatArray
    lit: BoolArray
    area: TextArray
    shape_offsets: IntArray
    shape_lon_deg: FloatArray
    shape_lat_deg: FloatArray

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Place:
    """Where a city lies and what its local plane is: metres east and north of (lon0_deg, lat0_deg)."""

    lon0_deg: float
    lat0_deg: float
    timezone: str


@dataclass(frozen=True)
class CityData:
    """What one service needs to know of its city: shared tables, its own tables and its own settings.

    folder is for the simulator alone (it reads its scenario there); deciders and checks never touch it.
    """

    name: str
    title: str
    simulated: bool
    place: Place
    streets: Streets
    assets: Assets
    span: slice
    tables: Mapping[str, Table]
    settings: Any
    vocabulary: tuple[str, ...]  # quantity names; a frame's quantity number is the position here
    areas: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class BuildContext:
    """What a service's `build` is handed. `built` holds the assets of services built before it (no fed_by yet)."""

    name: str
    seed: int
    place: Place
    streets: Streets
    settings: Any
    built: Assets
    folder: Path  # the city folder under construction; `folder / "sumo" / "net.xml"` is the road network
    source: Mapping[str, str]  # the [source] table of the recipe
    progress: Callable[[str, float], None]  # (what is being done, share done 0 to 1)


@dataclass(frozen=True)
class Built:
    """What a service's `build` returns: asset rows (fed_by left empty), tables by name, and report lines.

    `report`: one plain sentence each, with figures, on what was derived, mended or assumed; it goes into the
    city's README.
    """

    assets: Assets
    tables: Mapping[str, Table]
    report: tuple[str, ...]
