# SPDX-License-Identifier: Apache-2.0
"""What stands in the city: one table for all services."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

UNKNOWN = -1  # the position of an id that no asset has


@dataclass(frozen=True)
class AssetKind:
    """A kind of asset. `feeds`: others may hang on it; `needs_power`: it must hang on a node that feeds; `supplied`: among
    whom it is supplied again after an outage (hospitals before signals, signals before street lights, these before homes)."""

    name: str
    doc: str
    feeds: bool = False
    needs_power: bool = False
    power_p90_kw: float = 0.0
    supplied: Literal["hospital", "signal", "walking light", "home"] = "home"


@dataclass(frozen=True)
class Assets:
    """The city's assets, columns of equal length, sorted so that each service's assets are one unbroken run.

    id, kind, service, area, street: (n,) texts (street may be empty); lon_deg, lat_deg: (n,) WGS84;
    fed_by: (n,) id of the node that feeds it, empty where none.
    """

    id: TextArray
    kind: TextArray
    service: TextArray
    area: TextArray
    street: TextArray
    lon_deg: FloatArray
    lat_deg: FloatArray
    fed_by: TextArray

    def __len__(self) -> int:
        return len(self.id)

    def span(self, service: str) -> slice:
        """Return the run of positions that belongs to a service (empty where it has none)."""
        where = np.flatnonzero(self.service == service)
        return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0)

    def of_kind(self, kind: str) -> BoolArray:
        """Return the mask (n,) of assets of one kind."""
        return self.kind == kind

    def positions(self, ids: TextArray) -> IntArray:
        """Return the positions of the given ids, -1 where an id is unknown."""
        if len(self.id) == 0:
            return np.full(len(ids), UNKNOWN, dtype=np.int64)
        order = np.argsort(self.id)
        place = np.clip(np.searchsorted(self.id[order], ids), 0, len(self.id) - 1)
        found = order[place]
        return np.where(self.id[found] == ids, found, UNKNOWN).astype(np.int64)
