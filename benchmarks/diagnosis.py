# SPDX-License-Identifier: Apache-2.0
"""How fast an event log is diagnosed, against `atspm` on the same log on the same machine, and in how much memory.

python benchmarks/diagnosis.py [hours] [long hours]

The log is atspm's real sample of two hours, one after the other (40 h: 0.74 million events); the long one (2,700 h: 50
million, for ourselves alone) is never on disk: its pieces are made while they are counted.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lamplighter.services.traffic.diagnosis.command import read
from lamplighter.services.traffic.diagnosis.diagnosing import Diagnosis, Settings
from lamplighter.services.traffic.diagnosis.events import Events, join
from lamplighter.services.traffic.diagnosis.files import Reader, read_tables
from lamplighter.services.traffic.diagnosis.findings import findings
from lamplighter.services.traffic.diagnosis.measures import measures
from lamplighter.services.traffic.tests import oracle

SAMPLE_H, PIECE_ROWS = 2, 500_000
HOUR_MS = 3_600_000


def peak_mb() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def lengthened(sample: Path, hours: int, out: Path) -> int:
    """Write the sample so often one after the other that it covers so many hours; return how many events."""
    header, *lines = sample.read_text().splitlines()
    moments = np.array([line.partition(",")[0] for line in lines], "datetime64[ms]")
    rest = [line.partition(",")[2] for line in lines]
    with out.open("w") as file:
        file.write(header + "\n")
        for turn in range(hours // SAMPLE_H):
            shifted = (moments + np.timedelta64(turn * SAMPLE_H * HOUR_MS, "ms")).astype(str)
            file.writelines(f"{moment.replace('T', ' ')},{row}\n" for moment, row in zip(shifted.tolist(), rest, strict=True))
    return len(lines) * (hours // SAMPLE_H)


def ours(log: Path, table: Path) -> dict[str, float]:
    """Measure one log in this process, kernels loaded beforehand."""
    begin, before_mb = time.perf_counter(), peak_mb()
    boxes, _ = read((log,), table, Settings(run_cycle=True))
    for sums in boxes.values():
        measures(sums)
        findings(sums)
    return {"wall_s": time.perf_counter() - begin, "peak_mb": peak_mb(), "before_mb": before_mb}


def endless(sample: Path, table: Path, hours: int) -> dict[str, float]:
    """Count a log that is made while it is counted, with days laid over one another."""
    piece = join(list(Reader([sample]).pieces()))
    tables = {0: read_tables(table)["1136"]}
    under_way, count, spent_s = Diagnosis(Settings(fold=True, run_cycle=True), tables), 0, 0.0
    at_tenth_mb = 0.0
    turns = max(PIECE_ROWS // len(piece.box), 1)
    for first in range(0, hours // SAMPLE_H, turns):
        together = join([piece._replace(time_ms=piece.time_ms + (first + n) * SAMPLE_H * HOUR_MS) for n in range(turns)])
        begin = time.perf_counter()
        under_way.add(Events(*together))
        spent_s += time.perf_counter() - begin
        count += len(together.box)
        if not at_tenth_mb and first >= hours // SAMPLE_H // 10:
            at_tenth_mb = peak_mb()
    under_way.finish()
    return {"events": count, "wall_s": spent_s, "at_tenth_mb": at_tenth_mb, "peak_mb": peak_mb()}


def main() -> int:
    """Print one JSON object of figures."""
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    long_hours = int(sys.argv[2]) if len(sys.argv) > 2 else 2_700
    if hours < 0:  # a process of its own, so that its memory is its own
        print(json.dumps(endless(Path(sys.argv[3]), Path(sys.argv[4]), long_hours)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        sample, table, log, out = (Path(folder) / name for name in ("sample.csv", "table.csv", "log.csv", "out.json"))
        oracle.ask("sample", sample, table, out)
        ours(sample, table)
        count = lengthened(sample, hours, log)
        theirs, mine = oracle.ask("time", log, table, out), ours(log, table)
        line = [sys.executable, __file__, "-1", str(long_hours), str(sample), str(table)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
        print(json.dumps({
            "events": count, "load_average": os.getloadavg()[0],
            "ours_events_s": count / mine["wall_s"], "atspm_events_s": count / theirs["wall_s"],
            "times_as_fast": theirs["wall_s"] / mine["wall_s"],
            "ours_peak_mb": mine["peak_mb"], "atspm_peak_mb": theirs["peak_mb"], "long": json.loads(done.stdout),
        }, indent=2))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
