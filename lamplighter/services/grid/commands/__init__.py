# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid`: a table of subcommands, each in a module of its own that is imported when it is called."""

import importlib

import click

HERE = "lamplighter.services.grid.commands"
COMMANDS = {
    "hosting": (f"{HERE}.hosting:hosting", "Find how many electric cars a grid hosts, by several ways of steering."),
    "show": (f"{HERE}.show:show", "Draw any grid with loading and voltage, and show its stations' headroom."),
    "export": (f"{HERE}.export:export", "Write any grid as pandapower or power-grid-model JSON."),
    "estimate": (f"{HERE}.estimate:estimate", "Estimate states of a grid from its meters, beside the truth."),
    "observe": (f"{HERE}.observe:observe", "Say what meters see of a grid, how sure, and where the next one helps most."),
    "doubt": (f"{HERE}.doubt:doubt", "Rank likely faults of a grid's model by what its meters say."),
    "reconfigure": (f"{HERE}.reconfigure:command", "Find the configuration of least loss, with a proved bound."),
    "restore": (f"{HERE}.restore:command", "Supply most again after a fault, with a switching sheet."),
}


class CommandTable(click.Group):
    """Subcommands by name; nothing of a subcommand is imported before it is called or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand by name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{name} is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=CommandTable)
def commands() -> None:
    """The power grid: its state, its headroom and what its meters can tell."""
