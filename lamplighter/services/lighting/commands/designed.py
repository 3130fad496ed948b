# SPDX-License-Identifier: Apache-2.0
"""How `design` shows what it found: two narrow tables, plain values for files, and the reasons where nothing meets a class."""

from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.mounting.candidates import Ways
from lamplighter.services.lighting.mounting.judging import Family
from lamplighter.services.lighting.mounting.ranking import Objective, Ranked
from lamplighter.services.lighting.mounting.shortfall import Nearest
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.quality import Quality

NAME_MOST = 14
_ORDERS = {"energy": "least energy, then fewest poles", "poles": "fewest poles, then least energy", "cost": "least cost"}
OTHER = {"energy": "With the least energy", "poles": "With the fewest poles"}


@dataclass(frozen=True)
class Row:
    """One design. dimming_level (classes,): output in the design class and in each lower one; figures at the first."""

    luminaire: str
    road: RoadField
    flux_lm: float
    power_w: float
    dimming_level: tuple[float, ...]
    figures: Quality
    density_w_lx_m2: float
    annual_kwh_m2: float
    energy_kwh_km: float
    poles_per_km: float
    cost_per_km: float


def label(family: Family, flux_lm: float) -> str:
    """Return how a luminaire is named on the command line and in tables."""
    return family.light.name if len(family.flux_lm) == 1 else f"{family.light.name.split()[0]}:{flux_lm:.0f}"


def heading(name: str, objective: Objective, tried: int, order: Ranked) -> str:
    """Return the title of the tables."""
    return f"{name}: {len(order.way)} of {tried} designs meet it; {_ORDERS[objective]}"


def show(console: Console, rows: list[Row], title: str) -> None:
    """Print the designs: what to mount and what it takes, then all criteria."""
    names = list(dict.fromkeys(row.luminaire for row in rows))
    short = {name: name if len(name) <= NAME_MOST else f"file {place}" for place, name in enumerate(names, start=1)}
    mounting = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    for heading_ in ("", "luminaire", "rows", "S m", "H m", "over m", "tilt", "output", "kWh/km", "poles/km"):
        mounting.add_column(heading_, justify="left" if heading_ in ("luminaire", "rows") else "right", no_wrap=True)
    for place, row in enumerate(rows, start=1):
        road = row.road
        shares = " ".join(f"{share * 100:.0f}%" for share in row.dimming_level)
        numbers = (f"{v:g}" for v in (road.spacing_m, road.height_m, road.overhang_m, road.tilt_deg))
        mounting.add_row(
            str(place), short[row.luminaire], road.arrangement, *numbers, shares, f"{row.energy_kwh_km:,.0f}",
            f"{row.poles_per_km:.1f}",
        )  # fmt: skip
    console.print(mounting)
    for name, instead in short.items():
        if name != instead:
            console.print(f"{instead}: {name}", highlight=False)
    _show_criteria(console, rows)


def _show_criteria(console: Console, rows: list[Row]) -> None:
    title = "At the output of the design class; D_P in mW/(lx m2), D_E in kWh/m2 and year"
    criteria = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    costs = any(row.cost_per_km for row in rows)
    for heading_ in ("", "Lav", "Uo", "Ul", "fTI", "REI", "Eav", "Emin", "D_P", "D_E", *(("cost/km",) if costs else ())):
        criteria.add_column(heading_, justify="right", no_wrap=True)
    for place, row in enumerate(rows, start=1):
        f = row.figures
        criteria.add_row(
            str(place), f"{f.luminance_cd_m2:.3f}", f"{f.uniformity_ratio:.3f}", f"{f.lengthwise_ratio:.3f}",
            f"{f.glare_percent:.2f}", f"{f.edge_ratio:.3f}", f"{f.illuminance_lx:.2f}", f"{f.illuminance_min_lx:.2f}",
            f"{row.density_w_lx_m2 * 1000.0:.2f}", f"{row.annual_kwh_m2:.3f}", *((f"{row.cost_per_km:,.0f}",) if costs else ()),
        )  # fmt: skip
    console.print(criteria)


def sentence(row: Row) -> str:
    """Return a design in a line."""
    road = row.road
    return (
        f"{row.luminaire}, {road.arrangement}, spacing {road.spacing_m:g} m, height {road.height_m:g} m, overhang "
        f"{road.overhang_m:g} m, tilt {road.tilt_deg:g} degrees, output {row.dimming_level[0] * 100:.0f} %: "
        f"{row.energy_kwh_km:,.0f} kWh and {row.poles_per_km:.1f} poles per km"
    )


def plain(row: Row) -> dict[str, object]:
    """Return a design as plain values."""
    return {
        "luminaire": row.luminaire,
        "flux_lm": row.flux_lm,
        "power_w": row.power_w,
        "dimming_level": list(row.dimming_level),
        "road": {name: getattr(row.road, name) for name in row.road.__dataclass_fields__},
        "figures": {name: getattr(row.figures, name) for name in row.figures.__dataclass_fields__},
        "D_P_mw_lx_m2": row.density_w_lx_m2 * 1000.0,
        "D_E_kwh_m2": row.annual_kwh_m2,
        "energy_kwh_km": row.energy_kwh_km,
        "poles_per_km": row.poles_per_km,
        "cost_per_km": row.cost_per_km,
    }


def plain_nearest(near: list[tuple[str, Nearest]]) -> list[dict[str, object]]:
    """Return the criteria that cannot be reached as plain values."""
    return [
        {
            "class": name,
            "criterion": miss.criterion,
            "observed": miss.observed,
            "limit": miss.limit,
            "unit": miss.unit,
            "short_percent": miss.short_percent(),
            "best_alone": miss.value,
        }
        for name, found in near
        for miss in found.missing
    ]


def out_of_reach(near: list[tuple[str, Nearest]], families: list[Family], ways: Ways, tried: int) -> str:
    """Return why nothing meets the class: the nearest design, each criterion it misses, by how much, and what would help."""
    if not near:
        return (
            f"each class asked for is met by some of the {tried} designs, none meets all of them: the output of the higher class "
            "cannot be dimmed to the lower one. Give luminaires of other flux, or fewer classes (--relaxed)."
        )
    said: list[str] = []
    for name, found in near:
        road = ways.road(found.way)
        said.append(
            f"no design of {tried} meets {name}. Nearest: {label(families[found.family], found.flux_lm)}, "
            f"{road.arrangement}, spacing {road.spacing_m:g} m, height {road.height_m:g} m, overhang {road.overhang_m:g} m, tilt "
            f"{road.tilt_deg:g} degrees."
        )
        for miss in found.missing:
            word = "needs" if miss.low else "allowed"
            mark = f" {miss.unit}" if miss.unit else ""
            alone = "reached" if (miss.value >= miss.limit) == miss.low or miss.value == miss.limit else "not reached"
            said.append(
                f"  {miss.criterion} would be {miss.observed:.3g}{mark}, {word} {miss.limit:g}: {miss.short_percent():.1f} % "
                f"off. Alone it is {alone} by any ({miss.value:.3g}{mark} at best)."
            )
    said.append("Allow smaller spacings, other heights, arrangements, tilts or luminaires.")
    return "\n".join(said)
