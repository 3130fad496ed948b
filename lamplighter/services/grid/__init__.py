# SPDX-License-Identifier: Apache-2.0
"""The power grid: every street's cable and transformer seen, safe and shared fairly among all who charge."""

from lamplighter.services.grid.adaptive import adaptive, start
from lamplighter.services.grid.baseline import baseline
from lamplighter.services.grid.build import build
from lamplighter.services.grid.interlock import INTERLOCKS
from lamplighter.services.grid.network.prepared import lines_of, prepare
from lamplighter.services.grid.outage.belief import BELIEFS, believe
from lamplighter.services.grid.outcomes import derive, describe, explain, outcomes
from lamplighter.services.grid.synthetic import synthetic
from lamplighter.services.grid.terms import ACTIONS, KINDS, LAYERS, OUTCOMES, QUANTITIES, REASONS, RECORDS, TABLES, Settings
from lamplighter.services.grid.wire import decode, encode
from lamplighter.terms.service import Service

SERVICE = Service(
    name="grid",
    title="Power grid",
    doc="Estimates the loading of every cable and transformer and shares what is left among all who charge.",
    kinds=KINDS,
    quantities=QUANTITIES,
    actions=ACTIONS,
    reasons=REASONS,
    tables=TABLES,
    settings=Settings,
    cadence_s=60,
    fresh_s=150.0,
    reads=("p_kw", "flow_veh_h"),
    after=(),
    build=build,
    prepare=prepare,
    start=start,
    decode=decode,
    encode=encode,
    adaptive=adaptive,
    baseline=baseline,
    interlocks=INTERLOCKS,
    outcome_names=OUTCOMES,
    outcomes=outcomes,
    explain=explain,
    simulator="lamplighter.services.grid.simulator:open_field",
    commands="lamplighter.services.grid.commands:commands",
    layers=LAYERS,
    synthetic=synthetic,
    describe=describe,
    record=RECORDS,
    derive=derive,
    beliefs=BELIEFS,
    believe=believe,
    drill="lamplighter.services.grid.outage.drill:lay_out",
    lines=lines_of,
    dialects={
        "ocpp": "lamplighter.services.grid.ocpp:open_dialect",
        "modbus": "lamplighter.services.grid.modbus:open_dialect",
        "openadr": "lamplighter.services.grid.openadr:open_dialect",
        "sunspec": "lamplighter.services.grid.sunspec:open_dialect",
    },
)
