# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting design`: luminaire, arrangement, height, spacing, overhang, tilt and dimming for a road and a class."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.console import Console

from lamplighter.services.lighting.commands import designed, group
from lamplighter.services.lighting.commands.designed import Row
from lamplighter.services.lighting.commands.waiting import waiting
from lamplighter.services.lighting.mounting import candidates, catalogue, judging, ranking, shortfall
from lamplighter.services.lighting.mounting.candidates import MOST, Choices, Figures, Section, Ways
from lamplighter.services.lighting.mounting.judging import Asked, Family, Judged
from lamplighter.services.lighting.mounting.ranking import OBJECTIVES, Prices, Ranked
from lamplighter.services.lighting.mounting.shortfall import Nearest
from lamplighter.services.lighting.photometry import classes, energy, judgement, luminaires, quality, rtables
from lamplighter.services.lighting.photometry.azimuth import open_photometry
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS
from lamplighter.services.lighting.photometry.textfile import PhotometryError

FILE_ENDINGS = (".ies", ".ldt", ".eul")
FILES_MOST = 200
CHOICES_MOST = 10_000
_RANGES = {
    "spacing": "20:50:1",
    "height": "5,6,7,8,9,10,12",
    "overhang": "0,0.5,1",
    "tilt": "0,5",
}
_PATH_RANGES = {"spacing": "12:40:1", "height": "4,4.5,5,6", "overhang": "0,0.5", "tilt": "0"}


@dataclass(frozen=True)
class Task:
    """What a search was asked: road, what may be chosen, luminaires, class, and files that could not be used, with the reason."""

    section: Section
    choices: Choices
    families: list[Family]
    asked: Asked
    refused: list[str]


@click.command()
@click.option(
    "--photometry",
    "files",
    multiple=True,
    help="IES or EULUMDAT file, folder of such files, or OPTIC:LUMENS of our own; may be given again. Without it: all our own.",
)
@click.option(
    "--turn/--no-turn", default=None, help="As in `check`: how the C planes of files face; by default the flux decides."
)
@click.option("--width", "width_m", required=True, type=float, help="Width of the carriageway in metres.")
@click.option("--lanes", required=True, type=int, help="Number of driving lanes over the whole width.")
@click.option("--class", "lighting_class", required=True, type=click.Choice(classes.CLASSES), help="Lighting class to meet.")
@click.option("--surface", default="R3", show_default=True, help="r-table: " + ", ".join(rtables.SURFACES) + ".")
@group.MAINTENANCE_OPTION
@click.option(
    "--arrangement",
    "arrangements",
    multiple=True,
    type=click.Choice(ARRANGEMENTS),
    help="Rows that may be chosen; may be given again.  [default: single, opposite, staggered]",
)
@click.option("--spacing", help=f"Metres that may be chosen: 20,25,30 or FROM:TO:STEP.  [default: {_RANGES['spacing']}]")
@click.option("--height", help=f"Mounting heights that may be chosen.  [default: {_RANGES['height']}]")
@click.option("--overhang", help=f"Overhangs that may be chosen.  [default: {_RANGES['overhang']}]")
@click.option("--tilt", help=f"Tilts that may be chosen, in degrees.  [default: {_RANGES['tilt']}]")
@click.option("--hours", "hours_h", default=4000.0, show_default=True, help="Hours of a year in which the lamps burn.")
@click.option("--relaxed", multiple=True, help="Hours of them in a lower class, as in M5:2500; may be given again.")
@click.option("--objective", default="energy", show_default=True, type=click.Choice(OBJECTIVES), help="What is best.")
@click.option("--prices", help="POLE:LUMINAIRE:KWH:YEARS, for the objective cost, as in 1500:350:0.25:25.")
@click.option("--best", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many designs to show.")
@group.JSON_OPTION
def design(json_file: Path | None, **given: object) -> None:
    """Find the designs that meet a class on a road with the least energy, the fewest poles or the least cost."""
    task = _task(given)
    prices = _prices(given)
    objective = cast("ranking.Objective", given["objective"])
    if objective == "cost" and prices is None:
        raise click.UsageError("--objective cost: --prices is needed, POLE:LUMINAIRE:KWH:YEARS, as in 1500:350:0.25:25")
    try:
        ways = candidates.ways_of(task.section, task.choices)
        with waiting("trying designs") as tell:
            lights = [family.light for family in task.families]
            unit = candidates.unit_figures(ways, lights, task.asked.lighting_class, tell)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    found = judging.judged(unit, task.families, task.asked)
    order = ranking.ranked(found, ways, task.asked, objective, prices)
    tried = unit.shape[0] * unit.shape[1]
    rows = _rows(task, ways, (found, order), cast("int", given["best"]))
    if not rows:
        near = _reasons(unit, task)
        if json_file is not None:
            group.write_json(json_file, {"tried": tried, "meet": 0, "designs": [], "out_of_reach": designed.plain_nearest(near)})
        raise click.ClickException(designed.out_of_reach(near, task.families, ways, tried))
    designed.show(Console(), rows, designed.heading(classes.CLASSES[task.asked.lighting_class], objective, tried, order))
    for other in OBJECTIVES[:2]:
        if other != objective:
            (fewest,) = _rows(task, ways, (found, ranking.ranked(found, ways, task.asked, other, prices)), 1)
            Console().print(f"{designed.OTHER[other]}: {designed.sentence(fewest)}.", highlight=False)
    Console().print(_stated(task), highlight=False)
    for reason in task.refused:
        Console().print(f"Not used: {reason}")
    if json_file is not None:
        plain = {"objective": objective, "tried": tried, "meet": len(order.way), "not_used": task.refused}
        group.write_json(json_file, {**plain, "designs": [designed.plain(row) for row in rows]})


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Return the numbers of `20,25,30` or `FROM:TO:STEP`; UsageError for anything else."""
    try:
        if ":" in text:
            begin, end, step = (float(cell) for cell in text.split(":"))
            if not (np.isfinite([begin, end, step]).all() and step > 0.0 and begin <= end):
                raise ValueError
            if (end - begin) / step >= CHOICES_MOST:
                raise click.UsageError(f"{option} {text}: more than {CHOICES_MOST} numbers; take a wider step or a smaller range")
            return tuple(round(begin + i * step, 9) for i in range(int((end - begin) / step + 1e-9) + 1))
        found = tuple(float(cell) for cell in text.split(","))
        if not np.isfinite(found).all():
            raise ValueError
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: numbers are needed, as in 20,25,30 or 20:50:1") from error
    return tuple(dict.fromkeys(found))


def _task(given: dict[str, object]) -> Task:
    surface = str(given["surface"]).upper()
    if surface not in rtables.SURFACES:
        raise click.UsageError(f"--surface {given['surface']}: not known; known are {', '.join(rtables.SURFACES)}")
    name = str(given["lighting_class"])
    usual = _PATH_RANGES if name.startswith("P") else _RANGES
    picks = {key: numbers(str(given[key] or usual[key]), f"--{key}") for key in usual}
    arrangements = cast("tuple[str, ...]", given["arrangements"]) or ("single", "opposite", "staggered")
    choices = Choices(arrangements, picks["spacing"], picks["height"], picks["overhang"], picks["tilt"])
    families, refused = _families(cast("tuple[str, ...]", given["files"]), cast("bool | None", given["turn"]))
    if choices.count() * len(families) > MOST:
        raise click.UsageError(
            f"{choices.count()} mountings of {len(families)} luminaires are {choices.count() * len(families)} designs; {MOST} "
            "at most are tried: give fewer spacings, heights, overhangs or tilts"
        )
    asked = Asked(classes.code(name), group.maintenance_of(given), _hours(given, name))
    return Task(Section(cast("float", given["width_m"]), cast("int", given["lanes"]), surface), choices, families, asked, refused)


def _hours(given: dict[str, object], name: str) -> tuple[tuple[int, float], ...]:
    whole = cast("float", given["hours_h"])
    if not 0.0 < whole <= energy.HOURS_A_YEAR:
        raise click.UsageError(f"--hours {whole:g}: above 0 and at most {energy.HOURS_A_YEAR:g} is allowed")
    lower: list[tuple[int, float]] = []
    for text in cast("tuple[str, ...]", given["relaxed"]):
        kind, _, hours = text.partition(":")
        try:
            code, amount = classes.code(kind), float(hours)
        except ValueError as error:
            raise click.UsageError(f"--relaxed {text}: a class and hours are needed, as in M5:2500") from error
        if kind[0] != name[0] or code <= classes.code(name) or not 0.0 < amount <= whole:
            raise click.UsageError(
                f"--relaxed {text}: a class below {name} of its own family, and above 0 to {whole:g} hours, are needed"
            )
        lower.append((code, amount))
    rest = whole - sum(amount for _, amount in lower)
    if rest < 0.0:
        raise click.UsageError(f"--relaxed: {whole - rest:g} hours; the year has {whole:g} (--hours)")
    return ((classes.code(name), rest), *lower)


def _families(files: tuple[str, ...], turn: bool | None) -> tuple[list[Family], list[str]]:
    """Return the luminaires to pick from, and what of a folder could not be used; UsageError for a file that was named."""
    if not files:
        return [catalogue.own(optic) for optic in luminaires.OPTICS], []
    made: list[Family] = []
    refused: list[str] = []
    for text in files:
        folder = Path(text)
        if not folder.is_dir():
            try:
                made.append(catalogue.single(group.facing_of(text, turn).light))
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            continue
        inside = sorted(file for file in folder.iterdir() if file.suffix.lower() in FILE_ENDINGS)
        if not 0 < len(inside) <= FILES_MOST:
            raise click.UsageError(f"--photometry {text}: {len(inside)} photometry files; 1 to {FILES_MOST} are needed")
        for file in inside:
            try:
                made.append(catalogue.single(open_photometry(file, turn).light))
            except (PhotometryError, ValueError) as error:
                refused.append(str(error))
    if not made:
        raise click.UsageError("--photometry: no file can be used. " + " ".join(refused[:5]))
    return made, refused


def _prices(given: dict[str, object]) -> Prices | None:
    text = cast("str | None", given["prices"])
    if text is None:
        return None
    try:
        pole, luminaire, kwh, years = (float(cell) for cell in text.split(":"))
    except ValueError as error:
        raise click.UsageError(f"--prices {text}: four numbers are needed, POLE:LUMINAIRE:KWH:YEARS") from error
    if not all(0.0 <= price < 1e9 for price in (pole, luminaire, kwh, years)):
        raise click.UsageError(f"--prices {text}: no price is below 0, nor without bound")
    return Prices(pole, luminaire, kwh, years * energy.HOURS_A_YEAR)


def _rows(task: Task, ways: Ways, chosen: tuple[Judged, Ranked], best: int) -> list[Row]:
    """Return the best designs, each computed anew by the code path of `check`; what does not meet its class there falls out."""
    found, order = chosen
    made: list[Row] = []
    for place in range(len(order.way)):
        if len(made) == best:
            break
        f, n = int(order.family[place]), int(order.way[place])
        family, product = task.families[f], int(found.product[f, n])
        share, road = float(found.share[f, n]), ways.road(n)
        lit = candidates.scaled(family.light, float(family.flux_lm[product]) * share)
        met = quality.evaluate(road, lit, task.section.surface, task.asked.maintenance_ratio)
        if not judgement.meets(met, classes.CLASSES[task.asked.lighting_class]):
            continue
        area_m2, power_w = road.spacing_m * road.width_m, float(found.power_w[f, n, 0]) * road.rows()
        density = energy.power_density_w_lx_m2(power_w, np.array([met.illuminance_lx]), np.array([area_m2])) or 0.0
        output = (found.power_w[f, n] - family.gear_w[product]) / (family.power_w[product] - family.gear_w[product])
        made.append(
            Row(
                designed.label(family, float(family.flux_lm[product])),
                road, float(family.flux_lm[product]), float(family.power_w[product]), tuple(output.tolist()), met, density,
                float(order.energy_kwh_km[place]) / (road.width_m * 1000.0), float(order.energy_kwh_km[place]),
                float(order.poles_per_km[place]), float(order.cost_per_km[place]),
            )
        )  # fmt: skip
    return made


def _reasons(unit: Figures, task: Task) -> list[tuple[str, Nearest]]:
    """Return for each class that no design meets the nearest design and what it misses; else the design class's own."""
    near: list[tuple[str, Nearest]] = []
    for code in dict.fromkeys(code for code, _ in task.asked.hours):
        alone = Asked(code, task.asked.maintenance_ratio, ((code, 1.0),))
        found = judging.judged(unit, task.families, alone)
        if not found.meets.any():
            near.append((classes.CLASSES[code], shortfall.nearest(unit, task.families, found, alone)))
    return near


def _stated(task: Task) -> str:
    hours = ", ".join(f"{hours:g} h in {classes.CLASSES[code]}" for code, hours in task.asked.hours)
    return (
        f"Computed for r-table {task.section.surface} and maintenance factor {task.asked.maintenance_ratio:g}, each design shown "
        f"a second time by the computation of `check`; a year has {hours}. The dimming is part of the design: fTI is of new "
        "luminaires at that output. Best first; within 1 % the second objective decides."
    )
