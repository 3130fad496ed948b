# SPDX-License-Identifier: Apache-2.0
"""Runs inside the environment of `atspm`, never inside ours: measures of a log as JSON, or its sample as CSV.

python oracle_atspm.py sample LOG.csv DETECTORS.csv -
python oracle_atspm.py measure LOG DETECTORS.csv OUT.json
python oracle_atspm.py time LOG DETECTORS.csv OUT.json
"""

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

NAMES = (
    "has_data actuations arrival_on_green platoon_ratio split_failures yellow_red timeline full_ped phase_wait ped_delay "
    "terminations splits coordination_agg communications"
).split()
PARAMS: dict[str, dict[str, Any]] = {
    "has_data": {"no_data_min": 5, "min_data_points": 3},
    "actuations": {"fill_in_missing": True},
    "arrival_on_green": {"latency_offset_seconds": 0},
    "yellow_red": {"latency_offset_seconds": 0},
    "split_failures": {"red_time": 5, "red_occupancy_threshold": 0.8, "green_occupancy_threshold": 0.8, "by_approach": True},
    "timeline": {"min_duration": 0, "cushion_time": 1, "maxtime": True},
    "full_ped": {"seconds_between_actuations": 15, "return_volumes": False},
    "communications": {"event_codes": "400,502,503"},
}
SUMMED = (
    "SELECT EventClass, EventValue, count(*) AS n, sum(Duration) AS s FROM timeline WHERE IsValid "
    "AND EventClass NOT IN ('Ped Delay', 'Phase Wait') GROUP BY ALL"
)


def process(log: str, config: str) -> Any:
    """Return atspm's processor after all its measures."""
    atspm = import_module("atspm")
    aggregations = [{"name": name, "params": dict(PARAMS.get(name, {}))} for name in NAMES]
    done = atspm.SignalDataProcessor(
        raw_data=log, detector_config=config, bin_size=15, verbose=0, controller_type="maxtime", aggregations=aggregations
    )
    done.load()
    done.aggregate()
    return done


def rows(done: Any, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query, times as text."""
    frame = done.conn.query(query).df()
    for name in frame.columns:
        if str(frame[name].dtype).startswith("datetime"):
            frame[name] = frame[name].astype(str)
    return json.loads(frame.to_json(orient="records"))


def main(what: str, log: str, config: str, out: str) -> None:
    """Do what is asked."""
    if what == "sample":
        sample = import_module("atspm").sample_data
        sample.data.df().to_csv(log, index=False)
        sample.config.df().to_csv(config, index=False)
        return
    begin = time.perf_counter()
    done = process(log, config)
    wall_s = time.perf_counter() - begin
    said: dict[str, Any] = {"wall_s": wall_s, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if what == "measure":
        said |= {name: rows(done, f"SELECT * FROM {name}") for name in NAMES if name != "timeline"}
        said["timeline"] = rows(done, SUMMED)
    Path(out).write_text(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])
