# SPDX-License-Identifier: Apache-2.0
"""`lamplighter bench loop`: how fast the bare loop is on this machine."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from lamplighter.cli import results_file
from lamplighter.cli.progress import progress_bar
from lamplighter.cli.tables import wide_console
from lamplighter.runtime.bench import LoopBench, bench_loop

TARGET_P99_S = 0.25


@click.group("bench")
def bench() -> None:
    """Measure lamplighter on this machine. Figures depend on the machine: quote them with it."""


@bench.command("loop")
@click.option("--scale", default=1.0, show_default=True, type=click.FloatRange(0.0001, 10), help="Share of the full size.")
@click.option("--seconds", default=240, show_default=True, type=click.IntRange(1, 36_000), help="Seconds of city time to drive.")
@click.option("--seed", default=1, show_default=True, help="Seed of the made-up city.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to this file.")
def loop_command(scale: float, seconds: int, seed: int, json_file: Path | None) -> None:
    """Drive the bare loop: read, admit, fold, decide, examine, deliver, record.

    Full size is 10,000 junctions of 8 approaches every second, 1,000,000 lamps and 50,000 transformers every minute.
    """
    results_file(json_file)
    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task("bare loop", total=1.0)
        found = bench_loop(scale, seconds, seed, lambda share: bar.update(task, completed=share))
    wide_console().print(_table(found))
    for fault in found.faults:
        click.echo(fault, err=True)
    if json_file is not None:
        json_file.write_text(json.dumps(_as_json(found, scale, seconds, seed), indent=1) + "\n", encoding="utf-8")


def _table(found: LoopBench) -> Table:
    title = f"Bare loop: tick p50 {found.percentile_s(0.5):.4f} s, p99 {found.percentile_s(0.99):.4f} s (target {TARGET_P99_S} s)"
    table = Table(title=title, caption=found.machine)
    table.add_column("stage or service")
    table.add_column("share of the time", justify="right")
    table.add_column("p99 of its ticks, s", justify="right")
    table.add_column("assets", justify="right")
    for stage, share in found.stage_share.items():
        table.add_row(stage, f"{share:.1%}", "", "")
    for name, p99_s in found.service_p99_s.items():
        table.add_row(name, "", f"{p99_s:.4f}", f"{found.assets[name]:,}")
    return table


def _as_json(found: LoopBench, scale: float, seconds: int, seed: int) -> dict[str, object]:
    return {
        "tick_p50_s": found.percentile_s(0.5),
        "tick_p99_s": found.percentile_s(0.99),
        "tick_max_s": float(found.tick_s.max()),
        "stage_share": found.stage_share,
        "service_stage_s": found.service_stage_s,
        "service_p99_s": found.service_p99_s,
        "assets": found.assets,
        "frames": found.frames,
        "permits": found.permits,
        "refusals": found.refusals,
        "faults": list(found.faults),
        "scale": scale,
        "seconds": seconds,
        "seed": seed,
        "machine": found.machine,
    }
