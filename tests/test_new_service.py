# SPDX-License-Identifier: Apache-2.0
"""A fourth service is one new folder and no edited line elsewhere: shown on a copy of the package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import lamplighter
from lamplighter.services import discover
from lamplighter.cli import service_names
from lamplighter.evidence.totals import OutcomeTotals
from lamplighter.history import History, RollUp, by_area
from lamplighter.runtime import drawing, loop
from lamplighter.runtime.cityrun import CityRun, RunPlan
from lamplighter.runtime.recorder import Recorder
from lamplighter.runtime.telling import tell
from lamplighter.services.water.build import made_up_city

def main():
    water = next(s for s in discover() if s.name == "water")
    city = made_up_city(8)
    begin_s = 1768316400.0
    run = CityRun((water,), {"water": city}, RunPlan(1, begin_s, 0.0, {"water": "adaptive"}))
    recorder = Recorder(Path(sys.argv[1]), (water,), {"water": city}, "trial")
    lines, permits = [], 0
    try:
        run.wait_ready()
        for _ in range(40):
            for name, done in run.advance().items():
                recorder.tick(run.run_of(name), done)
                lines += tell(run.run_of(name), done)
                permits += sum(len(p) for p in done.verdict.permits)
                last = done
        shown = drawing.layer_values(run.run_of("water"), last)
        why = drawing.explained("pump-0", run.runs, {"water": last})
    finally:
        run.close()
        recorder.close(run.now_s)
    with History.open(Path(sys.argv[1]) / "history") as history:
        kept = {table: len(history.read(table)["run"]) for table in ("measurements", "outcomes", "decisions")}
    print(json.dumps({
        "package": lamplighter.__file__, "services": [s.name for s in discover()], "commands": list(service_names()),
        "permits": permits, "lines": [line.text for line in lines][:3], "layers": [len(v.asset) for v in shown],
        "why": why.sentences[0], "truth": run.truth["water"].totals(), "kept": kept,
    }))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Return a folder with a copy of the package and the small service put into its services folder."""
    place = tmp_path_factory.mktemp("copy")
    skip = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(repository / "lamplighter", place / "lamplighter", ignore=skip)
    home = place / "lamplighter" / "services" / "water"
    shutil.copytree(repository / "tests" / "water", home, ignore=skip)
    for file in home.glob("*.py"):
        file.write_text(file.read_text(encoding="utf-8").replace("tests.water", "lamplighter.services.water"), encoding="utf-8")
    shutil.copy(repository / ".importlinter", place)
    (place / "trial.py").write_text(SCRIPT, encoding="utf-8")
    return place


def called(place: Path, *command: str) -> str:
    """Run a command on the copy and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(place), "LAMPLIGHTER_DATA": str(place / "data")}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_is_discovered_run_gated_recorded_and_shown(copy: Path, tmp_path: Path) -> None:
    found = json.loads(called(copy, sys.executable, "trial.py", str(tmp_path)).splitlines()[-1])
    assert found["package"].startswith(str(copy))
    assert {"grid", "lighting", "traffic", "water"} <= set(found["services"])
    assert "water" in found["commands"]
    assert found["permits"] > 0
    assert found["lines"][0].startswith("Pump 0 to")
    assert found["layers"] == [8]
    assert "pressure here" in found["why"]
    assert found["truth"]["pressure_lowest_bar"] > 0
    assert all(rows > 0 for rows in found["kept"].values()), found["kept"]


@pytest.mark.slow
def test_its_commands_are_mounted_and_the_contracts_still_hold(copy: Path) -> None:
    command = "import sys; from lamplighter.cli import main; sys.argv[1:] = {}; main()"
    assert "pumps" in called(copy, sys.executable, "-c", command.format(["water", "show"]))
    assert "water" in called(copy, sys.executable, "-c", command.format(["--help"]))
    linter = Path(sys.executable).parent / "lint-imports"
    assert "0 broken" in called(copy, str(linter), "--config", ".importlinter")
