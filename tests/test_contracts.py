# SPDX-License-Identifier: Apache-2.0
"""The floors of the house hold, and the contracts that say so notice when they do not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the package in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    options = ["--no-cache", "--config", str(folder / ".importlinter")]
    return subprocess.run(
        [*command, *options], cwd=folder, env={"PYTHONPATH": str(folder)}, text=True, capture_output=True, check=False
    )


def test_contracts_are_kept(repository: Path) -> None:
    done = lint_imports(repository)
    assert done.returncode == 0, done.stdout + done.stderr


BREACHES = [
    ("terms/quantity.py", "import lamplighter.runtime", "Imports only go down"),
    ("somewhere.py", "", "Imports only go down"),
    ("services/water/adaptive.py", "import lamplighter.services.gas.terms", "No service imports another"),
    ("twin.py", "import lamplighter.services.water.terms", "The spine names no service"),
    ("services/water/adaptive.py", "import lamplighter.services.water.interlock", "Deciders do not read interlocks"),
    ("services/water/interlock.py", "import lamplighter.services.water.baseline", "Interlocks do not read deciders"),
    ("services/water/interlock.py", "import time", "Deciding and checking do no input or output"),
    ("privacy.py", "import socket", "Deciding and checking do no input or output"),
    ("services/water/outcomes.py", "import lamplighter.terms.reading", "Raw readings stay low"),
]


@pytest.fixture(scope="module")
def house(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package's skeleton: every module's name, and nothing in it but two small services."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(repository / ".importlinter", folder)
    for source in sorted((repository / "lamplighter").rglob("*.py")):
        place = folder / source.relative_to(repository)
        if "tests" not in place.parts:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("")
    for service in ("water", "gas"):
        for name in ("__init__", "terms", "wire", "adaptive", "baseline", "interlock", "outcomes", "simulator"):
            place = folder / "lamplighter" / "services" / service / f"{name}.py"
            place.parent.mkdir(exist_ok=True)
            place.write_text("")
    return folder


def test_an_empty_house_keeps_the_contracts(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("module", "line", "contract"), BREACHES)
def test_contracts_notice_a_breach(house: Path, module: str, line: str, contract: str) -> None:
    place = house / "lamplighter" / module
    before = place.read_text() if place.exists() else None
    place.write_text(line + "\n")
    try:
        done = lint_imports(house)
    finally:
        place.unlink() if before is None else place.write_text(before)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout, done.stdout + done.stderr
