# SPDX-License-Identifier: Apache-2.0
"""Checking a ledger without trusting whoever keeps it: from its file, its public key and checkpoints kept elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter.ledger.checkpoint import Checkpoint, Verifier
from lamplighter.ledger.entries import EntryRefusedError, decode
from lamplighter.ledger.store import FILE_NAME, PUBLIC_NAME, Scan, scan
from lamplighter.ledger.tree import Tree, verify_consistency


@dataclass(frozen=True)
class Verdict:
    """What was checked, in plain sentences, and every fault found; sound where there is none."""

    entries: int
    checkpoints: int
    root: bytes
    checked: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether no fault was found."""
        return not self.faults


def verify(folder: Path, key: Verifier | None = None, kept: Sequence[Checkpoint] = ()) -> Verdict:
    """Check the ledger in `folder`; `key` overrides the public key beside it, `kept` are checkpoints kept elsewhere.

    FileNotFoundError where there is no ledger.
    """
    path = folder / FILE_NAME
    found = scan(path.read_bytes())
    tree = Tree()
    faults: list[str] = []
    checked = [f"{sum(r.kind == 'entry' for r in found.records)} entries read, each against its checksum and canonical form"]
    faults += _file_fault(path, found)
    verifier, said = (key, "") if key else _verifier(folder)
    faults += [said] if said else []
    checkpoints: list[Checkpoint] = []
    for record in found.records:
        if record.kind == "entry":
            faults += _entry_fault(len(tree), record.offset, record.content)
            tree.append(record.content)
        else:
            faults += _checkpoint_fault(tree, record.offset, record.content, verifier, checkpoints)
    checked.append(f"{len(checkpoints)} signed checkpoints, each against the root of all entries before it")
    unsigned = len(tree) - (checkpoints[-1].size if checkpoints else 0)
    if unsigned:
        checked.append(f"the last {unsigned} entries are not yet under a signed checkpoint, so nothing yet holds them in place")
    for each in kept:
        faults += _kept_fault(tree, each, verifier)
    if kept:
        checked.append(f"{len(kept)} checkpoints kept elsewhere, each as a beginning of this ledger")
    else:
        checked.append("no checkpoint kept elsewhere was given: who holds the key and the file could have rewritten both")
    return Verdict(len(tree), len(checkpoints), tree.root(), tuple(checked), tuple(faults))


def _file_fault(path: Path, found: Scan) -> list[str]:
    if not found.fault:
        return []
    after = f"after entry {sum(r.kind == 'entry' for r in found.records) - 1}" if found.records else "at its beginning"
    if found.torn:
        return [f"{path} is broken {after}: {found.fault}; an append was cut off there, and opening the ledger takes it away"]
    return [f"{path} is broken {after}: {found.fault}; what follows it cannot be read"]


def _verifier(folder: Path) -> tuple[Verifier | None, str]:
    path = folder / PUBLIC_NAME
    try:
        return Verifier.parse(path.read_text()), ""
    except (OSError, ValueError) as error:
        return None, f"the public key {path} cannot be read ({error}), so no signature could be checked; give it with --key"


def _entry_fault(index: int, offset: int, content: bytes) -> list[str]:
    try:
        decode(content)
    except EntryRefusedError as error:
        return [f"entry {index} (byte {offset}): {error}"]
    return []


def _checkpoint_fault(
    tree: Tree, offset: int, content: bytes, verifier: Verifier | None, checkpoints: list[Checkpoint]
) -> list[str]:
    try:
        checkpoint = Checkpoint.parse(content)
    except ValueError as error:
        return [f"checkpoint at byte {offset}: {error}"]
    faults: list[str] = []
    where = f"checkpoint of size {checkpoint.size} (byte {offset})"
    last = checkpoints[-1].size if checkpoints else 0
    if verifier is not None and not checkpoint.signed_by(verifier):
        faults.append(f"{where}: the signature of {verifier.name} is missing or wrong")
    if checkpoint.size > len(tree):
        faults.append(f"{where}: stands before its entries, the ledger has {len(tree)} there; entries were taken out")
    elif tree.root(checkpoint.size) != checkpoint.root:
        faults.append(
            f"{where}: its root is not the root of the entries before it; "
            f"an entry between {last} and {checkpoint.size - 1} was changed, taken out or put in"
        )
    checkpoints.append(checkpoint)
    return faults


def _kept_fault(tree: Tree, kept: Checkpoint, verifier: Verifier | None) -> list[str]:
    where = f"checkpoint of size {kept.size} kept elsewhere"
    faults: list[str] = []
    if verifier is not None and not kept.signed_by(verifier):
        faults.append(f"{where}: is not signed by {verifier.name}")
    if kept.size > len(tree):
        faults.append(f"{where}: the ledger has only {len(tree)} entries; {kept.size - len(tree)} were cut off")
    elif kept.size:
        proof = tree.consistency(kept.size, len(tree))
        if not verify_consistency((kept.size, len(tree)), (kept.root, tree.root()), proof):
            faults.append(f"{where}: is no beginning of this ledger; an entry among the first {kept.size} was changed")
    return faults
