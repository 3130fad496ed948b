# SPDX-License-Identifier: Apache-2.0
"""What must agree between the tables of a city: references, feeding, the runs of services, the bounding box."""

from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.city.csvfile import Faults, strangers
from lamplighter.city.faults import Fault, shortened
from lamplighter.city.layout import AREAS, ASSETS, STREETS
from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import AnyArray, TextArray
from lamplighter.terms.service import Service
from lamplighter.terms.table import ColumnSpec, Table, TableSpec

Tables = Mapping[str, Mapping[str, Table]]


def reference_faults(shared: Mapping[str, Table], tables: Tables, services: Sequence[Service]) -> list[Fault]:
    """Return every dangling reference and every asset of an unknown kind or fed by nothing that feeds.

    shared: the tables streets, areas and assets; tables: service name to table name to columns.
    """
    faults: list[Fault] = []
    for spec in (STREETS, AREAS, ASSETS):
        faults += _dangling(f"{spec.name}.csv", spec, shared[spec.name], shared)
    for service in services:
        own = {**shared, **tables[service.name]}
        for spec in service.tables:
            faults += _dangling(f"{service.name}/{spec.name}.csv", spec, tables[service.name][spec.name], own)
    faults += _asset_faults(shared["assets"], services)
    return faults


def _dangling(file: str, spec: TableSpec, table: Table, targets: Mapping[str, Table]) -> list[Fault]:
    faults = Faults(file)
    for column in spec.columns:
        if column.refers_to is None or column.name not in table:
            continue
        wanted, named = _target(column, targets)
        if wanted is None:
            continue
        cells = table[column.name]
        wrong = strangers(cells, wanted.tolist())
        if column.optional and cells.dtype.kind == "U":
            wrong &= cells != ""
        remedy = f"Name a row that is in {named}, or add that row there."
        rows = np.flatnonzero(wrong).tolist()
        faults.rows(
            rows, column.name, lambda row, c=cells: shortened(c[row].item()) + ", which is nowhere", f"a value of {named}", remedy
        )
    return faults.found


def _target(column: ColumnSpec, targets: Mapping[str, Table]) -> tuple[AnyArray | None, str]:
    table, _, key = str(column.refers_to).partition(".")
    key = key or "id"
    name = table.rpartition("/")[2]
    return (targets[name][key], f"{table}.{key}") if name in targets and key in targets[name] else (None, "")


def _asset_faults(assets: Table, services: Sequence[Service]) -> list[Fault]:
    faults = Faults("assets.csv")
    _kinds(assets, services, faults)
    _runs(assets, services, faults)
    kinds = [kind for service in services for kind in service.kinds]
    feeding = np.array([kind.name for kind in kinds if kind.feeds], dtype=np.str_)
    if len(feeding) == 0:
        return faults.found
    needs = ~strangers(assets["kind"], [kind.name for kind in kinds if kind.needs_power])
    feeds = ~strangers(assets["kind"], feeding.tolist())
    fed_by: TextArray = assets["fed_by"]
    feeding_ids = assets["id"][feeds]
    allowed = f"the id of an asset of kind {' or '.join(feeding.tolist())}"
    hungry = np.flatnonzero(needs & (fed_by == "")).tolist()

    def whose(row: int) -> str:
        return f"{assets['kind'][row]} {assets['id'][row]}"

    faults.rows(
        hungry,
        "fed_by",
        lambda row: f"empty: {whose(row)} is fed by no node",
        allowed,
        "Name the node it hangs on, or build the city again.",
    )
    elsewhere = strangers(fed_by, ["", *feeding_ids.tolist()])
    known = elsewhere & ~strangers(fed_by, assets["id"].tolist()) if elsewhere.any() else elsewhere
    unknown = np.flatnonzero(elsewhere & ~known).tolist()
    faults.rows(
        unknown,
        "fed_by",
        lambda row: f"{shortened(str(fed_by[row]))}: {whose(row)} hangs on what is nowhere",
        allowed,
        "Name a node that exists.",
    )
    idle = np.flatnonzero(elsewhere & known).tolist()
    faults.rows(
        idle,
        "fed_by",
        lambda row: f"{shortened(str(fed_by[row]))}: {whose(row)} hangs on what feeds nothing",
        allowed,
        "Name a node that feeds.",
    )
    return faults.found


def _kinds(assets: Table, services: Sequence[Service], faults: Faults) -> None:
    """Fault assets of a kind that their service does not declare. Assets of services that are not at hand are let be:
    a city may be loaded for one service alone."""
    for service in services:
        own = assets["service"] == service.name
        names = np.array([kind.name for kind in service.kinds], dtype=np.str_)
        wrong = np.flatnonzero(own & strangers(assets["kind"], names.tolist())).tolist()
        allowed = f"a kind of {service.name}: {', '.join(names.tolist()) or 'none'}"
        faults.rows(wrong, "kind", lambda row: shortened(str(assets["kind"][row])), allowed, "Mend the kind, or the service.")


def _runs(assets: Table, services: Sequence[Service], faults: Faults) -> None:
    for service in services:
        where = np.flatnonzero(assets["service"] == service.name)
        if len(where) and where[-1] - where[0] + 1 != len(where):
            gap = int(where[np.flatnonzero(np.diff(where) > 1)[0]]) + 1
            faults.add(
                gap + 2,
                "service",
                f"{shortened(str(assets['service'][gap]))} between rows of {service.name}",
                "the rows of a service one after the other",
                "Sort the table by service.",
            )


def unknown_services(assets: Assets, services: Sequence[Service]) -> list[Fault]:
    """Return a fault for the assets of services that lamplighter does not have."""
    faults = Faults("assets.csv")
    names = np.array([service.name for service in services], dtype=np.str_)
    wrong = np.flatnonzero(strangers(assets.service, names.tolist())).tolist()
    allowed = f"one of {', '.join(names.tolist())}"
    faults.rows(
        wrong, "service", lambda row: shortened(str(assets.service[row])), allowed, "Mend the name, or install that service."
    )
    return faults.found
