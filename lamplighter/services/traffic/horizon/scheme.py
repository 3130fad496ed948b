# SPDX-License-Identifier: Apache-2.0
"""What the planner is told: the network, which does not change; one second's observation; and what it answers.

Rows are counted over the whole network, so that one call decides for every box: b boxes, s stage rows, l lanes before
stop lines, v movements (one per connection under a signal), e exits (lanes entered), f crossings on foot. A stage
*number* and a movement *number* count from 0 within one box. Every array is contiguous, float64, int64 or bool.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

CELLS = 8  # cells of a lane, counted upstream from the stop line
CELL_M = 25.0
RED, GIVES_WAY, GREEN = 0, 1, 2  # what a stage shows to a movement


NO_OWN = np.zeros(0)
NO_BOX = np.zeros(0, np.bool_)
NO_COURSE = np.zeros((0, 0, 0))


class Network(NamedTuple):
    """Boxes, stages, lanes, movements, exits and crossings of one network.

    stage_offsets (b+1): stages of box b are rows stage_offsets[b]..; they are the green intervals of its programme.
    lane_offsets (b+1): lanes, sorted by box. lane_length_m, lane_speed_m_s (l): the lane before the stop line only.
    reach_m (l): how far back from the stop line is seen, at most 200 m: to the previous signal or the network's edge, on
    over unsignalised lanes upstream. enters (l): the seen stretch begins at the network's edge, so vehicles are put in there.
    cell_s (l, CELLS + 1): seconds at free flow from each cell's two ends to the stop line.
    move_offsets (l+1): movements, sorted by lane. move_turn (v): 0 straight, 1 left, 2 right, 3 u-turn. move_exit (v): exit row.
    move_first (b+1): movement number n of box b is row move_first[b] + n. serve (s, m): RED, GIVES_WAY or GREEN by stage row
    and movement number, m the most movements of any box. yield_offsets (v+1), yield_to (k): movement rows to which a
    movement gives way where it is not GREEN.
    exit_length_m (e): the lane entered, with what follows it up to the next stop line. exit_lane_offsets (e+1), exit_lane (k):
    lanes (rows) before the next signal that this exit feeds, exit_share (k) which share of it each gets as a prior; none where
    the network ends. exit_travel_s (e): time at free flow from the stop line to the far end of the seen stretch of those lanes.
    change_s (s, n): seconds without green between a stage row and a stage number, n the most stages of any box; movements
    green in both stages stay green. green_min_s (s). red_max_s (v).
    foot_offsets (b+1): crossings on foot, sorted by box. foot_serve (s, c): the crossing with that number within the box walks.
    A signal on which a bus or tram may be announced is a row of this kind, too. foot_walk_s (f): the shortest walk and its
    clearance; foot_red_max_s (f). foot_flow_s (f): persons who come per second, from which follows how many stand behind a call;
    nobody is expected besides. lane_persons (l): persons per vehicle; foot_persons (f): what a person there counts.
    own_share (s): share of the own programme's cycle for which a stage is green, empty where the own programme is not known.
    keeps_s, begins_s (s, n, k): in a change between a stage row and a stage number, the seconds from its beginning for which a
    lane of the old stage (by its number within the box, crossings after them) is still green, and after which one of the new
    stage is green already; empty where lanes that are not green in both are red throughout.
    keeps_own (b): boxes that keep their own programme, since people on foot would wait longer under any choice; empty for none.
    """

    stage_offsets: IntArray
    lane_offsets: IntArray
    lane_length_m: FloatArray
    lane_speed_m_s: FloatArray
    reach_m: FloatArray
    enters: BoolArray
    cell_s: FloatArray
    move_offsets: IntArray
    move_turn: IntArray
    move_exit: IntArray
    move_first: IntArray
    serve: IntArray
    yield_offsets: IntArray
    yield_to: IntArray
    exit_length_m: FloatArray
    exit_lane_offsets: IntArray
    exit_lane: IntArray
    exit_share: FloatArray
    exit_travel_s: FloatArray
    change_s: FloatArray
    green_min_s: FloatArray
    red_max_s: FloatArray
    foot_offsets: IntArray
    foot_serve: BoolArray
    foot_walk_s: FloatArray
    foot_red_max_s: FloatArray
    foot_flow_s: FloatArray
    lane_persons: FloatArray
    foot_persons: FloatArray
    own_share: FloatArray = NO_OWN
    keeps_s: FloatArray = NO_COURSE
    begins_s: FloatArray = NO_COURSE
    keeps_own: BoolArray = NO_BOX


class Seen(NamedTuple):
    """What was seen in one second.

    cell_veh, cell_occupancy_share (l, CELLS): vehicles in, and covered share of, each cell; cell 0 is at the stop line; a cell of
    unsignalised upstream lanes is their sum, a vehicle before a fork counting by its likelihood. Zeros where there are only
    loops. passed_veh (l): vehicles that crossed the stop line in the last second. stop_occupancy_share, advance_veh,
    advance_occupancy_share (l): the stop line loop, and the loop 20 to 40 m upstream. alive (l): the lane's detectors speak.
    stage (b): number of the running stage, or, while changing (b), of the one that it changes to. stage_elapsed_s (b):
    seconds since the running stage turned green, 0 while changing. change_left_s (b): seconds until the green that is being
    changed to, else 0. movement_green (v): RED, GIVES_WAY or GREEN as shown now; movement_red_s (v): seconds since it was
    last not RED, else 0. foot_waiting_persons (f): persons behind the calls that stand, foot_due_s (f): seconds until they
    are there (0 where they stand already); foot_red_s (f): seconds since the row's green ended, else 0. exit_room_veh (e): what
    each street entered still takes, as seen right behind the signal; empty where nothing is seen there.
    """

    cell_veh: FloatArray
    cell_occupancy_share: FloatArray
    passed_veh: FloatArray
    stop_occupancy_share: FloatArray
    advance_veh: FloatArray
    advance_occupancy_share: FloatArray
    alive: BoolArray
    stage: IntArray
    stage_elapsed_s: FloatArray
    changing: BoolArray
    change_left_s: FloatArray
    movement_green: IntArray
    movement_red_s: FloatArray
    foot_waiting_persons: FloatArray
    foot_due_s: FloatArray
    foot_red_s: FloatArray
    exit_room_veh: FloatArray = NO_OWN


class Choice(NamedTuple):
    """The stage that each box is to run (b,), the running one where nothing changes; why (b,); and whether the planner
    answers for it (b,): where not, the box runs its own programme."""

    stage: IntArray
    because: IntArray
    trusted: BoolArray


class Settings(NamedTuple):
    """How to plan. One set serves every network.

    step_s: a choice is made every so many seconds, and plans change on that grid only. loops: lanes are seen by loops, not by
    cells. horizon_s: how far plans look. headway_s: a queue's, before it is learned. back_ratio: how many changes a change
    costs in the base policy; keep_ratio: how much more what runs counts there than what might. end_s, end_s_per_veh: what one
    who still waits at the end costs, and how much more for each other in the same lane. spill_ratio: what each vehicle costs
    besides where a queue outgrows store_ratio of its street; fill_ratio: a street takes vehicles up to this share of what it
    holds. send_ratio: how much of what the signals upstream have sent, or plan to send, is expected beyond what is seen.
    most_boxes: where there are more, boxes take turns: so many are planned anew each time, and those whose
    plan comes to a choice.
    """

    step_s: float = 1.0
    loops: bool = False
    horizon_s: float = 60.0
    headway_s: float = 2.0
    back_ratio: float = 1.0
    keep_ratio: float = 1.4
    end_s: float = 15.0
    end_s_per_veh: float = 1.0
    spill_ratio: float = 1.0
    store_ratio: float = 0.7
    fill_ratio: float = 1.0
    send_ratio: float = 0.0
    most_boxes: int = 1250
