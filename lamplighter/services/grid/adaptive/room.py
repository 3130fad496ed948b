# SPDX-License-Identifier: Apache-2.0
"""How much room every branch has for charging: ratings as they are used, less homes, less what the estimate leaves open."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lamplighter.services.grid.adaptive.ratings import cable_shares, day_of, transformer_shares
from lamplighter.services.grid.adaptive.wishes import Wish
from lamplighter.services.grid.envelopes.city import Horizon, Today
from lamplighter.services.grid.moments import SLOT_H, SLOTS, hour_of
from lamplighter.services.grid.network.estimate import FRESH_S, Estimate
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.services.grid.network.sharing import share, sums_below
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

BLOCK_ENDS_H = np.array([0.25, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0])
FADES_H = 2.0  # what differs from usual now is half gone after so long
CARE_RATIO = 1.03  # margins of the safety check, and a little: what is proposed should not be refused for a rounding
COUNTED_SHARE = 0.95  # of later headroom: what is due early then comes first in good time
U_CARE_PU = 0.004
MORE_CARE_PU, MORE_CARE_SHARE = 0.006, 0.02  # kept free besides where limits were refused
WIDE_KW = 1e12


class Room(NamedTuple):
    """Bounds per row (n,): most_share: of its rating that each branch may carry now; margin_kw: kept free of it."""

    most_share: FloatArray
    margin_kw: FloatArray
    u_min_pu: FloatArray


@dataclass(frozen=True)
class Moment:
    """One decision's view: the room, the horizon of blocks, and the local hour."""

    room: Room
    horizon: Horizon
    local_h: float


def _shares(prepared: Prepared, found: Estimate, snapshot: Snapshot) -> FloatArray:
    """Return the share (n,) of its rating that the branch above each row may carry."""
    grid, tree = prepared.grid, prepared.grid.tree
    finite = np.isfinite(tree.rating_kva)
    rating = np.where(finite, tree.rating_kva, WIDE_KW)
    day, stations = day_of(prepared.usual), prepared.stations
    home, shop = stations.home_kw / rating, stations.shop_kw / rating
    base = found.base_kw / rating / np.maximum(found.u_pu, 0.5)
    square = home**2 * day.home_square_ratio + shop**2 * day.shop_square_ratio + 2.0 * home * shop * day.product_ratio
    out = np.where(finite & tree.is_line, cable_shares(base, home * day.home_ratio + shop * day.shop_ratio, square), 1.0)
    oil, warm = latest(snapshot, "station_oil_c", prepared.station_at, FRESH_S)
    table = grid.tables["transformers"]
    loss = np.asarray(table["pk_kw"], np.float64) / np.maximum(np.asarray(table["p0_kw"], np.float64), 1e-3)
    at = prepared.station_row
    here = at != ABSENT
    out[at[here]] = transformer_shares(oil, warm, loss, prepared.settings.ambient_c)[here]
    return out


def moment_of(snapshot: Snapshot, prepared: Prepared, found: Estimate, care_ratio: FloatArray) -> Moment:
    """Return room and horizon at the time of a snapshot. care_ratio (s,): 0 to 1, how much more each station keeps free."""
    confidence = CARE_RATIO * prepared.settings.confidence_ratio
    care = np.where(prepared.row_station == ABSENT, 0.0, care_ratio[np.maximum(prepared.row_station, 0)])
    room = Room(
        _shares(prepared, found, snapshot) * (1.0 - MORE_CARE_SHARE * care),
        confidence * np.hypot(_sigma(prepared, found), prepared.change_kw) + _beyond(prepared, found),
        prepared.settings.u_low_pu + confidence * found.u_sigma_pu + U_CARE_PU + MORE_CARE_PU * care,
    )
    hour = hour_of(prepared.local, snapshot.now_s)
    begins = np.append(0.0, BLOCK_ENDS_H[:-1])
    slots = [np.arange(int((hour + b) / SLOT_H), max(int((hour + e) / SLOT_H), int((hour + b) / SLOT_H) + 1)) % SLOTS
             for b, e in zip(begins.tolist(), BLOCK_ENDS_H.tolist(), strict=True)]  # fmt: skip
    usual, now = prepared.usual, int(hour / SLOT_H) % SLOTS
    horizon = Horizon(
        lasts_h=np.diff(BLOCK_ENDS_H, prepend=0.0),
        now_ratio=np.array([usual.household_ratio[now], usual.commerce_ratio[now]]),
        home_ratio=np.array([float(usual.household_ratio[own].mean()) for own in slots]),
        shop_ratio=np.array([float(usual.commerce_ratio[own].mean()) for own in slots]),
        fades_share=np.asarray(0.5 ** (0.5 * (begins + BLOCK_ENDS_H) / FADES_H), np.float64),
    )
    return Moment(room, horizon, hour)


def _sigma(prepared: Prepared, found: Estimate) -> FloatArray:
    """Return the wider of the estimate's own interval and that of the split, by which a check will judge what is proposed."""
    return np.maximum(found.flow_sigma_kw, prepared.split.flow_kw)


def _beyond(prepared: Prepared, found: Estimate) -> FloatArray:
    """Return by how much (n,) homes behind a branch are more if the station's sum is split by class than the state says."""
    low, tree = prepared.row_station != ABSENT, prepared.grid.tree
    if found.by_split:
        return np.zeros(len(low))
    whole = found.base_kw[np.maximum(prepared.station_row, 0)]
    own = np.where(low, prepared.energy_share * whole[np.maximum(prepared.row_station, 0)], 0.0)
    return np.where(low, np.maximum(sums_below(tree.parent, own) - found.base_kw, 0.0), 0.0)


def headrooms(prepared: Prepared, found: Estimate, room: Room) -> FloatArray:
    """Return the active power (n,) that charging may take through each branch by first-order formulas."""
    tree = prepared.grid.tree
    finite = np.isfinite(tree.rating_kva)
    most = np.where(finite, tree.rating_kva, WIDE_KW) * room.most_share * np.where(tree.is_line, np.minimum(found.u_pu, 1.0), 1.0)
    active = np.sqrt(np.maximum(most**2 - found.q_kvar**2, 0.0))
    return np.where(finite, np.maximum(active - found.base_kw - room.margin_kw, 0.0), WIDE_KW)


def today_of(prepared: Prepared, found: Estimate, wish: Wish, room: Room, caps: tuple[FloatArray, FloatArray]) -> Today:
    """Return what planning takes of the present. caps: charging that may pass each busbar (s,), and by how much the feeding
    point's voltage will be lower (s,)."""
    tree = prepared.grid.tree
    finite = np.isfinite(tree.rating_kva)
    rating = np.where(finite, tree.rating_kva, WIDE_KW)
    own_kw, own_kvar = _own(tree.parent, found.base_kw), _own(tree.parent, found.q_kvar)
    share_max = np.maximum(room.most_share - room.margin_kw / rating, 0.05)
    at = prepared.station_row
    b = np.maximum(at, 0)
    capped = np.hypot(found.base_kw[b] + caps[0], found.q_kvar[b]) / rating[b] / np.maximum(found.u_pu[b], 0.5)
    share_max[b] = np.minimum(share_max[b], np.where(at == ABSENT, 1.0, np.maximum(capped, 0.05)))
    drop = tree.r_pu[b] * found.p_kw[b] + tree.x_pu[b] * found.q_kvar[b]
    feed = (found.u_pu[b] + drop) / np.maximum(tree.gain_ratio[b], 0.5) - caps[1]
    later = np.where(tree.is_line, room.most_share, np.minimum(room.most_share, 1.0))
    return Today(
        own_kva=np.asarray(own_kw + 1j * own_kvar, np.complex128),
        reserved_kw=wish.reserved_kw,
        held_kw=wish.held_kw,
        charging_kw=found.charging_kw,
        metered_kw=found.p_kw[b],
        feed_pu=np.clip(feed, 0.8, 1.2),
        loading_max_ratio=share_max,
        u_min_pu=room.u_min_pu,
        full_kw=np.where(finite, COUNTED_SHARE * rating * later - room.margin_kw, np.inf),
        base_kw=found.base_kw,
    )


def _own(parent: IntArray, through: FloatArray) -> FloatArray:
    """Return what each row (n,) draws itself, from what goes through the branches above rows."""
    has = parent != ABSENT
    return through - np.bincount(parent[has], weights=through[has], minlength=len(through))


def medium_caps(prepared: Prepared, headroom: FloatArray, wanted_kw: FloatArray) -> FloatArray:
    """Return charging that may pass each station (s,) so that no cable of medium voltage is overfull, shared max-min fair."""
    tree = prepared.grid.tree
    own, at = np.zeros(len(tree.node)), prepared.station_row
    here = at != ABSENT
    own[at[here]] = wanted_kw[here]
    asked = sums_below(tree.parent, own)
    medium = prepared.row_station == ABSENT
    if not bool((medium & (asked > headroom)).any()):
        return np.full(len(wanted_kw), WIDE_KW)
    room = np.where(medium, headroom, WIDE_KW)
    given, stopped = share(tree.parent, room, np.maximum(at, 0), np.where(here, np.maximum(wanted_kw, 1e-3), 0.0), wanted_kw)
    return np.where(stopped >= 0, given, WIDE_KW)
