# SPDX-License-Identifier: Apache-2.0
"""The traffic tables of a city folder as dense arrays: data shared by deciders, checks and the field box.

Only data is shared here. What follows from it (how long a change takes, who waits how long) each side computes by
its own path, so that one mistake cannot hide itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic import terms
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray, TextArray

MOTOR, CYCLE, FOOT, MIXED, RAIL = 0, 1, 2, 3, 4
GROUP_KINDS = ("motor", "cycle", "foot", "mixed", "rail")
TURNS = ("straight", "left", "right", "u_turn", "cross")
STOP_LINE, NEAR, FAR, EXIT, CALL, COUNT = 0, 1, 2, 3, 4, 5
ROLES = ("stop_line", "near", "far", "exit", "call", "count")


@dataclass(frozen=True)
class Boxes:
    """The signal_controllers, (b,): run position of the asset, ids and names, clock of the own programme."""

    local: IntArray
    tls: TextArray
    name: TextArray
    cycle_s: FloatArray
    offset_s: FloatArray
    lone_crossing: BoolArray
    links: IntArray
    power_kw: FloatArray
    programme_offsets: IntArray  # (b+1,) into the two below
    programme_stage: IntArray
    programme_split_s: FloatArray


@dataclass(frozen=True)
class Groups:
    """The signal_groups, (g,), sorted by box; group n of box b is at offsets[b] + n."""

    offsets: IntArray
    box: IntArray
    local: IntArray
    kind: IntArray
    green_min_s: FloatArray
    red_max_s: FloatArray
    yellow_s: FloatArray
    red_amber_s: FloatArray
    clearance_s: FloatArray
    crossing_m: FloatArray
    walk_m_s: FloatArray


@dataclass(frozen=True)
class Stages:
    """The stages, (s,), sorted by box; stage n of box b is at offsets[b] + n. green, gives_way: (s, m) over the
    group numbers of the box, m the most groups that any box has."""

    offsets: IntArray
    box: IntArray
    green: BoolArray
    gives_way: BoolArray


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of conflicting groups, sorted by box: flat group positions and the intergreen between them; how far
    a bicycle of the first goes to clear (0: it has none) and the second to get there."""

    offsets: IntArray  # (b+1,)
    from_group: IntArray
    to_group: IntArray
    intergreen_s: FloatArray
    permissive: BoolArray
    cycle_clear_m: FloatArray
    cycle_enter_m: FloatArray


@dataclass(frozen=True)
class Detectors:
    """Everything measured, (d,): kind by role, the box (meaningful where `boxed`), flat groups served (ragged)."""

    id: TextArray
    local: IntArray
    role: IntArray
    box: IntArray
    boxed: BoolArray
    street: TextArray
    lane: IntArray
    position_m: FloatArray
    length_m: FloatArray
    beside: TextArray
    group_offsets: IntArray
    group: IntArray


@dataclass(frozen=True)
class Movements:
    """Links of the signal programmes, (v,): flat group, street and lane left, discharge at green in veh/s; turn, by TURNS."""

    box: IntArray
    link: IntArray
    group: IntArray
    kind: IntArray
    from_edge: TextArray
    from_lane: IntArray
    to_edge: TextArray
    turn: IntArray
    saturation_veh_s: FloatArray


@dataclass(frozen=True)
class Layout:
    """All traffic tables of one city. start: first position of the service's run in the city's assets."""

    start: int
    boxes: Boxes
    groups: Groups
    stages: Stages
    pairs: Pairs
    detectors: Detectors
    movements: Movements
    quantity: Mapping[str, int]  # name to position in the vocabulary


def _offsets(owner: IntArray, owners: int) -> IntArray:
    return np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=owners)))).astype(np.int64)


def _floats(table: Mapping[str, AnyArray], name: str, order: IntArray) -> FloatArray:
    return np.asarray(table[name], np.float64)[order]


def _or(table: Mapping[str, AnyArray], name: str, order: IntArray, absent: float) -> FloatArray:
    """Return an optional column, or what holds where a city folder has none."""
    return _floats(table, name, order) if name in table else np.full(len(order), absent)


def _ints(table: Mapping[str, AnyArray], name: str, order: IntArray) -> IntArray:
    return np.asarray(table[name], np.int64)[order]


def _texts(table: Mapping[str, AnyArray], name: str, order: IntArray) -> TextArray:
    return np.asarray(table[name], np.str_)[order]


def _everything(table: Mapping[str, AnyArray], name: str) -> IntArray:
    return np.arange(len(table[name]), dtype=np.int64)


def _codes(words: TextArray, known: tuple[str, ...]) -> IntArray:
    code = np.full(len(words), len(known), np.int64)
    for position, word in enumerate(known):
        code[words == word] = position
    if bool((code == len(known)).any()):
        raise ValueError(f"traffic tables: {words[code == len(known)][0]!r} is not one of {', '.join(known)}")
    return code


def _owners(table: Mapping[str, AnyArray], ids: TextArray, name: str) -> IntArray:
    """Return the box number of every row by the column `intersection`."""
    wanted = np.asarray(table["intersection"], np.str_)
    if len(wanted) == 0:
        return np.zeros(0, np.int64)
    order = np.argsort(ids)
    place = np.clip(np.searchsorted(ids[order], wanted), 0, max(len(ids) - 1, 0))
    found = order[place]
    stranger = ids[found] != wanted
    if bool(stranger.any()):
        raise ValueError(f"traffic/{name}.csv: intersection {wanted[stranger][0]!r} is not in traffic/intersections.csv")
    return found.astype(np.int64)


def _ragged(cells: TextArray) -> tuple[IntArray, IntArray]:
    """Return offsets and values of list cells."""
    lists = [terms.numbers(str(text)) for text in cells]
    lengths = np.array([len(values) for values in lists], np.int64)
    flat = np.array([value for values in lists for value in values], np.int64)
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), flat


def _numbered(owner: IntArray, number: IntArray, owners: int, what: str) -> tuple[IntArray, IntArray]:
    """Return sorting order and offsets; ValueError where the numbers of one intersection have holes or repeats."""
    order = np.lexsort((number, owner)).astype(np.int64)
    offsets = _offsets(owner, owners)
    expected = np.arange(len(order)) - offsets[:-1][owner[order]]
    if not np.array_equal(expected, number[order]):
        row = int(order[np.flatnonzero(expected != number[order])[0]])
        raise ValueError(
            f"traffic/{what}.csv row {row + 2}: {what} number {number[row]} of an intersection leaves a hole or repeats; "
            "number them 0, 1, 2 ..."
        )
    return order, offsets


def _boxes(city: CityData) -> Boxes:
    table, programme = city.tables["intersections"], city.tables["programmes"]
    order = _everything(table, "id")
    ids = _texts(table, "id", order)
    owner = _owners(programme, ids, "programmes")
    by, offsets = _numbered(owner, np.asarray(programme["position"], np.int64), len(ids), "programmes")
    return Boxes(
        local=city.assets.positions(ids) - city.span.start,
        tls=_texts(table, "tls_id", order),
        name=_texts(table, "name", order),
        cycle_s=_floats(table, "cycle_s", order),
        offset_s=_floats(table, "offset_s", order),
        lone_crossing=np.asarray(table["lone_crossing"], np.bool_),
        links=_ints(table, "links", order),
        power_kw=_floats(table, "power_kw", order),
        programme_offsets=offsets,
        programme_stage=_ints(programme, "stage", by),
        programme_split_s=_floats(programme, "split_s", by),
    )


def _groups(city: CityData, ids: TextArray) -> Groups:
    table = city.tables["signal_groups"]
    owner = _owners(table, ids, "signal_groups")
    order, offsets = _numbered(owner, np.asarray(table["group"], np.int64), len(ids), "signal_groups")
    return Groups(
        offsets=offsets,
        box=owner[order],
        local=city.assets.positions(_texts(table, "id", order)) - city.span.start,
        kind=_codes(_texts(table, "kind", order), GROUP_KINDS),
        green_min_s=_floats(table, "green_min_s", order),
        red_max_s=_floats(table, "red_max_s", order),
        yellow_s=_floats(table, "yellow_s", order),
        red_amber_s=_floats(table, "red_amber_s", order),
        clearance_s=_floats(table, "clearance_s", order),
        crossing_m=_floats(table, "crossing_m", order),
        walk_m_s=_or(table, "walk_m_s", order, terms.WALK_M_S),
    )


def _stages(city: CityData, ids: TextArray, groups: Groups) -> Stages:
    table = city.tables["stages"]
    owner = _owners(table, ids, "stages")
    order, offsets = _numbered(owner, np.asarray(table["stage"], np.int64), len(ids), "stages")
    widest = int(np.diff(groups.offsets).max()) if len(ids) else 0
    green, gives_way = (np.zeros((len(order), widest), np.bool_) for _ in range(2))
    for name, mask in (("groups", green), ("permissive", gives_way)):
        at, flat = _ragged(_texts(table, name, order))
        row = np.repeat(np.arange(len(order)), np.diff(at))
        if bool((flat >= np.diff(groups.offsets)[owner[order][row]]).any()):
            raise ValueError(f"traffic/stages.csv: column {name} names a signal_group that its intersection does not have")
        mask[row, flat] = True
    return Stages(offsets, owner[order], green, gives_way)


def _pairs(city: CityData, ids: TextArray, groups: Groups) -> Pairs:
    table = city.tables["intergreens"]
    owner = _owners(table, ids, "intergreens")
    order = np.argsort(owner, kind="stable").astype(np.int64)
    base = groups.offsets[:-1][owner[order]]
    return Pairs(
        offsets=_offsets(owner, len(ids)),
        from_group=base + _ints(table, "from_group", order),
        to_group=base + _ints(table, "to_group", order),
        intergreen_s=_floats(table, "intergreen_s", order),
        permissive=np.asarray(table["permissive"], np.bool_)[order],
        cycle_clear_m=_or(table, "cycle_clear_m", order, 0.0),
        cycle_enter_m=_or(table, "cycle_enter_m", order, 0.0),
    )


def _detectors(city: CityData, ids: TextArray, groups: Groups) -> Detectors:
    table = city.tables["detectors"]
    order = _everything(table, "id")
    boxed = _texts(table, "intersection", order) != ""
    box = np.zeros(len(order), np.int64)
    box[boxed] = _owners({"intersection": _texts(table, "intersection", order)[boxed]}, ids, "detectors")
    at, flat = _ragged(_texts(table, "groups", order))
    return Detectors(
        id=_texts(table, "id", order),
        local=city.assets.positions(_texts(table, "id", order)) - city.span.start,
        role=_codes(_texts(table, "role", order), ROLES),
        box=box,
        boxed=boxed,
        street=_texts(table, "street", order),
        lane=_ints(table, "lane", order),
        position_m=_floats(table, "position_m", order),
        length_m=_floats(table, "length_m", order),
        beside=_texts(table, "beside", order) if "beside" in table else np.full(len(order), "", np.str_),
        group_offsets=at,
        group=groups.offsets[:-1][np.repeat(box, np.diff(at))] + flat,
    )


def _movements(city: CityData, ids: TextArray, groups: Groups) -> Movements:
    table = city.tables["movements"]
    owner = _owners(table, ids, "movements")
    order = np.lexsort((np.asarray(table["link"], np.int64), owner)).astype(np.int64)
    return Movements(
        box=owner[order],
        link=_ints(table, "link", order),
        group=groups.offsets[:-1][owner[order]] + _ints(table, "group", order),
        kind=_codes(_texts(table, "kind", order), GROUP_KINDS),
        from_edge=_texts(table, "from_edge", order),
        from_lane=_ints(table, "from_lane", order),
        to_edge=_texts(table, "to_edge", order),
        turn=_codes(_texts(table, "turn", order), TURNS),
        saturation_veh_s=_floats(table, "saturation_flow_pcu_h", order) / 3600.0,
    )


def announced(layout: Layout) -> IntArray:
    """Return the flat groups, by box, on whose movements buses and trams run and so may ask for green."""
    return np.flatnonzero((layout.groups.kind == MOTOR) | (layout.groups.kind == RAIL))


def read_layout(city: CityData) -> Layout:
    """Return the traffic tables of a city as arrays. Raises ValueError naming the table where they do not fit together."""
    ids = np.asarray(city.tables["intersections"]["id"], np.str_)
    boxes = _boxes(city)
    groups = _groups(city, ids)
    names = [quantity.name for quantity in terms.QUANTITIES]
    return Layout(
        start=city.span.start,
        boxes=boxes,
        groups=groups,
        stages=_stages(city, ids, groups),
        pairs=_pairs(city, ids, groups),
        detectors=_detectors(city, ids, groups),
        movements=_movements(city, ids, groups),
        quantity={name: city.vocabulary.index(name) for name in names},
    )
