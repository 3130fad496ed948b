# SPDX-License-Identifier: Apache-2.0
"""What stands out, in sentences a resident could read and an engineer can check."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lamplighter.services.traffic.diagnosis import measures as m
from lamplighter.services.traffic.diagnosis.codes import ADVANCE, PRESENCE
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums
from lamplighter.services.traffic.diagnosis.health import Health, judge
from lamplighter.services.traffic.diagnosis.tally import OFFSET_BIN_S, OFFSET_BINS, OFFSET_FIRST_S, B, G
from lamplighter.terms.columns import BoolArray, FloatArray

FAILED_SHARE, FAILED_LEAST = 0.1, 3.0
POOR_RATIO = 0.85  # arrival types 1 and 2
ARRIVALS_LEAST = 50.0
FOOT_MEAN_S, WAIT_MAX_S = 45.0, 180.0
LATE_RED_S = 1.0  # actuations so long after red began are no stragglers of the yellow
ENDED_SHARE, ENDED_LEAST = 0.8, 20.0


@dataclass(frozen=True)
class Names:
    """What signal_groups and detectors are called besides their numbers in a log."""

    groups: Mapping[int, str] = field(default_factory=dict[int, str])
    detectors: Mapping[int, str] = field(default_factory=dict[int, str])

    def group(self, number: int) -> str:
        """Return what a signal_group is called."""
        return self.groups.get(number, f"signal_group {number}")

    def detector(self, number: int) -> str:
        """Return what a detector is called."""
        return self.detectors.get(number, f"detector {number}")


@dataclass(frozen=True)
class _Told:
    """What findings rest on: the sums, the health of every detector, and what things are called."""

    sums: BoxSums
    health: Mapping[int, tuple[Health, float, bool]]
    names: Names


def clock(sums: BoxSums, quarter: int) -> str:
    """Return when a row of the sums (counted from the log's first quarter) begins, as a clock shows it."""
    starts = sums.quarter_starts_ms[sums.quarters]
    ms = int(starts[quarter]) if quarter < len(starts) else int(starts[-1]) + sums.rules.quarter_ms
    minutes = ms // 60_000 % 1440
    several_days = not sums.rules.folded and sums.last_ms // 86_400_000 != sums.first_ms // 86_400_000
    day = f"{np.datetime64(ms, 'ms').astype('datetime64[D]')} " if several_days else ""
    return f"{day}{minutes // 60:02d}:{minutes % 60:02d}"


def _long(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _sound(sums: BoxSums) -> dict[int, tuple[Health, float, bool]]:
    table = judge(sums)
    rows = zip(
        table["detector"].tolist(), table["health"].tolist(), table["for_s"].tolist(), table["lasts"].tolist(), strict=True
    )
    return {number: (Health(health), for_s, lasts) for number, health, for_s, lasts in rows}


def _doubt(told: _Told, group: int, use: int) -> str:
    """Return what speaks against a finding: detectors it rests on that cannot be believed."""
    sums, health = told.sums, told.health
    mine = sums.table.detector[(sums.table.group == group) & (sums.table.use == use)].tolist()
    bad = [number for number in mine if health.get(number, (Health.SOUND, 0.0, False))[0] not in (Health.SOUND, Health.FAULTY)]
    if not bad:
        return ""
    said = ", ".join(_state(told.names.detector(number), *health[number]) for number in bad)
    return f" Do not believe it before this is mended: {said}."


def _state(name: str, health: Health, for_s: float, lasts: bool) -> str:
    if health == Health.STUCK_ON:
        return f"{name} has been on for {_long(for_s)}" if lasts else f"{name} was on for {_long(for_s)}"
    if health == Health.STUCK_OFF:
        counts = "has counted" if lasts else "counted"
        return f"{name} {counts} nothing for {_long(for_s)} while its neighbours counted"
    words = {
        Health.CHATTERING: "flickers", Health.LOSING: "loses events", Health.FAULTY: "is found faulty by the box",
        Health.SILENT: "stands in the detector table and never spoke", Health.SOUND: "is sound",
    }  # fmt: skip
    return f"{name} {words[health]}"


def _failures(told: _Told) -> Iterator[str]:
    sums = told.sums
    g = sums.tally.group[sums.quarters]
    for group in np.flatnonzero(g[:, :, G.FAILED].sum(axis=0) >= FAILED_LEAST).tolist():
        name, judged, failed = told.names.group(group), g[:, group, G.JUDGED], g[:, group, G.FAILED]
        high: BoolArray = failed >= np.maximum(FAILED_SHARE * judged, 1.0)
        spans = [span for span in m.runs(high) if failed[slice(*span)].sum() >= FAILED_LEAST]
        for first, last in sorted(spans, key=lambda span: -float(failed[slice(*span)].sum()))[:3]:
            count, of = float(failed[first:last].sum()), float(judged[first:last].sum())
            yield (
                f"{name} fails {count / of:.0%} of its greens between {clock(sums, first)} and {clock(sums, last)} "
                f"({count:.0f} of {of:.0f} that could be judged): who waited was not served in one green."
                + _doubt(told, group, PRESENCE)
            )


def _progression(told: _Told) -> Iterator[str]:
    sums = told.sums
    g = sums.tally.group[sums.quarters].sum(axis=0)
    days = max(float(sums.tally.box[sums.quarters][:, B.SEEN].sum()), 1.0)
    for group in np.flatnonzero(g[:, G.ARRIVALS] >= ARRIVALS_LEAST).tolist():
        name, on_green = told.names.group(group), float(g[group, G.ARRIVALS_GREEN] / g[group, G.ARRIVALS])
        green = float(g[group, G.GREEN_MS]) / (days * sums.rules.quarter_ms)
        if green > 0 and on_green / green < POOR_RATIO:
            yield (
                f"Platoons reach {name} on red: {on_green:.0%} arrive on green, which shows {green:.0%} of the "
                f"time (platoon ratio {on_green / green:.2f}; 1 is chance). Its offset deserves a look."
                + _doubt(told, group, ADVANCE)
            )


def _ends(told: _Told) -> Iterator[str]:
    sums = told.sums
    g = sums.tally.group[sums.quarters].sum(axis=0)
    ended = g[:, G.GAP_OUT : G.FORCE_OFF + 1]
    for group in np.flatnonzero(ended.sum(axis=1) >= ENDED_LEAST).tolist():
        name, share = told.names.group(group), float(ended[group, 1] / ended[group].sum())
        if share >= ENDED_SHARE:
            yield (f"{name} runs to its longest green {share:.0%} of the time (max-out): it wants more, or a detector holds it.")


def _waiting(told: _Told) -> Iterator[str]:
    sums = told.sums
    g = sums.tally.group[sums.quarters]
    total: FloatArray = g.sum(axis=0)
    for group in range(total.shape[0]):
        name, longest_s = told.names.group(group), float(g[:, group, G.WAIT_MAX_MS].max()) / m.SECOND_MS
        if total[group, G.SKIPS] or longest_s > WAIT_MAX_S:
            at = int(g[:, group, G.WAIT_MAX_MS].argmax())
            yield (
                f"Somebody who had called {name} waited {_long(longest_s)} (in the quarter of {clock(sums, at)}); "
                f"{total[group, G.SKIPS]:.0f} calls waited as if a whole cycle had passed them by."
            )
        foot = float(total[group, G.FOOT_WAITS])
        mean_s = float(total[group, G.FOOT_WAIT_MS]) / max(foot, 1.0) / m.SECOND_MS
        if foot >= m.FEW and mean_s > FOOT_MEAN_S:
            longest_s = float(g[:, group, G.FOOT_WAIT_MAX_MS].max()) / m.SECOND_MS
            yield (
                f"People on foot wait {mean_s:.0f} s on average for {name} from push to walk, {longest_s:.0f} s at "
                f"most ({foot:.0f} waits)."
            )


def _reds(told: _Told) -> Iterator[str]:
    sums = told.sums
    offset_s = np.linspace(OFFSET_FIRST_S, OFFSET_FIRST_S + OFFSET_BIN_S * (OFFSET_BINS - 1), OFFSET_BINS)
    cycles = sums.tally.group[sums.quarters][:, :, G.CROSSED_CYCLES].sum(axis=0)
    for group in range(len(sums.tally.crossing)):
        name = told.names.group(group)
        late = float(sums.tally.crossing[group, (offset_s >= LATE_RED_S) & (offset_s <= 5.0)].sum())
        if late >= m.FEW and cycles[group]:
            yield (
                f"At {name}, {late:.0f} vehicles passed 1 to 5 s after red had begun, in {cycles[group]:.0f} "
                "cycles: its yellow or the split before it deserves a look."
            )


def _records(sums: BoxSums) -> Iterator[str]:
    rows = sums.tally.box[sums.quarters]
    gaps = float(rows[:, B.GAPS].sum())
    if gaps:
        worst = int(rows[:, B.GAP_MAX_MS].argmax())
        longest = _long(float(rows[worst, B.GAP_MAX_MS]) / m.SECOND_MS)
        yield (
            f"The box fell silent {gaps:.0f} times, longest for {longest} from the quarter of {clock(sums, worst)} on: what "
            "happened then is not known."
        )
    spoken = rows[:, B.EVENTS] > 0
    partial = int((spoken & (rows[:, B.COMPLETE] < rows[:, B.SEEN])).sum())
    if partial:
        yield f"{partial} of {int(spoken.sum())} quarters are incomplete; their figures say less than they seem to."
    said = {"late": "came too late to count", "stray": "bore a time a day from all others", "strange": "had numbers out of range"}
    lost = [f"{sums.dropped[key]} events {words}" for key, words in said.items() if sums.dropped.get(key)]
    if lost:
        yield "Of the log, " + ", ".join(lost) + "."
    if len(sums.table.detector) == 0:
        yield "No detector table was given for this box: no arrivals and no split failures could be told."


def _sick(told: _Told) -> Iterator[str]:
    for number, found in told.health.items():
        if found[0] != Health.SOUND:
            said = _state(told.names.detector(number), *found)
            yield f"{said[0].upper()}{said[1:]}."


def findings(sums: BoxSums) -> tuple[str, ...]:
    """Return the sentences, most pressing first; one that says so where nothing stands out."""
    told = _Told(sums, _sound(sums), Names())
    said = (*_failures(told), *_sick(told), *_waiting(told), *_progression(told), *_ends(told), *_reds(told), *_records(sums))
    return said or ("Nothing stands out.",)


def standing_out(sums: BoxSums, names: Names, users_min: int) -> tuple[str, ...]:
    """Return what stands out in a running city, most pressing first, and nothing where nothing does.

    users_min: what fewer users of a signal_group show in a quarter counts for nothing, so that nobody can be told from it.
    """
    group = sums.tally.group.copy()
    few = group[:, :, [G.ARRIVALS, G.PUSHES]].max(axis=2) < users_min
    group[few] = 0.0
    kept = replace(sums, tally=sums.tally._replace(group=group))
    # Who never spoke in an hour may only have seen nobody: whether a detector is heard of is known otherwise here.
    health = {number: found for number, found in _sound(sums).items() if found[0] != Health.SILENT}
    told = _Told(kept, health, names)
    return (*_failures(told), *_sick(told), *_waiting(told), *_progression(told))
