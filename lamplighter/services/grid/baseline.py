# SPDX-License-Identifier: Apache-2.0
"""What happens without lamplighter: every box follows its own programme, and a car charges as soon as it is plugged in."""

from typing import Any

from lamplighter.terms.decision import Proposals
from lamplighter.terms.snapshot import Snapshot


def baseline(snapshot: Snapshot, state: Any, prepared: Any) -> tuple[tuple[Proposals, ...], Any]:
    """Propose nothing."""
    return (), state
