# SPDX-License-Identifier: Apache-2.0
"""Where cities and recipes lie on this machine."""

import os
from pathlib import Path

from lamplighter.city.faults import Fault, refuse
from lamplighter.city.manifest import FILE

PACKAGE = Path(__file__).resolve().parent.parent
NOTHING_READ = "Nothing was read."


def data_directory() -> Path:
    """Return the folder for everything that lamplighter keeps for this user.

    The environment variable LAMPLIGHTER_DATA names it; else it is `lamplighter` in XDG_DATA_HOME, which by default is
    ~/.local/share (XDG Base Directory Specification 0.8). The folder need not exist yet.
    """
    named = os.environ.get("LAMPLIGHTER_DATA")
    if named:
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "lamplighter"


def cities_directory() -> Path:
    """Return the folder that holds one folder per city. Rebuilding a city replaces its folder whole, so nothing that a
    run writes belongs there."""
    return data_directory() / "cities"


def built_cities() -> tuple[str, ...]:
    """Return the names of the cities that are built, sorted."""
    parent = cities_directory()
    return tuple(sorted(p.parent.name for p in parent.glob(f"*/{FILE}") if not p.parent.name.startswith(".")))


def recipes() -> dict[str, Path]:
    """Return the recipes that come with lamplighter by name. In a wheel they lie inside the package, in a source tree
    beside it."""
    found: dict[str, Path] = {}
    for folder in (PACKAGE.parent / "cities", PACKAGE / "cities"):
        found.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
    return found


def find_city(name_or_path: str) -> Path:
    """Return the folder of a built city, given its name or the path of its folder; CityError says what there is."""
    as_path = Path(name_or_path).expanduser()
    if (as_path / FILE).is_file():
        return as_path.absolute()
    by_name = cities_directory() / name_or_path
    if os.sep not in name_or_path:
        _put_back(by_name)
        if (by_name / FILE).is_file():
            return by_name
    built = built_cities()
    remedy = (
        f"Build it with `lamplighter city build {name_or_path}`."
        if name_or_path in recipes()
        else "Choose one of these, or give a path."
    )
    if not built and name_or_path not in recipes():
        remedy = f"None is built yet: `lamplighter city build {next(iter(recipes()), 'NAME')}`."
    allowed = f"a built city ({', '.join(built) or 'none yet'}) or a folder with {FILE}"
    raise refuse(Fault("command line", None, "city", repr(name_or_path), allowed, remedy), NOTHING_READ)


def find_recipe(name_or_path: str) -> Path:
    """Return a recipe, given its name or the path of a TOML file; CityError says what there is."""
    as_path = Path(name_or_path).expanduser()
    if as_path.suffix == ".toml" and as_path.is_file():
        return as_path.absolute()
    found = recipes()
    if name_or_path in found:
        return found[name_or_path]
    allowed = f"a recipe ({', '.join(found) or 'none found'}) or the path of a TOML file"
    remedy = "Choose one of these; `lamplighter city import` builds a city from a SUMO scenario."
    raise refuse(Fault("command line", None, "recipe", repr(name_or_path), allowed, remedy), "Nothing was built.")


def record_folder(name: str) -> Path:
    """Return the folder for what runs of a city record: beside the cities, so that a rebuilt city keeps its record."""
    return data_directory() / "records" / name


def previous(folder: Path) -> Path:
    """Return where a city's former folder stands for the instant in which a new one takes its place."""
    return folder.with_name(f".{folder.name}.previous")


def _put_back(folder: Path) -> None:
    """Restore the former folder where a build was cut off between its two renames."""
    if not folder.exists() and (previous(folder) / FILE).is_file():
        previous(folder).rename(folder)
