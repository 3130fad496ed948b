# SPDX-License-Identifier: Apache-2.0
"""A whole service in one small folder: the spine's tests run it, and one adds it to a copy of the package."""

from dataclasses import dataclass
from typing import Any

from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.decision import Proposals
from lamplighter.terms.service import Layer, Record, Service
from lamplighter.terms.snapshot import Snapshot
from tests.water.adaptive import adaptive
from tests.water.baseline import baseline
from tests.water.build import build, synthetic
from tests.water.interlock import INTERLOCKS
from tests.water.outcomes import outcomes
from tests.water.terms import ACTIONS, KINDS, OUTCOMES, PUMP, QUANTITIES, REASONS, TABLES, Settings
from tests.water.wire import decode, encode


@dataclass(frozen=True)
class Prepared:
    """What does not change of the pumps."""

    start: int
    pressure: int
    speed: int
    pressure_min_bar: FloatArray


def prepare(city: CityData) -> Prepared:
    """Return positions and bounds as arrays."""
    words = city.vocabulary
    return Prepared(
        city.span.start, words.index("pressure_bar"), words.index("speed_share"), city.tables["pumps"]["pressure_min_bar"]
    )


def describe(proposals: Proposals, row: int, prepared: Any) -> str:
    """Say what a pump is asked to do."""
    return f"Pump {proposals.asset[row] - prepared.start} to {proposals.values['speed_share'][row]:.0%} of its speed."


def explain(snapshot: Snapshot, prepared: Any, asset: int) -> list[str]:
    """Say why a pump runs as it does."""
    column = snapshot.latest["pressure_bar"]
    return [f"The pressure here is {column.value[asset - prepared.start]:.2f} bar."]


SERVICE = Service(
    name="water", title="Water", doc="Keeps the pressure of every zone in its band.",
    kinds=KINDS, quantities=QUANTITIES, actions=ACTIONS, reasons=REASONS, tables=TABLES, settings=Settings,
    cadence_s=60, fresh_s=180.0, reads=(), after=(),
    build=build, prepare=prepare, start=lambda prepared: None, decode=decode, encode=encode,
    adaptive=adaptive, baseline=baseline, interlocks=INTERLOCKS, outcome_names=OUTCOMES, outcomes=outcomes,
    explain=explain, simulator=f"{__name__}.simulator:open_simulator", commands=f"{__name__}.commands:group",
    record=(Record("pressure_bar", "area", 900, "mean"),),
    layers=(Layer("pumps", PUMP, "point", "pressure_bar", 0.0, 6.0, "sequential", "pressure of each zone, bar"),),
    synthetic=synthetic, describe=describe,
)  # fmt: skip
