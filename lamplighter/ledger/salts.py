# SPDX-License-Identifier: Apache-2.0
"""Commitments to what was permitted in a window, and their salts in a file of their own, so that an auditor can open one.

Who has a commitment and its salt can test a guess at what was permitted. The guess must be right about every row and second
of the window at once, which is out of reach unless there were few rows: then a salt would turn the ledger into a log of
when each box was switched. So the salt of a window with few rows is never kept, and no salt is kept for long.
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from lamplighter.ledger.entries import Digest, Seconds, committed
from lamplighter.terms.columns import AnyArray

FILE_NAME = "salts.jsonl"
KEEP_S = 30 * 86400.0
ROWS_MIN = 10  # a window of fewer rows could be guessed row by row


class Commitment:
    """Takes up the tables of one window under one salt, in the order in which they were permitted."""

    def __init__(self, salt: bytes | None = None) -> None:
        self.salt = salt or secrets.token_bytes(32)
        self.rows = 0
        self._digest = hashlib.sha256(self.salt)

    def take(self, at_s: int, columns: Mapping[str, AnyArray]) -> None:
        """Take up what was permitted in one second: columns of equal length."""
        rows = len(next(iter(columns.values())))
        self.rows += rows
        self._digest.update(bytes.fromhex(committed({**columns, "at_s": np.full(rows, at_s, np.int64)}, self.salt)))

    def digest(self) -> str:
        """Return the commitment, as the ledger holds it."""
        return self._digest.hexdigest()


def opens_window(tables: Sequence[tuple[int, Mapping[str, AnyArray]]], salt: bytes, digest: str) -> bool:
    """Return whether these tables, each with its second, are those behind a commitment of the ledger."""
    again = Commitment(salt)
    for at_s, columns in tables:
        again.take(at_s, columns)
    return secrets.compare_digest(again.digest(), digest)


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One salt: when its window ended, the commitment that it belongs to."""

    at_s: Seconds
    commitment: Digest
    salt: Digest


class Salts:
    """The file beside the ledger, readable to its owner alone. One line per commitment: when, the commitment, the salt."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def keep(self, at_s: int, commitment: Commitment) -> bool:
        """Keep a window's salt, unless it had too few rows; OSError where the disk does not take it."""
        if commitment.rows < ROWS_MIN:
            return False
        line = _line(Kept(at_s, commitment.digest(), commitment.salt.hex()))
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
        return True

    def find(self, digest: str) -> bytes | None:
        """Return the salt of a commitment, None where it was never kept or is erased."""
        return next((bytes.fromhex(kept.salt) for kept in self._kept() if kept.commitment == digest), None)

    def retain(self, now_s: float) -> int:
        """Erase salts that are older than they may be; return how many. What they opened is mute for ever."""
        kept = self._kept()
        young = [one for one in kept if one.at_s >= now_s - KEEP_S]
        if len(young) < len(kept):
            part = self._path.with_suffix(".part")
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(handle, b"".join(_line(one) for one in young))
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(part, self._path)
        return len(kept) - len(young)

    def _kept(self) -> list[Kept]:
        """Return what is kept; a line that a crash cut off opens nothing and is left out."""
        if not self._path.exists():
            return []
        found: list[Kept] = []
        for line in self._path.read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line, type=Kept))
        return found


def _line(kept: Kept) -> bytes:
    return msgspec.json.encode(kept) + b"\n"
