# SPDX-License-Identifier: Apache-2.0
"""One suite over every service: what the spine relies on, whoever wrote the service."""

import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lamplighter.services
from lamplighter import privacy, safety, twin
from lamplighter.evidence.totals import OutcomeTotals
from lamplighter.runtime import loop
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.services import discover
from lamplighter.terms.decision import HAND_BACK, Cites, Proposals, no_cites
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.service import Service, Synthetic
from tests.water import SERVICE as WATER

FILES = (
    "__init__.py", "terms.py", "wire.py", "adaptive.py", "baseline.py", "interlock.py", "outcomes.py", "build.py",
    "simulator.py", "commands.py", "README.md", "tests",
)  # fmt: skip
BEGIN_S = 1_768_321_500.0  # 2026-01-13 17:25 in Berlin: dark, busy, and a quarter-hour boundary ahead
TICKS = 12
SERVICES = (*discover(), WATER)
every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda s: s.name)


@cache
def made(service: Service) -> Synthetic:
    return service.synthetic(0.002, 7)


def driven(service: Service, adaptive: bool = True) -> tuple[ServiceRun, list[Tick]]:
    """Drive a service over its made-up city for a few ticks."""
    run = loop.open_run(service, made(service).city, adaptive)
    ticks: list[Tick] = []
    for k in range(1, max(TICKS, 90 // service.cadence_s) + 1):
        now_s = BEGIN_S + k * service.cadence_s
        ticks.append(loop.tick_frames(run, [run], made(service).frames(now_s), now_s, 0.0))
    return run, ticks


def same(first: Proposals, second: Proposals) -> bool:
    return (
        first.action == second.action
        and np.array_equal(first.asset, second.asset)
        and all(np.array_equal(first.values[name], second.values[name]) for name in first.values)
        and np.array_equal(first.because, second.because)
        and np.array_equal(first.cites.asset, second.cites.asset)
    )


@pytest.mark.parametrize("service", discover(), ids=lambda s: s.name)
@pytest.mark.parametrize("name", FILES)
def test_every_service_has_the_same_files(service: Service, name: str) -> None:
    folder = Path(lamplighter.services.__path__[0]) / service.name
    stem = folder / name.removesuffix(".py")
    assert (folder / name).exists() or stem.is_dir(), f"{folder.name}: {name} is missing"


@every_service
def test_the_declaration_holds_together(service: Service) -> None:
    kinds = {kind.name for kind in service.kinds}
    quantities = {quantity.name for quantity in service.quantities}
    guarded = {action for interlock in service.interlocks for action in interlock.actions}
    assert {quantity.of for quantity in service.quantities} <= kinds
    assert {action.of for action in service.actions} <= kinds
    assert {action.name for action in service.actions} <= guarded, "every action has an interlock"
    assert guarded <= {action.name for action in service.actions}
    assert {action.of for action in service.actions} <= {q.of for q in service.quantities}, "what is commanded reports back"
    assert {layer.of for layer in service.layers} <= kinds
    if service.derive is None:
        assert {layer.quantity for layer in service.layers} <= quantities
    assert len(quantities) == len(service.quantities)
    assert len({outcome.name for outcome in service.outcome_names}) == len(service.outcome_names)
    assert any(outcome.chart for outcome in service.outcome_names)
    assert all(service.reasons)
    assert all(interlock.rule.clause and interlock.rule.doc for interlock in service.interlocks)
    assert all(action.lease_max_s > 0 for action in service.actions)


@every_service
def test_what_it_reads_some_service_tells(service: Service) -> None:
    told = {word.name for other in discover() for word in (*other.quantities, *other.beliefs)}
    assert set(service.reads) <= told
    assert bool(service.beliefs) == (service.believe is not None)
    if service.drill:
        module, _, name = service.drill.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


@every_service
def test_it_runs_admits_decides_and_nothing_fails(service: Service) -> None:
    run, ticks = driven(service)
    assert sum(len(done.measured) for done in ticks) > 0
    assert sum(len(done.rejected) for done in ticks) == 0
    assert {done.fault for done in ticks} == {""}
    assert sum(len(permit) for done in ticks for permit in done.verdict.permits) > 0, "nothing was ever permitted"
    totals = OutcomeTotals(service.outcome_names, run.city.areas)
    for done in ticks:
        if done.outcomes is not None:
            totals.add(done.outcomes)
    assert totals.totals()


@every_service
def test_deciding_twice_decides_the_same(service: Service) -> None:
    runs = [loop.open_run(service, made(service).city, True) for _ in range(2)]
    for k in range(1, TICKS + 1):
        now_s = BEGIN_S + k * service.cadence_s
        proposed: list[tuple[Proposals, ...]] = []
        for run in runs:
            measured, _ = privacy.admit(made(service).frames(now_s), run.registry, now_s)
            run.columns = twin.fold(run.columns, measured, run.city.vocabulary, run.city.span)
            snapshot = loop._snapshot(run, [run], now_s)  # pyright: ignore[reportPrivateUsage]
            tables, run.state = service.adaptive(snapshot, run.state, run.prepared)
            again, _ = service.adaptive(snapshot, run.state, run.prepared)
            assert len(again) == len(tables)
            proposed.append(tables)
        assert all(same(first, second) for first, second in zip(*proposed, strict=True))


@every_service
def test_in_the_baseline_arm_nothing_is_proposed(service: Service) -> None:
    _, ticks = driven(service, adaptive=False)
    assert sum(len(p) for done in ticks for p in done.verdict.permits) == 0
    assert all(not done.messages for done in ticks)


@every_service
def test_what_it_counts_box_by_box_is_declared_and_counted_purely(service: Service) -> None:
    if service.accounting is None:
        return
    accounts = service.accounting.accounts
    assert len({account.name for account in accounts}) == len(accounts)
    assert service.accounting.users in {account.name for account in service.accounting.of("cell")}
    assert not any(account.shaped for account in service.accounting.of("box")), "a box's own state tells of nobody"
    assert all(account.shaped for account in service.accounting.of("part"))
    run, ticks = driven(service)
    cells = service.accounting.cells(run.prepared)
    boxes = len(cells.box_asset)
    assert (np.diff(cells.cell_box) >= 0).all()
    assert (np.diff(cells.part_box) >= 0).all()
    tallied = service.accounting.tally(ticks[0].snapshot, None, run.prepared)
    for done in ticks[1:]:
        kept = [column.copy() for column in (tallied.cell, tallied.box, tallied.part)]
        once, again = (service.accounting.tally(done.snapshot, tallied, run.prepared) for _ in range(2))
        assert np.array_equal(once.cell, again.cell)
        left = (tallied.cell, tallied.box, tallied.part)
        assert all(np.array_equal(a, b) for a, b in zip(kept, left, strict=True)), "a tally leaves the one before as it was"
        tallied = once
    shapes = (len(cells.cell_box), boxes, len(cells.part_box))
    for what, column, rows in zip(("cell", "box", "part"), (tallied.cell, tallied.box, tallied.part), shapes, strict=True):
        assert column.shape == (rows, len(service.accounting.of(what)))


@every_service
def test_handing_back_is_never_refused_and_can_always_be_said(service: Service) -> None:
    run, ticks = driven(service)
    boxes = np.isin(run.city.assets.kind[run.city.span], [action.of for action in service.actions])
    asset = np.flatnonzero(boxes).astype(np.int64) + run.city.span.start
    table = Proposals(HAND_BACK, asset, {}, np.zeros(len(asset), np.int64), no_cites(len(asset)), "operator", 0.0, 0.0)
    held = np.ones_like(run.holds)
    verdict = safety.examine(service, replace(ticks[-1].snapshot, now_s=9e9), (table,), run.prepared, held)
    assert len(verdict.permits[0]) == len(asset)
    assert service.encode(verdict.permits[0], run.prepared)
    messages, count = loop.hand_back(run, BEGIN_S + 10_000)
    assert messages
    assert count == len(asset)
    assert all(not entry.active.any() for entry in run.in_force.values())


@every_service
def test_the_actions_of_every_other_service_are_refused(service: Service) -> None:
    run, ticks = driven(service)
    for other in SERVICES:
        for action in other.actions:
            if action in service.actions:
                continue
            values = {column.name: np.array([column.low]) for column in action.columns}
            one = np.array([run.city.span.start], np.int64)
            table = Proposals(action.name, one, values, np.zeros(1, np.int64), no_cites(1), "adaptive", BEGIN_S, 1.0)
            verdict = safety.examine(service, ticks[-1].snapshot, (table,), run.prepared, run.holds)
            assert len(verdict.permits[0]) == 0, f"{other.name}'s {action.name} was permitted by {service.name}'s gate"


@every_service
def test_stale_inputs_steer_nothing(service: Service) -> None:
    run, ticks = driven(service)
    long_after = replace(ticks[-1].snapshot, now_s=BEGIN_S + 50_000)
    tables, _ = service.adaptive(long_after, run.state, run.prepared)
    verdict = safety.examine(service, long_after, tables, run.prepared, run.holds)
    # A proposal that rests on no measurement at all (the sun's height, a design value) may stand.
    for permit in verdict.permits:
        cited = np.diff(permit.proposals.cites.offsets)[permit.row]
        assert not cited.any(), "a proposal that cites stale values was permitted"


@every_service
def test_wrong_assets_wild_values_and_long_leases_are_refused(service: Service) -> None:
    run, ticks = driven(service)
    for done in ticks:
        for permit in done.verdict.permits:
            if not len(permit):
                continue
            row = permit.row[:1]
            table = permit.proposals
            one = {name: column[row] for name, column in table.values.items()}
            cases = [
                replace(table, asset=np.array([len(run.city.assets) + 5]), lease_s=table.lease_s),
                replace(table, asset=table.asset[row], lease_s=1e9),
            ]
            for name in one:
                cases.append(replace(table, asset=table.asset[row], values={**one, name: np.array([np.nan])}))
            for case in cases:
                fixed = replace(case, values=case.values if len(case.values.get(next(iter(one), ""), row)) == 1 else one)
                fixed = replace(fixed, because=np.zeros(1, np.int64), cites=no_cites(1))
                verdict = safety.examine(service, done.snapshot, (fixed,), run.prepared, run.holds)
                assert len(verdict.permits[0]) == 0
            return
    pytest.fail("nothing was ever permitted")


@every_service
def test_frames_are_canonical(service: Service) -> None:
    run = loop.open_run(service, made(service).city, True)
    payload = made(service).frames(BEGIN_S + service.cadence_s)
    measured, rejected = privacy.admit(payload, run.registry, BEGIN_S + service.cadence_s)
    assert len(rejected) == 0
    again = np.zeros(len(measured), FRAME)
    again["asset"], again["quantity"], again["count"] = measured.asset, measured.quantity, measured.count
    again["window"] = measured.window
    again["value"] = np.round(measured.value / run.registry.step[measured.quantity])
    assert sorted(again.tobytes()[i : i + 16] for i in range(0, again.nbytes, 16)) == sorted(
        payload[i : i + 16] for i in range(0, len(payload), 16)
    )
    assert service.decode([], run.prepared) == b""


@every_service
def test_every_decision_and_asset_can_be_explained(service: Service) -> None:
    run, ticks = driven(service)
    for permit in (p for done in ticks for p in done.verdict.permits if len(p)):
        text = service.describe(permit.proposals, int(permit.row[0]), run.prepared)
        assert text.endswith(".")
        assert len(text) > 15
    for action in service.actions:
        place = int(np.flatnonzero(run.city.assets.kind[run.city.span] == action.of)[0]) + run.city.span.start
        assert all(sentence.endswith(".") for sentence in service.explain(ticks[-1].snapshot, run.prepared, place))


@every_service
def test_proposals_cite_the_values_they_rest_on(service: Service) -> None:
    run, ticks = driven(service)
    for permit in (p for done in ticks for p in done.verdict.permits if len(p)):
        cites: Cites = permit.proposals.cites
        assert len(cites.offsets) == len(permit.proposals) + 1
        assert int(cites.offsets[-1]) == len(cites.asset) == len(cites.quantity)
        assert bool((np.diff(cites.offsets) >= 0).all())
        assert bool((cites.quantity < len(run.city.vocabulary)).all())
