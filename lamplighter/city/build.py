# SPDX-License-Identifier: Apache-2.0
"""Builds a city folder: streets first, then each service's assets, then who feeds whom. All of it or nothing."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter import __version__
from lamplighter.city.areas import Partition, divide, how_many, names_of, outlines
from lamplighter.city.check import check
from lamplighter.city.directory import cities_directory, find_recipe, previous
from lamplighter.city.faults import CityError, Fault, refuse
from lamplighter.city.feeding import feed
from lamplighter.city.folder import Areas, CityFiles, digest, write
from lamplighter.city.geodesy import local_metres
from lamplighter.city.manifest import Manifest
from lamplighter.city.network import read_network
from lamplighter.city.readme import readme
from lamplighter.city.recipe import Recipe, read_recipe
from lamplighter.city.scenario import Scenario, bring
from lamplighter.city.streets import centre_of, georeference, street_lines, streets_of
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, Built, Place
from lamplighter.terms.service import Service
from lamplighter.terms.table import Table

Progress = Callable[[str, float], None]
UNTOUCHED = "Nothing was built; a city of that name, if there was one, is whole and as it was."
SERVICES_FROM, SERVICES_TO = 0.15, 0.9  # share of the progress bar that belongs to the services


@dataclass(frozen=True)
class Report:
    """What a build did: where the city stands, its digest, and the lines that its README holds, by heading."""

    folder: Path
    digest: str
    sections: Mapping[str, tuple[str, ...]]
    warnings: tuple[Fault, ...]


def build(recipe: Recipe, folder: Path, services: Sequence[Service], seed: int | None, progress: Progress) -> Report:
    """Build the city of a recipe at `folder` and return the report; CityError tells all that is in the way.

    The same recipe, seed (None: the recipe's own) and version of lamplighter give the same bytes. The folder is made
    beside its place and put there in the end, so that an error, a full disk or Ctrl-C leaves a former city whole.
    """
    ordered = in_order(services)
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder), _aside(folder) as under_construction:
        made, sections = _make(replace(recipe, seed=recipe.seed if seed is None else seed), under_construction, ordered, progress)
        progress("writing the folder", SERVICES_TO)
        write(under_construction, made, services)
        (under_construction / "README.md").write_text(readme(made, services, sections), encoding="utf-8")
        progress("checking what was built", 0.96)
        faults = check(under_construction, services)
        serious = tuple(fault for fault in faults if not fault.warning)
        if serious:
            raise CityError(serious, UNTOUCHED)
        total = digest(under_construction)
        _put_in_place(under_construction, folder)
    progress("done", 1.0)
    return Report(folder, total, sections, faults)


def build_named(name_or_recipe: str, services: Sequence[Service], progress: Progress, seed: int | None = None) -> Report:
    """Build the city of a recipe, given the name of one that comes with lamplighter or the path of a TOML file, in the
    user's data directory."""
    recipe = read_recipe(find_recipe(name_or_recipe), services)
    return build(recipe, cities_directory() / recipe.name, services, seed, progress)


def in_order(services: Sequence[Service]) -> tuple[Service, ...]:
    """Return the services so that each comes after those that build the kinds it names in `after`, by name otherwise."""
    makers = {kind.name: service.name for service in services for kind in service.kinds}
    waiting = {service.name: service for service in sorted(services, key=lambda s: s.name)}
    ordered: list[Service] = []
    while waiting:
        ready = [
            s for s in waiting.values() if not any(makers.get(kind) in waiting and makers[kind] != s.name for kind in s.after)
        ]
        if not ready:
            fault = Fault(
                "services", None, "after", " and ".join(waiting), "an order without a circle", "Take one kind out of `after`."
            )
            raise refuse(fault, UNTOUCHED)
        ordered.append(waiting.pop(ready[0].name))
    return tuple(ordered)


def _make(
    recipe: Recipe, folder: Path, services: Sequence[Service], progress: Progress
) -> tuple[CityFiles, dict[str, tuple[str, ...]]]:
    progress("reading the road network", 0.0)
    source = bring(recipe.scenario, folder)
    network = read_network(folder / "sumo" / "net.xml", recipe.scenario.net.name)
    lon_deg, lat_deg = georeference(network, recipe.scenario.net.name, recipe.scenario.origin_deg)
    place = centre_of(lon_deg, lat_deg, recipe.timezone)
    progress("dividing the city into areas", 0.1)
    streets = streets_of(network, lon_deg, lat_deg)
    partition, of_street = divide(streets, place, recipe.areas or how_many(streets))
    names = names_of(streets, of_street, partition)
    streets = replace(streets, area=np.array(names, dtype=np.str_)[of_street])
    areas = outlines(partition, names, place)
    sections: dict[str, tuple[str, ...]] = {"streets": street_lines(streets)}
    parts: dict[str, Assets] = {}
    tables: dict[str, Mapping[str, Table]] = {}
    width = (SERVICES_TO - SERVICES_FROM) / max(len(services), 1)
    for number, service in enumerate(services):
        start = SERVICES_FROM + number * width
        context = BuildContext(
            name=recipe.name,
            seed=recipe.seed,
            place=place,
            streets=streets,
            settings=recipe.settings[service.name],
            built=joined([parts[name] for name in sorted(parts)]),
            folder=folder,
            source=source,
            progress=_within(progress, service.name, start, width),
        )
        context.progress("building", 0.0)
        built = _built_by(service, context)
        _verify(service, built)
        parts[service.name] = _placed(built.assets, partition, areas, place)
        tables[service.name] = built.tables
        sections[service.name] = built.report
    assets, fed = feed(joined([parts[name] for name in sorted(parts)]), services, place)
    sections["feeding"] = fed
    attribution = recipe.attribution if network.projection else (*recipe.attribution, _nowhere(recipe.scenario))
    manifest = Manifest(
        recipe.name, recipe.title, recipe.seed, recipe.simulated, place, __version__, attribution, source, recipe.settings
    )
    return CityFiles(manifest, streets, areas, assets, tables), sections


def _built_by(service: Service, context: BuildContext) -> Built:
    """Return what a service's `build` made; what it says is wrong with its input becomes a CityError."""
    try:
        return service.build(context)
    except CityError:
        raise
    except ValueError as error:
        said = str(error).replace(f"{context.folder}{os.sep}", "")  # the place under construction is gone by then
        raise CityError((), f"{service.title}: {said}\n{UNTOUCHED}") from error


def _within(progress: Progress, name: str, start: float, width: float) -> Progress:
    return lambda what, share: progress(f"{name}: {what}", start + width * min(max(share, 0.0), 1.0))


def _nowhere(scenario: Scenario) -> str:
    lon_deg, lat_deg = scenario.origin_deg
    return (
        f"The road network carries no geographic reference: its zero is shown at {lon_deg:g} east, {lat_deg:g} north, "
        "as stated on import, and the background of the map means nothing."
    )


def _verify(service: Service, built: Built) -> None:
    """Refuse what a service's `build` got wrong in a way that could not be written down and checked afterwards."""
    wanted = {spec.name for spec in service.tables}
    faults = [
        Fault(
            service.name,
            None,
            f"table {name}",
            "missing" if name in wanted else "not declared",
            ", ".join(sorted(wanted)),
            "Mend the service's build.",
        )
        for name in sorted(wanted ^ set(built.tables))
    ]
    columns = {f"assets.{field.name}": getattr(built.assets, field.name) for field in fields(Assets)}
    if len({len(column) for column in columns.values()}) > 1:
        observed = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        faults.append(Fault(service.name, None, "assets", observed, "columns of equal length", "Mend the service's build."))
    if faults:
        raise CityError(faults, UNTOUCHED)


def joined(parts: Sequence[Assets]) -> Assets:
    """Return several tables of assets as one, in the order given."""
    empty: dict[str, Any] = {
        field.name: np.zeros(0, dtype=np.float64 if field.name.endswith("_deg") else np.str_) for field in fields(Assets)
    }
    return Assets(**{name: np.concatenate([none, *(getattr(part, name) for part in parts)]) for name, none in empty.items()})


def _placed(assets: Assets, partition: Partition, areas: Areas, place: Place) -> Assets:
    """Return the assets with coordinates to the centimetre and the area filled in where the service left it empty."""
    lon_deg, lat_deg = np.round(assets.lon_deg, 7), np.round(assets.lat_deg, 7)
    found = areas.name[partition.locate(*local_metres(lon_deg, lat_deg, place))]
    area = np.where(assets.area == "", found, assets.area)
    return replace(assets, lon_deg=lon_deg, lat_deg=lat_deg, area=area)


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the lock on one city's place; CityError where another process builds it now."""
    lock = folder.with_name(f".{folder.name}.lock")
    with lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fault = Fault(
                str(folder),
                None,
                "city folder",
                "being built by another process",
                "one build at a time",
                "Wait until it is done.",
            )
            raise refuse(fault, UNTOUCHED) from error
        yield


@contextmanager
def _aside(folder: Path) -> Generator[Path]:
    """Give an empty folder beside the city's place, and take it away again whatever happens."""
    made = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(made, ignore_errors=True)  # left by a build that was killed; the lock says that none is running
    try:
        made.mkdir()
        yield made
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES):
            raise
        room = shutil.disk_usage(folder.parent).free // 2**20
        remedy = "Free about 100 MB, or put the data elsewhere: set LAMPLIGHTER_DATA to another folder."
        fault = Fault(str(folder.parent), None, "disk", f"{os.strerror(error.errno)} ({room} MB free)", "room to write", remedy)
        raise refuse(fault, UNTOUCHED) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put_in_place(made: Path, folder: Path) -> None:
    """Swap the new folder in. Between the two renames the former one stands under another name; `find_city` knows it."""
    former = previous(folder)
    if folder.exists():
        shutil.rmtree(former, ignore_errors=True)
        folder.rename(former)
    made.rename(folder)
    shutil.rmtree(former, ignore_errors=True)
