# SPDX-License-Identifier: Apache-2.0
"""The privacy gate: the only maker of measurements.

What passes is a closed vocabulary of bounded integers in fixed-width frames, each from an asset that is registered
for that quantity, each about a window that has begun and is not long past. There is no field in which a name, a
plate, a device address or free text could travel: a frame is sixteen bytes, all of them spoken for.

Two planes. What is admitted here lives in memory, in the process that decides. The record plane keeps nothing finer
than the floors below, and a city may only tighten them.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.measurement import FRAME, FrameArray, Measurements
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.service import Service

RECORD_WINDOW_MIN_S = 300  # nothing finer in time is ever written
RECORD_CELL_LAMPS_MIN = 64
RECORD_CELL_CONNECTIONS_MIN = 100
LATE_WINDOWS_MAX = 2  # a frame about an older window than this is refused: it can steer nothing any more
LATE_GRACE_S = 120
SAMPLES_MAX = 65_535
FRAMES_MAX = 4_000_000  # per batch and service; beyond it the batch is refused whole, unread

REASONS = (
    "the batch is not a whole number of 16-byte frames, or is too large",
    "no such asset in this service",
    "no such quantity in the vocabulary",
    "an asset of this kind does not report this quantity",
    "below the least value of the quantity",
    "above the greatest value of the quantity",
    "about a window that has not begun",
    "about a window too long past",
    "said twice in one batch",
)
SHAPE, ASSET, QUANTITY, KIND, LOW, HIGH, FUTURE, PAST, TWICE = range(len(REASONS))


@dataclass(frozen=True)
class Registry:
    """Who may say what: made once per service and city.

    start, stop: the service's run of assets; may (assets of the run, quantities) as kind codes and a table; bounds
    in steps, window and step per quantity (q,).
    """

    start: int
    stop: int
    kind: IntArray
    may: BoolArray
    low_steps: IntArray
    high_steps: IntArray
    window_s: IntArray
    step: FloatArray


@dataclass(frozen=True)
class Rejected:
    """What was not admitted, columns (m,): city asset position, vocabulary position, reason, what it said, the bound."""

    asset: IntArray
    quantity: IntArray
    reason: IntArray
    observed: FloatArray
    limit: FloatArray

    def __len__(self) -> int:
        return len(self.asset)


def register(service: Service, assets: Assets, vocabulary: tuple[str, ...]) -> Registry:
    """Return who may say what for one service of a city."""
    span = assets.span(service.name)
    kinds = {kind.name: code for code, kind in enumerate(service.kinds)}
    kind = np.array([kinds[name] for name in assets.kind[span]], dtype=np.int64)
    known: dict[str, Quantity] = {quantity.name: quantity for quantity in service.quantities}
    may = np.zeros((max(len(kinds), 1), len(vocabulary)), dtype=np.bool_)
    low, high = np.zeros(len(vocabulary), np.int64), np.full(len(vocabulary), -1, np.int64)
    window_s, step = np.ones(len(vocabulary), np.int64), np.ones(len(vocabulary), np.float64)
    for code, name in enumerate(vocabulary):
        if name in known:
            quantity = known[name]
            may[kinds[quantity.of], code] = True
            low[code] = round(quantity.low / quantity.step)
            high[code] = round(quantity.high / quantity.step)
            window_s[code], step[code] = quantity.window_min_s, quantity.step
    return Registry(span.start, span.stop, kind, may, low, high, window_s, step)


def _in_order(frames: FrameArray) -> tuple[FrameArray, BoolArray]:
    """Return the frames sorted by quantity, asset and window, and the mask of those said twice."""
    asset, quantity = frames["asset"].astype(np.int64), frames["quantity"].astype(np.int64)
    key = quantity * 2**32 + asset
    twice = np.zeros(len(frames), np.bool_)
    if bool((np.diff(key) > 0).all()):
        return frames, twice
    order = np.lexsort((frames["window"], key))
    frames, key = frames[order], key[order]
    twice[1:] = (np.diff(key) == 0) & (np.diff(frames["window"].astype(np.int64)) == 0)
    return frames, twice


def _structural(frames: FrameArray, registry: Registry) -> tuple[IntArray, IntArray, IntArray]:
    """Return asset and quantity as positions and, per frame, the first structural reason against it (-1 where none)."""
    asset, quantity = frames["asset"].astype(np.int64), frames["quantity"].astype(np.int64)
    reason = np.full(len(frames), -1, np.int64)
    stranger = (asset < registry.start) | (asset >= registry.stop)
    unknown = quantity >= len(registry.step)
    reason[stranger] = ASSET
    reason[unknown & ~stranger] = QUANTITY
    sound = reason < 0
    if registry.stop > registry.start:
        local = np.where(sound, asset - registry.start, 0)
        allowed = registry.may[registry.kind[local], np.where(sound, quantity, 0)]
        reason[sound & ~allowed] = KIND
    return asset, quantity, reason


def admit(payload: bytes, registry: Registry, now_s: float) -> tuple[Measurements, Rejected]:
    """Admit canonical frames. What fails is reported with its reason and never costs what was known before.

    payload: FRAME rows as bytes; now_s: city time. Returns measurements ordered by quantity and asset, and the
    rejected frames. A batch of the wrong shape is refused whole.
    """
    if len(payload) % FRAME.itemsize or len(payload) > FRAMES_MAX * FRAME.itemsize:
        return _measured(np.zeros(0, FRAME), registry, now_s), _whole_batch(len(payload))
    frames, twice = _in_order(np.frombuffer(payload, dtype=FRAME))
    asset, quantity, reason = _structural(frames, registry)
    known = np.where(reason < 0, quantity, 0)
    value, window = frames["value"].astype(np.int64), frames["window"].astype(np.int64)
    low, high, length_s = registry.low_steps[known], registry.high_steps[known], registry.window_s[known]
    late_s = now_s - (window + 1) * length_s
    late_max_s = LATE_WINDOWS_MAX * length_s + LATE_GRACE_S
    tests = (
        (LOW, value < low),
        (HIGH, value > high),
        (FUTURE, window * length_s > now_s),
        (PAST, late_s > late_max_s),
        (TWICE, twice),
    )
    for code, wrong in tests:
        reason[(reason < 0) & wrong] = code
    bad = reason >= 0
    if not bool(bad.any()):
        return _measured(frames, registry, now_s), _none()
    why, step = reason[bad], registry.step[known[bad]]
    limit = np.zeros(len(why), np.float64)
    for code, bound in ((LOW, low[bad] * step), (HIGH, high[bad] * step), (PAST, late_max_s[bad]), (FUTURE, now_s)):
        limit = np.where(why == code, bound, limit)
    observed = np.where(why == PAST, late_s[bad], value[bad] * step)
    return _measured(frames[~bad], registry, now_s), Rejected(asset[bad], quantity[bad], why, observed, limit)


def _measured(frames: FrameArray, registry: Registry, now_s: float) -> Measurements:
    quantity = frames["quantity"].astype(np.int64)
    value = frames["value"] * registry.step[quantity] if len(registry.step) else np.zeros(0)
    window = frames["window"].astype(np.int64)
    # What was under way for a while is as old as its window, not as young as its arrival.
    ended_s = (window + 1) * registry.window_s[quantity] if len(registry.window_s) else np.zeros(0)
    return Measurements(
        asset=frames["asset"].astype(np.int64),
        quantity=quantity,
        value=value.astype(np.float64),
        window=window,
        count=frames["count"].astype(np.int64),
        known_at_s=np.minimum(ended_s, now_s).astype(np.float64),
    )


def _none() -> Rejected:
    empty = np.zeros(0, np.int64)
    return Rejected(empty, empty, empty, np.zeros(0), np.zeros(0))


def _whole_batch(length_bytes: int) -> Rejected:
    zero = np.zeros(1, np.int64)
    limit = float(FRAMES_MAX * FRAME.itemsize)
    return Rejected(zero, zero, np.full(1, SHAPE, np.int64), np.full(1, float(length_bytes)), np.full(1, limit))


def explain_rejection(rejected: Rejected, row: int, assets: Assets, vocabulary: tuple[str, ...]) -> str:
    """Say in one sentence what was not admitted, why, and what happens now."""
    code = int(rejected.reason[row])
    if code == SHAPE:
        return f"A batch of {rejected.observed[row]:.0f} bytes was not read: {REASONS[code]}. Nothing known before is lost."
    place, word = int(rejected.asset[row]), int(rejected.quantity[row])
    asset = str(assets.id[place]) if place < len(assets) else f"number {place}"
    quantity = vocabulary[word] if word < len(vocabulary) else f"quantity number {word}"
    # A value that could be true is not told: only one outside its bounds says nothing about anybody.
    said = f" = {rejected.observed[row]:g}" if code in (LOW, HIGH) else ""
    bound = f", allowed {rejected.limit[row]:g}" if code in (LOW, HIGH) else ""
    return (
        f"{asset}: {quantity}{said} was not admitted: {REASONS[code]}{bound}. "
        "The last good value stays and ages; when it is too old, the box runs its own programme."
    )
