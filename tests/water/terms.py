# SPDX-License-Identifier: Apache-2.0
"""The nouns of a small fourth service: pumping zones that keep a pressure."""

from dataclasses import dataclass

from lamplighter.terms.asset import AssetKind
from lamplighter.terms.decision import Action, ActionColumn
from lamplighter.terms.outcome import Outcome
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.table import ColumnSpec, TableSpec

PUMP = "pump"
KINDS = (AssetKind(PUMP, "a pumping station with a zone of its own", needs_power=False, power_p90_kw=5.0),)
QUANTITIES = (
    Quantity("pressure_bar", "bar", 0.01, 0.0, 10.0, "mean", 60, PUMP, "pressure of the zone"),
    Quantity("speed_share", "1", 0.01, 0.0, 1.0, "instant", 60, PUMP, "speed of the pump as share of its rated speed"),
)
ACTIONS = (
    Action("run_pump", PUMP, (ActionColumn("speed_share", 0.0, 1.0, "share of rated speed"),), 600.0, 60.0, "run the pump"),
)
REASONS = ("the pressure is below its band", "the pressure is above its band")
TABLES = (
    TableSpec("pumps", "Pumping stations.", (
        ColumnSpec("id", "text", "asset id", refers_to="assets"),
        ColumnSpec("pressure_min_bar", "float", "lowest pressure of the zone", low=1.0, high=8.0),
    ), ("id",)),
)  # fmt: skip
OUTCOMES = (
    Outcome("low_pressure_min", "sum", "lower", "zone-minutes below the lowest pressure", chart=True),
    Outcome("pressure_lowest_bar", "min", "higher", "lowest pressure of any zone"),
)


@dataclass(frozen=True)
class Settings:
    """What a city may set."""

    pressure_min_bar: float = 3.0
