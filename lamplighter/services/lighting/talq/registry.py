# SPDX-License-Identifier: Apache-2.0
"""What a gateway has announced of itself, kept apart from what is done with it: services, classes, members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.shape import Wrong, record_of, rows_of

MEMBERS_MAX = 200_000
CLASSES_MAX = 1_000

# How far the bootstrap of a gateway has come (TALQ 2.7.1, 5.1).
ADDRESSED, DESCRIBED, FOUND, OFFERED, READY = range(5)


@dataclass(frozen=True)
class Registration:
    """One gateway. stage: how far its bootstrap is; services, classes: by name; members: by address, kept functions alone."""

    address: str
    stage: int = ADDRESSED
    services: Mapping[str, Any] = field(default_factory=dict[str, Any])
    classes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    members: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def grown(self, stage: int) -> "Registration":
        """Return it at a later stage of the bootstrap; an earlier one changes nothing."""
        return replace(self, stage=max(self.stage, stage))


def function_of(member: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the first function of a kind that a member has, an empty one where it has none."""
    for row in rows_of(member.get("functions")):
        if record_of(row).get("type") == kind:
            return record_of(row)
    return {}


def value_of(member: Mapping[str, Any], kind: str, attribute: str) -> Any:
    """Return the value of an attribute of the first function of a kind, nothing where there is none."""
    return record_of(function_of(member, kind).get(attribute)).get("value")


def asset_of(member: Mapping[str, Any]) -> str:
    """Return which asset a member says that it is: its assetId, else its name."""
    said = value_of(member, "BasicFunction", "assetId")
    return str(said) if said else str(member["name"])


def joined(member: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member with a partial update in it: functions by id, attributes by name (TALQ 2.7.1, 3.4, PATCH)."""
    functions = {str(record_of(row)["id"]): dict(record_of(row)) for row in rows_of(member.get("functions"))}
    for row in rows_of(change.get("functions")):
        function = record_of(row)
        functions[str(function["id"])] = {**functions.get(str(function["id"]), {}), **function}
    return {**member, **change, "functions": list(functions.values())}


def misfits(member: Mapping[str, Any], classes: Mapping[str, Any], at: str) -> list[Wrong]:
    """Return where a member is not as its class was announced."""
    known = classes.get(str(member["class"]))
    if known is None:
        return [Wrong(f"{at}/class", repr(str(member["class"])[:40]), "a class that was announced before")]
    kinds = {str(record_of(row)["functionId"]): str(record_of(row)["type"]) for row in rows_of(known["functions"])}
    wrong: list[Wrong] = []
    for k, row in enumerate(rows_of(member["functions"])):
        function = record_of(row)
        kind = kinds.get(str(function["id"]))
        if function["type"] in words.KEPT and kind != function["type"]:
            allowed = f"the {kind or 'function'} of its class" if kind else f"a function of class {str(member['class'])[:40]}"
            wrong.append(Wrong(f"{at}/functions/{k}", f"{function['type']} {str(function['id'])[:40]!r}", allowed))
    return wrong


def reduced(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the functions that a class loses by a new announcement; it may grow only."""
    now = {str(record_of(row)["functionId"]) for row in rows_of(new["functions"])}
    return [str(record_of(row)["functionId"]) for row in rows_of(old["functions"]) if record_of(row)["functionId"] not in now]


def supports(registration: Registration, service: str, name: str, word: str) -> bool:
    """Tell whether an announced service lists a word under a name."""
    return word in rows_of(record_of(registration.services.get(service)).get(name))


def twice(names: Sequence[str]) -> list[str]:
    """Return the names that stand there more than once."""
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]


def attributes_of(registration: Registration) -> set[tuple[str, str]]:
    """Return which attributes of which functions (type, name) the announced classes name."""
    return {
        (str(record_of(row).get("type")), str(record_of(a).get("name")))
        for one in registration.classes.values()
        for row in rows_of(record_of(one).get("functions"))
        for a in rows_of(record_of(row).get("attributes"))
    }


def gateway_function(registration: Registration) -> str:
    """Return the id of the gateway's own function, as its class names it."""
    for one in registration.classes.values():
        for row in rows_of(record_of(one).get("functions")):
            if record_of(row).get("type") == "GatewayFunction":
                return str(record_of(row)["functionId"])
    return "gateway"
