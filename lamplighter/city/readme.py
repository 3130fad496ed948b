# SPDX-License-Identifier: Apache-2.0
"""The page that lies in a city folder: what the city is, where its data came from, and what was made up."""

from collections.abc import Mapping, Sequence

from lamplighter.city.folder import CityFiles
from lamplighter.city.manifest import FILE
from lamplighter.terms.service import Service

HEADINGS = {"streets": "Streets", "feeding": "Who feeds whom"}


def readme(files: CityFiles, services: Sequence[Service], sections: Mapping[str, Sequence[str]]) -> str:
    """Return the page as Markdown. sections: heading key or service name to plain sentences."""
    manifest = files.manifest
    kind = (
        "SIMULATED: its streets are real, everything that stands and moves in them is made up."
        if manifest.simulated
        else "A real city."
    )
    blocks = [
        f"# {manifest.title}",
        f"{kind} Built by lamplighter {manifest.version} from seed {manifest.seed}; the same seed gives the same bytes.",
        "## Attribution",
        _bullets(manifest.attribution or ("The source of the road network stated none.",)),
        _in_figures(files),
    ]
    titles = {**HEADINGS, **{service.name: service.title for service in services}}
    for key, lines in sections.items():
        if lines:
            blocks += [f"## {titles[key]}", _bullets(lines)]
    blocks += [
        "## Files",
        _bullets(
            (
                f"`{FILE}`: name, place, source and every setting of every service",
                "`streets.csv`, `areas.csv`, `assets.csv`: shared by all services; shapes are WKT, so any map program opens them",
                *(f"`{service.name}/{spec.name}.csv`: {_as_clause(spec.doc)}" for service in services for spec in service.tables),
                "`sumo/`: the road network and what the traffic simulator reads",
            )
        ),
        f"After editing by hand, `lamplighter city check {manifest.name}` tells all that is wrong.",
    ]
    return "\n\n".join(blocks) + "\n"


def _in_figures(files: CityFiles) -> str:
    place = files.manifest.place
    return (
        "Made-up assets and tables are derived from the road network and fall under its terms. "
        f"{len(files.streets)} street rows, {len(files.assets)} assets, {len(files.areas.name)} areas. Local metres count from "
        f"{place.lon0_deg} east, {place.lat0_deg} north (WGS84); local time is {place.timezone}."
    )


def _as_clause(sentence: str) -> str:
    """Return a table's description as the rest of a line, whether it was written as a sentence or not."""
    first = sentence[:1] if sentence[1:2].isupper() else sentence[:1].lower()
    return first + sentence[1:].rstrip(".")


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
