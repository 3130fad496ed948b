# SPDX-License-Identifier: Apache-2.0
"""The little of SVG that a plot needs: panels of coloured cells with axes, marks, and a colour bar with units."""

import math
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from lamplighter.services.lighting.plots import colours
from lamplighter.terms.columns import FloatArray

STEPS = 24
LEFT_PX, TOP_PX, GAP_PX, BAR_PX, PANEL_PX = 64.0, 64.0, 24.0, 14.0, 840.0
WIDTH_PX = LEFT_PX + PANEL_PX + GAP_PX + BAR_PX + 78.0
HEIGHT_LEAST_PX = 110.0
INK, PALE = "#1a1a1a", "#ffffff"


@dataclass(frozen=True)
class Mark:
    """A sign at a place: "lamp", "least", "most" or "grid"."""

    kind: str
    x_m: float
    y_m: float


@dataclass(frozen=True)
class Panel:
    """One picture: values (rows, columns) over x from x_from_m to x_to_m and y from y_from_m (bottom row) to y_to_m.

    lines_y_m: dashed lines across the picture, such as edges of lanes; axes: words of the x and the y axis.
    """

    title: str
    unit: str
    values: FloatArray
    x_m: tuple[float, float]
    y_m: tuple[float, float]
    axes: tuple[str, str]
    marks: tuple[Mark, ...]
    lines_y_m: tuple[float, ...]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from low to high, at most so many steps apart by 1, 2 or 5 times a power of ten."""
    raw = (high - low) / max(most, 1)
    if not raw > 0.0:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1.0, 2.0, 5.0, 10.0) if power * k >= raw * (1.0 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def document(title: str, panels: list[Panel], notes: list[str]) -> str:
    """Return a whole SVG: panels below each other, then lines of notes."""
    body: list[str] = []
    top = TOP_PX
    for panel in panels:
        drawn, height = _panel(panel, top)
        body += drawn
        top += height + 74.0
    for note in notes:
        body.append(_text(LEFT_PX, top - 10.0, note, 11.0))
        top += 16.0
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX:.0f} {top:.0f}" width="{WIDTH_PX:.0f}" '
        f'height="{top:.0f}" role="img" font-family="system-ui, sans-serif">'
    )
    ground = f'<rect width="100%" height="100%" fill="{PALE}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", ground, _text(LEFT_PX, 26.0, title, 15.0), *body, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str, size: float, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{INK}"{more}>{escape(words)}</text>'


def _line(ends: tuple[float, float, float, float], more: str = "", ink: str = INK) -> str:
    x1, y1, x2, y2 = ends
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{ink}"{more}/>'


def _panel(panel: Panel, top: float) -> tuple[list[str], float]:
    scale = PANEL_PX / (panel.x_m[1] - panel.x_m[0])
    height = max((panel.y_m[1] - panel.y_m[0]) * scale, HEIGHT_LEAST_PX)
    high = _top_of_scale(panel.values)

    def x_px(x_m: float) -> float:
        return LEFT_PX + (x_m - panel.x_m[0]) * scale

    def y_px(y_m: float) -> float:
        return top + height - (y_m - panel.y_m[0]) / (panel.y_m[1] - panel.y_m[0]) * height

    out = [_text(LEFT_PX, top - 10.0, panel.title, 12.5), *_cells(panel.values, (top, height), high)]
    for y_m in panel.lines_y_m:
        ends = (LEFT_PX, y_px(y_m), LEFT_PX + PANEL_PX, y_px(y_m))
        out.append(_line(ends, ' stroke-dasharray="7 5" stroke-width="0.8"'))
        out.append(_line(ends, ' stroke-dasharray="0 7 5 0" stroke-width="0.8"', PALE))  # between the dark dashes, on dark ground
    out += [_mark(mark, x_px(mark.x_m), y_px(mark.y_m)) for mark in panel.marks]
    out.append(f'<rect x="{LEFT_PX:.1f}" y="{top:.1f}" width="{PANEL_PX:.1f}" height="{height:.1f}" fill="none" stroke="{INK}"/>')
    for x_m in ticks(*panel.x_m, 12):
        out.append(_line((x_px(x_m), top + height, x_px(x_m), top + height + 5.0)))
        out.append(_text(x_px(x_m), top + height + 18.0, f"{x_m:g}", 11.0, ' text-anchor="middle"'))
    for y_m in ticks(*panel.y_m, 6):
        out.append(_line((LEFT_PX - 5.0, y_px(y_m), LEFT_PX, y_px(y_m))))
        out.append(_text(LEFT_PX - 8.0, y_px(y_m) + 4.0, f"{y_m:g}", 11.0, ' text-anchor="end"'))
    out.append(_text(LEFT_PX + PANEL_PX / 2.0, top + height + 34.0, panel.axes[0], 11.5, ' text-anchor="middle"'))
    middle = top + height / 2.0
    turn = f' text-anchor="middle" transform="rotate(-90 22 {middle:.1f})"'
    return [*out, _text(22.0, middle, panel.axes[1], 11.5, turn), *_bar(panel.unit, (top, height), high)], height


def _top_of_scale(values: FloatArray) -> float:
    """Return a round number at or above every value."""
    most = float(values.max()) if values.size else 0.0
    if not most > 0.0:
        return 1.0
    step = ticks(0.0, most, 6)
    return step[-1] if step[-1] >= most else step[-1] + (step[1] - step[0])


def _cells(values: FloatArray, place: tuple[float, float], high: float) -> list[str]:
    """Return the picture: in each row, runs of cells of one colour are one rectangle."""
    top, height = place
    rows, columns = values.shape
    shades = colours.scale(STEPS)
    code = np.minimum((values / high * STEPS).astype(np.int64), STEPS - 1)
    wide, tall = PANEL_PX / columns, height / rows
    out = ['<g shape-rendering="crispEdges">']
    for row in range(rows):
        y = top + height - (row + 1) * tall
        begins = np.concatenate(([0], np.flatnonzero(np.diff(code[row])) + 1, [columns])).tolist()
        for begin, end in pairwise(begins):
            out.append(
                f'<rect x="{LEFT_PX + begin * wide:.2f}" y="{y:.2f}" width="{(end - begin) * wide:.2f}" height="{tall:.2f}" '
                f'fill="{shades[int(code[row, begin])]}"/>'
            )
    return [*out, "</g>"]


def _mark(mark: Mark, x: float, y: float) -> str:
    outline = f' stroke="{INK}" stroke-width="1.2"'
    if mark.kind == "lamp":
        return f'<path d="M{x - 6:.1f} {y - 6:.1f}h12l-6 11z" fill="{PALE}"{outline}><title>luminaire</title></path>'
    if mark.kind == "grid":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.1" fill="{INK}" fill-opacity="0.55"/>'
    fill, rim = (INK, PALE) if mark.kind == "least" else (PALE, INK)
    spot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{rim}">'
    return f"{spot}<title>{mark.kind}</title></circle>"


def _bar(unit: str, place: tuple[float, float], high: float) -> list[str]:
    top, height = place
    left = LEFT_PX + PANEL_PX + GAP_PX
    tall = height / STEPS
    out = ['<g shape-rendering="crispEdges">']
    for step, shade in enumerate(colours.scale(STEPS)):
        y = top + height - (step + 1) * tall
        out.append(f'<rect x="{left:.1f}" y="{y:.2f}" width="{BAR_PX:.1f}" height="{tall + 0.3:.2f}" fill="{shade}"/>')
    out.append("</g>")
    for value in ticks(0.0, high, 6):
        y = top + height - value / high * height
        out.append(_line((left + BAR_PX, y, left + BAR_PX + 4.0, y)))
        out.append(_text(left + BAR_PX + 7.0, y + 4.0, f"{value:g}", 11.0))
    return [*out, _text(left, top - 10.0, unit, 11.5)]
