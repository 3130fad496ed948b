# SPDX-License-Identifier: Apache-2.0
"""Where it was: an intersection by its id or by the names on the street signs, and the streets before it in words."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np

from lamplighter.services.traffic.prepared import Prepared
from lamplighter.terms.account import APPROACH, CROSSINGS
from lamplighter.terms.city import CityData

ALIKE_RATIO = 0.8  # this much of two names must be the same
CLEAR_RATIO = 0.08  # the best hit must be better than the next by so much
COMPASS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_SHORT = (("str.", "strasse"), ("ch.", "chaussee"), ("-", " "))


class PlaceError(ValueError):
    """No intersection or street is called so, or more than one; the message lists them."""


@dataclass(frozen=True)
class Approach:
    """One cell of an intersection in words. name: the street id, or "crossings"."""

    cell: int
    kind: str
    name: str
    words: str


def plain(text: str) -> str:
    """Return a name as it is compared: lower case, umlauts and accents spelled out, short forms written in full."""
    spelled = text.lower().translate(_SPELLED)
    bare = "".join(c for c in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(c))
    for short, full in _SHORT:
        bare = bare.replace(short, full)
    return " ".join(bare.split())


def alike(wanted: str, name: str) -> float:
    """Return how much a wanted name is like a name, 0 to 1; a part that is spelled right counts nearly as the whole."""
    return max(_alike(plain(wanted), plain(name)), _alike(plain(_undotted(wanted)), plain(_undotted(name))))


def _undotted(text: str) -> str:
    """Return a text whose umlauts are written without their dots, as on foreign keyboards."""
    return text.translate(str.maketrans("äöüÄÖÜ", "aouAOU"))


def _alike(a: str, b: str) -> float:
    if not a or not b:
        return 0.0
    if a == b:
        return 1.0
    if a in b:
        return 0.95
    tight, words = a.replace(" ", ""), b.split()
    runs = ["".join(words[n : n + many]) for many in (len(a.split()), len(a.split()) + 1) for n in range(len(words))]
    return 0.95 * max(SequenceMatcher(None, tight, run).ratio() for run in ("".join(words), *runs))


def _score(wanted: str, name: str) -> float:
    """Return the least likeness over the streets that are named; each must be one of those that meet."""
    streets = name.split("/")
    scores = [max(alike(part, street) for street in streets) for part in wanted.split("/") if part.strip()]
    return min(scores, default=0.0) - (0.02 * max(len(streets) - len(scores), 0) if scores else 0.0)


def find_intersection(wanted: str, city: CityData, prepared: Prepared) -> int:
    """Return the box called so; PlaceError lists the likely ones where there is none or more than one."""
    cells, names = prepared.counting.cells, prepared.layout.boxes.name
    by_id = np.flatnonzero(np.char.lower(cells.box_name.astype(np.str_)) == wanted.strip().lower())
    if len(by_id):
        return int(by_id[0])
    scores = np.array([_score(wanted, str(name)) for name in names])
    order = np.argsort(-scores, kind="stable")
    good = [int(box) for box in order if scores[box] >= ALIKE_RATIO]
    if good and (len(good) == 1 or scores[good[0]] - scores[good[1]] >= CLEAR_RATIO):
        return good[0]
    best = [box for box in good if scores[good[0]] - scores[box] < CLEAR_RATIO] or [int(box) for box in order[:5]]
    listed = "; ".join(f"{cells.box_name[box]} {names[box]} ({cells.box_area[box]})" for box in best)
    what = f"More than one intersection of {city.title} may be meant by" if good else f"No intersection of {city.title} is called"
    raise PlaceError(f"{what} {wanted!r}: {listed}. Give the id, such as {cells.box_name[best[0]]}.")


def _from_where(street: str, city: CityData) -> str:
    """Return whence one comes along a street to its end, as a direction of the compass; empty where no shape is known."""
    found = np.flatnonzero(city.streets.id == street)
    if not len(found):
        return ""
    first, last = city.streets.shape_offsets[found[0] : found[0] + 2]
    if last - first < 2:
        return ""
    lon, lat = city.streets.shape_lon_deg[first:last], city.streets.shape_lat_deg[first:last]
    east, north = (lon[0] - lon[-1]) * np.cos(np.radians(lat[-1])), lat[0] - lat[-1]
    return COMPASS[int(np.rint(np.degrees(np.arctan2(east, north)) / 45.0)) % 8]


def approaches(box: int, city: CityData, prepared: Prepared) -> tuple[Approach, ...]:
    """Return the approaches of an intersection in words, its crossings last."""
    cells = prepared.counting.cells
    found: list[Approach] = []
    for cell in np.flatnonzero(cells.cell_box == box).tolist():
        kind, name = str(cells.cell_kind[cell]), str(cells.cell_name[cell])
        words = "the crossings"
        if kind == APPROACH:
            side = _from_where(name, city)
            words = prepared.street_names.get(name, "") or "a street without a name"
            words += f" from the {side}" if side else ""
        found.append(Approach(cell, kind, name, words))
    many = Counter(one.words for one in found)
    order = sorted(found, key=lambda one: (one.kind == CROSSINGS, one.words, one.name))
    number: Counter[str] = Counter()
    told: list[Approach] = []
    for one in order:
        number[one.words] += 1
        which = f" (stop line {number[one.words]} of {many[one.words]})" if many[one.words] > 1 else ""
        told.append(replace(one, words=one.words + which))
    return tuple(told)


def find_approaches(wanted: str, known: Sequence[Approach]) -> tuple[Approach, ...]:
    """Return the approaches called so ("Rudower Chaussee", "from the north", "crossing"); PlaceError lists those there are."""
    if plain(wanted) in ("crossing", "crossings", "on foot", "pedestrian", "pedestrians", "people on foot"):
        hits = [one for one in known if one.kind == CROSSINGS]
    else:
        scores = [alike(wanted, one.words) if one.kind == APPROACH else 0.0 for one in known]
        best = max(scores, default=0.0)
        hits = [one for one, score in zip(known, scores, strict=True) if best >= ALIKE_RATIO and score > best - CLEAR_RATIO]
    if not hits:
        raise PlaceError(f"No street is called {wanted!r} here; there are: {'; '.join(one.words for one in known)}.")
    return tuple(hits)
