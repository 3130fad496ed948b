# SPDX-License-Identifier: Apache-2.0
"""The old way of working: every lamp follows its own calendar, dusk to dawn at full output. Nothing is proposed."""

from typing import Any

from lamplighter.terms.decision import Proposals
from lamplighter.terms.snapshot import Snapshot


def decide(snapshot: Snapshot, state: Any, prepared: Any) -> tuple[tuple[Proposals, ...], Any]:
    """Return no proposals: the calendar stored in the lamps holds."""
    del snapshot, prepared
    return (), state
