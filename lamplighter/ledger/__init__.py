# SPDX-License-Identifier: Apache-2.0
"""The append-only, witnessed log of the city: an RFC 6962 Merkle tree over typed entries, in one file."""

from lamplighter.ledger.checkpoint import Checkpoint, Verifier, Witness
from lamplighter.ledger.entries import (
    Entry,
    EntryRefusedError,
    ExperimentRegistered,
    OperatorAct,
    OperatorAsked,
    PermitsCommitted,
    Plan,
    ReleaseMade,
    RunStart,
    SettingChange,
)
from lamplighter.ledger.salts import Commitment, Salts, opens_window
from lamplighter.ledger.store import FILE_NAME, Ledger, LedgerDamagedError, LedgerInUseError, LedgerUnwritableError
from lamplighter.ledger.tree import Tree, verify_consistency, verify_inclusion
from lamplighter.ledger.verify import Verdict, verify

__all__ = [
    "FILE_NAME",
    "Checkpoint",
    "Commitment",
    "Entry",
    "EntryRefusedError",
    "ExperimentRegistered",
    "Ledger",
    "LedgerDamagedError",
    "LedgerInUseError",
    "LedgerUnwritableError",
    "OperatorAct",
    "OperatorAsked",
    "PermitsCommitted",
    "Plan",
    "ReleaseMade",
    "RunStart",
    "Salts",
    "SettingChange",
    "Tree",
    "Verdict",
    "Verifier",
    "Witness",
    "opens_window",
    "verify",
    "verify_consistency",
    "verify_inclusion",
]
