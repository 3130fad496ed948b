# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the hand-made city: what box and detectors report, changed here and there."""

from collections.abc import Mapping

import numpy as np

from lamplighter import safety, twin
from lamplighter.services.traffic import SERVICE
from lamplighter.services.traffic.prepared import Prepared
from lamplighter.services.traffic.tests.crossroads import BEGIN_S
from lamplighter.terms.city import CityData
from lamplighter.terms.decision import Proposals, no_cites
from lamplighter.terms.snapshot import Column, Snapshot

STANDARD: Mapping[str, Mapping[str, float]] = {
    "running_stage": {"J": 0},
    "stage_elapsed_s": {"J": 20},
    "box_mode": {"J": 0},
    "group_state": {"J.g0": 2, "J.g1": 0, "J.g2": 2},
    "group_elapsed_s": {"J.g0": 20, "J.g1": 30, "J.g2": 20},
    "count_veh": {"d0": 0, "d1": 0},
    "area_veh": {"d2": 0, "d3": 0, "d4": 0, "d5": 0},
    "queue_veh": {"d2": 0, "d3": 0, "d4": 0, "d5": 0},
    "call_waiting": {"d6": 0},
}


def snapshot(city: CityData, changed: Mapping[str, Mapping[str, float]] | None = None, age_s: float = 0.0) -> Snapshot:
    """Return what is known now: the standard scene with some values changed; age_s of the near area of street sn1."""
    ids = city.assets.id.tolist()
    latest: dict[str, Column] = {}
    standard = {**STANDARD, **{name: {} for name in changed or {} if name not in STANDARD}}
    for name, values in standard.items():
        value, present = np.zeros(len(ids)), np.zeros(len(ids), np.bool_)
        known = np.full(len(ids), BEGIN_S)
        for asset, number in {**values, **(changed or {}).get(name, {})}.items():
            value[ids.index(asset)], present[ids.index(asset)] = number, True
        if "d3" in values:
            known[ids.index("d3")] = BEGIN_S - age_s
        latest[name] = Column(value, known, present)
    in_force = {action.name: twin.idle(action, len(ids)) for action in SERVICE.actions}
    return Snapshot(BEGIN_S, city.assets, city.span, latest, {}, in_force, np.ones(len(ids), np.bool_), city.vocabulary, {})


def proposal(action: str, stage: float, lease_s: float = 15.0) -> Proposals:
    """Return one row for the intersection."""
    values = {"stage": np.array([stage])}
    return Proposals(action, np.array([0]), values, np.zeros(1, np.int64), no_cites(1), "operator", BEGIN_S, lease_s)


def refused(city: CityData, prepared: Prepared, seen: Snapshot, *tables: Proposals) -> dict[str, tuple[float, float]]:
    """Return the rules that refuse, each with what was observed and the limit."""
    verdict = safety.examine(SERVICE, seen, tables, prepared, np.zeros(len(city.assets), np.bool_))
    return {
        r.rules[int(rule)].name: (float(r.observed[n]), float(r.limit[n]))
        for r in verdict.refusals
        for n, rule in enumerate(r.rule)
    }
