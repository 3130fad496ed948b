# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference from the code, so that the tables there cannot drift. `--check` only compares."""

import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from lamplighter import privacy, safety
from lamplighter.cli import cli
from lamplighter.history import FLOORS, TABLES
from lamplighter.services import discover
from lamplighter.terms.service import Service

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Written by scripts/reference.py from the code. Change the code, then run it. -->\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; bars inside cells are escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    return f"{value:g}"


def quantities(services: Sequence[Service]) -> str:
    """What may be measured: the closed vocabulary."""
    text = "# Quantities\n\nWhat may be measured, and nothing else: a frame about anything not listed here is refused.\n"
    for service in services:
        rows = [
            (f"`{q.name}`", q.of, q.unit, _figure(q.step), f"{q.low:g} to {q.high:g}", q.kind, q.window_min_s, q.doc)
            for q in service.quantities
        ]
        head = ("quantity", "of", "unit", "step", "from - to", "kind", "shortest window, s", "what it is")
        text += f"\n## {service.title}\n\n{table(head, rows)}"
        if service.beliefs:
            told = [(f"`{b.name}`", b.unit, f"{b.low:g} to {b.high:g}", b.doc) for b in service.beliefs]
            head = ("belief", "unit", "from - to", "what it is")
            text += f"\nWorked out from them and told of assets of the whole city:\n\n{table(head, told)}"
    return text


def assets(services: Sequence[Service]) -> str:
    """What stands in a city."""
    text = "# Assets and the tables of a city folder\n\n`assets.csv` lists every asset of every service once.\n"
    for service in services:
        kinds = [
            (f"`{k.name}`", k.doc, "yes" if k.feeds else "", "yes" if k.needs_power else "", k.supplied if k.needs_power else "")
            for k in service.kinds
        ]
        heading = ("kind", "what it is", "feeds others", "hangs on a node", "supplied again as")
        text += f"\n## {service.title}\n\n{table(heading, kinds)}"
        for spec in service.tables:
            rows = [
                (f"`{c.name}`", c.kind, "" if c.low is None else _figure(c.low), "" if c.high is None else _figure(c.high),
                 ", ".join(c.one_of) or c.refers_to or "", "yes" if c.optional else "", c.doc)
                for c in spec.columns
            ]  # fmt: skip
            head = ("column", "type", "least", "most", "one of / refers to", "optional", "what it is")
            text += (
                f"\n### `{service.name}/{spec.name}.csv`\n\n{spec.doc} Unique by {', '.join(spec.key)}.\n\n{table(head, rows)}"
            )
    return text


def actions(services: Sequence[Service]) -> str:
    """What may be asked of a box, and what keeps it safe."""
    text = (
        "# Actions and interlocks\n\nEvery proposal passes the checks that no service can opt out of, then the service's own.\n\n"
    )
    text += table(("check", "unit", "what it holds"), [(rule.name, rule.unit, rule.doc) for rule in safety.GENERIC])
    for service in services:
        rows = [
            (f"`{a.name}`", a.of, "; ".join(f"`{c.name}` {c.low:g} to {c.high:g}" for c in a.columns), _figure(a.lease_max_s),
             _figure(a.change_min_s), a.doc)
            for a in service.actions
        ]  # fmt: skip
        head = ("action", "of", "columns", "longest lease, s", "shortest time between changes, s", "what it does")
        text += f"\n## {service.title}\n\n{table(head, rows)}\n"
        locks = [(i.rule.name, i.scope, ", ".join(i.actions), i.rule.unit, i.rule.clause, i.rule.doc) for i in service.interlocks]
        text += table(("interlock", "row or set", "of", "unit", "clause", "what it holds"), locks)
    return text


def outcomes(services: Sequence[Service]) -> str:
    """What residents would notice."""
    text = "# Outcomes\n\nThe unit ends the name. Outcomes marked *simulated only* need what no city may collect.\n"
    for service in services:
        rows = [
            (f"`{o.name}`", o.better, o.combine, "" if o.measurable else "simulated only", o.doc) for o in service.outcome_names
        ]
        text += f"\n## {service.title}\n\n{table(('outcome', 'better', 'put together by', '', 'what it is'), rows)}"
    return text


def record(_: Sequence[Service]) -> str:
    """What is written down, and what never is."""
    text = "# The record plane\n\nNothing finer than these floors is ever written, logged, exported or sent to a browser.\n\n"
    text += table(
        ("group", "shortest window, s", "fewest members"), [(k, f.window_min_s, f.members_min) for k, f in FLOORS.items()]
    )
    text += f"\nThe gate's own constants: windows of {privacy.RECORD_WINDOW_MIN_S} s or more, "
    text += f"cells of {privacy.RECORD_CELL_LAMPS_MIN} lamps or more, "
    text += f"cells of {privacy.RECORD_CELL_CONNECTIONS_MIN} connections or more.\n"
    for spec in TABLES.values():
        columns = ", ".join(f"`{name}`" for name, _ in spec.columns)
        days = f"{spec.keep_max_s / 86400:.0f}"
        text += f"\n## `{spec.name}`\n\n{spec.doc}; kept at most {days} days. Columns: {columns}.\n"
    return text


def commands(_: Sequence[Service]) -> str:
    """The command line, as its own help says it."""
    parts = ["# Commands\n"]

    def walk(command: click.Command, path: str) -> None:
        context = click.Context(command, info_name=path, terminal_width=78)
        parts.append(f"\n## `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                if below is not None:
                    walk(below, f"{path} {name}")

    walk(cli, "lamplighter")
    return "".join(parts)


PAGES: dict[str, Callable[[Sequence[Service]], str]] = {
    "quantities.md": quantities, "assets.md": assets, "actions.md": actions, "outcomes.md": outcomes, "record.md": record,
    "commands.md": commands,
}  # fmt: skip


def stale() -> dict[str, str]:
    """Return the pages that do not say what the code says, with the lines that differ."""
    services = discover()
    found: dict[str, str] = {}
    for name, page in PAGES.items():
        made, path = NOTE + page(services), FOLDER / name
        written = path.read_text("utf-8") if path.is_file() else ""
        if made != written:
            lines = difflib.unified_diff(written.splitlines(), made.splitlines(), "written", "said by the code", lineterm="", n=0)
            found[name] = "\n".join(lines)
    return found


def main() -> int:
    """Write the pages, or with --check say which are stale."""
    if "--check" in sys.argv[1:]:
        pages = stale()
        if pages:
            sys.stderr.write(f"docs/reference is stale: {', '.join(pages)}. Run scripts/reference.py and commit.\n")
            sys.stderr.write("\n".join(pages.values()) + "\n")
        return 1 if pages else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    services = discover()
    for name, page in PAGES.items():
        (FOLDER / name).write_text(NOTE + page(services), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
