# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a city's files, said so that the person who must mend it can: where, observed, allowed, remedy."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN = 3  # rows named per column and rule; the rest is counted

# Endings that name a unit, with the unit in words: used to tell a wrong unit from a wrong name.
UNIT_ENDINGS = {
    "s": "seconds",
    "ms": "milliseconds",
    "min": "minutes",
    "h": "hours",
    "m": "metres",
    "km": "kilometres",
    "cm": "centimetres",
    "mm": "millimetres",
    "m_s": "metres per second",
    "km_h": "kilometres per hour",
    "kmh": "kilometres per hour",
    "w": "watts",
    "kw": "kilowatts",
    "mw": "megawatts",
    "kwh": "kilowatt-hours",
    "v": "volts",
    "kv": "kilovolts",
    "kva": "kilovolt-amperes",
    "kvar": "kilovolt-amperes reactive",
    "a": "amperes",
    "ka": "kiloamperes",
    "pu": "per unit",
    "lm": "lumens",
    "lx": "lux",
    "deg": "degrees",
    "rad": "radians",
    "share": "a share from 0 to 1",
    "percent": "per cent",
    "pct": "per cent",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. `line` is absent where no line of the file is to blame; `more` counts further rows
    with the same fault; a warning does not keep the city from being used."""

    file: str
    line: int | None
    key: str
    observed: str
    allowed: str
    remedy: str
    warning: bool = False
    more: int = 0

    def where(self) -> str:
        """Return the file, with the line where one is known."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        rest = f" (and {self.more} more rows like it)" if self.more else ""
        return f"{self.where()}: {self.key} is {self.observed}, allowed is {self.allowed}{rest}. {self.remedy}"


class CityError(ValueError):
    """A city, recipe or source cannot be used; `faults` says all that is wrong, not only the first thing."""

    def __init__(self, faults: Iterable[Fault], meanwhile: str) -> None:
        self.faults = tuple(faults)
        self.meanwhile = meanwhile
        super().__init__("\n".join([*(str(f) for f in self.faults), meanwhile]))


def refuse(fault: Fault, meanwhile: str = "Nothing was changed.") -> CityError:
    """Return the error for one fault, ready to raise."""
    return CityError((fault,), meanwhile)


def shortened(value: object, most: int = 60) -> str:
    """Return a value as a person may read it, quoted where it is text, cut where it is long."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def _stem(name: str) -> tuple[str, str]:
    for parts in (2, 1):
        pieces = name.rsplit("_", parts)
        ending = "_".join(pieces[1:])
        if len(pieces) == parts + 1 and ending in UNIT_ENDINGS:
            return pieces[0], ending
    return name, ""


def unknown_name(name: str, known: Sequence[str]) -> tuple[str, str]:
    """Return (allowed, remedy) for a key or column that nobody knows: another unit, a slip of the pen, or neither."""
    allowed = "one of " + ", ".join(known) if known else "no key at all"
    stem, unit = _stem(name)
    for candidate in known:
        other_stem, other_unit = _stem(candidate)
        if unit and other_unit and stem == other_stem:
            return (
                candidate,
                f"Wrong unit: convert the value from {UNIT_ENDINGS[unit]} to {UNIT_ENDINGS[other_unit]} and name it {candidate}.",
            )
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not near:
        near = [candidate for candidate in known if _stem(candidate)[0] == name][:1]
    if near:
        return allowed, f"Did you mean {near[0]}? Rename it, or take it out."
    return allowed, "Take it out."
