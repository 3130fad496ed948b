# SPDX-License-Identifier: Apache-2.0
"""The independent oracle of the diagnosis: `atspm` of Oregon's Department of Transportation, in an environment of its own.

It brings pyarrow, which must not meet libsumo and is no part of the product, so it is installed beside the checkout, in
the user's cache (LAMPLIGHTER_ORACLE names another folder), once per lock file. Where it cannot be, tests skip and say so.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]
LOCK = ROOT / "requirements" / "atspm.lock"
SCRIPT = Path(__file__).parent / "oracle_atspm.py"
INSTALL_S, RUN_S = 300, 300


def _folder() -> Path:
    said = os.environ.get("LAMPLIGHTER_ORACLE")
    if said:
        return Path(said)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "lamplighter" / f"atspm-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"


def _install(folder: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    python = folder / "bin" / "python"
    commands = [
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--require-hashes", "-r", str(LOCK)],
    ]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S)


@cache
def python() -> Path:
    """Return the Python that has atspm, installing it where it is missing; skips where it cannot be installed."""
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            try:
                _install(folder)
            except (OSError, subprocess.SubprocessError) as error:
                said = getattr(error, "stderr", b"") or b""
                pytest.skip(f"atspm cannot be installed beside the checkout: {error} {said.decode(errors='replace')[-300:]}")
            (folder / "complete").touch()
    return folder / "bin" / "python"


def ask(what: str, log: Path, detectors: Path, out: Path) -> dict[str, Any]:
    """Let atspm measure a log (`measure`, `time`), or write its sample (`sample`); return what it said."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python()), str(SCRIPT), what, str(log), str(detectors), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {} if what == "sample" else json.loads(out.read_text())
