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
    commitment,
    opens,
)
from lamplighter.ledger.store import FILE_NAME, Ledger, LedgerDamagedError, LedgerInUseError, LedgerUnwritableError
from lamplighter.ledger.tree import Tree, verify_consistency, verify_inclusion
from lamplighter.ledger.verify import Verdict, verify

__all__ = [
    "FILE_NAME",
    "Checkpoint",
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
    "SettingChange",
    "Tree",
    "Verdict",
    "Verifier",
    "Witness",
    "commitment",
    "opens",
    "verify",
    "verify_consistency",
    "verify_inclusion",
]
