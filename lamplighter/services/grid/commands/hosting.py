# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid hosting`: how many electric cars a grid bears on its worst night, by several ways of steering."""

import contextlib
import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console

from lamplighter.city.faults import CityError
from lamplighter.services.grid.commands.told import placed, print_facts, write_json
from lamplighter.services.grid.hosting import search
from lamplighter.services.grid.hosting.check import refereed
from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.hosting.reading import read_case
from lamplighter.services.grid.hosting.steered import Asked
from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import IntArray

STRATEGIES = ("uncontrolled", "timer", "cap", "droop", "transformer", "share", "adaptive", "bound")
DIGITS = 4
WRITTEN_AS = {"loading_max_ratio": "loading_max"}  # fields whose name in the result is another
SHOWN = 8
HEADINGS = {
    "strategy": "way of charging",
    "seed": "seed of the cars",
    "disorder": "seed of how the field differs",
    "hosted": "cars hosted",
    "proven_for_all_above": "proved for all larger numbers",
    "loading_max": "highest loading, share of rating",
    "voltage_lowest_pu": "lowest voltage, pu",
    "voltage_highest_pu": "highest voltage, pu",
    "unbalance_max_ratio": "largest unbalance, share",
    "unserved_share": "energy not charged, share",
    "worst_served_share": "worst car got, share of its energy",
    "jain_ratio": "Jain's index of what cars got",
    "charged_kwh": "charged in the night, kWh",
    "overload_h": "hours above 100 %, summed over branches",
    "referee_loading_max": "highest loading by the referee's power flow",
    "referee_voltage_lowest_pu": "lowest voltage by the referee, pu",
    "short_share": "energy short at that number, share (at or below 0: none)",
    "bound": "proved bound, cars",
    "share_of_bound": "of the bound, share",
    "nights_with_violation": "nights tried that broke a bound",
}


@click.command()
@click.argument("grid")
@click.option("--strategy", type=click.Choice(STRATEGIES), default="adaptive", show_default=True, help="How charging is steered.")
@click.option("--seed", default=1, show_default=True, help="Seed of the cars: who comes when, where, and wants how much.")
@click.option(
    "--truth",
    type=click.Choice(["model", "three-line-phase"]),
    default="model",
    show_default=True,
    help="What the field is: as modelled, or three line phases in OpenDSS that differ from the model.",
)
@click.option("--disorder", default=1, show_default=True, help="Seed of how the field differs from the model (with --truth).")
@click.option(
    "--demand", default=1.0, show_default=True, type=click.FloatRange(0.0, 2.0, min_open=True),
    help="Part of the file's powers that falls on the evening's peak at once, where GRID brings no year.",
)  # fmt: skip
@click.option(
    "--floor-kw",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0.0, 11.0),
    help="Power guaranteed to each point that wants any, as far as all of them fit (German law: 4.2). With adaptive.",
)
@click.option(
    "--volt-var",
    is_flag=True,
    help="Points' inverters supply reactive power where voltage binds, to a power factor of 0.9. With adaptive and bound.",
)
@click.option("--gap", is_flag=True, help="Solve the bound too, and print how far the strategy stays below it.")
@click.option(
    "--json", "into", type=click.Path(path_type=Path), callback=placed, help="Write the result as JSON into this file too."
)
def hosting(grid: str, strategy: str, seed: int, truth: str, disorder: int, demand: float, **more: Any) -> None:
    """Find the most electric cars that GRID hosts on the noon-to-noon night of its year's highest demand.

    GRID is a SimBench code or short name (urban6), a file or a city. Cars charge with 11 kW, come N(18:00, 1.5 h), leave
    N(7:15, 1 h) and want Gamma(4, 3 kWh) within 3 and 45 kWh. Hosted is the most with no step above 100.5 % of any
    transformer or cable or below 0.95 pu, at most 1 % of the energy unserved and every car served to 95 %.
    """
    if truth != "model" and strategy == "bound":
        raise click.UsageError("--strategy bound knows no --truth; take another strategy or --truth model")
    floor_kw, volt_var, into = float(more["floor_kw"]), bool(more["volt_var"]), cast("Path | None", more["into"])
    _usage(strategy, truth, floor_kw, volt_var)
    asked = Asked(floor_kw, volt_var) if floor_kw > 0.0 or volt_var else None
    try:
        if truth != "model":
            _true(grid, strategy, (seed, disorder), into)
            return
        night, network, row_node = read_case(grid, demand)
    except (GridError, CityError) as error:
        raise click.ClickException(str(error)) from error
    with _trying() as tried:
        case = (night, network, row_node)
        row = _bound_row(night, seed, volt_var, tried) if strategy == "bound" else _row(case, (strategy, seed), asked, tried)
        if more["gap"] and strategy != "bound":
            most = search.bound(night, seed, max(round(row["hosted"] * 1.05), 1), volt_var, tried)
            row |= {"bound": most.cars, "share_of_bound": round(row["hosted"] / max(most.cars, 1), DIGITS)}
    row = {"grid": grid, "strategy": strategy, "seed": seed, **row}
    _print(f"{grid}: cars hosted", row)
    if row["hosted"] == 0:
        click.echo(
            f"{grid}: not one car is hosted. Without any the highest loading is {row['loading_max']:.1%} and the lowest voltage "
            f"{row['voltage_lowest_pu']:.4f} pu; allowed are 100.5 % and 0.95 pu. Of a file without a year all powers count "
            "at once on the evening's peak: --demand 0.3 takes three tenths of them."
        )
    write_json(into, row)


@contextlib.contextmanager
def _trying() -> Generator[search.Trying]:
    """Show which number of cars is tried while the block runs; how many will be is not known beforehand."""
    with Console(stderr=True).status("reading the night") as status:
        yield lambda cars: status.update(f"trying {cars} cars")


def _print(title: str, row: dict[str, Any]) -> None:
    print_facts(title, {HEADINGS.get(name, name): value for name, value in row.items() if name != "grid"})


def _usage(strategy: str, truth: str, floor_kw: float, volt_var: bool) -> None:
    """Refuse combinations that nothing is built for."""
    if floor_kw > 0.0 and (strategy != "adaptive" or truth != "model"):
        raise click.UsageError("--floor-kw goes with --strategy adaptive and --truth model alone. Nothing was run.")
    if volt_var and (strategy not in ("adaptive", "bound") or truth != "model"):
        raise click.UsageError("--volt-var goes with --strategy adaptive or bound and --truth model. Nothing was run.")


def _true(grid: str, strategy: str, seeds: tuple[int, int], into: Path | None) -> None:
    """Run the disordered field, print what was hosted and what the meters make of the model."""
    with _trying() as tried:
        found, broken = search.hosted_true(grid, strategy, *seeds, tried)
    result = {
        WRITTEN_AS.get(name, name): value for name, value in dataclasses.asdict(found).items() if name not in ("cars", "doubts")
    }
    row: dict[str, Any] = {"grid": grid, "strategy": strategy, "seed": seeds[0], "disorder": seeds[1], "hosted": found.cars}
    row |= {name: round(value, DIGITS) for name, value in result.items()} | {"nights_with_violation": broken}
    _print(f"{grid}: cars hosted in a field that is not as modelled", row)
    doubts = [dataclasses.asdict(doubt) for doubt in found.doubts]
    for doubt in doubts[:SHOWN]:
        click.echo(f"The model is in doubt ({doubt['kind']}) at {doubt['node']}: {doubt['evidence']}.")
    write_json(into, row | {"model_in_doubt": bool(doubts), "doubts": doubts})


def _row(
    case: tuple[Night, Network, IntArray], way: tuple[str, int], asked: Asked | None, tried: search.Trying
) -> dict[str, Any]:
    found = search.hosted(case[0], *way, asked, tried)
    loading, lowest = refereed(*case, found.drawn_kva)
    result = {WRITTEN_AS.get(name, name): value for name, value in dataclasses.asdict(found.result).items() if name != "cars"}
    result |= {"referee_loading_max": loading, "referee_voltage_lowest_pu": lowest}
    return {"hosted": found.cars, **{name: round(value, DIGITS) for name, value in result.items()}}


def _bound_row(night: Night, seed: int, volt_var: bool, tried: search.Trying) -> dict[str, Any]:
    found = search.bound(night, seed, volt_var=volt_var, trying=tried)
    return {
        "hosted": found.cars,
        "proven_for_all_above": found.proven_to_all,
        "loading_max": round(found.found.loading_max_ratio, DIGITS),
        "voltage_lowest_pu": round(found.found.voltage_lowest_pu, DIGITS),
        "short_share": round(found.found.short_share, 6),
    }
