# SPDX-License-Identifier: Apache-2.0
"""What the ledger can hold: a closed list of entries, each with one canonical form in bytes.

No entry has a field for free text, a name of a person, or what a single lamp or signal did.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import numpy as np

from lamplighter.terms.columns import AnyArray

Word = Annotated[str, msgspec.Meta(pattern=r"^[\w.:/ -]{1,64}\Z")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Commit = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{7,64}\Z")]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**48)]
Role = Literal["viewer", "operator", "engineer", "auditor", "council"]


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="plan"):
    """A plan came into force for a service in an area; the plan itself is published elsewhere under its hash."""

    at_s: Seconds
    service: Word
    area: Word
    plan_sha256: Digest


class SettingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="setting"):
    """A setting changed, by whom (a role), from and to the values with these hashes."""

    at_s: Seconds
    role: Role
    key: Word
    old_sha256: Digest
    new_sha256: Digest


class OperatorAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="act"):
    """An operator did something, under a role name: operators are people too."""

    at_s: Seconds
    role: Role
    act: Literal["hand_back", "choose_adaptive", "choose_baseline", "hold", "release_hold", "stop", "approve", "choose_plan"]
    service: Word
    area: Word


class OperatorAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="asked"):
    """An operator asked the safety gate for something at boxes of an area, for so many seconds and from a closed list of
    reasons. at_s is the quarter of an hour: the second at which help was let through would tell to whom it came."""

    at_s: Seconds
    role: Role
    service: Word
    action: Word
    reason: Literal["ambulance", "fire", "police", "event", "fault", "works", "exercise"]
    area: Word
    boxes: Count
    seconds: Count


class ReleaseMade(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="release"):
    """A table was published: what it cost of which budget, in millionths of rho, and its hash."""

    at_s: Seconds
    table: Word
    budget: Word
    rho_millionths: Count
    content_sha256: Digest


class RunStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="run"):
    """A run began: which city, arms and seeds, and the commit of the software."""

    at_s: Seconds
    run: Word
    city: Word
    arms: tuple[Word, ...]
    seeds: tuple[Count, ...]
    commit_hash: Commit


class PermitsCommitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="permits"):
    """What was permitted in a window of one action: how many rows, and a salted commitment; the rows are not in the ledger.

    There is one in every window, and rows are whole tens below: that something was switched once must not show.
    """

    at_s: Seconds
    service: Word
    action: Word
    rows: Count
    commitment: Digest


class ExperimentRegistered(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="experiment"):
    """An experiment was announced before its first block: the hash of its design."""

    at_s: Seconds
    name: Word
    design_sha256: Digest


Entry = Plan | SettingChange | OperatorAct | OperatorAsked | ReleaseMade | RunStart | PermitsCommitted | ExperimentRegistered

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class EntryRefusedError(ValueError):
    """Bytes or a value are no entry of the ledger."""


def encode(entry: Entry) -> bytes:
    """Return the canonical bytes of an entry, or raise EntryRefusedError where a field breaks its bounds."""
    data = _encoder.encode(entry)
    decode(data)
    return data


def decode(data: bytes) -> Entry:
    """Return the entry; EntryRefusedError where the bytes are not exactly what `encode` would write."""
    try:
        entry = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EntryRefusedError(f"this is no ledger entry: {error}. Nothing was written") from error
    if _encoder.encode(entry) != data:
        raise EntryRefusedError(
            "this ledger entry is not in canonical form (spaces, order or repeated keys). Nothing was written"
        )
    return entry


def committed(columns: Mapping[str, AnyArray], salt: bytes) -> str:
    """Return the digest of a table under a salt."""
    digest = hashlib.sha256(salt)
    for name in sorted(columns):
        values = np.ascontiguousarray(columns[name])
        header = f"{name}\x00{values.dtype.str}\x00{len(values)}\x00".encode()
        digest.update(header)
        digest.update(values.tobytes())
    return digest.hexdigest()
