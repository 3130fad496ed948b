# SPDX-License-Identifier: Apache-2.0
"""The nouns and actions of street lighting: asset kinds, quantities, actions, reasons, tables, outcomes and settings."""

from dataclasses import dataclass, field
from datetime import date

from lamplighter.services.lighting.photometry.classes import CLASSES
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS
from lamplighter.services.lighting.photometry.luminaires import OPTICS
from lamplighter.services.lighting.photometry.rtables import SURFACES
from lamplighter.terms.asset import AssetKind
from lamplighter.terms.decision import Action, ActionColumn
from lamplighter.terms.outcome import Outcome
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.service import Layer, Record
from lamplighter.terms.table import ColumnSpec, TableSpec

LUMINAIRE = "luminaire"
SEGMENT = "segment"
CABINET = "cabinet"
CELL = "cell"
COUNTER = "counter"  # assets of this kind, whoever owns them, stand on the street whose flow they report
FLOW = "flow_veh_h"

BOUNDARY_S = 900  # dimming changes at quarter-hours only
CADENCE_S = 60
DAY_S = 86_400
LEASE_S = 1800.0
CELL_LAMPS_MIN = 64  # fewer lamps that change together would tell where somebody walks
LEVEL_STEP = 0.005
LEVEL_MIN = 0.10  # the least output that gear holds steadily; also the bound that keeps a lit street from going dark
STEPS = 4  # step 0 is the design class, step k is k classes below it
DOWNLINK_MAX = 12  # messages to one lamp in a night; many radios allow no more
WEIGHTS = ("cen-2014", "cie-2010", "uni-2016")  # tables of weights in `selection`
DAYS = ("all", "work", "rest")

KINDS = (
    AssetKind(CELL, "64 or more lamps that change together"),
    AssetKind(
        CABINET, "a pillar that feeds and meters some tens of lamps", needs_power=True, power_p90_kw=2.0, supplied="walking light"
    ),
    AssetKind(SEGMENT, "a stretch of street or path with one lighting class and one row pattern of lamps"),
    AssetKind(LUMINAIRE, "one lamp on its column"),
)

QUANTITIES = (
    Quantity(
        "dimming_level", "1", LEVEL_STEP, 0.0, 1.0, "instant", CADENCE_S, SEGMENT, "share of full output that its lamps report"
    ),
    Quantity("p_kw", "kW", 0.001, 0.0, 500.0, "mean", CADENCE_S, CABINET, "power drawn by the cabinet's lamps"),
    Quantity("q_kvar", "kvar", 0.001, -500.0, 500.0, "mean", CADENCE_S, CABINET, "reactive power drawn, capacitive is negative"),
    Quantity(
        "cell_energy_kwh", "kWh", 0.001, 0.0, 1000.0, "total", BOUNDARY_S, CELL, "energy of the cell's lamps in a quarter-hour"
    ),
    Quantity(
        "cell_light_kwh", "kWh", 0.001, 0.0, 1000.0, "total", BOUNDARY_S, CELL, "its light as energy at rated power, gear apart"
    ),
    Quantity("wet_share", "1", 0.01, 0.0, 1.0, "mean", BOUNDARY_S, CELL, "share of the quarter-hour in which its roads were wet"),
    Quantity("ambient_lx", "lx", 0.1, 0.0, 1000.0, "mean", BOUNDARY_S, CELL, "light of shops and signs beside its streets"),
    Quantity("lamp_energy_kwh", "kWh", 0.001, 0.0, 60.0, "total", DAY_S, LUMINAIRE, "energy of the day that ended at noon"),
    Quantity("lamp_burn_h", "h", 0.01, 0.0, 25.0, "total", DAY_S, LUMINAIRE, "hours alight in the day that ended at noon"),
    Quantity("lamp_light_h", "h", 0.01, 0.0, 25.0, "total", DAY_S, LUMINAIRE, "the same in hours at full output"),
    Quantity(
        "failed_lamps", "lamps", 1.0, 0.0, 10_000.0, "instant", CADENCE_S, CABINET, "lamps whose own gear reports a failure"
    ),
    Quantity(
        "unreached_lamps", "lamps", 1.0, 0.0, 10_000.0, "instant", CADENCE_S, CABINET, "lamps that their gateway does not reach"
    ),
    Quantity("supply_lost", "1", 1.0, 0.0, 1.0, "instant", CADENCE_S, CABINET, "1 where loss of supply is reported"),
    Quantity("cabinet_energy_kwh", "kWh", 0.001, 0.0, 9000.0, "total", DAY_S, CABINET, "metered in the day that ended at noon"),
)

RECORD = (
    Record("cell_energy_kwh", "asset", BOUNDARY_S, "sum"),
    Record("cell_light_kwh", "asset", BOUNDARY_S, "sum"),
)

DIM = "dim"
ACTIONS = (
    Action(
        DIM,
        SEGMENT,
        (
            ActionColumn("dimming_level", LEVEL_MIN, 1.0, "share of full output"),
            ActionColumn("ramp_s", 0.0, 120.0, "time in which the lamps move there"),
        ),
        lease_max_s=LEASE_S,
        change_min_s=BOUNDARY_S - CADENCE_S,
        doc="Give all lamps of a segment this output until the lease ends; then their own calendar holds again.",
    ),
)

TRAFFIC, DESIGN, CLOCK, QUIET, HELD, TIMETABLE, BESIDE_DARK = range(7)
REASONS = (
    "the class that the counted traffic needs now",
    "the design class: no count to rely on, or traffic as busy as it was designed for",
    "the design class of a path, trimmed to what the class needs",
    "the class of a path in the quiet hours of the night",
    "brighter than its own class, because its cell keeps one step",
    "the class of its timetable: no count to rely on",
    "the design class: streets beside it are without power",
)

_SEGMENT = ColumnSpec("segment", "text", "the segment", refers_to="segments.id")

SEGMENTS = TableSpec(
    "segments",
    "Stretches of street or path: what their lamps look like and which class they were designed for.",
    (
        ColumnSpec("id", "text", "asset id", refers_to="assets"),
        ColumnSpec("name", "text", "street name, may be empty"),
        ColumnSpec("highway", "text", "road class of the source; streets are alike where it is the same"),
        ColumnSpec("lighting_class", "text", "design class", one_of=CLASSES),
        ColumnSpec("arrangement", "text", "rows of luminaires", one_of=ARRANGEMENTS),
        ColumnSpec("optic", "text", "family of luminaire", one_of=tuple(OPTICS)),
        ColumnSpec("surface", "text", "r-table of the road surface", one_of=SURFACES),
        ColumnSpec("length_m", "float", "length", low=0.0, high=100000.0),
        ColumnSpec("spacing_m", "float", "between luminaires of one row", low=3.0, high=200.0),
        ColumnSpec("width_m", "float", "carriageway or path", low=0.5, high=60.0),
        ColumnSpec("lanes", "int", "lanes over the whole width", low=1, high=12),
        ColumnSpec("height_m", "float", "of the luminaires", low=2.0, high=40.0),
        ColumnSpec("overhang_m", "float", "luminaire beyond its kerb, towards the road", low=-10.0, high=10.0),
        ColumnSpec("tilt_deg", "float", "of the luminaires", low=-30.0, high=45.0),
        ColumnSpec("rated_flux_lm", "float", "per luminaire", low=100.0, high=200000.0),
        ColumnSpec("rated_power_w", "float", "per luminaire", low=1.0, high=3000.0),
        ColumnSpec("maintenance_ratio", "float", "maintenance factor", low=0.3, high=1.0),
        ColumnSpec("luminaires", "int", "how many", low=1, high=10000),
        ColumnSpec("volume_weight", "int", "weight of traffic volume in the design class", low=-1, high=1),
        ColumnSpec("flow_max_veh_h", "float", "largest flow of the busier direction, 0 for paths", low=0.0, high=20000.0),
        ColumnSpec("cabinet", "text", "the cabinet that feeds it", refers_to="cabinets.id"),
        ColumnSpec("cell", "text", "the cell it changes with", refers_to="cells.id"),
    ),
    ("id",),
)
SEGMENT_STREETS = TableSpec(
    "segment_streets",
    "Which streets (one per direction) a segment lights.",
    (_SEGMENT, ColumnSpec("street", "text", "id of the street", refers_to="streets")),
    ("segment", "street"),
)
LUMINAIRES = TableSpec(
    "luminaires",
    "Lamps, in the order in which they stand along their segment.",
    (
        ColumnSpec("id", "text", "asset id", refers_to="assets"),
        _SEGMENT,
        ColumnSpec("place", "int", "order along the segment", low=0),
    ),
    ("id",),
)
CABINETS = TableSpec(
    "cabinets",
    "Pillars that feed and meter lamps.",
    (
        ColumnSpec("id", "text", "asset id", refers_to="assets"),
        ColumnSpec("cell", "text", "the cell its lamps belong to", refers_to="cells.id"),
        ColumnSpec("rated_power_kw", "float", "of all its lamps at full output", low=0.0, high=500.0),
    ),
    ("id",),
)
CELLS = TableSpec(
    "cells",
    "Groups of lamps that change together.",
    (
        ColumnSpec("id", "text", "asset id", refers_to="assets"),
        ColumnSpec("luminaires", "int", "how many lamps", low=1),
    ),
    ("id",),
)
TIMETABLE_ROWS = TableSpec(
    "timetable",
    "The calendar stored in the lamps of each cell: from a local time on, so many classes below design. None: full output.",
    (
        ColumnSpec("cell", "text", "the cell", refers_to="cells.id"),
        ColumnSpec("days", "text", "work: Monday to Friday; rest: Saturday, Sunday, holidays; by the local date", one_of=DAYS),
        ColumnSpec("from_h", "float", "local time, a quarter-hour", low=0.0, high=23.75),
        ColumnSpec("step", "int", "classes below design, for segments whose traffic allows it", low=0, high=STEPS - 1),
    ),
    ("cell", "days", "from_h"),
)
LIVE = TableSpec(
    "live",
    "What live commands were worth on past nights, against the timetable alone; where it is nothing they stay off.",
    (
        ColumnSpec("cell", "text", "the cell", refers_to="cells.id"),
        ColumnSpec("live", "bool", "whether live commands are given"),
        ColumnSpec("timetable_kwh", "float", "energy of a night by the timetable", low=0.0),
        ColumnSpec("live_kwh", "float", "energy of a night with live commands", low=0.0),
        ColumnSpec("nights", "int", "how many nights were compared", low=0),
    ),
    ("cell",),
)
GROWTH = TableSpec(
    "growth",
    "How much more traffic a quarter-hour may bring than the one before it, as counted on past days.",
    (
        ColumnSpec("days", "text", "as in the timetable", one_of=DAYS),
        ColumnSpec("from_h", "float", "local time, a quarter-hour", low=0.0, high=23.75),
        ColumnSpec("growth_ratio", "float", "flow over the flow before", low=0.0, high=20.0),
    ),
    ("days", "from_h"),
)
STEADY = TableSpec(
    "steady",
    "Segments that never go further down than this, so that one busy or unknown street does not keep its whole cell bright.",
    (_SEGMENT, ColumnSpec("relax_most", "int", "classes below design", low=0, high=STEPS - 1)),
    ("segment",),
)
TABLES = (CELLS, CABINETS, SEGMENTS, SEGMENT_STREETS, LUMINAIRES, TIMETABLE_ROWS, LIVE, GROWTH, STEADY)

ENERGY, BELOW, OVER, UNLIT = range(4)
OUTCOMES = (
    Outcome("lighting_energy_kwh", "sum", "lower", "energy that the street lights drew", chart=True),
    Outcome(
        "minutes_below_class_min",
        "sum",
        "lower",
        "minutes, summed over segments, with less light than the class needs",
        chart=True,
    ),
    Outcome(
        "minutes_over_lit_min", "sum", "lower", "minutes, summed over paths, with more than 1.5 times the light of the class"
    ),
    Outcome(
        "dark_street_km_h",
        "sum",
        "lower",
        "kilometres of lit streets on which no lamp burned while it was dark, times hours. Measured: streets of cabinets that "
        "the grid believes to be without power",
    ),
)

LAYERS = (
    Layer("Lamps", LUMINAIRE, "point", "luminaire_dimming_level", 0.0, 1.0, "sequential", "share of full output of each lamp"),
    Layer("Lit streets", SEGMENT, "street", "dimming_level", 0.0, 1.0, "sequential", "share of full output along the street"),
    Layer(
        "Light on facades",
        SEGMENT,
        "street",
        "facade_lx",
        0.0,
        10.0,
        "sequential",
        "most light on a wall 4 m beyond the road's edge, computed for the output that its lamps report; nothing stands between",
    ),
    Layer("Cabinets", CABINET, "point", "p_kw", 0.0, 3.0, "sequential", "power drawn by the lamps of one cabinet"),
)


@dataclass(frozen=True)
class Settings:
    """What a city may set for its street lights.

    weights: the table by which classes are selected; quiet_from_h to quiet_to_h: local hours in which paths are quiet (one
    class less); downlink_max: messages that a lamp may be sent in a night; holidays: dates as in "2026-12-25" on which timetables
    go as on Sundays; output_step_share: the step of what lamps are commanded (0.01 where they take whole percents, as behind
    TALQ). Simulated cities only: lamp_fault_share of the lamps is dead from the start, and lost_command_share of what is sent to
    a segment never arrives.
    """

    surface: str = "R3"
    weights: str = "cen-2014"
    maintenance_ratio: float = field(default=0.8, metadata={"low": 0.3, "high": 1.0})
    flow_max_per_lane_veh_h: float = field(default=900.0, metadata={"low": 100.0, "high": 2400.0})
    dusk_elevation_deg: float = field(default=-3.0, metadata={"low": -8.0, "high": 3.0})
    quiet_from_h: float = field(default=23.0, metadata={"low": 18.0, "high": 24.0})
    quiet_to_h: float = field(default=5.0, metadata={"low": 0.0, "high": 8.0})
    holidays: tuple[str, ...] = ()
    downlink_max: int = field(default=DOWNLINK_MAX, metadata={"low": 0, "high": 1000})
    output_step_share: float = field(default=LEVEL_STEP, metadata={"low": LEVEL_STEP, "high": 0.05})
    lamp_fault_share: float = field(default=0.005, metadata={"low": 0.0, "high": 0.2})
    lost_command_share: float = field(default=0.0, metadata={"low": 0.0, "high": 1.0})

    def __post_init__(self) -> None:
        for day in self.holidays:
            try:
                date.fromisoformat(day)
            except ValueError as error:
                raise ValueError(f"holidays has {day!r}; dates as in 2026-12-25 are needed") from error
        if self.weights not in WEIGHTS:
            raise ValueError(f"weights is {self.weights!r}, known are {', '.join(WEIGHTS)}")
        if self.surface not in SURFACES:
            raise ValueError(f"surface is {self.surface!r}, known are {', '.join(SURFACES)}")
        steps = self.output_step_share / LEVEL_STEP
        if abs(steps - round(steps)) > 1e-9:
            raise ValueError(f"output_step_share is {self.output_step_share:g}; a multiple of {LEVEL_STEP:g} is needed")
