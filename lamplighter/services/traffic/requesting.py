# SPDX-License-Identifier: Apache-2.0
"""What an operator may ask of a signal_controller, and whoever waited: the words with which the page offers it."""

from typing import Any

from lamplighter.services.traffic.layout import Layout
from lamplighter.services.traffic.telling import box_row, stage_name
from lamplighter.services.traffic.terms import CLEAR_WAY
from lamplighter.terms.asking import Choice, Inquiry, Request, Watch


def box_of(prepared: Any, asset: int) -> int | None:
    """Return the city position of the intersection that a signal or detector belongs to; None for a counter by the road."""
    layout: Layout = prepared.layout
    box = box_row(layout, asset - layout.start)
    return None if box is None else int(layout.boxes.local[box]) + layout.start


def _stages(prepared: Any, asset: int) -> tuple[Choice, ...]:
    layout: Layout = prepared.layout
    box = box_row(layout, asset - layout.start)
    if box is None:
        return ()
    many = int(layout.stages.offsets[box + 1] - layout.stages.offsets[box])
    names = (stage_name(layout, box, stage, prepared.street_names) for stage in range(many))
    return tuple(
        Choice(name if name == f"stage {stage}" else f"stage {stage}: {name}", {"stage": float(stage)})
        for stage, name in enumerate(names)
    )


def _own(prepared: Any, asset: int) -> tuple[Choice, ...]:
    return (Choice("its own programme", {}),)


REQUESTS = (
    Request(
        CLEAR_WAY,
        "Clear the way",
        "Green for one stage. Minimum greens, walks and clearances are kept, so the change takes as long as it always does. "
        "Then the signals return to their own programme.",
        _stages,
        (60.0, 30.0, 90.0, 120.0, 180.0, 300.0),
    ),
    Request(
        "hold",
        "Leave it alone",
        "The signals run their own programme and nobody steers them, for works or an inspection.",
        _own,
        (300.0, 60.0, 600.0, 900.0),
    ),
)
INQUIRY = Inquiry(
    "Why did I wait?",
    "What ran here, how long each street waited and why, from the city's record: sums over five minutes or more, nothing about a "
    "single vehicle or person.",
    "lamplighter.services.traffic.complaint.command:letter",
)
WATCH = Watch(
    "What stands out",
    "Over the last full hour: streets not served in one green, platoons that meet red, long waits, detectors that cannot be "
    "believed.",
    "lamplighter.services.traffic.diagnosis.following:watch_city",
)
