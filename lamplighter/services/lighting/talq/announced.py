# SPDX-License-Identifier: Apache-2.0
"""Checks documents that somebody's gateway or CMS sends, from files: which kind each is, what is wrong, refused or missing.

Mandatory parts are those that TALQ 2.7.1 marks M for the gateway in its lighting profile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import intake, programme, refusals, registry
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.lamps import PERCENT_MIN
from lamplighter.services.lighting.talq.shape import Rows, Shape, Wrong, faults, record_of, rows_of

MANDATORY: Mapping[str, tuple[str, ...]] = {
    "BasicFunction": ("swVersion",),
    "GatewayFunction": ("cmsUri", "cmsAddress", "gatewayUri", "gatewayAddress", "crlUrn", "vendor"),
    "CommunicationFunction": ("communicationFailure", "physicalAddress"),
    "LampActuatorFunction": (
        "defaultLightState", "targetLightCommand", "feedbackLightCommand", "actualLightState", "calendarID",
    ),
    "LampMonitorFunction": ("lampFailure",),
}  # fmt: skip
MANDATORY_SERVICES = ("ConfigurationService", "ControlService", "DataCollectService")


@dataclass(frozen=True)
class Verdict:
    """What one document is and what is said of it. wrong: not as the standard has it; refused: not taken by lamplighter, and why;
    missing: mandatory in the lighting profile and not there."""

    kind: str
    count: int
    wrong: tuple[str, ...]
    refused: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Tell whether lamplighter takes it."""
        return not self.wrong and not self.refused


@dataclass(frozen=True)
class Kind:
    """A kind of document: name, the names that tell it from others, its shape, and what is refused of it."""

    name: str
    told_by: frozenset[str]
    shape: Shape
    refused: Callable[[Mapping[str, Any], str], Sequence[Wrong]]


def _class_refused(one: Mapping[str, Any], at: str) -> list[Wrong]:
    return list(refusals.class_faults(one, at))


def _member_refused(one: Mapping[str, Any], at: str) -> list[Wrong]:
    inner = [
        w
        for k, row in enumerate(rows_of(one.get("functions")))
        for w in docs.function_faults(record_of(row), f"{at}/functions/{k}")
    ]
    return [*refusals.member_faults(one, at), *inner]


def _nothing(one: Mapping[str, Any], at: str) -> list[Wrong]:
    return []


def _command_refused(one: Mapping[str, Any], at: str) -> list[Wrong]:
    command = record_of(one.get("targetCommand"))
    wrong = list(programme.command_faults(command, f"{at}/targetCommand", PERCENT_MIN)) if command else []
    if command and "expiration" not in command:
        wrong.append(Wrong(f"{at}/targetCommand/expiration", "missing", "an end, at most 30 minutes off"))
    return wrong


KINDS = (
    Kind("device classes", frozenset(("functionId",)), docs.CLASS, _class_refused),
    Kind("devices", frozenset(("address", "class")), docs.MEMBER, _member_refused),
    Kind("log report", frozenset(("entries",)), docs.LOG_REPORT, lambda one, at: intake.report_faults(one)),
    Kind("override command", frozenset(("targetCommand",)), docs.OVERRIDE, _command_refused),
    Kind("logger config", frozenset(("recordingMode",)), docs.LOGGER, _nothing),
    Kind("logger config", frozenset(("reportingMode",)), docs.LOGGER, _nothing),
    Kind(
        "control programmes", frozenset(("fixedTimeControls",)), docs.PROGRAM,
        lambda one, at: list(programme.programme_faults(one, at, PERCENT_MIN)),
    ),
    Kind("calendars", frozenset(("rules",)), docs.CALENDAR, _nothing),
    Kind("calendars", frozenset(("defaultProgram",)), docs.CALENDAR, _nothing),
    Kind("groups", frozenset(("members",)), docs.GROUP, _nothing),
    Kind("assignment", frozenset(("entity",)), docs.ASSIGNMENT, _nothing),
)  # fmt: skip
_SERVICES = Kind("services", frozenset(("name",)), docs.SERVICE, _nothing)
_CLASSES = KINDS[0]


def kind_of(rows: Sequence[Mapping[str, Any]]) -> Kind | None:
    """Return which kind the rows of a document are, nothing where none fits."""
    first = rows[0] if rows else record_of(None)
    names = set(first)
    if first.get("name") in words.SERVICES or str(first.get("name", "")).endswith("Service"):
        return _SERVICES
    functions = [record_of(row) for row in rows_of(first.get("functions"))]
    if "name" in names and "class" not in names and ("functions" in names or any("functionId" in f for f in functions)):
        return _CLASSES
    return next((kind for kind in KINDS if kind.told_by <= names), None)


def verdict(document: Any) -> Verdict:
    """Return what a document is and what is wrong with it."""
    listed = rows_of(document)
    single = bool(record_of(document)) or not listed
    rows = [record_of(document)] if single else [record_of(row) for row in listed]
    kind = kind_of(rows)
    if kind is None:
        names = ", ".join(dict.fromkeys(k.name for k in (_SERVICES, *KINDS)))
        return Verdict("unknown", len(rows), (f"the document is none of: {names}",), (), ())
    wrong = faults(document, kind.shape if single else Rows(kind.shape))
    if wrong:
        return Verdict(kind.name, len(rows), tuple(map(str, wrong)), (), ())
    refused = [w for k, row in enumerate(rows) for w in kind.refused(row, "" if single else f"/{k}")]
    return Verdict(kind.name, len(rows), (), tuple(map(str, refused)), tuple(_missing(kind.name, rows)))


def _missing(kind: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the lighting profile makes mandatory and is not there."""
    if kind == "services":
        there = {row.get("name") for row in rows}
        return [f"service {name}" for name in MANDATORY_SERVICES if name not in there]
    if kind not in ("device classes", "devices"):
        return []
    out: list[str] = []
    for row in rows:
        name = str(row.get("name", ""))[:60]
        for one in rows_of(row.get("functions")):
            function = record_of(one)
            there = (
                set(function) if kind == "devices" else {record_of(a).get("name") for a in rows_of(function.get("attributes"))}
            )
            needed = MANDATORY.get(str(function.get("type")), ())
            lacking = [attribute for attribute in needed if attribute not in there]
            if lacking and kind == "device classes":
                out.append(f"{name}: {function['type']} lacks {', '.join(lacking)}")
            elif lacking and function["type"] == "LampActuatorFunction" and "calendarID" in lacking:
                out.append(f"{name}: {function['type']} lacks calendarID, so that what runs without us cannot be read back")
    return out


def strangers(documents: Sequence[Any], known: frozenset[str]) -> tuple[int, tuple[str, ...]]:
    """Return how many announced lamps and meters are assets of the city, and the ids of those that are not."""
    paired = 0
    strange: list[str] = []
    for document in documents:
        for row in rows_of(document):
            member = record_of(row)
            if "class" not in member or faults(member, docs.MEMBER):
                continue
            kept = refusals.kept_member(member)
            kinds = ("LampActuatorFunction", "ElectricalMeterFunction")
            if any(registry.function_of(kept, kind) for kind in kinds):
                asset = registry.asset_of(kept)
                paired += asset in known
                strange += [] if asset in known else [asset]
    return paired, tuple(strange)
