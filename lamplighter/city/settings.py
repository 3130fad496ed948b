# SPDX-License-Identifier: Apache-2.0
"""A TOML table as a frozen settings value: defaults filled in, everything unknown or of the wrong type refused."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from lamplighter.city.faults import UNIT_ENDINGS, Fault, shortened, unknown_name

WORDS: Mapping[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


def read_settings(kind: type, table: Mapping[str, Any], file: str, section: str) -> tuple[Any, tuple[Fault, ...]]:
    """Return the settings value of a service (None where it cannot be made) and all that is wrong with its table.

    A field may carry `metadata={"low": ..., "high": ...}`; a default is filled in for every key that is not given.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for key, given in table.items():
        shown = f"[{section}] {key}"
        if key not in fields:
            faults.append(Fault(file, None, shown, f"unknown (value {shortened(given)})", *unknown_name(key, list(fields))))
            continue
        value, wanted = _as(hints[key], given)
        if wanted:
            faults.append(Fault(file, None, shown, _said(given), wanted, _unit_remedy(key, given)))
        elif fault := _outside(value, fields[key].metadata, file, shown):
            faults.append(fault)
        else:
            values[key] = value
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in table:
            faults.append(
                Fault(file, None, f"[{section}] {name}", "missing", _in_words(hints[name]), "Add the key; it has no default.")
            )
    if faults:
        return None, tuple(faults)
    try:
        return kind(**values), ()
    except (ValueError, TypeError) as error:
        return None, (Fault(file, None, f"[{section}]", str(error), "settings that fit together", "Mend the values named."),)


def write_settings(settings: Any) -> dict[str, Any]:
    """Return a settings value as a TOML table, every key with its value (absent ones left out)."""
    return {
        field.name: _plain(getattr(settings, field.name))
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) is not None
    }


def _plain(value: Any) -> Any:
    return [_plain(item) for item in typing.cast("tuple[Any, ...]", value)] if isinstance(value, tuple) else value


def _as(hint: Any, given: Any) -> tuple[Any, str]:
    """Return (value, "") where the given TOML value fits the type, else (None, what is allowed)."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            value, wanted = _as(part, given)
            if not wanted:
                return value, ""
        return None, _in_words(hint)
    if origin is typing.Literal:
        return (given, "") if given in typing.get_args(hint) else (None, _in_words(hint))
    if origin is tuple:
        part = typing.get_args(hint)[0]
        if not isinstance(given, list):
            return None, _in_words(hint)
        items = [_as(part, item) for item in typing.cast("list[Any]", given)]
        return (None, _in_words(hint)) if any(wanted for _, wanted in items) else (tuple(value for value, _ in items), "")
    if hint is float and isinstance(given, int | float) and not isinstance(given, bool):
        return float(given), ""
    if hint in (int, bool, str) and type(given) is hint:
        return given, ""
    return None, _in_words(hint)


def _in_words(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_in_words(part) for part in typing.get_args(hint) if part is not type(None))
    if origin is typing.Literal:
        return "one of " + ", ".join(str(word) for word in typing.get_args(hint))
    if origin is tuple:
        return f"a list, each item {_in_words(typing.get_args(hint)[0])}"
    return WORDS.get(hint, str(hint))


def _said(given: Any) -> str:
    return f"the text {shortened(given)}" if isinstance(given, str) else shortened(given)


def _unit_remedy(key: str, given: Any) -> str:
    unit = next((words for ending, words in UNIT_ENDINGS.items() if key.endswith("_" + ending)), "")
    if isinstance(given, str) and unit:
        return f"Write the bare number; the key's ending says that it is in {unit}."
    return "Write a value of that kind."


def _outside(value: Any, metadata: Mapping[str, Any], file: str, shown: str) -> Fault | None:
    low, high = metadata.get("low"), metadata.get("high")
    if not isinstance(value, int | float) or ((low is None or value >= low) and (high is None or value <= high)):
        return None
    allowed = f"{'any' if low is None else low} to {'any' if high is None else high}"
    return Fault(
        file, None, shown, str(value), allowed, "Choose a value within the bounds; check the unit at the end of the key."
    )
