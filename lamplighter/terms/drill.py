# SPDX-License-Identifier: Apache-2.0
"""A drill of an outage: what fails, what crews do about it and when, with advice and without."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lamplighter.terms.city import CityData


@dataclass(frozen=True)
class Pace:
    """How fast crews are: until the place of the fault is found, for planning and checking a switching by hand, for reading and
    checking a sheet that lies there ready, and for each switching on site. The first and the last are the same for both."""

    find_s: float = 1500.0
    plan_s: float = 900.0
    read_s: float = 180.0
    step_s: float = 300.0


@dataclass(frozen=True)
class Wanted:
    """What a drill is asked of. asset: what fails, the service's own choice where empty; supplied: how each kind of asset of the
    whole city ranks when it is supplied again."""

    city: CityData
    asset: str
    supplied: Mapping[str, str]
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True)
class Happening:
    """What is done to the service's simulated field so many seconds after the fault; `text` says it to a person."""

    after_s: float
    fault: str
    arguments: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class Drill:
    """A drill laid out. by_hand: what happens without advice; advised: with it; sheet: the advice, line by line; dark: how much
    the fault takes with it, by name; figures: what is told first, each a text, an outcome of the service and a factor; notes:
    what is assumed, and what the drill cannot show."""

    title: str
    asset: str
    by_hand: tuple[Happening, ...]
    advised: tuple[Happening, ...]
    sheet: tuple[str, ...]
    dark: Mapping[str, float]
    figures: tuple[tuple[str, str, float], ...]
    notes: tuple[str, ...]
