# SPDX-License-Identifier: Apache-2.0
"""Traffic signals: green where people are, nobody left waiting, and a box that protects itself."""

from typing import Any

from lamplighter.services.traffic import adaptive as deciding
from lamplighter.services.traffic.account import ACCOUNTING
from lamplighter.services.traffic.baseline import baseline
from lamplighter.services.traffic.build import build
from lamplighter.services.traffic.interlock import INTERLOCKS
from lamplighter.services.traffic.outcome_names import OUTCOMES
from lamplighter.services.traffic.outcomes import outcomes
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.requesting import INQUIRY, REQUESTS, WATCH, box_of
from lamplighter.services.traffic.synthetic import synthetic
from lamplighter.services.traffic.telling import describe, explain
from lamplighter.services.traffic.terms import ACTIONS, KINDS, QUANTITIES, REASONS, TABLES, Settings
from lamplighter.services.traffic.wire import decode, encode
from lamplighter.terms.decision import Proposals
from lamplighter.terms.service import EvaluateSource, Layer, Record, Service
from lamplighter.terms.snapshot import Snapshot

LAYERS = (
    Layer("signals", "signal_group", "point", "group_state", 0.0, 3.0, "stage", "0 red, 1 red-amber, 2 green, 3 yellow"),
    Layer("signal boxes", "intersection", "point", "box_mode", 0.0, 2.0, "stage", "0 local, 1 leased, 2 fault"),
    Layer("queues", "lane_area", "point", "queue_veh", 0.0, 15.0, "sequential", "vehicles standing on a stretch of lane"),
)
# Vehicles over stop lines are kept by approach (`account`): their sum by area would tell the few that are left out there.
RECORDS = (Record("flow_veh_h", "street", 900, "mean"),)

SOURCES = (
    EvaluateSource(
        "--sumo", "lamplighter.services.traffic.trials.command:evaluate_sumo",
        "a SUMO scenario of any origin, with rivals",
    ),
)  # fmt: skip


def _start(prepared: Prepared) -> deciding.Memory:
    return deciding.start(prepared.plan)


def _adaptive(snapshot: Snapshot, state: Any, prepared: Prepared) -> tuple[tuple[Proposals, ...], Any]:
    return deciding.adaptive(snapshot, state, prepared.plan)


SERVICE = Service(
    name="traffic",
    title="Traffic signals",
    doc="Gives green where people are counted, keeps every wait within a bound, and leaves minimum times to the boxes.",
    kinds=KINDS,
    quantities=QUANTITIES,
    actions=ACTIONS,
    reasons=REASONS,
    tables=TABLES,
    settings=Settings,
    cadence_s=1,
    fresh_s=5.0,
    reads=("energised",),
    after=(),
    build=build,
    prepare=prepare,
    start=_start,
    decode=decode,
    encode=encode,
    adaptive=_adaptive,
    baseline=baseline,
    interlocks=INTERLOCKS,
    outcome_names=OUTCOMES,
    outcomes=outcomes,
    explain=explain,
    simulator="lamplighter.services.traffic.simulator:open_simulator",
    commands="lamplighter.services.traffic.commands:traffic",
    layers=LAYERS,
    synthetic=synthetic,
    describe=describe,
    record=RECORDS,
    sources=SOURCES,
    accounting=ACCOUNTING,
    requests=REQUESTS,
    inquiry=INQUIRY,
    watch=WATCH,
    box_of=box_of,
)
