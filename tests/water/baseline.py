# SPDX-License-Identifier: Apache-2.0
"""The pumps' own float switches run them; lamplighter proposes nothing."""

from typing import Any

from lamplighter.terms.decision import Proposals
from lamplighter.terms.snapshot import Snapshot


def baseline(snapshot: Snapshot, state: Any, prepared: Any) -> tuple[tuple[Proposals, ...], Any]:
    """Propose nothing."""
    return (), state
