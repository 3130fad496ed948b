# SPDX-License-Identifier: Apache-2.0
"""The dialect: which inverter is asked next, what the whole minutes were, and which of them can be relied upon.

An inverter is given set-points only once it was found, compared with the city's table and read back, and only while its own
timer is seen to end them. What it holds is read from it, never remembered: after a restart its registers say where it stands.
"""

from collections.abc import Container, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from lamplighter.services.grid.sunspec.models import Held, Known
from lamplighter.services.grid.sunspec.talks import (
    Expected,
    RefusedError,
    Step,
    UnfitError,
    discover,
    hand_back,
    lease,
    sweep,
)
from lamplighter.services.grid.wire import INVERTER_ROW, INVERTERS, ORDER_HAND_BACK, SET_ROW, SETS, encode_rows
from lamplighter.terms.exchange import Answered, Asked, DialectStart
from lamplighter.terms.reading import Message, Reading

KEYS = ("asset", "host", "port", "unit")
PERIOD_S = 10.0
MINUTE_S = 60
READINGS_KEPT_MIN = 5  # minutes that wait to be fetched
ORDER_KEPT_S = 20.0  # an order that could not be begun by then is given up, as if it had never come
LOOK_AGAIN_S = 300.0  # when an inverter that cannot be steered is looked at again: somebody may have mended it
SETTLE_S = 5.0  # until an order is read back: many inverters take a second or two
LATE_S = 30.0  # by which a set-point may outlast its end before the inverter's timer is held to be broken
BLIND_S = 15.0  # how long a set-point may hold without its timer being seen to run
OBEYED_SHARE = 0.02  # of the most: by which what is read back may differ from what was given
WRONG_SIGN_SHARE = 0.2  # of the most: smaller set-points tell nothing of the sign
WRONG_SIGN_TIMES = 6  # sweeps in a row
WEAK_SHARE = 0.5  # of what is set: who measures less for as many sweeps is told of

Talk = Generator[Step, bytes, Any]


@dataclass(frozen=True)
class Order:
    """One order: kvar to supply (nothing: hand back), when it came and when it ends."""

    kvar: float | None
    taken_s: float
    end_s: float


@dataclass
class Box:
    """One inverter: where it is asked, what is expected of it, what was found, what it said in the minute that runs.

    unfit: why it is never sent anything; barred: why it is given no more set-points (and only handed back); said: what went
    wrong with the last order; given_kvar: the last set-point, until it was read back; seen_kvar: what it was read to hold;
    end_s: when that must have ended; blind_s: since when its timer is not seen to run.
    """

    asset: str
    number: int
    host: str
    port: int
    unit: int
    expected: Expected
    known: Known | None = None
    unfit: str = ""
    barred: str = ""
    said: str = ""
    silent: bool = True
    due_s: float = 0.0
    order: Order | None = None
    held: Held | None = None
    given_kvar: float | None = None
    seen_kvar: float | None = None
    end_s: float | None = None
    blind_s: float | None = None
    opposite: int = 0
    weak: int = 0
    weakness: str = ""
    minute: int = -1
    measured_kvar: list[float] = field(default_factory=list[float])


def _box(row: Mapping[str, Any], numbers: Mapping[str, tuple[int, Expected]], faults: list[str]) -> Box | None:
    asset = str(row.get("asset", ""))
    where, own = f"[[inverter]] {asset or '(without asset)'}", list[str]()
    own += [f"{where}: {key} is unknown, allowed are {', '.join(KEYS)}" for key in row if key not in KEYS]
    if asset not in numbers:
        own.append(f"{where}: asset is {asset!r}, allowed is an id of grid/inverters.csv")
    host, port, unit = row.get("host"), row.get("port", 502), row.get("unit", 1)
    if not isinstance(host, str) or not host or any(c in "/ \t\n" for c in host):
        own.append(f"{where}: host is {host!r}, allowed is a name or an address")
    if not isinstance(port, int) or not 0 < port < 65536:
        own.append(f"{where}: port is {port!r}, allowed is 1 to 65535")
    if not isinstance(unit, int) or not 0 < unit < 256:
        own.append(f"{where}: unit is {unit!r}, allowed is 1 to 255 (0 would speak to all)")
    faults += own
    if own:
        return None
    number, expected = numbers[asset]
    return Box(asset, number, str(host), int(port), int(unit), expected)


def boxes_of(told: Mapping[str, Any], numbers: Mapping[str, tuple[int, Expected]]) -> tuple[list[Box], float]:
    """Return the inverters of a map and the seconds between two readings. ValueError with all that is wrong with the map.

    numbers: by asset id, its number on the wire and what the city's table says of it.
    """
    faults = [f"{key} is unknown, allowed are inverter and period_s" for key in told if key not in ("inverter", "period_s")]
    rows, period = told.get("inverter", []), told.get("period_s", PERIOD_S)
    if not isinstance(rows, list) or not rows:
        raise ValueError("a map needs at least one [[inverter]]")
    if not isinstance(period, (int, float)) or not 1.0 <= period <= 30.0:
        faults.append(f"period_s is {period!r}, allowed is 1 to 30 (what leaves is the mean of a minute)")
        period = PERIOD_S
    boxes = [box for row in cast("list[dict[str, Any]]", rows) if (box := _box(row, numbers, faults)) is not None]
    for what, names in (
        ("stands", [box.asset for box in boxes]),
        ("is addressed", [f"{box.host}:{box.port} unit {box.unit}" for box in boxes]),
    ):
        faults += [f"[[inverter]] {name}: {what} more than once" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        raise ValueError("; ".join(faults))
    return boxes, float(period)


class Inverters:
    """The dialect (`terms.exchange.Dialect` and `Steering`)."""

    topics = (SETS,)

    def __init__(self, boxes: Sequence[Box], period_s: float) -> None:
        """Begin with nothing known."""
        self._boxes, self._period_s = list(boxes), period_s
        self._by_number = {box.number: box for box in boxes}
        self._by_place = {(box.host, box.port, box.unit): box for box in boxes}
        self._talk: tuple[Box, str, Talk] | None = None
        self._step: Step | None = None
        self._next, self._now_s = 0, 0.0
        self._done: dict[int, list[tuple[int, float, float]]] = {}

    def writable(self, host: str, port: int, unit: int) -> Container[int]:
        """Return the registers of the set-point and of its end, once it is known where they lie."""
        box = self._by_place.get((host, port, unit))
        return box.known.writable if box is not None and box.known is not None and not box.unfit else ()

    def waiting(self) -> bool:
        """Tell whether an order is being sent or waits to be."""
        busy = self._talk is not None and self._talk[1] in ("lease", "hand back")
        return busy or any(box.order is not None for box in self._boxes)

    def answer(self, asked: Asked, now_s: float) -> Answered:
        """Answer nobody: inverters ask nothing."""
        return Answered(404, {}, b"")

    def order(self, messages: Sequence[Message], now_s: float) -> bool:
        """Take set-points and returns for inverters of the map; whether all can be sent now."""
        taken = True
        for message in messages:
            if message.topic != SETS or len(message.payload) % SET_ROW.itemsize:
                taken = False
                continue
            for row in np.frombuffer(message.payload, SET_ROW):
                number, kind, duration_s = int(row["number"]), int(row["order"]), float(row["duration_s"])
                kvar = None if kind == ORDER_HAND_BACK else float(row["q_10var"]) / 100.0
                taken = self._take(self._by_number.get(number), Order(kvar, now_s, now_s + duration_s)) and taken
        return taken

    def _take(self, box: Box | None, order: Order) -> bool:
        if box is None:
            return True  # it is none of this wire's
        if order.kvar is None and box.unfit:
            return True  # it was sent nothing
        if box.known is None or box.silent or box.unfit:
            return False
        if order.kvar is not None and (box.barred or abs(order.kvar) > box.expected.q_max_kvar + 0.005):
            return False
        box.order = order
        return True

    def next_request(self, now_s: float) -> Asked | None:
        """Return the next question: returns first, then set-points, then what is due to be read."""
        self._now_s = now_s
        while self._step is None:
            if self._talk is None and (chosen := self._choose(now_s)) is not None:
                self._talk = chosen
                self._go_on(None)
            elif self._talk is None:
                return None
        assert self._talk is not None  # noqa: S101 - there is no step without a talk
        box, step = self._talk[0], self._step
        path = f"/{box.host}/{box.port}/{box.unit}/holding/{step.at}/{step.count}"
        return Asked("WRITE" if step.body else "READ", path, "", {}, step.body)

    def _choose(self, now_s: float) -> tuple[Box, str, Talk] | None:
        ordered = sorted((box for box in self._boxes if box.order is not None), key=lambda box: _urgency(box))
        for box in ordered:
            order, box.order = box.order, None
            if order is None or box.known is None:
                continue
            if order.kvar is None:
                return box, "hand back", hand_back(box.known)
            if now_s - order.taken_s <= ORDER_KEPT_S:
                box.given_kvar, box.end_s, box.blind_s = order.kvar, order.end_s, None
                return box, "lease", lease(box.known, order.kvar, order.end_s, lambda: self._now_s)
            box.said = f"its set-point could not be sent within {ORDER_KEPT_S:g} s and was given up"
        for turn in range(len(self._boxes)):
            box = self._boxes[(self._next + turn) % len(self._boxes)]
            if now_s >= box.due_s:
                self._next = (self._next + turn + 1) % len(self._boxes)
                box.due_s = (now_s // self._period_s + 1) * self._period_s
                return (box, "find", discover(box.expected)) if box.known is None else (box, "sweep", sweep(box.known))
        return None

    def _go_on(self, words: bytes | None, refused: str = "") -> None:
        """Go one step further: with the registers that were read, or with a refusal."""
        if self._talk is None:
            return
        box, kind, talk = self._talk
        try:
            self._step = talk.throw(RefusedError(refused)) if refused else next(talk) if words is None else talk.send(words)
            return
        except StopIteration as end:
            self._learn(box, kind, end.value)
        except RefusedError as error:
            self._refused(box, kind, str(error))
        except UnfitError as error:
            box.known, box.unfit, box.held = None, str(error), None
            box.due_s = self._now_s + LOOK_AGAIN_S
        self._talk = self._step = None

    def _refused(self, box: Box, kind: str, text: str) -> None:
        if kind == "find":
            box.unfit, box.due_s = f"it refuses to be read ({text})", self._now_s + LOOK_AGAIN_S
        else:
            box.given_kvar = None
            box.said = f"it refuses {text}" + ("; is control over Modbus allowed at the inverter?" if kind != "sweep" else "")
            box.due_s = self._now_s + SETTLE_S

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take an answer. Where none came whole, the inverter is found anew, and what it was to be told is given up."""
        self._now_s = now_s
        step, self._step = self._step, None
        if self._talk is None or step is None:
            return
        box = self._talk[0]
        wanted = 0 if step.body else 2 * step.count
        if answer is not None and answer.status != 200:
            box.silent = False
            what = "the write to" if step.body else "the reading of"
            self._go_on(None, f"{what} register {step.at}, exception {answer.headers.get('exception', '?')}")
        elif answer is None or len(answer.body) != wanted:
            self._talk[2].close()
            self._talk, box.silent, box.known, box.held, box.order, box.given_kvar = None, True, None, None, None, None
        else:
            box.silent = False
            self._go_on(answer.body)

    def _learn(self, box: Box, kind: str, value: Any) -> None:
        if kind == "find":
            box.known, box.unfit, box.due_s = value, "", self._now_s
        elif kind == "sweep":
            self._note(box, *cast("tuple[Held, float | None]", value))
        else:
            box.said = str(value)
            if value:
                box.given_kvar = None
            box.due_s = min(box.due_s, self._now_s + SETTLE_S)

    def _note(self, box: Box, held: Held, measured_kvar: float | None) -> None:
        minute = int(self._now_s // MINUTE_S)
        if minute != box.minute:
            self._close(box)
            box.minute = minute
        box.held = held
        self._judge(box, held, measured_kvar)
        if box.barred and held.enabled and box.order is None:
            box.order = Order(None, self._now_s, self._now_s)
        if measured_kvar is not None and held.set_kvar is not None and not box.barred:
            box.measured_kvar.append(measured_kvar)

    def _judge(self, box: Box, held: Held, measured_kvar: float | None) -> None:
        """Bar an inverter whose timer does not end what it holds, or that does the opposite of what it is told."""
        if box.given_kvar is not None:
            box.said = _disobeyed(box, held)
        if not held.enabled or held.timer_s == 0.0:
            box.given_kvar = box.seen_kvar = box.end_s = box.blind_s = None
            box.opposite = box.weak = 0
            return
        runs = held.left_s is not None and 0.0 < held.left_s <= held.timer_s
        timed = box.known is not None and box.known.layout.left is not None
        if box.end_s is None or (box.given_kvar is None and held.set_kvar != box.seen_kvar):
            # First seen, or set by somebody else: it ends when its timer says.
            box.end_s = self._now_s + ((held.left_s or 0.0) if runs else held.timer_s)
        box.given_kvar, box.seen_kvar = None, held.set_kvar
        box.blind_s = None if runs or not timed else self._now_s if box.blind_s is None else box.blind_s
        if box.blind_s is not None and self._now_s - box.blind_s > BLIND_S:
            box.barred = f"its reversion timer was set to {held.timer_s:g} s and does not run. It was handed back"
        elif self._now_s - box.end_s > LATE_S:
            box.barred = "it still obeyed a set-point whose time was up: its reversion timer does not end it. It was handed back"
        set_kvar = held.set_kvar or 0.0
        told = abs(set_kvar) >= WRONG_SIGN_SHARE * box.expected.q_max_kvar
        turned = measured_kvar is not None and set_kvar * measured_kvar < -0.25 * set_kvar**2
        box.opposite = box.opposite + 1 if told and turned else 0
        box.weak = box.weak + 1 if told and abs(measured_kvar or 0.0) < WEAK_SHARE * abs(set_kvar) else 0
        box.weakness = f"measures {measured_kvar or 0.0:g} kvar while set to {set_kvar:g}"
        if box.opposite >= WRONG_SIGN_TIMES:
            box.barred = f"it measures {measured_kvar:g} kvar while set to {set_kvar:g}: the sign is wrong. It was handed back"

    def _close(self, box: Box) -> None:
        if box.measured_kvar and box.held is not None and box.held.set_kvar is not None:
            mean_kvar = float(np.mean(box.measured_kvar))
            self._done.setdefault(box.minute, []).append((box.number, mean_kvar, box.held.set_kvar))
        box.measured_kvar = []

    def readings(self, now_s: float) -> Sequence[Reading]:
        """Return the minutes that are over, as the service's own wire reads them."""
        running = int(now_s // MINUTE_S)
        for box in self._boxes:
            if box.minute < running:
                self._close(box)
        found: list[Reading] = []
        for minute in sorted(minute for minute in self._done if minute < running):
            told = self._done.pop(minute)
            if minute >= running - READINGS_KEPT_MIN:
                rows = np.zeros(len(told), INVERTER_ROW)
                for row, (number, q_kvar, set_kvar) in zip(rows, told, strict=True):
                    row["number"], row["q_10var"], row["set_10var"] = number, _bounded(q_kvar), _bounded(set_kvar)
                found.append(Reading("sunspec", INVERTERS, encode_rows(minute, rows), now_s))
        return tuple(found)

    def fault(self) -> str:
        """Return which inverters are not steered and why, at most three by name."""
        wrong = [f"inverter {box.asset} ({box.host} unit {box.unit}) {why}" for box in self._boxes if (why := _why(box))]
        return "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more inverters" if len(wrong) > 3 else "")

    def memory(self) -> bytes:
        """Return nothing: inverters are read back after a restart."""
        return b""


def _urgency(box: Box) -> tuple[bool, float]:
    assert box.order is not None  # noqa: S101 - asked of boxes with an order alone
    return box.order.kvar is not None, box.order.taken_s


def _disobeyed(box: Box, held: Held) -> str:
    """Return how what is read back differs from what was given, empty where it does not."""
    given_kvar = box.given_kvar or 0.0
    if not held.enabled:
        return f"was given {given_kvar:g} kvar and does not obey: is it in standby, is control over Modbus allowed?"
    if held.set_kvar is None or abs(held.set_kvar - given_kvar) > OBEYED_SHARE * box.expected.q_max_kvar:
        return f"was given {given_kvar:g} kvar and reads {'another mode' if held.set_kvar is None else f'{held.set_kvar:g}'}"
    if held.left_s is not None and 0.0 < held.left_s < held.timer_s - LATE_S:
        return (
            f"did not begin its time anew ({held.left_s:g} of {held.timer_s:g} s left): set-points lapse before they are renewed"
        )
    return ""


def _why(box: Box) -> str:
    if box.silent:
        return "does not answer"
    if box.unfit or box.barred:
        return f"gets no set-points: {box.unfit or box.barred}"
    if box.known is None:
        return "is not known yet"
    if box.held is not None and box.held.enabled and box.held.set_kvar is None:
        return f"obeys a set-point in a way that cannot be read in kvar (mode {box.held.mode})"
    if box.weak >= WRONG_SIGN_TIMES and not box.said:
        return f"{box.weakness}: is it in standby or at its limit, does a curve of its own (Q(U), cos phi) come first?"
    return box.said


def _bounded(kvar: float) -> int:
    return round(min(max(kvar * 100.0, -2e9), 2e9))


def open_dialect(start: DialectStart) -> Inverters:
    """Return the dialect for a city's inverters. ValueError with all that is wrong with the map."""
    table = start.prepared.grid.inverters
    rows = zip(table.id.tolist(), table.q_max_kvar.tolist(), table.sn_kva.tolist(), strict=True)
    numbers = {str(name): (number, Expected(most, rated)) for number, (name, most, rated) in enumerate(rows)}
    return Inverters(*boxes_of(start.settings["map"], numbers))
