# SPDX-License-Identifier: Apache-2.0
"""Intergreen times: how long after one green ends the conflicting green may start.

After RiLSA 2015 (FGSV 321), section 2.5: intergreen = crossing time + clearing time - entering time, rounded up to
whole seconds, where clearing time = (clearing distance + vehicle length) / clearing speed and entering time =
entering distance / entering speed. Crossing time is how long after the end of green the last user still passes the
stop line. The figures below are that guideline's usual ones. Where cycles share a lane with cars, the slower of the
two decides. People on foot clear the whole crossing at 1.2 m/s, or slower where a crossing asks for it, and nothing is
taken off for who enters after them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lamplighter.services.traffic.planning.network import CYCLE, FOOT, RAIL, Connection
from lamplighter.terms.columns import FloatArray

WALK_M_S = 1.2
_STEP_M = 0.5
_NEAR_M = 1.0  # closer than this, two courses have met
_BESIDE_M = 4.0  # courses that pass at this distance meet where they are closest (vehicles are wider than lines)
_HALF_VEHICLE_M = 1.0


@dataclass(frozen=True)
class Clearing:
    """How one kind of user clears: seconds after the end of green, speed and own length."""

    crossing_s: float
    speed_m_s: float
    length_m: float


STRAIGHT = Clearing(3.0, 10.0, 6.0)
TURNING = Clearing(2.0, 7.0, 6.0)
BICYCLE = Clearing(1.0, 4.0, 0.0)
TRAM = Clearing(0.0, 7.0, 30.0)
ENTER_MOTOR_M_S = 40.0 / 3.6
ENTER_CYCLE_M_S = 5.0
ENTER_RAIL_M_S = 20.0 / 3.6
ENTER_FOOT_M_S = 1.5
ENTER_M_S: Mapping[str, float] = {FOOT: ENTER_FOOT_M_S, CYCLE: ENTER_CYCLE_M_S, RAIL: ENTER_RAIL_M_S}


def yellow_s(kind: str, speed_m_s: float) -> float:
    """Return the yellow after green by the speed allowed: 3 s to 50 km/h, 4 s to 60, 5 s above (RiLSA 2015, 2.4).

    Cycles alone: 2 s; people on foot: none.
    """
    if kind == FOOT:
        return 0.0
    if kind == CYCLE:
        return 2.0
    speed_km_h = round(speed_m_s * 3.6)
    return 3.0 if speed_km_h <= 50 else 4.0 if speed_km_h <= 60 else 5.0


def red_amber_s(kind: str) -> float:
    """Return the red and amber before green: 1 s for vehicles, none on foot (RiLSA 2015, 2.4)."""
    return 0.0 if kind == FOOT else 1.0


@dataclass(frozen=True)
class Walking:
    """How fast the slowest person counted on walks: usual_m_s, and other speeds by the crossing's id in the network."""

    usual_m_s: float = WALK_M_S
    slow_m_s: Mapping[str, float] = field(default_factory=dict[str, float])

    def speed_m_s(self, crossing: str) -> float:
        """Return the walking speed at one crossing."""
        return self.slow_m_s.get(crossing, self.usual_m_s)


USUAL = Walking()


def walk_clearance_s(length_m: float, speed_m_s: float = WALK_M_S) -> float:
    """Return the whole seconds that the slowest walker counted on needs over a crossing."""
    return float(np.ceil(round(length_m / speed_m_s, 6)))


def length_m(path_m: FloatArray) -> float:
    """Return the length of a course (n, 2)."""
    return float(np.linalg.norm(np.diff(path_m, axis=0), axis=1).sum()) if len(path_m) > 1 else 0.0


def cycle_ways_m(one: Connection, other: Connection) -> tuple[float, float]:
    """Return how far a bicycle on `one` goes to clear, and `other` to get there; zeros where `one` has no bicycles."""
    if one.kind != CYCLE and not one.cycles:
        return 0.0, 0.0
    return conflict_distances_m(one, other)


def cycle_needs_s(ways_m: tuple[float, float], entering: str) -> float:
    """Return crossing + clearing - entering time of a bicycle, rounded up to whole seconds, 0 where there is none.

    entering: the kind of the group that starts; where cycles and cars share it, it starts at the speed of cars.
    """
    if ways_m[0] <= 0:
        return 0.0
    needed_s = formula_s(BICYCLE, ways_m[0], ways_m[1], ENTER_M_S.get(entering, ENTER_MOTOR_M_S))
    return float(np.ceil(round(max(needed_s, 0.0), 6)))


def intergreen_s(one: Connection, other: Connection, walking: Walking = USUAL) -> float:
    """Return the least time from the end of green of `one` to the start of green of `other`, whole seconds."""
    if one.kind == FOOT:
        return walk_clearance_s(length_m(one.path_m), walking.speed_m_s(one.to_edge))
    clear_m, enter_m = conflict_distances_m(one, other)
    needed = [formula_s(user, clear_m, enter_m, _enter_m_s(other)) for user in _users(one)]
    return float(max(np.ceil(round(max(needed), 6)), yellow_s(one.kind, one.speed_m_s)))


def formula_s(user: Clearing, clear_m: float, enter_m: float, enter_m_s: float) -> float:
    """Return crossing + clearing - entering time in seconds, not rounded."""
    return user.crossing_s + (clear_m + user.length_m) / user.speed_m_s - enter_m / enter_m_s


def _users(connection: Connection) -> tuple[Clearing, ...]:
    if connection.kind == CYCLE:
        return (BICYCLE,)
    if connection.kind == RAIL:
        return (TRAM,)
    cars = STRAIGHT if connection.turn == "straight" else TURNING
    return (cars, BICYCLE) if connection.cycles else (cars,)


def _enter_m_s(connection: Connection) -> float:
    return ENTER_M_S.get(connection.kind, ENTER_MOTOR_M_S)


def conflict_distances_m(one: Connection, other: Connection) -> tuple[float, float]:
    """Return how far `one` goes to be clear of where the courses meet, and how far `other` goes to get there.

    On foot one enters from either side of the crossing, so the shorter way counts. Courses that never come near one
    another although the network has them meet: the whole of the first is cleared, and nothing is taken off.
    """
    ours, our_m = _sampled(one.path_m)
    theirs, their_m = _sampled(other.path_m)
    apart_m = np.hypot(ours[:, None, 0] - theirs[None, :, 0], ours[:, None, 1] - theirs[None, :, 1])
    closest_m = float(apart_m.min())
    reach_m = max(_NEAR_M, closest_m + 0.25) if closest_m <= _BESIDE_M else 0.0
    near = apart_m <= (other.width_m / 2 + _HALF_VEHICLE_M if other.kind == FOOT else reach_m)
    if not near.any():
        return float(our_m[-1]), 0.0
    touching = np.flatnonzero(near.any(axis=1))
    if other.kind == FOOT:
        inside = np.flatnonzero(near.any(axis=0))
        enter_m = min(float(their_m[inside[0]]), float(their_m[-1] - their_m[inside[-1]]))
        return float(our_m[touching[-1]]), max(0.0, enter_m - _HALF_VEHICLE_M)
    first = int(touching[0])
    return float(our_m[first]), float(their_m[np.flatnonzero(near[first])[0]])


def _sampled(path_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return points (n, 2) at most half a metre apart along a course, and their distance (n,) from its start."""
    steps_m = np.linalg.norm(np.diff(path_m, axis=0), axis=1)
    along_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    at_m: FloatArray = np.linspace(0.0, float(along_m[-1]), max(2, int(np.ceil(along_m[-1] / _STEP_M)) + 1))
    return np.stack([np.interp(at_m, along_m, path_m[:, k]) for k in (0, 1)], axis=1), at_m
