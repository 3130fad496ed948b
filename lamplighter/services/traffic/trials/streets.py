# SPDX-License-Identifier: Apache-2.0
"""How long one waits on which street, from SUMO's own sums per street: the side streets and the worst approach."""

from pathlib import Path
from xml.etree.ElementTree import iterparse
from xml.sax.saxutils import quoteattr

from lamplighter.services.traffic.trials.survey import Survey

COUNTED_MIN = 10.0  # vehicles on an approach below which its mean says nothing
SIDE_SHARE = 0.5  # a side street has at most this share of the flow of the busiest approach of its intersection


def asked(path: Path) -> str:
    """Return the line of an additional file that has SUMO sum up waiting per street over the whole run."""
    return f'<edgeData id="trial" file={quoteattr(str(path))} excludeEmpty="true"/>'


def waits(path: Path, survey: Survey) -> dict[str, float]:
    """Return the mean wait on side streets, and the worst approach's mean wait, in seconds per vehicle; 0 where there is none."""
    approaches: list[set[str]] = [set() for _ in survey.boxes]
    lane_box: dict[str, int] = {}
    for box in range(len(survey.boxes)):
        for row in range(int(survey.network.lane_offsets[box]), int(survey.network.lane_offsets[box + 1])):
            lane_box[survey.lanes[row].rsplit("_", 1)[0]] = box
    for street, box in lane_box.items():
        approaches[box].add(street)
    wait_s, vehicles = _sums(path, set(lane_box))
    side_s = side = worst_s = 0.0
    for mine in approaches:
        busiest = max((vehicles.get(street, 0.0) for street in mine), default=0.0)
        for street in mine:
            many = vehicles.get(street, 0.0)
            if many <= SIDE_SHARE * busiest:
                side_s, side = side_s + wait_s.get(street, 0.0), side + many
            if many >= COUNTED_MIN:
                worst_s = max(worst_s, wait_s[street] / many)
    return {"side_street_wait_s": side_s / side if side else 0.0, "approach_wait_max_s": worst_s}


def _sums(path: Path, streets: set[str]) -> tuple[dict[str, float], dict[str, float]]:
    wait_s: dict[str, float] = {}
    vehicles: dict[str, float] = {}
    if path.is_file():
        for _, element in iterparse(path, events=("end",)):
            name = element.get("id", "")
            if element.tag == "edge" and name in streets:
                wait_s[name] = wait_s.get(name, 0.0) + float(element.get("waitingTime", "0"))
                came = float(element.get("entered", "0")) + float(element.get("departed", "0"))
                vehicles[name] = vehicles.get(name, 0.0) + came
    return wait_s, vehicles
