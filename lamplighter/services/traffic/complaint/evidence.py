# SPDX-License-Identifier: Apache-2.0
"""What the record holds of one intersection in one quarter of an hour: sums alone, as fine as they were kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamplighter.history.reading import Found, Reader
from lamplighter.history.tables import TABLES
from lamplighter.services.traffic.prepared import Prepared
from lamplighter.terms.account import APPROACH, CROSSINGS
from lamplighter.terms.columns import BoolArray

SERVICE = "traffic"
BLOCK_S = 900
BOX_WORDS = ("watched_s", "ours_s", "own_s", "leased_s", "fault_s", "silent_s", "detectors_silent_s")
BIGGEST = ("red_longest_s", "wait_longest_s")


@dataclass(frozen=True)
class Heard:
    """What was counted of a group: kind `approach`, `crossings`, `zone` (the quiet ones here) or `rest` (with neighbours).

    of: approach or crossings. name: the street id, empty for zone and rest. wait_s is all waits added up; green_s and what
    follows are None where they were not kept. over_s: how much time the windows cover.
    """

    kind: str
    of: str
    name: str
    members: int
    over_s: float
    users_count: int
    wait_s: float
    over_bound_s: float
    green_s: float | None
    greens_count: float | None
    red_longest_s: float | None
    wait_longest_s: float | None


@dataclass(frozen=True)
class Reason:
    """How often lamplighter decided so, and why; here, or here and at quiet neighbours together."""

    action: str
    text: str
    times: int
    here: bool


@dataclass(frozen=True)
class Evidence:
    """All that the record says. missing: why it says nothing (empty where it does): `nothing`, `before`, `after`, `gap`,
    `erased` or `unsealed`; first_s and last_s: from when to when anything is on record."""

    intersection: str
    title: str
    area: str
    at_s: float
    begin_s: float
    end_s: float
    missing: str
    first_s: float | None
    last_s: float | None
    watched_s: float
    ours_s: float
    own_s: float
    leased_s: float
    fault_s: float
    silent_s: float
    detectors_silent_share: float
    detectors: int
    heard: tuple[Heard, ...]
    stages: tuple[tuple[int, float, float], ...]  # number, share of the time, how often it began
    reasons: tuple[Reason, ...]
    refusals: tuple[Reason, ...]
    asked: tuple[Reason, ...]


def gather(record: Reader, box: int, at_s: float, prepared: Prepared) -> Evidence:
    """Return what the record holds of one box around a moment."""
    cells = prepared.counting.cells
    begin_s = float(at_s // BLOCK_S * BLOCK_S)
    rows = record.rows("accounts", begin_s, begin_s + BLOCK_S)
    decided = record.rows("decisions", begin_s, begin_s + BLOCK_S)
    name, area = str(cells.box_name[box]), str(cells.box_area[box])
    mine = _latest_run(rows)
    state = _sums(rows, mine & _group(rows, "box", name))
    span = record.span("accounts")
    detectors = sum(int(np.count_nonzero(owner == box)) for _, _, owner in prepared.counting.health)
    spoke_s = state.get("watched_s", 0.0) - state.get("silent_s", 0.0)
    silent_s = state.get("detectors_silent_s", 0.0)
    reasons = _decisions(decided, name, area)
    return Evidence(
        intersection=name,
        title=str(prepared.layout.boxes.name[box]),
        area=area,
        at_s=at_s,
        begin_s=begin_s,
        end_s=begin_s + BLOCK_S,
        missing="" if state else _why_missing(rows, span, begin_s),
        first_s=None if span is None else float(span[0]),
        last_s=None if span is None else float(span[1]),
        **{word: state.get(word, 0.0) for word in BOX_WORDS[:-1]},
        detectors_silent_share=min(silent_s / (detectors * spoke_s), 1.0) if detectors and spoke_s > 0 else 0.0,
        detectors=detectors,
        heard=_all_heard(rows, mine, (name, area)),
        stages=_stages(rows, mine & _group(rows, "stage", name)),
        reasons=tuple(one for kind, one in reasons if kind == "permit"),
        refusals=tuple(one for kind, one in reasons if kind == "refusal"),
        asked=tuple(one for kind, one in reasons if kind == "operator"),
    )


def _why_missing(rows: Found, span: tuple[int, int] | None, begin_s: float) -> str:
    if rows.sealed_only and (span is None or begin_s >= span[1]):
        return "unsealed"
    if span is None:
        return "nothing"
    if begin_s >= span[1]:
        return "after"
    if begin_s >= span[0]:
        return "gap"
    return "erased" if span[1] - begin_s > TABLES["accounts"].keep_max_s else "before"


def _latest_run(rows: Found) -> BoolArray:
    """Return the rows of the run that was written last: a simulated city may have lived through the same evening before."""
    run, service = rows.columns["run"], rows.columns["service"] == SERVICE
    return service & (run == run[-1]) if len(run) else service


def _group(rows: Found, kind: str, name: str) -> BoolArray:
    return (rows.columns["group_kind"] == kind) & (rows.columns["group_name"] == name)


def _by_window(rows: Found, use: BoolArray) -> dict[tuple[int, int], dict[tuple[str, str], float]]:
    """Return values by (window, length), then by (part, account); what was written twice counts once, as written last."""
    found: dict[tuple[int, int], dict[tuple[str, str], float]] = {}
    c = rows.columns
    for row in np.flatnonzero(use).tolist():
        key = (int(c["window_start_s"][row]), int(c["window_s"][row]))
        found.setdefault(key, {})[str(c["part"][row]), str(c["account"][row])] = float(c["value"][row])
    return found


def _together(windows: Mapping[tuple[int, int], Mapping[tuple[str, str], float]]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for values in windows.values():
        for key, value in values.items():
            found[key] = max(found.get(key, 0.0), value) if key[1] in BIGGEST else found.get(key, 0.0) + value
    return found


def _sums(rows: Found, use: BoolArray) -> dict[str, float]:
    return {account: value for (_, account), value in _together(_by_window(rows, use)).items()}


def _heard(rows: Found, use: BoolArray, kind: str, of: str, name: str) -> Heard | None:
    windows = _by_window(rows, use)
    # Greens may be kept over the quarter of an hour where users are kept over five minutes: each length by itself.
    values = {account: value for (_, account), value in _together(windows).items()}
    if "users_count" not in values:
        return None
    over_s = float(sum(length for (_, length), found in windows.items() if any(a == "users_count" for _, a in found)))
    return Heard(
        kind, of, name, int(rows.columns["members"][use].max()), over_s, round(values["users_count"]), values["wait_s"],
        values["over_bound_s"], values.get("green_s"), values.get("greens_count"), values.get("red_longest_s"),
        values.get("wait_longest_s"),
    )  # fmt: skip


def _all_heard(rows: Found, mine: BoolArray, where: tuple[str, str]) -> tuple[Heard, ...]:
    name, area = where
    c = rows.columns
    found: list[Heard | None] = []
    for kind in (APPROACH, CROSSINGS):
        here = mine & (c["group_kind"] == kind) & np.char.startswith(c["group_name"].astype(np.str_), f"{name}/")
        for group in np.unique(c["group_name"][here]).tolist():
            found.append(_heard(rows, here & (c["group_name"] == group), kind, kind, group.partition("/")[2]))
        zone = mine & _group(rows, "zone", name) & (c["part"] == kind)
        found.append(_heard(rows, zone, "zone", kind, "") if zone.any() else None)
        rest = mine & _group(rows, "rest", area) & (c["part"] == kind)
        if not here.any() and not zone.any() and rest.any():
            found.append(_heard(rows, rest, "rest", kind, ""))
    return tuple(one for one in found if one is not None)


def _stages(rows: Found, use: BoolArray) -> tuple[tuple[int, float, float], ...]:
    windows = _by_window(rows, use)
    over_s = sum(length for _, length in windows)
    values = _together(windows)
    parts = sorted({int(part) for part, _ in values})
    return tuple((part, values[str(part), "stage_s"] / over_s, values[str(part), "starts_count"]) for part in parts)


def _decisions(rows: Found, name: str, area: str) -> list[tuple[str, Reason]]:
    """Return kind and reason of what was decided here, else of what the quiet neighbours decided together; most often first.

    What operators did to the whole service is noted once, under some area; it counts for every intersection.
    """
    c = rows.columns
    mine = _latest_run(rows)
    found: dict[tuple[str, str, str, bool], int] = {}
    for row in np.flatnonzero(mine).tolist():
        kind, action, text = (str(c[column][row]) for column in ("kind", "action", "reason"))
        group, whose = str(c["group_kind"][row]), str(c["group_name"][row])
        by_operator = kind == "operator" and (action == "set_arm" or whose == area)
        if (group, whose) in (("box", name), ("rest", area)) or by_operator:
            found[kind, action, text, group == "box"] = int(c["count"][row])
    here = {(kind, action, text) for kind, action, text, alone in found if alone}
    kept = {key: times for key, times in found.items() if key[3] or key[:3] not in here}
    order = sorted(kept.items(), key=lambda one: (not one[0][3], -one[1], one[0]))
    return [(kind, Reason(action, text, times, alone)) for (kind, action, text, alone), times in order]
