# SPDX-License-Identifier: Apache-2.0
"""`lamplighter run`: a city under control until you stop it, simulated or wired to real boxes."""

import math
import sys
import time
from pathlib import Path

import click
from rich.console import Console

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.cli.demo import RECORD_TAKEN, Wanted, port_free, run_page, serve_engine
from lamplighter.cli.progress import progress_bar
from lamplighter.cli.replay import driven_table
from lamplighter.cli.tables import wide_console
from lamplighter.runtime.cityrun import RunPlan
from lamplighter.runtime.engine import LiveEngine
from lamplighter.runtime.evaluate import WARM_UP_S
from lamplighter.runtime.recording import record
from lamplighter.runtime.settings import PORT, demo_span
from lamplighter.runtime.wiring import WiringError, read_wiring
from lamplighter.services import discover


@click.command("run")
@click.argument("city")
@click.option("--wiring", "wiring_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Run real boxes behind the brokers that this file names (docs/how-to/connect-a-city.md).")  # fmt: skip
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Seed of a simulated city.")
@click.option(
    "--minutes", type=click.FloatRange(1, 7 * 24 * 60), help="Minutes of city time of a simulated city. Default: 16:00 to 20:00."
)
@click.option(
    "--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Times real time, simulated only."
)
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65_535), help="Port of the page on this machine.")
@click.option("--browser/--no-browser", default=False, help="Open the page in the browser.")
@click.option("--headless", is_flag=True, help="No page: a simulated city as fast as it goes.")
@click.option("--record", "record_to", type=click.Path(file_okay=False, path_type=Path),
              help="With --headless: keep what the simulated fields send in this folder, for `lamplighter replay`.")  # fmt: skip
def run(
    city: str, wiring_file: Path | None, seed: int, minutes: float | None, speed: float, port: int, browser: bool,
    headless: bool, record_to: Path | None,
) -> None:  # fmt: skip
    """Run CITY under lamplighter, with its page, until you stop it with Ctrl-C.

    Without --wiring the city is simulated, and says so. With it, readings come from your own boxes; permits go to them
    once you put a service under lamplighter on the page, and Ctrl-C hands every box back. Single
    assets are not shown then, and nothing finer than the record plane's floors is written.
    """
    folder = find_city(city)
    if record_to is not None and not headless:
        raise click.UsageError("--record goes with --headless.")
    if wiring_file is not None:
        if headless:
            raise click.UsageError("--headless is for simulated cities; leave --wiring out.")
        _wired(folder, wiring_file, Wanted(seed, port, 1.0, False, browser, None))
    elif headless:
        _headless(folder, seed, minutes or 10.0, record_to)
    else:
        run_page(folder, Wanted(seed, port, speed, False, browser, minutes), with_shadow=False)


def _headless(folder: Path, seed: int, minutes: float, record_to: Path | None) -> None:
    services = discover()
    begin_s, _ = demo_span(folder)
    plan = RunPlan(seed, begin_s, WARM_UP_S, {service.name: "adaptive" for service in services})
    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task("running", total=1.0)
        driven = record(record_to, services, load(folder, services), plan, begin_s + 60 * minutes,
                        lambda share: bar.update(task, completed=share))  # fmt: skip
    wide_console().print(driven_table(driven, f"{folder.name}, {minutes:g} minutes, seed {seed}. SIMULATED."))


def _wired(folder: Path, wiring_file: Path, wanted: Wanted) -> None:
    port_free(wanted.port)
    try:
        wiring = read_wiring(wiring_file, discover())
        begin_s = float(math.ceil(time.time() / 60) * 60)
        services = tuple(s for s in discover() if s.name in wiring.services)
        plan = RunPlan(0, begin_s, 0.0, {service.name: "baseline" for service in services})
        engine = LiveEngine(folder, plan, math.inf, with_shadow=False, open_field=wiring.open_field)
    except (WiringError, *RECORD_TAKEN) as error:
        click.echo(f"lamplighter: {error}", err=True)
        sys.exit(2)
    serve_engine(engine, wanted)
