# SPDX-License-Identifier: Apache-2.0
"""What must never happen in the grid, as small pure checks with the rule beside each.

The set checks rest on a power flow of their own of what is proposed, what is in force elsewhere, what lapsing leases would
uncover, and the worst of all that is not known: a station without a fresh meter counts as fully loaded, a box that does not
follow counts as it says it stands, a group's power may sit at the far end of the street, and how far the estimate may be
off is added to every branch.
"""

from lamplighter.services.grid.interlock import checks, supply
from lamplighter.services.grid.interlock.worst import worst_of
from lamplighter.terms.decision import Rule
from lamplighter.terms.service import Interlock

__all__ = ["INTERLOCKS", "worst_of"]

WHOLE_POINT = Rule(
    "nothing between 0 and 6 A", "kW", "IEC 61851-1:2017, table A.8", "a group gets 0, or at least what one car needs to charge"
)
INSTALLED = Rule("within what is installed", "kW", "IEC 60364-7-722", "a group is not granted more than its points can draw")
READ_BACK = Rule(
    "permanent maximum read back",
    "kW",
    "OCPP 2.0.1 edition 2, K01 and K08",
    "no lease before the box has read back the maximum that holds when the lease lapses",
)
NO_HIGHER = Rule(
    "permanent maximum as computed", "kW", "lamplighter grid 1", "what holds for good is at most what the grid bears unsteered"
)
GROUP_ENVELOPE = Rule(
    "within the operator's envelope",
    "kW",
    "envelope of the network operator, OSCP 2.0 UpdateGroupCapacityForecast",
    "a group is not granted more than the network operator allows; an old word of his counts as the permanent maximum",
)
THERMAL = Rule(
    "no branch hotter than it stands",
    "of its heat",
    "IEC 60076-7:2018, 8.2.2 (transformers), DIN VDE 0276-603 at load factor 1 (cables)",
    "the power flow of all that is permitted keeps every cable and winding within its heat; a station's set fails whole",
)
BAND = Rule(
    "voltage in band",
    "pu",
    "EN 50160, 4.2.2 (means of ten minutes)",
    "the power flow of all that is permitted keeps the voltage of every node in the city's band; a station's set fails whole",
)
LIFTED = Rule(
    "voltage not lifted out of its band",
    "pu",
    "EN 50160, 4.2.2 (means of ten minutes)",
    "with all that inverters may supply and nobody charging, no voltage rises above the city's band; a station's set fails whole",
)
WITHIN_RATING = Rule(
    "within what inverters can", "kvar", "VDE-AR-N 4105:2018, 5.7.2", "no more reactive power is asked for than the table says"
)
ANSWERS = Rule(
    "inverters answer",
    "of 1",
    "SunSpec DER information model 704, read-back of set-points",
    "nothing but 0 is asked of inverters whose power and set-point are not read back",
)
UNBALANCE = Rule(
    "voltages balanced",
    "of positive sequence",
    "EN 50160, 4.2.4",
    "where line phases of connections are known, voltages stay within 2 % unbalance; a station's set fails whole",
)
STATION_ENVELOPE = Rule(
    "station within the operator's envelope",
    "kW",
    "envelope of the network operator, OSCP 2.0 UpdateGroupCapacityForecast",
    "power into the busbar of all that is permitted stays within what the network operator allows; a station's set fails whole",
)

LIMITING, INSTALLING, SUPPLYING = ("limit_charging",), ("install_maximum",), ("supply_reactive",)
BOTH = (*LIMITING, *SUPPLYING)
INTERLOCKS = (
    Interlock(WHOLE_POINT, LIMITING, "row", checks.whole_point),
    Interlock(INSTALLED, LIMITING, "row", checks.installed),
    Interlock(READ_BACK, LIMITING, "row", checks.read_back),
    Interlock(GROUP_ENVELOPE, LIMITING, "row", checks.group_envelope),
    Interlock(NO_HIGHER, INSTALLING, "row", checks.no_higher),
    Interlock(WITHIN_RATING, SUPPLYING, "row", supply.within_rating),
    Interlock(ANSWERS, SUPPLYING, "row", supply.answers),
    Interlock(THERMAL, BOTH, "set", checks.thermal),
    Interlock(BAND, BOTH, "set", checks.band),
    Interlock(LIFTED, BOTH, "set", checks.lifted),
    Interlock(UNBALANCE, LIMITING, "set", checks.unbalance),
    Interlock(STATION_ENVELOPE, LIMITING, "set", checks.station_envelope),
)
