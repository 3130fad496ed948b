# SPDX-License-Identifier: Apache-2.0
"""The ledger in one file: records that are synchronised to the disk before they count, and a torn tail that is cut off."""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lamplighter.ledger.checkpoint import Checkpoint, Verifier
from lamplighter.ledger.entries import Entry, decode, encode
from lamplighter.ledger.tree import Tree

FILE_NAME = "ledger.log"
KEY_NAME = "ledger.key"
PUBLIC_NAME = "ledger.pub"
MAGIC = b"lamplighter ledger 1\n"
RECORD_MAX = 1 << 16
_HEAD = struct.Struct("<cII")  # kind, length, crc32 of kind and content

RecordKind = Literal["entry", "checkpoint"]
_CODES: dict[RecordKind, bytes] = {"entry": b"E", "checkpoint": b"C"}
_KINDS: dict[bytes, RecordKind] = {code: kind for kind, code in _CODES.items()}


class LedgerInUseError(RuntimeError):
    """Another process writes this ledger."""


class LedgerDamagedError(RuntimeError):
    """The ledger's file is not what was written."""


class LedgerUnwritableError(RuntimeError):
    """The disk did not take an entry; nothing before it is harmed."""


@dataclass(frozen=True)
class Record:
    """One record of the file. `offset` and `end` are byte positions."""

    kind: RecordKind
    content: bytes
    offset: int
    end: int


@dataclass(frozen=True)
class Scan:
    """All whole records of a file, where they end, and what is wrong after that ("" where nothing is).

    torn: what follows can only be an append that was cut off: no whole record comes after it.
    """

    records: tuple[Record, ...]
    end: int
    size: int
    fault: str
    torn: bool


def scan(data: bytes) -> Scan:
    """Read records until the end or the first fault."""
    if not data.startswith(MAGIC):
        torn = MAGIC.startswith(data)
        return Scan((), 0, len(data), "" if not data else "the file does not begin as a ledger does", torn)
    records: list[Record] = []
    at, fault = len(MAGIC), ""
    while at < len(data) and not fault:
        found = _record(data, at)
        if isinstance(found, str):
            fault = found
        else:
            records.append(found)
            at = found.end
    torn = bool(fault) and not _any_record_after(data, at + 1)
    return Scan(tuple(records), at, len(data), fault, torn)


def _record(data: bytes, at: int) -> Record | str:
    if at + _HEAD.size > len(data):
        return f"byte {at}: the file ends inside a record's head"
    code, length, check = _HEAD.unpack_from(data, at)
    if code not in _KINDS or length > RECORD_MAX:
        return f"byte {at}: no record begins here"
    end = at + _HEAD.size + length
    if end > len(data):
        return f"byte {at}: the file ends inside a record of {length} bytes"
    content = data[at + _HEAD.size : end]
    if zlib.crc32(code + content) != check:
        return f"byte {at}: the record's checksum does not fit its content"
    return Record(_KINDS[code], content, at, end)


def _any_record_after(data: bytes, begin: int) -> bool:
    return any(not isinstance(_record(data, at), str) for at in range(begin, len(data)) if data[at : at + 1] in _KINDS)


class Ledger:
    """An append-only log of entries. Made by `open`; a context manager; one process at a time, any of its threads."""

    def __init__(self, folder: Path, handle: int, key: Ed25519PrivateKey, verifier: Verifier, found: Scan) -> None:
        self.folder = folder
        self.verifier = verifier
        self._handle = handle
        self._key = key
        self._end = found.end
        self._lock = threading.RLock()
        self._tree = Tree()
        self._leaves: list[bytes] = []
        self._checkpoints: list[Checkpoint] = []
        for record in found.records:
            self._take(record.kind, record.content)

    @classmethod
    def open(cls, folder: Path, origin: str = "lamplighter") -> "Ledger":
        """Open or begin the ledger in `folder`. An append that a crash cut off is taken away; nothing else is.

        LedgerInUseError names the process that holds it; LedgerDamagedError the first broken place.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE_NAME
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _claim(handle, folder)
            found = scan(path.read_bytes())
            if found.fault and not found.torn:
                raise LedgerDamagedError(
                    f"ledger {path}: {found.fault}, after {len(found.records)} whole records. It was changed, or the disk is "
                    "failing. Nothing was touched; run `lamplighter verify` on the folder and restore the file from a copy"
                )
            if found.end < len(MAGIC):
                os.ftruncate(handle, 0)
                os.pwrite(handle, MAGIC, 0)
                found = Scan((), len(MAGIC), len(MAGIC), "", False)
            elif found.fault:
                os.ftruncate(handle, found.end)
            os.fsync(handle)
            _sync_folder(folder)
            key, verifier = _keys(folder, origin, bool(found.records))
            return cls(folder, handle, key, verifier, found)
        except BaseException:
            os.close(handle)
            raise

    def __len__(self) -> int:
        return len(self._leaves)

    def append(self, *entries: Entry) -> int:
        """Write entries, all or none, and return the index of the last once they are on the disk.

        EntryRefusedError where one breaks its bounds; LedgerUnwritableError where the disk is full.
        """
        contents = [encode(entry) for entry in entries]
        with self._lock:
            self._write("entry", contents)
            return len(self) - 1

    def checkpoint(self) -> Checkpoint:
        """Sign the root over all entries, write it down and return it."""
        with self._lock:
            signed = Checkpoint(self.verifier.name, len(self), self._tree.root()).signed(self.verifier.name, self._key)
            self._write("checkpoint", [signed.note])
        return signed

    def record_cosigned(self, checkpoint: Checkpoint) -> None:
        """Write down a checkpoint that witnesses have signed; ValueError where it is none of this ledger."""
        if not checkpoint.signed_by(self.verifier) or checkpoint.root != self._tree.root(checkpoint.size):
            raise ValueError(f"the checkpoint of size {checkpoint.size} is none of this ledger; nothing was written")
        self._write("checkpoint", [checkpoint.note])

    def entries(self, begin: int = 0) -> Iterator[Entry]:
        """Yield the entries from index `begin` on."""
        for leaf in self._leaves[begin:]:
            yield decode(leaf)

    def leaf(self, index: int) -> bytes:
        """Return the canonical bytes of one entry."""
        return self._leaves[index]

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return every signed checkpoint, oldest first."""
        return tuple(self._checkpoints)

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` entries (all by default)."""
        return self._tree.root(size)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return the proof that entry `index` is in the tree of `size` entries (all by default)."""
        return self._tree.inclusion(index, len(self) if size is None else size)

    def consistency(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        """Return the proof that the first `old` entries are the beginning of the first `new`."""
        return self._tree.consistency(old, len(self) if new is None else new)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _write(self, kind: RecordKind, contents: Sequence[bytes]) -> None:
        with self._lock:
            self._write_alone(kind, contents)

    def _write_alone(self, kind: RecordKind, contents: Sequence[bytes]) -> None:
        code = _CODES[kind]
        data = b"".join(_HEAD.pack(code, len(c), zlib.crc32(code + c)) + c for c in contents)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._handle, data[written:], self._end + written)
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, self._end)
            raise LedgerUnwritableError(
                f"ledger {self.folder / FILE_NAME}: {len(contents)} records could not be written ({error.strerror}). "
                f"The {len(self)} entries before are safe. Free space on that disk and write again"
            ) from error
        self._end += len(data)
        for content in contents:
            self._take(kind, content)

    def _take(self, kind: RecordKind, content: bytes) -> None:
        if kind == "entry":
            self._tree.append(content)
            self._leaves.append(content)
        else:
            self._checkpoints.append(Checkpoint.parse(content))


def _claim(handle: int, folder: Path) -> None:
    owner = folder / "ledger.pid"
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = owner.read_text().strip() if owner.exists() else "unknown"
        raise LedgerInUseError(
            f"the ledger in {folder} is in use by process {holder}. Stop that process (Ctrl-C where it runs, or kill {holder}), "
            "or choose another data folder. Nothing was changed"
        ) from error
    owner.write_text(f"{os.getpid()}\n")


def _keys(folder: Path, origin: str, begun: bool) -> tuple[Ed25519PrivateKey, Verifier]:
    path, public = folder / KEY_NAME, folder / PUBLIC_NAME
    if not path.exists():
        if begun:
            raise LedgerDamagedError(
                f"ledger {folder}: {KEY_NAME} is missing, so nothing more can be signed. Put it back from a copy; "
                "reading and verifying need only the public key"
            )
        part = path.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(handle, Ed25519PrivateKey.generate().private_bytes_raw())
        os.fsync(handle)
        os.close(handle)
        os.replace(part, path)
        _sync_folder(folder)
    key = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    name = Verifier.parse(public.read_text()).name if public.exists() else origin
    verifier = Verifier(name, key.public_key())
    if not public.exists():
        public.write_text(verifier.text + "\n")
    return key, verifier


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
