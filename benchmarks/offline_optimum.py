# SPDX-License-Identifier: Apache-2.0
"""How far single junctions could be brought if every arrival were known beforehand.

    python benchmarks/offline_optimum.py [--places FOLDER] [--only ingolstadt1,cologne1] [--seeds 1] [--rounds 2]

FOLDER holds the public RESCO scenarios, one folder each. The planner is run once and counts per lane and second are kept:
who comes into the seen stretch, who passes the stop line, which stage runs. From them follow arrivals at the stop line at free
flow, and the discharge of each lane under each stage. On that queue model a beam search over all sequences of stages, with the
same least greens and changes and without bounds on red, looks for the least delay; wider beams show whether it has settled.
The sequence found is then shown in SUMO as it is, and what comes and leaves is counted again, for as many rounds as asked.
Everything goes to benchmarks/results/offline_optimum.json.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon import decide as planner
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS, Choice, Network, Seen, Settings
from lamplighter.services.traffic.trials.one import Conditions, try_planner
from lamplighter.terms.columns import FloatArray, IntArray

RESULTS = Path(__file__).parent / "results" / "offline_optimum.json"
STARTS_LATE_S = 2.7  # lost by who is put in at rest: 13.9 m/s at 2.6 m/s2 takes 5.3 s, half of it is lost
SETTLED_S = 2  # greens older than this tell a rate
ENOUGH_S = 20.0  # of green with somebody there, before a rate is believed
END_S = 15.0  # what one who still waits is taken to cost when sequences are compared
BEAMS = (25, 100, 400)


@dataclass
class Record:
    """One run by lane and second (t, l): who came into the seen stretch, who was in the last cell, who passed; and by second
    (t,) the stage that ran or was changed to, whether it was being changed to, and what the box was asked for."""

    came: list[FloatArray]
    first: list[FloatArray]
    passed: list[FloatArray]
    stage: list[int]
    changing: list[bool]
    asked: list[int]
    network: list[Network]


@dataclass(frozen=True)
class Model:
    """A junction as queues: arrivals at the stop line (t, l), discharge (s, l), changes (s, s) and least greens (s,)."""

    arrive_veh: FloatArray
    rate_veh_s: FloatArray
    change_s: IntArray
    green_min_s: IntArray


def recorded(place: Path, seed: int, version: str | None, sequence: list[int] | None) -> tuple[Record, dict[str, float | int]]:
    """Run once, by the planner or along a sequence of stages, and count."""
    record = Record([], [], [], [], [], [], [])

    def start(network: Network, settings: Settings) -> planner.Memory:
        record.network.append(network)
        return planner.start(network, settings)

    def decide(network: Network, seen: Seen, memory: planner.Memory, now_s: float, settings: Settings) -> Any:
        choice, memory = planner.decide(network, seen, memory, now_s, settings)
        second = len(record.stage)
        if sequence is not None:
            stage = np.array([sequence[min(second, len(sequence) - 1)]], np.int64)
            choice = Choice(stage, choice.because, np.ones(1, np.bool_))
        record.came.append(memory.state.inflow_veh.copy())
        record.first.append(seen.cell_veh[:, 0].copy())
        record.passed.append(seen.passed_veh.copy())
        record.stage.append(int(seen.stage[0]))
        record.changing.append(bool(seen.changing[0]))
        record.asked.append(int(choice.stage[0]))
        return choice, memory

    return record, try_planner(place, seed, Conditions("1s", "radar", version), start, decide)


def calibrated(record: Record) -> Model:
    """Return the queue model that a record tells."""
    network = record.network[0]
    came, stages = np.maximum.accumulate(np.cumsum(record.came, axis=0), axis=0), len(network.green_min_s)
    seconds, lanes = came.shape
    arrive_veh = np.zeros((seconds, lanes))
    for lane in range(lanes):
        late = round(_travel_s(network, lane) + (STARTS_LATE_S if network.enters[lane] else 0.0))
        arrive_veh[late:, lane] = np.diff(came[:, lane], prepend=0.0)[: seconds - late]
    rate_veh_s = planner.start(network, Settings()).discharge.rate_veh_s[:, :lanes].copy()
    there, passed = np.zeros((stages, lanes)), np.zeros((stages, lanes))
    green_s = 0
    for t in range(1, seconds):
        same = not record.changing[t] and record.stage[t] == record.stage[t - 1]
        green_s = green_s + 1 if same else 0
        if green_s > SETTLED_S:
            there[record.stage[t]] += record.first[t - 1] >= 0.5
            passed[record.stage[t]] += np.where(record.first[t - 1] >= 0.5, record.passed[t], 0.0)
    known = (there > ENOUGH_S) & (rate_veh_s > 0.0)
    rate_veh_s[known] = np.maximum(passed[known] / there[known], 0.02)
    change_s, least_s = np.ceil(network.change_s).astype(np.int64), np.ceil(network.green_min_s).astype(np.int64)
    return Model(arrive_veh, rate_veh_s, change_s[:, :stages], least_s)


def _travel_s(network: Network, lane: int) -> float:
    """Return the time at free flow over the seen stretch."""
    edge = min(int(network.reach_m[lane] / CELL_M), CELLS - 1)
    near_s, far_s = network.cell_s[lane, edge], network.cell_s[lane, edge + 1]
    return float(near_s + (far_s - near_s) * (network.reach_m[lane] / CELL_M - edge))


def queued_s(model: Model, stage: list[int], changing: list[bool]) -> tuple[float, FloatArray]:
    """Return vehicle-seconds in queues where these stages ran, and what left each lane up to each second (t, l)."""
    queue, total, before = np.zeros(model.arrive_veh.shape[1]), 0.0, stage[0]
    left = np.zeros(model.arrive_veh.shape)
    for t, arrive_veh in enumerate(model.arrive_veh):
        rate = np.minimum(model.rate_veh_s[before], model.rate_veh_s[stage[t]])
        if not changing[t]:
            before = stage[t]
        queue += arrive_veh
        left[t] = np.minimum(queue, rate)
        queue -= left[t]
        total += float(queue.sum())
    return total, np.cumsum(left, axis=0)


Beam = tuple[FloatArray, FloatArray, IntArray]  # cost (k,), queues (k, l), and (k, 4): stage, stage before, left, since


@njit(cache=True)
def _spread(beam: Beam, many: int, model: tuple[FloatArray, FloatArray, IntArray, IntArray], t: int, out: Beam,
            parent: IntArray) -> int:  # fmt: skip
    """Fill what each kept sequence can do in second t, played over that second; return how many."""
    arrive_veh, rate, change_s, least_s = model
    cost, queue, place = beam
    made = 0
    for k in range(many):
        for p in range(len(least_s)):
            stage, before, left, since = place[k, 0], place[k, 1], place[k, 2], place[k, 3]
            if p != stage:
                if left > 0 or since < least_s[stage]:
                    continue
                before, stage, left, since = stage, p, change_s[stage, p], 0
            if left == 0:
                before = stage
            out[0][made] = cost[k]
            for n in range(queue.shape[1]):
                waits = queue[k, n] + arrive_veh[t, n]
                waits -= min(waits, rate[before, n], rate[stage, n])
                out[1][made, n] = waits
                out[0][made] += waits
            out[2][made, 0], out[2][made, 1] = stage, before
            out[2][made, 2], out[2][made, 3] = max(left - 1, 0), 0 if left > 0 else min(since + 1, least_s[stage])
            if left == 1:
                out[2][made, 1] = stage
            parent[made] = k
            made += 1
    return made


@njit(cache=True)
def _keep(made: int, new: Beam, beam: Beam, width: int, groups: tuple[int, int, int], order: IntArray) -> int:
    """Keep of each group (stage, stage before, seconds left and since) the cheapest, each state of queues once; fill order."""
    score = np.zeros(made)
    for k in range(made):
        score[k] = new[0][k]
        for n in range(new[1].shape[1]):
            score[k] += new[1][k, n] * (END_S + new[1][k, n])
    stages, lefts, sinces = groups
    taken, last = np.zeros(stages * stages * lefts * sinces, np.int64), np.full(stages * stages * lefts * sinces, -1)
    many = 0
    for k in np.argsort(score):
        stage, before, left, since = new[2][k, 0], new[2][k, 1], new[2][k, 2], new[2][k, 3]
        group = ((stage * stages + before) * lefts + left) * sinces + since
        if taken[group] >= width:
            continue
        if last[group] >= 0 and np.abs(beam[1][last[group]] - new[1][k]).max() < 1e-6:
            continue
        beam[0][many], order[many] = new[0][k], k
        beam[1][many], beam[2][many] = new[1][k], new[2][k]
        taken[group], last[group] = taken[group] + 1, many
        many += 1
    return many


@njit(cache=True)
def _searched(model: tuple[FloatArray, FloatArray, IntArray, IntArray], stage: int, width: int) -> tuple[float, IntArray]:
    """Return the least vehicle-seconds found and the stage of each second (t,)."""
    seconds, lanes = model[0].shape
    stages, lefts, sinces = len(model[3]), model[2].max() + 1, model[3].max() + 1
    most = width * stages * (sinces + (stages - 1) * lefts)
    beam = (np.zeros(most), np.zeros((most, lanes)), np.zeros((most, 4), np.int64))
    new = (np.zeros(most * stages), np.zeros((most * stages, lanes)), np.zeros((most * stages, 4), np.int64))
    beam[2][0] = stage, stage, 0, 0
    parent, order, many = np.zeros(most * stages, np.int64), np.zeros(most, np.int64), 1
    came_from, was = np.zeros((seconds, most), np.int32), np.zeros((seconds, most), np.int8)
    for t in range(seconds):
        made = _spread(beam, many, model, t, new, parent)
        many = _keep(made, new, beam, width, (stages, lefts, sinces), order)
        for k in range(many):
            came_from[t, k], was[t, k] = parent[order[k]], beam[2][k, 0]
    best, found = int(np.argmin(beam[0][:many])), np.zeros(seconds, np.int64)
    cost = beam[0][best]
    for t in range(seconds - 1, -1, -1):
        found[t], best = was[t, best], came_from[t, best]
    return cost, found


def told(model: Model, record: Record) -> dict[str, float]:
    """Return how well the model repeats the run that it was made from."""
    vehicles = float(model.arrive_veh.sum())
    cost, left = queued_s(model, record.stage, record.changing)
    off = np.abs(left - np.cumsum(record.passed, axis=0)).mean()
    return {"vehicles": vehicles, "queued_s_veh": cost / vehicles, "off_veh_lane": float(off)}


def bounded(place: Path, seed: int, rounds: int, version: str | None) -> dict[str, Any]:
    """Return, for one scenario and seed, the planner's run, the optimum of the model, and what became of it in SUMO."""
    record, measures = recorded(place, seed, version, None)
    out: dict[str, Any] = {"planner": _kept(measures), "rounds": []}
    for _ in range(rounds):
        model = calibrated(record)
        columns = (model.arrive_veh, model.rate_veh_s, model.change_s, model.green_min_s)
        ran = told(model, record)
        least: dict[str, float] = {}
        sequence: IntArray = np.zeros(0, np.int64)
        for width in BEAMS:
            cost, sequence = _searched(columns, record.stage[0], width)
            least[str(width)] = cost / ran["vehicles"]
        record, measures = recorded(place, seed, version, [int(stage) for stage in sequence])
        out["rounds"].append({"model_of_the_run_before": ran, "least_queued_s_veh": least, "replayed": _kept(measures)})
        print(json.dumps({place.name: out["rounds"][-1]}), flush=True)
    return out


def _kept(measures: dict[str, float | int]) -> dict[str, float | int]:
    names = ("delay_s", "time_loss_s", "depart_delay_s", "wait_max_s", "finished", "total")
    return {name: measures[name] for name in names}


def main() -> None:
    """Search, replay, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "sumo")
    parser.add_argument("--only", default="ingolstadt1,cologne1")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--version", default="1.9.0")
    asked = parser.parse_args()
    version = None if asked.version == "installed" else asked.version
    found: dict[str, Any] = {"version": asked.version, "scenarios": {}}
    for name in asked.only.split(","):
        if not (asked.places / name).is_dir():
            raise SystemExit(f"{asked.places / name}: not there; give the folder that holds the scenarios with --places")
        for seed in asked.seeds.split(","):
            place = found["scenarios"].setdefault(name, {})
            place[seed] = bounded(asked.places / name, int(seed), asked.rounds, version)
            RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
