# SPDX-License-Identifier: Apache-2.0
"""The house rules that a machine can hold: each rule reads one parsed file and yields what is wrong and what to do."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

HEADER = "# SPDX-License-Identifier: Apache-2.0"
FILE_LINES_MAX, FUNCTION_LINES_MAX, PARAMETERS_MAX = 400, 70, 6

# What a gate alone may make, and where.
MAKERS = {"Measurements": "lamplighter/privacy.py", "Permits": "lamplighter/safety.py"}

GRAB_BAGS = {"util", "utils", "helper", "helpers", "common", "base", "core", "manager", "managers", "misc"}

# A float's name ends in its unit ...
UNITS = (
    "s ms us min h d m mm km m2 km2 deg rad m_s m_s2 km_h m_h veh pcu veh_h pcu_h veh_s pcu_s veh_m veh_km s_veh s_trip "
    "persons a ka v kv mv w kw mw wh kwh mwh var kvar mvar va kva mva ohm ohm_km f nf_km uf_km ns_km hz c k kwh_d kwh_a "
    "w_m kw_h lx lm klm lm_w cd cd_m2 cd_lm cd_klm lx_cd per_s per_h per_m per_km per_veh eur eur_mwh ct_kwh bytes kb mb "
    "gb g kg pu share ratio percent count "
    "m3 m3_h m3_s l_s bar kpa"
).split()
FLOATS = re.compile(r"(float|FloatArray|NDArray\[np\.float(64|32)\])( \| None)?( = .*)?$|(tuple|list|Sequence)\[float\b")
# ... or it is a pure number, or stands in the unit of the row that it belongs to, under one of these names.
UNITLESS = {
    "value": "in the unit of its quantity or outcome",
    "values": "as value",
    "low": "in the unit of the row it bounds",
    "high": "as low",
    "step": "in the unit of its quantity",
    "observed": "in the unit of its rule",
    "limit": "as observed",
    "weight": "a pure number",
    "dimming_level": "a share of flux",
    "dimming_min_level": "as dimming_level",
    "scale": "1.0 is all of it",
    "speed": "city seconds per second of the clock",
    "speed_reached": "as speed",
    "cumulative_adaptive": "in the unit of its outcome",
    "cumulative_baseline": "as cumulative_adaptive",
    "adaptive": "in the unit of its outcome",
    "baseline": "as adaptive",
    "difference": "as adaptive",
    "mean": "in the unit of its quantity or outcome",
    "total": "as mean",
    "multiplier": "a pure number",
    "loading": "a ratio of the rating, 1.0 is full",
    "minutes": "is a unit itself",
}

# Words that mean two things in this house; the glossary says what to write.
FORBIDDEN = {
    "phase": "signal_group, stage, interval or line_phase",
    "controller": "signal_controller, luminaire_controller, adaptive or baseline",
    "current": "i_a for amperes, latest_ or running_ for now",
    "capacity": "saturation_flow_, sn_kva or headroom_",
    "level": "dimming_level or illuminance_lx",
    "sensor": "detector or meter",
    "device": "detector, meter, luminaire or asset",
    "thing": "asset",
    "entity": "asset",
    "manager": "the name of what it does",
}
FORBIDDEN_IN = {
    "traffic": {"node": "intersection", "load": "flow or demand"},  # a link is the engine's word for a way through a signal
    "lighting": {"node": "luminaire or cabinet", "link": "segment", "load": "power_kw", "feeder": "cabinet"},
    "grid": {"link": "line"},
}

# Parts of a name that only a person, or what a person carries, would fill.
PERSONAL = set(
    (
        "plate plates numberplate licenceplate licenseplate imei imsi msisdn iccid face faces biometric biometrics gait "
        "phone phones telephone email passport surname firstname lastname birthdate birthday bssid bluetooth mac macaddress "
        "rfid idtag transponder"
    ).split()
)
TRACES = {f"{who}_id{s}" for who in ("vehicle", "veh", "person", "driver", "rider", "trip", "user") for s in ("", "s")}

PURE_SPINE = {"terms", "twin", "privacy", "safety", "forecast"}
PURE_SERVICE = {"terms", "wire", "adaptive", "baseline", "interlock", "outcomes"}
IMPURE_IMPORTS = {"importlib", "random", "secrets", "time", "socket", "asyncio", "subprocess", "os", "duckdb", "pickle", "ctypes"}
IMPURE_CALLS = {"open", "eval", "exec", "__import__", "print", "input"}
IMPURE_METHODS = set("read_text write_text read_bytes write_bytes unlink mkdir loadtxt savetxt fromfile tofile memmap".split())
CLOCKS = {"now", "utcnow", "today"}


@dataclass(frozen=True)
class Source:
    """One file of the checkout: its path from the root, its text and, for Python, its tree."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the module's names below the package: ("services", "traffic", "wire")."""
        return (*self.path.parts[1:-1], self.path.stem) if str(self.path).startswith("lamplighter/") else ()

    @property
    def in_tests(self) -> bool:
        """Return whether this is a test, in the spine's or in a service's own folder."""
        return "tests" in self.path.parts[:-1]

    @property
    def pure(self) -> bool:
        """Return whether the file is of those that decide or check, and so do no input or output."""
        parts = self.parts
        if len(parts) == 0 or self.in_tests:
            return False
        return parts[2] in PURE_SERVICE if parts[0] == "services" and len(parts) > 2 else parts[0] in PURE_SPINE


@dataclass(frozen=True)
class Fault:
    """What is wrong, where, and what mends it."""

    path: PurePosixPath
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}; {self.remedy}"


Rule = Callable[[Source], Iterator[Fault]]


def parse(path: str, text: str) -> Source:
    """Return one parsed Python file."""
    return Source(PurePosixPath(path), text, ast.parse(text, filename=path))


def header(source: Source) -> Iterator[Fault]:
    """Line 1 names the licence."""
    if source.text.partition("\n")[0] != HEADER:
        yield Fault(source.path, 1, "the licence is not named", f"make line 1 `{HEADER}`")


def sizes(source: Source) -> Iterator[Fault]:
    """Files, functions and lists of parameters stay small."""
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield Fault(source.path, lines, f"{lines} lines, allowed {FILE_LINES_MAX}", "split it by subject")
    for function in functions(source.tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            what = f"{function.name} has {lines} lines, allowed {FUNCTION_LINES_MAX}"
            yield Fault(source.path, function.lineno, what, "take a piece out that has a name of its own")
        count = len([name for name in parameters(function) if name not in ("self", "cls")])
        if count > PARAMETERS_MAX and not takes_options_or_columns(function):
            what = f"{function.name} takes {count} parameters, allowed {PARAMETERS_MAX}"
            yield Fault(source.path, function.lineno, what, "hand it one frozen value that holds what belongs together")


def takes_options_or_columns(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether the parameters are a command's options, or columns of a compiled kernel, which takes no dataclass."""
    marks = [ast.unparse(mark) for mark in function.decorator_list]
    return any(re.match(r"(numba\.)?(njit|guvectorize|vectorize)\b|click\.(option|argument)\b", mark) for mark in marks)


def grab_bags(source: Source) -> Iterator[Fault]:
    """No module or folder is a drawer for everything."""
    for name in (*source.path.parts[:-1], source.path.stem):
        if name in GRAB_BAGS:
            yield Fault(source.path, 1, f"`{name}` says nothing of what it holds", "name it for what a city engineer would say")


def makers(source: Source) -> Iterator[Fault]:
    """Measurements come out of the privacy gate, permits out of the safety gate, and of nowhere else."""
    if source.in_tests or not source.parts:
        return
    for node in ast.walk(source.tree):
        called = node.func if isinstance(node, ast.Call) else None
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if name in MAKERS and str(source.path) != MAKERS[name]:
            yield Fault(source.path, line_of(node), f"makes {name}", f"only {MAKERS[name]} may: hand it what it needs")
        renamed = node.asname if isinstance(node, ast.alias) and node.name.rpartition(".")[2] in MAKERS else None
        if renamed:
            yield Fault(source.path, line_of(node), f"renames a gate's type to {renamed}", "import it under its own name")


def units(source: Source) -> Iterator[Fault]:
    """A float in a table or a row says its unit."""
    for row in (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef) and is_record(node)):
        for field in row.body:
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            name = field.target.id
            if FLOATS.match(ast.unparse(field.annotation)) and not names_its_unit(name):
                what = f"float field {row.name}.{name} does not end in a unit"
                yield Fault(source.path, field.lineno, what, "end it in one (_s, _m, _kw, _share, ...: tests/tidy_rules.py)")


def names_its_unit(name: str) -> bool:
    """Return whether the name ends in a unit, or is one of the pure numbers."""
    bare = name.lstrip("_").lower()
    return bare in UNITLESS or "_per_" in bare or any(bare == unit or bare.endswith(f"_{unit}") for unit in UNITS)


def purity(source: Source) -> Iterator[Fault]:
    """What decides and what checks has no clock, no dice, no files and no other way out."""
    return impurities(source) if source.pure else iter(())


def impurities(source: Source) -> Iterator[Fault]:
    """Yield every way out of a file, whether or not it must be pure."""
    remedy = "hand the value in: deciding and checking do no input or output, have no clock and no dice"
    for node in ast.walk(source.tree):
        what = ""
        if isinstance(node, ast.Import):
            roots = {alias.name.partition(".")[0] for alias in node.names} | {alias.name for alias in node.names}
            what = next((f"imports {name}" for name in sorted(roots & (IMPURE_IMPORTS | {"numpy.random"}))), "")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} | {node.module, node.module.partition(".")[0]}
            what = next((f"imports {name}" for name in sorted(names & (IMPURE_IMPORTS | {"numpy.random"}))), "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            what = f"calls {node.func.id}()"
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr == "random" and owner in ("np", "numpy"):
                what = "rolls numpy's dice"
            elif node.attr in IMPURE_METHODS:
                what = f"reads or writes a file ({node.attr})"
            elif node.attr in CLOCKS and re.search(r"\b(datetime|date)$", owner):
                what = f"reads the clock ({owner}.{node.attr})"
        if what:
            yield Fault(source.path, line_of(node), what, remedy)


def glossary(source: Source) -> Iterator[Fault]:
    """No name is a bare word that means two things here."""
    if source.in_tests:
        return
    parts = source.parts
    here = FORBIDDEN_IN.get(parts[1], {}) if len(parts) > 1 and parts[0] == "services" else {}
    for name, line, is_function in bound_names(source.tree):
        word = name.lower().strip("_")
        word = word if word in FORBIDDEN or word in here else word.removesuffix("s")
        if is_function and word == "load":  # to load a file is a verb
            continue
        if word in FORBIDDEN or word in here:
            yield Fault(source.path, line, f"the bare name `{name}`", f"say {here.get(word) or FORBIDDEN[word]}")


def nobody(source: Source) -> Iterator[Fault]:
    """No field, option or table has a place for a person or for what a person carries."""
    if source.in_tests or not source.parts:
        return
    inside_field = source.parts[0] == "services" and len(source.parts) > 2 and source.parts[2] in ("simulator", "demand", "field")
    words = [(name, line) for name, line, _ in bound_names(source.tree)]
    words += [
        (node.value, node.lineno)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{2,40}", node.value)
    ]
    for word, line in words:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower()
        found = PERSONAL & {*snake.split("_"), snake.replace("_", "")}
        if found or (snake in TRACES and not inside_field):
            remedy = "lamplighter carries nothing personal: count, sum or take a quantile in the field instead"
            yield Fault(source.path, line, f"`{word}` has room for a person ({', '.join(sorted(found)) or snake})", remedy)


RULES: tuple[Rule, ...] = (header, sizes, grab_bags, makers, units, purity, glossary, nobody)


def faults(source: Source) -> list[Fault]:
    """Return all that is wrong with one Python file."""
    return [fault for rule in RULES for fault in rule(source)]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[str]:
    """Return the names of all parameters, `*rest` and `**named` included."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *(one for one in (given.vararg, given.kwarg) if one)]
    return [one.arg for one in every]


def is_record(node: ast.ClassDef) -> bool:
    """Return whether a class is a dataclass, a message struct or a named tuple."""
    marks = [ast.unparse(mark) for mark in (*node.decorator_list, *node.bases)]
    return any(re.match(r"(dataclasses\.)?dataclass\b|(msgspec\.)?Struct$|NamedTuple$", mark) for mark in marks)


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Yield every name that a file gives to something: (name, line, whether it names a function)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, True
            yield from ((name, node.lineno, False) for name in parameters(node))
        elif isinstance(node, ast.Lambda):
            yield from ((name, node.lineno, False) for name in parameters(node))
        elif isinstance(node, ast.ClassDef):
            yield node.name, node.lineno, False
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno, False
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno, False


def line_of(node: ast.AST) -> int:
    """Return the line on which a piece of the tree begins."""
    return int(getattr(node, "lineno", 1))
