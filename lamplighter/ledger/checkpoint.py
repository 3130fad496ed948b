# SPDX-License-Identifier: Apache-2.0
"""Signed checkpoints: C2SP tlog-checkpoint bodies in C2SP signed notes, with Ed25519 signatures."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lamplighter.ledger.tree import verify_consistency

_ED25519 = b"\x01"  # signed-note: the signature type of plain Ed25519


@dataclass(frozen=True)
class Verifier:
    """Who signs, and the public key with which to check it; `text` is the signed-note verifier key."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, type, key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key.public_bytes_raw()).digest()[:4]

    @property
    def text(self) -> str:
        """The key in one line: name+id+base64."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.key.public_bytes_raw()).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read a verifier key; ValueError says what is wrong with it."""
        parts = text.strip().split("+", 2)
        try:
            raw = base64.b64decode(parts[2], validate=True)
            verifier = cls(parts[0], Ed25519PublicKey.from_public_bytes(raw[1:]))
        except (IndexError, binascii.Error, ValueError) as error:
            raise ValueError(f"{text.strip()[:60]!r} is no verifier key; it must read name+id+base64") from error
        if raw[:1] != _ED25519 or verifier.key_id.hex() != parts[1]:
            raise ValueError(f"verifier key of {parts[0]}: the id {parts[1]} does not belong to the key")
        return verifier


@dataclass(frozen=True)
class Checkpoint:
    """The root over the first `size` entries, signed. signatures: (name, key id and signature) of the log, then of witnesses."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...] = ()

    @property
    def body(self) -> bytes:
        """The bytes that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    @property
    def note(self) -> bytes:
        """The checkpoint as a signed note, for files and witnesses."""
        lines = [f"\u2014 {name} {base64.b64encode(value).decode()}\n" for name, value in self.signatures]
        return self.body + b"\n" + "".join(lines).encode()

    @classmethod
    def parse(cls, note: bytes) -> "Checkpoint":
        """Read a signed note; ValueError says what is wrong with it."""
        try:
            body, _, tail = note.decode().partition("\n\n")
            origin, size, root = body.split("\n")
            signatures: list[tuple[str, bytes]] = []
            for line in tail.splitlines():
                dash, name, value = line.split(" ")
                if dash != "\u2014":
                    raise ValueError("a signature line must begin with a dash")
                signatures.append((name, base64.b64decode(value, validate=True)))
            found = cls(origin, int(size), base64.b64decode(root, validate=True), tuple(signatures))
        except ValueError as error:
            raise ValueError(f"this is no signed checkpoint ({error})") from error
        if found.note != note or len(found.root) != 32 or found.size < 0:
            raise ValueError("this checkpoint is not in canonical form")
        return found

    def signed(self, name: str, key: Ed25519PrivateKey) -> "Checkpoint":
        """Return the checkpoint with one more signature."""
        value = Verifier(name, key.public_key()).key_id + key.sign(self.body)
        return replace(self, signatures=(*self.signatures, (name, value)))

    def signed_by(self, verifier: Verifier) -> bool:
        """Return whether this verifier's signature is on it and true."""
        for name, value in self.signatures:
            if name == verifier.name and value[:4] == verifier.key_id:
                try:
                    verifier.key.verify(value[4:], self.body)
                except InvalidSignature:
                    return False
                return True
        return False


class Witness:
    """Someone outside who remembers the last checkpoint and signs only what continues it."""

    def __init__(self, name: str, key: Ed25519PrivateKey, log: Verifier, last: Checkpoint | None = None) -> None:
        self.name = name
        self._key = key
        self._log = log
        self.last = last

    def cosign(self, checkpoint: Checkpoint, proof: Sequence[bytes]) -> Checkpoint:
        """Return the checkpoint with the witness's signature; ValueError where it does not continue the last one."""
        if checkpoint.origin != self._log.name or not checkpoint.signed_by(self._log):
            raise ValueError(f"the checkpoint of size {checkpoint.size} is not signed by {self._log.name}; not cosigned")
        if self.last is not None and self.last.size > 0:
            sizes = (self.last.size, checkpoint.size)
            if not verify_consistency(sizes, (self.last.root, checkpoint.root), proof):
                raise ValueError(
                    f"the checkpoint of size {checkpoint.size} does not continue the one of size {self.last.size} seen before: "
                    "history was rewritten, or the proof is wrong. Not cosigned"
                )
        self.last = checkpoint
        return checkpoint.signed(self.name, self._key)
