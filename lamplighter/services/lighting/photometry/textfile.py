# SPDX-License-Identifier: Apache-2.0
"""The lines of a photometry file, whatever its encoding, and the one error for files that cannot be used."""

import math
from dataclasses import dataclass
from pathlib import Path

BYTES_MAX = 8_000_000
ANGLES_MAX = 10_000
INTENSITY_MAX_CD = 1e7
POWER_MAX_W = 1e5


class PhotometryError(ValueError):
    """The file cannot be used; the message names file, line, what was found, what is allowed and the remedy."""


@dataclass(frozen=True)
class Numbers:
    """Numbers of a file, one after the other: word i stands in line line[i]."""

    path: str
    word: list[str]
    line: list[int]

    def number(self, place: int, what: str) -> float:
        """Return a finite number; PhotometryError says what was due there."""
        if place >= len(self.word):
            raise PhotometryError(
                f"{self.path}: the file ends after {len(self.word)} numbers where {what} is due; it is cut short: fetch it again"
            )
        text = self.word[place]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise PhotometryError(f"{self.path}, line {self.line[place]}: {text[:20]!r} where {what} is due; a number is needed")
        return value

    def whole(self, place: int, what: str, low: int, high: int) -> int:
        """Return a whole number within its bounds, both ends included."""
        value = self.number(place, what)
        if value != int(value) or not low <= value <= high:
            raise PhotometryError(
                f"{self.path}, line {self.line[place]}: {what} is {value:g}; a whole number from {low} to {high} is needed"
            )
        return int(value)

    def where(self, place: int) -> str:
        """Return the file and line of a number, for a message."""
        return f"{self.path}, line {self.line[place]}"


def lines_of(path: Path, kind: str) -> list[str]:
    """Return the lines of a text file in UTF-8, UTF-16 with its mark, or one byte per letter; PhotometryError otherwise.

    kind: what the file should be, for messages.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise PhotometryError(f"{path}: cannot be read ({error.strerror}); give the path of {kind}") from error
    if len(raw) > BYTES_MAX:
        raise PhotometryError(f"{path}: more than {BYTES_MAX} bytes; a photometry file has at most that many")
    text = _text(path, raw, kind)
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _text(path: Path, raw: bytes, kind: str) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as error:
            raise PhotometryError(f"{path}: begins as UTF-16 and is none at byte {error.start}; save it as plain text") from error
    if b"\x00" in raw:
        raise PhotometryError(
            f"{path}: holds zero bytes (first at {raw.index(0)}); {kind} is plain text: it may be packed, or saved as UTF-16 "
            "without its mark"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
