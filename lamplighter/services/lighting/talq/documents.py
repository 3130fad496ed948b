# SPDX-License-Identifier: Apache-2.0
"""The documents of the lighting profile as shapes, as the published schemas of TALQ 2.7.1 have them, and their parts by name.

The published schemas name many parts by a base type alone (a function, a state, a condition), so that a light level of "fifty"
is a valid document. What stands behind the name is therefore checked here once more, by the name: `named_faults`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.shape import (
    Every,
    Flag,
    Number,
    One,
    Record,
    Rows,
    Shape,
    Some,
    Text,
    Whole,
    Wrong,
    faults,
    record_of,
)

TEXT, UUID, MOMENT, TIME, DAY = Text(), Text("uuid"), Text("date-time"), Text("time"), Text("date")
MONTH_DAY = Text(pattern=r"^(--(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))$")
MONTHLY = Text(pattern=r"^(---(0[1-9]|[12]\d|3[01]))$")
PERCENT = Whole(0, 100)

REFERENCE = Record(("resource", "address"), {"resource": TEXT, "address": TEXT})
REFERENCES = Rows(REFERENCE)
STATE = Record(("name",), {"name": Text(one_of=words.STATES)})
EVENT = Text(one_of=words.EVENTS)
ATTRIBUTE = Record(("type",), {"type": TEXT, "timestamp": MOMENT})
FUNCTION = Record(("id", "type"), {"id": TEXT, "type": TEXT})
COMMAND_PARTS: Mapping[str, Shape] = {"state": STATE, "rampToLevelTime": Number(), "rampFromLevelTime": Number()}
COMMAND_START = Record(("state",), COMMAND_PARTS)
COMMAND = Record(
    ("state",),
    {
        **COMMAND_PARTS,
        "reason": Text(one_of=frozenset(("default", "override", "sensor", "program"))),
        "cmsRefId": TEXT,
        "refAddress": TEXT,
        "start": MOMENT,
        "expiration": MOMENT,
    },
)
EVENT_ABOUT = Record(("type",), {"type": EVENT, "description": TEXT})
SERVICE = Record(("name",), {"name": Text(one_of=words.SERVICES), "events": Rows(EVENT_ABOUT)})
MEMBER = Record(
    ("address", "name", "class"), {"address": UUID, "name": TEXT, "class": TEXT, "functions": Rows(FUNCTION)}
)  # what TALQ calls a device

_BOUNDS: Mapping[str, Shape] = {
    "name": TEXT, "description": TEXT, "minValue": Number(), "maxValue": Number(), "regEx": TEXT, "readOnly": Flag(),
    "enumValues": Rows(TEXT), "unit": Text(one_of=words.UNITS),
}  # fmt: skip
_TYPE_ABOUT = Record(
    ("address", "type"), {"address": TEXT, "type": Text(one_of=words.TYPES), "properties": Rows(Record(("name",), _BOUNDS))}
)
_COMMANDS_ABOUT = Record(
    (),
    {
        "scope": Text(one_of=frozenset(("default", "override", "programs"))),
        "states": Rows(STATE),
        "levels": Rows(Record(("start",), {"start": PERCENT, "end": PERCENT})),
        "attributes": Rows(
            Text(
                one_of=frozenset(
                    ("reason", "cmsRefId", "refAddress", "start", "expiration", "rampToLevelTime", "rampFromLevelTime")
                )
            )
        ),
    },
)
_ATTRIBUTE_ABOUT = Record(("name",), {**_BOUNDS, "commands": _COMMANDS_ABOUT, "types": _TYPE_ABOUT})
_VENDOR_ABOUT = Record(
    ("name", "scope", "type"),
    {**_ATTRIBUTE_ABOUT.has, "scope": Text(one_of=words.SCOPES), "type": Text(one_of=words.ATTRIBUTES)},
)
FUNCTION_ABOUT = Record(
    ("functionId", "type"),
    {
        "functionId": TEXT,
        "type": TEXT,
        "vendorAttributes": Rows(_VENDOR_ABOUT),
        "attributes": Rows(_ATTRIBUTE_ABOUT),
        "events": Rows(EVENT_ABOUT),
        "vendorEvents": Rows(Record(("name",), {"name": TEXT, "description": TEXT})),
    },
)
CLASS = Record(("name",), {"name": TEXT, "functions": Rows(FUNCTION_ABOUT)})

LOG_DATA = Record(
    ("type", "srcAddress"),
    {
        "type": Text(one_of=frozenset(("AttributeLogData", "EventLogData", "StateChangeEventLogData"))),
        "srcAddress": TEXT,
        "timestamp": MOMENT,
    },
)
LOG_REPORT = Record((), {"address": TEXT, "entries": Rows(Record((), {"cmsRefId": TEXT, "data": LOG_DATA}))})

OVERRIDE = Record((), {"addresses": REFERENCES, "targetCommand": COMMAND})
ASSIGNMENT = Record(("addresses", "entity"), {"addresses": REFERENCES, "entity": REFERENCE, "cmsRefId": TEXT})
GROUP = Record(
    ("address", "members", "ownerCMS"),
    {
        "address": TEXT,
        "ownerCMS": TEXT,
        "members": REFERENCES,
        "purpose": Text(one_of=frozenset(("unknown", "override", "calendar", "loggerConfig", "lampType", "attributes"))),
    },
)
CONDITION = Record(("type",), {"type": Text(one_of=frozenset(("ccDate", "ccDay")))})
_RULE_DAY = Every((TEXT, Some((DAY, MONTH_DAY))))
RULE = Record(("program",), {"startDate": _RULE_DAY, "endDate": _RULE_DAY, "condition": CONDITION, "program": TEXT})
CALENDAR = Record(("id", "ownerCMS"), {"id": TEXT, "ownerCMS": TEXT, "rules": Rows(RULE), "defaultProgram": TEXT})
PROGRAM = Record(("type", "id", "ownerCMS"), {"type": TEXT, "id": TEXT, "ownerCMS": TEXT})

_PERIODS = frozenset(
    ("AbsoluteActivePeriod", "AstroClockActivePeriod", "SensorActivePeriod", "AstroAndSensorActivePeriod", "ValueActivePeriod")
)
PERIOD = Record(("name",), {"name": Text(one_of=_PERIODS)})
_RECORDING = Record(
    ("type",),
    {
        "type": Text(one_of=frozenset(("VendorRecordingMode", "PeriodicRecordingMode", "EventRecordingMode"))),
        "activePeriods": Rows(PERIOD),
    },
)
_LOGGED = Record(("name",), {"name": TEXT, "onChangeThreshold": PERCENT})
_CONTENT = Rows(
    Record(
        ("function",),
        {
            "attributeScope": Text(one_of=words.SCOPES),
            "function": Record((), {"functionId": TEXT, "functionType": TEXT, "attributes": Rows(_LOGGED)}),
        },
    )
)
_SAMPLING = Rows(
    Record(
        ("samplingStartTime",),
        {
            "samplingStartTime": MOMENT,
            "samplingPeriod": Text(pattern=r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?"),
            "samplingEndTime": MOMENT,
        },
    )
)
_LISTS = Record((), {"whiteList": Rows(TEXT), "blackList": Rows(TEXT)})
_REPORTING = Record(
    ("type",),
    {"type": Text(one_of=frozenset(("ScheduledReportingMode", "ImmediateReportingMode"))), "numberOfRetries": Whole()},
)
LOGGER = Record(
    ("address", "ownerCMS"),
    {
        "address": TEXT,
        "ownerCMS": TEXT,
        "sourceAddresses": Record((), {"whiteList": REFERENCES, "blackList": REFERENCES}),
        "recordingMode": One(
            (
                Every((_RECORDING, Record((), {"type": TEXT, "content": _CONTENT}, closed=True))),
                Every(
                    (_RECORDING, Record(("content", "samplingProfiles"), {"content": _CONTENT, "samplingProfiles": _SAMPLING}))
                ),
                Every((_RECORDING, Record(("sourceEvents",), {"sourceEvents": _LISTS}))),
            )
        ),
        "reportingMode": One(
            (
                Every((_REPORTING, Record(("times",), {"times": Rows(TIME), "randomTime": Whole()}))),
                Every((_REPORTING, Record(("delay",), {"delay": Whole()}))),
            )
        ),
    },
)

# What stands behind a name. Keys: the name; what is not here has no shape of its own in what is used.
LEVEL_STATE = Record(("name", "value"), {"name": Text(one_of=frozenset(("LevelState",))), "value": PERCENT})
_VALUES: Mapping[str, Shape] = {
    "AttributeString": TEXT,
    "AttributeUri": TEXT,
    "AttributeInteger": Whole(),
    "AttributeFloat": Number(),
    "AttributeBoolean": Flag(),
    "AttributeDateTime": MOMENT,
    "AttributeLevelState": LEVEL_STATE,
    "AttributeCommand": COMMAND,
}
# Which type of attribute each attribute that is kept is of.
TYPES: Mapping[str, str] = {
    "assetId": "AttributeString", "swVersion": "AttributeString", "cmsUri": "AttributeUri", "cmsAddress": "AttributeString",
    "gatewayUri": "AttributeUri", "gatewayAddress": "AttributeString", "vendor": "AttributeString", "crlUrn": "AttributeUri",
    "communicationFailure": "AttributeBoolean", "currentTime": "AttributeDateTime", "defaultLightState": "AttributeLevelState",
    "targetLightCommand": "AttributeCommand", "feedbackLightCommand": "AttributeCommand",
    "actualLightState": "AttributeLevelState",
    "calendarID": "AttributeString", "cloEnabled": "AttributeBoolean", "activePower": "AttributeFloat",
    "reactivePower": "AttributeFloat", "activeEnergy": "AttributeFloat", "operatingHours": "AttributeFloat",
    "numberOfLamps": "AttributeInteger", "lampFailure": "AttributeBoolean", "actuatorReference": "AttributeString",
    "totalPower": "AttributeFloat", "totalVAR": "AttributeFloat", "totalActiveEnergy": "AttributeFloat",
    "supplyLoss": "AttributeBoolean", "lightLevel": "AttributeFloat", "precipitationRate": "AttributeInteger",
}  # fmt: skip


def state_faults(state: object, at: str) -> Iterator[Wrong]:
    """Yield what keeps a state from being the light of a lamp."""
    for wrong in faults(state, LEVEL_STATE):
        yield Wrong(at + wrong.where, wrong.said, wrong.allowed)


def attribute_faults(attribute: Mapping[str, Any], name: str, at: str) -> Iterator[Wrong]:
    """Yield what is wrong with the value of an attribute that is kept, by its name: the published base type lets any through."""
    wanted = TYPES[name]
    given = attribute.get("type", wanted)
    if given != wanted:
        yield Wrong(f"{at}/type", repr(str(given)[:40]), wanted)
        return
    if attribute.get("value") is None:
        return  # nothing known is said by leaving the value out
    for wrong in faults(attribute["value"], _VALUES[wanted]):
        yield Wrong(f"{at}/value{wrong.where}", wrong.said, wrong.allowed)
    if wanted == "AttributeCommand":
        yield from state_faults(record_of(attribute["value"]).get("state"), f"{at}/value/state")


def function_faults(function: Mapping[str, Any], at: str) -> Iterator[Wrong]:
    """Yield what is wrong with the attributes of one function that are kept."""
    for name in words.KEPT.get(str(function.get("type")), frozenset()):
        if name in function:
            for wrong in faults(function[name], ATTRIBUTE):
                yield Wrong(f"{at}/{name}{wrong.where}", wrong.said, wrong.allowed)
            yield from attribute_faults(record_of(function[name]), name, f"{at}/{name}")
