# SPDX-License-Identifier: Apache-2.0
"""What a JSON document must look like, as values, and a reader that names every place where one does not.

The verdict on a document is the same as that of the published OpenAPI schema of its kind (JSON Schema as OpenAPI 3.0 reads it:
a whole number may be written 1.0, what is not named may be there, a truth value is no number).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

WRONG_MAX = 20  # faults told of one document; who sends more is told that there are more
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-]\d{2}:\d{2}))")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Wrong:
    """One place where a document is not as it must be: a JSON pointer, what stands there, what is allowed."""

    where: str
    said: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.where or '/'}: is {self.said}, allowed is {self.allowed}"


@dataclass(frozen=True)
class Text:
    """A text. form: uuid, date-time, date or time; one_of: the only texts allowed; pattern: a regular expression found in it."""

    form: str = ""
    one_of: frozenset[str] = frozenset()
    pattern: str = ""


@dataclass(frozen=True)
class Whole:
    """A whole number from `at_least` to `at_most`."""

    at_least: int | None = None
    at_most: int | None = None


@dataclass(frozen=True)
class Number:
    """Any finite number."""


@dataclass(frozen=True)
class Flag:
    """True or false."""


@dataclass(frozen=True)
class Rows:
    """A list of one shape, at most so long; unlike: no two equal."""

    of: "Shape"
    at_most: int | None = None
    unlike: bool = False


@dataclass(frozen=True)
class Record:
    """An object that needs some names and shapes those it knows; closed: nothing else may be in it."""

    needs: tuple[str, ...] = ()
    has: "Mapping[str, Shape]" = field(default_factory=dict[str, "Shape"])
    closed: bool = False


@dataclass(frozen=True)
class Every:
    """Must fit all of these."""

    of: "tuple[Shape, ...]"


@dataclass(frozen=True)
class Some:
    """Must fit at least one of these."""

    of: "tuple[Shape, ...]"


@dataclass(frozen=True)
class One:
    """Must fit exactly one of these."""

    of: "tuple[Shape, ...]"


Shape = Text | Whole | Number | Flag | Rows | Record | Every | Some | One


def faults(value: object, shape: Shape) -> list[Wrong]:
    """Return the places where a JSON value does not fit, WRONG_MAX at most; none where it does."""
    found: list[Wrong] = []
    for wrong in _faults(value, shape, ""):
        found.append(wrong)
        if len(found) == WRONG_MAX:
            break
    return found


def fits(value: object, shape: Shape) -> bool:
    """Tell whether a JSON value fits."""
    return next(_faults(value, shape, ""), None) is None


def _told(value: object) -> str:
    """Say what stands there without repeating much of it: a foreign text may hold anything."""
    if isinstance(value, str):
        return f"a text of {len(value)} characters" if len(value) > 40 else repr(value)
    kinds: dict[type[object], str] = {list: f"a list of {len(rows_of(value))}", dict: "an object", type(None): "missing"}
    return kinds.get(type(value)) or str(value).lower()[:40]


def _whole(value: object) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _faults(value: object, shape: Shape, at: str) -> Iterator[Wrong]:
    match shape:
        case Text():
            yield from _text_faults(value, shape, at)
        case Whole():
            low, high = shape.at_least, shape.at_most
            beyond = _whole(value) and (
                (low is not None and cast("float", value) < low) or (high is not None and cast("float", value) > high)
            )
            if not _whole(value) or beyond:
                bounds = "" if low is None and high is None else f" from {low} to {high}"
                yield Wrong(at, _told(value), f"a whole number{bounds}")
        case Number():
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield Wrong(at, _told(value), "a number")
        case Flag():
            if not isinstance(value, bool):
                yield Wrong(at, _told(value), "true or false")
        case Rows():
            yield from _rows_faults(value, shape, at)
        case Record():
            yield from _record_faults(value, shape, at)
        case Every():
            for part in shape.of:
                yield from _faults(value, part, at)
        case Some():
            if not any(fits(value, part) for part in shape.of):
                yield Wrong(at, _told(value), f"one of {len(shape.of)} kinds, and it is none of them")
        case One():
            count = sum(fits(value, part) for part in shape.of)
            if count != 1:
                yield Wrong(at, _told(value), f"exactly one of {len(shape.of)} kinds, and it fits {count}")


def _text_faults(value: object, shape: Text, at: str) -> Iterator[Wrong]:
    if not isinstance(value, str):
        yield Wrong(at, _told(value), "a text")
    elif shape.one_of and value not in shape.one_of:
        some = ", ".join(sorted(shape.one_of)[:12])
        yield Wrong(at, _told(value), some if len(shape.one_of) <= 12 else f"one of {len(shape.one_of)} names, such as {some}")
    elif shape.pattern and not re.search(shape.pattern.replace("$", r"\Z"), value):
        yield Wrong(at, _told(value), f"a text with the pattern {shape.pattern}")
    elif shape.form and not _formed(value, shape.form):
        yield Wrong(at, _told(value), f"a text of the form {shape.form}")


def _rows_faults(value: object, shape: Rows, at: str) -> Iterator[Wrong]:
    if not isinstance(value, list):
        yield Wrong(at, _told(value), "a list")
        return
    rows = cast("list[object]", value)
    if shape.at_most is not None and len(rows) > shape.at_most:
        yield Wrong(at, f"a list of {len(rows)}", f"{shape.at_most} at most")
    if shape.unlike and any(row in rows[:k] for k, row in enumerate(rows)):
        yield Wrong(at, f"a list of {len(rows)}", "one in which no two are equal")
    for k, row in enumerate(rows):
        yield from _faults(row, shape.of, f"{at}/{k}")


def _record_faults(value: object, shape: Record, at: str) -> Iterator[Wrong]:
    if not isinstance(value, dict):
        yield Wrong(at, _told(value), "an object")
        return
    held = cast("dict[str, object]", value)
    for name in shape.needs:
        if name not in held:
            yield Wrong(f"{at}/{name}", "missing", "needed")
    for name, part in shape.has.items():
        if name in held:
            yield from _faults(held[name], part, f"{at}/{name}")
    if shape.closed:
        for name in held:
            if name not in shape.has:
                yield Wrong(f"{at}/{name[:40]}", "there", f"nothing but {', '.join(shape.has)}")


def _formed(text: str, form: str) -> bool:
    if form == "uuid":
        return _UUID.fullmatch(text) is not None
    if form == "date-time":
        return moment_s(text) is not None
    if form == "time":
        return _TIME.fullmatch(text) is not None
    if not _DAY.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def moment_s(text: str) -> float | None:
    """Return an RFC 3339 date-time as POSIX seconds, nothing where it is none. A leap second counts as the second after it."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    day, clock, second, part, offset = found.groups()
    leap = second == "60"
    try:
        at = datetime.fromisoformat(f"{day}T{clock}:{'59' if leap else second}{offset or '+00:00'}")
        whole_s = at.timestamp()
    except (ValueError, OverflowError):
        return None
    return whole_s + (1.0 if leap else 0.0) + (float(f"0.{part[:9]}") if part else 0.0)


def record_of(value: object) -> Mapping[str, Any]:
    """Return a JSON object as a mapping, an empty one where it is something else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def rows_of(value: object) -> list[Any]:
    """Return a JSON list, an empty one where it is something else."""
    return cast("list[Any]", value) if isinstance(value, list) else []
