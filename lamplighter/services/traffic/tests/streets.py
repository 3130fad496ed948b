# SPDX-License-Identifier: Apache-2.0
"""Streets of one lane for the theory checks of retiming: signals in a row, each lane with one movement."""

import numpy as np

from lamplighter.services.traffic.retiming.kernel import DARK, FREE, Lights, Roads
from lamplighter.terms.columns import FloatArray


def row_of_signals(inflow_veh_s: list[float], travel_s: list[int], smooth: float, full_veh_s: float = 0.5) -> Roads:
    """Return lanes 0, 1, 2 ... where lane n feeds lane n + 1, travel_s[n] seconds on; inflow from outside per lane."""
    n = len(inflow_veh_s)
    every, first = np.arange(n, dtype=np.int64), np.arange(n + 1, dtype=np.int64)
    feeds = np.arange(n - 1, dtype=np.int64)
    return Roads(
        lane_box=every, lane_edge=every, lane_first=first, lane_share=np.ones(n), outside_veh_s=np.asarray(inflow_veh_s),
        chance_share=np.ones(n), move_link=np.zeros(n, np.int64), move_share=np.ones(n), move_veh_s=np.full(n, full_veh_s),
        yield_first=np.zeros(n + 1, np.int64), yield_to=np.zeros(0, np.int64),
        feed_first=np.concatenate(([0], first[:-1])), feed_move=feeds, feed_share=np.ones(n - 1),
        feed_delay_s=np.asarray(travel_s, np.int64), feed_smooth_ratio=np.full(n - 1, smooth),
        exit_first=np.minimum(first, n - 1), exit_edge=feeds + 1, exit_share=np.ones(n - 1),
        storage_veh=np.full(n, 1e9), gap_s=6.0, follow_s=5.0,
    )  # fmt: skip


def lights(cycle_s: int, green_s: list[int], offset_s: list[int]) -> Lights:
    """Return one link per signal, green from the start of its cycle."""
    code = [np.where(np.arange(cycle_s) < g, FREE, DARK).astype(np.int8) for g in green_s]
    n = len(green_s)
    return Lights(np.arange(n, dtype=np.int64) * cycle_s, np.ones(n, np.int64), np.full(n, cycle_s, np.int64),
                  np.asarray(offset_s, np.int64), np.concatenate(code))  # fmt: skip


def uniform_s(cycle_s: float, green_s: float, flow_veh_s: float, full_veh_s: float) -> float:
    """Return the delay per vehicle of even arrivals (D/D/1; the first term of Webster, 1958)."""
    share, ratio = green_s / cycle_s, flow_veh_s / full_veh_s
    return cycle_s * (1.0 - share) ** 2 / (2.0 * (1.0 - ratio))


def webster_s(cycle_s: float, green_s: float, flow_veh_s: float, full_veh_s: float) -> float:
    """Return the delay per vehicle after F. V. Webster, Road Research Technical Paper 39, 1958, all three terms."""
    share = green_s / cycle_s
    x = flow_veh_s / (share * full_veh_s)
    random_s = x**2 / (2.0 * flow_veh_s * (1.0 - x))
    third_s = 0.65 * (cycle_s / flow_veh_s**2) ** (1.0 / 3.0) * x ** (2.0 + 5.0 * share)
    return uniform_s(cycle_s, green_s, flow_veh_s, full_veh_s) + random_s - third_s


def waiting_m_d_1(ratio: float, customers: int, seed: int) -> float:
    """Return the mean wait, in service times, of chance arrivals and even service, by running the queue."""
    gaps = np.random.default_rng(seed).exponential(1.0 / ratio, customers)
    wait, total = 0.0, 0.0
    for gap in gaps.tolist():
        wait = max(0.0, wait + 1.0 - gap)
        total += wait
    return total / customers


def signal_queue_s(cycle_s: int, green_s: int, flow_veh_s: float, full_veh_s: float, seed: int) -> float:
    """Return the delay per vehicle of chance arrivals at a fixed-time signal, by running 4000 cycles in steps of 0.1 s."""
    rng = np.random.default_rng(seed)
    steps = 4000 * cycle_s * 10
    new: FloatArray = rng.poisson(flow_veh_s / 10, steps).astype(np.float64)
    free = (np.arange(steps) % (cycle_s * 10)) < green_s * 10
    queue, area = 0.0, 0.0
    for arrives, may in zip(new.tolist(), free.tolist(), strict=True):
        queue += arrives
        if may:
            queue = max(0.0, queue - full_veh_s / 10)
        area += queue
    return area * 0.1 / float(new.sum())
