# SPDX-License-Identifier: Apache-2.0
"""One page of a log: findings in sentences, pictures, and the figures behind each picture. It needs nothing but itself."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from lamplighter.services.traffic.diagnosis import measures as m
from lamplighter.services.traffic.diagnosis import plots
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums
from lamplighter.services.traffic.diagnosis.findings import clock, findings
from lamplighter.services.traffic.diagnosis.health import WORDS, judge
from lamplighter.services.traffic.diagnosis.tally import CYCLE_BIN_S, B, D, G
from lamplighter.terms.columns import FloatArray

QUARTERS_SHOWN = 192  # two days of quarters of an hour: more are laid over one another by the time of day
STYLE = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.2rem}h3{font-size:1.05rem}
svg{width:100%;height:auto;max-width:760px}
svg text{font-size:12px;fill:#1a1a1a}svg .axis{font-size:13px}
svg .title{font-size:14px;font-weight:600}figure{margin:1rem 0}figcaption{max-width:46rem}
table{border-collapse:collapse;font-size:.9rem}th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ccc}
th{position:sticky;top:0;background:#fff}.scroll{max-height:26rem;overflow:auto}
.key{list-style:none;display:flex;gap:1.2rem;flex-wrap:wrap;padding:0;margin:.2rem 0}
.key span{display:inline-block;width:1.1rem;height:.8rem;margin-right:.4rem;border:1px solid #1a1a1a}
summary:focus-visible,svg:focus-visible,.scroll:focus-visible{outline:3px solid #0072b2;outline-offset:2px}
.simulated{border:3px solid #b3261e;padding:.5rem .8rem;font-weight:600}li{margin:.3rem 0}
@media print{details>*{display:block}}
"""
TITLES = {
    "arrivals": "Arrivals on green", "platoons": "Platoon ratio", "split_failures": "Split failures",
    "terminations": "Why greens ended", "splits": "Greens and splits", "yellow_red": "Actuations on yellow and red",
    "red_offsets": "Actuations about the beginning of red",
    "pedestrians": "People on foot", "waits": "From call to green", "detectors": "Detectors", "box": "The box",
    "line_quality": "Line to the centre", "intervals": "Intervals",
}  # fmt: skip


def _shown(sums: BoxSums) -> tuple[FloatArray, FloatArray, list[str]]:
    """Return group sums and detector sums by column of the pictures, and the time at which each column begins.

    Longer logs are laid over one another by the time of day.
    """
    g, d = sums.tally.group[sums.quarters], sums.tally.detector[sums.quarters]
    if len(g) <= QUARTERS_SHOWN:
        return g, d, [clock(sums, quarter) for quarter in range(len(g) + 1)]
    day = (sums.quarter_starts_ms[sums.quarters] // sums.rules.quarter_ms % sums.rules.day_quarters).astype(np.int64)
    by_day = [np.zeros((sums.rules.day_quarters, *column.shape[1:])) for column in (g, d)]
    for into, column in zip(by_day, (g, d), strict=True):
        np.add.at(into, day, column)
    minutes = sums.rules.quarter_ms // 60_000
    return by_day[0], by_day[1], [f"{n * minutes // 60:02d}:{n * minutes % 60:02d}" for n in range(sums.rules.day_quarters + 1)]


def _x_marks(names: Sequence[str]) -> list[tuple[float, str]]:
    step = max(1, -(-(len(names) - 1) // 8))
    return [(n / (len(names) - 1), names[n].rpartition(" ")[2]) for n in range(0, len(names), step)] if len(names) > 1 else []


def coordination(sums: BoxSums, group: int) -> str:
    """Return the coordination diagram of one signal_group: how many arrive in which second of the cycle, by time of day."""
    picked = sums.quarters
    day = (sums.quarter_starts_ms[picked] // sums.rules.quarter_ms % sums.rules.day_quarters).astype(np.int64)
    days = np.arange(sums.rules.day_quarters) if len(day) > sums.rules.day_quarters else day
    count = sums.tally.coordination[days, group].astype(np.float64)
    count[count.sum(axis=1) < m.FEW] = 0.0
    g = np.zeros((sums.rules.day_quarters, len(G)))
    np.add.at(g, day, sums.tally.group[picked][:, group])
    g = g[days]
    cycles = np.maximum(g[:, G.CYCLES], 1.0)
    cycle_s, green_at_s = g[:, G.CYCLE_MS] / cycles / m.SECOND_MS, g[:, G.GREEN_AT_MS] / cycles / m.SECOND_MS
    known = g[:, G.CYCLES] > 0
    rows = max(int(np.ceil(max(float(np.percentile(cycle_s[known], 95)) if known.any() else 60.0, 20.0) * 1.1 / CYCLE_BIN_S)), 5)
    count = count[:, : min(rows, count.shape[1])]
    top_s = float(count.shape[1] * CYCLE_BIN_S)
    minutes = sums.rules.quarter_ms // 60_000
    names = [f"{int(n) * minutes // 60 % 24:02d}:{int(n) * minutes % 60:02d}" for n in (*days, days[-1] + 1)]
    frame = plots.Frame(
        f"Coordination diagram of signal_group {group}", "time of day", "seconds since red began", 330, _x_marks(names),
        plots.marks(0, top_s, 5),
    )  # fmt: skip
    x, highest = plots.middles(len(days)), max(float(count.max(initial=0.0)), 1.0)
    parts = plots.cells(frame, count, highest)
    parts.append(plots.line(frame, x, green_at_s / top_s, known, (plots.GREEN_LINE, "")))
    parts += plots.dots(frame, x, green_at_s / top_s, known, plots.GREEN_LINE)
    parts.append(plots.line(frame, x, cycle_s / top_s, known, (plots.RED_LINE, "7 4")))
    total = g[:, [G.ARRIVALS, G.ARRIVALS_GREEN]].sum(axis=0)
    share = float(total[1] / max(total[0], 1.0))
    words = f"{total[0]:.0f} arrivals, {share:.0%} of them on green."
    darkest, brightest = f"most: {highest:.0f}", f"fewest arrivals in {CYCLE_BIN_S} s of the cycle"
    legend = plots.key(
        (brightest, darkest, "mean beginning of green (solid)", "mean end of the cycle (dashed)"),
        (plots.SHADES[0], plots.SHADES[-1], plots.GREEN_LINE, plots.RED_LINE),
    )
    caption = f"<figcaption>{escape(words)} Above the solid line it is green.</figcaption>"
    return f"<figure>{plots.picture(frame, parts, words)}{legend}{caption}</figure>"


def _arrivals(g: FloatArray, names: Sequence[str], groups: Sequence[int]) -> str:
    frame = plots.Frame(
        "Arrivals on green", "time of day", "share of arrivals on green (%)", 260, _x_marks(names), plots.marks(0, 100, 5)
    )
    parts: list[str] = []
    dashes = ("", "7 4", "2 4", "11 3 2 3")
    for place, group in enumerate(groups[: len(plots.KINDS)]):
        arrivals, style = g[:, group, G.ARRIVALS], (plots.KINDS[place], dashes[place])
        share, known = g[:, group, G.ARRIVALS_GREEN] / np.maximum(arrivals, 1.0), arrivals >= m.FEW
        x = plots.middles(len(share))
        parts += [plots.line(frame, x, share, known, style), *plots.dots(frame, x, share, known, plots.KINDS[place])]
    shown = groups[: len(plots.KINDS)]
    legend = plots.key([f"signal_group {group}" for group in shown], plots.KINDS[: len(shown)])
    return f"<figure>{plots.picture(frame, parts, 'One line per signal_group; the figures stand below.')}{legend}</figure>"


def split_monitor(g: FloatArray, names: Sequence[str], group: int) -> str:
    """Return how often greens of one signal_group ended, and why; failed ones on top."""
    columns = [G.GAP_OUT, G.FORCE_OFF, G.MAX_OUT]
    ended = g[:, group, columns]
    value = np.concatenate([ended, g[:, group, [G.FAILED]]], axis=1) if ended.any() else g[:, group, [G.GREENS, G.FAILED]]
    highest = max(float(value.sum(axis=1).max(initial=0.0)), 1.0)
    frame = plots.Frame(
        f"Split monitor of signal_group {group}", "time of day", "greens", 200, _x_marks(names), plots.marks(0, highest, 4)
    )
    names_of = (
        ("gap-out", "force-off", "max-out", "failed (counted again)") if ended.any() else ("greens", "failed (counted again)")
    )
    if not ended.any():
        value = np.stack([value[:, 0], np.zeros(len(value)), np.zeros(len(value)), value[:, 1]], axis=1)
    colours = plots.KINDS if ended.any() else (plots.KINDS[0], plots.KINDS[3])
    total = ", ".join(f"{n} {v:.0f}" for n, v in zip(names_of, value.sum(axis=0)[value.sum(axis=0) >= 0].tolist(), strict=False))
    return f"<figure>{plots.picture(frame, plots.stacks(frame, value, highest), total)}{plots.key(names_of, colours)}</figure>"


def detector_health(sums: BoxSums, d: FloatArray, names: Sequence[str]) -> str:
    """Return how long every detector was on, by time, beside what it is found to be."""
    table = judge(sums)
    numbers = table["detector"]
    if len(numbers) == 0:
        return "<p>No detector speaks in this log.</p>"
    on = np.zeros((len(d), len(numbers)))
    known = numbers < d.shape[1]
    on[:, known] = d[:, numbers[known], D.ON_MS] / max(float(d[:, :, D.ON_MS].max(initial=0.0)), 1.0)
    places = [((n + 0.5) / len(numbers), str(number)) for n, number in enumerate(numbers.tolist())]
    frame = plots.Frame(
        "Time on of every detector", "time of day", "detector number", 90 + 15 * len(numbers), _x_marks(names), places
    )
    legend = plots.key(("hardly on", "on all the time"), (plots.SHADES[0], plots.SHADES[-1]))
    rows = [
        f"<tr><td>{number}</td><td>{WORDS[health]}</td><td>{for_s / 60:.0f}</td></tr>"
        for number, health, for_s in zip(numbers.tolist(), table["health"].tolist(), table["for_s"].tolist(), strict=True)
    ]
    head = "<tr><th>detector</th><th>found to be</th><th>for (min)</th></tr>"
    region = '<div class="scroll" tabindex="0" role="region" aria-label="Verdict on every detector">'
    listed = f"{region}<table>{head}{''.join(rows)}</table></div>"
    drawn = plots.picture(frame, plots.cells(frame, on, 1.0), "Verdicts stand in the table below.")
    return f"<figure>{drawn}{legend}</figure>{listed}"


def _figures(sums: BoxSums) -> str:
    parts: list[str] = []
    for name, table in m.measures(sums).items():
        columns = [column.tolist() for column in table.values()]
        if not columns or not columns[0]:
            continue
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_cell(column, value)}</td>" for column, value in zip(table, row, strict=True)) + "</tr>"
            for row in list(zip(*columns, strict=True))[:2000]
        )
        region = f'<div class="scroll" tabindex="0" role="region" aria-label="{TITLES[name]}">'
        parts.append(f"<details><summary>{TITLES[name]}</summary>{region}<table><tr>{head}</tr>{rows}</table></div></details>")
    return "".join(parts)


def _cell(column: str, value: object) -> str:
    if column == "begin_s" and isinstance(value, float):
        return str(np.datetime64(int(value), "s")).replace("T", " ")[:16]
    whole = isinstance(value, float) and value.is_integer()
    return f"{value:.3g}" if isinstance(value, float) and not whole else escape(str(value).removesuffix(".0"))


def _box(name: str, sums: BoxSums) -> str:
    g, d, names = _shown(sums)
    advance = np.flatnonzero(g[:, :, G.ARRIVALS].sum(axis=0) >= m.FEW).tolist()
    served = np.flatnonzero(g[:, :, G.GREENS].sum(axis=0) > 0).tolist()
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in findings(sums))
    span = " to ".join(str(np.datetime64(ms, "ms")).replace("T", " ")[:19] for ms in (sums.first_ms, sums.last_ms))
    events = float(sums.tally.box[sums.quarters][:, B.EVENTS].sum())
    few = m.withheld(sums)
    parts = [
        f"<h2>Box {escape(name)}</h2><p>{events:,.0f} events, {span}, as the box's clock shows.</p>",
        f"<h3>What stands out</h3><ul>{said}</ul>",
    ]
    if few:
        parts.append(f"<p>{few} quarters of an approach are not shown: fewer than {m.FEW} vehicles came.</p>")
    if advance:
        parts.append("<h3>Arrivals</h3>" + _arrivals(g, names, advance) + "".join(coordination(sums, group) for group in advance))
    parts.append("<h3>Split monitor</h3>" + "".join(split_monitor(g, names, group) for group in served))
    parts.append("<h3>Detector health</h3>" + detector_health(sums, d, names) + "<h3>Figures</h3>" + _figures(sums))
    return "".join(parts)


def page(boxes: Mapping[str, BoxSums], simulated: bool = False) -> str:
    """Return the whole page as HTML. simulated: the log is that of a simulated city, which the page says."""
    banner = '<p class="simulated">SIMULATED: these signals exist in software only.</p>' if simulated else ""
    body = "".join(_box(name, sums) for name, sums in boxes.items())
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Signal diagnosis</title><style>{STYLE}</style></head><body><main><h1>Signal diagnosis</h1>{banner}{body}"
        "<p>Sums over quarters of an hour or more. Single events were counted as they were read and are not kept.</p>"
        "</main></body></html>"
    )
