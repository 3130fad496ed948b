# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting timetable`: the best compliant timetable of every cell from past counts, into the city folder."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from lamplighter.city.csvfile import write_table
from lamplighter.services.lighting import adaptive
from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.commands.waiting import waiting
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.optimum import learning, replay
from lamplighter.services.lighting.optimum.learning import Past
from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.terms import BOUNDARY_S, TABLES
from lamplighter.terms.city import CityData
from lamplighter.terms.table import Table

COLUMNS = ("time_s", "street", "flow_veh_h")
COMPARED_DAYS = 28
QUARTERS_PER_DAY = 96
YEAR_2100_S = 4_102_444_800
FLOW_MAX_VEH_H = 1e5


@click.command()
@click.option("--city", "city_name", default="adlershof", show_default=True, help="Name of a built city, or its folder.")
@click.option(
    "--counts",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Past counts, CSV: time_s (POSIX, end of the quarter-hour), street, flow_veh_h.",
)
@click.option("--steps", default=learning.PROGRAMME_STEPS, show_default=True, type=click.IntRange(1, 24), help="Steps of a day.")
def timetable(city_name: str, counts: Path, steps: int) -> None:
    """Learn from past counts the best compliant timetable of every cell, how far streets go down with their cell, and where live
    commands are worth more; write them into the city folder, for the lamps' calendars."""
    folder, city = group.opened_city(city_name)
    layout = prepare(city)
    past = _past(counts, city, layout)
    with waiting("learning from past counts") as tell:
        found = learning.learn(past, layout, steps)
        tables = learning.rows_of(found, city.tables["cells"]["id"], city.tables["segments"]["id"], layout)
        tell(0.5)
        tables["live"] = live_rows(past, tables, city)
    for spec in TABLES:
        if spec.name in tables:
            write_table(folder / "lighting" / f"{spec.name}.csv", tables[spec.name], [c.name for c in spec.columns])
    live = tables["live"]
    click.echo(f"{len(past.at_s)} quarter-hours of counts gave {len(live['cell'])} cells a timetable.")
    click.echo(
        f"{len(tables['steady']['segment'])} segments stay brighter than their traffic asks, so that they hold nobody back."
    )
    click.echo(
        f"Live commands are worth more than the timetable in {int(live['live'].sum())} cells and stay off in "
        f"{int((~live['live']).sum())}."
    )


def live_rows(past: Past, tables: dict[str, Table], city: CityData) -> Table:
    """Return the table `live`: the last weeks replayed with live commands, beside the timetable alone."""
    timed = prepare_with(city, tables)
    last = slice(max(0, len(past.at_s) - COMPARED_DAYS * QUARTERS_PER_DAY), None)
    recent = Past(past.at_s[last], past.flow_veh_h[last], past.sound[last])
    compared, _ = replay.compare(recent, adaptive.start(timed), city, timed)
    cells = city.tables["cells"]["id"]
    nights = round(float(recent.at_s[-1] - recent.at_s[0]) / 86_400.0)
    return {
        "cell": cells,
        "live": replay.worth_it(compared),
        "timetable_kwh": np.round(compared.timetable_kwh / max(nights, 1), 3),
        "live_kwh": np.round(compared.live_kwh / max(nights, 1), 3),
        "nights": np.full(len(cells), nights, dtype=np.int64),
    }


def prepare_with(city: CityData, tables: dict[str, Table]) -> Layout:
    """Return the layout of a city with some of its tables replaced."""
    return prepare(replace(city, tables={**city.tables, **tables}))


def _past(file: Path, city: CityData, layout: Layout) -> Past:
    """Return the counts of a file as columns of counters; UsageError says which line cannot be read."""
    streets = city.assets.street[layout.sites.counter].tolist()
    place = {str(street): k for k, street in enumerate(streets)}
    told: dict[int, dict[int, float]] = defaultdict(dict)
    with group.csv_of("--counts", file) as reader:
        if set(COLUMNS) - set(reader.fieldnames or ()):
            raise click.UsageError(f"--counts {file}, line 1: the columns {', '.join(COLUMNS)} are needed")
        for number, row in enumerate(reader, start=2):
            try:
                at_s, flow = int(row["time_s"]), float(row["flow_veh_h"])
            except (TypeError, ValueError) as error:
                raise click.UsageError(f"--counts {file}, line {number}: time_s and flow_veh_h must be numbers") from error
            if not (at_s % BOUNDARY_S == 0 and 0 < at_s < YEAR_2100_S and 0.0 <= flow <= FLOW_MAX_VEH_H):
                raise click.UsageError(
                    f"--counts {file}, line {number}: a quarter-hour from 1970 to 2100 and a flow of 0 to {FLOW_MAX_VEH_H:g} "
                    "are needed"
                )
            if row["street"] in place:
                told[at_s][place[row["street"]]] = flow
    if len(told) < QUARTERS_PER_DAY * 7:
        raise click.UsageError(f"--counts {file}: {len(told)} quarter-hours of counted streets; a week or more is needed")
    at_s = sorted(told)
    flow, sound = np.zeros((len(at_s), len(streets))), np.zeros((len(at_s), len(streets)), dtype=np.bool_)
    for n, moment in enumerate(at_s):
        for counter, value in told[moment].items():
            flow[n, counter], sound[n, counter] = value, True
    return Past(np.array(at_s, dtype=np.float64), flow, sound)
