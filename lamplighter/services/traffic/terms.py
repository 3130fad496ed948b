# SPDX-License-Identifier: Apache-2.0
"""The nouns and actions of traffic signals: asset kinds, quantities, actions, reasons and tables.

Lists inside a table cell are whole numbers joined by semicolons ("0;2;5"); an empty cell is an empty list.
"""

import re
from dataclasses import dataclass, field

from lamplighter.terms.asset import AssetKind
from lamplighter.terms.columns import IntArray
from lamplighter.terms.decision import Action, ActionColumn
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.table import ColumnSpec, TableSpec

INTERSECTION = "intersection"
SIGNAL_GROUP = "signal_group"
LOOP = "loop"
LANE_AREA = "lane_area"
CALL_BUTTON = "call_button"
COUNTER = "counter"

KINDS = (
    AssetKind(INTERSECTION, "a signal_controller with all its signals", needs_power=True, power_p90_kw=0.6, supplied="signal"),
    AssetKind(SIGNAL_GROUP, "signals of one intersection that always show the same"),
    AssetKind(LOOP, "an inductive loop in one lane at the stop line"),
    AssetKind(LANE_AREA, "a stretch of one lane on which standing and moving vehicles are counted"),
    AssetKind(CALL_BUTTON, "the request of people waiting at one crossing"),
    AssetKind(COUNTER, "the flow of one street in one direction, over a quarter of an hour"),
)


WALK_M_S = 1.2  # RiLSA 2015, 2.5
WALK_MIN_M_S = 0.5
_SPEED = re.compile(r"\d(\.\d{1,2})?")


@dataclass(frozen=True)
class Settings:
    """The `[traffic]` table of a city: how many trips start in its busiest hour, where the city makes its own demand.

    through: from edge to edge of the district; local: from or to a street in it; line_trips_per_day: of each bus and
    tram line, each way. Trips are thinned where an intersection would be fuller than its signals can pass.

    persons_per_...: how many people a vehicle carries where delay is counted per person (docs/explanation/people.md);
    on a bicycle and on foot one. walk_m_s: how fast the slowest person counted on walks over a crossing; slow_crossings:
    crossings that ask for more time, such as near a hospital or a school, each as "crossing=speed".
    """

    through_veh_h: float = field(default=2800.0, metadata={"low": 0.0, "high": 100000.0})
    local_veh_h: float = field(default=700.0, metadata={"low": 0.0, "high": 100000.0})
    bicycle_h: float = field(default=160.0, metadata={"low": 0.0, "high": 100000.0})
    person_h: float = field(default=500.0, metadata={"low": 0.0, "high": 100000.0})
    line_trips_per_day: float = field(default=100.0, metadata={"low": 0.0, "high": 1440.0})
    persons_per_car: float = field(default=1.3, metadata={"low": 1.0, "high": 9.0})
    persons_per_bus: float = field(default=20.0, metadata={"low": 1.0, "high": 200.0})
    persons_per_tram: float = field(default=60.0, metadata={"low": 1.0, "high": 500.0})
    walk_m_s: float = field(default=1.2, metadata={"low": 0.5, "high": 1.2})
    slow_crossings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where a slow crossing is not written as crossing=speed."""
        slow_speeds(self.slow_crossings)


def slow_speeds(cells: tuple[str, ...]) -> dict[str, float]:
    """Return the walking speed in m/s of each crossing named in `slow_crossings`; ValueError says which is wrong."""
    found: dict[str, float] = {}
    for text in cells:
        crossing, _, speed = text.rpartition("=")
        if not crossing or not _SPEED.fullmatch(speed) or not WALK_MIN_M_S <= float(speed) <= WALK_M_S:
            raise ValueError(
                f"slow_crossings: {text!r} is not crossing=speed with a speed of {WALK_MIN_M_S} to {WALK_M_S} m/s, "
                'such as ":cluster_12_c0=0.9" (the crossing\'s id in the road network)'
            )
        found[crossing] = float(speed)
    return found


CLEAR_WAY = "clear_way"

# What a signal_group shows, as `group_state` reports it.
RED, RED_AMBER, GREEN, YELLOW = 0, 1, 2, 3
GROUP_STATES = ("red", "red_amber", "green", "yellow")
# Who decides at the box, as `box_mode` reports it.
LOCAL, LEASED, FAULT = 0, 1, 2
BOX_MODES = ("local", "leased", "fault")

STAGES_MAX = 32
VEHICLE_M = 7.5  # room one standing car takes, gap included (HBS 2015, part S4: 6 m to 7.5 m)

# Of a bus or tram that asks for its green: nothing finer than ten seconds, said every ten seconds (docs/decisions/0008).
DUE_STEP_S, DUE_MAX_S, DUE_WINDOW_S = 10.0, 60.0, 10


def _due(kind: str) -> str:
    return (
        f"end of the ten seconds in which the next {kind} of this movement is at its stop line: 10 within 10 s or standing "
        "there, 20 within 10 to 20 s, and so on; 0 where none asks for green"
    )


QUANTITIES = (
    Quantity(
        "running_stage",
        "1",
        1.0,
        0.0,
        STAGES_MAX - 1.0,
        "instant",
        1,
        INTERSECTION,
        "the stage whose groups are green, or towards which the box is changing",
    ),
    Quantity(
        "stage_elapsed_s",
        "s",
        1.0,
        0.0,
        3600.0,
        "instant",
        1,
        INTERSECTION,
        "seconds since every group of the running stage became green; 0 while the box is changing",
    ),
    Quantity("box_mode", "1", 1.0, 0.0, 2.0, "instant", 1, INTERSECTION, "0 local programme, 1 under a lease, 2 fault"),
    Quantity("p_kw", "kW", 0.001, 0.0, 2000.0, "mean", 1, INTERSECTION, "power drawn from the grid, consumption positive"),
    Quantity(
        "held_commands",
        "1",
        1.0,
        0.0,
        1000.0,
        "total",
        1,
        INTERSECTION,
        "commands that the box delayed or ignored in the window because its own minimum times stand above them",
    ),
    Quantity("group_state", "1", 1.0, 0.0, 3.0, "instant", 1, SIGNAL_GROUP, "0 red, 1 red-amber, 2 green, 3 yellow"),
    Quantity("bus_due_s", "s", DUE_STEP_S, 0.0, DUE_MAX_S, "instant", DUE_WINDOW_S, SIGNAL_GROUP, _due("bus")),
    Quantity("tram_due_s", "s", DUE_STEP_S, 0.0, DUE_MAX_S, "instant", DUE_WINDOW_S, SIGNAL_GROUP, _due("tram")),
    Quantity("group_elapsed_s", "s", 1.0, 0.0, 3600.0, "instant", 1, SIGNAL_GROUP, "seconds since the group began to show it"),
    Quantity(
        "group_waited_s",
        "s",
        1.0,
        0.0,
        3600.0,
        "instant",
        1,
        SIGNAL_GROUP,
        "seconds for which somebody has been waiting at its red, as the box counts from calls and detectors; 0 while nobody does",
    ),
    Quantity("count_veh", "veh", 1.0, 0.0, 10000.0, "total", 1, LOOP, "vehicles that left the loop in the window"),
    Quantity("occupancy_share", "1", 0.01, 0.0, 1.0, "mean", 1, LOOP, "share of the window in which the loop was covered"),
    Quantity("area_veh", "veh", 1.0, 0.0, 200.0, "instant", 1, LANE_AREA, "vehicles on the stretch"),
    Quantity("queue_veh", "veh", 1.0, 0.0, 200.0, "instant", 1, LANE_AREA, "of these, vehicles slower than 0.1 m/s"),
    Quantity("call_waiting", "1", 1.0, 0.0, 1.0, "instant", 1, CALL_BUTTON, "1 while somebody waits at red, 0 else"),
    Quantity("flow_veh_h", "veh/h", 1.0, 0.0, 20000.0, "mean", 900, COUNTER, "motor vehicles over the counter"),
)

ACTIONS = (
    Action(
        "hold_stage",
        INTERSECTION,
        (ActionColumn("stage", 0.0, STAGES_MAX - 1.0, "the stage that is running"),),
        lease_max_s=60.0,
        change_min_s=1.0,
        doc="stay in the running stage while the lease lasts",
    ),
    Action(
        "start_stage",
        INTERSECTION,
        (ActionColumn("stage", 0.0, STAGES_MAX - 1.0, "the stage to change to"),),
        lease_max_s=90.0,
        change_min_s=5.0,
        doc="change to another stage through its intergreens and stay there",
    ),
    Action(
        CLEAR_WAY,
        INTERSECTION,
        (ActionColumn("stage", 0.0, STAGES_MAX - 1.0, "the stage that clears the way"),),
        lease_max_s=30.0,
        change_min_s=5.0,
        doc="an operator's wish: change to a stage through its intergreens and stay there, so that help gets through",
        by="operator",
    ),
)

REASONS = (
    "its queues weigh more than those of the running stage",
    "somebody there has waited as long as is allowed",
    "people wait to cross and nothing else presses",
    "its queue is still discharging",
    "the street behind the running stage is full",
    "nobody else is waiting",
    "its detectors are silent: the box runs its own programme",
    "an operator asked for it",
    "a bus or tram is about to arrive there",
    "its green has only begun, or is about to begin",
)

_ID = ColumnSpec("id", "text", "asset id", refers_to="assets")
_INTERSECTION = ColumnSpec("intersection", "text", "the intersection", refers_to="intersections.id")
_GROUP = ColumnSpec("group", "int", "number of the signal_group within the intersection", low=0, high=127)

INTERSECTIONS = TableSpec(
    "intersections",
    "Intersections with signals, each one signal_controller.",
    (
        _ID,
        ColumnSpec("tls_id", "text", "id of the signal programme in the road network (SUMO tlLogic)"),
        ColumnSpec("name", "text", "names of the streets that meet"),
        ColumnSpec("cycle_s", "float", "cycle of the own programme", low=10, high=300),
        ColumnSpec("offset_s", "float", "start of the first stage's green after the clock's zero", low=0, high=300),
        ColumnSpec("lone_crossing", "bool", "a crossing of one street, with no vehicle conflict"),
        ColumnSpec("links", "int", "number of links of the signal programme", low=1, high=1000),
        ColumnSpec("power_kw", "float", "power drawn by the signals in operation", low=0, high=10),
    ),
    ("id",),
)
SIGNAL_GROUPS = TableSpec(
    "signal_groups",
    "Signals that always show the same, with the times they must keep.",
    (
        _ID,
        _INTERSECTION,
        _GROUP,
        ColumnSpec("kind", "text", "who obeys it", one_of=("motor", "rail", "cycle", "foot")),
        ColumnSpec("links", "text", "list of link numbers in the signal programme"),
        ColumnSpec("green_min_s", "float", "shortest green", low=1, high=60),
        ColumnSpec("red_max_s", "float", "longest that somebody waits at its red", low=30, high=300),
        ColumnSpec("yellow_s", "float", "yellow after green (foot: 0)", low=0, high=6),
        ColumnSpec("red_amber_s", "float", "red and amber before green (foot: 0)", low=0, high=3),
        ColumnSpec("clearance_s", "float", "time its slowest user needs to clear after its green or yellow", low=0, high=60),
        ColumnSpec("crossing_m", "float", "longest way over the street (foot; others 0)", low=0, high=70),
        ColumnSpec(
            "walk_m_s",
            "float",
            "how fast the slowest person counted on walks over it (1.2 where not given)",
            low=WALK_MIN_M_S,
            high=WALK_M_S,
            optional=True,
        ),
    ),
    ("intersection", "group"),
)
INTERGREENS = TableSpec(
    "intergreens",
    "Conflicting pairs of groups: one row per ordered pair.",
    (
        _INTERSECTION,
        ColumnSpec("from_group", "int", "the group whose green ends", low=0, high=127),
        ColumnSpec("to_group", "int", "the group whose green starts", low=0, high=127),
        ColumnSpec("intergreen_s", "float", "end of the first's green to start of the second's green", low=0, high=60),
        ColumnSpec("permissive", "bool", "both may be green together, one of them giving way (as the first programme had it)"),
        ColumnSpec(
            "cycle_clear_m",
            "float",
            "how far a bicycle of the first rides to clear (0: it has none)",
            low=0,
            high=200,
            optional=True,
        ),
        ColumnSpec("cycle_enter_m", "float", "how far the second goes meanwhile to get there", low=0, high=200, optional=True),
    ),
    ("intersection", "from_group", "to_group"),
)
STAGES = TableSpec(
    "stages",
    "Sets of groups that may be green together.",
    (
        _INTERSECTION,
        ColumnSpec("stage", "int", "number of the stage within the intersection", low=0, high=STAGES_MAX - 1),
        ColumnSpec("groups", "text", "list of all groups that are green"),
        ColumnSpec("permissive", "text", "list of those of them that give way (green without priority)"),
    ),
    ("intersection", "stage"),
)
PROGRAMMES = TableSpec(
    "programmes",
    "The own programme of each box: its stages in order.",
    (
        _INTERSECTION,
        ColumnSpec("position", "int", "place in the cycle", low=0, high=STAGES_MAX - 1),
        ColumnSpec("stage", "int", "the stage", low=0, high=STAGES_MAX - 1),
        ColumnSpec("split_s", "float", "seconds of the cycle, including the change that ends the stage", low=1, high=300),
    ),
    ("intersection", "position"),
)
MOVEMENTS = TableSpec(
    "movements",
    "Who may go where under which link: one row per link of the signal programme.",
    (
        _INTERSECTION,
        ColumnSpec("link", "int", "number of the link in the signal programme", low=0, high=1000),
        _GROUP,
        ColumnSpec("kind", "text", "who uses it", one_of=("motor", "rail", "cycle", "foot")),
        ColumnSpec("from_edge", "text", "street it leaves (foot: the crossing)"),
        ColumnSpec("from_lane", "int", "lane it leaves", low=0, high=31),
        ColumnSpec("to_edge", "text", "street it enters (foot: the crossing)"),
        ColumnSpec("to_lane", "int", "lane it enters", low=0, high=31),
        ColumnSpec("turn", "text", "direction", one_of=("straight", "left", "right", "u_turn", "cross")),
        ColumnSpec("saturation_flow_pcu_h", "float", "passenger car units per hour of green (foot: 0)", low=0, high=3000),
        ColumnSpec("permissive", "bool", "gives way in at least one stage"),
    ),
    ("intersection", "link"),
)
DETECTORS = TableSpec(
    "detectors",
    "What is measured where: loops, lane areas, call buttons and counters.",
    (
        _ID,
        ColumnSpec("kind", "text", "kind of asset", one_of=(LOOP, LANE_AREA, CALL_BUTTON, COUNTER)),
        ColumnSpec(
            "role",
            "text",
            "loop: stop_line; lane_area: near, far (before the stop line) or exit (behind it)",
            one_of=("stop_line", "near", "far", "exit", "call", "count"),
        ),
        ColumnSpec("intersection", "text", "the intersection it serves; empty for a counter elsewhere", optional=True),
        ColumnSpec("groups", "text", "list of groups it serves (exit: groups that flow into it)"),
        ColumnSpec("street", "text", "street (edge id) it lies on; call: the crossing"),
        ColumnSpec("lane", "int", "lane number (counter and call: 0)", low=0, high=31),
        ColumnSpec("position_m", "float", "where it begins, from the beginning of the lane", low=0, high=100000),
        ColumnSpec("length_m", "float", "its length (loop: 2 m; counter and call: 0)", low=0, high=1000),
        ColumnSpec("beside", "text", "call: walking areas at both ends of the crossing, joined by spaces", optional=True),
    ),
    ("id",),
)

FLOWS = TableSpec(
    "flows",
    "Who travels where: one way through the district per row (absent trips: an imported scenario brings its own).",
    (
        ColumnSpec("flow", "int", "number; the route `f<number>` in sumo/demand.rou.xml", low=0, high=1_000_000),
        ColumnSpec("mode", "text", "who travels", one_of=("car", "truck", "bus", "tram", "bicycle", "person")),
        ColumnSpec("per_day", "float", "trips on a working day", low=0, high=200000),
        ColumnSpec("profile", "text", "how they spread over the day", one_of=("motor", "active", "timetable")),
        ColumnSpec("from_street", "text", "first street (edge id)"),
        ColumnSpec("to_street", "text", "last street (edge id)"),
    ),
    ("flow",),
)

TABLES = (INTERSECTIONS, SIGNAL_GROUPS, INTERGREENS, STAGES, PROGRAMMES, MOVEMENTS, DETECTORS, FLOWS)


def numbers(cell: str) -> tuple[int, ...]:
    """Return the whole numbers of a list cell; ValueError where one is none."""
    return tuple(int(part) for part in cell.split(";")) if cell else ()


def cell(values: "tuple[int, ...] | list[int] | IntArray") -> str:
    """Return the list cell of whole numbers."""
    return ";".join(str(int(value)) for value in values)
