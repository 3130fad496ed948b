# SPDX-License-Identifier: Apache-2.0
"""Why did I wait? A resident's complaint answered from the record plane, as a paragraph that can be sent."""

from lamplighter.services.traffic.complaint.evidence import Evidence, Heard, gather
from lamplighter.services.traffic.complaint.letter import Answer, write
from lamplighter.services.traffic.complaint.moment import MomentError, moment
from lamplighter.services.traffic.complaint.place import PlaceError, approaches, find_approaches, find_intersection

__all__ = [
    "Answer",
    "Evidence",
    "Heard",
    "MomentError",
    "PlaceError",
    "approaches",
    "find_approaches",
    "find_intersection",
    "gather",
    "moment",
    "write",
]
