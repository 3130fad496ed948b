# SPDX-License-Identifier: Apache-2.0
"""The nouns and actions of the power grid: asset kinds, quantities, actions, reasons, tables and settings."""

from dataclasses import dataclass, field

from lamplighter.terms.asset import AssetKind
from lamplighter.terms.decision import Action, ActionColumn
from lamplighter.terms.outcome import Outcome
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.service import Layer, Record
from lamplighter.terms.table import ColumnSpec, TableSpec

STATION = "station"
NODE = "node"
LINE = "line"
CHARGING_GROUP = "charging_group"
METER = "meter"
INVERTER = "inverter"

# A group of charging points is steered and measured as one only where a car in it is one of many.
GROUP_CONNECTIONS_MIN = 100  # private points: connections behind the group's cable
GROUP_POINTS_MIN = 10  # charging points in a group, private or public
POINTS_REPORTED_MIN = 5  # energy wanted is told only while at least so many points want some

DUE_H = (2, 4, 8, 12)  # hours ahead for which a group tells what must be drawn by then

POINT_MIN_KW = 4.14  # 6 A on three line phases at 230 V: a car cannot charge with less (IEC 61851-1, table A.8)

KINDS = (
    AssetKind(STATION, "a transformer from medium to low voltage with its low-voltage busbar and meter"),
    AssetKind(NODE, "a point of the low-voltage grid where connections, cabinets and signals hang", feeds=True),
    AssetKind(LINE, "a cable between two points of the grid"),
    AssetKind(CHARGING_GROUP, "charging points behind one cable, steered and measured as one"),
    AssetKind(METER, "a voltage meter at the end of a street's cable"),
    AssetKind(
        INVERTER, "inverters of the city's own at one point, on a school's roof or at a depot, steered and measured as one"
    ),
)

QUANTITIES = (
    Quantity(
        "station_p_kw",
        "kW",
        0.01,
        -5000.0,
        5000.0,
        "mean",
        60,
        STATION,
        "power into the low-voltage busbar, consumption positive",
    ),
    Quantity(
        "station_q_kvar", "kvar", 0.01, -5000.0, 5000.0, "mean", 60, STATION, "reactive power into the busbar, inductive positive"
    ),
    Quantity("station_u_v", "V", 0.01, 0.0, 600.0, "mean", 60, STATION, "voltage of the busbar between line phases"),
    Quantity(
        "station_oil_c",
        "C",
        0.1,
        -50.0,
        200.0,
        "instant",
        60,
        STATION,
        "temperature of the transformer's oil at the top, from a thermometer or the meter's thermal image (IEC 60255-149)",
    ),
    Quantity(
        "station_limit_kw",
        "kW",
        0.01,
        0.0,
        20000.0,
        "instant",
        60,
        STATION,
        "limit by the network operator on power into the busbar, everything included, as in force now",
    ),
    Quantity("end_u_v", "V", 0.01, 0.0, 600.0, "mean", 60, METER, "voltage at the end of the cable between line phases"),
    Quantity("charging_p_kw", "kW", 0.1, 0.0, 20000.0, "mean", 60, CHARGING_GROUP, "power that the group draws"),
    Quantity("charging_limit_kw", "kW", 0.01, 0.0, 20000.0, "instant", 60, CHARGING_GROUP, "limit that the box obeys now"),
    Quantity("charging_wanting", "1", 1.0, 0.0, 5000.0, "instant", 60, CHARGING_GROUP, "charging points that want power now"),
    Quantity(
        "charging_safe_kw",
        "kW",
        0.01,
        0.0,
        20000.0,
        "instant",
        60,
        CHARGING_GROUP,
        "permanent maximum as the box reads it back; nothing is told before one is installed",
    ),
    Quantity(
        "group_limit_kw",
        "kW",
        0.01,
        0.0,
        20000.0,
        "instant",
        60,
        CHARGING_GROUP,
        "limit by the network operator on what the group draws, as in force now",
    ),
    *(
        Quantity(
            f"energy_due_{hours}h_kwh",
            "kWh",
            5.0,
            0.0,
            100000.0,
            "instant",
            60,
            CHARGING_GROUP,
            f"energy that must have been drawn within {hours} hours so that all can still be served",
        )
        for hours in DUE_H
    ),
    Quantity(
        "energy_wanted_kwh", "kWh", 5.0, 0.0, 100000.0, "instant", 60, CHARGING_GROUP, "energy wanted by all who are plugged in"
    ),
    Quantity(
        "energy_late_kwh", "kWh", 1.0, 0.0, 100000.0, "total", 60, CHARGING_GROUP, "energy still wanted when its time was up"
    ),
    Quantity(
        "inverter_q_kvar", "kvar", 0.01, -5000.0, 5000.0, "mean", 60, INVERTER, "reactive power supplied; negative where taken"
    ),
    Quantity("inverter_set_kvar", "kvar", 0.01, -5000.0, 5000.0, "instant", 60, INVERTER, "set-point that the box obeys now"),
)

ACTIONS = (
    Action(
        "limit_charging",
        CHARGING_GROUP,
        (ActionColumn("p_max_kw", 0.0, 20000.0, "power that the group may draw"),),
        lease_max_s=900.0,
        change_min_s=30.0,
        doc="Bound what a group of charging points draws; the box shares it among its points, each 0 or at least 6 A.",
    ),
    Action(
        "install_maximum",
        CHARGING_GROUP,
        (ActionColumn("p_safe_kw", 0.0, 20000.0, "power that the group may draw for good, without a lease"),),
        lease_max_s=900.0,
        change_min_s=60.0,
        doc="Install the permanent maximum of a group: what holds whenever there is no lease. It stays when the lease ends.",
    ),
    Action(
        "supply_reactive",
        INVERTER,
        (ActionColumn("q_kvar", -5000.0, 5000.0, "reactive power to supply; negative: to take"),),
        lease_max_s=900.0,
        change_min_s=30.0,
        doc="Let inverters lift (supply) or lower (take) the voltage around them; without a lease their own programme holds.",
    ),
)

FULL, CABLE, TRANSFORMER, VOLTAGE, RAMP, BELOW_GUARANTEE, MEDIUM_VOLTAGE, INSTALL, TURN, OPERATOR, LIFT, LOWER, REST = range(13)
REASONS = (
    "cable and transformer have room for all that want to charge",
    "the cable has no more room; its points share what is left",
    "the transformer has no more room; its points share what is left",
    "more would pull the voltage at the end of the street too low",
    "raised step by step, so that no new peak follows",
    "less than the guaranteed power per point: more would overload cable or transformer",
    "the medium-voltage cable has no more room; its stations share what is left",
    "before the first lease the permanent maximum is installed, and read back",
    "there is no room for one more point at 6 A; groups take turns",
    "the network operator allows no more",
    "what wants to charge would pull the voltage too low: reactive power lifts it",
    "the voltage could rise too high: reactive power taken lowers it",
    "voltages are in their band without reactive power",
)

ID = "id"
TABLES = (
    TableSpec(
        "nodes",
        "points of the grid; those of kind `node` are assets, busbars of medium voltage are not",
        (
            ColumnSpec(ID, "text", "its name"),
            ColumnSpec("station", "text", "station that supplies it at low voltage, empty at medium voltage", optional=True),
            ColumnSpec("u_rated_v", "float", "rated voltage between line phases", low=100.0, high=150000.0),
            ColumnSpec("lon_deg", "float", "longitude", low=-180.0, high=180.0),
            ColumnSpec("lat_deg", "float", "latitude", low=-90.0, high=90.0),
            ColumnSpec("connections", "int", "homes and shops connected here: a count, never a list", low=0),
            ColumnSpec("household_kwh", "float", "yearly energy of the homes together, by class, not measured", low=0.0),
            ColumnSpec("commerce_kwh", "float", "yearly energy of shops and offices together, by class", low=0.0),
            ColumnSpec("pv_kw", "float", "photovoltaic inverters together", low=0.0),
        ),
        (ID,),
    ),
    TableSpec(
        "sources",
        "where the grid of the region feeds in",
        (
            ColumnSpec(ID, "text", "its name"),
            ColumnSpec("node", "text", "where", refers_to="nodes.id"),
            ColumnSpec("u_ref_pu", "float", "voltage held there", low=0.8, high=1.2),
            ColumnSpec("sk_mva", "float", "short-circuit power", low=1.0),
        ),
        (ID,),
    ),
    TableSpec(
        "lines",
        "cables and overhead lines",
        (
            ColumnSpec(ID, "text", "its name, an asset", refers_to="assets"),
            ColumnSpec("from_node", "text", "one end, the one nearer to the source where it is closed", refers_to="nodes.id"),
            ColumnSpec("to_node", "text", "the other end", refers_to="nodes.id"),
            ColumnSpec("type", "text", "standard type", optional=True),
            ColumnSpec("length_m", "float", "length", low=0.0),
            ColumnSpec("r_ohm_km", "float", "resistance of one line phase", low=0.0),
            ColumnSpec("x_ohm_km", "float", "reactance of one line phase", low=0.0),
            ColumnSpec("c_nf_km", "float", "capacitance of one line phase", low=0.0),
            ColumnSpec("i_n_a", "float", "rating", low=0.1),
        ),
        (ID,),
    ),
    TableSpec(
        "transformers",
        "one per station",
        (
            ColumnSpec(ID, "text", "the station, an asset", refers_to="assets"),
            ColumnSpec("from_node", "text", "medium-voltage side", refers_to="nodes.id"),
            ColumnSpec("to_node", "text", "low-voltage busbar", refers_to="nodes.id"),
            ColumnSpec("sn_kva", "float", "rating", low=1.0),
            ColumnSpec("u1_v", "float", "rated voltage, upper side, at the middle tap", low=100.0),
            ColumnSpec("u2_v", "float", "rated voltage, lower side", low=100.0),
            ColumnSpec("uk_pu", "float", "short-circuit voltage", low=0.001, high=0.5),
            ColumnSpec("pk_kw", "float", "short-circuit loss at rated current", low=0.0),
            ColumnSpec("i0_pu", "float", "no-load current", low=0.0, high=0.2),
            ColumnSpec("p0_kw", "float", "no-load loss", low=0.0),
            ColumnSpec("tap_position", "int", "tap in use; a positive one lowers the voltage below", low=-20, high=20),
            ColumnSpec("tap_step_v", "float", "voltage of one tap on the upper side", low=0.0),
        ),
        (ID,),
    ),
    TableSpec(
        "switches",
        "switches at the ends of cables that are not always closed",
        (
            ColumnSpec(ID, "text", "its name"),
            ColumnSpec("line", "text", "the cable", refers_to="lines.id"),
            ColumnSpec("node", "text", "the end at which it sits", refers_to="nodes.id"),
            ColumnSpec("closed", "bool", "whether it is closed"),
        ),
        (ID,),
    ),
    TableSpec(
        "groups",
        "groups of charging points",
        (
            ColumnSpec(ID, "text", "the charging group, an asset", refers_to="assets"),
            ColumnSpec("access", "text", "who may charge", one_of=("private", "public")),
            ColumnSpec("p_point_kw", "float", "most that one point draws", low=POINT_MIN_KW, high=500.0),
            ColumnSpec("p_safe_kw", "float", "permanent maximum that the box carries once it is steered", low=0.0),
        ),
        (ID,),
    ),
    TableSpec(
        "group_points",
        "how many charging points a group has at each node",
        (
            ColumnSpec("group", "text", "the charging group", refers_to="groups.id"),
            ColumnSpec("node", "text", "where", refers_to="nodes.id"),
            ColumnSpec("points", "int", "charging points there", low=1),
        ),
        ("group", "node"),
    ),
    TableSpec(
        "line_phases",
        "connections on each line phase, for nodes of which the network operator knows it; empty where nobody does",
        (
            ColumnSpec("node", "text", "the node", refers_to="nodes.id"),
            ColumnSpec("connections_l1", "int", "on the first line phase", low=0),
            ColumnSpec("connections_l2", "int", "on the second", low=0),
            ColumnSpec("connections_l3", "int", "on the third", low=0),
        ),
        ("node",),
    ),
    TableSpec(
        "meters",
        "voltage meters at the ends of streets' cables",
        (
            ColumnSpec(ID, "text", "the meter, an asset", refers_to="assets"),
            ColumnSpec("node", "text", "where", refers_to="nodes.id"),
        ),
        (ID,),
    ),
    TableSpec(
        "inverters",
        "inverters of the city's own that supply or take reactive power when asked",
        (
            ColumnSpec(ID, "text", "the inverters at one point together, an asset", refers_to="assets"),
            ColumnSpec("node", "text", "where", refers_to="nodes.id"),
            ColumnSpec("sn_kva", "float", "rating", low=0.1, high=10000.0),
            ColumnSpec("q_max_kvar", "float", "most that they supply or take, whatever else they do", low=0.0, high=5000.0),
        ),
        (ID,),
    ),
)

OUTCOMES = (
    Outcome("overload_h", "sum", "lower", "hours above what cables and transformers stand, added up", chart=True),
    Outcome("energy_late_kwh", "sum", "lower", "energy that cars still lacked when they had to leave"),
    Outcome("energy_waiting_kwh_h", "sum", "lower", "energy wanted and not yet charged, times the hours it waited"),
    Outcome("voltage_lowest_pu", "min", "higher", "lowest voltage at the end of a street, mean of ten minutes", chart=True),
    Outcome("charging_kwh", "sum", "higher", "energy charged", chart=True),
    Outcome("loss_kwh", "sum", "lower", "energy lost in cables and transformers"),
    Outcome("dark_connection_h", "sum", "lower", "hours without power, added up over homes and shops"),
)

LAYERS = (
    Layer("cables", LINE, "line", "loading", 0.0, 1.2, "sequential", "estimated share of the cable's rating, 1 is full"),
    Layer("stations", STATION, "point", "loading", 0.0, 1.2, "sequential", "share of the transformer's rating, 1 is full"),
    Layer(
        "charging",
        CHARGING_GROUP,
        "point",
        "granted_share",
        0.0,
        1.0,
        "sequential",
        "limit per point that wants power, as share of full power",
    ),
    Layer("outage", NODE, "point", "energised", 0.0, 1.0, "diverging", "1 where there is power, 0 where it is believed dark"),
    Layer(
        "inverters",
        INVERTER,
        "point",
        "inverter_q_kvar",
        -50.0,
        50.0,
        "diverging",
        "reactive power supplied, negative where taken",
    ),
    Layer("street ends", METER, "point", "u_pu", 0.9, 1.1, "diverging", "voltage at the end of the street's cable, 1 is rated"),
)

RECORDS = (
    Record("station_p_kw", "asset", 900, "mean"),
    Record("station_u_v", "area", 900, "min"),
    Record("charging_p_kw", "area", 900, "sum"),
    Record("inverter_q_kvar", "area", 900, "sum"),
)


def _bounded(default: float, low: float, high: float) -> float:
    value: float = field(default=default, metadata={"low": low, "high": high})
    return value


@dataclass(frozen=True)
class Settings:
    """What a city may set for its grid. Each has a value that is right for a German city.

    The first seven shape a synthetic grid; the others steer. sigma_connection_kw: spread of one connection's
    power around its class (standard deviation); confidence: how many standard deviations of the estimate are
    kept free; ambient_c: outside temperature at transformers, a high one: what a transformer is taken to stand for long;
    guaranteed_point_kw: what a private point is given before anything else (section 14a EnWG; 0 where no law says so).
    """

    medium_voltage_kv: float = _bounded(10.0, 10.0, 20.0)
    connections_per_km: float = _bounded(400.0, 10.0, 5000.0)
    household_kwh: float = _bounded(2600.0, 200.0, 20000.0)
    commerce_share: float = _bounded(0.22, 0.0, 5.0)
    cars_per_connection: float = _bounded(0.65, 0.0, 3.0)
    electric_share: float = _bounded(0.30, 0.0, 1.0)
    point_kw: float = _bounded(11.0, POINT_MIN_KW, 22.0)
    u_low_pu: float = _bounded(0.92, 0.85, 1.0)
    u_high_pu: float = _bounded(1.08, 1.0, 1.15)
    sigma_connection_kw: float = _bounded(0.5, 0.0, 10.0)
    confidence_ratio: float = _bounded(2.3, 0.0, 6.0)
    ambient_c: float = _bounded(20.0, -30.0, 50.0)
    lease_s: float = _bounded(180.0, 60.0, 900.0)
    ramp_kw_min: float = _bounded(44.0, 1.0, 10000.0)
    guaranteed_point_kw: float = _bounded(4.2, 0.0, 22.0)
    estimate_nodes_max: int = 20000

    def __post_init__(self) -> None:
        if self.medium_voltage_kv not in (10.0, 20.0):
            raise ValueError(f"medium_voltage_kv is {self.medium_voltage_kv:g}, allowed is 10 or 20")
