# SPDX-License-Identifier: Apache-2.0
"""The with/without table of README: run the evaluation, keep its numbers, write the table from them.

python benchmarks/with_without.py            # three seeds, 16:00 to 20:00, both arms: some minutes
python benchmarks/with_without.py --table    # only write the table again from the numbers that are kept
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from lamplighter.evidence.estimate import paired
from lamplighter.services import discover

HERE = Path(__file__).resolve().parent
NUMBERS = HERE / "results" / "adlershof-evening.json"
README = HERE.parent / "README.md"
BEGIN, END = "<!-- with/without: begin -->", "<!-- with/without: end -->"
COMMAND = (
    "evaluate",
    "--city",
    "adlershof",
    "--arms",
    "baseline,adaptive",
    "--seeds",
    "1,2,3",
    "--from",
    "16:00",
    "--to",
    "20:00",
)


def figure(value: float) -> str:
    """Return a figure with three or four significant digits."""
    size = abs(value)
    digits = 0 if size >= 100 or value == 0 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"


def table(numbers: dict[str, Any]) -> str:
    """Return the Markdown table: without, with, difference with its interval, and what a city could measure."""
    lines = [
        "| service | outcome | without | with | difference (95 % interval) | change | measurable, with |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    seeds = sorted(numbers["arms"]["baseline"])
    for service in discover():
        for outcome in service.outcome_names:
            values = [
                [numbers["arms"][arm][seed].get(service.name, {}).get(outcome.name) for seed in seeds]
                for arm in ("baseline", "adaptive")
            ]
            if any(value is None for arm in values for value in arm):
                continue
            without, with_ = values
            found = paired(without, with_)
            mean = sum(without) / len(seeds)
            change = f"{100 * found.difference / mean:+.0f} %" if mean else ""
            told = [numbers["measured"]["adaptive"][seed].get(service.name, {}).get(outcome.name) for seed in seeds]
            known = [value for value in told if value is not None]
            cells = (
                service.name, f"`{outcome.name}`", figure(mean), figure(sum(with_) / len(seeds)),
                f"{figure(found.difference)} ({figure(found.low)} to {figure(found.high)})", change,
                figure(sum(known) / len(known)) if known else "",
            )  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(text: str, numbers: dict[str, Any]) -> str:
    """Return README with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(numbers)}\n{END}{after}"


def main() -> int:
    """Run the evaluation unless only the table is wanted, then write the table."""
    if "--table" not in sys.argv[1:]:
        NUMBERS.parent.mkdir(exist_ok=True)
        subprocess.run([sys.executable, "-m", "lamplighter", *COMMAND, "--json", str(NUMBERS)], check=True)
    numbers = json.loads(NUMBERS.read_text(encoding="utf-8"))
    README.write_text(written(README.read_text(encoding="utf-8"), numbers), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
