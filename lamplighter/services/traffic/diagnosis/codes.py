# SPDX-License-Identifier: Apache-2.0
"""What the numbers of a hi-resolution event log mean.

Indiana Traffic Signal Hi Resolution Data Logger Enumerations (Purdue University, Joint Transportation Research Program,
2012, and the revision of 2019). Numbers above 255 are a vendor's own; of these only those of MAXTIME are read.
"""

from dataclasses import dataclass
from enum import IntEnum

GROUPS_MAX, DETECTORS_MAX = 64, 256  # numbers of signal_groups, overlaps and crossings; of detectors
CODE_MAX = 1024  # events above it are vendors' own and only show that the box lives

GREEN_BEGIN, GREEN_END, YELLOW_BEGIN, YELLOW_END, RED_BEGIN, RED_END = 1, 7, 8, 9, 10, 11
GAP_OUT, MAX_OUT, FORCE_OFF = 4, 5, 6
WALK_BEGIN, WALK_CLEARS, DONT_WALK = 21, 22, 23
CALL_ON, CALL_OFF = 43, 44
OVERLAP_GREEN, OVERLAP_TRAIL, OVERLAP_YELLOW, OVERLAP_RED, OVERLAP_OFF, OVERLAP_WALK = 61, 62, 63, 64, 65, 67
DETECTOR_OFF, DETECTOR_ON = 81, 82
FAULT_FIRST, FAULT_LAST, FAULT_MENDED = 84, 88, 83
BUTTON = 90
PREEMPT_BEGIN, PREEMPT_END = 102, 104
PRIORITY_EARLY, PRIORITY_EXTENDS = 113, 114
PATTERN, CYCLE, CLOCK_SET = 131, 132, 181
SPLIT_FIRST, SPLIT_LAST, CYCLE_RUN, OFFSET_RUN = 300, 315, 316, 318  # MAXTIME: split of signal_group 1 to 16, and so on
STANDARD_LAST = 218  # above it every vendor counts as it likes
QUALITY = (400, 502, 503)  # MaxView: shares and times of the line to the box

# Our own marks, put between the events while they are ordered; a log holds none above 32767.
ARRIVAL, CROSSING = 40001, 40002  # an actuation as its row of the detector table means it; parameter: the row
FILLED_OFF, FILLED_ON = 40081, 40082  # a detector's change that the log lost
DOUBTFUL_SIGNALS, DOUBTFUL_CLOCK = 40091, 40092  # parameter: for how many tenths of a second from here on


class Interval(IntEnum):
    """The intervals that a log holds as a beginning and an end."""

    GREEN = 0
    YELLOW = 1
    RED_CLEARANCE = 2
    SPLIT = 3
    CALL = 4
    HOLD = 5
    OMIT = 6
    FOOT_OMIT = 7
    FOOT_SERVICE = 8
    FOOT_OVERLAP = 9
    FLASHING_ARROW = 10
    PREEMPT = 11
    PRIORITY_CALL = 12
    PRIORITY_SERVICE = 13
    SPECIAL = 14
    BUTTON_FAILED = 15
    OVERLAP_GREEN = 16
    OVERLAP_TRAIL = 17
    OVERLAP_YELLOW = 18
    OVERLAP_RED = 19
    DETECTOR_OTHER = 20
    DETECTOR_WATCHDOG = 21
    DETECTOR_STUCK_OFF = 22
    DETECTOR_STUCK_ON = 23
    DETECTOR_ERRATIC = 24
    COORDINATION_CHANGE = 25


INTERVALS = len(Interval)
# interval: (event that begins it, event that ends it)
PAIRS = {
    Interval.GREEN: (1, 7), Interval.YELLOW: (8, 9), Interval.RED_CLEARANCE: (10, 11), Interval.SPLIT: (0, 12),
    Interval.CALL: (43, 44), Interval.HOLD: (41, 42), Interval.OMIT: (46, 47), Interval.FOOT_OMIT: (48, 49),
    Interval.FOOT_SERVICE: (21, 23), Interval.FOOT_OVERLAP: (67, 65), Interval.FLASHING_ARROW: (32, 33),
    Interval.PREEMPT: (102, 104), Interval.PRIORITY_CALL: (112, 115), Interval.PRIORITY_SERVICE: (118, 119),
    Interval.SPECIAL: (176, 177), Interval.BUTTON_FAILED: (91, 92),
}  # fmt: skip
CLEARANCE_MAX_MS = 10_000  # a longer yellow or red clearance is no interval but a hole in the log

SIMULATED_PREFIX = "SIMULATED-"  # before every box's name in a simulated log: whoever reads it, or a page of it, is told
ADVANCE, PRESENCE, YELLOW_RED = 0, 1, 2
USES = ("Advance", "Presence", "Yellow_Red")  # what a detector may be used for, as the detector table says it


@dataclass(frozen=True)
class Event:
    """One row of the reference page: number, name."""

    code: int
    name: str


READ = (
    Event(1, "green begins"), Event(4, "gap-out"), Event(5, "max-out"), Event(6, "force-off"), Event(7, "green ends"),
    Event(8, "yellow begins"), Event(9, "yellow ends"), Event(10, "red clearance begins"), Event(11, "red clearance ends"),
    Event(21, "walk begins"), Event(22, "walk clears"), Event(23, "do not walk"), Event(43, "call"), Event(44, "call dropped"),
    Event(81, "detector off"), Event(82, "detector on"), Event(90, "push button"), Event(131, "pattern"), Event(132, "cycle"),
)  # fmt: skip
