# SPDX-License-Identifier: Apache-2.0
"""One tick, the same for every service: read, admit, fold, pick the arm, decide, examine, deliver, record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from lamplighter import privacy, safety, twin
from lamplighter.runtime.operators import Desk, without_operators
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, IntArray
from lamplighter.terms.decision import HAND_BACK, InForce, Permits, Proposals
from lamplighter.terms.measurement import Measurements
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.service import Belief, Service
from lamplighter.terms.snapshot import Column, Shared, Snapshot

STAGES = ("read", "admit", "fold", "decide", "examine", "deliver", "record")


@dataclass
class ServiceRun:
    """One service of a running city: what does not change, and the little that does from tick to tick."""

    service: Service
    city: CityData
    prepared: Any
    registry: privacy.Registry
    adaptive: BoolArray
    holds: BoolArray
    state: Any
    outcome_state: Any = None
    columns: twin.Columns = field(default_factory=dict[str, Column])
    believed: twin.Columns = field(default_factory=dict[str, Column])
    in_force: Mapping[str, InForce] = field(default_factory=dict[str, InForce])
    desk: Desk = field(default_factory=Desk)
    stage_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))


@dataclass(frozen=True)
class Tick:
    """What one tick of one service did. `fault` is a sentence where the decider or an outcome failed, else empty."""

    now_s: float
    snapshot: Snapshot
    measured: Measurements
    rejected: privacy.Rejected
    verdict: safety.Verdict
    messages: tuple[Message, ...]
    outcomes: OutcomeRows | None
    fault: str


def open_run(service: Service, city: CityData, adaptive: bool) -> ServiceRun:
    """Prepare one service for its first tick, all its assets in one arm."""
    size: int = city.span.stop - city.span.start
    prepared = service.prepare(city)
    return ServiceRun(
        service=service,
        city=city,
        prepared=prepared,
        registry=privacy.register(service, city.assets, city.vocabulary),
        adaptive=np.full(size, adaptive, dtype=np.bool_),
        holds=np.zeros(size, dtype=np.bool_),
        state=service.start(prepared),
        in_force={action.name: twin.idle(action, size) for action in service.actions},
    )


def shared_columns(runs: Sequence[ServiceRun], own: ServiceRun) -> tuple[Mapping[str, tuple[Shared, ...]], Mapping[str, float]]:
    """Return what a service sees of the others: only the quantities that it names in `reads`, and their ages allowed. Services
    that were made up one by one have assets of their own each, and see nothing of the others."""
    shared: dict[str, tuple[Shared, ...]] = {}
    fresh_s: dict[str, float] = {}
    for name in own.service.reads:
        parts: list[Shared] = []
        for run in runs:
            if run.city.assets is not own.city.assets:
                continue
            if name in run.columns:
                parts.append(Shared(run.city.span.start, run.columns[name]))
                quantity = run.service.quantity(name)
                fresh_s[name] = max(run.service.fresh_s, 2.0 * quantity.window_min_s + run.service.cadence_s)
            if name in run.believed:
                parts.append(Shared(0, run.believed[name]))
                fresh_s[name] = run.service.fresh_s
        shared[name] = tuple(parts)
    return shared, fresh_s


def _snapshot(run: ServiceRun, runs: Sequence[ServiceRun], now_s: float) -> Snapshot:
    shared, fresh_s = shared_columns(runs, run)
    return Snapshot(
        now_s=now_s,
        assets=run.city.assets,
        span=run.city.span,
        latest=run.columns,
        shared=shared,
        in_force=run.in_force,
        adaptive=run.adaptive & ~run.holds,
        vocabulary=run.city.vocabulary,
        shared_fresh_s=fresh_s,
    )


def _decide(run: ServiceRun, snapshot: Snapshot) -> tuple[tuple[Proposals, ...], str]:
    """Ask the arm's decider. One that fails proposes nothing: leases lapse and the boxes run their own programmes."""
    decider = run.service.adaptive if bool(run.adaptive.any()) else run.service.baseline
    try:
        proposals, run.state = decider(snapshot, run.state, run.prepared)
        if not bool(snapshot.adaptive.all()):
            proposals = tuple(_in_arm(table, snapshot) for table in proposals)
    except Exception as error:  # noqa: BLE001 - whatever fails here must not stop the other services
        return (), (
            f"{run.service.name}: deciding failed ({type(error).__name__}: {error}). Nothing is proposed this tick; "
            "every box returns to its local programme when its lease ends."
        )
    proposals, forged = without_operators(proposals)
    return proposals, f"{run.service.name}: the decider spoke as an operator; that was not put to the gate." if forged else ""


def _examine(run: ServiceRun, snapshot: Snapshot, proposals: Sequence[Proposals]) -> tuple[safety.Verdict, str]:
    """Ask the gate. Where a check itself fails, nothing is permitted but handing back."""
    try:
        return safety.examine(run.service, snapshot, proposals, run.prepared, run.holds), ""
    except Exception as error:  # noqa: BLE001 - a check that cannot be made permits nothing, and stops no other service
        back = tuple(table for table in proposals if table.action == HAND_BACK)
        return safety.examine(run.service, snapshot, back, run.prepared, run.holds), (
            f"{run.service.name}: a check could not be made ({type(error).__name__}). Nothing was permitted; every box returns "
            "to its local programme when its lease ends."
        )


def _deliver(run: ServiceRun, permits: Sequence[Permits], now_s: float) -> tuple[tuple[Message, ...], str]:
    """Encode the permits and put them into force; what cannot be encoded is neither sent nor in force."""
    messages: list[Message] = []
    fault = ""
    for permit in permits:
        if len(permit):
            try:
                messages.extend(deliverable(run, (permit,)))
            except Exception as error:  # noqa: BLE001 - one action that cannot be said must not keep another from being sent
                fault = (
                    f"{run.service.name}: {permit.proposals.action} could not be encoded ({type(error).__name__}: {error}). "
                    "It was not sent."
                )
                continue
            run.in_force = twin.enter_into_force(run.in_force, (permit,), run.city.span, now_s)
    return tuple(messages), fault


def _believe(run: ServiceRun, snapshot: Snapshot) -> str:
    """Let a service tell what it believes of the city's assets. One that fails tells nothing: what it told before ages."""
    if run.service.believe is None:
        return ""
    try:
        told = run.service.believe(snapshot, run.prepared)
        for belief in run.service.beliefs:
            run.believed = {**run.believed, belief.name: _bounded(told[belief.name], belief, len(snapshot.assets))}
    except Exception as error:  # noqa: BLE001 - a belief that cannot be made must not stop the service that makes it
        return (
            f"{run.service.name}: what it believes of others' assets could not be worked out ({type(error).__name__}: {error}). "
            "What it told last grows old and then counts for nothing."
        )
    return ""


def _bounded(column: Column, belief: Belief, assets: int) -> Column:
    """Return a belief's column; what is not a number within the belief's bounds is not told."""
    if len(column.value) != assets:
        raise ValueError(f"{belief.name}: {len(column.value)} values for {assets} assets")
    return replace(column, present=column.present & (column.value >= belief.low) & (column.value <= belief.high))


def _in_arm(table: Proposals, snapshot: Snapshot) -> Proposals:
    """Return the rows whose assets are in the adaptive arm and not held: elsewhere lamplighter proposes nothing."""
    rows = np.flatnonzero(snapshot.adaptive[table.asset - snapshot.span.start])
    offsets = table.cites.offsets
    keep = np.zeros(len(table), np.bool_)
    keep[rows] = True
    kept = np.repeat(keep, np.diff(offsets))
    lengths = np.diff(offsets)[rows]
    cites = type(table.cites)(np.concatenate(([0], np.cumsum(lengths))), table.cites.asset[kept], table.cites.quantity[kept])
    values = {name: column[rows] for name, column in table.values.items()}
    return Proposals(
        table.action, table.asset[rows], values, table.because[rows], cites, table.arm, table.issued_s, table.lease_s
    )


def _outcomes(run: ServiceRun, snapshot: Snapshot, fault: str) -> tuple[OutcomeRows | None, str]:
    try:
        rows, run.outcome_state = run.service.outcomes(snapshot, run.outcome_state, run.prepared)
    except Exception as error:  # noqa: BLE001 - an account that fails must not stop control
        text = f"{run.service.name}: outcomes could not be computed ({type(error).__name__}: {error}). Control goes on."
        return None, f"{fault} {text}".strip()
    return rows, fault


def tick(run: ServiceRun, runs: Sequence[ServiceRun], readings: Sequence[Reading], now_s: float) -> Tick:
    """Do one tick of one service with the readings that arrived until `now_s`."""
    begun = perf_counter()
    payload, fault = _decode(run, readings)
    done = tick_frames(run, runs, payload, now_s, begun)
    return replace(done, fault=f"{fault} {done.fault}".strip()) if fault else done


def tick_frames(run: ServiceRun, runs: Sequence[ServiceRun], payload: bytes, now_s: float, begun: float) -> Tick:
    """Do one tick with canonical frames; `begun` is when reading them began (perf_counter)."""
    clock = begun

    def lap(stage: str) -> None:
        nonlocal clock
        now = perf_counter()
        run.stage_s[stage] += now - clock
        clock = now

    lap("read")
    measured, rejected = privacy.admit(payload, run.registry, now_s)
    lap("admit")
    run.columns = twin.fold(run.columns, measured, run.city.vocabulary, run.city.span)
    run.in_force = twin.lapse(run.in_force, now_s)
    run.holds = run.desk.holds(len(run.holds), run.city.span.start)
    snapshot = _snapshot(run, runs, now_s)
    disbelief = _believe(run, snapshot)
    lap("fold")
    wishes = run.desk.proposals(run.service, snapshot) if run.desk.wishes else ()
    proposals, fault = _decide(run, snapshot)
    lap("decide")
    verdict, unexamined = _examine(run, snapshot, (*wishes, *proposals))
    if wishes:
        run.desk.hear(run.service.name, run.city.assets.id, verdict)
    lap("examine")
    messages, unsaid = _deliver(run, verdict.permits, now_s)
    lap("deliver")
    outcomes, fault = _outcomes(run, snapshot, " ".join(text for text in (disbelief, fault, unexamined, unsaid) if text))
    lap("record")
    return Tick(now_s, snapshot, measured, rejected, verdict, messages, outcomes, fault)


def _decode(run: ServiceRun, readings: Sequence[Reading]) -> tuple[bytes, str]:
    """Turn readings into canonical frames; bytes that cannot be read cost nothing already known."""
    try:
        return run.service.decode(readings, run.prepared), ""
    except Exception as error:  # noqa: BLE001 - rubbish from the field must not stop the loop
        return b"", (
            f"{run.service.name}: {len(readings)} readings could not be decoded ({type(error).__name__}: {error}). "
            "What was known before stays and ages; stale values steer nothing."
        )


def deliverable(run: ServiceRun, permits: Sequence[Permits]) -> tuple[Message, ...]:
    """Return the bytes to send for these permits. Nothing but permits can be encoded."""
    messages: list[Message] = []
    for permit in permits:
        if len(permit):
            messages.extend(run.service.encode(permit, run.prepared))
    return tuple(messages)


def boxes(run: ServiceRun) -> IntArray:
    """Return the city positions of every box of a service that can be steered."""
    kinds = sorted({action.of for action in run.service.actions})
    mine = np.isin(run.city.assets.kind[run.city.span], kinds)
    return np.flatnonzero(mine).astype(np.int64) + run.city.span.start


def hand_back(run: ServiceRun, now_s: float) -> tuple[tuple[Message, ...], int]:
    """Put the whole service into the baseline arm; return the messages that free every box, and how many boxes."""
    run.adaptive = np.zeros_like(run.adaptive)
    run.desk.drop()
    assets = boxes(run)
    permit = safety.hand_back(assets, now_s)
    run.in_force = twin.enter_into_force(run.in_force, [permit], run.city.span, now_s)
    return deliverable(run, [permit]), len(assets)
