# SPDX-License-Identifier: Apache-2.0
"""From the control plane to the record plane, in memory: sums per group and window, nothing finer leaves here."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamplighter.history.tables import FLOORS, LOW_COUNT
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.measurement import Measurements
from lamplighter.terms.quantity import Quantity

OPEN_WINDOWS_MAX = 8  # more than this many windows open at once means a clock has jumped; the newest are refused


@dataclass(frozen=True)
class Groups:
    """How assets are put together for the record.

    kind, name, zone: (g,) texts; zone names the coarser group into which low counts are merged (for approaches;
    empty elsewhere). of_asset (n,) the group of each asset of the city, -1 for assets that are not recorded.
    members: (g,) how many assets the group stands for (connections for a meter's cell), not fewer than its floor; a window's
    row counts those alone that reported, and is left out where they are fewer.
    """

    kind: TextArray
    name: TextArray
    zone: TextArray
    members: IntArray
    of_asset: IntArray

    def __post_init__(self) -> None:
        unknown = sorted({str(kind) for kind in self.kind} - set(FLOORS))
        if unknown:
            raise ValueError(f"groups of kind {', '.join(unknown)} may not be recorded, only {', '.join(FLOORS)}")
        for position, (kind, name) in enumerate(zip(self.kind, self.name, strict=True)):
            needed = FLOORS[str(kind)].members_min
            if self.members[position] < needed:
                raise ValueError(
                    f"group {name} of kind {kind} has {self.members[position]} members, needs {needed}; "
                    "merge it with a neighbour, or leave its assets out of the record (of_asset -1)"
                )
            if str(kind) == "approach" and not str(self.zone[position]):
                raise ValueError(f"approach {name} names no zone; low counts need one to be merged into")
        if len(self.of_asset) and not (int(self.of_asset.min()) >= -1 and int(self.of_asset.max()) < len(self.kind)):
            raise ValueError(f"of_asset must lie between -1 and {len(self.kind) - 1}")


@dataclass
class _Open:
    """One window that is still being filled: sum and count per (group, quantity); seen (words, assets): which quantities
    each asset has reported, one bit each."""

    total: FloatArray
    rows: IntArray
    seen: NDArray[np.uint64]


class RollUp:
    """Accumulates measurements per group and window, and yields windows once they are closed.

    window_s is the length of the record's windows: a multiple of each group's floor. A window closes `grace_s`
    after its end; what comes later is counted in `late` and left out, so a yielded window never changes.
    """

    def __init__(
        self, quantities: tuple[Quantity, ...], services: tuple[str, ...], groups: Groups, window_s: int, grace_s: float = 60.0
    ) -> None:
        finest = max((FLOORS[str(kind)].window_min_s for kind in groups.kind), default=1)
        if window_s < finest:
            raise ValueError(f"window_s is {window_s}, the groups' floor is {finest}; choose {finest} or more")
        self.late = 0
        self._quantities = quantities
        self._services = services
        self._groups = groups
        self._window_s = window_s
        self._grace_s = grace_s
        self._step_s = np.array([q.window_min_s for q in quantities], dtype=np.int64)
        self._is_total = np.array([q.kind == "total" for q in quantities], dtype=np.bool_)
        self._open: dict[int, _Open] = {}
        self._closed_until = -(2**62)

    def add(self, measurements: Measurements) -> None:
        """Add admitted measurements (n,); those of closed windows or unrecorded assets are left out."""
        group = self._groups.of_asset[measurements.asset]
        starts = measurements.window * self._step_s[measurements.quantity]
        window = starts // self._window_s
        recorded = group >= 0
        late = recorded & (window <= self._closed_until)
        self.late += int(np.count_nonzero(late))
        use = recorded & ~late
        for index in np.unique(window[use]):
            mine = use & (window == index)
            bucket = self._bucket(int(index))
            if bucket is None:
                self.late += int(np.count_nonzero(mine))
                continue
            place = group[mine] * len(self._quantities) + measurements.quantity[mine]
            np.add.at(bucket.total, place, measurements.value[mine])
            np.add.at(bucket.rows, place, 1)
            word, bit = np.divmod(measurements.quantity[mine], 64)
            np.bitwise_or.at(bucket.seen, (word, measurements.asset[mine]), np.left_shift(np.uint64(1), bit.astype(np.uint64)))

    def closed(self, now_s: float, run: str) -> dict[str, AnyArray] | None:
        """Return rows of table `measurements` for every window that ended before now, or None where there is none."""
        last = int((now_s - self._grace_s) // self._window_s) - 1
        ready = sorted(index for index in self._open if index <= last)
        self._closed_until = max(self._closed_until, last)
        parts = [self._rows(index, self._open.pop(index), run) for index in ready]
        parts = [part for part in parts if len(part["run"])]
        if not parts:
            return None
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _bucket(self, index: int) -> _Open | None:
        if index not in self._open:
            if len(self._open) >= OPEN_WINDOWS_MAX:
                return None
            size = len(self._groups.kind) * len(self._quantities)
            words = -(-len(self._quantities) // 64)
            seen = np.zeros((words, len(self._groups.of_asset)), dtype=np.uint64)
            self._open[index] = _Open(np.zeros(size), np.zeros(size, dtype=np.int64), seen)
        return self._open[index]

    def _rows(self, index: int, bucket: _Open, run: str) -> dict[str, AnyArray]:
        shape = (len(self._groups.kind), len(self._quantities))
        total, rows = bucket.total.reshape(shape), bucket.rows.reshape(shape)
        merged = self._low(total, rows)
        members = self._members(bucket, rows)
        floor = np.array([FLOORS[str(kind)].members_min for kind in self._groups.kind], dtype=np.int64)
        group, quantity = np.nonzero((rows > 0) & ~merged & (members >= floor[:, None]))
        plain = self._columns(index, run, quantity, total[group, quantity], rows[group, quantity])
        plain |= {
            "group_kind": self._groups.kind[group],
            "group_name": self._groups.name[group],
            "members": members[group, quantity],
        }
        zones = self._zones(index, run, np.where(merged, total, 0.0), np.where(merged, rows, 0))
        return {name: np.concatenate([plain[name], zones[name]]) for name in plain}

    def _members(self, bucket: _Open, rows: IntArray) -> IntArray:
        """Return per group and quantity how many members reported: those that stand in it and are silent hide nobody."""
        of_asset, groups = self._groups.of_asset, len(self._groups.kind)
        there = np.bincount(of_asset[of_asset >= 0], minlength=groups)
        found = np.zeros(rows.shape, dtype=np.int64)
        for quantity in np.flatnonzero(rows.any(axis=0)).tolist():
            word, bit = divmod(quantity, 64)
            told = (bucket.seen[word] >> np.uint64(bit)) & np.uint64(1) == 1
            reported = np.bincount(of_asset[told & (of_asset >= 0)], minlength=groups)
            found[:, quantity] = self._groups.members * reported // np.maximum(there, 1)
        return found

    def _low(self, total: FloatArray, rows: IntArray) -> BoolArray:
        """Cells to merge: where one group of a zone counted little, the whole zone is merged, so none can be told apart."""
        zoned = self._groups.zone != ""
        # A zone is judged by its counts; where any of them is low, every quantity of the zone is merged.
        low_group = (zoned[:, None] & self._is_total[None, :] & (rows > 0) & (total < LOW_COUNT)).any(axis=1)
        low_zone = np.isin(self._groups.zone, np.unique(self._groups.zone[low_group])) & zoned
        return np.broadcast_to(low_zone[:, None], total.shape)

    def _zones(self, index: int, run: str, total: FloatArray, rows: IntArray) -> dict[str, AnyArray]:
        names, place = np.unique(self._groups.zone, return_inverse=True)
        shape = (len(names), len(self._quantities))
        zone_total, zone_rows, members = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(len(names), dtype=np.int64)
        np.add.at(zone_total, place, total)
        np.add.at(zone_rows, place, rows)
        np.add.at(members, place, 1)
        # A zone of a single approach would be that approach under another name: it is left out altogether.
        zone, quantity = np.nonzero((zone_rows > 0) & (members >= FLOORS["zone"].members_min)[:, None])
        columns = self._columns(index, run, quantity, zone_total[zone, quantity], zone_rows[zone, quantity])
        return columns | {
            "group_kind": _repeated("zone", len(zone)),
            "group_name": names[zone],
            "members": members[zone],
        }

    def _columns(self, index: int, run: str, quantity: IntArray, total: FloatArray, rows: IntArray) -> dict[str, AnyArray]:
        size = len(quantity)
        services = np.array(self._services, dtype=np.str_)
        names = np.array([q.name for q in self._quantities], dtype=np.str_)
        return {
            "run": _repeated(run, size),
            "service": services[quantity],
            "quantity": names[quantity],
            "window_start_s": np.full(size, index * self._window_s, dtype=np.int64),
            "window_s": np.full(size, self._window_s, dtype=np.int64),
            "value_mean": total / np.maximum(rows, 1),
            "value_sum": total,
            "count": rows,
        }


def _repeated(text: str, times: int) -> TextArray:
    return np.repeat(np.array([text], dtype=np.str_), times)


def by_area(area: TextArray, names: tuple[str, ...]) -> Groups:
    """Return groups of kind `area` from the area (n,) of each asset; assets of no listed area are not recorded."""
    position: Mapping[str, int] = {name: index for index, name in enumerate(names)}
    of_asset = np.array([position.get(str(each), -1) for each in area], dtype=np.int64)
    members = np.bincount(of_asset[of_asset >= 0], minlength=len(names)).astype(np.int64)
    return Groups(
        _repeated("area", len(names)),
        np.array(names, dtype=np.str_),
        _repeated("", len(names)),
        np.maximum(members, 1),
        of_asset,
    )
