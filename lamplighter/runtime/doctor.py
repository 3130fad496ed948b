# SPDX-License-Identifier: Apache-2.0
"""What is missing on this machine, and how to mend it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import lamplighter
from lamplighter.city.directory import data_directory, find_city
from lamplighter.city.faults import CityError
from lamplighter.city.manifest import FILE as MANIFEST
from lamplighter.city.manifest import read_toml

PYTHON_MIN = (3, 11)
CORES_MIN = 2
FREE_MIN_GB = 2.0
PACKAGE = Path(lamplighter.__file__).parent

NeededFor = Literal["demo", "tests", "connectors", "imports", "scale-out"]

# Extra of the package, the distributions that it brings, and what is not to be had without it.
EXTRAS: tuple[tuple[str, tuple[str, ...], NeededFor], ...] = (
    ("sumo", ("eclipse-sumo", "libsumo", "sumolib", "traci"), "demo"),
    ("grid", ("pandapower", "simbench"), "imports"),
    ("projections", ("pyproj",), "imports"),
    ("mqtt", ("paho-mqtt",), "connectors"),
    ("scale", ("ray",), "scale-out"),
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what, whether it is sound, what was seen, and what mends it (empty where sound)."""

    what: str
    ok: bool
    observed: str
    remedy: str
    needed_for: NeededFor = "demo"


def checks(city: str = "adlershof", port: int = 8000) -> tuple[Check, ...]:
    """Return everything that was looked at on this machine, what the demo needs first.

    city: name of the demo city; port: where the page is served. Nothing is changed: the data folder gets a file that is
    removed at once.
    """
    data = data_directory()
    return (
        python_version(),
        *(extra(name, distributions, needed_for) for name, distributions, needed_for in EXTRAS[:1]),
        traffic_engine(),
        page_built(),
        city_built(city),
        data_writable(data),
        free_space(data),
        port_free(port),
        cores(os.cpu_count() or 1),
        clock(time.time()),
        timezones(),
        *(extra(name, distributions, needed_for) for name, distributions, needed_for in EXTRAS[1:]),
        program("chromium", ("chromium", "chromium-browser", "google-chrome"), "chromium", "tests"),
        program("MQTT broker", ("mosquitto", "/usr/sbin/mosquitto"), "mosquitto", "connectors"),
    )


def render(found: tuple[Check, ...]) -> str:
    """Return the checks as lines of text: sound ones on one line each, the others with what mends them."""
    width = max((len(check.what) for check in found), default=0)
    lines: list[str] = []
    for check in found:
        lines.append(f"{'ok  ' if check.ok else 'MEND'}  {check.what:<{width}}  {check.observed}")
        if not check.ok:
            lines.append(f"{'':<{width + 8}}for {check.needed_for}: {check.remedy}")
    missing = [check.what for check in found if not check.ok and check.needed_for == "demo"]
    lines.append("")
    lines.append(f"The demo city cannot run yet: {', '.join(missing)}." if missing else "The demo city can run on this machine.")
    return "\n".join(lines)


def python_version() -> Check:
    """Look at the Python that runs this."""
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON_MIN))
    remedy = f"install Python {wanted} or newer and run make install PYTHON=/path/to/it"
    return result("Python", sys.version_info[:2] >= PYTHON_MIN, f"{version}, needed {wanted} or newer", remedy)


def extra(name: str, distributions: tuple[str, ...], needed_for: NeededFor) -> Check:
    """Look whether what an extra brings is installed. Nothing is imported: libsumo must not enter this process."""
    found = {distribution: installed_version(distribution) for distribution in distributions}
    absent = [distribution for distribution, version in found.items() if not version]
    observed = (
        f"not installed: {', '.join(absent)}" if absent else ", ".join(f"{one} {version}" for one, version in found.items())
    )
    return result(f"extra [{name}]", not absent, observed, f"{sys.executable} -m pip install 'lamplighter[{name}]'", needed_for)


def installed_version(distribution: str) -> str:
    """Return the version of an installed distribution, empty where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def traffic_engine() -> Check:
    """Start SUMO's engine in a process of its own: it links libraries of the system that its wheel does not bring."""
    command = [sys.executable, "-c", "import libsumo; print(libsumo.__file__)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return result("SUMO engine", False, "did not start within 60 s", "free the processor and ask again")
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    remedy = "install what is named: as root, scripts/debian-packages.sh run; where libsumo itself is missing, make install"
    return result(
        "SUMO engine", done.returncode == 0, "starts" if done.returncode == 0 else lines[-1] if lines else "fails", remedy
    )


def page_built(static: Path = PACKAGE / "web" / "static") -> Check:
    """Look whether the page was built at installation."""
    there = (static / "index.html").is_file()
    return result(
        "page", there, "built" if there else f"no index.html in {static}", "make install builds it, with the Node that it brings"
    )


def city_built(name: str) -> Check:
    """Look whether the demo city is there and was built by this version."""
    remedy = f"lamplighter city build {name}"
    try:
        folder = find_city(name)
        version = str(read_toml(folder / MANIFEST, MANIFEST).get("city", {}).get("version", "unknown"))
    except CityError:
        return result(f"city {name}", False, "not built, or its city.toml cannot be read", remedy)
    observed = f"built by version {version}, this is {lamplighter.__version__}"
    return result(f"city {name}", version == lamplighter.__version__, observed, remedy)


def data_writable(data: Path) -> Check:
    """Look whether cities and history can be written."""
    remedy = "give yourself that folder (chown, chmod), or name another in LAMPLIGHTER_DATA"
    try:
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data) as file:
            file.write(b"lamplighter")
    except OSError as error:
        return result("data folder", False, f"{data}: {error.strerror or error}", remedy)
    return result("data folder", True, str(data), remedy)


def free_space(data: Path) -> Check:
    """Look whether the disk has room for days of history."""
    folder = next((one for one in (data, *data.parents) if one.is_dir()), Path(os.sep))
    free_gb = shutil.disk_usage(folder).free / 1e9
    observed = f"{free_gb:.1f} GB free under {folder}, needed {FREE_MIN_GB:.0f} GB"
    return result("disk", free_gb >= FREE_MIN_GB, observed, "free some, or name a folder on another disk in LAMPLIGHTER_DATA")


def port_free(port: int) -> Check:
    """Look whether the page's port can be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            remedy = f"stop what uses it (see: ss -ltnp 'sport = :{port}'), or start with --port {port + 1}"
            return result(f"port {port}", False, f"127.0.0.1:{port}: {error.strerror}", remedy)
    return result(f"port {port}", True, "free", "")


def cores(count: int) -> Check:
    """Look whether the loop and the simulated field can run side by side."""
    return result(
        "processor", count >= CORES_MIN, f"{count} cores, advised {CORES_MIN}", "it runs on one too, at half the speed", "tests"
    )


def clock(now_s: float) -> Check:
    """Look whether the clock is in its right years: a lease and a window mean nothing on a clock that is not."""
    installed_s = (PACKAGE / "__init__.py").stat().st_mtime
    observed = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    sane = installed_s - 86_400 <= now_s < installed_s + 50 * 366 * 86_400
    return result(
        "clock", sane, observed, "set the clock (timedatectl set-ntp true): it stands before the installation or decades after"
    )


def timezones() -> Check:
    """Look whether the time zone data base is there: a city keeps its own local time."""
    try:
        zone = ZoneInfo("Europe/Berlin").key
    except ZoneInfoNotFoundError as error:
        return result("time zones", False, str(error), "apt-get install tzdata, or pip install tzdata")
    return result("time zones", True, f"{zone} known", "")


def program(what: str, names: tuple[str, ...], package: str, needed_for: NeededFor) -> Check:
    """Look for a program under any of its names."""
    found = next((path for path in map(shutil.which, names) if path), None)
    return result(what, found is not None, found or "not found", f"as root: apt-get install {package}", needed_for)


def result(what: str, ok: bool, observed: str, remedy: str, needed_for: NeededFor = "demo") -> Check:
    """Return a check whose remedy is empty where nothing needs one."""
    return Check(what, ok, observed, "" if ok else remedy, needed_for)
