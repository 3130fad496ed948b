# SPDX-License-Identifier: Apache-2.0
"""Signal timing diagrams and time-space diagrams as SVG, for paper: told apart by shape first and by colour second.

Colours are those of M. Okabe and K. Ito (Color universal design, 2008), which the colour-blind tell apart: green bars are
full and high, green that gives way is half as high, yellow is hatched, red is a thin line.
"""

from collections.abc import Sequence
from html import escape
from itertools import groupby

import numpy as np

from lamplighter.services.traffic.retiming.bandwidth import Arterial, Band, band, lit
from lamplighter.services.traffic.retiming.scheme import Junction, Programme, seconds
from lamplighter.terms.columns import BoolArray

GREEN, YIELDS, YELLOW, RED, OUT, BACK = "#009E73", "#56B4E9", "#F0E442", "#404040", "#0072B2", "#D55E00"
WIDTH, LEFT, TOP, ROW = 760, 230, 34, 22
WORDS = "reds: upper line outbound, lower (dashed) inbound; bands: outbound rising, inbound falling"
STYLE = 'font-family="sans-serif" font-size="11"'
HATCH = (
    '<defs><pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="4" height="4" fill="{YELLOW}"/><line x1="0" y1="0" x2="0" y2="4" stroke="{RED}"/></pattern></defs>'
)


def timing(junction: Junction, programme: Programme) -> str:
    """Return the signal timing diagram of one programme: one bar per signal_group over the seconds of the cycle."""
    states = seconds(junction, programme)
    size, groups = len(states), junction.signal_groups
    height = TOP + ROW * len(groups) + 44
    scale = (WIDTH - LEFT - 20) / size
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {STYLE}>',
             f"<title>{escape(junction.name)}: signal timing, cycle {size} s</title>{HATCH}"]  # fmt: skip
    parts.append(
        f'<text x="{LEFT}" y="14">cycle {size} s, offset {programme.offset_s:.0f} s; '
        f"second 0: stage {programme.order[0]} is complete</text>"
    )
    for n, (name, links) in enumerate(groups):
        y = TOP + n * ROW
        shown = name if len(name) <= 36 else f"{name[:35]}…"
        parts.append(f'<text x="{LEFT - 6}" y="{y + 14}" text-anchor="end">{escape(shown)}</text>')
        at = 0
        for letter, run in groupby(state[links[0]] for state in states):
            length = len(list(run))
            parts.append(_bar(letter, LEFT + at * scale, y, length * scale))
            if letter in "Gg" and length * scale > 24:
                ink = "#ffffff" if letter == "G" else "#000000"
                parts.append(
                    f'<text x="{LEFT + (at + length / 2) * scale:.1f}" y="{y + 14}" text-anchor="middle" fill="{ink}">'
                    f"{length}</text>"
                )
            at += length
    parts.append(_axis(LEFT, TOP + ROW * len(groups) + 6, size, scale))
    parts.append("</svg>")
    return "\n".join(parts)


def _bar(letter: str, x: float, y: float, width: float) -> str:
    if letter == "G":
        return f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="15" fill="{GREEN}" stroke="#000" stroke-width="0.6"/>'
    if letter in "gs":
        return f'<rect x="{x:.1f}" y="{y + 10}" width="{width:.1f}" height="8" fill="{YIELDS}" stroke="#000" stroke-width="0.6"/>'
    if letter in "yYu":
        return (
            f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="15" fill="url(#hatch)" stroke="#000" stroke-width="0.6"/>'
        )
    return f'<line x1="{x:.1f}" y1="{y + 17.5}" x2="{x + width:.1f}" y2="{y + 17.5}" stroke="{RED}" stroke-width="1.5"/>'


def _axis(x: float, y: float, size: float, scale: float) -> str:
    step = 10 if size <= 150 else 30
    marks = [f'<line x1="{x}" y1="{y}" x2="{x + size * scale:.1f}" y2="{y}" stroke="#000"/>']
    for t in range(0, int(size) + 1, step):
        at = x + t * scale
        marks.append(f'<line x1="{at:.1f}" y1="{y}" x2="{at:.1f}" y2="{y + 4}" stroke="#000"/>')
        marks.append(f'<text x="{at:.1f}" y="{y + 16}" text-anchor="middle">{t}</text>')
    marks.append(f'<text x="{x + size * scale / 2:.1f}" y="{y + 30}" text-anchor="middle">time, s</text>')
    return "".join(marks)


def legend() -> str:
    """Return the key to the bars."""
    items = (("G", "green"), ("g", "green, gives way"), ("y", "yellow, or red and amber"), ("r", "red"))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 24" role="img" {STYLE}><title>Key</title>{HATCH}']
    for n, (letter, word) in enumerate(items):
        parts.append(_bar(letter, 20 + n * 180, 0, 34) + f'<text x="{62 + n * 180}" y="15">{word}</text>')
    return "".join(parts) + "</svg>"


def bands(
    junctions: Sequence[Junction], programmes: Sequence[Programme], line: Arterial, cycle_s: int
) -> tuple[Band | None, Band | None]:
    """Return the green bands out and back along an arterial; None where a direction is not driven straight on."""
    found: list[Band | None] = []
    for links, sign in ((line.out_link, 1.0), (line.back_link, -1.0)):
        if any(link is None for link in links):
            found.append(None)
            continue
        shown = [lit(junctions[b], programmes[b], int(link or 0), cycle_s) for b, link in zip(line.boxes, links, strict=True)]
        found.append(band(shown, [sign * t for t in line.travel_s]))
    return found[0], found[1]


def time_space(junctions: Sequence[Junction], programmes: Sequence[Programme], line: Arterial, cycle_s: int) -> str:
    """Return the time-space diagram of an arterial over three cycles: reds of both directions, and the bands."""
    span = 3 * cycle_s
    length_m = max(line.along_m[-1], 1.0)
    plot = 60 + 46 * len(line.boxes)
    height = TOP + plot + 44
    scale, rise = (WIDTH - LEFT - 20) / span, plot / length_m
    floor = TOP + plot
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {STYLE}>',
             f"<title>Time-space diagram of {len(line.boxes)} intersections, cycle {cycle_s} s</title>",
             f'<text x="{LEFT}" y="14">{WORDS}</text>']  # fmt: skip
    out, back = bands(junctions, programmes, line, cycle_s)
    for found, sign, colour, dash in ((out, 1.0, OUT, ""), (back, -1.0, BACK, ' stroke-dasharray="4 2"')):
        if found is None or found.width_s <= 0:
            continue
        for lap in range(-2, 4):
            start = found.start_s + lap * cycle_s
            edge = [(start + sign * t, a) for t, a in zip(line.travel_s, line.along_m, strict=True)]
            points = [*edge, *((t + found.width_s, a) for t, a in reversed(edge))]
            if min(t for t, _ in points) < 0 or max(t for t, _ in points) > span:
                continue
            drawn = " ".join(f"{LEFT + t * scale:.1f},{floor - a * rise:.1f}" for t, a in points)
            parts.append(f'<polygon points="{drawn}" fill="{colour}" fill-opacity="0.25" stroke="{colour}"{dash}/>')
    for n, box in enumerate(line.boxes):
        y = floor - line.along_m[n] * rise
        name = junctions[box].name
        name = name if len(name) <= 30 else f"{name[:29]}…"
        parts.append(f'<text x="{LEFT - 40}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{line.along_m[n]:.0f} m</text>')
        for links, shift, dash in ((line.out_link, -3, ""), (line.back_link, 3, ' stroke-dasharray="5 2"')):
            if links[n] is not None:
                parts += _reds(
                    np.tile(lit(junctions[box], programmes[box], int(links[n] or 0), cycle_s), 3), y + shift, scale, dash
                )
    parts.append(_axis(LEFT, floor + 8, span, scale))
    parts.append("</svg>")
    return "\n".join(parts)


def _reds(shown: BoolArray, y: float, scale: float, dash: str) -> list[str]:
    parts: list[str] = []
    at = 0
    for green, run in groupby(shown.tolist()):
        length = len(list(run))
        if not green:
            parts.append(f'<line x1="{LEFT + at * scale:.1f}" y1="{y:.1f}" x2="{LEFT + (at + length) * scale:.1f}" y2="{y:.1f}" '
                         f'stroke="{RED}" stroke-width="3"{dash}/>')  # fmt: skip
        at += length
    return parts
