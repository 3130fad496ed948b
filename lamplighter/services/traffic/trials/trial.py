# SPDX-License-Identifier: Apache-2.0
"""One run: a scenario, one way of running its signals, one seed."""

import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lamplighter.services.traffic.horizon.people import expected_walkers
from lamplighter.services.traffic.horizon.scheme import Seen
from lamplighter.services.traffic.planning.network import RoadNetwork, read_network
from lamplighter.services.traffic.trials import audit, measure, sensing, streets, talk
from lamplighter.services.traffic.trials.driving import Driver
from lamplighter.services.traffic.trials.engine import Installed, Sumo
from lamplighter.services.traffic.trials.light import Light
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.scenario import Scenario, read_net
from lamplighter.services.traffic.trials.strands import Ways, open_xml, read_ways
from lamplighter.services.traffic.trials.survey import Survey, survey

Measures = dict[str, float | int]
LONGEST_S = 86_400  # a scenario without an end ends by itself or after a day
STOOD_S = 3_600  # or when somebody is on the road and nobody has arrived for so long
SHOWS = {"G": 2, "g": 1}


@dataclass(frozen=True)
class Ground:
    """A scenario read: its network, and the planner's tables of it."""

    scenario: Scenario
    rules: Rules
    roads: RoadNetwork
    ways: Ways
    survey: Survey


def read_ground(scenario: Scenario, rules: Rules) -> Ground:
    """Read what a scenario brings."""
    root: ET.Element = read_net(scenario.net)
    roads = _roads(scenario)
    ways = read_ways(root)
    return Ground(scenario, rules, roads, ways, survey(roads, ways, rules))


def _roads(scenario: Scenario) -> RoadNetwork:
    """Read the network and its programmes; packed files are unpacked for it."""
    with TemporaryDirectory(prefix="lamplighter-trial-") as folder:
        return read_network(_plain(scenario.net, Path(folder)), tuple(_plain(file, Path(folder)) for file in scenario.additional))


def _plain(file: Path, folder: Path) -> Path:
    """Return a file as the reader of networks wants it: unpacked, and a lone programme inside a root."""
    root = open_xml(file)
    if file.suffix != ".gz" and root.tag != "tlLogic":
        return file
    plain = folder / f"{len(list(folder.iterdir()))}.xml"
    whole = root
    if root.tag == "tlLogic":
        whole = ET.Element("additional")
        whole.append(root)
    ET.ElementTree(whole).write(plain, encoding="unicode")
    return plain


@dataclass(frozen=True)
class Sight:
    """What is seen: cells by radar or loops; lost (l,): lanes whose detectors are silent."""

    loops: bool
    lost: "np.ndarray[tuple[int], np.dtype[np.bool_]]"


def run(ground: Ground, installed: Installed, seed: int, driver: Driver | None, sight: Sight, added: str = "") -> Measures:
    """Run once and return the measures. Without a driver SUMO runs the programmes itself, those in `added` included."""
    began = time.perf_counter()
    scenario = ground.scenario
    with Sumo(installed, scenario, seed) as sumo:
        second = Second(ground, driver, sight)
        sumo.start("\n".join([streets.asked(sumo.waits), added, _lines(second.laid)]))
        sumo.talk.ask(*second.subscriptions())
        now_s = scenario.begin_s
        end_s = scenario.end_s if scenario.end_s is not None else now_s + LONGEST_S
        expected = stood_s = 0
        while now_s < end_s:
            sumo.talk.send(second.commands(now_s) + talk.NEXT_STEP)
            now_s, before = now_s + 1, expected
            expected = second.take(sumo.talk.receive(), now_s)
            stood_s = stood_s + 1 if expected == before and second.sums.totals[2] > 0 else 0
            if scenario.end_s is None and (expected == 0 or stood_s >= STOOD_S):
                break
        kinds = sumo.talk.values(talk.GET_TYPE, talk.ID_LIST, "")
        class_of = {kind: sumo.talk.values(talk.GET_TYPE, talk.VEHICLE_CLASS, kind)[0] for kind in kinds}
        sumo.finish()
        trips = measure.read_trips(sumo.trips)
        street = streets.waits(sumo.waits, ground.survey)
    never = measure.never_inserted(trips, scenario, now_s, installed.has_undeparted())
    found: Measures = measure.summed(trips, never) | measure.by_class(trips, class_of) | street | second.judged()
    return found | {"wall_s": round(time.perf_counter() - began, 2)}


def _lines(laid: tuple[sensing.Loop, ...]) -> str:
    """Return loops for SUMO's additional file, each by its number."""
    return "\n".join(
        f'<inductionLoop id="{n}" lane="{loop.lane}" pos="{loop.position_m:.2f}" freq="100000" file="NUL"/>'
        for n, loop in enumerate(laid)
    )


class Second:
    """What happens in each second: observe, choose, show."""

    def __init__(self, ground: Ground, driver: Driver | None, sight: Sight) -> None:
        self._survey, self._driver, self._sight = ground.survey, driver, sight
        self._junction = ground.ways.junction
        begin_s = ground.scenario.begin_s
        self._step_s, self._begin_s = ground.rules.step_s, begin_s
        self._lights = [Light(box, ground.rules, begin_s) for box in ground.survey.boxes]
        strands = driver.strands if driver is not None else ()
        seen = (ground.survey.lanes, ground.survey.strands, ground.ways.length_m)
        self.laid = sensing.loops(*seen) if driver is not None else ()
        self._places = sensing.places(strands, ground.ways.length_m, ground.survey.crossings, self.laid)
        letters = max((len(state) for s in ground.roads.signals for _, state in s.intervals), default=1)
        rows = max(len(strands), len(ground.survey.lanes))
        self.sums = sensing.sums(rows, len(ground.survey.crossings), len(ground.roads.signals), letters)
        self._watch = audit.watch(ground.roads.signals, ground.rules, letters)
        self._own = self._asked = 0
        self._signals = [s.id for s in ground.roads.signals]
        self._shown: dict[str, str] = {}
        self._red_s = np.zeros(len(ground.survey.move_box))
        self._foot_red_s = np.zeros(len(ground.survey.crossings))

    def judged(self) -> Measures:
        """Return what the watch counted over the run, and how many vehicles were lifted over a jam."""
        conflicts, greens, clearances = (int(count) for count in self._watch.counts)
        found: Measures = {"conflicts": conflicts, "cut_min_greens": greens, "cut_clearances": clearances}
        found |= {"red_max_s": float(self._watch.red_max_s[0]), "teleports": int(self.sums.totals[1])}
        return found | {"own_share": self._own / max(self._asked, 1)}

    def subscriptions(self) -> tuple[bytes, int]:
        """Return the commands to send once, and their number."""
        commands = [talk.subscribe(talk.SUBSCRIBE_SIMULATION, "", (talk.EXPECTED, talk.TELEPORTS, talk.DEPARTED, talk.ARRIVED))]
        commands += [talk.subscribe(talk.SUBSCRIBE_SIGNAL, name, (talk.STATE,)) for name in self._signals]
        if self._driver is not None:
            wanted = [n for n, loop in enumerate(self.laid) if self._sight.loops or loop.role == sensing.STOP_LINE]
            commands += [talk.subscribe(talk.SUBSCRIBE_LOOP, str(n), (talk.LOOP_VEHICLES,)) for n in wanted]
            if not self._sight.loops:
                around = (talk.LANE_ID, talk.LANE_POSITION, talk.LENGTH)
                commands.append(talk.subscribe_around(self._junction, talk.VEHICLES, around))
            if self._survey.crossings:
                commands.append(talk.subscribe_around(self._junction, talk.PEOPLE, (talk.NEXT_EDGE, talk.SPEED)))
        return b"".join(commands), len(commands)

    def take(self, answer: talk.Answer, now_s: int) -> int:
        """Reduce what was told; return how many vehicles are still expected."""
        data = np.frombuffer(answer.data, np.uint8)
        sensing.reduce(data, float(now_s), self._places, self.sums)
        lost = np.flatnonzero(self._sight.lost)
        self.sums.cell_veh[lost], self.sums.cell_share[lost], self.sums.loop_veh[lost], self.sums.loop_share[lost] = (
            0,
            0,
            0,
            0,
        )
        audit.look(self._watch, self.sums.states, float(now_s))
        return int(self.sums.totals[0])

    def commands(self, now_s: int) -> bytes:
        """Choose, and return the commands that show it in the second that begins now."""
        if self._driver is None:
            return b""
        choice = self._driver.choose(self._seen(now_s), self.sums, now_s)
        if (now_s - self._begin_s) % self._step_s == 0:
            for light, stage, trusted in zip(self._lights, choice.stage.tolist(), choice.trusted.tolist(), strict=True):
                light.choose(stage, trusted, now_s)
        parts: list[bytes] = []
        self._asked += len(self._lights)
        self._own += sum(light.own for light in self._lights)
        for light in self._lights:
            name, state = light.box.signal.id, light.step(now_s)
            if self._shown.get(name) != state:
                self._shown[name] = state
                parts.append(talk.show_state(name, state))
        return b"".join(parts)

    def _seen(self, now_s: int) -> Seen:
        found, sums, lights = self._survey, self.sums, self._lights
        lanes = len(found.lanes)
        shown = [light.shown for light in lights]
        moves: list[tuple[int, int]] = np.stack([found.move_box, found.move_link], axis=1).tolist()
        feet: list[tuple[int, int]] = np.stack([found.foot_box, found.foot_link], axis=1).tolist()
        green = np.array([SHOWS.get(shown[b][n], 0) for b, n in moves], np.int64)
        walks = np.array([shown[b][n] in "Gg" for b, n in feet], np.bool_)
        self._red_s = np.where(green > 0, 0.0, self._red_s + 1.0)
        self._foot_red_s = np.where(walks, 0.0, self._foot_red_s + 1.0)
        alive = ~self._sight.lost
        changing = np.array([light.changing for light in lights], np.bool_)
        elapsed = np.array([0.0 if light.changing else now_s - light.green_since_s for light in lights])
        return Seen(
            cell_veh=sums.cell_veh[:lanes].copy(),
            cell_occupancy_share=np.minimum(sums.cell_share[:lanes], 1.0),
            passed_veh=sums.loop_veh[:lanes, sensing.STOP_LINE].copy(),
            stop_occupancy_share=sums.loop_share[:lanes, sensing.STOP].copy(),
            advance_veh=sums.loop_veh[:lanes, sensing.ADVANCE].copy(),
            advance_occupancy_share=sums.loop_share[:lanes, sensing.ADVANCE].copy(),
            alive=alive,
            stage=np.array([light.stage for light in lights], np.int64),
            stage_elapsed_s=elapsed,
            changing=changing,
            change_left_s=np.array([float(light.left_s) for light in lights]),
            movement_green=green,
            movement_red_s=self._red_s.copy(),
            foot_waiting_persons=np.where(
                sums.waiting_persons > 0, expected_walkers(found.network.foot_flow_s, self._foot_red_s), 0.0
            ),
            foot_due_s=np.zeros(len(found.crossings)),
            foot_red_s=self._foot_red_s.copy(),
        )


def lost_lanes(lanes: int, share: float, seed: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which lanes' detectors are silent: a random share, the same for the same seed."""
    draw = np.random.default_rng([seed, 77]).permutation(lanes)
    return draw < round(share * lanes)
