# SPDX-License-Identifier: Apache-2.0
"""The plan sheet: what to install, as CSV, JSON, Markdown and a page to print, for every period and intersection."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from lamplighter.services.traffic.retiming import drawing
from lamplighter.services.traffic.retiming.bandwidth import Arterial, widest
from lamplighter.services.traffic.retiming.result import GroupPlan, PeriodPlan, Retimed
from lamplighter.services.traffic.retiming.scheme import LIT, changes_s, cycle_s, seconds

CSV_COLUMNS = (
    "period",
    "begin",
    "end",
    "intersection",
    "name",
    "plan",
    "cycle_s",
    "offset_s",
    "position",
    "stage",
    "green_s",
    "split_s",
    "advice",
)
STYLE = (
    "body{font:14px/1.4 sans-serif;max-width:820px;margin:1em auto;color:#111}table{border-collapse:collapse;margin:.6em 0}"
    "td,th{border:1px solid #888;padding:2px 7px;text-align:right}td:first-child,th:first-child{text-align:left}"
    "section{page-break-inside:avoid}h2{page-break-before:auto;border-bottom:2px solid #111}svg{width:100%;height:auto}"
    ".advice{border:2px solid #111;padding:.4em .7em;font-size:1.1em}"
    "@media print{body{max-width:none;margin:0}}"
)


INSTALL, KEEP_OWN, NOT_SURE, NOT_MEASURED = "install", "keep own", "not sure", "not measured"
ADVICE = {
    INSTALL: "Advice: install. The whole 95 % interval of the measured gain is above zero.",
    KEEP_OWN: "Advice: keep the own programmes. Do not install these plans.",
    NOT_SURE: "Advice: not sure. Measure more seeds before installing.",
    NOT_MEASURED: "Advice: measure (--measure) before installing; the model alone decides nothing.",
}


@dataclass(frozen=True)
class Verdict:
    """What to do (a key of ADVICE), what the trial said in words, and the rows measured; no rows where nothing was measured."""

    advice: str
    words: str
    rows: tuple[Mapping[str, float], ...]


def clock(second: float) -> str:
    """Return a time of day."""
    return f"{int(second // 3600) % 24:02d}:{int(second % 3600 // 60):02d}"


def plan_csv(made: Retimed, advice: str) -> str:
    """Return one row per period, intersection and stage. `plan` says own where the own programme stays."""
    lines = [",".join(CSV_COLUMNS)]
    for number, period in enumerate(made.periods):
        kept = _kept(period)
        for box, (junction, programme) in enumerate(zip(made.junctions, period.programmes, strict=True)):
            lengths_s = changes_s(junction, programme.order)
            name = junction.name.replace(",", " ").replace('"', " ")
            for k, (stage, green_s) in enumerate(zip(programme.order, programme.green_s, strict=True)):
                cells: tuple[object, ...] = (
                    number, clock(period.begin_s), clock(period.end_s), junction.id, name, _word(box, kept),
                    f"{cycle_s(junction, programme):.0f}", f"{programme.offset_s:.0f}", k, stage, f"{green_s:.0f}",
                    f"{green_s + lengths_s[k]:.0f}", advice,
                )  # fmt: skip
                lines.append(",".join(str(cell) for cell in cells))
    return "\n".join(lines) + "\n"


def _word(box: int, kept: set[int]) -> str:
    return "own" if box in kept else "retimed"


def _kept(period: PeriodPlan) -> set[int]:
    return {box for group in period.groups if group.kept for box in group.boxes}


def as_json(made: Retimed, verdict: Verdict) -> str:
    """Return plans, forecasts, bands and what was measured."""
    rows: list[dict[str, Any]] = []
    for period in made.periods:
        kept = _kept(period)
        own_veh, planned_veh = round(period.own.waiting_veh, 3), round(period.planned.waiting_veh, 3)
        expected = {"own_waiting_veh": own_veh, "planned_waiting_veh": planned_veh, "gain_share": round(period.gain_share, 4)}
        rows.append({
            "begin_s": period.begin_s, "end_s": period.end_s, "predicted": expected,
            "groups": [_group_row(made, group) for group in period.groups],
            "intersections": [_junction_row(made, period, box, _word(box, kept)) for box in range(len(made.junctions))],
            "arterials": [band_row(made, period, line) for line in period.arterials],
            "full_streets": full_streets(made, period),
        })  # fmt: skip
    measured = {"verdict": verdict.words, "runs": [dict(row) for row in verdict.rows]} if verdict.rows else None
    return json.dumps({"advice": verdict.advice, "periods": rows, "measured": measured}, indent=1) + "\n"


def _group_row(made: Retimed, group: GroupPlan) -> dict[str, Any]:
    return {"intersections": [made.junctions[b].id for b in group.boxes], "cycle_s": group.cycle_s, "kept": group.kept}


def _junction_row(made: Retimed, period: PeriodPlan, box: int, word: str) -> dict[str, Any]:
    junction, programme = made.junctions[box], period.programmes[box]
    pairs = zip(programme.order, programme.green_s, strict=True)
    return {
        "id": junction.id, "name": junction.name, "plan": word, "cycle_s": cycle_s(junction, programme),
        "offset_s": programme.offset_s,
        "stages": [{"stage": s, "green_s": g, "state": junction.states[s]} for s, g in pairs],
        "seconds": seconds(junction, programme),
    }  # fmt: skip


def band_row(made: Retimed, period: PeriodPlan, line: Arterial) -> dict[str, Any]:
    """Return the bands along an arterial, and the widest that its greens allow with other offsets."""
    cycle = _line_cycle(made, period, line)
    row: dict[str, Any] = {
        "intersections": [made.junctions[b].id for b in line.boxes],
        "length_m": round(line.along_m[-1]),
        "cycle_s": cycle,
    }
    if cycle is None:
        return row
    out, back = drawing.bands(made.junctions, period.programmes, line, cycle)
    for name, found in (("out", out), ("back", back)):
        if found is not None:
            row[f"{name}_band_s"], row[f"{name}_green_share"] = found.width_s, round(found.green_share, 3)
    greens = [_through_s(made, period, line, n) for n in range(len(line.boxes))]
    if out is not None and back is not None and len(line.boxes) <= 10:
        best = widest(greens, line.travel_s, float(cycle))
        row["widest_sum_s"] = round(best[0] + best[1], 1)
    return row


def _line_cycle(made: Retimed, period: PeriodPlan, line: Arterial) -> int | None:
    """Return the cycle that all of an arterial share (half cycles counted in), None where they do not."""
    lengths = [round(cycle_s(made.junctions[b], period.programmes[b])) for b in line.boxes]
    longest = max(lengths)
    return longest if all(longest % length == 0 for length in lengths) else None


def _through_s(made: Retimed, period: PeriodPlan, line: Arterial, n: int) -> float:
    junction, programme = made.junctions[line.boxes[n]], period.programmes[line.boxes[n]]
    links = [link for link in (line.out_link[n], line.back_link[n]) if link is not None]
    return float(min(sum(state[link] in LIT for state in seconds(junction, programme)) for link in links))


def full_streets(made: Retimed, period: PeriodPlan) -> list[str]:
    """Return the streets that the model expects to be full at the worst second of the planned cycle."""
    storage = made.model.storage_veh[period.planned.street]
    fed = np.bincount(made.model.feed_edge, minlength=len(made.model.edge))[period.planned.street] > 0
    rows = np.flatnonzero(fed & (period.planned.fullest_veh >= 0.95 * storage))
    return [made.model.edge[int(period.planned.street[n])] for n in rows]


def markdown(made: Retimed, verdict: Verdict, title: str) -> str:
    """Return the summary."""
    lines = [f"# Signal plans for {title}", ""]
    lines += [f"**{ADVICE[verdict.advice]}**", ""]
    if verdict.words:
        lines += [verdict.words, ""]
    lines += [
        "| period | intersections retimed | cycles, s | expected delay, veh waiting (own / plan) | expected gain |",
        "|---|---|---|---|---|",
    ]
    for period in made.periods:
        changed = [g for g in period.groups if not g.kept]
        cycles = ", ".join(f"{g.cycle_s:.0f}" for g in changed) or "own"
        count = sum(len(g.boxes) for g in changed)
        cells = (f"{clock(period.begin_s)} to {clock(period.end_s)}", f"{count} of {len(made.junctions)}", cycles,
                 f"{period.own.waiting_veh:.1f} / {period.planned.waiting_veh:.1f}", f"{period.gain_share:.0%}")  # fmt: skip
        lines.append(_row(cells))
    for period in made.periods:
        lines += ["", f"## {clock(period.begin_s)} to {clock(period.end_s)}", ""]
        lines += _bands_table(made, period)
        full = full_streets(made, period)
        lines.append(
            f"Streets expected to fill up: {', '.join(full)}." if full else "No street between signals is expected to fill up."
        )
        lines += [
            "",
            "| intersection | plan | cycle, s | offset, s | stages: green, s | demand over what passes, highest lane |",
            "|---|---|---|---|---|---|",
        ]
        lines += _junction_rows(made, period)
    return "\n".join(lines) + "\n"


def _bands_table(made: Retimed, period: PeriodPlan) -> list[str]:
    if not period.arterials:
        return []
    lines = ["| arterial | length, m | cycle, s | band out, s | band back, s | both at most, s |", "|---|---|---|---|---|---|"]
    for line in period.arterials:
        row = band_row(made, period, line)
        cells = [row.get(key, "") for key in ("length_m", "cycle_s", "out_band_s", "back_band_s", "widest_sum_s")]
        lines.append(f"| {made.junctions[line.boxes[0]].name} to {made.junctions[line.boxes[-1]].name} ({len(line.boxes)}) | "
                     + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")  # fmt: skip
    return [*lines, ""]


def _junction_rows(made: Retimed, period: PeriodPlan) -> list[str]:
    kept = _kept(period)
    rows: list[str] = []
    for box, (junction, programme) in enumerate(zip(made.junctions, period.programmes, strict=True)):
        mine = made.model.lane_box[period.planned.lane] == box
        worst = float(period.planned.saturation_ratio[mine].max(initial=0.0))
        stages = ", ".join(f"{s}: {g:.0f}" for s, g in zip(programme.order, programme.green_s, strict=True))
        cells = (junction.name, _word(box, kept), f"{cycle_s(junction, programme):.0f}", f"{programme.offset_s:.0f}", stages,
                 f"{worst:.2f}")  # fmt: skip
        rows.append(_row(cells))
    return rows


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def page(made: Retimed, verdict: Verdict, title: str) -> str:
    """Return the whole sheet as one HTML page without anything from elsewhere, made for printing."""
    head = f'<meta charset="utf-8"><title>Signal plans for {escape(title)}</title><style>{STYLE}</style>'
    parts = [f'<!doctype html><html lang="en"><head>{head}</head><body><h1>Signal plans for {escape(title)}</h1>']
    parts.append(f'<p class="advice"><strong>{escape(ADVICE[verdict.advice])}</strong></p>')
    if verdict.words:
        parts.append(f"<p>{escape(verdict.words)}</p>")
    parts.append(drawing.legend())
    for period in made.periods:
        parts.append(f"<h2>{clock(period.begin_s)} to {clock(period.end_s)}</h2>")
        parts.append(f"<p>Expected: {period.own.waiting_veh:.1f} vehicles waiting at any moment with the own programmes, "
                     f"{period.planned.waiting_veh:.1f} with these ({period.gain_share:+.0%} gain).</p>")  # fmt: skip
        for line in period.arterials:
            cycle = _line_cycle(made, period, line)
            if cycle is not None:
                ends = f"{escape(made.junctions[line.boxes[0]].name)} to {escape(made.junctions[line.boxes[-1]].name)}"
                drawn = drawing.time_space(made.junctions, period.programmes, line, cycle)
                parts.append(f"<section><h3>{ends}</h3>{drawn}</section>")
        kept = _kept(period)
        for box, (junction, programme) in enumerate(zip(made.junctions, period.programmes, strict=True)):
            word = "own programme stays" if box in kept else "new plan"
            drawn = drawing.timing(junction, programme)
            parts.append(f"<section><h3>{escape(junction.name)}: {word}</h3>{drawn}{_table(made, period, box)}</section>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _table(made: Retimed, period: PeriodPlan, box: int) -> str:
    junction, programme = made.junctions[box], period.programmes[box]
    lengths_s = changes_s(junction, programme.order)
    rows = "".join(
        f"<tr><td>stage {stage}</td><td>{green_s:.0f}</td><td>{green_s + lengths_s[k]:.0f}</td>"
        f"<td>{escape(junction.states[stage])}</td></tr>"
        for k, (stage, green_s) in enumerate(zip(programme.order, programme.green_s, strict=True))
    )
    return f"<table><tr><th>in order</th><th>green, s</th><th>split, s</th><th>signals</th></tr>{rows}</table>"


def files(made: Retimed, verdict: Verdict, title: str) -> Sequence[tuple[str, str]]:
    """Return (name, text) of every file of the sheet."""
    return (
        ("plans.csv", plan_csv(made, verdict.advice)),
        ("plans.json", as_json(made, verdict)),
        ("plans.html", page(made, verdict, title)),
        ("summary.md", markdown(made, verdict, title)),
    )
