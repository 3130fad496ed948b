# SPDX-License-Identifier: Apache-2.0
"""`lamplighter traffic ...`: what is installed at an intersection, and whether a city's signal tables are sound."""

import time

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from lamplighter.city import folder
from lamplighter.services import traffic as service
from lamplighter.services.traffic import helping
from lamplighter.services.traffic.complaint import MomentError, PlaceError
from lamplighter.services.traffic.complaint import command as complaint
from lamplighter.services.traffic.diagnosis.command import diagnose, events
from lamplighter.services.traffic.layout import GROUP_KINDS, Layout
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.soundness import faults
from lamplighter.services.traffic.telling import stage_name
from lamplighter.services.traffic.terms import CLEAR_WAY
from lamplighter.services.traffic.tryout.command import retime
from lamplighter.terms.city import CityData

CITY = click.option("--city", "name", default="adlershof", show_default=True, help="A built city by name, or its folder.")


@click.group(help="Traffic signals: what is installed, whether it is sound, how it runs, and what would run better.")
def traffic() -> None:
    """Hold the subcommands."""


traffic.add_command(diagnose)
traffic.add_command(events)
traffic.add_command(retime)


def _load(name: str) -> tuple[CityData, Prepared]:
    try:
        city = folder.load(folder.find_city(name), [service.SERVICE])[service.SERVICE.name]
        return city, prepare(city)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@traffic.command()
@CITY
def check(name: str) -> None:
    """Say what is wrong with the installed stages, intergreens and own programmes. Exit 1 where something is."""
    _, prepared = _load(name)
    found = faults(prepared.layout)
    console = Console()
    for sentence in found:
        console.print(sentence, highlight=False)
    boxes, groups = len(prepared.layout.boxes.tls), len(prepared.layout.groups.box)
    console.print(f"{boxes} intersections, {groups} signal_groups, {len(found)} faults.", highlight=False)
    if found:
        raise SystemExit(1)


@traffic.command()
@click.argument("intersection")
@CITY
def show(intersection: str, name: str) -> None:
    """Show what is installed at INTERSECTION: its asset id (J07), or a part of its street names."""
    city, prepared = _load(name)
    layout = prepared.layout
    ids = city.assets.id[layout.start + layout.boxes.local]
    wanted = intersection.casefold()
    hits = [n for n, text in enumerate(ids) if wanted == str(text).casefold()]
    hits = hits or [n for n, text in enumerate(layout.boxes.name) if wanted in str(text).casefold()]
    if not hits:
        raise click.ClickException(f"No intersection is called {intersection!r}; there are {', '.join(map(str, ids))}.")
    for box in hits:
        _show(Console(), prepared, box, str(ids[box]))


def _show(console: Console, prepared: Prepared, box: int, asset: str) -> None:
    layout = prepared.layout
    console.print(f"\n{asset}  {layout.boxes.name[box]}", style="bold", highlight=False)
    console.print(_groups(layout, box))
    console.print(_stages(prepared, box))
    rows = slice(int(layout.boxes.programme_offsets[box]), int(layout.boxes.programme_offsets[box + 1]))
    pairs = zip(layout.boxes.programme_stage[rows], layout.boxes.programme_split_s[rows], strict=True)
    order = ", ".join(f"stage {stage} {split_s:.0f} s" for stage, split_s in pairs)
    console.print(f"Own programme: {order}; cycle {layout.boxes.cycle_s[box]:.0f} s, offset {layout.boxes.offset_s[box]:.0f} s.")


def _groups(layout: Layout, box: int) -> Grid:
    grid = Grid(title="signal_groups, seconds", title_justify="left")
    for column in ("group", "kind", "green_min", "red_max", "yellow", "red_amber", "clears in", "intergreen to others"):
        grid.add_column(column, justify="left" if column in ("kind", "intergreen to others") else "right")
    first, last = int(layout.groups.offsets[box]), int(layout.groups.offsets[box + 1])
    for group in range(first, last):
        mine = np.flatnonzero(layout.pairs.from_group == group)
        others = " ".join(f"{layout.pairs.to_group[p] - first}:{layout.pairs.intergreen_s[p]:.0f}" for p in mine)
        times = (layout.groups.green_min_s, layout.groups.red_max_s, layout.groups.yellow_s, layout.groups.red_amber_s)
        numbers: list[str] = [f"{column[group]:.0f}" for column in (*times, layout.groups.clearance_s)]
        grid.add_row(str(group - first), GROUP_KINDS[int(layout.groups.kind[group])], *numbers, others)
    return grid


def _stages(prepared: Prepared, box: int) -> Grid:
    layout = prepared.layout
    grid = Grid(title="stages", title_justify="left")
    for column in ("stage", "green", "gives way", "in words"):
        grid.add_column(column)
    base = int(layout.stages.offsets[box])
    for row in range(base, int(layout.stages.offsets[box + 1])):
        green, yields = layout.stages.green[row], layout.stages.gives_way[row]
        lists = (" ".join(str(n) for n in np.flatnonzero(mask)) for mask in (green, yields))
        grid.add_row(str(row - base), *lists, stage_name(layout, box, row - base, prepared.street_names))
    return grid


@traffic.command()
@click.argument("places", nargs=-1, metavar="[INTERSECTION[:STAGE]]...")
@click.option("--along", default="", help="The street that is to be cleared: its stage is asked for where none is given.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(5, 900), help="For how long.")
@click.option("--reason", default="ambulance", show_default=True,
              type=click.Choice(["ambulance", "fire", "police", "event", "fault", "works", "exercise"]),
              help="Why; it stands in the ledger.")  # fmt: skip
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_535), help="Port of the running city's page.")
@click.option("--hold", is_flag=True, help="Ask for no stage: the boxes run their own programmes, and nobody steers them.")
@CITY
def emergency(
    places: tuple[str, ...], along: str, seconds: float, reason: str, port: int, hold: bool, name: str
) -> None:  # fmt: skip
    """Ask a running city to clear the way, and say what the safety gate answers until the time is over.

    Every box changes through its own minimum greens, intergreens and clearance; nothing is skipped. What the gate refuses
    now is asked again every second. Ctrl-C withdraws the wish. Nothing about a vehicle is sent.
    """
    try:
        # a hold asks for no stage: where one is named, any stands in
        wanted = _wanted(name, tuple(p if ":" in p else f"{p}:0" for p in places) if hold else places, along)
        boxes = [{"asset": box, "values": {} if hold else {"stage": stage}} for box, stage in wanted.items()]
        body = {"action": "hold" if hold else CLEAR_WAY, "boxes": boxes, "duration_s": seconds, "reason": reason}
        number = int(helping.ask(port, "ask/traffic", body)["number"])
        said = (box if hold else f"{box} stage {stage}" for box, stage in wanted.items())
        click.echo(f"Wish {number}: {', '.join(said)}{' on their own programmes' if hold else ''}, {seconds:g} s.")
        try:
            _follow(port, number)
        except KeyboardInterrupt:
            click.echo(helping.ask(port, f"withdraw/{number}", {})["done"])
    except helping.HelpError as error:
        raise click.ClickException(str(error)) from error


def _wanted(name: str, places: tuple[str, ...], along: str) -> dict[str, int]:
    city, prepared = _load(name)
    ids: list[str] = city.assets.id[prepared.layout.start + prepared.layout.boxes.local].tolist()
    return helping.wish_boxes(prepared.layout, ids, places, along, prepared.street_names)


def _follow(port: int, number: int) -> None:
    """Say what changes at each box until the wish has ended."""
    said: dict[str, str] = {}
    while True:
        wish = next(one for one in helping.ask(port, "wishes", None) if one["number"] == number)
        for box in wish["boxes"]:
            text = str(box["text"]) or f"{box['asset']}: {'permitted' if box['state'] == 'stands' else box['state']}"
            if said.get(box["asset"], "waiting") != str(box["state"]):
                click.echo(text)
            said[box["asset"]] = str(box["state"])
        if wish["ended"]:
            return
        time.sleep(0.3)


@traffic.command("explain")
@click.option("--junction", required=True, help='Its asset id (J07), or the streets that meet: "Rudower Chaussee / Am Studio".')
@click.option("--at", required=True, help='When, in the city\'s time: "2026-01-13 17:42", or 17:42 for the last day on record.')
@click.option("--approach", help='Whence one came: "Rudower Chaussee", "from the north", or "crossing". Default: every street.')
@click.option("--record", help="The record: its folder, or a city by name. Default: the record of the city.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that the answer rests on.")
@CITY
def explain_wait(junction: str, at: str, approach: str | None, record: str | None, as_json: bool, name: str) -> None:
    """Answer who asks: why did I wait? From the record, as a paragraph that can be sent.

    Nothing is looked up but sums: where too few people were counted they are merged with their neighbours', and the answer
    says so. docs/how-to/answer-a-complaint.md says how to read it.
    """
    city, prepared = _load(name)
    try:
        evidence, given, meant = complaint.answer(city, prepared, complaint.Question(junction, at, approach, record))
    except (PlaceError, MomentError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(complaint.as_json(evidence, given, meant, city.simulated))))
        return
    click.echo(given.paragraph + ("\n\nSIMULATED: this city and its people are made up." if city.simulated else ""))
