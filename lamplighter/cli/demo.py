# SPDX-License-Identifier: Apache-2.0
"""`lamplighter demo`: the demo city, running, with its page."""

import sys
import webbrowser
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console

from lamplighter.city.build import build_named
from lamplighter.city.directory import cities_directory
from lamplighter.cli import results_file
from lamplighter.cli.evaluate import ARMS
from lamplighter.cli.progress import progress_bar
from lamplighter.cli.tables import tell_evaluation
from lamplighter.history import HistoryInUseError, HistoryUnreadableError
from lamplighter.ledger import LedgerDamagedError, LedgerInUseError
from lamplighter.runtime.cityrun import RunPlan
from lamplighter.runtime.engine import LiveEngine
from lamplighter.runtime.evaluate import WARM_UP_S, Comparison, evaluate, window
from lamplighter.runtime.resume import Resume
from lamplighter.runtime.settings import DEMO_BEGIN, DEMO_DAY, DEMO_END, PORT, city_timezone, demo_span, is_current, record_folder
from lamplighter.runtime.simulation import SimulatorError
from lamplighter.services import discover
from lamplighter.web.server import LOOPBACK, PortBusyError, listen, serve

CITY = "adlershof"
RECORD_TAKEN = (HistoryInUseError, HistoryUnreadableError, LedgerInUseError, LedgerDamagedError)


@dataclass(frozen=True)
class Wanted:
    """What the demo was asked for."""

    seed: int
    port: int
    speed: float
    resume: bool
    browser: bool
    minutes: float | None


@click.command("demo")
@click.option(
    "--headless", is_flag=True, help="No page: simulate with and without lamplighter as fast as it goes, print the table."
)
@click.option("--minutes", type=click.FloatRange(1, 24 * 60), help="How many minutes of city time. Default: 16:00 to 20:00.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Seed of demand, weather and loads."
)
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65_535), help="Port of the page on this machine.")
@click.option("--speed", default=10.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Times real time at the start.")
@click.option("--resume/--reset", default=False, help="Go on where the last demo of this seed stopped, or start anew (default).")
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="With --headless: write every number here."
)
def demo(
    headless: bool, minutes: float | None, seed: int, port: int, speed: float, resume: bool, browser: bool, json_file: Path | None
) -> None:
    """Run the demo city: Adlershof, a district of Berlin, on a January evening. SIMULATED.

    Opens a page at http://127.0.0.1:8000 with the signals, lamps and grid as they stand, what is decided and why, and
    what residents would notice with lamplighter and, from a second run of the same seed, without. Ctrl-C stops it.
    """
    results_file(json_file)
    if json_file is not None and not headless:
        raise click.UsageError("--json goes with --headless: the page has its own downloads.")
    if not headless:
        port_free(port)
    folder = demo_city()
    if headless:
        run_headless(folder, minutes, seed, json_file)
    else:
        run_page(folder, Wanted(seed, port, speed, resume, browser, minutes), with_shadow=True)


def demo_city() -> Path:
    """Return the folder of the demo city, building it first where it is missing or of another version."""
    folder = cities_directory() / CITY
    if not is_current(folder):
        services = discover()  # loaded only where the city must be built
        with progress_bar(Console(stderr=True)) as bar:
            task = bar.add_task("building Adlershof (once)", total=1.0)
            build_named(CITY, services, lambda what, share: bar.update(task, description=what, completed=share))
    return folder


def run_headless(folder: Path, minutes: float | None, seed: int, json_file: Path | None) -> None:
    """Simulate without a page, both arms at once, and print the table."""
    span = window(DEMO_DAY, DEMO_BEGIN, DEMO_END, city_timezone(folder))
    if minutes is not None:
        span = (span[0], span[0] + timedelta(minutes=minutes))
    console = Console(stderr=True)
    with progress_bar(console) as bar:
        task = bar.add_task("with and without", total=1.0)
        wanted = Comparison(folder, (), ARMS, (seed,), span[0], span[1])
        done = evaluate(wanted, lambda share: bar.update(task, completed=share))
    tell_evaluation(done, json_file, console)


def run_page(folder: Path, wanted: Wanted, with_shadow: bool) -> None:
    """Run a simulated city behind its page until Ctrl-C. Ends with exit code 2 where the port or the record is taken."""
    begin_s, end_s = demo_span(folder)
    if wanted.minutes is not None:
        end_s = begin_s + wanted.minutes * 60
    state = Resume(record_folder(folder.name), wanted.seed)
    start_s = state.begin_s(begin_s, end_s) if wanted.resume else begin_s
    plan = RunPlan(wanted.seed, start_s, WARM_UP_S, {service.name: "adaptive" for service in discover()})
    port_free(wanted.port)
    try:
        engine = LiveEngine(folder, plan, end_s, with_shadow)
    except RECORD_TAKEN as error:
        click.echo(f"lamplighter: {error}", err=True)
        sys.exit(2)
    try:
        serve_engine(engine, wanted)
    finally:
        state.save(engine.view().now_s)


def port_free(port: int) -> None:
    """End with exit code 2 and the remedy where the port is taken, before anything heavy is started."""
    try:
        listen(LOOPBACK, port).close()
    except PortBusyError as error:
        click.echo(f"lamplighter: {error}", err=True)
        sys.exit(2)


def serve_engine(engine: LiveEngine, wanted: Wanted) -> None:
    """Serve an engine's page until Ctrl-C, then stop everything cleanly."""
    engine.set_speed(wanted.speed)
    click.echo("Opening the streets, the lamps and the grid ...", err=True)
    try:
        engine.start()
        simulated = engine.scene().simulated
        serve(engine, LOOPBACK, wanted.port, lambda address: _ready(address, wanted.browser, simulated))
    except (SimulatorError, PortBusyError) as error:
        click.echo(f"lamplighter: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        pass
    finally:
        click.echo("Stopping: every box returns to its own programme; the record is kept.", err=True)
        engine.stop()


def _ready(address: str, browser: bool, simulated: bool) -> None:
    how = "SIMULATED; Ctrl-C stops it" if simulated else "real boxes; Ctrl-C hands them back and stops"
    click.echo(f"The city runs at {address}  ({how})", err=True)
    if browser:
        webbrowser.open(address)
