# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid doubt`: likely faults of a grid's model, ranked by evidence, tried on faults that were planted."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from lamplighter.services.grid.commands.told import moving_bar, opened_grid, placed, print_rows, write_json
from lamplighter.services.grid.network.doubt.planted import Trial, doubts_after, recall_of
from lamplighter.services.grid.network.doubt.rank import CABLE, KINDS, LINE_PHASE, Doubt
from lamplighter.services.grid.network.doubt.threephase import with_line_phases
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.readers import has_year, load_year


@click.command()
@click.argument("grid", default="adlershof")
@click.option("--days", default=14, show_default=True, type=click.IntRange(1, 60), help="For how long the meters have spoken.")
@click.option("--seed", default=1, show_default=True, help="Seed of the faults, the demands and the meters' errors.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="How many seeds, counted from --seed.")
@click.option("--no-faults", is_flag=True, help="Plant none: every doubt is then a false one.")
@click.option(
    "--json",
    "into",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=placed,
    help="Write all of it as JSON into this file too.",
)
def doubt(grid: str, days: int, seed: int, seeds: int, no_faults: bool, into: Path | None) -> None:
    """Rank likely faults of GRID's model from station and feeder-end meters, with the evidence, and print the recall.

    The truth is a three-phase power flow of GRID with planted faults that the model does not know: a tenth of all homes on
    another line phase (whole nodes), one link box closed, two cables of another type, every length off by up to a fifth.
    Evidence is the logarithm of a Bayes factor: 3 is strong, 5 decisive. Many faults cannot be told from aggregates, and
    must not be: a single home's line phase hides among its neighbours; `tellable` says how many could be.
    """
    network, year = load_year(grid) if has_year(grid) else (opened_grid(grid).network, None)
    trials: list[Trial] = []
    with moving_bar(Console(stderr=True), f"{network.name}, {days} days", seeds) as advance:
        for number in range(seed, seed + seeds):
            trials.append(doubts_after(with_line_phases(network, number), year, days, number, not no_faults))
            advance(1)
    rows = [_row(trials[0], one) for one in trials[0].doubts]
    print_rows(f"{network.name}: doubts of the model, seed {seed}", rows or [{"doubt": "none"}])
    total: dict[int, dict[str, Any]] = {}
    for trial in trials:
        for found in recall_of(trial):
            row = total.setdefault(
                found.kind,
                {
                    "fault": KINDS[found.kind],
                    "planted": 0,
                    "tellable": 0,
                    "tellable_found": 0,
                    "found": 0,
                    "found_on_feeder": 0,
                    "raised": 0,
                },
            )
            for name in ("planted", "tellable", "tellable_found", "found", "found_on_feeder", "raised"):
                row[name] += getattr(found, name)
    print_rows(f"Recall over {seeds} seed(s)", list(total.values()))
    write_json(into, {"grid": grid, "days": days, "seed": seed, "seeds": seeds, "doubts": rows, "recall": list(total.values())})


def _row(trial: Trial, one: Doubt) -> dict[str, Any]:
    model = trial.model
    where = model.nodes.id[one.element] if one.kind == LINE_PHASE else model.lines.id[one.element]
    spoke = ["station" if meter == ABSENT else str(model.nodes.id[meter]) for meter in one.meters]
    says = {
        LINE_PHASE: f"{one.value:.1f} homes from L{one.from_phase} to L{one.to_phase}",
        CABLE: f"impedance times {one.value:.2f}",
    }
    return {
        "doubt": KINDS[one.kind],
        "where": str(where),
        "says": says.get(one.kind, "closed in the field" if "closed" in KINDS[one.kind] else "open in the field"),
        "evidence": round(one.evidence_ratio, 1),
        "because of": ", ".join(spoke),
    }
