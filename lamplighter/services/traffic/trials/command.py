# SPDX-License-Identifier: Apache-2.0
"""`lamplighter evaluate --sumo ...`: ways of running signals, side by side on any SUMO scenario."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lamplighter.services.traffic.trials.rules import CADENCES, INTERGREENS
from lamplighter.services.traffic.trials.scenario import ScenarioError, find_scenario

ARMS = ("own", "actuated", "delay_based", "maxpressure", "maxwave", "adaptive")


def _parts(text: str, allowed: tuple[str, ...], option: str) -> tuple[str, ...]:
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    wrong = [part for part in parts if part not in allowed]
    if wrong or not parts:
        raise click.BadParameter(f"{', '.join(wrong) or 'nothing'}: choose from {', '.join(allowed)}", param_hint=option)
    return parts


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdigit() for part in parts) or len(set(parts)) != len(parts):
        raise click.BadParameter(f"{text!r}: whole numbers from 0 up, each once, separated by commas", param_hint="--seeds")
    return tuple(int(part) for part in parts)


@click.command("evaluate")
@click.option("--sumo", "paths", multiple=True, required=True, type=click.Path(path_type=Path),
              help="A *.sumocfg, or a folder with one; may be given again.")  # fmt: skip
@click.option("--arms", default="own,actuated,maxpressure,adaptive", show_default=True, help=f"Of: {', '.join(ARMS)}.")
@click.option("--sensing", default="radar", show_default=True, type=click.Choice(["radar", "loops"]),
              help="What the adaptive arm sees: cells of 25 m over 200 m, or two loops per lane.")  # fmt: skip
@click.option("--cadence", default="resco", show_default=True, type=click.Choice(CADENCES),
              help="Choices at the published steps (10 s, 3 s of them yellow), or every second.")  # fmt: skip
@click.option("--seeds", default="1,2,3,4,5", show_default=True, help="SUMO's seeds.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every number to this file.")
@click.option("--sumo-version", "version", help="An older SUMO, brought on demand: 1.9.0. Default: the installed one.")
@click.option("--intergreens", default="published", show_default=True, type=click.Choice(INTERGREENS),
              help="Yellow alone, or red-amber, clearance and walking times besides, in every arm.")  # fmt: skip
@click.option("--detector-loss", "lost_share", default=0.0, show_default=True, type=click.FloatRange(0.0, 1.0),
              help="Share of lanes whose detectors are silent.")  # fmt: skip
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many runs at the same time.")
def evaluate_sumo(
    paths: tuple[Path, ...], arms: str, sensing: str, cadence: str, seeds: str, json_file: Path | None, version: str | None,
    intergreens: str, lost_share: float, jobs: int,
) -> None:  # fmt: skip
    """Compare ways of running the signals of a SUMO scenario: its own programmes, rivals, and lamplighter.

    The scenario's own begin, end, additional files and programmes are used, in steps of one second; nobody is lifted
    over a jam. Delay is the mean over all vehicles of time lost plus delay of insertion, unfinished trips included.
    Nothing is written beside the scenario.
    """
    from lamplighter.services.traffic.trials import compare, tell
    from lamplighter.services.traffic.trials.installed import VersionError, find_sumo
    from lamplighter.services.traffic.trials.one import Conditions

    if json_file is not None and not json_file.parent.exists():
        raise click.UsageError(f"--json {json_file}: the folder {json_file.parent} does not exist; make it first.")
    chosen, numbers = _parts(arms, ARMS, "--arms"), _seeds(seeds)
    try:
        scenarios = tuple(find_scenario(path) for path in dict.fromkeys(paths))
        find_sumo(version)
    except (ScenarioError, VersionError) as error:
        raise click.ClickException(str(error)) from error
    names = [scenario.name for scenario in scenarios]
    if len(set(names)) != len(names):
        raise click.UsageError(f"--sumo: two scenarios have the same name ({', '.join(names)}); rename a folder or file.")
    console = Console(stderr=True)
    plan = compare.Plan(scenarios, chosen, numbers, Conditions(cadence, sensing, version, intergreens == "full", lost_share))
    with _progress(console) as bar:
        task = bar.add_task(f"scenarios {len(names)} x arms {len(chosen)} x seeds {len(numbers)}", total=None)
        outcome = compare.compare(plan, jobs, lambda done, all_runs: bar.update(task, completed=done, total=all_runs))
    tell.tell(outcome)
    if json_file is not None:
        json_file.write_text(json.dumps(compare.as_json(outcome), indent=1) + "\n", encoding="utf-8")
        console.print(f"Every number: {json_file}", highlight=False)
    for sentence in outcome.failed:
        console.print(f"[red]failed[/red] {sentence}", highlight=False)
    if outcome.failed:
        raise SystemExit(1)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), console=console,
    )  # fmt: skip
