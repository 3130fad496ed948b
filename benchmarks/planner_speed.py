# SPDX-License-Identifier: Apache-2.0
"""How long the planner takes for 1,000 and 10,000 boxes of 8 lanes and 4 stages, all free to choose; whether memory is flat.

python benchmarks/planner_speed.py [seconds]
"""

import resource
import sys
import time

import numpy as np

from lamplighter.services.traffic.horizon.decide import decide, start
from lamplighter.services.traffic.horizon.scheme import Settings
from lamplighter.services.traffic.tests.junctions import crossroads, seen


def main() -> None:
    """Print, per size, the median and worst second, the processor's time, and what memory grew by after the first second."""
    seconds, plan = int(sys.argv[1]) if len(sys.argv) > 1 else 10, Settings()
    for boxes in (1000, 10000):
        network = crossroads(boxes, 8, 4)
        memory, now, rng = start(network, plan), seen(network), np.random.default_rng(1)
        taken_s: list[float] = []
        worked_s: list[float] = []
        grown_kb = 0
        for second in range(seconds + 1):
            now.cell_veh[:] = rng.poisson(0.25, now.cell_veh.shape)
            begin_s, worked = time.perf_counter(), time.process_time()
            _, memory = decide(network, now, memory, float(second), plan)
            taken_s.append(time.perf_counter() - begin_s)
            worked_s.append(time.process_time() - worked)
            if second == 1:
                grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown_kb
        rest_s = np.array(taken_s[1:])
        grown_mb, median_s, processor_s = grown_kb / 1024, float(np.median(rest_s)), float(np.median(worked_s[1:]))
        times = f"median {median_s:.3f} s, of the processor {processor_s:.3f} s, worst {rest_s.max():.3f} s"
        print(f"{boxes} boxes: {times}, memory grown by {grown_mb:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
