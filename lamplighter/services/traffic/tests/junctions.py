# SPDX-License-Identifier: Apache-2.0
"""Small networks for the planner: crossroads of lanes that conflict, each with a stage of its own."""

import numpy as np

from lamplighter.services.traffic.horizon.scheme import CELLS, GREEN, RED, Network, Seen


def crossroads(boxes: int = 1, lanes: int = 2, stages: int = 2, green_min_s: float = 5.0, red_max_s: float = 120.0) -> Network:
    """Return boxes that stand alone; lane n of a box is green in stage n modulo the number of stages only."""
    rows, every, moves = boxes * stages, boxes * lanes, boxes * lanes
    serve = np.full((rows, lanes), RED, np.int64)
    for row in range(rows):
        serve[row, row % stages :: stages] = GREEN
    change_s = np.full((rows, stages), 3.0)
    change_s[np.arange(rows), np.arange(rows) % stages] = 0.0
    ints, none = (lambda *values: np.array(values, np.int64)), np.zeros(0)
    return Network(
        stage_offsets=np.arange(boxes + 1) * stages,
        lane_offsets=np.arange(boxes + 1) * lanes,
        lane_length_m=np.full(every, 200.0),
        lane_speed_m_s=np.full(every, 13.89),
        reach_m=np.full(every, 200.0),
        cell_s=np.tile(np.arange(9, dtype=np.float64) * (25.0 / 13.9), (every, 1)),
        enters=np.ones(every, np.bool_),
        move_offsets=np.arange(moves + 1),
        move_turn=np.zeros(moves, np.int64),
        move_exit=np.zeros(moves, np.int64),
        move_first=np.arange(boxes + 1) * lanes,
        serve=serve,
        yield_offsets=np.zeros(moves + 1, np.int64),
        yield_to=ints(),
        exit_length_m=np.full(1, 200.0),
        exit_lane_offsets=ints(0, 0),
        exit_lane=ints(),
        exit_share=none,
        exit_travel_s=np.zeros(1),
        change_s=change_s,
        green_min_s=np.full(rows, green_min_s),
        red_max_s=np.full(moves, red_max_s),
        foot_offsets=np.zeros(boxes + 1, np.int64),
        foot_serve=np.zeros((rows, 0), np.bool_),
        foot_walk_s=none,
        foot_red_max_s=none,
        foot_flow_s=none,
        lane_persons=np.ones(every),
        foot_persons=none,
    )


def seen(network: Network, stage: int = 0, elapsed_s: float = 30.0) -> Seen:
    """Return a second in which nobody is there and every box runs the given stage."""
    lanes, boxes = len(network.lane_length_m), len(network.stage_offsets) - 1
    green = network.serve[network.stage_offsets[:-1] + stage].ravel().copy()
    zeros = np.zeros(lanes)
    return Seen(
        cell_veh=np.zeros((lanes, CELLS)),
        cell_occupancy_share=np.zeros((lanes, CELLS)),
        passed_veh=zeros.copy(),
        stop_occupancy_share=zeros.copy(),
        advance_veh=zeros.copy(),
        advance_occupancy_share=zeros.copy(),
        alive=np.ones(lanes, np.bool_),
        stage=np.full(boxes, stage, np.int64),
        stage_elapsed_s=np.full(boxes, elapsed_s),
        changing=np.zeros(boxes, np.bool_),
        change_left_s=np.zeros(boxes),
        movement_green=green,
        movement_red_s=np.where(green == RED, elapsed_s, 0.0),
        foot_waiting_persons=np.zeros(0),
        foot_due_s=np.zeros(0),
        foot_red_s=np.zeros(0),
    )
