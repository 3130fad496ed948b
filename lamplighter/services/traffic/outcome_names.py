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
        "areas before stop lines beyond that at the speed allowed, per vehicle at the first stop line of its trip",
        chart=True,
    ),
    Outcome(
        "person_delay_s_trip",
        "mean",
        "lower",
        "time lost per person, whoever travels how: cars and lorries, buses and trams with the persons that the city's settings "
        "state, one on a bicycle and one on foot. Measured: vehicles as cars, and calls as one person on foot each",
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
    Outcome("tram_delay_s_trip", "mean", "lower", "time lost by trams outside their stops, per trip begun", measurable=False),
    Outcome(
        "stops_per_trip",
        "mean",
        "lower",
        "how often a vehicle came to a stand, per trip ended. Measured: new standing vehicles per vehicle at its first stop line",
    ),
    Outcome(
        "longest_red_wait_s",
        "max",
        "lower",
        "longest time that somebody waited at one red",
        chart=True,
    ),
    Outcome("longest_wait_motor_s", "max", "lower", "of these, before signals of cars, buses and trams"),
    Outcome("longest_wait_foot_s", "max", "lower", "of these, before signals of people on foot"),
    Outcome("longest_wait_cycle_s", "max", "lower", "of these, before signals that bicycles have for themselves"),
    Outcome(
        "trips_finished",
        "sum",
        "higher",
        "trips of cars, lorries, buses and bicycles that ended. Measured: vehicles at their first stop line",
    ),
)
LONGEST_OF = ("longest_wait_motor_s", "longest_wait_foot_s", "longest_wait_cycle_s")
NAMES = tuple(outcome.name for outcome in OUTCOMES)
