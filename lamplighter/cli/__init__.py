# SPDX-License-Identifier: Apache-2.0
"""The command line: each command in a module of its own, loaded when it is called, services' commands found."""

import importlib
import sys
from pathlib import Path

import click

import lamplighter.services
from lamplighter.city.faults import CityError
from lamplighter.runtime.processes import start_server

COMMANDS = {
    "demo": ("lamplighter.cli.demo:demo", "Run the demo city and open its page."),
    "run": ("lamplighter.cli.run:run", "Run a city under control, with its page, until you stop it."),
    "replay": ("lamplighter.cli.replay:replay", "Run recorded readings of a simulated city through the loop again."),
    "evaluate": ("lamplighter.cli.evaluate:evaluate_command", "Compare a city with and without lamplighter on the same seeds."),
    "drill": ("lamplighter.cli.drill:drill", "Let something fail in a simulated city, with lamplighter and without."),
    "bench": ("lamplighter.cli.bench:bench", "Measure how fast the loop is on this machine."),
    "city": ("lamplighter.cli.city:group", "Build, import, check and list cities."),
    "verify": ("lamplighter.cli.verify:verify", "Check a ledger: nothing changed, nothing missing."),
    "doctor": ("lamplighter.cli.doctor:doctor", "Say what is missing on this machine and how to mend it."),
}

STARTS_PROCESSES = ("demo", "run", "evaluate", "drill", "bench")


def service_names() -> tuple[str, ...]:
    """Return the names of the service folders, without loading any."""
    return lamplighter.services.names()


def _load(dotted: str) -> click.Command:
    module, _, name = dotted.partition(":")
    command = getattr(importlib.import_module(module), name)
    if not isinstance(command, click.Command):
        raise TypeError(f"{dotted} is no click command")
    return command


class CommandTable(click.Group):
    """The top of the command tree. Commands are imported only when they are used or their help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the spine's commands, then one group per service."""
        return [*COMMANDS, *service_names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name, None where there is none."""
        if cmd_name in COMMANDS:
            return _load(COMMANDS[cmd_name][0])
        if cmd_name in service_names():
            package = importlib.import_module(f"{lamplighter.services.__name__}.{cmd_name}")
            return _load(package.SERVICE.commands)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the two lists of commands without importing what they need."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        names = service_names()
        if names:
            with formatter.section("Services"):
                formatter.write_dl([(name, f"Commands of the {name} service.") for name in names])


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="lamplighter", prog_name="lamplighter")
def cli() -> None:
    """Run a city's traffic signals, street lights and power grid from aggregate measurements.

    lamplighter carries nothing with which anyone could be watched, sends nothing unsafe, and shows by comparison
    whether residents gained. Start with `lamplighter demo`.
    """


def main() -> None:
    """Run the command line. Errors that a person can mend end in one plain message, not in a traceback."""
    if len(sys.argv) > 1 and sys.argv[1] in STARTS_PROCESSES and not {"-h", "--help"} & set(sys.argv):
        start_server()
    try:
        cli.main(prog_name="lamplighter", standalone_mode=True)
    except CityError as error:
        click.echo(f"lamplighter: {error}", err=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "lamplighter").split(".")[0] == "lamplighter":
            raise
        click.echo(f"lamplighter: the Python package {error.name!r} is not installed. {_extra_for(error.name or '')}", err=True)
        sys.exit(3)


def _extra_for(module: str) -> str:
    extras = {
        "libsumo": "sumo",
        "sumolib": "sumo",
        "sumo": "sumo",
        "traci": "sumo",
        "pandapower": "grid",
        "simbench": "grid",
        "ray": "scale",
    }
    extra = extras.get(module.split(".")[0])
    if extra is None:
        return f"Run `pip install {module.split('.')[0]}`, or in a checkout `make install`."
    return f"Run `pip install 'lamplighter[{extra}]'`, or in a checkout `make install`."


def results_file(path: Path | None) -> Path | None:
    """Check before a long run that its result can be written; a UsageError says why not."""
    if path is not None and not path.parent.exists():
        raise click.UsageError(f"--json {path}: the folder {path.parent} does not exist; make it first.")
    return path
