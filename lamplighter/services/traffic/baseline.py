# SPDX-License-Identifier: Apache-2.0
"""What happens without us: every box runs its own programme, and lamplighter proposes nothing."""

from typing import Any

from lamplighter.terms.decision import Proposals
from lamplighter.terms.snapshot import Snapshot


def baseline(snapshot: Snapshot, state: Any, prepared: Any) -> tuple[tuple[Proposals, ...], Any]:
    """Return no proposal and the memory as it was."""
    return (), state
