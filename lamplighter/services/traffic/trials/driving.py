# SPDX-License-Identifier: Apache-2.0
"""Who decides in a trial: the planner, or a rival for comparison; and what it sees."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.services.traffic.horizon.scheme import Choice, Network, Seen, Settings
from lamplighter.services.traffic.trials.sensing import Sums
from lamplighter.services.traffic.trials.strands import REACH_M, Piece, Strand, Ways
from lamplighter.services.traffic.trials.survey import Survey

Choose = Callable[[Seen, Sums, int], Choice]
Start = Callable[[Network, Settings], Any]
Decide = Callable[[Network, Seen, Any, float, Settings], tuple[Choice, Any]]

_STAYS = 1e-6
NEAR_CELLS = 2  # max-wave counts over 50 m


@dataclass(frozen=True)
class Driver:
    """strands: what the detectors cover, lanes first. choose(seen, sums, now_s): one second's choice."""

    strands: tuple[Strand, ...]
    choose: Choose


def planned(survey: Survey, start: Start, decide: Decide, settings: Settings) -> Driver:
    """Return the driver that asks a planner every second; what it remembers is kept between the calls."""
    memory = [start(survey.network, settings)]

    def choose(seen: Seen, _: Sums, now_s: int) -> Choice:
        choice, memory[0] = decide(survey.network, seen, memory[0], float(now_s), settings)
        return choice

    return Driver(survey.strands, choose)


def _before(lane: str, ways: Ways) -> Strand:
    return Strand((Piece(lane, 0.0, 1.0),), min(ways.length_m[lane], REACH_M), False)


def _behind(lane: str, ways: Ways) -> Strand:
    """Return the first 200 m of a lane; what lies further lies before the first cell."""
    return Strand((Piece(lane, -max(ways.length_m[lane] - REACH_M, 0.0), 1.0),), min(ways.length_m[lane], REACH_M), False)


def pressed(survey: Survey, ways: Ways, waves: bool) -> Driver:
    """Return max-pressure, or max-wave: the stage with the most vehicles before its green lanes (less those after them).

    Max-pressure counts 200 m of the lanes before the stop lines less the first 200 m of the lanes entered
    (Varaiya 2013); max-wave counts 50 m of the lanes before the stop lines alone (RESCO's `MAXWAVE`).
    """
    network = survey.network
    lanes = len(survey.lanes)
    lane_of_move = np.repeat(np.arange(lanes), np.diff(network.move_offsets))
    gain = np.zeros((len(network.serve), lanes + len(survey.exits)))
    for box in range(len(survey.boxes)):
        first, last = int(network.move_first[box]), int(network.move_first[box + 1])
        for row in range(int(network.stage_offsets[box]), int(network.stage_offsets[box + 1])):
            green = np.arange(first, last)[network.serve[row, : last - first] > 0]
            gain[row, lane_of_move[green]] = 1.0
            if not waves:
                gain[row, lanes + network.move_exit[green]] = -1.0
    first_row = network.stage_offsets
    strands = (*(_before(lane, ways) for lane in survey.lanes), *(_behind(lane, ways) for lane in survey.exits))
    cells = NEAR_CELLS if waves else None
    trusted = np.ones(len(survey.boxes), np.bool_)
    because = np.zeros(len(survey.boxes), np.int64)

    def choose(seen: Seen, sums: Sums, now_s: int) -> Choice:
        score = gain @ sums.cell_veh[:, :cells].sum(axis=1)
        score[first_row[:-1] + seen.stage] += _STAYS  # of equals, the running one
        stage = [int(np.argmax(score[first_row[b] : first_row[b + 1]])) for b in range(len(trusted))]
        return Choice(np.asarray(stage, np.int64), because, trusted)

    return Driver(strands, choose)
