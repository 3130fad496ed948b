# SPDX-License-Identifier: Apache-2.0
"""Where SUMO is: the installed one, or an older one in an environment of its own, brought on demand and checked by hash."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from lamplighter.services.traffic.trials.engine import Installed

# The wheel for Linux on x86-64; SHA-256 as the package index states it.
OLDER = {"1.9.0": "b8fd1c850a076bb10a9d24184ad73c2f2659ec3ebe0354135b1a4779ef1e6f24"}


class VersionError(ValueError):
    """A SUMO version that is not there; the text says how to get it."""


def find_sumo(wanted: str | None) -> Installed:
    """Return SUMO of a version, or the installed one. VersionError where it cannot be had."""
    here = _installed()
    if wanted is None or (here is not None and wanted == here.version):
        if here is None:
            raise VersionError("SUMO is not installed; install it with: pip install 'lamplighter[sumo]'")
        return here
    if wanted not in OLDER:
        known = ", ".join(dict.fromkeys([*([here.version] if here else []), *OLDER]))
        raise VersionError(f"SUMO {wanted} is unknown here; there are {known}")
    return _older(wanted)


def _installed() -> Installed | None:
    spec = find_spec("sumo")
    try:
        number = version("eclipse-sumo")
    except PackageNotFoundError:
        return None
    return Installed(number, Path(spec.origin).parent) if spec is not None and spec.origin is not None else None


def _older(wanted: str) -> Installed:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lamplighter" / f"sumo-{wanted}"
    home = cache / "sumo"
    if not (home / "bin" / "sumo").is_file():
        _bring(wanted, cache)
    return Installed(wanted, home)


def _bring(wanted: str, cache: Path) -> None:
    """Have pip unpack the wheel into the cache; its hash is checked before anything of it is used."""
    cache.mkdir(parents=True, exist_ok=True)
    pinned = cache / "pinned.txt"
    pinned.write_text(f"eclipse-sumo=={wanted} --hash=sha256:{OLDER[wanted]}\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
               "--target", str(cache), "-r", str(pinned)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise VersionError(
            f"SUMO {wanted} could not be brought to {cache}: {last}. Check the package index, or leave --sumo-version out."
        )
