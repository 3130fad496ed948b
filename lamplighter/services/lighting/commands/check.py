# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting check`: the figures of one straight road, their interval, and the classes it meets."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.commands.group import Asked
from lamplighter.services.lighting.layout import FigureTable
from lamplighter.services.lighting.photometry import classes, columns, energy, inventory, judgement, quality, rtables, upright
from lamplighter.services.lighting.photometry.energy import Period
from lamplighter.services.lighting.photometry.quality import Quality
from lamplighter.services.lighting.photometry.upright import Upright

SYMBOLS = ("L", "Uo", "Ul", "TI", "REI", "Eav", "Emin")
FIGURE_KEYS = tuple(Quality.__dataclass_fields__)
_LABELS = (
    ("Lav, average luminance (cd/m2)", ".4f"),
    ("Uo, overall uniformity", ".4f"),
    ("Ul, lengthwise uniformity", ".4f"),
    ("fTI, threshold increment (%)", ".3f"),
    ("REI, edge illuminance ratio", ".3f"),
    ("Eav, average illuminance (lx)", ".3f"),
    ("Emin, least illuminance (lx)", ".3f"),
)


@dataclass(frozen=True)
class Answer:
    """What `check` found. span (7, 2): interval of each figure under errors of the inventory; wet_ratio: Uow, if asked."""

    found: Quality
    met: judgement.Met
    span: FigureTable
    standing: Upright
    density_w_lx_m2: float
    annual_kwh_m2: float
    wet_ratio: float | None


@click.command()
@group.with_options((*group.LUMINAIRE_OPTIONS, *group.ROAD_OPTIONS, group.MAINTENANCE_OPTION))
@click.option("--wet", help="r-table of the wet road, for Uow: " + ", ".join(rtables.WET_SURFACES) + ".")
@click.option("--hours", "hours_h", default=4000.0, show_default=True, help="Hours burnt in a year, for the annual energy.")
@click.option(
    "--profile",
    help="Periods of the year instead of --hours: HOURS:POWER SHARE[:DETECTED SHARE], with commas, as in 1500:1,2500:0.5:0.2.",
)
@click.option("--standby", "standby_w", default=0.0, show_default=True, help="Watts a luminaire draws while it is off.")
@group.JSON_OPTION
def check(json_file: Path | None, **given: object) -> None:
    """Compute luminance, uniformity, glare, edge ratio and illuminance of a straight road, and the classes it meets."""
    asked = group.asked(given)
    answer = _answer(asked, given)
    _print(asked, answer)
    if json_file is not None:
        group.write_json(json_file, _plain(asked, answer))


def _wet(given: dict[str, object], asked: Asked) -> float | None:
    name = given["wet"]
    if name is None:
        if asked.surface not in rtables.WET_SURFACES:
            return None
        name = asked.surface
    if str(name).upper() not in rtables.WET_SURFACES:
        raise click.UsageError(f"--wet {name}: not a wet surface; known are {', '.join(rtables.WET_SURFACES)}")
    return quality.evaluate(asked.road, asked.facing.light, str(name).upper(), asked.maintenance_ratio).uniformity_ratio


def _periods(given: dict[str, object]) -> tuple[Period, ...]:
    text = cast("str | None", given["profile"])
    if text is None:
        return (Period(cast("float", given["hours_h"]), 1.0),)
    try:
        rows = [[float(cell) for cell in part.split(":")] for part in text.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--profile {text}: numbers are needed, as in 1500:1,2500:0.5:0.2") from error
    if any(len(row) not in (2, 3) or not np.isfinite(row).all() for row in rows):
        raise click.UsageError(f"--profile {text}: each period is HOURS:POWER SHARE or HOURS:POWER SHARE:DETECTED SHARE")
    return tuple(Period(*row) for row in rows)


def _answer(asked: Asked, given: dict[str, object]) -> Answer:
    road, light = asked.road, asked.facing.light
    found = quality.evaluate(road, light, asked.surface, asked.maintenance_ratio)
    area_m2, power_w = road.spacing_m * road.width_m, light.power_w * road.rows()
    density = energy.power_density_w_lx_m2(power_w, np.array([found.illuminance_lx]), np.array([area_m2]))
    standby_w = cast("float", given["standby_w"])
    if not 0.0 <= standby_w <= 1000.0:
        raise click.UsageError(f"--standby {standby_w:g}: 0 to 1000 W is allowed")
    try:
        annual = energy.annual_energy_kwh_m2(power_w, standby_w * road.rows(), _periods(given), area_m2)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    wet_ratio = _wet(given, asked)
    zero = np.zeros(1, dtype=np.int64)
    fields, poles = columns.fields_of([road], zero, zero)
    optics = (columns.lights_of([light]), columns.surfaces_of([asked.surface]))
    return Answer(
        found,
        judgement.classes_met(found, wet_ratio),
        inventory.interval(road, light, asked.surface, asked.maintenance_ratio, inventory.Errors()),
        upright.upright(fields, poles, optics, asked.maintenance_ratio)[0],
        density or 0.0,
        annual,
        wet_ratio,
    )


def _print(asked: Asked, answer: Answer) -> None:
    console = Console()
    facing, road, met = asked.facing, asked.road, answer.met
    upright_met = judgement.upright_classes_met(answer.standing.vertical_min_lx, answer.standing.semicylindrical_min_lx)
    table = Table(title=f"{facing.light.name}: {facing.light.flux_lm():.1f} lm, {facing.light.power_w:g} W")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("inventory errors, 95 %", justify="right")
    for (label, form), key, (low, high) in zip(_LABELS, FIGURE_KEYS, answer.span.tolist(), strict=True):
        table.add_row(label, format(getattr(answer.found, key), form), f"{low:{form}} to {high:{form}}")
    rows = [
        ("Uow, overall uniformity when wet", "-" if answer.wet_ratio is None else f"{answer.wet_ratio:.4f}"),
        ("EV, least vertical illuminance at 1.5 m (lx)", f"{answer.standing.vertical_min_lx:.3f}"),
        ("ESC, least semi-cylindrical illuminance at 1.5 m (lx)", f"{answer.standing.semicylindrical_min_lx:.3f}"),
        ("best P class by its EV alone", upright_met[0] or "none"),
        ("best P class by its ESC alone", upright_met[1] or "none"),
        ("D_P, power density of the carriageway (mW/(lx m2))", f"{answer.density_w_lx_m2 * 1000.0:.2f}"),
        ("D_E, energy of a year (kWh/m2)", f"{answer.annual_kwh_m2:.3f}"),
        ("best M class", met.m_class or "none"),
        ("best C class", met.c_class or "none"),
        ("best P class", met.p_class or "none"),
    ]
    for label, value in rows:
        table.add_row(label, value, "")
    console.print(table)
    console.print(f"Best class met: {best_class(met) or 'none'}.")
    half = facing.halves_lm
    console.print(
        f"C planes turned by {facing.turned_deg:g} degrees ({facing.why}). Flux of the half-spaces: {half[1]:.0f} lm towards the "
        f"road, {half[3]:.0f} lm behind, {half[0]:.0f} lm ahead, {half[2]:.0f} lm back."
    )
    if facing.doubt:
        console.print(f"The C planes of the file may be turned: {facing.doubt}; try --turn and --no-turn.")
    console.print(
        f"{road.arrangement}, spacing {road.spacing_m:g} m, width {road.width_m:g} m, {road.lanes} lanes, "
        f"height {road.height_m:g} m, overhang {road.overhang_m:g} m, tilt {road.tilt_deg:g} degrees. Computed for r-table "
        f"{asked.surface} and maintenance factor {asked.maintenance_ratio:g}; fTI is of the new installation. Inventory errors: "
        "5 m along the road, 5 degrees of tilt, 10 % of flux."
    )


def best_class(met: judgement.Met) -> str | None:
    """Return the class that speaks for a road: its M class, else its C class, else its P class."""
    return met.m_class or met.c_class or met.p_class


def _plain(asked: Asked, answer: Answer) -> dict[str, object]:
    road, light, met = asked.road, asked.facing.light, answer.met
    values = [float(getattr(answer.found, key)) for key in FIGURE_KEYS]
    standing = judgement.upright_classes_met(answer.standing.vertical_min_lx, answer.standing.semicylindrical_min_lx)
    density_mw = answer.density_w_lx_m2 * 1000.0
    wanted = {name: {"EV_min_lx": ev, "ESC_min_lx": esc} for name, ev, esc in classes.UPRIGHT_LX}
    return {
        "luminaire": {"name": light.name, "flux_lm": round(light.flux_lm(), 2), "power_w": light.power_w},
        "azimuth": {
            "turned_deg": asked.facing.turned_deg,
            "why": asked.facing.why,
            "doubt": asked.facing.doubt,
            "halves_lm": dict(zip(("ahead", "road", "back", "behind"), asked.facing.halves_lm, strict=True)),
        },
        "road": {name: getattr(road, name) for name in road.__dataclass_fields__},
        "surface": asked.surface,
        "maintenance_ratio": asked.maintenance_ratio,
        "figures": {
            **dict(zip(FIGURE_KEYS, values, strict=True)),
            "wet_uniformity_ratio": answer.wet_ratio,
            "vertical_min_lx": answer.standing.vertical_min_lx,
            "semicylindrical_min_lx": answer.standing.semicylindrical_min_lx,
            "power_density_mw_lx_m2": density_mw,
            "annual_energy_kwh_m2": answer.annual_kwh_m2,
        },
        **dict(zip(SYMBOLS, values, strict=True)),
        "Uow": answer.wet_ratio,
        "D_P": density_mw,
        "D_E": answer.annual_kwh_m2,
        "interval": dict(zip(FIGURE_KEYS, answer.span.tolist(), strict=True)),
        "upright_asked_of_p_classes": wanted,
        "classes": {"M": met.m_class, "C": met.c_class, "P": met.p_class},
        "upright_classes": dict(zip(("EV", "ESC"), standing, strict=True)),
        "best_class": best_class(met),
    }
