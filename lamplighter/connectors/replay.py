# SPDX-License-Identifier: Apache-2.0
"""Readings of a simulated city, written to a file and read back in the same order. Real cities cannot be recorded.

The file: a line that names the version, then records of a head (length and CRC-32 of the content, little endian)
and a content. The first content is a JSON object of texts about the run; every other is one reading.
"""

import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

from lamplighter.terms.reading import Reading
from lamplighter.terms.simulation import Simulated

MAGIC = b"lamplighter replay "
VERSION = 1
CONTENT_MAX = 1 << 24
_HEAD = struct.Struct("<II")
_READING = struct.Struct("<dHH")  # received_s, length of source, length of topic; the payload is the rest


class ReplayError(ValueError):
    """A file is no recording, or one that this version cannot read."""


class Recorder:
    """Writes a recording. A context manager; a crash leaves a file whose whole records can be used."""

    def __init__(self, path: Path, about: Mapping[str, str]) -> None:
        """Begin a new file; FileExistsError where there is one already, so that no recording is overwritten."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb")
        self._file.write(MAGIC + f"{VERSION}\n".encode())
        self._write(json.dumps(dict(about), sort_keys=True, ensure_ascii=False).encode())
        self._file.flush()

    def record(self, readings: Simulated[Sequence[Reading]]) -> None:
        """Write readings. TypeError where they are not marked as simulated: those of a real city are never stored."""
        if not isinstance(cast(object, readings), Simulated):
            raise TypeError("only readings of a simulated city may be recorded; wrap them in Simulated where they are")
        for reading in readings.value:
            source, topic = reading.source.encode(), reading.topic.encode()
            head = _READING.pack(reading.received_s, len(source), len(topic))
            self._write(head + source + topic + reading.payload)
        self._file.flush()

    def close(self) -> None:
        """Synchronise the file to the disk and close it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _write(self, content: bytes) -> None:
        self._file.write(_HEAD.pack(len(content), zlib.crc32(content)) + content)


@dataclass(frozen=True)
class Recording:
    """What a file holds: texts about the run, the readings in order, and what is wrong after them ("" where nothing is)."""

    path: Path
    about: Mapping[str, str]
    readings: Simulated[tuple[Reading, ...]]
    fault: str


class Replay:
    """Hands out a recording's readings as time goes on; the same file gives the same readings, every time."""

    def __init__(self, recording: Recording) -> None:
        self._readings = recording.readings.value
        self._next = 0

    def take(self, until_s: float) -> tuple[Reading, ...]:
        """Return the next readings received by `until_s`, in the order in which they were recorded."""
        begin = self._next
        while self._next < len(self._readings) and self._readings[self._next].received_s <= until_s:
            self._next += 1
        return self._readings[begin : self._next]

    @property
    def ended(self) -> bool:
        """Whether everything was handed out."""
        return self._next == len(self._readings)


def read(path: Path) -> Recording:
    """Read a recording. A tail that a crash cut off, or a damaged one, is told in `fault` and what is before it is used.

    ReplayError where the file is none of ours, of another version, or not even its first record is whole.
    """
    data = path.read_bytes()
    line, _, _ = data[:64].partition(b"\n")
    if not line.startswith(MAGIC):
        raise ReplayError(f"{path} is no recording of lamplighter: it begins with {line[:20]!r}; name a file that a run recorded")
    version = line[len(MAGIC) :].decode("ascii", "replace")
    if version != str(VERSION):
        raise ReplayError(f"{path} is a recording of version {version}; this lamplighter reads {VERSION}. Record the run again")
    at = len(line) + 1
    first = _content(data, at)
    if isinstance(first, str):
        raise ReplayError(f"{path}: nothing in it can be used, {first}. Record the run again")
    about = _about(path, first)
    at += _HEAD.size + len(first)
    readings: list[Reading] = []
    fault = ""
    while at < len(data):
        found = _content(data, at)
        reading = found if isinstance(found, str) else _reading(found, at)
        if isinstance(reading, str):
            fault = f"{path}: {reading}; the {len(readings)} readings before it are used, {len(data) - at} bytes after are not"
            break
        readings.append(reading)
        at += _HEAD.size + len(found)
    return Recording(path, about, Simulated(tuple(readings)), fault)


def _about(path: Path, content: bytes) -> dict[str, str]:
    try:
        found: object = json.loads(content)
    except ValueError as error:
        raise ReplayError(f"{path}: what it says about the run cannot be read ({error}). Record the run again") from error
    if not isinstance(found, dict):
        raise ReplayError(f"{path}: what it says about the run is no JSON object. Record the run again")
    return {str(key): str(value) for key, value in cast(dict[object, object], found).items()}


def _content(data: bytes, at: int) -> bytes | str:
    if at + _HEAD.size > len(data):
        return f"byte {at}: the file ends inside a record's head"
    length, check = _HEAD.unpack_from(data, at)
    begin = at + _HEAD.size
    if length > CONTENT_MAX:
        return f"byte {at}: a record of {length} bytes is longer than {CONTENT_MAX}, so the file is damaged here"
    if begin + length > len(data):
        return f"byte {at}: the file ends inside a record of {length} bytes"
    content = data[begin : begin + length]
    if zlib.crc32(content) != check:
        return f"byte {at}: the record's checksum does not fit its content"
    return content


def _reading(content: bytes, at: int) -> Reading | str:
    if len(content) < _READING.size:
        return f"byte {at}: a record of {len(content)} bytes is too short for a reading"
    received_s, source, topic = _READING.unpack_from(content)
    begin = _READING.size
    if begin + source + topic > len(content):
        return f"byte {at}: the lengths in a reading do not fit it"
    try:
        names = content[begin : begin + source].decode(), content[begin + source : begin + source + topic].decode()
    except UnicodeDecodeError:
        return f"byte {at}: the source or topic of a reading is no text"
    return Reading(names[0], names[1], content[begin + source + topic :], received_s)
