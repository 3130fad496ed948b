# SPDX-License-Identifier: Apache-2.0
"""What residents would notice of the signals: the same names for what the simulator knows and a city can measure."""

from lamplighter.terms.outcome import Outcome

OUTCOMES = (
    Outcome(
        "vehicle_delay_s_trip",
        "mean",
        "lower",
        "time lost by cars and lorries against free travel, the wait before entering the network included, per trip begun; "
        "counted while it is being lost, so that trips still under way weigh in full. Measured: time spent on the lane "
        "areas before stop lines beyond that at the speed allowed, per vehicle over a stop line",
        chart=True,
    ),
    Outcome(
        "pedestrian_delay_s_trip",
        "mean",
        "lower",
        "time that people on foot stand waiting, per walk begun. Measured: mean wait from the call to green, per call",
        chart=True,
    ),
    Outcome("bicycle_delay_s_trip", "mean", "lower", "time lost by people on bicycles, per trip begun", measurable=False),
    Outcome("bus_delay_s_trip", "mean", "lower", "time lost by buses outside their stops, per trip begun", measurable=False),
    Outcome(
        "stops_per_trip",
        "mean",
        "lower",
        "how often a vehicle came to a stand, per trip ended. Measured: new standing vehicles per vehicle over a stop line",
    ),
    Outcome(
        "longest_red_wait_s",
        "max",
        "lower",
        "longest time that somebody waited at one red",
        chart=True,
    ),
    Outcome(
        "trips_finished",
        "sum",
        "higher",
        "trips of cars, lorries, buses and bicycles that ended. Measured: vehicles over stop lines",
    ),
)
NAMES = tuple(outcome.name for outcome in OUTCOMES)
