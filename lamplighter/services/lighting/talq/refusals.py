# SPDX-License-Identifier: Apache-2.0
"""What is refused of what a gateway announces, because a person could pass through it; and what is kept of the rest.

The rule is a closed list: only the attributes named in `vocabulary.KEPT` are ever held, whatever else is announced is forgotten
as it is read. Besides, what is there to notice people is refused aloud, so that nobody believes it to be harmless.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.shape import Wrong, record_of, rows_of

TEXT_MAX = 256
_PARTS = frozenset("name value state rampToLevelTime rampFromLevelTime reason start expiration".split())
NOTHING_TAKEN = "Nothing of the request was taken; announce it without this."


def class_faults(one: Mapping[str, Any], at: str) -> Iterator[Wrong]:
    """Yield what of an announced class is refused: functions that notice people, and attributes that could name one."""
    for k, about in enumerate(rows_of(one.get("functions"))):
        function = record_of(about)
        kind, here = str(function.get("type", "")), f"{at}/functions/{k}"
        yield from _function_faults(kind, here)
        for which in ("attributes", "vendorAttributes"):
            for m, row in enumerate(rows_of(function.get(which))):
                name = str(record_of(row).get("name", ""))
                yield from _attribute_faults(kind, name, f"{here}/{which}/{m}")
                if kind == words.COUNTER and name == "sensorType":
                    for value in rows_of(record_of(row).get("enumValues")):
                        yield from counter_faults(str(value), f"{here}/{which}/{m}/enumValues")
        for m, row in enumerate(rows_of(function.get("vendorEvents"))):
            yield from _named(str(record_of(row).get("name", "")), f"{here}/vendorEvents/{m}")


def member_faults(one: Mapping[str, Any], at: str) -> Iterator[Wrong]:
    """Yield what of an announced member is refused."""
    for k, row in enumerate(rows_of(one.get("functions"))):
        function = record_of(row)
        kind, here = str(function.get("type", "")), f"{at}/functions/{k}"
        yield from _function_faults(kind, here)
        for name in function:
            if name not in ("id", "type"):
                yield from _attribute_faults(kind, name, f"{here}/{name}")
        if kind == words.COUNTER:
            yield from _counter(function, here)


def _function_faults(kind: str, at: str) -> Iterator[Wrong]:
    if kind in words.REFUSED:
        yield Wrong(at, f"a {kind}, and {words.REFUSED[kind]}", f"no function that notices people. {NOTHING_TAKEN}")
    elif not kind.endswith("Function") or kind not in KNOWN:
        yield from _named(kind, at)


def _attribute_faults(kind: str, name: str, at: str) -> Iterator[Wrong]:
    if kind == words.COUNTER and name in words.COUNTER_REFUSED:
        yield Wrong(at, f"{name}: who is there this moment", f"counts over {words.SAMPLING_MIN_S} s or more. {NOTHING_TAKEN}")
    elif name not in HARMLESS:
        yield from _named(name, at)


def _named(name: str, at: str) -> Iterator[Wrong]:
    if words.PERSONAL.search(name):
        yield Wrong(at, f"a name through which a person could pass ({name[:40]!r})", f"none. {NOTHING_TAKEN}")


def counter_faults(kind: str, at: str) -> Iterator[Wrong]:
    """Yield why a counter of this type is refused; it must be known to count without recognising what it counts."""
    if words.RADIO.search(kind):
        why = (
            f"a counter by {kind[:40]!r}: it recognises what people carry, or looks at them, and could find them again elsewhere"
        )
    elif not words.COUNTING.search(kind):
        why = f"a counter by {kind[:40]!r}, which is not known to count without recognising"
    else:
        return
    yield Wrong(at, why, f"loop, radar, magnetic, infrared, laser, ultrasonic, piezo or pneumatic. {NOTHING_TAKEN}")


def _counter(function: Mapping[str, Any], at: str) -> Iterator[Wrong]:
    said = record_of(function.get("sensorType")).get("value")
    yield from counter_faults(str(said) if said is not None else "no type named", f"{at}/sensorType")
    if "applicationType" in function:
        use = str(record_of(function["applicationType"]).get("value"))
        if words.RADIO.search(use):
            yield from counter_faults(use, f"{at}/applicationType")
    period_s = record_of(function.get("trafficSamplingPeriod")).get("value")
    if isinstance(period_s, int | float) and not isinstance(period_s, bool) and period_s < words.SAMPLING_MIN_S:
        allowed = f"{words.SAMPLING_MIN_S} s or more: in a shorter one single people show. {NOTHING_TAKEN}"
        yield Wrong(f"{at}/trafficSamplingPeriod", f"{period_s} s", allowed)


def kept_function(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function with what is kept of it: id, type, and the attributes of the closed list, type and value alone."""
    kind = str(function.get("type", ""))
    out: dict[str, Any] = {"id": str(function.get("id", ""))[:64], "type": kind[:64]}
    for name in sorted(words.KEPT.get(kind, frozenset())):
        if name in function:
            given = record_of(function[name])
            out[name] = {key: _bare(given[key]) for key in ("type", "value", "timestamp") if key in given}
    return out


def _bare(value: Any) -> Any:
    """Return a value with nothing in it but what the lighting profile names: texts are cut, unknown parts left out."""
    held = record_of(value)
    if held:
        return {key: _bare(part) for key, part in held.items() if key in _PARTS}
    return value[:TEXT_MAX] if isinstance(value, str) else value if isinstance(value, int | float) else None


def kept_member(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a member: address, name, class and its kept functions."""
    functions = [kept_function(record_of(row)) for row in rows_of(one.get("functions"))]
    return {
        "address": str(one["address"]).lower(),
        "name": str(one["name"])[:128],
        "class": str(one["class"])[:128],
        "functions": [function for function in functions if function["type"] in words.KEPT],
    }


def kept_class(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a class: its name and, of the functions used, ids, types and the names of kept attributes."""
    functions: list[dict[str, Any]] = []
    for row in rows_of(one.get("functions")):
        about = record_of(row)
        kept = words.KEPT.get(str(about.get("type", "")))
        if kept is not None:
            names = [str(record_of(a).get("name", "")) for a in rows_of(about.get("attributes"))]
            attributes = [{"name": name} for name in names if name in kept]
            functions.append({"functionId": str(about["functionId"])[:64], "type": str(about["type"]), "attributes": attributes})
    return {"name": str(one["name"])[:128], "functions": functions}


# Names of the standard that hold a pattern of PERSONAL and mean nothing of the kind.
HARMLESS = frozenset(("identificationNumber", "oemIdentificationNumber", "identifyDevice", "luminaireIdentification"))
KNOWN = frozenset((*words.KEPT, *words.REFUSED, words.COUNTER))
