# SPDX-License-Identifier: Apache-2.0
"""The house rules hold in every file, and the rules themselves notice what they are for."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.tidy_rules import HEADER, Fault, Source, faults, impurities, parse

# Put together from pieces, so that this file does not hold what it forbids.
SLASH = "/"
MACHINE_PATHS = re.compile(
    SLASH + rf"(?:work|root|srv|tmp|home{SLASH}[a-z][a-z0-9_-]*|Users{SLASH}\w+){SLASH}|[A-Z]:\\\\Users\\\\"
)
REGISTRIES = re.compile(
    r"pypi\.org" + r"|files\.python" + r"hosted|registry\.npm" + r"js|--(?:extra-)?index" + r"-url[ =]|\"resolved\": *\"http"
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
SEERS = re.compile(
    r"face[_-]?recog"
    r"nition|insight"
    r"face|deep"
    r"face|face"
    r"net|open"
    r"alpr|fast-?"
    r"alpr|easy"
    r"ocr|ultra"
    r"lytics|py" + r"shark|\bsca" + r"py\b|opencv-" + r"python|media" + r"pipe|pytess" + r"eract|blue" + r"py\b|deep-?so" + r"rt",
    re.IGNORECASE,
)
CODE = {".py", ".pyi", ".ts", ".js", ".mjs", ".svelte", ".css", ".html", ".sh", ".toml", ".cfg"}
PICTURES = {".png", ".jpg", ".jpeg", ".ico", ".woff", ".woff2", ".pbf", ".parquet", ".gz", ".webp"}


def tracked(repository: Path) -> list[PurePosixPath]:
    """Return the files that git tracks and that are still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True).stdout
    return [PurePosixPath(name) for name in sorted(listed.split("\0")) if name and (repository / name).is_file()]


@pytest.fixture(scope="module")
def sources(repository: Path) -> list[Source]:
    """Return every tracked Python file, parsed."""
    return [parse(str(path), (repository / path).read_text()) for path in tracked(repository) if path.suffix == ".py"]


@pytest.fixture(scope="module")
def texts(repository: Path) -> list[tuple[PurePosixPath, str]]:
    """Return every tracked text file."""
    files = [path for path in tracked(repository) if path.suffix not in PICTURES]
    return [(path, (repository / path).read_text(errors="replace")) for path in files]


def tell(found: list[Fault]) -> str:
    return f"{len(found)} house rules broken:\n" + "\n".join(map(str, found))


def test_every_file_keeps_the_house_rules(sources: list[Source]) -> None:
    found = [fault for source in sources for fault in faults(source)]
    assert not found, tell(found)


def test_what_pure_modules_import_is_pure_too(sources: list[Source]) -> None:
    found = [fault for source in pure_closure(sources) for fault in impurities(source)]
    assert not found, tell(found)


def test_no_machine_and_no_registry_is_named(texts: list[tuple[PurePosixPath, str]]) -> None:
    found = [
        *search(texts, MACHINE_PATHS, "a path of one machine", "name it from the checkout, or take it as an option"),
        *search(
            texts,
            REGISTRIES,
            "the address of a package registry",
            "keep versions and hashes only; pip and npm know where to look",
        ),
    ]
    assert not found, tell(found)


def test_nothing_is_left_unfinished(texts: list[tuple[PurePosixPath, str]]) -> None:
    code = [(path, text) for path, text in texts if path.suffix in CODE]
    found = list(search(code, UNFINISHED, "something unfinished", "finish it or take it out"))
    assert not found, tell(found)


def test_no_library_sees_people(texts: list[tuple[PurePosixPath, str]]) -> None:
    found = list(
        search(texts, SEERS, "a library that sees people, plates or what they carry", "lamplighter carries none: take it out")
    )
    assert not found, tell(found)


def search(texts: list[tuple[PurePosixPath, str]], pattern: re.Pattern[str], what: str, remedy: str) -> Iterator[Fault]:
    """Yield a fault for every line in which the pattern stands."""
    for path, text in texts:
        if pattern.search(text):
            for number, line in enumerate(text.splitlines(), 1):
                for hit in pattern.finditer(line):
                    yield Fault(path, number, f"{what} (`{hit.group()}`)", remedy)


def pure_closure(sources: list[Source]) -> list[Source]:
    """Return the pure modules and every module of lamplighter that they import, directly or not."""
    # a folder's table of contents names everything in it, the simulator too: taking a module from it takes that module only
    listed = [source for source in sources if source.parts and (source.pure or source.path.stem != "__init__")]
    by_name = {".".join(("lamplighter", *source.parts)).removesuffix(".__init__"): source for source in listed}
    reached: dict[str, Source] = {}
    waiting = [name for name, source in by_name.items() if source.pure]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in reached:
            reached[name] = by_name[name]
            waiting += imported(by_name[name])
    return list(reached.values())


def imported(source: Source) -> list[str]:
    """Return the dotted names that a file imports; a name taken from a module counts as a module too."""
    names: list[str] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


WIRE = "lamplighter/services/water/wire.py"
BAD = [
    ("lamplighter/twin.py", "import numpy\n", "the licence is not named"),
    ("lamplighter/twin.py", f"{HEADER}\n" + "\n" * 400, "401 lines, allowed 400"),
    ("lamplighter/twin.py", f"{HEADER}\ndef fold():\n" + "    fold()\n" * 70, "fold has 71 lines"),
    ("lamplighter/twin.py", f"{HEADER}\ndef fold(a, b, c, d, *, e, f, **g): ...\n", "fold takes 7 parameters"),
    ("lamplighter/city/utils.py", f"{HEADER}\n", "`utils` says nothing"),
    ("lamplighter/common/streets.py", f"{HEADER}\n", "`common` says nothing"),
    ("lamplighter/twin.py", f"{HEADER}\nrows = Measurements(a)\n", "makes Measurements"),
    ("lamplighter/privacy.py", f"{HEADER}\nrows = decision.Permits(a)\n", "makes Permits"),
    (WIRE, f"{HEADER}\nfrom lamplighter.terms.decision import Permits as P\n", "renames a gate's type"),
    (WIRE, f"{HEADER}\n@dataclass(frozen=True)\nclass Pump:\n    head: float\n", "float field Pump.head"),
    (WIRE, f"{HEADER}\nclass Pump(Struct):\n    flow: float | None = None\n", "float field Pump.flow"),
    (WIRE, f"{HEADER}\n@dataclass\nclass Pumps:\n    head: FloatArray\n", "float field Pumps.head"),
    (WIRE, f"{HEADER}\nimport numpy as np\ndice = np.random.default_rng(1)\n", "rolls numpy's dice"),
    (WIRE, f"{HEADER}\nfrom numpy import random\n", "imports numpy.random"),
    (WIRE, f"{HEADER}\nimport importlib.metadata\n", "imports importlib"),
    (WIRE, f"{HEADER}\nimport time\n", "imports time"),
    (WIRE, f"{HEADER}\nopen('x')\n", "calls open()"),
    (WIRE, f"{HEADER}\nfolder.write_text('x')\n", "reads or writes a file"),
    (WIRE, f"{HEADER}\nat = datetime.now()\n", "reads the clock"),
    ("lamplighter/forecast.py", f"{HEADER}\nimport socket\n", "imports socket"),
    (WIRE, f"{HEADER}\ndef run(phase): ...\n", "the bare name `phase`"),
    (WIRE, f"{HEADER}\nlevels = 1\n", "the bare name `levels`"),
    ("lamplighter/services/traffic/wire.py", f"{HEADER}\nload = 1\n", "say flow or demand"),
    ("lamplighter/services/lighting/wire.py", f"{HEADER}\nfeeder = 1\n", "say cabinet"),
    (WIRE, f"{HEADER}\nlicence_plate = 1\n", "has room for a person"),
    (WIRE, f"{HEADER}\ncolumns = ['idTag']\n", "has room for a person"),
    (WIRE, f"{HEADER}\ndef gate(vehicle_id): ...\n", "has room for a person"),
]

GOOD = [
    ("lamplighter/privacy.py", f"{HEADER}\nrows = Measurements(a)\n"),
    ("lamplighter/services/water/tests/test_wire.py", f"{HEADER}\nrows = Permits(a)\nimport time\n"),
    (WIRE, f"{HEADER}\n@dataclass\nclass Pump:\n    head_m: float\n    fill_share: float\n    at: Callable[[float], float]\n"),
    (WIRE, f"{HEADER}\nsurface = typeface = signal_phase_count = 1\nrng.random()\nreopen('x')\n"),
    (WIRE, f"{HEADER}\n@njit(cache=True)\ndef fill(a, b, c, d, e, f, g): ...\n"),
    (WIRE, f"{HEADER}\nclass Pump:\n    def turn(self, a, b, c, d, e, f): ...\n"),
    ("lamplighter/services/grid/wire.py", f"{HEADER}\nload = feeder = node = 1\n"),
    ("lamplighter/services/water/simulator.py", f"{HEADER}\nimport time\nvehicle_ids = time.time()\n"),
    ("lamplighter/runtime/loop.py", f"{HEADER}\nimport time\nopen('x')\n"),
]


@pytest.mark.parametrize(("path", "text", "message"), BAD)
def test_rules_notice(path: str, text: str, message: str) -> None:
    found = [str(fault) for fault in faults(parse(path, text))]
    assert [fault for fault in found if message in fault and fault.startswith(f"{path}:")], found


@pytest.mark.parametrize(("path", "text"), GOOD)
def test_rules_do_not_nag(path: str, text: str) -> None:
    assert faults(parse(path, text)) == []


def test_impurity_is_noticed_behind_an_import() -> None:
    wire = parse(WIRE, f"{HEADER}\nfrom lamplighter.services.water import pumps\n")
    pumps = parse("lamplighter/services/water/pumps.py", f"{HEADER}\nimport time\n")
    assert [source.path.name for source in pure_closure([wire, pumps])] == ["wire.py", "pumps.py"]
    assert [fault.what for fault in impurities(pumps)] == ["imports time"]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATHS, "see " + "/wor" + "k/main/x"),
        (MACHINE_PATHS, "see /ho" + "me/ada/x"),
        (REGISTRIES, "https://py" + "pi.org/simple"),
        (REGISTRIES, "pip install --index" + "-url x"),
        (UNFINISHED, "# TO" + "DO later"),
        (SEERS, "import deep" + "face"),
    ],
)
def test_searches_notice(pattern: re.Pattern[str], line: str) -> None:
    found = list(search([(PurePosixPath("x.py"), f"\n{line}\n")], pattern, "bad", "mend it"))
    assert [fault.line for fault in found] == [2]
