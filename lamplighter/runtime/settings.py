# SPDX-License-Identifier: Apache-2.0
"""What a run is told once and keeps: the moment, the pace, the port. One city is one TOML file, read by `city`."""

from datetime import date, time
from pathlib import Path

import lamplighter
from lamplighter.city.directory import data_directory
from lamplighter.city.faults import CityError
from lamplighter.city.manifest import FILE, read_about
from lamplighter.runtime.evaluate import local_instant

DEMO_DAY = date(2026, 1, 13)  # a January evening: lamps lit, grid short
DEMO_BEGIN, DEMO_END = time(16, 0), time(20, 0)
PORT = 8000


def city_timezone(folder: Path) -> str:
    """Return the timezone of a city folder."""
    return read_about(folder / FILE).place.timezone


def is_current(folder: Path) -> bool:
    """Tell whether a city stands in this folder and was built by this version of lamplighter."""
    try:
        return read_about(folder / FILE).version == lamplighter.__version__
    except CityError:
        return False


def record_folder(city: str) -> Path:
    """Return where the record of a city lies: beside the cities, so that a rebuild never costs it."""
    return data_directory() / "records" / city


def demo_span(folder: Path, day: date = DEMO_DAY, begin: time = DEMO_BEGIN, end: time = DEMO_END) -> tuple[float, float]:
    """Return begin and end of the demo as POSIX seconds."""
    zone = city_timezone(folder)
    return local_instant(day, begin, zone).timestamp(), local_instant(day, end, zone).timestamp()
